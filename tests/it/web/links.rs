//! The pages over real HTTP, on both databases.

use std::sync::Arc;

use postround::subscribers::{Origin, Subscribers};
use postround::web::{AppState, router, serve};
use reqwest::{Client, Response, StatusCode};

use crate::support::household::{Asked, address, confirmed, everything, execute, notices, somebody, subscribers, text};
use crate::support::{TestStore, on_both};

const ANN: &str = "ann.marsh@northfold.example";
const ONE_CLICK: &str = "List-Unsubscribe=One-Click";
const FORM: &str = "application/x-www-form-urlencoded";

struct Site {
    subscribers: Subscribers,
    root: String,
    client: Client,
}

impl Site {
    async fn open(store: &TestStore) -> Self {
        let (subscribers, _clock) = subscribers(store, "https://post.northfold.example/mail").await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let root = format!("http://{}", listener.local_addr().unwrap());
        let router = router(AppState::new(subscribers.clone(), notices(&subscribers), Arc::new(|_, _| {})).unwrap());
        tokio::spawn(serve(listener, router, std::future::pending()));
        let client = Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
        Self { subscribers, root, client }
    }

    async fn get(&self, path: &str) -> Response {
        self.client.get(format!("{}{path}", self.root)).send().await.unwrap()
    }

    async fn post(&self, path: &str, body: &str) -> Response {
        let request = self.client.post(format!("{}{path}", self.root)).header("content-type", FORM);
        request.body(body.to_owned()).send().await.unwrap()
    }

    /// Presses a button, and goes where the answer leads to.
    async fn press(&self, path: &str, body: &str) -> String {
        let answer = self.post(path, body).await;
        let leads_to = answer.headers().get("location").map(|path| path.to_str().unwrap().to_owned());
        match leads_to {
            Some(path) => self.get(&path).await.text().await.unwrap(),
            None => answer.text().await.unwrap(),
        }
    }

    /// The paths of Ann's unsubscribe and preferences links of the weekly.
    async fn links(&self, store: &TestStore) -> (String, String) {
        let id = text(store, &format!("select public_id from subscribers where email = '{ANN}'")).await;
        let id = postround::domain::PublicId::parse(&id).unwrap();
        let tokens = self.subscribers.tokens();
        let path = |url: String| url.strip_prefix("https://post.northfold.example/mail").unwrap().to_owned();
        (path(tokens.unsubscribe_url(&id, "weekly")), path(tokens.preferences_url(&id, "weekly")))
    }

    /// The state of Ann's subscriptions.
    async fn states(&self, store: &TestStore) -> String {
        text(store, "select digest || ' ' || state from subscriptions order by digest").await
    }
}

/// Lays out one mail and open deliveries of both digests for the first subscriber.
async fn queue(store: &TestStore) {
    execute(
        store,
        "insert into mails (kind, topics, locale, subject, html, body_text, mime, marker, salt, created_at)
             values ('digest', '*', '', '', '', '', '', '', '', 0);
         insert into deliveries (mail_id, kind, digest, subscriber_id, address, name, state, priority, due_at,
             first_due_at, attempts)
         select m.id, 'digest', v.digest, s.id, s.email, '', v.state, 0, 0, 0, 0 from mails m, subscribers s,
             (select 'weekly' as digest, 'queued' as state union all select 'weekly', 'deferred'
              union all select 'weekly', 'claimed' union all select 'weekly', 'sent' union all select 'jobs', 'queued') v",
    )
    .await;
}

async fn deliveries(store: &TestStore) -> String {
    text(store, "select digest || ' ' || state from deliveries order by 1").await
}

