//! `serve --dev`: every mail on a page that follows each save of a template or the configuration. For this machine alone.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Path as Parts, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;

use super::visitor::is_forwarded;
use crate::compose::{ALL_TOPICS, latest_issue};
use crate::config::Config;
use crate::domain::{EmailAddress, SystemRandom, UtcMillis};
use crate::render::{Frame, RenderedMail, Renderer, Slots, fill, invented_issue, letter_names};
use crate::store::Store;

const SCRIPT: &str = include_str!("../../templates/dev/follow.js");
const STYLE: &str = include_str!("../../templates/dev/style.css");

/// The heading of the page that lists them.
const LIST: &str = "Mails";

/// What the pages need.
struct Dev {
    config: PathBuf,
    store: Store,
    /// What the files came to when they were read last, and their stamp then.
    read: Mutex<Option<(String, Loaded)>>,
}

/// What the files come to; else what is wrong with the configuration.
type Loaded = Result<Arc<Files>, String>;

/// A configuration, and its templates or what is wrong with those.
struct Files {
    config: Config,
    renderer: Result<Renderer, String>,
}

/// The pages, which go by `config` and the templates as they are saved. Nothing on them is about anybody.
pub fn router(config: &Path, store: Store) -> Router {
    let dev = Arc::new(Dev { config: config.to_owned(), store, read: Mutex::default() });
    Router::new()
        .route("/dev", get(list))
        .route("/dev/show/{digest}/{mail}", get(show))
        .route("/dev/mail/{digest}/{mail}/{part}", get(mail))
        .route("/dev/stamp", get(stamp))
        .route("/dev/follow.js", get(async || ([(CONTENT_TYPE, "text/javascript; charset=utf-8")], SCRIPT)))
        .route("/dev/style.css", get(async || ([(CONTENT_TYPE, "text/css; charset=utf-8")], STYLE)))
        .with_state(dev)
        .layer(middleware::from_fn(here_alone))
}

/// Answers this machine alone: neither what a proxy passes on, nor a name that somebody else's page has for this address.
async fn here_alone(request: Request, next: Next) -> Response {
    if is_forwarded(request.headers()) || !names_this_machine(request.headers()) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let mut response = next.run(request).await;
    response.headers_mut().insert(CACHE_CONTROL, axum::http::HeaderValue::from_static("no-store"));
    response
}

