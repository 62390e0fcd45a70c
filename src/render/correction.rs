//! The mail that corrects an issue, to those who have received it.

use chrono::NaiveDate;
use serde::Serialize;

use super::Frame;
use super::slots::{Marker, Slot};
use super::text::one_line;
use super::view::Common;
use crate::domain::Locale;
use crate::wording::{Wording, insert};

/// What a correction says.
#[derive(Clone, Copy, Debug)]
pub struct Correction<'a> {
    /// What was wrong and what is right; paragraphs.
    pub text: &'a [String],
    /// The subject of the issue.
    pub subject: &'a str,
    /// Its day.
    pub date: NaiveDate,
}

/// What a correction's template sees.
#[derive(Clone, Debug, Serialize)]
pub(super) struct CorrectionView {
    #[serde(flatten)]
    pub(super) common: Common,
    correction: CorrectionWords,
}

#[derive(Clone, Debug, Serialize)]
struct CorrectionWords {
    heading: &'static str,
    about: String,
    text: Vec<String>,
}

/// The subject of a correction.
pub(super) fn subject(frame: &Frame<'_>, correction: &Correction<'_>) -> String {
    let words = Wording::of(frame.locale);
    one_line(&insert(&words.correction_subject, &[("subject", correction.subject)])).into_owned()
}

impl CorrectionView {
    pub(super) fn of(frame: &Frame<'_>, subject: &str, correction: &Correction<'_>, marker: &Marker) -> Self {
        Self::new(Common::new(frame, subject, String::new(), marker), frame.locale, correction)
    }

    pub(super) fn new(mut common: Common, locale: &Locale, correction: &Correction<'_>) -> Self {
        let words = Wording::of(locale);
        let date = words.date(correction.date, false);
        let about = insert(&words.correction_about, &[("subject", correction.subject), ("date", &date)]);
        let correction = CorrectionWords {
            heading: &words.correction_heading,
            about: one_line(&about).into_owned(),
            text: correction.text.iter().map(|paragraph| one_line(paragraph).into_owned()).collect(),
        };
        common.summary.clone_from(&correction.about);
        Self { common, correction }
    }
}

/// The slots that a correction must have.
pub(super) const REQUIRED: [Slot; 2] = [Slot::UnsubscribeUrl, Slot::PreferencesUrl];
