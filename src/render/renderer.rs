//! Renders issues and letters with the loaded templates.

use std::path::Path;
use std::sync::OnceLock;

use serde::Serialize;

use super::fit::{self, Fit};
use super::letter::Letter;
use super::letter_view::{self, LetterView};
use super::mime::{Envelope, List, assemble};
use super::slots::{Marker, Slot};
use super::templates::Templates;
use super::view::IssueView;
use super::{Frame, HTML_LIMIT, HTML_WARNING, RenderedMail, TemplateError, inline, sample, subject, trial};
use crate::compose::IssueContent;
use crate::config::Config;
use crate::domain::Random;

/// The template that others fall back to for the part that they do not have.
pub(super) const DIGEST: &str = "digest";
pub(super) const REQUIRED: [Slot; 2] = [Slot::UnsubscribeUrl, Slot::PreferencesUrl];

/// The templates, loaded, and tried where any is the operator's.
pub struct Renderer {
    pub(super) templates: Templates,
    /// Why it has the built-in ones alone, where there are others.
    broken: Option<String>,
}

impl Renderer {
    /// Loads the built-in templates and those of `dir`, which replace built-in ones of the same name. Where there is any of
    /// the operator's, all of them are tried on an invented issue; the built-in ones alone are left to the tests of the
    /// program, since every command loads them.
    ///
    /// # Errors
    /// [`TemplateError`] for a file that cannot be read, for the first mistake in a template, and for one that takes too long.
    pub fn new(dir: Option<&Path>) -> Result<Self, TemplateError> {
        let renderer = Self { templates: Templates::load(dir)?, broken: None };
        if renderer.templates.has_own() { trial::passed(renderer, None) } else { Ok(renderer) }
    }

    /// The same for a configuration, in its locales, with its digests and topics. A template that a digest names is tried whatever
    /// it looks like, and whatever else uses it; letters in the operator's own words are tried for their length.
    ///
    /// # Errors
    /// As [`Renderer::new`]; [`TemplateError::NoSuchTemplate`] where a digest names one that there is not.
    pub fn of(config: &Config) -> Result<Self, TemplateError> {
        let mut renderer = Self { templates: Templates::load(config.templates.dir.as_deref())?, broken: None };
        if renderer.templates.has_own() || config.templates.wordings.files().next().is_some() {
            renderer = trial::passed(renderer, Some(config))?;
        }
        for digest in &config.digests {
            if !renderer.has_template(&digest.template) {
                return Err(TemplateError::NoSuchTemplate { name: digest.template.clone() });
            }
            renderer.templates.is_used(&digest.template);
        }
        Ok(renderer)
    }

    /// The built-in templates instead of an operator's that cannot be used. What goes out in any case is made by them, as where one
    /// fails on a mail; whatever else is asked for gives what is wrong.
    ///
    /// # Errors
    /// [`TemplateError`] when a built-in template is wrong.
    pub fn instead(wrong: &TemplateError) -> Result<Self, TemplateError> {
        Ok(Self { broken: Some(wrong.to_string()), ..Self::new(None)? })
    }

    /// The operator's files that nothing uses, a sentence for each: perhaps a name is mistyped.
    pub fn unused(&self) -> impl Iterator<Item = &str> {
        self.templates.unused()
    }

    /// Whether a digest can name this template.
    pub fn has_template(&self, name: &str) -> bool {
        let is_there = self.templates.has(name, ".html") || self.templates.has(name, ".txt");
        name == DIGEST || is_there && !trial::is_built_in(name)
    }

    /// Renders an issue for one locale, with a mark for each slot.
    ///
    /// # Errors
    /// [`TemplateError`] when the digest's template or its subject's cannot be rendered, or lacks a link that it must have.
    pub fn digest(
        &self,
        content: &IssueContent,
        frame: &Frame<'_>,
        random: &dyn Random,
    ) -> Result<RenderedMail, TemplateError> {
        let subject = subject::subject(&frame.digest.subject, content, frame.locale)?;
        self.digest_under(&subject, content, frame, random)
    }

