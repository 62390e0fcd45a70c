//! What can be wrong in an operator's file of wording, held against a built-in one. Each message begins with the key.

use toml::{Table, Value};

use super::file::{is_control, named_control};
use super::plural::{FORMS, are_forms, is_for_several};
use crate::config::suggestion;
use crate::domain::{Locale, is_visible};

/// What `dir` can be.
const DIRECTIONS: [&str; 2] = ["ltr", "rtl"];

/// Finds keys that there are not, names in braces that nothing fills in, and sentences without their number. A sentence in the
/// place of plural forms becomes the form for all numbers.
pub(super) fn check(given: &mut Table, reference: &Table, within: &str, locale: &Locale) -> Result<(), String> {
    for (key, value) in given.iter_mut() {
        let path = if within.is_empty() { key.clone() } else { format!("{within}.{key}") };
        if path == "dir" {
            check_direction(value)?;
            continue;
        }
        // Any locale may be called something where people choose.
        if path.starts_with("pages.language.") {
            text_of(value, &path)?;
            continue;
        }
        let Some(model) = reference.get(key) else {
            let all = || "en-GB.toml has all that there are".to_owned();
            return Err(format!(
                "there is no key `{path}`{}",
                suggestion(key, reference.keys().map(String::as_str), all)
            ));
        };
        match (model, value) {
            (Value::Table(forms), value) if are_forms(forms) => check_forms(value, forms, &path, locale)?,
            (Value::Table(model), Value::Table(group)) => check(group, model, &path, locale)?,
            (Value::String(model), Value::String(text)) => {
                check_names(text, model, &path)?;
                check_complete(text, model, &path)?;
            }
            (Value::String(model), Value::Table(forms)) if forms.contains_key("other") => {
                texts_of(forms, &path)?.into_iter().try_for_each(|text| check_names(text, model, &path))?;
            }
            (Value::Array(model), Value::Array(list))
                if list.len() == model.len() && list.iter().all(Value::is_str) =>
            {
                list.iter().filter_map(Value::as_str).try_for_each(|text| check_text(text, &path))?;
            }
            (Value::Array(model), _) => return Err(format!("`{path}` must be a list of {} texts", model.len())),
            (Value::Table(_), _) => return Err(format!("`{path}` must be a table of sentences")),
            (_, value) => text_of(value, &path).map(drop)?,
        }
    }
    Ok(())
}

fn check_forms(value: &mut Value, model: &Table, path: &str, locale: &Locale) -> Result<(), String> {
    if let Value::String(text) = value {
        let mut forms = Table::new();
        forms.insert("other".to_owned(), Value::String(std::mem::take(text)));
        *value = Value::Table(forms);
    }
    let Value::Table(forms) = value else {
        return Err(format!("`{path}` must be a text, or one for each plural form"));
    };
    if let Some(form) = forms.keys().find(|form| !FORMS.contains(&form.as_str())) {
        return Err(format!("`{path}` has a plural form `{form}`; the forms are {}", FORMS.join(", ")));
    }
    if !forms.contains_key("other") {
        return Err(format!("`{path}` lacks the plural form `other`, which serves where no other one fits"));
    }
    let all: String = model.values().filter_map(Value::as_str).collect();
    texts_of(forms, path)?.into_iter().try_for_each(|text| check_names(text, &format!("{all}{{count}}"), path))?;
    let lacks = |text: &Value| text.as_str().is_some_and(|text| !names(text).any(|name| name == "count"));
    let mut countless = forms.iter().filter(|(_, text)| lacks(text)).map(|(form, _)| form);
    // Where no form has the number the sentence does without it.
    let is_told = |form: &&String| !forms.values().all(lacks) && is_for_several(form, forms, locale);
    match countless.find(is_told) {
        Some(form) => {
            Err(format!("`{path}` lacks {{count}} in the form `{form}`, which stands for more than one number"))
        }
        None => Ok(()),
    }
}

/// The texts of the plural forms.
fn texts_of<'t>(forms: &'t Table, path: &str) -> Result<Vec<&'t str>, String> {
    let texts: Option<Vec<&str>> = forms.values().map(Value::as_str).collect();
    texts.ok_or_else(|| format!("`{path}` must have a text for each plural form"))
}

fn text_of<'t>(value: &'t Value, path: &str) -> Result<&'t str, String> {
    let text = value.as_str().ok_or_else(|| format!("`{path}` must be a text in quotes"))?;
    check_text(text, path)?;
    Ok(text)
}

/// A sentence that readers see, on one line.
fn check_text(text: &str, path: &str) -> Result<(), String> {
    if !is_visible(text) {
        return Err(format!("`{path}` is empty; leave the key out where the words of another language may stand"));
    }
    check_letters(text, path)
}

/// A sentence is one line of text.
fn check_letters(text: &str, path: &str) -> Result<(), String> {
    if text.contains(['\n', '\r']) {
        return Err(format!("`{path}` has a line break; it is one line"));
    }
    match text.chars().find(|c| is_control(*c)) {
        Some(control) => Err(format!("in `{path}` {}; take it out", named_control(control))),
        None => Ok(()),
    }
}

/// How the language is written.
fn check_direction(value: &Value) -> Result<(), String> {
    let Some(given) = value.as_str() else { return Err("`dir` must be a text in quotes, `ltr` or `rtl`".to_owned()) };
    if DIRECTIONS.contains(&given) {
        return Ok(());
    }
    let near = suggestion(given, DIRECTIONS, || "it is `ltr` or `rtl`, as the language is written".to_owned());
    Err(format!("`dir` cannot be `{given}`{near}"))
}

fn check_names(text: &str, model: &str, path: &str) -> Result<(), String> {
    let known: Vec<&str> = names(model).collect();
    let check = if model.is_empty() { check_letters } else { check_text };
    check(text, path)?;
    if let Some(open) = text.split('{').skip(1).find(|rest| !rest.contains('}')) {
        return Err(format!(
            "`{path}` has a brace that is not closed: `{{{open}`; a name to be filled in stands between two"
        ));
    }
    match names(text).find(|name| !known.contains(name)) {
        None => Ok(()),
        Some(name) if known.is_empty() => Err(format!("`{path}` has {{{name}}}, but nothing is filled in there")),
        Some(name) => Err(format!("`{path}` has {{{name}}}; what is filled in there is {{{}}}", known.join("}, {"))),
    }
}

/// Sentences that are about what is filled in. Others may leave it out.
const ABOUT_NAMES: [&str; 4] = ["greeting", "inside", "issue", "pages.list"];

fn check_complete(text: &str, model: &str, path: &str) -> Result<(), String> {
    match names(model).find(|name| ABOUT_NAMES.contains(&path) && !names(text).any(|given| given == *name)) {
        None => Ok(()),
        Some(name) => Err(format!("`{path}` lacks {{{name}}}, in whose place something is filled in")),
    }
}

/// The names in braces.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name)
}
