//! The web version of an issue: what its mails show, without anything that is somebody's.

use serde_json::Value;

use super::slots::Marker;
use super::view::IssueView;
use super::{Frame, TemplateError};
use crate::compose::IssueContent;
use crate::domain::SystemRandom;

/// What the page of an issue shows, as the fields that a mail's template sees, without `slot`.
///
/// # Errors
/// [`TemplateError`] when it cannot be written down, which no issue of ours makes.
pub fn web_view(content: &IssueContent, frame: &Frame<'_>, subject: &str) -> Result<Value, TemplateError> {
    let view = IssueView::new(content, frame, subject, &Marker::new(&SystemRandom));
    let mut view = serde_json::to_value(&view).map_err(|error| TemplateError::Template {
        place: "the page of an issue".to_owned(),
        message: error.to_string(),
    })?;
    if let Some(fields) = view.as_object_mut() {
        fields.remove("slot");
    }
    Ok(view)
}
