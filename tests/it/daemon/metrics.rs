//! The numbers for Prometheus: all there, none about a person, and not for everybody.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use postround::demo::catcher::{Answers, Options, Reply, Stage};
use reqwest::{Client, StatusCode};

use crate::support::daemon::Daemon;
use crate::support::household::{confirmed, text};
use crate::support::program::Program;
use crate::support::site::story;
use crate::support::{TestStore, on_both};
use crate::web::site::Site;

/// The samples of a text in Prometheus's format, each with the name of its family; fails at whatever is no such text.
fn read(text: &str) -> BTreeMap<String, f64> {
    let (mut families, mut samples, mut family) = (BTreeSet::new(), BTreeMap::new(), String::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(families.insert(name.to_owned()) && !help.is_empty(), "{line}");
            family = name.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(name, family);
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
        } else {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            assert_eq!(sample.split('{').next().unwrap(), family, "{line}");
            assert!(family.starts_with("postround_"), "{line}");
            assert!(samples.insert(sample.to_owned(), value.parse().unwrap()).is_none(), "twice: {line}");
        }
    }
    samples
}

/// The names of all families.
fn families(text: &str) -> BTreeSet<String> {
    text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).map(str::to_owned).collect()
}

/// The names that the manual has.
fn documented() -> BTreeSet<String> {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operating.md");
    let manual = std::fs::read_to_string(manual).unwrap();
    let words = manual.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| word.starts_with("postround_")).map(str::to_owned).collect()
}

on_both! {
    async fn the_metrics_tell_how_it_goes_and_nothing_about_anybody(store: TestStore) {
        let answers = Answers::script(|turn| match turn.stage {
            Stage::Content { recipients, .. } if recipients[0].starts_with("greta.grey") => {
                Some(Reply::new(451, format!("4.7.1 <{}>: greylisted, come back", recipients[0])))
            }
            Stage::Content { recipients, .. } if recipients[0].starts_with("nobody.knows") => {
                Some(Reply::new(550, format!("5.2.0 <{}> is not liked", recipients[0])))
            }
            _ => None,
        });
        let program = Program::with_relay(&store, Options { answers, ..Options::default() }).await;
        program.site.publish(story("hubs", "Family hubs win an extra year", "2026-11-18"));
        let people = ["anna.marsh@northfold.example", "greta.grey@tiny-village.example", "nobody.knows@northfold.example"];
        for email in people {
            program.subscribe(email, &["--name", "Wilhelmina Tell"]).await;
        }
        program.run(&["subscriber", "unsubscribe", "anna.marsh@northfold.example"]).await;
        program.subscribe("ben.marsh@northfold.example", &[]).await;
        let daemon = Daemon::start(&program).await;
        daemon.says("source=\"news\"").await;
        program.json(&["run", "weekly"]).await;
        program.caught(1).await;
        let began = std::time::Instant::now();
        let results = |result: &str| format!("postround_delivery_results_total{{digest=\"weekly\",result=\"{result}\"}}");
        while daemon.metric(&results("deferred")).await != Some(1.0) || daemon.metric(&results("failed")).await != Some(1.0) {
            assert!(began.elapsed() < Duration::from_secs(20), "{}", daemon.get("/metrics").await.1);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        // Counts are kept for a moment.
        tokio::time::sleep(Duration::from_millis(1200)).await;
        let (_, text) = daemon.get("/metrics").await;
        let samples = read(&text);
        let is = |sample: &str, value: f64| {
            let found = samples.get(sample).unwrap_or_else(|| panic!("no {sample} in\n{text}"));
            assert!((found - value).abs() < 1e-9, "{sample} is {found}\n{text}");
        };
        is(&results("sent"), 1.0);
        is("postround_deferrals_total{provider=\"other\",reason=\"greylisted\"}", 1.0);
        is("postround_deliveries{digest=\"weekly\",state=\"deferred\"}", 1.0);
        is("postround_deliveries{digest=\"weekly\",state=\"sent\"}", 1.0);
        is("postround_deliveries{digest=\"weekly\",state=\"failed\"}", 1.0);
        let shown = program.json(&["issue", "show", "1"]).await;
        let issue = |name: &str| format!("postround_issue_{name}{{digest=\"weekly\",issue=\"1\"}}");
        is(&issue("progress"), 2.0 / 3.0);
        assert!((shown["progress"].as_f64().unwrap() - 2.0 / 3.0).abs() < 1e-9, "{shown}");
        assert!(samples[&issue("rate")] > 0.0 && samples[&issue("rate")] <= 2.0, "{text}");
        assert!(samples[&issue("estimated_end_time_seconds")] > samples["postround_start_time_seconds"]);
        is("postround_issue_deferred{digest=\"weekly\",issue=\"1\",provider=\"other\",reason=\"greylisted\"}", 1.0);
        is("postround_issues{digest=\"weekly\",state=\"sending\"}", 1.0);
        is("postround_subscribers{state=\"confirmed\"}", 3.0);
        is("postround_subscribers{state=\"unsubscribed\"}", 1.0);
        is("postround_subscribers{state=\"complained\"}", 0.0);
        is("postround_subscriptions{digest=\"weekly\",state=\"left\"}", 1.0);
        is("postround_source_failures{source=\"news\"}", 0.0);
        is("postround_part_up{part=\"deliver\"}", 1.0);
        is("postround_part_restarts_total{part=\"deliver\"}", 0.0);
        is(&format!("postround_relay_up{{relay=\"{}\"}}", program.relay), 1.0);
        is(&format!("postround_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION")), 1.0);
        is("postround_store_up", 1.0);
        is("postround_delivery_rate", 1.0 / 60.0);
        assert!(samples.keys().any(|sample| sample.starts_with("postround_polls_total{source=\"news\"")));
        assert!(samples["postround_digest_next_time_seconds{digest=\"weekly\"}"] > 1.7e9);
        assert_eq!(families(&text), documented(), "docs/operating.md has all of them");
        for personal in ["@", "anna", "greta", "nobody", "marsh", "Wilhelmina", "northfold", "tiny-village", "come back"] {
            assert!(!text.contains(personal), "{personal} in\n{text}");
        }
    }

    async fn the_queue_has_an_age_and_other_mails_are_counted(store: TestStore) {
        let site = Site::open(&store).await;
        confirmed(&site.subscribers, "anna.marsh@northfold.example", &["weekly"]).await;
        site.join("email=new@northfold.example&digests=weekly").await;
        assert_eq!(text(&store, "select state || kind from deliveries").await, "queuedconfirmation");
        site.clock.advance(Duration::from_secs(90));
        let samples = read(&site.text("/metrics").await);
        assert!((samples["postround_queue_age_seconds{priority=\"0\",kind=\"notice\"}"] - 90.0).abs() < 1.0, "{samples:?}");
        assert!((samples["postround_deliveries{digest=\"weekly\",state=\"queued\"}"] - 1.0).abs() < 1e-9, "{samples:?}");
        store.store.close().await;
        tokio::time::sleep(Duration::from_millis(1100)).await;
        let samples = read(&site.text("/metrics").await);
        assert!(samples["postround_store_up"] < 0.5, "{samples:?}");
    }
}

