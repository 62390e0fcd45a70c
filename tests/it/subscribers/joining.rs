//! What a stranger sets off who types an address into the form: never more than a mail to that address, for each state
//! the right one, and nothing that tells which it was.

use std::time::Duration;

use postround::store::{Durability, SuppressionRow};
use postround::subscribers::{
    AskedAgain, Chosen, Confirmed, JoinRequest, Keys, Leave, Notice, NoticeKind, Origin, Subscribers, Topics,
};

use super::{ANN, URL, public_id, states};
use crate::support::household::{
    Asked, address, confirmed, everything, execute, somebody, subscribers, subscribers_with, text,
};
use crate::support::{MONDAY, TestStore, on_both};

const MINUTES: Duration = Duration::from_secs(11 * 60);
const DAY: Duration = Duration::from_secs(86_400);

/// A request for these digests, with all their topics.
pub(super) fn request(email: &str, digests: &[&str], name: &str) -> JoinRequest {
    JoinRequest {
        address: address(email),
        name: name.to_owned(),
        locale: None,
        choice: somebody(email, digests).choice,
        wording: "Yes, send me Early Help Weekly".to_owned(),
    }
}

fn only(digest: &str, topics: &[&str]) -> Chosen {
    let topics = topics.iter().map(|&topic| topic.to_owned()).collect();
    Chosen { digest: digest.to_owned(), topics: Topics::Only(topics) }
}

/// What is mailed when somebody types that in.
async fn mailed(subscribers: &Subscribers, request: &JoinRequest) -> Vec<Notice> {
    let asked = Asked::default();
    subscribers.join(request, Origin::PAGE, &asked).await.unwrap();
    asked.0.into_inner().unwrap()
}

/// The choice that the one mail asks about.
#[track_caller]
fn asked_for(mails: &[Notice]) -> Vec<Chosen> {
    match mails {
        [Notice { kind: NoticeKind::Confirm { choice, reminder: false, .. }, .. }] => choice.clone(),
        other => panic!("not one confirmation: {other:?}"),
    }
}

fn token(mail: &Notice) -> String {
    let NoticeKind::Confirm { link, .. } = &mail.kind else { panic!("{mail:?} asks nothing") };
    link.0.rsplit('/').next().unwrap().to_owned()
}

async fn confirm(subscribers: &Subscribers, mail: &Notice) -> Confirmed {
    let claim = subscribers.tokens().verify_confirm(&token(mail), subscribers.now()).unwrap();
    subscribers.confirm(&claim, "Yes?", Origin::PAGE, &Asked::default()).await.unwrap()
}

async fn suppress(store: &TestStore, subscribers: &Subscribers, reason: &str) {
    let keys = Keys::read(&store.folder.path().join("keys")).unwrap().unwrap();
    let (address_hash, reason) = (keys.address_hash(&address(ANN)), reason.to_owned());
    let row = SuppressionRow { address_hash, reason, note: String::new(), created_at: subscribers.now() };
    let mut session = subscribers.store().write(Durability::Full).await.unwrap();
    session.suppress(&row).await.unwrap();
    session.commit().await.unwrap();
}

/// Who Ann is and what she gets, without what was asked in her name.
async fn who(store: &TestStore) -> String {
    let all = "select 'subscriber ' || email || ' ' || name || ' ' || state || ' ' || coalesce(locale, '') || ' ' || updated_at
         from subscribers union all select 'subscription ' || digest || ' ' || state || ' ' || topics from subscriptions order by 1";
    text(store, all).await
}

