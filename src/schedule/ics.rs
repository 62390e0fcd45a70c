//! iCalendar files (RFC 5545), as far as days and times of events go; each part knows the line that it stands on.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone};
use chrono_tz::Tz;

/// A line that is wrong, and what is wrong with it.
pub(super) type Wrong = (usize, String);

/// A property of an event: one line, unfolded.
#[derive(Debug)]
pub(super) struct Property {
    /// The line that it begins on.
    pub line: usize,
    /// In capital letters.
    pub name: String,
    parameters: Vec<(String, String)>,
    /// As it stands there.
    pub value: String,
}

/// An event.
#[derive(Debug)]
pub(super) struct Event {
    /// The line that it begins on.
    pub line: usize,
    properties: Vec<Property>,
}

/// A day, or a time on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// A day, wherever one is.
    Day(NaiveDate),
    /// A time as the clocks show it: in that zone, or wherever one is.
    Local(NaiveDateTime, Option<Tz>),
    /// A time in UTC.
    Utc(NaiveDateTime),
}

/// The events of a file.
pub(super) fn events(text: &str) -> Result<Vec<Event>, Wrong> {
    let mut open: Vec<(String, usize)> = Vec::new();
    let mut events: Vec<Event> = Vec::new();
    for (line, text) in unfolded(text) {
        let property = Property::parse(line, &text)?;
        let component = property.value.trim().to_ascii_uppercase();
        match property.name.as_str() {
            "BEGIN" if open.is_empty() && component != "VCALENDAR" => return Err(no_calendar(line)),
            "BEGIN" => {
                if component == "VEVENT" {
                    events.push(Event { line, properties: Vec::new() });
                }
                open.push((component, line));
            }
            "END" => match open.pop() {
                Some((begun, _)) if begun == component => {}
                Some((begun, at)) => {
                    return Err((line, format!("END:{component} stands where BEGIN:{begun} of line {at} has to end")));
                }
                None => return Err((line, format!("END:{component} has no BEGIN"))),
            },
            _ if open.is_empty() => return Err(no_calendar(line)),
            _ => {
                // What belongs to an alarm within an event is not the event's.
                if let (Some((begun, _)), Some(event)) = (open.last(), events.last_mut())
                    && begun == "VEVENT"
                {
                    event.properties.push(property);
                }
            }
        }
    }
    match open.last() {
        Some((begun, line)) => Err((*line, format!("BEGIN:{begun} has no END; the file may have been cut off"))),
        None => Ok(events),
    }
}

fn no_calendar(line: usize) -> Wrong {
    (line, "it is no iCalendar file (RFC 5545), which begins with BEGIN:VCALENDAR".to_owned())
}

/// The lines with their numbers; one that begins with a blank goes on with the one before.
fn unfolded(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        match (line.strip_prefix([' ', '\t']), lines.last_mut()) {
            (Some(rest), Some((_, before))) => before.push_str(rest),
            _ if line.trim().is_empty() => {}
            _ => lines.push((number, line.to_owned())),
        }
    }
    lines
}

impl Property {
    fn parse(line: usize, text: &str) -> Result<Self, Wrong> {
        let mut quoted = false;
        let mut cuts = vec![0];
        let mut value = None;
        for (place, letter) in text.char_indices() {
            match letter {
                '"' => quoted = !quoted,
                ';' if !quoted => cuts.push(place + 1),
                ':' if !quoted => {
                    value = Some(place);
                    break;
                }
                _ => {}
            }
        }
        let shown: String = text.chars().take(40).collect();
        let Some(colon) = value else {
            return Err((line, format!("`{shown}` has no colon; a line is NAME:VALUE")));
        };
        cuts.push(colon + 1);
        let mut parts = cuts.windows(2).map(|cut| &text[cut[0]..cut[1] - 1]);
        let name = parts.next().unwrap_or_default().trim().to_ascii_uppercase();
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err((line, format!("`{shown}` begins with no name of a property")));
        }
        let parameter = |part: &str| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (name.trim().to_ascii_uppercase(), value.trim_matches('"').to_owned())
        };
        let parameters = parts.map(parameter).collect();
        Ok(Self { line, name, parameters, value: text[colon + 1..].trim().to_owned() })
    }

    /// A parameter's value.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The days or times that it has.
    pub fn times(&self) -> Result<Vec<When>, Wrong> {
        let zone = self.parameter("TZID").and_then(|name| name.trim_start_matches('/').parse().ok());
        // A period counts by its beginning.
        let times = self.value.split(',').map(|text| text.split('/').next().unwrap_or_default());
        times
            .map(|text| {
                When::parse(text.trim(), zone)
                    .ok_or_else(|| self.wrong("no day and no time; write it as 20261225 or 20261225T090000"))
            })
            .collect()
    }

    /// The length of time that it has.
    pub fn length(&self) -> Result<TimeDelta, Wrong> {
        length(&self.value).ok_or_else(|| self.wrong("no length of time; write it as P1D"))
    }

    /// What is wrong with it.
    pub fn wrong(&self, what: &str) -> Wrong {
        let value: String = self.value.chars().take(40).collect();
        (self.line, format!("`{}:{value}` is {what}", self.name))
    }
}

