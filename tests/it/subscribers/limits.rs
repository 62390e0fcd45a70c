//! How often somebody's choices and address can be changed by whoever has their link.

use std::time::Duration;

use postround::domain::PublicId;
use postround::subscribers::{
    ADDRESSES_WINDOW, CHANGES, CHANGES_WINDOW, ChangeAsked, Chose, DigestClaim, Leave, Left, Origin, PersonalClaim,
    Subscribers, SubscribersError, Topics,
};

use super::{ANN, URL, public_id};
use crate::support::household::{Asked, address, confirmed, everything, subscribers, text};
use crate::support::{TestStore, on_both};

/// Ann, who gets one digest, and her link to everything.
async fn ann(store: &TestStore, subscribers: &Subscribers) -> (PublicId, PersonalClaim) {
    confirmed(subscribers, ANN, &["weekly"]).await;
    let (id, hash) = (public_id(store).await, text(store, "select address_hash from subscribers").await);
    let token = subscribers.tokens().manage(&id, &hash, "weekly", subscribers.now());
    (id, subscribers.tokens().verify_manage(token.as_str(), subscribers.now()).unwrap())
}

on_both! {
    async fn nobody_asks_for_more_than_three_new_addresses_a_day(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        let (_, claim) = ann(&store, &subscribers).await;
        let asked = Asked::default();
        let ask = |number: u32| {
            let (subscribers, claim, asked) = (&subscribers, &claim, &asked);
            let new = address(&format!("a{number}@saltby.example"));
            async move { subscribers.ask_address_change(claim, &new, Origin::PAGE, asked).await.unwrap() }
        };
        for number in 0..3 {
            assert_eq!(ask(number).await, ChangeAsked::Asked);
        }
        let (count, before) = (asked.count(), everything(&store).await);
        assert_eq!((ask(3).await, asked.count()), (ChangeAsked::TooOften, count));
        assert_eq!(everything(&store).await, before);
        clock.advance(ADDRESSES_WINDOW);
        assert_eq!(ask(3).await, ChangeAsked::Asked);
    }

    async fn after_thirty_changes_an_hour_only_what_means_less_mail_is_taken(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        let (id, manage) = ann(&store, &subscribers).await;
        let asked = Asked::default();
        let claim = DigestClaim { subscriber: id.clone(), digest: "weekly".to_owned() };
        let topics = |topics: &[&str]| Topics::Only(topics.iter().map(|&topic| topic.to_owned()).collect());
        let (one, two) = (topics(&["news"]), topics(&["features", "news"]));
        for round in 0..CHANGES {
            let next = if round % 2 == 0 { &one } else { &two };
            assert_eq!(subscribers.choose(&claim, Some(next), None, Origin::PAGE).await.unwrap(), Chose::Now);
            clock.advance(Duration::from_secs(60));
        }
        let before = everything(&store).await;
        let day = |days: u64| Some(subscribers.now().plus(Duration::from_secs(days * 86_400)));
        let refused = [
            subscribers.choose(&claim, Some(&Topics::All), None, Origin::PAGE).await.map(|_| ()),
            subscribers.choose(&claim, Some(&Topics::All), day(9), Origin::PAGE).await.map(|_| ()),
            subscribers.set_profile(&manage, "Ann", None, Origin::PAGE).await.map(|_| ()),
            subscribers.take_up(&manage, "jobs", "Jobs", Origin::PAGE).await.map(|_| ()),
        ];
        for refused in refused {
            assert!(matches!(&refused, Err(SubscribersError::TooOften(wait)) if *wait == Duration::from_secs(30 * 60)), "{refused:?}");
        }
        assert_eq!(everything(&store).await, before);
        for (topics, pause) in [(&one, None), (&one, day(9)), (&one, day(10))] {
            assert_eq!(subscribers.choose(&claim, Some(topics), pause, Origin::PAGE).await.unwrap(), Chose::Now);
        }
        assert!(subscribers.choose(&claim, None, day(9), Origin::PAGE).await.is_err(), "a shorter pause is more mail");
        assert_eq!(subscribers.choose(&claim, None, None, Origin::COMMAND_LINE).await.unwrap(), Chose::Now, "an operator's change");
        let left = subscribers.say_goodbye(&id, "weekly", Leave::All, Origin::PAGE, &asked).await.unwrap();
        assert_eq!(left.left, Left::Now);
        let undo = subscribers.tokens().verify_undo(left.way.unwrap().as_str(), subscribers.now()).unwrap();
        assert!(subscribers.undo(&undo, "", Origin::PAGE).await.is_err(), "else both could be had for ever");
        clock.advance(CHANGES_WINDOW);
        assert!(subscribers.undo(&undo, "", Origin::PAGE).await.is_ok());
    }
}