    /// The same, whatever an operator's template does: where that of the digest or of its subject fails on this issue, the built-in
    /// one stands in for it.
    ///
    /// # Errors
    /// [`TemplateError`] when a built-in template cannot be rendered.
    pub fn digest_in_any_case(
        &self,
        content: &IssueContent,
        frame: &Frame<'_>,
        random: &dyn Random,
    ) -> Result<RenderedMail, TemplateError> {
        let (subject, without_subject) = subject::subject_in_any_case(&frame.digest.subject, content, frame.locale)?;
        let (mail, without_body) = match self.digest_under(&subject, content, frame, random) {
            Ok(mail) => (mail, None),
            Err(error) => (Self::built_in()?.digest_by(DIGEST, &subject, content, frame, random)?, Some(error)),
        };
        let errors: Vec<String> = without_body.iter().chain(&without_subject).map(ToString::to_string).collect();
        let failed = Some(errors.join("; ")).filter(|errors| !errors.is_empty());
        if let Some(error) = &failed {
            let digest = frame.digest.id.as_str();
            tracing::warn!(digest, error, "a mail is made by the built-in template, since the operator's own failed");
        }
        Ok(RenderedMail { failed, ..mail })
    }

    fn usable(&self) -> Result<(), TemplateError> {
        self.broken.as_ref().map_or(Ok(()), |wrong| Err(TemplateError::NotRead(wrong.clone())))
    }

