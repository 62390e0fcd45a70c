//! The pages as templates, and the stylesheets that they share.

use std::collections::BTreeMap;
use std::path::Path as FilePath;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use serde_json::{Value, json};
use tera::{Context, Kwargs, State as TeraState, Tera, TeraResult};

use super::own::Own;
use super::{AppState, Warn, WebError, language, look};
use crate::config::{Config, begin_render, limited_tera};
use crate::domain::Locale;
use crate::render::{TemplateError, Texts, links};
use crate::wording::Wording;

/// The stylesheet of all pages, and what the page of an issue has beside it.
const STYLE: &str = "pages/style.css";
const ISSUE_STYLE: &str = "pages/issue.css";

/// The built-in stylesheets.
pub(super) const STYLES: [(&str, &str); 2] = [
    (STYLE, include_str!("../../templates/pages/style.css")),
    (ISSUE_STYLE, include_str!("../../templates/pages/issue.css")),
];

/// The built-in pages.
pub(super) const TEMPLATES: [(&str, &str); 19] = [
    ("pages/archive-all.html", include_str!("../../templates/pages/archive-all.html")),
    ("pages/archive.html", include_str!("../../templates/pages/archive.html")),
    ("pages/entry.html", include_str!("../../templates/pages/entry.html")),
    ("pages/feed.xml", include_str!("../../templates/pages/feed.xml")),
    ("pages/issue.html", include_str!("../../templates/pages/issue.html")),
    ("pages/layout.html", include_str!("../../templates/pages/layout.html")),
    ("pages/confirm.html", include_str!("../../templates/pages/confirm.html")),
    ("pages/confirmed.html", include_str!("../../templates/pages/confirmed.html")),
    ("pages/check.html", include_str!("../../templates/pages/check.html")),
    ("pages/home.html", include_str!("../../templates/pages/home.html")),
    ("pages/question.html", include_str!("../../templates/pages/question.html")),
    ("pages/goodbye.html", include_str!("../../templates/pages/goodbye.html")),
    ("pages/erase.html", include_str!("../../templates/pages/erase.html")),
    ("pages/lost.html", include_str!("../../templates/pages/lost.html")),
    ("pages/manage.html", include_str!("../../templates/pages/manage.html")),
    ("pages/message.html", include_str!("../../templates/pages/message.html")),
    ("pages/story.html", include_str!("../../templates/pages/story.html")),
    ("pages/preferences.html", include_str!("../../templates/pages/preferences.html")),
    ("pages/unsubscribe.html", include_str!("../../templates/pages/unsubscribe.html")),
];

/// What the names of the built-in pages begin with; an operator's file of the same name wins.
const BUILT_IN: &str = "builtin/";

/// The built-in pages and stylesheets, by name, as `template export` writes them.
pub fn built_in_pages() -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    TEMPLATES.iter().chain(&STYLES)
}

/// Tries an operator's pages, as whoever serves them does; gives a sentence for each file that nothing uses.
///
/// # Errors
/// [`WebError`] for the first mistake.
pub fn check_pages(config: &Config) -> Result<Vec<String>, WebError> {
    Pages::new(config, Arc::new(|_, _| ())).map(|pages| pages.own.strangers().to_vec())
}

/// The built-in pages, and the operator's over them.
fn templates(own: &Own) -> Result<Tera, tera::Error> {
    let mut tera = limited_tera();
    tera.register_function("t", words);
    tera.register_filter("links", links);
    tera.set_fallback_prefixes([BUILT_IN])?;
    let built_in = TEMPLATES.iter().map(|(name, text)| (format!("{BUILT_IN}{name}"), *text));
    tera.add_raw_templates(built_in.chain(own.pages()))?;
    Ok(tera)
}

/// Makes pages.
pub(super) struct Pages {
    tera: Tera,
    /// The built-in pages alone, where the operator has some: a mistake in those is nothing that a visitor shall see.
    fallback: Option<Tera>,
    warn: Warn,
    site: Value,
    /// The path of `public_url`, without a slash at its end.
    base: String,
    files: Vec<File>,
    /// Changes with all that pages are made of beside the store.
    version: String,
    /// What an operator has over the built-in pages.
    own: Own,
    /// The addresses of the stylesheets of the digests' issues.
    issue_styles: BTreeMap<String, String>,
}

