//! Rules of the configuration as a whole.

use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::domain::Locale;

const MINIMAL: &str = r#"
[sender]
email = "digest@example.org"

[[source]]
id = "news"
feed = "https://example.org/feed/"

[[digest]]
id = "weekly"
sources = ["news"]
schedule = "0 8 * * MON"
"#;

fn parse(text: &str) -> Result<Config, ConfigError> {
    parse_with(text, &[])
}

fn parse_with(text: &str, env: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::parse(text, Path::new("/etc/postround/config.toml"), env)
}

#[track_caller]
fn messages(text: &str, env: &[(&str, &str)]) -> String {
    parse_with(text, env).unwrap_err().to_string()
}

#[test]
fn the_least_configuration_has_every_default() {
    let config = parse(MINIMAL).unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.server.public_url, "http://localhost:8080");
    assert_eq!(config.store.keys, Path::new("/etc/postround/data/postround.keys"));
    assert_eq!(config.smtp.relays[0].url, RelayUrl::File("/etc/postround/data/outbox".into()));
    assert_eq!((config.smtp.relays[0].connections, config.smtp.relays[0].messages_per_connection), (10, 1000));
    assert_eq!(config.delivery.retry_for, Duration::from_secs(48 * 3600));
    let source = &config.sources[0];
    assert_eq!(source.poll, Duration::from_secs(3600));
    assert_eq!(source.topics.0.len(), 1, "an article of any source has a topic");
    assert_eq!(source.topics.0[0].topic, "news");
    let digest = config.digest("weekly").unwrap();
    assert_eq!(digest.catch_up, Duration::from_secs(42 * 3600), "a quarter of a week");
    assert_eq!(digest.subject, subject::DEFAULT);
    assert_eq!((digest.min_articles, digest.max_articles), (1, 20));
    assert_eq!(digest.timezone(), chrono_tz::Tz::UTC);
    assert_eq!((digest.template.as_str(), digest.locale.as_str()), ("digest", "en-GB"));
    assert_eq!(digest.sender.name, "example.org");
}

#[test]
fn a_variable_beats_the_file_and_makes_missing_tables() {
    let env = [
        ("POSTROUND_SENDER__EMAIL", "other@example.org"),
        ("POSTROUND_SMTP__CONNECTIONS", "3"),
        ("POSTROUND_COLLECT__ALLOW_PRIVATE_NETWORKS", "true"),
        ("POSTROUND_SENDER__SOCIAL__X", "https://x.example/postround"),
        ("POSTROUND_PORT", "tcp://10.0.0.1:80"),
        ("HOME", "/root"),
    ];
    let config = parse_with(MINIMAL, &env).unwrap();
    assert_eq!(config.sender.email.as_str(), "other@example.org");
    assert_eq!(config.smtp.relays[0].connections, 3);
    assert!(config.collect.allow_private_networks);
    assert_eq!(config.sender.social[0].0, "x");
    assert_eq!(config.ignored_variables(), ["POSTROUND_PORT"]);
}

#[test]
fn a_password_comes_from_a_file_or_a_variable() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), "hunter2\n").unwrap();
    let text = format!("{MINIMAL}\n[smtp]\nusername = \"jo\"\npassword_file = \"secret\"\n");
    let file = folder.path().join("config.toml");
    let config = Config::parse(&text, &file, std::iter::empty()).unwrap();
    assert_eq!(config.smtp.relays[0].password.reveal(), "hunter2");
    assert!(!format!("{config:?}").contains("hunter2"));
    let env = std::iter::once(("POSTROUND_SMTP__PASSWORD".to_owned(), "better".to_owned()));
    let config = Config::parse(&text, &file, env).unwrap();
    assert_eq!(config.smtp.relays[0].password.reveal(), "better");
    assert!(!config.show().contains("better") && !config.show_json().to_string().contains("better"));
}

#[test]
fn all_mistakes_are_reported_at_once_in_the_order_of_the_file() {
    let text =
        MINIMAL.replace("0 8 * * MON", "0 8 * *").replace("digest@", "digest").replace("[\"news\"]", "[\"nwes\"]");
    let lines: Vec<String> =
        messages(&text, &[("POSTROUND_SMTP__CONNECTIONS", "many")]).lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 4, "{lines:#?}");
    assert!(lines[0].starts_with("/etc/postround/config.toml:3: sender.email: "));
    assert!(lines[1].starts_with("/etc/postround/config.toml:11: digest.weekly.sources: "));
    assert!(lines[2].starts_with("/etc/postround/config.toml:12: digest.weekly.schedule: "));
    assert!(lines[3].starts_with("POSTROUND_SMTP__CONNECTIONS: smtp.connections: "));
}

