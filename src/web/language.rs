//! The language of a page. Behind a link it is that of the person whose link it is, else that of the digest; where no mail
//! leads to, or the link is none of ours, what the browser asks for and we have.

use axum::extract::{FromRequestParts, Path};
use axum::http::HeaderMap;
use axum::http::header::ACCEPT_LANGUAGE;
use axum::http::request::Parts;

use super::AppState;
use crate::domain::Locale;
use crate::subscribers::Reader;

/// A link that somebody has followed.
pub(super) struct Link {
    /// Its token. What cannot even be decoded is an empty one, which no key has made: a bad link like others.
    pub(super) token: String,
    headers: HeaderMap,
}

impl<S: Send + Sync> FromRequestParts<S> for Link {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let token = Path::<String>::from_request_parts(parts, state).await;
        Ok(Self { token: token.map_or_else(|_| String::new(), |Path(token)| token), headers: parts.headers.clone() })
    }
}

impl AppState {
    /// The language of what is said to whoever followed a link.
    pub(super) async fn language_of(&self, link: &Link) -> Locale {
        match self.subscribers.tokens().reader(&link.token) {
            Some(reader) => self.language_for(&reader).await,
            None => asked_for(&link.headers, &self.locale(None)),
        }
    }

    /// The language of what is said to a reader. A store that fails shall not keep back the page that says so.
    pub(super) async fn language_for(&self, reader: &Reader) -> Locale {
        let own = self.subscribers.language_of(reader).await.ok().flatten();
        own.unwrap_or_else(|| self.locale(reader.digest.as_deref()))
    }
}

/// The locale for a visitor. Whoever asks for the language of `usual`, in whatever country, gets that one.
pub(super) fn asked_for(headers: &HeaderMap, usual: &Locale) -> Locale {
    let header = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut wishes: Vec<(u16, &str)> = header.split(',').take(20).filter_map(wish).collect();
    // Stable, so that of two equal wishes the first counts.
    wishes.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    wishes.into_iter().find_map(|(_, tag)| nearest(tag, usual)).unwrap_or_else(|| usual.clone())
}

/// A language with its weight in thousandths; none for what is not wanted at all.
fn wish(part: &str) -> Option<(u16, &str)> {
    let mut pieces = part.split(';').map(str::trim);
    let tag = pieces.next().filter(|tag| !tag.is_empty())?;
    let weight = match pieces.find_map(|piece| piece.strip_prefix("q=")) {
        Some(weight) => thousandths(weight)?,
        None => 1000,
    };
    (weight > 0).then_some((weight, tag))
}

/// `0.85` as 850.
fn thousandths(weight: &str) -> Option<u16> {
    let (whole, part) = weight.split_once('.').unwrap_or((weight, ""));
    if part.len() > 3 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part: u16 = format!("{part:0<3}").parse().ok()?;
    match whole {
        "0" => Some(part),
        "1" => Some(1000),
        _ => None,
    }
}

fn nearest(tag: &str, usual: &Locale) -> Option<Locale> {
    let language = |code: &str| code.split('-').next().unwrap_or_default().to_ascii_lowercase();
    if tag == "*" || language(tag) == language(usual.as_str()) {
        return Some(usual.clone());
    }
    let same = || Locale::known().into_iter().find(|code| language(code) == language(tag));
    Locale::parse(tag).ok().or_else(|| Locale::parse(same()?).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn locale(header: &str, usual: &str) -> String {
        let headers = HeaderMap::from_iter([(ACCEPT_LANGUAGE, header.parse().unwrap())]);
        asked_for(&headers, &Locale::parse(usual).unwrap()).as_str().to_owned()
    }

    #[rstest]
    #[case::nothing("", "en-GB", "en-GB")]
    #[case::the_language_of_the_digest_in_another_country("en-US,en;q=0.9", "en-GB", "en-GB")]
    #[case::another_language("de-AT,de;q=0.9,en;q=0.8", "en-GB", "de")]
    #[case::one_that_we_do_not_have_and_one_that_we_have("ja, cy;q=0.5, de;q=0.4", "en-GB", "cy")]
    #[case::none_that_we_have("ja", "nl", "nl")]
    #[case::the_heavier_one("fr;q=0.2, es;q=0.85", "en-GB", "es")]
    #[case::one_that_is_not_wanted("fr;q=0, es;q=0.1", "en-GB", "es")]
    #[case::a_country_of_ours("en-US", "de", "en-US")]
    fn the_browser_decides_where_it_can(#[case] header: &str, #[case] usual: &str, #[case] expected: &str) {
        assert_eq!(locale(header, usual), expected);
    }

    proptest! {
        #[test]
        fn any_header_gives_a_locale(header in "[a-z,;=q0-9.* -]{0,40}") {
            prop_assert!(Locale::known().contains(&locale(&header, "en-GB").as_str()));
        }
    }
}
