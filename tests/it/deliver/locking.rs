//! Statements that change many deliveries at once on PostgreSQL, beside one another: none waits for one that waits for it.

use std::time::{Duration, Instant};

use postround::demo::catcher::{Command, Reply, Stage};
use postround::domain::{DeliveryState, UtcMillis};
use postround::store::{Durability, Mark, StoreError};

use super::world::{Catcher, World, reader};
use crate::support::household::{execute, text};
use crate::support::{MONDAY, PATIENCE, TestStore};

const LONG: Duration = Duration::from_secs(4);

/// The deadlocks among what comes of doing something again and again.
async fn deadlocks<F: Future<Output = Result<(), StoreError>>>(act: impl Fn(u64) -> F) -> Vec<String> {
    let (until, mut round, mut all) = (Instant::now() + LONG, 0, Vec::new());
    while Instant::now() < until {
        if let Err(error) = act(round).await {
            all.push(error.to_string());
        }
        round += 1;
    }
    all
}

/// In an order that changes from one round to the next.
fn shuffled<T>(mut all: Vec<T>, round: u64, id: impl Fn(&T) -> i64) -> Vec<T> {
    all.sort_by_key(|one| id(one).unsigned_abs().wrapping_mul(0x9e37_79b9_7f4a_7c15 ^ (round << 7)).rotate_left(17));
    all
}

