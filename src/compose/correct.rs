//! Correcting an issue: a short mail to exactly those who have received it and have not left, once for each.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest as hash};
use chrono::NaiveDate;
use data_encoding::HEXLOWER;

use super::composer::{locale_of, new_mail};
use super::control::{event, not_folded, wrong_state};
use super::{ALL_TOPICS, Because, ComposeError, Composer};
use crate::config::Digest;
use crate::domain::{IssueState, Locale, PublicId};
use crate::render::{HTML_LIMIT, Letter, RenderedMail, paragraphs};
use crate::store::{CorrectionRow, Durability, IssueRow, Session};

/// How many deliveries of the issue one transaction looks at.
const CHUNK: i64 = 5_000;

/// Where corrections stand in the queue: before digests, behind what somebody waits for.
const PRIORITY: i64 = 15;

/// What came of a correction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrected {
    /// To how many it has been queued.
    pub recipients: i64,
    /// Whether this call began it: `false` where the same text was sent before.
    pub fresh: bool,
    /// Whether further people get it who receive the issue from now on.
    pub goes_on: bool,
}

/// What a correction of an issue says.
struct Said<'a> {
    digest: &'a Digest,
    text: Vec<String>,
    date: NaiveDate,
    /// Whether it has been taken. Then its mails are made whatever an operator's template does, since somebody waits for them, or for
    /// those to be gone that they stand in for.
    is_taken: bool,
}

impl<'a> Said<'a> {
    fn new(digest: &'a Digest, issue: &IssueRow, text: Vec<String>) -> Self {
        Self { digest, text, date: issue.issue_date.parse().unwrap_or_default(), is_taken: false }
    }

    fn taken(digest: &'a Digest, issue: &IssueRow, body: &str) -> Self {
        let text = body.split("\n\n").map(str::to_owned).collect();
        Self { is_taken: true, ..Self::new(digest, issue, text) }
    }
}

/// A correction in one language, about one subject.
struct Correction {
    locale: Locale,
    mail: RenderedMail,
    /// The mails of the issue that it goes to the readers of.
    of_mails: Vec<i64>,
}

impl Composer {
    /// Queues a correction of an issue. Those who receive the issue later, since it is still being sent, get it too. The same
    /// text again queues nothing more.
    ///
    /// # Errors
    /// When there is no such issue, nobody can have received it, the text is empty or too long, or the store fails.
    pub async fn correct(&self, id: i64, text: &str, because: Because<'_>) -> Result<Corrected, ComposeError> {
        let issue = self.known_issue(id).await?;
        if !matches!(issue.state, IssueState::Sending | IssueState::Held | IssueState::Sent | IssueState::Cancelled) {
            return Err(wrong_state(&issue, "corrected", "nobody has received it"));
        }
        let digest = &self.digest_then(&mut self.store.read().await?, &issue).await?;
        let text = paragraphs(text);
        if text.is_empty() {
            return Err(ComposeError::EmptyCorrection);
        }
        if self.digest_of(&issue).is_ok() {
            // Who gets a mail that is not made yet gets the correction in its language, too.
            self.add_all_missing(&issue, digest).await?;
        }
        let body = text.join("\n\n");
        let fingerprint = HEXLOWER.encode(hash(&SHA256, body.as_bytes()).as_ref());
        let said = Said::new(digest, &issue, text);
        let whole = self.letter_of(&said, &digest.locale, &issue.subject)?;
        let others = self.letters_of_mails(&mut self.store.read().await?, &said, &issue).await?;

        let now = self.clock.now();
        let mut session = self.store.write(Durability::Full).await?;
        session.lock_digest(&digest.id).await?;
        let known = session.correction(id, &fingerprint).await?;
        let fresh = known.is_none();
        if fresh {
            not_folded(&mut session, id, "corrected").await?;
            let mail = self.keep_correction(&mut session, digest, &digest.locale, &whole).await?;
            if let Some(correction) = session.add_correction(id, &fingerprint, &body, mail, now).await? {
                for other in &others {
                    let mail = self.keep_correction(&mut session, digest, &other.locale, &other.mail).await?;
                    for of_mail in &other.of_mails {
                        session.set_correction_mail(correction, *of_mail, mail).await?;
                    }
                }
            }
            session.add_issue_event(id, &event("corrected", because), now).await?;
        }
        let row = session.correction(id, &fingerprint).await?;
        session.commit().await?;
        let Some(row) = row else { return Err(ComposeError::NoIssue { id }) };
        if row.laid_out_at.is_none() {
            self.pass(&row).await?;
        }
        let mut reader = self.store.read().await?;
        let goes_on = reader.correction(id, &fingerprint).await?.is_some_and(|row| row.laid_out_at.is_none());
        Ok(Corrected { recipients: reader.correction_recipients(row.id).await?, fresh, goes_on })
    }

