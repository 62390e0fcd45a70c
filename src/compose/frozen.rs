//! An issue as it was frozen: what mails of it are made of that are rendered later.

use super::links::{Counted, linked};
use super::page::IssuePage;
use super::variants::variant;
use super::{ComposeError, Composer, IssueArticle, IssueContent, select};
use crate::config::{Config, Digest};
use crate::domain::{Locale, UtcMillis};
use crate::render::{RenderedMail, subject_in_any_case};
use crate::store::{IssueMail, IssueRow, Session, StoreError};

/// What was frozen, as far as it is not withdrawn.
pub(super) struct Frozen {
    /// The stories in reading order, then their further copies.
    pub(super) articles: Vec<IssueArticle>,
    /// The digest as it was then.
    pub(super) digest: Digest,
    config: Config,
    counted: Option<Counted>,
    number: Option<i64>,
    composed_at: UtcMillis,
}

impl Frozen {
    /// The content of a variant, as `variant` spells it, in a language.
    pub(super) fn content(&self, topics: &str, locale: &Locale) -> IssueContent {
        let articles = select::of_variant(&self.articles, topics, &self.digest);
        select::content(articles, &self.config, (&self.digest, locale), self.number, self.composed_at)
    }

    /// What the variant of a mail comes to now, as it would have at composing; `None`: nothing of it is left.
    pub(super) fn left_of(&self, topics: &str) -> Option<String> {
        variant(topics, &select::topics(&self.articles), self.digest.when_topics_are_empty)
    }

    /// The subject of what is left of a variant, as its mail has it; without a story it is the digest's title.
    pub(super) fn subject(&self, topics: &str, locale: &Locale) -> Result<String, ComposeError> {
        let content = self.content(self.left_of(topics).as_deref().unwrap_or(topics), locale);
        Ok(subject_in_any_case(&self.digest.subject, &content, locale)?.0)
    }
}

impl Composer {
    pub(super) async fn frozen(
        &self,
        reader: &mut Session,
        issue: &IssueRow,
        digest: &Digest,
    ) -> Result<Frozen, ComposeError> {
        let rows = reader.issue_articles(issue.id).await?;
        let counted = Counted::recorded(&issue.public_id, reader.issue_links(issue.id).await?);
        let (config, digest) = match reader.page(issue.id).await? {
            Some(row) => {
                let page = IssuePage::read(issue.id, &row)?;
                (page.config(&self.config), page.digest(digest))
            }
            None => ((*self.config).clone(), digest.clone()),
        };
        let articles = rows.iter().map(|row| IssueArticle::from_row(row, digest.timezone())).collect();
        Ok(Frozen { articles, digest, config, counted, number: issue.number, composed_at: issue.composed_at })
    }

    /// The mail of a variant, as `variant` spells it, by the built-in template where the operator's fails; `None`: nothing of it is
    /// left.
    pub(super) fn rendered_of(
        &self,
        frozen: &Frozen,
        topics: &str,
        locale: &Locale,
    ) -> Result<Option<RenderedMail>, ComposeError> {
        let (digest, content) = (&frozen.digest, frozen.content(topics, locale));
        if content.lead().is_none() {
            return Ok(None);
        }
        let content = linked(content, digest, frozen.counted.as_ref(), &*self.click_url);
        Ok(Some(self.renderer.digest_in_any_case(&content, &self.frame(digest, locale), &*self.random)?))
    }
}

/// Whether an issue still has the mails, and as many articles, as were read of it: what was rendered in between is right then.
pub(super) async fn is_as_read(
    session: &mut Session,
    issue: i64,
    mails: &[IssueMail],
    articles: usize,
) -> Result<bool, StoreError> {
    let now = session.issue_mails(issue).await?;
    let same = now.iter().map(|mail| mail.id).eq(mails.iter().map(|mail| mail.id));
    Ok(same && session.issue_articles(issue).await?.len() == articles)
}
