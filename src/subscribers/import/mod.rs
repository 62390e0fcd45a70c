//! Imports subscribers from a CSV file: all of it is checked before the first row counts.

mod apply;
mod file;
mod row;

use std::path::Path;

use serde::Serialize;

use super::{Notify, Subscribers, SubscribersError};
use apply::{Counts, Planned};
use file::{Format, Rows};
use row::Row;

/// How many rows are written in one transaction: so few that whoever leaves meanwhile does not wait.
const CHUNK: usize = 1000;

/// What to import.
#[derive(Clone, Copy, Debug)]
pub struct Import<'a> {
    /// The file; it is read twice.
    pub path: &'a Path,
    /// On what grounds these people may be mailed.
    pub basis: ImportBasis<'a>,
    /// Whether a bad row is left out instead of refusing the whole file.
    pub skip_bad: bool,
}

/// On what grounds the people of a file may be mailed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportBasis<'a> {
    /// On the evidence in each row. Where one that needs it has none, the import only reports.
    Rows,
    /// On this evidence, where a row has none of its own.
    Confirmed(&'a str),
    /// On none: each of them is asked.
    Ask,
}

/// What an import did, or would do; the serialised form is part of the contract.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ImportReport {
    /// Rows in the file, the bad ones included.
    pub rows: u64,
    /// People who were not known.
    pub added: u64,
    /// People of whom something changed.
    pub updated: u64,
    /// Rows that say what is known.
    pub unchanged: u64,
    /// Rows left alone, since the person has left, bounced, complained or is suppressed.
    pub skipped: u64,
    /// Bad rows.
    pub refused: Vec<RefusedRow>,
    /// Whether anything was written: not when a bad row refuses the file, nor without grounds.
    pub applied: bool,
    /// Columns that mean nothing here.
    pub ignored_columns: Vec<String>,
}

/// A bad row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefusedRow {
    /// Its line in the file; the header is line 1.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
}

impl ImportReport {
    /// Whether a bad row refused the whole file.
    pub fn is_refused(&self, import: &Import<'_>) -> bool {
        !self.refused.is_empty() && !import.skip_bad
    }

    /// Whether it only says what it would do, since there are no grounds to do it.
    pub fn is_only_report(&self, import: &Import<'_>) -> bool {
        !self.applied && !self.is_refused(import)
    }

    fn count(&mut self, counts: &Counts) {
        self.added += counts.added;
        self.updated += counts.updated;
        self.unchanged += counts.unchanged;
        self.skipped += counts.skipped;
    }
}

impl Subscribers {
    /// Imports a file. `progress` hears how many rows are done, and of how many.
    ///
    /// # Errors
    /// When the file cannot be read, or the store fails; what was committed before stays, and importing the file again
    /// goes on from there. Bad rows are no error but part of the report.
    pub async fn import(
        &self,
        import: &Import<'_>,
        notify: &impl Notify,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<ImportReport, SubscribersError> {
        let mut report = ImportReport::default();
        let mut grounds = true;
        let format = Format::detect(import.path)?;
        let mut rows = Rows::open(import.path, format, self.config(), self.now())?;
        report.ignored_columns = rows.ignored_columns();
        while let Some(row) = rows.next()? {
            report.rows += 1;
            match row {
                Ok(row) => grounds &= row.has_grounds(import.basis),
                Err(refused) => report.refused.push(refused),
            }
        }
        if report.is_refused(import) {
            return Ok(report);
        }
        report.applied = grounds;
        let mut planned = (!grounds).then(Planned::default);
        let mut rows = Rows::open(import.path, format, self.config(), self.now())?;
        let mut chunk: Vec<Row> = Vec::with_capacity(CHUNK);
        let mut hashes = std::collections::HashSet::new();
        let mut done = 0;
        loop {
            let next = rows.next()?;
            let ended = next.is_none();
            let row = next.and_then(Result::ok).map(|row| (self.keys.address_hash(&row.address), row));
            // A person who comes twice is looked up again for the second row.
            let again = row.as_ref().is_some_and(|(hash, _)| hashes.contains(hash));
            if !chunk.is_empty() && (ended || again || chunk.len() == CHUNK) {
                let counts = match &mut planned {
                    Some(planned) => self.plan_chunk(&chunk, import, planned).await?,
                    None => self.apply_chunk(&chunk, import, notify).await?,
                };
                report.count(&counts);
                done += chunk.len() as u64;
                progress(done, report.rows);
                chunk.clear();
                hashes.clear();
            }
            if ended {
                return Ok(report);
            }
            if let Some((hash, mut row)) = row {
                row.address_hash.clone_from(&hash);
                hashes.insert(hash);
                chunk.push(row);
            }
        }
    }
}
