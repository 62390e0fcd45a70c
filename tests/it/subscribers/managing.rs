//! The link to everything, the change of address, erasing, and what is given of one's data.

use std::time::Duration;

use postround::config::{Config, StoreUrl};
use postround::domain::{PublicId, UtcMillis};
use postround::store::{Durability, SuppressionRow};
use postround::subscribers::{
    ChangeAsked, Changed, DigestClaim, Erased, Leave, Left, MANAGE_LIFETIME, NoticeKind, Origin, PersonalClaim,
    Refusal, Subscribers, SubscribersError, SuppressionReason, Taken, TokenError,
};
use proptest::prelude::*;

use super::{ANN, URL, public_id, states, tokens};
use crate::support::household::{
    Asked, address, confirmed, everything, execute, notices, people, somebody, subscribers, subscribers_with, text,
    traces,
};
use crate::support::{MONDAY, TestClock, TestStore, on_both};

const NEW: &str = "ann@saltby.example";
const SPACED: Duration = Duration::from_secs(11 * 60);

/// Has the link mailed, and reads it.
async fn manage(subscribers: &Subscribers, id: &PublicId, asked: &Asked) -> PersonalClaim {
    let claim = DigestClaim { subscriber: id.clone(), digest: "weekly".to_owned() };
    subscribers.mail_manage_link(&claim, asked).await.unwrap();
    subscribers.tokens().verify_manage(&asked.token(), subscribers.now()).unwrap()
}

/// Asks for another address, and reads the link that is mailed there.
async fn ask(subscribers: &Subscribers, claim: &PersonalClaim, asked: &Asked) -> postround::subscribers::ChangeClaim {
    let answer = subscribers.ask_address_change(claim, &address(NEW), Origin::PAGE, asked).await.unwrap();
    assert_eq!(answer, ChangeAsked::Asked);
    subscribers.tokens().verify_change(&asked.token(), subscribers.now()).unwrap()
}

async fn id_of(store: &TestStore, email: &str) -> PublicId {
    PublicId::parse(&text(store, &format!("select public_id from subscribers where email = '{email}'")).await).unwrap()
}

async fn begin(store: &TestStore) -> (Subscribers, std::sync::Arc<TestClock>, PublicId, Asked) {
    let (subscribers, clock) = subscribers(store, URL).await;
    confirmed(&subscribers, ANN, &["weekly"]).await;
    (subscribers, clock, public_id(store).await, Asked::default())
}

async fn suppress(store: &TestStore, email: &str, reason: &str) {
    let keys = postround::subscribers::Keys::read(&store.folder.path().join("keys")).unwrap().unwrap();
    let address_hash = keys.address_hash(&address(email));
    let mut session = store.store.write(Durability::Full).await.unwrap();
    let row = SuppressionRow { address_hash, reason: reason.to_owned(), note: String::new(), created_at: MONDAY };
    session.suppress(&row).await.unwrap();
    session.commit().await.unwrap();
}

/// Those of these texts that stand in a file of the store's, where its files are known.
fn in_files<'t>(store: &TestStore, texts: &[&'t str]) -> Vec<&'t str> {
    let StoreUrl::Sqlite(path) = &store.url else { return Vec::new() };
    let files = ["", "-wal"].map(|ending| std::fs::read(format!("{}{ending}", path.display())).unwrap_or_default());
    let holds = |text: &str| files.iter().any(|file| file.windows(text.len()).any(|part| part == text.as_bytes()));
    texts.iter().copied().filter(|text| holds(text)).collect()
}

