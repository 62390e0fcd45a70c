//! Rates as the receiving end sees them, and quotas that outlive the process.

use std::time::{Duration, Instant};

use postround::config::{Rate, WarmUp};
use postround::deliver::Settings;
use postround::demo::catcher::{Command, Options, Reply, Stage};

use super::metronome::Metronome;
use super::world::{Catcher, World, reader};
use crate::support::{PATIENCE, TestStore, on_both};

pub fn rate(text: &str) -> Rate {
    Rate::parse(text).unwrap()
}

/// When the receiver got each message.
pub fn times(catcher: &Catcher) -> Vec<i64> {
    let mut times: Vec<i64> = catcher.mailbox.messages().iter().map(|mail| mail.at.0).collect();
    times.sort_unstable();
    times
}

pub async fn until_sent(world: &World, count: i64) {
    let all = async {
        while world.totals().await.sent < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, all).await.unwrap();
}

/// How many others the relay takes after something urgent is queued and before that, while it takes few in a second.
async fn overtaken_by(world: &World, catcher: &Catcher, settings: Settings) -> usize {
    const URGENT: &str = "urgent@x.example";
    world.queue(150).await;
    let engine = world.engine(settings);
    let mut before = 0;
    let until_urgent = async {
        until_sent(world, 3).await;
        world.queue_urgently(URGENT).await;
        before = catcher.mailbox.messages().len();
        while !catcher.got().contains_key(URGENT) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    Box::pin(engine.run(async { tokio::time::timeout(PATIENCE, until_urgent).await.unwrap() })).await;
    let arrived = catcher.mailbox.messages().into_iter().map(|mail| mail.recipients[0].clone());
    arrived.take_while(|recipient| recipient != URGENT).count().saturating_sub(before)
}

on_both! {
    async fn what_is_urgent_overtakes_what_is_claimed_and_waits_for_a_rate(test: TestStore) {
        let (world, catcher) = (World::new(test).await, Catcher::plain().await);
        let mut settings = catcher.settings();
        settings.smtp.relays[0].connections = 3;
        settings.smtp.rates = vec![rate("3/s")];
        let overtaking = overtaken_by(&world, &catcher, settings).await;
        assert!(overtaking <= 2, "{overtaking} went before it");
    }

    async fn what_is_urgent_overtakes_what_is_claimed_and_waits_for_its_domain(test: TestStore) {
        let (world, catcher) = (World::new(test).await, Catcher::plain().await);
        let mut settings = catcher.settings();
        settings.smtp.per_domain = vec![("x.example".to_owned(), rate("3/s"))];
        let overtaking = overtaken_by(&world, &catcher, settings).await;
        assert!(overtaking <= 2, "{overtaking} went before it");
    }

    async fn what_is_urgent_overtakes_what_is_claimed_and_waits_for_a_slow_relay(test: TestStore) {
        let world = World::new(test).await;
        let catcher = Catcher::answering(|turn| {
            matches!(turn.stage, Stage::Content { .. }).then(|| Reply::usual().after(Duration::from_millis(50)))
        })
        .await;
        let overtaking = overtaken_by(&world, &catcher, catcher.settings()).await;
        assert!(overtaking <= 30, "{overtaking} went before it");
    }

    async fn what_is_urgent_has_places_of_a_quota_that_a_digest_has_used_up(test: TestStore) {
        let (world, catcher) = (World::new(test).await, Catcher::plain().await);
        world.queue(60).await;
        let mut settings = catcher.settings();
        settings.smtp.rates = vec![rate("40/m")];
        let engine = world.engine(settings);
        let used_up = async {
            until_sent(&world, 38).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
            assert_eq!(world.totals().await.sent, 38, "two places are kept");
            for number in 0..3 {
                world.queue_urgently(&format!("urgent{number}@x.example")).await;
            }
            until_sent(&world, 40).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
        };
        Box::pin(engine.run(used_up)).await;
        assert_eq!(world.totals().await.sent, 40, "the quota is a quota");
        assert_eq!(catcher.got().into_keys().filter(|address| address.starts_with("urgent")).count(), 2);
    }

    async fn the_last_policy_refusals_are_settled_where_there_is_a_quota_too(test: TestStore) {
        let catcher = Catcher::answering(|turn| match turn.stage {
            Stage::Command(Command::Recipient { to, .. }) if *to == reader(3) || *to == reader(6) => {
                Some(Reply::new(550, "5.7.1 Not from you"))
            }
            _ => None,
        })
        .await;
        let world = World::new(test).await;
        let mut settings = catcher.settings();
        settings.smtp.rates = vec![rate("1000/h")];
        for is_for_one_mail in [false, true] {
            world.queue(3).await;
            let engine = world.engine(settings.clone());
            let engine = if is_for_one_mail { engine.only(world.mail()) } else { engine };
            let settled = async {
                while world.totals().await.open() > 0 {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            Box::pin(engine.run(async { tokio::time::timeout(PATIENCE, settled).await.unwrap() })).await;
        }
        let totals = world.totals().await;
        assert_eq!((totals.sent, totals.failed), (4, 2));
    }

    async fn one_mail_by_itself_gets_the_places_of_a_quota_that_are_kept_for_what_is_urgent(test: TestStore) {
        let (world, catcher) = (World::new(test).await, Catcher::plain().await);
        world.queue(30).await;
        let mut settings = catcher.settings();
        settings.smtp.rates = vec![rate("20/h")];
        Box::pin(world.engine(settings.clone()).run(until_sent(&world, 19))).await;
        world.queue_urgently("urgent@x.example").await;
        Box::pin(world.engine(settings).only(world.mail()).run(until_sent(&world, 20))).await;
        assert!(catcher.got().contains_key("urgent@x.example"), "{:?}", catcher.got());
    }

    async fn fifty_a_second_are_fifty_with_twenty_connections(test: TestStore) {
        let (world, catcher) = (World::new(test).await, Catcher::plain().await);
        world.queue(300).await;
        let mut settings = catcher.settings();
        settings.smtp.relays[0].connections = 20;
        settings.smtp.rates = vec![rate("50/s")];
        let (engine, metronome) = (world.engine(settings), Metronome::start());
        engine.run(until_sent(&world, 300)).await;
        metronome.fifty_a_second(&times(&catcher));
    }

    async fn nobody_has_places_of_a_quota_in_hand_when_there_is_nothing_to_send(test: TestStore) {
        let (world, catcher) = (World::new(test).await, Catcher::plain().await);
        let mut settings = catcher.settings();
        settings.smtp.rates = vec![rate("100/h")];
        let engine = world.engine(settings);
        let taken = async || {
            let now = postround::domain::Clock::now(&*world.clock);
            world.store().read().await.unwrap().quota_taken("*", 60, now).await.unwrap()
        };
        let sent = async {
            for sent in [0_u32, 3, 6] {
                let all = async {
                    while taken().await != u64::from(sent) || world.totals().await.sent != i64::from(sent) {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                };
                tokio::time::timeout(PATIENCE, all).await.unwrap();
                world.queue(3).await;
            }
        };
        Box::pin(engine.run(sent)).await;
    }

    async fn new_settings_again_and_again_make_no_rate_faster(test: TestStore) {
        let (world, catcher) = (World::new(test).await, Catcher::plain().await);
        world.queue(100).await;
        let mut settings = catcher.settings();
        settings.smtp.relays[0].connections = 5;
        settings.smtp.rates = vec![rate("5/s")];
        let (mut engine, started) = (world.engine(settings.clone()), Instant::now());
        let mut rounds = 0;
        // A machine with much else to do may need more of them for the first message.
        while rounds < 20 || catcher.mailbox.is_empty() && rounds < 200 {
            engine.run(tokio::time::sleep(Duration::from_millis(100))).await;
            engine = world.successor(&engine, settings.clone());
            rounds += 1;
        }
        let (got, most) = (catcher.mailbox.len(), 5 * started.elapsed().as_millis() / 1000 + 2);
        assert!((1..=most).contains(&(got as u128)), "{got} in {:?}", started.elapsed());
    }

    async fn an_hours_quota_holds_through_a_restart_and_comes_back_with_time(test: TestStore) {
        let (world, catcher) = (World::new(test).await, Catcher::plain().await);
        world.queue(30).await;
        let mut settings = catcher.settings();
        settings.smtp.rates = vec![rate("8/h"), rate("14/d")];
        settings.smtp.relays[0].connections = 3;
        for (hour, sent) in [(0, 8), (0, 8), (1, 14), (2, 14), (24, 22), (26, 28)] {
            let past = crate::deliver::world::since_monday(postround::domain::Clock::now(&*world.clock));
            world.clock.advance(Duration::from_secs(hour * 3660 + 60).saturating_sub(past));
            let engine = world.engine(settings.clone());
            let a_while = async {
                let longest = Instant::now() + Duration::from_secs(5);
                while world.totals().await.sent < sent && Instant::now() < longest {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                tokio::time::sleep(Duration::from_millis(150)).await;
            };
            engine.run(a_while).await;
            assert_eq!(world.totals().await.sent, sent, "after {hour} hours");
        }
        assert_eq!(world.totals().await.queued, 2);
    }

    async fn turns_under_a_rate_follow_one_another_whoever_takes_them(test: TestStore) {
        let [span, none, second] = [200, 0, 1000].map(Duration::from_millis);
        let mut session = test.store.marks().await.unwrap();
        let mut begins = Vec::new();
        while let Some(turn) = session.take_turn("*", span, none, none, second).await.unwrap() {
            begins.push(turn.begins_in);
        }
        assert!(begins.len() >= 5 && begins[0] < span, "{begins:?}");
        assert!(begins.iter().all(|begins| *begins <= second), "no further ahead: {begins:?}");
        assert!(session.take_turn("@other.example", span, none, none, second).await.unwrap().is_some());
        drop(session);
        tokio::time::sleep(span * u32::try_from(begins.len()).unwrap() + Duration::from_millis(300)).await;
        let mut session = test.store.marks().await.unwrap();
        let turn = session.take_turn("*", span, none, span, second).await.unwrap().unwrap();
        assert!(turn.begins_in < Duration::from_millis(50) && turn.owed >= span, "{turn:?}");
        let turn = session.take_turn("*", span, turn.owed, none, second).await.unwrap().unwrap();
        assert!(turn.owed < Duration::from_millis(50), "{turn:?}");
        session.owe_turn("*", span * 2, second).await.unwrap();
        let turn = session.take_turn("*", span, none, none, second).await.unwrap().unwrap();
        assert!((span * 2..span * 3).contains(&turn.owed), "what whoever went has left: {turn:?}");
        drop(session);
        tokio::time::sleep(second * 2).await;
        let mut session = test.store.marks().await.unwrap();
        let turn = session.take_turn("*", span, none, none, second).await.unwrap().unwrap();
        assert_eq!(turn.owed, none, "there was nothing to send");
    }

    async fn a_relay_that_hangs_up_after_each_message_gets_them_at_the_full_rate(test: TestStore) {
        let catcher = Catcher::answering(|turn| {
            matches!(turn.stage, Stage::Content { .. }).then(|| Reply::usual().then_close())
        })
        .await;
        let world = World::new(test).await;
        world.queue(15).await;
        let mut settings = catcher.settings();
        settings.smtp.rates = vec![rate("10/s")];
        world.engine(settings).run(until_sent(&world, 15)).await;
        let times = times(&catcher);
        let took = times[14] - times[0];
        // A turn lost with each connection would make it 2.8 seconds.
        assert!((1300..2100).contains(&took), "{took} ms");
    }

    async fn a_warm_up_begins_with_few(test: TestStore) {
        let (world, catcher) = (World::new(test).await, Catcher::plain().await);
        world.queue(20).await;
        let mut settings = catcher.settings();
        let from = "2026-11-23".parse().unwrap();
        settings.smtp.warm_up = Some(WarmUp { from, first_day: 5, doubles: Duration::from_secs(86_400) });
        for (day, sent) in [(0, 5), (1, 15), (2, 20)] {
            let past = crate::deliver::world::since_monday(postround::domain::Clock::now(&*world.clock));
            world.clock.advance(Duration::from_secs(day * 90_000).saturating_sub(past));
            let engine = world.engine(settings.clone());
            engine.run(async {
                let longest = Instant::now() + Duration::from_secs(3);
                while world.totals().await.sent < sent && Instant::now() < longest {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            })
            .await;
            assert_eq!(world.totals().await.sent, sent, "on day {day}");
        }
    }

    async fn what_the_same_process_queues_goes_out_at_once(test: TestStore) {
        let (world, catcher) = (World::new(test).await, Catcher::plain().await);
        let mut settings = catcher.settings();
        settings.timings.poll = Duration::from_secs(3600);
        let engine = world.engine(settings);
        let over = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            for count in 1..=3 {
                world.queue(1).await;
                catcher.mailbox.wait_for(count, PATIENCE).await.unwrap();
            }
        };
        engine.run(over).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_keep_to_one_rate_together() {
    let metronome = Metronome::start();
    let Some(times) = times_of_nodes([0, 0, 0]).await else { return };
    metronome.fifty_a_second(&times);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_join_and_leave_change_nothing_of_the_rate() {
    let metronome = Metronome::start();
    let Some(times) = times_of_nodes([0, 1500, 3000]).await else { return };
    let least = times.windows(60).map(|window| window[59] - window[0]).min().unwrap();
    // They take 1180; a receiver that stands still for a moment sees some of them together.
    let late = metronome.late();
    assert!(least + late >= 900, "sixty came within {least} ms, late by {late} ms");
    metronome.fifty_a_second(&times);
}

/// When the receiver got each of 500 messages at 50 a second, from nodes that begin so many milliseconds later. The second
/// ends again after three seconds.
async fn times_of_nodes(begin: [u64; 3]) -> Option<Vec<i64>> {
    let test = TestStore::postgres().await?;
    let world = World::new(test).await;
    let catcher = Catcher::start(Options::default()).await;
    let mut settings = catcher.settings();
    settings.smtp.relays[0].connections = 5;
    settings.smtp.rates = vec![rate("50/s")];
    world.queue(500).await;
    let (done, _) = tokio::sync::broadcast::channel::<()>(1);
    let running = begin.into_iter().enumerate().map(|(number, begin)| {
        let (mut done, engine) = (done.subscribe(), world.engine(settings.clone()));
        async move {
            tokio::time::sleep(Duration::from_millis(begin)).await;
            let longest = Duration::from_secs(if number == 1 { 3 } else { 60 });
            let over = async {
                let _ = tokio::time::timeout(longest, done.recv()).await;
            };
            engine.run(over).await;
        }
    });
    let ending = async {
        until_sent(&world, 500).await;
        let _ = done.send(());
    };
    tokio::join!(ending, futures_util::future::join_all(running));
    Some(times(&catcher))
}

/// A script is asked at each turn, so that a slow relay can be made: it takes its time for each message.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_relay_does_not_make_up_for_it_beyond_the_rate() {
    let catcher = Catcher::answering(|turn| match turn.stage {
        Stage::Content { .. } if turn.delivered == 3 => Some(Reply::usual().after(Duration::from_secs(1))),
        _ => None,
    })
    .await;
    let world = World::new(TestStore::sqlite().await).await;
    world.queue(20).await;
    let mut settings = catcher.settings();
    settings.smtp.relays[0].rates = vec![rate("10/s")];
    let engine = world.engine(settings);
    engine.run(until_sent(&world, 20)).await;
    let times = times(&catcher);
    let most = times.windows(12).map(|window| window[11] - window[0]).min().unwrap();
    assert!(most >= 900, "twelve came within {most} ms");
}
