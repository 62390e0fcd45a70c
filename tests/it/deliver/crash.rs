//! Deliverers that die, freeze, or stop: what they had in hand is found again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use postround::config::{AfterCrash, StoreUrl};
use postround::demo::catcher::{Command, Reply, Stage, Turn};
use postround::domain::{DeliveryState, UtcMillis};
use postround::store::{ClaimedRow, Durability, Mark};
use sqlx::{Connection, Executor};
use tokio::sync::{Notify, mpsc, oneshot};

use super::world::{Catcher, World};
use crate::support::{MONDAY, PATIENCE, TestStore, on_both};

const PEOPLE: u64 = 30;
const CONNECTIONS: usize = 3;

/// Runs an engine until nothing is open.
pub async fn finish(world: &World, engine: postround::deliver::Engine) {
    let over = async {
        while world.totals().await.open() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            world.clock.advance(Duration::from_secs(20));
        }
    };
    tokio::time::timeout(PATIENCE, engine.run(over)).await.expect("it comes to an end");
}

fn mark(row: &ClaimedRow, expected: DeliveryState, next: DeliveryState) -> Mark {
    Mark { tries: 1, ..Mark::of(row.id, expected, next) }
}

pub fn start(row: &ClaimedRow, at: i64) -> Mark {
    let mail = Some(row.mail_id);
    Mark { mail, started_at: Some(at), ..mark(row, DeliveryState::Claimed, DeliveryState::Sending) }
}

pub fn result(row: &ClaimedRow, started: i64, next: DeliveryState) -> Mark {
    Mark { token: Some(started), ..mark(row, DeliveryState::Sending, next) }
}

pub async fn claim(world: &World, owner: &str, limit: i64) -> Vec<ClaimedRow> {
    world.store().marks().await.unwrap().claim_deliveries(owner, MONDAY, limit, None).await.unwrap()
}

/// Whether the marks were taken, each.
pub async fn record(world: &World, owner: &str, marks: &[Mark]) -> Vec<bool> {
    let taken = world.store().marks().await.unwrap().mark_deliveries(owner, marks).await.unwrap();
    marks.iter().map(|mark| taken.iter().any(|(id, state)| *id == mark.id && state == mark.next.as_str())).collect()
}

