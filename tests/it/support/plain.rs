//! A browser of a phone that runs no scripts: Chromium, driven by `tests/browser/plain.mjs`, since its WebDriver waits for
//! ever without them.

use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;

use super::PATIENCE;

/// What says whether scripts run.
const PROBE: &str = "data:text/html,<h1>off</h1><script>document.querySelector('h1').textContent = 'on'</script>";

/// A browser window.
pub struct PlainBrowser {
    pipes: Mutex<(ChildStdin, Lines<BufReader<ChildStdout>>)>,
    _driver: Child,
}

impl PlainBrowser {
    /// Opens a window of that width. `None` where Node, puppeteer or Chromium is not installed, which is said, and in CI is
    /// an error.
    pub async fn open(width: u32) -> Option<Self> {
        let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
        let driver = Command::new("node")
            .arg("plain.mjs")
            .arg(width.to_string())
            .arg(PATIENCE.as_millis().to_string())
            .current_dir(&tools)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        if !tools.join("node_modules/puppeteer-core").is_dir() || driver.is_err() || !chromium() {
            assert!(std::env::var_os("CI").is_none(), "CI needs Chromium, Node, and npm ci in tests/browser");
            eprintln!("not tested: this needs Chromium, Node, and `npm ci` in tests/browser");
            return None;
        }
        let mut driver = driver.unwrap();
        let pipes = (driver.stdin.take().unwrap(), BufReader::new(driver.stdout.take().unwrap()).lines());
        let browser = Self { pipes: Mutex::new(pipes), _driver: driver };
        browser.go(PROBE).await;
        assert_eq!(browser.text("h1").await, "off", "no script runs");
        Some(browser)
    }

    async fn order(&self, order: &Value) -> Value {
        let mut pipes = self.pipes.lock().await;
        let (input, output) = &mut *pipes;
        input.write_all(format!("{order}\n").as_bytes()).await.unwrap();
        let line = tokio::time::timeout(PATIENCE * 2, output.next_line()).await.expect("an answer in time").unwrap();
        let answer: Value = serde_json::from_str(&line.expect("the browser lives")).unwrap();
        assert!(answer["error"].is_null(), "{order}: {}", answer["error"]);
        answer["done"].clone()
    }

    /// Goes to an address.
    pub async fn go(&self, url: &str) {
        self.order(&json!({ "order": "go", "url": url })).await;
    }

    /// Loads the page again.
    pub async fn reload(&self) {
        self.order(&json!({ "order": "reload" })).await;
    }

    /// Taps a field and types into it.
    pub async fn fill(&self, selector: &str, text: &str) {
        self.order(&json!({ "order": "fill", "selector": selector, "text": text })).await;
    }

    /// Taps a button, a link or a box; then the page that it leads to is there.
    pub async fn press(&self, selector: &str) {
        self.order(&json!({ "order": "press", "selector": selector })).await;
    }

    /// Whether there is such a thing on the page.
    pub async fn has(&self, selector: &str) -> bool {
        self.order(&json!({ "order": "has", "selector": selector })).await == json!(true)
    }

    /// The text of the page's heading contains `words`.
    pub async fn expect(&self, words: &str) {
        let heading = self.text("h1").await;
        assert!(heading.contains(words), "the heading is {heading:?} and not {words:?}");
    }

    /// By how many pixels the page sticks out to the side.
    pub async fn overhang(&self) -> u64 {
        self.order(&json!({ "order": "overhang" })).await.as_u64().unwrap()
    }

    async fn text(&self, selector: &str) -> String {
        self.order(&json!({ "order": "text", "selector": selector })).await.as_str().unwrap_or_default().to_owned()
    }
}

fn chromium() -> bool {
    let set = std::env::var_os("CHROMIUM").map(std::path::PathBuf::from);
    let usual = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].map(Into::into);
    set.into_iter().chain(usual).any(|path: std::path::PathBuf| path.exists())
}
