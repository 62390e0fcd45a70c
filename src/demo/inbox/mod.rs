//! The inbox page of the demo: the mails that were caught, to read as HTML, as text and with their headers.
//!
//! A mail is somebody else's HTML. It is shown in a frame without scripts, forms or an origin, and its pictures load from
//! the demo's own news site only.

mod read;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chrono::{DateTime, Local};
use serde::Serialize;
use tera::Context;
use url::Url;

use super::catcher::{Caught, Mailbox};
use super::pages::render;
use read::Reading;

const STYLE: &str = include_str!("../../../templates/demo/inbox/style.css");
const ICON: &str = include_str!("../../../templates/demo/inbox/icon.svg");

/// Our own pages: no script, no style but the one stylesheet, frames of this server only.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; frame-src 'self'; \
                           base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// How many mails a page lists, the newest first.
const LISTED: usize = 200;

/// What the pages point to.
#[derive(Clone, Debug)]
pub struct Links {
    /// The demo's news site; pictures in mails load from there.
    pub news_site: Url,
    /// The port of the mail catcher.
    pub smtp_port: u16,
}

/// The pages over `mailbox`.
pub fn router(mailbox: Mailbox, links: Links) -> Router {
    Router::new()
        .route("/", get(inbox))
        .route("/mail/{id}", get(html))
        .route("/mail/{id}/phone", get(phone))
        .route("/mail/{id}/text", get(text))
        .route("/mail/{id}/headers", get(headers))
        .route("/mail/{id}/body", get(body))
        .route("/mail/{id}/raw", get(raw))
        .route("/style.css", get(|| async { asset("text/css; charset=utf-8", STYLE) }))
        .route("/icon.svg", get(|| async { asset("image/svg+xml", ICON) }))
        .fallback(|State(inbox): State<Arc<Inbox>>| async move { inbox.missing() })
        .with_state(Arc::new(Inbox { mailbox, links }))
}

struct Inbox {
    mailbox: Mailbox,
    links: Links,
}

/// A row of the list.
#[derive(Serialize)]
struct Row {
    id: u64,
    to: String,
    moment: String,
    time: String,
    subject: String,
}

/// Which part of a mail a page shows.
#[derive(Clone, Copy)]
enum Part {
    Html { phone: bool },
    Text,
    Headers,
}

async fn inbox(State(inbox): State<Arc<Inbox>>) -> Response {
    let mut context = inbox.context();
    inbox.list_into(&mut context, 0, "/");
    page(StatusCode::OK, "inbox/inbox.html", &context)
}

async fn html(State(inbox): State<Arc<Inbox>>, Path(id): Path<String>) -> Response {
    inbox.mail(&id, Part::Html { phone: false })
}

async fn phone(State(inbox): State<Arc<Inbox>>, Path(id): Path<String>) -> Response {
    inbox.mail(&id, Part::Html { phone: true })
}

async fn text(State(inbox): State<Arc<Inbox>>, Path(id): Path<String>) -> Response {
    inbox.mail(&id, Part::Text)
}

async fn headers(State(inbox): State<Arc<Inbox>>, Path(id): Path<String>) -> Response {
    inbox.mail(&id, Part::Headers)
}

/// The HTML of a mail for the frame. The policy holds also where it is opened by itself.
async fn body(State(inbox): State<Arc<Inbox>>, Path(id): Path<String>) -> Response {
    let Some(html) = inbox.find(&id).and_then(|mail| Reading::new(&mail.raw).html) else {
        return inbox.missing();
    };
    let pictures = inbox.links.news_site.origin().ascii_serialization();
    let policy = format!(
        "default-src 'none'; img-src {pictures} data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"
    );
    with_headers("text/html; charset=utf-8", &policy, read::for_frame(&html))
}

