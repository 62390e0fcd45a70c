//! Withdrawing an article: the one change to an issue that is frozen. Its first step says that the story is withdrawn, and stops the
//! issue; the mails are made anew after that, and whoever dies between is followed by anyone that tends.

use super::composer::{AT_ONCE, locale_of, new_mail, note_failed, note_made};
use super::control::{event, wrong_state};
use super::frozen::Frozen;
use super::page::IssuePage;
use super::{ALL_TOPICS, Because, ComposeError, Composer, IssueArticle};
use crate::config::Digest;
use crate::domain::{DeliveryState, IssueState, PublicId};
use crate::render::{RenderedMail, subject_in_any_case};
use crate::store::{Durability, IssueArticleRow, IssueMail, IssueRow, NewIssueEvent, Session};

/// Why an issue is cancelled that has lost its last story.
const NOTHING_LEFT: &str = "all its stories have been withdrawn";

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
    /// returns. `article` is its id or address, or its exact title. It stays claimed, so that no later issue has it. An issue that
    /// loses its last story is cancelled. Done again, it ends what was begun.
    ///
    /// # Errors
    /// When the issue has no such article, or has nothing to withdraw from; when the store fails. If that is after the article was
    /// withdrawn, nothing of the issue is started before its mails are made anew: by whoever tends, or by this, done again.
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
        let rows = reader.articles_of_issue(id).await?;
        drop(reader);
        let found = find(&rows, article, id)?;
        if found.withdrawn_at.is_none() {
            self.take_out(&issue, &rows, found, because).await?;
        } else if issue.outdated_upto.is_none() {
            return Err(ComposeError::WithdrawnBefore { id, title: found.title.clone() });
        }
        let mails = self.make_anew(id).await?;
        Ok(Withdrawn { title: found.title.clone(), url: found.url.clone(), mails })
    }

    /// Once this is committed, archive and record have it that the story is withdrawn, and nothing of the issue is started.
    async fn take_out(
        &self,
        issue: &IssueRow,
        rows: &[IssueArticleRow],
        found: &IssueArticleRow,
        because: Because<'_>,
    ) -> Result<(), ComposeError> {
        let (id, now) = (issue.id, self.clock.now());
        let copies = || rows.iter().filter(|row| row.canonical == found.canonical);
        let gone = |article: &IssueArticle| match article.canonical.as_str() {
            "" => copies().any(|row| row.url == article.url && row.title == article.title),
            canonical => canonical == found.canonical,
        };
        let what = match &found.url {
            Some(url) => format!("{} <{url}>", found.title),
            None => found.title.clone(),
        };
        let digest = self.digest_then(&mut self.store.read().await?, issue).await?;
        let mut session = self.store.write(Durability::Full).await?;
        session.lock_digest(&issue.digest).await?;
        if !session.withdraw_article(id, &found.canonical, now).await? {
            return Err(ComposeError::WithdrawnBefore { id, title: found.title.clone() });
        }
        self.rewrite_page(&mut session, issue, &digest, gone).await?;
        let noted = NewIssueEvent { subject: Some(&what), ..event("withdrawn", because) };
        session.add_issue_event(id, &noted, now).await?;
        let is_empty = session.issue_articles(id).await?.is_empty();
        let is_over = is_empty && session.cancel_issue(id, Some(NOTHING_LEFT)).await?;
        if is_over {
            let because = Because { note: Some(NOTHING_LEFT), ..because };
            session.add_issue_event(id, &event("cancelled", because), now).await?;
        }
        session.outdate_mails(id).await?;
        session.commit().await?;
        let is_over = is_over || issue.state == IssueState::Cancelled;
        self.recall(id, if is_over { DeliveryState::Cancelled } else { DeliveryState::Held }).await
    }

    /// Makes the mails of an issue anew that have what was withdrawn, some at a time, and lets it go on. Says how many.
    pub(super) async fn make_anew(&self, id: i64) -> Result<usize, ComposeError> {
        let mut made = 0;
        loop {
            let issue = self.known_issue(id).await?;
            let mut reader = self.store.read().await?;
            let digest = self.digest_then(&mut reader, &issue).await?;
            let mails = reader.outdated_mails(id, AT_ONCE).await?;
            let left = self.frozen(&mut reader, &issue, &digest).await?;
            drop(reader);
            let instead = self.rendered_anew(&left, &mails).await?;

            let mut session = self.store.write(Durability::Full).await?;
            session.lock_digest(&issue.digest).await?;
            let now = session.outdated_mails(id, AT_ONCE).await?;
            let is_as_read = now.iter().map(|mail| mail.id).eq(mails.iter().map(|mail| mail.id))
                && session.issue_articles(id).await?.len() == left.articles.len();
            if !is_as_read {
                // Somebody else has made them, or withdrawn another article: there is less to do than before.
                continue;
            }
            made += self.replace(&mut session, &issue, &digest, instead).await?;
            if mails.len() < AT_ONCE {
                self.correct_anew(&mut session, &digest, &issue).await?;
            }
            session.made_anew(id).await?;
            session.commit().await?;
            if mails.len() < AT_ONCE {
                self.settle(id).await?;
                return Ok(made);
            }
        }
    }

    /// Those that look the same without the story are rendered too, since they may list it.
    async fn rendered_anew<'m>(&self, left: &Frozen, mails: &'m [IssueMail]) -> Result<Vec<Instead<'m>>, ComposeError> {
        let mut anew = Vec::with_capacity(mails.len());
        for mail in mails {
            let locale = locale_of(&mail.locale, &left.digest);
            let rendered = match left.left_of(&mail.topics) {
                Some(topics) => self.rendered_of(left, &topics, &locale)?.map(|rendered| (topics, rendered)),
                None => None,
            };
            anew.push((mail, rendered));
            tokio::task::yield_now().await;
        }
        Ok(anew)
    }

    /// Says how many there are instead.
    async fn replace(
        &self,
        session: &mut Session,
        issue: &IssueRow,
        digest: &Digest,
        mails: Vec<Instead<'_>>,
    ) -> Result<usize, ComposeError> {
        let now = self.clock.now();
        note_made(session, issue.id, mails.iter().filter_map(|(_, instead)| Some(&instead.as_ref()?.1))).await?;
        let mut made = 0;
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
            made += 1;
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
