//! Gives the warnings: each at most once an hour, by mail and by webhook.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::{Alert, Poster};
use crate::config::{Config, Digest};
use crate::domain::{Clock, Locale, PublicId, Random, UtcMillis};
use crate::render::{Frame, Letter, Renderer};
use crate::store::{Durability, NewDelivery, NewMail, Store, StoreError, UnpostedAlert};

/// How long the same warning is not repeated.
const HOUR: Duration = Duration::from_secs(3_600);

/// How long it is known that a warning was given.
const KEPT: Duration = Duration::from_secs(90 * 24 * 3_600);

/// How often it is tried again to mail what the store did not take, and how many warnings wait for that.
const AGAIN: Duration = Duration::from_secs(60);
const UNMAILED: usize = 64;

/// How long it is tried again to post what is told once; the pauses grow from [`AGAIN`] up to [`HOUR`].
const POSTED_WITHIN: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Where warnings stand in the queue: behind notices, before all else.
const PRIORITY: i64 = 5;

/// How much a mail has of a warning's subject and of each of its lines, in octets, and of how many lines: what a relay or a
/// template has said may have any length, and the log has all of it.
const SUBJECT: usize = 200;
const LINE: usize = 1_000;
const LINES: usize = 12;

/// How long one warning may take, whatever the store and the webhook do.
const PATIENCE: Duration = Duration::from_secs(120);

/// What has come of a warning.
#[derive(Clone, Copy, Debug)]
struct Told {
    /// The store has it.
    kept: bool,
    /// The webhook has it, where there is one.
    posted: bool,
}

/// Gives the warnings that are raised.
pub struct Teller {
    /// What was raised.
    pub raised: mpsc::Receiver<Alert>,
    /// The configuration.
    pub config: Arc<Config>,
    /// The queue.
    pub store: Store,
    /// The templates.
    pub renderer: Arc<Renderer>,
    /// The way to the webhook.
    pub poster: Poster,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
}

impl Teller {
    /// Gives what is raised, until nobody can raise any more.
    pub async fn run(&mut self) {
        // When the store itself is the trouble, at least this process does not repeat itself. By a clock that never steps.
        let mut given: HashMap<String, Instant> = HashMap::new();
        // Nobody raises again what is told once.
        let mut unmailed: Vec<(Alert, Told)> = Vec::new();
        loop {
            let raised = timeout(AGAIN, self.raised.recv()).await;
            unmailed = self.mail_again(unmailed).await;
            self.post_again().await;
            let alert = match raised {
                Err(_) => continue,
                Ok(None) => return,
                Ok(Some(alert)) => alert,
            };
            if given.get(&alert.key).is_some_and(|at| alert.once || at.elapsed() < HOUR) {
                continue;
            }
            given.retain(|_, at| at.elapsed() < KEPT);
            given.insert(alert.key.clone(), Instant::now());
            let told = timeout(PATIENCE, self.give(&alert)).await.unwrap_or_else(|_| {
                tracing::warn!(key = alert.key, "a warning took too long, and may not have come to everybody");
                Told { kept: false, posted: false }
            });
            if !told.kept && alert.once && unmailed.len() < UNMAILED {
                unmailed.push((alert, told));
            }
        }
    }

    /// Queues the mails of warnings that the store has not taken; gives those that it does not take yet.
    async fn mail_again(&self, unmailed: Vec<(Alert, Told)>) -> Vec<(Alert, Told)> {
        let mut left = Vec::new();
        for (alert, told) in unmailed {
            if !matches!(timeout(PATIENCE, self.queue(&alert, told.posted)).await, Ok(Ok(_))) {
                left.push((alert, told));
            }
        }
        left
    }

    /// Posts the warnings that are told once and that the webhook has not taken, also those of a process before this one, as
    /// far as they are due. After a failure the others wait: it is the same webhook.
    pub async fn post_again(&self) {
        if let Err(error) = timeout(PATIENCE, self.post_what_is_due()).await.unwrap_or(Ok(())) {
            tracing::debug!(%error, "what the webhook of [alerts] has not taken waits for the store");
        }
    }

    async fn post_what_is_due(&self) -> Result<(), StoreError> {
        if self.config.alerts.webhook.is_none() {
            return Ok(());
        }
        let now = self.clock.now();
        let due = self.store.read().await?.alerts_to_post(now).await?;
        for alert in due {
            let pause = AGAIN * 2_u32.pow(u32::try_from(alert.tries).unwrap_or_default().min(10));
            let mut session = self.store.write(Durability::Normal).await?;
            session.forget_unposted(now.minus(POSTED_WITHIN)).await?;
            let is_mine = session.take_post(&alert, now.plus(pause.min(HOUR))).await?;
            session.commit().await?;
            if !is_mine {
                continue;
            }
            if !self.post(&alert, false).await {
                return Ok(());
            }
            self.has_posted(&alert.name).await?;
        }
        Ok(())
    }

    async fn has_posted(&self, key: &str) -> Result<(), StoreError> {
        let mut session = self.store.write(Durability::Normal).await?;
        session.posted(key).await?;
        session.commit().await
    }

    /// Gives one warning, unless some process has done so within the last hour, or ever where it is told once.
    pub async fn tell(&self, alert: &Alert) {
        self.give(alert).await;
    }

    async fn give(&self, alert: &Alert) -> Told {
        let mailed = self.queue(alert, false).await;
        match &mailed {
            Ok(false) => return Told { kept: true, posted: true },
            Ok(true) => {}
            // The webhook needs no store.
            Err(error) => tracing::warn!(key = alert.key, error, "a warning could not be mailed"),
        }
        let to_post = self.unposted(alert);
        tracing::error!(key = alert.key, text = to_post.body, "{}", alert.subject);
        let told = Told { kept: mailed.is_ok(), posted: self.post(&to_post, true).await };
        if told.kept
            && told.posted
            && alert.once
            && let Err(error) = self.has_posted(&alert.key).await
        {
            tracing::warn!(key = alert.key, %error, "a warning may be posted once more");
        }
        told
    }

