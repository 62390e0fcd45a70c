//! Reads a list of addresses that must not be mailed: one a line, a CSV file with a header, or the hashes of a list.

use std::collections::HashSet;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::sync::Arc;

use tokio::sync::mpsc::{self, Sender};

use super::charset::{self, Decoded};
use super::records::Records;
use super::report::{ImportReport, Lines, RefusedRow};
use super::source::Part;
use super::{CHUNK, Import, in_background, table, values};
use crate::domain::{EmailAddress, UtcMillis};
use crate::subscribers::{Keys, Subscribers, SubscribersError, SuppressionReason};

/// An address that must not be mailed.
#[derive(Clone)]
pub(in crate::subscribers) struct Entry {
    pub(in crate::subscribers) hash: String,
    /// The address in small letters, where the file has it.
    pub(in crate::subscribers) address: Option<String>,
    pub(in crate::subscribers) reason: Option<SuppressionReason>,
    pub(in crate::subscribers) note: String,
    pub(in crate::subscribers) since: Option<UtcMillis>,
}

/// Where in a row the parts are.
#[derive(Clone, Copy, Default)]
struct Places {
    address: Option<usize>,
    hash: Option<usize>,
    reason: Option<usize>,
    note: Option<usize>,
    since: Option<usize>,
    /// The fingerprint of the keys that the hashes were made with.
    keys: Option<usize>,
    /// Whether the first row is one of them.
    headless: bool,
}

impl Places {
    /// Reads the first row: a header, or an address.
    fn read(first: &csv::StringRecord) -> Option<Self> {
        if let Some(at) = first.iter().position(|text| EmailAddress::parse(text).is_ok()) {
            return Some(Self { address: Some(at), headless: true, ..Self::default() });
        }
        let keys: Vec<String> = first
            .iter()
            .map(|name| name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect())
            .collect();
        let find = |names: &[&str]| keys.iter().position(|key| names.contains(&key.as_str()));
        let places = Self {
            address: find(&["email", "emailaddress", "address", "mail"]),
            hash: find(&["addresshash", "hash"]),
            reason: find(&["reason"]),
            note: find(&["note"]),
            since: find(&["since", "createdat"]),
            keys: find(&["keys"]),
            headless: false,
        };
        (places.address.is_some() || places.hash.is_some()).then_some(places)
    }
}

impl Entry {
    fn read(row: &csv::StringRecord, places: Places, keys: &Keys, note: &str) -> Result<Self, String> {
        let text = |at: Option<usize>| at.and_then(|at| row.get(at)).map(str::trim).filter(|text| !text.is_empty());
        let (hash, address) = match (text(places.address), text(places.hash)) {
            (Some(address), _) => {
                let address = EmailAddress::parse(address).map_err(values::said)?;
                (keys.address_hash(&address), Some(address.as_str().to_lowercase()))
            }
            (None, Some(hash)) if is_hash(hash) => match text(places.keys) {
                Some(made_with) if made_with == keys.fingerprint() => (hash.to_owned(), None),
                Some(_) => return Err("was made with other keys, so that its hash stands for nobody here".to_owned()),
                None => return Err("a hash needs the column `keys`, as `suppression list --csv` writes it".to_owned()),
            },
            (None, Some(hash)) => return Err(format!("`{}` is no hash of an address", values::shown(hash))),
            (None, None) => return Err("an email address is missing".to_owned()),
        };
        let reason = text(places.reason).map(|word| {
            let reason = SuppressionReason::parse(word);
            let known = reason.as_str() == word;
            known.then_some(reason).ok_or_else(|| {
                format!("`{}` is no reason; those are erased, bounced, complaint and manual", values::shown(word))
            })
        });
        Ok(Self {
            hash,
            address,
            reason: reason.transpose()?,
            note: values::cut(text(places.note).unwrap_or(note)),
            since: text(places.since).map(values::moment).transpose()?,
        })
    }
}

fn is_hash(text: &str) -> bool {
    text.len() == 52 && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'))
}

