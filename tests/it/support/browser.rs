//! A real browser: Chromium without a window, driven over WebDriver as a person would use it.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::key::Key;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use postround::domain::Colour;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::PATIENCE;

/// The longest way by the Tab key to anything on a page.
const TABS: usize = 80;

/// How somebody looks at a page and uses it.
#[derive(Clone, Copy, Debug)]
pub struct Visitor {
    /// The window's width in pixels.
    pub width: u32,
    /// Whether they have nothing but a keyboard.
    pub keyboard: bool,
    /// Whether they read at night.
    pub dark: bool,
}

/// A browser window.
pub struct Browser {
    client: Client,
    visitor: Visitor,
    _driver: Child,
}

impl Browser {
    /// Opens a window. `None` where Chromium or its driver is not installed, which is said, and in CI is an error.
    pub async fn open(visitor: Visitor) -> Option<Self> {
        let Some((driver, port)) = start().await else {
            assert!(std::env::var_os("CI").is_none(), "CI needs Chromium and its driver");
            eprintln!("not tested: there is no `chromedriver` (Debian: chromium-driver) to drive a browser with");
            return None;
        };
        let mut arguments = vec![
            "--headless".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            format!("--window-size={},900", visitor.width.max(500)),
        ];
        if visitor.dark {
            arguments.push("--force-dark-mode".to_owned());
        }
        let mut options = json!({ "args": arguments });
        if visitor.width < 500 {
            options["mobileEmulation"] = json!({
                "deviceMetrics": { "width": visitor.width, "height": 812, "pixelRatio": 1.0, "touch": !visitor.keyboard },
            });
        }
        let capabilities = json!({ "goog:chromeOptions": options });
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities.as_object().unwrap().clone())
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("Chromium starts");
        Some(Self { client, visitor, _driver: driver })
    }

    /// Goes to an address.
    pub async fn go(&self, url: &str) {
        self.client.goto(url).await.unwrap();
    }

    /// Loads the page again.
    pub async fn reload(&self) {
        self.client.refresh().await.unwrap();
    }

    /// The text of the page's heading, once it contains `words`.
    pub async fn expect(&self, words: &str) {
        let started = std::time::Instant::now();
        let mut seen = String::new();
        while started.elapsed() < PATIENCE {
            if let Ok(heading) = self.client.find(Locator::Css("h1")).await {
                seen = heading.text().await.unwrap_or_default();
                if seen.contains(words) {
                    return;
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the heading is {seen:?} and not {words:?}, on the page:\n{}", self.text().await);
    }

    /// All text that is seen.
    pub async fn text(&self) -> String {
        match self.client.find(Locator::Css("body")).await {
            Ok(body) => body.text().await.unwrap_or_default(),
            Err(error) => error.to_string(),
        }
    }

    /// Types into a field.
    pub async fn fill(&self, selector: &str, text: &str) {
        if self.visitor.keyboard {
            self.tab_to(selector).await;
            self.client.active_element().await.unwrap().send_keys(text).await.unwrap();
        } else {
            self.client.find(Locator::Css(selector)).await.unwrap().send_keys(text).await.unwrap();
        }
    }

    /// Presses a button, follows a link or ticks a box.
    pub async fn press(&self, selector: &str) {
        if self.visitor.keyboard {
            self.tab_to(selector).await;
            // A box is ticked with the space bar; buttons take it too, links do not.
            let tag = self.client.active_element().await.unwrap().tag_name().await.unwrap();
            let key = if tag == "a" { Key::Enter } else { Key::Space };
            self.keys(&[key]).await;
        } else {
            let element =
                self.client.find(Locator::Css(selector)).await.unwrap_or_else(|error| panic!("{selector}: {error}"));
            element.click().await.unwrap_or_else(|error| panic!("{selector}: {error}"));
        }
    }

    /// Whether there is such a thing on the page.
    pub async fn has(&self, selector: &str) -> bool {
        self.client.find(Locator::Css(selector)).await.is_ok()
    }

    /// Moves the focus on until it is on what is wanted, which must be seen then.
    async fn tab_to(&self, selector: &str) {
        let wanted =
            self.client.find(Locator::Css(selector)).await.unwrap_or_else(|error| panic!("{selector}: {error}"));
        let group = wanted.attr("name").await.unwrap();
        for _ in 0..TABS {
            let Ok(active) = self.client.active_element().await else { continue };
            if active.element_id() == wanted.element_id() {
                return;
            }
            // Among the choices of one group the arrow keys go on; the Tab key leaves the group.
            let is_choice = active.attr("type").await.is_ok_and(|kind| kind.as_deref() == Some("radio"));
            let in_group = is_choice && active.attr("name").await.unwrap() == group;
            self.keys(&[if in_group { Key::Down } else { Key::Tab }]).await;
        }
        panic!("{selector} cannot be reached with the Tab key on the page:\n{}", self.text().await);
    }

    async fn keys(&self, keys: &[Key]) {
        let mut actions = KeyActions::new("keyboard".to_owned());
        for key in keys {
            let value = char::from(*key);
            actions = actions.then(KeyAction::Down { value }).then(KeyAction::Up { value });
        }
        self.client.perform_actions(actions).await.unwrap();
    }

    /// What a person cannot do on this page: a finding of axe-core a line, and anything that sticks out to the side.
    /// `None` where axe-core is not installed, which is said, and in CI is an error.
    pub async fn barriers(&self) -> Option<Vec<String>> {
        let axe = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/node_modules/axe-core/axe.min.js");
        let Ok(axe) = std::fs::read_to_string(&axe) else {
            assert!(std::env::var_os("CI").is_none(), "CI needs axe-core: npm ci in tests/browser");
            eprintln!("not tested: axe-core is not installed (npm ci in tests/browser)");
            return None;
        };
        self.client.execute(&axe, Vec::new()).await.unwrap();
        const RUN: &str = "const done = arguments[arguments.length - 1];
            axe.run({ resultTypes: ['violations'] }).then(found => done(found.violations.flatMap(rule =>
                rule.nodes.map(node => rule.id + ': ' + node.target.join(' ') + ' ' + node.failureSummary))),
                error => done([String(error)]));";
        let found = self.client.execute_async(RUN, Vec::new()).await.unwrap();
        let mut barriers: Vec<String> = serde_json::from_value(found).unwrap();
        let wide = self.client.execute("return [document.documentElement.scrollWidth, innerWidth]", Vec::new()).await;
        let wide: (u32, u32) = serde_json::from_value(wide.unwrap()).unwrap();
        if wide.0 > wide.1 {
            barriers.push(format!("the page is {} px wide in a window of {}", wide.0, wide.1));
        }
        Some(barriers)
    }

    /// The colour of a text, and of what it stands on.
    pub async fn colours(&self, selector: &str) -> [Colour; 2] {
        const READ: &str = "const parts = colour => colour.match(/[\\d.]+/g).map(Number);
            const text = document.querySelector(arguments[0]);
            const ground = element => parts(getComputedStyle(element).backgroundColor);
            let on = text;
            while (ground(on)[3] === 0) on = on.parentElement;
            return [parts(getComputedStyle(text).color), ground(on)].map(colour => colour.slice(0, 3));";
        let read = self.client.execute(READ, vec![json!(selector)]).await.unwrap();
        let read: [[u8; 3]; 2] = serde_json::from_value(read).unwrap();
        read.map(|[red, green, blue]| Colour::new(red, green, blue))
    }

    /// How far below the bottom of one element the top of another is.
    pub async fn gap(&self, above: &str, below: &str) -> f64 {
        const READ: &str =
            "const [above, below] = [...arguments].map(one => document.querySelector(one).getBoundingClientRect());
            return below.top - above.bottom;";
        self.client.execute(READ, vec![json!(above), json!(below)]).await.unwrap().as_f64().unwrap()
    }

    /// Closes the window.
    pub async fn close(self) {
        let _ = self.client.close().await;
    }
}

/// Starts the driver, and waits for the port that it has chosen.
async fn start() -> Option<(Child, u16)> {
    let mut driver = Command::new("chromedriver")
        .arg("--port=0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .ok()?;
    let mut lines = BufReader::new(driver.stdout.take()?).lines();
    let wait = async {
        while let Ok(Some(line)) = lines.next_line().await {
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                return port.trim().trim_end_matches('.').parse().ok();
            }
        }
        None
    };
    let port = tokio::time::timeout(PATIENCE, wait).await.ok()??;
    Some((driver, port))
}
