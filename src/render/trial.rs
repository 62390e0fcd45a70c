//! Tries templates before they are used: on invented mails with everything, without each thing, and in what is configured.

use std::io::ErrorKind;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde_json::Value;

use super::letter::Letter;
use super::renderer::{DIGEST, REQUIRED};
use super::slots::{Marker, Slot, find};
use super::{Frame, HTML_WARNING, Renderer, TemplateError, configured, lacking, sample};
use crate::config::{Config, TRIAL, in_time};
use crate::domain::{Locale, SystemRandom};

/// The renderer, whose templates have passed.
pub(super) fn passed(renderer: Renderer, config: Option<&Config>) -> Result<Renderer, TemplateError> {
    let at = Arc::new(Mutex::new(String::new()));
    let trial = Trial { renderer, config: config.cloned(), marker: Marker::new(&SystemRandom), at: Arc::clone(&at) };
    in_time(move || trial.all().map(|()| trial.renderer)).unwrap_or_else(|error| match error.kind() {
        ErrorKind::TimedOut => {
            let place = at.lock().unwrap_or_else(PoisonError::into_inner).clone();
            Err(TemplateError::TooSlow { place, seconds: TRIAL.as_secs() })
        }
        _ => Err(TemplateError::NoThread(error)),
    })
}

/// Templates that are being tried.
struct Trial {
    renderer: Renderer,
    config: Option<Config>,
    marker: Marker,
    /// The file that is being rendered.
    at: Arc<Mutex<String>>,
}

impl Trial {
    fn all(&self) -> Result<(), TemplateError> {
        let _tried = self.config.as_ref().map(|config| config.templates.wordings.tried());
        if self.renderer.templates.has_own() {
            self.digests()?;
            let letters = sample::letters();
            letters
                .iter()
                .filter(|letter| self.has_own(letter.template()))
                .try_for_each(|letter| self.letter(letter))?;
        }
        let mut wordings = self.config.iter().flat_map(|config| config.templates.wordings.files());
        wordings.try_for_each(|(locale, file)| self.wording(locale, &file.display().to_string()))
    }

    /// The built-in name, the operator's whole mails, and what digests name, whatever it looks like.
    fn digests(&self) -> Result<(), TemplateError> {
        let own = self.renderer.templates.own().iter().map(String::as_str).filter(|name| !is_built_in(name));
        let mut names: Vec<&str> = [DIGEST].into_iter().chain(own).collect();
        for digest in self.config.iter().flat_map(|config| &config.digests) {
            let name = digest.template.as_str();
            if !names.contains(&name) && self.renderer.has_template(name) {
                names.push(name);
            }
        }
        names.into_iter().filter(|name| self.has_own(name)).try_for_each(|name| self.digest(name))
    }

    /// Whether the operator has a part in a mail. What the built-in templates make alone, the program's tests look at.
    fn has_own(&self, name: &str) -> bool {
        [".html", ".txt"].iter().any(|ending| self.renderer.templates.has_own_in(&self.renderer.file(name, ending)))
    }

    fn digest(&self, name: &str) -> Result<(), TemplateError> {
        let marker = &self.marker;
        self.check_names(name)?;
        let (full, bare, titles) = (sample::full(marker), sample::bare(marker), sample::titles_alone(marker));
        self.parts(name, &full, &REQUIRED)?;
        self.everyday(name, &full, &REQUIRED)?;
        let (html, _) = self.parts(name, &bare, &REQUIRED)?;
        check_length(&html, || self.place(name, ".html"))?;
        self.parts(name, &titles, &REQUIRED)?;
        self.parts(name, &sample::wild(marker), &REQUIRED)?;
        self.each(name, &lacking::issues(marker), &REQUIRED)?;
        self.each(name, &lacking::of_sizes(marker), &REQUIRED)?;
        let in_locales: Vec<Value> = sample::in_locales(&bare).chain(sample::in_locales(&titles)).collect();
        self.each(name, &in_locales, &REQUIRED)?;
        let mut frames = self.frames().filter(|frame| frame.digest.template == name);
        frames.try_for_each(|frame| self.each(name, &configured::issues(&frame, marker), &REQUIRED))
    }

    /// A letter's template, with what this letter says alone and with everything that a letter can have.
    fn letter(&self, letter: &Letter<'_>) -> Result<(), TemplateError> {
        let (marker, name, required) = (&self.marker, letter.template(), letter.required());
        self.check_names(name)?;
        let bare = sample::bare_letter(letter, &Locale::default(), marker);
        for view in [bare, sample::letter_of_issue(letter, marker)] {
            let (html, _) = self.parts(name, &view, required)?;
            check_length(&html, || self.place(name, ".html"))?;
            self.everyday(name, &view, required)?;
        }
        self.each(name, &lacking::letters(letter, marker), required)?;
        self.frames().try_for_each(|frame| self.each(name, &configured::letters(letter, &frame, marker), required))
    }