impl Event {
    /// The property of that name.
    pub fn get(&self, name: &str) -> Option<&Property> {
        self.all(name).next()
    }

    /// The properties of that name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &Property> {
        self.properties.iter().filter(move |property| property.name == name)
    }

    /// How it is called.
    pub fn name(&self) -> String {
        let property = self.get("SUMMARY").or_else(|| self.get("UID"));
        property.map_or("without a name", |property| property.value.as_str()).chars().take(60).collect()
    }
}

impl When {
    /// Reads a day or a time; `zone` is that of a time without one.
    pub fn parse(text: &str, zone: Option<Tz>) -> Option<Self> {
        if !text.is_ascii() {
            return None;
        }
        if text.len() == 8 {
            return NaiveDate::parse_from_str(text, "%Y%m%d").ok().map(Self::Day);
        }
        let (time, is_utc) = match text.strip_suffix(['Z', 'z']) {
            Some(time) => (time, true),
            None => (text, false),
        };
        let time = NaiveDateTime::parse_from_str(time, "%Y%m%dT%H%M%S").ok()?;
        Some(if is_utc { Self::Utc(time) } else { Self::Local(time, zone) })
    }

    /// As it is written, whatever the zone.
    pub fn written(self) -> NaiveDateTime {
        match self {
            Self::Day(day) => day.and_time(NaiveTime::MIN),
            Self::Local(time, _) | Self::Utc(time) => time,
        }
    }

    /// Another one, written in the same way.
    pub fn like(self, time: NaiveDateTime) -> Self {
        match self {
            Self::Day(_) => Self::Day(time.date()),
            Self::Local(_, zone) => Self::Local(time, zone),
            Self::Utc(_) => Self::Utc(time),
        }
    }

    /// What the clocks of `here` show then; a time of another zone is left as it is written: a day off in Berlin is that
    /// day.
    pub fn local(self, here: Tz) -> NaiveDateTime {
        match self {
            Self::Utc(time) => here.from_utc_datetime(&time).naive_local(),
            Self::Day(_) | Self::Local(..) => self.written(),
        }
    }

    /// The moment in UTC; a day has none.
    pub fn moment(self, here: Tz) -> Option<NaiveDateTime> {
        match self {
            Self::Day(_) => None,
            Self::Utc(time) => Some(time),
            Self::Local(time, zone) => {
                zone.unwrap_or(here).from_local_datetime(&time).earliest().map(|time| time.naive_utc())
            }
        }
    }

    /// Whether both are the same: the same moment, or the same day where one of them is a day.
    pub fn is(self, other: Self, here: Tz) -> bool {
        match (self.moment(here), other.moment(here)) {
            (Some(one), Some(another)) => one == another,
            _ => self.local(here).date() == other.local(here).date(),
        }
    }

    /// How long it is until `end`.
    pub fn until(self, end: Self, here: Tz) -> TimeDelta {
        match (self.moment(here), end.moment(here)) {
            (Some(begin), Some(end)) => end - begin,
            _ => end.local(here) - self.local(here),
        }
    }
}

/// A length of time such as `P1D`, `P2W` or `PT36H`.
fn length(text: &str) -> Option<TimeDelta> {
    let text = text.trim().trim_start_matches('+').to_ascii_uppercase();
    let (days, times) = match text.strip_prefix('P')?.split_once('T') {
        Some((days, times)) => (days.to_owned(), times.to_owned()),
        None => (text.strip_prefix('P')?.to_owned(), String::new()),
    };
    if days.is_empty() && times.is_empty() {
        return None;
    }
    let days = parts(&days, &[('W', 7 * 86_400), ('D', 86_400)])?;
    let times = parts(&times, &[('H', 3_600), ('M', 60), ('S', 1)])?;
    TimeDelta::try_seconds(days.checked_add(times)?)
}

/// The seconds of numbers that each have one of these letters behind them.
fn parts(text: &str, units: &[(char, i64)]) -> Option<i64> {
    let mut seconds = 0_i64;
    let mut number = String::new();
    for letter in text.chars() {
        if letter.is_ascii_digit() {
            number.push(letter);
            continue;
        }
        let (_, unit) = units.iter().find(|(name, _)| *name == letter)?;
        seconds = seconds.checked_add(number.parse::<i64>().ok()?.checked_mul(*unit)?)?;
        number.clear();
    }
    number.is_empty().then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_in_weeks_days_and_hours() {
        let hours = |text| length(text).map(|length| length.num_hours());
        assert_eq!(["P1D", "P2W", "PT36H", "P1DT12H", "+P1D"].map(hours), [24, 336, 36, 36, 24].map(Some));
        assert_eq!(["P", "PT", "-P1D", "1D", "P1H", "PD", "P1"].map(hours), [None; 7]);
    }

    #[test]
    fn a_long_line_goes_on_behind_a_blank_and_keeps_its_number() {
        let text = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY;X=\"a:b;c\":A long\n  day\nDTSTART;TZID=Europe/Berlin:20261225T000000\nEND:VEVENT\nEND:VCALENDAR\n";
        let events = events(text).unwrap();
        assert_eq!(events[0].name(), "A long day");
        let start = events[0].get("DTSTART").unwrap();
        assert_eq!((start.line, start.parameter("TZID")), (5, Some("Europe/Berlin")));
    }
}
