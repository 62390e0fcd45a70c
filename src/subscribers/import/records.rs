//! Cuts a text into records as CSV has them, and finds its way back behind one that is broken.
//!
//! A quotation mark that is not closed would make one record of all that follows. So where a field does not end as a quoted
//! one does, the line on which its record began is bad, and reading goes on at the next line.

use std::io::{self, Read};

use super::charset::{Decoded, Line};

/// Octets that a record may have: more than the whole past of a person takes.
const LONGEST: usize = 64 << 20;
/// Octets of what was read that are kept before they are let go.
const DRAIN: usize = 1 << 20;

const TOO_LONG: &str = "the line is longer than 64 megabytes";
const NOT_CLOSED: &str = "a quotation mark opens here, and is not closed where a field ends";

/// A record that cannot be read to its end, or at all.
pub(super) struct Broken {
    /// The line that is bad.
    pub(super) line: u64,
    pub(super) reason: &'static str,
}

/// Reads records one by one.
pub(super) struct Records<R> {
    text: Decoded<R>,
    delimiter: u8,
    /// Lines that were read: those of the present record, and those that a broken one had taken.
    ahead: String,
    /// Where in them the next record begins.
    at: usize,
    /// Where in them an empty line stands for one that was too long.
    cut: Option<usize>,
    /// The number of the line on which the next record begins.
    line: u64,
    longest: usize,
    fields: csv::StringRecord,
    field: String,
}

impl<R: Read> Records<R> {
    pub(super) fn new(text: Decoded<R>, delimiter: u8) -> Self {
        Self {
            text,
            delimiter,
            ahead: String::new(),
            at: 0,
            cut: None,
            line: 1,
            longest: LONGEST,
            fields: csv::StringRecord::new(),
            field: String::new(),
        }
    }

    /// The fields of the last record, of a broken one those before it breaks.
    pub(super) fn fields(&self) -> &csv::StringRecord {
        &self.fields
    }

    /// Reads the next record, and gives the line on which it begins, or what is wrong with it; `None`: there is none. Empty
    /// lines are no records.
    pub(super) fn read(&mut self) -> io::Result<Option<Result<u64, Broken>>> {
        loop {
            self.let_go();
            if self.at == self.ahead.len() && !self.more()? && self.cut.is_none() {
                return Ok(None);
            }
            let line = self.line;
            if self.cut == Some(self.at) {
                self.cut = None;
                self.pass_line();
                self.fields.clear();
                return Ok(Some(Err(Broken { line, reason: TOO_LONG })));
            }
            if self.ahead.as_bytes()[self.at] == b'\n' {
                self.pass_line();
                continue;
            }
            return Ok(Some(match self.record()? {
                Ok(end) => {
                    self.line += breaks(&self.ahead[self.at..end]);
                    self.at = end;
                    Ok(line)
                }
                Err(opened) => {
                    self.pass_line();
                    Err(Broken { line: opened, reason: NOT_CLOSED })
                }
            }));
        }
    }

    /// Splits the record that begins here; gives its end, or the line of a quotation mark that breaks it.
    fn record(&mut self) -> io::Result<Result<usize, u64>> {
        self.fields.clear();
        let (mut at, mut line) = (self.at, self.line);
        loop {
            if self.ahead.as_bytes()[at] == b'"' {
                let opened = line;
                let Some((end, breaks)) = self.quoted(at + 1)? else { return Ok(Err(opened)) };
                (at, line) = (end, line + breaks);
                let rest = self.plain_end(at);
                // Within a line a stray mark spoils nothing but the field.
                if rest > at && line > self.line {
                    return Ok(Err(opened));
                }
                self.field.push_str(&self.ahead[at..rest]);
                self.fields.push_field(&self.field);
                at = rest;
            } else {
                let end = self.plain_end(at);
                self.fields.push_field(&self.ahead[at..end]);
                at = end;
            }
            at += 1;
            if self.ahead.as_bytes()[at - 1] == b'\n' {
                return Ok(Ok(at));
            }
        }
    }

    /// Reads on until the mark that closes a quoted field; gives the place behind it, and how many lines have ended within.
    /// `None`: there is no such mark.
    fn quoted(&mut self, mut at: usize) -> io::Result<Option<(usize, u64)>> {
        self.field.clear();
        let mut lines = 0;
        loop {
            let found = self.ahead[at..].find('"').map(|length| at + length);
            let piece = &self.ahead[at..found.unwrap_or(self.ahead.len())];
            self.field.push_str(piece);
            lines += breaks(piece);
            let Some(mark) = found else {
                at = self.ahead.len();
                if !self.more()? {
                    return Ok(None);
                }
                continue;
            };
            at = mark + 1;
            if self.ahead.as_bytes()[at] != b'"' {
                return Ok(Some((at, lines)));
            }
            self.field.push('"');
            at += 1;
        }
    }

    /// Where a field without quotation marks ends; every line has an end.
    fn plain_end(&self, at: usize) -> usize {
        let ends = |byte: &u8| *byte == self.delimiter || *byte == b'\n';
        let rest = &self.ahead.as_bytes()[at..];
        at + rest.iter().position(ends).unwrap_or(rest.len().saturating_sub(1))
    }

