//! One row of an import: its fields, read and checked.

use std::sync::Arc;

use super::bad::Bad;
use super::charset::Letters;
use super::columns::{Column, Layout};
use super::history::{Event, Former, Mark, Reason, Request, Turn};
use super::noes::Gone;
use super::table::Record;
use super::wishes::{Chooser, Wishes};
use super::{Format, ImportBasis, history, networks, values};
use crate::config::Retention;
use crate::domain::{EmailAddress, Locale, PublicId, SubscriberState, UtcMillis, without_turns};

/// One person of a file.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Its line; the header is line 1.
    pub(super) line: u64,
    pub(super) address: EmailAddress,
    /// Filled in by whoever has the keys.
    pub(super) address_hash: String,
    /// The hash of the present address of whoever had this one before, where the file itself tells the two apart: it has a
    /// row of our own for each of them. Filled in as the other.
    pub(super) apart_from: Option<String>,
    pub(super) name: String,
    pub(super) locale: Option<Locale>,
    pub(super) wishes: Arc<Wishes>,
    pub(super) claim: Claim,
    pub(super) created_at: Option<UtcMillis>,
    pub(super) past: Option<Box<Past>>,
}

/// What a row says about a person's consent.
#[derive(Clone, Debug, Default)]
pub(super) struct Claim {
    pub(super) state: Option<SubscriberState>,
    pub(super) confirmed_at: Option<UtcMillis>,
    pub(super) evidence: Option<String>,
    /// From where they agreed there.
    pub(super) network: Option<String>,
    /// When they left there.
    pub(super) left_at: Option<UtcMillis>,
    /// That they have gone, for each reason that the row gives; the strictest first.
    pub(super) gone: Vec<Gone>,
    /// They were never asked there, so that nobody may mail them.
    pub(super) stranger: bool,
}

impl Claim {
    /// With what the row says of their having gone.
    pub(super) fn with_noes(self, gone: Vec<Gone>) -> Self {
        Self { state: gone.first().map(|gone| gone.state).or(self.state), gone, ..self }
    }

    /// Whether they have left, whatever else the row says.
    pub(super) fn left(&self) -> bool {
        self.gone.iter().any(|gone| gone.state == SubscriberState::Unsubscribed)
    }
}

/// What only our own export knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Past {
    /// The present one first, then those from before two became one.
    pub(super) ids: Vec<PublicId>,
    /// Addresses that they had before.
    pub(super) former: Vec<Former>,
    pub(super) suppressed: Option<Mark>,
    pub(super) events: Vec<Event>,
    /// What they were asked to confirm and have not answered.
    pub(super) requests: Vec<Request>,
    /// Why they left.
    pub(super) reasons: Vec<Reason>,
    /// That they were still to be asked.
    pub(super) turn: Option<Turn>,
}

/// The fields of a row by what they mean; empty where there is none.
pub(super) struct Cells<'r> {
    known: [&'r str; Column::COUNT],
    /// Those of the columns that stand for one no, in their order.
    noes: Vec<&'r str>,
}

impl<'r> Cells<'r> {
    /// Takes them out of a record, whatever is wrong with it.
    pub(super) fn of(record: &'r csv::StringRecord, layout: &Layout) -> Self {
        let mut known = [""; Column::COUNT];
        for (column, text) in layout.columns.iter().zip(record) {
            let Some(column) = column else { continue };
            let text = text.trim();
            known[*column as usize] = if layout.format == Format::Csv { values::of_text(text) } else { text };
        }
        let noes = layout.noes.iter().map(|no| record.get(no.at).unwrap_or_default().trim()).collect();
        Self { known, noes }
    }

    /// Takes them out of a record that is whole: what lies beyond the header must be empty.
    fn of_whole(record: &'r csv::StringRecord, layout: &Layout) -> Result<Self, String> {
        // What somebody's name was spoilt by before it came here goes the way that our own export sends it.
        let as_written = layout.letters == Letters::Exact && layout.is_own();
        if let Some(problem) = layout.letters.problem(record.iter()) {
            return Err(problem);
        }
        for (column, text) in layout.columns.iter().zip(record) {
            if column.is_some() && !as_written && text.contains('\u{fffd}') {
                return Err("has letters that cannot be read; save the file as UTF-8".to_owned());
            }
        }
        if record.iter().skip(layout.columns.len()).any(|text| !text.trim().is_empty()) {
            return Err(format!("has {} fields, and the header has {}", record.len(), layout.columns.len()));
        }
        Ok(Self::of(record, layout))
    }

    /// The fields of the columns that stand for one no.
    pub(super) fn noes(&self) -> impl Iterator<Item = &'r str> {
        self.noes.iter().copied()
    }

    /// The field of that column; empty where there is none.
    pub(super) fn text(&self, column: Column) -> &'r str {
        self.known[column as usize]
    }

    /// The field of that column, where it is not empty.
    pub(super) fn get(&self, column: Column) -> Option<&'r str> {
        Some(self.text(column)).filter(|text| !text.is_empty())
    }
}

/// What reading rows needs beside the rows.
pub(super) struct Reading<'a> {
    pub(super) layout: &'a Layout,
    pub(super) chooser: &'a mut Chooser,
    /// What the file as a whole says about its people, by its name.
    pub(super) told: Option<super::foreign::Told>,
    /// The columns that hold groups: places in the file.
    pub(super) group_columns: &'a [usize],
    pub(super) now: UtcMillis,
}