on_both! {
    async fn a_get_of_any_link_changes_nothing(store: TestStore) {
        let site = Site::open(&store).await;
        confirmed(&site.subscribers, ANN, &["weekly", "jobs"]).await;
        let asked = Asked::default();
        site.subscribers.add(&somebody("ben@northfold.example", &["weekly"]), Origin::PAGE, &asked).await.unwrap();
        let before = everything(&store).await;
        let (unsubscribe, preferences) = site.links(&store).await;
        for path in [format!("/confirm/{}", asked.token()), unsubscribe, preferences] {
            for path in [path.clone(), format!("/mail{path}")] {
                let page = site.get(&path).await;
                assert_eq!(page.status(), StatusCode::OK, "{path}");
                let header = |name: &str| page.headers()[name].to_str().unwrap().to_owned();
                assert_eq!(header("referrer-policy"), "no-referrer");
                assert_eq!(header("x-content-type-options"), "nosniff");
                assert_eq!(header("x-robots-tag"), "noindex");
                assert_eq!(header("cache-control"), "no-store");
                assert!(header("content-security-policy").starts_with("default-src 'none'; style-src 'self';"));
                let html = page.text().await.unwrap();
                assert!(html.contains("<form method=\"post\""), "{html}");
                assert!(!html.contains(ANN), "a forwarded mail must not show the address: {html}");
                let style = html.split("href=\"").find(|part| part.contains(".css\"")).unwrap().split('"').next().unwrap();
                assert_eq!(site.get(&style.replace("&#x2F;", "/")).await.headers()["content-type"], "text/css; charset=utf-8");
            }
        }
        assert_eq!(everything(&store).await, before);
    }

    async fn one_click_leaves_that_digest_alone_and_may_come_again(store: TestStore) {
        let site = Site::open(&store).await;
        confirmed(&site.subscribers, ANN, &["weekly", "jobs"]).await;
        let (unsubscribe, _) = site.links(&store).await;
        assert_eq!(site.post(&unsubscribe, ONE_CLICK).await.status(), StatusCode::OK);
        assert_eq!(site.states(&store).await, "jobs active\nweekly left");
        let after = everything(&store).await;
        let again = site.client.post(format!("{}/mail{unsubscribe}", site.root));
        let part = "--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n";
        let again = again.header("content-type", "multipart/form-data; boundary=b").body(part).send().await.unwrap();
        assert_eq!(again.status(), StatusCode::OK);
        assert!(again.headers().get("set-cookie").is_none());
        assert_eq!(everything(&store).await, after);
    }

    async fn one_click_in_multipart_leaves_and_an_unknown_token_is_answered_the_same(store: TestStore) {
        let site = Site::open(&store).await;
        confirmed(&site.subscribers, ANN, &["weekly"]).await;
        let (unsubscribe, _) = site.links(&store).await;
        let part = "--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n";
        let request = site.client.post(format!("{}{unsubscribe}", site.root));
        let request = request.header("content-type", "multipart/form-data; boundary=b").body(part);
        assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
        assert_eq!(site.states(&store).await, "weekly left");
        let nobody = postround::subscribers::Tokens::nobody();
        let nobody = site.subscribers.tokens().unsubscribe(&nobody, "weekly");
        for token in [nobody.as_str(), "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "a"] {
            assert_eq!(site.post(&format!("/unsubscribe/{token}"), ONE_CLICK).await.status(), StatusCode::OK);
        }
    }

    async fn leaving_cancels_what_is_open_of_that_digest_or_does_nothing_at_all(store: TestStore) {
        let site = Site::open(&store).await;
        confirmed(&site.subscribers, ANN, &["weekly", "jobs"]).await;
        queue(&store).await;
        let (unsubscribe, _) = site.links(&store).await;
        let before = deliveries(&store).await;
        execute(&store, "alter table consent_events rename to elsewhere").await;
        let failed = site.post(&unsubscribe, ONE_CLICK).await;
        assert_eq!(failed.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(failed.text().await.unwrap().contains("Nothing was changed"));
        assert_eq!(deliveries(&store).await, before);
        assert_eq!(site.states(&store).await, "jobs active\nweekly active");
        execute(&store, "alter table elsewhere rename to consent_events").await;
        assert_eq!(site.post(&unsubscribe, ONE_CLICK).await.status(), StatusCode::OK);
        let after = "jobs queued\nweekly cancelled\nweekly cancelled\nweekly cancelled\nweekly sent";
        assert_eq!(deliveries(&store).await, after);
    }

    async fn the_page_leaves_one_digest_and_then_offers_to_leave_the_rest(store: TestStore) {
        let site = Site::open(&store).await;
        confirmed(&site.subscribers, ANN, &["weekly", "jobs"]).await;
        let (unsubscribe, _) = site.links(&store).await;
        let page = site.press(&unsubscribe, "leave=digest").await;
        assert!(page.contains("You have left") && page.contains("Unsubscribe from everything"), "{page}");
        assert_eq!(site.states(&store).await, "jobs active\nweekly left");
        let page = site.press(&unsubscribe, "leave=all").await;
        assert!(page.contains("an•••@northfold.example") && !page.contains("Jobs"), "{page}");
        assert_eq!(site.states(&store).await, "jobs left\nweekly left");
    }

    async fn more_than_is_read_is_answered_with_a_page_and_changes_nothing(store: TestStore) {
        let site = Site::open(&store).await;
        confirmed(&site.subscribers, ANN, &["weekly"]).await;
        execute(&store, "update subscribers set locale = 'de'").await;
        let before = everything(&store).await;
        let (unsubscribe, preferences) = site.links(&store).await;
        let body = format!("leave=all&pause=4w&x={}", "y".repeat(100_000));
        let (theirs, anybodys) = ("Das ist zu viel auf einmal", "That is too much to read");
        for (path, heading) in [
            (unsubscribe.as_str(), theirs), (&preferences, theirs), ("/preferences", anybodys), ("/confirm/x", anybodys),
            ("/goodbye/x", anybodys), ("/subscribe", anybodys),
        ] {
            let answer = site.post(path, &body).await;
            assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE, "{path}");
            let page = answer.text().await.unwrap();
            assert!(page.contains("<h1>") && page.contains(heading), "{path}: {page}");
        }
        assert_eq!(everything(&store).await, before);
    }

    async fn forged_and_malformed_links_are_not_found_and_change_nothing(store: TestStore) {
        let site = Site::open(&store).await;
        confirmed(&site.subscribers, ANN, &["weekly"]).await;
        let before = everything(&store).await;
        let (unsubscribe, preferences) = site.links(&store).await;
        let (_, token) = preferences.rsplit_once('/').unwrap();
        let forged = format!("{}{}", if token.starts_with('o') { 'a' } else { 'o' }, &token[1..]);
        let wrong_purpose = unsubscribe.rsplit_once('/').unwrap().1;
        for token in [forged.as_str(), wrong_purpose, "x", "%00", "%ff", "..%2f", "ÅÅ"] {
            for path in [format!("/confirm/{token}"), format!("/preferences/{token}")] {
                assert_eq!(site.get(&path).await.status(), StatusCode::NOT_FOUND, "GET {path}");
                assert_eq!(site.post(&path, "pause=4w").await.status(), StatusCode::NOT_FOUND, "POST {path}");
            }
        }
        assert_eq!(everything(&store).await, before);
    }

    async fn a_confirmation_is_made_once_and_an_old_link_is_gone(store: TestStore) {
        let site = Site::open(&store).await;
        let asked = Asked::default();
        site.subscribers.add(&somebody(ANN, &["weekly"]), Origin::PAGE, &asked).await.unwrap();
        let path = format!("/confirm/{}", asked.token());
        assert_eq!(site.post(&path, "").await.status(), StatusCode::OK);
        let record = site.subscribers.show(&address(ANN)).await.unwrap().unwrap();
        assert_eq!(record.state.as_str(), "confirmed");
        assert!(record.consent.last().unwrap().wording.as_ref().unwrap().contains("Yes, subscribe me"));
        let after = everything(&store).await;
        assert!(site.post(&path, "").await.text().await.unwrap().contains("You are subscribed"));
        assert_eq!(everything(&store).await, after);
        let id = text(&store, "select public_id from subscribers").await;
        let id = postround::domain::PublicId::parse(&id).unwrap();
        let long_ago = postround::domain::UtcMillis(1_700_000_000_000);
        let old = site.subscribers.tokens().confirm(&id, &address(ANN), &[], long_ago);
        assert_eq!(site.get(&format!("/confirm/{}", old.as_str())).await.status(), StatusCode::GONE);
    }

    async fn topics_and_a_pause_are_chosen_on_the_preferences_page(store: TestStore) {
        let site = Site::open(&store).await;
        confirmed(&site.subscribers, ANN, &["weekly"]).await;
        let (_, preferences) = site.links(&store).await;
        let topics = || text(&store, "select topics || ' ' || state || ' ' || coalesce(paused_until, 0) from subscriptions");
        let saved = site.post(&preferences, "offered=topics&topics=news&topics=features&pause=no&until=2026-12-07").await;
        assert!(saved.text().await.unwrap().contains("Saved."));
        assert_eq!(topics().await, "features,news active 0");
        site.post(&preferences, "pause=date&until=2026-12-24").await;
        assert_eq!(topics().await, "features,news paused 1798070400000");
        assert!(site.get(&preferences).await.text().await.unwrap().contains("until 24 December 2026"));
        let none = site.post(&preferences, "offered=topics&pause=keep").await;
        assert_eq!(none.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let past = site.post(&preferences, "pause=date&until=2026-11-01").await;
        assert_eq!(past.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(topics().await, "features,news paused 1798070400000");
        site.post(&preferences, "offered=topics&topics=news&topics=features&topics=interviews&pause=no").await;
        assert_eq!(topics().await, "* active 0");
    }

    async fn readiness_follows_the_store_and_life_does_not(store: TestStore) {
        let site = Site::open(&store).await;
        assert_eq!(site.get("/readyz").await.status(), StatusCode::OK);
        let missing = site.get("/elsewhere").await;
        assert_eq!(missing.status(), StatusCode::NOT_FOUND);
        assert!(missing.text().await.unwrap().contains("no such page"));
        let long = "x".repeat(70_000);
        assert_eq!(site.post("/unsubscribe/a", &long).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
        site.subscribers.store().close().await;
        assert_eq!(site.get("/readyz").await.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(site.get("/healthz").await.status(), StatusCode::OK);
    }
}
