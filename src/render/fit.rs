//! Makes an issue fit: near the size at which Gmail cuts a mail off, and with it the links of the footer, there is less of
//! each story, then fewer stories, and at last fewer titles.

use unicode_segmentation::UnicodeSegmentation;

use super::view::IssueView;
use super::{Frame, HTML_LIMIT};
use crate::render::text::cut_at_word;
use crate::wording::Wording;

/// What excerpts are cut to, one after the other, until the mail fits. Small steps, so that no more is taken than needed.
const EXCERPTS: [usize; 7] = [900, 650, 480, 340, 260, 190, 140];
/// Of how many stories one at a time is moved to the list of titles.
const PART: usize = 8;

/// What has been done so far.
#[derive(Debug, Default)]
pub(super) struct Fit {
    step: Step,
    /// How long excerpts may be now.
    excerpts: Option<usize>,
    moved: usize,
    plain: bool,
    dropped: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Step {
    #[default]
    Excerpts,
    Stories,
    Sources,
    Titles,
}

impl Fit {
    /// Takes something away from an issue whose HTML has `octets`, too many. `false`: there is nothing left to take.
    pub(super) fn less(&mut self, view: &mut IssueView, frame: &Frame<'_>, octets: usize) -> bool {
        match self.step {
            Step::Excerpts => {
                let longest = view.longest_excerpt();
                match EXCERPTS.into_iter().find(|limit| *limit < longest) {
                    Some(limit) => {
                        view.shorten_excerpts(limit);
                        self.excerpts = Some(limit);
                    }
                    None => {
                        self.step = Step::Stories;
                        return self.less(view, frame, octets);
                    }
                }
            }
            Step::Stories if view.shown() > 0 => {
                let count = view.shown().div_ceil(PART);
                view.list_last(count);
                self.moved += count;
            }
            Step::Stories => {
                view.plain = true;
                self.plain = true;
                self.step = Step::Sources;
            }
            Step::Sources | Step::Titles if !view.listed.is_empty() => {
                self.step = Step::Titles;
                // As many as the rest of the mail leaves room for, and one more, so that it ends.
                let keep = (view.listed.len() * HTML_LIMIT / octets).min(view.listed.len() - 1);
                self.dropped += view.listed.len() - keep;
                view.listed.truncate(keep);
                view.unlisted = Some(Wording::of(frame.locale).unlisted(self.dropped, frame.locale));
            }
            Step::Sources | Step::Titles => return false,
        }
        true
    }

    /// Tells the operator.
    pub(super) fn tell(&self, digest: &str, octets: usize) {
        if self.step != Step::Excerpts || self.excerpts.is_some() {
            tracing::warn!(
                digest,
                octets,
                excerpts_cut_to = self.excerpts,
                moved_to_titles = self.moved,
                titles_without_source = self.plain,
                titles_left_out = self.dropped,
                "the issue would have been cut off by mail programs, so it was made smaller; a lower `max_articles` does that too"
            );
        }
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

    /// Moves the last `count` articles to the front of the list of titles.
    fn list_last(&mut self, count: usize) {
        for _ in 0..count {
            let Some(section) = self.sections.last_mut() else { break };
            if let Some(article) = section.articles.pop() {
                self.listed.insert(0, article);
            }
            self.sections.retain(|section| !section.articles.is_empty());
        }
    }

    /// How many articles beside the lead story have an excerpt.
    fn shown(&self) -> usize {
        self.sections.iter().map(|section| section.articles.len()).sum()
    }
}
