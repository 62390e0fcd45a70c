//! Relays that ask for less speed: who has their messages meanwhile, and who knows of it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use postround::deliver::Settings;
use postround::demo::catcher::{Command, Reply, Stage};
use postround::domain::DeliveryState;

use super::several::both;
use super::world::{Catcher, World};
use crate::support::{PATIENCE, TestStore, on_both};

const REST: Duration = Duration::from_millis(1500);

/// What comes within this time had gone out when the relay asked for less, or when another node did not know of it.
const UNDER_WAY: Duration = Duration::from_millis(400);

/// A relay that asks for less speed, and what it sees of us.
struct Asking {
    catcher: Catcher,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    /// How many messages it takes before it asks.
    patience: usize,
    /// Whether it goes on to ask.
    insists: bool,
    /// When it asked last.
    asked: Option<Instant>,
    /// When it was spoken to since then, and on which connection.
    since: Vec<(Instant, u64)>,
}

impl Asking {
    /// One that takes so many messages, and then asks, once or each time.
    async fn after(patience: usize, insists: bool) -> Self {
        let seen = Arc::new(Mutex::new(Seen { patience, insists, ..Seen::default() }));
        let sees = Arc::clone(&seen);
        let catcher = Catcher::answering(move |turn| {
            let mut seen = sees.lock().unwrap();
            match turn.stage {
                Stage::Connect | Stage::Command(Command::Mail { .. }) => {
                    seen.since.push((Instant::now(), turn.connection));
                    None
                }
                Stage::Content { .. } if seen.patience > 0 => {
                    seen.patience -= 1;
                    Some(Reply::usual().after(Duration::from_millis(5)))
                }
                Stage::Content { .. } if seen.insists || seen.asked.is_none() => {
                    seen.asked = Some(Instant::now());
                    seen.since.clear();
                    Some(Reply::new(421, "4.7.28 Unusual rate of mail").then_close())
                }
                _ => None,
            }
        })
        .await;
        Self { catcher, seen }
    }

    /// Settings to send to it on several connections, with a rest that a test can wait for.
    fn settings(&self) -> Settings {
        let mut settings = self.catcher.settings();
        settings.smtp.relays[0].connections = 4;
        settings.timings.throttle_pause = REST;
        settings
    }

    /// What it has seen since it asked, but for what was under way then.
    fn since(&self) -> Vec<(Duration, u64)> {
        let seen = self.seen.lock().unwrap();
        let asked = seen.asked.expect("it has asked");
        let since = seen.since.iter().map(|(at, connection)| (at.duration_since(asked), *connection));
        since.filter(|(at, _)| *at > UNDER_WAY).collect()
    }

    /// Fails if two connections were open at once after its rest.
    #[track_caller]
    fn was_spoken_to_on_one_connection(&self) {
        let mut connections: Vec<u64> = self.since().into_iter().map(|(_, connection)| connection).collect();
        connections.dedup();
        let used = connections.len();
        connections.sort_unstable();
        connections.dedup();
        assert_eq!(connections.len(), used, "one after the other: {:?}", self.since());
    }
}

/// Until so many are sent, while the clock goes on where it may.
async fn until_sent(world: &World, count: i64, clock_goes: bool) {
    let all = async {
        while world.totals().await.sent < count {
            tokio::time::sleep(Duration::from_millis(10)).await;
            if clock_goes {
                world.clock.advance(Duration::from_secs(1));
            }
        }
    };
    tokio::time::timeout(PATIENCE, all).await.unwrap();
}

async fn until_it_is_written_down(world: &World) {
    let written = async {
        while world.store().read().await.unwrap().slow_relays().await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, written).await.unwrap();
}

