//! Whatever is typed, tampered with or sent: a sentence comes back and no 5xx, and nothing is stored that was not meant.

use postround::domain::PublicId;
use postround::subscribers::{Chosen, Origin, Topics};
use proptest::prelude::*;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use super::joining::known;
use super::site::{FORM, Site};
use crate::support::household::{Asked, address, confirmed, everything, somebody, text};
use crate::support::{TestStore, on_both};

const ANN: &str = "ann.marsh@northfold.example";

/// Every field that a form of ours has, or that a page reads.
const FIELDS: [&str; 25] = [
    "email",
    "name",
    "topics",
    "digests",
    "locale",
    "page_locale",
    "only",
    "site",
    "offered",
    "stamp",
    "homepage",
    "kept",
    "page",
    "wording",
    "pause",
    "until",
    "do",
    "digest",
    "sure",
    "leave",
    "reason",
    "note",
    "again",
    "List-Unsubscribe",
    "challenge-response",
];

/// What no field is meant to hold: NUL, line breaks, marks of HTML, templates, SQL and formats, letters that turn around,
/// halves of pairs, very long texts.
fn junk() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-z0-9 ]{0,12}",
        "\\PC{0,12}",
        ".{0,12}",
        Just("\u{0}\r\nBcc: x@saltby.example\r\n\r\n".to_owned()),
        Just("'; drop table subscribers; --".to_owned()),
        Just("<script>alert(1)</script>\"'>".to_owned()),
        Just("{{ 7 * 7 }}{% include \"x\" %}{name}{0}%s%n".to_owned()),
        Just("\u{202e}\u{feff}\u{fffd}ﷺ👩\u{200d}👧".to_owned()),
        Just("../../etc/passwd%00%ff".to_owned()),
        Just("9".repeat(400)),
        Just("-1e999999".to_owned()),
        Just("é".repeat(3000)),
    ];
    proptest::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// The next of what a strategy gives.
fn next<T: std::fmt::Debug>(runner: &mut TestRunner, strategy: &impl Strategy<Value = T>) -> T {
    strategy.new_tree(runner).unwrap().current()
}

