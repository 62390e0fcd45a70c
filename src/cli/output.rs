//! What commands print: results to stdout, everything else to stderr.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::CliError;

/// Prints a line of a command's result.
///
/// # Errors
/// When stdout cannot be written, a closed pipe aside: its reader has seen enough.
pub fn line(text: impl AsRef<str>) -> Result<(), CliError> {
    write(text.as_ref(), "\n")
}

/// How wide a terminal is at least.
const WIDTH: usize = 80;

/// Prints a paragraph of a command's result: `indent` spaces before its first line, four more before all others.
///
/// # Errors
/// As [`line()`].
pub fn paragraph(indent: usize, text: &str) -> Result<(), CliError> {
    folded(indent, text).iter().try_for_each(line)
}

/// A text in lines that a terminal shows whole, where its words let it.
fn folded(indent: usize, text: &str) -> Vec<String> {
    let (mut lines, mut this) = (Vec::new(), " ".repeat(indent));
    let mut begun = false;
    for word in text.split_whitespace() {
        if begun && this.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(std::mem::replace(&mut this, " ".repeat(indent + 4)));
            begun = false;
        }
        if begun {
            this.push(' ');
        }
        // What a program called itself is nobody's to command a terminal with.
        this.extend(word.chars().filter(|letter| !letter.is_control()));
        begun = true;
    }
    lines.push(this);
    lines
}

/// Prints a result as it is, without a line break after it.
///
/// # Errors
/// As [`line()`].
pub fn raw(text: impl AsRef<str>) -> Result<(), CliError> {
    write(text.as_ref(), "")
}

fn write(text: &str, end: &str) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.write_all(end.as_bytes())).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(CliError::Output(error)),
        _ => Ok(()),
    }
}

/// Stdout, for a result that is written in pieces. A closed pipe swallows the rest: its reader has seen enough.
pub fn stream() -> impl Write {
    Stream(io::BufWriter::new(io::stdout()))
}

struct Stream(io::BufWriter<io::Stdout>);

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(bytes.len()),
            written => written,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.0.flush() {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            flushed => flushed,
        }
    }
}

/// Prints a result as one JSON document.
///
/// # Errors
/// As [`line()`].
pub fn json(value: &impl Serialize) -> Result<(), CliError> {
    line(serde_json::to_string_pretty(value).map_err(|error| CliError::Output(error.into()))?)
}

/// Whether only errors are said on stderr, as the command line asks.
static QUIET: AtomicBool = AtomicBool::new(false);

/// From here on says nothing but errors on stderr.
pub fn be_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

/// Says something to the person on stderr, who may not want to hear it.
pub fn note(text: impl AsRef<str>) {
    if !QUIET.load(Ordering::Relaxed) {
        error(text);
    }
}

/// Says on stderr what has gone wrong.
pub fn error(text: impl AsRef<str>) {
    let mut err = io::stderr().lock();
    // Nobody is left to tell when even stderr is gone.
    let _ = writeln!(err, "{}", text.as_ref());
}

/// A table: columns as wide as their widest cell, two spaces apart.
///
/// # Errors
/// As [`line()`].
pub fn table(head: &[&str], rows: &[Vec<String>]) -> Result<(), CliError> {
    let mut widths: Vec<usize> = head.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let print = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> =
            cells.zip(&widths).map(|(cell, width)| format!("{cell:width$}", width = *width)).collect();
        line(padded.join("  ").trim_end())
    };
    print(&mut head.iter().copied())?;
    for row in rows {
        print(&mut row.iter().map(String::as_str))?;
    }
    Ok(())
}

/// Whether somebody is asked before something is done: not where stdin is no terminal, nor with `yes`.
pub fn asks(yes: bool) -> bool {
    !yes && io::stdin().is_terminal()
}

/// Asks a yes-or-no question on the terminal.
///
/// # Errors
/// When stdin cannot be read.
pub fn confirm(question: &str) -> Result<bool, CliError> {
    let mut err = io::stderr().lock();
    let _ = write!(err, "{question} [y/N] ").and_then(|()| err.flush());
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(CliError::Output)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// A progress bar on stderr, or nothing where that is no terminal or shall be quiet.
pub fn progress(length: u64, what: &'static str) -> ProgressBar {
    bar(length, what, "{prefix} {wide_bar} {human_pos}/{human_len}  {per_sec}  {eta}")
}

/// The same for something that others do, of which whoever shows it says how it goes.
pub fn watched(length: u64, what: &'static str) -> ProgressBar {
    bar(length, what, "{prefix} {wide_bar} {human_pos}/{human_len}  {msg}")
}

fn bar(length: u64, what: &'static str, template: &str) -> ProgressBar {
    if QUIET.load(Ordering::Relaxed) || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(length);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.with_prefix(what)
}

/// A number with commas between thousands, as in `7,931`.
pub fn count(number: impl TryInto<u64>) -> String {
    indicatif::HumanCount(number.try_into().unwrap_or_default()).to_string()
}

/// So many people, as in `1 person` and `7,931 people`.
pub fn people(number: impl TryInto<u64>) -> String {
    let number = count(number);
    if number == "1" { "1 person".to_owned() } else { format!("{number} people") }
}

/// So many of what a noun with a plain plural names, as in `1 source` and `7,931 sources`.
pub fn counted(number: impl TryInto<u64>, noun: &str) -> String {
    let number = count(number);
    if number == "1" { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paragraph_is_folded_between_words_and_loses_none() {
        let text = format!("{} {} {}", "word ".repeat(30), "x".repeat(100), "end");
        let lines = folded(2, &text);
        assert_eq!(lines.concat().split_whitespace().count(), text.split_whitespace().count());
        assert!(lines[0].starts_with("  word") && lines[1].starts_with("      word"), "{lines:?}");
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH || line.trim() == "x".repeat(100)), "{lines:?}");
    }
}
