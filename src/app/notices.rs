//! Queues the mails about subscriptions: each rendered once for all who get the same words.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use chrono::NaiveDate;
use data_encoding::HEXLOWER;

use crate::alerts::Alerts;
use crate::compose::{IssueContent, latest_issue, linked, new_mail};
use crate::config::{Config, Digest};
use crate::domain::{Clock, EmailAddress, Locale, PublicId, Random, UtcMillis};
use crate::render::{Frame, Had, Letter, RenderedMail, Renderer, Valid, Wanted};
use crate::schedule::local_day;
use crate::store::{NewDelivery, NewMail, Session};
use crate::subscribers::{Chosen, Keys, Notice, NoticeKind, Notify, NotifyError, Pauses, SecretLink, Topics};

/// Where notices stand in the queue: before everything else.
const PRIORITY: i64 = 0;

/// How many mails are kept rendered.
const KEPT: usize = 64;

/// Renders and queues notices. Cheap to clone.
#[derive(Clone)]
pub struct Notices {
    config: Arc<Config>,
    renderer: Arc<Renderer>,
    keys: Arc<Keys>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    alerts: Option<Alerts>,
    kept: Arc<Mutex<HashMap<String, Arc<Rendered>>>>,
}

/// A mail, and the hash by which another process finds the same one in the store.
struct Rendered {
    mail: RenderedMail,
    fingerprint: String,
}

impl Notices {
    /// Over these templates.
    pub fn new(
        config: Arc<Config>,
        renderer: Arc<Renderer>,
        keys: Arc<Keys>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self { config, renderer, keys, clock, random, alerts: None, kept: Arc::default() }
    }

    /// The same, of which the operator hears by a warning, beside the log, what a template of theirs failed with.
    #[must_use]
    pub fn with_alerts(self, alerts: Alerts) -> Self {
        Self { alerts: Some(alerts), ..self }
    }

