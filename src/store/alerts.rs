//! When each warning to the operator was given last.

use std::ops::Range;

use super::query::{execute, queries};
use super::{Session, StoreError};
use crate::domain::UtcMillis;

queries! {
    // One statement: of several processes that want to say the same, one does.
    TAKE_ALERT = {
        "insert into alerts (name, raised_at) values ($1, $2)
         on conflict (name) do update set raised_at = excluded.raised_at where alerts.raised_at <= $3 or alerts.raised_at >= $4"
    };
    FORGET_ALERTS = { "delete from alerts where raised_at < $1" };
}

impl Session {
    /// Whether a warning may be given now: nobody has given it `lately`. Then it counts as given.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take_alert(
        &mut self,
        name: &str,
        now: UtcMillis,
        lately: Range<UtcMillis>,
    ) -> Result<bool, StoreError> {
        Ok(execute!(self, TAKE_ALERT, name, now, lately.start, lately.end)? == 1)
    }

    /// Forgets the warnings of before `before`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_alerts(&mut self, before: UtcMillis) -> Result<u64, StoreError> {
        execute!(self, FORGET_ALERTS, before)
    }
}
