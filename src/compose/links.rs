//! Where the article links of a mail lead: with the campaign's `utm_*` parameters, or through the counter of clicks.

use std::collections::HashMap;

use url::Url;

use super::{IssueArticle, IssueContent};
use crate::config::{Digest, Utm};
use crate::domain::PublicId;
use crate::store::LinkRow;

/// Makes the address at which a click is counted, of an issue's public id and the place of the link in it. It carries a
/// signature, which this room knows nothing of.
pub type ClickUrl = dyn Fn(&PublicId, i64) -> String + Send + Sync;

/// The counted links of an issue: each address has its place.
pub struct Counted {
    issue: PublicId,
    places: HashMap<String, i64>,
}

impl Counted {
    /// Those of an issue's articles, in their order.
    pub fn of(issue: &PublicId, articles: &[IssueArticle], digest: &Digest) -> Self {
        let mut places = HashMap::new();
        for url in articles.iter().filter_map(|article| article.url.as_deref()) {
            let next = i64::try_from(places.len()).unwrap_or(i64::MAX);
            places.entry(target(url, digest)).or_insert(next);
        }
        Self { issue: issue.clone(), places }
    }

    /// Those that were recorded; `None` where the issue counts nothing.
    pub fn recorded(issue: &PublicId, links: Vec<LinkRow>) -> Option<Self> {
        let places: HashMap<_, _> = links.into_iter().map(|link| (link.url, link.place)).collect();
        (!places.is_empty()).then(|| Self { issue: issue.clone(), places })
    }

    /// Each address with its place.
    pub fn places(&self) -> impl Iterator<Item = (&str, i64)> {
        self.places.iter().map(|(url, place)| (url.as_str(), *place))
    }
}

/// The content as a mail links it: the articles' addresses are those that a click goes to.
pub fn linked(
    mut content: IssueContent,
    digest: &Digest,
    counted: Option<&Counted>,
    click_url: &ClickUrl,
) -> IssueContent {
    for url in content.articles_mut().filter_map(|article| article.url.as_mut()) {
        *url = target(url, digest);
        if let Some((counted, place)) = counted.and_then(|counted| Some((counted, *counted.places.get(url.as_str())?)))
        {
            *url = click_url(&counted.issue, place);
        }
    }
    content
}

/// Where an article's link leads at last.
fn target(url: &str, digest: &Digest) -> String {
    digest.utm.as_ref().map_or_else(|| url.to_owned(), |utm| with_utm(url, utm))
}

/// An http or https address with the campaign's parameters: they take the place of those of the same names, and come behind
/// all others, which stay as they are; the fragment stays at the end. Any other address comes back unchanged.
pub fn with_utm(address: &str, utm: &Utm) -> String {
    let Ok(mut url) = Url::parse(address) else { return address.to_owned() };
    let ours: Vec<(&str, &str)> = utm.parameters().collect();
    if !matches!(url.scheme(), "http" | "https") || ours.is_empty() {
        return address.to_owned();
    }
    let kept = url.query().unwrap_or_default().split('&').filter(|part| {
        let name = url::form_urlencoded::parse(part.as_bytes()).next().map(|(name, _)| name.into_owned());
        !part.is_empty() && name.is_none_or(|name| ours.iter().all(|(own, _)| *own != name))
    });
    let mut query: String = kept.collect::<Vec<_>>().join("&");
    for (name, value) in ours {
        if !query.is_empty() {
            query.push('&');
        }
        query.push_str(name);
        query.push('=');
        query.extend(url::form_urlencoded::byte_serialize(value.as_bytes()));
    }
    url.set_query(Some(&query));
    url.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn utm(source: &str, medium: &str, campaign: &str) -> Utm {
        Utm { source: source.to_owned(), medium: medium.to_owned(), campaign: campaign.to_owned() }
    }

    #[test]
    fn parameters_are_merged_into_what_an_address_has() {
        let weekly = utm("weekly", "email", "");
        for (address, linked) in [
            ("https://a.example/x", "https://a.example/x?utm_source=weekly&utm_medium=email"),
            ("https://a.example/x?", "https://a.example/x?utm_source=weekly&utm_medium=email"),
            ("https://a.example/x?id=7#part", "https://a.example/x?id=7&utm_source=weekly&utm_medium=email#part"),
            (
                "https://a.example/?utm_source=feed&q=a%20b+c&utm%5Fmedium=rss&flag",
                "https://a.example/?q=a%20b+c&flag&utm_source=weekly&utm_medium=email",
            ),
            (
                "https://a.example/#/?utm_source=x",
                "https://a.example/?utm_source=weekly&utm_medium=email#/?utm_source=x",
            ),
            ("mailto:desk@a.example?subject=x", "mailto:desk@a.example?subject=x"),
            ("not an address", "not an address"),
        ] {
            assert_eq!(with_utm(address, &weekly), linked);
        }
        assert_eq!(
            with_utm("https://a.example/?utm_source=feed", &utm("", "", "")),
            "https://a.example/?utm_source=feed"
        );
        assert_eq!(
            with_utm("https://a.example/", &utm("", "", "a & b=c#d")),
            "https://a.example/?utm_campaign=a+%26+b%3Dc%23d"
        );
    }

    fn others(url: &Url) -> Vec<(String, String)> {
        let pairs = url.query_pairs().into_owned();
        pairs.filter(|(name, value)| !(name.starts_with("utm_") || name.is_empty() && value.is_empty())).collect()
    }

    proptest! {
        #[test]
        fn nothing_else_of_an_address_changes_and_each_parameter_is_there_once(
            path in "[a-zA-Z0-9/._~%-]{0,20}",
            query in "([a-zé&=+;_ %]|%[0-9a-f]{2}|utm_source=[a-z]{0,3}|utm_campaign){0,12}",
            fragment in "[a-z=&?/]{0,8}",
            values in proptest::array::uniform3("\\PC{0,10}"),
        ) {
            let address = format!("https://a.example/{path}?{query}#{fragment}");
            let before = Url::parse(&address).unwrap();
            let campaign = utm(&values[0], &values[1], &values[2]);
            let linked = with_utm(&address, &campaign);
            let after = Url::parse(&linked).unwrap();
            prop_assert_eq!((before.path(), before.fragment()), (after.path(), after.fragment()));
            for (name, value) in campaign.parameters() {
                let got: Vec<_> = after.query_pairs().filter(|(own, _)| own == name).collect();
                prop_assert_eq!(got.len(), 1);
                prop_assert_eq!(&got[0].1, value);
            }
            prop_assert_eq!(others(&before), others(&after));
            prop_assert_eq!(with_utm(&linked, &campaign), linked);
        }
    }
}
