//! Imports subscribers from a file: all of it is checked before the first row counts.
//!
//! The file is read twice: once to check it, once to write it in short transactions, a chunk each. What was written
//! before somebody pulled the plug is `unchanged` the next time, so that importing the file again goes on from there.

mod apply;
mod bad;
mod changes;
mod charset;
mod check;
mod columns;
mod decide;
mod duplicates;
mod foreign;
mod history;
mod movers;
mod networks;
mod no_columns;
mod no_names;
mod noes;
mod own;
mod plan;
mod records;
mod report;
mod row;
mod source;
mod spotted;
pub(super) mod suppressions;
mod table;
mod united;
mod values;
mod wishes;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::mpsc;

pub use report::{ImportReport, RefusedRow, SkippedRow};

pub(super) use changes::proves;
pub(super) use history::{Event, Reason, Request, write as write_history, write_former, write_mark, write_turn};
pub(super) use values::{as_text, cut};
pub(super) use wishes::write_subscriptions;

use super::asks::ASKED;
use super::{Notify, Subscribers, SubscribersError};
use crate::config::Rate;
use crate::domain::SubscriberState;
use check::{Checked, Scene};
use decide::Numbered;
use plan::Plan;
use report::Lines;

/// How many rows are written in one transaction at most: so few that whoever leaves meanwhile does not wait.
const CHUNK: usize = 2000;
/// How many at least, however long they take.
const SMALLEST: usize = 100;
/// How long a transaction may take before the next one gets fewer.
const LONG: Duration = Duration::from_millis(150);
/// How many rows are in memory at once, to be put in order.
const BATCH: usize = 40_000;
/// And how many octets of the file.
const BATCH_OCTETS: usize = 64 << 20;

/// What to import.
#[derive(Clone, Debug)]
pub struct Import<'a> {
    /// The file; it is read twice.
    pub path: &'a Path,
    /// On what grounds these people may be mailed.
    pub basis: ImportBasis<'a>,
    /// Whether a bad row is left out instead of refusing the whole file.
    pub skip_bad: bool,
    /// Whose export it is.
    pub format: Format,
    /// How many are asked in which time.
    pub rate: Rate,
    /// Where all rows that were refused or left alone are listed; without it, bad rows that were left out are listed
    /// beside the file.
    pub report: Option<PathBuf>,
    /// Only say what would happen.
    pub dry: bool,
}

impl<'a> Import<'a> {
    /// That file on those grounds, with everything else as usual.
    pub fn new(path: &'a Path, basis: ImportBasis<'a>) -> Self {
        Self { path, basis, skip_bad: false, format: Format::Detect, rate: ASKED, report: None, dry: false }
    }

    /// Whether each is asked to confirm.
    fn asks(&self) -> bool {
        self.basis == ImportBasis::Ask
    }

    /// Where the report by line goes.
    fn lines(&self) -> Lines {
        let beside = || {
            let mut path = self.path.as_os_str().to_owned();
            path.push(".report.csv");
            PathBuf::from(path)
        };
        Lines::to(self.report.clone().or_else(|| (self.skip_bad && !self.dry).then(beside)))
    }
}

/// On what grounds the people of a file may be mailed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportBasis<'a> {
    /// On the evidence in each row. One that needs it and has none is left alone; where no row has any, the import only
    /// reports.
    Rows,
    /// On this evidence, where a row has none of its own.
    Confirmed(&'a str),
    /// On none: each of them is asked.
    Ask,
}

/// Whose export a file is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// What its header says.
    #[default]
    Detect,
    /// Our own columns.
    Csv,
    /// listmonk's `subscribers.csv`.
    Listmonk,
    /// phpList's export, with tabs or commas.
    PhpList,
    /// Mailchimp's ZIP file, or one of the files in it.
    Mailchimp,
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
        let mut lines = import.lines();
        if import.report.is_some() {
            lines.begin()?;
        }
        let scene = Scene::new(self, import);
        let checked = in_background(move || check::check(&scene, lines)).await??;
        let Checked { mut report, mut lines, grounds, tables, duplicates } = checked;
        if report.is_refused(import) {
            report.written = lines.finish()?;
            return Ok(report);
        }
        report.would_apply = grounds;
        report.applied = grounds && !import.dry;
        let mut pace = self.pace(import.rate).await?;
        let (send, chunks) = mpsc::channel::<Vec<Numbered>>(2);
        let scene = Scene::new(self, import);
        let reading = in_background(move || check::read_again(&scene, &tables, duplicates, &send));
        let all = report.rows - report.refused_rows;
        let writing = async {
            // Moved in here, so that reading ends when writing fails.
            let mut chunks = chunks;
            let (mut done, mut size) = (0, CHUNK);
            let mut plan = Plan::of(import, grounds);
            while let Some(chunk) = chunks.recv().await {
                let mut rest = chunk.as_slice();
                while !rest.is_empty() {
                    let part;
                    (part, rest) = rest.split_at(size.min(rest.len()));
                    let begun = Instant::now();
                    let counts = if report.applied {
                        self.apply_chunk(part, import, &mut || pace.next()).await?
                    } else {
                        self.plan_chunk(part, &mut plan).await?
                    };
                    size = next_size(size, begun.elapsed());
                    let asked = counts.asked;
                    report.count(counts, &mut lines)?;
                    if report.applied && asked > 0 {
                        self.ask_due(notify).await?;
                    }
                    done += part.iter().filter(|numbered| !numbered.refused).count() as u64;
                    progress(done, all);
                }
            }
            Ok::<_, SubscribersError>(())
        };
        let (read, written) = futures_util::future::join(reading, writing).await;
        written?;
        read??;
        report.skipped_rows.sort_by_key(|row| row.line);
        report.written = lines.finish()?;
        Ok(report)
    }
}

/// How many rows the next transaction gets, when one of `size` took so long: on a busy machine fewer, so that nobody waits.
fn next_size(size: usize, took: Duration) -> usize {
    if took > LONG {
        (size / 2).max(SMALLEST)
    } else if took < LONG / 3 {
        (size * 2).min(CHUNK)
    } else {
        size
    }
}

/// Runs what reads files beside the rest.
async fn in_background<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, SubscribersError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| SubscribersError::File { path: PathBuf::new(), source: std::io::Error::other(error) })
}

/// The more the less may be mailed.
fn strictness(state: SubscriberState) -> u8 {
    match state {
        SubscriberState::Confirmed => 0,
        SubscriberState::Pending => 1,
        SubscriberState::Unsubscribed => 2,
        SubscriberState::Bounced => 3,
        SubscriberState::Complained => 4,
    }
}

/// The one of two states by which less may be mailed.
pub(super) fn stricter(one: SubscriberState, other: SubscriberState) -> SubscriberState {
    if strictness(other) > strictness(one) { other } else { one }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transactions_that_take_long_are_followed_by_smaller_ones_and_quick_ones_by_larger() {
        let ms = Duration::from_millis;
        assert_eq!(next_size(CHUNK, ms(400)), CHUNK / 2);
        assert_eq!(next_size(SMALLEST, ms(4000)), SMALLEST);
        assert_eq!(next_size(500, ms(100)), 500);
        assert_eq!(next_size(500, ms(20)), 1000);
        assert_eq!(next_size(CHUNK, ms(1)), CHUNK);
    }
}
