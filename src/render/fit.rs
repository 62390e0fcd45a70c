//! Makes an issue fit: near the size at which Gmail cuts a mail off, and with it the links of the footer, there is less of
//! each story, then fewer stories, and at last fewer titles.

use std::fmt;

use unicode_segmentation::UnicodeSegmentation;

use super::view::IssueView;
use super::{Frame, HTML_LIMIT};
use crate::compose::places;
use crate::render::text::cut_at_word;
use crate::wording::Wording;

/// What excerpts are cut to, one after the other, until the mail fits. Small steps, so that no more is taken than needed.
const EXCERPTS: [usize; 7] = [900, 650, 480, 340, 260, 190, 140];

/// The HTML and the text of a mail.
type Parts = (String, String);

/// What has been taken away from an issue; its text says it, and what would help.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fit {
    /// How long excerpts may be.
    excerpts: Option<usize>,
    /// How many stories were moved to the list of titles.
    moved: usize,
    /// Whether the titles are listed without their sources.
    plain: bool,
    /// How many titles were left out.
    dropped: usize,
}

/// The parts of an issue that is not cut off, with as little taken away as that needs. Rendering a long mail takes time, so
/// that the least is searched for by halves.
pub(super) fn within_limit<E>(
    view: &IssueView,
    frame: &Frame<'_>,
    mut render: impl FnMut(&IssueView) -> Result<Parts, E>,
) -> Result<(Parts, Fit), E> {
    let whole = render(view)?;
    if whole.0.len() <= HTML_LIMIT {
        return Ok((whole, Fit::default()));
    }
    let steps = steps(view);
    let (mut from, mut upto, mut at) = (0, steps.len(), steps.len() - 1);
    let (mut found, mut last) = (None, whole);
    // First the most, which is not enough for a long backlog; then by halves.
    while from < upto {
        let parts = render(&steps[at].applied(view, frame))?;
        if parts.0.len() <= HTML_LIMIT {
            (upto, found) = (at, Some((parts, steps[at])));
        } else {
            (from, last) = (at + 1, parts);
        }
        at = usize::midpoint(from, upto);
    }
    if let Some(found) = found {
        return Ok(found);
    }
    let mut fit = steps[steps.len() - 1];
    let all = fit.applied(view, frame).listed.len();
    while last.0.len() > HTML_LIMIT && fit.dropped < all {
        // As many as the rest of the mail leaves room for, and one more is left out, so that it ends.
        let listed = all - fit.dropped;
        fit.dropped = all - (listed * HTML_LIMIT / last.0.len()).min(listed - 1);
        last = render(&fit.applied(view, frame))?;
    }
    Ok((last, fit))
}

/// What can be taken away before titles are left out, from the least to the most; at least one.
fn steps(view: &IssueView) -> Vec<Fit> {
    let longest = view.longest_excerpt();
    let excerpts = EXCERPTS.into_iter().filter(|limit| *limit < longest);
    let mut steps: Vec<Fit> = excerpts.map(|limit| Fit { excerpts: Some(limit), ..Fit::default() }).collect();
    let shortest = steps.last().copied().unwrap_or_default();
    steps.extend((1..=view.shown()).map(|moved| Fit { moved, ..shortest }));
    steps.push(Fit { plain: true, moved: view.shown(), ..shortest });
    steps
}

impl Fit {
    /// The issue without what is taken away.
    fn applied(self, view: &IssueView, frame: &Frame<'_>) -> IssueView {
        let mut view = view.clone();
        if let Some(limit) = self.excerpts {
            view.shorten_excerpts(limit);
        }
        view.list_last(self.moved);
        view.plain |= self.plain;
        if self.dropped > 0 {
            view.listed.truncate(view.listed.len().saturating_sub(self.dropped));
            view.unlisted = Some(Wording::of(frame.locale).unlisted(self.dropped, frame.locale));
        }
        view
    }

    /// How much it is, as one number to compare: of several mails of an issue, the operator hears of the one that lost most.
    pub fn extent(&self) -> i64 {
        const MOST: i64 = 999_999;
        let count = |count: usize| i64::try_from(count).unwrap_or(MOST).min(MOST);
        let cut = self.excerpts.map_or(0, |limit| EXCERPTS.iter().filter(|step| **step >= limit).count());
        let titles = count(self.dropped) * 2 + i64::from(self.plain);
        (titles * (MOST + 1) + count(self.moved)) * 10 + count(cut)
    }
}

