//! Reads a five-field cron expression, with words for what is wrong in it, into the sets that it stands for.

use std::collections::BTreeSet;

use super::ScheduleError;

/// A field of the expression: its name, its numbers, and the names that some of them have.
struct Field {
    name: &'static str,
    least: u32,
    most: u32,
    names: &'static [&'static str],
}

const MONTHS: &[&str] = &[
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const WEEKDAYS: &[&str] = &["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

const MINUTE: Field = Field { name: "minute", least: 0, most: 59, names: &[] };
const HOUR: Field = Field { name: "hour", least: 0, most: 23, names: &[] };
const DAY: Field = Field { name: "day of the month", least: 1, most: 31, names: &[] };
const MONTH: Field = Field { name: "month", least: 1, most: 12, names: MONTHS };
const WEEKDAY: Field = Field { name: "weekday", least: 0, most: 7, names: WEEKDAYS };

/// What the five fields stand for. Weekdays count from Sunday, 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression {
    pub minutes: BTreeSet<u32>,
    pub hours: BTreeSet<u32>,
    /// `None` for a field that begins with `*` and leaves out no day.
    pub days: Option<BTreeSet<u32>>,
    pub months: BTreeSet<u32>,
    /// As `days`.
    pub weekdays: Option<BTreeSet<u32>>,
    /// Whether one of the day fields is enough. As in cron, a day field counts as set unless it begins with `*`.
    pub either_day: bool,
}

impl Expression {
    /// Reads the text.
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        let fields: Vec<&str> = match written_out(text.trim())? {
            Some(fields) => fields.split_whitespace().collect(),
            None => text.split_whitespace().collect(),
        };
        let &[minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(ScheduleError::Fields(fields.len()));
        };
        let sundays_as_0 = |set: BTreeSet<u32>| set.into_iter().map(|day| day % 7).collect::<BTreeSet<_>>();
        let weekdays = sundays_as_0(WEEKDAY.read(weekday)?);
        let days = DAY.read(day)?;
        Ok(Self {
            minutes: MINUTE.read(minute)?,
            hours: HOUR.read(hour)?,
            months: MONTH.read(month)?,
            either_day: !day.starts_with('*') && !weekday.starts_with('*'),
            days: (!day.starts_with('*') || days.len() < 31).then_some(days),
            weekdays: (!weekday.starts_with('*') || weekdays.len() < 7).then_some(weekdays),
        })
    }
}

/// The five fields that a shorthand such as `@daily` stands for; `None` when the text is none.
fn written_out(text: &str) -> Result<Option<&'static str>, ScheduleError> {
    if !text.starts_with('@') {
        return Ok(None);
    }
    match text.to_ascii_lowercase().as_str() {
        "@hourly" => Ok(Some("0 * * * *")),
        "@daily" | "@midnight" => Ok(Some("0 0 * * *")),
        "@weekly" => Ok(Some("0 0 * * 0")),
        "@monthly" => Ok(Some("0 0 1 * *")),
        "@yearly" | "@annually" => Ok(Some("0 0 1 1 *")),
        _ => Err(ScheduleError::Shorthand(shown(text))),
    }
}

impl Field {
    fn read(&self, text: &str) -> Result<BTreeSet<u32>, ScheduleError> {
        let mut set = BTreeSet::new();
        for part in text.split(',') {
            let (range, step) = match part.split_once('/') {
                Some((range, step)) => (range, Some(self.step(step)?)),
                None => (part, None),
            };
            let (first, last) = self.range(range, step.is_some())?;
            set.extend((first..=last).step_by(step.unwrap_or(1)));
        }
        Ok(set)
    }

    fn step(&self, text: &str) -> Result<usize, ScheduleError> {
        let step = number(text).filter(|step| *step > 0).ok_or_else(|| self.wrong(text))?;
        usize::try_from(step).map_err(|_| self.wrong(text))
    }

    /// `*`, `a`, `a-b`; with a step, `a` alone means from there to the end.
    fn range(&self, text: &str, stepped: bool) -> Result<(u32, u32), ScheduleError> {
        if text == "*" {
            return Ok((self.least, self.most));
        }
        let Some((first, last)) = text.split_once('-') else {
            let value = self.value(text)?;
            return Ok((value, if stepped { self.most } else { value }));
        };
        let (from, mut to) = (self.value(first)?, self.value(last)?);
        if self.most == 7 && to == 0 && from > 0 {
            to = 7; // FRI-SUN
        }
        if from > to {
            return Err(ScheduleError::Backwards { field: self.name, range: shown(text) });
        }
        Ok((from, to))
    }

    fn value(&self, text: &str) -> Result<u32, ScheduleError> {
        let lower = text.to_ascii_lowercase();
        let named = self.names.iter().position(|name| lower == *name || (lower.len() == 3 && name.starts_with(&lower)));
        let value = match named {
            Some(place) => u32::try_from(place).ok().map(|place| place + u32::from(self.least == 1)),
            None => number(text),
        };
        value.filter(|value| (self.least..=self.most).contains(value)).ok_or_else(|| self.wrong(text))
    }

    fn wrong(&self, text: &str) -> ScheduleError {
        ScheduleError::Value { field: self.name, value: shown(text), least: self.least, most: self.most }
    }
}

/// Digits and nothing else: `u32::from_str` alone would take `+5`.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// A piece of the expression as it may stand in a message.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}
