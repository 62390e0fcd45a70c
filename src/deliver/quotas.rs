//! Places of quotas over hours and days, taken from the store in blocks, so that they hold for all nodes and through
//! restarts.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use super::feed::Feed;
use super::pace::SECOND;
use crate::config::{Rate, Smtp, WarmUp};
use crate::domain::UtcMillis;
use crate::store::{Durability, Quota, Store, StoreError};

const DAY: Duration = Duration::from_secs(86_400);

/// The most places that a node has in hand of one quota.
const BLOCK: u32 = 200;

/// How many looks an exhausted quota is left alone for.
const LOOKS: u32 = 5;

/// Of so many places one is kept for what is urgent: a confirmation shall not wait for hours behind a digest.
const KEPT: u32 = 20;

/// How many of a quota's places are for what is not urgent.
pub fn for_many(count: u32) -> u32 {
    count - count / KEPT
}

/// All quotas.
#[derive(Debug)]
pub struct Quotas {
    scopes: Vec<Scope>,
    /// How long an exhausted quota is left alone.
    rest: Duration,
}

#[derive(Debug)]
struct Scope {
    /// Which relay; none: all.
    relay: Option<usize>,
    name: String,
    rates: Vec<Rate>,
    warm_up: Option<WarmUp>,
    again: Mutex<Option<Instant>>,
}

impl Quotas {
    /// Those of a configuration, looked at again after `poll`.
    pub fn new(smtp: &Smtp, poll: Duration) -> Self {
        let scope = |relay, name: &str, rates: &[Rate], warm_up: Option<WarmUp>| {
            let rates: Vec<Rate> = rates.iter().copied().filter(|rate| rate.per != SECOND).collect();
            let is_one = !rates.is_empty() || warm_up.is_some();
            is_one.then(|| Scope { relay, name: name.to_owned(), rates, warm_up, again: Mutex::default() })
        };
        let all = scope(None, "*", &smtp.rates, smtp.warm_up);
        let relays = smtp.relays.iter().enumerate();
        let relays = relays.map(|(place, relay)| scope(Some(place), &relay.id, &relay.rates, relay.warm_up));
        Self { scopes: std::iter::once(all).chain(relays).flatten().collect(), rest: poll * LOOKS }
    }

    /// Takes places where few are left in hand; of those that are kept, as many as there is urgent to send. Where there is
    /// nothing to send it gives back what is in hand: others may need it, and what the store has is what is left.
    pub async fn restock(&self, store: &Store, feed: &Feed, now: UtcMillis) -> Result<(), StoreError> {
        if self.scopes.is_empty() {
            return Ok(());
        }
        if feed.is_empty() && !has_something_due(store, now).await? {
            return self.give_back(store, &self.take_out(feed), now).await;
        }
        for scope in &self.scopes {
            let quotas = scope.quotas(now);
            let block = quotas.iter().map(|quota| quota.count.div_ceil(20)).min().unwrap_or(1).clamp(1, BLOCK);
            let in_hand = feed.pace(|pace| pace.places_of(scope.relay)).unwrap_or_default();
            let urgent = if in_hand == 0 { u32::try_from(feed.urgent()).unwrap_or(u32::MAX).min(block) } else { 0 };
            if urgent == 0 && (in_hand > block / 2 || scope.rests()) {
                continue;
            }
            let mut session = store.write(Durability::Normal).await?;
            let places = match urgent {
                0 => {
                    let reduce = |quota: Quota| Quota { count: for_many(quota.count), ..quota };
                    let quotas: Vec<Quota> = quotas.into_iter().map(reduce).collect();
                    session.take_places(&scope.name, &quotas, block - in_hand, now).await?
                }
                urgent => session.take_places(&scope.name, &quotas, urgent, now).await?,
            };
            session.commit().await?;
            if places > 0 {
                feed.add_places(scope.relay, places);
            } else {
                scope.rest(self.rest);
            }
        }
        Ok(())
    }

    /// Gives back what is in hand when nothing will be sent any more.
    pub async fn give_back(&self, store: &Store, places: &[(usize, u32)], now: UtcMillis) -> Result<(), StoreError> {
        for (scope, places) in places {
            let Some(scope) = self.scopes.get(*scope) else { continue };
            let mut session = store.write(Durability::Normal).await?;
            session.give_back_places(&scope.name, *places, now).await?;
            session.commit().await?;
        }
        Ok(())
    }

    /// Takes out what is in hand, for [`Quotas::give_back`].
    pub fn take_out(&self, feed: &Feed) -> Vec<(usize, u32)> {
        let places = |scope: &Scope| feed.pace(|pace| pace.take_places(scope.relay));
        self.scopes.iter().map(places).enumerate().filter(|(_, places)| *places > 0).collect()
    }
}

async fn has_something_due(store: &Store, now: UtcMillis) -> Result<bool, StoreError> {
    let mut session = store.read().await?;
    Ok(session.has_due_delivery(now, None).await? || session.next_deferred().await?.is_some_and(|due| due <= now))
}

impl Scope {
    fn quotas(&self, now: UtcMillis) -> Vec<Quota> {
        let minutes = |per: Duration| i64::try_from(per.as_secs() / 60).unwrap_or(i64::MAX);
        let rates = self.rates.iter().map(|rate| Quota { count: rate.count.get(), minutes: minutes(rate.per) });
        let today = now.to_utc().date_naive();
        let warm_up = self.warm_up.map(|warm_up| Quota { count: warm_up.on(today), minutes: minutes(DAY) });
        rates.chain(warm_up).collect()
    }

    fn rests(&self) -> bool {
        self.again.lock().is_ok_and(|again| again.is_some_and(|again| again > Instant::now()))
    }

    fn rest(&self, rest: Duration) {
        if let Ok(mut again) = self.again.lock() {
            *again = Some(Instant::now() + rest);
        }
    }
}
