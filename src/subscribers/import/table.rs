//! Reads a table row by row, with the line of each, in memory that does not grow with it.

use std::io::{self, Read};
use std::ops::ControlFlow;

use encoding_rs::Encoding;

use super::Format;
use super::charset::{self, Decoded};
use super::columns::{self, Layout};
use super::records::Records;
use super::source::Part;
use crate::subscribers::SubscribersError;

/// What a file may have between its fields. The last of equals is taken, so the comma, which is the rule, stands last.
pub(super) const DELIMITERS: [u8; 4] = [b'|', b'\t', b';', b','];

/// A table, and how it is written.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) part: Part,
    encoding: &'static Encoding,
    delimiter: u8,
    /// Whether a line for spreadsheets stands before the header, which says what is between the fields: `sep=;`.
    told: bool,
    /// What its columns mean, or what is wrong with its header.
    pub(super) layout: Result<Layout, String>,
    /// Its columns that hold groups; found by reading it once.
    pub(super) group_columns: Vec<usize>,
}

/// A record that was read, and its line.
pub(super) struct Record<'r> {
    pub(super) fields: &'r csv::StringRecord,
    pub(super) line: u64,
    /// Why it ends before its end, where it does.
    pub(super) broken: Option<&'static str>,
}

impl Table {
    /// Finds charset, delimiter and columns.
    pub(super) fn open(part: Part, format: Format) -> Result<Self, SubscribersError> {
        let look = charset::look(|with| part.pass(|reader| with(reader))).map_err(|error| part.unreadable(error))?;
        let first = look.start.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let told = told(first);
        let delimiter = told.unwrap_or_else(|| delimiter(first));
        let (encoding, layout) = (look.encoding, Err(String::new()));
        let mut table = Self { part, encoding, delimiter, told: told.is_some(), layout, group_columns: Vec::new() };
        let header = table.read(|records| {
            if table.told {
                records.read()?;
            }
            Ok(match records.read()? {
                Some(Err(broken)) => Err(broken.reason.to_owned()),
                Some(Ok(_)) => Ok(records.fields().clone()),
                None => Ok(csv::StringRecord::new()),
            })
        })?;
        table.layout = header.and_then(|header| match look.letters.problem(header.iter()) {
            Some(problem) => Err(format!("the header {problem}")),
            None => Layout::read(header.iter(), format),
        });
        if let Ok(layout) = &mut table.layout {
            layout.letters = look.letters;
        }
        Ok(table)
    }

    fn read<T>(&self, with: impl FnOnce(&mut Records<&mut dyn Read>) -> io::Result<T>) -> Result<T, SubscribersError> {
        let read = |inner: &mut dyn Read| with(&mut Records::new(Decoded::new(inner, self.encoding), self.delimiter));
        self.part.pass(read).map_err(|error| self.part.unreadable(error))
    }

    /// Gives each record after the header until there are no more or `each` breaks off; none where the header is bad.
    pub(super) fn rows(&self, mut each: impl FnMut(Record<'_>) -> ControlFlow<()>) -> Result<(), SubscribersError> {
        if self.layout.is_err() {
            return Ok(());
        }
        self.read(|records| {
            for _ in 0..=usize::from(self.told) {
                records.read()?;
            }
            while let Some(read) = records.read()? {
                let (line, broken) = match read {
                    Ok(line) => (line, None),
                    Err(broken) => (broken.line, Some(broken.reason)),
                };
                if each(Record { fields: records.fields(), line, broken }).is_break() {
                    break;
                }
            }
            Ok(())
        })
    }
}

/// The delimiter that a first line tells spreadsheets.
fn told(first: &str) -> Option<u8> {
    let told = first.trim().trim_matches('"').strip_prefix("sep=")?;
    DELIMITERS.into_iter().find(|delimiter| told.as_bytes() == [*delimiter])
}

/// The delimiter with which the header has the most columns that mean something.
fn delimiter(header: &str) -> u8 {
    most(|delimiter| columns::known(header.split(char::from(delimiter)).map(|column| column.trim().trim_matches('"'))))
}

/// The delimiter that counts most.
pub(super) fn most(count: impl Fn(u8) -> usize) -> u8 {
    DELIMITERS.into_iter().max_by_key(|delimiter| count(*delimiter)).unwrap_or(b',')
}
