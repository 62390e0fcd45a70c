//! Suppression by hand: nothing is mailed there, whatever is imported, until it is lifted.

use std::time::Duration;

use postround::domain::{SubscriberState, UtcMillis};
use postround::store::{Durability, NewDelivery, SuppressionRow};
use postround::subscribers::{
    Confirmed, Erased, Import, ImportBasis, ImportReport, Leave, Origin, Refusal, Subscribers, SubscribersError,
    SuppressionList, SuppressionReason, Taken, Undone,
};

use super::moving::mailed;
use super::{ANN, URL, import, public_id, states};
use crate::support::household::{Asked, address, confirmed, execute, somebody, subscribers, text};
use crate::support::{MONDAY, TestStore, on_both};

const BY_HAND: SuppressionReason = SuppressionReason::Manual;

async fn list(subscribers: &Subscribers) -> Vec<SuppressionList> {
    let mut all = Vec::new();
    subscribers
        .suppressions(|row| {
            all.push(row);
            Ok::<_, SubscribersError>(())
        })
        .await
        .unwrap();
    all
}

async fn suppress_file(store: &TestStore, subscribers: &Subscribers, file: &str, skip_bad: bool) -> ImportReport {
    let path = store.folder.path().join("suppressed.csv");
    std::fs::write(&path, file).unwrap();
    let import = Import { skip_bad, ..Import::new(&path, ImportBasis::Rows) };
    subscribers.import_suppressions(&import, BY_HAND, "their list", Origin::COMMAND_LINE).await.unwrap()
}

