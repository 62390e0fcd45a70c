//! Files as people have them: long, with blank lines, with rows twice, with a quotation mark that is not closed.

use std::fmt::Write as _;

use postround::config::Config;
use postround::domain::Locale;
use postround::subscribers::{
    Confirmed, Edit, Import, ImportBasis, ImportReport, JoinRequest, Keys, Leave, NewSubscriber, Origin,
};
use proptest::prelude::*;

use super::{URL, import, states};
use crate::support::household::{Asked, address, confirmed, execute, somebody, subscribers, subscribers_with, text};
use crate::support::on_both;

const PAPER: ImportBasis<'static> = ImportBasis::Confirmed("paper forms");

on_both! {
    async fn where_a_file_names_no_digest_it_means_those_that_everybody_is_offered(store: TestStore) {
        let closed = |config: &mut Config| config.digests[1].public = false;
        let (subscribers, _clock) = subscribers_with(&store, URL, closed).await;
        import(&store, &subscribers, b"email\nann@northfold.example\n", PAPER, false).await;
        let got = "select s.email || ' ' || d.digest from subscribers s join subscriptions d on d.subscriber_id = s.id order by 1";
        assert_eq!(text(&store, got).await, "ann@northfold.example weekly");
        import(&store, &subscribers, b"email,digests\nben@northfold.example,jobs\n", PAPER, false).await;
        assert_eq!(text(&store, got).await, "ann@northfold.example weekly\nben@northfold.example jobs", "by name");
        let all_closed = |config: &mut Config| config.digests.iter_mut().for_each(|digest| digest.public = false);
        let (subscribers, _clock) = subscribers_with(&store, URL, all_closed).await;
        import(&store, &subscribers, b"email\ncat@northfold.example\n", PAPER, false).await;
        assert!(text(&store, got).await.ends_with("cat@northfold.example jobs\ncat@northfold.example weekly"));
    }

    async fn a_long_file_is_written_in_short_transactions_and_read_again_without_a_change(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let mut file = "email,name,digests\n".to_owned();
        for index in 0..6_000 {
            writeln!(file, "reader{index}@northfold.example,Reader {index},weekly").unwrap();
        }
        let path = store.folder.path().join("people.csv");
        std::fs::write(&path, file).unwrap();
        let (nobody, file) = (Asked::default(), Import::new(&path, PAPER));
        let mut steps = Vec::new();
        let report = subscribers.import(&file, &nobody, |done, of| steps.push((done, of))).await.unwrap();
        assert_eq!((report.rows, report.added), (6_000, 6_000));
        assert!(steps.windows(2).all(|pair| pair[1].0 - pair[0].0 <= 2_000), "{steps:?}");
        assert_eq!(steps.last(), Some(&(6_000, 6_000)));
        let report = subscribers.import(&file, &nobody, |_, _| {}).await.unwrap();
        assert_eq!((report.unchanged, report.added + report.updated + report.skipped), (6_000, 0));
        assert_eq!(text(&store, "select cast(count(*) as text) from subscriptions where state = 'active'").await, "6000");
        let mut listed = 0;
        subscribers.list(|record| {
            listed += 1;
            assert_eq!((record.digests.len(), record.consent.len()), (1, 1));
            Ok::<_, postround::subscribers::SubscribersError>(())
        }).await.unwrap();
        assert_eq!(listed, 6_000);
    }

    async fn a_line_that_tells_spreadsheets_the_delimiter_is_no_header(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        for (at, file) in ["sep=;\nemail;name\na0@northfold.example;Ann, Marsh\nnobody;\n", "\u{feff}sep=,\r\nemail,name\r\na1@northfold.example,Ann\r\nnobody,\r\n"].iter().enumerate() {
            let report = import(&store, &subscribers, file.as_bytes(), PAPER, true).await;
            assert_eq!((report.added, report.refused[0].line), (1, 4), "{at}: {:?}", report.refused);
        }
        assert_eq!(text(&store, "select name from subscribers order by email").await, "Ann, Marsh\nAnn");
    }

    async fn nothing_in_a_name_turns_the_words_around_it(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        import(&store, &subscribers, "email,name\na@northfold.example,Ann \u{202e}hsraM\u{2066}\n".as_bytes(), PAPER, false).await;
        assert_eq!(text(&store, "select name from subscribers").await, "Ann hsraM");
    }

    async fn lines_are_counted_as_an_editor_does(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        for ending in ["\n", "\r\n", "\r"] {
            let lines = ["email,name", "", "a@northfold.example,\"A", "A\"", "", "nobody", "b@northfold.example,B", "none"];
            let report = import(&store, &subscribers, lines.join(ending).as_bytes(), PAPER, false).await;
            assert_eq!(report.refused.iter().map(|row| row.line).collect::<Vec<_>>(), [6, 8], "{ending:?}");
        }
    }

    async fn of_two_rows_for_one_person_both_count_and_the_stricter_state_wins(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let file = b"email,state,digests\nA@northfold.example,confirmed,weekly\na@northfold.example,,jobs\n\
                     b@northfold.example,unsubscribed,\nb@northfold.example,confirmed,weekly\n\
                     c@northfold.example,confirmed,\nc@northfold.example,bounced,\n";
        let report = import(&store, &subscribers, file, PAPER, false).await;
        assert_eq!((report.rows, report.added, report.updated, report.unchanged, report.repeated), (6, 3, 1, 2, 3));
        let strict = "A@northfold.example confirmed\nb@northfold.example unsubscribed\nc@northfold.example bounced";
        assert_eq!(states(&store).await, strict);
        let digests = "select digest from subscriptions where subscriber_id = 1 order by digest";
        assert_eq!(text(&store, digests).await, "jobs\nweekly");
    }

    async fn what_is_no_list_of_people_is_refused_with_a_reason(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let unclosed = format!("email,name\na@northfold.example,\"A\n{}", "b@northfold.example,B\n".repeat(60_000));
        let cases: [(&[u8], u64, &str); 9] = [
            (b"", 1, "no header"),
            (b"name\nAnn\n", 1, "no header"),
            (b"email,email\na@northfold.example,\n", 1, "twice"),
            (unclosed.as_bytes(), 2, "quotation mark"),
            (b"email\na@northfold.example,too many\n", 2, "2 fields"),
            (b"email,state\na@northfold.example,sleeping\n", 2, "`sleeping` is not a state"),
            (b"email,digests\na@northfold.example,monthly\n", 2, "no digest `monthly`"),
            (b"email,topics\na@northfold.example,sport\n", 2, "no topic `sport`"),
            (b"email,confirmed_at\na@northfold.example,31/12/2025\n", 2, "not a date"),
        ];
        for (file, line, reason) in cases {
            let report = import(&store, &subscribers, file, PAPER, false).await;
            let refused = report.refused.first().unwrap();
            assert!(refused.line == line && refused.reason.contains(reason), "{refused:?}, not line {line}: {reason}");
        }
        assert_eq!(states(&store).await, "");
    }

    async fn a_quotation_mark_that_is_not_closed_is_one_bad_row_and_swallows_nobody(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        for (file, bad, good) in [
            ("email,name\na@northfold.example,\"A\nb@northfold.example,B\n", vec![2], "b"),
            ("email,name\na@northfold.example,A\nb@northfold.example,\"B\n", vec![3], "a"),
            ("email,name\na@northfold.example,\"A\nb@northfold.example,\"B\"\nc@northfold.example,C\n", vec![2], "b c"),
            ("email,name\na@northfold.example,\"A\nb@northfold.example,\"B\nc@northfold.example,C\n", vec![2, 3], "c"),
        ] {
            let lines = |report: &ImportReport| report.refused.iter().map(|row| row.line).collect::<Vec<_>>();
            let report = import(&store, &subscribers, file.as_bytes(), PAPER, false).await;
            assert_eq!((lines(&report), report.applied), (bad.clone(), false), "{file}");
            assert!(report.refused[0].reason.contains("quotation mark opens here"), "{:?}", report.refused);
            let report = import(&store, &subscribers, file.as_bytes(), PAPER, true).await;
            assert_eq!((lines(&report), report.applied), (bad, true), "{file}");
            let known = states(&store).await.replace("@northfold.example confirmed", "").replace('\n', " ");
            assert_eq!(known, good, "{file}");
            execute(&store, "delete from subscriptions; delete from consent_events; delete from subscribers").await;
        }
    }

    async fn a_bar_may_stand_between_the_fields(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let report = import(&store, &subscribers, b"email|name\na@northfold.example|A, B\n", PAPER, false).await;
        assert_eq!((report.added, text(&store, "select name from subscribers").await.as_str()), (1, "A, B"));
    }

    async fn one_line_in_another_charset_is_a_bad_row_and_no_other_line_is_read_otherwise(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, "left@northfold.example", &["weekly"]).await;
        let file = "email,name,state,note\njürgen@northfold.example,Jürgen,,\nann@northfold.example,Ren?,,\n\
            left@northfold.example,Ren?,unsubscribed,\nj?@northfold.example,,,\nben@northfold.example,,,Ren?\n";
        let octets = file.bytes().map(|octet| if octet == b'?' { 0xe9 } else { octet }).collect::<Vec<u8>>();
        let report = import(&store, &subscribers, &octets, PAPER, false).await;
        let lines: Vec<u64> = report.refused.iter().map(|row| row.line).collect();
        assert_eq!((lines, report.applied), (vec![3, 4, 5, 6], false));
        assert!(report.refused[0].reason.contains("save all of the file as UTF-8"), "{:?}", report.refused);
        let report = import(&store, &subscribers, &octets, PAPER, true).await;
        assert_eq!((report.added, report.refused_rows), (1, 4));
        let left = "jürgen@northfold.example confirmed\nleft@northfold.example unsubscribed";
        let mut known: Vec<String> = states(&store).await.lines().map(str::to_owned).collect();
        known.sort();
        assert_eq!(known.join("\n"), left);
        let header =
            import(&store, &subscribers, b"email,name,abgem\xe9ldet\njo\xc3\xab@northfold.example,,\n", PAPER, true)
                .await;
        assert!(!header.applied && header.refused[0].reason.contains("the header has letters"), "{:?}", header.refused);
    }

    async fn nobody_of_a_file_is_subscribed_for_a_moment_when_a_later_row_says_they_have_left(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let mut file = "email,state\nann@northfold.example,confirmed\n".to_owned();
        for index in 0..5000 {
            writeln!(file, "reader{index}@northfold.example,confirmed").unwrap();
        }
        file.push_str("ANN@northfold.example,unsubscribed\n");
        let path = store.folder.path().join("people.csv");
        std::fs::write(&path, file).unwrap();
        subscribers.import(&Import::new(&path, PAPER), &Asked::default(), |_, _| {}).await.unwrap();
        let events = "select event || ' ' || evidence from consent_events e join subscribers s on s.id = e.subscriber_id
                      where s.email = 'ann@northfold.example'";
        assert_eq!(text(&store, events).await, "imported state unsubscribed");
    }

    async fn a_file_that_has_somebody_twice_with_other_names_changes_nothing_the_second_time(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let file = b"email,name,evidence\na@northfold.example,Ann,form\na@northfold.example,Ann Marsh,fair\n";
        let report = import(&store, &subscribers, file, ImportBasis::Rows, false).await;
        assert_eq!((report.added, report.unchanged, report.repeated), (1, 1, 1));
        let report = import(&store, &subscribers, file, ImportBasis::Rows, false).await;
        assert_eq!((report.updated, report.unchanged), (0, 2));
        assert_eq!(text(&store, "select name from subscribers").await, "Ann");
        let file = b"email,name,evidence\na@northfold.example,Ann Marsh,form\n";
        let report = import(&store, &subscribers, file, ImportBasis::Rows, false).await;
        assert_eq!(report.updated, 1, "a file may correct a name");
    }

    async fn a_file_sets_back_no_name_or_language_that_the_person_has_set(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let profile = "select name || ' ' || coalesce(locale, '') from subscribers order by email";
        let list = |rows: &str| format!("email,name,locale,state,evidence\n{rows}");
        let old = list("a@northfold.example,Ann Old,en-GB,,form\nb@northfold.example,Ben Old,en-GB,,form\nc@northfold.example,,,,form\n");
        import(&store, &subscribers, old.as_bytes(), ImportBasis::Rows, false).await;
        let set = async |email: &str, name: &str, code: &str| {
            let (keys, now) = (Keys::read(&store.folder.path().join("keys")).unwrap().unwrap(), subscribers.now());
            let id = subscribers.public_id(&address(email)).await.unwrap().unwrap();
            let link = subscribers.tokens().manage(&id, &keys.address_hash(&address(email)), "weekly", now);
            let claim = subscribers.tokens().verify_manage(link.as_str(), now).unwrap();
            let locale = Locale::parse(code).ok();
            assert!(subscribers.set_profile(&claim, name, locale.as_ref(), Origin::PAGE).await.unwrap());
        };
        set("a@northfold.example", "Ann New", "de").await;
        set("c@northfold.example", "", "de").await;
        // What they have emptied stays empty. An operator's correction is none of the person's.
        let edit = Edit { name: Some("Ben New".to_owned()), ..Edit::default() };
        subscribers.edit(&address("b@northfold.example"), &edit, Origin::COMMAND_LINE, &Asked::default()).await.unwrap();
        let later = old.replace("c@northfold.example,,", "c@northfold.example,Cal,en-GB");
        for dry in [true, false] {
            let path = store.folder.path().join("people.csv");
            std::fs::write(&path, &later).unwrap();
            let again = Import { dry, ..Import::new(&path, ImportBasis::Rows) };
            let report = subscribers.import(&again, &Asked::default(), |_, _| {}).await.unwrap();
            assert_eq!((report.unchanged, report.updated), (2, 1), "dry: {dry}");
        }
        assert_eq!(text(&store, profile).await, "Ann New de\nBen Old en-GB\n de");
        set("a@northfold.example", "", "").await;
        import(&store, &subscribers, later.as_bytes(), ImportBasis::Rows, false).await;
        assert_eq!(text(&store, profile).await, " \nBen Old en-GB\n de");
        // What only asks for somebody who is confirmed changes nothing of theirs.
        let asks = list("b@northfold.example,Visit casino.example,fr,pending,\n");
        assert_eq!(import(&store, &subscribers, asks.as_bytes(), ImportBasis::Rows, false).await.unchanged, 1);
        let report = import(&store, &subscribers, list("b@northfold.example,Bob,fr,,\n").as_bytes(), ImportBasis::Ask, false).await;
        assert_eq!((report.unchanged, report.asked), (1, 0));
        assert_eq!(text(&store, profile).await, " \nBen Old en-GB\n de");
    }

    async fn a_file_sets_back_no_name_or_language_that_somebody_has_signed_up_with(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        let profile = "select name || ' ' || coalesce(locale, '') from subscribers order by email";
        let (ann, ben) = ("a@northfold.example", "b@northfold.example");
        let joins = async |email: &str, name: &str, locale: Option<&str>| {
            execute(&store, "delete from notice_slots").await;
            clock.advance(std::time::Duration::from_secs(60));
            let choice = somebody(email, &["weekly"]).choice;
            let locale = locale.map(|code| Locale::parse(code).unwrap());
            let request = JoinRequest { address: address(email), name: name.to_owned(), locale, choice, wording: String::new() };
            let asked = Asked::default();
            subscribers.join(&request, Origin::PAGE, &asked).await.unwrap();
            let claim = subscribers.tokens().verify_confirm(&asked.token(), subscribers.now()).unwrap();
            clock.advance(std::time::Duration::from_secs(60));
            assert_eq!(subscribers.confirm(&claim, "Yes?", Origin::PAGE, &asked).await.unwrap(), Confirmed::Now);
        };
        let file = format!("email,name,locale,evidence\n{ann},Filler,fr,paper\n{ben},Filler,fr,paper\n");
        let again = async || {
            let report = import(&store, &subscribers, file.as_bytes(), ImportBasis::Rows, false).await;
            (report.unchanged, report.updated)
        };
        joins(ann, "Own", Some("cy")).await;
        joins(ben, "", None).await;
        assert_eq!(again().await, (1, 1));
        assert_eq!(text(&store, profile).await, "Own cy\nFiller fr", "what they did not give may come from a file");
        let id = subscribers.public_id(&address(ben)).await.unwrap().unwrap();
        clock.advance(std::time::Duration::from_secs(60));
        subscribers.leave(&id, Leave::All, Origin::PAGE).await.unwrap();
        joins(ben, "Ben", Some("de")).await;
        assert_eq!(again().await, (2, 0));
        assert_eq!(text(&store, profile).await, "Own cy\nBen de");
        // Whoever was added by an operator has only said yes to the mails.
        let asked = Asked::default();
        let added = NewSubscriber { name: "Typo".to_owned(), ..somebody("c@northfold.example", &["weekly"]) };
        subscribers.add(&added, Origin::COMMAND_LINE, &asked).await.unwrap();
        let claim = subscribers.tokens().verify_confirm(&asked.token(), subscribers.now()).unwrap();
        subscribers.confirm(&claim, "Yes?", Origin::PAGE, &asked).await.unwrap();
        import(&store, &subscribers, b"email,name,evidence\nc@northfold.example,Cal,paper\n", ImportBasis::Rows, false).await;
        assert!(text(&store, profile).await.contains("Cal "), "a file may correct an operator");
    }

    async fn a_report_names_whom_it_left_alone_and_why(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let gone = b"email,state\na@northfold.example,unsubscribed\nb@northfold.example,complained\n";
        import(&store, &subscribers, gone, PAPER, false).await;
        let path = store.folder.path().join("people.csv");
        std::fs::write(&path, b"email\nc@northfold.example\nb@northfold.example\na@northfold.example\n").unwrap();
        let lines = store.folder.path().join("lines.csv");
        let again = Import { report: Some(lines.clone()), ..Import::new(&path, PAPER) };
        let report = subscribers.import(&again, &Asked::default(), |_, _| {}).await.unwrap();
        let named: Vec<_> = report.skipped_rows.iter().map(|row| (row.line, row.email.as_str(), row.reason)).collect();
        assert_eq!(named, [
            (3, "b@northfold.example", "the person has reported a mail as spam"),
            (4, "a@northfold.example", "the person has left here"),
        ]);
        let lines = std::fs::read_to_string(lines).unwrap();
        assert_eq!(lines.lines().collect::<Vec<_>>(), [
            "line,outcome,email,reason",
            "3,skipped,b@northfold.example,the person has reported a mail as spam",
            "4,skipped,a@northfold.example,the person has left here",
        ]);
    }

    async fn an_import_that_was_broken_off_goes_on_when_the_file_is_imported_again(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let mut file = "email\n".to_owned();
        for index in 0..9000 {
            writeln!(file, "reader{index}@northfold.example").unwrap();
        }
        let path = store.folder.path().join("people.csv");
        std::fs::write(&path, file).unwrap();
        let (nobody, import) = (Asked::default(), Import::new(&path, PAPER));
        let (broke_off, broken) = tokio::sync::oneshot::channel();
        let mut broke_off = Some(broke_off);
        let work = subscribers.import(&import, &nobody, |done, _| {
            if done >= 4000 && let Some(broke_off) = broke_off.take() {
                broke_off.send(()).unwrap();
            }
        });
        tokio::select! {
            biased;
            _ = broken => {}
            _ = work => panic!("it was not broken off"),
        }
        let before: u64 = text(&store, "select cast(count(*) as text) from subscribers").await.parse().unwrap();
        assert!((4000..9000).contains(&before), "{before}");
        let report = subscribers.import(&import, &nobody, |_, _| {}).await.unwrap();
        assert_eq!((report.added + report.unchanged, report.updated), (9000, 0));
        assert_eq!(text(&store, "select cast(count(*) as text) from subscribers").await, "9000");
        assert_eq!(text(&store, "select cast(count(*) as text) from consent_events").await, "9000");
    }
}

