//! Folding: who got what is kept for a while, then how many.

use std::sync::Arc;
use std::time::Duration;

use postround::app::App;
use postround::demo::catcher::{Command, Reply, Stage};
use postround::domain::{Clock, SystemClock};

use super::{BECAUSE, Desk};
use crate::support::{TestClock, TestStore, on_both};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The same program later on.
async fn later(desk: &Desk, by: Duration) -> App {
    desk.program.app(Arc::new(TestClock::at(SystemClock.now().plus(by)))).await
}

/// An issue to four readers, of whom the relay does not know the second.
async fn sent(store: &TestStore) -> (Desk, i64) {
    let desk = Desk::with(store, |stage| match stage {
        Stage::Command(Command::Recipient { to, .. }) if to.starts_with("reader2@") => {
            Some(Reply::new(554, "5.3.0 not today"))
        }
        _ => None,
    })
    .await;
    desk.subscribe(4).await;
    let issue = desk.issue().await;
    desk.deliver_all(issue).await;
    (desk, issue)
}

on_both! {
    async fn what_was_finished_long_ago_becomes_totals_that_say_the_same(store: TestStore) {
        let (desk, issue) = sent(&store).await;
        let id = issue.to_string();
        let before = desk.program.json(&["issue", "show", &id]).await;
        assert_eq!(later(&desk, 300 * DAY).await.composer().fold().await.unwrap(), 0, "it is kept for a year");
        assert_eq!(later(&desk, 366 * DAY).await.composer().fold().await.unwrap(), 4);
        assert_eq!(later(&desk, 366 * DAY).await.composer().fold().await.unwrap(), 0);

        let mut after = desk.program.json(&["issue", "show", &id]).await;
        assert!(after["folded_at"].is_string(), "{after}");
        assert_eq!(after["trouble"], serde_json::json!([]), "nobody is named");
        (after["folded_at"], after["trouble"]) = (before["folded_at"].clone(), before["trouble"].clone());
        assert_eq!(after, before);
        let listed = desk.program.json(&["issue", "list"]).await;
        assert_eq!((&listed[0]["sent"], &listed[0]["failed"], &listed[0]["recipients"]), (&3.into(), &1.into(), &4.into()));

        let why = desk.program.json(&["subscriber", "why", "reader3@northfold.example"]).await;
        assert!(why["issues"][0]["why"].as_str().unwrap().contains("is not kept since"), "{why}");
        let held = desk.program.json(&["subscriber", "export", "reader3@northfold.example"]).await;
        assert_eq!((&held["mails"], &held["mails_kept_for"]), (&serde_json::json!([]), &"365d".into()), "{held}");
        for act in [vec!["issue", "retry", &id], vec!["issue", "correct", &id, "--text", "config.toml"]] {
            let output = desk.program.run(&act).await;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.code() == Some(1) && said.contains("it is not kept who got it"), "{said}");
        }
        let page = desk.app.store.read().await.unwrap().archived_count("weekly").await.unwrap().0;
        assert_eq!(page, 1, "the archive has it still");
    }

    async fn what_has_anything_open_keeps_all_its_deliveries(store: TestStore) {
        let (desk, issue) = sent(&store).await;
        let composer = desk.app.composer();
        assert_eq!(composer.retry_issue(issue, BECAUSE).await.unwrap(), 1);
        let old = later(&desk, 400 * DAY).await;
        assert_eq!(old.composer().fold().await.unwrap(), 0, "one is tried again");
        desk.deliver_all(issue).await;
        assert_eq!(composer.correct(issue, "It is 2028.", BECAUSE).await.unwrap().recipients, 3);
        assert_eq!(old.composer().fold().await.unwrap(), 0, "a correction is under way");
        desk.delivering(async {
            while desk.got().values().map(Vec::len).sum::<usize>() < 6 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        })
        .await;
        assert_eq!(old.composer().fold().await.unwrap(), 7, "the correction with the issue");
        let again = composer.correct(issue, "It is 2028.", BECAUSE).await.unwrap();
        assert_eq!((again.recipients, again.fresh), (3, false));
    }

    async fn mails_of_no_issue_are_forgotten_at_the_same_age(store: TestStore) {
        let desk = Desk::new(&store).await;
        desk.program.run(&["subscriber", "add", "new@northfold.example"]).await;
        let mails = async || {
            let held = desk.program.json(&["subscriber", "export", "new@northfold.example"]).await;
            held["mails"].as_array().unwrap().len()
        };
        assert_eq!(later(&desk, 400 * DAY).await.composer().fold().await.unwrap(), 0, "it has not been sent");
        desk.delivering(async {
            while desk.got().is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        })
        .await;
        assert_eq!((later(&desk, 400 * DAY).await.composer().fold().await.unwrap(), mails().await), (1, 0));
    }
}
