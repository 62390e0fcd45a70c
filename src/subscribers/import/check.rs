//! The two readings of a file: one that checks all of it, and one that gives its rows in chunks.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc::Sender;

use super::bad::{Bad, Said};
use super::decide::{Numbered, gone};
use super::duplicates::{Collector, Duplicates};
use super::report::{ImportReport, Lines, RefusedRow};
use super::row::{Reading, Row};
use super::source::Part;
use super::table::Table;
use super::wishes::Chooser;
use super::{BATCH, BATCH_OCTETS, CHUNK, Format, Import, ImportBasis, foreign};
use crate::config::Config;
use crate::domain::{SubscriberState, UtcMillis};
use crate::subscribers::{Keys, Subscribers, SubscribersError};

/// What reading needs; it is done on another thread.
pub(super) struct Scene {
    path: PathBuf,
    format: Format,
    /// The kind of grounds alone.
    basis: ImportBasis<'static>,
    config: Arc<Config>,
    keys: Arc<Keys>,
    now: UtcMillis,
}

impl Scene {
    pub(super) fn new(subscribers: &Subscribers, import: &Import<'_>) -> Self {
        Self {
            path: import.path.to_owned(),
            format: import.format,
            basis: match import.basis {
                ImportBasis::Rows => ImportBasis::Rows,
                ImportBasis::Ask => ImportBasis::Ask,
                ImportBasis::Confirmed(_) => ImportBasis::Confirmed(""),
            },
            config: Arc::clone(&subscribers.config),
            keys: Arc::clone(&subscribers.keys),
            now: subscribers.now(),
        }
    }
}

/// What the first reading found.
pub(super) struct Checked {
    pub(super) report: ImportReport,
    pub(super) lines: Lines,
    /// Whether it may be written: not where people would be mailed and no row at all has evidence.
    pub(super) grounds: bool,
    pub(super) tables: Vec<Table>,
    pub(super) duplicates: Duplicates,
}

/// What the first reading has found so far.
struct Findings {
    report: ImportReport,
    lines: Lines,
    people: Collector,
    /// Whether a row would need evidence and has none, and whether one has it.
    lacking: bool,
    proven: bool,
}