/// A file that pages load; its name changes with its content, so that a browser may keep it for ever.
struct File {
    name: String,
    kind: &'static str,
    content: axum::body::Bytes,
}

impl File {
    fn new(name: &str, ending: &str, kind: &'static str, content: impl Into<axum::body::Bytes>) -> Self {
        let content = content.into();
        Self { name: format!("{name}-{}.{ending}", fingerprint(&content)), kind, content }
    }

    /// A stylesheet with colours behind it.
    fn style(name: &str, css: &str, colours: &str) -> Self {
        Self::new(name, "css", "text/css; charset=utf-8", format!("{css}{colours}"))
    }

    /// The site's logo.
    fn logo(path: &FilePath) -> Result<Self, WebError> {
        let logo = look::logo(path).map_err(|source| WebError::Logo { path: path.to_owned(), source })?;
        Ok(Self::new("logo", logo.ending, logo.kind, logo.content))
    }
}

impl Pages {
    /// Loads the built-in templates, the operator's over them, and the site's own look.
    /// `warn` tells the operator of a page of theirs that fails.
    pub(super) fn new(config: &Config, warn: Warn) -> Result<Self, WebError> {
        let dir = config.templates.dir.as_deref();
        let own = dir.map(Own::read).transpose()?.unwrap_or_default();
        let texts = Texts { own: own.files(), built_in: &TEMPLATES };
        let broken = |error: tera::Error| TemplateError::in_texts(&error, dir, texts);
        let tera = templates(&own).map_err(broken)?;
        let fallback = own.pages().next().map(|_| templates(&Own::default())).transpose().map_err(broken)?;
        let version = version(config, own.files());
        let base = url::Url::parse(&config.server.public_url)
            .map(|url| url.path().trim_end_matches('/').to_owned())
            .unwrap_or_default();
        let style = File::style("pages", own.style(STYLE), &look::colours(&config.web));
        let logo = config.web.logo.as_deref().map(File::logo).transpose()?;
        let link = |file: &File| format!("{base}/static/{}", file.name);
        // Several digests have their sender in common.
        let name = match config.digests.as_slice() {
            _ if !config.web.title.is_empty() => &config.web.title,
            [digest] => &digest.title,
            _ => &config.sender.name,
        };
        let site = json!({
            "name": name,
            "sender": config.sender.name,
            "imprint": imprint(&config.sender.name, &config.sender.postal_address),
            "legal": config.sender.legal,
            "home_url": config.web.home_url,
            "privacy_url": config.web.privacy_url,
            "contact_url": config.sender.contact_url,
            "lost_url": format!("{base}/preferences"),
            "subscribe_url": format!("{base}/"),
            "archive_url": config.digests.iter().any(|digest| digest.public).then(|| format!("{base}/archive")),
            "style": link(&style),
            "logo": logo.as_ref().map(link),
        });
        let mut files: Vec<File> = std::iter::once(style).chain(logo).collect();
        let mut issue_styles = BTreeMap::new();
        for digest in config.digests.iter().filter(|digest| digest.public) {
            let file = File::style("issue", own.style(ISSUE_STYLE), &look::theme(&digest.theme));
            issue_styles.insert(digest.id.clone(), link(&file));
            files.push(file);
        }
        Ok(Self { tera, fallback, warn, site, base, files, version, own, issue_styles })
    }

    /// Changes with all that pages are made of beside the store: program, configuration, templates, wording.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// The operator's files that replace nothing, a sentence for each.
    pub(super) fn strangers(&self) -> &[String] {
        self.own.strangers()
    }

    /// The address of the stylesheet for a digest's issues.
    pub(super) fn issue_style(&self, digest: &str) -> Option<&str> {
        self.issue_styles.get(digest).map(String::as_str)
    }

