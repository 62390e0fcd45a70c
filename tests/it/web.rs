//! The pages that links in mails lead to, over real HTTP: a GET changes nothing, a POST acts.

mod archive;
mod confirming;
mod front;
mod hostile;
mod joining;
mod leaving;
mod links;
mod managing;
mod same;
mod several;
mod shown;
pub mod site;
mod sources;
mod speaking;
mod thousands;

use std::sync::Arc;

use postround::app::App;
use postround::compose::Occasion;
use postround::domain::{EmailAddress, PublicId};
use postround::subscribers::{Leave, NewSubscriber, Origin, Record, resolve_choice};
use postround::web::{self, AppState};
use reqwest::{Client, StatusCode};

use crate::support::program::Program;
use crate::support::site::story;
use crate::support::{MONDAY, TestClock, TestStore, on_both};

struct Pages {
    program: Program,
    app: App,
    url: String,
    client: Client,
}

impl Pages {
    async fn serve(store: &TestStore) -> Self {
        let program = Program::on(store).await;
        let app = program.app(Arc::new(TestClock::at(MONDAY))).await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = web::router(AppState::new(app.subscribers(), app.notices(), Arc::new(|_, _| {})).unwrap());
        tokio::spawn(web::serve(listener, router, std::future::pending()));
        let client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { program, app, url, client }
    }

    async fn subscribe(&self, email: &str) -> PublicId {
        let new = new(&self.app, email);
        self.app.subscribers().add_confirmed(&new, "on paper", Origin::COMMAND_LINE).await.unwrap();
        self.row(email).await
    }

    async fn row(&self, email: &str) -> PublicId {
        let hash = self.app.keys.address_hash(&EmailAddress::parse(email).unwrap());
        self.app.store.read().await.unwrap().subscriber_by_hash(&hash).await.unwrap().unwrap().public_id
    }

    async fn record(&self, email: &str) -> Record {
        self.app.subscribers().show(&EmailAddress::parse(email).unwrap()).await.unwrap().unwrap()
    }

    /// The address of a link here instead of at the public URL.
    fn here(&self, link: &str) -> String {
        link.replace(&self.app.config.server.public_url, &self.url)
    }

    fn unsubscribe(&self, subscriber: &PublicId, digest: &str) -> String {
        self.here(&self.app.subscribers().tokens().unsubscribe_url(subscriber, digest))
    }

    fn preferences(&self, subscriber: &PublicId, digest: &str) -> String {
        self.here(&self.app.subscribers().tokens().preferences_url(subscriber, digest))
    }

    fn confirm(&self, subscriber: &PublicId, email: &str) -> String {
        let address = EmailAddress::parse(email).unwrap();
        let choice = resolve_choice(&self.app.config, &[], &[]).unwrap();
        self.here(&self.app.subscribers().tokens().confirm_url(subscriber, &address, &choice, self.app.clock.now()))
    }

    async fn get(&self, url: &str) -> (StatusCode, String) {
        let response = self.client.get(url).send().await.unwrap();
        (response.status(), response.text().await.unwrap())
    }

    async fn post(&self, url: &str, body: &'static str) -> (StatusCode, String) {
        let request = self.client.post(url).header("content-type", "application/x-www-form-urlencoded").body(body);
        let response = request.send().await.unwrap();
        (response.status(), response.text().await.unwrap())
    }
}

fn new(app: &App, email: &str) -> NewSubscriber {
    NewSubscriber {
        address: EmailAddress::parse(email).unwrap(),
        name: "Ana".to_owned(),
        locale: None,
        choice: resolve_choice(&app.config, &[], &[]).unwrap(),
    }
}

const ANA: &str = "ana@northfold.example";
const ONE_CLICK: &str = "List-Unsubscribe=One-Click";