    /// Goes behind the present line.
    fn pass_line(&mut self) {
        self.at = self.ahead[self.at..].find('\n').map_or(self.ahead.len(), |length| self.at + length + 1);
        self.line += 1;
    }

    /// Reads one more line; `false`: there is none, or the record is too long with it.
    fn more(&mut self) -> io::Result<bool> {
        let from = self.ahead.len();
        if self.cut.is_some() || from - self.at > self.longest {
            return Ok(false);
        }
        match self.text.line(&mut self.ahead, self.longest)? {
            Line::None => Ok(false),
            Line::Whole => Ok(true),
            Line::Cut => {
                self.ahead.truncate(from);
                self.ahead.push('\n');
                self.cut = Some(from);
                Ok(false)
            }
        }
    }

    /// Lets go of what has been read.
    fn let_go(&mut self) {
        let done = self.at == self.ahead.len();
        if !done && self.at < DRAIN {
            return;
        }
        if done && self.ahead.capacity() > DRAIN {
            self.ahead = String::new();
        } else {
            self.ahead.drain(..self.at);
        }
        self.cut = self.cut.map(|cut| cut - self.at);
        self.at = 0;
    }
}

fn breaks(text: &str) -> u64 {
    text.bytes().filter(|byte| *byte == b'\n').count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Vec<Result<(u64, Vec<String>), u64>> {
        read_within(LONGEST, text)
    }

    fn read_within(longest: usize, text: &str) -> Vec<Result<(u64, Vec<String>), u64>> {
        let records = Records::new(Decoded::new(text.as_bytes(), encoding_rs::UTF_8), b',');
        let mut records = Records { longest, ..records };
        let mut all = Vec::new();
        while let Some(record) = records.read().unwrap() {
            let fields = || records.fields().iter().map(str::to_owned).collect();
            all.push(record.map(|line| (line, fields())).map_err(|broken| broken.line));
        }
        all
    }

    fn good(line: u64, fields: &[&str]) -> Result<(u64, Vec<String>), u64> {
        Ok((line, fields.iter().map(|&field| field.to_owned()).collect()))
    }

    #[test]
    fn fields_are_quoted_or_plain_and_may_hold_line_breaks() {
        let text = "a,\"b \"\"c\"\"\",\r\n\n\"one\r\ntwo\",x\n \"y\",\"z\" z\"\nlast,";
        assert_eq!(
            read(text),
            [
                good(1, &["a", "b \"c\"", ""]),
                good(3, &["one\ntwo", "x"]),
                good(5, &[" \"y\"", "z z\""]),
                good(6, &["last", ""])
            ]
        );
    }

    #[test]
    fn behind_a_quotation_mark_that_is_not_closed_reading_goes_on_at_the_next_line() {
        let rest = [good(2, &["b", "B"]), good(3, &["c", "C"])];
        assert_eq!(read("a,\"A\nb,B\nc,C\n"), [&[Err(1)][..], &rest].concat(), "at the end of the file");
        assert_eq!(read("a,\"A\nb,\"B\"\nc,C\n"), [&[Err(1)][..], &rest].concat(), "in the next row's mark");
        assert_eq!(read("a,\"A\nb,B\nc,\"C\n"), [Err(1), good(2, &["b", "B"]), Err(3)]);
        assert_eq!(
            read("a,\"x\ny\",\"A\nb,B\n"),
            [Err(2), Err(2), good(3, &["b", "B"])],
            "within a record of two lines"
        );
    }

    #[test]
    fn a_line_that_is_too_long_is_one_bad_row_and_so_is_a_mark_that_is_not_closed_for_long() {
        let long = "x".repeat(101);
        assert_eq!(read_within(100, &format!("a\n{long}\nb\n")), [good(1, &["a"]), Err(2), good(3, &["b"])]);
        assert_eq!(read_within(100, &format!("a,\"A\n{long}\nb\n")), [Err(1), Err(2), good(3, &["b"])]);
        let read = read_within(100, &format!("a,\"A\n{}c,\"C\"\n", "b,B\n".repeat(50)));
        assert_eq!((&read[0], read.len()), (&Err(1), 52));
        assert!(read[1..].iter().all(Result::is_ok));
    }

    proptest! {
        #[test]
        fn what_is_written_as_csv_is_read_back(
            rows in prop::collection::vec(prop::collection::vec("[a-zé,;\"\n ]{0,8}", 1..5), 1..8)
        ) {
            let mut csv = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
            for row in &rows {
                csv.write_record(row).unwrap();
            }
            let text = String::from_utf8(csv.into_inner().unwrap()).unwrap();
            let read: Vec<Vec<String>> = read(&text).into_iter().map(|record| record.unwrap().1).collect();
            prop_assert_eq!(read, rows);
        }

        #[test]
        fn no_text_makes_it_panic_and_every_line_is_read(text in "[a,\"\n]{0,40}") {
            read(&text);
        }
    }
}
