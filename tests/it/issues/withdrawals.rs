//! Withdrawing an article from an issue that is frozen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use postround::compose::{ComposeError, Occasion};
use postround::domain::{Clock, DeliveryState, Random, SystemClock, SystemRandom};
use postround::store::{ClaimedRow, Durability, Mark};

use super::{BECAUSE, Desk, MANY};
use crate::support::on_both;
use crate::support::site::story;

/// What the configuration says, in two languages; `when` is in each text.
fn said(when: &str, most: usize) -> String {
    format!(
        r#"
subject = "The {when} subject: {{{{ lead.title }}}}"
max_articles = {most}
banner = {{ text = {{ "en-GB" = "The {when} banner", de = "Banner: {when}" }} }}
intro = {{ text = {{ "en-GB" = "The {when} intro", de = "Intro: {when}" }}, by = "The {when} editor" }}
utm = {{ source = "{when}" }}
[[topic]]
id = "news"
title = {{ "en-GB" = "The {when} topic", de = "Thema: {when}" }}
[[topic]]
id = "interviews"
title = "Interviews"
"#
    )
}

const PEOPLE: usize = 60;
const GONE: &str = "Family hubs win an extra year";

/// Random as the system is, until so many values have been asked for: then whoever asks comes to an end.
struct Ending(AtomicUsize);

impl Random for Ending {
    fn fill(&self, bytes: &mut [u8]) {
        assert!(self.0.fetch_sub(1, Ordering::Relaxed) > 0, "it ends here");
        SystemRandom.fill(bytes);
    }
}

/// Withdraws a story, and ends when some of the mails have been made anew.
async fn end_in_the_middle(desk: &Desk, issue: i64, story: &str) {
    let mails = async || {
        let rows = desk.app.store.read().await.unwrap().issue_mails(issue).await.unwrap();
        rows.into_iter().map(|mail| mail.id).collect::<BTreeSet<i64>>()
    };
    let before = mails().await;
    // Each mail takes two values to be rendered, and one to be stored.
    let mut composer = desk.app.composer();
    composer.random = Arc::new(Ending(AtomicUsize::new(100)));
    let story = story.to_owned();
    let ended = tokio::spawn(async move { composer.withdraw(issue, &story, BECAUSE).await }).await;
    assert!(ended.is_err(), "{ended:?}");
    let left = mails().await.intersection(&before).count();
    assert!((1..before.len()).contains(&left), "{left} of {} are as they were", before.len());
}

/// How many of the deliveries that wait are started by another deliverer. What is not, waits for whoever tends.
async fn started_by_another(desk: &Desk) -> usize {
    let now = SystemClock.now();
    let mut session = desk.app.store.write(Durability::Full).await.unwrap();
    let rows = session.claim_deliveries("another", now, 100, None).await.unwrap();
    assert!(rows.iter().all(|row| row.issue_state.as_deref() == Some("held")), "{rows:?}");
    let start = |row: &ClaimedRow| Mark {
        mail: Some(row.mail_id),
        started_at: Some(now.0),
        ..Mark::of(row.id, DeliveryState::Claimed, DeliveryState::Sending)
    };
    let starts: Vec<Mark> = rows.iter().map(start).collect();
    let states = session.mark_deliveries("another", &starts).await.unwrap();
    session.commit().await.unwrap();
    assert!(states.len() > 40 && states.len() == rows.len(), "{states:?}");
    states.iter().filter(|(_, state)| state == "sending").count()
}

/// Checks that each reader of [`Desk::of_many_choices`] has got, once, what they chose without those topics; says how many have.
fn got_all_but(desk: &Desk, gone: &[&str]) -> usize {
    let got = desk.got();
    for reader in 1..64 {
        let left: Vec<&str> = Desk::choice(reader).filter(|topic| !gone.contains(topic)).collect();
        let mails = got.get(&format!("reader{reader}@northfold.example")).map_or(&[][..], Vec::as_slice);
        assert_eq!(mails.len(), usize::from(!left.is_empty()), "{reader}");
        for (_, text) in mails {
            for topic in MANY {
                assert_eq!(
                    text.contains(&format!("The story of {topic}")),
                    left.contains(&topic),
                    "{reader}, {topic}: {text}"
                );
            }
        }
    }
    got.len()
}

