//! `POST /subscribe`: takes a sign-up from a form or a script, and gives everybody the same answer.
//!
//! In this order: what is asked for is read strictly; a form that we have not handed out, or that came back too fast, gets
//! one more page with one button; a slip in the address is asked about; then the limits, the CAPTCHA and the domain, none
//! of which knows who is subscribed; and only then the rules of joining, whose length and result the answer hides.

mod ask;
mod captcha;
mod domains;
mod limits;
mod mailboxes;
mod offer;
mod origin;
mod wish;

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Redirect, Response};
use tokio::time::Instant;

pub(super) use offer::Offer;
pub(super) use wish::{Fields, Wrong};

use super::form::Form;
use super::visitor::Visitor;
use super::{AppState, Warn, WebError, language};
use crate::config::Config;
use crate::domain::{EmailAddress, Locale};
use crate::subscribers::{JoinRequest, Origin};
pub(super) use ask::come_back;
use ask::{Answer, Reply};
use captcha::{Verdict, Verifier};
use domains::Domains;
use limits::{Later, Limits};
use wish::Wish;

/// Answers to sign-ups leave at multiples of this after they came, so that the work behind them cannot be measured: it
/// takes a small part of one.
const STEP: Duration = Duration::from_millis(250);

/// Nor do they leave before this time after what is done alike for every address. On a busy store that alone waits in a queue;
/// what comes after it, which is more for some than for others, has this time to be done in and does not count.
const SETTLE: Duration = Duration::from_millis(150);

/// How long a form may lie open before it counts as one of somebody else's.
const FORM_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// What guards the form.
pub(super) struct Guards {
    limits: Limits,
    verifier: Option<Verifier>,
    domains: Option<Domains>,
    warn: Warn,
    told_of_proxy: AtomicBool,
}

impl Guards {
    /// As configured.
    pub(super) fn new(config: &Config, warn: Warn) -> Result<Self, WebError> {
        let subscribe = &config.subscribe;
        let verifier = subscribe.captcha.as_ref().map(Verifier::new).transpose().map_err(WebError::Client)?;
        let domains = match subscribe.mx_check {
            true => Some(Domains::of_the_system().map_err(|error| WebError::Resolver(error.to_string()))?),
            false => None,
        };
        let told_of_proxy = AtomicBool::new(false);
        Ok(Self { limits: Limits::new(subscribe, warn.clone()), verifier, domains, warn, told_of_proxy })
    }

    /// Tells the operator, once, of a proxy on this machine that says for whom it asks and is not named.
    pub(super) fn tell_of_proxy(&self, peer: IpAddr) {
        if !self.told_of_proxy.swap(true, Ordering::Relaxed) {
            let peer = peer.to_canonical();
            let sentence = format!(
                "requests come through a proxy at {peer}, which server.trusted_proxies does not name: visitors cannot be told \
                 apart, so that subscribe.per_network does not hold for them; set server.trusted_proxies = [\"{peer}\"]"
            );
            (self.warn)("unnamed_proxy", sentence);
        }
    }
}

/// Says which sites may send sign-ups by script.
pub(super) async fn preflight(State(state): State<AppState>, headers: HeaderMap) -> Response {
    origin::preflight(&state, &headers)
}

/// Leads whoever opens the address of the sign-up as a page to the form.
pub(super) async fn form(State(state): State<AppState>, RawQuery(query): RawQuery) -> Redirect {
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    Redirect::to(&format!("{}/{query}", state.pages.base()))
}

/// Takes a sign-up.
pub(super) async fn act(
    State(state): State<AppState>,
    visitor: Visitor,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let by_script = origin::is_json(&headers);
    let locale = language::asked_for(&headers, &state.locale(None));
    let reply = Reply { state: &state, locale, by_script, allowed: origin::allowed(&state, &headers) };
    let answer = match body {
        Ok(body) => take(&reply, &visitor, &headers, &body).await,
        Err(_) => Answer::Refused(StatusCode::PAYLOAD_TOO_LARGE, Wrong::new("body", "too_long")),
    };
    reply.write(answer).await
}

