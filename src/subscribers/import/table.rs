//! Reads a table row by row, with the line of each, in memory that does not grow with it.

use std::io::{self, Read};
use std::ops::ControlFlow;

use encoding_rs::Encoding;

use super::charset::{self, Decoded};
use super::columns::{self, Layout};
use super::source::Part;
use super::{Format, RefusedRow};
use crate::subscribers::SubscribersError;

const TOO_LONG: &str = "a row that begins here is longer than a megabyte; is a quotation mark not closed?";
const NOT_CLOSED: &str = "perhaps a quotation mark is not closed";

/// A table, and how it is written.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) part: Part,
    encoding: &'static Encoding,
    delimiter: u8,
    /// What its columns mean, or what is wrong with its header.
    pub(super) layout: Result<Layout, String>,
    /// Its columns that hold groups; found by reading it once.
    pub(super) group_columns: Vec<usize>,
}

/// A record that was read, whether it may have been ended by the end of the file alone, and its line.
pub(super) struct Record<'r> {
    pub(super) fields: &'r csv::StringRecord,
    pub(super) line: u64,
    open: bool,
}

impl Record<'_> {
    /// What is wrong with it.
    pub(super) fn refused(&self, reason: String) -> RefusedRow {
        let reason = if self.open { format!("{reason}; {NOT_CLOSED}") } else { reason };
        RefusedRow { line: self.line, reason }
    }
}

impl Table {
    /// Finds charset, delimiter and columns.
    pub(super) fn open(part: Part, format: Format) -> Result<Self, SubscribersError> {
        let look = charset::look(|with| part.pass(|reader| with(reader))).map_err(|error| part.unreadable(error))?;
        let first = look.start.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let delimiter = delimiter(first);
        let mut table =
            Self { part, encoding: look.encoding, delimiter, layout: Err(String::new()), group_columns: Vec::new() };
        let header = table.read(|reader| {
            let mut header = csv::StringRecord::new();
            Ok(match reader.read_record(&mut header).map_err(csv::Error::into_kind) {
                Ok(_) => Ok(header),
                Err(csv::ErrorKind::Io(error)) if error.kind() != io::ErrorKind::FileTooLarge => return Err(error),
                Err(_) => Err(TOO_LONG.to_owned()),
            })
        })?;
        table.layout = header.and_then(|header| Layout::read(header.iter(), format));
        Ok(table)
    }

    fn read<T>(
        &self,
        with: impl FnOnce(&mut csv::Reader<Decoded<&mut dyn Read>>) -> io::Result<T>,
    ) -> Result<T, SubscribersError> {
        let read = |inner: &mut dyn Read| {
            let decoded = Decoded::new(inner, self.encoding);
            let mut builder = csv::ReaderBuilder::new();
            builder.delimiter(self.delimiter).flexible(true).has_headers(false);
            with(&mut builder.from_reader(decoded))
        };
        self.part.pass(read).map_err(|error| self.part.unreadable(error))
    }

    /// Gives each record after the header, or what is wrong with it, until there are no more or `each` breaks off.
    pub(super) fn rows(
        &self,
        mut each: impl FnMut(Result<Record<'_>, RefusedRow>) -> ControlFlow<()>,
    ) -> Result<(), SubscribersError> {
        if let Err(problem) = &self.layout {
            let _ = each(Err(RefusedRow { line: 1, reason: problem.clone() }));
            return Ok(());
        }
        self.read(|reader| {
            let mut fields = csv::StringRecord::new();
            reader.read_record(&mut fields)?;
            loop {
                let begins = reader.position().line();
                reader.get_mut().begin_row();
                match reader.read_record(&mut fields) {
                    Ok(true) => {}
                    Ok(false) => return Ok(()),
                    Err(error) => {
                        // After a quotation mark that is not closed there are no rows to be found.
                        let line = fields.position().map_or(begins, csv::Position::line);
                        return match error.into_kind() {
                            csv::ErrorKind::Io(error) if error.kind() != io::ErrorKind::FileTooLarge => Err(error),
                            _ => {
                                let _ = each(Err(RefusedRow { line, reason: TOO_LONG.to_owned() }));
                                Ok(())
                            }
                        };
                    }
                }
                // The reader stands after the row's end, and a quoted field may hold line breaks.
                let breaks = fields.as_slice().bytes().filter(|byte| *byte == b'\n').count() as u64;
                // Where a quotation mark was never closed, the file ended the row, with the line end added to it.
                let open = reader.is_done() || fields.iter().next_back().is_some_and(|text| text.ends_with('\n'));
                let line = reader.position().line().saturating_sub(u64::from(!open) + breaks);
                if each(Ok(Record { fields: &fields, line, open })).is_break() {
                    return Ok(());
                }
            }
        })
    }
}

/// The delimiter with which the header has the most columns that mean something.
fn delimiter(header: &str) -> u8 {
    let known = |delimiter: &u8| {
        columns::known(header.split(char::from(*delimiter)).map(|column| column.trim().trim_matches('"')))
    };
    // The last of equals wins, so the comma, which is the rule, stands last.
    [b'\t', b';', b','].into_iter().max_by_key(known).unwrap_or(b',')
}