    /// The path of `public_url`; empty when it has none.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// The page of that template in a locale, with the fields of the object `values`.
    pub(super) fn page(&self, status: StatusCode, name: &str, locale: &Locale, values: &Value) -> Response {
        match self.render(&format!("{name}.html"), locale, values) {
            Ok(html) => (status, Html(html)).into_response(),
            Err(error) => {
                tracing::error!(%error, name, "a page could not be rendered");
                (StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong here. Please try again.").into_response()
            }
        }
    }

    /// The text of that template's file in a locale, with the fields of the object `values`.
    pub(super) fn render(&self, file: &str, locale: &Locale, values: &Value) -> Result<String, tera::Error> {
        let mut context = Context::from_serialize(values)?;
        context.insert("site", &self.site);
        context.insert("lang", locale.as_str());
        context.insert("dir", &Wording::of(locale).direction());
        let name = format!("pages/{file}");
        begin_render();
        self.tera.render(&name, &context).or_else(|error| {
            let Some(built_in) = &self.fallback else { return Err(error) };
            begin_render();
            let rendered = built_in.render(&name, &context)?;
            let reason = TemplateError::from_tera(&error, None);
            (self.warn)("own_page", format!("Your page `{name}` fails, and visitors get the built-in one: {reason}"));
            Ok(rendered)
        })
    }

    /// A page that says one thing: the heading and the text that are under `key` in the wording.
    pub(super) fn message(&self, status: StatusCode, locale: &Locale, key: &str) -> Response {
        self.message_with(status, locale, key, &[])
    }

    /// The same, with names to fill in; `count` is the number of a plural.
    pub(super) fn message_with(
        &self,
        status: StatusCode,
        locale: &Locale,
        key: &str,
        values: &[(&str, &str)],
    ) -> Response {
        let say = |part: &str| say(locale, &format!("{key}.{part}"), values);
        self.page(status, "message", locale, &json!({ "heading": say("heading"), "text": say("text"), "test": false }))
    }
}

/// What the pages say under a key, with names filled in; `count` is the number of a plural. A key that nothing is under is
/// said itself.
pub(super) fn say(locale: &Locale, key: &str, values: &[(&str, &str)]) -> String {
    let count = values.iter().find(|(name, _)| *name == "count").and_then(|(_, count)| count.parse().ok());
    Wording::of(locale).page(key, count, values, locale).unwrap_or_else(|| key.to_owned())
}

/// `{{ t(key="confirm.heading", digest=title) }}`: what the page says in its own locale.
#[allow(clippy::needless_pass_by_value, reason = "the shape of a Tera function")]
fn words(arguments: Kwargs, state: &TeraState<'_>) -> TeraResult<String> {
    let key = arguments.must_get::<&str>("key")?;
    let lang = state.get::<String>("lang")?.unwrap_or_default();
    let locale = Locale::parse(&lang).unwrap_or_default();
    let values: BTreeMap<String, Value> = arguments.deserialize()?;
    let as_text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let values: Vec<(String, String)> = values.into_iter().map(|(name, value)| (name, as_text(value))).collect();
    let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let said = Wording::of(&locale).page(key, arguments.get::<u32>("count")?, &values, &locale);
    said.ok_or_else(|| tera::Error::message(format!("the wording has nothing under `{key}`")))
}

fn version(config: &Config, own: &[(String, String)]) -> String {
    let wordings = Locale::known().into_iter().filter_map(|code| Locale::parse(code).ok());
    let wordings = wordings.filter_map(|locale| serde_json::to_string(Wording::of(&locale)).ok());
    let mut all = format!("{} {TEMPLATES:?} {own:?} {}", env!("CARGO_PKG_VERSION"), config.show());
    all.extend(wordings);
    fingerprint(all.as_bytes())
}

/// Who it is and where, without saying the name twice.
fn imprint(name: &str, postal_address: &str) -> String {
    match postal_address {
        "" => name.to_owned(),
        whole if whole.starts_with(name) => whole.to_owned(),
        rest => format!("{name}, {rest}"),
    }
}

/// Changes with the content, so that a browser may keep the file for ever.
pub(super) fn fingerprint(content: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, content);
    data_encoding::HEXLOWER.encode(&digest.as_ref()[..6])
}

/// Serves the stylesheet and the logo.
pub(super) async fn file(State(state): State<AppState>, Path(name): Path<String>) -> Response {
    let Some(file) = state.pages.files.iter().find(|file| file.name == name) else {
        return not_found(State(state)).await;
    };
    let headers = [(CONTENT_TYPE, file.kind), (CACHE_CONTROL, "public, max-age=31536000, immutable")];
    (headers, file.content.clone()).into_response()
}