async fn take(reply: &Reply<'_>, visitor: &Visitor, headers: &HeaderMap, body: &Bytes) -> Answer {
    let started = Instant::now();
    if reply.by_script && !reply.allowed.may_post() {
        return Answer::Refused(StatusCode::FORBIDDEN, Wrong::new("body", "foreign_script"));
    }
    let fields = match (reply.by_script, Form::is_one(headers)) {
        (true, _) => Fields::of_json(body),
        (false, true) => Fields::of_form(&Form::read(headers, body)),
        (false, false) => {
            return Answer::Refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, Wrong::new("body", "no_form"));
        }
    };
    let fields = match fields {
        Ok(fields) => fields,
        Err(wrong) => return Answer::Refused(StatusCode::BAD_REQUEST, wrong),
    };
    let config = reply.state.subscribers.config();
    let only = Some(fields.get("only")).filter(|id| !id.is_empty());
    let Some(offer) = Offer::new(config, only) else {
        return Answer::Refused(StatusCode::UNPROCESSABLE_ENTITY, Wrong::new("digests", "unknown_digest"));
    };
    let wish = match Wish::read(&fields, &offer) {
        Ok(wish) => wish,
        Err(wrong) => return Answer::Returned(fields, wrong),
    };
    if !reply.by_script && (!is_handed_out(reply.state, fields.get("stamp")) || !fields.get("homepage").is_empty()) {
        return Answer::OnceMore(fields, wish);
    }
    if !reply.by_script
        && fields.get("kept").is_empty()
        && let Some(meant) = wish.address.suggestion()
    {
        return Answer::DidYouMean(fields, wish, meant);
    }
    if let Err(answer) = guard(reply, visitor, &fields, &wish).await {
        return answer.unwrap_or_else(|wrong| Answer::Returned(fields, wrong));
    }
    let (joined, alike_until) = join(reply, visitor, &fields, &offer, wish).await;
    step(started, alike_until).await;
    joined
}

/// Waits until an answer to what came at `started` may leave.
async fn step(started: Instant, alike_until: Option<Instant>) {
    let earliest = alike_until.map_or(started, |alike| alike + SETTLE).max(Instant::now());
    let steps = u32::try_from((earliest - started).as_millis() / STEP.as_millis()).unwrap_or(u32::MAX - 1) + 1;
    tokio::time::sleep_until(started + STEP * steps).await;
}

/// Does `work` so that the time it takes tells nothing.
pub(super) async fn in_steps<T>(work: impl Future<Output = T>) -> T {
    let started = Instant::now();
    let done = work.await;
    step(started, None).await;
    done
}

/// The moment until which the work behind an answer was the same for every address.
#[derive(Clone, Copy)]
pub(super) struct AlikeUntil(pub(super) std::time::Instant);

/// The same for an answer that has an [`AlikeUntil`].
pub(super) async fn in_even_steps(work: impl Future<Output = Response>) -> Response {
    let started = Instant::now();
    let done = work.await;
    step(started, done.extensions().get::<AlikeUntil>().map(|alike| alike.0.into())).await;
    done
}

/// Whether the form of that stamp is one that we have handed out, not too long ago, and somebody took their time to fill it
/// in.
pub(super) fn is_handed_out(state: &AppState, stamp: &str) -> bool {
    let Ok(handed_out) = state.subscribers.tokens().verify_form(stamp) else { return false };
    let now = state.subscribers.now();
    let least = state.subscribers.config().subscribe.min_fill_time;
    handed_out.plus(least) <= now && now <= handed_out.plus(FORM_LIFETIME)
}

/// Why somebody does not come through.
pub(super) enum Barred {
    /// There were too many; come back after that time.
    Later(Duration),
    /// The CAPTCHA was not solved.
    Captcha,
    /// The domain takes no mail.
    NoSuchDomain,
    /// It cannot be found out just now.
    Failed,
}

