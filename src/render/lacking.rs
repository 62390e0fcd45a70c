//! Invented mails that lack one thing of all that there can be, have it alone, or have one where there may be many: a template may
//! ask for one thing and name another.

use super::article::ArticleView;
use super::letter::Letter;
use super::letter_view::LetterView;
use super::sample;
use super::slots::Marker;
use super::view::{Common, IssueView, NumberView, SectionView};
use crate::domain::Locale;

/// Makes one thing in a mail as it is in another.
type Take<T> = fn(&mut T, &T);

const OF_ANY: [Take<Common>; 6] = [
    |mail, other| mail.home_url.clone_from(&other.home_url),
    |mail, other| mail.privacy_url.clone_from(&other.privacy_url),
    |mail, other| mail.theme.clone_from(&other.theme),
    |mail, other| mail.sender.replies = other.sender.replies,
    |mail, other| mail.sender.contact_url.clone_from(&other.sender.contact_url),
    |mail, other| mail.sender.social.clone_from(&other.sender.social),
];

const OF_ISSUE: [Take<IssueView>; 9] = [
    |mail, other| mail.issue.number = other.issue.number,
    |mail, other| mail.issue.web_url.clone_from(&other.issue.web_url),
    |mail, other| mail.banner.clone_from(&other.banner),
    |mail, other| {
        if let Some(banner) = &mut mail.banner {
            banner.url = other.banner.as_ref().and_then(|banner| banner.url.clone());
        }
    },
    |mail, other| mail.intro.clone_from(&other.intro),
    |mail, other| {
        if let Some(intro) = &mut mail.intro {
            intro.by = other.intro.as_ref().and_then(|intro| intro.by.clone());
        }
    },
    |mail, other| mail.sections.clone_from(&other.sections),
    |mail, other| mail.listed.clone_from(&other.listed),
    |mail, other| mail.unlisted.clone_from(&other.unlisted),
];

const OF_WELCOME: [Take<LetterView>; 4] = [
    |mail, other| number(mail, |issue| issue.number = other.issue.as_ref().and_then(|issue| issue.number)),
    |mail, other| number(mail, |issue| issue.web_url = other.issue.as_ref().and_then(|issue| issue.web_url.clone())),
    |mail, other| mail.unlisted.clone_from(&other.unlisted),
    |mail, other| mail.listed.clone_from(&other.listed),
];

/// Leaves one where there may be many.
const ONE_OF_ISSUE: [fn(&mut IssueView); 3] = [
    |mail| mail.sections.truncate(1),
    |mail| mail.sections.iter_mut().for_each(|section| section.articles.truncate(1)),
    |mail| mail.listed.truncate(1),
];

const OF_ARTICLE: [Take<ArticleView>; 6] = [
    |article, other| article.url.clone_from(&other.url),
    |article, other| article.date.clone_from(&other.date),
    |article, other| article.source.clone_from(&other.source),
    |article, other| article.author.clone_from(&other.author),
    |article, other| article.image.clone_from(&other.image),
    |article, other| article.dir = other.dir,
];

/// Issues for readers, not tests.
pub(super) fn issues(marker: &Marker) -> Vec<IssueView> {
    let (full, bare, titles) = (sample::full(marker), sample::bare(marker), sample::titles_alone(marker));
    let mut views = Vec::new();
    for (all, other) in [(&full, &bare), (&bare, &full)] {
        views.extend(OF_ANY.iter().map(|take| changed(all, |view| take(&mut view.common, &other.common))));
        views.extend(OF_ISSUE.iter().map(|take| changed(all, |view| take(view, other))));
    }
    for (all, other) in [(&full, &titles), (&titles, &full)] {
        let with = |take: &Take<ArticleView>| {
            let mut other = other.clone();
            changed(all, |view| {
                for (article, other) in articles(view).zip(articles(&mut other)) {
                    taken(*take, article, other);
                }
            })
        };
        views.extend(OF_ARTICLE.iter().map(with));
        views.extend(ONE_OF_ISSUE.iter().map(|leave| changed(all, leave)));
    }
    views.iter_mut().for_each(|view| view.common.test.clear());
    views
}

