//! Withdrawing an article: the one change to an issue that is frozen.

use super::composer::{locale_of, new_mail, note_shortened};
use super::control::{event, wrong_state};
use super::page::IssuePage;
use super::{ALL_TOPICS, Because, ComposeError, Composer, IssueArticle};
use crate::config::Digest;
use crate::domain::{DeliveryState, IssueState, PublicId};
use crate::render::{self, RenderedMail};
use crate::store::{Durability, IssueArticleRow, IssueMail, IssueRow, NewIssueEvent, Session};

/// What came of a withdrawal.
#[derive(Clone, Debug)]
pub struct Withdrawn {
    /// The title of the article.
    pub title: String,
    /// Its address, where it has a page of its own.
    pub url: Option<String>,
    /// How many mails were rendered anew.
    pub mails: usize,
}

/// A mail with what goes out instead; `None`: nothing is left for it.
type Instead = (IssueMail, Option<RenderedMail>);

impl Composer {
    /// Takes one article out of an issue: out of the archive, and of all mails of it that have not been started when this
    /// returns. `article` is its id or address, or its exact title. It stays claimed, so that no later issue has it.
    ///
    /// # Errors
    /// When the issue has no such article, or has not been frozen; when a template cannot be rendered or the store fails:
    /// then nothing has changed.
    pub async fn withdraw(&self, id: i64, article: &str, because: Because<'_>) -> Result<Withdrawn, ComposeError> {
        let issue = self.known_issue(id).await?;
        if !matches!(issue.state, IssueState::Sending | IssueState::Held | IssueState::Sent) {
            return Err(wrong_state(
                &issue,
                "changed",
                "only one that is or was being sent has something to withdraw from",
            ));
        }
        let digest = self.config.digest(&issue.digest);
        let digest = digest.ok_or_else(|| ComposeError::DigestGone { digest: issue.digest.clone() })?;
        let rows = self.store.read().await?.articles_of_issue(id).await?;
        let found = find(&rows, article, id)?;
        let withdrawn = Withdrawn { title: found.title.clone(), url: found.url.clone(), mails: 0 };
        let copies = || rows.iter().filter(|row| row.canonical == found.canonical);
        let gone = |article: &IssueArticle| match article.canonical.as_str() {
            "" => copies().any(|row| row.url == article.url && row.title == article.title),
            canonical => canonical == found.canonical,
        };
        let mails = self.rendered_anew(&issue, digest, &found.canonical).await?;

        let mut session = self.store.write(Durability::Full).await?;
        session.lock_digest(&issue.digest).await?;
        let now = self.clock.now();
        if !session.withdraw_article(id, &found.canonical, now).await? {
            return Err(ComposeError::WithdrawnBefore { id, title: found.title.clone() });
        }
        let known: Vec<i64> = session.issue_mails(id).await?.iter().map(|mail| mail.id).collect();
        if known != mails.iter().map(|(mail, _)| mail.id).collect::<Vec<_>>() {
            // A further variant came up, or another article was withdrawn, while these were rendered.
            return Err(ComposeError::Contended { digest: digest.id.clone() });
        }
        let withdrawn = Withdrawn { mails: self.replace(&mut session, &issue, digest, mails).await?, ..withdrawn };
        self.rewrite_page(&mut session, &issue, digest, gone).await?;
        let what = match &withdrawn.url {
            Some(url) => format!("{} <{url}>", withdrawn.title),
            None => withdrawn.title.clone(),
        };
        let noted = NewIssueEvent { subject: Some(&what), ..event("withdrawn", because) };
        session.add_issue_event(id, &noted, now).await?;
        session.commit().await?;
        let aside = if issue.state == IssueState::Held { DeliveryState::Held } else { DeliveryState::Queued };
        self.recall(id, aside).await?;
        Ok(withdrawn)
    }

    /// The mails of an issue without the story; those that look the same without it are rendered too, since they may list it.
    async fn rendered_anew(
        &self,
        issue: &IssueRow,
        digest: &Digest,
        canonical: &str,
    ) -> Result<Vec<Instead>, ComposeError> {
        let mut reader = self.store.read().await?;
        let mails = reader.issue_mails(issue.id).await?;
        let mut left = self.frozen(&mut reader, issue, digest).await?;
        drop(reader);
        left.articles.retain(|article| article.canonical != canonical);
        let anew = mails.into_iter().map(|mail| {
            let rendered = self.rendered_of(&left, &mail.topics, &locale_of(&mail.locale, &left.digest))?;
            Ok((mail, rendered))
        });
        anew.collect()
    }

    async fn replace(
        &self,
        session: &mut Session,
        issue: &IssueRow,
        digest: &Digest,
        mails: Vec<Instead>,
    ) -> Result<usize, ComposeError> {
        let now = self.clock.now();
        note_shortened(session, issue.id, mails.iter().filter_map(|(_, rendered)| rendered.as_ref())).await?;
        let mut replaced = 0;
        for (old, rendered) in mails {
            let Some(rendered) = rendered else {
                session.empty_mail(issue.id, old.id, now).await?;
                continue;
            };
            let salt = PublicId::new(&*self.random);
            let locale = locale_of(&old.locale, digest);
            let new = new_mail(Some(issue.id), "digest", digest, &old.topics, &locale, &rendered, salt.as_str());
            let new = session.insert_mail(&new, now).await?;
            session.replace_mail(issue.id, old.id, new).await?;
            replaced += 1;
        }
        Ok(replaced)
    }

    async fn rewrite_page(
        &self,
        session: &mut Session,
        issue: &IssueRow,
        digest: &Digest,
        gone: impl Fn(&IssueArticle) -> bool,
    ) -> Result<(), ComposeError> {
        let Some(row) = session.page(issue.id).await? else { return Ok(()) };
        let mut page = IssuePage::read(issue.id, &row)?;
        let left = self.frozen(session, issue, digest).await?;
        let locale = locale_of(&row.locale, &left.digest);
        // As in the mails, a story that was listed moves up into the place that is free.
        if !page.lay_out_anew(left.content(ALL_TOPICS, &locale)) {
            page.withdraw(gone);
        }
        page.put(session, issue.id, &locale).await?;
        // The subject is mostly that of the lead story.
        let subject = render::subject(&left.digest.subject, &page.content, &locale)?;
        Ok(session.set_subject(issue.id, &subject).await?)
    }
}

/// The article that an operator names, among those of an issue.
fn find<'a>(rows: &'a [IssueArticleRow], named: &str, issue: i64) -> Result<&'a IssueArticleRow, ComposeError> {
    let named = named.trim();
    let by_id = named.parse().ok().and_then(|id: i64| rows.iter().find(|row| row.article_id == id));
    let is_named =
        |row: &&IssueArticleRow| row.url.as_deref() == Some(named) || row.canonical == named || row.title == named;
    let found: Vec<&IssueArticleRow> = by_id.into_iter().chain(rows.iter().filter(is_named)).collect();
    let Some(first) = found.first() else {
        return Err(ComposeError::NoArticle { id: issue, named: named.to_owned() });
    };
    if by_id.is_none() && found.iter().any(|row| row.canonical != first.canonical) {
        return Err(ComposeError::SeveralArticles { id: issue, named: named.to_owned() });
    }
    Ok(first)
}