/// A node that claims, starts, and gives up, in whatever order its connections come to it.
async fn deliver(world: &World, node: &str, round: u64) -> Result<(), StoreError> {
    let at = i64::try_from(round).unwrap();
    let rows = world.store().marks().await?.claim_deliveries(node, UtcMillis(MONDAY.0 + 1000), 150, None).await?;
    let rows = shuffled(rows, round, |row| row.id);
    let start = |row: &postround::store::ClaimedRow| Mark {
        mail: Some(row.mail_id),
        started_at: Some(MONDAY.0 + at),
        ..Mark::of(row.id, DeliveryState::Claimed, DeliveryState::Sending)
    };
    let back = |row: &postround::store::ClaimedRow| Mark {
        token: Some(MONDAY.0 + at),
        ..Mark::of(row.id, DeliveryState::Sending, DeliveryState::Queued)
    };
    let (starts, backs): (Vec<Mark>, Vec<Mark>) = rows.iter().map(|row| (start(row), back(row))).unzip();
    let mut session = world.store().marks().await?;
    session.mark_deliveries(node, &starts).await?;
    session.mark_deliveries(node, &shuffled(backs, round + 1, |mark| mark.id)).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marks_frees_and_holds_beside_one_another_do_not_lock_each_other_out() {
    let Some(test) = TestStore::postgres().await else { return };
    let world = World::new(test).await;
    world.queue(300).await;
    // As after a while of use: where a row lies has nothing to do with its id.
    let scatter = "do $$ declare r record; begin
        for r in select id from deliveries order by md5(id::text) loop
            update deliveries set due_at = due_at where id = r.id;
        end loop; end $$";
    execute(&world.test, scatter).await;
    let freeing = async |node: &str| {
        world.store().marks().await?.free_deliveries_of(node, DeliveryState::Queued).await?;
        world.store().marks().await?.free_strays(node, &[], DeliveryState::Queued).await.map(|_| ())
    };
    let holding = async || {
        let mut session = world.store().write(Durability::Normal).await?;
        session.recall(world.issue, DeliveryState::Queued, MONDAY).await?;
        session.commit().await?;
        let mut session = world.store().marks().await?;
        session.hold_issue(world.issue, None).await?;
        session.set_aside(world.issue, 1000).await?;
        session.resume_issue(world.issue).await?;
        session.put_back(world.issue, 1000, MONDAY).await.map(|_| ())
    };
    let all = tokio::join!(
        deadlocks(|round| deliver(&world, "a", round)),
        deadlocks(|round| deliver(&world, "b", round)),
        deadlocks(|_| freeing("a")),
        deadlocks(|_| freeing("b")),
        deadlocks(|_| holding()),
        deadlocks(|_| holding()),
    );
    let errors = [all.0, all.1, all.2, all.3, all.4, all.5].concat();
    assert!(errors.is_empty(), "{} of them: {:?}", errors.len(), errors.first());
}

/// A relay that knows none of the addresses.
async fn knowing_nobody() -> Catcher {
    Catcher::answering(|turn| match turn.stage {
        Stage::Command(Command::Recipient { .. }) => Some(Reply::new(550, "5.1.1 No such user")),
        _ => None,
    })
    .await
}

/// The process of the database that waits for a lock, once there is one other than that.
async fn waiting(world: &World, other_than: &str) -> String {
    let all = "select pid::text from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    loop {
        let pid = text(&world.test, all).await;
        if !pid.is_empty() && pid != other_than {
            return pid;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn until_suppressed(world: &World) {
    while world.store().read().await.unwrap().suppression(&reader(1)).await.unwrap().is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_turns_out_to_be_dead_while_its_reader_leaves_is_suppressed_all_the_same() {
    let Some(test) = TestStore::postgres().await else { return };
    let (world, catcher) = (World::new(test).await, knowing_nobody().await);
    let subscriber = world.queue(1).await[0];
    let mut session = world.store().write(Durability::Full).await.unwrap();
    assert!(session.lock_subscriber(subscriber).await.unwrap());
    let leaving = async {
        waiting(&world, "").await;
        session.cancel_deliveries(subscriber, Some("weekly"), MONDAY).await.unwrap();
        session.commit().await.unwrap();
        until_suppressed(&world).await;
    };
    let engine = world.engine(catcher.settings());
    Box::pin(engine.run(async { tokio::time::timeout(PATIENCE, leaving).await.unwrap() })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_is_dead_is_suppressed_although_the_database_breaks_off_in_the_middle() {
    let Some(test) = TestStore::postgres().await else { return };
    let (world, catcher) = (World::new(test).await, knowing_nobody().await);
    let subscriber = world.queue(1).await[0];
    let mut session = world.store().write(Durability::Full).await.unwrap();
    assert!(session.lock_subscriber(subscriber).await.unwrap());
    let breaking = async {
        let first = waiting(&world, "").await;
        execute(&world.test, &format!("select pg_terminate_backend({first})")).await;
        waiting(&world, &first).await;
        session.commit().await.unwrap();
        until_suppressed(&world).await;
    };
    let engine = world.engine(catcher.settings());
    Box::pin(engine.run(async { tokio::time::timeout(PATIENCE, breaking).await.unwrap() })).await;
    assert_eq!(world.delivery_to(&reader(1)).await, (DeliveryState::Failed, "550 5.1.1 No such user".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_address_that_cannot_be_suppressed_any_more_when_stopping_has_its_result_all_the_same() {
    let Some(test) = TestStore::postgres().await else { return };
    let (world, catcher) = (World::new(test).await, knowing_nobody().await);
    let subscriber = world.queue(1).await[0];
    let mut session = world.store().write(Durability::Full).await.unwrap();
    assert!(session.lock_subscriber(subscriber).await.unwrap());
    let (tell, told) = tokio::sync::oneshot::channel();
    let until_it_waits = async {
        let pid = tokio::time::timeout(PATIENCE, waiting(&world, "")).await.unwrap();
        tell.send(pid).unwrap();
    };
    let breaking = async {
        let pid = told.await.unwrap();
        execute(&world.test, &format!("select pg_terminate_backend({pid})")).await;
    };
    let engine = world.engine(catcher.settings());
    tokio::join!(Box::pin(engine.run(until_it_waits)), breaking);
    drop(session);
    assert_eq!(world.delivery_to(&reader(1)).await, (DeliveryState::Failed, "550 5.1.1 No such user".to_owned()));
    assert!(world.store().read().await.unwrap().suppression(&reader(1)).await.unwrap().is_none());
}
