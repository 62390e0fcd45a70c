//! Reads typed values out of the document and notes everything that is wrong on the way, so that all of it is reported
//! at once.

use std::cell::RefCell;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::Path;

use super::document::{Node, Value};
use super::error::{Place, Problem};
use super::nearest::{listed, suggestion};

/// What has been found wrong so far.
pub struct Report<'a> {
    file: &'a Path,
    problems: RefCell<Vec<Problem>>,
}

impl<'a> Report<'a> {
    pub fn new(file: &'a Path) -> Self {
        Self { file, problems: RefCell::default() }
    }

    /// Notes a problem; `message` says what is wrong and, after a semicolon, what would be right.
    pub fn add(&self, place: Place, key: &str, message: impl Into<String>) {
        let problem = Problem { file: self.file.to_owned(), place, key: key.to_owned(), message: message.into() };
        self.problems.borrow_mut().push(problem);
    }

    /// All problems, in the order of the file, those of the environment last.
    pub fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by(|a, b| a.place.cmp(&b.place));
        problems.dedup();
        problems
    }
}

/// A table of the document, whose keys have been looked over.
pub struct Table<'a> {
    entries: &'a [(String, Node)],
    place: Place,
    key: String,
    names: &'static [&'static str],
    report: &'a Report<'a>,
}

impl<'a> Table<'a> {
    /// Opens the node as a table of that dotted key, and reports keys that are none of `names`.
    pub fn open(node: &'a Node, key: &str, names: &'static [&'static str], report: &'a Report<'a>) -> Option<Self> {
        let Value::Table(entries) = &node.value else {
            let kind = node.value.kind();
            report.add(
                node.place.clone(),
                key,
                format!("is {kind}; it must be a table with {}", listed(names.to_vec())),
            );
            return None;
        };
        let table = Self { entries, place: node.place.clone(), key: key.to_owned(), names, report };
        for (name, node) in entries.iter().filter(|(name, _)| !names.contains(&name.as_str())) {
            let near = suggestion(name, names.iter().copied(), || match key {
                "" => format!("the tables are {}", listed(names.to_vec())),
                _ => format!("the keys here are {}", listed(names.to_vec())),
            });
            report.add(node.place.clone(), &table.key_of(&shown(name)), format!("there is no such key{near}"));
        }
        Some(table)
    }

    /// Whether it is a repeated table with an id.
    pub fn has_id(&self) -> bool {
        self.key.contains('.')
    }

    /// Whether it is one of several: with the keys of a relay, not those of `[smtp]`.
    pub fn is_repeated(&self) -> bool {
        self.names.contains(&"id")
    }

    /// The dotted key of one of its entries.
    fn key_of(&self, name: &str) -> String {
        if self.key.is_empty() { name.to_owned() } else { format!("{}.{name}", self.key) }
    }

    /// The entry of that name.
    pub fn field(&self, name: &'static str) -> Option<Field<'a>> {
        debug_assert!(self.names.contains(&name), "{name} is missing in keys.rs");
        let (_, node) = self.entries.iter().find(|(key, _)| key == name)?;
        Some(Field { node, key: self.key_of(name), report: self.report })
    }

    /// The entry of that name unless it is an empty text, which means the same as none.
    pub fn given(&self, name: &'static str) -> Option<Field<'a>> {
        self.field(name).filter(|field| !matches!(&field.node.value, Value::Text(text) if text.trim().is_empty()))
    }

    /// The entry of that name; notes that it is missing, and what to write, when there is none.
    pub fn required(&self, name: &'static str, remedy: &str) -> Option<Field<'a>> {
        let field = self.given(name);
        if field.is_none() {
            self.wrong(name, format!("is missing; {remedy}"));
        }
        field
    }

    /// Notes a problem of an entry, or of the table where it does not have the entry.
    pub fn wrong(&self, name: &'static str, message: impl Into<String>) {
        let place = self.field(name).map_or(&self.place, |field| &field.node.place);
        self.report.add(place.clone(), &self.key_of(name), message);
    }

    /// The table within it; an empty one when it is not there.
    pub fn table(&self, name: &'static str, names: &'static [&'static str]) -> Self {
        self.field(name).and_then(|field| field.table(names)).unwrap_or_else(|| Self {
            entries: &[],
            place: self.field(name).map_or(&self.place, |field| &field.node.place).clone(),
            key: self.key_of(name),
            names,
            report: self.report,
        })
    }

    /// The tables of `[[name]]`, each opened under its id, as in `digest.weekly`.
    pub fn tables(&self, name: &'static str, names: &'static [&'static str]) -> Vec<Self> {
        let Some(field) = self.field(name) else { return Vec::new() };
        let Value::List(nodes) = &field.node.value else {
            let kind = field.node.value.kind();
            field.fail(format!("is {kind}; there can be several, so write each under [[{name}]]"));
            return Vec::new();
        };
        let open = |node: &'a Node| match id_of(node) {
            Some(id) => Self::open(node, &format!("{name}.{id}"), names, self.report),
            None => Self::open(node, name, names, self.report),
        };
        nodes.iter().filter_map(open).collect()
    }
}

/// The id of a repeated table, when it may stand in a message.
fn id_of(node: &Node) -> Option<&str> {
    let Value::Table(entries) = &node.value else { return None };
    let (_, id) = entries.iter().find(|(key, _)| key == "id")?;
    match &id.value {
        Value::Text(id) if super::values::id(id).is_ok() => Some(id),
        _ => None,
    }
}

/// A value with its dotted key.
pub struct Field<'a> {
    node: &'a Node,
    key: String,
    report: &'a Report<'a>,
}

impl<'a> Field<'a> {
    /// Notes that it is wrong.
    pub fn fail(&self, message: impl Into<String>) {
        self.report.add(self.node.place.clone(), &self.key, message);
    }

    fn wrong_kind(&self, wanted: &str) {
        self.fail(format!("is {}; it must be {wanted}", self.node.value.kind()));
    }

    /// Where it comes from.
    pub fn place(&self) -> &Place {
        &self.node.place
    }

    /// A text.
    pub fn text(&self) -> Option<&'a str> {
        match &self.node.value {
            Value::Text(text) => Some(text),
            _ => {
                self.wrong_kind("a text in quotes");
                None
            }
        }
    }

    /// A text of one line.
    pub fn line(&self) -> Option<&'a str> {
        let text = self.text()?.trim();
        if text.chars().any(char::is_control) {
            self.fail("has a line break or another control character; write it in one line");
            return None;
        }
        Some(text)
    }

    /// A text that `parse` takes.
    pub fn parse<T, E: Display>(&self, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        self.accept(parse(self.text()?))
    }

    /// The value of a result; its error is noted.
    pub fn accept<T, E: Display>(&self, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.fail(error.to_string())).ok()
    }

    /// A whole number within the range; from the environment, its digits.
    pub fn number(&self, range: RangeInclusive<usize>) -> Option<usize> {
        let wanted = format!("it must be a whole number from {} to {}", range.start(), range.end());
        let (number, said) = match (&self.node.value, self.place()) {
            (Value::Integer(number), _) => (usize::try_from(*number).ok(), number.to_string()),
            (Value::Text(text), Place::Variable(_)) => (text.trim().parse().ok(), shown(text)),
            _ => {
                self.fail(format!("is {}; {wanted}, without quotes", self.node.value.kind()));
                return None;
            }
        };
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            self.fail(format!("cannot be `{said}`; {wanted}"));
        }
        number
    }

