//! The mail that asks whether an address really wants a digest. It has nothing in it that a stranger typed but the address.

use chrono::NaiveDate;
use serde::Serialize;

use super::slots::{Marker, Slot};
use super::text::{cut_at_word, one_line};
use super::view::Common;
use super::{Frame, TITLE_LIMIT};
use crate::domain::Locale;
use crate::wording::{Wording, insert};

/// What a confirmation says beside its digest.
#[derive(Clone, Copy, Debug)]
pub struct Confirmation {
    /// The day of the first issue that a reader gets, where it is known.
    pub first_issue: Option<NaiveDate>,
    /// After how many days without an answer the address is forgotten.
    pub valid_days: u32,
}

/// What a confirmation's template sees.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ConfirmView {
    #[serde(flatten)]
    pub(super) common: Common,
    confirm: ConfirmWords,
}

#[derive(Clone, Debug, Serialize)]
struct ConfirmWords {
    heading: &'static str,
    ask: String,
    button: &'static str,
    next: String,
    ignore: String,
}

/// The subject of a confirmation.
pub(super) fn subject(frame: &Frame<'_>) -> String {
    let title = cut_at_word(&frame.digest.title, TITLE_LIMIT);
    one_line(&insert(&Wording::of(frame.locale).confirm_subject, &[("digest", &title)])).into_owned()
}

impl ConfirmView {
    pub(super) fn of(frame: &Frame<'_>, subject: &str, confirmation: &Confirmation, marker: &Marker) -> Self {
        let words = Wording::of(frame.locale);
        let (pattern, date) = match confirmation.first_issue {
            Some(date) => (&words.confirm_summary_with_date, words.date(date, true)),
            None => (&words.confirm_summary, String::new()),
        };
        let summary = insert(pattern, &[("digest", &one_line(&frame.digest.title)), ("date", &date)]);
        let mut common = Common::new(frame, subject, summary, marker);
        // Somebody who has not agreed to anything yet gets no marketing.
        common.sender.social.clear();
        Self::new(common, frame.locale, confirmation)
    }

    pub(super) fn new(common: Common, locale: &Locale, confirmation: &Confirmation) -> Self {
        let words = Wording::of(locale);
        let next = match confirmation.first_issue {
            Some(date) => insert(&words.confirm_next_with_date, &[("date", &words.date(date, true))]),
            None => words.confirm_next.clone(),
        };
        let ask = insert(&words.confirm_ask, &[("digest", &common.digest.title), ("address", &common.slot.address)]);
        let confirm = ConfirmWords {
            heading: &words.confirm_heading,
            ask,
            button: &words.confirm_button,
            next,
            ignore: words.confirm_ignore.with(confirmation.valid_days, locale),
        };
        Self { common, confirm }
    }
}

/// The slots that a confirmation must have.
pub(super) const REQUIRED: [Slot; 1] = [Slot::ConfirmUrl];