    /// The digest and each letter in a wording of the operator's, which must leave room for what the mail is about.
    fn wording(&self, locale: &Locale, file: &str) -> Result<(), TemplateError> {
        let (html, _) = self.parts(DIGEST, &sample::bare_in(locale, &self.marker), &REQUIRED)?;
        check_length(&html, || file.to_owned())?;
        sample::letters().iter().try_for_each(|letter| {
            let view = sample::bare_letter(letter, locale, &self.marker);
            let (html, _) = self.parts(letter.template(), &view, letter.required())?;
            check_length(&html, || file.to_owned())
        })
    }

    /// Each digest that is configured, in its own language.
    fn frames(&self) -> impl Iterator<Item = Frame<'_>> {
        self.config.iter().flat_map(|config| {
            config.digests.iter().map(move |digest| Frame { digest, config, locale: &digest.locale, test: false })
        })
    }

    fn check_names(&self, name: &str) -> Result<(), TemplateError> {
        let known = sample::known();
        let check = |ending| self.renderer.templates.check_names(&self.renderer.file(name, ending), &known);
        [".html", ".txt"].into_iter().try_for_each(check)
    }

    /// Tries what only real mails say, not tests, and what depends on the language.
    fn everyday(&self, name: &str, view: &impl Serialize, required: &[Slot]) -> Result<(), TemplateError> {
        let views = sample::everyday(view);
        self.each(name, &views, required)?;
        views.first().map_or(Ok(()), |view| self.without_slots(name, view))
    }

    fn parts(&self, name: &str, view: &impl Serialize, required: &[Slot]) -> Result<(String, String), TemplateError> {
        self.begins(name, ".html");
        let html = self.renderer.html(name, view)?;
        self.check(name, ".html", &html, required)?;
        self.begins(name, ".txt");
        let text = self.renderer.text(name, view)?;
        self.check(name, ".txt", &text, required)?;
        Ok((html, text))
    }

    fn check(&self, name: &str, ending: &str, part: &str, required: &[Slot]) -> Result<(), TemplateError> {
        self.renderer.templates.check(&self.renderer.file(name, ending), part, &self.marker, required)
    }

    /// Renders both parts of each, without working in the styles, which takes the most time; only where readers do not see a link
    /// without them.
    fn each(&self, name: &str, views: &[impl Serialize], required: &[Slot]) -> Result<(), TemplateError> {
        for ending in [".html", ".txt"] {
            let file = self.begins(name, ending);
            for view in views {
                let part = self.renderer.templates.render(&file, view)?;
                match self.check(name, ending, &part, required) {
                    Err(TemplateError::LinkUnseen { .. }) => {
                        self.check(name, ending, &self.renderer.html(name, view)?, required)?;
                    }
                    checked => checked?,
                }
            }
        }
        Ok(())
    }

    /// Finds a mail that would be another one if its slots were empty: nothing can be decided by what is filled in later.
    fn without_slots(&self, name: &str, view: &Value) -> Result<(), TemplateError> {
        let (templates, marker) = (&self.renderer.templates, &self.marker);
        let mut blank = view.clone();
        let slots = blank.get_mut("slot").and_then(Value::as_object_mut);
        slots.into_iter().flatten().for_each(|(_, slot)| *slot = "".into());
        for ending in [".html", ".txt"] {
            let file = self.begins(name, ending);
            let with = templates.render(&file, view)?;
            let without = templates.render(&file, &blank).ok();
            if without.is_none_or(|without| letters_beside(&with, marker) != letters_beside(&without, marker)) {
                return Err(TemplateError::SlotBroken { place: templates.place(&file) });
            }
        }
        Ok(())
    }

    /// Notes which file comes next.
    fn begins(&self, name: &str, ending: &str) -> String {
        *self.at.lock().unwrap_or_else(PoisonError::into_inner) = self.place(name, ending);
        self.renderer.file(name, ending)
    }

    fn place(&self, name: &str, ending: &str) -> String {
        self.renderer.templates.place(&self.renderer.file(name, ending))
    }
}

/// Finds what is too long with next to nothing in it: an issue can be made smaller, what a template has of its own cannot.
fn check_length(html: &str, place: impl Fn() -> String) -> Result<(), TemplateError> {
    match html.len() {
        octets if octets > HTML_WARNING => Err(TemplateError::TooLong { place: place(), octets }),
        _ => Ok(()),
    }
}

/// What a part says beside its slots, without its spaces and line breaks.
fn letters_beside(part: &str, marker: &Marker) -> String {
    let mut letters = String::with_capacity(part.len());
    let mut rest = part;
    while let Some(found) = find(rest, marker.as_str()) {
        letters.extend(found.before.split_whitespace());
        rest = found.after;
    }
    letters.extend(rest.split_whitespace());
    letters
}

/// Whether it is the name of a built-in template: a part is tried where others include it, a letter as what it is.
pub(super) fn is_built_in(name: &str) -> bool {
    super::built_in_templates()
        .iter()
        .any(|(file, _)| file.rsplit_once('.').is_some_and(|(built_in, _)| built_in == name))
}
