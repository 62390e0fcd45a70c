//! The pacer asks the store for places in time where nodes share a rate: whoever has something to send gets the next ones.
//!
//! So the rate is kept by all nodes together whenever one joins, stops, dies or has nothing to do, and nobody needs to
//! know how many there are. The store's clock alone counts.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::gate::{MOST_OWED, Wish};
use super::pace::Limit;
use super::run::{Run, Shared};
use super::told::Told;
use crate::store::StoreError;

/// Between two rounds, so that a fast rate asks for many places at a time.
const ROUND: Duration = Duration::from_millis(20);

/// Keeps the feed in places for as long as it runs.
pub async fn keep(run: &Run) {
    let mut owed = HashMap::new();
    let mut told = Told::default();
    loop {
        let wishes = run.feed.wishes(|relay| run.shared.rests(relay), &owed);
        if wishes.is_empty() {
            run.feed.hungry().await;
            continue;
        }
        for (limit, wish) in wishes {
            match ask(run, &limit, &wish).await {
                Ok(Some(missed)) => {
                    told.over();
                    owed.insert(limit, missed);
                }
                Ok(None) => {}
                Err(error) => {
                    if told.again() {
                        tracing::warn!(%error, "a rate that nodes share waits for the store");
                    }
                    tokio::time::sleep(run.shared.settings.timings.poll).await;
                }
            }
        }
        tokio::time::sleep(ROUND).await;
    }
}

/// Leaves the time of places that were not used to whoever goes on; of one limit that the store does not take no other suffers.
///
/// # Errors
/// When the store fails: the first time.
pub async fn leave(shared: &Shared, unused: &[(Limit, Duration)]) -> Result<(), StoreError> {
    if unused.is_empty() {
        return Ok(());
    }
    let mut session = shared.store.marks().await?;
    let mut left = Ok(());
    for (limit, time) in unused {
        left = left.and(session.owe_turn(&scope_of(shared, limit), *time, MOST_OWED).await);
    }
    left
}

/// What the store calls a limit.
fn scope_of(shared: &Shared, limit: &Limit) -> String {
    match limit {
        Limit::All => "*".to_owned(),
        Limit::Relay(place) => shared.stations.get(*place).map(|relay| relay.config.id.clone()).unwrap_or_default(),
        Limit::Domain(domain) => format!("@{domain}"),
    }
}

/// Asks for places; gives what all nodes have missed of the rate. `None`: as many are given away as may be.
async fn ask(run: &Run, limit: &Limit, wish: &Wish) -> Result<Option<Duration>, StoreError> {
    let scope = scope_of(&run.shared, limit);
    let mut session = run.shared.store.marks().await?;
    let before = Instant::now();
    let Some(turn) = session.take_turn(&scope, wish.span, wish.paid, wish.lost, MOST_OWED).await? else {
        return Ok(None);
    };
    // The store's clock was read somewhere between.
    let asked = before + before.elapsed() / 2;
    run.feed.grant(limit, wish, asked + turn.begins_in);
    Ok(Some(turn.owed))
}
