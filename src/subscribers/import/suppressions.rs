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
use super::spotted::addresses_in;
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
    /// Reads a row that may be the first to say so: a header, or one with an address.
    fn read<'r>(first: impl Iterator<Item = &'r str> + Clone) -> Option<Self> {
        if let Some(at) = first.clone().position(|text| EmailAddress::parse(text).is_ok()) {
            return Some(Self { address: Some(at), headless: true, ..Self::default() });
        }
        let keys: Vec<String> = first
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
    fn read(row: &csv::StringRecord, places: Places, keys: &Keys, note: &str) -> Result<Self, Bad> {
        let text = |at: Option<usize>| at.and_then(|at| row.get(at)).map(str::trim).filter(|text| !text.is_empty());
        let (hash, address) = match (text(places.address), text(places.hash)) {
            (Some(text), _) => match EmailAddress::parse(text) {
                Ok(address) => (keys.address_hash(&address), Some(address.as_str().to_lowercase())),
                Err(bad) => return Err(Bad { reason: bad.to_string(), entries: Self::spotted(text, keys, note) }),
            },
            (None, Some(hash)) => (own_hash(hash, text(places.keys), keys)?, None),
            (None, None) => return Err("an email address is missing".to_owned().into()),
        };
        let entry =
            Self { hash, address, reason: None, note: values::cut(text(places.note).unwrap_or(note)), since: None };
        let reason = text(places.reason).map(|word| {
            let reason = SuppressionReason::parse(word);
            let known = reason.as_str() == word;
            known.then_some(reason).ok_or_else(|| {
                format!("`{}` is no reason; those are erased, bounced, complaint and manual", values::shown(word))
            })
        });
        match (reason.transpose(), text(places.since).map(values::at_latest).transpose()) {
            (Ok(reason), Ok(since)) => Ok(Self { reason, since, ..entry }),
            (Ok(reason), Err(bad)) => Err(Bad { reason: bad, entries: vec![Self { reason, ..entry }] }),
            // Why it stands there cannot be read, and not either that a confirmation would lift it.
            (Err(bad), _) => Err(Bad { reason: bad, entries: vec![entry] }),
        }
    }

    /// The addresses that can be read in a field that is none.
    fn spotted(field: &str, keys: &Keys, note: &str) -> Vec<Self> {
        let entry = |address: EmailAddress| Self {
            hash: keys.address_hash(&address),
            address: Some(address.as_str().to_lowercase()),
            reason: None,
            note: values::cut(note),
            since: None,
        };
        addresses_in(field).into_iter().map(entry).collect()
    }
}

/// A bad row.
struct Bad {
    reason: String,
    /// The addresses that must not be mailed, where they can be read: they count whatever else is wrong.
    entries: Vec<Entry>,
}

impl From<String> for Bad {
    fn from(reason: String) -> Self {
        Self { reason, entries: Vec::new() }
    }
}

impl Bad {
    fn refused(&self, line: u64) -> RefusedRow {
        let addresses: Vec<&str> = self.entries.iter().filter_map(|entry| entry.address.as_deref()).collect();
        let counts = match self.entries.len() {
            0 => "",
            1 => "; it is suppressed all the same where bad rows are left out",
            _ => "; all of them are suppressed all the same where bad rows are left out",
        };
        RefusedRow { line, reason: format!("{}{counts}", self.reason), email: addresses.join("; ") }
    }
}

/// A hash that was made with these keys.
fn own_hash(hash: &str, made_with: Option<&str>, keys: &Keys) -> Result<String, String> {
    if !is_hash(hash) {
        return Err(format!("`{}` is no hash of an address", values::shown(hash)));
    }
    match made_with {
        Some(made_with) if made_with == keys.fingerprint() => Ok(hash.to_owned()),
        Some(_) => Err("was made with other keys, so that its hash stands for nobody here".to_owned()),
        None => Err("a hash needs the column `keys`, as `suppression list --csv` writes it".to_owned()),
    }
}

fn is_hash(text: &str) -> bool {
    text.len() == 52 && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'))
}

/// What stands between the fields, by the first line that says where the addresses are.
fn delimiter(start: &str) -> u8 {
    let tells = |line: &&str| {
        let fields = |between: &u8| line.split(char::from(*between)).map(|field| field.trim().trim_matches('"'));
        table::DELIMITERS.iter().any(|between| Places::read(fields(between)).is_some())
    };
    let line = start.lines().find(tells).unwrap_or_default();
    // An address may have a bar in it.
    match EmailAddress::parse(line) {
        Ok(_) => b',',
        Err(_) => table::most(|delimiter| line.matches(char::from(delimiter)).count()),
    }
}