    /// What the webhook gets of a warning. It is tried again when whoever raised it has surely given up.
    fn unposted(&self, alert: &Alert) -> UnpostedAlert {
        let now = self.clock.now();
        UnpostedAlert {
            name: alert.key.clone(),
            subject: alert.subject.clone(),
            body: without_addresses(&alert.text),
            raised_at: now,
            tries: 0,
            due_at: now.plus(PATIENCE + AGAIN),
        }
    }

    /// Posts a warning where there is a webhook; says whether that is done. Other warnings wait for what is `patient`.
    async fn post(&self, alert: &UnpostedAlert, patient: bool) -> bool {
        let Some(webhook) = &self.config.alerts.webhook else { return true };
        let document = serde_json::json!({
            "key": alert.name,
            "subject": alert.subject,
            "text": alert.body,
            "instance": self.config.server.public_url,
            "at": alert.raised_at.to_string(),
        });
        let posted = self.poster.post(webhook, &document, patient).await;
        if let Err(error) = &posted {
            tracing::warn!(key = alert.name, %error, "the webhook of [alerts] did not take a warning");
        }
        posted.is_ok()
    }

    /// Takes the warning, and queues its mail where there is an address. What is told once is kept for the webhook until that has it,
    /// unless it is `posted`. `false`: it has been given.
    async fn queue(&self, alert: &Alert, posted: bool) -> Result<bool, String> {
        let failed = |error: StoreError| error.to_string();
        let now = self.clock.now();
        // What was given later than this from now on was so by a clock that was ahead, and would mute a lasting warning for as long.
        let lately =
            if alert.once { UtcMillis(i64::MIN)..UtcMillis(i64::MAX) } else { now.minus(HOUR)..now.plus(HOUR) };
        let rendered = self.rendered(alert)?;
        let mut session = self.store.write(Durability::Full).await.map_err(failed)?;
        session.forget_alerts(now.minus(KEPT)).await.map_err(failed)?;
        if !session.take_alert(&alert.key, now, lately).await.map_err(failed)? {
            return Ok(false);
        }
        if alert.once && !posted && self.config.alerts.webhook.is_some() {
            session.post_later(&self.unposted(alert)).await.map_err(failed)?;
        }
        if let (Some(address), Some(rendered)) = (&self.config.alerts.email, &rendered) {
            let (salt, locale) = (PublicId::new(&*self.random), Locale::default());
            let mail = NewMail {
                issue: None,
                kind: "alert",
                digest: None,
                topics: "",
                locale: locale.as_str(),
                subject: &rendered.subject,
                html: &rendered.html,
                text: &rendered.text,
                mime: &rendered.mime,
                marker: &rendered.marker,
                salt: salt.as_str(),
                fingerprint: None,
            };
            let mail = session.insert_mail(&mail, now).await.map_err(failed)?;
            let delivery = NewDelivery {
                mail,
                issue: None,
                kind: "alert",
                digest: None,
                subscriber: None,
                address,
                name: "",
                priority: PRIORITY,
                link: None,
            };
            session.insert_delivery(&delivery, now).await.map_err(failed)?;
        }
        session.commit().await.map_err(failed)?;
        Ok(true)
    }

    /// The mail, in the looks of the first digest and from the common sender; warnings are in English, as the log is.
    fn rendered(&self, alert: &Alert) -> Result<Option<crate::render::RenderedMail>, String> {
        let Some(first) = self.config.digests.first() else { return Ok(None) };
        let sender = self.config.sender.clone();
        let digest = Digest { title: sender.name.clone(), sender, ..first.clone() };
        let locale = Locale::default();
        let frame = Frame { digest: &digest, config: &self.config, locale: &locale, test: false };
        let letter = Letter::Alert {
            subject: &cut(&alert.subject, SUBJECT),
            text: &paragraphs(&without_addresses(&alert.text)),
        };
        let rendered = self.renderer.letter_in_any_case(&frame, &letter, &*self.random);
        rendered.map(Some).map_err(|error| error.to_string())
    }
}

/// What a mail has of a warning's text: of a line no more than says what it is about; of very many lines the first ones, and the
/// last, which mostly names the remedy.
fn paragraphs(text: &str) -> Vec<String> {
    let mut paragraphs: Vec<String> = text.lines().map(|line| cut(line, LINE)).collect();
    if let Some(last) = paragraphs.len().checked_sub(1).filter(|last| *last >= LINES) {
        paragraphs.splice(LINES - 2..last, ["(The log has the rest of it.)".to_owned()]);
    }
    paragraphs
}

fn cut(text: &str, octets: usize) -> String {
    let kept = &text[..text.floor_char_boundary(octets)];
    if kept.len() < text.len() { format!("{kept}…") } else { kept.to_owned() }
}

/// A text without anybody's address: what a relay answers may name a reader.
fn without_addresses(text: &str) -> String {
    let line = |line: &str| {
        let word = |word: &str| {
            let is_address = word.contains('@') && !word.contains("://");
            if is_address { "(an address)".to_owned() } else { word.to_owned() }
        };
        line.split(' ').map(word).collect::<Vec<_>>().join(" ")
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_names_nobodys_address() {
        let said = without_addresses("550 5.1.1 <zoe@reader.example>: unknown\nsee https://x.example/@desk");
        assert_eq!(said, "550 5.1.1 (an address) unknown\nsee https://x.example/@desk");
    }
}
