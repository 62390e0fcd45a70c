//! Folding: what was finished long ago becomes totals, since it need not be kept for ever who got what.

use super::{ComposeError, Composer};
use crate::store::Durability;

/// How many deliveries one transaction folds: leaving never waits for longer than this takes.
const CHUNK: i64 = 2_000;

impl Composer {
    /// Folds the deliveries of issues that were finished longer ago than the configuration has them kept, and forgets other
    /// mails of that age. Says how many. Any process may do it, also after another has died in the middle.
    ///
    /// # Errors
    /// When the store fails; what was folded before stays so.
    pub async fn fold(&self) -> Result<u64, ComposeError> {
        let before = self.clock.now().minus(self.config.retention.deliveries);
        let issues = self.store.read().await?.issues_to_fold(before).await?;
        let mut all = 0;
        for (issue, digest) in issues {
            loop {
                let mut session = self.store.write(Durability::Normal).await?;
                // A retry and a correction look whether it has been folded.
                session.lock_digest(&digest).await?;
                let folded = session.fold_issue(issue, before, CHUNK, self.clock.now()).await?;
                session.commit().await?;
                all += folded;
                if folded == 0 {
                    break;
                }
            }
        }
        loop {
            let mut session = self.store.write(Durability::Normal).await?;
            let forgotten = session.forget_notices(before, CHUNK).await?;
            session.commit().await?;
            all += forgotten;
            if forgotten == 0 {
                return Ok(all);
            }
        }
    }
}