#[test]
fn whatever_bytes_a_file_has_it_is_answered_with_a_report_or_an_error() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (store, subscribers) = runtime.block_on(async {
        let store = crate::support::TestStore::sqlite().await;
        let (subscribers, _) = subscribers(&store, URL).await;
        (store, subscribers)
    });
    let path = store.folder.path().join("any");
    let beginnings = prop::sample::select(vec![
        "",
        "email,name,state,consent,subscriptions,suppressed\n",
        "Email Address,MEMBER_RATING,CONFIRM_TIME,UNSUB_TIME\n",
        "uuid,email,name,attributes,status\n",
        "email;confirmed;blacklisted;List Membership\n",
        "PK\u{3}\u{4}",
    ]);
    let rows = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        "([a-z@.;,\"\\[\\]{}:= ]{0,30}\n?){0,9}".prop_map(String::into_bytes),
    ];
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let attack = (beginnings, rows);
    runner
        .run(&attack, |(beginning, rest)| {
            std::fs::write(&path, [beginning.as_bytes(), &rest].concat()).unwrap();
            let import = Import { skip_bad: true, dry: true, ..Import::new(&path, PAPER) };
            let result = runtime.block_on(subscribers.import(&import, &Asked::default(), |_, _| {}));
            if let Ok(report) = result {
                prop_assert_eq!(
                    report.added + report.updated + report.unchanged + report.skipped + report.refused_rows,
                    report.rows
                );
            }
            let list =
                Import { skip_bad: true, report: Some(store.folder.path().join("lines")), ..Import::new(&path, PAPER) };
            let reason = postround::subscribers::SuppressionReason::Manual;
            let origin = postround::subscribers::Origin::COMMAND_LINE;
            let _ = runtime.block_on(subscribers.import_suppressions(&list, reason, "", origin));
            Ok(())
        })
        .unwrap();
}
