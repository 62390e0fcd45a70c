//! Addresses: resolved against their base, kept only when http or https, and brought to one form for comparison.

use url::Url;

/// The longest address that is kept.
const LONGEST: usize = 4_000;

/// Parameters that say where a visitor came from and change nothing of the page.
const TRACKING: &[&str] = &[
    "fbclid",
    "gclid",
    "gclsrc",
    "dclid",
    "gbraid",
    "wbraid",
    "msclkid",
    "yclid",
    "twclid",
    "ttclid",
    "igshid",
    "igsh",
    "li_fat_id",
    "mc_cid",
    "mc_eid",
    "mkt_tok",
    "_hsenc",
    "_hsmi",
    "__hssc",
    "__hstc",
    "__hsfp",
    "vero_id",
    "oly_enc_id",
    "oly_anon_id",
    "wickedid",
    "cmpid",
    "ncid",
    "s_cid",
    "ref_src",
    "ref_url",
    "ito",
    "xtor",
    "ocid",
    "_ga",
    "_gl",
    "icid",
    "spm",
    "srsltid",
];
/// How the names of whole families of them begin.
const TRACKING_FAMILIES: &[&str] = &["utm_", "at_", "pk_", "piwik_", "mtm_", "matomo_", "hsa_", "ns_", "trk_"];

/// The address that `text` means where `base` is, if it is an http or https one. An absolute one is kept as it is
/// written, as far as it can safely be.
pub(super) fn resolve(text: &str, base: Option<&Url>) -> Option<String> {
    let text: String = text.trim().chars().filter(|c| !matches!(c, '\t' | '\n' | '\r')).take(LONGEST + 1).collect();
    if text.is_empty() || text.len() > LONGEST {
        return None;
    }
    let (url, absolute) = match Url::parse(&text) {
        Ok(url) => (url, true),
        Err(url::ParseError::RelativeUrlWithoutBase) => (base?.join(&text).ok()?, false),
        Err(_) => return None,
    };
    if !is_web(&url) {
        return None;
    }
    let written_out = text.as_bytes().windows(3).any(|window| window == b"://");
    let address = if absolute && written_out && is_safe(&text) && !hides_a_letter(&text) { text } else { url.into() };
    is_safe(&address).then_some(address)
}

/// Whether it can stand in HTML, in a mail and in a line of text as it is.
fn is_safe(address: &str) -> bool {
    address.chars().all(|c| !c.is_whitespace() && !c.is_control() && !"\"<>\\^`".contains(c))
}

/// Marks that show nothing or turn the direction: an address has them only to look like another.
fn hides_a_letter(text: &str) -> bool {
    text.chars()
        .any(|c| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'))
}

/// Whether it is an http or https address with a host.
pub(super) fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host()
}

/// One form for all the ways in which the same article is addressed, to compare by: https, the host in lower case
/// without `www.` or a default port, no fragment, no tracking parameters, no trailing slash. What is no web address
/// comes back trimmed.
pub fn canonical_url(url: &str) -> String {
    let Ok(mut parsed) = Url::parse(url.trim()) else {
        return url.trim().to_owned();
    };
    if !is_web(&parsed) {
        return url.trim().to_owned();
    }
    parsed.set_fragment(None);
    let port = parsed.port().filter(|port| !matches!(port, 80 | 443));
    let host = parsed.host_str().unwrap_or_default().trim_end_matches('.');
    let host = host.strip_prefix("www.").filter(|rest| rest.contains('.')).unwrap_or(host).to_owned();
    let path = parsed.path().trim_end_matches('/');
    let kept: Vec<&str> =
        parsed.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty() && !tracks(pair)).collect();
    let mut out = format!("https://{host}");
    if let Some(port) = port {
        out.push_str(&format!(":{port}"));
    }
    out.push_str(path);
    if !kept.is_empty() {
        out.push('?');
        out.push_str(&kept.join("&"));
    }
    out
}

/// The part of an address behind its `#`.
pub(super) fn fragment(url: &str) -> Option<&str> {
    url.split_once('#').map(|(_, fragment)| fragment).filter(|fragment| !fragment.is_empty())
}

