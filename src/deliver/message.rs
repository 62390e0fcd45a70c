//! From a claimed delivery to the message that goes out: the mail's constant pieces with the recipient's values between.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::BASE32_NOPAD;

use crate::dkim::{SignError, Signer};
use crate::domain::{EmailAddress, PublicId, UtcMillis};
use crate::render::{Message, SentBy, Slots, sender_of};
use crate::store::{ClaimedRow, Store, StoreError};

/// How many mails are kept parsed: an issue has one for each variant.
const KEPT: usize = 64;

/// Makes a recipient's links; they carry signed tokens, which this room knows nothing of.
pub trait Links: Send + Sync {
    /// The address that leaves `digest`, by GET a page, by POST at once.
    fn unsubscribe_url(&self, subscriber: &PublicId, digest: &str) -> String;

    /// The page where the subscriber chooses.
    fn preferences_url(&self, subscriber: &PublicId, digest: &str) -> String;

    /// As [`Links::unsubscribe_url`] for a test: the page shows itself and changes nothing.
    fn nobodys_unsubscribe_url(&self, digest: &str) -> String;

    /// As [`Links::preferences_url`] for a test: the page shows itself and changes nothing.
    fn nobodys_preferences_url(&self, digest: &str) -> String;
}

/// A mail ready for splicing.
pub struct Prepared {
    message: Message,
    salt: String,
    /// As it was when the mail was made, whatever is configured since: the same in each repeat.
    sender: EmailAddress,
}

/// A delivery in hand, with its mail.
pub struct Job {
    /// The row, as it was claimed.
    pub row: ClaimedRow,
    /// Where it goes.
    pub to: EmailAddress,
    mail: Arc<Prepared>,
    signed: Option<Box<Signed>>,
}

/// What has been signed: the message goes out just so. Little enough to be kept for each delivery in hand; the rest is
/// spliced again.
struct Signed {
    date: UtcMillis,
    urls: Urls,
    headers: String,
}

/// The recipient's links, by which the digest is left and changed.
struct Urls {
    unsubscribe: String,
    preferences: String,
}

impl Job {
    /// Puts a delivery and its mail together. `Err`: why this delivery can never go out.
    pub fn new(row: ClaimedRow, mail: Arc<Prepared>) -> Result<Self, Box<(ClaimedRow, String)>> {
        match EmailAddress::parse(&row.address) {
            Ok(to) => Ok(Self { row, to, mail, signed: None }),
            Err(error) => Err(Box::new((row, error.to_string()))),
        }
    }

    /// The envelope sender.
    pub fn from(&self) -> &EmailAddress {
        &self.mail.sender
    }

    /// About how many octets the message has, rather more than less.
    pub fn size(&self) -> usize {
        self.mail.message.len_hint() + self.signed.as_ref().map_or(0, |signed| signed.headers.len())
    }

    /// Signs the message as it would go out at that time.
    pub fn sign(&mut self, signer: &Signer, links: &dyn Links, date: UtcMillis) -> Result<(), SignError> {
        let urls = self.urls(links);
        let mut message = Vec::new();
        self.splice(&urls, date, &mut message);
        let headers = signer.sign(&message, date)?;
        self.signed = Some(Box::new(Signed { date, urls, headers }));
        Ok(())
    }

    /// Writes the message into `out`, its last line end included: as it was signed, or of that date.
    pub fn write(&self, links: &dyn Links, date: UtcMillis, out: &mut Vec<u8>) {
        self.write_dotted(links, date, out);
    }

    /// The same as SMTP wants it: a line that begins with a dot gets one more (RFC 5321, section 4.5.2). Our own encoder
    /// makes no such line.
    pub fn write_stuffed(&self, links: &dyn Links, date: UtcMillis, out: &mut Vec<u8>) {
        if self.write_dotted(links, date, out) {
            *out = stuffed(out);
        }
    }

    /// Says whether a line may begin with a dot.
    fn write_dotted(&self, links: &dyn Links, date: UtcMillis, out: &mut Vec<u8>) -> bool {
        out.clear();
        out.reserve(self.size() + 1024);
        match self.signed.as_deref() {
            Some(signed) => {
                out.extend_from_slice(signed.headers.as_bytes());
                self.splice(&signed.urls, signed.date, out)
            }
            None => self.splice(&self.urls(links), date, out),
        }
    }

