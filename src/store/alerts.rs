//! When each warning to the operator was given last, and which ones the webhook has not taken yet.

use std::ops::Range;

use super::query::{execute, fetch_all, queries};
use super::{Session, StoreError};
use crate::domain::UtcMillis;

queries! {
    // One statement: of several processes that want to say the same, one does.
    TAKE_ALERT = {
        "insert into alerts (name, raised_at) values ($1, $2)
         on conflict (name) do update set raised_at = excluded.raised_at where alerts.raised_at <= $3 or alerts.raised_at >= $4"
    };
    POST_LATER = {
        "insert into unposted_alerts (name, subject, body, raised_at, tries, due_at) values ($1, $2, $3, $4, 0, $5)
         on conflict (name) do nothing"
    };
    ALERTS_TO_POST = {
        "select name, subject, body, raised_at, tries, due_at from unposted_alerts where due_at <= $1 order by due_at, name"
    };
    // Of several processes one posts it.
    TAKE_POST = { "update unposted_alerts set tries = tries + 1, due_at = $3 where name = $1 and due_at = $2" };
    POSTED = { "delete from unposted_alerts where name = $1" };
    FORGET_UNPOSTED = { "delete from unposted_alerts where raised_at < $1" };
    FORGET_ALERTS = { "delete from alerts where raised_at < $1" };
}

/// A warning that the webhook has not taken.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct UnpostedAlert {
    /// What it is about.
    pub name: String,
    /// What is wrong.
    pub subject: String,
    /// More of it.
    pub body: String,
    /// When it was raised.
    pub raised_at: UtcMillis,
    /// How often it has been tried again.
    pub tries: i64,
    /// When it is to be tried again.
    pub due_at: UtcMillis,
}

impl Session {
    /// Keeps a warning that is to be posted, again from `alert.due_at` on.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn post_later(&mut self, alert: &UnpostedAlert) -> Result<(), StoreError> {
        let UnpostedAlert { name, subject, body, raised_at, due_at, .. } = alert;
        execute!(self, POST_LATER, name, subject, body, *raised_at, *due_at).map(|_| ())
    }

    /// The warnings that are due to be posted again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn alerts_to_post(&mut self, now: UtcMillis) -> Result<Vec<UnpostedAlert>, StoreError> {
        fetch_all!(self, ALERTS_TO_POST as UnpostedAlert, now)
    }

    /// Whether this process is the one that posts it now. It is due again at `next`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take_post(&mut self, alert: &UnpostedAlert, next: UtcMillis) -> Result<bool, StoreError> {
        Ok(execute!(self, TAKE_POST, &alert.name, alert.due_at, next)? == 1)
    }

    /// The webhook has taken a warning.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn posted(&mut self, name: &str) -> Result<(), StoreError> {
        execute!(self, POSTED, name).map(|_| ())
    }

    /// Gives up those that were raised before `before`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_unposted(&mut self, before: UtcMillis) -> Result<u64, StoreError> {
        execute!(self, FORGET_UNPOSTED, before)
    }

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