    /// The mail, which all who get the same words share. `words` tells it from others of its digest and locale.
    fn rendered(&self, frame: &Frame<'_>, letter: &Letter<'_>, words: &str) -> Result<Arc<Rendered>, NotifyError> {
        let key = format!("{words}\n{}\n{}", frame.digest.id, frame.locale);
        if let Some(kept) = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(Arc::clone(kept));
        }
        let mail = self.renderer.letter_in_any_case(frame, letter, &*self.random)?;
        if let Some(error) = &mail.failed {
            self.warn(frame, letter, error);
        }
        let rendered = Arc::new(Rendered { fingerprint: fingerprint(&mail, frame), mail });
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(key, Arc::clone(&rendered));
        Ok(rendered)
    }

    /// Tells the operator that a letter went out by the built-in template.
    fn warn(&self, frame: &Frame<'_>, letter: &Letter<'_>, error: &str) {
        let Some(alerts) = &self.alerts else { return };
        let (letter, digest) = (letter.template(), &frame.digest.id);
        let subject = format!("The template `{letter}` failed on a mail of {digest}");
        let text = format!(
            "The mail, or more of them, could not be made by your template, so the built-in one stood in for it: {error}.\nPut it \
             right: `postround config check` tries it, and a SIGHUP makes a running `serve` take it."
        );
        alerts.raise(&format!("template:{letter}:{digest}"), &subject, &text);
    }

    /// The mail's id in the store, where it may be already.
    async fn stored(
        &self,
        session: &mut Session,
        frame: &Frame<'_>,
        kind: &str,
        rendered: &Rendered,
        now: UtcMillis,
    ) -> Result<i64, NotifyError> {
        if let Some(id) = session.mail_by_fingerprint(&rendered.fingerprint).await? {
            return Ok(id);
        }
        let salt = PublicId::new(&*self.random);
        let new = NewMail {
            fingerprint: Some(&rendered.fingerprint),
            ..new_mail(None, kind, frame.digest, "", frame.locale, &rendered.mail, salt.as_str())
        };
        Ok(session.insert_mail(&new, now).await?)
    }

    /// What the confirmation names: each digest that was chosen, with the topics where it is not all of them.
    fn wanted(&self, choice: &[Chosen], locale: &Locale) -> Vec<Wanted> {
        let wanted = |chosen: &Chosen| {
            let digest = self.config.digest(&chosen.digest)?;
            let topics = match &chosen.topics {
                Topics::All => Vec::new(),
                Topics::Only(topics) => {
                    topics.iter().map(|topic| self.config.topic_title(topic, locale, &digest.locale)).collect()
                }
            };
            Some(Wanted { digest: digest.title.clone(), topics })
        };
        choice.iter().filter_map(wanted).collect()
    }

    /// What somebody has already of what was asked for.
    fn had(&self, digests: &[String], pauses: &Pauses) -> Vec<Had> {
        let had = |digest: &Digest| Had {
            digest: digest.title.clone(),
            paused_until: pauses.until(&digest.id).map(|until| local_day(until, digest.timezone())),
        };
        digests.iter().filter_map(|digest| self.config.digest(digest)).map(had).collect()
    }

    /// The digest in whose looks a mail about several comes, by the name of who sends them.
    fn of_all(&self, digest: &Digest, kind: &NoticeKind) -> Digest {
        let sender = match kind {
            NoticeKind::Confirm { choice, .. } => {
                self.config.sender_of(choice.iter().map(|chosen| chosen.digest.as_str()))
            }
            NoticeKind::AlreadySubscribed { digests, .. } => self.config.sender_of(digests.iter().map(String::as_str)),
            _ => &digest.sender,
        };
        Digest { title: sender.name.clone(), sender: sender.clone(), ..digest.clone() }
    }

    /// The day of the first issue of any of those that were chosen.
    fn first_issue(&self, choice: &[Chosen], pauses: &Pauses, now: UtcMillis) -> Option<NaiveDate> {
        let digests = choice.iter().filter_map(|chosen| self.config.digest(&chosen.digest));
        let next = digests
            .filter_map(|digest| Some((digest.schedule.next_after(pauses.over(&digest.id, now))?, digest.timezone())))
            .min_by_key(|(at, _)| *at);
        next.map(|(at, zone)| local_day(at, zone))
    }

    /// The digest's latest issue, as far as it is of the topics that the subscriber has chosen.
    async fn latest(
        &self,
        session: &mut Session,
        subscriber: i64,
        (digest, locale): (&Digest, &Locale),
    ) -> Result<Option<(i64, IssueContent)>, NotifyError> {
        let subscriptions = session.subscriptions_among(&[subscriber]).await?;
        let Some(subscription) = subscriptions.into_iter().find(|have| have.digest == digest.id) else {
            return Ok(None);
        };
        let latest = latest_issue(session, &self.config, (digest, locale), &subscription.topics).await?;
        // Clicks are counted for an issue's own mails.
        Ok(latest.map(|(id, content)| (id, linked(content, digest, None, &|_: &PublicId, _: i64| String::new()))))
    }
}

impl Notify for Notices {
    async fn notify(&self, session: &mut Session, notice: &Notice) -> Result<(), NotifyError> {
        let now = self.clock.now();
        let digest = self.digest(notice)?;
        let (mail, kind) = self.mail(session, notice, now).await?;
        let delivery = NewDelivery {
            mail,
            issue: None,
            kind,
            digest: Some(&digest.id),
            subscriber: Some(notice.subscriber),
            address: &notice.address,
            name: "",
            priority: PRIORITY,
            link: link_of(&notice.kind).map(|link| link.0.as_str()),
        };
        session.insert_notice(&delivery, &self.keys.address_hash(&notice.address), now).await?;
        Ok(())
    }

    async fn rehearse(&self, session: &mut Session, notice: &Notice) -> Result<(), NotifyError> {
        self.mail(session, notice, self.clock.now()).await.map(|_| ())
    }
}

impl Notices {
    /// The digest that a notice is about.
    fn digest(&self, notice: &Notice) -> Result<&Digest, NotifyError> {
        let digest = self.config.digest(&notice.digest);
        Ok(digest.ok_or("the digest that it is about is gone from the configuration")?)
    }