/// Gives each row of a file to `each`, until it breaks off.
fn rows(
    part: &Part,
    keys: &Keys,
    note: &str,
    each: &mut dyn FnMut(Result<Entry, RefusedRow>) -> ControlFlow<()>,
) -> Result<(), SubscribersError> {
    let unreadable = |error| part.unreadable(error);
    let look = charset::look(|with| part.pass(|reader| with(reader))).map_err(unreadable)?;
    let first = look.start.lines().next().unwrap_or_default();
    // An address may have a bar in it.
    let delimiter = match EmailAddress::parse(first) {
        Ok(_) => b',',
        Err(_) => table::most(|delimiter| first.matches(char::from(delimiter)).count()),
    };
    let pass = |inner: &mut dyn Read| -> io::Result<()> {
        let mut records = Records::new(Decoded::new(inner, look.encoding), delimiter);
        let mut places = None;
        while let Some(read) = records.read()? {
            let line = match read {
                Ok(line) => line,
                Err(refused) => match each(Err(refused)) {
                    ControlFlow::Continue(()) => continue,
                    ControlFlow::Break(()) => break,
                },
            };
            let row = records.fields();
            let known = match places {
                Some(known) => known,
                None => {
                    let Some(known) = Places::read(row) else {
                        let reason = "the first line is neither an email address nor a header with a column `email`";
                        let _ = each(Err(RefusedRow { line, reason: reason.to_owned() }));
                        return Ok(());
                    };
                    places = Some(known);
                    if !known.headless {
                        continue;
                    }
                    known
                }
            };
            let entry = Entry::read(row, known, keys, note).map_err(|reason| RefusedRow { line, reason });
            if each(entry).is_break() {
                break;
            }
        }
        Ok(())
    };
    part.pass(pass).map_err(unreadable)
}

/// Reads all of a file, and checks each row.
fn check(part: &Part, keys: &Keys, note: &str, mut lines: Lines) -> Result<(ImportReport, Lines), SubscribersError> {
    let mut report = ImportReport::default();
    let mut failed = None;
    rows(part, keys, note, &mut |entry| {
        let noted = match entry {
            Ok(_) => {
                report.rows += 1;
                Ok(())
            }
            Err(refused) => report.refuse(refused, &mut lines),
        };
        failed = noted.err();
        if failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    failed.map_or(Ok((report, lines)), Err)
}

/// Reads a file that was checked once more, and gives its good rows in chunks, in which no address comes twice.
fn read_again(part: &Part, keys: &Keys, note: &str, send: &Sender<Vec<Entry>>) -> Result<(), SubscribersError> {
    let (mut chunk, mut seen) = (Vec::new(), HashSet::new());
    rows(part, keys, note, &mut |entry| {
        let Ok(entry) = entry else { return ControlFlow::Continue(()) };
        if !seen.insert(entry.hash.clone()) || chunk.len() == CHUNK {
            seen = HashSet::from([entry.hash.clone()]);
            if give(&mut chunk, send).is_break() {
                return ControlFlow::Break(());
            }
        }
        chunk.push(entry);
        ControlFlow::Continue(())
    })?;
    let _ = give(&mut chunk, send);
    Ok(())
}

fn give(chunk: &mut Vec<Entry>, send: &Sender<Vec<Entry>>) -> ControlFlow<()> {
    let full = std::mem::take(chunk);
    if full.is_empty() || send.blocking_send(full).is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
}

impl Subscribers {
    /// Checks all of a file, then hands its rows to `write` in chunks in which no address comes twice; that says how
    /// many of them were new, and for how many somebody's present address was meant as well.
    pub(in crate::subscribers) async fn read_suppressions(
        &self,
        import: &Import<'_>,
        note: &str,
        write: impl AsyncFn(Vec<Entry>) -> Result<(u64, u64), SubscribersError>,
    ) -> Result<ImportReport, SubscribersError> {
        let part = Part::plain(import.path)?;
        let (keys, text, lines) = (Arc::clone(&self.keys), note.to_owned(), import.lines());
        let (mut report, lines, part, text) = in_background(move || {
            let (report, lines) = check(&part, &keys, &text, lines)?;
            Ok::<_, SubscribersError>((report, lines, part, text))
        })
        .await??;
        Lines::finish(lines)?;
        if report.is_refused(import) {
            return Ok(report);
        }
        report.applied = true;
        let (send, chunks) = mpsc::channel::<Vec<Entry>>(2);
        let keys = Arc::clone(&self.keys);
        let reading = in_background(move || read_again(&part, &keys, &text, &send));
        let writing = async {
            // Moved in here, so that reading ends when writing fails.
            let mut chunks = chunks;
            while let Some(chunk) = chunks.recv().await {
                let all = chunk.len() as u64;
                let (added, former) = write(chunk).await?;
                report.added += added;
                *report.former.get_or_insert_default() += former;
                report.unchanged += all - added;
            }
            Ok::<_, SubscribersError>(())
        };
        let (read, written) = futures_util::future::join(reading, writing).await;
        written?;
        read??;
        Ok(report)
    }
}