on_both! {
    async fn whoever_is_new_is_asked_and_nothing_that_was_typed_is_theirs_before_they_agree(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        let mails = mailed(&subscribers, &request(ANN, &["weekly"], "Win $$$ at casino.example")).await;
        assert_eq!(asked_for(&mails), somebody(ANN, &["weekly"]).choice);
        assert!(!format!("{mails:?}").contains("casino"));
        assert_eq!(text(&store, "select name || state from subscribers").await, "pending");
        clock.advance(DAY);
        assert_eq!(confirm(&subscribers, &mails[0]).await, Confirmed::Now);
        assert_eq!(text(&store, "select state || ' ' || name from subscribers").await, "confirmed Win $$$ at casino.example");
    }

    async fn a_confirmation_takes_over_no_name_and_no_choice_of_another_request(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        let theirs = mailed(&subscribers, &request(ANN, &["jobs"], "A Stranger")).await;
        clock.advance(MINUTES);
        let before = who(&store).await;
        let mine = mailed(&subscribers, &request(ANN, &["weekly"], "")).await;
        assert_eq!(who(&store).await, before, "a second request changes nothing of a pending one");
        clock.advance(MINUTES);
        let again = mailed(&subscribers, &request(&ANN.to_uppercase(), &["jobs"], "Another One")).await;
        assert_eq!(again[0].address, address(ANN), "a link goes where the first went");
        assert_eq!(confirm(&subscribers, &mine[0]).await, Confirmed::Now);
        assert_eq!(text(&store, "select name from subscribers").await, "");
        assert_eq!(text(&store, "select digest || ' ' || topics from subscriptions").await, "weekly *");
        // The other links are still good for what they named, if she wants it; her name is her own by now.
        execute(&store, "update subscribers set name = 'Ann'").await;
        for mail in [&theirs[0], &again[0]] {
            assert!(matches!(confirm(&subscribers, mail).await, Confirmed::Now | Confirmed::Already));
        }
        assert_eq!(text(&store, "select name from subscribers").await, "Ann");
        assert_eq!(text(&store, "select digest from subscriptions order by digest").await, "jobs\nweekly");
    }

    async fn a_confirmed_one_is_told_so_or_asked_for_what_is_more_and_stays_as_they_are(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        let mut ann = somebody(ANN, &[]);
        ann.choice = vec![only("weekly", &["news"])];
        subscribers.add_confirmed(&ann, "a form", Origin::COMMAND_LINE).await.unwrap();
        let before = everything(&store).await;
        let mut less = request(ANN, &[], "Somebody");
        less.choice = vec![only("weekly", &["news"])];
        let mails = mailed(&subscribers, &less).await;
        assert!(matches!(&mails[..], [Notice { kind: NoticeKind::AlreadySubscribed { .. }, .. }]), "{mails:?}");
        assert_eq!(everything(&store).await, before);

        clock.advance(MINUTES);
        let (mut more, before) = (request(ANN, &["jobs"], "Somebody"), who(&store).await);
        more.locale = Some(postround::domain::Locale::parse("de").unwrap());
        more.choice.push(only("weekly", &["news", "features"]));
        let mails = mailed(&subscribers, &more).await;
        assert_eq!(asked_for(&mails), [somebody(ANN, &["jobs"]).choice.remove(0), only("weekly", &["features"])]);
        assert_eq!(mails[0].locale, None, "her mails come in the language that they always come in");
        assert_eq!(who(&store).await, before);
        assert_eq!(confirm(&subscribers, &mails[0]).await, Confirmed::Now);
        let topics = text(&store, "select digest || ' ' || topics from subscriptions order by digest").await;
        assert_eq!(topics, "jobs *\nweekly features,news");
        assert_eq!(text(&store, "select coalesce(locale, 'as the digest') from subscribers").await, "as the digest");
    }

    async fn whoever_left_bounced_or_was_erased_comes_back_by_a_confirmation_of_exactly_what_it_names(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly", "jobs"]).await;
        clock.advance(MINUTES);
        subscribers.leave(&public_id(&store).await, Leave::All, Origin::PAGE).await.unwrap();
        for (round, reason) in ["", "bounced", "erased"].into_iter().enumerate() {
            clock.advance(8 * DAY);
            match reason {
                "" => {}
                "bounced" => {
                    suppress(&store, &subscribers, reason).await;
                    execute(&store, &format!("update subscribers set state = 'bounced', updated_at = {}", subscribers.now().0)).await;
                }
                _ => {
                    suppress(&store, &subscribers, reason).await;
                    execute(&store, "delete from subscriptions; delete from subscribers").await;
                }
            }
            clock.advance(MINUTES);
            let (before, wanted) = (who(&store).await, [["jobs"], ["weekly"], ["jobs"]][round]);
            let mails = mailed(&subscribers, &request(ANN, &wanted, "Ann")).await;
            assert_eq!(asked_for(&mails), somebody(ANN, &wanted).choice);
            if reason != "erased" {
                assert_eq!(who(&store).await, before, "{reason}");
            }
            assert_eq!(text(&store, "select digest from live_subscriptions").await, "", "{reason}");
            assert_eq!(confirm(&subscribers, &mails[0]).await, Confirmed::Now);
            assert_eq!(text(&store, "select digest || ' ' || name from live_subscriptions").await, format!("{} Ann", wanted[0]));
            assert_eq!(text(&store, "select reason from suppressions").await, "");
        }
    }

    async fn whoever_complained_or_was_suppressed_by_hand_is_mailed_nothing_known_or_not(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        for known in [false, true] {
            if known {
                execute(&store, "delete from suppressions").await;
                confirmed(&subscribers, ANN, &["weekly"]).await;
            }
            for reason in ["manual", "complaint"] {
                suppress(&store, &subscribers, reason).await;
                let before = everything(&store).await;
                clock.advance(8 * DAY);
                assert!(mailed(&subscribers, &request(ANN, &["weekly", "jobs"], "")).await.is_empty());
                assert_eq!(everything(&store).await, before);
            }
        }
        execute(&store, "delete from suppressions; update subscribers set state = 'complained'").await;
        clock.advance(8 * DAY);
        assert!(mailed(&subscribers, &request(ANN, &["jobs"], "")).await.is_empty());
    }

    async fn what_was_asked_is_noted_with_the_wording_the_form_the_network_and_the_program(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let origin = Origin { source: "form on the front page", ..Origin::PAGE };
        let origin = origin.from(Some("192.0.2.7"), Some("Browser/1.0"));
        subscribers.join(&request(ANN, &["weekly"], ""), origin, &Asked::default()).await.unwrap();
        let noted = "select event || '|' || digest || '|' || source || '|' || actor || '|' || network || '|' || agent || '|' || wording || '|' || evidence from consent_events";
        assert_eq!(
            text(&store, noted).await,
            "asked|weekly|form on the front page|subscriber|192.0.2.7|Browser/1.0|Yes, send me Early Help Weekly|topics *"
        );
    }

    async fn many_at_once_for_one_new_address_are_one_person_and_one_mail(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let asked = std::sync::Arc::new(Asked::default());
        let mut running = tokio::task::JoinSet::new();
        for index in 0..40 {
            let (subscribers, asked) = (subscribers.clone(), asked.clone());
            running.spawn(async move {
                let email = if index % 2 == 0 { ANN.to_owned() } else { ANN.to_uppercase() };
                subscribers.join(&request(&email, &["weekly"], "x"), Origin::PAGE, &*asked).await.unwrap();
            });
        }
        running.join_all().await;
        assert_eq!(asked.count(), 1);
        assert_eq!(text(&store, "select lower(email) || ' ' || state from subscribers").await, format!("{ANN} pending"));
        assert_eq!(text(&store, "select event from consent_events").await, "asked");
    }

    async fn two_tabs_that_confirm_at_once_and_an_old_link_that_is_clicked_again_are_friends(store: TestStore) {
        let (subscribers, clock) = subscribers_with(&store, URL, |config| config.confirmation.welcome_mail = true).await;
        let mails = mailed(&subscribers, &request(ANN, &["weekly"], "")).await;
        clock.advance(DAY);
        let claim = subscribers.tokens().verify_confirm(&token(&mails[0]), subscribers.now()).unwrap();
        let welcomed = std::sync::Arc::new(Asked::default());
        let mut running = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let (subscribers, claim, welcomed) = (subscribers.clone(), claim.clone(), welcomed.clone());
            running.spawn(async move { subscribers.confirm(&claim, "Yes?", Origin::PAGE, &*welcomed).await.unwrap() });
        }
        let verdicts = running.join_all().await;
        assert_eq!(verdicts.iter().filter(|verdict| **verdict == Confirmed::Now).count(), 1);
        assert_eq!(verdicts.iter().filter(|verdict| **verdict == Confirmed::Already).count(), 7);
        assert_eq!(text(&store, "select event from consent_events order by id").await, "asked\nconfirmed");
        assert!(matches!(&welcomed.0.lock().unwrap()[..], [Notice { kind: NoticeKind::Welcome, .. }]));
        let prospect = subscribers.would_confirm(&claim).await.unwrap();
        assert_eq!((prospect.verdict, prospect.address.as_deref()), (Confirmed::Already, Some(ANN)));
    }

    async fn each_digest_that_is_confirmed_welcomes_them_itself(store: TestStore) {
        let (subscribers, _) = subscribers_with(&store, URL, |config| config.confirmation.welcome_mail = true).await;
        let mails = mailed(&subscribers, &request(ANN, &["weekly", "jobs"], "")).await;
        let claim = subscribers.tokens().verify_confirm(&token(&mails[0]), subscribers.now()).unwrap();
        let welcomed = Asked::default();
        subscribers.confirm(&claim, "Yes?", Origin::PAGE, &welcomed).await.unwrap();
        let welcomed = welcomed.0.lock().unwrap();
        assert!(welcomed.iter().all(|notice| matches!(notice.kind, NoticeKind::Welcome)));
        assert_eq!(welcomed.iter().map(|notice| notice.digest.as_str()).collect::<Vec<_>>(), ["weekly", "jobs"]);
    }

    async fn an_expired_link_asks_anew_under_the_same_limits_and_confirms_nothing(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        let old = mailed(&subscribers, &request(ANN, &["weekly"], "Ann")).await;
        clock.advance(7 * DAY);
        let old = token(&old[0]);
        assert!(subscribers.tokens().verify_confirm(&old, subscribers.now()).is_err());
        let asked = Asked::default();
        for _ in 0..3 {
            let again = subscribers.ask_again(&old, "Send me a new link", Origin::PAGE, &asked).await.unwrap();
            assert_eq!((again, asked.count()), (AskedAgain::Asked, 1));
        }
        assert_eq!(states(&store).await, format!("{ANN} pending"));
        let fresh = asked.0.lock().unwrap().remove(0);
        assert_eq!(confirm(&subscribers, &fresh).await, Confirmed::Now);
        assert_eq!(text(&store, "select name || ' ' || digest from live_subscriptions").await, "Ann weekly");
        let forged = subscribers.ask_again("aaaa", "", Origin::PAGE, &asked).await.unwrap();
        assert!(matches!(forged, AskedAgain::BadLink(_)));
        execute(&store, "delete from subscriptions; delete from subscribers").await;
        clock.advance(DAY);
        assert_eq!(subscribers.ask_again(&old, "", Origin::PAGE, &asked).await.unwrap(), AskedAgain::Gone);
        assert_eq!((asked.count(), states(&store).await.as_str()), (0, ""));
    }

    async fn a_link_ends_when_the_configuration_says_so(store: TestStore) {
        let (subscribers, clock) = subscribers_with(&store, URL, |config| config.confirmation.valid_for = DAY).await;
        let mails = mailed(&subscribers, &request(ANN, &["weekly"], "")).await;
        let NoticeKind::Confirm { expires_at, .. } = mails[0].kind else { unreachable!() };
        assert_eq!(expires_at, MONDAY.plus(DAY));
        clock.advance(DAY - Duration::from_millis(1));
        assert!(subscribers.tokens().verify_confirm(&token(&mails[0]), subscribers.now()).is_ok());
        clock.advance(Duration::from_millis(1));
        assert!(subscribers.tokens().verify_confirm(&token(&mails[0]), subscribers.now()).is_err());
    }

    async fn an_operators_evidence_takes_over_nothing_that_a_stranger_wanted(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        mailed(&subscribers, &request(ANN, &["weekly", "jobs"], "A Stranger")).await;
        let mut ann = somebody(ANN, &[]);
        (ann.choice, ann.name) = (vec![only("weekly", &["news"])], "Ann".to_owned());
        subscribers.add_confirmed(&ann, "a form", Origin::COMMAND_LINE).await.unwrap();
        let gets = "select name || ' ' || digest || ' ' || topics from live_subscriptions";
        assert_eq!(text(&store, gets).await, "Ann weekly news");
    }
}