impl Row {
    /// Reads a record. The error says what is wrong with it, and what it says all the same.
    pub(super) fn read(record: &Record<'_>, reading: &mut Reading<'_>) -> Result<Self, Bad> {
        let read = match record.broken {
            Some(why) => Err(why.to_owned()),
            None => Self::read_whole(record.fields, record.line, reading),
        };
        read.map_err(|reason| Bad::read(record, reason, reading))
    }

    fn read_whole(record: &csv::StringRecord, line: u64, reading: &mut Reading<'_>) -> Result<Self, String> {
        let cells = Cells::of_whole(record, reading.layout)?;
        let address = cells.get(Column::Email).ok_or("an email address is missing")?;
        let address = EmailAddress::parse(address).map_err(values::said)?;
        let claim = super::foreign::claim(&cells, reading)?;
        let name = match cells.get(Column::Name) {
            Some(name) => values::one_line(name)?,
            None => {
                let both = [cells.text(Column::FirstName), cells.text(Column::LastName)];
                values::one_line(both.join(" ").trim())?
            }
        };
        let name = without_turns(&name);
        let own = reading.layout.format == Format::Csv;
        let wishes = if own {
            let (digests, topics) = (cells.text(Column::Digests), cells.text(Column::Topics));
            let exact = cells.text(Column::Subscriptions);
            match cells.get(Column::Consent).is_some() && [digests, topics, exact].concat().is_empty() {
                true => Arc::new(Wishes { chosen: true, ..Wishes::default() }),
                false => reading.chooser.choose(digests, topics, exact)?,
            }
        } else {
            super::foreign::wishes(&cells, record, reading)?
        };
        Ok(Self {
            line,
            address,
            address_hash: String::new(),
            apart_from: None,
            name,
            locale: cells.get(Column::Locale).map(values::locale).transpose()?,
            wishes,
            claim,
            created_at: cells
                .get(Column::CreatedAt)
                .and_then(|text| values::past(text, reading.now).ok())
                .filter(|at| *at <= reading.now),
            past: if own { past(&cells)? } else { None },
        })
    }

    /// Forgets of networks and programs what is not to be kept from now on. Those of another program's evidence are as old as
    /// the import: until then nobody could show by them that somebody has agreed.
    pub(super) fn forget_networks(&mut self, retention: &Retention, now: UtcMillis) {
        let network = self.claim.network.take();
        self.claim.network = network.and_then(|network| networks::kept(&network, now, retention, now));
        for event in self.past.iter_mut().flat_map(|past| &mut past.events) {
            event.forget_network(retention, now);
        }
    }

    /// The addresses that they had before.
    pub(super) fn former(&self) -> impl Iterator<Item = &Former> {
        self.past.iter().flat_map(|past| &past.former)
    }

    /// When they had gone at the latest for that reason, where it says when: what our own export has of somebody is as old
    /// as the last that happened.
    pub(super) fn gone_at(&self, gone: &Gone) -> Option<UtcMillis> {
        let last = self.past.iter().flat_map(|past| &past.events).map(Event::at).max();
        gone.at.max(last)
    }

    /// Whether it is what our own export says of one person.
    pub(super) fn is_own(&self) -> bool {
        self.past.as_ref().is_some_and(|past| !past.ids.is_empty())
    }

    /// That they were still to be asked when they were exported.
    pub(super) fn turn(&self) -> Option<&Turn> {
        self.past.as_ref()?.turn.as_ref()
    }

    /// The state that the row asks for.
    pub(super) fn wanted(&self, basis: ImportBasis<'_>) -> SubscriberState {
        match self.claim.state {
            None | Some(SubscriberState::Confirmed) if basis == ImportBasis::Ask => SubscriberState::Pending,
            None => SubscriberState::Confirmed,
            Some(state) => state,
        }
    }

    /// Whether somebody would be mailed of whom nothing says that they agreed.
    pub(super) fn lacks_evidence(&self, basis: ImportBasis<'_>) -> bool {
        basis == ImportBasis::Rows && self.would_be_mailed(basis) && self.claim.evidence.is_none()
    }

    /// Whether the row itself proves that somebody who would be mailed agreed.
    pub(super) fn is_proven(&self, basis: ImportBasis<'_>) -> bool {
        self.would_be_mailed(basis) && self.claim.evidence.is_some()
    }

    /// Whether it says itself what somebody gets, and may.
    pub(super) fn chooses(&self, basis: ImportBasis<'_>) -> bool {
        let stays = self.claim.gone.is_empty() && !self.claim.stranger;
        stays && self.wishes.chosen && !self.lacks_evidence(basis)
    }

    fn would_be_mailed(&self, basis: ImportBasis<'_>) -> bool {
        !self.claim.stranger && self.wanted(basis) == SubscriberState::Confirmed
    }
}

fn past(cells: &Cells<'_>) -> Result<Option<Box<Past>>, String> {
    let past = Past {
        // A column `id` of somebody else's file is none of ours.
        ids: cells.text(Column::Id).split_whitespace().map_while(PublicId::parse).collect(),
        former: history::read_former(cells.text(Column::FormerAddresses))?,
        suppressed: cells.get(Column::Suppressed).map(Mark::read).transpose()?,
        events: history::read("consent", cells.text(Column::Consent))?,
        requests: history::read("join_requests", cells.text(Column::Requests))?,
        reasons: history::read("leave_reasons", cells.text(Column::Reasons))?,
        turn: cells.get(Column::Turn).map(Turn::read).transpose()?,
    };
    Ok((past != Past::default()).then(|| Box::new(past)))
}