    /// Renders the mail of a notice, unless others have got the same before; gives its row and its kind.
    async fn mail(
        &self,
        session: &mut Session,
        notice: &Notice,
        now: UtcMillis,
    ) -> Result<(i64, &'static str), NotifyError> {
        let digest = self.digest(notice)?;
        let locale = notice.locale.as_ref().unwrap_or(&digest.locale);
        let valid = |until: &UtcMillis| Valid::of_millis(until.0 - now.0);
        let latest = match notice.kind {
            NoticeKind::Welcome => self.latest(session, notice.subscriber, (digest, locale)).await?,
            _ => None,
        };
        let letter = match &notice.kind {
            NoticeKind::Confirm { choice, pauses, expires_at, reminder, .. } => Letter::Confirmation {
                wanted: self.wanted(choice, locale),
                first_issue: self.first_issue(choice, pauses, now),
                valid: valid(expires_at),
                days: whole_days(self.config.confirmation.forget_after),
                reminder: *reminder,
            },
            NoticeKind::AlreadySubscribed { digests, pauses } => Letter::Subscribed { had: self.had(digests, pauses) },
            NoticeKind::AddressTaken => Letter::Taken,
            NoticeKind::ManageLink { expires_at, .. } => Letter::Manage { valid: valid(expires_at) },
            NoticeKind::ChangeAddress { expires_at, .. } => Letter::Address { valid: valid(expires_at) },
            NoticeKind::AddressChanged => Letter::Moved,
            NoticeKind::Goodbye { expires_at, .. } => Letter::Goodbye { valid: valid(expires_at) },
            NoticeKind::Welcome => Letter::Welcome { latest: latest.as_ref().map(|(_, content)| content) },
        };
        let of_all = letter.is_of_several().then(|| self.of_all(digest, &notice.kind));
        let digest = of_all.as_ref().unwrap_or(digest);
        let frame = Frame { digest, config: &self.config, locale, test: false };
        let words = match (&letter, &latest) {
            (Letter::Welcome { .. }, Some((issue, content))) => format!("welcome {issue} {}", stories_of(content)),
            _ => format!("{letter:?}"),
        };
        let rendered = self.rendered(&frame, &letter, &words)?;
        let kind = kind_of(&notice.kind, &letter);
        let mail = self.stored(session, &frame, letter.template(), &rendered, now).await?;
        Ok((mail, kind))
    }
}

/// Never less than it is.
fn whole_days(time: Duration) -> u32 {
    u32::try_from(time.as_secs().div_ceil(86_400)).unwrap_or(u32::MAX)
}

/// What the delivery of a notice is called: as its template, but that a reminder was not asked for.
fn kind_of(kind: &NoticeKind, letter: &Letter<'_>) -> &'static str {
    match kind {
        NoticeKind::Confirm { reminder: true, .. } => "reminder",
        _ => letter.template(),
    }
}

fn link_of(kind: &NoticeKind) -> Option<&SecretLink> {
    match kind {
        NoticeKind::Confirm { link, .. }
        | NoticeKind::ManageLink { link, .. }
        | NoticeKind::ChangeAddress { link, .. }
        | NoticeKind::Goodbye { link, .. } => Some(link),
        NoticeKind::AlreadySubscribed { .. }
        | NoticeKind::AddressTaken
        | NoticeKind::AddressChanged
        | NoticeKind::Welcome => None,
    }
}

fn stories_of(content: &IssueContent) -> String {
    content.articles().map(|article| article.canonical.as_str()).collect::<Vec<_>>().join(" ")
}

/// What makes two mails the same for their readers: sender, subject and both parts, without the random marks.
fn fingerprint(mail: &RenderedMail, frame: &Frame<'_>) -> String {
    let sender = &frame.digest.sender;
    let reply_to = sender.reply_to.as_ref().map(EmailAddress::as_str).unwrap_or_default();
    let about = [&*frame.digest.id, &frame.config.server.public_url, &sender.name, sender.email.as_str(), reply_to];
    let parts = [&mail.subject, &mail.html, &mail.text].map(|part| part.replace(&mail.marker, "\0"));
    let same = about.into_iter().chain(parts.iter().map(String::as_str)).collect::<Vec<_>>().join("\n\0");
    HEXLOWER.encode(digest(&SHA256, same.as_bytes()).as_ref())
}
