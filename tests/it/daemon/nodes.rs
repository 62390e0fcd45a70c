//! Several daemons on one PostgreSQL: one issue for each digest and period.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use postround::demo::catcher::{Answers, Options, Reply, Stage};
use postround::domain::IssueState;
use sqlx::{Connection, Executor};
use tokio::sync::mpsc;

use super::{got, readers};
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

    // As if both had slept since long before the last Monday: each finds all the periods due at its next look.
    let mut admin = sqlx::PgConnection::connect(&url).await.unwrap();
    admin.execute("update digest_schedules set since = 1").await.unwrap();
    let mails = program.caught(5 * DIGESTS).await;
    let mut to: Vec<_> = mails.iter().map(|mail| (mail.recipients[0].clone(), from(&mail.raw))).collect();
    to.sort();
    to.dedup();
    assert_eq!(to.len(), 5 * DIGESTS, "each digest once to each");
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let issues: Vec<(String,)> =
        sqlx::query_as("select digest from issues where state <> 'skipped'").fetch_all(&mut admin).await.unwrap();
    assert_eq!(issues.len(), DIGESTS, "{issues:?}");
    let missed: (i64,) =
        sqlx::query_as("select count(*) from issues where state = 'skipped'").fetch_one(&mut admin).await.unwrap();
    assert_eq!(missed.0, 10 * i64::try_from(DIGESTS).unwrap(), "those before it, each recorded once");
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

/// How many readers the tests with two nodes have.
const READERS: usize = 120;

/// A lease, and the look of another node after it.
const LONGER_THAN_A_LEASE: Duration = Duration::from_secs(90);

/// As the usual configuration has it.
const CONNECTIONS: usize = 2;

/// A program on PostgreSQL whose relay thinks for a second about one message in the middle, and says so.
async fn with_a_pause(url: &str, after_crash: &str) -> (Program, mpsc::UnboundedReceiver<()>) {
    let (tell, told) = mpsc::unbounded_channel();
    let answers = Answers::script(move |turn| match turn.stage {
        Stage::Content { .. } if turn.delivered == 8 => {
            let _ = tell.send(());
            Some(Reply::usual().after(Duration::from_secs(1)))
        }
        Stage::Content { .. } => Some(Reply::usual().after(Duration::from_millis(20))),
        _ => None,
    });
    let program = Program::with_relay(&TestStore::sqlite().await, Options { answers, ..Options::default() }).await;
    let delivery = format!("[delivery]\nafter_crash = \"{after_crash}\"\n");
    program.configure(&(program.config(url, "") + &delivery));
    readers(&program, READERS).await;
    (program, told)
}

/// Freezes the node that sends an issue while a content of it waits for its answer, for longer than a lease, and lets it go on
/// when another node has done the rest. Gives what `issue show` says before that and in the end, and the repeats.
async fn frozen(url: &str, after_crash: &str) -> (serde_json::Value, serde_json::Value, usize) {
    let (program, mut told) = with_a_pause(url, after_crash).await;
    let first = Daemon::start(&program).await;
    let issue = program.json(&["run", "weekly"]).await["id"].to_string();
    let show = async || program.json(&["issue", "show", &issue]).await;
    told.recv().await.unwrap();
    first.signal("STOP");
    let second = Daemon::start(&program).await;
    let began = std::time::Instant::now();
    while !second.log().contains("a node is dead; its deliveries are free again") {
        assert!(began.elapsed() < LONGER_THAN_A_LEASE, "{}", second.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let until = async |wanted: &dyn Fn(&serde_json::Value) -> bool| loop {
        let shown = show().await;
        if wanted(&shown) {
            return shown;
        }
        assert!(began.elapsed() < 2 * LONGER_THAN_A_LEASE, "{shown}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let before = until(&|shown| shown["queued"] == 0 && shown["sending"] == 0).await;
    first.signal("CONT");
    let after = until(&|shown| shown["sent"] == READERS).await;
    for daemon in [first, second] {
        daemon.signal("TERM");
        assert!(daemon.ended().await.0.success());
    }
    let repeats = program.mailbox.len() - got(&program.mailbox, READERS).await.len();
    (before, after, repeats)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_frozen_past_its_lease_repeats_at_most_one_for_each_connection() {
    let Some(url) = postgres::fresh_database().await else { return };
    let (before, after, repeats) = frozen(&url, "resend").await;
    assert_eq!((&before["sent"], &after["sent"]), (&READERS.into(), &READERS.into()));
    assert!((1..=CONNECTIONS).contains(&repeats), "{repeats}: what it had under way was sent again, and no more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_uncertain_is_held_a_frozen_node_repeats_nothing_and_clears_it_with_its_late_results() {
    let Some(url) = postgres::fresh_database().await else { return };
    let (before, after, repeats) = frozen(&url, "hold").await;
    let uncertain = before["uncertain"].as_u64().unwrap();
    assert!((1..=CONNECTIONS as u64).contains(&uncertain), "{before}");
    assert_eq!((&after["sent"], &after["uncertain"], repeats), (&READERS.into(), &0.into(), 0), "{after}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_told_to_stop_hands_over_at_once_and_nothing_is_repeated() {
    let Some(url) = postgres::fresh_database().await else { return };
    let (program, mut told) = with_a_pause(&url, "resend").await;
    let (first, second) = (Daemon::start(&program).await, Daemon::start(&program).await);
    program.json(&["run", "weekly"]).await;
    told.recv().await.unwrap();
    first.signal("TERM");
    assert!(first.ended().await.0.success());
    let began = std::time::Instant::now();
    let got = got(&program.mailbox, READERS).await;
    assert!(began.elapsed() < Duration::from_secs(15), "nobody waits for a lease to run out");
    assert_eq!((got.len(), program.mailbox.len()), (READERS, READERS));
    second.signal("TERM");
    assert!(second.ended().await.0.success());
}