/// Letters of one kind, no tests either. Only a welcome is about an issue.
pub(super) fn letters(letter: &Letter<'_>, marker: &Marker) -> Vec<LetterView> {
    let full = sample::letter_of_issue(letter, marker);
    let bare = sample::bare_letter(letter, &Locale::default(), marker);
    let mut views = Vec::new();
    for (all, other) in [(&full, &bare), (&bare, &full)] {
        views.extend(OF_ANY.iter().map(|take| changed(all, |view| take(&mut view.common, &other.common))));
    }
    if matches!(letter, Letter::Alert { .. }) {
        // All is said in the subject.
        views.push(changed(&full, |view| view.letter.text.clear()));
    }
    if matches!(letter, Letter::Alert { .. } | Letter::Correction { .. }) {
        views.push(changed(&full, |view| view.letter.text.truncate(1)));
    }
    views.push(changed(&full, several));
    if matches!(letter, Letter::Welcome { .. }) {
        views.push(changed(&full, |view| view.listed.truncate(1)));
        views.extend(OF_WELCOME.iter().map(|take| changed(&full, |view| take(view, &bare))));
        let titles = sample::titles_alone(marker).listed;
        let with = |take: &Take<ArticleView>| {
            changed(&full, |view| {
                for (article, other) in view.listed.iter_mut().zip(&titles) {
                    taken(*take, article, other);
                }
            })
        };
        views.extend(OF_ARTICLE.iter().map(with));
    }
    views.iter_mut().for_each(|view| view.common.test.clear());
    views
}

/// Issues of one story and of several, of many, and with other numbers of sections, of stories in them, and of titles.
pub(super) fn of_sizes(marker: &Marker) -> Vec<IssueView> {
    let titles = sample::titles_alone(marker);
    let of = |(sections, articles, listed): (usize, usize, usize)| {
        changed(&titles, |view| {
            view.common.test.clear();
            let section = view.sections.remove(0);
            let some = |count: usize| section.articles.iter().cycle().take(count).cloned().collect();
            let section = SectionView { articles: some(articles), ..section.clone() };
            view.listed = some(listed);
            view.sections = vec![section; sections];
            view.count = 1 + sections * articles + listed;
        })
    };
    let even = (1..=5).map(|count| (count, count, count));
    let uneven = (1..=5).map(|count| (count, 6 - count, count % 3));
    let titles = (0..12).map(|count| (0, 0, count));
    even.chain(uneven).chain(titles).chain([(5, 10, 100)]).map(of).collect()
}

/// Makes several of what a letter may have more than one of: somebody chose several digests, an operator wrote at length.
fn several(mail: &mut LetterView) {
    let words = &mut mail.letter;
    for lines in [&mut words.text, &mut words.items, &mut words.note] {
        *lines = lines.iter().cycle().take(3 * lines.len()).cloned().collect();
    }
    mail.listed = mail.listed.iter().cycle().take(20).cloned().collect();
}

fn changed<T: Clone>(view: &T, change: impl FnOnce(&mut T)) -> T {
    let mut view = view.clone();
    change(&mut view);
    view
}

fn number(mail: &mut LetterView, change: impl FnOnce(&mut NumberView)) {
    if let Some(issue) = &mut mail.issue {
        change(issue);
    }
}

fn articles(view: &mut IssueView) -> impl Iterator<Item = &mut ArticleView> {
    let sections = view.sections.iter_mut().flat_map(|section| &mut section.articles);
    view.lead.iter_mut().chain(sections).chain(&mut view.listed)
}

/// Takes one thing from another article; what is said of day and source follows.
fn taken(take: Take<ArticleView>, article: &mut ArticleView, other: &ArticleView) {
    take(article, other);
    let source = Some(&article.source).filter(|source| !source.is_empty());
    article.beside = source.or(article.date.as_ref()).cloned();
    article.meta = article.date.iter().chain(source).cloned().collect::<Vec<_>>().join(", ");
}
