//! The main job, from outside: sources are read, an issue is made, and the right people get the right mail, once.

use mail_parser::MessageParser;
use postround::demo::catcher::{Answers, Caught, Command, Options, Reply, Stage, Turn};
use serde_json::Value;

use crate::support::on_both;
use crate::support::program::Program;
use crate::support::site::{Story, story};

struct Mail {
    to: String,
    subject: String,
    text: String,
    html: String,
    raw: String,
}

fn read(caught: &Caught) -> Mail {
    let parsed = MessageParser::default().parse(&caught.raw).unwrap();
    let mail = Mail {
        to: parsed.to().unwrap().first().unwrap().address().unwrap().to_owned(),
        subject: parsed.subject().unwrap().to_owned(),
        text: parsed.body_text(0).unwrap().replace("\r\n", "\n"),
        html: parsed.body_html(0).unwrap().into_owned(),
        raw: String::from_utf8_lossy(&caught.raw).into_owned(),
    };
    assert_eq!(caught.recipients, [mail.to.as_str()]);
    mail
}

#[track_caller]
fn assert_in_order(text: &str, pieces: &[&str]) {
    let mut from = 0;
    for piece in pieces {
        let at = text[from..].find(piece).unwrap_or_else(|| panic!("{piece:?} is missing or out of order in:\n{text}"));
        from += at + piece.len();
    }
}

async fn week(program: &Program) {
    program.site.publish(story("hubs", "Family hubs win an extra year", "2026-11-18"));
    program.site.publish(story("visitors", "Health visitor posts fill &amp; stay filled", "2026-11-20"));
    program.site.list(story("ferreira", "Nadia Ferreira on counting", "2026-11-04"));
    program.subscribe("ana@northfold.example", &[]).await;
    program.subscribe("bo@saltby.example", &["--topics", "interviews"]).await;
}

on_both! {
    async fn an_item_without_a_title_has_its_first_words_for_one_and_says_them_once(store: TestStore) {
        let program = Program::on(&store).await;
        let untitled = story("hubs", "", "2026-11-18");
        program.site.publish(untitled);
        program.subscribe("ana@northfold.example", &[]).await;

        program.json(&["run", "weekly", "--wait"]).await;

        let mail = read(&program.caught(1).await[0]);
        assert_eq!(mail.subject, "What happened in hubs.");
        let (_, article) = mail.text.split_once("Issue 1").unwrap();
        assert_eq!(article.matches("What happened in hubs").count(), 1, "{}", mail.text);
    }
}

