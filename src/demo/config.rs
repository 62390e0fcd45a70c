//! The demo's `config.toml`, written around the addresses that its parts have got.

use std::net::SocketAddr;

/// Where the parts of the demo are.
#[derive(Clone, Debug)]
pub struct Places {
    /// The news site, as in `http://127.0.0.1:40001`, without a slash at the end.
    pub site_url: String,
    /// The mail catcher, as in `smtp://127.0.0.1:40002`.
    pub smtp_url: String,
    /// Where Postround's own pages listen.
    pub listen: SocketAddr,
    /// How Postround's own pages are reached, as in `http://127.0.0.1:40003`.
    pub public_url: String,
}

/// A whole configuration of two sources and one weekly digest. Its store lies beside the file.
pub fn config_toml(places: &Places) -> String {
    include_str!("../../templates/demo/config.toml")
        .replace("@SITE_URL@", &in_string(&places.site_url))
        .replace("@SMTP_URL@", &in_string(&places.smtp_url))
        .replace("@PUBLIC_URL@", &in_string(&places.public_url))
        .replace("@LISTEN@", &in_string(&places.listen.to_string()))
}

/// As it stands inside the quotes of a basic string of TOML.
fn in_string(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace(char::is_control, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_toml_whatever_the_addresses_are() {
        let places = Places {
            site_url: "http://127.0.0.1:1/\"\\\n".to_owned(),
            smtp_url: "smtp://127.0.0.1:2".to_owned(),
            listen: ([127, 0, 0, 1], 3).into(),
            public_url: "http://127.0.0.1:3".to_owned(),
        };
        let config: toml::Table = config_toml(&places).parse().unwrap();
        assert_eq!(config["server"]["listen"].as_str(), Some("127.0.0.1:3"));
        assert_eq!(config["smtp"]["url"].as_str(), Some("smtp://127.0.0.1:2"));
        assert_eq!(config["source"][1]["page"].as_str(), Some("http://127.0.0.1:1/\"\\/knowledge-resources/"));
        assert!(!config_toml(&places).contains('@') || config_toml(&places).matches('@').count() == 4);
    }
}
