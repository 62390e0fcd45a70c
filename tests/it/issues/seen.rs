//! What an operator sees of an issue: beforehand, while it goes, and for one person.

use std::sync::Arc;

use postround::compose::Occasion;
use postround::demo::catcher::{Command, Reply, Stage};
use postround::domain::SystemClock;

use super::{BECAUSE, Desk};
use crate::support::on_both;
use crate::support::site::{Story, story};

/// Adds a line to the table of the relay.
pub fn set(desk: &Desk, line: &str) {
    let file = desk.program.folder.path().join("config.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    desk.program.configure(&config.replace("connections = 2", &format!("connections = 2\n{line}")));
}

pub fn said(output: &std::process::Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

on_both! {
    async fn an_issue_that_had_to_be_made_smaller_says_so(store: TestStore) {
        let desk = Desk::new(&store).await;
        let config = std::fs::read_to_string(desk.program.folder.path().join("config.toml")).unwrap();
        desk.program.configure(&format!("{config}max_articles = 90\n"));
        desk.subscribe(1).await;
        for number in 0..80 {
            let title = format!("Story {number} {}", "of a long and winding kind ".repeat(9));
            let excerpt = "What is said about it takes some room. ".repeat(8);
            desk.program.site.publish(Story { excerpt, ..story(&format!("s{number}"), &title, "2026-11-20") });
        }
        let issue = desk.program.json(&["run", "weekly"]).await;
        let said = issue["shortened"].as_str().unwrap_or_else(|| panic!("{issue}"));
        assert!(said.contains("excerpts were cut to") && said.contains("max_articles"), "{said}");
        let shown = desk.program.run(&["issue", "show", &issue["id"].to_string()]).await;
        let shown = String::from_utf8(shown.stdout).unwrap();
        assert!(shown.contains(&format!("made smaller: {said}")), "{shown}");
    }

    async fn a_later_mail_that_loses_more_is_what_issue_show_and_one_more_warning_say(store: TestStore) {
        let mut desk = Desk::new(&store).await;
        let config = std::fs::read_to_string(desk.program.folder.path().join("config.toml")).unwrap();
        desk.program.configure(&format!("{config}max_articles = 90\n"));
        desk.app = desk.program.app(Arc::new(SystemClock)).await;
        for number in 0..140 {
            let title = format!("Story {number} {}", "of a long and winding kind ".repeat(9));
            let excerpt = "What is said about it takes some room. ".repeat(8);
            let story = Story { excerpt, ..story(&format!("s{number}"), &title, "2026-11-20") };
            if number % 2 == 0 { desk.program.site.publish(story) } else { desk.program.site.list(story) }
        }
        let issue = async || desk.program.json(&["issue", "list"]).await[0].clone();
        let (_, mut teller, mut watch) = desk.app.alerts().unwrap();
        let mut warned = async || {
            watch.look().await.unwrap();
            watch.look().await.unwrap();
            std::iter::from_fn(|| teller.raised.try_recv().ok()).map(|alert| alert.text).collect::<Vec<_>>()
        };
        desk.program.subscribe("ida@northfold.example", &["--topics", "interviews"]).await;
        let digest = desk.app.config.digest("weekly").unwrap().clone();
        desk.app.composer().compose(&digest, Occasion::Extra).await.unwrap();
        let first = issue().await["shortened"].as_str().unwrap().to_owned();
        assert!(!first.contains("left out"), "{first}");
        assert!(warned().await.concat().contains(&first));

        desk.program.subscribe("late@northfold.example", &[]).await;
        desk.tend().await;
        let most = issue().await["shortened"].as_str().unwrap().to_owned();
        assert_ne!(most, first);
        assert!(warned().await.concat().contains(&most));

        desk.program.subscribe("later@northfold.example", &["--topics", "interviews", "--locale", "de"]).await;
        desk.tend().await;
        assert_eq!((issue().await["shortened"].as_str().unwrap(), warned().await), (&*most, Vec::new()), "it lost less");
    }

    async fn a_long_mail_that_is_made_as_its_issue_is_laid_out_is_warned_of(store: TestStore) {
        let mut desk = Desk::new(&store).await;
        let config = std::fs::read_to_string(desk.program.folder.path().join("config.toml")).unwrap();
        desk.program.configure(&format!("{config}max_articles = 90\n"));
        desk.app = desk.program.app(Arc::new(SystemClock)).await;
        for number in 0..44 {
            let excerpt = "What is said about it takes some room. ".repeat(8);
            desk.program.site.publish(Story { excerpt, ..story(&format!("s{number}"), &format!("Story {number}"), "2026-11-20") });
        }
        desk.program.site.list(story("talk", "A talk with the mayor", "2026-11-21"));
        desk.program.subscribe("ida@northfold.example", &["--topics", "interviews"]).await;
        let digest = desk.app.config.digest("weekly").unwrap().clone();
        let issue = desk.app.composer().compose(&digest, Occasion::Extra).await.unwrap().issue;
        let (_, mut teller, mut watch) = desk.app.alerts().unwrap();
        watch.look().await.unwrap();
        assert!(teller.raised.try_recv().is_err(), "the one mail that is made is short");

        desk.program.subscribe("late@northfold.example", &[]).await;
        desk.tend().await;
        let shown = desk.program.json(&["issue", "show", &issue.to_string()]).await;
        assert!(shown["shortened"].is_null(), "{shown}");
        watch.look().await.unwrap();
        watch.look().await.unwrap();
        let told: Vec<_> = std::iter::from_fn(|| teller.raised.try_recv().ok()).map(|alert| alert.key).collect();
        assert_eq!(told, [format!("long:{issue}")]);
    }

    async fn where_the_operators_template_fails_the_built_in_one_stands_in_and_the_operator_hears_of_it_once(store: TestStore) {
        let mut desk = Desk::new(&store).await;
        let own = desk.program.folder.path().join("own");
        std::fs::create_dir(&own).unwrap();
        let fails = "{% if lead.title is containing(pat='Sunday') %}{{ lead.author | upper }}{% endif %}";
        let html = format!("{{% extends 'builtin/digest.html' %}}\n{{% block dateline %}}{fails}My dateline{{% endblock %}}");
        std::fs::write(own.join("digest.html"), html).unwrap();
        let config = std::fs::read_to_string(desk.program.folder.path().join("config.toml")).unwrap();
        let subject = "{% if lead.title is containing(pat='Sunday') %}{{ lead.date | abs }}{% endif %}Mine: {{ lead.title }}";
        desk.program.configure(&format!("{config}subject = \"{subject}\"\n[templates]\ndir = \"own\"\n"));
        desk.app = desk.program.app(Arc::new(SystemClock)).await;
        desk.program.site.publish(story("fair", "A fair opens on Sunday", "2026-11-22"));
        desk.program.site.list(story("talk", "A talk with the mayor", "2026-11-21"));
        desk.program.subscribe("ida@northfold.example", &[]).await;
        desk.program.subscribe("ned@northfold.example", &["--topics", "interviews"]).await;
        let preview = desk.program.run(&["preview", "weekly"]).await;
        assert!(!preview.status.success() && said(&preview).contains("subject: "), "{preview:?}");

        let digest = desk.app.config.digest("weekly").unwrap().clone();
        let issue = desk.app.composer().compose(&digest, Occasion::Extra).await.unwrap().issue;
        let row = desk.program.json(&["issue", "show", &issue.to_string()]).await;
        let error = row["template_error"].as_str().unwrap_or_else(|| panic!("{row}"));
        assert!(error.contains("own/digest.html:2: ") && error.contains("; subject: "), "{error}");
        let shown = said(&desk.program.run(&["issue", "show", &issue.to_string()]).await);
        assert!(shown.contains(&format!("made by the built-in template: {error}")), "{shown}");
        let (_, mut teller, mut watch) = desk.app.alerts().unwrap();
        watch.look().await.unwrap();
        watch.look().await.unwrap();
        let told: Vec<_> = std::iter::from_fn(|| teller.raised.try_recv().ok()).collect();
        assert_eq!((told.len(), told[0].key.as_str(), told[0].once), (1, &*format!("template:{issue}"), true));
        assert!(told[0].text.contains(error), "{}", told[0].text);

        // Its mail is made as the issue is laid out.
        desk.program.subscribe("late@northfold.example", &["--topics", "news"]).await;
        desk.tend().await;
        desk.deliver_all(issue).await;
        let got = desk.got();
        let mails = ["ida", "ned", "late"].map(|name| &got[&format!("{name}@northfold.example")][0]);
        let subjects = mails.map(|(subject, _)| subject.as_str());
        assert_eq!(subjects, ["A fair opens on Sunday + 3 more", "Mine: A talk with the mayor", "A fair opens on Sunday + 2 more"]);
        assert_eq!(mails.map(|(_, text)| text.contains("My dateline")), [false, true, false]);

        desk.program.site.publish(story("market", "A market opens on Sunday", "2026-11-23"));
        let row = desk.program.json(&["run", "weekly", "--yes"]).await;
        assert_eq!((&row["subject"], &row["recipients"]), (&"A market opens on Sunday".into(), &2.into()), "{row}");
        assert!(row["template_error"].as_str().unwrap().contains("own/digest.html:2: "), "{row}");
    }

    async fn a_story_is_withdrawn_also_where_the_operators_template_fails_without_it(store: TestStore) {
        let mut desk = Desk::new(&store).await;
        let own = desk.program.folder.path().join("own");
        std::fs::create_dir(&own).unwrap();
        let fails = "{% if lead.title is containing(pat='hubs') %}{{ lead.author | upper }}{% endif %}";
        let html = format!("{{% extends 'builtin/digest.html' %}}{{% block dateline %}}{fails}My dateline{{% endblock %}}");
        std::fs::write(own.join("digest.html"), html).unwrap();
        let config = std::fs::read_to_string(desk.program.folder.path().join("config.toml")).unwrap();
        desk.program.configure(&format!("{config}[templates]\ndir = \"own\"\n"));
        desk.app = desk.program.app(Arc::new(SystemClock)).await;
        desk.subscribe(1).await;
        let issue = desk.issue().await;
        assert!(desk.program.json(&["issue", "show", &issue.to_string()]).await["template_error"].is_null());
        desk.app.composer().withdraw(issue, "Health visitor posts fill", BECAUSE).await.unwrap();
        desk.deliver_all(issue).await;
        let (subject, text) = &desk.got()["reader1@northfold.example"][0];
        assert!(subject.contains("Family hubs win an extra year") && !text.contains("My dateline"), "{subject}: {text}");
        let row = desk.program.json(&["issue", "show", &issue.to_string()]).await;
        assert!(row["template_error"].as_str().unwrap().contains("own/digest.html:1: "), "{row}");
    }

    async fn an_issue_is_stopped_and_a_story_withdrawn_while_a_template_is_broken(store: TestStore) {
        let mut desk = Desk::new(&store).await;
        let own = desk.program.folder.path().join("own");
        std::fs::create_dir(&own).unwrap();
        let html = "{% extends 'builtin/digest.html' %}{% block dateline %}My dateline{% endblock %}";
        std::fs::write(own.join("digest.html"), html).unwrap();
        let config = std::fs::read_to_string(desk.program.folder.path().join("config.toml")).unwrap();
        desk.program.configure(&format!("{config}[templates]\ndir = \"own\"\n"));
        desk.app = desk.program.app(Arc::new(SystemClock)).await;
        desk.subscribe(1).await;
        let issue = desk.issue().await;
        std::fs::write(own.join("digest.html"), "{{ nothing").unwrap();

        let id = issue.to_string();
        for command in [
            &["issue", "hold", &id][..],
            &["issue", "list"],
            &["issue", "show", &id],
            &["issue", "resume", &id],
            &["digest", "hold", "weekly"],
            &["digest", "resume", "weekly"],
            &["digest", "list"],
            &["subscriber", "list"],
            &["subscriber", "show", "reader1@northfold.example"],
            &["subscriber", "why", "reader1@northfold.example"],
            &["suppression", "add", "other@northfold.example"],
            &["suppression", "list"],
            &["source", "list"],
        ] {
            let done = desk.program.run(command).await;
            assert_eq!((done.status.code(), said(&done).contains("digest.html")), (Some(0), false), "{command:?} {done:?}");
        }
        let withdrawn = desk.program.run(&["issue", "withdraw", &id, "Health visitor posts fill", "--yes"]).await;
        assert!(withdrawn.status.success(), "{withdrawn:?}");
        let told = String::from_utf8_lossy(&withdrawn.stderr).into_owned();
        assert!(told.contains("own/digest.html:1: ") && told.contains("made by the built-in templates"), "{told}");
        let row = desk.program.json(&["issue", "show", &id]).await;
        assert!(row["template_error"].as_str().unwrap().contains("own/digest.html:1: "), "{row}");
        desk.deliver_all(issue).await;
        let (subject, text) = &desk.got()["reader1@northfold.example"][0];
        assert!(subject.contains("Family hubs win an extra year") && !text.contains("Health visitor"), "{subject}: {text}");
        let left = desk.program.run(&["subscriber", "unsubscribe", "reader1@northfold.example"]).await;
        assert!(left.status.success(), "{left:?}");

        let text = desk.program.folder.path().join("correction");
        std::fs::write(&text, "It was wrong.").unwrap();
        for command in [
            &["issue", "correct", &id, "--text", text.to_str().unwrap(), "--yes"][..],
            &["preview", "weekly"],
            &["subscriber", "add", "ned@northfold.example"],
        ] {
            assert_eq!(desk.program.run(command).await.status.code(), Some(2), "{command:?}");
        }
        desk.program.configure("[sender]\nemial = 3\n");
        assert_eq!(desk.program.run(&["issue", "hold", &id]).await.status.code(), Some(2));
    }

    async fn issue_show_names_what_was_put_off_by_domain_and_reason(store: TestStore) {
        let desk = Desk::with(&store, |stage| match stage {
            Stage::Command(Command::Recipient { to, .. }) if to.ends_with("@slow.example") => {
                Some(Reply::new(451, "4.7.1 Greylisted, come back later"))
            }
            _ => None,
        })
        .await;
        desk.subscribe(2).await;
        for name in ["ana", "bo", "cy"] {
            desk.program.subscribe(&format!("{name}@slow.example"), &[]).await;
        }
        let issue = desk.issue().await;
        desk.delivering(async {
            while desk.totals(issue).await.deferred < 3 || desk.totals(issue).await.sent < 2 {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        })
        .await;
        let id = issue.to_string();
        let shown = desk.program.json(&["issue", "show", &id]).await;
        let deferrals = shown["deferrals"].as_array().unwrap();
        assert_eq!(deferrals.len(), 1, "{shown}");
        assert_eq!((&deferrals[0]["domain"], &deferrals[0]["deliveries"]), (&"slow.example".into(), &3.into()));
        assert!(deferrals[0]["reason"].as_str().unwrap().contains("Greylisted"), "{shown}");
        assert_eq!(shown["progress"], 0.4, "what was put off has not come to an end");
        assert!(shown["rate_per_second"].as_f64().unwrap() > 0.0, "{shown}");
        assert!(shown["estimated_end"].as_str().unwrap() > shown["composed_at"].as_str().unwrap(), "{shown}");
        let text = said(&desk.program.run(&["issue", "show", &id]).await);
        assert!(text.contains("3 deferred at slow.example"), "{text}");
        let text = said(&desk.program.run(&["issue", "watch", &id]).await);
        assert!(text.contains("3 deferred at slow.example"), "{text}");
    }

    async fn preview_and_run_say_who_gets_nothing_and_whether_the_quota_suffices(store: TestStore) {
        let desk = Desk::new(&store).await;
        desk.subscribe(5).await;
        desk.program.subscribe("ida@northfold.example", &["--topics", "interviews"]).await;
        desk.program.run(&["subscriber", "add", "new@northfold.example"]).await;
        desk.program.run(&["subscriber", "edit", "reader5@northfold.example", "--digest", "weekly", "--pause", "2099-01-01"]).await;
        let free = desk.program.json(&["preview", "weekly"]).await;
        assert_eq!((&free["recipients"], &free["variants"]), (&4.into(), &1.into()), "{free}");
        assert_eq!(free["left_out"], serde_json::json!({ "no_topic": 1, "paused": 1, "pending": 1 }), "{free}");
        assert_eq!((&free["limited"], &free["quota_left"]), (&false.into(), &serde_json::Value::Null), "{free}");

        set(&desk, "rate = [\"10/s\", \"3/h\"]");
        let scarce = desk.program.json(&["preview", "weekly"]).await;
        assert_eq!((&scarce["quota_suffices"], &scarce["quota_left"]), (&false.into(), &2.into()), "{scarce}");
        assert!(scarce["done_at"].as_str().unwrap() > free["done_at"].as_str().unwrap(), "an hour later");
        let text = said(&desk.program.run(&["run", "weekly"]).await);
        for part in ["4 people", "1 left out: they have paused it", "the quota lets 2 go now"] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }

    async fn an_issue_under_way_ends_when_the_limits_let_it_as_run_has_said(store: TestStore) {
        let desk = Desk::new(&store).await;
        desk.subscribe(3).await;
        desk.program.subscribe("ana@slow.example", &[]).await;
        set(&desk, "rate = \"2/d\"");
        let issue = desk.issue().await.to_string();
        let shown = desk.program.json(&["issue", "show", &issue]).await;
        let tomorrow = (chrono::Utc::now() + chrono::TimeDelta::hours(23)).to_rfc3339();
        assert!(shown["estimated_end"].as_str().unwrap() > tomorrow.as_str(), "{shown}");
        let config = std::fs::read_to_string(desk.program.folder.path().join("config.toml")).unwrap();
        desk.program.configure(&config.replace("rate = \"2/d\"", "per_domain = { \"slow.example\" = \"1/s\" }"));
        let shown = desk.program.json(&["issue", "show", &issue]).await;
        let end = shown["estimated_end"].as_str().unwrap();
        assert!(end < tomorrow.as_str() && end > shown["composed_at"].as_str().unwrap(), "{shown}");
    }

    async fn what_waits_already_is_before_an_issue_in_its_estimate(store: TestStore) {
        let desk = Desk::new(&store).await;
        desk.subscribe(4).await;
        set(&desk, "rate = \"5/d\"");
        let first = desk.issue().await.to_string();
        desk.program.site.publish(story("more", "One story more", "2026-11-21"));
        let tomorrow = (chrono::Utc::now() + chrono::TimeDelta::hours(23)).to_rfc3339();
        let next = desk.program.json(&["preview", "weekly"]).await;
        assert!(next["done_at"].as_str().unwrap() > tomorrow.as_str(), "{next}");
        assert_eq!((&next["quota_suffices"], &next["quota_left"]), (&false.into(), &1.into()), "{next}");
        let second = desk.issue().await.to_string();
        let ends = async |issue: &str| desk.program.json(&["issue", "show", issue]).await["estimated_end"].clone();
        assert!(ends(&first).await.is_null(), "as fast as the relay takes it");
        assert!(ends(&second).await.as_str().unwrap() > tomorrow.as_str());
    }

    async fn a_relay_that_rests_is_in_every_estimate_from_another_process_too(store: TestStore) {
        let desk = Desk::with(&store, |stage| {
            matches!(stage, Stage::Content { .. }).then(|| Reply::new(421, "4.7.28 Unusual rate of mail").then_close())
        })
        .await;
        desk.subscribe(3).await;
        let issue = desk.issue().await.to_string();
        desk.delivering(async {
            while desk.app.store.read().await.unwrap().slow_relays().await.unwrap().is_empty() {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        })
        .await;
        let rested = (chrono::Utc::now() + chrono::TimeDelta::minutes(9)).to_rfc3339();
        let shown = desk.program.json(&["issue", "show", &issue]).await;
        assert!(shown["estimated_end"].as_str().unwrap() > rested.as_str(), "{shown}");
        desk.program.site.publish(story("more", "One story more", "2026-11-21"));
        let preview = desk.program.json(&["preview", "weekly"]).await;
        assert!(preview["done_at"].as_str().unwrap() > rested.as_str(), "{preview}");
        assert_eq!((&preview["limited"], preview["resting"].as_object().unwrap().len()), (&true.into(), 1), "{preview}");
        for command in [["preview", "weekly"], ["run", "weekly"]] {
            let text = said(&desk.program.run(&command).await);
            assert!(text.contains("has asked for less speed, and gets nothing until"), "{text}");
        }
    }

    async fn a_preview_counts_the_time_over_which_the_issue_is_spread(store: TestStore) {
        let desk = Desk::new(&store).await;
        desk.subscribe(2).await;
        let file = desk.program.folder.path().join("config.toml");
        let config = std::fs::read_to_string(&file).unwrap();
        desk.program.configure(&config.replace("id = \"weekly\"", "id = \"weekly\"\nspread = \"2h\""));
        let before = chrono::Utc::now() + chrono::TimeDelta::minutes(119);
        let spread = desk.program.json(&["preview", "weekly"]).await;
        assert!(spread["done_at"].as_str().unwrap() > before.to_rfc3339().as_str(), "{spread}");
        let text = said(&desk.program.run(&["preview", "weekly"]).await);
        assert!(text.contains("it is spread over 2 hours: the last one goes about"), "{text}");
        let text = said(&desk.program.run(&["run", "weekly"]).await);
        assert!(text.contains("as fast as the relays take it"), "out of schedule it is not spread: {text}");
    }

    async fn subscriber_why_tells_what_became_of_each_issue_and_what_bars_the_next(store: TestStore) {
        let desk = Desk::new(&store).await;
        desk.subscribe(2).await;
        desk.program.subscribe("ida@northfold.example", &["--topics", "interviews"]).await;
        let issue = desk.issue().await;
        desk.deliver_all(issue).await;
        let why = async |email: &str| desk.program.json(&["subscriber", "why", email]).await;

        let got = why("reader1@northfold.example").await;
        assert_eq!((&got["state"], &got["digests"][0]["gets"]), (&"confirmed".into(), &true.into()), "{got}");
        assert_eq!((&got["issues"][0]["id"], &got["issues"][0]["delivery"]), (&issue.into(), &"sent".into()), "{got}");
        assert!(got["issues"][0]["answer"].as_str().unwrap().starts_with("250"), "{got}");
        assert!(got["issues"][0]["finished_at"].is_string(), "{got}");

        let ida = why("ida@northfold.example").await;
        assert_eq!(ida["issues"][0]["why"], "not sent: none of their topics had an article", "{ida}");
        assert_eq!(ida["digests"][0]["topics"], serde_json::json!(["interviews"]));

        desk.program.subscribe("late@northfold.example", &[]).await;
        assert!(why("late@northfold.example").await["issues"][0]["why"].as_str().unwrap().contains("subscribed later"));
        desk.program.run(&["subscriber", "unsubscribe", "reader2@northfold.example"]).await;
        let left = why("reader2@northfold.example").await;
        assert_eq!((&left["digests"][0]["gets"], &left["issues"][0]["delivery"]), (&false.into(), &"sent".into()));
        assert!(left["digests"][0]["why"].as_str().unwrap().contains("they left it on"), "{left}");
        desk.program.run(&["suppression", "add", "reader1@northfold.example"]).await;
        let barred = why("reader1@northfold.example").await;
        assert!(barred["digests"][0]["why"].as_str().unwrap().contains("suppressed (manual)"), "{barred}");
        let unknown = why("nobody@northfold.example").await;
        assert_eq!((&unknown["state"], &unknown["digests"][0]["gets"]), (&serde_json::Value::Null, &false.into()));
    }

    async fn subscriber_why_names_a_digest_that_is_gone_from_the_configuration_with_its_issues(store: TestStore) {
        let desk = Desk::new(&store).await;
        desk.subscribe(1).await;
        let issue = desk.issue().await;
        desk.deliver_all(issue).await;
        let config = std::fs::read_to_string(desk.program.folder.path().join("config.toml")).unwrap();
        desk.program.configure(&config.replace("id = \"weekly\"", "id = \"monthly\""));
        let why = desk.program.json(&["subscriber", "why", "reader1@northfold.example"]).await;
        assert_eq!((&why["digests"][0]["id"], &why["digests"][1]["id"]), (&"monthly".into(), &"weekly".into()), "{why}");
        let gone = &why["digests"][1];
        assert_eq!((&gone["state"], &gone["gets"], &gone["held"]), (&"active".into(), &false.into(), &false.into()));
        assert_eq!(gone["why"], "the digest is gone from the configuration, so nobody gets it");
        let issues = why["issues"].as_array().unwrap();
        assert_eq!((issues.len(), &issues[0]["id"], &issues[0]["delivery"]), (1, &issue.into(), &"sent".into()), "{why}");
    }

    async fn subscriber_why_says_that_an_issue_is_held(store: TestStore) {
        let desk = Desk::new(&store).await;
        desk.subscribe(1).await;
        let issue = desk.issue().await;
        desk.app.composer().hold_issue(issue, BECAUSE).await.unwrap();
        let text = said(&desk.program.run(&["subscriber", "why", "reader1@northfold.example"]).await);
        assert!(text.contains("waits, since the issue is held: a reason"), "{text}");
        assert_eq!(desk.program.json(&["subscriber", "why", "reader1@northfold.example"]).await["issues"][0]["delivery"], "queued");
    }
}
