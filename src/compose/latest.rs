//! The latest issue of a digest that has gone out, for those who have just joined.

use crate::config::{Config, Digest};
use crate::domain::Locale;
use crate::store::{Session, StoreError};

use super::select::{content, of_variant, topics};
use super::variants::variant;
use super::{IssueArticle, IssueContent};

/// The digest's latest sent issue in a locale, with the articles of the topics `choice`, as subscriptions spell them, and its
/// row id.
/// `None`: there is no such issue, or nothing in it is of those topics.
///
/// # Errors
/// When the database fails.
pub async fn latest_issue(
    session: &mut Session,
    config: &Config,
    (digest, locale): (&Digest, &Locale),
    choice: &str,
) -> Result<Option<(i64, IssueContent)>, StoreError> {
    let Some(issue) = session.latest_sent_issue(&digest.id).await? else { return Ok(None) };
    let rows = session.issue_articles(issue.id).await?;
    let articles: Vec<_> = rows.iter().map(|row| IssueArticle::from_row(row, digest.timezone())).collect();
    let available = topics(&articles);
    let Some(topics) = variant(choice, &available, digest.when_topics_are_empty) else { return Ok(None) };
    let articles = of_variant(&articles, &topics, digest);
    Ok(Some((issue.id, content(articles, config, (digest, locale), issue.number, issue.composed_at))))
}
