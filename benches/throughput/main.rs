//! Messages a second through the delivery engine, against Postfix's own load generator in the same run.
//!
//! `cargo bench --bench throughput` measures everything; `-- --messages 20000 --rounds 1 --only sqlite` a part of it. It needs `smtp-sink` and `smtp-source` of Debian's
//! package `postfix`; the half on PostgreSQL needs the server's programs. Nothing is installed, and all that it makes is
//! gone afterwards.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, missing_docs, reason = "a bench")]

mod arguments;
mod cpu;
mod link;
mod list;
mod rivals;
mod table;
mod worker;

#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../../tests/it/render/fixture.rs"]
mod fixture;
#[path = "../../tests/it/support/postgres.rs"]
mod postgres;

use std::net::SocketAddr;
use std::time::Duration;

use arguments::Arguments;
use link::Link;
use list::{Database, List};
use rivals::{Missing, Rivals, Sink};
use table::Row;
use worker::{Measured, Way};

/// One way in which messages go, and how many of them are enough to measure it.
struct Setting {
    sessions: usize,
    link: Link,
    /// Whether each message is signed by DKIM, with RSA.
    signed: bool,
    /// Whether each start is on disk before its content goes out, as with `after_crash = "hold"`.
    on_disk: bool,
    /// Of the messages asked for, one in so many.
    share: usize,
}

const SETTINGS: [Setting; 10] = [
    Setting { sessions: 1, link: Link::Near, signed: false, on_disk: false, share: 1 },
    Setting { sessions: 10, link: Link::Near, signed: false, on_disk: false, share: 1 },
    Setting { sessions: 20, link: Link::Near, signed: false, on_disk: false, share: 1 },
    Setting { sessions: 1, link: Link::Far(Duration::from_millis(20)), signed: false, on_disk: false, share: 250 },
    Setting { sessions: 10, link: Link::Far(Duration::from_millis(20)), signed: false, on_disk: false, share: 25 },
    Setting { sessions: 1, link: Link::Encrypted, signed: false, on_disk: false, share: 1 },
    Setting { sessions: 10, link: Link::Encrypted, signed: false, on_disk: false, share: 1 },
    Setting { sessions: 10, link: Link::Near, signed: true, on_disk: false, share: 1 },
    Setting { sessions: 1, link: Link::Near, signed: false, on_disk: true, share: 1 },
    Setting { sessions: 10, link: Link::Near, signed: false, on_disk: true, share: 1 },
];

/// The list that shows whether memory grows with it.
const MILLION: u64 = 1_000_000;

fn main() {
    if let Some(job) = worker::job() {
        println!("{}", worker::run(&job));
        return;
    }
    let arguments = Arguments::read();
    let rivals = match Rivals::find(list::length()) {
        Ok(rivals) => rivals,
        Err(Missing(program)) => {
            eprintln!("{program} is missing: it comes with Debian's package `postfix`. Nothing was measured.");
            return;
        }
    };
    postgres::in_earnest();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let databases: Vec<Database> = Database::ALL.into_iter().filter(|one| runtime.block_on(one.is_there())).collect();
    for setting in SETTINGS {
        for row in measure(&arguments, &rivals, &runtime, &databases, &setting) {
            println!("{row}");
        }
    }
    for database in databases {
        million(&arguments, &rivals, &runtime, database);
    }
}

/// Lays a large list out, sends a part of it, and tells how much memory that took.
fn million(arguments: &Arguments, rivals: &Rivals, runtime: &tokio::runtime::Runtime, database: Database) {
    let name = format!("{}, million", database.name());
    if !arguments.wants(&name) {
        return;
    }
    let sink = rivals.sink();
    let list = runtime.block_on(List::to_be_laid_out(database, MILLION));
    let count = u64::try_from(arguments.messages).unwrap().max(20_000);
    let (link, relay) = (&Link::Near, sink.address);
    let way = Way { link, relay, sessions: 10, signed: false, on_disk: false, lays_out: true };
    let measured = worker::measure(&list, way, count);
    println!(
        "{name}: laid out to {MILLION} in {:.1} s, {count} messages sent at {:.0}/s, peak memory {:.0} MB",
        measured.layout,
        measured.rate(),
        measured.megabytes()
    );
}

/// Measures one setting on all databases, the rival before each round.
fn measure(
    arguments: &Arguments,
    rivals: &Rivals,
    runtime: &tokio::runtime::Runtime,
    databases: &[Database],
    setting: &Setting,
) -> Vec<Row> {
    let Setting { sessions, link, signed, on_disk, share } = setting;
    let signs = if *signed { ", signed" } else { "" };
    let syncs = if *on_disk { ", on disk" } else { "" };
    let name = |who: &str| format!("{who}, {sessions} sessions, {link}{signs}{syncs}");
    let wanted: Vec<_> = databases.iter().filter(|one| arguments.wants(&name(one.name()))).collect();
    if wanted.is_empty() {
        return Vec::new();
    }
    let count = (arguments.messages / share).max(sessions * 20);
    let mut rows: Vec<Row> = wanted.iter().map(|database| Row::new(name(database.name()), count)).collect();
    for round in 0..arguments.rounds {
        eprintln!("{}, round {}", name("…"), round + 1);
        let sink: Sink = rivals.sink();
        let address: SocketAddr = runtime.block_on(link.to(sink.address));
        // The rival does not encrypt, so that it goes without where we do.
        let direct = if matches!(link, Link::Encrypted) { sink.address } else { address };
        let rival = rivals.source(direct, *sessions, count);
        let (sessions, signed, on_disk) = (*sessions, *signed, *on_disk);
        let way = Way { link, relay: address, sessions, signed, on_disk, lays_out: false };
        for (database, row) in wanted.iter().zip(&mut rows) {
            let list = runtime.block_on(List::make(**database, count as u64));
            let measured: Measured = worker::measure(&list, way, count as u64);
            row.add(rival, measured);
        }
    }
    rows
}
