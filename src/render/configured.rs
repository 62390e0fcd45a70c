//! Invented mails in what is configured: the name, sender, looks and language of a digest, and its topics. A template may go by any
//! of them.

use super::letter::Letter;
use super::letter_view::LetterView;
use super::slots::Marker;
use super::view::{Common, IssueView, SectionView};
use super::{Frame, sample};
use crate::subscribers::topics_of;

const SUBJECT: &str = "A sample story";
const SUMMARY: &str = "Also inside: another sample story";

/// Issues of a digest.
pub(super) fn issues(frame: &Frame<'_>, marker: &Marker) -> Vec<IssueView> {
    let common = Common::new(frame, SUBJECT, SUMMARY.to_owned(), marker);
    let of_digest = |view: IssueView| IssueView { common: common.clone(), ..view };
    let bare = of_digest(sample::bare(marker));
    let topics = topics_of(frame.config, frame.digest);
    let mut titles = of_digest(sample::titles_alone(marker));
    titles.sections = topics.iter().map(|topic| section(frame, topic)).collect();
    titles.listed = topics.iter().map(|topic| sample::without_all(sample::article(topic))).collect();
    let with_lead = |topic: &String| {
        let lead = Some(sample::without_all(sample::article(topic)));
        IssueView { lead, ..bare.clone() }
    };
    let mut views: Vec<IssueView> = topics.iter().map(with_lead).collect();
    views.extend([of_digest(sample::full(marker)), titles, bare]);
    views
}

/// Letters of a digest.
pub(super) fn letters(letter: &Letter<'_>, frame: &Frame<'_>, marker: &Marker) -> [LetterView; 2] {
    let bare = LetterView::of(frame, SUBJECT, letter, marker);
    let of_issue = sample::letter_of_issue(letter, marker);
    let topics = topics_of(frame.config, frame.digest);
    let listed = topics.iter().map(|topic| sample::without_all(sample::article(topic))).collect();
    [LetterView { common: bare.common.clone(), listed, ..of_issue }, bare]
}

fn section(frame: &Frame<'_>, topic: &str) -> SectionView {
    let mut section = sample::section(topic);
    section.title = frame.config.topic_title(topic, frame.locale, &frame.digest.locale);
    section.articles.reverse();
    section
}