#[tokio::test]
async fn the_metrics_are_for_this_machine_and_for_whom_the_operator_names() {
    let store = TestStore::sqlite().await;
    let ask = async |site: &Site, header: Option<(&str, &str)>| {
        let request = Client::builder().no_proxy().build().unwrap().get(format!("{}/metrics", site.root));
        let request = header.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        request.send().await.unwrap().status()
    };
    let site = Site::open(&store).await;
    assert_eq!(ask(&site, None).await, StatusCode::OK);
    for header in ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"] {
        let status = ask(&site, Some((header, "127.0.0.1"))).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "through a proxy that nobody trusts: {header}");
    }
    // An outer one is named, and the one on this machine is not.
    let site = Site::with(&store, |config| config.server.trusted_proxies = vec!["10.0.0.5/32".parse().unwrap()]).await;
    assert_eq!(ask(&site, None).await, StatusCode::OK);
    assert_eq!(ask(&site, Some(("X-Forwarded-For", "198.51.100.7, 10.0.0.5"))).await, StatusCode::FORBIDDEN);
    let site = Site::with(&store, |config| {
        config.server.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
        config.server.metrics_from = vec!["10.0.0.0/8".parse().unwrap()];
    })
    .await;
    // Of two that pass it on the outer one is not named: its own network says nothing of whoever asks.
    let through = ("198.51.100.7, 10.1.2.3", StatusCode::FORBIDDEN);
    for (client, status) in [("198.51.100.7", StatusCode::FORBIDDEN), ("10.1.2.3", StatusCode::OK), through] {
        assert_eq!(ask(&site, Some(("X-Forwarded-For", client))).await, status, "{client}");
    }
}
