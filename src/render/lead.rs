//! Where the links of a mail lead, and what of it its readers see.

use scraper::{ElementRef, Html, Node};
use url::Url;

use super::slots::{Found, Marker, Slot, find};
use super::templates::without_last_marks;
use crate::domain::is_visible;

/// The slots that are addresses.
const ADDRESSES: [Slot; 3] = [Slot::UnsubscribeUrl, Slot::PreferencesUrl, Slot::Link];

/// What readers have of a page: its text, and the addresses of its links. What stands in a comment, some mail programs alone know.
pub(super) struct Seen(Html);

impl Seen {
    pub(super) fn of(html: &str) -> Self {
        Self(Html::parse_document(html))
    }

    fn links(&self) -> impl Iterator<Item = &str> {
        let elements = self.0.tree.values().filter_map(Node::as_element);
        elements.filter(|element| matches!(element.name(), "a" | "area")).filter_map(|link| link.attr("href"))
    }

    /// The first link that leads nowhere from a mail, as a template has it.
    pub(super) fn astray(&self, marker: &Marker) -> Option<String> {
        self.links().find(|link| !leads_on(link, marker)).map(|link| in_template(link, marker))
    }

    /// The first address of a slot that leads elsewhere, since something stands too close to it, as a template has it.
    pub(super) fn spoilt(&self, marker: &Marker) -> Option<String> {
        let is_spoilt = |link: &&str| {
            let whole = |slot: Slot| match link.trim().split_once(&marker.hold(slot)) {
                Some(("", behind)) => goes_on(behind),
                // Within another address, as behind `?to=`, it ends where that one says.
                Some((before, _)) => before.ends_with('='),
                None => true,
            };
            link.contains(marker.as_str()) && !ADDRESSES.into_iter().all(whole)
        };
        let in_link = self.links().find(is_spoilt).map(|link| in_template(link, marker));
        in_link.or_else(|| self.0.tree.values().filter_map(Node::as_text).find_map(|text| spoilt_in(text, marker)))
    }

    /// Whether there is a link to a slot's address, or the address itself.
    pub(super) fn has(&self, slot: Slot, marker: &Marker) -> bool {
        let held = marker.hold(slot);
        let mut texts = self.0.tree.values().filter_map(Node::as_text);
        self.links().any(|link| link.contains(&held)) || texts.any(|text| text.contains(&held))
    }

    /// Whether readers see it: a link has words, or a picture with a description, and no style hides it.
    pub(super) fn shows(&self, slot: Slot, marker: &Marker) -> bool {
        let held = marker.hold(slot);
        self.0.tree.nodes().any(|node| match node.value() {
            Node::Element(link) if link.attr("href").is_some_and(|href| href.contains(&held)) => {
                node.descendants().any(|inner| match inner.value() {
                    Node::Text(text) => {
                        is_visible(text) && !is_hidden(inner.ancestors().filter_map(ElementRef::wrap), true)
                    }
                    Node::Element(part) if matches!(part.name(), "img" | "area") => {
                        let around = inner.ancestors().filter_map(ElementRef::wrap);
                        part.attr("alt").is_some_and(is_visible)
                            && !is_hidden(ElementRef::wrap(inner).into_iter().chain(around), false)
                    }
                    _ => false,
                })
            }
            Node::Text(text) => text.contains(&held) && !is_hidden(node.ancestors().filter_map(ElementRef::wrap), true),
            _ => false,
        })
    }
}

/// Whether what stands in these elements, the innermost first, is hidden; text is also where it has no size.
fn is_hidden<'h>(elements: impl Iterator<Item = ElementRef<'h>>, is_text: bool) -> bool {
    // The innermost element that has a say decides.
    let (mut visible, mut sized) = (None, (!is_text).then_some(true));
    for element in elements {
        let style = |property| style_of(element.attr("style").unwrap_or_default(), property);
        let is_none = style("display").is_some_and(|value| value == "none");
        let is_clear = style("opacity").is_some_and(|value| is_zero(&value));
        let is_unread = matches!(element.value().name(), "head" | "script" | "style" | "template" | "textarea");
        if is_none || is_clear || is_unread || element.attr("hidden").is_some() {
            return true;
        }
        visible = visible.or_else(|| style("visibility").map(|value| !matches!(&*value, "hidden" | "collapse")));
        // The usual cure for gaps between boxes is no size around them, and a `font` within.
        sized = sized.or_else(|| {
            style("font-size")
                .map(|value| !is_zero(&value))
                .or_else(|| style("font").map(|value| !value.split([' ', '/']).any(is_zero)))
        });
    }
    visible == Some(false) || sized == Some(false)
}

/// What a style says last of a property, and what it calls important before all else.
fn style_of(style: &str, property: &str) -> Option<String> {
    let said = style.split(';').filter_map(|part| part.split_once(':'));
    let said = said.filter(|(name, _)| name.trim().eq_ignore_ascii_case(property));
    let values = said.map(|(_, value)| value.trim().to_ascii_lowercase());
    let value = values.max_by_key(|value| value.ends_with("!important"))?;
    Some(value.trim_end_matches("!important").trim_end().to_owned())
}

/// Whether a length or a number is nothing, in whatever unit.
fn is_zero(value: &str) -> bool {
    let number = &value[..value.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(value.len())];
    !number.is_empty() && number.bytes().all(|digit| matches!(digit, b'0' | b'.'))
}

/// The first address of a slot in a text that mail programs would not read as it is, as a template has it.
pub(super) fn spoilt_in(text: &str, marker: &Marker) -> Option<String> {
    let is_whole = |word: &str, slot: Slot| {
        let held = marker.hold(slot);
        let Some((before, _)) = word.split_once(&held) else { return true };
        let address = without_last_marks(&word[before.len()..]);
        !before.ends_with(|c: char| c.is_ascii_alphanumeric()) && address.strip_prefix(&held).is_some_and(goes_on)
    };
    let (first, _) = text.split_once(marker.as_str())?;
    let from = first.rfind(char::is_whitespace).unwrap_or_default();
    let mut words = text[from..].split_whitespace().filter(|word| word.contains(marker.as_str()));
    let spoilt = words.find(|word| !ADDRESSES.into_iter().all(|slot| is_whole(word, slot)))?;
    Some(in_template(spoilt, marker))
}

/// Whether an address still leads to the same page with this behind it.
fn goes_on(behind: &str) -> bool {
    behind.is_empty() || behind.starts_with(['#', '?'])
}

/// A text as a template has it, with its slots written out.
fn in_template(text: &str, marker: &Marker) -> String {
    match find(text, marker.as_str()) {
        Some(Found { before, slot: Some(slot), after }) => {
            format!("{before}{{{{ slot.{} }}}}{}", slot.as_str(), in_template(after, marker))
        }
        _ => text.to_owned(),
    }
}

fn leads_on(link: &str, marker: &Marker) -> bool {
    let is_slot = find(link, marker.as_str())
        .is_some_and(|found| found.before.is_empty() && found.slot.is_some_and(|slot| ADDRESSES.contains(&slot)));
    is_slot || Url::parse(link).is_ok_and(|url| matches!(url.scheme(), "http" | "https" | "mailto"))
}
