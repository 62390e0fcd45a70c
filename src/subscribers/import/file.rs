//! Reads a CSV file row by row whatever its charset and delimiter, in memory that does not grow with it.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Decoder, Encoding};

use super::RefusedRow;
use super::row::{Column, Row};
use crate::config::Config;
use crate::domain::UtcMillis;
use crate::subscribers::SubscribersError;

/// Octets that one row may have: more are a quotation mark that is not closed.
const LONGEST_ROW: usize = 1 << 20;
/// Octets that are read at once, and that a header may have.
const BLOCK: usize = 1 << 16;

const TOO_LONG: &str = "a row that begins here is longer than a megabyte; is a quotation mark not closed?";

/// How a file is written, found by reading it once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    encoding: &'static Encoding,
    delimiter: u8,
}

impl Format {
    /// Finds charset and delimiter: a byte order mark decides, else what the whole file looks like.
    pub(super) fn detect(path: &Path) -> Result<Self, SubscribersError> {
        let mut file = File::open(path).map_err(|source| unreadable(path, source))?;
        let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
        let (mut start, mut block) = (Vec::new(), vec![0; BLOCK]);
        loop {
            let read = file.read(&mut block).map_err(|source| unreadable(path, source))?;
            if start.len() < BLOCK {
                start.extend_from_slice(&block[..read]);
            }
            detector.feed(&block[..read], read == 0);
            if read == 0 {
                break;
            }
        }
        let marked = Encoding::for_bom(&start).map(|(encoding, _)| encoding);
        let encoding = marked.unwrap_or_else(|| detector.guess(None, Utf8Detection::Allow));
        let (text, _, _) = encoding.decode(&start);
        let header = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        Ok(Self { encoding, delimiter: delimiter(header) })
    }
}

/// The delimiter with which the header has an `email` column, and the most columns that mean something.
fn delimiter(header: &str) -> u8 {
    let known = |delimiter: &u8| {
        let columns = header.split(char::from(*delimiter));
        columns.filter(|column| Column::parse(column.trim().trim_matches('"')).is_some()).count()
    };
    // The last of equals wins, so the comma, which is the rule, stands last.
    [b'\t', b';', b','].into_iter().max_by_key(known).unwrap_or(b',')
}

/// The rows of a file.
pub(super) struct Rows<'c> {
    reader: csv::Reader<Decoded>,
    columns: Vec<Option<Column>>,
    ignored: Vec<String>,
    config: &'c Config,
    now: UtcMillis,
    path: PathBuf,
    /// What is wrong with the header, said as the only row.
    header: Option<RefusedRow>,
    ended: bool,
}

impl<'c> Rows<'c> {
    /// Opens a file and reads its header.
    pub(super) fn open(
        path: &Path,
        format: Format,
        config: &'c Config,
        now: UtcMillis,
    ) -> Result<Self, SubscribersError> {
        let file = File::open(path).map_err(|source| unreadable(path, source))?;
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(format.delimiter)
            .flexible(true)
            .has_headers(false)
            .from_reader(Decoded::new(file, format.encoding));
        let mut header = csv::StringRecord::new();
        let problem = match reader.read_record(&mut header).map_err(csv::Error::into_kind) {
            Ok(_) => None,
            Err(csv::ErrorKind::Io(error)) if error.kind() != io::ErrorKind::FileTooLarge => {
                return Err(unreadable(path, error));
            }
            Err(_) => Some(TOO_LONG.to_owned()),
        };
        let columns: Vec<_> = header.iter().map(Column::parse).collect();
        let names = header.iter().zip(&columns).filter(|(name, column)| column.is_none() && !name.trim().is_empty());
        let ignored = names.map(|(name, _)| name.trim().to_owned()).collect();
        let twice = columns.iter().enumerate().any(|(at, column)| column.is_some() && columns[..at].contains(column));
        let problem = problem.or_else(|| {
            if twice {
                Some("a column stands twice in the header".to_owned())
            } else if columns.contains(&Some(Column::Email)) {
                None
            } else {
                Some("the first line is no header with an `email` column".to_owned())
            }
        });
        let header = problem.map(|reason| RefusedRow { line: 1, reason });
        Ok(Self { reader, columns, ignored, config, now, path: path.to_owned(), header, ended: false })
    }

