//! Asking whom an import brought without evidence: at a rate, and nobody whose answer is known by then.

use std::fmt::Write as _;
use std::time::Duration;

use postround::config::Rate;
use postround::subscribers::{Import, ImportBasis, ImportReport, Origin, Subscribers, SuppressionReason};

use super::{URL, import, states};
use crate::support::household::{Asked, address, confirmed, execute, somebody, subscribers, text};
use crate::support::{TestStore, on_both};

fn people(store: &TestStore, count: usize) -> std::path::PathBuf {
    let mut file = "email\n".to_owned();
    for index in 0..count {
        writeln!(file, "reader{index}@northfold.example").unwrap();
    }
    let path = store.folder.path().join("people.csv");
    std::fs::write(&path, file).unwrap();
    path
}

/// An import of so many people who are asked at that rate.
async fn import_at(rate: &str, count: usize, store: &TestStore, subscribers: &Subscribers) -> (ImportReport, Asked) {
    let (path, asked) = (people(store, count), Asked::default());
    let import = Import { rate: Rate::parse(rate).unwrap(), ..Import::new(&path, ImportBasis::Ask) };
    let report = subscribers.import(&import, &asked, |_, _| {}).await.unwrap();
    (report, asked)
}

on_both! {
    async fn people_are_asked_at_the_rate_that_was_given(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        let (report, asked) = import_at("10/m", 25, &store, &subscribers).await;
        assert_eq!((report.added, report.asked, asked.count()), (25, 25, 10));
        assert_eq!(subscribers.ask_due(&asked).await.unwrap(), 0);
        for (seconds, sofar) in [(59, 10), (1, 20), (60, 25), (60, 25)] {
            clock.advance(Duration::from_secs(seconds));
            subscribers.ask_due(&asked).await.unwrap();
            assert_eq!(asked.count(), sofar);
        }
    }

    async fn a_second_import_waits_behind_the_first(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let asked = Asked::default();
        let path = people(&store, 20);
        let first = Import { rate: Rate::parse("10/m").unwrap(), ..Import::new(&path, ImportBasis::Ask) };
        subscribers.import(&first, &asked, |_, _| {}).await.unwrap();
        std::fs::write(&path, "email\nlate@northfold.example\n").unwrap();
        subscribers.import(&first, &asked, |_, _| {}).await.unwrap();
        assert_eq!(asked.count(), 10);
    }

    async fn whoever_has_answered_or_may_not_be_mailed_by_their_turn_is_not_asked(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        let (_, asked) = import_at("1/m", 4, &store, &subscribers).await;
        // Who comes first is nobody's business; the three others wait.
        let first = asked.0.lock().unwrap()[0].address.to_string();
        let mut others = (0..4).map(|index| format!("reader{index}@northfold.example")).filter(|email| *email != first);
        confirmed(&subscribers, &others.next().unwrap(), &["weekly"]).await;
        let shut = address(&others.next().unwrap());
        subscribers.suppress(&shut, SuppressionReason::Manual, "", Origin::COMMAND_LINE).await.unwrap();
        let path = store.folder.path().join("people.csv");
        std::fs::write(&path, format!("email,state\n{},unsubscribed\n", others.next().unwrap())).unwrap();
        subscribers.import(&Import::new(&path, ImportBasis::Rows), &asked, |_, _| {}).await.unwrap();
        clock.advance(Duration::from_secs(600));
        assert_eq!(subscribers.ask_due(&asked).await.unwrap(), 0);
        assert_eq!(asked.count(), 1);
        assert_eq!(text(&store, "select source from asks").await, "");
    }

    async fn a_dry_run_says_how_many_would_be_asked_and_writes_nothing(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let asked = Asked::default();
        let path = people(&store, 3);
        let import_it = Import { dry: true, ..Import::new(&path, ImportBasis::Ask) };
        let report = subscribers.import(&import_it, &asked, |_, _| {}).await.unwrap();
        assert_eq!((report.added, report.asked, report.applied, asked.count()), (3, 3, false, 0));
        assert_eq!(states(&store).await, "");
    }

    async fn a_person_whom_a_file_asks_for_more_is_asked_again_only_for_what_is_new(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        let asked = Asked::default();
        let path = store.folder.path().join("people.csv");
        let ask = Import::new(&path, ImportBasis::Ask);
        for (digests, count) in [("weekly", 1), ("weekly", 1), ("jobs", 2), ("jobs", 2)] {
            std::fs::write(&path, format!("email,digests\nann@northfold.example,{digests}\n")).unwrap();
            subscribers.import(&ask, &asked, |_, _| {}).await.unwrap();
            clock.advance(Duration::from_secs(3600));
            subscribers.ask_due(&asked).await.unwrap();
            assert_eq!(asked.count(), count, "{digests}");
        }
        let report = import(&store, &subscribers, b"email\nann@northfold.example\n", ImportBasis::Rows, false).await;
        assert!(!report.applied, "asked is not agreed");
    }

    async fn whoever_was_imported_as_pending_and_never_asked_is_asked_once_and_whoever_has_left_never(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        let asked = Asked::default();
        let list = "email,state\na@northfold.example,pending\nb@northfold.example,pending\nleft@northfold.example,pending\nshut@northfold.example,pending\n";
        import(&store, &subscribers, list.as_bytes(), ImportBasis::Rows, false).await;
        let left = subscribers.public_id(&address("left@northfold.example")).await.unwrap().unwrap();
        subscribers.leave(&left, postround::subscribers::Leave::All, Origin::PAGE).await.unwrap();
        subscribers.suppress(&address("shut@northfold.example"), SuppressionReason::Manual, "", Origin::COMMAND_LINE).await.unwrap();
        // Somebody who has asked by themselves has had their mail.
        subscribers.add(&somebody("own@northfold.example", &["weekly", "jobs"]), Origin::PAGE, &asked).await.unwrap();
        let path = store.folder.path().join("people.csv");
        let people = "email\na@northfold.example\na@northfold.example\nb@northfold.example\nleft@northfold.example\nshut@northfold.example\nown@northfold.example\n";
        std::fs::write(&path, people).unwrap();
        let ask = Import { rate: Rate::parse("1/m").unwrap(), ..Import::new(&path, ImportBasis::Ask) };
        let foreseen = subscribers.import(&Import { dry: true, ..ask.clone() }, &asked, |_, _| {}).await.unwrap();
        assert_eq!((foreseen.asked, foreseen.updated, foreseen.skipped, asked.count()), (2, 2, 2, 1), "{foreseen:?}");
        let report = subscribers.import(&ask, &asked, |_, _| {}).await.unwrap();
        assert_eq!((report.asked, report.updated, asked.count()), (2, 2, 2));
        for sofar in [3, 3] {
            // Neither while they wait nor when they have been asked does another import ask again.
            assert_eq!(subscribers.import(&ask, &asked, |_, _| {}).await.unwrap().asked, 0);
            clock.advance(Duration::from_secs(3600));
            subscribers.ask_due(&asked).await.unwrap();
            assert_eq!(asked.count(), sofar);
        }
        let to: std::collections::BTreeSet<String> = asked.0.lock().unwrap().iter().map(|mail| mail.address.to_string()).collect();
        assert_eq!(to.into_iter().collect::<Vec<_>>(), ["a@northfold.example", "b@northfold.example", "own@northfold.example"]);
    }

    async fn whoever_is_still_to_be_asked_is_not_forgotten_for_not_answering(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        let (_, asked) = import_at("1/d", 2, &store, &subscribers).await;
        clock.advance(Duration::from_secs(40 * 86_400));
        assert_eq!(subscribers.forget_unconfirmed().await.unwrap(), 1);
        assert_eq!((subscribers.ask_due(&asked).await.unwrap(), asked.count()), (1, 2));
        assert_eq!(subscribers.forget_unconfirmed().await.unwrap(), 0);
    }

    async fn an_address_that_is_none_any_more_ends_its_turn(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        let (_, asked) = import_at("1/d", 2, &store, &subscribers).await;
        execute(&store, "update subscribers set email = 'nobody' where id in (select subscriber_id from asks)").await;
        clock.advance(Duration::from_secs(86_400));
        let done = tokio::time::timeout(Duration::from_secs(30), subscribers.ask_due(&asked)).await;
        assert_eq!(done.expect("it ends").unwrap(), 0);
        assert_eq!(text(&store, "select source from asks").await, "");
    }

    async fn whoever_had_a_mail_of_that_kind_just_now_is_asked_later(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        let asked = Asked::default();
        subscribers.add(&somebody("reader0@northfold.example", &["jobs"]), Origin::PAGE, &asked).await.unwrap();
        let path = store.folder.path().join("people.csv");
        std::fs::write(&path, "email,digests\nreader0@northfold.example,weekly\n").unwrap();
        subscribers.import(&Import::new(&path, ImportBasis::Ask), &asked, |_, _| {}).await.unwrap();
        assert_eq!(asked.count(), 1);
        clock.advance(postround::subscribers::NOTICE_SPACING);
        assert_eq!((subscribers.ask_due(&asked).await.unwrap(), asked.count()), (1, 2));
    }

    async fn whoever_was_still_to_be_asked_is_asked_where_an_export_brings_them(store: TestStore) {
        let (here, _clock) = subscribers(&store, URL).await;
        let (_, asked) = import_at("2/m", 6, &store, &here).await;
        assert_eq!(asked.count(), 2);
        let mut export = Vec::new();
        here.export_all(&mut export).await.unwrap();
        let waiting = "select s.email || ' ' || a.due_at || ' ' || a.source from asks a join subscribers s on s.id = a.subscriber_id order by 1";
        let other = TestStore::sqlite().await;
        let (there, clock) = subscribers(&other, URL).await;
        clock.advance(Duration::from_secs(30));
        let path = other.folder.path().join("export.csv");
        std::fs::write(&path, &export).unwrap();
        let (asked, move_it) = (Asked::default(), Import::new(&path, ImportBasis::Rows));
        let report = there.import(&move_it, &asked, |_, _| {}).await.unwrap();
        assert_eq!((report.added, report.asked, asked.count()), (6, 4, 0));
        assert_eq!(text(&other, waiting).await, text(&store, waiting).await);
        let mut again = Vec::new();
        there.export_all(&mut again).await.unwrap();
        let turns = |csv: &[u8]| {
            let mut rows: Vec<_> = csv::Reader::from_reader(csv).records().map(|row| row.unwrap()).map(|row| (row[0].to_owned(), row[17].to_owned())).collect();
            rows.sort();
            rows
        };
        assert_eq!(turns(&again), turns(&export));
        for (seconds, sofar) in [(30, 2), (59, 2), (1, 4)] {
            clock.advance(Duration::from_secs(seconds));
            there.ask_due(&asked).await.unwrap();
            assert_eq!(asked.count(), sofar);
        }
        // What is long due when it comes is asked at the rate of the import, and not at once.
        let late = TestStore::sqlite().await;
        let (there, clock) = subscribers(&late, URL).await;
        clock.advance(Duration::from_secs(86_400));
        let (asked, path) = (Asked::default(), late.folder.path().join("export.csv"));
        std::fs::write(&path, &export).unwrap();
        let slowly = Import { rate: Rate::parse("3/m").unwrap(), ..Import::new(&path, ImportBasis::Rows) };
        there.import(&slowly, &asked, |_, _| {}).await.unwrap();
        assert_eq!(asked.count(), 3);
        clock.advance(Duration::from_secs(60));
        assert_eq!((there.ask_due(&asked).await.unwrap(), asked.count()), (1, 4));
    }
}