    fn urls(&self, links: &dyn Links) -> Urls {
        let row = &self.row;
        let (unsubscribe, preferences) = match (&row.subscriber, &row.digest) {
            (Some(subscriber), Some(digest)) => {
                (links.unsubscribe_url(subscriber, digest), links.preferences_url(subscriber, digest))
            }
            // To an address that is no subscriber's: the links show their pages and change nothing.
            (None, Some(digest)) => (links.nobodys_unsubscribe_url(digest), links.nobodys_preferences_url(digest)),
            (_, None) => {
                let link = row.link.clone().unwrap_or_default();
                (link.clone(), link)
            }
        };
        Urls { unsubscribe, preferences }
    }

    fn splice(&self, urls: &Urls, date: UtcMillis, out: &mut Vec<u8>) -> bool {
        let slots = Slots {
            name: &self.row.name,
            address: &self.to,
            message_id: &message_id(&self.mail.salt, self.row.id, self.mail.sender.domain()),
            date,
            unsubscribe_url: &urls.unsubscribe,
            preferences_url: &urls.preferences,
            link: self.row.link.as_deref().unwrap_or_default(),
        };
        let dotted = self.mail.message.splice(&slots, out);
        if !out.ends_with(b"\r\n") {
            out.extend_from_slice(b"\r\n");
        }
        dotted
    }
}

/// The Message-ID of a delivery: the same for each attempt, so that receivers can drop a repeat, and another for each
/// recipient.
pub fn message_id(salt: &str, delivery: i64, domain: &str) -> String {
    let hash = digest(&SHA256, format!("{salt}:{delivery}").as_bytes());
    let letters = BASE32_NOPAD.encode(&hash.as_ref()[..17]).to_ascii_lowercase();
    format!("{}@{domain}", &letters[..26])
}

fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut stuffed = Vec::with_capacity(message.len() + 64);
    for line in message.split_inclusive(|octet| *octet == b'\n') {
        if line.starts_with(b".") {
            stuffed.push(b'.');
        }
        stuffed.extend_from_slice(line);
    }
    stuffed
}

/// The mails that were used last, parsed.
#[derive(Default)]
pub struct Mails {
    kept: Mutex<VecDeque<(i64, Arc<Prepared>)>>,
}

impl Mails {
    /// The mail of that id. The inner `Err` says why it can never go out.
    pub async fn get(&self, store: &Store, id: i64) -> Result<Result<Arc<Prepared>, String>, StoreError> {
        if let Some(mail) = self.kept(id) {
            return Ok(Ok(mail));
        }
        let Some(row) = store.read().await?.mail(id).await? else {
            return Ok(Err("the mail is not in the store any more".to_owned()));
        };
        let message = match Message::parse(&row.mime, &row.marker) {
            Ok(message) => message,
            Err(error) => return Ok(Err(format!("the stored mail is damaged: {error}"))),
        };
        let Some(SentBy { email: sender, .. }) = sender_of(&row.mime) else {
            return Ok(Err("the stored mail is damaged: it has no sender".to_owned()));
        };
        let mail = Arc::new(Prepared { message, salt: row.salt, sender });
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.truncate(KEPT - 1);
        kept.push_front((id, Arc::clone(&mail)));
        Ok(Ok(mail))
    }

    fn kept(&self, id: i64) -> Option<Arc<Prepared>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let place = kept.iter().position(|(kept, _)| *kept == id)?;
        let entry = kept.remove(place)?;
        let mail = Arc::clone(&entry.1);
        kept.push_front(entry);
        Some(mail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_id_is_stable_for_a_delivery_and_differs_between_them() {
        let id = message_id("salt", 7, "example.org");
        assert_eq!(id, message_id("salt", 7, "example.org"));
        assert!(id != message_id("salt", 8, "example.org") && id != message_id("other", 7, "example.org"));
        assert!(id.len() == 26 + "@example.org".len() && id.ends_with("@example.org"));
    }

    #[test]
    fn a_line_that_begins_with_a_dot_gets_one_more_on_the_wire() {
        let wire = |message: &str| String::from_utf8(stuffed(message.as_bytes())).unwrap();
        assert_eq!(wire("a\r\n.b\r\n..\r\n"), "a\r\n..b\r\n...\r\n");
        assert_eq!(wire(".a\r\n"), "..a\r\n");
        assert_eq!(wire("a.\r\nb\r\n"), "a.\r\nb\r\n");
    }
}