/// One form for all the ways in which a title is written, to compare by.
pub(super) fn title_key(title: &str) -> String {
    title.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// What articles share that are copies of one story, whatever else their sources say of them: where it can be read, and its
/// title. None: it has no page of its own. A front page is nobody's: a bulletin that links there has one title each week.
pub fn story_key(url: Option<&str>, title: &str) -> Option<(String, String)> {
    let (page, fragment) = (canonical_url(url?), fragment(url?));
    let is_front = Url::parse(&page).is_ok_and(|page| page.path() == "/" && page.query().is_none());
    if is_front && fragment.is_none() {
        return None;
    }
    Some((format!("{page}#{}", fragment.unwrap_or_default()), title_key(title)))
}

fn tracks(pair: &str) -> bool {
    let name = pair.split('=').next().unwrap_or_default().to_ascii_lowercase();
    TRACKING.contains(&name.as_str()) || TRACKING_FAMILIES.iter().any(|family| name.starts_with(family))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn copies_of_a_story_share_address_and_title_but_nothing_is_a_copy_on_a_front_page() {
        let key = |url| story_key(Some(url), " The Bulletin ");
        assert!(key("https://example.org/a?utm_source=x").is_some());
        assert_eq!(
            key("https://example.org/a?utm_source=x"),
            story_key(Some("http://www.example.org/a/"), "the bulletin")
        );
        assert_ne!(key("https://example.org/a#one"), key("https://example.org/a#two"));
        assert!(key("https://example.org/#one").is_some() && key("https://example.org/?p=1").is_some());
        for front in ["https://example.org", "https://www.example.org/?utm_source=x", "http://example.org:8080/#"] {
            assert_eq!(key(front), None, "{front}");
        }
        assert_eq!(story_key(None, "The Bulletin"), None);
    }

    #[test]
    fn only_web_addresses_are_links() {
        let base = Url::parse("https://example.org/news/index.html").unwrap();
        let resolved = |text| resolve(text, Some(&base));
        assert_eq!(resolved("a?b=1&c=2").as_deref(), Some("https://example.org/news/a?b=1&c=2"));
        assert_eq!(resolved("//cdn.example/x.png").as_deref(), Some("https://cdn.example/x.png"));
        assert_eq!(resolved(" http://example.com ").as_deref(), Some("http://example.com"));
        assert_eq!(resolved("https://example.org/a b\"c").as_deref(), Some("https://example.org/a%20b%22c"));
        assert_eq!(resolved("https://example.org/a\r\nb").as_deref(), Some("https://example.org/ab"));
        for bad in
            ["javascript:alert(1)", "data:text/html,x", "mailto:a@example.org", "tag:example.org,2026:1", "", "http://"]
        {
            assert_eq!(resolved(bad), None, "{bad}");
        }
        assert_eq!(resolve("/relative", None), None);
    }

    #[test]
    fn one_article_has_one_canonical_address() {
        let same = [
            "https://example.org/a?id=7&x=1",
            "http://www.Example.org:80/a/?id=7&utm_source=x&x=1#top",
            "https://example.org/a/?fbclid=z&id=7&x=1&mc_eid=q&at_medium=RSS",
            "https://example.org:443/a?id=7&&x=1",
        ];
        for url in same {
            assert_eq!(canonical_url(url), "https://example.org/a?id=7&x=1", "{url}");
        }
        assert_eq!(canonical_url("https://example.org/"), "https://example.org");
        assert_eq!(canonical_url("https://example.org:8443/A?b#c"), "https://example.org:8443/A?b");
        assert_ne!(canonical_url("https://example.org/a?x=1&id=7"), same[0]);
        assert_eq!(canonical_url(" tag:example.org,2026:1 "), "tag:example.org,2026:1");
    }

    proptest! {
        #[test]
        fn a_canonical_address_is_canonical(url in "https?://(www\\.)?[a-z]{1,4}(\\.[a-z]{2}){0,2}(:[0-9]{2,3})?(/[a-z/%é ]{0,6})?(\\?[a-z=&_]{0,12})?(#[a-z]{0,3})?") {
            let once = canonical_url(&url);
            prop_assert_eq!(canonical_url(&once), once.clone());
        }

        #[test]
        fn what_resolves_is_a_web_address_without_spaces(text in "\\PC{0,30}|(https?:|//|/|\\.)[ -~]{0,20}") {
            let base = Url::parse("https://example.org/a/").unwrap();
            if let Some(url) = resolve(&text, Some(&base)) {
                prop_assert!(is_web(&Url::parse(&url).unwrap()));
                prop_assert!(!url.contains(char::is_whitespace) && !url.contains(['"', '<', '>']));
            }
        }
    }
}