    /// The correction as it is mailed in a language, to those who had the issue under that subject.
    fn letter_of(&self, said: &Said<'_>, locale: &Locale, subject: &str) -> Result<RenderedMail, ComposeError> {
        let letter = Letter::Correction { text: &said.text, subject, date: said.date };
        let frame = self.frame(said.digest, locale);
        if said.is_taken {
            return Ok(self.renderer.letter_in_any_case(&frame, &letter, &*self.random)?);
        }
        let mail = self.renderer.letter(&frame, &letter, &*self.random)?;
        match mail.html.len() {
            octets if octets > HTML_LIMIT => Err(ComposeError::LongCorrection { octets, limit: HTML_LIMIT }),
            _ => Ok(mail),
        }
    }

    /// The correction for those who have the issue in another language or under another subject than its own.
    async fn letters_of_mails(
        &self,
        reader: &mut Session,
        said: &Said<'_>,
        issue: &IssueRow,
    ) -> Result<Vec<Correction>, ComposeError> {
        let render = |((locale, subject), of_mails): ((Locale, String), Vec<i64>)| {
            Ok(Correction { mail: self.letter_of(said, &locale, &subject)?, locale, of_mails })
        };
        self.other_mails(reader, said.digest, issue).await?.into_iter().map(render).collect()
    }

    /// The mails of an issue in another language or under another subject than its own. Where a story was withdrawn, the subject
    /// is that of what is left: it shall not be told again.
    async fn other_mails(
        &self,
        reader: &mut Session,
        digest: &Digest,
        issue: &IssueRow,
    ) -> Result<BTreeMap<(Locale, String), Vec<i64>>, ComposeError> {
        let mails = reader.mails_of_issue(issue.id).await?;
        let is_less = reader.articles_of_issue(issue.id).await?.iter().any(|row| row.withdrawn_at.is_some());
        let left = if is_less { Some(self.frozen(reader, issue, digest).await?) } else { None };
        let mut alike = BTreeMap::<(Locale, String), Vec<i64>>::new();
        for mail in mails {
            let locale = locale_of(&mail.locale, digest);
            let subject = match &left {
                Some(left) => left.subject(&mail.topics, &locale)?,
                None => mail.subject,
            };
            if locale != digest.locale || subject != issue.subject {
                alike.entry((locale, subject)).or_default().push(mail.id);
            }
        }
        Ok(alike)
    }

    /// Makes what a correction lacks for those whose mail of the issue was made after it, as of a choice that came up since. Says
    /// how many mails the issue has.
    async fn complete(&self, correction: &CorrectionRow, issue: &IssueRow) -> Result<usize, ComposeError> {
        let mut reader = self.store.read().await?;
        let mails = reader.mails_of_issue(issue.id).await?.len();
        let texts = reader.corrections_with_text(issue.id).await?;
        let Some(body) = texts.into_iter().find(|row| row.id == correction.id).map(|row| row.body) else {
            return Ok(mails);
        };
        let digest = &self.digest_then(&mut reader, issue).await?;
        let known: BTreeMap<i64, i64> = reader.correction_mails(correction.id).await?.into_iter().collect();
        let others = self.other_mails(&mut reader, digest, issue).await?;
        drop(reader);
        if others.values().flatten().all(|mail| known.contains_key(mail)) {
            return Ok(mails);
        }
        let said = Said::taken(digest, issue, &body);
        let mut session = self.store.write(Durability::Full).await?;
        session.lock_digest(&digest.id).await?;
        // A withdrawal may have named them anew.
        let known: BTreeMap<i64, i64> = session.correction_mails(correction.id).await?.into_iter().collect();
        for ((locale, subject), of_mails) in self.other_mails(&mut session, digest, issue).await? {
            let mut mail = of_mails.iter().find_map(|of_mail| known.get(of_mail)).copied();
            for of_mail in of_mails.into_iter().filter(|of_mail| !known.contains_key(of_mail)) {
                let mail = match mail {
                    Some(mail) => mail,
                    None => {
                        let made = self.letter_of(&said, &locale, &subject)?;
                        *mail.insert(self.keep_correction(&mut session, digest, &locale, &made).await?)
                    }
                };
                session.set_correction_mail(correction.id, of_mail, mail).await?;
            }
        }
        session.commit().await?;
        Ok(mails)
    }

