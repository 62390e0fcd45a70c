//! A reader's way in a real browser: join, confirm, read, choose, leave. With a mouse, a finger, a keyboard alone; and
//! nothing on the way that shuts anybody out. No page has a script, and the policy of each forbids them.

use std::sync::Arc;
use std::time::Duration;

use postround::app::App;
use postround::compose::Occasion;
use postround::config::Config;
use postround::daemon;
use postround::domain::EmailAddress;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::support::TestStore;
use crate::support::browser::{Browser, Visitor};
use crate::support::program::Program;
use crate::support::site::story;

const ANA: &str = "ana@northfold.example";

/// The shortest time that a form takes a person.
const FILLING: Duration = Duration::from_millis(2100);

/// Everything running: the site, the relay, the daemon with its pages.
struct Running {
    program: Program,
    app: App,
    root: String,
    _stop: oneshot::Sender<()>,
}

impl Running {
    async fn start() -> Self {
        let store = TestStore::sqlite().await;
        let program = Program::on(&store).await;
        program.site.publish(story("hubs", "Family hubs win an extra year", "2026-11-18"));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let root = format!("http://{}", listener.local_addr().unwrap());
        let config = program.config("sqlite:data/postround.db", "").replace("http://localhost:8080", &root);
        program.configure(&config);
        let config = Config::load(&program.folder.path().join("config.toml"), std::iter::empty()).unwrap();
        let app = App::open(Arc::new(config)).await.unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let daemon = daemon::serve(app.clone(), listener, async {
            let _ = stopped.await;
        });
        tokio::spawn(async move { daemon.await.unwrap() });
        Self { program, app, root, _stop: stop }
    }

    /// The address of that route in the latest of so many mails.
    async fn link(&self, mails: usize, route: &str) -> String {
        let mail = self.program.caught(mails).await.pop().unwrap();
        let parsed = mail_parser::MessageParser::default().parse(&mail.raw).unwrap();
        let text = parsed.body_text(0).unwrap().into_owned();
        let begin = format!("{}/{route}/", self.root);
        let link = text.split_whitespace().find(|word| word.trim_start_matches('<').starts_with(&begin));
        link.unwrap_or_else(|| panic!("no {route} link in:\n{text}")).trim_matches(['<', '>']).to_owned()
    }

    async fn state(&self) -> serde_json::Value {
        let record = self.app.subscribers().show(&EmailAddress::parse(ANA).unwrap()).await.unwrap();
        serde_json::to_value(record).unwrap()
    }
}

/// Nothing on this page shuts anybody out.
async fn check(browser: &Browser, visitor: Visitor, page: &str) {
    if let Some(barriers) = browser.barriers().await {
        assert!(barriers.is_empty(), "{page} for {visitor:?}:\n{}", barriers.join("\n"));
    }
}

async fn walk(visitor: Visitor) {
    let Some(browser) = Browser::open(visitor).await else { return };
    let running = Running::start().await;

    browser.go(&running.root).await;
    check(&browser, visitor, "the form").await;
    browser.fill("#email", ANA).await;
    browser.fill("#name", "Ana").await;
    tokio::time::sleep(FILLING).await;
    browser.press("form button.primary").await;
    browser.expect("Now look in your inbox").await;
    check(&browser, visitor, "the page after it").await;

    let confirm = running.link(1, "confirm").await;
    browser.go(&confirm).await;
    check(&browser, visitor, "the confirmation").await;
    assert_eq!(running.state().await["state"], "pending", "looking confirms nothing");
    browser.press("form.act button").await;
    browser.expect("You are subscribed").await;
    check(&browser, visitor, "the welcome").await;
    assert_eq!(running.state().await["state"], "confirmed");

    running.app.composer().compose(&running.app.config.digests[0], Occasion::Extra).await.unwrap();
    running.app.composer().tend().await.unwrap();
    let preferences = running.link(2, "preferences").await;
    browser.go(&preferences).await;
    check(&browser, visitor, "the preferences").await;
    browser.press("input[name=topics][value=interviews]").await;
    browser.press("input[name=pause][value='4w']").await;
    browser.press("form button.primary").await;
    tokio::time::timeout(FILLING * 5, async {
        while !browser.has("[role=status]").await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .expect("the page says that it is saved");
    check(&browser, visitor, "the saved preferences").await;
    let state = running.state().await;
    assert_eq!(state["digests"][0]["topics"], serde_json::json!(["news"]));
    assert_eq!(state["digests"][0]["state"], "paused");

    let unsubscribe = running.link(2, "unsubscribe").await;
    browser.go(&unsubscribe).await;
    check(&browser, visitor, "the page to leave by").await;
    assert_eq!(running.state().await["state"], "confirmed", "looking leaves nothing");
    browser.press("form.act button").await;
    browser.expect("You have left").await;
    check(&browser, visitor, "the goodbye").await;
    assert_eq!(running.state().await["state"], "unsubscribed");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_at_a_desk_joins_chooses_and_leaves() {
    walk(Visitor { width: 1280, keyboard: false, dark: false }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_with_a_phone_joins_chooses_and_leaves_at_night() {
    walk(Visitor { width: 375, keyboard: false, dark: true }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_with_a_keyboard_alone_joins_chooses_and_leaves() {
    walk(Visitor { width: 1280, keyboard: true, dark: false }).await;
}
