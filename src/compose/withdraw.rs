//! Withdrawing an article: the one change to an issue that is frozen.

use std::collections::BTreeSet;

use super::composer::{AT_ONCE, ATTEMPTS, locale_of, new_mail, note_failed, note_made};
use super::control::{event, wrong_state};
use super::frozen::{Frozen, is_as_read};
use super::page::IssuePage;
use super::{ALL_TOPICS, Because, ComposeError, Composer, IssueArticle};
use crate::config::Digest;
use crate::domain::{DeliveryState, IssueState, PublicId};
use crate::render::{RenderedMail, subject_in_any_case};
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

/// A mail with what goes out instead, and the variant that this is; `None`: nothing is left for it.
type Instead<'m> = (&'m IssueMail, Option<(String, RenderedMail)>);

impl Composer {
    /// Takes one article out of an issue: out of the archive, and of all mails of it that have not been started when this
    /// returns. `article` is its id or address, or its exact title. It stays claimed, so that no later issue has it. Of an issue
    /// with very many mails some are made anew before the others; whatever ends that in the middle, it can be done again.
    ///
    /// # Errors
    /// When the issue has no such article, or has nothing to withdraw from; when the store fails: then the article
    /// is not withdrawn.
    pub async fn withdraw(&self, id: i64, article: &str, because: Because<'_>) -> Result<Withdrawn, ComposeError> {
        let issue = self.known_issue(id).await?;
        let mut reader = self.store.read().await?;
        let has_something = match issue.state {
            IssueState::Sending | IssueState::Held | IssueState::Sent => true,
            IssueState::Cancelled => reader.is_archived(id).await?,
            _ => false,
        };
        if !has_something {
            let rule = "only one that is being sent, or that somebody has received, has something to withdraw from";
            return Err(wrong_state(&issue, "changed", rule));
        }
        let digest = self.config.digest(&issue.digest);
        let digest = digest.ok_or_else(|| ComposeError::DigestGone { digest: issue.digest.clone() })?;
        let rows = reader.articles_of_issue(id).await?;
        drop(reader);
        let found = find(&rows, article, id)?;
        let before = || ComposeError::WithdrawnBefore { id, title: found.title.clone() };
        if found.withdrawn_at.is_some() {
            return Err(before());
        }
        let copies = || rows.iter().filter(|row| row.canonical == found.canonical);
        let gone = |article: &IssueArticle| match article.canonical.as_str() {
            "" => copies().any(|row| row.url == article.url && row.title == article.title),
            canonical => canonical == found.canonical,
        };
        let (mut session, mails) = self.made_anew(&issue, digest, &found.canonical).await?;
        let now = self.clock.now();
        if !session.withdraw_article(id, &found.canonical, now).await? {
            return Err(before());
        }
        self.rewrite_page(&mut session, &issue, digest, gone).await?;
        let withdrawn = Withdrawn { title: found.title.clone(), url: found.url.clone(), mails };
        let what = match &withdrawn.url {
            Some(url) => format!("{} <{url}>", withdrawn.title),
            None => withdrawn.title.clone(),
        };
        let noted = NewIssueEvent { subject: Some(&what), ..event("withdrawn", because) };
        session.add_issue_event(id, &noted, now).await?;
        session.commit().await?;
        let aside = match issue.state {
            IssueState::Held => DeliveryState::Held,
            IssueState::Cancelled => DeliveryState::Cancelled,
            _ => DeliveryState::Queued,
        };
        self.recall(id, aside).await?;
        Ok(withdrawn)
    }

    /// Makes the mails of an issue anew without the story, some at a time. Gives how many, and the transaction that has the last
    /// of them, which is still open.
    async fn made_anew(
        &self,
        issue: &IssueRow,
        digest: &Digest,
        canonical: &str,
    ) -> Result<(Session, usize), ComposeError> {
        let (mut made, mut contended) = (BTreeSet::new(), 0);
        loop {
            let mut reader = self.store.read().await?;
            let mails = reader.issue_mails(issue.id).await?;
            let mut left = self.frozen(&mut reader, issue, digest).await?;
            drop(reader);
            let articles = left.articles.len();
            left.articles.retain(|article| article.canonical != canonical);
            // Of a cancelled one nothing goes out any more.
            let is_open = issue.state != IssueState::Cancelled;
            let waiting: Vec<&IssueMail> = mails.iter().filter(|mail| is_open && !made.contains(&mail.id)).collect();
            let some = &waiting[..waiting.len().min(AT_ONCE)];
            let instead = self.rendered_anew(&left, some).await?;

            let mut session = self.store.write(Durability::Full).await?;
            session.lock_digest(&issue.digest).await?;
            if !is_as_read(&mut session, issue.id, &mails, articles).await? {
                // A further variant came up, or another article was withdrawn, while these were rendered.
                contended += 1;
                if contended > ATTEMPTS {
                    return Err(ComposeError::Contended { digest: digest.id.clone() });
                }
                continue;
            }
            made.extend(self.replace(&mut session, issue, digest, instead).await?);
            if some.len() == waiting.len() {
                return Ok((session, made.len()));
            }
            session.commit().await?;
        }
    }

    /// Those that look the same without the story are rendered too, since they may list it.
    async fn rendered_anew<'m>(
        &self,
        left: &Frozen,
        mails: &[&'m IssueMail],
    ) -> Result<Vec<Instead<'m>>, ComposeError> {
        let mut anew = Vec::with_capacity(mails.len());
        for mail in mails {
            let locale = locale_of(&mail.locale, &left.digest);
            let rendered = match left.left_of(&mail.topics) {
                Some(topics) => self.rendered_of(left, &topics, &locale)?.map(|rendered| (topics, rendered)),
                None => None,
            };
            anew.push((*mail, rendered));
            tokio::task::yield_now().await;
        }
        Ok(anew)
    }

    /// Gives the ids of the new mails.
    async fn replace(
        &self,
        session: &mut Session,
        issue: &IssueRow,
        digest: &Digest,
        mails: Vec<Instead<'_>>,
    ) -> Result<Vec<i64>, ComposeError> {
        let now = self.clock.now();
        note_made(session, issue.id, mails.iter().filter_map(|(_, instead)| Some(&instead.as_ref()?.1))).await?;
        let mut made = Vec::with_capacity(mails.len());
        for (old, instead) in mails {
            let Some((topics, rendered)) = instead else {
                session.empty_mail(issue.id, old.id, now).await?;
                continue;
            };
            let salt = PublicId::new(&*self.random);
            let locale = locale_of(&old.locale, digest);
            let new = new_mail(Some(issue.id), "digest", digest, &topics, &locale, &rendered, salt.as_str());
            let new = session.insert_mail(&new, now).await?;
            session.replace_mail(issue.id, old.id, new).await?;
            made.push(new);
        }
        Ok(made)
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
        let (subject, failed) = subject_in_any_case(&left.digest.subject, &page.content, &locale)?;
        note_failed(session, issue.id, failed.as_ref()).await?;
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
