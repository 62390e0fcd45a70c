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
        add(&program, r#"
            banner = { text = { "en-GB" = "Enter the awards", de = "Preise ausgeschrieben" } }
            intro = { text = { "en-GB" = "A short week.", de = "Eine kurze Woche." }, by = "Marian Holt" }
            [[topic]]
            id = "news"
            title = { "en-GB" = "The news", de = "Nachrichten" }
            [[topic]]
            id = "interviews"
        "#);
        for path in ["hubs", "visitors"] {
            program.site.publish(story(path, path, "2026-11-18"));
        }
        for (name, locale) in [("ann", "en-GB"), ("dora", "de"), ("cleo", "cy")] {
            program.subscribe(&format!("{name}@northfold.example"), &["--locale", locale]).await;
        }
        program.json(&["run", "weekly", "--wait"]).await;
        for (to, text) in mails(&program, 3).await {
            let (german, british) = (["NACHRICHTEN", "Preise ausgeschrieben", "Eine kurze Woche."], ["THE NEWS", "Enter the awards", "A short week."]);
            let (own, others) = if to.starts_with("dora") { (german, british) } else { (british, german) };
            assert!(own.iter().all(|said| text.contains(said)), "{to}: {text}");
            assert!(!others.iter().any(|said| text.contains(said)), "{to}: {text}");
        }
        let shown = String::from_utf8(program.run(&["config", "show"]).await.stdout).unwrap();
        assert!(shown.contains("[topic.title]\nen-GB = \"The news\"\nde = \"Nachrichten\"\n"), "{shown}");
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
