//! What is said from an address that somebody had before, or asked for it, by operators and strangers.

use std::time::Duration;

use postround::domain::SubscriberState;
use postround::store::Durability;
use postround::subscribers::{
    ChangeAsked, Changed, Confirmed, Edit, Edited, Erased, Immovable, Import, ImportBasis, JoinRequest, Leave, Mover,
    Origin, PersonalClaim, Refusal, StillShut, Subscribers, SubscribersError, SuppressionReason, Taken, Undone,
};

use super::moving::{NEW, id_of, mailed, moves};
use super::{ANN, URL, import, states};
use crate::support::household::{
    Asked, address, confirmed, everything, execute, somebody, subscribers, subscribers_with, text, traces,
};
use crate::support::{TestStore, on_both};

const BY_HAND: SuppressionReason = SuppressionReason::Manual;
const DAY: Duration = Duration::from_secs(86_400);

fn request(email: &str) -> JoinRequest {
    let choice = somebody(email, &["weekly"]).choice;
    JoinRequest { address: address(email), name: String::new(), locale: None, choice, wording: String::new() }
}

/// The link to everything of somebody.
async fn manage(store: &TestStore, subscribers: &Subscribers, email: &str) -> PersonalClaim {
    let hash = text(store, &format!("select address_hash from subscribers where email = '{email}'")).await;
    let token = subscribers.tokens().manage(&id_of(store, email).await, &hash, "weekly", subscribers.now());
    subscribers.tokens().verify_manage(token.as_str(), subscribers.now()).unwrap()
}

/// As if nothing had ever been there.
async fn forget_all(store: &TestStore, subscribers: &Subscribers) {
    let ids = text(store, "select cast(id as text) from subscribers").await;
    let ids: Vec<i64> = ids.lines().map(|id| id.parse().unwrap()).collect();
    let mut session = subscribers.store().write(Durability::Full).await.unwrap();
    session.forget_subscribers(&ids, subscribers.now()).await.unwrap();
    session.commit().await.unwrap();
    execute(store, "delete from suppressions; delete from notice_slots; delete from deliveries").await;
}

