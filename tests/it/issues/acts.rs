//! Hold, resume, cancel and retry.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use postround::compose::ComposeError;
use postround::demo::catcher::{Command, Reply, Stage};
use postround::domain::{DeliveryState, IssueState, SystemClock};
use serde_json::Value;

use super::{BECAUSE, Desk};
use crate::support::on_both;

const PEOPLE: usize = 60;

on_both! {
    async fn when_hold_returns_nothing_is_started_and_resume_sends_the_rest_once(store: TestStore) {
        let desk = Desk::new(&store).await;
        desk.subscribe(PEOPLE).await;
        let issue = desk.issue().await;
        desk.delivering(async {
            desk.sent(issue, 8).await;
            desk.app.composer().hold_issue(issue, BECAUSE).await.unwrap();
            let started = desk.started(issue).await.len();
            tokio::time::sleep(Duration::from_millis(400)).await;
            assert_eq!(desk.started(issue).await.len(), started, "started after hold had returned");
            desk.answered(issue).await;
            let totals = desk.totals(issue).await;
            assert_eq!((totals.sent, totals.queued), (started as i64, (PEOPLE - started) as i64));
            desk.tend().await;
            assert_eq!(desk.app.store.read().await.unwrap().issue(issue).await.unwrap().unwrap().state, IssueState::Held);
            desk.app.composer().resume_issue(issue, BECAUSE).await.unwrap();
            desk.sent(issue, PEOPLE as i64).await;
        })
        .await;
        desk.tend().await;
        let got = desk.got();
        assert_eq!((got.len(), got.values().map(Vec::len).sum::<usize>()), (PEOPLE, PEOPLE));
        let report = desk.program.json(&["issue", "show", &issue.to_string()]).await;
        assert_eq!((&report["state"], &report["sent"]), (&"sent".into(), &(PEOPLE as i64).into()));
        let events: Vec<&Value> = report["events"].as_array().unwrap().iter().map(|event| &event["event"]).collect();
        assert_eq!(events, ["held", "resumed"]);
        assert_eq!((&report["events"][0]["by"], &report["events"][0]["why"]), (&"a test".into(), &"a reason".into()));
    }

    async fn an_issue_that_is_held_and_resumed_again_and_again_reaches_everybody_once(store: TestStore) {
        let desk = Desk::new(&store).await;
        desk.subscribe(PEOPLE).await;
        let issue = desk.issue().await;
        desk.delivering(async {
            for round in 1..=12 {
                tokio::time::sleep(Duration::from_millis(round * 3)).await;
                if desk.app.composer().hold_issue(issue, BECAUSE).await.is_ok() {
                    desk.app.composer().resume_issue(issue, BECAUSE).await.unwrap();
                }
                desk.tend().await;
            }
            // A start that was refused while the issue was held may be set aside only after that has been looked after.
            while desk.totals(issue).await.sent < PEOPLE as i64 {
                tokio::time::sleep(Duration::from_millis(10)).await;
                desk.tend().await;
            }
        })
        .await;
        let got = desk.got();
        assert_eq!((got.len(), got.values().map(Vec::len).sum::<usize>()), (PEOPLE, PEOPLE));
    }

    async fn what_is_held_while_it_is_laid_out_is_laid_out_later(store: TestStore) {
        let desk = Desk::new(&store).await;
        desk.subscribe(5).await;
        let digest = desk.app.config.digest("weekly").unwrap().clone();
        let occasion = postround::compose::Occasion::Extra;
        let issue = desk.app.composer().compose(&digest, occasion).await.unwrap().issue;
        desk.app.composer().hold_issue(issue, BECAUSE).await.unwrap();
        desk.tend().await;
        assert_eq!(desk.totals(issue).await.all(), 0);
        desk.app.composer().resume_issue(issue, BECAUSE).await.unwrap();
        desk.tend().await;
        desk.deliver_all(issue).await;
        assert_eq!(desk.got().len(), 5);
    }

    async fn whoever_leaves_while_an_issue_is_held_gets_nothing_of_it_later(store: TestStore) {
        let desk = Desk::new(&store).await;
        desk.subscribe(3).await;
        let issue = desk.issue().await;
        desk.app.composer().hold_issue(issue, BECAUSE).await.unwrap();
        assert_eq!(desk.states(issue, DeliveryState::Held).await, 3);
        let row = desk.app.store.read().await.unwrap().subscribers_after(0, 1).await.unwrap().remove(0);
        let leave = postround::subscribers::Leave::Digest("weekly");
        desk.app.subscribers().leave(&row.public_id, leave, postround::subscribers::Origin::PAGE).await.unwrap();
        desk.app.composer().resume_issue(issue, BECAUSE).await.unwrap();
        desk.deliver_all(issue).await;
        let got = desk.got();
        assert!(got.len() == 2 && !got.contains_key(&row.email), "{got:?}");
    }

    async fn an_issue_cancelled_before_its_first_delivery_frees_its_articles(store: TestStore) {
        let desk = Desk::new(&store).await;
        desk.subscribe(3).await;
        let issue = desk.issue().await;
        let shown = desk.program.json(&["issue", "cancel", &issue.to_string(), "--why", "too early"]).await;
        assert_eq!((&shown["state"], &shown["cancelled"], &shown["queued"]), (&"cancelled".into(), &3.into(), &0.into()));
        assert_eq!(shown["reason"], "too early");
        let again = desk.issue().await;
        assert_ne!(again, issue);
        let rows = desk.app.store.read().await.unwrap().articles_of_issue(again).await.unwrap();
        assert_eq!(rows.len(), 2, "the articles wait for the next issue");
        desk.deliver_all(again).await;
        assert!(desk.got().values().all(|mails| mails.len() == 1));
    }

    async fn when_cancel_returns_nothing_is_started_and_what_went_out_is_not_repeated(store: TestStore) {
        let desk = Desk::new(&store).await;
        desk.subscribe(PEOPLE).await;
        let issue = desk.issue().await;
        desk.delivering(async {
            desk.sent(issue, 8).await;
            desk.app.composer().cancel_issue(issue, BECAUSE).await.unwrap();
            let started = desk.started(issue).await.len();
            tokio::time::sleep(Duration::from_millis(300)).await;
            assert_eq!(desk.started(issue).await.len(), started, "started after cancel had returned");
            desk.answered(issue).await;
            let totals = desk.totals(issue).await;
            assert_eq!((totals.sent, totals.cancelled), (started as i64, (PEOPLE - started) as i64));
        })
        .await;
        let digest = desk.app.config.digest("weekly").unwrap().clone();
        let next = desk.app.composer().compose(&digest, postround::compose::Occasion::Extra).await.unwrap().issue;
        let next = desk.app.store.read().await.unwrap().issue(next).await.unwrap().unwrap();
        assert_eq!(next.state, IssueState::Skipped, "its articles have reached somebody");
        // Done again, it is no mistake.
        desk.app.composer().cancel_issue(issue, BECAUSE).await.unwrap();
    }

    async fn what_a_relay_has_of_a_cancelled_issue_keeps_it_open_and_is_given_up_where_nobody_knows_what_became_of_it(store: TestStore) {
        let desk = Desk::new(&store).await;
        desk.subscribe(3).await;
        let issue = desk.issue().await;
        desk.start(1).await;
        desk.app.composer().cancel_issue(issue, BECAUSE).await.unwrap();
        desk.tend().await;
        let totals = desk.totals(issue).await;
        assert_eq!((totals.sending, totals.cancelled), (1, 2));
        let finished = async || desk.app.store.read().await.unwrap().issue(issue).await.unwrap().unwrap().finished_at;
        assert_eq!(finished().await, None);
        assert_eq!(desk.found_dead().await, 1);
        desk.tend().await;
        assert_eq!(desk.totals(issue).await.cancelled, 3);
        assert!(finished().await.is_some());
    }

    async fn retry_queues_what_failed_again_and_the_issue_is_sent_in_the_end(store: TestStore) {
        let refuses = Arc::new(AtomicBool::new(true));
        let refusing = Arc::clone(&refuses);
        let desk = Desk::with(&store, move |stage| match stage {
            Stage::Command(Command::Recipient { to, .. }) if refusing.load(Ordering::SeqCst) && to.starts_with("reader2@") => {
                Some(Reply::new(552, "5.2.2 the mailbox is full"))
            }
            _ => None,
        })
        .await;
        desk.subscribe(3).await;
        let issue = desk.issue().await;
        desk.deliver_all(issue).await;
        let id = issue.to_string();
        let shown = desk.program.json(&["issue", "show", &id]).await;
        assert_eq!((&shown["state"], &shown["sent"], &shown["failed"]), (&"sent".into(), &2.into(), &1.into()));
        refuses.store(false, Ordering::SeqCst);
        let shown = desk.program.json(&["issue", "retry", &id]).await;
        assert_eq!((&shown["state"], &shown["queued"], &shown["failed"]), (&"sending".into(), &1.into(), &0.into()));
        desk.deliver_all(issue).await;
        let shown = desk.program.json(&["issue", "watch", &id]).await;
        assert_eq!((&shown["state"], &shown["sent"]), (&"sent".into(), &3.into()));
        assert!(desk.got().values().all(|mails| mails.len() == 1));
    }

    async fn a_repeat_is_the_same_message_from_the_same_sender_whatever_is_configured_since(store: TestStore) {
        let refuses = AtomicBool::new(true);
        let desk = Desk::with(&store, move |stage| match stage {
            Stage::Content { .. } => {
                refuses.swap(false, Ordering::SeqCst).then(|| Reply::new(554, "5.3.0 Not today").keeping())
            }
            _ => None,
        })
        .await;
        desk.subscribe(1).await;
        let issue = desk.issue().await;
        desk.deliver_all(issue).await;
        let file = desk.program.folder.path().join("config.toml");
        let moved = std::fs::read_to_string(file).unwrap().replace("digest@exampleton.example", "news@moved.example");
        desk.program.configure(&moved);
        let app = desk.program.app(Arc::new(SystemClock)).await;
        let desk = Desk { app, ..desk };
        assert_eq!(desk.app.composer().retry_issue(issue, BECAUSE).await.unwrap(), 1);
        desk.deliver_all(issue).await;
        let [first, repeat] = &desk.program.mailbox.messages()[..] else { panic!("there is one, and its repeat") };
        assert_eq!((&*first.envelope_from, &*repeat.envelope_from), ("digest@exampleton.example", "digest@exampleton.example"));
        let headers = |raw: &[u8], wanted: [&str; 2]| -> Vec<String> {
            let text = String::from_utf8_lossy(raw).into_owned();
            text.lines().filter(|line| wanted.iter().any(|name| line.starts_with(name))).map(str::to_owned).collect()
        };
        let [first, repeat] = [first, repeat].map(|mail| headers(&mail.raw, ["From:", "Message-ID:"]));
        assert!(first.len() == 2 && first[1].ends_with("@exampleton.example>"), "{first:?}");
        assert_eq!(first, repeat);
    }

    async fn a_run_that_waits_for_an_issue_fails_with_the_reason_where_it_ends_held(store: TestStore) {
        let desk = Desk::new(&store).await;
        desk.subscribe(PEOPLE * 2).await;
        let hold = async {
            let issue = loop {
                let issues = desk.app.store.read().await.unwrap().issues().await.unwrap();
                match issues.first() {
                    Some(issue) if desk.totals(issue.id).await.sent > 2 => break issue.id,
                    _ => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            };
            desk.app.composer().hold_issue(issue, BECAUSE).await.unwrap();
        };
        let (output, ()) = tokio::join!(desk.program.run(&["run", "weekly", "--wait", "--json"]), hold);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("is held: a reason") && said.contains("issue resume"), "{said}");
        let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(printed["state"], "held", "{printed}");
    }

    async fn what_does_not_go_with_the_state_of_an_issue_is_refused_with_a_sentence(store: TestStore) {
        let desk = Desk::new(&store).await;
        desk.subscribe(1).await;
        let issue = desk.issue().await;
        let composer = desk.app.composer();
        assert!(matches!(composer.resume_issue(issue, BECAUSE).await, Err(ComposeError::WrongState { .. })));
        assert!(matches!(composer.hold_issue(issue + 7, BECAUSE).await, Err(ComposeError::NoIssue { .. })));
        desk.deliver_all(issue).await;
        for wish in ["hold", "cancel", "resume"] {
            let output = desk.program.run(&["issue", wish, &issue.to_string()]).await;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(1), "{said}");
            assert!(said.contains("it is sent"), "{said}");
        }
        let unknown = desk.program.run(&["issue", "hold", "99"]).await;
        assert_eq!(unknown.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&unknown.stderr).contains("there is no issue 99"));
    }
}
