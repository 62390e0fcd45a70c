//! The fields of a sign-up, read strictly: what is no address, no choice of ours or too long is refused in a sentence.

use serde_json::Value;

use super::offer::Offer;
use crate::domain::{AddressError, EmailAddress, Locale};
use crate::subscribers::{Chosen, NAME_LIMIT};
use crate::web::form::Form;
use crate::web::pages::say;

/// How many fields a form of ours may have at most.
const FIELD_LIMIT: usize = 500;

/// The longest wording of another site's form, in letters.
const WORDING_LIMIT: usize = 4000;

/// What is wrong with a sign-up.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// The field.
    pub(crate) field: &'static str,
    /// What is said on it, under `join.wrong` in the wording.
    pub(crate) key: &'static str,
    /// What the sentence names.
    about: String,
}

impl Wrong {
    pub(crate) fn new(field: &'static str, key: &'static str) -> Self {
        Self { field, key, about: String::new() }
    }

    /// The same, about that.
    pub(crate) fn about(self, what: &str) -> Self {
        Self { about: what.to_owned(), ..self }
    }

    /// The sentence.
    pub(crate) fn sentence(&self, locale: &Locale) -> String {
        say(locale, &format!("join.wrong.{}", self.key), &[("about", &self.about)])
    }
}

/// The fields of a form or of a JSON object; each may come several times.
#[derive(Debug, Default)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Those of a form.
    pub(crate) fn of_form(form: &Form) -> Result<Self, Wrong> {
        Self::checked(form.pairs().to_vec())
    }

    /// Those of a JSON object: texts, lists of texts, and true or false; null is none.
    pub(crate) fn of_json(body: &[u8]) -> Result<Self, Wrong> {
        let Ok(Value::Object(object)) = serde_json::from_slice(body) else { return Err(Wrong::new("body", "no_json")) };
        let mut fields = Vec::new();
        for (name, value) in object {
            let items = match value {
                Value::Array(items) => items,
                Value::Null => Vec::new(),
                other => vec![other],
            };
            for item in items {
                match item {
                    Value::String(text) => fields.push((name.clone(), text)),
                    Value::Bool(flag) => fields.push((name.clone(), flag.to_string())),
                    // What we do not read may be anything.
                    _ if !["email", "name", "topics", "digests", "locale", "wording"].contains(&name.as_str()) => {}
                    _ => return Err(Wrong::new("body", "no_text").about(&name)),
                }
            }
        }
        Self::checked(fields)
    }

    fn checked(fields: Vec<(String, String)>) -> Result<Self, Wrong> {
        if fields.len() > FIELD_LIMIT {
            return Err(Wrong::new("body", "too_many_fields"));
        }
        Ok(Self(fields))
    }

    /// The first field of that name, without spaces around it; empty where there is none.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(field, _)| field == name).map(|(_, value)| value.trim()).unwrap_or_default()
    }

    /// All of that name that are not empty, each once.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        for (_, value) in self.0.iter().filter(|(field, value)| field == name && !value.trim().is_empty()) {
            let value = value.trim().to_owned();
            if !all.contains(&value) {
                all.push(value);
            }
        }
        all
    }
}

/// What somebody asks for.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) address: EmailAddress,
    pub(crate) name: String,
    pub(crate) locale: Option<Locale>,
    pub(crate) choice: Vec<Chosen>,
    /// What the form of another site said, as it tells.
    pub(crate) wording: String,
}

impl Wish {
    /// Reads it.
    ///
    /// # Errors
    /// [`Wrong`] says which field, and what.
    pub(crate) fn read(fields: &Fields, offer: &Offer<'_>) -> Result<Self, Wrong> {
        let email = fields.get("email");
        if email.is_empty() {
            return Err(Wrong::new("email", "no_email"));
        }
        let address = EmailAddress::parse(email).map_err(|error| Wrong::new("email", key_of(&error)))?;
        let name = text(fields.get("name"), NAME_LIMIT).ok_or(Wrong::new("name", "bad_name"))?;
        // A form in another charset than ours, which nobody names.
        if name.contains('\u{fffd}') {
            return Err(Wrong::new("name", "spoilt_name"));
        }
        let wording = fields.get("wording");
        if wording.chars().count() > WORDING_LIMIT {
            return Err(Wrong::new("body", "bad_wording"));
        }
        let locale = match fields.get("locale") {
            "" => None,
            code => Some(Locale::parse(code).map_err(|_| Wrong::new("body", "bad_locale"))?),
        };
        let (digests, topics) = (fields.all("digests"), fields.all("topics"));
        let offered = fields.all("offered");
        let unticked = |what: &str, ticked: &[String]| offered.iter().any(|name| name == what) && ticked.is_empty();
        if unticked("digests", &digests) {
            return Err(Wrong::new("digests", "no_digest"));
        }
        if unticked("topics", &topics) {
            return Err(Wrong::new("topics", "no_topic"));
        }
        let wording = wording.chars().filter(|letter| *letter == '\n' || !letter.is_control()).collect();
        Ok(Self { address, name, locale, choice: offer.choice(&digests, &topics)?, wording })
    }
}

/// The sentence on what is wrong with an address; none of them repeats what was typed.
fn key_of(error: &AddressError) -> &'static str {
    match error {
        AddressError::Space(_) => "email_with_space",
        AddressError::Ending(_) => "email_without_ending",
        AddressError::TooLong => "long_email",
        _ => "bad_email",
    }
}

/// A text of one line and at most so many letters.
fn text(text: &str, limit: usize) -> Option<String> {
    let fits = text.chars().count() <= limit && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned())
}
