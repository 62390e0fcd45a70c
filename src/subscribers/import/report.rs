//! What an import did or would do: counts for everybody, lines for whoever mends the file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use serde::{Serialize, Serializer};

use super::row::Row;
use super::{Format, Import};
use crate::domain::SubscriberState;
use crate::subscribers::SubscribersError;

/// How many rows a report names; all of them stand in the file that `--report` asks for.
pub(super) const NAMED: usize = 10_000;
/// How many addresses stand for the others in a preview.
const EXAMPLES: usize = 3;

/// What an import did, or would do; the serialised form is part of the contract.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ImportReport {
    /// Rows in the file, the bad ones included.
    pub rows: u64,
    /// People who were not known.
    pub added: u64,
    /// Rows that changed something of a known person.
    pub updated: u64,
    /// Rows that say what is known.
    pub unchanged: u64,
    /// Rows left alone, since the person has left, bounced, complained or is suppressed, nothing is there for them, or nothing
    /// says that they agreed.
    pub skipped: u64,
    /// Bad rows; of very many the first.
    pub refused: Vec<RefusedRow>,
    /// How many bad rows there are.
    pub refused_rows: u64,
    /// Rows that were left alone; of very many the first.
    pub skipped_rows: Vec<SkippedRow>,
    /// Why rows were left alone, and how many for each reason.
    pub skipped_by: BTreeMap<&'static str, u64>,
    /// What the rows ask for: how many for each state, the bad ones aside.
    pub states: BTreeMap<&'static str, u64>,
    /// Rows of people who stood in the file before.
    pub repeated: u64,
    /// Of a list of suppressions: how many rows name an address that somebody had before, whose present one is suppressed too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub former: Option<u64>,
    /// How many are asked to confirm.
    pub asked: u64,
    /// How many get each digest by it, or are asked whether they want it.
    pub digests: BTreeMap<String, u64>,
    /// How many of them their rows name no digest and no topic for, so that it is the public ones.
    pub without_choice: u64,
    /// Whose export it was read as.
    pub format: Format,
    /// Whether anything was written: not when a bad row refuses the file, nor without grounds.
    pub applied: bool,
    /// Columns that mean nothing here.
    pub ignored_columns: Vec<String>,
    /// Digests and topics in the column `subscriptions` that the configuration does not have.
    pub unknown: BTreeSet<String>,
    /// Where the rows that were refused or left alone are listed.
    #[serde(serialize_with = "as_shown")]
    pub written: Option<PathBuf>,
    /// Whether nothing says where its addresses are, so that no row of it can be left out either.
    #[serde(skip)]
    pub unreadable: bool,
    /// Whether there are grounds, so that it is or could be applied.
    #[serde(skip)]
    pub would_apply: bool,
    /// A few addresses for each outcome.
    #[serde(skip)]
    pub examples: BTreeMap<&'static str, Vec<String>>,
}

/// A path whatever its octets are: not every one is a text.
fn as_shown<S: Serializer>(path: &Option<PathBuf>, to: S) -> Result<S::Ok, S::Error> {
    path.as_ref().map(|path| path.display().to_string()).serialize(to)
}

/// A bad row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefusedRow {
    /// Its line in the file; the header is line 1.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
    /// Whose it is, where that can be read.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub email: String,
}

/// A row that was left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SkippedRow {
    /// Its line in the file.
    pub line: u64,
    /// Whose it is.
    pub email: String,
    /// Why.
    pub reason: &'static str,
}

/// Why a row was left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Skip {
    Left,
    Bounced,
    Complained,
    Erased,
    Suppressed,
    Moved,
    Stranger,
    NothingHere,
    Unproven,
    Doubtful,
}

/// What stands for a row that was left alone since nothing says that the person agreed.
const UNPROVEN: &str = "there is no evidence that the person agreed";

impl Skip {
    /// The word for counting, and the sentence for reading.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Left => ("left", "the person has left here"),
            Self::Bounced => ("bounced", "mail to the address has bounced for good"),
            Self::Complained => ("complained", "the person has reported a mail as spam"),
            Self::Erased => ("erased", "the person had their data erased"),
            Self::Suppressed => ("suppressed", "the address is suppressed by hand"),
            Self::Moved => ("moved", "the person has another address now"),
            Self::Stranger => ("never asked", "the person had not signed up there"),
            Self::NothingHere => ("nothing for them", "the person is in groups that are no digest or topic here"),
            Self::Unproven => ("no evidence", UNPROVEN),
            Self::Doubtful => ("in doubt", "a bad row of the same person may say that they have left"),
        }
    }
}

