//! JSON Feed 1.0 and 1.1 through `feed-rs`, after repairs that its strict types need.

use serde_json::{Map, Value};
use url::Url;

use super::article::{Document, Found, Kind, ReadError};
use super::text::{self, longest};
use super::{dates, feed, links};
use crate::domain::is_svg;

/// Reads a JSON Feed.
pub(super) fn read(text: &str, repaired: bool, base: Option<&Url>) -> Result<Document, ReadError> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let value = match values.next() {
        Some(Ok(Value::Object(object))) => object,
        Some(Ok(_)) | None => return Err(ReadError::NotAFeed),
        Some(Err(error)) => return Err(ReadError::Json(error.to_string())),
    };
    let is_feed =
        value.get("version").is_some_and(|version| version.as_str().is_some_and(|v| v.contains("jsonfeed.org")));
    if !is_feed && !value.get("items").is_some_and(Value::is_array) {
        return Err(ReadError::NotAFeed);
    }
    let more = !text[values.byte_offset()..].trim().is_empty();
    let (object, mended) = mend(&value);
    let pictures: Vec<Option<String>> = objects(&object, "items").map(picture).collect();
    let parser = feed_rs::parser::Builder::new()
        .id_generator(|_, _, _| String::new())
        .timestamp_parser(|text| chrono::DateTime::from_timestamp_millis(dates::parse(text)?.in_utc().0))
        .build();
    let feed = parser
        .parse(Value::Object(object).to_string().as_bytes())
        .map_err(|error| ReadError::Json(error.to_string()))?;
    let address = |at: usize| feed.links.get(at).and_then(|link| links::resolve(&link.href, base));
    let home = address(0);
    let own = home.as_deref().and_then(|home| Url::parse(home).ok());
    let base = base.or(own.as_ref());
    let articles = feed
        .entries
        .iter()
        .zip(pictures)
        .take(feed::MOST_ARTICLES)
        .map(|(entry, picture)| article(entry, picture, base));
    Ok(Document {
        kind: Kind::Json,
        title: feed
            .title
            .map(|title| text::from_likely_html(&title.content, longest::TITLE))
            .filter(|title| !title.is_empty()),
        home,
        repaired: repaired || more || mended,
        articles: articles.filter(|found| !found.is_empty()).collect(),
    })
}

fn article(entry: &feed_rs::model::Entry, picture: Option<String>, base: Option<&Url>) -> Found {
    let some = |text: String| (!text.is_empty()).then_some(text);
    let summary =
        entry.summary.as_ref().and_then(|summary| some(text::from_likely_html(&summary.content, longest::EXCERPT)));
    let content =
        entry.content.as_ref().and_then(|content| content.body.as_ref().map(|body| (body, &content.content_type)));
    let plain = |kind: &str| kind.ends_with("plain");
    let full = |(body, kind): (&String, &_)| match plain(&format!("{kind}")) {
        true => some(text::one_line(body, longest::EXCERPT)),
        false => some(text::from_html(body, longest::EXCERPT)),
    };
    let names: Vec<String> = entry
        .authors
        .iter()
        .map(|author| text::one_line(&author.name.clone().unwrap_or_default(), longest::NAME))
        .collect();
    let in_content = || content.and_then(|(body, _)| text::first_image(body)).map(std::borrow::Cow::into_owned);
    Found {
        id: some(text::one_line(&entry.id, longest::ID)),
        title: entry.title.as_ref().and_then(|title| some(text::from_likely_html(&title.content, longest::TITLE))),
        url: entry
            .links
            .first()
            .filter(|link| link.media_type.is_none())
            .and_then(|link| links::resolve(&link.href, base)),
        published: entry.published.or(entry.updated).map(Into::into),
        excerpt: summary.or_else(|| content.and_then(full)),
        author: some(names.into_iter().filter(|name| !name.is_empty()).collect::<Vec<_>>().join(", ")),
        image: picture.or_else(in_content).and_then(|address| links::resolve(&address, base)),
        categories: entry
            .categories
            .iter()
            .filter_map(|category| some(text::one_line(&category.term, longest::NAME)))
            .collect(),
    }
}

fn objects<'a>(of: &'a Map<String, Value>, key: &str) -> impl Iterator<Item = &'a Map<String, Value>> {
    of.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}

fn picture(item: &Map<String, Value>) -> Option<String> {
    let named = ["image", "banner_image"].iter().filter_map(|key| Some((item.get(*key)?.as_str()?, "")));
    let attached = objects(item, "attachments").filter_map(|attachment| {
        let kind = attachment.get("mime_type")?.as_str().filter(|kind| kind.starts_with("image/"))?;
        Some((attachment.get("url")?.as_str()?, kind))
    });
    named.chain(attached).find(|(address, kind)| !is_svg(address, kind)).map(|(address, _)| address.to_owned())
}

/// The same feed with the types that the specification asks for: numbers as identifiers become text, what has a wrong
/// type is left out. Says whether anything had to be changed.
fn mend(feed: &Map<String, Value>) -> (Map<String, Value>, bool) {
    let mut mended = texts(feed, &["title", "home_page_url", "feed_url", "language", "description", "icon", "favicon"]);
    let proper = |version: &&str| version.starts_with("https://jsonfeed.org/version/1");
    let version = feed.get("version").and_then(Value::as_str).filter(proper);
    mended.insert("version".into(), version.unwrap_or("https://jsonfeed.org/version/1.1").into());
    mended.entry("title").or_insert_with(|| "".into());
    people(feed, &mut mended);
    let mut changed = version.is_none();
    let items: Vec<Value> = objects(feed, "items")
        .map(|item| {
            let keys = [
                "url",
                "external_url",
                "title",
                "content_html",
                "content_text",
                "summary",
                "date_published",
                "date_modified",
                "image",
                "banner_image",
            ];
            let mut mended = texts(item, &keys);
            match item.get("id") {
                Some(Value::String(id)) => drop(mended.insert("id".into(), id.as_str().into())),
                Some(Value::Number(id)) => drop(mended.insert("id".into(), id.to_string().into())),
                _ => {}
            }
            changed |=
                keys.iter().any(|key| item.get(*key).is_some_and(|value| !value.is_null() && !value.is_string()));
            people(item, &mut mended);
            let tags = item.get("tags").and_then(Value::as_array);
            let tags = tags.into_iter().flatten().filter(|tag| tag.is_string()).take(50).cloned().collect::<Vec<_>>();
            mended.insert("tags".into(), tags.into());
            let attachments =
                objects(item, "attachments").map(|attachment| texts(attachment, &["url", "mime_type", "title"]));
            let whole =
                attachments.filter(|attachment| attachment.contains_key("url") && attachment.contains_key("mime_type"));
            mended.insert("attachments".into(), whole.map(Value::Object).collect::<Vec<_>>().into());
            Value::Object(mended)
        })
        .collect();
    mended.insert("items".into(), items.into());
    (mended, changed)
}

fn texts(of: &Map<String, Value>, keys: &[&str]) -> Map<String, Value> {
    keys.iter().filter_map(|key| Some(((*key).to_owned(), of.get(*key)?.as_str()?.into()))).collect()
}

/// `authors`, else the older `author`.
fn people(of: &Map<String, Value>, mended: &mut Map<String, Value>) {
    let mut authors: Vec<_> = objects(of, "authors").map(|author| texts(author, &["name", "url"])).collect();
    if authors.is_empty() {
        authors.extend(of.get("author").and_then(Value::as_object).map(|author| texts(author, &["name", "url"])));
    }
    mended.insert("authors".into(), authors.into_iter().map(Value::Object).collect::<Vec<_>>().into());
}