#[test]
fn no_message_repeats_a_secret() {
    let smtp = "[smtp]\nurl = \"smtp://jo:hunter2@mail.example.org\"\n";
    let store = "[store]\nurl = \"postgres://jo:hunter2@[bad\"\n";
    let answer = messages(&format!("{MINIMAL}\n{smtp}{store}"), &[]);
    assert_eq!(answer.lines().count(), 2, "{answer}");
    assert!(!answer.contains("hunter2"), "{answer}");
}

#[test]
fn days_are_read_with_and_without_quotes() {
    for day in ["2026-11-01", "\"2026-11-01\""] {
        let config =
            parse(&format!("{MINIMAL}banner = {{ text = \"x\", from = {day} }}\n[collect]\nbacklog = {day}\n"));
        let config = config.unwrap();
        assert_eq!(config.collect.backlog, Backlog::Since("2026-11-01".parse().unwrap()));
        assert_eq!(config.digests[0].banner.as_ref().unwrap().from, "2026-11-01".parse().ok());
    }
}

#[test]
fn a_real_relay_asks_for_real_addresses() {
    let with = |public_url: &str| {
        format!("{MINIMAL}\n[smtp]\nurl = \"smtps://mail.example.org\"\n[server]\npublic_url = \"{public_url}\"\n")
    };
    for (public_url, reason) in [
        ("http://localhost:8080", "this machine alone"),
        ("https://[::1]/", "this machine alone"),
        ("https://news.example.com", "the example's"),
        ("http://news.postround.dev", "not https"),
    ] {
        let answer = messages(&with(public_url), &[]);
        assert!(answer.contains(reason), "{public_url}: {answer}");
        assert!(answer.contains("sender.email") && answer.contains("sender.postal_address"), "{answer}");
    }
    let local = with("http://localhost:8080").replace("mail.example.org", "127.0.0.1:1025");
    assert!(parse(&local).is_ok());
}

#[test]
fn a_proxy_on_this_machine_that_is_not_named_is_told_with_the_remedy() {
    let unnamed = |server: &str| parse(&format!("{MINIMAL}\n[server]\n{server}")).unwrap().server.unnamed_proxy();
    let behind = "public_url = \"https://news.northfold.org\"\n";
    for (listen, remedy) in [("", "trusted_proxies = [\"127.0.0.1\"]"), ("listen = \"[::1]:80\"", "= [\"::1\"]")] {
        let told = unnamed(&format!("{behind}{listen}")).unwrap();
        assert!(told.contains("subscribe.per_network") && told.contains(remedy), "{told}");
    }
    for fine in ["trusted_proxies = [\"127.0.0.0/8\"]", "listen = \"0.0.0.0:8080\""] {
        assert_eq!(unnamed(&format!("{behind}{fine}")), None, "{fine}");
    }
    assert_eq!(unnamed("public_url = \"http://localhost:8080\""), None, "somebody tries it out");
}

#[test]
fn what_is_shown_reads_back_as_the_same() {
    let text = include_str!("../../tests/config/full.toml");
    let config = parse(text).unwrap();
    let shown = config.show();
    let again = parse(&shown).unwrap_or_else(|error| panic!("{error}\n{shown}"));
    assert_eq!(again.show(), shown);
    let mut ours = format!("{config:?}");
    let mut theirs = format!("{again:?}");
    for text in [&mut ours, &mut theirs] {
        assert!(text.contains("***"));
        text.retain(|c| c != '\n');
    }
    assert_eq!(ours, theirs);
    assert_eq!(config.show_json()["digest"][0]["id"], "weekly");
}

#[test]
fn a_file_that_is_missing_or_no_text_is_answered_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    assert!(Config::find(Some(&path)).unwrap_err().to_string().contains("--config"));
    assert!(Config::load(&path, std::iter::empty()).unwrap_err().to_string().contains("cannot read"));
    std::fs::write(&path, b"a = 1\nb = \"\xff\"\n").unwrap();
    assert_eq!(Config::find(Some(&path)).unwrap(), path);
    let answer = Config::load(&path, std::iter::empty()).unwrap_err().to_string();
    assert!(answer.contains("config.toml:2: this is not UTF-8"), "{answer}");
}

