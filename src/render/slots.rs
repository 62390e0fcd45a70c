//! Slots: the places in a mail that differ for each recipient, the marks that hold them open, and the values that fill them.

use std::borrow::Cow;

use super::encode::html_pieces;
use super::text::one_line;
use crate::domain::{EmailAddress, Locale, PublicId, Random, UtcMillis};
use crate::wording::Wording;

/// A place in a mail that differs for each recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Slot {
    /// The `To` header's value. Not for templates.
    To,
    /// The `Message-ID` header's value. Not for templates.
    MessageId,
    /// The `Date` header's value. Not for templates.
    Date,
    /// The recipient's name; may be empty.
    Name,
    /// The recipient's address.
    Address,
    /// A whole greeting, with the name where there is one, in the locale of that code.
    Greeting(&'static str),
    /// Where one leaves the digest.
    UnsubscribeUrl,
    /// The token of that, for a mail that leaves. Not for templates.
    UnsubscribeToken,
    /// Where one changes what one gets.
    PreferencesUrl,
    /// The one link that the mail is for, as that which confirms an address.
    Link,
}

impl Slot {
    /// Those that are no greeting.
    const FIXED: [Self; 9] = [
        Self::To,
        Self::MessageId,
        Self::Date,
        Self::Name,
        Self::Address,
        Self::UnsubscribeUrl,
        Self::UnsubscribeToken,
        Self::PreferencesUrl,
        Self::Link,
    ];

    /// The greeting in a locale.
    pub fn greeting(locale: &Locale) -> Self {
        Self::Greeting(locale.as_str())
    }

    /// Its name, as templates write it after `slot.`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::To => "to",
            Self::MessageId => "message_id",
            Self::Date => "date",
            Self::Name => "name",
            Self::Address => "address",
            Self::Greeting(_) => "greeting",
            Self::UnsubscribeUrl => "unsubscribe_url",
            Self::UnsubscribeToken => "unsubscribe_token",
            Self::PreferencesUrl => "preferences_url",
            Self::Link => "link",
        }
    }

    /// What stands for it after the marker; stored with each mail, so it never changes, and new locales go to the end of
    /// [`Locale::BUILT_IN`]. The greeting of a locale that an operator has added is `g`, the length of the locale's code as a
    /// capital letter, and the code.
    fn code(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::To => "to",
            Self::MessageId => "id",
            Self::Date => "da",
            Self::Name => "na",
            Self::Address => "ad",
            Self::Greeting(code) => return greeting_code(code),
            Self::UnsubscribeUrl => "un",
            Self::PreferencesUrl => "pr",
            Self::UnsubscribeToken => "ut",
            Self::Link => "co",
        })
    }

    /// The slot of which `rest` begins with the code, and the length of that.
    fn starting(rest: &str) -> Option<(Self, usize)> {
        let fixed = Self::FIXED.into_iter().chain(Locale::BUILT_IN.iter().map(|code| Self::Greeting(code)));
        let mut known = fixed.map(|slot| (slot, slot.code()));
        if let Some((slot, code)) = known.find(|(_, code)| rest.starts_with(&**code)) {
            return Some((slot, code.len()));
        }
        let mut letters = rest.strip_prefix('g')?.chars();
        let length = u8::try_from(letters.next()?).ok()?.checked_sub(b'A').filter(|length| *length < 26)?;
        let code = letters.as_str().get(..usize::from(length))?;
        // Of a locale that is gone since, the default one greets.
        Some((Self::greeting(&Locale::parse(code).unwrap_or_default()), 2 + code.len()))
    }
}

fn greeting_code(code: &str) -> Cow<'static, str> {
    let place = Locale::BUILT_IN.iter().position(|known| *known == code).and_then(|place| u8::try_from(place).ok());
    let letter = |from: u8, at: u8| char::from(from + at);
    Cow::Owned(match place {
        Some(place) => ['g', letter(b'a', place)].iter().collect(),
        None => format!("g{}{code}", letter(b'A', u8::try_from(code.len()).unwrap_or_default())),
    })
}

