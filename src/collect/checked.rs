//! What a check found, as people read it: the articles, and the lines of configuration to paste.

use std::fmt::{self, Write};

use serde::Serialize;
use url::Url;

use super::article::{Document, Found, Kind};
use super::excerpt::tidy_excerpt;
use crate::config::{Select, Selector, SourceKind};

/// How many articles are shown to people.
const MOST_SHOWN: usize = 20;
/// How much of an excerpt is shown, in characters.
const EXCERPT_SHOWN: usize = 160;
/// How far the lines of an article stand in: as far as a date and two spaces.
const INDENT: &str = "            ";

/// What an address or a file turned out to be.
#[derive(Clone, Debug, Serialize)]
pub struct Checked {
    /// What it says.
    #[serde(flatten)]
    pub document: Document,
    /// The source to configure; `None` for a file that does not say where it came from.
    #[serde(skip)]
    pub source: Option<SourceKind>,
    /// The lines of `config.toml` for it.
    pub config: String,
    /// What else there is to know, a sentence each.
    pub notes: Vec<String>,
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.document.kind {
            Kind::Rss => "RSS feed",
            Kind::Atom => "Atom feed",
            Kind::Json => "JSON Feed",
            Kind::Page => "Listing page",
        };
        let articles = &self.document.articles;
        let count = match articles.len() {
            1 => "1 article".to_owned(),
            count => format!("{count} articles"),
        };
        writeln!(f, "{kind}: {}, {count}\n", self.document.title.as_deref().unwrap_or("(no title)"))?;
        for found in articles.iter().take(MOST_SHOWN) {
            write_article(f, found)?;
        }
        if articles.len() > MOST_SHOWN {
            writeln!(f, "{INDENT}and {} more\n", articles.len() - MOST_SHOWN)?;
        }
        for note in &self.notes {
            writeln!(f, "{note}\n")?;
        }
        write!(f, "To read it, add to config.toml, with an id and a topic of your choice:\n\n{}", self.config)
    }
}

fn write_article(f: &mut fmt::Formatter<'_>, found: &Found) -> fmt::Result {
    let day = found.published.map_or_else(|| "no date".to_owned(), |time| time.to_utc().format("%Y-%m-%d").to_string());
    writeln!(f, "{day:<10}  {}", found.title.as_deref().unwrap_or("(no title)"))?;
    let excerpt = found.excerpt.as_deref().map(|excerpt| tidy_excerpt(excerpt, EXCERPT_SHOWN));
    for line in [found.url.clone(), excerpt].into_iter().flatten().filter(|line| !line.is_empty()) {
        writeln!(f, "{INDENT}{line}")?;
    }
    writeln!(f)
}

/// The `[[source]]` of a feed, or with selectors of a page.
pub(super) fn config_lines(url: Option<&Url>, select: Option<&Select>, title: Option<&str>) -> String {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let mut lines = String::from("[[source]]\n");
    let address = url.map_or("https://example.org/", Url::as_str);
    let kind = if select.is_some() { "page" } else { "feed" };
    // Writing to a string cannot fail.
    let _ = writeln!(lines, "id = {}\n{kind} = {}\ntopic = \"news\"", quoted(&id(url, title)), quoted(address));
    if let Some(select) = select {
        let optional = [
            ("date", select.date.as_ref().map(written)),
            ("date_format", select.date_format.clone()),
            ("excerpt", select.excerpt.as_ref().map(written)),
            ("author", select.author.as_ref().map(written)),
            ("image", select.image.as_ref().map(written)),
            ("category", select.category.as_ref().map(written)),
        ];
        let always = [("item", &select.item), ("title", &select.title), ("link", &select.link)];
        let always = always.into_iter().map(|(key, selector)| (key, written(selector)));
        let given = optional.into_iter().filter_map(|(key, value)| Some((key, value?)));
        let pairs: Vec<String> =
            always.chain(given).map(|(key, value)| format!("{key} = {}", quoted(&value))).collect();
        let _ = writeln!(lines, "select = {{ {} }}", pairs.join(", "));
    }
    lines
}

/// A selector as the configuration writes it.
fn written(selector: &Selector) -> String {
    match &selector.attribute {
        Some(attribute) => format!("{}@{attribute}", selector.css),
        None => selector.css.clone(),
    }
}

/// An id for the source: the site's name, else its title.
fn id(url: Option<&Url>, title: Option<&str>) -> String {
    let host = url.and_then(Url::host_str).map(|host| host.strip_prefix("www.").unwrap_or(host));
    let name = host.or(title).unwrap_or_default().to_lowercase();
    let words: Vec<&str> =
        name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).take(4).collect();
    if words.is_empty() { "news".to_owned() } else { words.join("-") }
}
