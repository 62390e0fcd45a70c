//! An issue to a hundred thousand while nodes are killed, the relay falls and readers leave, on both databases.
//!
//! `cargo bench --bench crash` prints a table; `-- --people 10000 --kills 5 --only sqlite` less. The half on PostgreSQL needs the server's
//! programs. Nothing is installed, and all that it makes is gone afterwards.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, missing_docs, reason = "a bench")]

#[allow(dead_code, unused_imports, unused_macros, reason = "the tests use more of it")]
#[path = "../tests/it/support/mod.rs"]
mod support;

use std::time::Duration;

use support::TestStore;
use support::crashes::{Plan, survive};

fn main() {
    let mut plan =
        Plan { people: 100_000, nodes: 3, connections: 10, kills: 20, falls: 20, leavers: 1000, pause: Duration::ZERO };
    let mut only = None;
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let number = match word.as_str() {
            "--people" => &mut plan.people,
            "--nodes" => &mut plan.nodes,
            "--connections" => &mut plan.connections,
            "--kills" => &mut plan.kills,
            "--falls" => &mut plan.falls,
            "--leavers" => &mut plan.leavers,
            "--only" => {
                only = words.next();
                continue;
            }
            "--bench" => continue,
            _ => usage(),
        };
        *number = words.next().and_then(|word| word.parse().ok()).unwrap_or_else(|| usage());
    }
    support::postgres::in_earnest();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    println!(
        "| database | nodes | people | killed | relay fell | lost | repeated, at most | left, mailed after | seconds |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    runtime.block_on(async {
        let wants = |database: &str| only.as_ref().is_none_or(|only| only == database);
        if wants("sqlite") {
            row("SQLite", &TestStore::sqlite().await, Plan { nodes: 1, ..plan }).await;
        }
        if wants("postgres")
            && let Some(postgres) = TestStore::postgres().await
        {
            row("PostgreSQL", &postgres, plan).await;
        }
    });
}

async fn row(database: &str, store: &TestStore, plan: Plan) {
    let outcome = survive(store, plan).await;
    let Plan { people, nodes, kills, falls, leavers, .. } = plan;
    println!(
        "| {database} | {nodes} | {people} | {kills} | {falls} | {} | {}, {} | {leavers}, {} | {:.0} |",
        outcome.lost, outcome.repeats, outcome.bound, outcome.late, outcome.seconds
    );
}

fn usage() -> ! {
    eprintln!(
        "cargo bench --bench crash -- [--people 100000] [--nodes 3] [--connections 10] [--kills 20] [--falls 20] [--leavers 1000] [--only sqlite|postgres]"
    );
    std::process::exit(2)
}
