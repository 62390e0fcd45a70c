//! A rendered mail as one message with marks for its slots: headers, and the two parts in quoted-printable.

use mail_parser::{Addr, Address, MessageParser};

use super::encode::{QuotedPrintable, hex};
use super::header::Header;
use super::message::Place;
use super::slots::{Marker, Slot, find};
use crate::config::{Digest, Sender};
use crate::domain::{EmailAddress, PublicId, Random};

/// What a message needs beside its parts.
pub(super) struct Envelope<'a> {
    pub(super) sender: &'a Sender,
    pub(super) subject: &'a str,
    pub(super) marker: &'a Marker,
    /// None for a mail that belongs to no list, as a confirmation.
    pub(super) list: Option<List<'a>>,
}

/// The headers of a mailing list.
pub(super) struct List<'a> {
    pub(super) digest: &'a Digest,
    pub(super) public_url: &'a str,
    /// What `Feedback-ID` tells it by: the number, or what kind of mail it is.
    pub(super) campaign: String,
}

/// The whole message, with CRLF and marks.
pub(super) fn assemble(envelope: &Envelope<'_>, text: &str, html: &str, random: &dyn Random) -> String {
    let mut out = Vec::with_capacity(html.len() + html.len() / 4 + text.len() * 2 + 2048);
    headers(envelope, &mut out);
    // `=_` never occurs in quoted-printable, so no part can contain the boundary.
    let boundary = format!("=_{}", PublicId::new(random));
    line(&mut out, "MIME-Version: 1.0");
    line(&mut out, "Content-Type: multipart/alternative;");
    line(&mut out, &format!(" boundary=\"{boundary}\""));
    line(&mut out, "");
    for (kind, body, place) in [("plain", text, Place::Text), ("html", html, Place::Html)] {
        line(&mut out, &format!("--{boundary}"));
        line(&mut out, &format!("Content-Type: text/{kind}; charset=utf-8"));
        line(&mut out, "Content-Transfer-Encoding: quoted-printable");
        line(&mut out, "");
        part(&mut out, body, envelope.marker, place);
        line(&mut out, "");
    }
    line(&mut out, &format!("--{boundary}--"));
    // Everything above is UTF-8 text.
    String::from_utf8(out).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Who a message is from.
#[derive(Debug, PartialEq, Eq)]
pub struct SentBy {
    /// The display name; may be empty.
    pub name: String,
    /// The address.
    pub email: EmailAddress,
    /// Where answers go; none: to the address.
    pub reply_to: Option<EmailAddress>,
}

/// The sender that a message was made for, as `assemble` writes it.
pub fn sender_of(mime: &str) -> Option<SentBy> {
    let message = MessageParser::default().parse_headers(mime)?;
    let address = |addr: &Addr<'_>| EmailAddress::parse(addr.address()?).ok();
    let from = message.from()?.first()?;
    Some(SentBy {
        name: from.name().unwrap_or_default().to_owned(),
        email: address(from)?,
        reply_to: message.reply_to().and_then(Address::first).and_then(address),
    })
}

fn headers(envelope: &Envelope<'_>, out: &mut Vec<u8>) {
    let Envelope { sender, subject, marker, list } = envelope;
    let held = |slot| format!("{}{}", marker.hold(slot), Place::Header.code());
    let mut from = Header::begin("From", out);
    from.mailbox(&sender.name, &sender.email);
    from.end();
    line(out, &format!("To: {}", held(Slot::To)));
    if let Some(reply_to) = &sender.reply_to {
        line(out, &format!("Reply-To: {reply_to}"));
    }
    let mut header = Header::begin("Subject", out);
    header.text(subject);
    header.end();
    line(out, &format!("Date: {}", held(Slot::Date)));
    line(out, &format!("Message-ID: {}", held(Slot::MessageId)));
    if let Some(list) = list {
        let id = dot_atom(&list.digest.id);
        let mut header = Header::begin("List-Id", out);
        header.phrase(&list.digest.title);
        header.token(&format!("<{id}.{}>", sender.email.domain()));
        header.end();
        let url = held(Slot::UnsubscribeUrl);
        match &sender.unsubscribe_email {
            // In the order of preference (RFC 2369, 2).
            Some(address) => {
                line(out, &format!("List-Unsubscribe: <{url}>,"));
                let token = held(Slot::UnsubscribeToken);
                line(out, &format!(" <mailto:{}?subject=unsubscribe%20{token}>", mailto(address)));
            }
            None => line(out, &format!("List-Unsubscribe: <{url}>")),
        }
        line(out, "List-Unsubscribe-Post: List-Unsubscribe=One-Click");
        if list.digest.public {
            line(out, &format!("List-Archive: <{}/archive/{}>", list.public_url, list.digest.id));
        }
        line(out, &format!("Feedback-ID: {}:{id}::{}", list.campaign, sender_id(sender)));
    }
    line(out, "Auto-Submitted: auto-generated");
    line(out, "X-Auto-Response-Suppress: OOF, AutoReply");
}

fn part(out: &mut Vec<u8>, body: &str, marker: &Marker, place: Place) {
    let mut encoder = QuotedPrintable::default();
    let mut rest = body;
    while let Some(found) = find(rest, marker.as_str()) {
        encoder.push(found.before, out);
        if let Some(slot) = found.slot {
            if !encoder.starts_line() {
                encoder.soft_break(out);
            }
            out.extend_from_slice(marker.hold(slot).as_bytes());
            out.push(u8::try_from(place.code()).unwrap_or_default());
            encoder.soft_break(out);
        }
        rest = found.after;
    }
    encoder.push(rest, out);
}

fn line(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// An address as a `mailto:` has it (RFC 6068, 2).
fn mailto(address: &EmailAddress) -> String {
    let mut out = String::with_capacity(address.as_str().len());
    for byte in address.as_str().bytes() {
        match byte {
            byte if byte.is_ascii_alphanumeric() || b"@.-_~!$'*+".contains(&byte) => out.push(char::from(byte)),
            byte => {
                out.push('%');
                out.push(char::from(hex(byte >> 4)));
                out.push(char::from(hex(byte & 15)));
            }
        }
    }
    out
}

/// A digest's id as a label of a List-Id (RFC 2919).
fn dot_atom(id: &str) -> String {
    id.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).collect()
}

/// The stream's name in `Feedback-ID`: the sender's domain, in the 5 to 15 letters and digits that Gmail asks for.
fn sender_id(sender: &Sender) -> String {
    let letters = sender.email.domain().chars().filter(char::is_ascii_alphanumeric);
    letters.chain("digest".chars()).take(15.min(sender.email.domain().len()).max(5)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SystemRandom;
    use crate::render::one_line;
    use proptest::prelude::*;

    const LOCALS: [&str; 3] = ["digest", "zoë", "a-sender-whose-address-takes-a-line-of-its-own-in-every-header"];

    fn address(local: &str) -> EmailAddress {
        EmailAddress::parse(&format!("{local}@news.example")).unwrap()
    }

    proptest! {
        #[test]
        fn the_sender_of_a_message_is_the_one_that_was_written_into_it(
            name in "\\PC{0,80}",
            local in prop::sample::select(LOCALS.to_vec()),
            reply_to in prop::option::of(prop::sample::select(LOCALS.to_vec())),
        ) {
            let sender = Sender {
                name: name.clone(),
                email: address(local),
                reply_to: reply_to.map(address),
                unsubscribe_email: None,
                postal_address: String::new(),
                legal: String::new(),
                contact_url: None,
                social: Vec::new(),
            };
            let marker = Marker::new(&SystemRandom);
            let envelope = Envelope { sender: &sender, subject: "From: <nobody@x.example>", marker: &marker, list: None };
            let mime = assemble(&envelope, "From: <nobody@x.example>", "", &SystemRandom);
            let written = SentBy { name: one_line(&name).into_owned(), email: sender.email, reply_to: sender.reply_to };
            prop_assert_eq!(sender_of(&mime), Some(written));
        }
    }

    #[test]
    fn a_message_without_a_sender_has_none() {
        for mime in ["", "To: a@b.example\r\n\r\nFrom: a@b.example\r\n", "From: nobody\r\n\r\n"] {
            assert_eq!(sender_of(mime), None, "{mime}");
        }
    }
}