async fn act(site: &Site, path: &str, body: String) -> (u16, String) {
    let response = site.post(path, FORM, body).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

/// Links of every kind to Ann, by their routes, and one that she could confirm.
async fn links(store: &TestStore, site: &Site) -> Vec<(&'static str, String)> {
    let id = text(store, &format!("select public_id from subscribers where email = '{ANN}'")).await;
    let (id, now) = (PublicId::parse(&id).unwrap(), site.subscribers.now());
    let hash = text(store, &format!("select address_hash from subscribers where email = '{ANN}'")).await;
    let tokens = site.subscribers.tokens();
    let choice = [Chosen { digest: "jobs".to_owned(), topics: Topics::All }];
    let change = tokens.change_url(&id, &hash, "weekly", &address("ann@saltby.example"), now);
    vec![
        ("unsubscribe", tokens.unsubscribe(&id, "weekly").as_str().to_owned()),
        ("preferences", tokens.preferences(&id, "weekly").as_str().to_owned()),
        ("preferences", tokens.manage(&id, &hash, "weekly", now).as_str().to_owned()),
        ("goodbye", tokens.undo(&id, &hash, "weekly", now).as_str().to_owned()),
        ("address", change.rsplit('/').next().unwrap().to_owned()),
        ("confirm", tokens.confirm(&id, &address(ANN), &choice, now).as_str().to_owned()),
    ]
}

on_both! {
    async fn junk_in_any_field_of_a_sign_up_is_answered_in_a_sentence_and_breaks_nothing(store: TestStore) {
        let site = Site::open(&store).await;
        let mut runner = TestRunner::deterministic();
        let before = everything(&store).await;
        for round in 0..40 {
            // An address that is none, and junk in every field in its turn, beside other fields that are good.
            let (field, text) = (FIELDS[round % FIELDS.len()], next(&mut runner, &junk()));
            let email = encoded(&format!("{text}@"));
            let other = encoded(&next(&mut runner, &junk()));
            let body = format!("email={email}&{field}={}&{}={other}", encoded(&text), FIELDS[(round * 7 + 3) % FIELDS.len()]);
            let stamp = site.stamp().await;
            site.clock.advance(std::time::Duration::from_secs(2));
            let (status, page) = act(&site, "/subscribe", format!("stamp={stamp}&{body}")).await;
            assert!((400..500).contains(&status), "{status} for {body}");
            assert!(page.contains("<h1>") && !page.contains("<script>alert"), "{body}: {page}");
            let shown = site.get(&format!("/?digest={other}&{field}={email}")).await;
            assert!(shown.status().as_u16() < 500, "{} for {field}={email}", shown.status());
            let answer = site.send(&json!({ "email": format!("{text}@"), field: text }).to_string()).await;
            let status = answer.status().as_u16();
            let told: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
            assert!((400..500).contains(&status) && told["error"]["message"].as_str().unwrap().ends_with('.'), "{told}");
        }
        assert_eq!((everything(&store).await, known(&store).await), (before, String::new()));
    }

    async fn a_good_address_beside_junk_is_taken_without_it_or_not_at_all(store: TestStore) {
        let site = Site::open(&store).await;
        let mut runner = TestRunner::deterministic();
        let names = ["digests", "topics", "locale", "only", "name"];
        for round in 0..30 {
            let (field, text) = (names[round % names.len()], format!("!{}", next(&mut runner, &junk())));
            let email = format!("reader{round}@d{round}.example");
            let answer = site.send(&json!({ "email": email, field: text }).to_string()).await;
            let taken = answer.status().as_u16() == 202;
            assert!(taken || answer.status().as_u16() == 422, "{} for {field}: {text:?}", answer.status());
            // A name may be nearly anything; ids may not.
            assert!(field == "name" || !taken, "{field}: {text:?}");
            assert_eq!(known(&store).await.contains(&email), taken, "{field}: {text:?}");
        }
        let names = text(&store, "select name from join_requests").await;
        assert!(!names.contains(['\u{0}', '\r', '\u{7}']), "{names:?}");
    }

    async fn json_of_any_shape_is_taken_as_a_sign_up_or_refused_in_a_sentence(store: TestStore) {
        let site = Site::open(&store).await;
        let mut runner = TestRunner::deterministic();
        let leaf = prop_oneof![
            Just(Value::Null), any::<bool>().prop_map(Value::from), any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from), junk().prop_map(Value::from),
        ];
        let shape = leaf.prop_recursive(3, 12, 3, |inner| {
            let field = proptest::sample::select(FIELDS.to_vec());
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                proptest::collection::vec((field, inner), 0..4).prop_map(|fields| Value::Object(
                    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
                )),
            ]
        });
        for _ in 0..60 {
            let mut value = next(&mut runner, &shape);
            if let Some(object) = value.as_object_mut() {
                object.remove("email");
            }
            let mut body = value.to_string().into_bytes();
            // And bodies that are no JSON at all.
            if next(&mut runner, &(0..4_u8)) == 0 {
                body.truncate(body.len() / 2);
                body.push(0xff);
            }
            let answer = site.post("/subscribe", "application/json", body).send().await.unwrap();
            let status = answer.status().as_u16();
            let told: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
            assert!((400..500).contains(&status) && told["error"]["message"].as_str().unwrap().ends_with('.'), "{value}: {told}");
        }
        assert_eq!(known(&store).await, "");
    }

    async fn a_token_with_any_letter_changed_cut_or_moved_to_another_route_does_nothing(store: TestStore) {
        let site = Site::open(&store).await;
        confirmed(&site.subscribers, ANN, &["weekly"]).await;
        let links = links(&store, &site).await;
        let before = everything(&store).await;
        for (route, token) in &links {
            let mut tampered: Vec<String> = (0..token.len())
                .step_by(3)
                .map(|at| {
                    let letter = if token.as_bytes()[at] == b'a' { "b" } else { "a" };
                    format!("{}{letter}{}", &token[..at], &token[at + 1..])
                })
                .collect();
            tampered.push(token[..token.len() - 1].to_owned());
            tampered.push(format!("{token}a"));
            tampered.push(token.to_uppercase());
            // The last letters hold bits that are in no octet: none of them may stand for the same token.
            tampered.extend("abcdefgh2".chars().map(|last| format!("{}{last}", &token[..token.len() - 1])).filter(|other| other != token));
            for other in ["unsubscribe", "preferences", "goodbye", "address", "confirm"] {
                if other != *route {
                    tampered.push(format!("../{other}/{token}"));
                }
            }
            for token in tampered {
                let path = match token.strip_prefix("../") {
                    Some(elsewhere) => format!("/{elsewhere}"),
                    None => format!("/{route}/{token}"),
                };
                let body = "do=erase&sure=yes&leave=all&again=yes&reason=other&List-Unsubscribe=No".to_owned();
                for (status, page) in [act(&site, &path, body).await, {
                    let page = site.get(&path).await;
                    (page.status().as_u16(), page.text().await.unwrap())
                }] {
                    assert_eq!(status, 404, "{path}");
                    assert!(page.contains("<h1>"), "{page}");
                }
                if path.starts_with("/unsubscribe/") {
                    assert_eq!(act(&site, &path, "List-Unsubscribe=One-Click".to_owned()).await.0, 200, "{path}");
                }
            }
        }
        assert_eq!(everything(&store).await, before);
    }

    async fn junk_behind_good_links_is_answered_in_a_sentence_and_headers_break_nothing(store: TestStore) {
        let site = Site::open(&store).await;
        confirmed(&site.subscribers, ANN, &["weekly", "jobs"]).await;
        let asked = Asked::default();
        site.subscribers.add(&somebody("ben@northfold.example", &["weekly"]), Origin::PAGE, &asked).await.unwrap();
        let mut runner = TestRunner::deterministic();
        let links = links(&store, &site).await;
        let boundaries = ["multipart/form-data; boundary=b", "multipart/form-data", "text/plain", FORM, "\u{7f}"];
        for round in 0..40 {
            let text = next(&mut runner, &junk());
            let (field, value) = (FIELDS[round % FIELDS.len()], encoded(&text));
            for (route, token) in &links {
                let path = format!("/{route}/{token}");
                let kind = boundaries[next(&mut runner, &(0..boundaries.len()))];
                let kind = if kind == "\u{7f}" { "x/é" } else { kind };
                let part = format!("--b\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n{text}\r\n--b--\r\n");
                let body = if kind.starts_with("multi") { part } else { format!("{field}={value}&note={value}&reason=other") };
                let agent: String = text.chars().filter(|letter| !letter.is_control()).collect();
                let request = site.post(&path, kind, body).header("user-agent", agent.as_bytes());
                let request = request.header("x-forwarded-for", agent.as_bytes()).header("accept-language", agent.as_bytes());
                let answer = site.follow(request.send().await.unwrap()).await;
                assert!(answer.status().as_u16() < 500, "{} {path} {field}={text:?}", answer.status());
                let page = answer.text().await.unwrap();
                assert!(page.contains("<h1>") || page.ends_with(".\n"), "{page}");
                assert!(!page.contains("<script>alert"), "{page}");
            }
        }
        let stored = "select coalesce(agent, '') || evidence || coalesce(network, '') from consent_events where evidence is not null";
        assert!(!text(&store, stored).await.contains('\u{0}'));
    }
}