on_both! {
    async fn a_suppressed_address_is_neither_added_nor_asked_nor_imported_until_it_is_lifted(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let done = subscribers.suppress(&address(ANN), BY_HAND, "by phone", Origin::COMMAND_LINE).await.unwrap();
        assert!(done.changed);
        let again = subscribers.suppress(&address("ANN.Marsh@northfold.example"), BY_HAND, "", Origin::COMMAND_LINE).await.unwrap();
        assert!(!again.changed, "one mailbox has one suppression");
        let asked = Asked::default();
        let refused = subscribers.add(&somebody(ANN, &["weekly"]), Origin::PAGE, &asked).await;
        assert!(matches!(refused, Err(SubscribersError::Refused { refusal: Refusal::Suppressed(_), .. })));
        let file = format!("email\n{ANN}\n");
        let report = import(&store, &subscribers, file.as_bytes(), ImportBasis::Confirmed("form"), false).await;
        assert_eq!((report.skipped, report.skipped_by.get("suppressed")), (1, Some(&1)));
        let report = import(&store, &subscribers, file.as_bytes(), ImportBasis::Ask, false).await;
        assert_eq!((report.skipped, states(&store).await.as_str()), (1, ""));
        let row = &list(&subscribers).await[0];
        assert_eq!((row.reason.as_str(), row.note.as_str(), &row.email), ("manual", "by phone", &None));
        assert!(!text(&store, "select address_hash || note from suppressions").await.contains("northfold"), "only a hash is kept");
        let lifted = subscribers.unsuppress(ANN, Origin::COMMAND_LINE).await.unwrap().unwrap();
        assert_eq!((lifted.reason.as_str(), lifted.note.as_str(), lifted.since), ("manual", "by phone", MONDAY));
        assert_eq!(subscribers.unsuppress(ANN, Origin::COMMAND_LINE).await.unwrap(), None);
        confirmed(&subscribers, ANN, &["weekly"]).await;
    }

    async fn suppressing_stops_everything_on_its_way_in_the_same_transaction(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly"]).await;
        confirmed(&subscribers, "ben@northfold.example", &["weekly"]).await;
        execute(&store, "insert into mails (kind, digest, topics, locale, subject, html, body_text, mime, marker, salt, created_at)
            values ('digest', 'weekly', '', '', '', '', '', '', '', '', 0)").await;
        let mut session = subscribers.store().write(Durability::Full).await.unwrap();
        let elsewhere = address("Other@northfold.example");
        for (kind, to, subscriber) in [
            ("digest", address(ANN), Some(1)), ("confirmation", address(ANN), Some(1)),
            ("digest", address("ben@northfold.example"), Some(2)), ("test", elsewhere.clone(), None),
        ] {
            let delivery = NewDelivery {
                mail: 1, issue: None, kind, digest: Some("weekly"), subscriber, address: &to, name: "", priority: 0, link: None,
            };
            session.insert_delivery(&delivery, MONDAY).await.unwrap();
        }
        session.commit().await.unwrap();
        let done = subscribers.suppress(&address(ANN), BY_HAND, "", Origin::COMMAND_LINE).await.unwrap();
        assert_eq!(done.stopped, 2);
        let done = subscribers.suppress(&elsewhere, BY_HAND, "", Origin::COMMAND_LINE).await.unwrap();
        assert_eq!(done.stopped, 1);
        assert_eq!(text(&store, "select address from deliveries where state = 'queued'").await, "ben@northfold.example");
        assert_eq!(text(&store, "select email from live_subscriptions").await, "ben@northfold.example");
        let events = "select event || ' ' || evidence from consent_events where event = 'suppressed'";
        assert_eq!(text(&store, events).await, "suppressed manual");
    }

    async fn lifting_a_complaint_lets_the_person_come_back_by_themselves_and_nobody_else_bring_them(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly"]).await;
        let complaint = SuppressionReason::Complaint;
        subscribers.suppress(&address(ANN), complaint, "", Origin::COMMAND_LINE).await.unwrap();
        assert_eq!(states(&store).await, format!("{ANN} complained"));
        let asked = Asked::default();
        let refused = subscribers.add(&somebody(ANN, &["weekly"]), Origin::PAGE, &asked).await;
        assert!(matches!(refused, Err(SubscribersError::Refused { refusal: Refusal::Complained, .. })));
        subscribers.unsuppress(ANN, Origin::COMMAND_LINE).await.unwrap().unwrap();
        assert_eq!(states(&store).await, format!("{ANN} unsubscribed"));
        let refused = subscribers.add_confirmed(&somebody(ANN, &["weekly"]), "a word", Origin::COMMAND_LINE).await;
        assert!(matches!(refused, Err(SubscribersError::Refused { refusal: Refusal::Left, .. })));
        subscribers.add(&somebody(ANN, &["weekly"]), Origin::PAGE, &asked).await.unwrap();
        assert_eq!(asked.count(), 1);
    }

    async fn a_weaker_reason_does_not_take_the_place_of_a_stronger_one(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        for (reason, kept) in [
            (SuppressionReason::Bounced, "bounced"), (BY_HAND, "manual"), (SuppressionReason::Bounced, "manual"),
        ] {
            subscribers.suppress(&address(ANN), reason, "", Origin::COMMAND_LINE).await.unwrap();
            assert_eq!(text(&store, "select reason from suppressions").await, kept);
        }
    }

    async fn whatever_comes_later_a_complaint_and_an_operators_word_stay_and_a_complaint_is_remembered(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let reasons = "select reason || ' ' || note from suppressions";
        let nobody = "ben@northfold.example";
        for (strict, word) in [(SuppressionReason::Complaint, "complaint"), (BY_HAND, "manual")] {
            confirmed(&subscribers, ANN, &["weekly"]).await;
            for who in [ANN, nobody] {
                subscribers.suppress(&address(who), strict, "kept", Origin::COMMAND_LINE).await.unwrap();
                subscribers.suppress(&address(who), SuppressionReason::Bounced, "", Origin::COMMAND_LINE).await.unwrap();
                suppress_file(&store, &subscribers, &format!("email,reason\n{who},bounced\n{who},erased\n"), false).await;
                let export = format!("email,state,suppressed\n{who},bounced,bounced 2026-01-01T00:00:00Z\n");
                import(&store, &subscribers, export.as_bytes(), ImportBasis::Rows, false).await;
            }
            // Another process, which looked before the stricter one was there.
            let hash = text(&store, "select address_hash from subscribers").await;
            let mut session = subscribers.store().write(Durability::Full).await.unwrap();
            let late = SuppressionRow { address_hash: hash, reason: "bounced".to_owned(), note: String::new(), created_at: MONDAY };
            session.suppress(&late).await.unwrap();
            session.suppress_many(&[late]).await.unwrap();
            session.commit().await.unwrap();
            assert_eq!(text(&store, reasons).await, format!("{word} kept\n{word} kept"));
            assert_eq!(subscribers.erase_address(&address(ANN)).await.unwrap(), Erased::Now);
            assert_eq!(text(&store, &format!("{reasons} order by note")).await, format!("{word} \n{word} kept"), "a note may name somebody");
            execute(&store, "delete from suppressions; delete from notice_slots").await;
        }
        // Lifting an operator's word does not bring back whoever complained meanwhile.
        confirmed(&subscribers, ANN, &["weekly"]).await;
        subscribers.suppress(&address(ANN), BY_HAND, "", Origin::COMMAND_LINE).await.unwrap();
        subscribers.suppress(&address(ANN), SuppressionReason::Complaint, "", Origin::COMMAND_LINE).await.unwrap();
        assert_eq!((text(&store, "select reason from suppressions").await.as_str(), states(&store).await), ("manual", format!("{ANN} complained")));
        subscribers.unsuppress(ANN, Origin::COMMAND_LINE).await.unwrap().unwrap();
        assert_eq!(states(&store).await, format!("{ANN} unsubscribed"));
    }

    async fn a_list_that_says_nothing_new_of_a_dead_address_leaves_whoever_signs_up_there_since_alone(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        for (who, reason, again) in [("a", "bounced", "bounced"), ("b", "bounced", "erased"), ("c", "erased", "erased")] {
            let who = format!("{who}@northfold.example");
            subscribers.suppress(&address(&who), SuppressionReason::parse(reason), "", Origin::COMMAND_LINE).await.unwrap();
            clock.advance(Duration::from_secs(60));
            let asked = Asked::default();
            subscribers.add(&somebody(&who, &["weekly"]), Origin::PAGE, &asked).await.unwrap();
            execute(&store, "delete from deliveries").await;
            mailed(&store, "confirmation", "queued", "").await;
            clock.advance(Duration::from_secs(60));
            let report = suppress_file(&store, &subscribers, &format!("email,reason\n{who},{again}\n"), false).await;
            assert_eq!((report.added, report.unchanged), (0, 1), "{reason}, {again}");
            let state = format!("select state from subscribers where email = '{who}'");
            assert_eq!(text(&store, &state).await, "pending", "{reason}, {again}");
            assert_eq!(text(&store, "select distinct state from deliveries").await, "queued");
            let claim = subscribers.tokens().verify_confirm(&asked.token(), subscribers.now()).unwrap();
            assert_eq!(subscribers.confirm(&claim, "Yes?", Origin::PAGE, &asked).await.unwrap(), Confirmed::Now);
        }
        // What is new counts.
        let report = suppress_file(&store, &subscribers, "email,reason\na@northfold.example,bounced\n", false).await;
        assert_eq!(report.added, 1);
        assert!(states(&store).await.starts_with("a@northfold.example bounced"));
    }

    async fn what_a_dated_list_says_of_an_address_from_before_its_owner_confirmed_it_is_over(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        let (before, asked) = (subscribers.now(), Asked::default());
        clock.advance(Duration::from_secs(60));
        // One by themselves; of the other only an operator says so, on a day that somebody wrote down.
        let (own, said) = ("ann@northfold.example", "ben@northfold.example");
        subscribers.add(&somebody(own, &["weekly"]), Origin::PAGE, &asked).await.unwrap();
        let claim = subscribers.tokens().verify_confirm(&asked.token(), subscribers.now()).unwrap();
        clock.advance(Duration::from_secs(60));
        subscribers.confirm(&claim, "Yes?", Origin::PAGE, &asked).await.unwrap();
        confirmed(&subscribers, said, &["weekly"]).await;
        clock.advance(Duration::from_secs(60));
        let after = subscribers.now().minus(Duration::from_secs(1));
        for (reason, since, suppressed) in [
            ("bounced", Some(before), [false, true]), ("erased", Some(before), [false, true]),
            ("bounced", None, [true, true]), ("bounced", Some(after), [true, true]),
            ("complaint", Some(before), [true, true]), ("manual", Some(before), [true, true]),
        ] {
            let day = since.map(UtcMillis::exact).unwrap_or_default();
            let rows = |with: &dyn Fn(&str) -> String| [own, said].map(with).concat();
            let list = format!("email,reason,since\n{}", rows(&|who| format!("{who},{reason},{day}\n")));
            let state = if reason == "bounced" { "bounced" } else { "confirmed" };
            let export = format!("email,state,suppressed\n{}", rows(&|who| format!("{who},{state},{reason} {day}\n")));
            for is_export in [false, true] {
                if is_export && since.is_none() {
                    continue;
                }
                match is_export {
                    false => {
                        let report = suppress_file(&store, &subscribers, &list, false).await;
                        assert_eq!(report.added, suppressed.into_iter().filter(|is| *is).count() as u64, "{reason} {day}");
                    }
                    true => {
                        import(&store, &subscribers, export.as_bytes(), ImportBasis::Confirmed("a list"), false).await;
                    }
                }
                let expected: Vec<&str> = [own, said].into_iter().zip(suppressed).filter(|(_, is)| !is).map(|(who, _)| who).collect();
                let mailed = text(&store, "select email from live_subscriptions order by email").await;
                assert_eq!(mailed, expected.join("\n"), "{reason} since {day:?}, by an export: {is_export}");
                execute(&store, "delete from suppressions; update subscribers set state = 'confirmed'").await;
            }
        }
    }

    async fn after_a_complaint_an_operators_word_brings_nothing_back_that_a_fresh_confirmation_does_not_name(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly", "jobs"]).await;
        let (id, asked) = (public_id(&store).await, Asked::default());
        let left = subscribers.say_goodbye(&id, "jobs", Leave::Digest("jobs"), Origin::PAGE, &asked).await.unwrap();
        let undo = subscribers.tokens().verify_undo(left.way.unwrap().as_str(), subscribers.now()).unwrap();
        clock.advance(Duration::from_secs(60));
        subscribers.suppress(&address(ANN), SuppressionReason::Complaint, "", Origin::COMMAND_LINE).await.unwrap();
        clock.advance(Duration::from_secs(60));
        let lifted = subscribers.unsuppress(ANN, Origin::COMMAND_LINE).await.unwrap().unwrap();
        assert_eq!(lifted.state, Some(SubscriberState::Unsubscribed));
        assert_eq!(text(&store, "select digest || ' ' || state from subscriptions order by digest").await, "jobs left\nweekly left");
        let noted = "select digest from consent_events where event = 'left' and actor = 'operator' order by digest";
        assert_eq!(text(&store, noted).await, "jobs\nweekly");
        assert_eq!(subscribers.undo(&undo, "", Origin::PAGE).await.unwrap(), Undone::LeftAgain, "the way back ended with the complaint");
        subscribers.mail_lost_link(&address(ANN), Origin::PAGE, &asked).await.unwrap();
        let claim = subscribers.tokens().verify_manage(&asked.token(), subscribers.now()).unwrap();
        assert_eq!(subscribers.take_up(&claim, "jobs", "Jobs", Origin::PAGE).await.unwrap(), Taken::Now);
        assert_eq!(text(&store, "select digest from live_subscriptions").await, "jobs");
    }

    async fn a_complaint_in_a_file_takes_the_place_of_what_a_confirmation_would_lift(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        for (who, file) in [
            ("erased@northfold.example", "email,state\nerased@northfold.example,complained\n"),
            ("marked@northfold.example", "email,state,suppressed\nmarked@northfold.example,confirmed,complaint 2026-01-01T00:00:00Z\n"),
            (ANN, "email,suppressed\nann.marsh@northfold.example,manual 2026-01-01T00:00:00Z by phone\n"),
        ] {
            if who == ANN {
                confirmed(&subscribers, ANN, &["weekly"]).await;
            }
            let reason = if who == ANN { SuppressionReason::Bounced } else { SuppressionReason::Erased };
            subscribers.suppress(&address(who), reason, "", Origin::COMMAND_LINE).await.unwrap();
            import(&store, &subscribers, file.as_bytes(), ImportBasis::Confirmed("a list"), false).await;
            let asked = Asked::default();
            subscribers.add(&somebody(who, &["weekly"]), Origin::PAGE, &asked).await.unwrap_err();
            assert_eq!(asked.count(), 0);
        }
        let kept = "select reason from suppressions order by id";
        assert_eq!(text(&store, kept).await, "complaint\ncomplaint\nmanual");
    }

    async fn a_quotation_mark_that_is_not_closed_hides_no_address_of_a_list(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let file = "email,note\na@northfold.example,\"by phone\nb@northfold.example,\nc|d@northfold.example,\n";
        let report = suppress_file(&store, &subscribers, file, false).await;
        assert_eq!((report.applied, report.refused.len(), report.refused[0].line), (false, 1, 2));
        assert!(report.refused[0].reason.contains("quotation mark"), "{:?}", report.refused);
        assert_eq!(suppress_file(&store, &subscribers, file, true).await.added, 2);
        // A bar divides fields, but no address.
        let report = suppress_file(&store, &subscribers, "c|d@northfold.example\n", false).await;
        assert_eq!((report.rows, report.unchanged), (1, 1));
        assert_eq!(suppress_file(&store, &subscribers, "reason|email\nbounced|e@northfold.example\n", false).await.added, 1);
    }

    async fn a_list_is_read_one_a_line_with_a_header_or_as_hashes_of_the_same_keys(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let report = suppress_file(&store, &subscribers, "a@northfold.example\r\nA@northfold.example\r\nb@northfold.example\r\n", false).await;
        assert_eq!((report.rows, report.added, report.unchanged), (3, 2, 1));
        let file = "Reason;E-Mail\nbounced;c@northfold.example\n;d@northfold.example\n";
        let report = suppress_file(&store, &subscribers, file, false).await;
        assert_eq!(report.added, 2);
        let kept = "select reason || ' ' || note from suppressions order by id";
        assert_eq!(text(&store, kept).await, "manual their list\nmanual their list\nbounced their list\nmanual their list");
        let bad = "email\ne@northfold.example\nnobody\n";
        let report = suppress_file(&store, &subscribers, bad, false).await;
        assert_eq!((report.applied, report.refused[0].line, list(&subscribers).await.len()), (false, 3, 4));
        let report = suppress_file(&store, &subscribers, bad, true).await;
        assert_eq!((report.added, list(&subscribers).await.len()), (1, 5));
        let hash = &list(&subscribers).await[2].address_hash;
        subscribers.unsuppress(hash, Origin::COMMAND_LINE).await.unwrap().unwrap();
        let keys = postround::subscribers::Keys::read(&store.folder.path().join("keys")).unwrap().unwrap().fingerprint();
        let foreign = format!("address_hash,reason,keys\n{hash},bounced,0123\n");
        let report = suppress_file(&store, &subscribers, &foreign, false).await;
        assert!(report.refused[0].reason.contains("other keys"), "{:?}", report.refused);
        let own = format!("address_hash,reason,keys\n{hash},bounced,{keys}\n");
        assert_eq!(suppress_file(&store, &subscribers, &own, false).await.added, 1);
        let report = suppress_file(&store, &subscribers, "name,town\nAnn,Exampleton\n", false).await;
        assert_eq!((report.rows, report.refused[0].line), (2, 1));
    }

    async fn a_bad_first_line_of_a_list_is_one_bad_row_and_all_others_count(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        for first in ["Do not mail", "# left in 2025", "Jo <v0@northfold.example>", "v0@northfold..example", "Do not mail\nE-Mail"] {
            let file = format!("{first}\nv1@northfold.example\nv2@northfold.example\n");
            let report = suppress_file(&store, &subscribers, &file, false).await;
            assert_eq!((report.applied, report.refused_rows, report.refused[0].line), (false, 1, 1), "{first}");
            let report = suppress_file(&store, &subscribers, &file, true).await;
            assert_eq!((report.rows, report.added, report.refused_rows), (3, 2, 1), "{first}");
            let listed = std::fs::read_to_string(report.written.unwrap()).unwrap();
            let readable = if first.starts_with("Jo") { "v0@northfold.example" } else { "" };
            assert!(listed.contains(&format!("1,refused,{readable},")), "{listed}");
            execute(&store, "delete from suppressions").await;
        }
        let titled = "Do not mail\nreason;email\nbounced;v1@northfold.example\n";
        assert_eq!(suppress_file(&store, &subscribers, titled, true).await.added, 1);
        assert_eq!(text(&store, "select reason from suppressions").await, "bounced");
    }

    async fn a_list_in_which_no_line_says_where_the_addresses_are_is_refused_whatever_may_be_skipped(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let report = suppress_file(&store, &subscribers, "Name,Town\nAnn,Exampleton\n", true).await;
        let path = store.folder.path().join("suppressed.csv");
        let skips = Import { skip_bad: true, ..Import::new(&path, ImportBasis::Rows) };
        assert_eq!((report.is_refused(&skips), report.applied, report.refused_rows), (true, false, 2));
    }

    async fn an_address_of_a_list_is_suppressed_whatever_else_is_wrong_with_its_row(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let file = "email,reason,since,note\na@northfold.example,by phone,,\nb@northfold.example,bounced,yesterday,\n\
            c@northfold.example,,,\"cut\nd@northfold.example,,,\n";
        assert!(!suppress_file(&store, &subscribers, file, false).await.applied);
        let report = suppress_file(&store, &subscribers, file, true).await;
        assert_eq!((report.rows, report.added, report.unchanged, report.refused_rows), (4, 1, 0, 3));
        let named: Vec<&str> = report.refused.iter().map(|row| row.email.as_str()).collect();
        assert_eq!(named, ["a@northfold.example", "b@northfold.example", "c@northfold.example"]);
        assert_eq!(text(&store, "select reason from suppressions order by reason").await, "bounced\nmanual\nmanual\nmanual");
    }
}