/// The limits, the CAPTCHA and the domain, for a stranger who sets off a mail to that address. None of them
/// depends on whether an address is known. `field` gives the form's field of a name.
///
/// # Errors
/// Why somebody does not come through.
pub(super) async fn bar(
    state: &AppState,
    visitor: &Visitor,
    field: impl Fn(&str) -> String,
    address: &EmailAddress,
) -> Result<(), Barred> {
    let guards = &state.guards;
    guards.limits.admit(visitor.network).map_err(later)?;
    if let Some(verifier) = &guards.verifier {
        match verifier.verify(&field(verifier.field())).await {
            Verdict::Passed => {}
            Verdict::Failed => return Err(Barred::Captcha),
            Verdict::Unknown(reason) => {
                let sentence = format!("the CAPTCHA cannot be verified, so that nobody can sign up: {reason}");
                (guards.warn)("captcha_unreachable", sentence);
                return Err(Barred::Failed);
            }
        }
    }
    turn(guards, address).await
}

/// The same without a CAPTCHA, for whoever reads the mails of a subscriber.
///
/// # Errors
/// Why they do not come through.
pub(super) async fn bar_known(state: &AppState, visitor: &Visitor, address: &EmailAddress) -> Result<(), Barred> {
    state.guards.limits.admit(visitor.network).map_err(later)?;
    turn(&state.guards, address).await
}

/// Waits for the turn of a mail to that address, if its domain takes any.
async fn turn(guards: &Guards, address: &EmailAddress) -> Result<(), Barred> {
    if let Some(domains) = &guards.domains
        && domains.takes_no_mail(address.domain()).await
    {
        return Err(Barred::NoSuchDomain);
    }
    guards.limits.turn(address).await.map_err(later)
}

fn later(Later(wait): Later) -> Barred {
    Barred::Later(wait)
}

/// The same for a sign-up.
///
/// # Errors
/// The answer to somebody who does not come through, or what is wrong with the form.
async fn guard(
    reply: &Reply<'_>,
    visitor: &Visitor,
    fields: &Fields,
    wish: &Wish,
) -> Result<(), Result<Answer, Wrong>> {
    let field = |name: &str| fields.get(name).to_owned();
    bar(reply.state, visitor, field, &wish.address).await.map_err(|barred| match barred {
        Barred::Later(wait) => Ok(Answer::Later(wait)),
        Barred::Captcha => Err(Wrong::new("captcha", "captcha")),
        Barred::NoSuchDomain => Err(Wrong::new("email", "no_such_domain").about(wish.address.domain())),
        Barred::Failed => Ok(Answer::Failed),
    })
}

/// Joins in a task of its own, so that somebody who goes away does not undo it; and says until when that was the same for all.
async fn join(
    reply: &Reply<'_>,
    visitor: &Visitor,
    fields: &Fields,
    offer: &Offer<'_>,
    wish: Wish,
) -> (Answer, Option<Instant>) {
    let state = reply.state.clone();
    let usual = state.locale(wish.choice.first().map(|chosen| chosen.digest.as_str()));
    let request = JoinRequest {
        wording: reply.wording(fields, offer, &wish),
        address: wish.address,
        name: wish.name,
        // The digest's own language is no choice; nor is that of the browser, which the pages go by.
        locale: wish.locale.filter(|locale| *locale != usual),
        choice: wish.choice.clone(),
    };
    let locale = language_of(fields, &reply.locale);
    let (visitor, source) = (visitor.clone(), reply.source(fields));
    let joined = tokio::spawn(async move {
        let origin = visitor.at(Origin { source: &source, ..Origin::PAGE });
        state.subscribers.join(&request, origin, &*state.notices).await
    });
    match joined.await {
        Ok(Ok(alike_until)) => (Answer::Taken(wish.choice, locale), Some(alike_until.into())),
        Ok(Err(error)) => {
            tracing::error!(%error, "a sign-up could not be taken");
            (Answer::Failed, None)
        }
        Err(error) => {
            tracing::error!(%error, "a sign-up fell over");
            (Answer::Failed, None)
        }
    }
}

/// The language of the page that a form was on, else that of the browser.
fn language_of(fields: &Fields, usual: &Locale) -> Locale {
    let own = Locale::parse(fields.get("page_locale")).or_else(|_| Locale::parse(fields.get("locale")));
    own.unwrap_or_else(|_| usual.clone())
}
