//! Who gets which mail of an issue: by topics and by language, one for all who chose alike.

use mail_parser::MessageParser;

use crate::support::on_both;
use crate::support::program::Program;
use crate::support::site::story;

/// The text of the mail that came to each address.
async fn mails(program: &Program, count: usize) -> Vec<(String, String)> {
    let read = |raw: &[u8]| {
        let parsed = MessageParser::default().parse(raw).unwrap();
        let to = parsed.to().unwrap().first().unwrap().address().unwrap().to_owned();
        (to, parsed.body_text(0).unwrap().into_owned())
    };
    program.caught(count).await.iter().map(|caught| read(&caught.raw)).collect()
}

/// Adds lines to the configuration.
fn add(program: &Program, lines: &str) {
    let config = std::fs::read_to_string(program.folder.path().join("config.toml")).unwrap();
    program.configure(&format!("{config}{lines}\n"));
}

/// Banner, intro and the name of a topic in two languages.
const SPEAKING: &str = r#"
    banner = { text = { "en-GB" = "Enter the awards", de = "Preise ausgeschrieben" } }
    intro = { text = { "en-GB" = "A short week.", de = "Eine kurze Woche." }, by = "Marian Holt" }
    [[topic]]
    id = "news"
    title = { "en-GB" = "The news", de = "Nachrichten" }
    [[topic]]
    id = "interviews"
"#;
const BRITISH: [&str; 4] = ["THE NEWS", "Enter the awards", "A short week.", "Unsubscribe"];
const GERMAN: [&str; 4] = ["NACHRICHTEN", "Preise ausgeschrieben", "Eine kurze Woche.", "Abmelden"];

/// A text has all of these, and none of those.
#[track_caller]
fn assert_says(text: &str, these: [&str; 4], those: [&str; 4]) {
    assert!(these.iter().all(|said| text.contains(said)), "{text}");
    assert!(!those.iter().any(|said| text.contains(said)), "{text}");
}

