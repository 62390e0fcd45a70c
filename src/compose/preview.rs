//! An issue as it would be now: composed like any other, and taken back.

use super::composer::{Reading, nobody_reason, skip_reason};
use super::links::linked;
use super::select::Selection;
use super::{ComposeError, Composer};
use crate::collect::Polled;
use crate::config::Digest;
use crate::render::{Frame, RenderedMail};
use crate::store::Durability;

/// What an issue composed now would be.
pub struct Preview {
    /// The mail that somebody with all topics would get; none: there is no article.
    pub mail: Option<RenderedMail>,
    /// Why it would be skipped.
    pub reason: Option<String>,
    /// How many articles it has.
    pub articles: usize,
    /// To how many it would go.
    pub recipients: i64,
    /// In how many variants.
    pub variants: usize,
    /// How many subscribers of the digest would get nothing, since none of their topics has articles.
    pub nothing: i64,
    /// How the polls of the sources went.
    pub polled: Vec<Polled>,
}

impl Composer {
    /// The issue as it would be composed now. Polls the sources, and stores nothing: what it records is taken back.
    ///
    /// # Errors
    /// As [`Composer::compose`].
    pub async fn preview(&self, digest: &Digest, test: bool) -> Result<Preview, ComposeError> {
        self.preview_of(digest, &self.read_for(digest).await?, test).await
    }

    /// The same, of what the digest's sources were read to have.
    ///
    /// # Errors
    /// As [`Composer::compose`].
    pub async fn preview_of(
        &self,
        digest: &Digest,
        reading: &Reading<'_>,
        test: bool,
    ) -> Result<Preview, ComposeError> {
        let now = self.clock.now();
        let mut taken_back = self.store.write(Durability::Normal).await?;
        let mut polled = Vec::with_capacity(reading.0.len());
        for read in &reading.0 {
            polled.push(read.clone().record(&mut taken_back, &self.config, now).await?);
        }
        let selection = Selection::of(taken_back.new_articles(&digest.id).await?, digest);
        drop(taken_back);
        let mut reader = self.store.read().await?;
        let audience = reader.audience(&digest.id, now).await?;
        let number = reader.next_issue_number(&digest.id).await?;
        drop(reader);

        let variants = self.variants(digest, &selection, audience, Some(number), now, None)?;
        let reason = skip_reason(&selection, digest).or_else(|| nobody_reason(&variants));
        let mail = match selection.articles.is_empty() {
            true => None,
            false => {
                let content = self.content(digest, &selection, Some(number), now);
                let content = linked(content, digest, None, &*self.click_url);
                let frame = Frame { test, ..self.frame(digest, &digest.locale) };
                Some(self.renderer.digest(&content, &frame, &*self.random)?)
            }
        };
        Ok(Preview {
            mail,
            reason,
            articles: selection.articles.len(),
            recipients: variants.recipients(),
            variants: variants.mails.len(),
            nothing: variants.choices.iter().filter(|(_, mail)| mail.is_none()).map(|(a, _)| a.people).sum(),
            polled,
        })
    }
}