on_both! {
    async fn what_a_relay_does_not_take_since_it_asks_for_less_goes_through_the_other_at_once(test: TestStore) {
        let (first, second) = (Asking::after(0, true).await, Catcher::plain().await);
        let world = World::new(test).await;
        world.queue(60).await;
        let mut settings = both(&first.catcher, &second);
        settings.smtp.relays[0].connections = 5;
        let engine = world.engine(settings);
        let over = async {
            until_sent(&world, 60, false).await;
            let before = first.since().len();
            world.queue(40).await;
            until_sent(&world, 100, false).await;
            assert_eq!(first.since().len(), before, "it rests");
        };
        Box::pin(engine.run(over)).await;
        let got = second.got();
        assert!(got.len() == 100 && got.values().all(|mails| *mails == 1), "{got:?}");
        assert!(first.catcher.mailbox.is_empty());
    }

    async fn where_all_relays_ask_for_less_what_waits_is_not_claimed_again_and_again(test: TestStore) {
        let (first, second) = (Asking::after(0, true).await, Asking::after(0, true).await);
        let world = World::new(test).await;
        world.queue(30).await;
        let engine = world.engine(both(&first.catcher, &second.catcher));
        let over = async {
            while engine.relays().iter().any(|relay| relay.works) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
            let before = (engine.progress(), first.since(), second.since());
            tokio::time::sleep(Duration::from_millis(300)).await;
            assert_eq!((engine.progress(), first.since(), second.since()), before);
        };
        let patient = async { tokio::time::timeout(PATIENCE, over).await.unwrap() };
        Box::pin(engine.run(patient)).await;
        let totals = world.totals().await;
        assert_eq!((totals.queued, totals.sent), (30, 0));
        let due = world.store().read().await.unwrap().last_due(world.issue).await.unwrap().unwrap();
        let wait = crate::deliver::world::since_monday(due).as_secs();
        assert!((590..=720).contains(&wait), "what they had is due when the first has rested: {wait} s");
    }

    async fn a_relay_that_has_asked_for_less_rests_through_a_restart_and_has_one_connection_then(test: TestStore) {
        let relay = Asking::after(20, false).await;
        let world = World::new(test).await;
        world.queue(40).await;
        let engine = world.engine(relay.settings());
        let running = tokio::spawn(async move { engine.run(std::future::pending()).await });
        until_it_is_written_down(&world).await;
        running.abort();
        assert!(running.await.is_err(), "it was killed");

        for sent in [40, 60] {
            let engine = world.engine(relay.settings());
            let works = engine.relays()[0].works;
            assert!(works, "nothing is known before it begins");
            Box::pin(engine.run(until_sent(&world, sent, true))).await;
            world.queue(20).await;
        }
        let first = relay.since()[0].0;
        assert!(first + Duration::from_millis(50) > REST, "it rested for {first:?} only");
        relay.was_spoken_to_on_one_connection();
        assert_eq!(relay.catcher.got().len(), 60);
    }

    async fn a_relay_that_rests_has_no_connection_that_does_nothing_and_what_was_claimed_for_it_is_free(test: TestStore) {
        let (taken, asks) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(0)));
        let (takes, asked) = (Arc::clone(&taken), Arc::clone(&asks));
        let catcher = Catcher::answering(move |turn| {
            let Stage::Content { .. } = turn.stage else { return None };
            *takes.lock().unwrap() += 1;
            // The first three take long, so that each has a connection; then all but one of these have nothing to do.
            if *takes.lock().unwrap() <= 3 {
                return Some(Reply::usual().after(Duration::from_millis(400)));
            }
            *asked.lock().unwrap() += 1;
            Some(Reply::new(421, "4.7.28 Unusual rate of mail").then_close())
        })
        .await;
        let world = World::new(test).await;
        world.queue(3).await;
        let mut settings = catcher.settings();
        settings.smtp.relays[0].connections = 3;
        settings.smtp.rates = vec![postround::config::Rate::parse("20/s").unwrap()];
        settings.timings.idle = Duration::from_secs(4);
        let engine = world.engine(settings);
        let over = async {
            until_sent(&world, 3, false).await;
            assert_eq!(engine.relays()[0].connections, 3);
            world.queue(20).await;
            while *asks.lock().unwrap() == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            while engine.relays()[0].connections > 0 || world.in_state(DeliveryState::Claimed).await > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let patient = async { tokio::time::timeout(PATIENCE, over).await.unwrap() };
        Box::pin(engine.run(patient)).await;
        assert_eq!((world.totals().await.sent, *asks.lock().unwrap()), (3, 1));
    }

    async fn how_a_relay_grows_again_is_written_down_and_forgotten_when_it_has(test: TestStore) {
        let relay = Asking::after(10, false).await;
        let world = World::new(test).await;
        world.queue(400).await;
        let mut settings = relay.settings();
        settings.smtp.relays[0].connections = 2;
        settings.smtp.rates = vec![postround::config::Rate::parse("100/s").unwrap()];
        (settings.timings.throttle_pause, settings.timings.throttle_step) =
            (Duration::from_millis(300), Duration::from_millis(300));
        let connections = async || {
            let rows = world.store().read().await.unwrap().slow_relays().await.unwrap();
            rows.first().map(|row| row.connections)
        };
        let over = async {
            for stage in [Some(1), Some(2), None] {
                while connections().await != stage {
                    world.clock.advance(Duration::from_secs(1));
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        };
        let engine = world.engine(settings);
        let patient = async { tokio::time::timeout(PATIENCE, over).await.unwrap() };
        Box::pin(engine.run(patient)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_relay_asks_one_node_for_the_other_one_does() {
    let Some(test) = TestStore::postgres().await else { return };
    let world = World::new(test).await;
    let relay = Asking::after(40, false).await;
    world.queue(300).await;
    let nodes = [world.engine(relay.settings()), world.engine(relay.settings())];
    let (done, _) = tokio::sync::broadcast::channel::<()>(1);
    let running = nodes.iter().map(|engine| {
        let mut done = done.subscribe();
        engine.run(async move {
            let _ = done.recv().await;
        })
    });
    let ending = async {
        until_sent(&world, 300, true).await;
        let _ = done.send(());
    };
    tokio::join!(ending, futures_util::future::join_all(running));
    let first = relay.since()[0].0;
    assert!(first + Duration::from_millis(50) > REST, "it rested for {first:?} only");
    assert_eq!(relay.catcher.got().len(), 300);
}