    /// `true` or `false`.
    pub fn boolean(&self) -> Option<bool> {
        match (&self.node.value, self.place()) {
            (Value::Boolean(flag), _) => return Some(*flag),
            (Value::Text(text), Place::Variable(_)) => match text.trim() {
                "true" => return Some(true),
                "false" => return Some(false),
                other => self.fail(format!("cannot be `{}`; it must be true or false", shown(other))),
            },
            _ => self.wrong_kind("true or false, without quotes"),
        }
        None
    }

    /// A calendar day: `2026-11-02`, with or without quotes.
    pub fn day(&self) -> Option<chrono::NaiveDate> {
        match &self.node.value {
            Value::Text(text) => self.accept(super::values::day(text)),
            Value::Date(date) if date.time.is_none() => self.accept(super::values::day(&date.to_string())),
            _ => {
                self.wrong_kind("a day such as 2026-11-02");
                None
            }
        }
    }

    /// Whether it is written as a date without quotes.
    pub fn is_date(&self) -> bool {
        matches!(self.node.value, Value::Date(_))
    }

    /// Whether it is a table.
    pub fn is_table(&self) -> bool {
        matches!(self.node.value, Value::Table(_))
    }

    /// Whether it is a list.
    pub fn is_list(&self) -> bool {
        matches!(self.node.value, Value::List(_))
    }

    /// The elements of a list, each under the key of the list.
    pub fn items(&self) -> Option<Vec<Field<'a>>> {
        let Value::List(nodes) = &self.node.value else {
            self.wrong_kind("a list in brackets, as in [\"news\"]");
            return None;
        };
        Some(nodes.iter().map(|node| Field { node, key: self.key.clone(), report: self.report }).collect())
    }

    /// The value as a table.
    pub fn table(&self, names: &'static [&'static str]) -> Option<Table<'a>> {
        Table::open(self.node, &self.key, names, self.report)
    }

    /// The entries of a table whose names are the operator's own.
    pub fn entries(&self) -> Option<Vec<(&'a str, Field<'a>)>> {
        let Value::Table(entries) = &self.node.value else {
            self.wrong_kind("a table, as in { linkedin = \"https://…\" }");
            return None;
        };
        let field = |(name, node): &'a (String, Node)| {
            (name.as_str(), Field { node, key: format!("{}.{}", self.key, shown(name)), report: self.report })
        };
        Some(entries.iter().map(field).collect())
    }
}

/// A name as it may stand in a message: without control characters, cut where it is endless.
pub fn shown(text: &str) -> String {
    let clean: String = text.chars().filter(|c| !c.is_control()).take(80).collect();
    if text.chars().count() > 80 { format!("{clean}…") } else { clean }
}
