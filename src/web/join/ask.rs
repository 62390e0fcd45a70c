//! The answers to a sign-up, each as a page and as JSON.

use std::time::Duration;

use axum::Json;
use axum::http::header::{RETRY_AFTER, VARY};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::language_of;
use super::offer::Offer;
use super::origin::Allowed;
use super::wish::{Fields, Wish, Wrong};
use crate::domain::{EmailAddress, Locale};
use crate::subscribers::Chosen;
use crate::web::pages::say;
use crate::web::{AppState, cadence, home};

/// What becomes of a sign-up.
pub(crate) enum Answer {
    /// It is taken, whatever that means for the address; said in that language.
    Taken(Vec<Chosen>, Locale),
    /// Something is wrong with a field; the form comes back.
    Returned(Fields, Wrong),
    /// It cannot be read at all, or must not be sent.
    Refused(StatusCode, Wrong),
    /// One more press of a button, on a page of ours.
    OnceMore(Fields, Wish),
    /// The address looks mistyped; this one may be meant.
    DidYouMean(Fields, Wish, EmailAddress),
    /// There were too many; come back after that time.
    Later(Duration),
    /// No fault of theirs.
    Failed,
}

/// What an answer needs to know of the question.
pub(crate) struct Reply<'a> {
    pub(crate) state: &'a AppState,
    /// What the browser asks for.
    pub(crate) locale: Locale,
    pub(crate) by_script: bool,
    pub(crate) allowed: Allowed,
}