/// What became of some rows.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) added: u64,
    pub(super) updated: u64,
    pub(super) unchanged: u64,
    pub(super) asked: u64,
    pub(super) digests: BTreeMap<String, u64>,
    pub(super) without_choice: u64,
    pub(super) skipped: Vec<(SkippedRow, &'static str)>,
    pub(super) examples: Vec<(&'static str, String)>,
}

impl Counts {
    pub(super) fn add(&mut self, row: &Row) {
        self.added += 1;
        self.example("added", row);
    }

    pub(super) fn update(&mut self, row: &Row) {
        self.updated += 1;
        self.example("updated", row);
    }

    pub(super) fn skip(&mut self, row: &Row, why: Skip) {
        let (word, reason) = why.words();
        self.example("skipped", row);
        self.skipped.push((SkippedRow { line: row.line, email: row.address.to_string(), reason }, word));
    }

    fn example(&mut self, outcome: &'static str, row: &Row) {
        if self.examples.len() < 3 * EXAMPLES {
            self.examples.push((outcome, row.address.to_string()));
        }
    }
}

impl ImportReport {
    /// Whether a bad row, or a header that cannot be read, refused the whole file.
    pub fn is_refused(&self, import: &Import<'_>) -> bool {
        self.unreadable || self.refused_rows > 0 && !import.skip_bad
    }

    /// The lines of rows that were left alone for want of evidence; of very many the first.
    pub fn lines_without_evidence(&self) -> impl Iterator<Item = u64> {
        self.skipped_rows.iter().filter(|row| row.reason == UNPROVEN).map(|row| row.line)
    }

    /// Whether it only says what it would do, since there are no grounds to do it.
    pub fn is_only_report(&self, import: &Import<'_>) -> bool {
        !self.applied && !self.is_refused(import)
    }

    pub(super) fn count(&mut self, counts: Counts, lines: &mut Lines) -> Result<(), SubscribersError> {
        self.added += counts.added;
        self.updated += counts.updated;
        self.unchanged += counts.unchanged;
        self.asked += counts.asked;
        for (digest, people) in counts.digests {
            *self.digests.entry(digest).or_default() += people;
        }
        self.without_choice += counts.without_choice;
        self.skipped += counts.skipped.len() as u64;
        for (outcome, email) in counts.examples {
            let examples = self.examples.entry(outcome).or_default();
            if examples.len() < EXAMPLES {
                examples.push(email);
            }
        }
        for (row, word) in counts.skipped {
            *self.skipped_by.entry(word).or_default() += 1;
            lines.write(row.line, "skipped", &row.email, row.reason)?;
            if self.skipped_rows.len() < NAMED {
                self.skipped_rows.push(row);
            }
        }
        Ok(())
    }

    pub(super) fn refuse(&mut self, row: RefusedRow, lines: &mut Lines) -> Result<(), SubscribersError> {
        lines.write(row.line, "refused", &row.email, &row.reason)?;
        self.rows += 1;
        self.refused_rows += 1;
        if self.refused.len() < NAMED {
            self.refused.push(row);
        }
        Ok(())
    }

    pub(super) fn note_state(&mut self, state: SubscriberState) {
        *self.states.entry(state.as_str()).or_default() += 1;
    }
}

/// The report by line: a CSV file with all rows that were refused or left alone, made when there is one.
pub(super) struct Lines {
    path: Option<PathBuf>,
    file: Option<csv::Writer<File>>,
    /// What waits to be put in order.
    waiting: Vec<(u64, [String; 3])>,
}

impl Lines {
    /// Written to `path`, or nowhere.
    pub(super) fn to(path: Option<PathBuf>) -> Self {
        Self { path, file: None, waiting: Vec::new() }
    }

    fn write(&mut self, line: u64, outcome: &str, email: &str, reason: &str) -> Result<(), SubscribersError> {
        if self.path.is_some() {
            // Made at once, so that a folder that cannot be written to is found before anything is imported.
            self.make()?;
            self.waiting.push((line, [outcome, email, reason].map(str::to_owned)));
        }
        if self.waiting.len() < super::BATCH { Ok(()) } else { self.put_down() }
    }

    fn put_down(&mut self) -> Result<(), SubscribersError> {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.sort_by_key(|(line, _)| *line);
        for (line, [outcome, email, reason]) in waiting {
            let written = self.make()?.write_record([line.to_string(), outcome, email, reason]);
            written.map_err(io::Error::other).or_else(|error| self.failed(error))?;
        }
        Ok(())
    }

    /// Makes the file, if there is none yet.
    pub(super) fn begin(&mut self) -> Result<(), SubscribersError> {
        if self.path.is_some() {
            self.make()?;
        }
        Ok(())
    }

    fn make(&mut self) -> Result<&mut csv::Writer<File>, SubscribersError> {
        if self.file.is_none() {
            let path = self.path.clone().unwrap_or_default();
            // There are addresses in it.
            let file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&path);
            let mut writer = csv::Writer::from_writer(file.or_else(|error| self.failed(error))?);
            let head = writer.write_record(["line", "outcome", "email", "reason"]).map_err(io::Error::other);
            head.or_else(|error| self.failed(error))?;
            return Ok(self.file.insert(writer));
        }
        self.file.as_mut().ok_or_else(|| SubscribersError::File {
            path: self.path.clone().unwrap_or_default(),
            source: io::ErrorKind::NotFound.into(),
        })
    }

    fn failed<T>(&self, source: io::Error) -> Result<T, SubscribersError> {
        Err(SubscribersError::File { path: self.path.clone().unwrap_or_default(), source })
    }

    /// Writes what is left; gives the file, where one was made.
    pub(super) fn finish(mut self) -> Result<Option<PathBuf>, SubscribersError> {
        self.put_down()?;
        let Some(mut file) = self.file.take() else { return Ok(None) };
        file.flush().or_else(|error| self.failed(error))?;
        Ok(self.path)
    }
}
