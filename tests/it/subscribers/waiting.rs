//! Those who have not answered: how many mails they can get, when they are reminded, when they are forgotten.

use std::sync::Arc;
use std::time::Duration;

use postround::domain::SystemRandom;
use postround::store::Durability;
use postround::subscribers::{Confirmed, ImportBasis, Keys, Leave, NoticeKind, Origin, Subscribers, SuppressionReason};

use super::joining::request;
use super::{ANN, URL, import, public_id, states};
use crate::support::household::{Asked, address, confirmed, execute, subscribers, subscribers_with, text, traces};
use crate::support::{TestClock, TestStore, on_both};

const DAY: Duration = Duration::from_secs(86_400);
const MINUTES: Duration = Duration::from_secs(11 * 60);
const BEN: &str = "ben@northfold.example";
const CAL: &str = "cal@northfold.example";

async fn with_reminder(store: &TestStore) -> (Subscribers, Arc<TestClock>) {
    subscribers_with(store, URL, |config| config.confirmation.reminder_after = Some(DAY)).await
}

async fn join(subscribers: &Subscribers, email: &str, asked: &Asked) {
    subscribers.join(&request(email, &["weekly"], "Somebody"), Origin::PAGE, asked).await.unwrap();
}

/// Thousands of sign-ups for one address within a week, so many at a time.
async fn flood(subscribers: &Subscribers, clock: &TestClock, rounds: u32, at_once: u32) -> Vec<i64> {
    let mut mailed = Vec::new();
    for _ in 0..rounds {
        let asked = Arc::new(Asked::default());
        let mut running = tokio::task::JoinSet::new();
        for _ in 0..at_once {
            let (subscribers, asked) = (subscribers.clone(), asked.clone());
            running.spawn(async move { join(&subscribers, ANN, &asked).await });
        }
        running.join_all().await;
        mailed.extend(vec![subscribers.now().0; asked.count()]);
        clock.advance(7 * DAY / (rounds + 1));
    }
    mailed
}

