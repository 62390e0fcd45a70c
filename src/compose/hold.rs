//! Lets a digest rest, and ends its rest.

use super::due::{Rest, open_periods};
use super::{ComposeError, Composer};
use crate::config::Digest;
use crate::domain::UtcMillis;
use crate::store::{Durability, Hold};

impl Composer {
    /// Lets a digest rest until a moment, or until it is resumed: periods that are due in this time are skipped. So is one that is
    /// late when it begins, and what a hold before has covered stays so.
    ///
    /// # Errors
    /// When the store fails, or the clock has not been set.
    pub async fn hold(&self, digest: &Digest, until: Option<UtcMillis>) -> Result<(), ComposeError> {
        let now = self.time()?;
        let mut session = self.store.write(Durability::Full).await?;
        let since = self.see(&mut session, digest, now).await?;
        let open = open_periods(&mut session, digest, since, now).await?;
        let rest = Rest { hold: session.hold(&digest.id).await?, now: true };
        self.skip(&mut session, digest, &open, rest, now).await?;
        session.hold_digest(&digest.id, Hold { since: now, until }).await?;
        Ok(session.commit().await?)
    }

    /// Ends a digest's rest; says whether it was resting. What was due in this time stays skipped.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn resume(&self, digest: &Digest) -> Result<bool, ComposeError> {
        let mut session = self.store.write(Durability::Full).await?;
        let was_held = session.resume_digest(&digest.id, self.clock.now()).await?;
        session.commit().await?;
        Ok(was_held)
    }

    /// Whether a digest rests now.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn is_held(&self, digest: &Digest) -> Result<bool, ComposeError> {
        let hold = self.store.read().await?.hold(&digest.id).await?;
        Ok(hold.is_some_and(|hold| hold.is_on(self.clock.now())))
    }
}
