//! Leaving, and the way back that is open for a day.

use std::sync::Arc;
use std::time::Duration;

use postround::config::Config;
use postround::domain::{Clock, PublicId, SystemRandom, UtcMillis};
use postround::store::{Durability, SuppressionRow};
use postround::subscribers::{
    DigestClaim, Keys, Leave, Left, NOTICE_SPACING, NOTICE_WINDOW, NoticeKind, Origin, Reason, Subscribers, TokenError,
    Topics, UNDO_LIFETIME, Undone,
};

use super::{ANN, URL, public_id, states};
use crate::support::household::{
    Asked, address, confirmed, everything, execute, somebody, subscribers, subscribers_with, text,
};
use crate::support::{MONDAY, TestClock, TestStore, on_both};

async fn leave(subscribers: &Subscribers, id: &PublicId, what: Leave<'_>, asked: &Asked) -> Option<String> {
    let goodbye = subscribers.say_goodbye(id, "weekly", what, Origin::PAGE, asked).await.unwrap();
    goodbye.way.map(|token| token.as_str().to_owned())
}

async fn subscriptions(store: &TestStore) -> String {
    text(store, "select digest || ' ' || state || ' ' || topics || ' ' || coalesce(paused_until, 0) from subscriptions order by digest").await
}

/// A clock that goes on with every look at it.
struct Ticking(TestClock);

impl Clock for Ticking {
    fn now(&self) -> UtcMillis {
        self.0.advance(Duration::from_millis(1));
        self.0.now()
    }
}

