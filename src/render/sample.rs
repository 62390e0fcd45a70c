//! An invented issue that has all that one can have, and one letter of each kind, on which templates are tried when they are loaded.

use std::sync::LazyLock;

use chrono::NaiveDate;
use serde::Serialize;
use serde_json::{Value, json};

use super::article::ArticleView;
use super::letter::{Had, Letter, Valid, Wanted};
use super::letter_view::LetterView;
use super::slots::Marker;
use super::theme::ThemeView;
use super::view::{
    BannerView, Common, DigestView, IntroView, IssueView, LinkView, NumberView, SectionView, SenderView, SlotView,
    Words,
};
use crate::compose::{IssueArticle, IssueContent, Section};
use crate::config::{Digest, Logo, Theme};
use crate::domain::{Direction, Locale, SystemRandom};
use crate::wording::Wording;

const TITLE: &str = "Sample Weekly";
const URL: &str = "https://example.org/sample";

/// An issue with everything.
pub(super) fn full(marker: &Marker) -> IssueView {
    let url = Some(URL.to_owned());
    IssueView {
        common: common(marker),
        issue: NumberView {
            number: Some(1),
            date: "Monday 23 November 2026".to_owned(),
            label: "Issue 1 · Monday 23 November 2026".to_owned(),
            web_url: url.clone(),
        },
        banner: Some(BannerView { text: "A sample campaign".to_owned(), url }),
        intro: Some(IntroView {
            paragraphs: vec!["A sample of an intro.".to_owned()],
            by: Some("Jo Bloggs".to_owned()),
        }),
        lead: Some(article("news")),
        sections: ["news", "features", "interviews"].map(section).into(),
        listed: vec![article("news"), without_all(article("news"))],
        plain: false,
        unlisted: Some("And 2 more stories".to_owned()),
        count: 10,
    }
}

/// An issue with one article of which only the title is known.
pub(super) fn bare(marker: &Marker) -> IssueView {
    let mut view = full(marker);
    view.issue.number = None;
    view.issue.web_url = None;
    view.banner = None;
    view.intro = None;
    view.unlisted = None;
    view.sections.clear();
    view.listed.clear();
    view.count = 1;
    view.common = bare_common(marker);
    view.lead = view.lead.map(without_all);
    view
}

/// The same in the words of a locale.
pub(super) fn bare_in(locale: &Locale, marker: &Marker) -> IssueView {
    let mut view = bare(marker);
    view.common.words = Words::new(Wording::of(locale), TITLE);
    view
}

/// An issue of many articles of which only the titles are known.
pub(super) fn titles_alone(marker: &Marker) -> IssueView {
    let mut view = full(marker);
    for section in &mut view.sections {
        section.articles = std::mem::take(&mut section.articles).into_iter().map(without_all).collect();
    }
    view.listed = view.listed.into_iter().map(without_all).collect();
    view.lead = view.lead.map(without_all);
    view
}

/// An issue whose texts are as wild as feeds can make them.
pub(super) fn wild(marker: &Marker) -> IssueView {
    let mut view = full(marker);
    for section in &mut view.sections {
        section.pictured = true;
        section.articles.iter_mut().for_each(|article| article.image = Some(URL.to_owned()));
    }
    let sections = view.sections.iter_mut().flat_map(|section| &mut section.articles);
    let texts =
        ["</td></table>{{ lead }}", "<!--[if mso]>", "\u{202e}", "क्षत्रिय ที่นี่ 👩\u{200d}👧\u{200d}👦", "\u{200b}"];
    for (number, article) in sections.chain(&mut view.listed).chain(&mut view.lead).enumerate() {
        article.title = texts[number % texts.len()].to_owned();
        article.label = article.title.replace('<', "‹").replace('>', "›");
        article.excerpt = "x".repeat(5_000);
        article.source = "\"'&<>".to_owned();
    }
    view
}

/// What a template sees when the mail is no test, and then also when it has no first line, is made smaller, goes from right to
/// left, or is in each of the locales.
pub(super) fn everyday(view: &impl Serialize) -> Vec<Value> {
    let rtl = Direction::RightToLeft;
    let mut views = vec![with(view, json!({})), with(view, json!({ "summary": "", "plain": true }))];
    views.push(with(view, json!({ "dir": rtl, "start": rtl.start(), "end": rtl.end() })));
    views.extend(in_locales(view));
    views
}