on_both! {
    async fn one_mail_is_rendered_for_each_combination_in_use_and_none_for_each_subscriber(store: TestStore) {
        let program = Program::on(&store).await;
        let locales = program.folder.path().join("templates/locales");
        std::fs::create_dir_all(&locales).unwrap();
        std::fs::write(locales.join("ar.toml"), include_str!("../fixtures/templates/locales/ar.toml")).unwrap();
        add(&program, "[templates]\ndir = \"templates\"");
        program.site.publish(story("hubs", "Family hubs win an extra year", "2026-11-18"));
        program.site.list(story("ferreira", "Nadia Ferreira on counting", "2026-11-04"));
        for name in ["ana", "ben", "cleo"] {
            program.subscribe(&format!("{name}@northfold.example"), &[]).await;
        }
        program.subscribe("dora@northfold.example", &["--topics", "news", "--locale", "de"]).await;
        program.subscribe("emil@northfold.example", &["--topics", "news", "--locale", "de"]).await;
        program.subscribe("amal@northfold.example", &["--locale", "ar"]).await;

        let preview = program.json(&["preview", "weekly"]).await;
        assert_eq!((&preview["variants"], &preview["recipients"]), (&3.into(), &6.into()), "{preview}");
        program.json(&["run", "weekly", "--wait"]).await;
        for (to, text) in mails(&program, 6).await {
            let (is_german, is_arabic) = (to.starts_with("dora") || to.starts_with("emil"), to.starts_with("amal"));
            let word = if is_german { "Abmelden" } else if is_arabic { "إلغاء الاشتراك" } else { "Unsubscribe" };
            assert!(text.contains(word), "{to}: {text}");
            assert_eq!(text.contains("Nadia Ferreira"), !is_german, "{to}: {text}");
            assert!(text.contains("Family hubs"), "{to}: {text}");
        }
    }

    async fn headings_banner_and_intro_are_in_the_language_of_the_reader_and_else_of_the_digest(store: TestStore) {
        let program = Program::on(&store).await;
        add(&program, SPEAKING);
        for path in ["hubs", "visitors"] {
            program.site.publish(story(path, path, "2026-11-18"));
        }
        for (name, locale) in [("ann", "en-GB"), ("dora", "de"), ("cleo", "cy")] {
            program.subscribe(&format!("{name}@northfold.example"), &["--locale", locale]).await;
        }
        program.json(&["run", "weekly", "--wait"]).await;
        for (to, text) in mails(&program, 3).await {
            match to.split('@').next().unwrap() {
                "dora" => assert_says(&text, GERMAN, BRITISH),
                "cleo" => assert_says(&text, [BRITISH[0], BRITISH[1], BRITISH[2], "Dad-danysgrifio"], GERMAN),
                _ => assert_says(&text, BRITISH, GERMAN),
            }
        }
        let shown = String::from_utf8(program.run(&["config", "show"]).await.stdout).unwrap();
        assert!(shown.contains("[topic.title]\nen-GB = \"The news\"\nde = \"Nachrichten\"\n"), "{shown}");
    }

    async fn a_preview_and_a_test_are_as_a_reader_of_any_language_would_get_them(store: TestStore) {
        let program = Program::on(&store).await;
        add(&program, SPEAKING);
        for path in ["hubs", "visitors"] {
            program.site.publish(story(path, path, "2026-11-18"));
        }
        program.subscribe("ann@northfold.example", &[]).await;
        let preview = async |locale: &[&str]| {
            let output = program.run(&[&["preview", "weekly"], locale].concat()).await;
            String::from_utf8(output.stdout).unwrap()
        };
        assert_says(&preview(&[]).await, BRITISH, GERMAN);
        assert_says(&preview(&["--locale", "DE"]).await, GERMAN, BRITISH);
        assert_eq!(program.json(&["preview", "weekly", "--locale", "de"]).await["locale"], "de");
        program.json(&["send-test", "weekly", "--locale", "de", "--to", "desk@northfold.example"]).await;
        assert_says(&mails(&program, 1).await[0].1, GERMAN, BRITISH);
        for command in [&["preview", "weekly"][..], &["send-test", "weekly", "--to", "desk@northfold.example"]] {
            let refused = program.run(&[command, &["--locale", "tlh"]].concat()).await;
            let said = String::from_utf8_lossy(&refused.stderr);
            assert_eq!(refused.status.code(), Some(2), "{said}");
            assert!(said.contains("`tlh` is not a locale that there is: en-GB, en-US, de, fr, es, nl, cy"), "{said}");
        }
    }

    async fn an_issue_is_shown_as_it_was_frozen_also_in_a_language_that_nobody_had(store: TestStore) {
        let program = Program::on(&store).await;
        let config = std::fs::read_to_string(program.folder.path().join("config.toml")).unwrap();
        add(&program, SPEAKING);
        for path in ["hubs", "visitors"] {
            program.site.publish(story(path, path, "2026-11-18"));
        }
        program.subscribe("ann@northfold.example", &[]).await;
        let issue = program.json(&["run", "weekly", "--wait"]).await["id"].to_string();
        program.configure(&format!("{config}intro = {{ text = \"Next week's.\" }}\n"));
        program.site.publish(story("next", "The next week's story", "2026-11-25"));

        let show = async |more: &[&str]| {
            let output = program.run(&[&["preview", "--issue", issue.as_str()], more].concat()).await;
            String::from_utf8(output.stdout).unwrap()
        };
        let (own, german) = (show(&[]).await, show(&["--locale", "de"]).await);
        assert_says(&own, BRITISH, GERMAN);
        assert_says(&german, GERMAN, BRITISH);
        assert!(!own.contains("next") && !german.contains("next"), "{german}");
        let boundary = |message: &str| message.lines().find(|line| line.contains("boundary=")).unwrap().trim().to_owned();
        let raw = String::from_utf8(program.caught(1).await[0].raw.clone()).unwrap();
        assert_eq!(boundary(&show(&["--format", "eml"]).await), boundary(&raw), "the mail that its readers have");
        let told = program.json(&["preview", "--issue", &issue, "--locale", "de"]).await;
        assert_eq!((&told["digest"], &told["locale"]), (&"weekly".into(), &"de".into()), "{told}");
        for (wrong, code) in [(&["--issue", "99"][..], 2), (&[], 2), (&["weekly", "--issue", &issue], 2)] {
            let refused = program.run(&[&["preview"], wrong].concat()).await;
            assert_eq!(refused.status.code(), Some(code), "{refused:?}");
        }
        assert_eq!(program.json(&["issue", "list"]).await.as_array().unwrap().len(), 1, "nothing was stored");
    }

    async fn whose_topics_have_nothing_new_gets_no_mail_or_the_rest_as_the_digest_says(store: TestStore) {
        let program = Program::on(&store).await;
        program.site.publish(story("hubs", "Family hubs win an extra year", "2026-11-18"));
        program.subscribe("ana@northfold.example", &[]).await;
        program.subscribe("bo@saltby.example", &["--topics", "interviews"]).await;
        program.json(&["run", "weekly", "--wait"]).await;
        let first = mails(&program, 1).await;
        assert_eq!(first[0].0, "ana@northfold.example");
        let why = async || program.json(&["subscriber", "why", "bo@saltby.example"]).await["digests"][0]["why"].clone();
        assert_eq!(why().await, "they have subscribed; an issue without interviews is not sent to them");

        add(&program, "when_topics_are_empty = \"rest\"");
        assert_eq!(why().await, "they have subscribed; an issue without interviews is sent to them whole");
        program.site.publish(story("posts", "Health visitor posts fill", "2026-11-20"));
        program.json(&["run", "weekly", "--wait"]).await;
        let both = mails(&program, 3).await;
        assert!(both[1..].iter().any(|(to, text)| to == "bo@saltby.example" && text.contains("Health visitor")), "{both:?}");
    }
}
