//! TOML as a tree whose every value knows where it comes from: a line of the file, or a variable of the environment.

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use toml::value::Datetime;

use super::error::Place;
use super::reader::shown;

/// A value and where it comes from: for the value of a key, the line of the key.
#[derive(Debug)]
pub struct Node {
    pub place: Place,
    pub value: Value,
}

/// A value of TOML. Tables keep the order of the file.
#[derive(Debug)]
pub enum Value {
    Text(String),
    Integer(i64),
    Float,
    Boolean(bool),
    Date(Datetime),
    List(Vec<Node>),
    Table(Vec<(String, Node)>),
}

impl Value {
    /// What it is, in an operator's words.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Integer(_) => "a number",
            Self::Float => "a number with a fraction",
            Self::Boolean(_) => "true or false",
            Self::Date(_) => "a date or time",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// Reads the text, or says in which lines it is no TOML and why.
pub fn parse(text: &str) -> Result<Node, Vec<(usize, String)>> {
    let lines = Lines::of(text);
    let (document, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Ok(Node { place: Place::Line(1), value: table(document.get_ref(), &lines) });
    }
    let mut errors: Vec<(usize, String)> = errors
        .iter()
        .map(|error| {
            let line = error.span().map_or(1, |span| lines.at(span.start));
            let piece = error.span().and_then(|span| text.get(span)).unwrap_or_default();
            (line, in_words(error.message(), piece))
        })
        .collect();
    // What follows a mistake within its line is mostly its echo.
    errors.sort_by_key(|(line, _)| *line);
    errors.dedup_by_key(|(line, _)| *line);
    Err(errors)
}

/// What the parser says of a piece of the text, with what would be right.
fn in_words(message: &str, piece: &str) -> String {
    let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
    let remedy = match message.as_str() {
        "duplicate key" => return format!("`{}` is there twice; remove one of them", shown(piece)),
        message if message.contains("basic string") || message.contains("literal string") => {
            "a text begins and ends with a quote, as in name = \"text\""
        }
        _ => "a setting looks like name = \"text\", and a table like [name]",
    };
    format!("this is not TOML ({message}); {remedy}")
}

fn table(table: &DeTable<'_>, lines: &Lines) -> Value {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let entry = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
        let key: &Spanned<std::borrow::Cow<'_, str>> = key;
        let place = Place::Line(lines.at(key.span().start));
        (key.get_ref().clone().into_owned(), Node { place, value: convert(value.get_ref(), lines) })
    };
    Value::Table(entries.into_iter().map(entry).collect())
}

fn convert(value: &DeValue<'_>, lines: &Lines) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.clone().into_owned()),
        DeValue::Integer(number) => {
            // One that is too great for an i64 is out of every key's range too, so the nearest will do.
            let nearest = if number.as_str().starts_with('-') { i64::MIN } else { i64::MAX };
            Value::Integer(i64::from_str_radix(number.as_str(), number.radix()).unwrap_or(nearest))
        }
        DeValue::Float(_) => Value::Float,
        DeValue::Boolean(flag) => Value::Boolean(*flag),
        DeValue::Datetime(date) => Value::Date(*date),
        DeValue::Array(items) => {
            let node = |item: &Spanned<DeValue<'_>>| Node {
                place: Place::Line(lines.at(item.span().start)),
                value: convert(item.get_ref(), lines),
            };
            Value::List(items.iter().map(node).collect())
        }
        DeValue::Table(entries) => table(entries, lines),
    }
}

/// Where the lines of a text begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(place, _)| place + 1).collect())
    }

    /// The number of the line, counted from 1, that the byte at this offset is in.
    fn at(&self, offset: usize) -> usize {
        self.0.partition_point(|start| *start <= offset) + 1
    }
}