/// Text that is nearly a configuration.
fn toml_like() -> impl Strategy<Value = String> {
    let name = prop::sample::select(
        [
            keys::ROOT,
            keys::SMTP,
            keys::SOURCE,
            keys::SELECT,
            keys::DIGEST,
            keys::BANNER,
            keys::SENDER,
            &["x.y", "\"\"", ""],
        ]
        .concat(),
    );
    let value = prop_oneof![
        Just("\"weekly\"".to_owned()),
        Just("[\"news\", 1, {}]".to_owned()),
        Just("{ item = \"a\", text = 1, topic = [] }".to_owned()),
        Just("-99999999999999999999".to_owned()),
        Just("2026-11-02T10:00:00Z".to_owned()),
        Just("1.5e3".to_owned()),
        Just("true".to_owned()),
        "\\PC{0,12}",
        "\"[a-z:/@.%*{} -]{0,20}\"",
    ];
    let line = prop_oneof![
        1 => name.clone().prop_map(|name| format!("[{name}]")),
        1 => name.clone().prop_map(|name| format!("[[{name}]]")),
        4 => (name, value).prop_map(|(name, value)| format!("{name} = {value}")),
        1 => "\\PC{0,12}",
    ];
    prop::collection::vec(line, 0..14).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn any_text_is_read_or_answered_with_lines(text in toml_like(), variable in "[A-Z_]{0,12}", value in "\\PC{0,8}") {
        for text in [text.clone(), format!("{MINIMAL}{text}")] {
            match parse_with(&text, &[(&format!("POSTROUND_{variable}"), &value)]) {
                Ok(config) => { config.show(); }
                Err(ConfigError::Wrong(problems)) => {
                    prop_assert!(!problems.is_empty());
                    for problem in problems {
                        prop_assert!(!problem.to_string().contains('\n'), "{problem}");
                        if let Place::Line(line) = problem.place {
                            prop_assert!((1..=text.lines().count() + 1).contains(&line), "{problem}");
                        }
                    }
                }
                Err(other) => prop_assert!(false, "{other}"),
            }
        }
    }
}

/// The shipped file with every setting in it that is commented out: `#name`, where prose is `# Words`.
fn shipped_in_full() -> String {
    let code = |line: &str| {
        let rest = line.strip_prefix('#').unwrap_or_default();
        rest.starts_with(|c: char| c.is_ascii_lowercase() || "[]".contains(c)) || rest.starts_with("  {")
    };
    let text = include_str!("../../config.toml").replace(&shipped_relays(), "");
    text.lines().map(|line| if code(line) { &line[1..] } else { line }).collect::<Vec<_>>().join("\n")
}

/// The lines of the shipped file that show several relays, which are instead of one.
fn shipped_relays() -> String {
    let lines = include_str!("../../config.toml").split_inclusive('\n');
    lines.skip_while(|line| *line != "#[[relay]]\n").take_while(|line| line.starts_with('#')).collect()
}

#[test]
fn several_relays_have_what_smtp_says_for_all() {
    let shipped: String = shipped_relays().lines().map(|line| format!("{}\n", &line[1..])).collect();
    let text = format!(
        "{}\n[server]\npublic_url = \"https://news.postround.dev\"\n[smtp]\nconnections = 3\nrate = \"9/s\"\n\
         warm_up = {{ from = 2026-11-02, first_day = 200 }}\n{shipped}connections = 5\nrate = \"100/h\"\nauth = \"login\"\n\
         username = \"jo\"\npassword = \"x\"\npipelining = false\ntimeout = \"1m\"\nmessages_per_connection = 7\n\
         warm_up = {{ from = 2026-11-03, first_day = 20, doubles = \"1d\" }}\n",
        MINIMAL.replace("digest@example.org\"", "digest@postround.dev\"\npostal_address = \"1 High Street\"")
    );
    let config = parse(&text).unwrap_or_else(|error| panic!("{error}"));
    let Smtp { relays, rates, warm_up, .. } = &config.smtp;
    let ids: Vec<&str> = relays.iter().map(|relay| relay.id.as_str()).collect();
    assert_eq!(ids, ["main", "spare"]);
    assert_eq!((relays[0].weight, relays[0].connections, relays[0].pipelining), (3, 3, true));
    assert_eq!((relays[1].weight, relays[1].connections, relays[1].pipelining), (1, 5, false));
    assert_eq!((relays[1].auth, relays[1].timeout.as_secs(), relays[1].messages_per_connection), (Auth::Login, 60, 7));
    assert_eq!(rates.iter().chain(&relays[1].rates).map(ToString::to_string).collect::<Vec<_>>(), ["9/s", "100/h"]);
    assert_eq!((warm_up.unwrap().first_day, relays[1].warm_up.unwrap().first_day), (200, 20));
    let again = parse(&config.show().replace("***", "x")).unwrap();
    assert_eq!(format!("{:?}", again.smtp.relays[1].rates), format!("{:?}", relays[1].rates));
    assert_eq!(again.smtp.relays.len(), 2);
}

