//! Addresses: of pages and feeds, of this server as the outside sees it, of the database, and of the relay.

use std::net::IpAddr;
use std::path::Path;

use url::{Host, Url};

use super::nearest::suggestion;
use super::reader::shown;
use super::relays::{RelayUrl, Tls};
use super::secret::Secret;
use super::settings::StoreUrl;
use super::values::write_path;

/// An http or https address.
pub fn web(text: &str) -> Result<Url, String> {
    let text = text.trim();
    let said = shown(text);
    let url = Url::parse(text).map_err(|error| match error {
        url::ParseError::RelativeUrlWithoutBase => {
            format!("`{said}` is not a whole address; one begins with https://, as in `https://example.org/feed/`")
        }
        _ => format!("`{said}` is not an address ({error}); one looks like `https://example.org/feed/`"),
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("`{said}` begins with {}:; it must be http:// or https://", shown(url.scheme())));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(format!("`{said}` names no host; an address looks like `https://example.org/feed/`"));
    }
    Ok(url)
}

/// An address that readers can click: http, https or mailto.
pub fn link(text: &str) -> Result<Url, String> {
    match Url::parse(text.trim()) {
        Ok(url) if url.scheme() == "mailto" && url.path().contains('@') => Ok(url),
        _ => web(text),
    }
}

/// `server.public_url`: how the outside reaches the web pages; kept without a slash at the end.
pub fn public(text: &str) -> Result<Url, String> {
    let url = web(text)?;
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err("has more than host, port and path; it looks like `https://news.example.org/digest`".to_owned());
    }
    Ok(url)
}

/// Whether an address leads to the machine that it is read on.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.trim_end_matches('.').ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback() || ip.is_unspecified(),
        Some(Host::Ipv6(ip)) => ip.is_loopback() || ip.is_unspecified(),
        None => false,
    }
}

/// Whether a domain is one of those kept for examples (RFC 2606), as in the shipped configuration.
pub fn is_example(domain: &str) -> bool {
    let domain = domain.trim_end_matches('.').to_ascii_lowercase();
    let labels: Vec<&str> = domain.rsplit('.').take(2).collect();
    matches!(labels.as_slice(), ["example", ..] | ["org" | "com" | "net", "example"])
}

/// `store.url`. Its text can hold a password, so that no message repeats it.
pub fn store(text: &str, folder: &Path) -> Result<StoreUrl, String> {
    const LOOKS: &str = "it looks like `sqlite:data/postround.db` or `postgres://user:password@host/postround`";
    let text = text.trim();
    if let Some(path) = text.strip_prefix("sqlite:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        return match path {
            "" => Err(format!("names no file; {LOOKS}")),
            ":memory:" => Err(format!("keeps nothing when the program ends; {LOOKS}")),
            path if path.contains(['?', '#', '\0']) => Err(format!("takes a file name and nothing after it; {LOOKS}")),
            path => Ok(StoreUrl::Sqlite(folder.join(path))),
        };
    }
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        return match Url::parse(text) {
            Ok(_) => Ok(StoreUrl::Postgres(Secret::new(text))),
            Err(error) => {
                Err(format!("is not an address ({error}); signs in the password are written as %40 for @; {LOOKS}"))
            }
        };
    }
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
    match scheme {
        "" => Err(format!("does not say which database; {LOOKS}")),
        scheme => Err(format!("begins with `{}:`, which is no database we know; {LOOKS}", shown(scheme))),
    }
}

const RELAYS: [(&str, Tls, u16); 3] =
    [("smtp", Tls::None, 25), ("smtp+starttls", Tls::StartTls, 587), ("smtps", Tls::Wrapped, 465)];

/// `smtp.url`. An IPv6 host is kept without brackets. People write passwords into it, so that no message repeats it.
pub fn relay(text: &str, folder: &Path) -> Result<RelayUrl, String> {
    const LOOKS: &str =
        "it looks like `file:data/outbox`, `smtp://host:25`, `smtp+starttls://host:587` or `smtps://host:465`";
    let text = text.trim();
    let (scheme, rest) = text.split_once(':').ok_or_else(|| format!("is not the address of a relay; {LOOKS}"))?;
    if scheme == "file" {
        let path = rest.strip_prefix("//").unwrap_or(rest);
        if path.is_empty() || path.contains('\0') {
            return Err(format!("names no folder; {LOOKS}"));
        }
        return Ok(RelayUrl::File(folder.join(path)));
    }
    let Some((_, tls, port)) = RELAYS.into_iter().find(|(name, ..)| *name == scheme) else {
        let near = suggestion(scheme, RELAYS.map(|(name, ..)| name).into_iter().chain(["file"]), || LOOKS.to_owned());
        return Err(format!("begins with `{}:`, which is no kind of relay{near}", shown(scheme)));
    };
    let url = Url::parse(text).map_err(|error| format!("is not an address ({error}); {LOOKS}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "has an account in it; write that as smtp.username, and smtp.password or smtp.password_file".to_owned()
        );
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(format!("has something after the host and port; {LOOKS}"));
    }
    let host = url.host().and_then(|_| host(rest)).ok_or_else(|| format!("names no usable host; {LOOKS}"))?;
    let port = url.port().unwrap_or(port);
    if port == 0 {
        return Err(format!("has the port 0; {LOOKS}"));
    }
    Ok(RelayUrl::Smtp { host, port, tls })
}

