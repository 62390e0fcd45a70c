//! The first page and the site's own look: what is offered, in which language, and to whom.

use postround::config::{LocalText, Web};
use postround::domain::{Colour, Locale};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use reqwest::StatusCode;

use super::site::{FORM, Site};
use crate::support::household::{everything, execute, text};
use crate::support::on_both;

on_both! {
    async fn the_first_page_offers_all_that_is_public_and_one_digest_alone_on_request(store: TestStore) {
        let site = Site::with(&store, |config| {
            let mut staff = config.digests[1].clone();
            "staff".clone_into(&mut staff.id);
            "Staff Room".clone_into(&mut staff.title);
            staff.public = false;
            config.digests.push(staff);
        })
        .await;
        for path in ["/", "/mail", "/mail/", "/?digest="] {
            let page = site.text(path).await;
            for shown in ["Early Help Weekly", "Jobs &amp; Posts", "Mondays at 08:00", "value=\"features\"", "The week"] {
                assert!(page.contains(shown), "{path} has no {shown}: {page}");
            }
            assert!(!page.contains("Staff Room") && !page.contains("value=\"jobs\" checked>\n          <span><span class=\"choice-name\">Jobs</span>"), "{page}");
        }
        let page = site.text("/?digest=weekly").await;
        assert!(page.contains("Get Early Help Weekly by mail") && !page.contains("Jobs &amp; Posts"), "{page}");
        assert!(page.contains("name=\"only\" value=\"weekly\"") && !page.contains("name=\"digests\""), "{page}");
        for path in ["/?digest=staff", "/?digest=nowhere", "/?digest=%00"] {
            assert_eq!(site.get(path).await.status(), StatusCode::NOT_FOUND, "{path}");
        }
    }

    async fn no_box_is_ticked_beforehand_and_no_topic_ticked_means_all(store: TestStore) {
        let site = Site::open(&store).await;
        for path in ["/", "/?digest=weekly"] {
            let page = site.text(path).await;
            assert!(page.contains("name=\"topics\"") && !page.contains(" checked"), "{path}: {page}");
            assert!(page.contains("None ticked means all of them.") && !page.contains("name=\"offered\" value=\"topics\""), "{page}");
        }
        let joined = site.join("email=ann%40northfold.example&offered=digests&digests=weekly").await;
        assert_eq!(joined.status(), StatusCode::OK);
        let evidence = text(&store, "select wording from consent_events where event = 'asked'").await;
        assert!(evidence.contains("None ticked means all of them."), "{evidence}");
        let again = site.join("email=ann&page_locale=en-GB").await.text().await.unwrap();
        assert!(again.contains("such as name@example.org") && !again.contains(" checked"), "{again}");
    }

    async fn whoever_opens_the_address_of_the_sign_up_is_led_to_the_form(store: TestStore) {
        let site = Site::open(&store).await;
        for (path, form) in [("/subscribe", "/mail/"), ("/mail/subscribe?digest=weekly", "/mail/?digest=weekly")] {
            let answer = site.get(path).await;
            assert_eq!((answer.status(), &answer.headers()["location"]), (StatusCode::SEE_OTHER, &form.parse().unwrap()));
        }
    }

    async fn the_last_issue_that_was_sent_is_shown_with_its_stories(store: TestStore) {
        let site = Site::open(&store).await;
        assert!(!site.text("/").await.contains("Latest issue"));
        execute(&store,
            "insert into issues (public_id, digest, issue_key, number, state, subject, issue_date, composed_at, layout_after, recipients)
                 values ('old', 'weekly', 'a', 1, 'sent', 'Old', '2026-11-16', 0, 0, 1),
                        ('new', 'weekly', 'b', 2, 'sent', 'New', '2026-11-23', 0, 0, 1),
                        ('now', 'weekly', 'c', 3, 'sending', 'Now', '2026-11-30', 0, 0, 1);
             update issues set first_sent_at = 1 where state = 'sent';
             insert into issue_pages (issue_id, locale, articles, content) select id, 'en-GB', 2, '' from issues;
             insert into articles (source, guid, canonical, url, title, excerpt, topic, first_seen_at, updated_at)
                 select 'news', n, n, n, n, '', 'news', 0, 0 from (select 'a' as n union all select 'b') v;
             insert into issue_articles (issue_id, digest, article_id, canonical, position, listed, topic, source, url, title, excerpt)
                 select i.id, 'weekly', a.id, a.canonical, v.position, 0, v.topic, 'news', '', v.title, ''
                 from issues i, articles a,
                      (select 'a' as canonical, 0 as position, 'news' as topic, 'Hubs <win>' as title
                       union all select 'a', 1, 'features', 'Hubs <win>'
                       union all select 'b', 2, 'features', 'A long day') v
                 where i.public_id = 'new' and a.canonical = v.canonical",
        )
        .await;
        let page = site.text("/?digest=weekly").await;
        assert!(page.contains("Latest issue, Monday 23 November 2026"), "{page}");
        assert!(page.contains("Hubs &lt;win&gt;") && page.contains("A long day") && page.contains("2 stories"), "{page}");
        assert!(page.replace("&#x2F;", "/").contains("href=\"/mail/archive/weekly/2\""), "{page}");
    }

    async fn the_first_page_may_be_found_and_speaks_the_language_of_the_browser(store: TestStore) {
        let site = Site::open(&store).await;
        let page = site.get("/").await;
        assert!(page.headers().get("x-robots-tag").is_none());
        assert_eq!(page.headers()["vary"], "Accept-Language");
        assert_eq!(page.headers()["cache-control"], "no-store");
        assert_eq!(page.headers()["referrer-policy"], "no-referrer");
        let page = page.text().await.unwrap();
        assert!(!page.contains("noindex") && page.contains("<html lang=\"en-GB\" dir=\"ltr\">"), "{page}");
        let german = site.client.get(&site.root).header("accept-language", "de-CH, en;q=0.5").send().await.unwrap();
        let page = german.text().await.unwrap();
        assert!(page.contains("<html lang=\"de\" dir=\"ltr\">") && page.contains("name=\"page_locale\" value=\"de\""), "{page}");
    }

    async fn topics_and_the_sites_own_words_are_in_the_language_of_the_page_and_else_of_the_digest(store: TestStore) {
        let each = |british: &str, german: &str| {
            let texts = [("en-GB", british), ("de", german)];
            LocalText::Each(texts.map(|(code, text)| (Locale::parse(code).unwrap(), text.to_owned())).into())
        };
        let site = Site::with(&store, |config| {
            config.topics[0].title = each("The news", "Nachrichten");
            config.topics[0].description = each("What happened", "Was geschah");
            config.web.heading = each("Every Monday", "Jeden Montag");
            config.web.intro = each("One mail a week.", "Eine Mail die Woche.");
        })
        .await;
        let (british, german) =
            (["The news", "What happened", "Every Monday", "One mail a"], ["Nachrichten", "Was geschah", "Jeden Montag", "Eine Mail"]);
        for (language, own, others) in [("en", british, german), ("de", german, british), ("nl", british, german)] {
            let page = site.client.get(&site.root).header("accept-language", language).send().await.unwrap().text().await.unwrap();
            assert!(page.contains(&format!("<html lang=\"{language}")), "{page}");
            assert!(own.iter().all(|said| page.contains(said)) && !others.iter().any(|said| page.contains(said)), "{language}: {page}");
        }
    }

    async fn the_site_has_its_own_name_words_logo_and_colours(store: TestStore) {
        let logo = store.folder.path().join("logo.svg");
        std::fs::write(&logo, "<svg xmlns='http://www.w3.org/2000/svg'/>").unwrap();
        let site = Site::with(&store, |config| {
            config.web = Web {
                title: "Early & Help".to_owned(),
                heading: "The week in early help".into(),
                intro: "One mail a week.".into(),
                logo: Some(logo.clone()),
                accent: Some(Colour::parse("#7a1f3d").unwrap()),
                ..Web::default()
            };
        })
        .await;
        let page = site.text("/").await.replace("&#x2F;", "/");
        for shown in ["Early &amp; Help</span>", "<h1>The week in early help</h1>", "<p class=\"lede\">One mail a week.</p>"] {
            assert!(page.contains(shown), "no {shown}: {page}");
        }
        let file = |start: &str| page.split(start).nth(1).unwrap().split('"').next().unwrap().to_owned();
        let picture = site.get(&file("class=\"logo\" src=\"")).await;
        assert_eq!(picture.headers()["content-type"], "image/svg+xml");
        assert!(picture.headers()["cache-control"].to_str().unwrap().contains("immutable"));
        assert!(site.text(&file("rel=\"stylesheet\" href=\"")).await.contains("--accent: #7a1f3d"));
        assert_eq!(site.get("/static/logo-000000000000.svg").await.status(), StatusCode::NOT_FOUND);
    }

    async fn no_field_whatever_is_in_it_is_more_than_refused(store: TestStore) {
        let site = Site::open(&store).await;
        let before = everything(&store).await;
        let mut runner = TestRunner::deterministic();
        let junk = "(%[0-9a-fA-F]{0,2}|[ -~]|\\PC|\\r\\n|&|=){0,40}";
        let kinds = [FORM, "application/json", "multipart/form-data; boundary=b", "text/plain", ""];
        for round in 0..150 {
            let mut any = || junk.new_tree(&mut runner).unwrap().current();
            // The address has no @ that counts, so that nothing may be stored.
            let (email, other, field) = (any().replace(['@', '%'], "x"), any(), ["name", "topics", "digests", "locale", "offered", "stamp", "only", "homepage", "page"][round % 9]);
            let body = match round % 5 {
                0 | 1 => format!("email={email}&{field}={other}"),
                2 => format!("{{\"email\": {email:?}, \"{field}\": {other:?}}}"),
                3 => format!("--b\r\nContent-Disposition: form-data; name=\"email\"\r\n\r\n{email}\r\n--b{other}"),
                _ => other,
            };
            for kind in kinds {
                let answer = site.post("/subscribe", kind, body.clone()).send().await.unwrap();
                assert!(answer.status().is_client_error(), "{} to {kind} {body:?}", answer.status());
            }
            let path = url::form_urlencoded::byte_serialize(any().as_bytes()).collect::<String>();
            for path in [format!("/confirm/{path}"), format!("/?digest={path}x")] {
                assert_eq!(site.get(&path).await.status(), StatusCode::NOT_FOUND, "{path}");
            }
        }
        assert_eq!(everything(&store).await, before);
    }
}

on_both! {
    async fn a_page_of_the_operators_that_fails_gives_way_to_the_built_in_one_and_the_operator_is_told(store: TestStore) {
        let own = tempfile::tempdir().unwrap();
        std::fs::create_dir(own.path().join("pages")).unwrap();
        std::fs::write(own.path().join("pages/home.html"), "\n{{ site.name | round }}").unwrap();
        let site = Site::with(&store, |config| config.templates.dir = Some(own.path().to_owned())).await;

        let page = site.get("/").await;

        assert_eq!(page.status(), 200);
        assert!(page.text().await.unwrap().contains("name=\"email\""));
        let warnings = site.warnings.lock().unwrap().clone();
        assert!(warnings[0].starts_with("own_page: Your page `pages/home.html` fails"), "{warnings:?}");
        assert!(warnings[0].contains("pages/home.html:2: "), "{warnings:?}");
    }
}