/// The keys of every table of that dotted name, wherever it stands.
fn keys_of(value: &toml::Value, path: &[&str]) -> Vec<String> {
    match (value, path) {
        (toml::Value::Array(items), _) => items.iter().flat_map(|item| keys_of(item, path)).collect(),
        (toml::Value::Table(table), []) => table.keys().cloned().collect(),
        (toml::Value::Table(table), [name, rest @ ..]) => {
            table.get(*name).map(|inner| keys_of(inner, rest)).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

#[test]
fn the_shipped_file_and_the_full_one_name_every_key() {
    let tables: &[(&[&str], &[&str])] = &[
        (&[], keys::ROOT),
        (&["source"], keys::SOURCE),
        (&["source", "select"], keys::SELECT),
        (&["source", "topics"], keys::RULE),
        (&["topic"], keys::TOPIC),
        (&["digest"], keys::DIGEST),
        (&["digest", "banner"], keys::BANNER),
        (&["digest", "sender"], keys::OWN_SENDER),
    ];
    // Those are files, which a text cannot have.
    let mut of_files = vec![
        "password_file",
        "tls_ca_file",
        "templates",
        "dir",
        "logo",
        "captcha_secret_file",
        "holidays",
        "relay",
        "dkim",
    ];
    of_files.extend(keys::DKIM);
    let full = include_str!("../../tests/config/full.toml").to_owned();
    for (text, left_out) in [(shipped_in_full(), &["relay"][..]), (full, &of_files[..])] {
        let value = toml::Value::Table(text.parse().unwrap());
        let once = keys::ONCE.iter().map(|(table, names)| (vec![*table], *names));
        for (path, names) in tables.iter().map(|(path, names)| (path.to_vec(), *names)).chain(once) {
            let found = keys_of(&value, &path);
            for name in names.iter().filter(|name| !left_out.contains(name)) {
                assert!(found.iter().any(|key| key == name), "{}.{name} is missing in\n{text}", path.join("."));
            }
        }
    }
}

#[test]
fn each_example_of_the_shipped_file_is_right() {
    let answer = parse(&shipped_in_full()).unwrap_err().to_string();
    // All that may be wrong are files that are not there, and the two ways to give a secret.
    let others: Vec<&str> = answer
        .lines()
        .filter(|line| {
            !line.contains("there is no file")
                && !line.contains("there is no folder")
                && !line.contains("keep one of the two")
        })
        .collect();
    assert!(others.is_empty(), "{others:#?}");
}

#[test]
fn signing_is_shown_as_it_is_read() {
    let keys = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/keys");
    let text = format!(
        "{MINIMAL}[dkim]\ndomain = \"Example.ORG\"\nkey_file = \"{keys}/rsa.pem\"\ned25519_selector = \"ed\"\n\
         ed25519_key_file = \"{keys}/ed25519.pem\"\n",
        keys = keys.display()
    );
    let config = parse(&text).unwrap_or_else(|error| panic!("{error}"));
    let names = config.dkim.as_ref().unwrap().names.clone();
    assert_eq!((names.domain.as_str(), names.selector.as_str()), ("example.org", "postround"));
    assert_eq!(names.ed25519, Some(("ed".to_owned(), keys.join("ed25519.pem"))));
    assert_eq!(parse(&config.show()).unwrap().dkim.unwrap().names, names);
    assert!(parse(MINIMAL).unwrap().dkim.is_none());
}

#[test]
fn a_byte_order_mark_and_line_ends_of_windows_change_nothing() {
    let text = format!("\u{feff}{}", MINIMAL.replace('\n', "\r\n"));
    assert!(parse(&text).is_ok());
    assert!(messages(&text.replace("MON", "MUN"), &[]).contains("config.toml:12: digest.weekly.schedule"));
}

#[test]
fn a_topic_needs_no_table_of_its_own_and_is_called_by_its_id() {
    let rules = "topics = [{ category = \"feature\", topic = \"features\" }, { topic = \"news\" }]";
    let text = MINIMAL.replacen("feed =", &format!("{rules}\nfeed ="), 1)
        + "\n[[topic]]\nid = \"news\"\ntitle = \"The news\"\n";
    let config = parse(&text).unwrap();
    let title = |id: &str| config.topic_title(id, &Locale::default(), &Locale::default());
    assert_eq!((title("news"), title("features")), ("The news".into(), "Features".into()));
}