/// Reads all of a file, and checks each row.
pub(super) fn check(scene: &Scene, lines: Lines) -> Result<Checked, SubscribersError> {
    let (report, people) = (ImportReport::default(), Collector::new());
    let mut findings = Findings { report, lines, people, lacking: false, proven: false };
    let mut chooser = Chooser::new(Arc::clone(&scene.config));
    let mut tables = Vec::new();
    for part in Part::all(&scene.path)? {
        let mut table = Table::open(part, scene.format)?;
        match &table.layout {
            Ok(layout) => {
                findings.report.format = layout.format;
                findings.report.ignored_columns.extend(layout.ignored.iter().cloned());
            }
            Err(problem) => findings.cannot_read(&table.part, problem)?,
        }
        let mut groups: Vec<usize> = Vec::new();
        let mut failed = None;
        table.rows(|record| {
            let Ok(layout) = &table.layout else { return ControlFlow::Break(()) };
            let (told, now) = (table.part.told(), scene.now);
            let mut reading = Reading { layout, chooser: &mut chooser, told, group_columns: &[], now };
            if layout.format != Format::Csv && record.broken.is_none() {
                for column in foreign::group_columns(record.fields, &reading) {
                    if !groups.contains(&column) {
                        groups.push(column);
                    }
                }
            }
            let noted = match Row::read(&record, &mut reading) {
                Ok(row) => {
                    findings.note(&row, scene.basis);
                    Ok(())
                }
                Err(bad) => findings.refuse(&table.part, record.line, bad),
            };
            failed = noted.err();
            if failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
        table.group_columns = groups;
        tables.push(table);
    }
    let Findings { mut report, lines, people, lacking, proven } = findings;
    report.repeated = people.repeats;
    Ok(Checked { report, lines, grounds: proven || !lacking, tables, duplicates: people.finish() })
}

impl Findings {
    fn note(&mut self, row: &Row, basis: ImportBasis<'_>) {
        self.report.rows += 1;
        let wanted = row.wanted(basis);
        self.lacking |= row.lacks_evidence(basis);
        self.proven |= row.is_proven(basis);
        self.report.note_state(wanted);
        self.report.unknown.extend(row.wishes.foreign.iter().cloned());
        if self.people.see(&row.address, wanted) && row.chooses(basis) {
            self.people.choose(&row.address, wanted == SubscriberState::Pending, &row.wishes);
        }
        row.former().for_each(|former| self.people.see_former(&former.address, &row.address));
    }

    fn refuse(&mut self, part: &Part, line: u64, bad: Bad) -> Result<(), SubscribersError> {
        match &bad.said {
            Said::No(rows) => rows.iter().for_each(|row| {
                self.people.see(&row.address, row.claim.state.unwrap_or(SubscriberState::Unsubscribed));
            }),
            Said::Unclear => bad.addresses.iter().for_each(|address| self.people.doubt(address)),
            Said::Nothing => {}
        }
        self.report.refuse(in_part(part, bad.refused(line)), &mut self.lines)
    }

    /// Without its header none of its rows can be read, not even as a bad one.
    fn cannot_read(&mut self, part: &Part, problem: &str) -> Result<(), SubscribersError> {
        self.report.unreadable = true;
        let refused = RefusedRow { line: 1, reason: problem.to_owned(), email: String::new() };
        self.report.refuse(in_part(part, refused), &mut self.lines)
    }
}

/// A bad row of a ZIP file says in which of the files it is.
fn in_part(part: &Part, refused: RefusedRow) -> RefusedRow {
    match part.name() {
        Some(name) => RefusedRow { reason: format!("in {name}: {}", refused.reason), ..refused },
        None => refused,
    }
}

/// Reads a file that was checked once more, and gives in chunks, in which nobody comes twice, its good rows and what bad ones
/// say all the same.
///
/// Within a batch the rows come in the order of their hashes: a chunk then changes few pages of the index of hashes, which
/// else is what most of the writing is spent on.
pub(super) fn read_again(
    scene: &Scene,
    tables: &[Table],
    mut duplicates: Duplicates,
    send: &Sender<Vec<Numbered>>,
) -> Result<(), SubscribersError> {
    let mut chooser = Chooser::new(Arc::clone(&scene.config));
    let (mut batch, mut octets) = (Vec::<Numbered>::new(), 0);
    for table in tables {
        table.rows(|record| {
            let Ok(layout) = &table.layout else { return ControlFlow::Break(()) };
            let (told, group_columns, now) = (table.part.told(), table.group_columns.as_slice(), scene.now);
            let mut reading = Reading { layout, chooser: &mut chooser, told, group_columns, now };
            match Row::read(&record, &mut reading) {
                Ok(row) => batch.push(numbered(row, false, scene, &mut duplicates)),
                Err(Bad { said: Said::No(rows), .. }) => {
                    batch.extend(rows.into_iter().map(|row| numbered(row, true, scene, &mut duplicates)));
                }
                Err(_) => return ControlFlow::Continue(()),
            }
            octets += record.fields.as_slice().len();
            if batch.len() < BATCH && octets < BATCH_OCTETS {
                return ControlFlow::Continue(());
            }
            octets = 0;
            give(&mut batch, send)
        })?;
    }
    let _ = give(&mut batch, send);
    Ok(())
}

/// A row with what the rest of the file says of the same person.
fn numbered(mut row: Row, refused: bool, scene: &Scene, duplicates: &mut Duplicates) -> Numbered {
    row.address_hash = scene.keys.address_hash(&row.address);
    for former in row.past.iter_mut().flat_map(|past| &mut past.former) {
        former.address_hash = scene.keys.address_hash(&former.address);
    }
    let mover = duplicates.moved_from(&row.address).filter(|_| row.is_own());
    row.apart_from = mover.map(|mover| scene.keys.address_hash(mover));
    row.forget_networks(&scene.config.retention, scene.now);
    let says_no = row.claim.state.is_some_and(gone);
    let next = duplicates.next(&row.address);
    let (repeated, again) = (next.is_some(), next.is_some_and(|(_, before)| before));
    if repeated && row.chooses(scene.basis) {
        let asks = row.wanted(scene.basis) == SubscriberState::Pending;
        row.wishes = duplicates.united(&row.address, asks, &row.wishes);
    }
    let overruled = next.map(|(strictest, _)| strictest).filter(|strictest| gone(*strictest) && !says_no);
    if let Some(strictest) = overruled {
        // So that nobody counts as subscribed until the row comes that says they have left.
        row.claim.state = Some(strictest);
    }
    let doubtful = !says_no && duplicates.is_doubtful(&row.address);
    Numbered { row, repeated, again, overruled: overruled.is_some(), doubtful, refused }
}

/// Hands a batch over in chunks; breaks off when nobody wants more.
fn give(batch: &mut Vec<Numbered>, send: &Sender<Vec<Numbered>>) -> ControlFlow<()> {
    // The sort keeps the rows of one person in the order of the file.
    batch.sort_by(|one, other| one.row.address_hash.cmp(&other.row.address_hash));
    let mut chunk: Vec<Numbered> = Vec::with_capacity(CHUNK.min(batch.len()));
    for numbered in batch.drain(..) {
        let twice = chunk.last().is_some_and(|last| last.row.address_hash == numbered.row.address_hash);
        if (twice || chunk.len() == CHUNK) && send.blocking_send(std::mem::take(&mut chunk)).is_err() {
            return ControlFlow::Break(());
        }
        chunk.push(numbered);
    }
    if !chunk.is_empty() && send.blocking_send(chunk).is_err() {
        return ControlFlow::Break(());
    }
    ControlFlow::Continue(())
}
