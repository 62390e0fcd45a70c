//! What the store knows of relays that have asked for less speed, so that a restart does not forget it, and the other nodes
//! on a shared store rest too. What else is the matter with a relay is written down beside it, for whoever asks.

use super::health::{FORGOTTEN, LONGEST, Slowdown};
use super::run::{Run, Shared};
use super::station::Station;
use super::told::Told;
use super::troubles;
use crate::store::{Durability, SlowRelay, StoreError};

/// Writes down what relays ask for as soon as they do, and listens to what they have asked other nodes for.
pub async fn keep(run: &Run) {
    let Shared { store, slowed, settings, .. } = &*run.shared;
    let mut told = Told::default();
    loop {
        tokio::select! {
            () = slowed.notified() => {}
            () = tokio::time::sleep(settings.timings.poll) => {}
        }
        let looked = async {
            save(&run.shared).await?;
            troubles::save(&run.shared).await?;
            if store.is_shared() { learn(&run.shared, false).await } else { Ok(()) }
        };
        match looked.await {
            Ok(()) => told.over(),
            Err(error) if told.again() => {
                tracing::warn!(%error, "how the relays are waits for the store");
            }
            Err(_) => {}
        }
        run.after_failure().await;
    }
}

/// Learns before anything is sent what relays have asked a process before this one for, or another node.
///
/// # Errors
/// When the store fails.
pub async fn remember(shared: &Shared) -> Result<(), StoreError> {
    // Jitter is on top, less than a quarter.
    let longest = shared.settings.timings.throttle_pause * (LONGEST + LONGEST / 4);
    shared.store.marks().await?.prune_slow_relays(FORGOTTEN, longest).await?;
    troubles::begin(shared).await?;
    learn(shared, true).await
}

/// Treats relays as the store says; those that have rested as well where this node has `just_begun`, since it knows nothing of
/// how they have been doing.
async fn learn(shared: &Shared, just_begun: bool) -> Result<(), StoreError> {
    for row in shared.store.read().await?.slow_relays().await? {
        let Some(station) = shared.stations.iter().find(|station| station.config.account() == row.relay) else {
            continue;
        };
        let mut known = station.known();
        let is_news = known.as_ref().is_none_or(|known| known.rests_until != row.rests_until);
        if is_news && (row.rests > 0 || just_begun && station.health.slowdown().is_none()) {
            let (relay, rests) = (&station.config.id, row.rests().as_secs_f32());
            tracing::warn!(relay, rests, error = row.words, "the relay has asked another process for less speed");
            station.health.was_throttled(&slowdown(&row));
            *known = Some(row);
        }
    }
    Ok(())
}

/// Writes down what has changed.
///
/// # Errors
/// When the store fails.
pub async fn save(shared: &Shared) -> Result<(), StoreError> {
    for station in &shared.stations {
        let known = station.known().clone();
        let Some(slowdown) = station.health.slowdown() else {
            if let Some(known) = known {
                shared.store.marks().await?.drop_slow_relay(&known).await?;
                *station.known() = None;
            }
            continue;
        };
        let row = row(station, slowdown);
        match known {
            Some(known) if known.times == row.times && known.connections == row.connections => {}
            Some(known) if known.times == row.times && known.connections < row.connections => {
                let grown = SlowRelay { connections: row.connections, ..known };
                shared.store.marks().await?.grow_slow_relay(&grown).await?;
                *station.known() = Some(grown);
            }
            _ => {
                let mut session = shared.store.write(Durability::Full).await?;
                let row = session.put_slow_relay(row).await?;
                session.commit().await?;
                *station.known() = Some(row);
            }
        }
    }
    Ok(())
}

fn slowdown(row: &SlowRelay) -> Slowdown {
    Slowdown {
        rests: row.rests(),
        times: u32::try_from(row.times).unwrap_or(u32::MAX),
        connections: usize::try_from(row.connections).unwrap_or(usize::MAX),
        words: row.words.clone(),
    }
}

fn row(station: &Station, slowdown: Slowdown) -> SlowRelay {
    let Slowdown { rests, times, connections, words } = slowdown;
    SlowRelay {
        relay: station.config.account(),
        rests_until: 0,
        times: i64::from(times),
        connections: i64::try_from(connections).unwrap_or(i64::MAX),
        words,
        rests: i64::try_from(rests.as_millis()).unwrap_or(i64::MAX),
    }
}
