//! Forgets, after a while, from which network and with which program people agreed.

use super::{Subscribers, SubscribersError};
use crate::store::Durability;

/// How many events are looked at in one transaction.
const CHUNK: i64 = 1000;

impl Subscribers {
    /// Forgets networks and programs that are older than the configuration lets them be kept. Says of how many events.
    ///
    /// # Errors
    /// When the store fails; what was forgotten before stays so.
    pub async fn forget_networks(&self) -> Result<u64, SubscribersError> {
        let before = self.now().minus(self.config.retention.network);
        let mut forgotten = 0;
        loop {
            let mut session = self.store.write(Durability::Normal).await?;
            let some = session.forget_networks(before, CHUNK).await?;
            session.commit().await?;
            forgotten += some;
            if some == 0 {
                return Ok(forgotten);
            }
        }
    }
}
