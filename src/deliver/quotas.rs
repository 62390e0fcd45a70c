//! Places of quotas over hours and days, taken from the store in blocks, so that they hold for all nodes and through
//! restarts.

use std::sync::{Mutex, MutexGuard, PoisonError};
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
    takes: Mutex<Takes>,
}

/// When the places that may still be in hand were taken, and how many each time; the latest last.
#[derive(Debug, Default)]
struct Takes(Vec<(UtcMillis, u32)>);

impl Takes {
    /// Some are taken where so many are in hand still.
    fn add(&mut self, in_hand: u32, taken: u32, now: UtcMillis) {
        self.keep(in_hand);
        self.0.push((now, taken));
    }

    /// What is used is used up in the order in which it was taken.
    fn keep(&mut self, in_hand: u32) {
        let mut left = in_hand;
        for (_, taken) in self.0.iter_mut().rev() {
            *taken = left.min(*taken);
            left -= *taken;
        }
        self.0.retain(|(_, taken)| *taken > 0);
    }

    /// When those were taken that are in hand now: none are from now on.
    fn take_out(&mut self, in_hand: u32) -> Vec<(UtcMillis, u32)> {
        self.keep(in_hand);
        std::mem::take(&mut self.0)
    }
}

/// Places that go back to the store: of which scope, when they were taken, and how many.
pub type Returned = Vec<(usize, UtcMillis, u32)>;

impl Quotas {
    /// Those of a configuration, looked at again after `poll`.
    pub fn new(smtp: &Smtp, poll: Duration) -> Self {
        let scope = |relay, name: &str, rates: &[Rate], warm_up: Option<WarmUp>| {
            let rates: Vec<Rate> = rates.iter().copied().filter(|rate| rate.per != SECOND).collect();
            let is_one = !rates.is_empty() || warm_up.is_some();
            is_one.then(|| Scope {
                relay,
                name: name.to_owned(),
                rates,
                warm_up,
                again: Mutex::default(),
                takes: Mutex::default(),
            })
        };
        let all = scope(None, "*", &smtp.rates, smtp.warm_up);
        let relays = smtp.relays.iter().enumerate();
        let relays = relays.map(|(place, relay)| scope(Some(place), &relay.id, &relay.rates, relay.warm_up));
        Self { scopes: std::iter::once(all).chain(relays).flatten().collect(), rest: poll * LOOKS }
    }

    /// Takes places where few are left in hand; of those that are kept, as many as there is urgent to send. Where there is
    /// nothing to send it gives back what is in hand: others may need it, and what the store has is what is left. `due_now`:
    /// the time by which it is reckoned what is due.
    pub async fn restock(
        &self,
        store: &Store,
        feed: &Feed,
        now: UtcMillis,
        due_now: UtcMillis,
    ) -> Result<(), StoreError> {
        if self.scopes.is_empty() {
            return Ok(());
        }
        if feed.is_empty() && !has_something_due(store, due_now).await? {
            return self.give_back(store, &self.take_out(feed)).await;
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
                scope.takes().add(in_hand, places, now);
                feed.add_places(scope.relay, places);
            } else {
                scope.rest(self.rest);
            }
        }
        Ok(())
    }

    /// Gives back what is in hand when nothing will be sent any more: each by itself, so that of one that the store does not
    /// take no other suffers. Fails as the first of them.
    pub async fn give_back(&self, store: &Store, returned: &Returned) -> Result<(), StoreError> {
        let mut given = Ok(());
        for (scope, taken, places) in returned {
            if let Some(scope) = self.scopes.get(*scope) {
                given = given.and(scope.give_back(store, *places, *taken).await);
            }
        }
        given
    }

    /// Takes out what is in hand, for [`Quotas::give_back`].
    pub fn take_out(&self, feed: &Feed) -> Returned {
        let of_scope = |(place, scope): (usize, &Scope)| {
            let in_hand = feed.pace(|pace| pace.take_places(scope.relay));
            scope.takes().take_out(in_hand).into_iter().map(move |(taken, places)| (place, taken, places))
        };
        self.scopes.iter().enumerate().flat_map(of_scope).collect()
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

    async fn give_back(&self, store: &Store, places: u32, taken: UtcMillis) -> Result<(), StoreError> {
        let mut session = store.write(Durability::Normal).await?;
        session.give_back_places(&self.name, places, taken).await?;
        session.commit().await
    }

    fn takes(&self) -> MutexGuard<'_, Takes> {
        self.takes.lock().unwrap_or_else(PoisonError::into_inner)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_go_back_to_when_they_were_taken() {
        let at = |minute: i64| UtcMillis(minute * 60_000);
        let mut takes = Takes::default();
        takes.add(0, 10, at(1));
        takes.add(4, 10, at(2));
        assert_eq!(takes.take_out(12), [(at(1), 2), (at(2), 10)], "eight of the first have been used");
        assert_eq!(takes.take_out(0), []);
        takes.add(0, 5, at(3));
        assert_eq!(takes.take_out(0), [], "all are used up");
        takes.add(0, 5, at(4));
        assert_eq!(takes.take_out(9), [(at(4), 5)], "no more than were taken");
    }
}
