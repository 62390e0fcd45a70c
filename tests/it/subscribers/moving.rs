//! A person goes to another address: what waits for them goes along, and the old address is still known to be theirs.

use std::time::Duration;

use postround::domain::{DeliveryState, PublicId};
use postround::store::{ClaimedRow, Mark, Session};
use postround::subscribers::{
    ChangeAsked, Changed, Confirmed, Erased, ImportBasis, JoinRequest, Keys, Leave, Origin, Refusal, Subscribers,
    SubscribersError, SuppressionReason,
};

use super::{ANN, URL, import, states};
use crate::support::household::{Asked, address, confirmed, execute, somebody, subscribers, text, traces};
use crate::support::{MONDAY, TestStore, on_both};

pub(super) const NEW: &str = "ann@saltby.example";

pub(super) async fn id_of(store: &TestStore, email: &str) -> PublicId {
    PublicId::parse(&text(store, &format!("select public_id from subscribers where email = '{email}'")).await).unwrap()
}

/// Somebody changes their address, by the links that are mailed to both.
pub(super) async fn moves(store: &TestStore, subscribers: &Subscribers, from: &str, to: &str) -> Changed {
    let keys = Keys::read(&store.folder.path().join("keys")).unwrap().unwrap();
    let (now, asked) = (subscribers.now(), Asked::default());
    let token =
        subscribers.tokens().manage(&id_of(store, from).await, &keys.address_hash(&address(from)), "weekly", now);
    let claim = subscribers.tokens().verify_manage(token.as_str(), now).unwrap();
    let answer = subscribers.ask_address_change(&claim, &address(to), Origin::PAGE, &asked).await.unwrap();
    assert_eq!((answer, asked.count()), (ChangeAsked::Asked, 1));
    let change = subscribers.tokens().verify_change(&asked.token(), now).unwrap();
    subscribers.change_address(&change, "Yes?", Origin::PAGE, &asked).await.unwrap()
}

/// A mail of that kind to everybody, with a delivery of it in that state.
pub(super) async fn mailed(store: &TestStore, kind: &str, state: &str, more: &str) {
    let (columns, values) = more
        .split_once('=')
        .map_or((String::new(), String::new()), |(column, value)| (format!(", {column}"), format!(", {value}")));
    execute(store, &format!(
        "insert into mails (kind, digest, topics, locale, subject, html, body_text, mime, marker, salt, created_at)
             values ('{kind}', 'weekly', '*', '', '', '', '', '', '', '', 0);
         insert into deliveries (mail_id, kind, digest, subscriber_id, address, name, state, priority, due_at, first_due_at, attempts{columns})
         select (select max(id) from mails), '{kind}', 'weekly', id, email, '', '{state}', 0, {now}, {now}, 0{values} from subscribers",
        now = MONDAY.0
    )).await;
}

pub(super) fn mark(row: &ClaimedRow, expected: DeliveryState, next: DeliveryState) -> Mark {
    let start = next == DeliveryState::Sending;
    // Each start is later than the one before.
    let at = row.started_at.map_or(MONDAY.0, |before| before.0 + 1);
    Mark {
        mail: Some(row.mail_id),
        token: (!start).then_some(at),
        tries: i64::from(start),
        started_at: start.then_some(at),
        answer: (!start).then(|| format!("451 <{}> later", row.address)),
        ..Mark::of(row.id, expected, next)
    }
}

/// Claims the one delivery that is due, and starts it.
pub(super) async fn starts(session: &mut Session) -> ClaimedRow {
    let row = session.claim_deliveries("me", MONDAY, 10, None).await.unwrap().pop().unwrap();
    let start = mark(&row, DeliveryState::Claimed, DeliveryState::Sending);
    assert_eq!(session.mark_deliveries("me", &[start]).await.unwrap(), [(row.id, "sending".to_owned())]);
    row
}

