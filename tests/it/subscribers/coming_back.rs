//! Who may come back, and how: the address that was suppressed, complained or left.

use std::time::Duration;

use postround::config::StoreUrl;
use postround::domain::{Locale, SubscriberState, UtcMillis};
use postround::store::{Durability, SuppressionRow};
use postround::subscribers::{
    Added, Chosen, Confirmed, Edit, Import, ImportBasis, JoinRequest, Keys, Leave, Origin, Refusal, Subscribers,
    SubscribersError, Topics,
};
use sqlx::{Connection, Executor};

use super::{ANN, URL, import, public_id, states};
use crate::support::household::{Asked, address, confirmed, everything, execute, somebody, subscribers, text};
use crate::support::{MONDAY, TestStore, on_both};

const PAPER: ImportBasis<'static> = ImportBasis::Confirmed("paper forms");

async fn suppress(store: &TestStore, subscribers: &Subscribers, reason: &str, at: UtcMillis) {
    let path = store.folder.path().join("keys");
    let keys = postround::subscribers::Keys::read(&path).unwrap().unwrap();
    let address_hash = keys.address_hash(&crate::support::household::address(&ANN.to_uppercase()));
    let row = SuppressionRow { address_hash, reason: reason.to_owned(), note: String::new(), created_at: at };
    let mut session = subscribers.store().write(Durability::Full).await.unwrap();
    session.suppress(&row).await.unwrap();
    session.commit().await.unwrap();
}

fn refusal<T>(result: &Result<T, SubscribersError>) -> Option<Refusal> {
    match result {
        Err(SubscribersError::Refused { refusal, .. }) => Some(*refusal),
        _ => None,
    }
}

/// Asks for the weekly and confirms it, for the first time or anew.
async fn confirmed_again(subscribers: &Subscribers) {
    let asked = Asked::default();
    subscribers.add(&somebody(ANN, &["weekly"]), Origin::PAGE, &asked).await.unwrap();
    if asked.count() > 0 {
        let claim = subscribers.tokens().verify_confirm(&asked.token(), subscribers.now()).unwrap();
        subscribers.confirm(&claim, "Yes?", Origin::PAGE, &asked).await.unwrap();
    }
}

