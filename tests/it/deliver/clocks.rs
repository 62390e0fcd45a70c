//! Clocks that are set back: what is due stays due, pauses stay pauses, and quotas stay quotas.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use postround::config::Rate;
use postround::demo::catcher::{Command, Reply, Stage};
use postround::domain::{Clock, DeliveryState};
use postround::store::{Durability, Quota};

use super::world::{Catcher, World};
use crate::support::household::execute;
use crate::support::{MONDAY, PATIENCE, on_both};

const HOUR: Duration = Duration::from_secs(3600);

async fn until(is_so: impl AsyncFn() -> bool) {
    let all = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, all).await.expect("it comes to that in time");
}

on_both! {
    async fn what_is_put_off_waits_though_the_clock_was_set_back(test: TestStore) {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let catcher = Catcher::answering(move |turn| {
            matches!(turn.stage, Stage::Command(Command::Recipient { .. })).then(|| {
                counted.fetch_add(1, Ordering::SeqCst);
                Reply::new(451, "4.7.1 Greylisted")
            })
        })
        .await;
        let world = World::new(test).await;
        world.queue(1).await;
        let engine = world.engine(catcher.settings());
        let over = async {
            until(async || world.totals().await.deferred == 1).await;
            world.clock.set_back(HOUR);
            world.queue(1).await;
            engine.wake();
            until(async || world.totals().await.deferred == 2).await;
            // The engine looks at the queue many times in this while.
            tokio::time::sleep(Duration::from_millis(500)).await;
        };
        Box::pin(engine.run(over)).await;
        assert_eq!(asked.load(Ordering::SeqCst), 2, "each has been tried once");
    }

    async fn a_quota_goes_on_when_the_clock_was_set_back(test: TestStore) {
        let (world, catcher) = (World::new(test).await, Catcher::plain().await);
        world.queue(60).await;
        let mut settings = catcher.settings();
        settings.smtp.rates = vec![Rate::parse("40/m").unwrap()];
        let engine = world.engine(settings);
        let over = async {
            until(async || world.totals().await.sent == 38).await;
            world.clock.set_back(HOUR);
            tokio::time::sleep(Duration::from_millis(300)).await;
            assert_eq!(world.totals().await.sent, 38, "they have been sent in this very minute");
            world.clock.advance(Duration::from_secs(130));
            until(async || world.totals().await.sent == 60).await;
        };
        Box::pin(engine.run(over)).await;
    }

    async fn what_was_taken_by_a_clock_that_was_ahead_counts_as_if_it_had_just_been_taken(test: TestStore) {
        let world = World::new(test).await;
        let an_hour = [Quota { count: 500, minutes: 60 }];
        let take = async |after: Duration, wanted: u32| {
            let mut session = world.store().write(Durability::Normal).await.unwrap();
            let places = session.take_places("*", &an_hour, wanted, MONDAY.plus(after)).await.unwrap();
            session.commit().await.unwrap();
            places
        };
        assert_eq!(take(24 * HOUR, 200).await, 200, "by a clock that is a day ahead");
        assert_eq!(take(24 * HOUR + HOUR / 2, 200).await, 200);
        assert_eq!(take(Duration::ZERO, 500).await, 100, "and right again");
        assert_eq!(take(HOUR / 2 + Duration::from_secs(90), 500).await, 200, "those of half an hour before");
        assert_eq!(take(HOUR + Duration::from_secs(90), 500).await, 300, "those that counted as of now");
    }

    async fn places_of_one_limit_that_the_store_does_not_take_back_keep_no_others(test: TestStore) {
        let no = if test.store.is_shared() {
            "create function no() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$;
             create trigger no before insert on quotas for each row when (new.scope = '*') execute function no()"
        } else {
            "create trigger no before insert on quotas when new.scope = '*' begin select raise(abort, 'no'); end"
        };
        let world = World::new(test).await;
        let catcher = Catcher::answering(|turn| {
            matches!(turn.stage, Stage::Content { .. }).then(|| Reply::usual().after(Duration::from_millis(500)))
        })
        .await;
        world.queue(3).await;
        let mut settings = catcher.settings();
        let relay = settings.smtp.relays[0].id.clone();
        let rates = vec![Rate::parse("100/h").unwrap()];
        (settings.smtp.rates, settings.smtp.relays[0].rates) = (rates.clone(), rates);
        let engine = world.engine(settings);
        let stop = async {
            while world.in_state(DeliveryState::Sending).await == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            execute(&world.test, no).await;
        };
        Box::pin(engine.run(stop)).await;
        let mut session = world.store().read().await.unwrap();
        let taken = session.quota_taken("*", 60, world.clock.now()).await.unwrap();
        assert!(taken > 3, "these stay taken: {taken}");
        let sent = world.totals().await.sent.unsigned_abs();
        let used = session.quota_taken(&relay, 60, world.clock.now()).await.unwrap();
        assert!(used <= sent + 1, "what it has sent, and an envelope that went ahead: {used}");
    }

    async fn places_that_are_given_back_late_are_not_given_twice(test: TestStore) {
        let world = World::new(test).await;
        let an_hour = [Quota { count: 100, minutes: 60 }];
        let mut session = world.store().write(Durability::Normal).await.unwrap();
        assert_eq!(session.take_places("*", &an_hour, 25, MONDAY).await.unwrap(), 25);
        session.give_back_places("*", 25, MONDAY).await.unwrap();
        let later = MONDAY.plus(HOUR + Duration::from_secs(90));
        assert_eq!(session.take_places("*", &an_hour, 200, later).await.unwrap(), 100);
        assert_eq!(session.quota_taken("*", 60, later).await.unwrap(), 100);
        session.commit().await.unwrap();
    }
}