on_both! {
    async fn a_run_mails_each_subscriber_their_own_digest_and_a_second_run_repeats_nothing(store: TestStore) {
        let program = Program::on(&store).await;
        week(&program).await;

        let issue = program.json(&["run", "weekly", "--wait"]).await;
        assert_eq!(program.site.feed_reads(), 1, "for the forecast and for the issue");
        assert_eq!((&issue["state"], &issue["recipients"], &issue["sent"]), (&"sent".into(), &2.into(), &2.into()));
        let mails: Vec<Mail> = program.caught(2).await.iter().map(|caught| read(caught)).collect();
        let of = |to: &str| mails.iter().find(|mail| mail.to == to).unwrap();

        let ana = of("ana@northfold.example");
        assert_eq!(ana.subject, "Health visitor posts fill & stay filled + 2 more");
        for part in [&ana.text, &ana.html] {
            assert_in_order(part, &["20 November 2026", "18 November 2026", "4 November 2026"]);
            assert!(part.contains("What happened in hubs."), "{part}");
            assert!(!part.contains("[...]") && !part.contains("a little more"), "{part}");
        }
        assert_in_order(&ana.text, &["Health visitor posts fill & stay filled", "Family hubs win an extra year", "Nadia Ferreira"]);
        let bo = of("bo@saltby.example");
        assert_eq!(bo.subject, "Nadia Ferreira on counting");
        assert!(!bo.text.contains("Family hubs"), "{}", bo.text);

        let link = |mail: &Mail, kind: &str| {
            let start = mail.text.find(&format!("http://localhost:8080/{kind}/")).unwrap();
            mail.text[start..].split_whitespace().next().unwrap().to_owned()
        };
        for kind in ["unsubscribe", "preferences"] {
            assert_ne!(link(ana, kind), link(bo, kind));
            assert!(ana.html.contains(&link(ana, kind)));
        }
        assert!(ana.raw.replace("\r\n ", "").contains(&format!("List-Unsubscribe: <{}>\r\n", link(ana, "unsubscribe"))));

        let again = program.json(&["run", "weekly", "--wait"]).await;
        assert_eq!(again["state"], "skipped");
        assert!(again["reason"].as_str().unwrap().contains("nothing is new"), "{again}");
        program.caught(2).await;
    }

    async fn a_late_article_goes_into_the_next_issue_alone_and_an_edited_one_is_not_repeated(store: TestStore) {
        let program = Program::on(&store).await;
        week(&program).await;
        program.json(&["run", "weekly", "--wait"]).await;
        program.caught(2).await;

        program.site.edit("hubs", "Family hubs win two extra years");
        assert_eq!(program.json(&["run", "weekly", "--wait"]).await["state"], "skipped");
        program.site.publish(story("late", "The archive that turned up", "2025-01-07"));
        let issue = program.json(&["run", "weekly", "--wait"]).await;
        assert_eq!((&issue["subject"], &issue["sent"]), (&"The archive that turned up".into(), &1.into()));
        let mail = read(program.caught(3).await.last().unwrap());
        assert!(mail.text.contains("7 January 2025") && !mail.text.contains("Family hubs"), "{}", mail.text);
    }

    async fn a_story_that_two_sources_have_appears_once(store: TestStore) {
        let program = Program::on(&store).await;
        week(&program).await;
        program.site.list(story("hubs", "Family hubs win an extra year", "2026-11-18"));
        program.json(&["run", "weekly", "--wait"]).await;
        for mail in program.caught(2).await.iter().map(|caught| read(caught)) {
            // Whoever chose only one of its topics gets it there.
            assert_eq!(mail.text.matches("/hubs").count(), 1, "{}: {}", mail.to, mail.text);
        }
        assert_eq!(program.json(&["run", "weekly"]).await["state"], "skipped");
    }

    async fn a_source_that_fails_does_not_stop_the_others_and_its_articles_are_in_the_next_issue(store: TestStore) {
        let program = Program::on(&store).await;
        week(&program).await;
        program.site.break_feed(true);
        let polled = program.json(&["collect"]).await;
        assert_eq!(polled[0]["status"], "failed");
        assert!(polled[0]["error"].as_str().unwrap().contains("500"), "{polled}");
        assert_eq!((&polled[1]["status"], &polled[1]["new"]), (&"new".into(), &1.into()));
        assert_eq!(program.json(&["run", "weekly", "--wait"]).await["subject"], "Nadia Ferreira on counting");
        program.site.break_feed(false);
        assert_eq!(program.json(&["run", "weekly", "--wait"]).await["subject"], "Health visitor posts fill & stay filled + 1 more");
    }

    async fn two_runs_at_once_mail_each_article_once(store: TestStore) {
        let program = Program::on(&store).await;
        week(&program).await;
        let both = futures_util::future::join(
            program.json(&["run", "weekly", "--wait"]),
            program.json(&["run", "weekly", "--wait"]),
        );
        let (first, second) = both.await;
        let states: Vec<&Value> = [&first, &second].iter().map(|issue| &issue["state"]).collect();
        assert!(states.contains(&&Value::from("skipped")), "{first}\n{second}");
        program.caught(2).await;
    }

    async fn a_preview_says_to_how_many_it_would_go_and_stores_nothing(store: TestStore) {
        let program = Program::on(&store).await;
        week(&program).await;
        let preview = program.json(&["preview", "weekly"]).await;
        assert_eq!((&preview["articles"], &preview["recipients"], &preview["variants"]), (&3.into(), &2.into(), &2.into()));
        assert_eq!(program.json(&["issue", "list"]).await, Value::Array(vec![]));
        assert_eq!(program.json(&["source", "list"]).await[0]["polled_at"], Value::Null);
        let quiet = program.run(&["preview", "weekly", "-q"]).await;
        assert!(quiet.status.success() && !quiet.stdout.is_empty() && quiet.stderr.is_empty(), "{quiet:?}");
        let wrong = program.run(&["-q", "preview", "weekli"]).await;
        assert!(String::from_utf8_lossy(&wrong.stderr).contains("there is no digest `weekli`"), "{wrong:?}");
        let eml = program.run(&["preview", "weekly", "--format", "eml"]).await.stdout;
        assert_eq!(MessageParser::default().parse(&eml).unwrap().subject().unwrap(), preview["subject"].as_str().unwrap());
        assert_eq!(program.json(&["run", "weekly", "--wait"]).await["sent"], 2);
    }

    async fn a_test_goes_to_staff_with_links_that_change_nothing_and_the_issue_is_still_to_come(store: TestStore) {
        let program = Program::on(&store).await;
        week(&program).await;
        let app = program.app(std::sync::Arc::new(postround::domain::SystemClock)).await;
        let mut links = Vec::new();
        for row in app.store.read().await.unwrap().subscribers_after(0, 10).await.unwrap() {
            links.push(app.subscribers().tokens().unsubscribe(&row.public_id, "weekly").as_str().to_owned());
        }
        program.json(&["send-test", "weekly", "--to", "editor@exampleton.example", "press@exampleton.example"]).await;
        for mail in program.caught(2).await.iter().map(|caught| read(caught)) {
            assert!(mail.subject.starts_with("[Test] Health visitor posts"), "{}", mail.subject);
            let tokens: Vec<&str> = mail.text.split("/unsubscribe/").skip(1).collect();
            assert_eq!(tokens.len(), 1);
            assert!(!links.contains(&tokens[0].split_whitespace().next().unwrap().to_owned()));
        }
        assert_eq!(program.json(&["run", "weekly", "--wait"]).await["sent"], 2);
        program.caught(4).await;
    }

    async fn with_more_than_max_articles_the_rest_is_listed_by_title_and_counts_as_sent(store: TestStore) {
        let program = Program::on(&store).await;
        week(&program).await;
        let config = std::fs::read_to_string(program.folder.path().join("config.toml")).unwrap();
        program.configure(&format!("{config}max_articles = 1\n"));
        program.json(&["run", "weekly", "--wait"]).await;
        let mails: Vec<Mail> = program.caught(2).await.iter().map(|caught| read(caught)).collect();
        let ana = mails.iter().find(|mail| mail.to == "ana@northfold.example").unwrap();
        assert!(ana.text.contains("Nadia Ferreira on counting") && !ana.text.contains("What happened in ferreira"), "{}", ana.text);
        assert_eq!(program.json(&["run", "weekly"]).await["state"], "skipped");
    }

    async fn with_fewer_than_min_articles_nothing_is_sent_and_the_articles_wait(store: TestStore) {
        let program = Program::on(&store).await;
        week(&program).await;
        let config = std::fs::read_to_string(program.folder.path().join("config.toml")).unwrap();
        program.configure(&format!("{config}min_articles = 4\n"));
        let skipped = program.json(&["run", "weekly", "--wait"]).await;
        assert!(skipped["reason"].as_str().unwrap().contains("min_articles"), "{skipped}");
        program.site.publish(story("fourth", "A fourth story", "2026-11-21"));
        assert_eq!(program.json(&["run", "weekly", "--wait"]).await["subject"], "A fourth story + 3 more");
    }

    async fn a_first_digest_has_the_weeks_articles_and_not_the_archive_of_the_listing(store: TestStore) {
        let program = Program::on(&store).await;
        let config = std::fs::read_to_string(program.folder.path().join("config.toml")).unwrap();
        program.configure(&config.replace("backlog = \"all\"", "backlog = \"period\""));
        let today = chrono::Utc::now().date_naive();
        let days_ago = |days| (today - chrono::TimeDelta::days(days)).to_string();
        program.site.list(story("old", "From the archive", &days_ago(40)));
        program.site.list(story("fresh", "From this week", &days_ago(2)));
        program.subscribe("ana@northfold.example", &[]).await;
        assert_eq!(program.json(&["run", "weekly", "--wait"]).await["subject"], "From this week");
        program.site.list(story("late", "An old story that came late", &days_ago(60)));
        assert_eq!(program.json(&["run", "weekly", "--wait"]).await["subject"], "An old story that came late");
    }

    async fn commands_work_beside_a_running_daemon_which_delivers_what_they_queue(store: TestStore) {
        let program = Program::on(&store).await;
        week(&program).await;
        let mut daemon = program.command(&["serve"]).spawn().unwrap();
        let issue = program.json(&["run", "weekly", "--wait"]).await;
        assert_eq!((&issue["sent"], &issue["queued"]), (&2.into(), &0.into()), "{issue}");
        program.caught(2).await;
        daemon.kill().unwrap();
        daemon.wait().unwrap();
    }

    async fn nobody_unconfirmed_is_mailed_a_digest(store: TestStore) {
        let program = Program::on(&store).await;
        week(&program).await;
        let added = program.run(&["subscriber", "add", "pat@hillside.example"]).await;
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
        assert_eq!(program.json(&["run", "weekly", "--wait"]).await["recipients"], 2);
        let mails: Vec<Mail> = program.caught(3).await.iter().map(|caught| read(caught)).collect();
        let pat: Vec<&Mail> = mails.iter().filter(|mail| mail.to == "pat@hillside.example").collect();
        assert_eq!(pat.len(), 1, "only the confirmation");
        assert!(pat[0].text.contains("http://localhost:8080/confirm/"), "{}", pat[0].text);
    }

    async fn stories_that_one_page_holds_are_each_mailed(store: TestStore) {
        let program = Program::on(&store).await;
        program.subscribe("ana@northfold.example", &[]).await;
        for part in ["one", "two", "three"] {
            program.site.publish(story(&format!("changes#{part}"), &format!("Change {part}"), "2026-11-18"));
        }
        program.json(&["run", "weekly", "--wait"]).await;
        let mail = read(&program.caught(1).await[0]);
        for part in ["one", "two", "three"] {
            assert!(mail.text.contains(&format!("Change {part}")), "{}", mail.text);
        }
        program.site.publish(story("changes#four", "Change four", "2026-11-19"));
        assert_eq!(program.json(&["run", "weekly", "--wait"]).await["subject"], "Change four");
    }

    async fn a_story_without_a_page_of_its_own_leads_nowhere_and_comes_once(store: TestStore) {
        let program = Program::on(&store).await;
        let config = std::fs::read_to_string(program.folder.path().join("config.toml")).unwrap();
        program.configure(&format!("{config}utm = {{ source = \"weekly\" }}\ncount_clicks = true\n"));
        program.subscribe("ana@northfold.example", &[]).await;
        program.site.publish(story("hubs", "Family hubs win", "2026-11-18"));
        program.site.publish(Story { has_page: false, ..story("closed", "The office is closed", "2026-11-20") });

        let issue = program.json(&["run", "weekly", "--wait"]).await["id"].to_string();
        let mail = read(&program.caught(1).await[0]);
        assert_in_order(&mail.text, &["The office is closed", "What happened in closed.", "Family hubs win", "/r/"]);
        assert_eq!((mail.text.matches("/r/").count(), mail.html.matches(">Read the full story<").count()), (1, 1));
        for part in [&mail.text, &mail.html] {
            assert!(!part.contains(&program.site.url("")) && !part.contains("javascript"), "{part}");
        }
        let shown = program.json(&["issue", "show", &issue]).await;
        assert_eq!((&shown["articles"][0]["url"], shown["clicks"].as_array().unwrap().len()), (&Value::Null, 1));
        assert_eq!(program.json(&["run", "weekly", "--wait"]).await["state"], "skipped");
        let withdrawn = program.json(&["issue", "withdraw", &issue, "The office is closed"]).await;
        assert_eq!(withdrawn["subject"], "Family hubs win");
        let events = program.json(&["issue", "show", &issue]).await["events"].clone();
        assert_eq!(events[0]["article"], "The office is closed");
    }

    async fn with_nobody_subscribed_preview_and_run_say_the_same_and_the_articles_wait(store: TestStore) {
        let program = Program::on(&store).await;
        program.site.publish(story("hubs", "Family hubs win", "2026-11-18"));
        let preview = program.json(&["preview", "weekly"]).await;
        let run = program.json(&["run", "weekly", "--wait"]).await;
        assert_eq!((&preview["skipped"], &run["state"]), (&true.into(), &"skipped".into()));
        assert_eq!(preview["reason"], run["reason"]);
        program.subscribe("ana@northfold.example", &[]).await;
        assert_eq!(program.json(&["run", "weekly", "--wait"]).await["subject"], "Family hubs win");
    }

    async fn a_confirmation_names_every_digest_that_its_link_confirms(store: TestStore) {
        let program = Program::on(&store).await;
        week(&program).await;
        let config = std::fs::read_to_string(program.folder.path().join("config.toml")).unwrap();
        let second = "[[digest]]\nid = \"monthly\"\ntitle = \"Exampleton Monthly\"\nsources = [\"news\"]\nschedule = \"@monthly\"\n";
        program.configure(&format!("{config}{second}"));
        program.run(&["subscriber", "add", "pat@hillside.example"]).await;
        program.json(&["run", "weekly", "--wait"]).await;
        let mails: Vec<Mail> = program.caught(3).await.iter().map(|caught| read(caught)).collect();
        let pat = mails.iter().find(|mail| mail.to == "pat@hillside.example").unwrap();
        assert!(pat.text.replace("\r\n", "\n").contains("Exampleton Weekly\nExampleton Monthly"), "{}", pat.text);
    }

    async fn whoever_waits_delivers_when_the_daemon_that_did_is_gone(store: TestStore) {
        let program = Program::on(&store).await;
        week(&program).await;
        let mut daemon = program.command(&["serve"]).spawn().unwrap();
        // It holds the right to deliver, and stands still.
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        let pid = daemon.id().to_string();
        std::process::Command::new("kill").args(["-STOP", &pid]).status().unwrap();
        let run = program.json(&["run", "weekly", "--wait"]);
        let end = async {
            tokio::time::sleep(std::time::Duration::from_secs(2)).await;
            daemon.kill().unwrap();
            daemon.wait().unwrap();
        };
        let (issue, ()) = futures_util::future::join(run, end).await;
        assert_eq!(issue["sent"], 2, "{issue}");
        program.caught(2).await;
    }

    async fn a_test_leaves_alone_what_else_is_queued(store: TestStore) {
        let program = Program::on(&store).await;
        week(&program).await;
        assert_eq!(program.json(&["run", "weekly"]).await["queued"], 2);
        program.site.publish(story("more", "More news", "2026-11-21"));
        program.json(&["send-test", "weekly", "--to", "editor@exampleton.example"]).await;
        assert_eq!(read(&program.caught(1).await[0]).to, "editor@exampleton.example");
        assert_eq!(program.json(&["issue", "show", "1"]).await["queued"], 2);
    }

    async fn a_test_that_the_relay_does_not_take_fails_with_its_words_and_is_never_sent_later(store: TestStore) {
        let program = Program::on(&store).await;
        week(&program).await;
        let config = std::fs::read_to_string(program.folder.path().join("config.toml")).unwrap();
        program.configure(&config.replace(&program.relay.to_string(), "127.0.0.1:1"));
        let test = program.run(&["send-test", "weekly", "--to", "editor@exampleton.example"]).await;
        let said = String::from_utf8_lossy(&test.stderr).into_owned();
        assert_eq!(test.status.code(), Some(1), "{said}");
        assert!(said.contains("the relay fails") && said.contains("[smtp]"), "{said}");
        program.configure(&config);
        assert_eq!(program.json(&["run", "weekly", "--wait"]).await["sent"], 2);
        assert!(program.caught(2).await.iter().all(|mail| !read(mail).subject.starts_with("[Test]")));
    }

    async fn a_test_is_erased_with_its_address_however_that_was_typed(store: TestStore) {
        let program = Program::on(&store).await;
        week(&program).await;
        let config = std::fs::read_to_string(program.folder.path().join("config.toml")).unwrap();
        program.configure(&config.replace(&program.relay.to_string(), "127.0.0.1:1"));
        program.run(&["send-test", "weekly", "--to", "ÉMILE@exampleton.example"]).await;
        let app = program.app(std::sync::Arc::new(postround::domain::SystemClock)).await;
        let mailed = async || app.store.read().await.unwrap().follow_mail(1).await.unwrap().remove(0).address;
        assert_eq!(mailed().await, "ÉMILE@exampleton.example");
        program.json(&["subscriber", "erase", "émile@exampleton.example"]).await;
        assert_eq!(mailed().await, "");
    }

    async fn the_words_of_a_relay_that_refused_somebody_are_shown(store: TestStore) {
        let script = |turn: &Turn<'_>| match turn.stage {
            Stage::Command(Command::Recipient { to, .. }) if to.starts_with("bo@") => {
                Some(Reply::new(550, "5.1.1 no such user here"))
            }
            _ => None,
        };
        let relay = Options { answers: Answers::script(script), ..Options::default() };
        let program = Program::with_relay(&store, relay).await;
        week(&program).await;
        let issue = program.json(&["run", "weekly", "--wait"]).await;
        assert_eq!((&issue["sent"], &issue["failed"], &issue["state"]), (&1.into(), &1.into(), &"sent".into()));
        let shown = program.json(&["issue", "show", &issue["id"].to_string()]).await;
        assert_eq!(shown["trouble"][0]["address"], "bo@saltby.example");
        assert!(shown["trouble"][0]["answer"].as_str().unwrap().contains("no such user here"), "{shown}");
    }
}