    /// Makes the corrections of an issue anew that are named by what has been withdrawn: no further one goes out as it was.
    pub(super) async fn correct_anew(
        &self,
        session: &mut Session,
        digest: &Digest,
        issue: &IssueRow,
    ) -> Result<(), ComposeError> {
        for correction in session.corrections_with_text(issue.id).await? {
            let said = Said::taken(digest, issue, &correction.body);
            let whole = self.letter_of(&said, &digest.locale, &issue.subject)?;
            let mut known: BTreeMap<i64, i64> = session.correction_mails(correction.id).await?.into_iter().collect();
            let whole = self.instead_of(session, digest, &digest.locale, correction.mail_id, &whole).await?;
            let mut instead = BTreeMap::from([(correction.mail_id, whole)]);
            for other in self.letters_of_mails(session, &said, issue).await? {
                let mut new = None;
                for of_mail in other.of_mails {
                    let old = known.remove(&of_mail).unwrap_or(correction.mail_id);
                    let mail = match new {
                        Some(mail) => mail,
                        None => self.instead_of(session, digest, &other.locale, old, &other.mail).await?,
                    };
                    new = Some(mail);
                    instead.entry(old).or_insert(mail);
                    session.set_correction_mail(correction.id, of_mail, mail).await?;
                }
            }
            // Theirs is the subject of the whole issue now.
            for old in known.into_values() {
                instead.entry(old).or_insert(whole);
            }
            session.name_correction_anew(correction.id, whole).await?;
            for (old, new) in instead.into_iter().filter(|(old, new)| old != new) {
                session.replace_correction(old, new).await?;
            }
        }
        Ok(())
    }

    /// The mail that goes out in place of `old`: itself, where it has the same subject.
    async fn instead_of(
        &self,
        session: &mut Session,
        digest: &Digest,
        locale: &Locale,
        old: i64,
        mail: &RenderedMail,
    ) -> Result<i64, ComposeError> {
        match session.mail(old).await? {
            Some(row) if row.subject == mail.subject => Ok(old),
            _ => self.keep_correction(session, digest, locale, mail).await,
        }
    }

    async fn keep_correction(
        &self,
        session: &mut Session,
        digest: &Digest,
        locale: &Locale,
        mail: &RenderedMail,
    ) -> Result<i64, ComposeError> {
        let salt = PublicId::new(&*self.random);
        let mail = new_mail(None, "correction", digest, ALL_TOPICS, locale, mail, salt.as_str());
        Ok(session.insert_mail(&mail, self.clock.now()).await?)
    }

    /// Lays out a correction that another process left behind, or whose issue has been sent in the meantime.
    pub(super) async fn lay_out_correction(&self, correction: &CorrectionRow) -> Result<(), ComposeError> {
        let issue = self.known_issue(correction.issue_id).await?;
        // While the issue is being sent, one pass is enough at the beginning.
        if is_under_way(&issue) && correction.layout_after == 0 { Ok(()) } else { self.pass(correction).await }
    }

    /// One pass over all who have received the issue. It is the last one when nobody can receive it any more.
    async fn pass(&self, correction: &CorrectionRow) -> Result<(), ComposeError> {
        let issue = self.known_issue(correction.issue_id).await?;
        let is_last = !is_under_way(&issue);
        let mut after = correction.layout_after;
        let mut mails = self.complete(correction, &issue).await?;
        while let Some(upto) = self.store.read().await?.correction_chunk_end(issue.id, after, CHUNK).await? {
            let mut session = self.store.write(Durability::Full).await?;
            session.lay_out_correction(correction.id, after..upto, PRIORITY, self.clock.now()).await?;
            if session.mails_of_issue(issue.id).await?.len() != mails {
                // A mail has been made since, and somebody may have received it by now.
                drop(session);
                mails = self.complete(correction, &issue).await?;
                continue;
            }
            session.commit().await?;
            after = upto;
        }
        let mut session = self.store.write(Durability::Full).await?;
        session.end_correction(correction.id, is_last && correction.layout_after == 0, self.clock.now()).await?;
        Ok(session.commit().await?)
    }
}

/// Whether somebody may still receive an issue. Of one that was cancelled a relay may have some until it has come to its end.
fn is_under_way(issue: &IssueRow) -> bool {
    match issue.state {
        IssueState::Sending | IssueState::Held => true,
        IssueState::Cancelled => issue.finished_at.is_none(),
        _ => false,
    }
}
