//! What letters say, and what their templates see.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::Serialize;

use super::article::ArticleView;
use super::letter::{Had, Letter, Valid, Wanted};
use super::slots::Marker;
use super::text::{cut_at_word, one_line};
use super::view::{Common, NumberView, leave_sole_source_out, web_url};
use super::{Frame, TITLE_LIMIT};
use crate::compose::IssueContent;
use crate::domain::{Locale, kept_apart};
use crate::wording::Wording;

/// How many of the latest issue's stories a welcome has at most.
const STORIES: usize = 20;

/// What a letter's template sees.
#[derive(Clone, Debug, Serialize)]
pub(super) struct LetterView {
    #[serde(flatten)]
    pub(super) common: Common,
    pub(super) letter: LetterWords,
    /// The latest issue, in a welcome.
    pub(super) issue: Option<NumberView>,
    /// Its stories.
    pub(super) listed: Vec<ArticleView>,
    /// As an issue has them: whether sources are left out, and that there are more.
    pub(super) plain: bool,
    pub(super) unlisted: Option<String>,
}

/// The sentences of a letter.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct LetterWords {
    pub(super) heading: String,
    /// Paragraphs.
    pub(super) text: Vec<String>,
    /// What was chosen, one line each.
    pub(super) items: Vec<String>,
    pub(super) button: Option<ButtonView>,
    /// Paragraphs below the button.
    pub(super) note: Vec<String>,
    /// The heading over the latest issue's stories.
    pub(super) latest: String,
    /// Whether it goes to a subscriber, who then gets the links to choose and to leave.
    pub(super) subscribed: bool,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct ButtonView {
    pub(super) label: String,
    pub(super) url: String,
}

/// What the wording of letters has under a key.
struct Say<'a> {
    words: &'static Wording,
    locale: &'a Locale,
    values: Vec<(&'static str, String)>,
}

impl Say<'_> {
    fn with(&self, key: &str, more: &[(&str, &str)], count: Option<u32>) -> String {
        let values = more.iter().copied().chain(self.values.iter().map(|(name, value)| (*name, value.as_str())));
        self.words.mail(key, count, &values.collect::<Vec<_>>(), self.locale).unwrap_or_default()
    }

    fn one(&self, key: &str) -> String {
        self.with(key, &[], None)
    }

    fn valid(&self, valid: Valid) -> String {
        match valid {
            Valid::Hours(count) => self.with("valid.hours", &[], Some(count)),
            Valid::Days(count) => self.with("valid.days", &[], Some(count)),
        }
    }
}

/// The subject of a letter; one line.
pub(super) fn subject(frame: &Frame<'_>, letter: &Letter<'_>) -> String {
    let words = Wording::of(frame.locale);
    let named: Vec<String> = letter.named().into_iter().map(|title| one_line(title).into_owned()).collect();
    let digest = match named.is_empty() {
        true => one_line(&frame.digest.title).into_owned(),
        false => words.listed(&named, frame.locale),
    };
    let values = vec![
        ("digest", cut_at_word(&digest, TITLE_LIMIT).into_owned()),
        ("sender", cut_at_word(&one_line(&frame.digest.sender.name), TITLE_LIMIT).into_owned()),
    ];
    let say = Say { words, locale: frame.locale, values };
    let subject = match letter {
        Letter::Correction { subject, .. } => say.with("correction.subject", &[("subject", subject)], None),
        // As the log, in English.
        Letter::Alert { subject, .. } => format!("Postround: {subject}"),
        Letter::Subscribed { .. } if letter.words() == "paused" && named.len() > 1 => say.one("paused.subject_several"),
        _ => say.one(&format!("{}.subject", letter.words())),
    };
    one_line(&subject).into_owned()
}

impl LetterView {
    pub(super) fn of(frame: &Frame<'_>, subject: &str, letter: &Letter<'_>, marker: &Marker) -> Self {
        let mut common = Common::new(frame, subject, String::new(), marker);
        if !letter.is_of_list() {
            // Somebody who has not agreed to anything, or has left, gets no marketing.
            common.sender.social.clear();
        }
        if matches!(letter, Letter::Alert { .. }) {
            // Nor is the operator asked to write to themselves.
            (common.sender.replies, common.sender.contact_url, common.privacy_url) = (false, None, None);
        }
        let mut view = Self::new(common, frame.locale, letter);
        if let (Some(latest), Some(issue)) = (letter.latest(), &mut view.issue) {
            issue.web_url = web_url(latest, frame);
        }
        view
    }

