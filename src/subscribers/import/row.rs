//! One row of an import: its fields, read and checked.

use chrono::{DateTime, NaiveDate, NaiveDateTime};

use super::ImportBasis;
use crate::config::Config;
use crate::domain::{EmailAddress, Locale, SubscriberState, UtcMillis};
use crate::subscribers::choice::{self, Chosen};

/// Longest name and longest evidence that are kept, in letters.
const LONGEST: usize = 1000;

/// The columns that mean something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Column {
    Email,
    Name,
    State,
    Topics,
    Digests,
    Locale,
    ConfirmedAt,
    Evidence,
}

impl Column {
    /// The column of that header; case and surrounding spaces do not count.
    pub(super) fn parse(header: &str) -> Option<Self> {
        Some(match header.trim().to_ascii_lowercase().as_str() {
            "email" => Self::Email,
            "name" => Self::Name,
            "state" => Self::State,
            "topics" => Self::Topics,
            "digests" => Self::Digests,
            "locale" => Self::Locale,
            "confirmed_at" => Self::ConfirmedAt,
            "evidence" => Self::Evidence,
            _ => return None,
        })
    }
}

/// One person of a file.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) address: EmailAddress,
    /// Filled in by whoever has the keys.
    pub(super) address_hash: String,
    pub(super) name: String,
    pub(super) state: Option<SubscriberState>,
    /// What a person gets who is not known.
    pub(super) choice: Vec<Chosen>,
    /// Whether the row itself says so; else `choice` is "all".
    pub(super) chosen: bool,
    pub(super) locale: Option<Locale>,
    pub(super) confirmed_at: Option<UtcMillis>,
    pub(super) evidence: Option<String>,
}

impl Row {
    /// Reads the fields of a row.
    pub(super) fn read<'a>(
        fields: impl Iterator<Item = (Column, &'a str)>,
        config: &Config,
        now: UtcMillis,
    ) -> Result<Self, String> {
        let (mut address, mut name, mut state, mut locale) = (None, String::new(), None, None);
        let (mut digests, mut topics, mut confirmed_at, mut evidence) = (Vec::new(), Vec::new(), None, None);
        for (column, text) in fields {
            let text = text.trim();
            if text.contains('\u{fffd}') {
                return Err("has letters that cannot be read; save the file as UTF-8".to_owned());
            }
            if text.is_empty() {
                continue;
            }
            match column {
                Column::Email => address = Some(EmailAddress::parse(text).map_err(|error| error.to_string())?),
                Column::Name => name = one_line(text)?,
                Column::State => state = Some(text.to_ascii_lowercase().parse().map_err(said)?),
                Column::Topics => topics = list(text),
                Column::Digests => digests = list(text),
                Column::Locale => locale = Some(Locale::parse(text).map_err(said)?),
                Column::ConfirmedAt => confirmed_at = Some(moment(text, now)?),
                Column::Evidence => evidence = Some(one_line(text)?),
            }
        }
        Ok(Self {
            address: address.ok_or("an email address is missing")?,
            address_hash: String::new(),
            name,
            state,
            choice: choice::resolve(config, &digests, &topics).map_err(said)?,
            chosen: !digests.is_empty() || !topics.is_empty(),
            locale,
            confirmed_at,
            evidence,
        })
    }

    /// The state that the row asks for.
    pub(super) fn wanted(&self, basis: ImportBasis<'_>) -> SubscriberState {
        match self.state {
            None | Some(SubscriberState::Confirmed) if basis == ImportBasis::Ask => SubscriberState::Pending,
            None => SubscriberState::Confirmed,
            Some(state) => state,
        }
    }

    /// Whether the row may be written: only who would be mailed needs evidence.
    pub(super) fn has_grounds(&self, basis: ImportBasis<'_>) -> bool {
        basis != ImportBasis::Rows || self.wanted(basis) != SubscriberState::Confirmed || self.evidence.is_some()
    }
}

#[allow(clippy::needless_pass_by_value, reason = "so that it fits `map_err`")]
fn said(error: impl ToString) -> String {
    error.to_string()
}

/// Text without line breaks and other control characters.
fn one_line(text: &str) -> Result<String, String> {
    if text.chars().count() > LONGEST {
        return Err(format!("a field is longer than {LONGEST} letters; is a quotation mark not closed?"));
    }
    Ok(text
        .split(|c: char| c.is_control() || c.is_whitespace())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" "))
}

fn list(text: &str) -> Vec<String> {
    text.split([';', ',']).map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// RFC 3339, or a date with or without a time, in UTC.
fn moment(text: &str, now: UtcMillis) -> Result<UtcMillis, String> {
    let naive = |format| NaiveDateTime::parse_from_str(text, format).map(|time| UtcMillis::from(time.and_utc()));
    let day = || {
        NaiveDate::parse_from_str(text, "%Y-%m-%d")
            .map(|day| UtcMillis::from(day.and_time(chrono::NaiveTime::MIN).and_utc()))
    };
    let moment = DateTime::parse_from_rfc3339(text)
        .map(UtcMillis::from)
        .or_else(|_| naive("%Y-%m-%d %H:%M:%S"))
        .or_else(|_| naive("%Y-%m-%dT%H:%M:%S"))
        .or_else(|_| naive("%Y-%m-%d %H:%M"))
        .or_else(|_| day())
        .map_err(|_| format!("`{}` is not a date; one looks like 2026-11-23 or 2026-11-23T08:00:00Z", shown(text)))?;
    // A day's patience for files that were written in another zone.
    if moment > now.plus(std::time::Duration::from_secs(86_400)) {
        return Err(format!("{} is in the future", shown(text)));
    }
    Ok(moment)
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}
