//! An issue as it would be now: composed like any other, and taken back; and the mail of one that is frozen.

use super::composer::{Reading, nobody_reason, skip_reason};
use super::control::wrong_state;
use super::links::linked;
use super::select::{Selection, topics};
use super::variants::Choices;
use super::{ALL_TOPICS, ComposeError, Composer};
use crate::collect::Polled;
use crate::config::Digest;
use crate::domain::{Locale, UtcMillis};
use crate::render::{Frame, RenderedMail};
use crate::store::{Durability, IssueMail};

/// What an issue composed now would be.
pub struct Preview {
    /// The mail that somebody with all topics would get in the language that was asked for; none: there is no article.
    pub mail: Option<RenderedMail>,
    /// What it comes to.
    pub reckoning: Reckoning,
}

/// What an issue composed now would come to, before any mail of it is made.
pub struct Reckoning {
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

/// A reckoning, with what a mail of it is made of.
struct Reckoned {
    reckoning: Reckoning,
    selection: Selection,
    number: i64,
    now: UtcMillis,
}

impl Composer {
    /// The issue as it would be composed now, for a reader of that language. Polls the sources, and stores nothing: what it
    /// records is taken back.
    ///
    /// # Errors
    /// As [`Composer::compose`]; also where a template of the operator's fails on it, for which nothing stands in here.
    pub async fn preview(&self, digest: &Digest, locale: &Locale, test: bool) -> Result<Preview, ComposeError> {
        let Reckoned { reckoning, selection, number, now } =
            self.reckoned(digest, &self.read_for(digest).await?).await?;
        let mail = match selection.articles.is_empty() {
            true => None,
            false => {
                let content = self.content((digest, locale), &selection, Some(number), now);
                let content = linked(content, digest, None, &*self.click_url);
                let frame = Frame { test, ..self.frame(digest, locale) };
                Some(self.renderer.digest(&content, &frame, &*self.random)?)
            }
        };
        Ok(Preview { mail, reckoning })
    }

    /// What an issue would come to, of what the digest's sources were read to have. Stores nothing, and renders nothing: a
    /// template that fails keeps nobody from sending.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn reckon(&self, digest: &Digest, reading: &Reading<'_>) -> Result<Reckoning, ComposeError> {
        Ok(self.reckoned(digest, reading).await?.reckoning)
    }

    async fn reckoned(&self, digest: &Digest, reading: &Reading<'_>) -> Result<Reckoned, ComposeError> {
        let now = self.clock.now();
        let mut taken_back = self.store.write(Durability::Normal).await?;
        let mut polled = Vec::with_capacity(reading.0.len());
        for read in &reading.0 {
            polled.push(read.clone().record(&mut taken_back, &self.config, now).await?);
        }
        let selection = Selection::read(&mut taken_back, digest).await?;
        drop(taken_back);
        let mut reader = self.store.read().await?;
        let audience = reader.audience(&digest.id, now).await?;
        let number = reader.next_issue_number(&digest.id).await?;
        drop(reader);

        let choices = Choices::of(audience, &topics(&selection.all(digest)), digest);
        let (recipients, nothing) = choices.people();
        let reckoning = Reckoning {
            reason: skip_reason(&selection, digest).or_else(|| nobody_reason(&choices)),
            articles: selection.articles.len(),
            recipients,
            variants: choices.keys().len(),
            nothing,
            polled,
        };
        Ok(Reckoned { reckoning, selection, number, now })
    }

    /// The mail of a frozen issue that somebody with all topics gets in a language, else in that of its digest: the stored one,
    /// and where nobody has it in that language, the one that they would get.
    ///
    /// # Errors
    /// When there is no such issue, or it has no articles; when its mail cannot be rendered, or the store fails.
    pub async fn preview_issue(
        &self,
        id: i64,
        locale: Option<&Locale>,
    ) -> Result<(Digest, Locale, RenderedMail), ComposeError> {
        let issue = self.known_issue(id).await?;
        let mut reader = self.store.read().await?;
        let digest = self.digest_then(&mut reader, &issue).await?;
        let frozen = self.frozen(&mut reader, &issue, &digest).await?;
        let locale = locale.unwrap_or(&frozen.digest.locale).clone();
        let mails = reader.issue_mails(id).await?;
        let is_wanted = |mail: &&IssueMail| mail.topics == ALL_TOPICS && mail.locale == locale.as_str();
        let stored = mails.iter().find(is_wanted).filter(|mail| issue.outdated_upto.is_none_or(|upto| mail.id > upto));
        let stored = match stored {
            Some(mail) => reader.mail(mail.id).await?,
            None => None,
        };
        drop(reader);
        let mail = match stored {
            Some(mail) => Some(RenderedMail {
                subject: mail.subject,
                html: mail.html,
                text: mail.body_text,
                mime: mail.mime,
                marker: mail.marker,
                shortened: None,
                failed: None,
            }),
            None => self.rendered_of(&frozen, ALL_TOPICS, &locale)?,
        };
        let mail = mail.ok_or_else(|| wrong_state(&issue, "shown", "it has no articles"))?;
        Ok((frozen.digest, locale, mail))
    }
}