    /// The letter's words, and its first line.
    pub(super) fn new(mut common: Common, locale: &Locale, letter: &Letter<'_>) -> Self {
        let wording = Wording::of(locale);
        let apart = |text: &str| kept_apart(text, wording.direction());
        let values = vec![
            ("digest", apart(&common.digest.title)),
            ("sender", apart(&one_line(&common.sender.name))),
            ("address", apart(&common.slot.address)),
        ];
        let say = Say { words: wording, locale, values };
        let (summary, mut words) = match letter {
            Letter::Confirmation { .. } => confirmation(&say, letter, &common),
            Letter::Subscribed { had } => subscribed(&say, letter, had, &common),
            Letter::Alert { subject, text } => {
                let heading = one_line(subject).into_owned();
                let words = LetterWords { heading, text: paragraphs(text), ..LetterWords::default() };
                ("A warning from Postround, which sends your newsletters".to_owned(), words)
            }
            Letter::Correction { text, subject, date } => {
                let date = say.words.date(*date, false);
                let about = [("subject", *subject), ("date", date.as_str())];
                let words = LetterWords {
                    heading: say.one("correction.heading"),
                    text: paragraphs(text),
                    note: vec![say.with("correction.about", &about, None)],
                    subscribed: true,
                    ..LetterWords::default()
                };
                (say.with("correction.summary", &about, None), words)
            }
            _ => plain(&say, letter, &common),
        };
        common.summary = summary;
        for paragraph in words.text.iter_mut().chain(&mut words.note) {
            *paragraph = on_a_line_of_its_own(paragraph, &common.slot.address);
        }
        let latest = letter.latest();
        let listed = latest.map(|issue| stories(issue, say.words)).unwrap_or_default();
        Self {
            common,
            letter: words,
            issue: latest.map(|issue| NumberView::new(issue, say.words)),
            plain: false,
            unlisted: unlisted(letter, listed.len(), locale),
            listed,
        }
    }

    /// Lists half as many stories. `false`: it lists none as it is.
    pub(super) fn list_half(&mut self, letter: &Letter<'_>, locale: &Locale) -> bool {
        let had = self.listed.len();
        self.listed.truncate(had / 2);
        self.unlisted = unlisted(letter, had / 2, locale);
        had > 0
    }
}

/// That the latest issue has more stories than are listed.
fn unlisted(letter: &Letter<'_>, listed: usize, locale: &Locale) -> Option<String> {
    let more = letter.latest()?.articles().count().saturating_sub(listed);
    (more > 0).then(|| Wording::of(locale).unlisted(more, locale))
}

/// The first stories of an issue. What all of them are from is not worth a word for each.
fn stories(issue: &IssueContent, words: &Wording) -> Vec<ArticleView> {
    let stories = issue.articles().take(STORIES).map(|article| ArticleView::new(article, words));
    let mut stories: Vec<ArticleView> = stories.collect();
    let first = stories.first().cloned();
    leave_sole_source_out(first.as_ref(), stories.iter_mut().collect());
    stories
}

/// Those whose wording is all under one name.
fn plain(say: &Say<'_>, letter: &Letter<'_>, common: &Common) -> (String, LetterWords) {
    let name = letter.words();
    let under = |key: &str| say.one(&format!("{name}.{key}"));
    let button = |url: &str| Some(ButtonView { label: under("button"), url: url.to_owned() });
    let (slot, note) = (&common.slot, under("note"));
    let mut words = LetterWords { heading: under("heading"), text: vec![under("text")], ..LetterWords::default() };
    match letter {
        Letter::Manage { valid } | Letter::Address { valid } | Letter::Goodbye { valid } => {
            words.button = button(&slot.link);
            words.note = vec![say.valid(*valid), note];
        }
        Letter::Taken => {
            words.button = button(&slot.unsubscribe_url);
            words.note = vec![note];
        }
        Letter::Welcome { latest } => {
            words.subscribed = true;
            words.latest = latest.map(|_| under("latest")).unwrap_or_default();
        }
        _ => words.note = vec![note],
    }
    // Before the first issue there is nothing to read yet.
    let summary = if matches!(letter, Letter::Welcome { latest: None }) { "summary_alone" } else { "summary" };
    (under(summary), words)
}

