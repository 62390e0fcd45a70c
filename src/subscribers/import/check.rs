//! The two readings of a file: one that checks all of it, and one that gives its rows in chunks.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc::Sender;

use super::decide::{Numbered, gone};
use super::duplicates::{Collector, Duplicates};
use super::report::{ImportReport, Lines, RefusedRow};
use super::row::{Reading, Row};
use super::source::Part;
use super::table::Table;
use super::wishes::Chooser;
use super::{BATCH, BATCH_OCTETS, CHUNK, Format, Import, ImportBasis, foreign};
use crate::config::Config;
use crate::domain::UtcMillis;
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

/// Reads all of a file, and checks each row.
pub(super) fn check(scene: &Scene, mut lines: Lines) -> Result<Checked, SubscribersError> {
    let mut report = ImportReport::default();
    let (mut lacking, mut proven, mut people) = (false, false, Collector::new());
    let mut chooser = Chooser::new(Arc::clone(&scene.config));
    let mut tables = Vec::new();
    for part in Part::all(&scene.path)? {
        let mut table = Table::open(part, scene.format)?;
        if let Ok(layout) = &table.layout {
            report.format = layout.format;
            report.ignored_columns.extend(layout.ignored.iter().cloned());
        }
        let mut groups: Vec<usize> = Vec::new();
        let mut failed = None;
        table.rows(|record| {
            let checked = record.and_then(|record| {
                let Ok(layout) = &table.layout else { return Err(record.refused(String::new())) };
                let mut reading = Reading {
                    layout,
                    chooser: &mut chooser,
                    told: table.part.told(),
                    group_columns: &[],
                    now: scene.now,
                };
                if layout.format != Format::Csv {
                    for column in foreign::group_columns(record.fields, &reading) {
                        if !groups.contains(&column) {
                            groups.push(column);
                        }
                    }
                }
                Row::read(record.fields, record.line, &mut reading).map_err(|reason| record.refused(reason))
            });
            let noted = match checked {
                Ok(row) => {
                    report.rows += 1;
                    let wanted = row.wanted(scene.basis);
                    lacking |= row.lacks_evidence(scene.basis);
                    proven |= row.is_proven(scene.basis);
                    report.note_state(wanted);
                    report.unknown.extend(row.wishes.foreign.iter().cloned());
                    people.see(&row.address, wanted);
                    row.former().for_each(|former| people.see_former(&former.address, &row.address));
                    Ok(())
                }
                Err(refused) => report.refuse(in_part(&table.part, refused), &mut lines),
            };
            match noted {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
        table.group_columns = groups;
        tables.push(table);
    }
    report.repeated = people.repeats;
    let grounds = proven || !lacking;
    Ok(Checked { report, lines, grounds, tables, duplicates: people.finish() })
}

/// A bad row of a ZIP file says in which of the files it is.
fn in_part(part: &Part, refused: RefusedRow) -> RefusedRow {
    match part.name() {
        Some(name) => RefusedRow { reason: format!("in {name}: {}", refused.reason), ..refused },
        None => refused,
    }
}

/// Reads a file that was checked once more, and gives its good rows in chunks, in which nobody comes twice.
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
            let (Ok(record), Ok(layout)) = (record, &table.layout) else { return ControlFlow::Continue(()) };
            let mut reading = Reading {
                layout,
                chooser: &mut chooser,
                told: table.part.told(),
                group_columns: &table.group_columns,
                now: scene.now,
            };
            let Ok(mut row) = Row::read(record.fields, record.line, &mut reading) else {
                return ControlFlow::Continue(());
            };
            row.address_hash = scene.keys.address_hash(&row.address);
            for former in row.past.iter_mut().flat_map(|past| &mut past.former) {
                former.address_hash = scene.keys.address_hash(&former.address);
            }
            let mover = duplicates.moved_from(&row.address).filter(|_| row.is_own());
            row.apart_from = mover.map(|mover| scene.keys.address_hash(mover));
            row.forget_networks(&scene.config.retention, scene.now);
            let next = duplicates.next(&row.address);
            let (repeated, again) = (next.is_some(), next.is_some_and(|(_, before)| before));
            if let Some((strictest, _)) = next {
                // So that nobody counts as subscribed until the row comes that says they have left.
                if gone(strictest) {
                    row.claim.state = Some(strictest);
                }
            }
            batch.push(Numbered { row, repeated, again });
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
