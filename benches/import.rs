//! How long an import of 1,000,000 rows takes, how much memory, and how long whoever leaves meanwhile waits.
//!
//! `cargo bench --bench import`; with `-- ROWS` for another size. On SQLite in a folder of its own, or where
//! `POSTROUND_BENCH_STORE` says: an empty database at `postgres://…`.

#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use postround::app::App;
use postround::config::Config;
use postround::store::Durability;
use postround::subscribers::{Import, ImportBasis};

fn main() {
    let rows = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(1_000_000);
    let folder = std::env::temp_dir().join(format!("postround-import-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for the bench");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(bench(&folder, rows));
    std::fs::remove_dir_all(&folder).expect("the folder goes");
}

async fn bench(folder: &Path, rows: u64) {
    let store = std::env::var("POSTROUND_BENCH_STORE").unwrap_or_else(|_| "sqlite:postround.db".to_owned());
    let config = folder.join("config.toml");
    std::fs::write(&config, configuration(&store)).expect("a configuration");
    let config = Arc::new(Config::load(&config, std::iter::empty()).expect("a good configuration"));
    let app = App::open(config).await.expect("an open store");
    let people = folder.join("people.csv");
    write_people(&people, rows).expect("a file of people");
    for what in ["into an empty store", "the same again"] {
        let done = Arc::new(AtomicBool::new(false));
        let waits = tokio::spawn(wait_for_the_store(app.clone(), Arc::clone(&done)));
        let begun = Instant::now();
        let import = Import::new(&people, ImportBasis::Confirmed("Paper forms"));
        let report = app.subscribers().import(&import, &app.notices(), |_, _| {}).await.expect("an import");
        let seconds = begun.elapsed().as_secs_f64();
        done.store(true, Ordering::Relaxed);
        let mut waits = waits.await.expect("waits");
        waits.sort_unstable();
        let at = |percent: usize| waits.get((waits.len() * percent / 100).min(waits.len().saturating_sub(1)));
        println!(
            "{what}: {} rows in {seconds:.1} s ({} added, {} unchanged), peak memory {} MB; another writer waited {:?} at most, {:?} in 99 of 100",
            report.rows,
            report.added,
            report.unchanged,
            peak_memory() / 1024,
            waits.last().copied().unwrap_or_default(),
            at(99).copied().unwrap_or_default(),
        );
    }
}

/// How long a transaction took to begin, again and again.
async fn wait_for_the_store(app: App, done: Arc<AtomicBool>) -> Vec<Duration> {
    let mut waits = Vec::new();
    while !done.load(Ordering::Relaxed) {
        let begun = Instant::now();
        drop(app.store.write(Durability::Full).await.expect("a transaction"));
        waits.push(begun.elapsed());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    waits
}

fn configuration(store: &str) -> String {
    format!(
        r#"
[server]
public_url = "http://localhost:8080"
[store]
url = "{store}"
keys = "keys"
[sender]
name = "Exampleton Weekly"
email = "digest@exampleton.example"
postal_address = "1 High Street, Exampleton EX1 1EX"
[smtp]
url = "file:outbox"
[[source]]
id = "news"
feed = "https://exampleton.example/feed/"
[[digest]]
id = "weekly"
title = "Exampleton Weekly"
sources = ["news"]
schedule = "0 8 * * MON"
timezone = "Europe/London"
"#
    )
}

/// People in no order, as in a list that has grown.
fn write_people(path: &Path, rows: u64) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    writeln!(file, "email,name,state,topics,digests,locale,confirmed_at,evidence")?;
    for row in 0..rows {
        let mixed = row.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(20) % 1_000_000_007;
        writeln!(
            file,
            "reader.{mixed}.{row}@mail{}.example,Reader {row},confirmed,,weekly,en-GB,2024-05-06T07:08:09Z,",
            row % 997
        )?;
    }
    file.flush()
}

/// The most memory that this process has had at once, in kilobytes.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or_default()
}