/// How much of a marker tells it from any other text.
const BEGINNING: usize = 10;

/// The text that holds a slot open in one render: letters and digits alone, so that no escaping changes it, and random, so that
/// no feed can contain it.
#[derive(Clone, Debug)]
pub(super) struct Marker(String);

impl Marker {
    pub(super) fn new(random: &dyn Random) -> Self {
        // It begins with a letter, so that a filter that changes case changes every marker, also the one of the trial.
        Self(format!("q{}", PublicId::new(random)))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Enough of it to know it by when the rest was cut off.
    pub(super) fn beginning(&self) -> &str {
        &self.0[..BEGINNING]
    }

    /// What a template writes for the slot.
    pub(super) fn hold(&self, slot: Slot) -> String {
        format!("{}{}", self.0, slot.code())
    }
}

/// A marked place in a text.
pub(super) struct Found<'t> {
    pub(super) before: &'t str,
    /// None when what follows the marker is no slot's code.
    pub(super) slot: Option<Slot>,
    pub(super) after: &'t str,
}

/// The first marked place in a text.
pub(super) fn find<'t>(text: &'t str, marker: &str) -> Option<Found<'t>> {
    let (before, after) = text.split_once(marker)?;
    Some(match Slot::starting(after) {
        Some((slot, length)) => Found { before, slot: Some(slot), after: &after[length..] },
        None => Found { before, slot: None, after },
    })
}

/// What the slots hold for one recipient.
#[derive(Clone, Copy, Debug)]
pub struct Slots<'a> {
    /// The recipient's name; may be empty.
    pub name: &'a str,
    /// The recipient's address.
    pub address: &'a EmailAddress,
    /// The Message-ID, with or without its angle brackets.
    pub message_id: &'a str,
    /// When the message is sent.
    pub date: UtcMillis,
    /// Where one leaves the digest.
    pub unsubscribe_url: &'a str,
    /// Where one changes what one gets.
    pub preferences_url: &'a str,
    /// The one link that the mail is for; empty where it is for none.
    pub link: &'a str,
}

impl Slots<'_> {
    /// Gives the value in pieces, as the text of a body: one line each, whatever it holds.
    pub(super) fn pieces(&self, slot: Slot, mut push: impl FnMut(&str)) {
        let line = |text, push: &mut dyn FnMut(&str)| match one_line(text) {
            Cow::Borrowed(text) => push(text),
            Cow::Owned(text) => push(&text),
        };
        match slot {
            Slot::Name => line(self.name, &mut push),
            Slot::To | Slot::Address => push(self.address.as_str()),
            Slot::MessageId => line(self.message_id, &mut push),
            Slot::Date => push(&self.date.to_string()),
            Slot::UnsubscribeUrl => line(self.unsubscribe_url, &mut push),
            Slot::UnsubscribeToken => {
                line(self.unsubscribe_url.rsplit('/').next().unwrap_or_default(), &mut push);
            }
            Slot::PreferencesUrl => line(self.preferences_url, &mut push),
            Slot::Link => line(self.link, &mut push),
            Slot::Greeting(code) => {
                let words = Wording::of(&Locale::parse(code).unwrap_or_default());
                let name = one_line(self.name);
                match words.greeting.split_once("{name}") {
                    Some((before, after)) if !name.is_empty() => {
                        push(before);
                        push(&name);
                        push(after);
                    }
                    _ => push(&words.greeting_without_name),
                }
            }
        }
    }
}

/// Fills the slots of a rendered HTML or text directly, for previews. In HTML the values are escaped.
pub fn fill(template: &str, marker: &str, slots: &Slots<'_>, html: bool) -> String {
    let mut filled = String::with_capacity(template.len() + 256);
    let mut rest = template;
    while let Some(found) = find(rest, marker) {
        filled.push_str(found.before);
        if let Some(slot) = found.slot {
            slots.pieces(slot, |piece| {
                if html {
                    html_pieces(piece, |piece| filled.push_str(piece));
                } else {
                    filled.push_str(piece);
                }
            });
        }
        rest = found.after;
    }
    filled.push_str(rest);
    filled
}