    /// The columns that mean nothing here.
    pub(super) fn ignored_columns(&self) -> Vec<String> {
        self.ignored.clone()
    }

    /// The next row, or what is wrong with it; `None` at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<Result<Row, RefusedRow>>, SubscribersError> {
        if self.ended {
            return Ok(None);
        }
        if let Some(problem) = self.header.take() {
            self.ended = true;
            return Ok(Some(Err(problem)));
        }
        let mut record = csv::StringRecord::new();
        let begins = self.reader.position().line();
        self.reader.get_mut().in_this_row = 0;
        let refused = |line, reason| Ok(Some(Err(RefusedRow { line, reason })));
        match self.reader.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => {
                self.ended = true;
                return Ok(None);
            }
            Err(error) => {
                // After a quotation mark that is not closed there are no rows to be found.
                self.ended = true;
                let line = record.position().map_or(begins, csv::Position::line);
                return match error.into_kind() {
                    csv::ErrorKind::Io(error) if error.kind() != io::ErrorKind::FileTooLarge => {
                        Err(unreadable(&self.path, error))
                    }
                    _ => refused(line, TOO_LONG.to_owned()),
                };
            }
        }
        // The reader stands after the row's end, and a quoted field may hold line breaks.
        let breaks = record.as_slice().bytes().filter(|byte| *byte == b'\n').count() as u64;
        // Where a quotation mark was never closed, the file ended the row, with the line end that was added to it.
        let open = self.reader.is_done() || record.iter().next_back().is_some_and(|text| text.ends_with('\n'));
        let line = self.reader.position().line().saturating_sub(u64::from(!open) + breaks);
        if record.len() > self.columns.len() && record.iter().skip(self.columns.len()).any(|text| !text.is_empty()) {
            let reason = format!("has {} fields, and the header has {}", record.len(), self.columns.len());
            return refused(line, reason);
        }
        let fields = self.columns.iter().zip(record.iter()).filter_map(|(column, text)| Some(((*column)?, text)));
        match Row::read(fields, self.config, self.now) {
            Ok(row) => Ok(Some(Ok(row))),
            Err(reason) if open => refused(line, format!("{reason}; perhaps a quotation mark is not closed")),
            Err(reason) => refused(line, reason),
        }
    }
}

fn unreadable(path: &Path, source: io::Error) -> SubscribersError {
    SubscribersError::File { path: path.to_owned(), source }
}

/// A file as UTF-8, whatever its charset, each line ended by a line feed.
struct Decoded {
    file: File,
    decoder: Decoder,
    raw: Vec<u8>,
    text: String,
    /// How much of `text` has been given out.
    given: usize,
    /// Octets given out since the present row began, read-ahead included.
    in_this_row: usize,
    after_return: bool,
    ended: bool,
}

impl Decoded {
    fn new(file: File, encoding: &'static Encoding) -> Self {
        Self {
            file,
            decoder: encoding.new_decoder(),
            raw: vec![0; BLOCK],
            text: String::new(),
            given: 0,
            in_this_row: 0,
            after_return: false,
            ended: false,
        }
    }

    /// Decodes the next block.
    fn fill(&mut self) -> io::Result<()> {
        let read = self.file.read(&mut self.raw)?;
        self.ended = read == 0;
        self.text.clear();
        self.given = 0;
        self.text.reserve(self.decoder.max_utf8_buffer_length(read).unwrap_or(4 * BLOCK));
        // The buffer is large enough for all of it.
        let _ = self.decoder.decode_to_string(&self.raw[..read], &mut self.text, self.ended);
        if self.after_return || self.text.contains('\r') {
            let cut = usize::from(self.after_return && self.text.starts_with('\n'));
            self.after_return = self.text.ends_with('\r');
            self.text = self.text[cut..].replace("\r\n", "\n").replace('\r', "\n");
        }
        if self.ended {
            // So that every row ends in the same way; an empty line is no row.
            self.text.push('\n');
        }
        Ok(())
    }
}

impl Read for Decoded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() {
            if self.ended {
                return Ok(0);
            }
            if self.in_this_row > LONGEST_ROW {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            self.fill()?;
        }
        let length = buffer.len().min(self.text.len() - self.given);
        buffer[..length].copy_from_slice(&self.text.as_bytes()[self.given..self.given + length]);
        self.given += length;
        self.in_this_row += length;
        Ok(length)
    }
}
