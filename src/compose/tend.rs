//! Tending: whatever an open issue still needs that is not a delivery.

use super::{ComposeError, Composer};
use crate::store::{Durability, IssueRow};

impl Composer {
    /// Lays out the issues that are not laid out whole, also those that another process left behind, and marks those
    /// `sent` whose last delivery is finished. Where an issue was held, resumed or cancelled, its deliveries follow; where a story was
    /// withdrawn, its mails are made anew; and corrections are laid out. Gives the issues that could not be looked after; the others
    /// are, and a later call goes on from there.
    ///
    /// # Errors
    /// When the store cannot say which issues are open.
    pub async fn tend(&self) -> Result<Vec<(i64, ComposeError)>, ComposeError> {
        let mut reader = self.store.read().await?;
        let (issues, unsettled) = (reader.open_issues().await?, reader.unsettled_issues().await?);
        let (outdated, corrections) = (reader.outdated_issues().await?, reader.open_corrections().await?);
        drop(reader);
        let mut failed = Vec::new();
        for issue in outdated {
            if let Err(error) = self.make_anew(issue).await {
                failed.push((issue, error));
            }
        }
        for issue in unsettled {
            if let Err(error) = self.settle(issue).await {
                failed.push((issue, error));
            }
        }
        for correction in corrections {
            if let Err(error) = self.lay_out_correction(&correction).await {
                failed.push((correction.issue_id, error));
            }
        }
        for issue in issues {
            if let Err(error) = self.tend_one(&issue).await {
                failed.push((issue.id, error));
            }
        }
        Ok(failed)
    }

    async fn tend_one(&self, issue: &IssueRow) -> Result<(), ComposeError> {
        if issue.laid_out_at.is_none() {
            let digest = self.digest_of(issue)?;
            self.lay_out(issue, digest).await?;
        }
        if !self.store.read().await?.is_finished(issue.id).await? {
            return Ok(());
        }
        let mut session = self.store.write(Durability::Full).await?;
        let finished = session.finish_issue(issue.id, self.clock.now()).await?;
        session.commit().await?;
        if finished {
            tracing::info!(issue = issue.id, digest = issue.digest, "sent");
        }
        Ok(())
    }
}
