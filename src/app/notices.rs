//! Queues the mails about subscriptions: each rendered once for all who get the same words.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use data_encoding::HEXLOWER;

use crate::compose::new_mail;
use crate::config::{Config, Digest};
use crate::domain::{Clock, PublicId, Random, SystemRandom, UtcMillis};
use crate::render::{self, Frame, Renderer};
use crate::schedule::local_day;
use crate::store::{NewDelivery, NewMail, Session};
use crate::subscribers::{Notice, NoticeKind, Notify, NotifyError};

/// Where notices stand in the queue: before everything else.
const PRIORITY: i64 = 0;

/// Renders and queues notices.
pub struct Notices {
    config: Arc<Config>,
    renderer: Arc<Renderer>,
    clock: Arc<dyn Clock>,
}

impl Notices {
    /// Over these templates.
    pub fn new(config: Arc<Config>, renderer: Arc<Renderer>, clock: Arc<dyn Clock>) -> Self {
        Self { config, renderer, clock }
    }
}

impl Notify for Notices {
    async fn notify(&self, session: &mut Session, notice: &Notice) -> Result<(), NotifyError> {
        let now = self.clock.now();
        let mail = self.mail(session, notice, now).await?;
        let NoticeKind::Confirm { link, .. } = &notice.kind else {
            return Err("there is no template for this notice".into());
        };
        let delivery = NewDelivery {
            mail,
            issue: None,
            kind: "confirmation",
            digest: Some(&notice.digest),
            subscriber: Some(notice.subscriber),
            address: &notice.address,
            name: "",
            priority: PRIORITY,
            link: Some(&link.0),
        };
        session.insert_delivery(&delivery, now).await?;
        Ok(())
    }

    async fn rehearse(&self, session: &mut Session, notice: &Notice) -> Result<(), NotifyError> {
        self.mail(session, notice, self.clock.now()).await.map(|_| ())
    }
}

impl Notices {
    /// Renders the mail of a notice, unless others have got the same before; gives its row.
    async fn mail(&self, session: &mut Session, notice: &Notice, now: UtcMillis) -> Result<i64, NotifyError> {
        let digest_of = self.config.digest(&notice.digest);
        let digest_of = digest_of.ok_or("the digest that it is about is gone from the configuration")?;
        let NoticeKind::Confirm { choice, expires_at, .. } = &notice.kind else {
            return Err("there is no template for this notice".into());
        };
        let locale = notice.locale.as_ref().unwrap_or(&digest_of.locale);
        let first_issue = digest_of.schedule.next_after(now).map(|at| local_day(at, digest_of.timezone()));
        let valid_days = u32::try_from((expires_at.0 - now.0) / 86_400_000).unwrap_or_default();
        // The link confirms all that was chosen, so the mail names all of it.
        let titles: Vec<&str> = choice
            .iter()
            .filter_map(|chosen| self.config.digest(&chosen.digest))
            .map(|digest| digest.title.as_str())
            .collect();
        let named = Digest { title: titles.join(", "), ..digest_of.clone() };
        let frame = Frame { digest: &named, config: &self.config, locale, test: false };
        // All who are asked about a digest on one day get the same mail, so that it is stored once. Nothing in it comes
        // from a feed, which could forge a mark.
        let mail =
            self.renderer.confirmation(&frame, &render::Confirmation { first_issue, valid_days }, &Same::default())?;
        let fingerprint = HEXLOWER.encode(digest(&SHA256, mail.mime.as_bytes()).as_ref());
        match session.mail_by_fingerprint(&fingerprint).await? {
            Some(id) => Ok(id),
            None => {
                let salt = PublicId::new(&SystemRandom);
                let new = NewMail {
                    fingerprint: Some(&fingerprint),
                    ..new_mail(None, "confirmation", digest_of, "", locale, &mail, salt.as_str())
                };
                Ok(session.insert_mail(&new, now).await?)
            }
        }
    }
}

/// The same bytes for each rendering, and other ones for each use within it.
#[derive(Default)]
struct Same(AtomicU64);

impl Random for Same {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(SHA256_OUTPUT_LEN) {
            let count = self.0.fetch_add(1, Ordering::Relaxed);
            chunk.copy_from_slice(&digest(&SHA256, &count.to_be_bytes()).as_ref()[..chunk.len()]);
        }
    }
}
