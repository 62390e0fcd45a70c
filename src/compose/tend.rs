//! Tending: whatever an open issue still needs that is not a delivery.

use super::{ComposeError, Composer};
use crate::store::Durability;

impl Composer {
    /// Lays out the issues that are not laid out whole, also those that another process left behind, and marks those
    /// `sent` whose last delivery is finished. Returns how many issues are still open.
    ///
    /// # Errors
    /// When the store fails or a template cannot be rendered; a later call goes on from there.
    pub async fn tend(&self) -> Result<usize, ComposeError> {
        let issues = self.store.read().await?.open_issues().await?;
        let mut open = issues.len();
        for issue in issues {
            if issue.laid_out_at.is_none() {
                let Some(digest) = self.config.digest(&issue.digest) else {
                    tracing::warn!(
                        issue = issue.id,
                        "its digest is gone from the configuration: it cannot be laid out"
                    );
                    continue;
                };
                self.lay_out(&issue, digest, |_| ()).await?;
            }
            if !self.store.read().await?.is_finished(issue.id).await? {
                continue;
            }
            let mut session = self.store.write(Durability::Full).await?;
            let finished = session.finish_issue(issue.id, self.clock.now()).await?;
            session.commit().await?;
            if finished {
                open -= 1;
                tracing::info!(issue = issue.id, digest = issue.digest, "sent");
            }
        }
        Ok(open)
    }
}
