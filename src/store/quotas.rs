//! Quotas over hours and days, counted for all nodes together and through restarts.

use super::query::{execute, fetch_all, fetch_one, queries};
use super::{Session, StoreError};
use crate::domain::UtcMillis;

/// Minutes that are kept: somewhat more than a day.
const KEPT: i64 = 1500;

/// So far the clocks of nodes may be apart.
const APART: i64 = 5;

queries! {
    LOCK_QUOTA = {
        "insert into quotas (scope, minute, taken) values ($1, 0, 0) on conflict (scope, minute) do update set taken = 0"
    };
    QUOTA_SINCE = {
        "select cast(coalesce(sum(taken), 0) as bigint) from quotas where scope = $1 and minute >= $2 and minute > 0"
    };
    TAKE_QUOTA = {
        "insert into quotas (scope, minute, taken) values ($1, $2, $3)
         on conflict (scope, minute) do update set taken = quotas.taken + excluded.taken"
    };
    QUOTA_AHEAD = { "select minute, taken from quotas where scope = $1 and minute > $2 order by minute" };
    FORGET_QUOTA_AHEAD = { "delete from quotas where scope = $1 and minute > $2" };
    FORGET_QUOTA = { "delete from quotas where scope = $1 and minute < $2 and minute > 0" };
}

/// So many in so many minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// How many.
    pub count: u32,
    /// In any so many minutes.
    pub minutes: i64,
}

impl Session {
    /// Takes up to `wanted` places of the quotas of `scope`, in a transaction; says how many there were. A minute that
    /// has begun counts as a whole. What was taken by a clock that was ahead and has been set back counts as if that had just
    /// happened.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take_places(
        &mut self,
        scope: &str,
        quotas: &[Quota],
        wanted: u32,
        now: UtcMillis,
    ) -> Result<u32, StoreError> {
        let minute = now.0.div_euclid(60_000);
        execute!(self, LOCK_QUOTA, scope)?;
        self.bring_back(scope, minute).await?;
        let mut places = i64::from(wanted);
        for quota in quotas {
            let (taken,) = fetch_one!(self, QUOTA_SINCE as (i64,), scope, minute - quota.minutes)?;
            places = places.min(i64::from(quota.count) - taken);
        }
        let Some(places) = u32::try_from(places).ok().filter(|places| *places > 0) else { return Ok(0) };
        execute!(self, TAKE_QUOTA, scope, minute, i64::from(places))?;
        execute!(self, FORGET_QUOTA, scope, minute - KEPT)?;
        Ok(places)
    }

    /// Brings back what lies so far ahead that only a wrong clock can have put it there: nothing would go out until then.
    async fn bring_back(&mut self, scope: &str, minute: i64) -> Result<(), StoreError> {
        let ahead = fetch_all!(self, QUOTA_AHEAD as (i64, i64), scope, minute + APART)?;
        let Some((last, _)) = ahead.last() else { return Ok(()) };
        execute!(self, FORGET_QUOTA_AHEAD, scope, minute + APART)?;
        for (at, taken) in &ahead {
            execute!(self, TAKE_QUOTA, scope, minute - (last - at), *taken)?;
        }
        Ok(())
    }

    /// Gives back places that were taken at that time and not used.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn give_back_places(&mut self, scope: &str, places: u32, taken: UtcMillis) -> Result<(), StoreError> {
        execute!(self, TAKE_QUOTA, scope, taken.0.div_euclid(60_000), -i64::from(places))?;
        Ok(())
    }
}
