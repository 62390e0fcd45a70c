//! The daemon as an operator has it: signals, trouble that comes and goes, its state and its numbers.

mod crashes;
mod falls;
mod logs;
mod metrics;
mod nodes;
mod relay;
mod signals;
mod store;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use postround::demo::catcher::{Answers, Mailbox, Options, Reply, Stage};

use crate::support::program::Program;
use crate::support::site::story;

/// A relay that takes its time over each message.
fn slow(pause: Duration) -> Options {
    let answers = Answers::script(move |turn| match turn.stage {
        Stage::Content { .. } => Some(Reply::usual().after(pause)),
        _ => None,
    });
    Options { answers, ..Options::default() }
}

/// So many readers, and a story for them.
async fn readers(program: &Program, count: usize) {
    program.site.publish(story("hubs", "Family hubs win an extra year", "2026-11-18"));
    let rows: String = (1..=count).map(|n| format!("reader{n}@northfold.example\n")).collect();
    let file = program.folder.path().join("people.csv");
    std::fs::write(&file, format!("email\n{rows}")).unwrap();
    let file = file.to_str().unwrap();
    let report = program.json(&["subscriber", "import", file, "--confirmed", "--evidence", "Paper forms"]).await;
    assert_eq!(report["added"], count);
}

/// Waits until that many people have got something; how many mails each has got.
async fn got(mailbox: &Mailbox, people: usize) -> BTreeMap<String, usize> {
    mailbox.wait_for(people, Duration::from_secs(60)).await.unwrap();
    let began = std::time::Instant::now();
    loop {
        let mut got = BTreeMap::new();
        for mail in mailbox.messages() {
            *got.entry(mail.recipients[0].clone()).or_insert(0) += 1;
        }
        if got.len() >= people {
            return got;
        }
        assert!(began.elapsed() < Duration::from_secs(40), "{} of {people} have got something", got.len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A mailbox for a relay of the test's own.
fn mailbox() -> Mailbox {
    Mailbox::new(Arc::new(postround::domain::SystemClock))
}