on_both! {
    async fn two_people_who_both_had_the_same_correction_become_one(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly"]).await;
        confirmed(&subscribers, NEW, &["weekly"]).await;
        execute(&store,
            "insert into issues (public_id, digest, issue_key, state, subject, issue_date, composed_at, layout_after, recipients)
                 values ('i', 'weekly', 'k', 'sent', '', '', 0, 0, 2);
             insert into mails (kind, topics, locale, subject, html, body_text, mime, marker, salt, created_at)
                 values ('correction', '*', '', '', '', '', '', '', '', 0);
             insert into corrections (issue_id, fingerprint, mail_id, layout_after, created_at) values (1, 'f', 1, 0, 0)").await;
        mailed(&store, "digest", "sent", "issue_id=1").await;
        mailed(&store, "correction", "sent", "correction_id=1").await;
        subscribers.leave(&id_of(&store, NEW).await, Leave::All, Origin::PAGE).await.unwrap();
        assert_eq!(moves(&store, &subscribers, ANN, NEW).await, Changed::Now);
        assert_eq!(states(&store).await, format!("{NEW} confirmed"));
        let kept = "select kind || ' ' || address || coalesce(subscriber_id, 0) from deliveries where kind in ('digest', 'correction') order by kind, id";
        assert_eq!(text(&store, kept).await, format!("correction {ANN}1\ncorrection 0\ndigest {ANN}1\ndigest 0"));
    }

    async fn what_comes_back_after_its_reader_has_moved_goes_to_the_new_address(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly"]).await;
        for come_back in [DeliveryState::Deferred, DeliveryState::Queued] {
            let from = states(&store).await.replace(" confirmed", "");
            let to = if from == ANN { NEW } else { ANN };
            mailed(&store, "digest", "queued", "").await;
            let row = starts(&mut subscribers.store().marks().await.unwrap()).await;
            assert_eq!(row.address, from);
            execute(&store, "delete from notice_slots").await;
            clock.advance(Duration::from_secs(1));
            assert_eq!(moves(&store, &subscribers, &from, to).await, Changed::Now);
            let under_way = "select address from deliveries where state = 'sending'";
            assert_eq!(text(&store, under_way).await, from, "what is under way goes where it goes");
            let mut session = subscribers.store().marks().await.unwrap();
            session.mark_deliveries("me", &[mark(&row, DeliveryState::Sending, come_back)]).await.unwrap();
            session.queue_deferred(MONDAY, 10).await.unwrap();
            assert_eq!(starts(&mut session).await.address, to);
            drop(session);
            execute(&store, "delete from deliveries").await;
        }
    }

    async fn whoever_is_erased_while_a_mail_goes_out_is_named_by_no_result_and_gets_it_once_at_most(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        use DeliveryState::{Deferred, Failed, Queued, Sent, Uncertain};
        for (next, after) in [(Deferred, "cancelled"), (Queued, "cancelled"), (Uncertain, "cancelled"), (Failed, "failed"), (Sent, "sent")] {
            execute(&store, "delete from suppressions; delete from deliveries").await;
            confirmed(&subscribers, ANN, &["weekly"]).await;
            mailed(&store, "digest", "queued", "").await;
            let row = starts(&mut subscribers.store().marks().await.unwrap()).await;
            subscribers.erase_address(&address(ANN)).await.unwrap();
            let mut session = subscribers.store().marks().await.unwrap();
            let result = mark(&row, DeliveryState::Sending, next);
            session.mark_deliveries("me", &[result]).await.unwrap();
            drop(session);
            let ends = "select state || coalesce(answer, '') || address || case when finished_at is null then ' open' else '' end from deliveries";
            let ended = text(&store, ends).await;
            // The deliverer tells when the two last ones have ended.
            assert_eq!(ended.replace(" open", ""), after);
            assert!(after != "cancelled" || !ended.contains("open"), "{ended}");
            clock.advance(Duration::from_secs(60));
        }
    }

    async fn what_a_dead_deliverer_had_under_way_to_somebody_who_is_erased_is_not_sent_again(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        for (how, started) in ["owner", "all", "strays"].into_iter().zip([DeliveryState::Queued, DeliveryState::Uncertain].into_iter().cycle()) {
            execute(&store, "delete from suppressions; delete from deliveries").await;
            confirmed(&subscribers, ANN, &["weekly"]).await;
            mailed(&store, "digest", "queued", "").await;
            starts(&mut subscribers.store().marks().await.unwrap()).await;
            subscribers.erase_address(&address(ANN)).await.unwrap();
            let mut session = subscribers.store().marks().await.unwrap();
            match how {
                "owner" => session.free_deliveries_of("me", started).await.unwrap(),
                "all" => session.free_all_deliveries(started).await.unwrap(),
                _ => session.free_strays("me", &[], started).await.unwrap(),
            };
            drop(session);
            assert_eq!(text(&store, "select state || cast(finished_at as text) from deliveries").await, format!("cancelled{}", MONDAY.0));
        }
    }

    async fn an_old_list_brings_back_nobody_at_the_address_that_they_had_before(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly"]).await;
        assert_eq!(moves(&store, &subscribers, ANN, NEW).await, Changed::Now);
        let paper = ImportBasis::Confirmed("paper forms");
        let file = |state: &str| format!("email,state\n{ANN},{state}\n");
        let again = async |state: &str, basis| import(&store, &subscribers, file(state).as_bytes(), basis, false).await;
        for (state, basis) in [("confirmed", paper), ("confirmed", ImportBasis::Ask), ("bounced", paper)] {
            let report = again(state, basis).await;
            assert_eq!((report.skipped, report.skipped_by.get("moved")), (1, Some(&1)), "{state}");
            assert_eq!(states(&store).await, format!("{NEW} confirmed"), "nobody is mailed at both");
        }
        let refused = subscribers.add_confirmed(&somebody(ANN, &["weekly"]), "a form", Origin::COMMAND_LINE).await;
        assert!(matches!(refused, Err(SubscribersError::Refused { refusal: Refusal::Moved, .. })));
        let asked = Asked::default();
        let refused = subscribers.add(&somebody(ANN, &["weekly"]), Origin::COMMAND_LINE, &asked).await;
        assert!(matches!(refused, Err(SubscribersError::Refused { refusal: Refusal::Moved, .. })) && asked.count() == 0);
        // What they said there they have said.
        let file = format!("email,state,name\n{NEW},confirmed,Ann\n{ANN},unsubscribed,\n");
        import(&store, &subscribers, file.as_bytes(), paper, false).await;
        assert_eq!(states(&store).await, format!("{NEW} unsubscribed"));
        assert_eq!(again("confirmed", paper).await.skipped_by.get("left"), Some(&1));
        assert_eq!(again("unsubscribed", paper).await.unchanged, 1);
        assert_eq!(again("complained", paper).await.updated, 1);
        assert_eq!(states(&store).await, format!("{NEW} complained"));
        let request = JoinRequest {
            address: address(ANN), name: String::new(), locale: None, choice: somebody(ANN, &["weekly"]).choice, wording: String::new(),
        };
        subscribers.join(&request, Origin::PAGE, &asked).await.unwrap();
        assert_eq!(asked.count(), 0, "nobody is mailed after a complaint");
    }

    async fn what_is_asked_about_an_address_that_somebody_had_before_is_answered_with_the_one_that_they_have(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly"]).await;
        assert_eq!(subscribers.moved_to(&address(ANN)).await.unwrap(), None);
        assert_eq!(moves(&store, &subscribers, ANN, NEW).await, Changed::Now);
        assert_eq!(subscribers.moved_to(&address(ANN)).await.unwrap().as_deref(), Some(NEW));
        let why = subscribers.why(&address(ANN)).await.unwrap();
        assert_eq!((why.state, why.moved_to.as_deref()), (None, Some(NEW)));
        assert!(why.digests.iter().all(|digest| !digest.gets && digest.why == format!("it is a former address of {NEW}")));
        assert!(subscribers.data_of(&address(ANN)).await.unwrap().is_none());
        let record = subscribers.data_of(&address(NEW)).await.unwrap().unwrap().record.unwrap();
        let hashes: Vec<_> = record.former_addresses.iter().map(|former| former.address_hash.clone()).collect();
        assert_eq!(hashes.join("\n"), text(&store, "select address_hash from former_addresses").await);
        assert_eq!(subscribers.why(&address(NEW)).await.unwrap().moved_to, None);
    }

    async fn what_somebody_had_left_at_an_address_stays_left_when_they_move_there(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly"]).await;
        let asked = Asked::default();
        let request = JoinRequest {
            address: address(NEW), name: String::new(), locale: None, choice: somebody(NEW, &["jobs"]).choice, wording: String::new(),
        };
        let mut links = Vec::new();
        for _ in 0..2 {
            execute(&store, "delete from notice_slots").await;
            subscribers.join(&request, Origin::PAGE, &asked).await.unwrap();
            links.push(asked.token());
            clock.advance(Duration::from_secs(60));
        }
        let confirm = async |link: &str| {
            let claim = subscribers.tokens().verify_confirm(link, subscribers.now()).unwrap();
            subscribers.confirm(&claim, "Yes?", Origin::PAGE, &asked).await.unwrap()
        };
        assert_eq!(confirm(&links[1]).await, Confirmed::Now);
        subscribers.leave(&id_of(&store, NEW).await, Leave::All, Origin::PAGE).await.unwrap();
        execute(&store, "delete from notice_slots").await;
        assert_eq!(moves(&store, &subscribers, ANN, NEW).await, Changed::Now);
        assert_eq!(states(&store).await, format!("{NEW} confirmed"));
        assert_eq!(confirm(&links[0]).await, Confirmed::Stale, "the link is older than their leaving");
        assert_eq!(text(&store, "select digest || ' ' || state from subscriptions order by digest").await, "jobs left\nweekly active");
    }

    async fn an_inbox_that_signs_up_itself_is_its_own_again_and_who_moves_back_is_known_by_the_other_address(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly"]).await;
        assert_eq!(moves(&store, &subscribers, ANN, NEW).await, Changed::Now);
        clock.advance(Duration::from_secs(60));
        let (asked, paper) = (Asked::default(), ImportBasis::Confirmed("paper forms"));
        execute(&store, "delete from notice_slots").await;
        let request = JoinRequest {
            address: address(ANN), name: String::new(), locale: None, choice: somebody(ANN, &["weekly"]).choice, wording: String::new(),
        };
        subscribers.join(&request, Origin::PAGE, &asked).await.unwrap();
        let old_list = format!("email\n{ANN}\n");
        let report = import(&store, &subscribers, old_list.as_bytes(), paper, false).await;
        assert_eq!(report.skipped_by.get("moved"), Some(&1), "that somebody typed it is no consent");
        let claim = subscribers.tokens().verify_confirm(&asked.token(), subscribers.now()).unwrap();
        subscribers.confirm(&claim, "Yes?", Origin::PAGE, &asked).await.unwrap();
        assert_eq!(states(&store).await, format!("{ANN} confirmed\n{NEW} confirmed"));
        assert_eq!(text(&store, "select address_hash from former_addresses").await, "");
        assert_eq!(import(&store, &subscribers, old_list.as_bytes(), paper, false).await.unchanged, 1);
        // One leaves, and the other takes the address over.
        subscribers.leave(&id_of(&store, ANN).await, Leave::All, Origin::PAGE).await.unwrap();
        execute(&store, "delete from notice_slots").await;
        assert_eq!(moves(&store, &subscribers, NEW, ANN).await, Changed::Now);
        let new_list = format!("email\n{NEW}\n");
        assert_eq!(import(&store, &subscribers, new_list.as_bytes(), paper, false).await.skipped, 1);
        assert_eq!(states(&store).await, format!("{ANN} confirmed"));
    }

    async fn a_complaint_from_the_address_that_somebody_had_before_ends_their_mails_at_the_new_one(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly"]).await;
        assert_eq!(moves(&store, &subscribers, ANN, NEW).await, Changed::Now);
        mailed(&store, "digest", "queued", "").await;
        subscribers.suppress(&address(ANN), SuppressionReason::Bounced, "", Origin::COMMAND_LINE).await.unwrap();
        assert_eq!(states(&store).await, format!("{NEW} confirmed"), "that the old one is dead says nothing of the new one");
        let done = subscribers.suppress(&address(ANN), SuppressionReason::Complaint, "", Origin::COMMAND_LINE).await.unwrap();
        assert_eq!((done.stopped, states(&store).await), (1, format!("{NEW} complained")));
    }

    async fn whoever_is_erased_comes_back_under_none_of_their_addresses(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly"]).await;
        let third = "ann@elsewhere.example";
        for (from, to) in [(ANN, NEW), (NEW, third)] {
            clock.advance(Duration::from_secs(3600));
            assert_eq!(moves(&store, &subscribers, from, to).await, Changed::Now);
        }
        let elsewhere = Erased::Moved(third.to_owned());
        assert_eq!(subscribers.erase_address(&address(ANN)).await.unwrap(), elsewhere);
        assert_eq!(subscribers.erase_address(&address(third)).await.unwrap(), Erased::Now);
        assert_eq!(traces(&store, &[ANN, NEW, third]).await, "");
        let old_list = format!("email\n{ANN}\n{NEW}\n{third}\n");
        let report = import(&store, &subscribers, old_list.as_bytes(), ImportBasis::Confirmed("paper forms"), false).await;
        assert_eq!((report.skipped_by.get("erased"), states(&store).await), (Some(&3), String::new()));
    }

    async fn erasing_reaches_notes_of_suppressions_and_mails_that_somebody_else_had_sent_there(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly"]).await;
        let keys = Keys::read(&store.folder.path().join("keys")).unwrap().unwrap();
        subscribers.suppress(&address(NEW), SuppressionReason::Manual, &format!("wrote from {NEW}"), Origin::COMMAND_LINE).await.unwrap();
        assert_eq!(subscribers.erase_address(&address(NEW)).await.unwrap(), Erased::Now);
        assert_eq!(text(&store, "select reason || note from suppressions").await, "manual");
        assert_eq!(subscribers.erase_address(&address(NEW)).await.unwrap(), Erased::Already);
        execute(&store, "delete from suppressions").await;
        for state in ["queued", "sent"] {
            mailed(&store, "address", state, &format!("address_hash='{}'", keys.address_hash(&address(NEW)))).await;
            execute(&store, &format!("update deliveries set address = '{NEW}', link = 'https://post.example/address/{NEW}'")).await;
            assert_eq!(subscribers.erase_address(&address(NEW)).await.unwrap(), Erased::Now);
            assert_eq!(traces(&store, &[NEW]).await, "");
            let left = "select state || coalesce(link, '') || coalesce(subscriber_id, 0) from deliveries";
            assert_eq!(text(&store, left).await, if state == "queued" { "cancelled1" } else { "sent1" });
            assert_eq!(text(&store, "select reason from suppressions").await, "erased");
            execute(&store, "delete from deliveries; delete from suppressions").await;
        }
        assert_eq!(subscribers.erase_address(&address(NEW)).await.unwrap(), Erased::Unknown);
        assert_eq!(states(&store).await, format!("{ANN} confirmed"));
    }
}
