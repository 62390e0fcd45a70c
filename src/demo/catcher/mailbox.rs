//! The mails that were caught, in memory, shared by the catcher and whoever reads them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::domain::{Clock, SystemClock, UtcMillis};

/// A mail as it came over the wire.
#[derive(Clone, PartialEq, Eq)]
pub struct Caught {
    /// Its number, counted from 1 in the order of arrival.
    pub id: u64,
    /// When its final dot was read.
    pub at: UtcMillis,
    /// The number of the connection that brought it.
    pub connection: u64,
    /// The envelope sender; empty for `<>`.
    pub envelope_from: String,
    /// The envelope recipients, in their order.
    pub recipients: Vec<String>,
    /// Header and body, with the added dots taken away, lines ended by CR LF.
    pub raw: Vec<u8>,
}

/// Shows neither addresses nor content: a failed test prints whole mailboxes.
impl fmt::Debug for Caught {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (recipients, size) = (self.recipients.len(), self.raw.len());
        write!(f, "Caught({}, {}, {recipients} recipients, {size} octets)", self.id, self.at)
    }
}

/// Fewer mails came than were waited for.
#[derive(Debug, thiserror::Error)]
#[error("waited {waited:?} for {wanted} mails, and {came} came")]
pub struct MailsMissing {
    /// How many were waited for.
    pub wanted: usize,
    /// How many were there at the end.
    pub came: usize,
    /// How long it was waited.
    pub waited: Duration,
}

/// A mailbox for every address. Clones share the same mails.
#[derive(Clone)]
pub struct Mailbox {
    mails: watch::Sender<Vec<Arc<Caught>>>,
    clock: Arc<dyn Clock>,
}

impl Mailbox {
    /// An empty one, whose mails get their time from `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { mails: watch::Sender::new(Vec::new()), clock }
    }

    /// The mails so far, the oldest first.
    pub fn messages(&self) -> Vec<Arc<Caught>> {
        self.mails.borrow().clone()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.mails.borrow().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The mail of that number.
    pub fn message(&self, id: u64) -> Option<Arc<Caught>> {
        let index = usize::try_from(id).ok()?.checked_sub(1)?;
        self.mails.borrow().get(index).cloned()
    }

    /// The mails as soon as there are `count` of them.
    ///
    /// # Errors
    /// [`MailsMissing`] when that took longer than `timeout`.
    pub async fn wait_for(&self, count: usize, timeout: Duration) -> Result<Vec<Arc<Caught>>, MailsMissing> {
        let mut mails = self.mails.subscribe();
        // The sender cannot be gone: `self` holds one.
        match tokio::time::timeout(timeout, mails.wait_for(|mails| mails.len() >= count)).await {
            Ok(Ok(mails)) => Ok(mails.clone()),
            Ok(Err(_)) | Err(_) => Err(MailsMissing { wanted: count, came: self.len(), waited: timeout }),
        }
    }

    /// Puts a mail in; gives its number.
    pub(super) fn put(&self, connection: u64, envelope_from: String, recipients: Vec<String>, raw: Vec<u8>) -> u64 {
        let at = self.clock.now();
        let mut id = 0;
        self.mails.send_modify(|mails| {
            id = mails.len() as u64 + 1;
            mails.push(Arc::new(Caught { id, at, connection, envelope_from, recipients, raw }));
        });
        id
    }
}

/// On the machine's clock.
impl Default for Mailbox {
    fn default() -> Self {
        Self::new(Arc::new(SystemClock))
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mailbox({} mails)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiting_ends_with_the_mail_or_says_how_many_are_missing() {
        let mailbox = Mailbox::default();
        let waiting = mailbox.clone();
        let waiter = tokio::spawn(async move { waiting.wait_for(2, Duration::from_secs(10)).await });
        assert_eq!(mailbox.put(1, String::new(), vec!["a@b.example".to_owned()], Vec::new()), 1);
        assert_eq!(mailbox.put(1, String::new(), vec!["c@d.example".to_owned()], Vec::new()), 2);
        assert_eq!(waiter.await.unwrap().unwrap().len(), 2);
        let missing = mailbox.wait_for(3, Duration::from_millis(10)).await.unwrap_err();
        assert_eq!((missing.wanted, missing.came), (3, 2));
    }

    #[test]
    fn mails_are_found_by_their_number_only() {
        let mailbox = Mailbox::default();
        mailbox.put(1, String::new(), Vec::new(), Vec::new());
        assert!(mailbox.message(1).is_some());
        assert!(mailbox.message(0).is_none() && mailbox.message(2).is_none() && mailbox.message(u64::MAX).is_none());
    }
}