on_both! {
    async fn a_suppression_by_hand_or_a_complaint_lets_nobody_in_however_it_is_spelled(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let asked = Asked::default();
        for (reason, refused) in [("complaint", Refusal::Complained), ("manual", Refusal::Suppressed(MONDAY))] {
            suppress(&store, &subscribers, reason, MONDAY).await;
            let new = somebody(ANN, &["weekly"]);
            assert_eq!(refusal(&subscribers.add(&new, Origin::PAGE, &asked).await), Some(refused));
            assert_eq!(refusal(&subscribers.add_confirmed(&new, "a form", Origin::COMMAND_LINE).await), Some(refused));
            let file = format!("email\n{ANN}\nben@northfold.example\n");
            let report = import(&store, &subscribers, file.as_bytes(), PAPER, false).await;
            assert_eq!((report.skipped, asked.count()), (1, 0));
            assert_eq!(states(&store).await, "ben@northfold.example confirmed");
        }
    }

    async fn a_confirmation_of_their_own_lifts_erasure_and_bounce_and_nothing_else_does(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        for (reason, refused) in [("erased", Refusal::Erased), ("bounced", Refusal::Bounced)] {
            suppress(&store, &subscribers, reason, subscribers.now()).await;
            let new = somebody(ANN, &["weekly"]);
            assert_eq!(refusal(&subscribers.add_confirmed(&new, "a form", Origin::COMMAND_LINE).await), Some(refused));
            let asked = Asked::default();
            // A link from before the suppression is not what they ask for now.
            subscribers.add(&new, Origin::PAGE, &asked).await.unwrap();
            let early = subscribers.tokens().verify_confirm(&asked.token(), subscribers.now()).unwrap();
            assert_eq!(subscribers.confirm(&early, "Yes?", Origin::PAGE, &Asked::default()).await.unwrap(), Confirmed::Stale);
            clock.advance(Duration::from_secs(60));
            subscribers.add(&new, Origin::PAGE, &asked).await.unwrap();
            let claim = subscribers.tokens().verify_confirm(&asked.token(), subscribers.now()).unwrap();
            assert_eq!(subscribers.confirm(&claim, "Yes?", Origin::PAGE, &Asked::default()).await.unwrap(), Confirmed::Now);
            assert_eq!(text(&store, "select reason from suppressions").await, "");
            execute(&store, "update subscribers set state = 'pending'; delete from subscriptions").await;
        }
    }

    async fn an_unused_link_from_before_somebody_left_everything_counts_no_more(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly"]).await;
        let asked = Asked::default();
        assert_eq!(subscribers.add(&somebody(ANN, &["jobs"]), Origin::PAGE, &asked).await.unwrap(), Added::Asked);
        let claim = subscribers.tokens().verify_confirm(&asked.token(), subscribers.now()).unwrap();
        clock.advance(Duration::from_secs(60));
        subscribers.leave(&public_id(&store).await, Leave::All, Origin::PAGE).await.unwrap();
        let before = everything(&store).await;
        assert_eq!(subscribers.confirm(&claim, "Yes?", Origin::PAGE, &Asked::default()).await.unwrap(), Confirmed::Stale);
        assert_eq!(everything(&store).await, before);
    }

    async fn whoever_leaves_one_digest_may_still_say_yes_to_another_one_that_they_had_asked_for(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly"]).await;
        let asked = Asked::default();
        subscribers.add(&somebody(ANN, &["weekly", "jobs"]), Origin::PAGE, &asked).await.unwrap();
        let claim = subscribers.tokens().verify_confirm(&asked.token(), subscribers.now()).unwrap();
        clock.advance(Duration::from_secs(60));
        subscribers.leave(&public_id(&store).await, Leave::Digest("weekly"), Origin::ONE_CLICK).await.unwrap();
        assert_eq!(states(&store).await, format!("{ANN} unsubscribed"));

        let prospect = subscribers.would_confirm(&claim).await.unwrap();
        assert_eq!((prospect.verdict, &prospect.choice[..]), (Confirmed::Now, &somebody(ANN, &["jobs"]).choice[..]));
        clock.advance(Duration::from_secs(60));
        assert_eq!(subscribers.confirm(&claim, "Yes?", Origin::PAGE, &asked).await.unwrap(), Confirmed::Now);
        let have = "select digest || ' ' || state from subscriptions order by digest";
        assert_eq!(text(&store, have).await, "jobs active\nweekly left");

        // A link is for one yes: whoever leaves after that does not come back by it.
        clock.advance(Duration::from_secs(60));
        subscribers.leave(&public_id(&store).await, Leave::Digest("jobs"), Origin::ONE_CLICK).await.unwrap();
        assert_eq!(subscribers.would_confirm(&claim).await.unwrap().verdict, Confirmed::Stale);
    }

    async fn whatever_was_asked_for_before_somebody_left_everything_counts_no_more_after_they_came_back(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        let (early, late) = (Asked::default(), Asked::default());
        confirmed(&subscribers, ANN, &["weekly"]).await;
        subscribers.add(&somebody(ANN, &["jobs"]), Origin::PAGE, &early).await.unwrap();
        clock.advance(Duration::from_secs(60));
        subscribers.leave(&public_id(&store).await, Leave::All, Origin::PAGE).await.unwrap();
        execute(&store, "delete from notice_slots").await;
        clock.advance(Duration::from_secs(60));
        subscribers.add(&somebody(ANN, &["weekly"]), Origin::PAGE, &late).await.unwrap();
        for (asked, verdict) in [(&late, Confirmed::Now), (&late, Confirmed::Already), (&early, Confirmed::Stale)] {
            let claim = subscribers.tokens().verify_confirm(&asked.token(), subscribers.now()).unwrap();
            assert_eq!(subscribers.confirm(&claim, "Yes?", Origin::PAGE, &Asked::default()).await.unwrap(), verdict);
        }
    }

    async fn a_confirmation_counts_for_what_it_names_and_not_for_what_somebody_else_asked(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let (mine, other) = (Asked::default(), Asked::default());
        subscribers.add(&somebody(ANN, &["weekly"]), Origin::PAGE, &mine).await.unwrap();
        subscribers.add(&somebody(ANN, &["jobs"]), Origin::PAGE, &other).await.unwrap();
        let claim = subscribers.tokens().verify_confirm(&mine.token(), subscribers.now()).unwrap();
        subscribers.confirm(&claim, "Yes?", Origin::PAGE, &Asked::default()).await.unwrap();
        assert_eq!(text(&store, "select digest || ' ' || state from subscriptions").await, "weekly active");
    }

    async fn evidence_counts_for_what_it_names_and_not_for_what_somebody_else_asked(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let asked = Asked::default();
        subscribers.add(&somebody(ANN, &["jobs"]), Origin::PAGE, &asked).await.unwrap();
        confirmed(&subscribers, ANN, &["weekly"]).await;
        subscribers.add(&somebody("ben@northfold.example", &["jobs"]), Origin::PAGE, &asked).await.unwrap();
        let report = import(&store, &subscribers, b"email,digests\nben@northfold.example,weekly\n", PAPER, false).await;
        assert_eq!(report.updated, 1);
        assert_eq!(text(&store, "select digest || ' ' || state from subscriptions").await, "weekly active\nweekly active");
    }

    async fn whoever_a_file_confirms_gets_what_it_says_and_nothing_that_a_stranger_typed(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let topics = Topics::Only(["news".to_owned()].into());
        for (row, expected) in [
            (",,", "jobs *, weekly *"),
            ("weekly,,", "weekly *"),
            (",features,", "weekly features"),
            ("weekly,interviews;features,de", "weekly features,interviews"),
        ] {
            let typed = JoinRequest {
                address: address(ANN),
                name: "Visit casino.example".to_owned(),
                locale: Locale::parse("fr").ok(),
                choice: vec![Chosen { digest: "weekly".to_owned(), topics: topics.clone() }],
                wording: "Yes".to_owned(),
            };
            subscribers.join(&typed, Origin::PAGE, &Asked::default()).await.unwrap();
            let file = format!("email,digests,topics,locale\n{ANN},{row}\n");
            assert_eq!(import(&store, &subscribers, file.as_bytes(), PAPER, false).await.updated, 1);
            let got = "select digest || ' ' || topics from subscriptions order by digest";
            assert_eq!(text(&store, got).await.replace('\n', ", "), expected, "{row}");
            let who = "select state || ' ' || name || '|' || coalesce(locale, '') from subscribers";
            let locale = row.rsplit(',').next().unwrap();
            assert_eq!(text(&store, who).await, format!("confirmed |{locale}"));
            assert_eq!(text(&store, "select name from join_requests").await, "", "what was typed is of no use any more");
            let all = "delete from subscriptions; delete from consent_events; delete from subscribers; delete from notice_slots";
            execute(&store, all).await;
        }
    }

    async fn asking_a_whole_file_asks_nobody_who_left_and_nobody_twice(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly"]).await;
        subscribers.leave(&public_id(&store).await, Leave::All, Origin::PAGE).await.unwrap();
        confirmed(&subscribers, "here@northfold.example", &["weekly"]).await;
        let path = store.folder.path().join("people.csv");
        std::fs::write(&path, format!("email\n{ANN}\nhere@northfold.example\nnew@northfold.example\n")).unwrap();
        let (asked, ask) = (Asked::default(), Import::new(&path, ImportBasis::Ask));
        let report = subscribers.import(&ask, &asked, |_, _| {}).await.unwrap();
        assert_eq!((report.added, report.unchanged, report.skipped, asked.count()), (1, 1, 1, 1));
        clock.advance(Duration::from_secs(60));
        let report = subscribers.import(&ask, &asked, |_, _| {}).await.unwrap();
        assert_eq!((report.unchanged, report.skipped, asked.count()), (2, 1, 1));
    }

    async fn leaving_wins_over_an_import_at_the_same_moment(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly"]).await;
        let id = public_id(&store).await;
        let path = store.folder.path().join("people.csv");
        std::fs::write(&path, format!("email,name\n{ANN},Ann\n")).unwrap();
        // Somebody leaves, and the import comes to the same person before that is committed.
        let mut leaving = subscribers.store().write(Durability::Full).await.unwrap();
        let mut row = leaving.subscriber_by_public_id(&id).await.unwrap().unwrap();
        leaving.lock_subscriber(row.id).await.unwrap();
        let other = subscribers.clone();
        let import = tokio::spawn(async move {
            let file = Import::new(&path, PAPER);
            other.import(&file, &Asked::default(), |_, _| {}).await.unwrap()
        });
        tokio::time::sleep(Duration::from_millis(200)).await;
        row.state = SubscriberState::Unsubscribed;
        leaving.update_subscriber(&row).await.unwrap();
        leaving.commit().await.unwrap();
        assert_eq!(import.await.unwrap().skipped, 1);
        assert_eq!(states(&store).await, format!("{ANN} unsubscribed"));
    }

    async fn an_import_that_somebody_else_is_in_the_way_of_is_tried_again(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly"]).await;
        confirmed(&subscribers, "ben@northfold.example", &["weekly"]).await;
        let path = store.folder.path().join("people.csv");
        std::fs::write(&path, format!("email,name\n{ANN},Ann\nben@northfold.example,Ben\n")).unwrap();
        // Each of the two ends up waiting for the other, and the one that looks around first is broken off. A file has one
        // writer at a time: there nobody waits in a circle.
        let StoreUrl::Postgres(url) = &store.url else { return };
        let mut first = sqlx::PgConnection::connect(url.reveal()).await.unwrap();
        first.execute("set deadlock_timeout = '1min'").await.unwrap();
        first.execute("begin; select 1 from subscribers where id = 2 for update").await.unwrap();
        let other = subscribers.clone();
        let import = tokio::spawn(async move {
            other.import(&Import::new(&path, PAPER), &Asked::default(), |_, _| {}).await.unwrap()
        });
        let waits = "select cast(count(*) as text) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
        while text(&store, waits).await == "0" {
            tokio::task::yield_now().await;
        }
        first.execute("select 1 from subscribers where id = 1 for update; commit").await.unwrap();
        assert_eq!(import.await.unwrap().updated, 2);
        assert_eq!(text(&store, "select name from subscribers order by name").await, "Ann\nBen");
    }

    async fn a_name_or_language_that_is_set_meanwhile_ends_no_link_of_somebody_who_comes_back(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        for by_operator in [false, true] {
            execute(&store, "delete from notice_slots").await;
            confirmed_again(&subscribers).await;
            clock.advance(Duration::from_secs(60));
            let id = public_id(&store).await;
            subscribers.leave(&id, Leave::All, Origin::PAGE).await.unwrap();
            clock.advance(Duration::from_secs(60));
            let asked = Asked::default();
            subscribers.add(&somebody(ANN, &["weekly"]), Origin::PAGE, &asked).await.unwrap();
            let claim = subscribers.tokens().verify_confirm(&asked.token(), subscribers.now()).unwrap();
            clock.advance(Duration::from_secs(60));
            if by_operator {
                let edit = Edit { name: Some("Ann Marsh".to_owned()), ..Edit::default() };
                subscribers.edit(&address(ANN), &edit, Origin::COMMAND_LINE, &asked).await.unwrap();
            } else {
                let keys = Keys::read(&store.folder.path().join("keys")).unwrap().unwrap();
                let link = subscribers.tokens().manage(&id, &keys.address_hash(&address(ANN)), "weekly", subscribers.now());
                let manage = subscribers.tokens().verify_manage(link.as_str(), subscribers.now()).unwrap();
                assert!(subscribers.set_profile(&manage, "Ann", Locale::parse("de").ok().as_ref(), Origin::PAGE).await.unwrap());
            }
            assert_eq!(text(&store, "select cast(count(*) as text) from consent_events where event = 'profile'").await, if by_operator { "2" } else { "1" });
            assert_eq!(subscribers.confirm(&claim, "Yes?", Origin::PAGE, &asked).await.unwrap(), Confirmed::Now);
        }
    }
}
