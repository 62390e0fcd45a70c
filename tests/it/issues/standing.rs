//! What an operator sees of an issue that no relay takes, and what can be done about it.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use postround::demo::catcher::{Command, Reply, Stage};
use postround::domain::SystemClock;
use serde_json::Value;

use super::Desk;
use crate::support::on_both;
use crate::support::site::story;

const OLD: &str = "digest@exampleton.example";
const NEW: &str = "news@exampleton.example";

/// A relay that takes nothing as long as it is told to.
async fn refusing(store: &crate::support::TestStore) -> (Desk, Arc<AtomicBool>) {
    let refusing = Arc::new(AtomicBool::new(true));
    let refuses = Arc::clone(&refusing);
    let desk = Desk::with(store, move |stage| match stage {
        Stage::Command(Command::Mail { .. }) if refuses.load(Ordering::SeqCst) => {
            Some(Reply::new(554, "5.7.1 Sending paused for this account"))
        }
        _ => None,
    })
    .await;
    (desk, refusing)
}

/// What `issue show` says as soon as it is so.
async fn shown(desk: &Desk, issue: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    loop {
        let shown = desk.program.json(&["issue", "show", issue]).await;
        if is_so(&shown) {
            return shown;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn said(desk: &Desk, arguments: &[&str]) -> String {
    let output = desk.program.run(arguments).await;
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The first line of `issue watch` that has these words.
async fn watched(desk: &Desk, issue: &str, words: &'static str) -> String {
    let mut command = desk.program.command(&["issue", "watch", issue]);
    tokio::task::spawn_blocking(move || {
        let mut watch = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(watch.stderr.take().unwrap()).lines().map_while(Result::ok);
        let line = lines.find(|line| line.contains(words)).unwrap();
        watch.kill().unwrap();
        watch.wait().unwrap();
        line
    })
    .await
    .unwrap()
}

/// The configuration is changed to another sender, and read again.
async fn mend_sender(desk: &mut Desk) {
    let file = desk.program.folder.path().join("config.toml");
    let config = std::fs::read_to_string(file).unwrap();
    desk.program.configure(&config.replace(OLD, NEW));
    desk.app = desk.program.app(Arc::new(SystemClock)).await;
}

async fn refusing_old(store: &crate::support::TestStore) -> Desk {
    Desk::with(store, |stage| match stage {
        Stage::Command(Command::Mail { from, .. }) if *from == OLD => {
            Some(Reply::new(550, "5.1.8 Sender address rejected: not verified"))
        }
        _ => None,
    })
    .await
}

on_both! {
    async fn while_no_relay_takes_mail_it_is_said_since_when_why_and_when_it_is_tried_next(store: TestStore) {
        let (desk, refusing) = refusing(&store).await;
        desk.subscribe(2).await;
        let issue = desk.issue().await;
        let id = issue.to_string();
        desk.program.site.publish(story("more", "One story more", "2026-11-21"));
        desk.delivering(async {
            let is_tried_later = |shown: &Value| {
                let standstill = &shown["standstill"];
                standstill["next_try"].as_str() > standstill["since"].as_str()
            };
            let stands = shown(&desk, &id, is_tried_later).await;
            assert_eq!(stands["estimated_end"], Value::Null, "{stands}");
            let reason = stands["standstill"]["relays"][0]["reason"].as_str().unwrap();
            assert!(reason.contains("Sending paused for this account"), "{stands}");
            assert_eq!(stands["refused_sender"], Value::Null, "{stands}");
            for text in [said(&desk, &["issue", "show", &id]).await, watched(&desk, &id, "stands still").await] {
                for part in ["stands still since 20", "tried again ", "Sending paused for this account"] {
                    assert!(text.contains(part), "{part} is missing in {text}");
                }
                assert!(!text.contains("done about"), "{text}");
            }
            let preview = desk.program.json(&["preview", "weekly"]).await;
            assert_eq!((&preview["done_at"], &preview["limited"]), (&Value::Null, &true.into()), "{preview}");
            assert_eq!(preview["failing"].as_array().unwrap().len(), 1, "{preview}");
            let text = said(&desk, &["preview", "weekly"]).await;
            assert!(text.contains("does not take mail since") && text.contains("nobody can say"), "{text}");

            refusing.store(false, Ordering::SeqCst);
            desk.sent(issue, 2).await;
            shown(&desk, &id, |shown| shown["standstill"].is_null()).await;
            let preview = shown(&desk, &id, |_| true).await;
            assert_eq!(preview["progress"], 1.0, "{preview}");
            while !desk.app.store.read().await.unwrap().relay_troubles().await.unwrap().is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }

    async fn when_nobody_tries_a_relay_any_more_nothing_is_said_of_it(store: TestStore) {
        let (desk, _) = refusing(&store).await;
        desk.subscribe(1).await;
        let id = desk.issue().await.to_string();
        let is_still = |shown: &Value| !shown["standstill"].is_null();
        desk.delivering(async { shown(&desk, &id, is_still).await }).await;
        assert!(!is_still(&desk.program.json(&["issue", "show", &id]).await));
    }

    async fn a_relay_that_has_asked_for_less_speed_stands_still_with_an_end(store: TestStore) {
        let desk = Desk::with(&store, |stage| {
            matches!(stage, Stage::Content { .. }).then(|| Reply::new(421, "4.7.28 Unusual rate of mail").then_close())
        })
        .await;
        desk.subscribe(1).await;
        let id = desk.issue().await.to_string();
        desk.delivering(async {
            let stands = shown(&desk, &id, |shown| !shown["standstill"].is_null()).await;
            let (next, end) = (stands["standstill"]["next_try"].as_str().unwrap(), stands["estimated_end"].as_str());
            assert!(end.is_some_and(|end| end >= &next[..16]), "{stands}");
        })
        .await;
    }

    async fn an_issue_with_a_sender_that_is_refused_says_what_to_do_and_that_works(store: TestStore) {
        let mut desk = refusing_old(&store).await;
        desk.subscribe(2).await;
        let id = desk.issue().await.to_string();
        let is_still = |shown: &Value| !shown["standstill"].is_null();
        let stands = desk.delivering(async { shown(&desk, &id, is_still).await }).await;
        assert_eq!(stands["refused_sender"], Value::Null, "it is the one that is configured: {stands}");

        mend_sender(&mut desk).await;
        let told = desk
            .delivering(async {
                let stands = shown(&desk, &id, is_still).await;
                assert_eq!(stands["refused_sender"]["sender"], OLD, "{stands}");
                said(&desk, &["issue", "show", &id]).await
            })
            .await;
        let (cancel, run) = (format!("issue cancel {id}"), "run weekly");
        assert!(told.contains(&format!("`{cancel}` and then `{run}`")), "{told}");

        desk.program.json(&cancel.split(' ').collect::<Vec<_>>()).await;
        let anew = desk.program.json(&run.split(' ').collect::<Vec<_>>()).await;
        assert_eq!((&anew["state"], &anew["recipients"]), (&"sending".into(), &2.into()), "{anew}");
        desk.delivering(desk.sent(anew["id"].as_i64().unwrap(), 2)).await;
        for mail in desk.program.caught(2).await {
            let raw = String::from_utf8_lossy(&mail.raw).into_owned();
            assert!(raw.contains(&format!("<{NEW}>")) && raw.contains("Health visitor posts fill"), "{raw}");
        }
    }

    async fn a_sender_that_is_refused_while_others_are_taken_is_named_with_the_relay_and_its_words(store: TestStore) {
        let mut desk = refusing_old(&store).await;
        desk.subscribe(1).await;
        let id = desk.issue().await.to_string();
        mend_sender(&mut desk).await;
        desk.delivering(async {
            shown(&desk, &id, |shown| !shown["standstill"].is_null()).await;
            desk.program.run(&["subscriber", "add", "new@northfold.example"]).await;
            let refused = shown(&desk, &id, |shown| !shown["refused_sender"]["relay"].is_null()).await;
            assert_eq!((&refused["estimated_end"], &refused["refused_sender"]["sender"]), (&Value::Null, &OLD.into()));
            let text = said(&desk, &["issue", "show", &id]).await;
            assert!(text.contains(&format!("refuses its sender {OLD} and takes mail from others: 550 5.1.8")), "{text}");
        })
        .await;
    }
}
