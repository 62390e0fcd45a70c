//! Who may still get what is queued for them: the last look, at the start of a delivery, for each kind of mail.

use postround::domain::{
    DeliveryState, EmailAddress, PublicId, SubscriberState, SubscriptionState, SystemRandom, UtcMillis,
};
use postround::store::{Durability, Mark, NewDelivery, SubscriberRow, SubscriptionRow, SuppressionRow};

use super::world::World;
use crate::support::{MONDAY, on_both};

const DAY: i64 = 86_400_000;

/// Everything that is queued about somebody's subscription.
const KINDS: [&str; 10] = [
    "confirmation",
    "reminder",
    "subscribed",
    "manage",
    "address",
    "moved",
    "goodbye",
    "welcome",
    "correction",
    "digest",
];

/// Queues one mail of each kind to somebody in that state, with a subscription in that one; then suppresses what `suppress`
/// names, and gives the kinds that may be started.
async fn started(
    world: &World,
    state: SubscriberState,
    subscription: Option<SubscriptionState>,
    suppress: Option<&str>,
) -> Vec<&'static str> {
    let mut session = world.store().write(Durability::Full).await.unwrap();
    let public_id = PublicId::new(&SystemRandom);
    let address = EmailAddress::parse(&format!("{public_id}@reader.example")).unwrap();
    let row = SubscriberRow {
        id: 0,
        public_id: public_id.clone(),
        email: address.as_str().to_owned(),
        address_hash: public_id.to_string(),
        name: String::new(),
        state,
        locale: None,
        created_at: MONDAY,
        updated_at: MONDAY,
        confirmed_at: Some(MONDAY),
        left_all_at: None,
    };
    let subscriber = session.add_subscriber(&row).await.unwrap();
    if let Some(state) = subscription {
        let subscription = SubscriptionRow {
            subscriber_id: subscriber,
            digest: "weekly".to_owned(),
            state,
            topics: "*".to_owned(),
            paused_until: (state == SubscriptionState::Paused).then_some(UtcMillis(MONDAY.0 + DAY)),
            created_at: MONDAY,
            left_at: None,
        };
        session.put_subscription(&subscription).await.unwrap();
    }
    let mut queued = Vec::new();
    for kind in KINDS {
        let delivery = NewDelivery {
            mail: world.mail(),
            issue: None,
            kind,
            digest: Some("weekly"),
            subscriber: Some(subscriber),
            address: &address,
            name: "",
            priority: 0,
            link: None,
        };
        queued.push((session.insert_notice(&delivery, public_id.as_str(), MONDAY).await.unwrap(), kind));
    }
    if let Some(reason) = suppress {
        let suppression = SuppressionRow {
            address_hash: public_id.to_string(),
            reason: reason.to_owned(),
            note: String::new(),
            created_at: MONDAY,
        };
        session.suppress(&suppression).await.unwrap();
    }
    session.commit().await.unwrap();
    let ids: Vec<i64> = queued.iter().map(|(id, _)| *id).collect();
    let granted = start(world, &ids).await;
    queued.into_iter().filter(|(id, _)| granted.contains(id)).map(|(_, kind)| kind).collect()
}

/// Those of `ids` that are granted a start.
async fn start(world: &World, ids: &[i64]) -> Vec<i64> {
    let mut session = world.store().write(Durability::Full).await.unwrap();
    let claimed = session.claim_deliveries("me", MONDAY, 1000, None).await.unwrap();
    let mark = |id: &i64| Mark {
        mail: claimed.iter().find(|row| row.id == *id).map(|row| row.mail_id),
        tries: 1,
        started_at: Some(MONDAY.0),
        ..Mark::of(*id, DeliveryState::Claimed, DeliveryState::Sending)
    };
    let marks: Vec<Mark> = ids.iter().map(mark).collect();
    let marked = session.mark_deliveries("me", &marks).await.unwrap();
    session.commit().await.unwrap();
    assert_eq!(marked.len(), ids.len(), "each is answered");
    marked.into_iter().filter(|(_, state)| state == "sending").map(|(id, _)| id).collect()
}

const ANSWERS: [&str; 7] = ["confirmation", "reminder", "subscribed", "manage", "address", "moved", "goodbye"];

