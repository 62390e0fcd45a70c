//! Refusals in words that are about us, of one message or one sender alone: others still go, and nothing is lost while none does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use postround::deliver::Engine;
use postround::demo::catcher::{Command, Reply, Stage};
use postround::domain::Clock;
use postround::store::{Durability, NewMail, Totals};

use super::several::both;
use super::world::{Catcher, MIME, World, mail_of, since_monday};
use crate::support::household::{execute, text};
use crate::support::{MONDAY, PATIENCE, TestStore, on_both};

const NEW: &str = "new@stranger.example";
const OLD: &str = "old@example.org";

/// A confirmation to somebody whose server answers as if it were about us, in front of `count` of a digest.
async fn with_one_that_is_refused(world: &World, code: u16, words: &'static str, count: u64) -> Catcher {
    world.queue_notice("confirmation", NEW).await;
    world.queue(count).await;
    Catcher::answering(move |turn| match turn.stage {
        Stage::Command(Command::Recipient { to, .. }) if to == NEW => Some(Reply::new(code, words)),
        _ => None,
    })
    .await
}

/// A relay that refuses what is from `OLD`, as long as it is told to.
async fn refusing_old(at_mail: bool) -> (Catcher, Arc<AtomicBool>, Arc<AtomicUsize>) {
    let (refusing, tries) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let (refuses, tried, is_old) = (Arc::clone(&refusing), Arc::clone(&tries), AtomicBool::new(false));
    let catcher = Catcher::answering(move |turn| {
        let now = match turn.stage {
            Stage::Command(Command::Mail { from, .. }) => {
                is_old.store(from == OLD, Ordering::SeqCst);
                at_mail && from == OLD
            }
            Stage::Command(Command::Recipient { .. }) => !at_mail && is_old.load(Ordering::SeqCst),
            _ => false,
        };
        (now && refuses.load(Ordering::SeqCst)).then(|| {
            tried.fetch_add(1, Ordering::SeqCst);
            Reply::new(550, "5.1.8 Sender address rejected: not verified")
        })
    })
    .await;
    (catcher, refusing, tries)
}

/// Queues `count` from `OLD`, as they were frozen before the sender was changed.
async fn queue_old(world: &World, count: u64) {
    world.queue(count).await;
    let mut session = world.store().write(Durability::Full).await.unwrap();
    let mime = MIME.replace("digest@example.org", OLD);
    let mail = session.insert_mail(&NewMail { mime: &mime, ..mail_of(world.issue) }, MONDAY).await.unwrap();
    session.commit().await.unwrap();
    let set = format!("update deliveries set mail_id = {mail} where mail_id = {}", world.mail());
    execute(&world.test, &set).await;
}

/// Runs an engine until the issue's deliveries have come so far.
async fn until(world: &World, engine: &Engine, is_so: impl Fn(Totals) -> bool) {
    let over = async {
        while !is_so(world.totals().await) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let patient = async { tokio::time::timeout(PATIENCE, over).await.unwrap() };
    Box::pin(engine.run(patient)).await;
}

on_both! {
    async fn one_message_that_is_refused_as_if_that_were_about_us_keeps_none_behind_it(test: TestStore) {
        let world = World::new(test).await;
        let catcher = with_one_that_is_refused(&world, 450, "4.1.8 Sender verify failed", 30).await;
        let engine = world.engine(catcher.settings());
        until(&world, &engine, |totals| totals.sent == 30).await;
        assert!(!catcher.got().contains_key(NEW));
    }

    async fn one_that_is_refused_as_if_we_were_too_fast_has_the_relay_rest_no_longer_when_others_go(test: TestStore) {
        let world = World::new(test).await;
        let catcher = with_one_that_is_refused(&world, 450, "4.7.28 Unusual rate of mail", 30).await;
        let mut settings = catcher.settings();
        (settings.timings.throttle_pause, settings.timings.throttle_step) = (Duration::from_millis(50), Duration::ZERO);
        let engine = world.engine(settings);
        until(&world, &engine, |totals| totals.sent == 30).await;
    }

    async fn what_is_refused_while_others_go_is_tried_for_as_long_as_after_any_refusal_for_now(test: TestStore) {
        let world = World::new(test).await;
        let catcher = with_one_that_is_refused(&world, 550, "5.7.1 Sender verify failed", 0).await;
        let engine = world.engine(catcher.settings());
        let state = async || text(&world.test, "select state from deliveries where kind = 'confirmation'").await;
        for _ in 0..300 {
            world.queue(1).await;
            world.deliver_all(&engine).await;
            if state().await == "failed" {
                let after = since_monday(world.clock.now());
                assert!(after >= Duration::from_secs(48 * 3600), "after {after:?}");
                return;
            }
            world.clock.advance(Duration::from_secs(1800));
        }
        panic!("it never ends: {}", state().await);
    }

    async fn what_the_relay_does_not_take_from_one_sender_keeps_nobody_elses_mail_behind_it(test: TestStore) {
        for at_mail in [true, false] {
            let test = if test.store.is_shared() { TestStore::postgres().await.unwrap() } else { TestStore::sqlite().await };
            let (catcher, refusing, _) = refusing_old(at_mail).await;
            let world = World::new(test).await;
            // More than are claimed at a time.
            queue_old(&world, 450).await;
            world.queue(20).await;
            let engine = world.engine(catcher.settings());
            until(&world, &engine, |totals| totals.sent == 20 && totals.deferred == 450).await;
            refusing.store(false, Ordering::SeqCst);
            world.deliver_all(&engine).await;
            assert_eq!(world.totals().await.sent, 470);
        }
    }

    async fn while_nothing_goes_all_is_kept_however_long_and_goes_when_the_relay_takes_it(test: TestStore) {
        let (catcher, refusing, tries) = refusing_old(true).await;
        let world = World::new(test).await;
        queue_old(&world, 5).await;
        let mut settings = catcher.settings();
        settings.delivery.retry_for = Duration::from_millis(1);
        let engine = world.engine(settings);
        let often = async {
            while tries.load(Ordering::SeqCst) < 8 {
                engine.deliver_one_batch().await.unwrap();
                world.clock.advance(Duration::from_secs(3600));
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, often).await.unwrap();
        assert_eq!(world.totals().await.queued, 5, "{:?}", world.totals().await);
        refusing.store(false, Ordering::SeqCst);
        world.deliver_all(&engine).await;
        assert_eq!(world.totals().await.sent, 5);
    }

    async fn what_one_relay_refuses_from_a_sender_goes_through_the_other(test: TestStore) {
        let (first, _, _) = refusing_old(true).await;
        let second = Catcher::plain().await;
        let world = World::new(test).await;
        queue_old(&world, 30).await;
        world.queue(30).await;
        let engine = world.engine(both(&first, &second));
        until(&world, &engine, |totals| totals.sent == 60).await;
        assert!(first.got().len() + second.got().len() == 60 && !second.mailbox.is_empty());
    }
}