on_both! {
    async fn the_link_to_everything_works_an_hour_and_is_mailed_at_most_three_times_a_week(store: TestStore) {
        let (subscribers, clock, id, asked) = begin(&store).await;
        let claim = manage(&subscribers, &id, &asked).await;
        assert!(subscribers.managed(&claim).await.unwrap().is_some());
        let token = asked.token();
        for _ in 0..10 {
            let digest = DigestClaim { subscriber: id.clone(), digest: "weekly".to_owned() };
            subscribers.mail_manage_link(&digest, &asked).await.unwrap();
            subscribers.mail_lost_link(&address(ANN), Origin::PAGE, &asked).await.unwrap();
            clock.advance(SPACED);
        }
        assert_eq!(asked.count(), 3);
        assert!(clock_is_past(&subscribers, MONDAY.plus(MANAGE_LIFETIME)));
        assert_eq!(subscribers.tokens().verify_manage(&token, subscribers.now()), Err(TokenError::Expired));
        assert_eq!(subscribers.tokens().verify_manage(&token, MONDAY.plus(MANAGE_LIFETIME)), Err(TokenError::Expired));
    }

    async fn a_lost_link_is_mailed_to_whoever_confirmed_once_and_asks_the_pending_and_nobody_else(store: TestStore) {
        let (subscribers, clock, id, asked) = begin(&store).await;
        subscribers.leave(&id, Leave::All, Origin::PAGE).await.unwrap();
        subscribers.mail_lost_link(&address(ANN), Origin::PAGE, &asked).await.unwrap();
        assert!(matches!(asked.0.lock().unwrap().last().unwrap().kind, NoticeKind::ManageLink { .. }), "who left has rights");
        subscribers.add(&somebody("ben@northfold.example", &["weekly"]), Origin::PAGE, &asked).await.unwrap();
        clock.advance(SPACED);
        subscribers.mail_lost_link(&address("ben@northfold.example"), Origin::PAGE, &asked).await.unwrap();
        assert_eq!(asked.count(), 3);
        assert!(matches!(asked.0.lock().unwrap().last().unwrap().kind, NoticeKind::Confirm { .. }));
        // Whoever has left before they confirmed is not asked for that again.
        let ben = id_of(&store, "ben@northfold.example").await;
        subscribers.add(&somebody("ben@northfold.example", &["jobs"]), Origin::PAGE, &asked).await.unwrap();
        subscribers.leave(&ben, Leave::Digest("weekly"), Origin::PAGE).await.unwrap();
        clock.advance(SPACED);
        subscribers.mail_lost_link(&address("ben@northfold.example"), Origin::PAGE, &asked).await.unwrap();
        let last = asked.0.lock().unwrap().last().unwrap().kind.clone();
        assert!(matches!(&last, NoticeKind::Confirm { choice, .. } if choice.len() == 1 && choice[0].digest == "jobs"), "{last:?}");
        let count = asked.count();
        let before = people(&store).await;
        subscribers.mail_lost_link(&address("nobody@northfold.example"), Origin::PAGE, &asked).await.unwrap();
        for reason in ["manual", "complaint", "erased", "bounced"] {
            clock.advance(SPACED);
            execute(&store, "delete from suppressions").await;
            suppress(&store, ANN, reason).await;
            subscribers.mail_lost_link(&address(ANN), Origin::PAGE, &asked).await.unwrap();
        }
        assert_eq!((asked.count(), people(&store).await), (count, before));
    }

    async fn a_digest_is_taken_up_through_the_link_with_its_wording_and_by_nobody_who_complained(store: TestStore) {
        let (subscribers, _clock, id, asked) = begin(&store).await;
        let claim = manage(&subscribers, &id, &asked).await;
        subscribers.leave(&id, Leave::All, Origin::PAGE).await.unwrap();
        let take = |digest| subscribers.take_up(&claim, digest, "Jobs [Subscribe]", Origin::PAGE);
        assert_eq!(take("none").await.unwrap(), Taken::Refused);
        assert_eq!(take("jobs").await.unwrap(), Taken::Now);
        assert_eq!(take("jobs").await.unwrap(), Taken::Already);
        assert_eq!(states(&store).await, format!("{ANN} confirmed"));
        assert_eq!(text(&store, "select wording from consent_events where event = 'confirmed' and digest = 'jobs'").await, "Jobs [Subscribe]");
        execute(&store, "update subscribers set state = 'complained'").await;
        assert_eq!(take("weekly").await.unwrap(), Taken::Refused);
    }

    async fn taking_up_a_digest_brings_back_nothing_else(store: TestStore) {
        let (subscribers, _clock, id, asked) = begin(&store).await;
        let claim = manage(&subscribers, &id, &asked).await;
        execute(&store, "update subscribers set state = 'unsubscribed'").await;
        assert_eq!(subscribers.take_up(&claim, "jobs", "Jobs", Origin::PAGE).await.unwrap(), Taken::Now);
        assert_eq!(text(&store, "select digest from live_subscriptions").await, "jobs");
    }

    async fn a_digest_that_is_not_public_is_taken_up_by_those_who_have_had_it_alone(store: TestStore) {
        let closed = |config: &mut Config| config.digests[1].public = false;
        let (subscribers, clock) = subscribers_with(&store, URL, closed).await;
        let ben = "ben@northfold.example";
        confirmed(&subscribers, ANN, &["weekly"]).await;
        confirmed(&subscribers, ben, &["weekly", "jobs"]).await;
        for (who, taken) in [(ANN, Taken::Refused), (ben, Taken::Now)] {
            let (id, asked) = (id_of(&store, who).await, Asked::default());
            subscribers.leave(&id, Leave::Digest("jobs"), Origin::PAGE).await.unwrap();
            clock.advance(SPACED);
            let claim = manage(&subscribers, &id, &asked).await;
            let before = everything(&store).await;
            assert_eq!(subscribers.take_up(&claim, "jobs", "Jobs", Origin::PAGE).await.unwrap(), taken, "{who}");
            assert_eq!(everything(&store).await == before, taken == Taken::Refused);
        }
    }

    async fn a_new_address_counts_when_it_is_confirmed_there_and_takes_along_what_waits(store: TestStore) {
        let (subscribers, _clock, id, asked) = begin(&store).await;
        execute(&store,
            "insert into mails (kind, topics, locale, subject, html, body_text, mime, marker, salt, created_at)
                 values ('digest', '*', '', '', '', '', '', '', '', 0);
             insert into deliveries (mail_id, kind, digest, subscriber_id, address, name, state, owner, priority, due_at, first_due_at, attempts)
             select m.id, v.kind, 'weekly', s.id, s.email, '', v.state, 'me', 0, 0, 0, 0 from mails m, subscribers s,
                 (select 'digest' as kind, 'claimed' as state union all select 'digest', 'deferred'
                  union all select 'digest', 'sending' union all select 'manage', 'queued') v").await;
        let claim = manage(&subscribers, &id, &asked).await;
        let old_preferences = subscribers.tokens().preferences(&id, "weekly");
        let change = ask(&subscribers, &claim, &asked).await;
        assert_eq!(states(&store).await, format!("{ANN} confirmed"), "nothing changes before it is confirmed");
        assert_eq!(subscribers.would_change(&change).await.unwrap(), Changed::Now);
        assert_eq!(subscribers.change_address(&change, "Yes?", Origin::PAGE, &asked).await.unwrap(), Changed::Now);
        assert_eq!(states(&store).await, format!("{NEW} confirmed"));
        let waits = "select kind || ' ' || state || ' ' || address || ' ' || coalesce(owner, '-') from deliveries where kind in ('digest', 'manage') order by 1";
        assert_eq!(text(&store, waits).await, format!(
            "digest deferred {NEW} -\ndigest queued {NEW} -\ndigest sending {ANN} me\nmanage queued {ANN} me"));
        let told = asked.0.lock().unwrap().last().unwrap().clone();
        assert!(matches!(told.kind, NoticeKind::AddressChanged) && told.address == address(ANN));
        assert_eq!(subscribers.change_address(&change, "Yes?", Origin::PAGE, &asked).await.unwrap(), Changed::Already);
        // The link that was mailed to the old address is dead, those of the digests are not.
        assert!(subscribers.managed(&claim).await.unwrap().is_none());
        assert_eq!(subscribers.erase(&claim).await.unwrap(), Erased::Unknown);
        let claim = subscribers.tokens().verify_preferences(old_preferences.as_str()).unwrap();
        assert!(subscribers.preferences(&claim).await.unwrap().unwrap().active);
        assert_eq!(subscribers.leave(&id, Leave::All, Origin::ONE_CLICK).await.unwrap(), Left::Now);
    }

    async fn of_two_changes_that_were_asked_for_only_one_can_be_confirmed(store: TestStore) {
        let (subscribers, _clock, id, asked) = begin(&store).await;
        let claim = manage(&subscribers, &id, &asked).await;
        let first = ask(&subscribers, &claim, &asked).await;
        let other = address("ann@elsewhere.example");
        subscribers.ask_address_change(&claim, &other, Origin::PAGE, &asked).await.unwrap();
        let second = subscribers.tokens().verify_change(&asked.token(), subscribers.now()).unwrap();
        assert_eq!(subscribers.change_address(&first, "", Origin::PAGE, &asked).await.unwrap(), Changed::Now);
        assert_eq!(subscribers.change_address(&second, "", Origin::PAGE, &asked).await.unwrap(), Changed::Stale);
        assert_eq!(states(&store).await, format!("{NEW} confirmed"));
    }

    async fn whoever_has_the_new_address_already_keeps_it_and_is_told_there_alone(store: TestStore) {
        let (subscribers, clock, id, asked) = begin(&store).await;
        let claim = manage(&subscribers, &id, &asked).await;
        let change = ask(&subscribers, &claim, &asked).await;
        confirmed(&subscribers, NEW, &["jobs"]).await;
        assert_eq!(subscribers.change_address(&change, "", Origin::PAGE, &asked).await.unwrap(), Changed::Stale);
        clock.advance(SPACED);
        let answer = subscribers.ask_address_change(&claim, &address(NEW), Origin::PAGE, &asked).await.unwrap();
        assert_eq!(answer, ChangeAsked::Asked);
        let told = asked.0.lock().unwrap().last().unwrap().clone();
        assert!(matches!(told.kind, NoticeKind::AddressTaken) && told.address == address(NEW));
        assert_eq!(told.digest, "jobs", "with the way out of what they get there");
        assert_eq!(states(&store).await, format!("{ANN} confirmed\n{NEW} confirmed"));
        let count = asked.count();
        clock.advance(SPACED);
        suppress(&store, NEW, "manual").await;
        let answer = subscribers.ask_address_change(&claim, &address(NEW), Origin::PAGE, &asked).await.unwrap();
        assert_eq!((answer, asked.count()), (ChangeAsked::Asked, count), "a suppressed address gets no mail");
    }

    async fn what_is_held_of_somebody_does_not_tell_whose_a_new_address_is(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        let notices = notices(&subscribers);
        let new = |who: &str| format!("{who}@saltby.example");
        for who in ["confirmed", "left", "bounced", "complained", "manual"] {
            confirmed(&subscribers, &new(who), &["jobs"]).await;
        }
        subscribers.add(&somebody(&new("pending"), &["jobs"]), Origin::PAGE, &notices).await.unwrap();
        subscribers.leave(&id_of(&store, &new("left")).await, Leave::All, Origin::PAGE).await.unwrap();
        for reason in [SuppressionReason::Bounced, SuppressionReason::Complaint, SuppressionReason::Manual] {
            let who = if reason == SuppressionReason::Complaint { "complained" } else { reason.as_str() };
            subscribers.suppress(&address(&new(who)), reason, "", Origin::COMMAND_LINE).await.unwrap();
        }
        clock.advance(SPACED);
        let mut told = Vec::new();
        for who in ["unknown", "again", "confirmed", "left", "bounced", "complained", "manual", "pending"] {
            let asker = format!("{who}@northfold.example");
            confirmed(&subscribers, &asker, &["weekly"]).await;
            let (row, hash) = (id_of(&store, &asker).await, "select address_hash from subscribers where email = ");
            let hash = text(&store, &format!("{hash}'{asker}'")).await;
            let token = subscribers.tokens().manage(&row, &hash, "weekly", subscribers.now());
            let claim = subscribers.tokens().verify_manage(token.as_str(), subscribers.now()).unwrap();
            // Somebody else has just asked for this one.
            let new = address(&new(if who == "again" { "unknown" } else { who }));
            assert_eq!(subscribers.ask_address_change(&claim, &new, Origin::PAGE, &notices).await.unwrap(), ChangeAsked::Asked);
            let held = serde_json::to_string(&subscribers.data(&claim).await.unwrap().unwrap()).unwrap();
            assert!(held.contains("a change of the address") && !held.contains("saltby"), "{held}");
            told.push(held.replace(&asker, "ASKER"));
        }
        assert!(told.windows(2).all(|pair| pair[0] == pair[1]), "{told:#?}");
        let mailed = "select kind || ' ' || address from deliveries where kind in ('address', 'subscribed') order by 1";
        let expected = ["left", "pending", "unknown"].map(|who| format!("address {}", new(who)));
        assert_eq!(text(&store, mailed).await, format!("{}\nsubscribed {}", expected.join("\n"), new("confirmed")));
    }

    async fn the_question_to_a_new_address_is_held_of_whoever_answered_it(store: TestStore) {
        let (subscribers, _clock, id, asked) = begin(&store).await;
        let (notices, claim) = (notices(&subscribers), manage(&subscribers, &id, &asked).await);
        subscribers.ask_address_change(&claim, &address(NEW), Origin::PAGE, &notices).await.unwrap();
        let link = text(&store, "select link from deliveries where kind = 'address'").await;
        let change = subscribers.tokens().verify_change(link.rsplit('/').next().unwrap(), subscribers.now()).unwrap();
        subscribers.change_address(&change, "Yes?", Origin::PAGE, &notices).await.unwrap();
        let held = subscribers.data_of(&address(NEW)).await.unwrap().unwrap();
        assert_eq!(held.mails.iter().map(|mail| mail.kind.as_str()).collect::<Vec<_>>(), ["address", "moved"]);
    }

    async fn whoever_left_there_becomes_one_with_them_and_the_links_of_both_work_on(store: TestStore) {
        let (subscribers, _clock, id, asked) = begin(&store).await;
        confirmed(&subscribers, NEW, &["weekly", "jobs"]).await;
        let other = id_of(&store, NEW).await;
        subscribers.leave(&other, Leave::All, Origin::PAGE).await.unwrap();
        let claim = manage(&subscribers, &id, &asked).await;
        let change = ask(&subscribers, &claim, &asked).await;
        assert_eq!(subscribers.change_address(&change, "", Origin::PAGE, &asked).await.unwrap(), Changed::Now);
        assert_eq!(states(&store).await, format!("{NEW} confirmed"));
        let digests = text(&store, "select digest || ' ' || state from subscriptions order by digest").await;
        assert_eq!(digests, "jobs left\nweekly active", "what was left there stays left");
        let left = text(&store, "select event || ' ' || address from consent_events where event = 'left' order by id limit 1").await;
        assert_eq!(left, format!("left {NEW}"), "the evidence of both is kept");
        // The mails of before, in the inbox of the new address, have links with the other id.
        assert_eq!(subscribers.leave(&other, Leave::Digest("weekly"), Origin::ONE_CLICK).await.unwrap(), Left::Now);
        assert_eq!(states(&store).await, format!("{NEW} unsubscribed"));
        assert_eq!(subscribers.erase_address(&address(NEW)).await.unwrap(), Erased::Now);
        assert_eq!(text(&store, "select public_id from former_ids").await, "");
    }

    async fn erasing_leaves_a_keyed_hash_and_nothing_that_says_who_it_was(store: TestStore) {
        let (subscribers, clock, id, asked) = begin(&store).await;
        let claim = manage(&subscribers, &id, &asked).await;
        let left = subscribers.say_goodbye(&id, "weekly", Leave::All, Origin::PAGE, &asked).await.unwrap();
        let undo = subscribers.tokens().verify_undo(left.way.unwrap().as_str(), subscribers.now()).unwrap();
        subscribers.say_why(&undo, postround::subscribers::Reason::Other, "call me on 0123").await.unwrap();
        execute(&store,
            "insert into mails (kind, topics, locale, subject, html, body_text, mime, marker, salt, created_at)
                 values ('digest', '*', '', '', '', '', '', '', '', 0);
             insert into deliveries (mail_id, kind, digest, subscriber_id, address, name, state, priority, due_at, first_due_at, attempts, answer)
             select m.id, 'digest', 'weekly', s.id, s.email, 'Ann', v.state, 0, 0, 0, 0, s.email from mails m, subscribers s,
                 (select 'sent' as state union all select 'queued') v;
             insert into join_requests (subscriber_id, asked_at, choice, name, locale) select id, 0, 'weekly', 'Traced', 'de' from subscribers;
             insert into asks (subscriber_id, due_at, source) select id, 0, 'import of Traced.csv' from subscribers;
             insert into former_ids (public_id, subscriber_id) select 'traced', id from subscribers;
             insert into former_addresses (address_hash, subscriber_id, moved_at) select 'traced', id, 0 from subscribers;
             update deliveries set link = 'https://post.example/traced', address_hash = 'traced';
             update consent_events set source = 'Traced', network = 'Traced', agent = 'Traced', wording = 'Traced', evidence = 'Traced'").await;
        // Some of it in the file of the database, some in its log.
        store.store.empty_log().await.unwrap();
        execute(&store, "update deliveries set answer = 'said: call me on 0123'").await;
        let is_sqlite = matches!(store.url, StoreUrl::Sqlite(_));
        assert_eq!(in_files(&store, &[ANN, "on 0123", "Traced.csv"]).len(), if is_sqlite { 3 } else { 0 });
        assert_eq!(subscribers.erase(&claim).await.unwrap(), Erased::Now);
        assert_eq!(in_files(&store, &[ANN, "on 0123", "Traced.csv"]), Vec::<&str>::new());
        assert_eq!(subscribers.erase(&claim).await.unwrap(), Erased::Unknown);
        assert_eq!(subscribers.erase_address(&address(ANN)).await.unwrap(), Erased::Already);
        assert_eq!(subscribers.erase_address(&address("x@northfold.example")).await.unwrap(), Erased::Unknown);
        assert_eq!(traces(&store, &[ANN, "name: ann", "on 0123", id.as_str()]).await, "");
        // Of what they had before only the hash of an address stays.
        assert_eq!(traces(&store, &["traced"]).await, "suppressions.address_hash: traced");
        assert_eq!(text(&store, "select reason || note from leave_reasons").await, "other");
        assert_eq!(text(&store, "select state || address || name || coalesce(answer, '') from deliveries order by 1").await, "cancelled\nsent");
        assert_eq!(text(&store, "select reason || note from suppressions").await, "erased\nerased");
        let held = serde_json::to_value(subscribers.data_of(&address(ANN)).await.unwrap().unwrap()).unwrap();
        assert_eq!((&held["suppression"]["reason"], held.get("email")), (&"erased".into(), None));
        // Nobody else brings them back, and they do.
        let refused = subscribers.add_confirmed(&somebody(ANN, &["weekly"]), "a form", Origin::COMMAND_LINE).await;
        assert!(matches!(refused, Err(SubscribersError::Refused { refusal: Refusal::Erased, .. })));
        clock.advance(SPACED);
        subscribers.add(&somebody(ANN, &["weekly"]), Origin::PAGE, &asked).await.unwrap();
        let confirm = subscribers.tokens().verify_confirm(&asked.token(), subscribers.now()).unwrap();
        subscribers.confirm(&confirm, "Yes?", Origin::PAGE, &asked).await.unwrap();
        assert_eq!(states(&store).await, format!("{ANN} confirmed"));
        assert_eq!(subscribers.leave(&id, Leave::All, Origin::ONE_CLICK).await.unwrap(), Left::Unknown, "an old link opens nobody's page");
    }

    async fn erasing_weakens_no_complaint_and_no_word_of_an_operator(store: TestStore) {
        let (subscribers, _clock, _id, _asked) = begin(&store).await;
        suppress(&store, ANN, "manual").await;
        subscribers.erase_address(&address(ANN)).await.unwrap();
        assert_eq!(text(&store, "select reason from suppressions").await, "manual");
        confirmed(&subscribers, NEW, &["weekly"]).await;
        execute(&store, "update subscribers set state = 'complained'").await;
        subscribers.erase_address(&address(NEW)).await.unwrap();
        assert_eq!(text(&store, "select reason from suppressions order by reason").await, "complaint\nmanual");
    }

    async fn all_that_is_held_is_given_with_what_was_mailed_and_agreed(store: TestStore) {
        let (subscribers, _clock, id, asked) = begin(&store).await;
        let claim = manage(&subscribers, &id, &asked).await;
        let origin = Origin::PAGE.from(Some("192.0.2.7"), Some("Browser"));
        subscribers.take_up(&claim, "jobs", "Jobs [Subscribe]", origin).await.unwrap();
        subscribers.set_profile(&claim, " Ann \u{7}Marsh ", None, origin).await.unwrap();
        let held = serde_json::to_value(subscribers.data(&claim).await.unwrap().unwrap()).unwrap();
        assert_eq!((&held["email"], &held["name"]), (&ANN.into(), &"Ann Marsh".into()));
        assert!(held["mails"].is_array() && held["suppression"].is_null());
        let taken = held["consent"].as_array().unwrap().iter().find(|event| event["digest"] == "jobs").unwrap();
        assert_eq!((&taken["network"], &taken["agent"], &taken["address"]), (&"192.0.2.7".into(), &"Browser".into(), &ANN.into()));
        assert_eq!((&taken["wording"], taken["wording_version"].as_str().unwrap().len()), (&"Jobs [Subscribe]".into(), 12));
    }

    async fn networks_are_forgotten_when_their_time_is_over_and_the_rest_of_the_evidence_stays(store: TestStore) {
        let (subscribers, clock, id, asked) = begin(&store).await;
        let claim = manage(&subscribers, &id, &asked).await;
        let origin = Origin::PAGE.from(Some("192.0.2.7"), Some("Browser"));
        subscribers.take_up(&claim, "jobs", "Jobs", origin).await.unwrap();
        clock.advance(Duration::from_secs(364 * 86_400));
        subscribers.leave(&id, Leave::Digest("jobs"), origin).await.unwrap();
        assert_eq!(subscribers.forget_networks().await.unwrap(), 0);
        let before = people(&store).await;
        clock.advance(Duration::from_secs(2 * 86_400));
        assert_eq!(subscribers.forget_networks().await.unwrap(), 1);
        assert_eq!(people(&store).await, before);
        let kept = "select event || coalesce(network, '') || coalesce(agent, '') from consent_events where digest = 'jobs' order by id";
        assert_eq!(text(&store, kept).await, "confirmed\nleft192.0.2.7Browser");
    }
}

fn clock_is_past(subscribers: &Subscribers, moment: UtcMillis) -> bool {
    subscribers.now() > moment
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_personal_token_is_good_for_one_purpose_and_one_address(
        id in any::<[u8; 16]>(), digest in "[a-z][a-z0-9-]{0,30}", place in any::<prop::sample::Index>(), letter in "[a-z2-7]",
    ) {
        let tokens = tokens();
        let id = PublicId::parse(&data_encoding::BASE32_NOPAD.encode(&id).to_ascii_lowercase()).unwrap();
        let (mine, other) = ("a".repeat(52), format!("{}a", "b".repeat(51)));
        let token = tokens.manage(&id, &mine, &digest, MONDAY);
        let claim = tokens.verify_manage(token.as_str(), MONDAY).unwrap();
        prop_assert_eq!((&claim.subscriber, &claim.digest, claim.at), (&id, &digest, MONDAY));
        prop_assert!(claim.is_bound_to(&mine) && !claim.is_bound_to(&other));
        prop_assert_eq!(tokens.verify_undo(token.as_str(), MONDAY), Err(TokenError::Forged));
        prop_assert!(tokens.verify_change(token.as_str(), MONDAY).is_err());
        prop_assert!(tokens.verify_unsubscribe(token.as_str()).is_err() && tokens.verify_preferences(token.as_str()).is_err());
        let link = tokens.change_url(&id, &mine, &digest, &address(NEW), MONDAY);
        let change = tokens.verify_change(link.rsplit('/').next().unwrap(), MONDAY).unwrap();
        prop_assert_eq!((&change.person.digest, &change.address), (&digest, &address(NEW)));
        let mut changed = token.as_str().to_owned();
        let at = place.index(changed.len());
        changed.replace_range(at..=at, &letter);
        prop_assert_eq!(tokens.verify_manage(&changed, MONDAY).is_ok(), changed == token.as_str());
    }
}