on_both! {
    async fn an_operators_no_for_an_address_that_somebody_had_before_ends_their_mails_at_the_new_one(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        for typed_since in [false, true] {
            confirmed(&subscribers, ANN, &["weekly"]).await;
            moves(&store, &subscribers, ANN, NEW).await;
            if typed_since {
                // Whoever types it into a form shields nobody.
                execute(&store, "delete from notice_slots").await;
                subscribers.join(&request(ANN), Origin::PAGE, &Asked::default()).await.unwrap();
            }
            mailed(&store, "digest", "queued", "").await;
            let to_new = format!("select state from deliveries where address = '{NEW}'");
            let bounced = subscribers.suppress(&address(ANN), SuppressionReason::Bounced, "", Origin::COMMAND_LINE).await.unwrap();
            assert_eq!((bounced.moved_to, text(&store, &to_new).await.as_str()), (None, "queued"), "a dead address says nothing of the new one");
            let done = subscribers.suppress(&address(ANN), BY_HAND, "by phone", Origin::COMMAND_LINE).await.unwrap();
            assert_eq!((done.changed, done.moved_to.as_deref()), (true, Some(NEW)));
            assert_eq!(text(&store, &to_new).await, "cancelled");
            assert_eq!(text(&store, "select email from live_subscriptions").await, "");
            assert_eq!(text(&store, "select reason || ' ' || note from suppressions").await, "manual by phone\nmanual by phone");
            let noted = format!("select evidence from consent_events where event = 'suppressed' and address = '{NEW}'");
            assert_eq!(text(&store, &noted).await, "manual by a former address: by phone");
            let again = subscribers.suppress(&address(ANN), BY_HAND, "", Origin::COMMAND_LINE).await.unwrap();
            assert!(!again.changed);
            // What was said of the new address alone can be taken back there, and says nothing of the old one.
            subscribers.unsuppress(NEW, Origin::COMMAND_LINE).await.unwrap().unwrap();
            assert_eq!(text(&store, "select email from live_subscriptions").await, NEW);
            forget_all(&store, &subscribers).await;
        }
    }

    async fn a_list_of_suppressions_counts_for_the_addresses_that_people_have_now(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly"]).await;
        moves(&store, &subscribers, ANN, NEW).await;
        let path = store.folder.path().join("suppressed.csv");
        let list = async |file: String| {
            std::fs::write(&path, file).unwrap();
            let import = Import::new(&path, ImportBasis::Rows);
            subscribers.import_suppressions(&import, BY_HAND, "", Origin::COMMAND_LINE).await.unwrap()
        };
        // In one list both of theirs, and of each address what weighs most.
        let report = list(format!("email,reason\n{NEW},bounced\n{ANN},manual\nben@northfold.example,manual\n")).await;
        assert_eq!((report.rows, report.added, report.unchanged, report.former), (3, 3, 0, Some(1)));
        assert_eq!(text(&store, "select reason from suppressions").await, "manual\nmanual\nmanual");
        assert_eq!(states(&store).await, format!("{NEW} bounced"));
        let report = list(format!("{ANN}\n")).await;
        assert_eq!((report.added, report.unchanged, report.former), (0, 1, Some(1)));
    }

    async fn a_no_that_an_export_brings_counts_for_the_address_that_somebody_has_now(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly"]).await;
        moves(&store, &subscribers, ANN, NEW).await;
        for (mark, expected) in [("bounced", "bounced"), ("complaint", "complaint\ncomplaint"), ("manual", "manual\nmanual"), ("complaint", "manual\nmanual")] {
            let file = format!("email,evidence,suppressed\n{ANN},form,{mark} 2026-01-02T03:04:05Z\n");
            import(&store, &subscribers, file.as_bytes(), ImportBasis::Rows, false).await;
            assert_eq!(text(&store, "select reason from suppressions").await, expected, "{mark}");
            let mailed = text(&store, "select email from live_subscriptions").await;
            assert_eq!(mailed.is_empty(), mark != "bounced", "{mark}");
        }
    }

    async fn lifting_what_is_said_of_an_address_that_somebody_had_before_names_the_one_that_stays_shut(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly"]).await;
        moves(&store, &subscribers, ANN, NEW).await;
        for (reason, barred) in [(SuppressionReason::Bounced, None), (BY_HAND, Some("manual")), (SuppressionReason::Complaint, Some("complaint"))] {
            subscribers.suppress(&address(ANN), reason, "", Origin::COMMAND_LINE).await.unwrap();
            let lifted = subscribers.unsuppress(ANN, Origin::COMMAND_LINE).await.unwrap().unwrap();
            let mover = Mover { email: NEW.to_owned(), barred };
            assert_eq!((lifted.state, lifted.moved), (None, Some(mover)), "{reason:?}");
            let again = subscribers.unsuppress(NEW, Origin::COMMAND_LINE).await.unwrap();
            assert_eq!((again.is_some(), again.and_then(|lifted| lifted.moved)), (barred.is_some(), None));
        }
        assert_eq!(text(&store, "select reason from suppressions").await, "");
    }

    async fn lifting_what_is_said_of_the_present_address_names_the_former_one_by_which_a_list_brings_it_back(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly"]).await;
        moves(&store, &subscribers, ANN, NEW).await;
        let path = store.folder.path().join("suppressed.csv");
        for (reason, shut) in [(SuppressionReason::Bounced, None), (BY_HAND, Some("manual"))] {
            subscribers.suppress(&address(ANN), reason, "", Origin::COMMAND_LINE).await.unwrap();
            subscribers.suppress(&address(NEW), BY_HAND, "", Origin::COMMAND_LINE).await.unwrap();
            let lifted = subscribers.unsuppress(NEW, Origin::COMMAND_LINE).await.unwrap().unwrap();
            let expected = shut.map(|reason| StillShut { address: ANN.to_owned(), reason: reason.to_owned() });
            assert_eq!(lifted.former, expected.into_iter().collect::<Vec<_>>(), "{reason:?}");
            std::fs::write(&path, format!("email,reason\n{ANN},{}\n", reason.as_str())).unwrap();
            let import = Import::new(&path, ImportBasis::Rows);
            subscribers.import_suppressions(&import, BY_HAND, "", Origin::COMMAND_LINE).await.unwrap();
            let mailed = text(&store, "select email from live_subscriptions").await;
            assert_eq!(mailed.is_empty(), shut.is_some(), "{reason:?}");
        }
    }

    async fn where_whoever_had_an_address_before_said_no_for_good_nothing_asks_there_any_more(store: TestStore) {
        let change = |config: &mut postround::config::Config| config.confirmation.reminder_after = Some(DAY);
        let (subscribers, clock) = subscribers_with(&store, URL, change).await;
        for (complains, mails) in [(false, 1), (true, 0)] {
            confirmed(&subscribers, ANN, &["weekly"]).await;
            moves(&store, &subscribers, ANN, NEW).await;
            execute(&store, "delete from notice_slots").await;
            let before = Asked::default();
            subscribers.join(&request(ANN), Origin::PAGE, &before).await.unwrap();
            if complains {
                subscribers.suppress(&address(NEW), SuppressionReason::Complaint, "", Origin::COMMAND_LINE).await.unwrap();
            }
            clock.advance(DAY);
            let link = subscribers.tokens().verify_confirm(&before.token(), subscribers.now()).unwrap();
            let verdict = subscribers.would_confirm(&link).await.unwrap().verdict;
            assert_eq!(verdict, if complains { Confirmed::Stale } else { Confirmed::Now }, "by a link from before");
            let asked = Asked::default();
            assert_eq!((subscribers.remind(&asked).await.unwrap(), asked.count()), (mails, usize::try_from(mails).unwrap()), "reminded");
            let asked = Asked::default();
            execute(&store, "delete from notice_slots").await;
            subscribers.mail_lost_link(&address(ANN), Origin::PAGE, &asked).await.unwrap();
            assert_eq!(asked.count() as u64, mails, "by the page for lost links");
            let asked = Asked::default();
            execute(&store, &format!("delete from notice_slots; insert into asks (subscriber_id, due_at, source)
                select id, 0, 'import of people.csv' from subscribers where email = '{ANN}'")).await;
            assert_eq!((subscribers.ask_due(&asked).await.unwrap(), asked.count() as u64), (mails, mails), "by an import");
            assert_eq!(text(&store, "select source from asks").await, "", "its turn has ended");
            forget_all(&store, &subscribers).await;
        }
    }

    async fn whoever_asks_for_an_address_that_somebody_had_before_hides_nobody_from_an_operator(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly"]).await;
        moves(&store, &subscribers, ANN, NEW).await;
        execute(&store, "delete from notice_slots").await;
        subscribers.join(&request(ANN), Origin::PAGE, &Asked::default()).await.unwrap();
        let meant = subscribers.meant_by(&address(ANN)).await.unwrap();
        assert_eq!((meant.here, meant.moved), (Some(id_of(&store, ANN).await), Some((NEW.to_owned(), id_of(&store, NEW).await))));
        assert_eq!(subscribers.moved_to(&address(ANN)).await.unwrap().as_deref(), Some(NEW));
        let why = subscribers.why(&address(ANN)).await.unwrap();
        assert_eq!((why.email.as_str(), why.state, why.moved_to.as_deref()), (ANN, Some(SubscriberState::Pending), Some(NEW)));
        assert!(why.digests.iter().all(|digest| digest.why.contains("asked to confirm")), "{why:?}");
        let before = everything(&store).await;
        for edit in [Edit { name: Some("Ann".to_owned()), ..Edit::default() }, Edit { address: Some(address("ann@elsewhere.example")), ..Edit::default() }] {
            let edited = subscribers.edit(&address(ANN), &edit, Origin::COMMAND_LINE, &Asked::default()).await.unwrap();
            assert_eq!(edited, Edited::Unknown);
        }
        assert_eq!(everything(&store).await, before);
        assert_eq!(subscribers.erase_address(&address(NEW)).await.unwrap(), Erased::Now);
        assert_eq!((states(&store).await, traces(&store, &[ANN, NEW]).await), (String::new(), String::new()), "what is held of both");
    }

    async fn whoever_asks_for_an_address_that_somebody_had_before_is_erased_alone(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        for state in ["pending", "bounced", "unsubscribed"] {
            confirmed(&subscribers, ANN, &["weekly"]).await;
            moves(&store, &subscribers, ANN, NEW).await;
            execute(&store, "delete from notice_slots").await;
            let request = JoinRequest { name: "Somebody Else".to_owned(), ..request(ANN) };
            subscribers.join(&request, Origin::PAGE, &Asked::default()).await.unwrap();
            execute(&store, &format!("update subscribers set state = '{state}' where email = '{ANN}'")).await;
            assert_eq!(subscribers.erase_address(&address(ANN)).await.unwrap(), Erased::Now, "{state}");
            assert_eq!((states(&store).await, traces(&store, &["Somebody Else"]).await), (format!("{NEW} confirmed"), String::new()));
            assert_eq!(text(&store, "select email from live_subscriptions").await, NEW, "who moved away is mailed on");
            assert_eq!(text(&store, "select reason from suppressions").await, "erased", "the one address alone");
            assert_eq!(subscribers.erase_address(&address(ANN)).await.unwrap(), Erased::Moved(NEW.to_owned()), "nobody has it now");
            assert_eq!(subscribers.erase_address(&address(NEW)).await.unwrap(), Erased::Now);
            assert_eq!(traces(&store, &[ANN, NEW]).await, "");
            forget_all(&store, &subscribers).await;
        }
    }

    async fn whoever_confirms_an_address_that_somebody_had_before_is_meant_by_it_alone(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly"]).await;
        moves(&store, &subscribers, ANN, NEW).await;
        execute(&store, "delete from notice_slots").await;
        let asked = Asked::default();
        subscribers.join(&request(ANN), Origin::PAGE, &asked).await.unwrap();
        clock.advance(Duration::from_secs(60));
        let claim = subscribers.tokens().verify_confirm(&asked.token(), subscribers.now()).unwrap();
        subscribers.confirm(&claim, "Yes?", Origin::PAGE, &asked).await.unwrap();
        assert_eq!(subscribers.meant_by(&address(ANN)).await.unwrap().moved, None);
        assert!(subscribers.data_of(&address(ANN)).await.unwrap().unwrap().record.is_some());
        assert_eq!(subscribers.erase_address(&address(ANN)).await.unwrap(), Erased::Now);
        assert_eq!(states(&store).await, format!("{NEW} confirmed"));
    }

    async fn nobody_moves_to_an_address_whose_former_owner_said_no_for_good_and_whoever_asks_is_told_nothing(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let ben = "ben@northfold.example";
        for no in [SuppressionReason::Complaint, BY_HAND] {
            confirmed(&subscribers, ANN, &["weekly"]).await;
            moves(&store, &subscribers, ANN, NEW).await;
            confirmed(&subscribers, ben, &["weekly"]).await;
            execute(&store, "delete from notice_slots").await;
            let (claim, asked) = (manage(&store, &subscribers, ben).await, Asked::default());
            let ask = async || {
                execute(&store, "delete from notice_slots").await;
                subscribers.ask_address_change(&claim, &address(ANN), Origin::PAGE, &asked).await.unwrap()
            };
            assert_eq!((ask().await, asked.count()), (ChangeAsked::Asked, 1), "a former address is anybody's");
            let change = subscribers.tokens().verify_change(&asked.token(), subscribers.now()).unwrap();
            assert_eq!(subscribers.would_change(&change).await.unwrap(), Changed::Now);
            subscribers.suppress(&address(NEW), no, "", Origin::COMMAND_LINE).await.unwrap();
            assert_eq!(subscribers.would_change(&change).await.unwrap(), Changed::Stale, "by a link from before");
            assert_eq!(subscribers.change_address(&change, "Yes?", Origin::PAGE, &asked).await.unwrap(), Changed::Stale);
            assert_eq!((ask().await, asked.count()), (ChangeAsked::Asked, 1), "the same is said, and nothing is mailed");
            let edit = Edit { address: Some(address(ANN)), ..Edit::default() };
            let refused = subscribers.edit(&address(ben), &edit, Origin::COMMAND_LINE, &asked).await;
            let expected = Immovable::FormerSuppressed { new: address(ANN), now: NEW.to_owned() };
            assert!(matches!(&refused, Err(SubscribersError::Immovable { reason, .. }) if *reason == expected), "{refused:?}");
            assert_eq!(asked.count(), 1);
            forget_all(&store, &subscribers).await;
        }
    }

    async fn whoever_has_left_an_address_is_mailed_there_only_while_its_former_owner_has_not_said_no_for_good(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        for complains in [false, true] {
            confirmed(&subscribers, ANN, &["weekly"]).await;
            let left = subscribers.say_goodbye(&id_of(&store, ANN).await, "weekly", Leave::All, Origin::PAGE, &Asked::default()).await.unwrap();
            let undo = subscribers.tokens().verify_undo(left.way.unwrap().as_str(), subscribers.now()).unwrap();
            confirmed(&subscribers, NEW, &["weekly"]).await;
            // As an import of an export leaves it, where somebody had moved.
            execute(&store, &format!("insert into former_addresses (address_hash, subscriber_id, moved_at)
                select a.address_hash, n.id, 0 from subscribers a, subscribers n where a.email = '{ANN}' and n.email = '{NEW}'")).await;
            if complains {
                subscribers.suppress(&address(NEW), SuppressionReason::Complaint, "", Origin::COMMAND_LINE).await.unwrap();
            }
            clock.advance(Duration::from_secs(60));
            let asked = Asked::default();
            subscribers.mail_lost_link(&address(ANN), Origin::PAGE, &asked).await.unwrap();
            assert_eq!(asked.count(), usize::from(!complains), "by the page for lost links");
            let claim = manage(&store, &subscribers, ANN).await;
            let undone = subscribers.would_undo(&undo).await.unwrap();
            let before = everything(&store).await;
            if complains {
                assert_eq!(undone, Undone::Barred(vec!["weekly".to_owned()]));
                assert_eq!(subscribers.undo(&undo, "Undo", Origin::PAGE).await.unwrap(), Undone::Refused);
                assert_eq!(subscribers.take_up(&claim, "weekly", "Weekly", Origin::PAGE).await.unwrap(), Taken::Refused);
                let refused = subscribers.add(&somebody(ANN, &["weekly"]), Origin::COMMAND_LINE, &asked).await;
                assert!(matches!(refused, Err(SubscribersError::Refused { refusal: Refusal::Complained, .. })), "{refused:?}");
                assert_eq!((everything(&store).await, asked.count()), (before, 0));
            } else {
                assert_eq!(undone, Undone::Now(vec!["weekly".to_owned()]));
                assert_eq!(subscribers.take_up(&claim, "weekly", "Weekly", Origin::PAGE).await.unwrap(), Taken::Now);
                assert_eq!(text(&store, "select address_hash from former_addresses").await, "", "it is theirs alone from then on");
            }
            forget_all(&store, &subscribers).await;
        }
    }

    async fn a_no_in_a_file_ends_a_request_for_an_address_that_somebody_had_before(store: TestStore) {
        let change = |config: &mut postround::config::Config| config.confirmation.reminder_after = Some(DAY);
        let (subscribers, clock) = subscribers_with(&store, URL, change).await;
        for (no, at_the_new_one) in [("unsubscribed", "unsubscribed"), ("complained", "complained"), ("bounced", "confirmed")] {
            confirmed(&subscribers, ANN, &["weekly"]).await;
            moves(&store, &subscribers, ANN, NEW).await;
            execute(&store, "delete from notice_slots").await;
            let asked = Asked::default();
            subscribers.join(&request(ANN), Origin::PAGE, &asked).await.unwrap();
            clock.advance(Duration::from_secs(60));
            let path = store.folder.path().join("no.csv");
            std::fs::write(&path, format!("email,state\n{ANN},{no}\n")).unwrap();
            let file = Import::new(&path, ImportBasis::Rows);
            let look = Import { dry: true, ..file.clone() };
            for import in [look, file.clone()] {
                let report = subscribers.import(&import, &asked, |_, _| {}).await.unwrap();
                assert_eq!((report.updated, report.skipped), (1, 0), "{no}, dry: {}", import.dry);
            }
            assert_eq!(states(&store).await, format!("{ANN} {no}\n{NEW} {at_the_new_one}"));
            let claim = subscribers.tokens().verify_confirm(&asked.token(), subscribers.now()).unwrap();
            let confirmed = subscribers.confirm(&claim, "Yes?", Origin::PAGE, &Asked::default()).await.unwrap();
            assert!(matches!(confirmed, Confirmed::Stale | Confirmed::Refused(_)), "{no}: {confirmed:?} by the link from before");
            clock.advance(DAY);
            assert_eq!(subscribers.remind(&Asked::default()).await.unwrap(), 0, "{no}");
            let again = subscribers.import(&file, &asked, |_, _| {}).await.unwrap();
            assert_eq!((again.updated, again.unchanged), (0, 1), "{no}");
            forget_all(&store, &subscribers).await;
        }
    }

    async fn a_heavier_no_for_a_former_address_reaches_the_new_one_although_a_request_there_ended_before(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        for (first, at_first) in [("unsubscribed", "unsubscribed"), ("bounced", "confirmed"), ("complained", "complained")] {
            confirmed(&subscribers, ANN, &["weekly"]).await;
            moves(&store, &subscribers, ANN, NEW).await;
            execute(&store, "delete from notice_slots").await;
            subscribers.join(&request(ANN), Origin::PAGE, &Asked::default()).await.unwrap();
            let file = async |state: &str| {
                let file = format!("email,state\n{ANN},{state}\n");
                import(&store, &subscribers, file.as_bytes(), ImportBasis::Rows, false).await
            };
            file(first).await;
            assert_eq!(states(&store).await, format!("{ANN} {first}\n{NEW} {at_first}"));
            let report = file("complained").await;
            let changes = u64::from(first != "complained");
            assert_eq!((report.updated, report.unchanged), (changes, 1 - changes), "{first}");
            assert_eq!(states(&store).await, format!("{ANN} complained\n{NEW} complained"), "{first}");
            assert_eq!(text(&store, "select email from live_subscriptions").await, "", "{first}");
            forget_all(&store, &subscribers).await;
        }
    }

    async fn an_address_that_somebody_confirmed_since_is_theirs_alone_in_a_file(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly"]).await;
        moves(&store, &subscribers, ANN, NEW).await;
        execute(&store, "delete from notice_slots").await;
        let asked = Asked::default();
        subscribers.join(&request(ANN), Origin::PAGE, &asked).await.unwrap();
        let claim = subscribers.tokens().verify_confirm(&asked.token(), subscribers.now()).unwrap();
        subscribers.confirm(&claim, "Yes?", Origin::PAGE, &Asked::default()).await.unwrap();
        assert_eq!(states(&store).await, format!("{ANN} confirmed\n{NEW} confirmed"));
        for state in ["unsubscribed", "complained"] {
            let file = format!("email,state\n{ANN},{state}\n");
            import(&store, &subscribers, file.as_bytes(), ImportBasis::Rows, false).await;
            assert_eq!(states(&store).await, format!("{ANN} {state}\n{NEW} confirmed"));
        }
    }
}