/// The host of an SMTP address, in A-labels. `url` leaves the host of a scheme that it does not know as it is, so it
/// gets to see it under one that it knows.
fn host(rest: &str) -> Option<String> {
    match Url::parse(&format!("https:{rest}")).ok()?.host()? {
        Host::Ipv4(ip) => Some(ip.to_string()),
        Host::Ipv6(ip) => Some(ip.to_string()),
        Host::Domain(name) => {
            let name = name.trim_end_matches('.');
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
            (!name.is_empty() && name.bytes().all(fits) && !name.contains("..")).then(|| name.to_owned())
        }
    }
}

/// Writes the relay's address as a configuration has it.
pub fn write_relay(relay: &RelayUrl) -> String {
    match relay {
        RelayUrl::File(path) => format!("file:{}", write_path(path)),
        RelayUrl::Smtp { host, port, tls } => {
            let scheme = RELAYS.iter().find(|(_, kind, _)| kind == tls).map_or("smtp", |(name, ..)| name);
            match host.parse::<IpAddr>() {
                Ok(IpAddr::V6(ip)) => format!("{scheme}://[{ip}]:{port}"),
                _ => format!("{scheme}://{host}:{port}"),
            }
        }
    }
}

/// Writes the database's address with `***` for the password.
pub fn write_store(store: &StoreUrl) -> String {
    let text = match store {
        StoreUrl::Sqlite(path) => return format!("sqlite:{}", write_path(path)),
        StoreUrl::Postgres(secret) => secret.reveal(),
    };
    let Ok(mut url) = Url::parse(text) else { return "postgres://***".to_owned() };
    if url.password().is_some() && url.set_password(Some("***")).is_err() {
        return "postgres://***".to_owned();
    }
    let has_secret = url.query_pairs().any(|(name, _)| name.contains("password"));
    if has_secret {
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let mut query = url.query_pairs_mut();
        query.clear();
        for (name, value) in pairs {
            let hidden = name.contains("password");
            query.append_pair(&name, if hidden { "***" } else { &value });
        }
        drop(query);
    }
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<RelayUrl, String> {
        relay(text, Path::new("/etc/postround"))
    }

    #[test]
    fn a_relay_is_a_folder_or_a_server() {
        for (text, written) in [
            ("file:data/outbox", "file:/etc/postround/data/outbox"),
            ("file:/var/out", "file:/var/out"),
            ("smtp://mail.example.org", "smtp://mail.example.org:25"),
            ("smtp+starttls://mail.example.org", "smtp+starttls://mail.example.org:587"),
            ("smtps://mail.example.org:4650/", "smtps://mail.example.org:4650"),
            ("smtp://127.0.0.1:1025", "smtp://127.0.0.1:1025"),
            ("smtp://[::1]:1025", "smtp://[::1]:1025"),
            ("smtp://BÜCHER.example", "smtp://xn--bcher-kva.example:25"),
        ] {
            assert_eq!(write_relay(&read(text).unwrap()), written);
        }
        assert!(read("smtp://[::1]:1025").unwrap().is_local());
        assert!(!read("smtp://mail.example.org").unwrap().is_local());
    }

    #[test]
    fn what_is_no_relay_is_refused_without_repeating_a_password() {
        for bad in [
            "",
            "mail.example.org",
            "file:",
            "smtp://",
            "stmp://mail.example.org",
            "http://mail.example.org",
            "smtp://jo:hunter2@mail.example.org",
            "smtp://mail.example.org:99999",
            "smtp://mail.example.org:0",
            "smtp://mail.example.org/path",
            "smtp://ma il",
            "smtp://a%20b",
        ] {
            let error = read(bad).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
        assert!(read("stmp://x").unwrap_err().contains("did you mean `smtp`?"));
    }

    #[test]
    fn a_database_is_shown_without_its_password() {
        let read = |text: &str| store(text, Path::new("/srv"));
        assert_eq!(write_store(&read("sqlite:data/x.db").unwrap()), "sqlite:/srv/data/x.db");
        assert_eq!(write_store(&read("postgres://jo:pw@db/x").unwrap()), "postgres://jo:***@db/x");
        assert_eq!(
            write_store(&read("postgres:///x?host=/run&password=pw").unwrap()),
            "postgres:///x?host=%2Frun&password=***"
        );
        for bad in ["", "sqlite:", "sqlite::memory:", "sqlite:a?mode=ro", "mysql://jo:pw@db/x", "postgres://jo:p w@[x"]
        {
            let error = read(bad).unwrap_err();
            assert!(!error.contains("pw") && !error.contains("p w"), "{error}");
        }
    }

    #[test]
    fn example_domains_and_this_machine_are_known() {
        for example in ["example.org", "EXAMPLE.com", "mail.example.net", "news.example", "example"] {
            assert!(is_example(example), "{example}");
        }
        for real in ["notexample.org", "example.co.uk", "org", "postround.dev"] {
            assert!(!is_example(real), "{real}");
        }
        for here in
            ["http://localhost:8080", "https://a.localhost/", "http://127.1.2.3", "http://[::1]/", "http://0.0.0.0"]
        {
            assert!(is_loopback(&web(here).unwrap()), "{here}");
        }
        assert!(!is_loopback(&web("https://news.example.org").unwrap()));
    }

    proptest! {
        #[test]
        fn no_text_is_a_trouble(text in "(file|smtps?|sqlite|postgres|https?|mailto)?:?/{0,2}\\PC{0,20}") {
            let folder = Path::new("/f");
            let _ = (web(&text), link(&text), public(&text));
            if let Ok(relay) = relay(&text, folder) {
                prop_assert_eq!(super::relay(&write_relay(&relay), folder).unwrap(), relay);
            }
            if let Ok(store) = store(&text, folder) {
                write_store(&store);
            }
        }
    }
}
