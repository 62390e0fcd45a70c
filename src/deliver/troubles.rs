//! What the store knows of relays that do not work: whoever asks how an issue goes is in another process than whoever delivers.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::run::Shared;
use super::station::Finding;
use crate::config::Smtp;
use crate::domain::UtcMillis;
use crate::store::{RelayTrouble, Session, StoreError};

/// A relay is tried soon after its turn has come, if there is anything for it. What has been untouched for so long since is
/// kept true by nobody any more.
const STALE: i64 = 900_000;

/// A relay that does not work, as whoever delivers has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The relay's id.
    pub relay: String,
    /// The sender that it refuses while it takes mail from others; none: it takes nothing.
    pub sender: Option<String>,
    /// Its words, without addresses.
    pub words: String,
    /// Since when.
    pub since: UtcMillis,
    /// When it is tried again; what is over by now: any moment.
    pub next_try: UtcMillis,
}

/// The relays of a configuration that do not work, as far as is known.
///
/// # Errors
/// When the store fails.
pub async fn troubles(session: &mut Session, smtp: &Smtp, now: UtcMillis) -> Result<Vec<Trouble>, StoreError> {
    let rows = session.relay_troubles().await?.into_iter().filter(|row| row.rests > -STALE);
    let known = rows.filter_map(|row| {
        let relay = smtp.relays.iter().find(|relay| relay.account() == row.relay)?;
        let (since, next_try) = (now.minus(row.lasts()), now.plus(row.rests()));
        let sender = Some(row.sender).filter(|sender| !sender.is_empty());
        Some(Trouble { relay: relay.id.clone(), sender, words: row.words, since, next_try })
    });
    Ok(known.collect())
}

/// Nothing is known yet of relays that nobody else uses.
///
/// # Errors
/// When the store fails.
pub async fn begin(shared: &Shared) -> Result<(), StoreError> {
    let is_alone = shared.nodes.load(Ordering::SeqCst) < 2;
    for station in &shared.stations {
        station.told().clear();
        if is_alone {
            shared.store.marks().await?.drop_relay_troubles(&station.config.account()).await?;
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
        let (found, told) = (station.findings(), station.told().clone());
        if found == told {
            continue;
        }
        let account = station.config.account();
        for over in told.iter().filter(|one| found.iter().all(|other| other.sender != one.sender)) {
            shared.store.marks().await?.drop_relay_trouble(&account, &over.sender).await?;
        }
        for new in found.iter().filter(|one| !told.contains(one)) {
            shared.store.marks().await?.put_relay_trouble(&row(account.clone(), new)).await?;
        }
        *station.told() = found;
    }
    Ok(())
}

/// Nobody tries these relays any more.
///
/// # Errors
/// When the store fails.
pub async fn end(shared: &Shared) -> Result<(), StoreError> {
    for station in &shared.stations {
        let told = std::mem::take(&mut *station.told());
        for one in told {
            shared.store.marks().await?.drop_relay_trouble(&station.config.account(), &one.sender).await?;
        }
    }
    Ok(())
}

fn row(relay: String, finding: &Finding) -> RelayTrouble {
    let now = Instant::now();
    let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    RelayTrouble {
        relay,
        sender: finding.sender.clone(),
        words: finding.words.clone(),
        lasts: millis(now - finding.since),
        rests: millis(finding.next_try.saturating_duration_since(now)) - millis(now - finding.next_try),
    }
}