on_both! {
    async fn undoing_within_a_day_brings_back_exactly_what_was_left(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly", "jobs"]).await;
        let (id, asked) = (public_id(&store).await, Asked::default());
        let claim = DigestClaim { subscriber: id.clone(), digest: "weekly".to_owned() };
        let pause = subscribers.now().plus(Duration::from_secs(40 * 86_400));
        let topics = Topics::Only(["news".to_owned()].into());
        subscribers.choose(&claim, Some(&topics), Some(pause), Origin::PAGE).await.unwrap();
        let before = subscriptions(&store).await;
        let token = leave(&subscribers, &id, Leave::All, &asked).await.unwrap();
        assert_eq!(states(&store).await, format!("{ANN} unsubscribed"));
        assert_eq!(asked.count(), 0, "no goodbye mail by default");
        clock.advance(UNDO_LIFETIME - Duration::from_millis(1));
        let claim = subscribers.tokens().verify_undo(&token, subscribers.now()).unwrap();
        let both = Undone::Now(vec!["weekly".to_owned(), "jobs".to_owned()]);
        assert_eq!(subscribers.would_undo(&claim).await.unwrap(), both);
        assert_eq!(subscribers.undo(&claim, "Undo?", Origin::PAGE).await.unwrap(), both);
        assert_eq!(subscriptions(&store).await, before);
        assert_eq!(states(&store).await, format!("{ANN} confirmed"));
        assert_eq!(text(&store, "select wording from consent_events where event = 'returned' and digest = 'jobs'").await, "Undo?");
        let after = everything(&store).await;
        assert_eq!(subscribers.undo(&claim, "Undo?", Origin::PAGE).await.unwrap(), Undone::Already);
        assert_eq!(everything(&store).await, after);
        clock.advance(Duration::from_millis(1));
        assert_eq!(subscribers.tokens().verify_undo(&token, subscribers.now()), Err(TokenError::Expired));
    }

    async fn what_is_left_while_the_clock_goes_on_can_be_undone(store: TestStore) {
        let (still, _clock) = subscribers(&store, URL).await;
        confirmed(&still, ANN, &["weekly", "jobs"]).await;
        let (config, keys) = (still.config().clone(), Keys::read(&store.folder.path().join("keys")).unwrap().unwrap());
        let ticking = Arc::new(Ticking(TestClock::at(MONDAY)));
        let subscribers = Subscribers::new(store.store.clone(), config.into(), keys.into(), ticking, Arc::new(SystemRandom));
        let (id, asked) = (public_id(&store).await, Asked::default());
        for what in [Leave::Digest("weekly"), Leave::All] {
            let token = leave(&subscribers, &id, what, &asked).await.unwrap();
            let claim = subscribers.tokens().verify_undo(&token, subscribers.now()).unwrap();
            assert!(matches!(subscribers.undo(&claim, "", Origin::PAGE).await.unwrap(), Undone::Now(_)), "{what:?}");
        }
    }

    async fn only_the_press_that_left_gets_the_way_back(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly"]).await;
        let (id, asked) = (public_id(&store).await, Asked::default());
        assert_eq!(subscribers.leave(&id, Leave::Digest("weekly"), Origin::ONE_CLICK).await.unwrap(), Left::Now);
        let again = subscribers.say_goodbye(&id, "weekly", Leave::Digest("weekly"), Origin::PAGE, &asked).await.unwrap();
        assert_eq!(again.left, Left::Already);
        assert!(again.way.is_none(), "the link of a forwarded mail");
        assert!(leave(&subscribers, &postround::subscribers::Tokens::nobody(), Leave::All, &asked).await.is_none());
    }

    async fn leaving_once_more_ends_the_way_back_of_an_earlier_leaving(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly", "jobs"]).await;
        let (id, asked) = (public_id(&store).await, Asked::default());
        let first = leave(&subscribers, &id, Leave::Digest("weekly"), &asked).await.unwrap();
        let first = subscribers.tokens().verify_undo(&first, subscribers.now()).unwrap();
        assert_eq!(subscribers.undo(&first, "", Origin::PAGE).await.unwrap(), Undone::Now(vec!["weekly".to_owned()]));
        assert_eq!(subscribers.undo(&first, "", Origin::PAGE).await.unwrap(), Undone::Already);
        clock.advance(Duration::from_secs(60));
        let second = leave(&subscribers, &id, Leave::Digest("weekly"), &asked).await.unwrap();
        assert_eq!(subscribers.would_undo(&first).await.unwrap(), Undone::LeftAgain);
        assert_eq!(subscribers.undo(&first, "", Origin::PAGE).await.unwrap(), Undone::LeftAgain);

        let second = subscribers.tokens().verify_undo(&second, subscribers.now()).unwrap();
        clock.advance(Duration::from_secs(60));
        assert_eq!(subscribers.leave(&id, Leave::Digest("weekly"), Origin::COMMAND_LINE).await.unwrap(), Left::Already);
        assert_eq!(subscribers.undo(&second, "", Origin::PAGE).await.unwrap(), Undone::LeftAgain, "an operator was told no");
        let third = subscribers.leave(&id, Leave::All, Origin::PAGE).await.unwrap();
        assert_eq!((third, states(&store).await), (Left::Now, format!("{ANN} unsubscribed")));
    }

    async fn who_must_not_be_mailed_is_offered_no_way_back_and_may_say_why(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly"]).await;
        execute(&store, "update subscribers set state = 'complained'").await;
        let (id, asked) = (public_id(&store).await, Asked::default());
        let goodbye = subscribers.say_goodbye(&id, "weekly", Leave::All, Origin::PAGE, &asked).await.unwrap();
        assert_eq!(goodbye.left, Left::Now);
        let claim = subscribers.tokens().verify_undo(goodbye.way.unwrap().as_str(), subscribers.now()).unwrap();
        assert_eq!(subscribers.would_undo(&claim).await.unwrap(), Undone::Barred(vec!["weekly".to_owned()]));
        assert!(subscribers.say_why(&claim, Reason::Other, "").await.unwrap());
    }

    async fn undoing_brings_back_nothing_that_was_not_left_then(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly", "jobs"]).await;
        let (id, asked) = (public_id(&store).await, Asked::default());
        let token = leave(&subscribers, &id, Leave::Digest("weekly"), &asked).await.unwrap();
        execute(&store, "update subscribers set state = 'unsubscribed'").await;
        let claim = subscribers.tokens().verify_undo(&token, subscribers.now()).unwrap();
        assert_eq!(subscribers.undo(&claim, "", Origin::PAGE).await.unwrap(), Undone::Now(vec!["weekly".to_owned()]));
        assert_eq!(states(&store).await, format!("{ANN} confirmed"));
        assert_eq!(text(&store, "select digest from live_subscriptions").await, "weekly");
    }

    async fn undoing_lifts_no_complaint_and_no_suppression_and_confirms_nobody(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let asked = Asked::default();
        subscribers.add(&somebody(ANN, &["weekly"]), Origin::PAGE, &asked).await.unwrap();
        let id = public_id(&store).await;
        let token = leave(&subscribers, &id, Leave::All, &asked).await.unwrap();
        let claim = subscribers.tokens().verify_undo(&token, subscribers.now()).unwrap();
        assert!(matches!(subscribers.undo(&claim, "", Origin::PAGE).await.unwrap(), Undone::Now(_)));
        assert_eq!(states(&store).await, format!("{ANN} pending"));
        execute(&store, "update subscribers set state = 'confirmed', confirmed_at = 1").await;
        let token = leave(&subscribers, &id, Leave::All, &asked).await.unwrap();
        let claim = subscribers.tokens().verify_undo(&token, subscribers.now()).unwrap();
        for state in ["complained", "bounced"] {
            execute(&store, &format!("update subscribers set state = '{state}'")).await;
            assert_eq!(subscribers.undo(&claim, "", Origin::PAGE).await.unwrap(), Undone::Refused);
        }
        execute(&store, "update subscribers set state = 'unsubscribed'").await;
        let address_hash = text(&store, "select address_hash from subscribers").await;
        let mut session = store.store.write(Durability::Full).await.unwrap();
        let row = SuppressionRow { address_hash, reason: "manual".to_owned(), note: String::new(), created_at: subscribers.now() };
        session.suppress(&row).await.unwrap();
        session.commit().await.unwrap();
        assert_eq!(subscribers.undo(&claim, "", Origin::PAGE).await.unwrap(), Undone::Refused);
        assert_eq!(states(&store).await, format!("{ANN} unsubscribed"));
    }

    async fn what_a_leaving_stopped_comes_again_where_its_issue_is_still_being_sent(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly"]).await;
        let (id, asked) = (public_id(&store).await, Asked::default());
        for (issue, state) in [("a", "sending"), ("b", "sent"), ("c", "sending")] {
            let started = if issue == "c" { "5" } else { "null" };
            execute(&store, &format!(
                "insert into issues (public_id, digest, issue_key, state, subject, issue_date, composed_at, layout_after, recipients)
                     values ('{issue}', 'weekly', '{issue}', '{state}', '', '', 0, 0, 1);
                 insert into mails (issue_id, kind, topics, locale, subject, html, body_text, mime, marker, salt, created_at)
                     select id, 'digest', '*', '', '{issue}', '', '', '', '', '', 0 from issues where public_id = '{issue}';
                 insert into deliveries (mail_id, issue_id, kind, digest, subscriber_id, address, name, state, priority, due_at,
                     first_due_at, attempts, started_at)
                 select m.id, m.issue_id, 'digest', 'weekly', s.id, s.email, '', 'queued', 0, 0, 0, 0, {started}
                     from mails m, subscribers s where m.subject = '{issue}'")).await;
        }
        let token = leave(&subscribers, &id, Leave::All, &asked).await.unwrap();
        let deliveries = "select m.subject || ' ' || d.state from deliveries d join mails m on m.id = d.mail_id order by 1";
        assert_eq!(text(&store, deliveries).await, "a cancelled\nb cancelled\nc cancelled");
        let claim = subscribers.tokens().verify_undo(&token, subscribers.now()).unwrap();
        subscribers.undo(&claim, "", Origin::PAGE).await.unwrap();
        assert_eq!(text(&store, deliveries).await, "a queued\nb cancelled\nc cancelled");
        let heard = tokio::time::timeout(Duration::from_secs(5), subscribers.store().queued()).await;
        assert!(heard.is_ok(), "whoever delivers here hears of it");
    }

    async fn why_somebody_left_is_kept_once_for_each_leaving_and_cut(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly"]).await;
        let (id, asked) = (public_id(&store).await, Asked::default());
        let token = leave(&subscribers, &id, Leave::All, &asked).await.unwrap();
        let claim = subscribers.tokens().verify_undo(&token, subscribers.now()).unwrap();
        assert!(subscribers.say_why(&claim, Reason::Other, "").await.unwrap());
        let note = format!("too\nlong {}", "x".repeat(400));
        assert!(subscribers.say_why(&claim, Reason::TooOften, &note).await.unwrap());
        let record = subscribers.show(&address(ANN)).await.unwrap().unwrap();
        assert_eq!(record.reasons.len(), 1);
        assert_eq!((record.reasons[0].reason.as_str(), record.reasons[0].note.len()), ("too-often", 300));
        clock.advance(Duration::from_secs(60));
        assert_eq!(subscribers.reasons("weekly", Duration::from_secs(61)).await.unwrap().len(), 1);
        assert_eq!(subscribers.reasons("weekly", Duration::from_secs(59)).await.unwrap().len(), 0);
        subscribers.undo(&claim, "", Origin::PAGE).await.unwrap();
        assert!(!subscribers.say_why(&claim, Reason::Other, "").await.unwrap(), "nothing is left");
    }

    async fn a_goodbye_is_mailed_where_the_operator_wants_it_once_and_to_nobody_unconfirmed(store: TestStore) {
        let (subscribers, _clock) = subscribers_with(&store, URL, |config: &mut Config| config.leave.goodbye_mail = true).await;
        let asked = Asked::default();
        subscribers.add(&somebody(ANN, &["weekly"]), Origin::PAGE, &asked).await.unwrap();
        let id = public_id(&store).await;
        leave(&subscribers, &id, Leave::All, &asked).await;
        assert_eq!(asked.count(), 1, "only the confirmation");
        execute(&store, "delete from notice_slots; delete from subscriptions; delete from consent_events; delete from join_requests; delete from subscribers").await;
        confirmed(&subscribers, ANN, &["weekly"]).await;
        let id = public_id(&store).await;
        leave(&subscribers, &id, Leave::All, &asked).await;
        leave(&subscribers, &id, Leave::All, &asked).await;
        assert_eq!(asked.count(), 2);
        assert!(matches!(asked.0.lock().unwrap()[1].kind, NoticeKind::Goodbye { .. }));
        let claim = subscribers.tokens().verify_undo(&asked.token(), subscribers.now()).unwrap();
        assert!(matches!(subscribers.undo(&claim, "", Origin::PAGE).await.unwrap(), Undone::Now(_)));
    }

    async fn who_leaves_and_comes_back_again_and_again_gets_no_more_goodbyes_than_other_mails(store: TestStore) {
        let (subscribers, clock) = subscribers_with(&store, URL, |config: &mut Config| config.leave.goodbye_mail = true).await;
        confirmed(&subscribers, ANN, &["weekly"]).await;
        let (id, asked) = (public_id(&store).await, Asked::default());
        let leave_and_undo = async || {
            let goodbye = subscribers.say_goodbye(&id, "weekly", Leave::All, Origin::PAGE, &asked).await.unwrap();
            assert_eq!((goodbye.left, states(&store).await), (Left::Now, format!("{ANN} unsubscribed")));
            let claim = subscribers.tokens().verify_undo(goodbye.way.unwrap().as_str(), subscribers.now()).unwrap();
            assert!(matches!(subscribers.undo(&claim, "", Origin::PAGE).await.unwrap(), Undone::Now(_)));
        };
        for _ in 0..5 {
            leave_and_undo().await;
            clock.advance(Duration::from_secs(60));
        }
        assert_eq!(asked.count(), 1, "within ten minutes");
        for _ in 0..5 {
            clock.advance(NOTICE_SPACING);
            leave_and_undo().await;
        }
        assert_eq!(asked.count(), 3, "within a week");
        clock.advance(NOTICE_WINDOW);
        leave(&subscribers, &id, Leave::All, &asked).await;
        leave(&subscribers, &id, Leave::All, &asked).await;
        assert_eq!(asked.count(), 4);
        subscribers.add(&somebody(ANN, &["weekly"]), Origin::PAGE, &asked).await.unwrap();
        clock.advance(NOTICE_SPACING);
        assert!(subscribers.say_goodbye(&id, "weekly", Leave::All, Origin::PAGE, &asked).await.unwrap().way.is_none());
        assert_eq!(asked.count(), 5, "who has left already is told no goodbye");
    }
}
