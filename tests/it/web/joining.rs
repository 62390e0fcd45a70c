//! Joining over real HTTP: who gets through, what is refused, and that nobody learns who is there already.

use std::time::{Duration, Instant};

use postround::config::{Captcha, Rate, Secret};
use postround::domain::PublicId;
use postround::store::{Durability, SuppressionRow};
use postround::subscribers::{Leave, NOTICE_SPACING, NOTICE_WINDOW, Origin};
use reqwest::StatusCode;
use wiremock::matchers::body_string_contains;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::site::{FORM, Site, hidden, value};
use crate::support::household::{address, confirmed, everything, execute, text};
use crate::support::{MONDAY, TestStore, on_both};

pub const ANN: &str = "ann.marsh@northfold.example";
const BEN: &str = "ben.oakes@northfold.example";

/// To how many a confirmation is on its way.
pub async fn asked(store: &TestStore) -> String {
    text(store, "select address from deliveries where kind = 'confirmation' order by id").await
}

pub async fn known(store: &TestStore) -> String {
    text(store, "select email || ' ' || state from subscribers order by email").await
}

on_both! {
    async fn a_form_that_was_fetched_is_taken_two_seconds_later_and_more_than_once(store: TestStore) {
        let site = Site::open(&store).await;
        let stamp = site.stamp().await;
        site.clock.advance(Duration::from_secs(2));
        for email in [ANN, BEN] {
            let body = format!("stamp={stamp}&email={email}&name=Ann&topics=news&digests=weekly");
            let answer = site.post("/subscribe", FORM, body).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK);
            assert!(answer.text().await.unwrap().contains("Now look in your inbox"));
        }
        assert_eq!(known(&store).await, format!("{ANN} pending\n{BEN} pending"));
        assert_eq!(asked(&store).await, format!("{ANN}\n{BEN}"));
        assert_eq!(text(&store, "select digest || ' ' || topics from subscriptions group by digest, topics").await, "weekly news");
    }

    async fn a_form_of_another_site_gets_one_more_page_with_one_button(store: TestStore) {
        let site = Site::open(&store).await;
        let body = format!("email={ANN}&name=%3Cb%3EAnn%26&digests=jobs");
        let foreign = site.post("/mail/subscribe", FORM, body).header("origin", "https://elsewhere.example");
        let page = foreign.send().await.unwrap();
        assert_eq!(page.status(), StatusCode::OK);
        let page = page.text().await.unwrap();
        assert_eq!(page.matches("<button").count(), 1, "{page}");
        assert!(page.contains("Jobs &amp; Posts") && page.contains(ANN) && !page.contains("<b>Ann"), "{page}");
        assert_eq!(known(&store).await, "");
        site.clock.advance(Duration::from_secs(2));
        let answer = site.post("/subscribe", FORM, hidden(&page)).send().await.unwrap();
        assert!(answer.text().await.unwrap().contains("Now look in your inbox"));
        assert_eq!(known(&store).await, format!("{ANN} pending"));
        assert_eq!(text(&store, "select digest from subscriptions").await, "jobs");
    }

    async fn whoever_is_too_fast_too_slow_or_fills_in_everything_is_asked_once_more(store: TestStore) {
        let site = Site::open(&store).await;
        let stamp = site.stamp().await;
        let fields = format!("stamp={stamp}&email={ANN}");
        let asked_again = async |body: String| {
            let page = site.post("/subscribe", FORM, body).send().await.unwrap().text().await.unwrap();
            assert!(page.contains("Yes, subscribe"), "{page}");
        };
        asked_again(fields.clone()).await;
        site.clock.advance(Duration::from_secs(2));
        asked_again(format!("{fields}&homepage=https%3A%2F%2Fpills.example")).await;
        asked_again(fields.replace("stamp=", "stamp=a")).await;
        site.clock.advance(Duration::from_secs(25 * 3600));
        asked_again(fields).await;
        assert_eq!(known(&store).await, "");
    }

    async fn a_name_in_another_charset_than_ours_is_asked_for_once_more(store: TestStore) {
        let site = Site::open(&store).await;
        let answer = site.join(&format!("email={ANN}&name=Zo%EB")).await;
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let page = answer.text().await.unwrap();
        assert!(page.contains("did not come through") && page.contains("href=\"#name\""), "{page}");
        let answer = site.send(&format!(r#"{{"email": "{ANN}", "name": "Zo\ufffd"}}"#)).await;
        assert_eq!((answer.status(), known(&store).await), (StatusCode::UNPROCESSABLE_ENTITY, String::new()));
    }

    async fn a_slip_in_the_address_is_asked_about_once(store: TestStore) {
        let site = Site::open(&store).await;
        for (press, stored) in [("priya@gmial.com", "priya@gmial.com pending"), ("priya@gmail.com", "priya@gmail.com pending")] {
            let page = site.join("email=priya%40gmial.com&name=Priya&topics=news").await.text().await.unwrap();
            assert!(page.contains("Did you mean priya@gmail.com?"), "{page}");
            assert!(page.contains("Keep priya@gmial.com") && page.matches("<button").count() == 2, "{page}");
            assert!(!known(&store).await.contains(stored));
            site.clock.advance(Duration::from_secs(2));
            let body = format!("{}&email={press}", hidden(&page));
            let page = site.post("/subscribe", FORM, body).send().await.unwrap().text().await.unwrap();
            assert!(page.contains("Now look in your inbox"), "{page}");
            assert!(known(&store).await.contains(stored));
        }
    }

    async fn the_answer_is_the_same_for_every_state_of_an_address(store: TestStore) {
        let site = Site::open(&store).await;
        let email = |state: &str| format!("{state}@northfold.example");
        site.join(&format!("email={}", email("pending"))).await;
        for state in ["confirmed", "unsubscribed"] {
            confirmed(&site.subscribers, &email(state), &["weekly", "jobs"]).await;
        }
        let id = text(&store, "select public_id from subscribers where email like 'unsub%'").await;
        site.subscribers.leave(&PublicId::parse(&id).unwrap(), Leave::All, Origin::PAGE).await.unwrap();
        let keys = postround::subscribers::Keys::read(&site.subscribers.config().store.keys).unwrap().unwrap();
        for reason in ["manual", "complaint", "erased", "bounced"] {
            let mut session = store.store.write(Durability::Full).await.unwrap();
            let hash = keys.address_hash(&address(&email(reason)));
            let row = SuppressionRow { address_hash: hash, reason: reason.to_owned(), note: String::new(), created_at: MONDAY };
            session.suppress(&row).await.unwrap();
            session.commit().await.unwrap();
        }
        let states = ["new", "pending", "confirmed", "unsubscribed", "manual", "complaint", "erased", "bounced"];
        let (mut pages, mut documents) = (Vec::new(), Vec::new());
        for state in states {
            let started = Instant::now();
            let page = site.join(&format!("email={}", email(state))).await;
            assert!(started.elapsed() >= Duration::from_millis(250), "{state} was answered as soon as it was done");
            pages.push(seen(page).await);
            documents.push(seen(site.send(&format!("{{\"email\": \"{}\"}}", email(state))).await).await);
        }
        assert!(pages[0].starts_with("200 OK") && pages.iter().all(|page| *page == pages[0]), "{pages:#?}");
        assert!(documents[0].starts_with("202 Accepted") && documents.iter().all(|document| *document == documents[0]));
        for answer in [&pages[0], &documents[0]] {
            assert!(answer.contains("at most once in ten minutes and three times a week"), "{answer}");
        }
        assert_eq!((NOTICE_SPACING.as_secs(), NOTICE_WINDOW.as_secs()), (600, 7 * 86_400), "as the pages say in words");
        let mailed = asked(&store).await;
        assert!(!mailed.contains("manual@") && !mailed.contains("complaint@"), "{mailed}");
    }

    async fn a_store_that_fails_is_told_to_everybody_alike(store: TestStore) {
        let site = Site::open(&store).await;
        confirmed(&site.subscribers, ANN, &["weekly", "jobs"]).await;
        let stamp = site.stamp().await;
        site.clock.advance(Duration::from_secs(2));
        execute(&store, "alter table subscribers rename to elsewhere").await;
        let mut answers = Vec::new();
        for email in [ANN, BEN] {
            let body = format!("stamp={stamp}&email={email}");
            answers.push(seen(site.post("/subscribe", FORM, body).send().await.unwrap()).await);
        }
        assert!(answers[0].starts_with("503") && answers[0].contains("Nothing was changed"), "{answers:#?}");
        assert_eq!(answers[0], answers[1]);
    }

    async fn bad_input_is_refused_in_a_sentence_and_nothing_is_stored(store: TestStore) {
        let site = Site::open(&store).await;
        let before = everything(&store).await;
        for (fields, sentence) in [
            ("email=", "Enter your email address."),
            ("name=Ann", "Enter your email address."),
            ("email=ann", "such as name@example.org"),
            ("email=a%40b%0D%0ABcc%3A%20c%40d.example", "without spaces in it"),
            ("email=a%00b%40northfold.example", "such as name@example.org"),
            ("email=%FF%FE%40northfold.example", "such as name@example.org"),
            ("email=ann%40northfold.example&name=a%0Ab", "in one line"),
            ("email=ann%40northfold.example&digests=staff", "One of these newsletters is not offered"),
            ("email=ann%40northfold.example&only=staff", "One of these newsletters is not offered"),
            ("email=ann%40northfold.example&topics=weather", "One of these topics is not offered"),
            ("email=ann%40northfold.example&locale=tlh", "language is not offered"),
            ("email=ann%40northfold.example&offered=topics", "Choose at least one topic."),
            ("email=ann%40northfold.example&offered=digests", "Choose at least one newsletter."),
            ("email=ann%40northfold.example&digests=weekly&topics=jobs", "at least one topic of Early Help Weekly"),
        ] {
            let answer = site.join(fields).await;
            assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY, "{fields}");
            let page = answer.text().await.unwrap();
            assert!(page.contains(sentence), "{fields}: {page}");
        }
        let long = format!("email=ann%40northfold.example&name={}", "x".repeat(101));
        assert_eq!(site.join(&long).await.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let many = format!("email=ann%40northfold.example{}", "&a=".repeat(600));
        assert_eq!(site.join(&many).await.status(), StatusCode::BAD_REQUEST);
        assert_eq!(site.join(&"x".repeat(70_000)).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
        let text = site.post("/subscribe", "text/plain", "email=ann@northfold.example").send().await.unwrap();
        assert_eq!(text.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
        assert_eq!(everything(&store).await, before);
    }

    async fn a_form_that_is_wrong_comes_back_filled_in(store: TestStore) {
        let site = Site::open(&store).await;
        let page = site.join("email=ann%22%3E&name=%22Ann%22&offered=topics&topics=news&page_locale=en-GB&only=weekly").await;
        let page = page.text().await.unwrap();
        assert_eq!(value(&page, "name\" type=\"text").as_deref(), Some("\"Ann\""), "{page}");
        assert!(page.contains("value=\"ann&quot;&gt;\""), "{page}");
        assert!(page.contains("value=\"news\" checked") && !page.contains("value=\"features\" checked"), "{page}");
        assert!(page.contains("aria-invalid=\"true\"") && page.contains("href=\"#email\""), "{page}");
    }

    async fn scripts_of_listed_sites_and_programs_may_send_json(store: TestStore) {
        let site = Site::with(&store, |config| config.subscribe.origins = vec!["https://listed.example".to_owned()]).await;
        let json = format!("{{\"email\": \"{ANN}\", \"topics\": [\"news\"], \"digests\": \"weekly\", \"name\": null, \"x\": {{}}}}");
        let from = |origin: &'static str| site.post("/subscribe", "application/json", json.clone()).header("origin", origin).send();
        let foreign = from("https://elsewhere.example").await.unwrap();
        assert_eq!(foreign.status(), StatusCode::FORBIDDEN);
        assert!(foreign.headers().get("access-control-allow-origin").is_none());
        assert_eq!(from("null").await.unwrap().status(), StatusCode::FORBIDDEN);
        assert_eq!(known(&store).await, "");
        let listed = from("https://listed.example").await.unwrap();
        assert_eq!(listed.status(), StatusCode::ACCEPTED);
        assert_eq!(listed.headers()["access-control-allow-origin"], "https://listed.example");
        assert!(listed.text().await.unwrap().contains("\"message\""));
        assert_eq!(from("https://post.northfold.example").await.unwrap().status(), StatusCode::ACCEPTED);
        assert_eq!(site.send(&json).await.status(), StatusCode::ACCEPTED);
        assert_eq!(known(&store).await, format!("{ANN} pending"));
        for (origin, status) in [("https://listed.example", StatusCode::NO_CONTENT), ("https://elsewhere.example", StatusCode::FORBIDDEN)] {
            let ask = site.client.request(reqwest::Method::OPTIONS, format!("{}/subscribe", site.root)).header("origin", origin);
            let ask = ask.header("access-control-request-method", "POST").send().await.unwrap();
            assert_eq!(ask.status(), status);
            assert_eq!(ask.headers().contains_key("access-control-allow-headers"), status == StatusCode::NO_CONTENT);
        }
    }

    async fn json_that_is_none_of_ours_is_refused(store: TestStore) {
        let site = Site::open(&store).await;
        for (body, status) in [
            ("", 400),
            ("[]", 400),
            ("{\"email\": 1}", 400),
            ("{\"email\": {\"a\": 1}}", 400),
            ("{\"email\": [[\"a\"]]}", 400),
            ("{\"email\": \"ann\"}", 422),
            ("{\"email\": \"ann@northfold.example\", \"topics\": [\"weather\"]}", 422),
            ("{\"email\": \"ann@northfold.example\", \"topics\": [1]}", 400),
            ("{\"email\": \"\\u0000@northfold.example\"}", 422),
        ] {
            let answer = site.send(body).await;
            assert_eq!(answer.status().as_u16(), status, "{body}");
            let answer: serde_json::Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
            assert!(answer["error"]["message"].as_str().unwrap().ends_with('.'), "{answer}");
        }
        let deep = format!("{{\"email\": {}", "[".repeat(50_000));
        assert_eq!(site.send(&deep).await.status(), StatusCode::BAD_REQUEST);
        assert_eq!(known(&store).await, "");
    }

    async fn one_network_is_asked_to_come_back_later_and_others_are_not(store: TestStore) {
        let site = Site::with(&store, |config| {
            config.subscribe.per_network = Rate::parse("2/h").unwrap();
            config.server.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
        })
        .await;
        let send = async |number: usize, network: &str| {
            let body = format!("{{\"email\": \"reader{number}@northfold.example\"}}");
            let request = site.post("/subscribe", "application/json", body).header("x-forwarded-for", network);
            request.send().await.unwrap()
        };
        for number in 0..2 {
            assert_eq!(send(number, "203.0.113.9, 2001:db8::1").await.status(), StatusCode::ACCEPTED);
        }
        let later = send(2, "203.0.113.10, 2001:db8::2").await;
        assert_eq!(later.status(), StatusCode::TOO_MANY_REQUESTS);
        assert!(later.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() > 60);
        assert_eq!(send(3, "203.0.113.10").await.status(), StatusCode::ACCEPTED);
        assert_eq!(known(&store).await.lines().count(), 3);
        assert!(site.warnings.lock().unwrap()[0].starts_with("signups_of_a_network: 2001:db8::/64"));
    }

    async fn the_operator_hears_once_of_a_proxy_on_this_machine_that_is_not_named(store: TestStore) {
        let site = Site::with(&store, |config| config.subscribe.per_network = Rate::parse("1/h").unwrap()).await;
        for number in 0..3 {
            let body = format!("{{\"email\": \"reader{number}@northfold.example\"}}");
            let request = site.post("/subscribe", "application/json", body);
            let request = if number > 0 { request.header("x-forwarded-for", "203.0.113.9") } else { request };
            assert_eq!(request.send().await.unwrap().status(), StatusCode::ACCEPTED);
            let warnings = site.warnings.lock().unwrap();
            assert_eq!(warnings.len(), number.min(1), "{warnings:?}");
        }
        let warnings = site.warnings.lock().unwrap();
        assert!(warnings[0].starts_with("unnamed_proxy: "), "{warnings:?}");
        assert!(warnings[0].ends_with("set server.trusted_proxies = [\"127.0.0.1\"]"), "{warnings:?}");
    }

    async fn a_flood_of_many_networks_waits_and_the_operator_hears_of_it(store: TestStore) {
        let site = Site::with(&store, |config| {
            config.subscribe.overall = Rate::parse("3/s").unwrap();
            config.server.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
        })
        .await;
        let started = Instant::now();
        let sent = (0..9).map(|number| {
            let body = format!("{{\"email\": \"reader{number}@d{number}.example\"}}");
            site.post("/subscribe", "application/json", body).header("x-forwarded-for", format!("198.51.100.{number}")).send()
        });
        for answer in futures_util::future::join_all(sent).await {
            assert_eq!(answer.unwrap().status(), StatusCode::ACCEPTED);
        }
        assert!(started.elapsed() > Duration::from_millis(1500), "{:?}", started.elapsed());
        assert_eq!(known(&store).await.lines().count(), 9, "who waited was taken");
        let warnings = site.warnings.lock().unwrap();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].starts_with("signups_in_all: "), "{warnings:?}");
    }

    async fn a_flood_at_one_address_closes_the_form_for_nobody_else_of_its_domain(store: TestStore) {
        let site = Site::with(&store, |config| {
            config.subscribe.per_domain = Rate::parse("3/d").unwrap();
            config.subscribe.overall = Rate::parse("20/d").unwrap();
            config.server.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
        })
        .await;
        let send = async |number: u8, email: &str| {
            let body = format!("{{\"email\": \"{email}\"}}");
            let post = site.post("/subscribe", "application/json", body);
            post.header("x-forwarded-for", format!("198.51.100.{number}")).send().await.unwrap().status()
        };
        for number in 0..12 {
            let email = if number % 2 == 0 { ANN.to_owned() } else { ANN.replace('@', &format!("+{number}@")) };
            assert_eq!(send(number, &email).await, StatusCode::ACCEPTED, "the same answer as ever");
        }
        for number in 20..22 {
            assert_eq!(send(number, &format!("reader{number}@northfold.example")).await, StatusCode::ACCEPTED);
        }
        assert_eq!(asked(&store).await.lines().count(), 3);
        for number in 30..50 {
            let status = send(number, &format!("reader{number}@northfold.example")).await;
            assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "three of that domain");
        }
        assert_eq!(send(60, "reader@saltby.example").await, StatusCode::ACCEPTED, "what is refused takes no place in all");
    }

    async fn a_captcha_is_verified_and_its_widget_may_load(store: TestStore) {
        let provider = MockServer::start().await;
        let verdict = |answer: &'static str, success: bool| {
            let said = ResponseTemplate::new(200).set_body_string(format!("{{\"success\": {success}}}"));
            Mock::given(body_string_contains(format!("response={answer}&"))).respond_with(said).mount(&provider)
        };
        verdict("person", true).await;
        verdict("program", false).await;
        let captcha = Captcha {
            script_url: "https://challenge.example/api.js".parse().unwrap(),
            verify_url: provider.uri().parse().unwrap(),
            site_key: "public".to_owned(),
            secret: Secret::new("secret"),
            class: "challenge".to_owned(),
            field: "challenge-response".to_owned(),
            origins: vec!["https://frames.challenge.example".to_owned()],
        };
        let site = Site::with(&store, |config| config.subscribe.captcha = Some(captcha)).await;
        let page = site.get("/").await;
        let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.contains("script-src https://challenge.example https://frames.challenge.example;"), "{policy}");
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        let page = page.text().await.unwrap();
        assert!(page.contains("class=\"challenge\" data-sitekey=\"public\"") && page.contains("<noscript><p"), "{page}");
        for answer in ["", "&challenge-response=program"] {
            let refused = site.join(&format!("email={ANN}{answer}")).await;
            assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
            assert!(refused.text().await.unwrap().contains("Show that you are a person"));
        }
        let broken = site.join(&format!("email={ANN}&challenge-response=lost")).await;
        assert_eq!(broken.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(site.warnings.lock().unwrap()[0].starts_with("captcha_unreachable: "));
        assert_eq!(known(&store).await, "");
        assert_eq!(site.join(&format!("email={ANN}&challenge-response=person")).await.status(), StatusCode::OK);
        assert_eq!(known(&store).await, format!("{ANN} pending"));
    }
}

/// All of an answer that a stranger sees, but the moment.
pub async fn seen(answer: reqwest::Response) -> String {
    let mut headers: Vec<String> = answer
        .headers()
        .iter()
        .filter(|(name, _)| *name != "date")
        .map(|(name, value)| format!("{name}: {value:?}"))
        .collect();
    headers.sort();
    format!("{}\n{}\n\n{}", answer.status(), headers.join("\n"), answer.text().await.unwrap())
}