    /// The built-in templates alone, which are loaded once.
    fn built_in() -> Result<&'static Self, TemplateError> {
        static BUILT_IN: OnceLock<Renderer> = OnceLock::new();
        match BUILT_IN.get() {
            Some(renderer) => Ok(renderer),
            None => {
                let renderer = Self::new(None)?;
                Ok(BUILT_IN.get_or_init(|| renderer))
            }
        }
    }

    fn digest_under(
        &self,
        subject: &str,
        content: &IssueContent,
        frame: &Frame<'_>,
        random: &dyn Random,
    ) -> Result<RenderedMail, TemplateError> {
        self.usable()?;
        let name = &frame.digest.template;
        match self.has_template(name) {
            true => self.digest_by(name, subject, content, frame, random),
            false => Err(TemplateError::NoSuchTemplate { name: name.clone() }),
        }
    }

    fn digest_by(
        &self,
        name: &str,
        subject: &str,
        content: &IssueContent,
        frame: &Frame<'_>,
        random: &dyn Random,
    ) -> Result<RenderedMail, TemplateError> {
        let marker = Marker::new(random);
        let test = if frame.test { "[Test] " } else { "" };
        let subject = format!("{test}{subject}");
        let view = IssueView::new(content, frame, &subject, &marker);
        let (html, text, fit) = self.within_limit(name, &view, frame)?;
        self.check(name, (&html, &text), &marker, &REQUIRED)?;
        let campaign = content.number.map_or_else(|| "test".to_owned(), |number| number.to_string());
        let list = List { digest: frame.digest, public_url: &frame.config.server.public_url, campaign };
        let shortened = Some(fit).filter(|fit| *fit != Fit::default());
        Ok(RenderedMail { shortened, ..finish(frame, subject, html, text, Some(list), &marker, random) })
    }

    /// Renders a mail beside the digest, with a mark for each slot. A welcome that mail programs would cut off lists fewer stories.
    ///
    /// # Errors
    /// [`TemplateError`] when its template cannot be rendered, or lacks a link that it must have.
    pub fn letter(
        &self,
        frame: &Frame<'_>,
        letter: &Letter<'_>,
        random: &dyn Random,
    ) -> Result<RenderedMail, TemplateError> {
        self.usable()?;
        let marker = Marker::new(random);
        let test = if frame.test { "[Test] " } else { "" };
        let subject = format!("{test}{}", letter_view::subject(frame, letter));
        let mut view = LetterView::of(frame, &subject, letter, &marker);
        let mut parts = self.parts(letter.template(), &view)?;
        let (digest, octets) = (frame.digest.id.as_str(), parts.0.len());
        if octets > HTML_LIMIT && !view.listed.is_empty() {
            tracing::warn!(digest, octets, "mail programs would have cut a welcome off, so it lists fewer stories");
        }
        while parts.0.len() > HTML_LIMIT && view.list_half(letter, frame.locale) {
            parts = self.parts(letter.template(), &view)?;
        }
        let (html, text) = parts;
        self.check(letter.template(), (&html, &text), &marker, letter.required())?;
        let list = letter.is_of_list().then(|| List {
            digest: frame.digest,
            public_url: &frame.config.server.public_url,
            campaign: letter.template().to_owned(),
        });
        Ok(finish(frame, subject, html, text, list, &marker, random))
    }

    /// The same for whoever waits for it, whatever an operator's template does: where that fails, the built-in one stands in for it.
    ///
    /// # Errors
    /// [`TemplateError`] when a built-in template cannot be rendered.
    pub fn letter_in_any_case(
        &self,
        frame: &Frame<'_>,
        letter: &Letter<'_>,
        random: &dyn Random,
    ) -> Result<RenderedMail, TemplateError> {
        let error = match self.letter(frame, letter, random) {
            Ok(mail) => return Ok(mail),
            Err(error) => error.to_string(),
        };
        let mail = Self::built_in()?.letter(frame, letter, random)?;
        let (digest, letter) = (frame.digest.id.as_str(), letter.words());
        tracing::warn!(
            digest,
            letter,
            error,
            "a letter is made by the built-in template, since the operator's own failed"
        );
        Ok(RenderedMail { failed: Some(error), ..mail })
    }

    /// An example of the letter of that name, one of [`letter_names`](super::letter_names), over an issue.
    ///
    /// # Errors
    /// As [`Renderer::letter`]; [`TemplateError::NoSuchTemplate`] when there is no such letter.
    pub fn example(
        &self,
        name: &str,
        issue: &IssueContent,
        frame: &Frame<'_>,
        random: &dyn Random,
    ) -> Result<RenderedMail, TemplateError> {
        let letter = sample::letters().into_iter().find(|letter| letter.words() == name);
        match letter {
            None => Err(TemplateError::NoSuchTemplate { name: name.to_owned() }),
            Some(Letter::Welcome { .. }) => self.letter(frame, &Letter::Welcome { latest: Some(issue) }, random),
            Some(Letter::Correction { .. }) => {
                let text = ["What was wrong, and what is right instead.".to_owned()];
                let subject = issue.lead().map_or(issue.title.as_str(), |lead| &lead.title);
                self.letter(frame, &Letter::Correction { text: &text, subject, date: issue.date }, random)
            }
            Some(letter) => self.letter(frame, &letter, random),
        }
    }

    /// The digest's parts. An issue that would be cut by Gmail is made smaller, and the operator is told.
    fn within_limit(
        &self,
        name: &str,
        view: &IssueView,
        frame: &Frame<'_>,
    ) -> Result<(String, String, Fit), TemplateError> {
        let ((html, text), fit) = fit::within_limit(view, frame, |view| self.parts(name, view))?;
        let (digest, octets) = (frame.digest.id.as_str(), html.len());
        if fit != Fit::default() {
            tracing::warn!(digest, octets, "mail programs would have cut the issue off, so it was made smaller: {fit}");
        } else if octets > HTML_WARNING {
            tracing::warn!(digest, octets, "the HTML is long; Gmail cuts mails near 102,000 octets");
        }
        Ok((html, text, fit))
    }

    /// The file of a template's part; where there is none, that of the built-in digest.
    pub(super) fn file(&self, name: &str, ending: &str) -> String {
        let name = if self.templates.has(name, ending) { name } else { DIGEST };
        format!("{name}{ending}")
    }

    /// HTML and text.
    fn parts(&self, name: &str, view: &impl Serialize) -> Result<(String, String), TemplateError> {
        Ok((self.html(name, view)?, self.text(name, view)?))
    }

    pub(super) fn html(&self, name: &str, view: &impl Serialize) -> Result<String, TemplateError> {
        let file = self.file(name, ".html");
        let html = inline::tidy(&self.templates.render(&file, view)?);
        inline::inline(&html)
            .map_err(|error| TemplateError::Styles { place: self.templates.place(&file), message: error.to_string() })
    }

    pub(super) fn text(&self, name: &str, view: &impl Serialize) -> Result<String, TemplateError> {
        self.templates.render(&self.file(name, ".txt"), view)
    }

    /// Checks a mail that goes out, since no trial foresees each. What the built-in templates make alone, the program's tests look
    /// at: there would be nothing to stand in for it.
    fn check(
        &self,
        name: &str,
        (html, text): (&str, &str),
        marker: &Marker,
        required: &[Slot],
    ) -> Result<(), TemplateError> {
        let parts = [(".html", html), (".txt", text)].map(|(ending, part)| (self.file(name, ending), part));
        let has_own = self.templates.has_own();
        parts.iter().try_for_each(|(file, part)| match has_own {
            true => self.templates.check(file, part, marker, required),
            false => self.templates.check_slots(file, part, marker, required),
        })
    }
}

fn finish(
    frame: &Frame<'_>,
    subject: String,
    html: String,
    text: String,
    list: Option<List<'_>>,
    marker: &Marker,
    random: &dyn Random,
) -> RenderedMail {
    let envelope = Envelope { sender: &frame.digest.sender, subject: &subject, marker, list };
    let mime = assemble(&envelope, &text, &html, random);
    RenderedMail { subject, html, text, mime, marker: marker.as_str().to_owned(), shortened: None, failed: None }
}
