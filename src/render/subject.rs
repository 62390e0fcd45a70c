//! The subject of an issue, from the digest's template.

use serde::Serialize;
use tera::Context;

use super::TemplateError;
use super::article::ArticleView;
use super::text::{cut_at_word, one_line};
use super::view::{DigestView, NumberView};
use crate::compose::IssueContent;
use crate::config::{DEFAULT_SUBJECT, begin_render, limited_tera};
use crate::domain::Locale;
use crate::wording::Wording;

/// What inboxes show of a subject, in characters.
const LENGTH: usize = 70;
/// What a cut title keeps at least, however long the rest of the subject is.
const TITLE: usize = 24;

/// What a subject's template sees.
#[derive(Serialize)]
struct SubjectView {
    digest: DigestView,
    issue: NumberView,
    articles: Vec<ArticleView>,
    lead: ArticleView,
    /// How many articles there are beside the lead story.
    more: usize,
    words: SubjectWords,
}

/// What the digest's language has for a subject.
#[derive(Serialize)]
struct SubjectWords {
    /// `+ 11 more`.
    more: String,
}

/// The subject of an issue: one line, the lead story's title cut at a word, or else the whole, so that it is as long as inboxes
/// show at most. An issue without articles, and a template that gives nothing, have the digest's title.
///
/// # Errors
/// [`TemplateError`] when the template is wrong.
pub fn subject(template: &str, content: &IssueContent, locale: &Locale) -> Result<String, TemplateError> {
    let words = Wording::of(locale);
    let title = one_line(&content.title).into_owned();
    let Some(lead) = content.lead() else { return Ok(title) };
    let articles: Vec<ArticleView> = content.articles().map(|article| ArticleView::new(article, words)).collect();
    let more = articles.len() - 1;
    let mut view = SubjectView {
        words: SubjectWords { more: words.more.with(u32::try_from(more).unwrap_or(u32::MAX), locale) },
        digest: DigestView { id: content.digest.clone(), title: title.clone() },
        issue: NumberView::new(content, words),
        more,
        articles,
        lead: ArticleView::new(lead, words),
    };
    let mut subject = render(template, &view)?;
    let length = subject.chars().count();
    if length > LENGTH && subject.contains(&view.lead.title) {
        let around = length - view.lead.title.chars().count();
        view.lead.title = cut_at_word(&view.lead.title, LENGTH.saturating_sub(around).max(TITLE)).into_owned();
        subject = render(template, &view)?;
    }
    let subject = cut_at_word(&subject, LENGTH).into_owned();
    Ok(if subject.is_empty() { title } else { subject })
}

/// The same, whatever an operator's template does: where it fails, by the built-in one, and with what it failed with.
///
/// # Errors
/// [`TemplateError`] when the built-in template is wrong.
pub fn subject_in_any_case(
    template: &str,
    content: &IssueContent,
    locale: &Locale,
) -> Result<(String, Option<TemplateError>), TemplateError> {
    match subject(template, content, locale) {
        Ok(subject) => Ok((subject, None)),
        Err(error) => Ok((subject(DEFAULT_SUBJECT, content, locale)?, Some(error))),
    }
}

fn render(template: &str, view: &SubjectView) -> Result<String, TemplateError> {
    let wrong = |error: tera::Error| match TemplateError::from_tera(&error, None) {
        TemplateError::Template { message, .. } => TemplateError::Template { place: "subject".to_owned(), message },
        other => other,
    };
    let context = Context::from_serialize(view).map_err(wrong)?;
    begin_render();
    let text = limited_tera().render_str(template, &context, false).map_err(wrong)?;
    Ok(one_line(&text).into_owned())
}