/// What comes already, and what is paused, first: all that is until one day together.
fn subscribed(say: &Say<'_>, letter: &Letter<'_>, had: &[Had], common: &Common) -> (String, LetterWords) {
    let mut together: BTreeMap<(bool, Option<NaiveDate>), Vec<String>> = BTreeMap::new();
    for had in had {
        let title = kept_apart(&one_line(&had.digest), say.words.direction());
        together.entry((had.paused_until.is_none(), had.paused_until)).or_default().push(title);
    }
    let said = |key: &str, until: Option<NaiveDate>, titles: &[String]| {
        let name = if until.is_some() { "paused" } else { "subscribed" };
        let date = until.map(|day| say.words.date(day, false)).unwrap_or_default();
        let digest = say.words.listed(titles, say.locale);
        say.with(&format!("{name}.{key}"), &[("digest", &digest), ("date", &date)], None)
    };
    let text = |(until, titles): (Option<NaiveDate>, &Vec<String>)| {
        said(if titles.len() > 1 { "text_several" } else { "text" }, until, titles)
    };
    let under = |key: &str| say.one(&format!("{}.{key}", letter.words()));
    let words = LetterWords {
        heading: under("heading"),
        text: together.iter().map(|((_, until), titles)| text((*until, titles))).collect(),
        button: Some(ButtonView { label: under("button"), url: common.slot.preferences_url.clone() }),
        note: vec![under("note")],
        ..LetterWords::default()
    };
    let summary = match had {
        [only] => said("summary", only.paused_until, &[]),
        _ => say.one("subscribed.summary"),
    };
    (summary, words)
}

fn confirmation(say: &Say<'_>, letter: &Letter<'_>, common: &Common) -> (String, LetterWords) {
    let Letter::Confirmation { wanted, first_issue, valid, days, reminder } = letter else { return Default::default() };
    let date = first_issue.map(|date| say.words.date(date, true));
    let dated = |key: &str| match &date {
        Some(date) => say.with(&format!("confirmation.{key}_with_date"), &[("date", date)], None),
        None => say.one(&format!("confirmation.{key}")),
    };
    // Where it is less than one whole digest, or more, it is listed.
    let is_listed = wanted.len() > 1 || wanted.iter().any(|wanted| !wanted.topics.is_empty());
    let ask = match (is_listed, reminder) {
        (false, false) => "confirmation.ask",
        (true, false) => "confirmation.ask_listed",
        (false, true) => "reminder.ask",
        (true, true) => "reminder.ask_listed",
    };
    let summary = match (reminder, wanted.len()) {
        (true, _) => say.one("reminder.summary"),
        (false, 1) => dated("summary"),
        (false, _) => say.one("confirmation.summary_several"),
    };
    let words = LetterWords {
        heading: say.one(&format!("{}.heading", letter.words())),
        text: vec![say.one(ask)],
        items: if is_listed { wanted.iter().map(Wanted::line).collect() } else { Vec::new() },
        button: Some(ButtonView { label: say.one("confirmation.button"), url: common.slot.link.clone() }),
        note: vec![
            dated("next"),
            format!("{} {}", say.valid(*valid), say.with("confirmation.ignore", &[], Some(*days))),
        ],
        ..LetterWords::default()
    };
    (summary, words)
}

/// The text with line breaks around the word that holds a slot: how long that gets is known only in each copy. In HTML they
/// are spaces.
fn on_a_line_of_its_own(text: &str, held: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut was_held = false;
    for (number, word) in text.split(' ').enumerate() {
        let is_held = word.contains(held);
        if number > 0 {
            out.push(if is_held || was_held { '\n' } else { ' ' });
        }
        out.push_str(word);
        was_held = is_held;
    }
    out
}

fn paragraphs(text: &[String]) -> Vec<String> {
    text.iter().map(|paragraph| one_line(paragraph).into_owned()).filter(|line| !line.is_empty()).collect()
}