/// The page for whatever is not there.
pub(super) async fn not_found(State(state): State<AppState>) -> Response {
    state.pages.message(StatusCode::NOT_FOUND, &state.locale(None), "no_such_page")
}

/// The page for an address that leads nowhere.
pub(super) async fn nowhere(State(state): State<AppState>, headers: HeaderMap) -> Response {
    let locale = language::asked_for(&headers, &state.locale(None));
    state.pages.message(StatusCode::NOT_FOUND, &locale, "no_such_page")
}

/// `one`, `one and two`, `one, two and three`, as the locale writes it.
pub(super) fn enumerated(locale: &Locale, names: &[String]) -> String {
    Wording::of(locale).listed(names, locale)
}

/// How a digest is called; one that is no longer configured by its id.
pub(super) fn title(config: &Config, digest: &str) -> String {
    config.digest(digest).map_or_else(|| digest.to_owned(), |digest| digest.title.clone())
}

/// How these digests are called, as the locale lists them; empty: none.
pub(super) fn titles_in(locale: &Locale, config: &Config, digests: &[String]) -> String {
    enumerated(locale, &digests.iter().map(|digest| title(config, digest)).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::Names;
    use crate::render::template_names;

    /// What each page is given, by its own name: what the layout is given all are.
    fn given() -> BTreeMap<String, BTreeSet<String>> {
        let written = |text: &str| Names::of(text).written_out();
        let layout = written(TEMPLATES.iter().find(|(name, _)| *name == "pages/layout.html").unwrap().1);
        let root = |name: &str| name.split(['.', '[']).next().unwrap_or_default().to_owned();
        let of_mails: BTreeSet<String> = template_names().iter().map(|name| root(name)).collect();
        let given = |(name, text): &(&str, &str)| {
            let page = name.trim_start_matches("pages/").split('.').next().unwrap().to_owned();
            // The page of an issue and its entry in the feed see what a mail sees.
            let is_issue = matches!(&*page, "issue" | "entry" | "story");
            let is_own = |name: &String| match &*root(name) {
                _ if page == "layout" => true,
                "site" => false,
                "article" => true,
                first => !(layout.contains(name) || is_issue && of_mails.contains(first)),
            };
            let own = written(text).into_iter().filter(is_own);
            let names = own.map(|name| if root(&name) == "article" { "article".to_owned() } else { name }).collect();
            (page, names)
        };
        TEMPLATES.iter().map(given).collect()
    }

    #[test]
    fn what_each_page_sees_is_documented() {
        let mut documented = BTreeMap::<String, BTreeSet<String>>::new();
        let section = include_str!("../../docs/templates.md").split("\n## Pages\n").nth(1).unwrap();
        for row in section.lines().filter_map(|line| line.strip_prefix("| `")) {
            let mut cells = row.split(" | ");
            let mut names = || -> Vec<String> {
                let cell = cells.next().unwrap_or_default();
                cell.split(['`', ',', ' ']).filter(|name| !name.is_empty()).map(str::to_owned).collect()
            };
            let (pages, names) = (names(), names());
            for page in pages {
                documented.entry(page).or_default().extend(names.iter().cloned());
            }
        }
        for (page, names) in given() {
            assert_eq!(documented.remove(&page).unwrap_or_default(), names, "{page}");
        }
        assert!(documented.is_empty(), "{documented:?}");
    }

    #[test]
    fn no_rule_names_a_side_so_that_pages_turn_with_their_language() {
        for (at, line) in STYLES.iter().flat_map(|(_, css)| css.lines().enumerate()) {
            for declaration in line.split(['{', ';']).filter(|declaration| declaration.contains(':')) {
                let sided = |word: &str| matches!(word, "left" | "right");
                let named = declaration.split(|c: char| !c.is_ascii_alphabetic()).any(sided);
                assert!(!named, "line {}: {declaration}", at + 1);
            }
        }
    }

    #[test]
    fn every_key_that_a_page_asks_for_has_something_under_it() {
        let locale = Locale::default();
        let is_there = |key: &str| Wording::of(&locale).page(key, Some(2), &[], &locale).is_some();
        for (name, text) in TEMPLATES {
            for key in text.split("t(key=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
                assert!(is_there(key), "{name} asks for `{key}`");
            }
        }
        assert!(!is_there("confirm.no_such_key"));
    }
}