on_both! {
    async fn the_button_confirms_and_a_second_press_shows_the_same(store: TestStore) {
        let pages = Pages::serve(&store).await;
        pages.app.subscribers().add(&new(&pages.app, ANA), Origin::COMMAND_LINE, &pages.app.notices()).await.unwrap();
        let ana = pages.row(ANA).await;
        let link = pages.confirm(&ana, ANA);
        for _ in 0..2 {
            let (status, page) = pages.post(&link, "").await;
            assert_eq!(status, StatusCode::OK);
            assert!(page.contains("You are subscribed"), "{page}");
        }
        let record = serde_json::to_value(pages.record(ANA).await).unwrap();
        assert_eq!(record["state"], "confirmed");
        let confirmed = record["consent"].as_array().unwrap().iter().filter(|event| event["event"] == "confirmed");
        let wordings: Vec<_> = confirmed.map(|event| event["wording"].as_str().unwrap().to_owned()).collect();
        assert_eq!(wordings.len(), 1);
        assert!(wordings[0].contains("Do you want Exampleton Weekly?"), "{wordings:?}");
        assert!(wordings[0].contains("The next issue comes on Monday 30 November 2026 at 08:00."), "{wordings:?}");
    }

    async fn one_click_leaves_at_once_again_and_again_and_open_deliveries_are_cancelled(store: TestStore) {
        let pages = Pages::serve(&store).await;
        pages.program.site.publish(story("hubs", "Family hubs win", "2026-11-18"));
        let ana = pages.subscribe(ANA).await;
        let digest = pages.app.config.digest("weekly").unwrap().clone();
        let issue = pages.app.composer().compose(&digest, Occasion::Extra).await.unwrap().issue;
        pages.app.composer().tend().await.unwrap();
        let link = pages.unsubscribe(&ana, "weekly");
        for _ in 0..3 {
            assert_eq!(pages.post(&link, ONE_CLICK).await.0, StatusCode::OK);
        }
        let totals = pages.app.store.read().await.unwrap().issue_totals(issue).await.unwrap();
        assert_eq!((totals.cancelled, totals.open()), (1, 0));
        let record = serde_json::to_value(pages.record(ANA).await).unwrap();
        assert_eq!((&record["state"], &record["digests"][0]["state"]), (&"unsubscribed".into(), &"left".into()));
        assert_eq!(record["consent"].as_array().unwrap().iter().filter(|event| event["event"] == "left").count(), 1);
    }

    async fn links_that_are_none_of_ours_are_answered_without_a_hint(store: TestStore) {
        let pages = Pages::serve(&store).await;
        let ana = pages.subscribe(ANA).await;
        let good = pages.unsubscribe(&ana, "weekly");
        let mut forged = good.clone();
        let last = forged.pop().unwrap();
        forged.push(if last == 'a' { 'b' } else { 'a' });
        let to_a_stranger = pages.post(&forged, ONE_CLICK).await;
        assert_eq!(to_a_stranger.0, StatusCode::OK);
        assert_eq!(pages.post(&format!("{}/unsubscribe/x", pages.url), ONE_CLICK).await.0, StatusCode::OK);
        assert_eq!(serde_json::to_value(pages.record(ANA).await).unwrap()["state"], "confirmed");
        for kind in ["confirm", "preferences"] {
            let forged = forged.replace("/unsubscribe/", &format!("/{kind}/"));
            assert_eq!(pages.get(&forged).await.0, StatusCode::NOT_FOUND);
            assert_eq!(pages.post(&forged, "").await.0, StatusCode::NOT_FOUND);
        }
        assert_eq!(pages.post(&good, ONE_CLICK).await, to_a_stranger, "a mail program learns which tokens are known");
    }

    async fn topics_are_added_and_removed_and_a_pause_ends_what_is_on_its_way(store: TestStore) {
        let pages = Pages::serve(&store).await;
        let ana = pages.subscribe(ANA).await;
        let link = pages.preferences(&ana, "weekly");
        assert_eq!(pages.post(&link, "offered=topics&topics=news&pause=no").await.0, StatusCode::OK);
        let topics = |record: &Record| serde_json::to_value(record).unwrap()["digests"][0]["topics"].clone();
        assert_eq!(topics(&pages.record(ANA).await), serde_json::json!(["news"]));
        pages.post(&link, "offered=topics&topics=news&topics=interviews&pause=4w").await;
        let record = serde_json::to_value(pages.record(ANA).await).unwrap();
        assert_eq!(record["digests"][0]["all_topics"], true);
        assert_eq!(record["digests"][0]["state"], "paused");
        assert_eq!(pages.post(&link, "offered=topics&topics=nonsense").await.0, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(pages.post(&link, "pause=date&until=yesterday").await.0, StatusCode::UNPROCESSABLE_ENTITY);
    }

    async fn the_links_of_a_test_show_their_pages_and_change_nothing(store: TestStore) {
        let pages = Pages::serve(&store).await;
        pages.subscribe(ANA).await;
        let nobody = postround::subscribers::Tokens::nobody();
        for link in [pages.unsubscribe(&nobody, "weekly"), pages.preferences(&nobody, "weekly")] {
            let (status, page) = pages.get(&link).await;
            assert!(status == StatusCode::OK && page.contains("test mail") && page.contains("<form"), "{page}");
            assert_eq!(pages.post(&link, ONE_CLICK).await.0, StatusCode::OK);
        }
        assert_eq!(serde_json::to_value(pages.record(ANA).await).unwrap()["state"], "confirmed");
    }

    async fn whoever_left_is_in_no_later_issue(store: TestStore) {
        let pages = Pages::serve(&store).await;
        pages.program.site.publish(story("hubs", "Family hubs win", "2026-11-18"));
        let ana = pages.subscribe(ANA).await;
        pages.subscribe("bo@saltby.example").await;
        pages.app.subscribers().leave(&ana, Leave::All, Origin::PAGE).await.unwrap();
        let digest = pages.app.config.digest("weekly").unwrap().clone();
        let issue = pages.app.composer().compose(&digest, Occasion::Extra).await.unwrap().issue;
        pages.app.composer().tend().await.unwrap();
        let mut session = pages.app.store.read().await.unwrap();
        let rows = session.issue_deliveries(issue, None, 0, 10).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.address.as_str()).collect::<Vec<_>>(), ["bo@saltby.example"]);
    }

    async fn health_is_told_and_every_page_keeps_others_out(store: TestStore) {
        let pages = Pages::serve(&store).await;
        assert_eq!(pages.get(&format!("{}/healthz", pages.url)).await.0, StatusCode::OK);
        assert_eq!(pages.get(&format!("{}/readyz", pages.url)).await.0, StatusCode::OK);
        let response = pages.client.get(format!("{}/nowhere", pages.url)).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert!(header("content-security-policy").contains("default-src 'none'"));
        assert_eq!((header("x-content-type-options"), header("referrer-policy")), ("nosniff".into(), "no-referrer".into()));
    }
}