impl Reply<'_> {
    /// What somebody was told who has sent that: by our form, by our page with one button, or by another site's script.
    pub(crate) fn wording(&self, fields: &Fields, offer: &Offer<'_>, wish: &Wish) -> String {
        let locale = language_of(fields, &self.locale);
        let config = self.state.subscribers.config();
        let choice = Offer::in_words(config, &wish.choice, &locale);
        if self.by_script {
            return match wish.wording.as_str() {
                "" => say(&locale, "join.unknown_wording", &[("choice", &choice)]),
                told => told.to_owned(),
            };
        }
        match fields.get("page") {
            "once_more" => OncePage::new(&choice, wish, &locale).evidence(),
            _ => home::texts(self.state, offer, &locale).evidence(&choice, &locale),
        }
    }

    /// Writes the answer.
    pub(crate) async fn write(&self, answer: Answer) -> Response {
        let mut response = match self.by_script {
            true => self.as_json(&answer),
            false => self.as_page(answer).await,
        };
        self.allowed.mark(response.headers_mut());
        response
    }

    async fn as_page(&self, answer: Answer) -> Response {
        let (state, locale) = (self.state, &self.locale);
        match answer {
            Answer::Taken(choice, locale) => self.taken(&choice, &locale),
            Answer::Returned(fields, wrong) => {
                let locale = language_of(&fields, locale);
                let only = Some(fields.get("only")).filter(|id| !id.is_empty());
                let config = state.subscribers.config();
                let Some(offer) = Offer::new(config, only).or_else(|| Offer::new(config, None)) else {
                    return self.sentence(StatusCode::UNPROCESSABLE_ENTITY, &wrong);
                };
                let returned = home::Returned { fields: &fields, wrong: &wrong, from_site: self.site(&fields) };
                home::form(state, &offer, &locale, StatusCode::UNPROCESSABLE_ENTITY, Some(returned)).await
            }
            Answer::Refused(status, wrong) => self.sentence(status, &wrong),
            Answer::OnceMore(fields, wish) => self.once_more(&fields, &wish),
            Answer::DidYouMean(fields, wish, meant) => self.did_you_mean(&fields, &wish, &meant),
            Answer::Later(wait) => {
                let mut response = state.pages.message(StatusCode::TOO_MANY_REQUESTS, locale, "join.later");
                come_back(&mut response, wait);
                response
            }
            Answer::Failed => state.pages.message(StatusCode::SERVICE_UNAVAILABLE, locale, "failed"),
        }
    }

    fn as_json(&self, answer: &Answer) -> Response {
        let locale = &self.locale;
        let error = |field: &str, text: String| json!({ "error": { "field": field, "message": text } });
        let (status, body) = match answer {
            Answer::Taken(..) | Answer::OnceMore(..) | Answer::DidYouMean(..) => {
                (StatusCode::ACCEPTED, json!({ "message": say(locale, "join.check.script", &[]) }))
            }
            Answer::Returned(_, wrong) => {
                (StatusCode::UNPROCESSABLE_ENTITY, error(wrong.field, wrong.sentence(locale)))
            }
            Answer::Refused(status, wrong) => (*status, error(wrong.field, wrong.sentence(locale))),
            Answer::Later(_) => (StatusCode::TOO_MANY_REQUESTS, error("", say(locale, "join.later.text", &[]))),
            Answer::Failed => (StatusCode::SERVICE_UNAVAILABLE, error("", say(locale, "failed.text", &[]))),
        };
        let mut response = (status, Json(body)).into_response();
        if let Answer::Later(wait) = answer {
            come_back(&mut response, *wait);
        }
        response.headers_mut().insert(VARY, HeaderValue::from_static("Accept-Language"));
        response
    }

    fn sentence(&self, status: StatusCode, wrong: &Wrong) -> Response {
        let heading = say(&self.locale, "join.wrong.heading", &[]);
        let values = json!({ "heading": heading, "text": wrong.sentence(&self.locale), "test": false });
        self.state.pages.page(status, "message", &self.locale, &values)
    }

    /// The page after a sign-up: it says nothing that depends on the address.
    fn taken(&self, choice: &[Chosen], locale: &Locale) -> Response {
        let state = self.state;
        let config = state.subscribers.config();
        let digest = choice.first().and_then(|chosen| config.digest(&chosen.digest));
        let sender = config.sender_of(choice.iter().map(|chosen| chosen.digest.as_str()));
        let next = match choice {
            [_] => digest.and_then(|digest| cadence::next_issue(digest, state.subscribers.now(), locale)),
            _ => None,
        };
        let values = json!({
            "next": next, "sender": sender.name, "from": sender.email.as_str(),
            "home": format!("{}/", state.pages.base()), "test": false,
        });
        state.pages.page(StatusCode::OK, "check", locale, &values)
    }

    fn once_more(&self, fields: &Fields, wish: &Wish) -> Response {
        let locale = language_of(fields, &self.locale);
        let choice = Offer::in_words(self.state.subscribers.config(), &wish.choice, &locale);
        let page = OncePage::new(&choice, wish, &locale);
        let mut hidden = self.hidden(fields);
        hidden.push(json!({ "name": "email", "value": wish.address.as_str() }));
        hidden.push(json!({ "name": "page", "value": "once_more" }));
        let values = json!({
            "heading": page.heading, "text": page.text, "small": page.small, "hidden": hidden,
            "buttons": [{ "text": page.button, "primary": true }], "captcha": home::captcha(self.state), "action": format!("{}/subscribe", self.state.pages.base()), "test": false,
        });
        self.question(&locale, &values)
    }

    fn did_you_mean(&self, fields: &Fields, wish: &Wish, meant: &EmailAddress) -> Response {
        let locale = language_of(fields, &self.locale);
        let said = |key: &str, address: &EmailAddress| {
            say(&locale, &format!("join.typo.{key}"), &[("address", address.as_str())])
        };
        let mut hidden = self.hidden(fields);
        hidden.push(json!({ "name": "kept", "value": "yes" }));
        hidden.push(json!({ "name": "page", "value": fields.get("page") }));
        let button = |text: String, address: &EmailAddress, primary: bool| json!({ "text": text, "name": "email", "value": address.as_str(), "primary": primary });
        let values = json!({
            "heading": said("heading", meant), "text": said("text", &wish.address), "hidden": hidden,
            "buttons": [button(said("take", meant), meant, true), button(said("keep", &wish.address), &wish.address, false)],
            "captcha": home::captcha(self.state), "action": format!("{}/subscribe", self.state.pages.base()), "test": false,
        });
        self.question(&locale, &values)
    }

    fn question(&self, locale: &Locale, values: &Value) -> Response {
        let mut response = self.state.pages.page(StatusCode::OK, "question", locale, values);
        home::allow_captcha(self.state, response.headers_mut());
        response
    }

    /// The fields that go along, with a stamp of now.
    fn hidden(&self, fields: &Fields) -> Vec<Value> {
        let tokens = self.state.subscribers.tokens();
        let mut hidden = vec![json!({ "name": "stamp", "value": tokens.form(self.state.subscribers.now()).as_str() })];
        for name in ["name", "digests", "topics", "only", "locale", "page_locale", "offered"] {
            hidden.extend(fields.all(name).into_iter().map(|value| json!({ "name": name, "value": value })));
        }
        hidden.extend(self.site(fields).map(|site| json!({ "name": "site", "value": site })));
        hidden
    }

    /// The listed site that the form was on.
    fn site(&self, fields: &Fields) -> Option<&str> {
        self.allowed.site(self.state.subscribers.config(), fields.get("site"))
    }

    /// Where it was asked for, as evidence: the form or a script, the digest that it offered alone, and the listed site that it
    /// was on.
    pub(crate) fn source(&self, fields: &Fields) -> String {
        let what = if self.by_script { "sign-up by script" } else { "sign-up form" };
        let digest = Some(fields.get("only")).filter(|id| !id.is_empty()).map(|id| format!(" for {id}"));
        let site = self.site(fields).map(|site| format!(" on {site}"));
        format!("{what}{}{}", digest.unwrap_or_default(), site.unwrap_or_default())
    }
}

/// The page with one button, whose words are evidence.
struct OncePage {
    heading: String,
    text: String,
    button: String,
    small: String,
}

impl OncePage {
    fn new(choice: &str, wish: &Wish, locale: &Locale) -> Self {
        let values = [("choice", choice), ("address", wish.address.as_str())];
        let said = |key: &str| say(locale, &format!("join.once_more.{key}"), &values);
        Self { heading: said("heading"), text: said("text"), button: said("button"), small: said("small") }
    }

    fn evidence(&self) -> String {
        format!("{}\n{}\n[{}]\n{}", self.heading, self.text, self.button, self.small)
    }
}

/// When to come back, in whole seconds.
pub(crate) fn come_back(response: &mut Response, wait: Duration) {
    let seconds = HeaderValue::from(wait.as_secs().max(1));
    response.headers_mut().insert(RETRY_AFTER, seconds);
}
