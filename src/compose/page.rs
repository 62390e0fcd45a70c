//! The whole issue as the archive shows it: frozen when the issue is, in the digest's own locale; and with it all that mails need
//! which are rendered later.

use serde::{Deserialize, Serialize};

use super::{ComposeError, IssueArticle, IssueContent};
use crate::config::{Banner, Config, Digest, Intro, LocalText, Topic, Utm};
use crate::domain::Locale;
use crate::store::{NewPage, PageRow, Session};

/// A whole issue, as it was when it was frozen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IssuePage {
    /// Its articles.
    pub content: IssueContent,
    /// Its campaign line.
    banner: Option<FrozenBanner>,
    /// What its mails say beside the articles; none in issues that were frozen without it.
    #[serde(default)]
    said: Option<Said>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct FrozenBanner {
    text: LocalText,
    url: Option<String>,
}

/// What the configuration had for the mails of an issue, in every language: some are rendered after it was frozen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Said {
    locale: String,
    subject: String,
    intro: Option<Intro>,
    topics: Vec<(String, LocalText)>,
    sections: Vec<String>,
    max_articles: usize,
    utm: Option<Utm>,
}

impl IssuePage {
    /// The page of an issue that is being composed.
    pub fn of(content: IssueContent, digest: &Digest, config: &Config) -> Self {
        let banner = digest.banner.as_ref().filter(|banner| banner.is_for(content.date));
        let banner = banner.map(|banner| FrozenBanner {
            text: banner.text.clone(),
            url: banner.url.as_ref().map(ToString::to_string),
        });
        let said = Said {
            locale: digest.locale.as_str().to_owned(),
            subject: digest.subject.clone(),
            intro: digest.intro.clone(),
            topics: config.topics.iter().map(|topic| (topic.id.clone(), topic.title.clone())).collect(),
            sections: digest.sections.clone(),
            max_articles: digest.max_articles,
            utm: digest.utm.clone(),
        };
        Self { content, banner, said: Some(said) }
    }

    /// The digest as it was then: what its readers saw.
    pub fn digest(&self, now: &Digest) -> Digest {
        let banner = self.banner.as_ref().map(|banner| Banner {
            text: banner.text.clone(),
            url: banner.url.as_deref().and_then(|url| url.parse().ok()),
            from: None,
            until: None,
        });
        let then = Digest { title: self.content.title.clone(), banner, ..now.clone() };
        let Some(said) = self.said.clone() else { return then };
        Digest {
            locale: Locale::parse(&said.locale).unwrap_or(then.locale),
            subject: said.subject,
            intro: said.intro,
            sections: said.sections,
            max_articles: said.max_articles,
            utm: said.utm,
            ..then
        }
    }

    /// The configuration with the topics called as they were then.
    pub fn config(&self, now: &Config) -> Config {
        let topic = |(id, title): (String, LocalText)| Topic { id, title, description: LocalText::default() };
        let topics = self.said.clone().map(|said| said.topics.into_iter().map(topic).collect());
        Config { topics: topics.unwrap_or_else(|| now.topics.clone()), ..now.clone() }
    }

    /// Has the stories of `left` instead, laid out as in its mails. `false`: it was frozen without what they are laid out by.
    pub fn lay_out_anew(&mut self, left: IssueContent) -> bool {
        if self.said.is_some() {
            (self.content.sections, self.content.listed) = (left.sections, left.listed);
        }
        self.said.is_some()
    }

    /// Takes articles out, and leaves all others in their places.
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
