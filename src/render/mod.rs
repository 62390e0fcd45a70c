//! An issue to mails with slots.
//!
//! What is the same for all readers of an issue is done once: [`Renderer::digest`] gives the subject, the HTML, the text and
//! the whole message, with a random mark for each [`Slot`]. [`Message::parse`] cuts the message at its marks, and
//! [`Message::splice`] puts one recipient's values between the pieces, without a template, an encoder or a copy of the body.

mod article;
mod check;
mod configured;
mod encode;
mod error;
mod fit;
mod header;
mod inline;
mod lacking;
mod lead;
mod letter;
mod letter_view;
mod message;
mod mime;
mod pages;
mod references;
mod renderer;
mod sample;
mod slots;
mod subject;
mod templates;
mod text;
mod theme;
mod trial;
mod unused;
mod view;
mod web;

pub use crate::wording::format_date;
pub use error::TemplateError;
pub use fit::Fit;
pub use letter::{Had, Letter, Valid, Wanted};
pub use message::{Message, SpliceError};
pub use mime::{SentBy, sender_of};
pub use pages::PageNames;
pub(crate) use references::Texts;
pub use renderer::Renderer;
pub use sample::{invented_issue, letter_names, template_names};
pub use slots::{Slot, Slots, fill};
pub use subject::{subject, subject_in_any_case};
pub use templates::built_in_templates;
pub(crate) use templates::links;
pub use text::{one_line, paragraphs};
pub(crate) use unused::{meant_file, misnamed};
pub use web::web_view;

use crate::config::{Config, Digest};
use crate::domain::Locale;

/// Gmail cuts a mail near 102,000 octets of HTML, and with it the links of the footer. The slots' values come on top of this.
pub const HTML_LIMIT: usize = 98_000;

/// From so many octets of HTML on the operator is told; what a template may make of next to nothing.
pub const HTML_WARNING: usize = 80_000;

/// How much of a digest's title a letter's subject has, in characters.
const TITLE_LIMIT: usize = 60;

/// What a mail is rendered for, beside its content.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// The digest that it belongs to.
    pub digest: &'a Digest,
    /// The configuration, for the addresses of the site and the server.
    pub config: &'a Config,
    /// The language of its wording and dates.
    pub locale: &'a Locale,
    /// Whether it is a test, which its subject says.
    pub test: bool,
}

/// A mail with marks where its slots are.
#[derive(Clone, Debug)]
pub struct RenderedMail {
    /// The subject; it has no slots.
    pub subject: String,
    /// The HTML part, its styles inlined. For one recipient: [`fill`].
    pub html: String,
    /// The text part. For one recipient: [`fill`].
    pub text: String,
    /// The whole message, headers included, for [`Message::parse`].
    pub mime: String,
    /// What each mark begins with.
    pub marker: String,
    /// What was taken away so that mail programs do not cut it off.
    pub shortened: Option<Fit>,
    /// What the operator's template failed with, where the built-in one stands in for it.
    pub failed: Option<String>,
}