async fn raw(State(inbox): State<Arc<Inbox>>, Path(id): Path<String>) -> Response {
    let Some(mail) = inbox.find(&id) else { return inbox.missing() };
    let disposition = format!("attachment; filename=\"mail-{}.eml\"", mail.id);
    let mut response = with_headers("message/rfc822", "default-src 'none'; sandbox", mail.raw.clone());
    if let Ok(value) = disposition.parse() {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    response
}

impl Inbox {
    fn find(&self, id: &str) -> Option<Arc<Caught>> {
        self.mailbox.message(id.parse().ok()?)
    }

    fn context(&self) -> Context {
        let mut context = Context::new();
        context.insert("news_site", self.links.news_site.as_str());
        context.insert("smtp_port", &self.links.smtp_port);
        context
    }

    /// The list beside a mail; `open` is its number, 0 for none, and `here` the address of the page.
    fn list_into(&self, context: &mut Context, open: u64, here: &str) {
        let mails = self.mailbox.messages();
        let rows: Vec<Row> = mails.iter().rev().take(LISTED).map(|mail| row(mail)).collect();
        context.insert("count", &mails.len());
        context.insert("older", &(mails.len() - rows.len()));
        context.insert("mails", &rows);
        context.insert("open", &open);
        context.insert("here", here);
    }

    fn mail(&self, id: &str, part: Part) -> Response {
        let Some(mail) = self.find(id) else { return self.missing() };
        let reading = Reading::new(&mail.raw);
        let (name, phone, content) = match part {
            Part::Html { phone } => ("html", phone, String::new()),
            Part::Text => ("text", false, reading.text.unwrap_or_default()),
            Part::Headers => ("headers", false, read::headers(&mail.raw).into_owned()),
        };
        let here = match (name, phone) {
            ("html", false) => format!("/mail/{}", mail.id),
            ("html", true) => format!("/mail/{}/phone", mail.id),
            (name, _) => format!("/mail/{}/{name}", mail.id),
        };
        let mut context = self.context();
        self.list_into(&mut context, mail.id, &here);
        context.insert("part", name);
        context.insert("phone", &phone);
        context.insert("has_html", &reading.html.is_some());
        context.insert("content", content.trim_end());
        context.insert("subject", &reading.subject);
        context.insert("from", or_none(&reading.from, &mail.envelope_from));
        context.insert("to", or_none(&reading.to, ""));
        let envelope = mail.recipients.join(", ");
        let differs = mail.recipients != reading.to_addresses;
        context.insert("envelope", if differs { envelope.as_str() } else { "" });
        let when = local(&mail).format("%-d %B %Y, %H:%M:%S");
        context.insert("caught", &format!("{when}, {}", size(mail.raw.len())));
        page(StatusCode::OK, "inbox/mail.html", &context)
    }

    fn missing(&self) -> Response {
        page(StatusCode::NOT_FOUND, "inbox/missing.html", &self.context())
    }
}

fn row(mail: &Caught) -> Row {
    let to = match mail.recipients.as_slice() {
        [] => "(nobody)".to_owned(),
        [one] => one.clone(),
        [one, others @ ..] => format!("{one} + {} more", others.len()),
    };
    let time = local(mail).format("%H:%M:%S").to_string();
    Row { id: mail.id, to, moment: mail.at.to_string(), time, subject: read::subject(&mail.raw) }
}

/// The demo's reader sits at this machine, so times are those of its clock on the wall.
fn local(mail: &Caught) -> DateTime<Local> {
    mail.at.to_utc().with_timezone(&Local)
}

fn or_none<'a>(shown: &'a str, instead: &'a str) -> &'a str {
    match (shown, instead) {
        ("", "") => "(nobody)",
        ("", instead) => instead,
        (shown, _) => shown,
    }
}

fn size(octets: usize) -> String {
    match octets {
        0..1000 => format!("{octets} bytes"),
        1000..1_000_000 => format!("{} KB", octets.div_ceil(1000)),
        _ => format!("{}.{} MB", octets / 1_000_000, octets % 1_000_000 / 100_000),
    }
}

fn page(status: StatusCode, template: &str, context: &Context) -> Response {
    let mut response = with_headers("text/html; charset=utf-8", PAGE_POLICY, render(template, context));
    *response.status_mut() = status;
    response
}

fn asset(content_type: &'static str, content: &'static str) -> Response {
    with_headers(content_type, "default-src 'none'", content)
}

/// An answer with the headers that every answer has. Nothing is kept by the browser: the next run has other mails under
/// the same addresses.
fn with_headers(content_type: &'static str, policy: &str, content: impl IntoResponse) -> Response {
    const OTHERS: [(HeaderName, &str); 3] = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    let own = [(header::CONTENT_TYPE, content_type), (header::CONTENT_SECURITY_POLICY, policy)];
    (OTHERS, own, content).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_people_say_them() {
        for (octets, shown) in
            [(0, "0 bytes"), (999, "999 bytes"), (1000, "1 KB"), (40_100, "41 KB"), (2_590_000, "2.5 MB")]
        {
            assert_eq!(size(octets), shown);
        }
    }
}