impl fmt::Display for Fit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = |count: usize, one: &str, several: &str| match count {
            0 => None,
            1 => Some(format!("1 {one}")),
            _ => Some(format!("{count} {several}")),
        };
        let parts = [
            self.excerpts.map(|limit| format!("excerpts were cut to {limit} characters")),
            counted(self.moved, "story is listed by its title", "stories are listed by their titles"),
            self.plain.then(|| "titles are listed without sources".to_owned()),
            counted(self.dropped, "title is left out", "titles are left out"),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        // What is too long with titles alone is so whatever `max_articles` says.
        let advice = if self.plain { "" } else { "; a lower `max_articles` does that too" };
        write!(f, "{}{advice}", parts.join(", "))
    }
}

impl IssueView {
    /// In characters as a reader counts them.
    fn longest_excerpt(&self) -> usize {
        let articles = self.sections.iter().flat_map(|section| &section.articles).chain(&self.lead);
        articles.map(|article| article.excerpt.graphemes(true).count()).max().unwrap_or_default()
    }

    fn shorten_excerpts(&mut self, limit: usize) {
        let articles = self.sections.iter_mut().flat_map(|section| &mut section.articles).chain(&mut self.lead);
        for article in articles {
            article.excerpt = cut_at_word(&article.excerpt, limit).into_owned();
        }
    }

    /// Moves `count` articles to the front of the list of titles: of each section the last, and its first ones at last.
    fn list_last(&mut self, count: usize) {
        let sizes: Vec<usize> = self.sections.iter().map(|section| section.articles.len()).collect();
        let places = places(&sizes, self.shown().saturating_sub(count));
        let mut listed = Vec::new();
        for (section, places) in self.sections.iter_mut().zip(places) {
            listed.extend(section.articles.drain(places..));
        }
        self.sections.retain(|section| !section.articles.is_empty());
        self.listed.splice(..0, listed);
    }

    /// How many articles beside the lead story have an excerpt.
    fn shown(&self) -> usize {
        self.sections.iter().map(|section| section.articles.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;
    use crate::config::Config;
    use crate::domain::SystemRandom;
    use crate::render::sample::invented_issue;
    use crate::render::slots::Marker;

    const CONFIG: &str = "[sender]\nemail = \"digest@example.org\"\n[[source]]\nid = \"news\"\nfeed = \"https://example.org/\"\n\
                          [[digest]]\nid = \"weekly\"\nsources = [\"news\"]\nsections = [\"news\"]\n\
                          schedule = \"@weekly\"\n";

    /// A mail that is as long as its stories and titles make it.
    fn rendered(view: &IssueView) -> Parts {
        let stories = view.sections.iter().flat_map(|section| &section.articles).chain(&view.lead);
        let stories: usize = stories.map(|article| article.excerpt.len() + 1_000).sum();
        let title = if view.plain { 300 } else { 450 };
        ("x".repeat(20_000 + stories + view.listed.len() * title), String::new())
    }

    #[test]
    fn what_was_taken_away_is_said_with_what_would_help() {
        let less = Fit { excerpts: Some(340), ..Fit::default() };
        assert_eq!(less.to_string(), "excerpts were cut to 340 characters; a lower `max_articles` does that too");
        let more = Fit { excerpts: Some(140), moved: 1, plain: false, dropped: 0 };
        let most = Fit { excerpts: None, moved: 19, plain: true, dropped: 159 };
        assert_eq!(
            most.to_string(),
            "19 stories are listed by their titles, titles are listed without sources, 159 titles are left out"
        );
        let extents = [Fit::default(), less, Fit { excerpts: Some(140), ..less }, more, most].map(|fit| fit.extent());
        assert!(extents.is_sorted_by(|less, more| less < more), "{extents:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn as_little_is_taken_away_as_is_needed_and_that_is_found_in_few_steps(
            stories in 1usize..120, excerpt in 0usize..250, titles in 0usize..600,
        ) {
            let config = Config::parse(CONFIG, Path::new("config.toml"), std::iter::empty()).unwrap();
            let digest = &config.digests[0];
            let frame = Frame { digest, config: &config, locale: &digest.locale, test: false };
            let mut view = IssueView::new(&invented_issue(digest), &frame, "s", &Marker::new(&SystemRandom));
            let mut article = view.listed[0].clone();
            article.excerpt = "word ".repeat(excerpt);
            view.listed = vec![article.clone(); titles];
            view.sections[0].articles = vec![article; stories];

            let mut renders = 0;
            let (parts, fit) = within_limit(&view, &frame, |view| {
                renders += 1;
                Ok::<_, Infallible>(rendered(view))
            })
            .unwrap();
            prop_assert!(parts.0.len() <= HTML_LIMIT && renders <= 12, "{renders} renders");
            let fits = |fit: &Fit| rendered(&fit.applied(&view, &frame)).0.len() <= HTML_LIMIT;
            let least = std::iter::once(Fit::default()).chain(steps(&view)).find(fits);
            prop_assert_eq!(least.unwrap_or(fit), fit);
            prop_assert_eq!(least.is_none(), fit.dropped > 0);
        }
    }
}
