//! A reader's way in a real browser: join, confirm, read, choose, leave. With a mouse, a finger, a keyboard alone; and
//! nothing on the way that shuts anybody out. No page has a script, and the policy of each forbids them.

use std::sync::Arc;
use std::time::Duration;

use postround::app::App;
use postround::compose::{Because, Occasion};
use postround::config::{Config, Palette};
use postround::daemon;
use postround::domain::EmailAddress;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::support::TestStore;
use crate::support::browser::{Browser, Visitor};
use crate::support::plain::PlainBrowser;
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
        Self::with("").await
    }

    /// With lines added to the digest's table.
    async fn with(more: &str) -> Self {
        let store = TestStore::sqlite().await;
        let program = Program::on(&store).await;
        program.site.publish(story("hubs", "Family hubs win an extra year", "2026-11-18"));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let root = format!("http://{}", listener.local_addr().unwrap());
        let config = program.config("sqlite:data/postround.db", more).replace("http://localhost:8080", &root);
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

/// Whoever walks: with a driven browser, or with one that runs no scripts.
enum Walker {
    Driven(Browser, Visitor),
    Plain(PlainBrowser),
}

impl Walker {
    async fn go(&self, url: &str) {
        match self {
            Self::Driven(browser, _) => browser.go(url).await,
            Self::Plain(browser) => browser.go(url).await,
        }
    }

    async fn reload(&self) {
        match self {
            Self::Driven(browser, _) => browser.reload().await,
            Self::Plain(browser) => browser.reload().await,
        }
    }

    async fn fill(&self, selector: &str, text: &str) {
        match self {
            Self::Driven(browser, _) => browser.fill(selector, text).await,
            Self::Plain(browser) => browser.fill(selector, text).await,
        }
    }

    async fn press(&self, selector: &str) {
        match self {
            Self::Driven(browser, _) => browser.press(selector).await,
            Self::Plain(browser) => browser.press(selector).await,
        }
    }

    async fn expect(&self, words: &str) {
        match self {
            Self::Driven(browser, _) => browser.expect(words).await,
            Self::Plain(browser) => browser.expect(words).await,
        }
    }

    async fn has(&self, selector: &str) -> bool {
        match self {
            Self::Driven(browser, _) => browser.has(selector).await,
            Self::Plain(browser) => browser.has(selector).await,
        }
    }

    /// Nothing on this page shuts anybody out; without scripts, as far as that can be seen then.
    async fn check(&self, page: &str) {
        match self {
            Self::Plain(browser) => assert_eq!(browser.overhang().await, 0, "{page} sticks out to the side"),
            Self::Driven(browser, visitor) => {
                if let Some(barriers) = browser.barriers().await {
                    assert!(barriers.is_empty(), "{page} for {visitor:?}:\n{}", barriers.join("\n"));
                }
            }
        }
    }
}

async fn walk(visitor: Visitor) {
    if let Some(browser) = Browser::open(visitor).await {
        let walker = Walker::Driven(browser, visitor);
        walk_with(&walker).await;
        if let Walker::Driven(browser, _) = walker {
            browser.close().await;
        }
    }
}

async fn walk_with(browser: &Walker) {
    let running = Running::start().await;

    browser.go(&running.root).await;
    browser.check("the form").await;
    browser.fill("#email", ANA).await;
    browser.fill("#name", "Ana").await;
    tokio::time::sleep(FILLING).await;
    browser.press("form button.primary").await;
    browser.expect("Now look in your inbox").await;
    browser.check("the page after it").await;

    let confirm = running.link(1, "confirm").await;
    browser.go(&confirm).await;
    browser.check("the confirmation").await;
    assert_eq!(running.state().await["state"], "pending", "looking confirms nothing");
    browser.press("form.act button").await;
    browser.expect("You are subscribed").await;
    browser.check("the welcome").await;
    assert_eq!(running.state().await["state"], "confirmed");

    running.app.composer().compose(&running.app.config.digests[0], Occasion::Extra).await.unwrap();
    running.app.composer().tend().await.unwrap();
    let issue = running.link(2, "archive").await;
    browser.go(&issue).await;
    browser.check("the issue on the web").await;
    browser.press(".beside a[href$='/archive/weekly']").await;
    browser.expect("Past issues").await;
    browser.check("the archive").await;
    let preferences = running.link(2, "preferences").await;
    browser.go(&preferences).await;
    browser.check("the preferences").await;
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
    browser.check("the saved preferences").await;
    let state = running.state().await;
    assert_eq!(state["digests"][0]["topics"], serde_json::json!(["news"]));
    assert_eq!(state["digests"][0]["state"], "paused");

    let unsubscribe = running.link(2, "unsubscribe").await;
    browser.go(&unsubscribe).await;
    browser.check("the page to leave by").await;
    assert_eq!(running.state().await["state"], "confirmed", "looking leaves nothing");
    browser.press("form.act button").await;
    browser.expect("You have left").await;
    browser.check("the goodbye").await;
    assert_eq!(running.state().await["state"], "unsubscribed");
    browser.reload().await;
    browser.expect("You have left").await;
    assert_eq!(running.state().await["state"], "unsubscribed");
    browser.press("button[value=undo]").await;
    browser.expect("You are subscribed again").await;
    assert_eq!(running.state().await["digests"][0]["state"], "paused", "as it was");
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_with_a_phone_that_runs_no_scripts_joins_chooses_and_leaves() {
    if let Some(browser) = PlainBrowser::open(375).await {
        walk_with(&Walker::Plain(browser)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_night_the_name_of_the_digest_reads_on_its_plate_while_the_logo_is_not_shown() {
    let Some(browser) = Browser::open(Visitor { width: 1280, keyboard: false, dark: true }).await else { return };
    // Nothing is there.
    let running = Running::with(
        "theme = { logo = { url = \"https://127.0.0.1:9/logo.png\", width = 220, height = 48 }, accent = \"#7a1f5c\" }",
    )
    .await;
    running.program.subscribe(ANA, &[]).await;
    running.app.composer().compose(&running.app.config.digests[0], Occasion::Extra).await.unwrap();
    running.app.composer().tend().await.unwrap();
    let issue = running.link(1, "archive").await;
    let caught = running.program.caught(1).await.pop().unwrap();
    let mail = mail_parser::MessageParser::default().parse(&caught.raw).unwrap();
    let file = running.program.folder.path().join("mail.html");
    std::fs::write(&file, mail.body_html(0).unwrap().as_bytes()).unwrap();
    for place in [format!("file://{}", file.display()), issue] {
        browser.go(&place).await;
        let [_, ground] = browser.colours("body").await;
        assert_eq!(ground, Palette::DARK.background, "{place} is dark");
        let [name, plate] = browser.colours("h1 img").await;
        assert!(name.contrast(plate) >= 4.5, "{name} on {plate} in {place}");
    }
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_paper_of_an_issue_is_whole_whatever_stands_first_on_it() {
    let running = Running::start().await;
    running.program.subscribe(ANA, &[]).await;
    running.program.site.publish(story("libel", "Libel about Mr X", "2026-11-19"));
    let issue = running.app.composer().compose(&running.app.config.digests[0], Occasion::Extra).await.unwrap().issue;
    running.app.composer().tend().await.unwrap();
    let page = running.link(1, "archive").await;
    running.app.composer().withdraw(issue, "Libel about Mr X", Because { actor: "a test", note: None }).await.unwrap();
    for width in [1280, 375] {
        let Some(browser) = Browser::open(Visitor { width, keyboard: false, dark: false }).await else { return };
        browser.go(&page).await;
        assert!(browser.has(".issue-notes").await);
        assert!(browser.gap("header .sheet", "main.sheet").await.abs() < 0.5, "the paper is torn at {width}");
        browser.close().await;
    }
}
