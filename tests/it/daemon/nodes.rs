//! Several daemons on one PostgreSQL: one issue for each digest and period.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use postround::domain::IssueState;
use sqlx::{Connection, Executor};

use super::readers;
use crate::support::daemon::Daemon;
use crate::support::program::Program;
use crate::support::site::story;
use crate::support::{MONDAY, TestClock, TestStore, postgres};

const DIGESTS: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_daemons_that_race_make_one_issue_for_each_digest_and_period() {
    let Some(url) = postgres::fresh_database().await else { return };
    let program = Program::on(&TestStore::sqlite().await).await;
    let mut config = program.config(&url, "catch_up = \"14d\"");
    for number in 2..=DIGESTS {
        write!(
            config,
            "[[digest]]\nid = \"weekly{number}\"\ntitle = \"Weekly {number}\"\nsources = [\"news\"]\n\
             schedule = \"0 8 * * MON\"\ntimezone = \"Europe/London\"\ncatch_up = \"14d\"\n"
        )
        .unwrap();
    }
    program.configure(&config);
    readers(&program, 5).await;
    let daemons = [Daemon::start(&program).await, Daemon::start(&program).await];
    for daemon in &daemons {
        daemon.until(|ready| ready["parts"]["compose"] == "ok").await;
    }
    assert_eq!(program.json(&["issue", "list"]).await, serde_json::json!([]), "nothing of the past");

    // As if both had slept since before the last Monday: each finds all the periods due at its next look.
    let mut admin = sqlx::PgConnection::connect(&url).await.unwrap();
    admin.execute("update digests set schedule_since = 1").await.unwrap();
    let mails = program.caught(5 * DIGESTS).await;
    let mut to: Vec<_> = mails.iter().map(|mail| (mail.recipients[0].clone(), from(&mail.raw))).collect();
    to.sort();
    to.dedup();
    assert_eq!(to.len(), 5 * DIGESTS, "each digest once to each");
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let issues: Vec<(String,)> =
        sqlx::query_as("select digest from issues order by digest").fetch_all(&mut admin).await.unwrap();
    assert_eq!(issues.len(), DIGESTS, "{issues:?}");
    assert_eq!(program.mailbox.len(), 5 * DIGESTS);
    for daemon in daemons {
        daemon.signal("TERM");
        assert!(daemon.ended().await.0.success());
    }
}

/// What a mail says which list it is of.
fn from(raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(raw).into_owned();
    text.lines().find(|line| line.starts_with("List-Id:")).unwrap_or_else(|| panic!("no List-Id in {text}")).to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_composers_that_race_over_many_periods_make_one_issue_of_each() {
    let Some(url) = postgres::fresh_database().await else { return };
    let program = Program::on(&TestStore::sqlite().await).await;
    program.configure(&program.config(&url, ""));
    readers(&program, 2).await;
    let week = Duration::from_secs(7 * 24 * 3600);
    let clock = Arc::new(TestClock::at(MONDAY.minus(Duration::from_secs(60))));
    let mut apps = Vec::new();
    for _ in 0..3 {
        // Each with a store of its own.
        apps.push(program.app(clock.clone()).await);
    }
    apps[0].composer().compose_due(|_| false).await;
    clock.advance(Duration::from_secs(61));
    for period in 1..=8 {
        program.site.publish(story(&format!("story{period}"), &format!("Story {period}"), "2026-11-20"));
        let looks = apps.iter().map(|app| {
            let app = app.clone();
            tokio::spawn(async move { app.composer().compose_due(|_| false).await })
        });
        for outcome in futures_util::future::join_all(looks).await {
            for (digest, composed) in outcome.unwrap() {
                composed.unwrap_or_else(|error| panic!("{digest}: {error}"));
            }
        }
        let issues = apps[0].store.read().await.unwrap().issues().await.unwrap();
        assert_eq!(issues.len(), period);
        assert_eq!(issues[0].state, IssueState::Sending, "{:?}", issues[0].reason);
        let articles = apps[0].store.read().await.unwrap().issue_articles(issues[0].id).await.unwrap();
        assert_eq!(articles.len(), if period == 1 { 2 } else { 1 }, "no article twice, and none lost");
        clock.advance(week);
    }
}
