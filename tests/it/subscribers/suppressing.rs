//! Suppression by hand: nothing is mailed there, whatever is imported, until it is lifted.

use postround::store::NewDelivery;
use postround::subscribers::{
    Import, ImportBasis, ImportReport, Origin, Refusal, Subscribers, SubscribersError, SuppressionList,
    SuppressionReason,
};

use super::{ANN, URL, import, states};
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
        let mut session = subscribers.store().write(postround::store::Durability::Full).await.unwrap();
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
        assert_eq!((report.rows, report.refused[0].line), (1, 1));
    }
}