on_both! {
    async fn when_withdraw_returns_nothing_is_started_that_has_the_article(store: TestStore) {
        let desk = Desk::new(&store).await;
        desk.subscribe(PEOPLE).await;
        let issue = desk.issue().await;
        let before: BTreeSet<String> = desk
            .delivering(async {
                desk.sent(issue, 8).await;
                desk.app.composer().withdraw(issue, GONE, BECAUSE).await.unwrap();
                let before = desk.started(issue).await.into_iter().collect();
                while desk.totals(issue).await.open() > 0 {
                    // What was set aside late goes on when somebody tends.
                    desk.tend().await;
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                before
            })
            .await;
        let got = desk.got();
        assert_eq!((got.len(), got.values().map(Vec::len).sum::<usize>()), (PEOPLE, PEOPLE));
        assert!(before.len() < PEOPLE, "all were started before");
        for (to, mails) in &got {
            let (subject, text) = &mails[0];
            assert!(text.contains("Health visitor posts fill"), "{to}");
            assert!(before.contains(to) || !text.contains(GONE), "{to} got {subject}");
        }
        assert!(got.values().flatten().any(|(_, text)| text.contains(GONE)), "some had it before");
    }

    async fn an_article_is_named_by_its_id_address_or_title_and_stays_out_of_later_issues(store: TestStore) {
        let desk = Desk::new(&store).await;
        desk.program.site.publish(story("third", "A third story", "2026-11-21"));
        desk.program.site.publish(story("fourth", "A fourth story", "2026-11-22"));
        desk.subscribe(2).await;
        let issue = desk.issue().await;
        let id = issue.to_string();
        let shown = desk.program.json(&["issue", "show", &id]).await;
        let article = |title: &str| {
            let articles = shown["articles"].as_array().unwrap();
            articles.iter().find(|article| article["title"] == title).unwrap().clone()
        };
        assert_eq!(shown["subject"], "A fourth story + 3 more");
        let by_id = article("A fourth story")["id"].to_string();
        let withdrawn = desk.program.json(&["issue", "withdraw", &id, &by_id, "--why", "wrong"]).await;
        assert_eq!(withdrawn["subject"], "A third story + 2 more");
        let by_url = article("A third story")["url"].as_str().unwrap().to_owned();
        assert_eq!(desk.program.json(&["issue", "withdraw", &id, &by_url]).await["subject"], "Health visitor posts fill + 1 more");
        for (named, code) in [(GONE, Some(0)), (GONE, Some(1)), ("no such story", Some(2))] {
            let output = desk.program.run(&["issue", "withdraw", &id, named]).await;
            assert_eq!(output.status.code(), code, "{}", String::from_utf8_lossy(&output.stderr));
        }
        desk.deliver_all(issue).await;
        for (subject, text) in desk.got().into_values().flatten() {
            assert_eq!(subject, "Health visitor posts fill");
            assert!(![GONE, "A third story", "A fourth story"].iter().any(|gone| text.contains(gone)), "{text}");
        }
        let events = desk.program.json(&["issue", "show", &id]).await["events"].clone();
        assert_eq!((&events[0]["event"], &events[0]["why"]), (&"withdrawn".into(), &"wrong".into()));
        assert!(events[0]["article"].as_str().unwrap().starts_with("A fourth story <http"), "{events}");
        assert_eq!(desk.program.json(&["run", "weekly"]).await["state"], "skipped");
    }

    async fn a_variant_with_nothing_left_goes_to_nobody_and_a_later_choice_gets_the_rest(store: TestStore) {
        let desk = Desk::new(&store).await;
        desk.program.site.list(story("ferreira", "Nadia Ferreira on counting", "2026-11-04"));
        desk.program.subscribe("ana@northfold.example", &[]).await;
        desk.program.subscribe("bo@saltby.example", &["--topics", "interviews"]).await;
        let issue = desk.issue().await;
        desk.app.composer().withdraw(issue, "Nadia Ferreira on counting", BECAUSE).await.unwrap();
        assert_eq!(desk.totals(issue).await.cancelled, 1);
        desk.deliver_all(issue).await;
        let got = desk.got();
        assert_eq!(got.keys().collect::<Vec<_>>(), ["ana@northfold.example"]);
        assert!(!got["ana@northfold.example"][0].1.contains("Ferreira"));
        // Not by a retry either.
        desk.app.composer().retry_issue(issue, BECAUSE).await.unwrap();
        desk.deliver_all(issue).await;
        assert_eq!(desk.got().len(), 1);
    }

    async fn a_mail_that_is_rendered_after_the_freeze_says_what_was_said_then(store: TestStore) {
        let mut desk = Desk::new(&store).await;
        desk.program.site.publish(story("third", "A third story", "2026-11-21"));
        let config = std::fs::read_to_string(desk.program.folder.path().join("config.toml")).unwrap();
        desk.program.configure(&format!("{config}{}", said("autumn", 5)));
        desk.app = desk.program.app(Arc::new(SystemClock)).await;
        desk.subscribe(1).await;
        let digest = desk.app.config.digest("weekly").unwrap().clone();
        let issue = desk.app.composer().compose(&digest, Occasion::Extra).await.unwrap().issue;

        let later = config.replace("Exampleton Weekly\"\nsources", "A winter name\"\nsources");
        let later = later.replace("locale = \"en-GB\"", "locale = \"de\"");
        assert_ne!(later, config);
        desk.program.configure(&format!("{later}{}", said("winter", 1)));
        desk.app = desk.program.app(Arc::new(SystemClock)).await;
        for (name, locale) in [("dora", "de"), ("cleo", "cy")] {
            desk.program.subscribe(&format!("{name}@saltby.example"), &["--locale", locale]).await;
        }
        desk.tend().await;
        let frozen = |got: &BTreeMap<String, Vec<(String, String)>>| {
            for (to, (subject, text)) in got.iter().flat_map(|(to, mails)| mails.iter().map(move |mail| (to, mail))) {
                assert!(subject.starts_with("The autumn subject: "), "{to}: {subject}");
                let own = match to.starts_with("dora") {
                    true => ["Banner: autumn", "Intro: autumn", "THEMA: AUTUMN"],
                    false => ["The autumn banner", "The autumn intro", "THE AUTUMN TOPIC"],
                };
                let all = ["Exampleton Weekly", "What happened in hubs", "utm_source=autumn", "The autumn editor"];
                assert!(own.iter().chain(&all).all(|said| text.contains(said)), "{to}: {text}");
                assert!(!text.contains("winter"), "{to}: {text}");
            }
        };
        desk.app.composer().withdraw(issue, "A third story", BECAUSE).await.unwrap();
        desk.deliver_all(issue).await;
        let got = desk.got();
        assert_eq!(got.len(), 3);
        assert!(got.values().flatten().all(|(_, text)| !text.contains("A third story")));
        frozen(&got);
        let shown = desk.program.json(&["issue", "show", &issue.to_string()]).await;
        assert_eq!(shown["subject"], "The autumn subject: Health visitor posts fill");
    }

    async fn an_issue_in_very_many_variants_reaches_each_reader_and_is_withdrawn_from_all_of_them(store: TestStore) {
        let desk = Desk::of_many_choices(&store).await;
        let digest = desk.app.config.digest("weekly").unwrap().clone();
        let issue = desk.app.composer().compose(&digest, Occasion::Extra).await.unwrap().issue;
        let mails = async || desk.app.store.read().await.unwrap().issue_mails(issue).await.unwrap().len();
        let at_once = mails().await;
        assert!((1..63).contains(&at_once), "{at_once} mails are stored in one transaction");
        desk.tend().await;
        assert_eq!((mails().await, desk.totals(issue).await.queued), (63, 63));

        let withdrawn = desk.app.composer().withdraw(issue, "The story of alpha", BECAUSE).await.unwrap();
        assert_eq!((withdrawn.mails, mails().await), (62, 62), "with nothing but alpha nothing is left");
        desk.deliver_all(issue).await;
        assert_eq!(got_all_but(&desk, &["alpha"]), 62);
    }

    async fn while_mails_have_what_was_withdrawn_nothing_is_started_and_whoever_comes_next_makes_them_anew(store: TestStore) {
        let desk = Desk::of_many_choices(&store).await;
        let issue = desk.issue().await;
        let shown = async || desk.program.json(&["issue", "show", &issue.to_string()]).await;
        for (topic, event) in [("alpha", 0), ("beta", 1)] {
            let story = format!("The story of {topic}");
            end_in_the_middle(&desk, issue, &story).await;
            let now = shown().await;
            assert_eq!((&now["state"], &now["is_outdated"]), (&"sending".into(), &true.into()));
            assert_eq!(now["events"][event]["event"], "withdrawn");
            assert!(now["events"][event]["article"].as_str().unwrap().starts_with(&story), "{now}");
            assert_eq!(started_by_another(&desk).await, 0);
            match topic {
                "alpha" => desk.tend().await,
                _ => drop(desk.app.composer().withdraw(issue, &story, BECAUSE).await.unwrap()),
            }
            assert_eq!(shown().await["is_outdated"], false);
            let again = desk.app.composer().withdraw(issue, &story, BECAUSE).await;
            assert!(matches!(again, Err(ComposeError::WithdrawnBefore { .. })), "{again:?}");
        }
        let composer = desk.app.composer();
        let (one, other) = tokio::join!(
            composer.withdraw(issue, "The story of gamma", BECAUSE),
            composer.withdraw(issue, "The story of delta", BECAUSE),
        );
        assert!(one.is_ok() && other.is_ok(), "{one:?}, {other:?}");
        desk.deliver_all(issue).await;
        assert_eq!(got_all_but(&desk, &["alpha", "beta", "gamma", "delta"]), 48, "16 have nothing left");
    }

    async fn an_issue_that_loses_its_last_story_is_cancelled_and_says_that_nobody_got_it(store: TestStore) {
        let desk = Desk::new(&store).await;
        desk.subscribe(2).await;
        let issue = desk.issue().await;
        for title in [GONE, "Health visitor posts fill"] {
            desk.app.composer().withdraw(issue, title, BECAUSE).await.unwrap();
        }
        desk.deliver_all(issue).await;
        assert!(desk.got().is_empty());
        let id = issue.to_string();
        let shown = desk.program.json(&["issue", "show", &id]).await;
        assert_eq!((&shown["state"], &shown["reason"]), (&"cancelled".into(), &"all its stories have been withdrawn".into()));
        assert_eq!((&shown["recipients"], &shown["cancelled"], &shown["sent"]), (&2.into(), &2.into(), &0.into()));
        let events: Vec<_> = shown["events"].as_array().unwrap().iter().map(|event| event["event"].as_str().unwrap()).collect();
        assert_eq!(events, ["withdrawn", "withdrawn", "cancelled"]);
        assert!(!shown["finished_at"].is_null() && shown["is_outdated"] == false, "{shown}");
        assert!(!desk.app.store.read().await.unwrap().is_archived(issue).await.unwrap());
        assert_eq!(desk.program.run(&["preview", "--issue", &id]).await.status.code(), Some(1));
        assert_eq!(desk.program.json(&["run", "weekly"]).await["state"], "skipped", "what is withdrawn does not come back");
    }

    async fn what_was_sent_before_a_withdrawal_is_said_to_have_had_another_subject(store: TestStore) {
        let desk = Desk::new(&store).await;
        desk.subscribe(1).await;
        let issue = desk.issue().await;
        let shown = async || String::from_utf8(desk.program.run(&["issue", "show", &issue.to_string()]).await.stdout).unwrap();
        let said = "the subject is that of what is left; what was sent before the withdrawal has the one of then";
        desk.deliver_all(issue).await;
        assert!(!shown().await.contains(said));
        desk.app.composer().withdraw(issue, "Health visitor posts fill", BECAUSE).await.unwrap();
        let shown = shown().await;
        assert!(shown.contains("\n  Family hubs win an extra year\n") && shown.contains(said), "{shown}");
    }

    async fn with_when_topics_are_empty_rest_whoever_loses_the_last_story_of_a_topic_gets_the_rest(store: TestStore) {
        let mut desk = Desk::new(&store).await;
        let config = std::fs::read_to_string(desk.program.folder.path().join("config.toml")).unwrap();
        desk.program.configure(&format!("{config}when_topics_are_empty = \"rest\"\n"));
        desk.app = desk.program.app(Arc::new(SystemClock)).await;
        desk.program.site.list(story("ferreira", "Nadia Ferreira on counting", "2026-11-04"));
        desk.program.site.list(story("okafor", "Ngozi Okafor on waiting", "2026-11-05"));
        desk.program.subscribe("ana@northfold.example", &[]).await;
        desk.program.subscribe("bo@saltby.example", &["--topics", "interviews"]).await;
        let issue = desk.issue().await;
        desk.app.composer().hold_issue(issue, BECAUSE).await.unwrap();
        for title in ["Ngozi Okafor on waiting", "Nadia Ferreira on counting", GONE] {
            desk.app.composer().withdraw(issue, title, BECAUSE).await.unwrap();
        }
        desk.app.composer().resume_issue(issue, BECAUSE).await.unwrap();
        desk.deliver_all(issue).await;
        let got = desk.got();
        assert_eq!(got.keys().collect::<Vec<_>>(), ["ana@northfold.example", "bo@saltby.example"]);
        for (to, mails) in &got {
            let [(subject, text)] = &mails[..] else { panic!("{to}") };
            assert_eq!(subject, "Health visitor posts fill", "{to}");
            assert!(!["Okafor", "Ferreira", GONE].iter().any(|gone| text.contains(gone)), "{to}: {text}");
        }
    }

    async fn a_cancelled_issue_gives_its_stories_back_and_not_those_that_were_withdrawn(store: TestStore) {
        let desk = Desk::new(&store).await;
        // The same story from another source, and under another title.
        desk.program.site.list(story("hubs", "One more year for hubs", "2026-11-18"));
        desk.program.site.list(story("ferreira", "Nadia Ferreira on counting", "2026-11-04"));
        desk.subscribe(1).await;
        let issue = desk.issue().await;
        desk.app.composer().hold_issue(issue, BECAUSE).await.unwrap();
        desk.app.composer().withdraw(issue, GONE, BECAUSE).await.unwrap();
        desk.app.composer().cancel_issue(issue, BECAUSE).await.unwrap();
        let again = desk.issue().await;
        desk.deliver_all(again).await;
        let [(subject, text)] = &desk.got()["reader1@northfold.example"][..] else { panic!("one mail") };
        assert_eq!(subject, "Health visitor posts fill + 1 more");
        assert!(text.contains("Nadia Ferreira") && !text.contains("/hubs"), "{text}");
    }

    async fn a_cancelled_issue_that_reached_nobody_has_nothing_to_withdraw_from(store: TestStore) {
        let desk = Desk::new(&store).await;
        desk.subscribe(1).await;
        let issue = desk.issue().await;
        desk.app.composer().cancel_issue(issue, BECAUSE).await.unwrap();
        let refused = desk.app.composer().withdraw(issue, GONE, BECAUSE).await;
        assert!(matches!(refused, Err(ComposeError::WrongState { .. })), "{refused:?}");
    }

    async fn what_is_withdrawn_before_the_layout_reaches_nobody(store: TestStore) {
        let desk = Desk::new(&store).await;
        desk.subscribe(2).await;
        let digest = desk.app.config.digest("weekly").unwrap().clone();
        let issue = desk.app.composer().compose(&digest, Occasion::Extra).await.unwrap().issue;
        desk.app.composer().withdraw(issue, GONE, BECAUSE).await.unwrap();
        // A choice that nobody had when the issue was composed.
        desk.program.subscribe("bo@saltby.example", &["--topics", "news"]).await;
        desk.tend().await;
        desk.deliver_all(issue).await;
        let got = desk.got();
        assert_eq!(got.len(), 3);
        assert!(got.values().flatten().all(|(_, text)| !text.contains(GONE) && text.contains("Health visitor")));
    }
}