on_both! {
    async fn somebody_who_has_not_confirmed_gets_answers_and_nothing_else(test: TestStore) {
        let world = World::new(test).await;
        let active = Some(SubscriptionState::Active);
        assert_eq!(started(&world, SubscriberState::Pending, active, None).await, ANSWERS);
        let left = Some(SubscriptionState::Left);
        assert_eq!(started(&world, SubscriberState::Unsubscribed, left, None).await, ANSWERS);
        assert_eq!(started(&world, SubscriberState::Confirmed, left, None).await, ANSWERS);
    }

    async fn a_pause_holds_up_the_digest_and_the_welcome_and_no_correction(test: TestStore) {
        let world = World::new(test).await;
        assert_eq!(started(&world, SubscriberState::Confirmed, Some(SubscriptionState::Active), None).await, KINDS);
        let paused = started(&world, SubscriberState::Confirmed, Some(SubscriptionState::Paused), None).await;
        assert_eq!(paused, [&ANSWERS[..], &["correction"]].concat());
    }

    async fn nothing_is_started_after_a_complaint_or_a_suppression_by_hand(test: TestStore) {
        let world = World::new(test).await;
        for reason in ["complaint", "manual"] {
            for state in [SubscriberState::Pending, SubscriberState::Confirmed, SubscriberState::Unsubscribed] {
                let none: [&str; 0] = [];
                let active = Some(SubscriptionState::Active);
                assert_eq!(started(&world, state, active, Some(reason)).await, none, "{reason} {state}");
            }
        }
        let none: [&str; 0] = [];
        assert_eq!(started(&world, SubscriberState::Complained, None, None).await, none);
    }

    async fn an_address_that_bounced_or_was_erased_gets_the_confirmation_that_was_asked_for_alone(test: TestStore) {
        let world = World::new(test).await;
        for reason in ["bounced", "erased"] {
            assert_eq!(started(&world, SubscriberState::Bounced, None, Some(reason)).await, ["confirmation"], "{reason}");
        }
    }

    async fn a_notice_to_an_address_that_is_not_the_subscribers_is_judged_by_that_address(test: TestStore) {
        let world = World::new(test).await;
        let subscriber = world.queue_to("owner@reader.example", "").await;
        let address = EmailAddress::parse("new@reader.example").unwrap();
        let mut session = world.store().write(Durability::Full).await.unwrap();
        let mut ids = Vec::new();
        for hash in ["wanted", "refused"] {
            let delivery = NewDelivery {
                mail: world.mail(), issue: None, kind: "address", digest: Some("weekly"), subscriber: Some(subscriber),
                address: &address, name: "", priority: 0, link: None,
            };
            ids.push(session.insert_notice(&delivery, hash, MONDAY).await.unwrap());
        }
        let suppression = SuppressionRow {
            address_hash: "refused".to_owned(), reason: "manual".to_owned(), note: String::new(), created_at: MONDAY,
        };
        session.suppress(&suppression).await.unwrap();
        session.commit().await.unwrap();
        assert_eq!(start(&world, &ids).await, ids[..1]);
    }

    async fn mails_to_staff_are_started_and_those_of_an_unknown_kind_to_nobody_are_not(test: TestStore) {
        let world = World::new(test).await;
        let address = EmailAddress::parse("staff@northfold.example").unwrap();
        let mut session = world.store().write(Durability::Full).await.unwrap();
        let mut ids = Vec::new();
        for kind in ["test", "alert", "review", "digest", "welcome", "confirmation", "what else"] {
            let delivery = NewDelivery {
                mail: world.mail(), issue: None, kind, digest: Some("weekly"), subscriber: None, address: &address,
                name: "", priority: 0, link: None,
            };
            ids.push(session.insert_delivery(&delivery, MONDAY).await.unwrap());
        }
        session.commit().await.unwrap();
        assert_eq!(start(&world, &ids).await, ids[..3]);
    }

    async fn leaving_a_digest_cancels_its_mails_and_no_answer_that_was_asked_for(test: TestStore) {
        let world = World::new(test).await;
        let subscriber = world.queue_to("owner@reader.example", "").await;
        let address = EmailAddress::parse("owner@reader.example").unwrap();
        let mut session = world.store().write(Durability::Full).await.unwrap();
        let mut ids = Vec::new();
        for kind in KINDS {
            let delivery = NewDelivery {
                mail: world.mail(), issue: None, kind, digest: Some("weekly"), subscriber: Some(subscriber),
                address: &address, name: "", priority: 0, link: None,
            };
            ids.push(session.insert_delivery(&delivery, MONDAY).await.unwrap());
        }
        session.cancel_deliveries(subscriber, Some("weekly"), MONDAY).await.unwrap();
        let mut kept = Vec::new();
        for (id, kind) in ids.into_iter().zip(KINDS) {
            if session.delivery(id).await.unwrap().unwrap().state == DeliveryState::Queued {
                kept.push(kind);
            }
        }
        assert_eq!(kept, ["confirmation", "manage", "address", "moved"]);
    }
}