/// The same in each of the locales.
pub(super) fn in_locales(view: &impl Serialize) -> impl Iterator<Item = Value> {
    let locales = Locale::known().into_iter().filter_map(|code| Locale::parse(code).ok());
    locales.map(move |locale| {
        let (dir, words) = (locale.direction(), Words::new(Wording::of(&locale), TITLE));
        let fields = json!({
            "lang": locale.as_str(), "dir": dir, "start": dir.start(), "end": dir.end(), "words": words,
        });
        with(view, fields)
    })
}

/// A mail that is no test, with some of its fields as they are here.
fn with(view: &impl Serialize, fields: Value) -> Value {
    let mut view = serde_json::to_value(view).unwrap_or_default();
    view["test"] = "".into();
    if let (Value::Object(view), Value::Object(fields)) = (&mut view, fields) {
        view.extend(fields);
    }
    view
}

/// An example of everything that any mail has, whatever it is about: a part may be shared by all of them.
pub(super) fn known() -> Value {
    let marker = Marker::new(&SystemRandom);
    let wanted = vec![Wanted { digest: TITLE.to_owned(), topics: vec![TITLE.to_owned()] }];
    let confirmation =
        Letter::Confirmation { wanted, first_issue: None, valid: Valid::Days(7), days: 30, reminder: false };
    let mut known = serde_json::to_value(letter_of_issue(&confirmation, &marker)).unwrap_or_default();
    let issue = serde_json::to_value(full(&marker)).unwrap_or_default();
    if let (Value::Object(known), Value::Object(issue)) = (&mut known, issue) {
        known.extend(issue);
    }
    known
}

/// The names of the letters.
pub fn letter_names() -> impl Iterator<Item = &'static str> {
    letters().into_iter().map(|letter| letter.words())
}

/// An invented issue of a digest, for looking at templates before there is one.
pub fn invented_issue(digest: &Digest) -> IssueContent {
    let day = NaiveDate::from_ymd_opt(2026, 11, 23);
    let article = |topic: &str, number: usize| IssueArticle {
        topic: topic.to_owned(),
        source: digest.title.clone(),
        title: format!("An invented story about {topic}, number {number}"),
        url: Some(format!("{URL}/{topic}/{number}")),
        canonical: format!("{topic}/{number}"),
        published: None,
        date: day,
        excerpt: "What the story is about, in as many words as excerpts have: somebody did something, others were \
                  against it, and a third party has counted how often it happens."
            .to_owned(),
        author: None,
        image: None,
    };
    let section = |topic: &str| Section {
        topic: topic.to_owned(),
        title: crate::config::as_words(topic),
        articles: (1..=3).map(|number| article(topic, number)).collect(),
    };
    let topics: Vec<&str> = match digest.sections.as_slice() {
        [] => vec!["news"],
        sections => sections.iter().map(String::as_str).collect(),
    };
    IssueContent {
        digest: digest.id.clone(),
        title: digest.title.clone(),
        number: Some(1),
        date: day.unwrap_or_default(),
        intro: None,
        sections: topics.iter().map(|topic| section(topic)).collect(),
        listed: (4..=6).map(|number| article(topics[0], number)).collect(),
    }
}

/// Every name that templates of mails can use, with its fields: `digest.title`, `sections[].articles[]`. Articles are the
/// same everywhere; their fields are there once, as `article.title`.
pub fn template_names() -> Vec<String> {
    let mut names = std::collections::BTreeSet::new();
    collect("", &known(), &mut names);
    names.into_iter().collect()
}

fn collect(path: &str, value: &Value, names: &mut std::collections::BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            let is_article = fields.contains_key("excerpt") && fields.contains_key("meta");
            if is_article {
                names.insert(path.to_owned());
            }
            let path = if is_article { "article" } else { path };
            for (field, value) in fields {
                let name = if path.is_empty() { field.clone() } else { format!("{path}.{field}") };
                collect(&name, value, names);
            }
        }
        Value::Array(items) => match items.first() {
            Some(first) => collect(&format!("{path}[]"), first, names),
            None => _ = names.insert(format!("{path}[]")),
        },
        _ => _ = names.insert(path.to_owned()),
    }
}

static PARAGRAPHS: LazyLock<[String; 2]> =
    LazyLock::new(|| ["A sample of what is said.", "And a little more of it."].map(str::to_owned));

