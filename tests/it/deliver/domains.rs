//! Domains with a rate of their own beside all others, as the receiving end sees them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use postround::deliver::Settings;
use postround::store::Durability;

use super::metronome::Metronome;
use super::rates::{rate, times, until_sent};
use super::world::{Catcher, World};
use crate::support::{MONDAY, PATIENCE, TestStore, on_both};

/// Fifty a second, and five of them at the most to one domain: ten seconds' work for it are as much as is in hand of all.
fn with_a_slow_domain(catcher: &Catcher) -> Settings {
    let mut settings = catcher.settings();
    settings.smtp.relays[0].connections = 6;
    settings.smtp.rates = vec![rate("50/s")];
    settings.smtp.per_domain = vec![("slow.example".to_owned(), rate("5/s"))];
    settings
}

async fn queue_every_second_to_the_slow_domain(world: &World, pairs: usize) {
    for number in 0..pairs {
        world.queue_to(&format!("reader{number}@slow.example"), "").await;
        world.queue(1).await;
    }
}

/// The receiver got as many of the slow domain as the domain's rate says.
#[track_caller]
fn five_a_second_are_slow(catcher: &Catcher, metronome: &Metronome) {
    let mails = catcher.mailbox.messages();
    let slow = mails.iter().filter(|mail| mail.recipients[0].ends_with("@slow.example"));
    let slow: Vec<i64> = slow.map(|mail| mail.at.0).collect();
    let took = slow.iter().max().unwrap() - slow.iter().min().unwrap();
    let (steps, late) = (i64::try_from(slow.len()).unwrap() - 1, metronome.late());
    assert!(took >= steps * 200 - 300 - late, "{steps} steps in {took} ms");
    assert!(took <= steps * 220 + late, "{steps} steps in {took} ms");
}

on_both! {
    async fn a_domain_has_a_rate_of_its_own_and_holds_up_no_other(test: TestStore) {
        let (world, catcher) = (World::new(test).await, Catcher::plain().await);
        for number in 0..60 {
            world.queue_to(&format!("reader{number}@slow.example"), "").await;
        }
        world.queue(60).await;
        let mut settings = catcher.settings();
        settings.smtp.relays[0].connections = 3;
        settings.smtp.per_domain = vec![("slow.example".to_owned(), rate("2/s"))];
        let engine = world.engine(settings);
        let started = Instant::now();
        engine.run(until_sent(&world, 62)).await;
        assert!(started.elapsed() < Duration::from_secs(3));
        let mut by_domain: BTreeMap<String, usize> = BTreeMap::new();
        for address in catcher.got().into_keys() {
            *by_domain.entry(address.split('@').next_back().unwrap().to_owned()).or_default() += 1;
        }
        assert_eq!(by_domain["x.example"], 60);
        assert!((2..=7).contains(&by_domain["slow.example"]), "{by_domain:?}");
    }

    async fn whoever_stands_behind_many_who_wait_for_their_domain_does_not_wait(test: TestStore) {
        let (world, catcher) = (World::new(test).await, Catcher::plain().await);
        for number in 0..400 {
            world.queue_to(&format!("reader{number}@slow.example"), "").await;
        }
        world.queue(50).await;
        let (engine, started) = (world.engine(with_a_slow_domain(&catcher)), Instant::now());
        let others = || catcher.got().into_keys().filter(|address| address.ends_with("@x.example")).count();
        let over = async {
            while others() < 50 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        engine.run(async { tokio::time::timeout(PATIENCE, over).await.unwrap() }).await;
        // In hand are ten seconds' work for the slow domain.
        assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
        let put_off = world.in_state(postround::domain::DeliveryState::Queued).await;
        assert!(put_off >= 300, "{put_off}");
    }

    async fn whoever_waits_for_their_domain_takes_nothing_of_the_rate_of_all(test: TestStore) {
        let (world, catcher) = (World::new(test).await, Catcher::plain().await);
        queue_every_second_to_the_slow_domain(&world, 280).await;
        let (engine, metronome) = (world.engine(with_a_slow_domain(&catcher)), Metronome::start());
        engine.run(until_sent(&world, 300)).await;
        metronome.fifty_a_second(&times(&catcher));
        five_a_second_are_slow(&catcher, &metronome);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_nodes_neither_takes_places_for_whoever_waits_for_their_domain() {
    let Some(test) = TestStore::postgres().await else { return };
    let (world, catcher) = (World::new(test).await, Catcher::plain().await);
    queue_every_second_to_the_slow_domain(&world, 280).await;
    let (first, second) = (world.engine(with_a_slow_domain(&catcher)), world.engine(with_a_slow_domain(&catcher)));
    let metronome = Metronome::start();
    tokio::join!(first.run(until_sent(&world, 300)), second.run(until_sent(&world, 300)));
    metronome.fifty_a_second(&times(&catcher));
    five_a_second_are_slow(&catcher, &metronome);
}

/// Another node lives, and does nothing.
async fn idle_node(world: &World) {
    for beat in 1.. {
        let mut session = world.store().write(Durability::Normal).await.unwrap();
        session.beat("idle", beat, MONDAY).await.unwrap();
        session.commit().await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_of_two_nodes_has_put_off_comes_back_at_the_domains_whole_rate() {
    let Some(test) = TestStore::postgres().await else { return };
    let (world, catcher) = (World::new(test).await, Catcher::plain().await);
    for number in 0..600 {
        world.queue_to(&format!("reader{number}@slow.example"), "").await;
    }
    let mut settings = catcher.settings();
    settings.smtp.relays[0].connections = 6;
    settings.smtp.per_domain = vec![("slow.example".to_owned(), rate("100/s"))];
    let (engine, started) = (world.engine(settings), Instant::now());
    tokio::select! {
        () = idle_node(&world) => {}
        _ = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            engine.run(until_sent(&world, 600)).await
        } => {}
    }
    let took = started.elapsed();
    assert!((Duration::from_millis(5500)..Duration::from_secs(9)).contains(&took), "{took:?}");
}
