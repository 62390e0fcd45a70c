//! Forgets those who never answered, and what is of no use any more.

use super::{Subscribers, SubscribersError, limit};
use crate::store::Durability;

/// How many are forgotten in one transaction: so few that whoever leaves meanwhile does not wait.
const CHUNK: i64 = 200;

impl Subscribers {
    /// Forgets everybody who was asked longer ago than the configured time and never confirmed: the person, what they
    /// seem to have wanted, and who asked in their name. Says how many.
    ///
    /// # Errors
    /// When the store fails; who was forgotten before stays so.
    pub async fn forget_unconfirmed(&self) -> Result<u64, SubscribersError> {
        let mut forgotten = 0;
        loop {
            let now = self.now();
            let until = now.minus(self.config.confirmation.forget_after);
            let mut session = self.store.write(Durability::Normal).await?;
            let found = session.lock_unconfirmed(until, CHUNK).await?;
            if found.is_empty() {
                break;
            }
            forgotten += session.forget_subscribers(&found, now).await?;
            session.commit().await?;
        }
        self.prune().await?;
        Ok(forgotten)
    }

    /// Forgets requests of people who are known for other reasons, and addresses that nobody asks for any more. A
    /// transaction of its own: whoever takes a slot takes it before a subscriber.
    async fn prune(&self) -> Result<(), SubscribersError> {
        let now = self.now();
        let mut session = self.store.write(Durability::Normal).await?;
        session.prune_join_requests(now.minus(self.config.confirmation.forget_after)).await?;
        limit::prune(&mut session, now).await?;
        session.commit().await?;
        Ok(())
    }
}