/// Each letter under its name.
pub(super) fn letters() -> [Letter<'static>; 12] {
    let text = PARAGRAPHS.as_slice();
    let wanted = vec![Wanted { digest: TITLE.to_owned(), topics: vec!["News".to_owned(), "Features".to_owned()] }];
    let whole = Wanted { digest: TITLE.to_owned(), topics: Vec::new() };
    let first_issue = Some(NaiveDate::default());
    let had = |paused_until| Had { digest: TITLE.to_owned(), paused_until };
    let valid = Valid::Days(7);
    [
        Letter::Confirmation { wanted, first_issue: None, valid, days: 30, reminder: false },
        Letter::Confirmation { wanted: vec![whole], first_issue, valid, days: 30, reminder: true },
        Letter::Subscribed { had: vec![had(None)] },
        Letter::Subscribed { had: vec![had(first_issue)] },
        Letter::Taken,
        Letter::Manage { valid: Valid::Hours(1) },
        Letter::Address { valid },
        Letter::Moved,
        Letter::Goodbye { valid: Valid::Hours(24) },
        Letter::Welcome { latest: None },
        Letter::Correction { text, subject: "A sample story", date: NaiveDate::default() },
        Letter::Alert { subject: "A sample warning", text },
    ]
}

/// What a letter's template sees before there is an issue, of a sender who says little, in the words of a locale.
pub(super) fn bare_letter(letter: &Letter<'_>, locale: &Locale, marker: &Marker) -> LetterView {
    let common = Common { words: Words::new(Wording::of(locale), TITLE), ..bare_common(marker) };
    LetterView::new(common, locale, letter)
}

/// What a letter's template sees, with the stories of an issue.
pub(super) fn letter_of_issue(letter: &Letter<'_>, marker: &Marker) -> LetterView {
    let IssueView { issue, listed, unlisted, .. } = full(marker);
    let view = LetterView::new(common(marker), &Locale::default(), letter);
    LetterView { issue: Some(issue), listed, unlisted, ..view }
}

pub(super) fn section(topic: &str) -> SectionView {
    SectionView {
        topic: topic.to_owned(),
        title: "Sample".to_owned(),
        pictured: false,
        articles: vec![article(topic), without_all(article(topic))],
    }
}

/// An article of which only the title is known, and that is one word.
pub(super) fn without_all(article: ArticleView) -> ArticleView {
    ArticleView {
        title: "Sample".to_owned(),
        label: "Sample".to_owned(),
        url: None,
        date: None,
        source: String::new(),
        excerpt: String::new(),
        author: None,
        image: None,
        meta: String::new(),
        beside: None,
        dir: None,
        quoted: false,
        ..article
    }
}

pub(super) fn article(topic: &str) -> ArticleView {
    ArticleView {
        topic: topic.to_owned(),
        source: "Sample source".to_owned(),
        title: "A sample story".to_owned(),
        label: "A sample story".to_owned(),
        url: Some(URL.to_owned()),
        date: Some("4 November 2026".to_owned()),
        excerpt: "What a sample story is about.".to_owned(),
        author: Some("Jo Bloggs".to_owned()),
        image: Some(URL.to_owned()),
        meta: "4 November 2026, Sample source".to_owned(),
        beside: Some("Sample source".to_owned()),
        dir: Some(Direction::RightToLeft),
        quoted: true,
    }
}

fn common(marker: &Marker) -> Common {
    let locale = Locale::default();
    let url = Some(URL.to_owned());
    Common {
        lang: locale.as_str().to_owned(),
        dir: Direction::LeftToRight,
        start: Direction::LeftToRight.start(),
        end: Direction::LeftToRight.end(),
        theme: ThemeView::of(&theme()),
        subject: "A sample story".to_owned(),
        summary: "Also inside: another sample story".to_owned(),
        test: "A sample test".to_owned(),
        digest: DigestView { id: "weekly".to_owned(), title: TITLE.to_owned() },
        home_url: url.clone(),
        privacy_url: url.clone(),
        sender: SenderView {
            name: TITLE.to_owned(),
            email: "digest@example.org".to_owned(),
            replies: true,
            postal_address: "1 High Street, Exampleton EX1 1EX".to_owned(),
            legal: "Charity 000000".to_owned(),
            contact_url: url,
            social: vec![LinkView { name: "LinkedIn".to_owned(), url: URL.to_owned() }],
        },
        words: Words::new(Wording::of(&locale), TITLE),
        slot: SlotView::new(marker, &locale),
    }
}

/// The same of a sender who says no more than they must, without a logo.
fn bare_common(marker: &Marker) -> Common {
    let common = common(marker);
    Common {
        theme: ThemeView::of(&Theme::default()),
        home_url: None,
        privacy_url: None,
        sender: SenderView {
            replies: false,
            postal_address: String::new(),
            legal: String::new(),
            contact_url: None,
            social: Vec::new(),
            ..common.sender
        },
        ..common
    }
}

/// A theme with a logo.
fn theme() -> Theme {
    let url = url::Url::parse(URL).ok();
    Theme { logo: url.map(|url| Logo { url, width: 200, height: 40 }), ..Theme::default() }
}
