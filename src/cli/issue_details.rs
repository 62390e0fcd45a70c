//! What `issue show` tells beside the deliveries: the articles, what was done with the issue, and what readers followed.

use serde::Serialize;

use super::{CliError, output};
use crate::domain::UtcMillis;
use crate::store::{Store, StoreError};

/// What is known of an issue beside its deliveries.
#[derive(Serialize)]
pub struct Details {
    articles: Vec<Article>,
    events: Vec<Event>,
    clicks: Vec<Clicks>,
}

/// An article of the issue; `issue withdraw` takes its id.
#[derive(Serialize)]
struct Article {
    id: i64,
    topic: String,
    title: String,
    url: Option<String>,
    withdrawn_at: Option<UtcMillis>,
}

/// What was done with the issue.
#[derive(Serialize)]
struct Event {
    event: String,
    at: UtcMillis,
    by: String,
    why: Option<String>,
    article: Option<String>,
}

/// How often a link was followed, by all readers together.
#[derive(Serialize)]
struct Clicks {
    url: String,
    clicks: i64,
}

impl Details {
    /// Reads them.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn read(store: &Store, issue: i64) -> Result<Self, StoreError> {
        let mut session = store.read().await?;
        let articles = session.articles_of_issue(issue).await?;
        let events = session.issue_events(issue).await?;
        let links = session.issue_links(issue).await?;
        let mut seen = std::collections::HashSet::new();
        let stories = articles.into_iter().filter(|row| seen.insert(row.canonical.clone()));
        let mut clicks: Vec<Clicks> =
            links.into_iter().map(|link| Clicks { url: link.url, clicks: link.clicks }).collect();
        clicks.sort_by_key(|link| std::cmp::Reverse(link.clicks));
        Ok(Self {
            articles: stories
                .map(|row| Article {
                    id: row.article_id,
                    topic: row.topic,
                    title: row.title,
                    url: row.url,
                    withdrawn_at: row.withdrawn_at,
                })
                .collect(),
            events: events
                .into_iter()
                .map(|row| Event { event: row.event, at: row.at, by: row.actor, why: row.note, article: row.subject })
                .collect(),
            clicks,
        })
    }

    /// For people. So many of its mails have been sent.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn print(&self, sent: i64) -> Result<(), CliError> {
        if sent > 0 && self.articles.iter().any(|article| article.withdrawn_at.is_some()) {
            output::line(
                "  the subject is that of what is left; what was sent before the withdrawal has the one of then",
            )?;
        }
        for event in &self.events {
            let article = event.article.as_deref().map(|article| format!(" {article}")).unwrap_or_default();
            let why = event.why.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
            output::line(format!("  {} {} by {}{article}{why}", event.at, event.event, event.by))?;
        }
        for article in &self.articles {
            let gone = if article.withdrawn_at.is_some() { " (withdrawn)" } else { "" };
            output::line(format!("  article {}: {}{gone}", article.id, article.title))?;
        }
        for link in &self.clicks {
            output::line(format!("  followed {}: {}", output::counted(link.clicks, "time"), link.url))?;
        }
        Ok(())
    }
}