/// Gives each row of a file to `each`, until it breaks off; says whether any row told where the addresses are. What stands
/// before that one is bad: a title, or an address that is none.
fn rows(
    part: &Part,
    keys: &Keys,
    note: &str,
    each: &mut dyn FnMut(u64, Result<Entry, Bad>) -> ControlFlow<()>,
) -> Result<bool, SubscribersError> {
    let unreadable = |error| part.unreadable(error);
    let look = charset::look(|with| part.pass(|reader| with(reader))).map_err(unreadable)?;
    let delimiter = delimiter(&look.start);
    let pass = |inner: &mut dyn Read| -> io::Result<bool> {
        let mut records = Records::new(Decoded::new(inner, look.encoding), delimiter);
        let mut places = None;
        while let Some(read) = records.read()? {
            let line = match read {
                Ok(line) => line,
                Err(broken) => {
                    let read = places.map(|places| Entry::read(records.fields(), places, keys, note));
                    let entries =
                        read.map_or_else(Vec::new, |read| read.map_or_else(|bad| bad.entries, |entry| vec![entry]));
                    match each(broken.line, Err(Bad { reason: broken.reason.to_owned(), entries })) {
                        ControlFlow::Continue(()) => continue,
                        ControlFlow::Break(()) => break,
                    }
                }
            };
            let row = records.fields();
            let known = match places {
                Some(known) => known,
                None => {
                    let Some(known) = Places::read(row.iter()) else {
                        let text = values::shown(row.iter().collect::<Vec<_>>().join(" ").trim());
                        let reason = format!("`{text}` is neither an email address nor a header with a column `email`");
                        let entries = row.iter().flat_map(|field| Entry::spotted(field, keys, note)).collect();
                        match each(line, Err(Bad { reason, entries })) {
                            ControlFlow::Continue(()) => continue,
                            ControlFlow::Break(()) => break,
                        }
                    };
                    places = Some(known);
                    if !known.headless {
                        continue;
                    }
                    known
                }
            };
            let entry = Entry::read(row, known, keys, note);
            let entry = match look.letters.problem(row.iter()) {
                Some(reason) => Err(Bad { reason, entries: entry.map_or_else(|bad| bad.entries, |entry| vec![entry]) }),
                None => entry,
            };
            if each(line, entry).is_break() {
                break;
            }
        }
        Ok(places.is_some())
    };
    part.pass(pass).map_err(unreadable)
}

/// Reads all of a file, and checks each row.
fn check(part: &Part, keys: &Keys, note: &str, mut lines: Lines) -> Result<(ImportReport, Lines), SubscribersError> {
    let mut report = ImportReport::default();
    let mut failed = None;
    let found = rows(part, keys, note, &mut |line, entry| {
        let noted = match entry {
            Ok(_) => {
                report.rows += 1;
                Ok(())
            }
            Err(bad) => report.refuse(bad.refused(line), &mut lines),
        };
        failed = noted.err();
        if failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    report.unreadable = !found && report.refused_rows > 0;
    failed.map_or(Ok((report, lines)), Err)
}

/// Entries in which no address comes twice: of good rows, or of bad ones.
#[derive(Default)]
struct Chunk {
    entries: Vec<Entry>,
    bad: bool,
}

/// Reads a file that was checked once more, and gives in chunks what its rows have.
fn read_again(part: &Part, keys: &Keys, note: &str, send: &Sender<Chunk>) -> Result<(), SubscribersError> {
    let (mut chunk, mut seen) = (Chunk::default(), HashSet::new());
    rows(part, keys, note, &mut |_, entry| {
        let (entries, bad) = match entry {
            Ok(entry) => (vec![entry], false),
            Err(Bad { entries, .. }) => (entries, true),
        };
        for entry in entries {
            if !seen.insert(entry.hash.clone()) || chunk.entries.len() == CHUNK || chunk.bad != bad {
                seen = HashSet::from([entry.hash.clone()]);
                if give(&mut chunk, send).is_break() {
                    return ControlFlow::Break(());
                }
            }
            chunk.bad = bad;
            chunk.entries.push(entry);
        }
        ControlFlow::Continue(())
    })?;
    let _ = give(&mut chunk, send);
    Ok(())
}

fn give(chunk: &mut Chunk, send: &Sender<Chunk>) -> ControlFlow<()> {
    let full = std::mem::take(chunk);
    let given = full.entries.is_empty() || send.blocking_send(full).is_ok();
    if given { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
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
        report.written = lines.finish()?;
        if report.is_refused(import) {
            return Ok(report);
        }
        report.applied = true;
        let (send, chunks) = mpsc::channel::<Chunk>(2);
        let keys = Arc::clone(&self.keys);
        let reading = in_background(move || read_again(&part, &keys, &text, &send));
        let writing = async {
            // Moved in here, so that reading ends when writing fails.
            let mut chunks = chunks;
            while let Some(chunk) = chunks.recv().await {
                let all = chunk.entries.len() as u64;
                let (added, former) = write(chunk.entries).await?;
                *report.former.get_or_insert_default() += former;
                // Bad rows are counted as such.
                if !chunk.bad {
                    report.added += added;
                    report.unchanged += all - added;
                }
            }
            Ok::<_, SubscribersError>(())
        };
        let (read, written) = futures_util::future::join(reading, writing).await;
        written?;
        read??;
        Ok(report)
    }
}
