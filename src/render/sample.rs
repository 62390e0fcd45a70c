//! An invented issue that has all that one can have, and one letter of each kind, on which templates are tried when they are loaded.

use chrono::NaiveDate;

use super::article::ArticleView;
use super::letter::{Letter, LetterView, Valid, Wanted};
use super::slots::Marker;
use super::theme::ThemeView;
use super::view::{
    BannerView, Common, DigestView, IntroView, IssueView, LinkView, NumberView, SectionView, SenderView, SlotView,
    Words,
};
use crate::config::Theme;
use crate::domain::{Direction, Locale};
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
        },
        banner: Some(BannerView { text: "A sample campaign".to_owned(), url }),
        intro: Some(IntroView {
            paragraphs: vec!["A sample of an intro.".to_owned()],
            by: Some("Jo Bloggs".to_owned()),
        }),
        lead: Some(article("news")),
        sections: ["news", "features", "interviews"].map(section).into(),
        listed: vec![article("news")],
        plain: false,
        unlisted: Some("And 2 more stories".to_owned()),
        count: 10,
    }
}

/// An issue with one article of which only the title is known.
pub(super) fn bare(marker: &Marker) -> IssueView {
    let mut view = full(marker);
    view.issue.number = None;
    view.banner = None;
    view.intro = None;
    view.unlisted = None;
    view.sections.clear();
    view.listed.clear();
    view.count = 1;
    view.common.home_url = None;
    view.common.privacy_url = None;
    view.common.sender = SenderView {
        replies: false,
        postal_address: String::new(),
        legal: String::new(),
        contact_url: None,
        social: Vec::new(),
        ..view.common.sender
    };
    view.lead = view.lead.map(|lead| ArticleView {
        url: None,
        date: None,
        source: String::new(),
        excerpt: String::new(),
        author: None,
        image: None,
        meta: String::new(),
        dir: None,
        quoted: false,
        ..lead
    });
    view
}

/// Each kind of letter once.
pub(super) fn letters() -> [Letter<'static>; 9] {
    let wanted = vec![Wanted { digest: TITLE.to_owned(), topics: vec!["News".to_owned(), "Features".to_owned()] }];
    let valid = Valid::Days(7);
    [
        Letter::Confirmation { wanted, first_issue: None, days: 7, reminder: false },
        Letter::Subscribed,
        Letter::Manage { valid: Valid::Hours(1) },
        Letter::Address { valid },
        Letter::Moved,
        Letter::Goodbye { valid },
        Letter::Welcome { latest: None },
        Letter::Correction { text: &[], subject: "A sample story", date: NaiveDate::default() },
        Letter::Alert { subject: "A sample warning", text: &[] },
    ]
}

/// What a letter's template sees, with the stories of an issue.
pub(super) fn letter(letter: &Letter<'_>, marker: &Marker) -> LetterView {
    let IssueView { issue, listed, .. } = full(marker);
    let view = LetterView::new(common(marker), &Locale::default(), letter);
    LetterView { issue: Some(issue), listed, ..view }
}

fn section(topic: &str) -> SectionView {
    let mut plain = article(topic);
    plain.image = None;
    SectionView {
        topic: topic.to_owned(),
        title: "Sample".to_owned(),
        pictured: false,
        articles: vec![article(topic), plain],
    }
}

fn article(topic: &str) -> ArticleView {
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
        meta: "4 November 2026 · Sample source".to_owned(),
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
        theme: ThemeView::of(&Theme::default()),
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
