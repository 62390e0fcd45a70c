//! A layout beside somebody who ends a pause, or undoes a leaving: the issue comes to them all the same.

use std::time::Duration;

use postround::domain::{DeliveryState, SubscriptionState, UtcMillis};
use postround::store::{Durability, Place};
use postround::subscribers::{Chose, DigestClaim, Leave, Origin, PersonalClaim, Subscribers, Topics, Undone};

use super::moving::{id_of, mailed, mark};
use super::recalling::until_somebody_waits;
use super::{ANN, URL};
use crate::support::household::{Asked, confirmed, execute, subscribers, text};
use crate::support::{MONDAY, PATIENCE, TestStore, on_both};

const BEN: &str = "ben@northfold.example";
const DAY: Duration = Duration::from_secs(86_400);
/// A row id behind everybody's.
const LAST: i64 = 100;

/// An issue of which nothing is laid out yet.
async fn composed(store: &TestStore) {
    let issue = "insert into digests (digest) values ('weekly');
         insert into issues (public_id, digest, issue_key, state, subject, issue_date, composed_at, layout_after, recipients)
             values ('i', 'weekly', 'k', 'sending', '', '', 0, 0, 0);
         insert into mails (issue_id, kind, topics, locale, subject, html, body_text, mime, marker, salt, created_at)
             values (1, 'digest', '*', '', '', '', '', '', '', '', 0);
         insert into issue_variants (issue_id, topics, locale, mail_id) values (1, '*', '', 1)";
    execute(store, issue).await;
}

/// Ann does without, and gives what undoes a leaving.
async fn goes(store: &TestStore, subscribers: &Subscribers, leaves: bool) -> Option<PersonalClaim> {
    let subscriber = id_of(store, ANN).await;
    if leaves {
        let asked = Asked::default();
        let left = subscribers.say_goodbye(&subscriber, "weekly", Leave::All, Origin::PAGE, &asked).await.unwrap();
        return Some(subscribers.tokens().verify_undo(left.way.unwrap().as_str(), subscribers.now()).unwrap());
    }
    let claim = DigestClaim { subscriber, digest: "weekly".to_owned() };
    let until = Some(subscribers.now().plus(DAY));
    assert_eq!(subscribers.choose(&claim, None, until, Origin::PAGE).await.unwrap(), Chose::Now);
    None
}

/// She undoes the leaving, or ends the pause.
async fn comes_back(store: &TestStore, subscribers: &Subscribers, way: Option<&PersonalClaim>) {
    match way {
        Some(way) => assert!(matches!(subscribers.undo(way, "Undo", Origin::PAGE).await.unwrap(), Undone::Now(_))),
        None => {
            let claim = DigestClaim { subscriber: id_of(store, ANN).await, digest: "weekly".to_owned() };
            assert_eq!(subscribers.choose(&claim, None, None, Origin::PAGE).await.unwrap(), Chose::Now);
        }
    }
}

fn place(now: UtcMillis) -> Place {
    Place { priority: 20, from: now, spread_ms: 0 }
}

/// The last step of a layout that has come to everybody.
async fn ends(subscribers: &Subscribers) {
    let mut session = subscribers.store().write(Durability::Full).await.unwrap();
    session.laid_out(1, LAST, subscribers.now()).await.unwrap();
    session.commit().await.unwrap();
}

/// Whoever tends looks for what is still to be laid out.
async fn tended(subscribers: &Subscribers) {
    let issue = subscribers.store().read().await.unwrap().issue(1).await.unwrap().unwrap();
    if issue.laid_out_at.is_none() {
        let (now, mut session) = (subscribers.now(), subscribers.store().write(Durability::Full).await.unwrap());
        assert!(session.lay_out(1, "weekly", issue.layout_after..LAST, &place(now), now).await.unwrap());
        session.commit().await.unwrap();
        ends(subscribers).await;
    }
}

const LAID_OUT: &str = "select d.address || ' ' || d.state || ' of ' || i.recipients from deliveries d
    join issues i on i.id = d.issue_id where i.laid_out_at is not null order by 1";

