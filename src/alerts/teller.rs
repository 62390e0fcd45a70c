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
use crate::store::{Durability, NewDelivery, NewMail, Store, StoreError};

/// How long the same warning is not repeated.
const HOUR: Duration = Duration::from_secs(3_600);

/// How long it is known that a warning was given.
const KEPT: Duration = Duration::from_secs(90 * 24 * 3_600);

/// How often it is tried again to mail what the store did not take, and how many warnings wait for that.
const AGAIN: Duration = Duration::from_secs(60);
const UNMAILED: usize = 64;

/// Where warnings stand in the queue: behind notices, before all else.
const PRIORITY: i64 = 5;

/// How much a mail has of a warning's subject and of each of its lines, in octets, and of how many lines: what a relay or a
/// template has said may have any length, and the log has all of it.
const SUBJECT: usize = 200;
const LINE: usize = 1_000;
const LINES: usize = 12;

/// How long one warning may take, whatever the store and the webhook do.
const PATIENCE: Duration = Duration::from_secs(120);

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
        let mut unmailed: Vec<Alert> = Vec::new();
        loop {
            let raised = timeout(AGAIN, self.raised.recv()).await;
            unmailed = self.mail_again(unmailed).await;
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
            let is_mailed = timeout(PATIENCE, self.tell(&alert)).await.unwrap_or_else(|_| {
                tracing::warn!(key = alert.key, "a warning took too long, and may not have come to everybody");
                false
            });
            if !is_mailed && alert.once && unmailed.len() < UNMAILED {
                unmailed.push(alert);
            }
        }
    }

    /// Queues the mails of warnings that have been posted; gives those that the store does not take yet.
    async fn mail_again(&self, unmailed: Vec<Alert>) -> Vec<Alert> {
        let mut left = Vec::new();
        for alert in unmailed {
            if !matches!(timeout(PATIENCE, self.queue(&alert)).await, Ok(Ok(_))) {
                left.push(alert);
            }
        }
        left
    }

    /// Gives one warning, unless some process has done so within the last hour, or ever where it is told once. Says whether its
    /// mail is queued, where it has one to queue.
    pub async fn tell(&self, alert: &Alert) -> bool {
        let text = without_addresses(&alert.text);
        let mailed = self.queue(alert).await;
        match &mailed {
            Ok(false) => return true,
            Ok(true) => {}
            // The webhook needs no store.
            Err(error) => tracing::warn!(key = alert.key, error, "a warning could not be mailed"),
        }
        tracing::error!(key = alert.key, text, "{}", alert.subject);
        let Some(webhook) = &self.config.alerts.webhook else { return mailed.is_ok() };
        let document = serde_json::json!({
            "key": alert.key,
            "subject": alert.subject,
            "text": text,
            "instance": self.config.server.public_url,
            "at": self.clock.now().to_string(),
        });
        if let Err(error) = self.poster.post(webhook, &document).await {
            tracing::warn!(key = alert.key, %error, "the webhook of [alerts] did not take a warning");
        }
        mailed.is_ok()
    }

    /// Takes the warning, and queues its mail where there is an address. `false`: it has been given.
    async fn queue(&self, alert: &Alert) -> Result<bool, String> {
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
