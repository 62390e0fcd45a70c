//! The whole issue as the archive shows it: frozen when the issue is, in the digest's own locale.

use serde::{Deserialize, Serialize};

use super::{ComposeError, IssueArticle, IssueContent};
use crate::config::{Banner, Digest};
use crate::domain::Locale;
use crate::store::{NewPage, PageRow, Session};

/// A whole issue, as it was when it was frozen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IssuePage {
    /// Its articles.
    pub content: IssueContent,
    /// Its campaign line.
    banner: Option<FrozenBanner>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct FrozenBanner {
    text: String,
    url: Option<String>,
}

impl IssuePage {
    /// The page of an issue that is being composed.
    pub fn of(content: IssueContent, digest: &Digest) -> Self {
        let banner = digest.banner.as_ref().filter(|banner| banner.is_for(content.date));
        let banner = banner.map(|banner| FrozenBanner {
            text: banner.text.of(&digest.locale, &digest.locale).to_owned(),
            url: banner.url.as_ref().map(ToString::to_string),
        });
        Self { content, banner }
    }

    /// The digest as it was then: what its readers saw.
    pub fn digest(&self, now: &Digest) -> Digest {
        let banner = self.banner.as_ref().map(|banner| Banner {
            text: banner.text.clone().into(),
            url: banner.url.as_deref().and_then(|url| url.parse().ok()),
            from: None,
            until: None,
        });
        Digest { title: self.content.title.clone(), banner, ..now.clone() }
    }

    /// Takes articles out.
    pub fn withdraw(&mut self, gone: impl Fn(&IssueArticle) -> bool) {
        for section in &mut self.content.sections {
            section.articles.retain(|article| !gone(article));
        }
        self.content.sections.retain(|section| !section.articles.is_empty());
        self.content.listed.retain(|article| !gone(article));
    }

    /// Stores it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn put(&self, session: &mut Session, issue: i64, locale: &Locale) -> Result<(), ComposeError> {
        let content = serde_json::to_string(self).map_err(|source| ComposeError::Page { issue, source })?;
        let articles = i64::try_from(self.content.articles().count()).unwrap_or(i64::MAX);
        let page = NewPage { locale: locale.as_str(), articles, content: &content };
        Ok(session.put_page(issue, &page).await?)
    }

    /// Reads it back.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn read(issue: i64, row: &PageRow) -> Result<Self, ComposeError> {
        serde_json::from_str(&row.content).map_err(|source| ComposeError::Page { issue, source })
    }
}
