//! What is checked of each mail that an operator's template has a part in, an invented one or one that goes out: its slots, where
//! its links lead, and that readers see those that they need.

use super::TemplateError;
use super::lead::{Seen, spoilt_in};
use super::slots::{Marker, Slot, find};
use super::templates::Templates;

impl Templates {
    /// Finds what is wrong with a part that a file has made: a slot that is missing, spoilt or would be empty, a link that leads
    /// nowhere, and one that readers need and do not see.
    pub(super) fn check(
        &self,
        file: &str,
        part: &str,
        marker: &Marker,
        required: &[Slot],
    ) -> Result<(), TemplateError> {
        self.check_slots(file, part, marker, required)?;
        if file.ends_with(".html") {
            return self.look(file, part, marker, required);
        }
        match spoilt_in(part, marker) {
            Some(address) => Err(TemplateError::SlotSpoilt { place: self.place(file), address }),
            None => Ok(()),
        }
    }

    fn look(&self, file: &str, html: &str, marker: &Marker, required: &[Slot]) -> Result<(), TemplateError> {
        let (seen, place) = (Seen::of(html), || self.place(file));
        if let Some(link) = seen.astray(marker) {
            return Err(TemplateError::LinkAstray { place: place(), link });
        }
        if let Some(address) = seen.spoilt(marker) {
            return Err(TemplateError::SlotSpoilt { place: place(), address });
        }
        match required.iter().find(|slot| !seen.shows(**slot, marker)) {
            None => Ok(()),
            Some(slot) if seen.has(*slot, marker) => {
                Err(TemplateError::LinkUnseen { place: place(), slot: slot.as_str() })
            }
            Some(slot) => Err(TemplateError::SlotMissing { place: place(), slot: slot.as_str() }),
        }
    }

    /// Finds slots that are missing or will be empty, and marks that something has changed.
    pub(super) fn check_slots(
        &self,
        file: &str,
        part: &str,
        marker: &Marker,
        required: &[Slot],
    ) -> Result<(), TemplateError> {
        let mut slots = Vec::new();
        let mut rest = part;
        while let Some(found) = find(rest, marker.as_str()) {
            slots.extend(found.slot);
            rest = found.after;
        }
        let beginnings = part.to_ascii_lowercase().matches(marker.beginning()).count();
        if beginnings != slots.len() {
            return Err(TemplateError::SlotBroken { place: self.place(file) });
        }
        if slots.contains(&Slot::Link) && !required.contains(&Slot::Link) {
            return Err(TemplateError::SlotEmpty { place: self.place(file) });
        }
        match required.iter().find(|slot| !slots.contains(slot)) {
            Some(slot) => Err(TemplateError::SlotMissing { place: self.place(file), slot: slot.as_str() }),
            None => Ok(()),
        }
    }
}