on_both! {
    async fn a_flood_for_one_address_sends_three_mails_a_week_and_one_in_ten_minutes(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        // Ten thousand; on PostgreSQL, where each takes longer, two thousand.
        let rounds = if store.store.is_shared() { 20 } else { 100 };
        let mailed = flood(&subscribers, &clock, rounds, 100).await;
        assert_eq!(mailed.len(), 3);
        assert!(mailed.windows(2).all(|pair| pair[1] - pair[0] >= 600_000), "{mailed:?}");
        assert_eq!(text(&store, "select cast(refused as text) from notice_slots").await, (rounds * 100 - 201).to_string());
        assert_eq!(text(&store, "select cast(count(*) as text) from consent_events").await, "3");
        // A week after the first of them there may be another one.
        clock.advance(7 * DAY);
        assert_eq!(flood(&subscribers, &clock, 1, 5).await.len(), 1);
    }

    async fn the_limits_hold_for_whoever_is_not_known_whatever_it_is_that_is_mailed(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        let mut taken = Vec::new();
        for step in 0..60_i64 {
            let mut session = subscribers.store().write(Durability::Full).await.unwrap();
            if subscribers.take_notice_slot(&mut session, &address(ANN)).await.unwrap() {
                taken.push(step);
            }
            session.commit().await.unwrap();
            clock.advance(Duration::from_secs(6 * 3600));
        }
        assert_eq!(taken, [0, 1, 2, 28, 29, 30, 56, 57, 58], "three in each seven days");
        // Somebody who gives up has not taken one.
        clock.advance(8 * DAY);
        for _ in 0..3 {
            let mut session = subscribers.store().write(Durability::Full).await.unwrap();
            assert!(subscribers.take_notice_slot(&mut session, &address(ANN)).await.unwrap());
        }
    }

    async fn tags_do_not_get_round_the_limits_and_stay_people_of_their_own(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        let asked = Asked::default();
        let tagged = |tag: u8| ANN.replace('@', &format!("+{tag}@"));
        for tag in 0..5 {
            join(&subscribers, &tagged(tag), &asked).await;
            subscribers.mail_lost_link(&address(&tagged(tag)), Origin::PAGE, &asked).await.unwrap();
        }
        assert_eq!(asked.count(), 1);
        for tag in 5..9 {
            clock.advance(MINUTES);
            join(&subscribers, &tagged(tag), &asked).await;
        }
        join(&subscribers, "annmarsh@northfold.example", &asked).await;
        assert_eq!(asked.count(), 4, "three to the one, and a dot makes another");
        let known = [0, 5, 6].map(|tag| format!("{} pending", tagged(tag))).join("\n");
        assert!(states(&store).await.starts_with(&known), "{}", states(&store).await);
    }

    async fn forgetting_somebody_does_not_forget_how_many_mails_they_had(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        let asked = Asked::default();
        for _ in 0..3 {
            join(&subscribers, ANN, &asked).await;
            clock.advance(MINUTES);
        }
        assert_eq!(asked.count(), 3);
        execute(&store, "delete from consent_events; delete from subscriptions; delete from subscribers").await;
        subscribers.forget_unconfirmed().await.unwrap();
        join(&subscribers, &ANN.to_uppercase(), &asked).await;
        assert_eq!((asked.count(), states(&store).await.as_str()), (3, ""));
        clock.advance(8 * DAY);
        subscribers.forget_unconfirmed().await.unwrap();
        assert_eq!(text(&store, "select address_hash from notice_slots").await, "", "no limit counts any more");
    }

    async fn a_clock_that_was_wrong_for_a_while_locks_no_address_out(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let asked = Asked::default();
        join(&subscribers, ANN, &asked).await;
        execute(&store, "update notice_slots set last_at = 4000000000000").await;
        subscribers.forget_unconfirmed().await.unwrap();
        join(&subscribers, ANN, &asked).await;
        assert_eq!(asked.count(), 2);
    }

    async fn whoever_has_not_answered_is_reminded_once_with_the_same_link(store: TestStore) {
        let (subscribers, clock) = with_reminder(&store).await;
        let asked = Asked::default();
        join(&subscribers, ANN, &asked).await;
        clock.advance(DAY - Duration::from_secs(1));
        assert_eq!(subscribers.remind(&asked).await.unwrap(), 0);
        clock.advance(Duration::from_secs(1));
        let first = asked.token();
        assert_eq!(subscribers.remind(&asked).await.unwrap(), 1);
        assert!(matches!(asked.0.lock().unwrap()[1].kind, NoticeKind::Confirm { reminder: true, .. }));
        assert_eq!(asked.token(), first);
        for _ in 0..20 {
            clock.advance(DAY / 2);
            join(&subscribers, ANN, &Asked::default()).await;
            assert_eq!(subscribers.remind(&asked).await.unwrap(), 0);
        }
        assert_eq!(text(&store, "select event from consent_events where event = 'reminded'").await, "reminded");
    }

    async fn without_a_reminder_in_the_configuration_there_is_none(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        let asked = Asked::default();
        join(&subscribers, ANN, &asked).await;
        clock.advance(2 * DAY);
        assert_eq!((subscribers.remind(&asked).await.unwrap(), asked.count()), (0, 1));
    }

    async fn many_nodes_remind_once(store: TestStore) {
        let (subscribers, clock) = with_reminder(&store).await;
        let asked = Arc::new(Asked::default());
        for index in 0..12 {
            join(&subscribers, &format!("reader{index}@northfold.example"), &asked).await;
        }
        clock.advance(DAY);
        let mut nodes = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let (subscribers, asked) = (subscribers.clone(), asked.clone());
            nodes.spawn(async move { subscribers.remind(&*asked).await.unwrap() });
        }
        assert_eq!(nodes.join_all().await.into_iter().sum::<u64>(), 12);
        assert_eq!(asked.count(), 24);
    }

    async fn nobody_is_reminded_who_confirmed_left_complained_bounced_was_suppressed_or_has_had_enough(store: TestStore) {
        let (subscribers, clock) = with_reminder(&store).await;
        let ends = ["confirmed", "unsubscribed", "complained", "bounced", "suppressed", "enough", "expired"];
        for end in ends {
            let asked = Asked::default();
            let email = format!("{end}@northfold.example");
            join(&subscribers, &email, &asked).await;
            match end {
                "suppressed" => execute(&store, &format!("insert into suppressions (address_hash, reason, note, created_at)
                    select address_hash, 'manual', '', 0 from subscribers where email = '{email}'")).await,
                "enough" => {
                    for _ in 0..2 {
                        clock.advance(MINUTES);
                        join(&subscribers, &email, &asked).await;
                    }
                }
                "confirmed" => {
                    let claim = subscribers.tokens().verify_confirm(&asked.token(), subscribers.now()).unwrap();
                    let verdict = subscribers.confirm(&claim, "Yes?", Origin::PAGE, &asked).await.unwrap();
                    assert_eq!(verdict, Confirmed::Now);
                }
                "expired" => {}
                state => execute(&store, &format!("update subscribers set state = '{state}' where email = '{email}'")).await,
            }
            clock.advance(if end == "expired" { 7 * DAY } else { DAY });
            assert_eq!(subscribers.remind(&asked).await.unwrap(), 0, "{end}");
            // Not later either, when the limits would let it.
            clock.advance(7 * DAY);
            assert_eq!(subscribers.remind(&asked).await.unwrap(), 0, "{end}");
        }
    }

    async fn whoever_never_answers_is_forgotten_and_nothing_says_who_it_was(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        let asked = Asked::default();
        join(&subscribers, ANN, &asked).await;
        execute(&store, "insert into mails (kind, topics, locale, subject, html, body_text, mime, marker, salt, created_at)
                values ('confirmation', '', '', '', '', '', '', '', '', 0);
            insert into deliveries (mail_id, kind, subscriber_id, address, name, state, priority, due_at, first_due_at, attempts, link, answer)
                select m.id, 'confirmation', s.id, s.email, 'Somebody', e.state, 0, 0, 0, 1, 'https://secret', s.email || ' is full'
                from mails m, subscribers s, (select 'sent' as state union all select 'deferred') e").await;
        let old = asked.token();
        clock.advance(29 * DAY);
        join(&subscribers, BEN, &asked).await;
        assert_eq!(subscribers.forget_unconfirmed().await.unwrap(), 0);
        clock.advance(DAY);
        assert_eq!(subscribers.forget_unconfirmed().await.unwrap(), 1);
        assert_eq!(states(&store).await, format!("{BEN} pending"));
        let left = text(&store, "select state || '|' || address || '|' || name || '|' || coalesce(link, '') || '|' || coalesce(answer, '') from deliveries order by state").await;
        assert_eq!(left, "cancelled||||\nsent||||");
        for table in ["consent_events", "subscriptions", "join_requests"] {
            let rows = text(&store, &format!("select cast(count(*) as text) from {table}")).await;
            assert_eq!(rows, "1", "{table} has Ben's row alone");
        }
        // The old link leads to nobody, also when the same address comes again: ids are not used twice.
        let claim = subscribers.tokens().verify_confirm_of_any_age(&old).unwrap();
        join(&subscribers, ANN, &asked).await;
        assert_ne!(text(&store, &format!("select public_id from subscribers where email = '{ANN}'")).await, claim.subscriber.as_str());
        assert_eq!(subscribers.confirm(&claim, "Yes?", Origin::PAGE, &asked).await.unwrap(), Confirmed::Stale);
        assert_eq!(text(&store, &format!("select cast(id as text) from subscribers where email = '{ANN}'")).await, "3");
    }

    async fn whose_confirmation_bounced_is_forgotten_too_and_the_hash_stays(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        let asked = Asked::default();
        join(&subscribers, ANN, &asked).await;
        // An old list says that he has bounced, and nothing else here does.
        let file = format!("email,state\n{BEN},bounced\n");
        import(&store, &subscribers, file.as_bytes(), ImportBasis::Rows, false).await;
        confirmed(&subscribers, CAL, &["weekly"]).await;
        for email in [ANN, CAL] {
            let words = format!("550 5.1.1 <{email}> is nobody here");
            subscribers.suppress(&address(email), SuppressionReason::Bounced, &words, Origin::RELAY).await.unwrap();
        }
        clock.advance(29 * DAY);
        assert_eq!(subscribers.forget_unconfirmed().await.unwrap(), 0);
        clock.advance(DAY);
        assert_eq!(subscribers.forget_unconfirmed().await.unwrap(), 1);
        assert_eq!(states(&store).await, format!("{BEN} bounced\n{CAL} bounced"), "who has agreed once, and of whom nothing else would stay");
        assert_eq!(traces(&store, &[ANN]).await, "");
        let file = format!("email\n{ANN}\n");
        let report = import(&store, &subscribers, file.as_bytes(), ImportBasis::Confirmed("an old list"), false).await;
        assert_eq!(report.skipped_by.get("bounced"), Some(&1), "{report:?}");
    }

    async fn whose_confirmation_bounced_is_forgotten_when_it_is_long_ago_that_an_operator_has_lifted_that(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        join(&subscribers, ANN, &Asked::default()).await;
        clock.advance(DAY);
        subscribers.suppress(&address(ANN), SuppressionReason::Bounced, "", Origin::RELAY).await.unwrap();
        clock.advance(20 * DAY);
        subscribers.unsuppress(ANN, Origin::COMMAND_LINE).await.unwrap().unwrap();
        assert_eq!(states(&store).await, format!("{ANN} bounced"));
        clock.advance(29 * DAY);
        assert_eq!(subscribers.forget_unconfirmed().await.unwrap(), 0, "it is to have an effect first");
        clock.advance(DAY);
        assert_eq!(subscribers.forget_unconfirmed().await.unwrap(), 1);
        assert_eq!(states(&store).await, "");
    }

    async fn whose_confirmation_bounced_is_not_forgotten_who_has_asked_anew_since(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        let asked = Asked::default();
        join(&subscribers, ANN, &asked).await;
        subscribers.suppress(&address(ANN), SuppressionReason::Bounced, "", Origin::RELAY).await.unwrap();
        clock.advance(20 * DAY);
        join(&subscribers, ANN, &asked).await;
        clock.advance(20 * DAY);
        assert_eq!(subscribers.forget_unconfirmed().await.unwrap(), 0);
        clock.advance(20 * DAY);
        assert_eq!(subscribers.forget_unconfirmed().await.unwrap(), 1);
    }

    async fn nobody_is_forgotten_who_has_ever_agreed_or_was_asked_anew_or_is_being_mailed(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        let asked = Asked::default();
        join(&subscribers, ANN, &asked).await;
        let claim = subscribers.tokens().verify_confirm(&asked.token(), subscribers.now()).unwrap();
        subscribers.confirm(&claim, "Yes?", Origin::PAGE, &asked).await.unwrap();
        let id = public_id(&store).await;
        clock.advance(40 * DAY);
        assert_eq!(subscribers.forget_unconfirmed().await.unwrap(), 0);
        subscribers.leave(&id, Leave::All, Origin::PAGE).await.unwrap();
        join(&subscribers, ANN, &asked).await;
        join(&subscribers, BEN, &asked).await;
        clock.advance(20 * DAY);
        join(&subscribers, BEN, &asked).await;
        clock.advance(20 * DAY);
        assert_eq!(subscribers.forget_unconfirmed().await.unwrap(), 0);
        assert_eq!(states(&store).await, format!("{ANN} unsubscribed\n{BEN} pending"));
        execute(&store, &format!("insert into mails (kind, topics, locale, subject, html, body_text, mime, marker, salt, created_at)
                values ('confirmation', '', '', '', '', '', '', '', '', 0);
            insert into deliveries (mail_id, kind, subscriber_id, address, name, state, priority, due_at, first_due_at, attempts)
                select m.id, 'confirmation', s.id, s.email, '', 'sending', 0, 0, 0, 1 from mails m, subscribers s where s.email = '{BEN}'")).await;
        clock.advance(20 * DAY);
        assert_eq!(subscribers.forget_unconfirmed().await.unwrap(), 0);
        execute(&store, "update deliveries set state = 'sent'").await;
        assert_eq!(subscribers.forget_unconfirmed().await.unwrap(), 1);
    }

    async fn a_link_made_before_the_keys_were_rotated_confirms(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let asked = Asked::default();
        join(&subscribers, ANN, &asked).await;
        let keys = Keys::rotate(&store.folder.path().join("keys"), &SystemRandom).unwrap();
        let tokens = postround::subscribers::Tokens::new(keys.into(), URL);
        let claim = tokens.verify_confirm(&asked.token(), subscribers.now()).unwrap();
        assert_eq!(subscribers.confirm(&claim, "Yes?", Origin::PAGE, &asked).await.unwrap(), Confirmed::Now);
    }
}
