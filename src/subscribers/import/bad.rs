//! What a bad row says all the same: whose it is, and that this person has gone. A no must not be lost by an unrelated field.

use std::sync::Arc;

use super::columns::Column;
use super::history::Mark;
use super::noes::{Noes, TIMELESS};
use super::report::RefusedRow;
use super::row::{Cells, Claim, Past, Reading, Row};
use super::spotted::addresses_in;
use super::table::Record;
use super::wishes::Wishes;
use super::{Format, foreign, values};
use crate::domain::{EmailAddress, SubscriberState};
use crate::subscribers::SuppressionReason;

/// A bad row.
pub(super) struct Bad {
    /// What is wrong with it.
    pub(super) reason: String,
    /// Whose it is, where that can be read: more than one where the field has several addresses.
    pub(super) addresses: Vec<EmailAddress>,
    pub(super) said: Said,
}

/// What a bad row says of the person.
pub(super) enum Said {
    /// That they have gone; nothing else is taken of the row. One for each of them.
    No(Vec<Row>),
    /// Something that cannot be read, and may say so.
    Unclear,
    /// Nothing of that.
    Nothing,
}

impl Bad {
    /// Reads of a record what can be read.
    pub(super) fn read(record: &Record<'_>, reason: String, reading: &Reading<'_>) -> Self {
        let fields =
            Fields { record, reading, surplus: record.fields.len().saturating_sub(reading.layout.columns.len()) };
        let addresses = fields.addresses();
        if addresses.is_empty() {
            return Self { reason, addresses, said: Said::Nothing };
        }
        let said = fields.said(&addresses);
        let reason = match &said {
            Said::No(rows) => {
                let state = rows.first().and_then(|row| row.claim.state).map_or("gone", |state| state.as_str());
                format!("{reason}; where bad rows are left out, the person counts as {state} all the same")
            }
            Said::Unclear => {
                format!("{reason}; whether the person has left is unclear, so no other row subscribes them")
            }
            Said::Nothing => reason,
        };
        Self { reason, addresses, said }
    }

    /// As the report has it.
    pub(super) fn refused(self, line: u64) -> RefusedRow {
        let addresses: Vec<&str> = self.addresses.iter().map(EmailAddress::as_str).collect();
        RefusedRow { line, email: addresses.join("; "), reason: self.reason }
    }
}

/// The fields of a bad row. Where there are more than the header has, each may stand so many places further on.
struct Fields<'a> {
    record: &'a Record<'a>,
    reading: &'a Reading<'a>,
    surplus: usize,
}

impl Fields<'_> {
    /// All fields that may be of that column.
    fn may_be(&self, column: Column) -> impl Iterator<Item = &str> {
        let place = self.reading.layout.columns.iter().position(|have| *have == Some(column));
        let places = place.map(|place| place..=place + self.surplus).into_iter().flatten();
        places.filter_map(|place| self.record.fields.get(place)).map(|text| values::of_text(text.trim()))
    }

    /// Those in the first field that has any.
    fn addresses(&self) -> Vec<EmailAddress> {
        self.may_be(Column::Email).map(addresses_in).find(|found| !found.is_empty()).unwrap_or_default()
    }

    fn said(&self, addresses: &[EmailAddress]) -> Said {
        let cells = Cells::of(self.record.fields, self.reading.layout);
        let mut noes = foreign::noes(&cells, self.reading);
        let mark = self.mark(&cells, &mut noes);
        for state in self.may_be(Column::State).filter_map(|text| values::state(text).ok()) {
            if self.surplus > 0 && super::decide::gone(state) {
                noes.say(TIMELESS, state, None);
            }
        }
        if noes.any() {
            let gone = noes.gone();
            let left = gone.iter().find(|gone| gone.state != SubscriberState::Bounced).and_then(|gone| gone.at);
            let claim = Claim { left_at: left, ..Claim::default() }.with_noes(gone);
            let past = mark.map(|mark| Box::new(Past { suppressed: Some(mark), ..Past::default() }));
            let row = |address: &EmailAddress| Row {
                line: self.record.line,
                address: address.clone(),
                address_hash: String::new(),
                apart_from: None,
                name: String::new(),
                locale: None,
                wishes: Arc::new(Wishes { chosen: true, ..Wishes::default() }),
                claim: claim.clone(),
                created_at: None,
                past: past.clone(),
            };
            return Said::No(addresses.iter().map(row).collect());
        }
        if noes.unclear.is_some() || self.hides_a_no(&cells) { Said::Unclear } else { Said::Nothing }
    }

    /// That the address is suppressed where the row comes from.
    fn mark(&self, cells: &Cells<'_>, noes: &mut Noes) -> Option<Mark> {
        let text = cells.get(Column::Suppressed).filter(|_| self.reading.layout.format == Format::Csv)?;
        match Mark::read(text) {
            Ok(mark) => {
                let state = match mark.reason {
                    SuppressionReason::Bounced => SubscriberState::Bounced,
                    SuppressionReason::Complaint => SubscriberState::Complained,
                    SuppressionReason::Erased | SuppressionReason::Manual => SubscriberState::Unsubscribed,
                };
                noes.say("suppressed", state, Some(mark.since));
                Some(mark)
            }
            Err(why) => {
                noes.doubt(why);
                None
            }
        }
    }

    /// Whether a no may stand where it cannot be found: behind the place where the row breaks off, or in a field too far on.
    fn hides_a_no(&self, cells: &Cells<'_>) -> bool {
        let layout = self.reading.layout;
        let cut = self.record.broken.is_some() && layout.may_say_no_from(self.record.fields.len());
        cut || self.surplus > 0 && cells.get(Column::State).is_none() && layout.may_say_no_from(0)
    }
}