/// The layout comes to Ann while she does without, and she comes back before it has ended.
async fn passed_over(store: &TestStore, leaves: bool) {
    let (subscribers, _clock) = subscribers(store, URL).await;
    for person in [ANN, BEN] {
        confirmed(&subscribers, person, &["weekly"]).await;
    }
    let way = goes(store, &subscribers, leaves).await;
    composed(store).await;
    let now = subscribers.now();
    let mut layout = subscribers.store().write(Durability::Full).await.unwrap();
    assert!(layout.lay_out(1, "weekly", 0..LAST, &place(now), now).await.unwrap());
    let mut back = std::pin::pin!(comes_back(store, &subscribers, way.as_ref()));
    // She waits for the layout, or is back at once.
    let waits = tokio::time::timeout(Duration::from_millis(300), &mut back).await.is_err();
    layout.commit().await.unwrap();
    if waits {
        back.await;
    }
    ends(&subscribers).await;
    tended(&subscribers).await;
    assert_eq!(text(store, LAID_OUT).await, format!("{ANN} queued of 2\n{BEN} queued of 2"));
}

on_both! {
    async fn the_layout_comes_back_to_whoever_has_ended_a_pause_before_it_is_over(store: TestStore) {
        passed_over(&store, false).await;
    }

    async fn the_layout_comes_back_to_whoever_has_undone_a_leaving_before_it_is_over(store: TestStore) {
        passed_over(&store, true).await;
    }

    async fn what_was_laid_out_by_the_state_before_a_leaving_comes_when_that_is_undone(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly"]).await;
        composed(&store).await;
        clock.set_back(Duration::from_secs(60));
        let way = goes(&store, &subscribers, true).await;
        clock.advance(Duration::from_secs(60));
        mailed(&store, "digest", "queued", "issue_id=1").await;
        let mut session = subscribers.store().marks().await.unwrap();
        let row = session.claim_deliveries("me", MONDAY, 10, None).await.unwrap().pop().unwrap();
        let start = mark(&row, DeliveryState::Claimed, DeliveryState::Sending);
        assert_eq!(session.mark_deliveries("me", &[start]).await.unwrap(), [(row.id, "cancelled".to_owned())]);
        drop(session);
        comes_back(&store, &subscribers, way.as_ref()).await;
        assert_eq!(text(&store, "select state from deliveries").await, "queued");
    }
}

/// Changes the topics, and ends a pause where there is one.
async fn chooses_news(store: &TestStore, subscribers: &Subscribers) -> tokio::task::JoinHandle<Chose> {
    let claim = DigestClaim { subscriber: id_of(store, ANN).await, digest: "weekly".to_owned() };
    let subscribers = subscribers.clone();
    tokio::spawn(async move {
        let news = Topics::parse("news");
        subscribers.choose(&claim, Some(&news), None, Origin::PAGE).await.unwrap()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_that_wait_for_an_import_hold_up_nothing_that_is_done_with_the_issues_of_the_digest() {
    let Some(store) = TestStore::postgres().await else { return };
    let (subscribers, _clock) = subscribers(&store, URL).await;
    confirmed(&subscribers, ANN, &["weekly"]).await;
    composed(&store).await;
    let mut import = subscribers.store().write(Durability::Normal).await.unwrap();
    assert!(import.lock_subscriber(1).await.unwrap());
    let chooses = chooses_news(&store, &subscribers).await;
    until_somebody_waits(&store, "transactionid", || chooses.is_finished()).await;
    let mut hold = subscribers.store().write(Durability::Normal).await.unwrap();
    tokio::time::timeout(PATIENCE, hold.lock_digest("weekly")).await.unwrap().unwrap();
    assert!(!chooses.is_finished());
    hold.commit().await.unwrap();
    import.commit().await.unwrap();
    assert_eq!(chooses.await.unwrap(), Chose::Now);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_ends_a_pause_that_a_file_has_just_begun_waits_for_the_layout_too() {
    let Some(store) = TestStore::postgres().await else { return };
    let (subscribers, _clock) = subscribers(&store, URL).await;
    confirmed(&subscribers, ANN, &["weekly"]).await;
    composed(&store).await;
    let mut import = subscribers.store().write(Durability::Normal).await.unwrap();
    assert!(import.lock_subscriber(1).await.unwrap());
    let mut layout = subscribers.store().write(Durability::Normal).await.unwrap();
    layout.lock_digest("weekly").await.unwrap();
    let mut chooses = chooses_news(&store, &subscribers).await;
    until_somebody_waits(&store, "transactionid", || chooses.is_finished()).await;
    let mut paused = import.subscriptions_among(&[1]).await.unwrap().remove(0);
    (paused.state, paused.paused_until) = (SubscriptionState::Paused, Some(subscribers.now().plus(DAY)));
    import.put_subscription(&paused).await.unwrap();
    import.commit().await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(300), &mut chooses).await.is_err(), "it overtook the layout");
    layout.commit().await.unwrap();
    assert_eq!(chooses.await.unwrap(), Chose::Now);
    assert_eq!(text(&store, "select state || ' ' || topics from subscriptions").await, "active news");
}
