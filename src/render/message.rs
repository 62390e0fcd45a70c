//! A mail cut at its slots: each recipient's message is the constant pieces with that recipient's values between them.

use std::io::Write as _;

use chrono::{Datelike, Timelike};

use super::encode::{QuotedPrintable, html_pieces};
use super::header::Header;
use super::slots::{Slot, Slots, find};
use super::text::one_line;
use crate::domain::UtcMillis;

/// Room for the values of one slot, for [`Message::len_hint`].
const VALUE: usize = 160;

/// A mail that could not be cut at its slots.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SpliceError {
    /// A marker that no slot follows.
    #[error("the stored mail is damaged: octet {0} has the mark of a slot that this version does not know")]
    UnknownSlot(usize),
    /// A message that everyone would get alike.
    #[error("the stored mail is damaged: it has no slot for `{0}`")]
    Missing(&'static str),
}

/// Where in a message a slot is: it says how the value is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In a header.
    Header,
    /// In the text part.
    Text,
    /// In the HTML part.
    Html,
}

impl Place {
    /// What follows a slot's mark in a message.
    pub(super) fn code(self) -> char {
        match self {
            Self::Header => 'h',
            Self::Text => 't',
            Self::Html => 'm',
        }
    }

    fn of(code: char) -> Option<Self> {
        [Self::Header, Self::Text, Self::Html].into_iter().find(|place| place.code() == code)
    }
}

/// A mail cut at its slots.
#[derive(Clone, Debug)]
pub struct Message {
    /// All constant pieces, one after the other.
    constant: Box<str>,
    /// Up to where in `constant` what stands before the slot goes, and the slot.
    cuts: Box<[(usize, Slot, Place)]>,
    /// Whether a line of a constant piece may begin with a dot.
    dotted: bool,
}

impl Message {
    /// Cuts the whole message of [`RenderedMail::mime`](super::RenderedMail::mime) at its marks.
    ///
    /// # Errors
    /// [`SpliceError`] when a mark is none of ours, or the message has no place for the recipient.
    pub fn parse(mime: &str, marker: &str) -> Result<Self, SpliceError> {
        let mut constant = String::with_capacity(mime.len());
        let mut cuts = Vec::new();
        let mut rest = mime;
        while let Some(found) = find(rest, marker) {
            constant.push_str(found.before);
            let unknown = SpliceError::UnknownSlot(mime.len() - found.after.len());
            let mut after = found.after.chars();
            match (found.slot, after.next().and_then(Place::of)) {
                (Some(slot), Some(place)) => cuts.push((constant.len(), slot, place)),
                _ => return Err(unknown),
            }
            rest = after.as_str();
        }
        constant.push_str(rest);
        for slot in [Slot::To, Slot::MessageId, Slot::Date] {
            if !cuts.iter().any(|cut| cut.1 == slot) {
                return Err(SpliceError::Missing(slot.as_str()));
            }
        }
        let dotted = constant.starts_with('.') || constant.contains("\n.");
        Ok(Self { constant: constant.into(), cuts: cuts.into(), dotted })
    }

    /// About how many octets a message takes.
    pub fn len_hint(&self) -> usize {
        self.constant.len() + self.cuts.len() * VALUE
    }

    /// Appends the message to one recipient to `out`; allocates nothing but what `out` grows by. Says whether a line of it
    /// may begin with a dot: to look through the whole of each message costs more than to make it.
    pub fn splice(&self, slots: &Slots<'_>, out: &mut Vec<u8>) -> bool {
        out.reserve(self.len_hint());
        let mut dotted = self.dotted;
        let mut from = 0;
        for &(to, slot, place) in &self.cuts {
            out.extend_from_slice(&self.constant.as_bytes()[from..to]);
            from = to;
            let before = out.len().saturating_sub(1);
            let mut encoder = QuotedPrintable::default();
            match place {
                Place::Header => push_header(slot, slots, out),
                Place::Text => slots.pieces(slot, |piece| encoder.push(piece, out)),
                Place::Html => {
                    slots.pieces(slot, |piece| html_pieces(piece, |piece| encoder.push(piece, out)));
                }
            }
            let value = &out[before..];
            dotted |= value.windows(2).any(|two| two == b"\n.") || before == 0 && value.starts_with(b".");
            dotted |= value.ends_with(b"\n") && self.constant[from..].starts_with('.');
        }
        out.extend_from_slice(&self.constant.as_bytes()[from..]);
        dotted
    }
}

fn push_header(slot: Slot, slots: &Slots<'_>, out: &mut Vec<u8>) {
    match slot {
        Slot::To => Header::at("To: ".len(), out).mailbox(slots.name, slots.address),
        Slot::MessageId => {
            let id = one_line(slots.message_id);
            out.push(b'<');
            out.extend_from_slice(id.trim_matches(['<', '>', ' ']).as_bytes());
            out.push(b'>');
        }
        Slot::Date => push_date(slots.date, out),
        _ => slots.pieces(slot, |piece| out.extend_from_slice(piece.as_bytes())),
    }
}

/// RFC 5322, 3.3.
fn push_date(date: UtcMillis, out: &mut Vec<u8>) {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let date = date.to_utc();
    let day = DAYS[date.weekday().num_days_from_monday() as usize % 7];
    let month = MONTHS[date.month0() as usize % 12];
    // Writing to a vector cannot fail.
    let _ = write!(
        out,
        "{day}, {:02} {month} {:04} {:02}:{:02}:{:02} +0000",
        date.day(),
        date.year(),
        date.hour(),
        date.minute(),
        date.second()
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::EmailAddress;

    #[test]
    fn a_message_without_a_place_for_the_recipient_is_refused() {
        assert_eq!(Message::parse("Subject: x\r\n\r\nhello", "mark").unwrap_err(), SpliceError::Missing("to"));
        assert_eq!(Message::parse("To: markzz\r\n", "mark").unwrap_err(), SpliceError::UnknownSlot(8));
        assert_eq!(Message::parse("To: mark", "mark").unwrap_err(), SpliceError::UnknownSlot(8));
    }

    #[test]
    fn a_line_that_may_begin_with_a_dot_is_told() {
        let dotted = |name: &str, rest: &str| {
            let mime = format!("To: marktoh\r\nMessage-ID: markidh\r\nDate: markdah\r\n{rest}");
            let address = EmailAddress::parse("jo@x.example").unwrap();
            let slots = Slots {
                name,
                address: &address,
                message_id: "1@x.example",
                date: UtcMillis(0),
                unsubscribe_url: "",
                preferences_url: "",
                link: "",
            };
            Message::parse(&mime, "mark").unwrap().splice(&slots, &mut Vec::new())
        };
        assert!(!dotted("Jo.", "\r\nmarknah, a.\r\n"));
        assert!(dotted("Jo", "\r\n.\r\n"), "of everybody's");
        assert!(dotted(".Jo", "\r\nmarknah\r\n"), "of one's own");
        assert!(dotted("Jo", "\r\nmarknah\r\n."), "after one's own");
        assert!(dotted("", "\r\nmarknah.\r\n"), "where one's own is empty");
    }

    #[test]
    fn the_date_is_written_as_in_rfc_5322() {
        let mut out = Vec::new();
        push_date(UtcMillis(1_795_420_800_000), &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "Mon, 23 Nov 2026 08:00:00 +0000");
    }
}
