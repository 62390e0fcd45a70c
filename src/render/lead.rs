//! Where the links of a mail that is tried lead, and what of it its readers see.

use scraper::{Html, Node};
use url::Url;

use super::slots::{Found, Marker, Slot, find};

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
        let link = self.links().find(|link| !leads_on(link, marker))?;
        Some(match find(link, marker.as_str()) {
            Some(Found { before, slot: Some(slot), after }) => {
                format!("{before}{{{{ slot.{} }}}}{after}", slot.as_str())
            }
            _ => link.to_owned(),
        })
    }

    /// Whether readers see a slot.
    pub(super) fn has(&self, slot: Slot, marker: &Marker) -> bool {
        let held = marker.hold(slot);
        let mut texts = self.0.tree.values().filter_map(Node::as_text);
        self.links().any(|link| link.contains(&held)) || texts.any(|text| text.contains(&held))
    }
}

fn leads_on(link: &str, marker: &Marker) -> bool {
    let is_slot = find(link, marker.as_str()).is_some_and(|found| {
        found.before.is_empty() && matches!(found.slot, Some(Slot::UnsubscribeUrl | Slot::PreferencesUrl | Slot::Link))
    });
    is_slot || Url::parse(link).is_ok_and(|url| matches!(url.scheme(), "http" | "https" | "mailto"))
}