fn names_this_machine(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let url = url::Url::parse(&format!("http://{host}/"));
    match url.as_ref().ok().and_then(url::Url::host) {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

impl Dev {
    /// What the files come to now. A template or a subject that does not come to an end is waited for on a thread that nothing
    /// else needs, and a request that goes away meanwhile leaves the outcome to the next.
    async fn loaded(self: &Arc<Self>) -> Loaded {
        let dev = Arc::clone(self);
        tokio::task::spawn_blocking(move || dev.load()).await.unwrap_or_else(|error| Err(error.to_string()))
    }

    /// Reads and tries the files, once for each save, since what does not come to an end cannot be stopped either.
    fn load(&self) -> Loaded {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        // Before they are read: what is saved meanwhile has another one.
        let stamp = self.stamp();
        if let Some((_, loaded)) = read.as_ref().filter(|(known, _)| *known == stamp) {
            return loaded.clone();
        }
        let config = Config::load(&self.config, std::env::vars()).map_err(|error| error.to_string());
        let loaded = config.map(|config| {
            let renderer = Renderer::of(&config).map_err(|error| error.to_string());
            Arc::new(Files { config, renderer })
        });
        *read = Some((stamp, loaded.clone()));
        loaded
    }

    /// The mail as it is rendered now, in the language of the digest: on its latest issue, or else an invented one. Also the
    /// files that it goes by.
    async fn rendered(self: &Arc<Self>, digest: &str, name: &str) -> Result<(RenderedMail, Arc<Files>), String> {
        let files = self.loaded().await?;
        let config = &files.config;
        let digest = config.digest(digest).ok_or_else(|| format!("there is no digest `{digest}`"))?;
        let renderer = files.renderer.as_ref().map_err(Clone::clone)?;
        let mut reader = self.store.read().await.map_err(|error| error.to_string())?;
        let latest = latest_issue(&mut reader, config, (digest, &digest.locale), ALL_TOPICS).await;
        let latest = latest.map_err(|error| error.to_string())?;
        let content = latest.map_or_else(|| invented_issue(digest), |(_, content)| content);
        let _tried = config.templates.wordings.tried();
        let frame = Frame { digest, config, locale: &digest.locale, test: false };
        let rendered = match name {
            "digest" => renderer.digest(&content, &frame, &SystemRandom),
            _ => renderer.example(name, &content, &frame, &SystemRandom),
        };
        let mail = rendered.map_err(|error| error.to_string())?;
        Ok((mail, Arc::clone(&files)))
    }

    /// Something that changes when the configuration or a template does. It tries neither: it is asked for all the time.
    fn stamp(&self) -> String {
        let dir = Config::templates_dir(&self.config, std::env::vars());
        let mut files = vec![self.config.clone()];
        for folder in dir.iter().flat_map(|dir| [dir.clone(), dir.join("pages"), dir.join("locales")]) {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            files.extend(entries.map(|entry| entry.path()));
        }
        files.sort_unstable();
        // Of all of them: a file that is put back may be older than the others.
        let mut hasher = DefaultHasher::new();
        for path in files {
            let meta = std::fs::metadata(&path).ok();
            (path, meta.map(|meta| (meta.len(), meta.modified().ok()))).hash(&mut hasher);
        }
        format!("{:x}", hasher.finish())
    }
}

async fn stamp(State(dev): State<Arc<Dev>>) -> String {
    dev.stamp()
}

/// The mails that there are, for each digest.
async fn list(State(dev): State<Arc<Dev>>) -> Response {
    let files = match dev.loaded().await {
        Ok(files) => files,
        Err(error) => return wrong(&error),
    };
    let mut html = String::new();
    for digest in &files.config.digests {
        let links = std::iter::once("digest")
            .chain(letter_names())
            .map(|name| format!("<li><a href=\"/dev/show/{}/{name}\">{name}</a></li>", digest.id));
        html.push_str(&format!("<h2>{}</h2><ul>{}</ul>", escaped(&digest.title), links.collect::<String>()));
    }
    page(LIST, "", &html)
}

/// A mail at two widths, and its text, on a page that loads them again when something is saved.
async fn show(State(dev): State<Arc<Dev>>, Parts((digest, name)): Parts<(String, String)>) -> Response {
    let is_known = name == "digest" || letter_names().any(|known| known == name);
    if !is_known || dev.loaded().await.is_ok_and(|files| files.config.digest(&digest).is_none()) {
        return (StatusCode::NOT_FOUND, "There is no such mail.").into_response();
    }
    let source = format!("/dev/mail/{}/{name}", escaped(&digest));
    let frame =
        |kind: &str, part: &str| format!("<iframe class=\"{kind}\" title=\"{kind}\" src=\"{source}/{part}\"></iframe>");
    let body = format!("{}{}{}", frame("wide", "html"), frame("phone", "html"), frame("text", "text"));
    page(&name, "<script src=\"/dev/follow.js\" defer></script>", &body)
}

async fn mail(State(dev): State<Arc<Dev>>, Parts((digest, name, part)): Parts<(String, String, String)>) -> Response {
    let (mail, files) = match dev.rendered(&digest, &name).await {
        Ok(rendered) => rendered,
        Err(error) => return wrong(&error),
    };
    let Ok(address) = EmailAddress::parse("reader@example.org") else { return StatusCode::NOT_FOUND.into_response() };
    // A sample is nobody's.
    let link = &files.config.server.public_url;
    let _tried = files.config.templates.wordings.tried();
    let slots = Slots {
        name: "",
        address: &address,
        message_id: "preview@example.org",
        date: UtcMillis(0),
        unsubscribe_url: link,
        preferences_url: link,
        link,
    };
    let policy = (CONTENT_SECURITY_POLICY, "default-src 'none'; img-src * data:; style-src 'unsafe-inline'; sandbox");
    match part.as_str() {
        "html" => ([policy], Html(fill(&mail.html, &mail.marker, &slots, true))).into_response(),
        "text" => fill(&mail.text, &mail.marker, &slots, false).into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

/// What is wrong with a template or the configuration, where the mail would be.
fn wrong(error: &str) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, page("It does not work yet", "", &format!("<pre>{}</pre>", escaped(error))))
        .into_response()
}

fn page(title: &str, head: &str, body: &str) -> Response {
    let title = escaped(title);
    let heading = if title == LIST { title.clone() } else { format!("<a href=\"/dev\">{LIST}</a> {title}") };
    let policy = (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-src 'self'",
    );
    let html = format!(
        "<!doctype html><html lang=\"en-GB\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <link rel=\"stylesheet\" href=\"/dev/style.css\">{head}</head><body><h1>{heading}</h1>{body}</body></html>"
    );
    ([policy], Html(html)).into_response()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