on_both! {
    async fn a_deliverer_killed_anywhere_loses_nothing_and_repeats_at_most_one_for_each_connection(test: TestStore) {
        let world = Arc::new(World::new(test).await);
        let points: [fn(&Turn<'_>) -> bool; 4] = [
            |turn| matches!(turn.stage, Stage::Command(Command::Mail { .. })),
            |turn| matches!(turn.stage, Stage::Command(Command::Data)),
            |turn| matches!(turn.stage, Stage::Content { .. }),
            |turn| matches!(turn.stage, Stage::Command(Command::Recipient { .. })),
        ];
        for point in points {
            world.queue(PEOPLE).await;
            let (killed, kill) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
            let (killing, count) = (Arc::clone(&killed), Arc::clone(&kill));
            let catcher = Catcher::answering(move |turn| {
                if !point(turn) || count.fetch_add(1, Ordering::SeqCst) != 10 {
                    return None;
                }
                killing.notify_one();
                Some(Reply::usual().after(Duration::from_millis(100)))
            })
            .await;
            let mut settings = catcher.settings();
            settings.smtp.relays[0].connections = CONNECTIONS;
            let engine = world.engine(settings.clone());
            let running = tokio::spawn(async move { engine.run(std::future::pending()).await });
            tokio::time::timeout(PATIENCE, killed.notified()).await.unwrap();
            running.abort();
            assert!(running.await.is_err(), "it was killed");

            finish(&world, world.engine(settings)).await;
            let got = catcher.got();
            assert_eq!(got.len() as u64, PEOPLE, "somebody got nothing");
            let repeats = got.values().sum::<usize>() - got.len();
            assert!(repeats <= CONNECTIONS, "{repeats} repeats from {CONNECTIONS} connections");
            assert_eq!(world.totals().await.open(), 0);
        }
    }

    async fn after_a_crash_the_started_ones_wait_for_the_operator_where_the_config_says_so(test: TestStore) {
        let world = World::new(test).await;
        world.queue(5).await;
        let rows = claim(&world, "dead", 3).await;
        assert_eq!(record(&world, "dead", &[start(&rows[0], 1), start(&rows[1], 1)]).await, [true, true]);
        let catcher = Catcher::plain().await;
        let mut settings = catcher.settings();
        settings.delivery.after_crash = AfterCrash::Hold;
        let engine = world.engine(settings);
        let over = async {
            while world.totals().await.sent < 3 || world.totals().await.uncertain < 2 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, engine.run(over)).await.expect("the three others are sent");
        assert_eq!(catcher.got().len(), 3);
    }

    async fn a_deliverer_that_is_stopped_begins_nothing_that_it_has_announced(test: TestStore) {
        let (world, contents) = (World::new(test).await, Arc::new(AtomicUsize::new(0)));
        world.queue(PEOPLE).await;
        let count = Arc::clone(&contents);
        let catcher = Catcher::answering(move |turn| match turn.stage {
            Stage::Content { .. } => {
                // The next envelopes have come with these already.
                let is_first = count.fetch_add(1, Ordering::SeqCst) < CONNECTIONS;
                is_first.then(|| Reply::usual().after(Duration::from_millis(500)))
            }
            _ => None,
        })
        .await;
        let mut settings = catcher.settings();
        settings.smtp.relays[0].connections = CONNECTIONS;
        settings.timings.stop = PATIENCE;
        let stop = async {
            while contents.load(Ordering::SeqCst) < CONNECTIONS {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        world.engine(settings.clone()).run(stop).await;
        let (begun, sent) = (contents.load(Ordering::SeqCst), world.in_state(DeliveryState::Sent).await);
        assert!(begun < 2 * CONNECTIONS, "{begun} were begun");
        assert_eq!(begun, sent, "what was in flight is recorded");
        assert_eq!((sent + world.in_state(DeliveryState::Queued).await) as u64, PEOPLE);

        finish(&world, world.engine(settings)).await;
        assert_eq!(contents.load(Ordering::SeqCst) as u64, PEOPLE, "nobody got it twice");
    }

    async fn two_claimers_never_take_the_same_delivery(test: TestStore) {
        let world = Arc::new(World::new(test).await);
        world.queue(200).await;
        let mut claimers = tokio::task::JoinSet::new();
        for number in 0..4 {
            let world = Arc::clone(&world);
            claimers.spawn(async move {
                let mut all = Vec::new();
                loop {
                    let rows = claim(&world, &format!("node{number}"), 7).await;
                    if rows.is_empty() {
                        return all;
                    }
                    all.extend(rows.into_iter().map(|row| row.id));
                }
            });
        }
        let all: Vec<i64> = claimers.join_all().await.into_iter().flatten().collect();
        assert_eq!((all.len(), all.iter().collect::<BTreeSet<_>>().len()), (200, 200));
    }

    async fn a_start_is_granted_to_its_owner_alone_and_again_when_the_answer_was_lost(test: TestStore) {
        let world = World::new(test).await;
        let subscribers = world.queue(2).await;
        let rows = claim(&world, "a", 2).await;
        assert_eq!(record(&world, "b", &[start(&rows[0], 1)]).await, [false]);
        assert_eq!(record(&world, "a", &[start(&rows[0], 1)]).await, [true]);
        assert_eq!(record(&world, "a", &[start(&rows[0], 1)]).await, [true], "the commit whose answer was lost");
        assert_eq!(record(&world, "a", &[start(&rows[0], 2)]).await, [false], "another start");
        world.leave(subscribers[1]).await;
        assert_eq!(record(&world, "a", &[start(&rows[1], 1)]).await, [false], "who has left");
        let mut session = world.store().read().await.unwrap();
        assert_eq!(session.delivery(rows[0].id).await.unwrap().unwrap().attempts, 1);
    }

    async fn a_start_is_later_than_every_start_before_it_so_that_late_results_are_told_apart(test: TestStore) {
        use DeliveryState::{Queued, Uncertain};
        let world = World::new(test).await;
        world.queue(1).await;
        let rows = claim(&world, "frozen", 1).await;
        assert_eq!(record(&world, "frozen", &[start(&rows[0], 7)]).await, [true]);
        world.store().marks().await.unwrap().free_deliveries_of("frozen", Queued).await.unwrap();
        let again = claim(&world, "other", 1).await;
        assert_eq!(again[0].started_at, Some(UtcMillis(7)), "the claim tells of it");
        // By a clock that was set back.
        assert_eq!(record(&world, "other", &[start(&again[0], 7)]).await, [false]);
        let again = claim(&world, "other", 1).await;
        assert_eq!(record(&world, "other", &[start(&again[0], 8)]).await, [true]);
        world.store().marks().await.unwrap().free_deliveries_of("other", Uncertain).await.unwrap();
        assert_eq!(record(&world, "frozen", &[result(&rows[0], 7, Queued)]).await, [false], "of another start");
        assert_eq!(world.totals().await.uncertain, 1);
    }

    async fn claims_that_nobody_has_in_hand_are_given_back(test: TestStore) {
        let world = World::new(test).await;
        world.queue(3).await;
        let rows = claim(&world, "a", 2).await;
        let others = claim(&world, "b", 1).await;
        let mut session = world.store().marks().await.unwrap();
        assert_eq!(session.release_deliveries("a", &[rows[0].id]).await.unwrap(), 1);
        drop(session);
        assert_eq!(record(&world, "a", &[start(&rows[0], 1), start(&rows[1], 1)]).await, [true, false]);
        assert_eq!(record(&world, "b", &[start(&others[0], 1)]).await, [true]);
    }

    async fn a_late_result_still_counts_unless_somebody_else_has_taken_over(test: TestStore) {
        use DeliveryState::{Queued, Sent, Uncertain};
        let world = World::new(test).await;
        world.queue(4).await;
        let rows = claim(&world, "frozen", 4).await;
        let starts: Vec<_> = rows.iter().map(|row| start(row, 1)).collect();
        assert_eq!(record(&world, "frozen", &starts).await, [true; 4]);
        world.store().marks().await.unwrap().free_deliveries_of("frozen", Uncertain).await.unwrap();
        assert_eq!(record(&world, "frozen", &[result(&rows[0], 1, Sent)]).await, [true], "uncertain no more");

        // As after a crash where the config says `resend`.
        let late: Vec<_> = rows[1..3].iter().map(|row| result(row, 1, Queued)).collect();
        assert_eq!(record(&world, "frozen", &late).await, [true, true]);
        assert_eq!(record(&world, "frozen", &[result(&rows[1], 1, Sent)]).await, [true], "queued again, not taken");
        let taken = claim(&world, "other", 1).await;
        assert_eq!(taken[0].id, rows[2].id);
        assert_eq!(record(&world, "frozen", &[result(&rows[2], 1, Sent)]).await, [false], "taken over");
        assert_eq!(record(&world, "other", &[start(&taken[0], 2)]).await, [true]);
        assert_eq!(record(&world, "frozen", &[result(&rows[2], 1, Sent)]).await, [false], "started by another");
        assert_eq!(record(&world, "other", &[result(&taken[0], 2, Sent)]).await, [true]);
    }

    async fn a_stopped_engine_finishes_what_is_in_flight_and_gives_back_the_rest(test: TestStore) {
        let (tell, mut told) = mpsc::unbounded_channel();
        let catcher = Catcher::answering(move |turn| match turn.stage {
            Stage::Content { .. } if turn.delivered == 2 => {
                let _ = tell.send(());
                Some(Reply::usual().after(Duration::from_millis(200)))
            }
            _ => None,
        })
        .await;
        let world = World::new(test).await;
        world.queue(20).await;
        let engine = world.engine(catcher.settings());
        let outcome = engine.run(async { told.recv().await.unwrap() }).await;
        assert!((3..=4).contains(&outcome.sent), "{outcome:?}");
        let totals = world.totals().await;
        assert_eq!((totals.sent.unsigned_abs(), totals.queued), (outcome.sent, 20 - totals.sent));
        assert_eq!(world.in_state(DeliveryState::Claimed).await, 0);
        assert_eq!(catcher.got().len() as u64, outcome.sent);
    }

    async fn a_silent_relay_does_not_keep_an_engine_from_stopping(test: TestStore) {
        let (tell, mut told) = mpsc::unbounded_channel();
        let catcher = Catcher::answering(move |turn| match turn.stage {
            Stage::Content { .. } => {
                let _ = tell.send(());
                Some(Reply::usual().after(Duration::from_secs(60)))
            }
            _ => None,
        })
        .await;
        let world = World::new(test).await;
        world.queue(3).await;
        let mut settings = catcher.settings();
        settings.timings.stop = Duration::from_millis(200);
        let engine = world.engine(settings);
        let (asked, told_when) = oneshot::channel();
        engine
            .run(async {
                told.recv().await.unwrap();
                asked.send(Instant::now()).unwrap();
            })
            .await;
        assert!(told_when.await.unwrap().elapsed() < Duration::from_secs(3));
        let totals = world.totals().await;
        assert_eq!((totals.queued, totals.sending), (3, 0), "its answer is unknown, so it is sent again");
    }

    async fn what_is_queued_while_it_runs_goes_out_at_a_nudge(test: TestStore) {
        let (world, catcher) = (World::new(test).await, Catcher::plain().await);
        let mut settings = catcher.settings();
        settings.timings.poll = Duration::from_secs(3600);
        let engine = world.engine(settings);
        let over = async {
            for count in 1..=3 {
                world.queue(1).await;
                engine.wake();
                catcher.mailbox.wait_for(count, PATIENCE).await.unwrap();
            }
        };
        engine.run(over).await;
        assert_eq!(world.totals().await.sent, 3);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_hangs_up_loses_and_repeats_nothing() {
    let Some(test) = TestStore::postgres().await else { return };
    let StoreUrl::Postgres(url) = test.url.clone() else { unreachable!() };
    let (tell, mut told) = mpsc::unbounded_channel();
    let catcher = Catcher::answering(move |turn| match turn.stage {
        Stage::Content { .. } if turn.delivered % 6 == 3 => {
            let _ = tell.send(());
            Some(Reply::usual().after(Duration::from_millis(20)))
        }
        _ => None,
    })
    .await;
    let world = World::new(test).await;
    world.queue(60).await;
    let mut settings = catcher.settings();
    settings.smtp.relays[0].connections = 2;
    let engine = world.engine(settings);
    let mut admin = sqlx::PgConnection::connect(url.reveal()).await.unwrap();
    let hangs_up = async {
        while told.recv().await.is_some() {
            let all = "select pg_terminate_backend(pid) from pg_stat_activity
                       where datname = current_database() and pid <> pg_backend_pid()";
            admin.execute(all).await.unwrap();
        }
    };
    let over = async {
        tokio::select! {
            () = hangs_up => {}
            caught = catcher.mailbox.wait_for(60, PATIENCE) => drop(caught.unwrap()),
        }
    };
    engine.run(over).await;
    assert!(catcher.got().values().all(|mails| *mails == 1));
    assert_eq!(world.totals().await.sent, 60);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_lease_has_run_out_starts_nothing() {
    let Some(test) = TestStore::postgres().await else { return };
    let world = World::new(test).await;
    world.queue(5).await;
    let (tell, mut told) = mpsc::unbounded_channel();
    // The first start is granted, and comes when the lease has run out in the meantime.
    let catcher = Catcher::answering(move |turn| match turn.stage {
        Stage::Command(Command::Data) => {
            let _ = tell.send(());
            Some(Reply::usual().after(Duration::from_millis(2500)))
        }
        _ => None,
    })
    .await;
    let mut settings = catcher.settings();
    settings.timings.beat = Duration::from_secs(3600);
    settings.timings.lease = Duration::from_secs(2);
    let engine = world.engine(settings);
    let over = async {
        told.recv().await.unwrap();
        tokio::time::sleep(Duration::from_secs(3)).await;
    };
    engine.run(over).await;
    assert!(catcher.mailbox.is_empty(), "another node may have had it by then");
    assert_eq!(world.totals().await.queued, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_others_have_taken_for_dead_notices_and_goes_on() {
    let Some(test) = TestStore::postgres().await else { return };
    let world = World::new(test).await;
    world.queue(300).await;
    let connections = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&connections);
    let catcher = Catcher::answering(move |turn| match turn.stage {
        // So long that it makes few in vain until its next beat, also where the machine has much else to do.
        Stage::Connect => {
            seen.fetch_add(1, Ordering::SeqCst);
            Some(Reply::usual().after(Duration::from_millis(20)))
        }
        Stage::Content { .. } => Some(Reply::usual().after(Duration::from_millis(5))),
        _ => None,
    })
    .await;
    let engine = world.engine(catcher.settings());
    let over = async {
        catcher.mailbox.wait_for(10, PATIENCE).await.unwrap();
        let mut session = world.store().write(Durability::Full).await.unwrap();
        // It beats meanwhile, and is buried by the counter that was seen.
        let node = loop {
            let node = session.other_nodes("").await.unwrap().pop().unwrap();
            if session.bury_node(&node).await.unwrap() {
                break node;
            }
        };
        assert!(session.free_deliveries_of(&node.node, DeliveryState::Queued).await.unwrap() > 50);
        session.commit().await.unwrap();
        catcher.mailbox.wait_for(300, PATIENCE).await.unwrap();
    };
    engine.run(over).await;
    assert_eq!(world.totals().await.sent, 300);
    assert!(catcher.got().values().filter(|mails| **mails > 1).count() <= 1, "one connection repeats one");
    let connections = connections.load(Ordering::SeqCst);
    assert!(connections < 120, "it held on to what was not its own: {connections} connections");
}
