//! `serve` as a real process: started in a program's folder, asked over HTTP, told by signals.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use serde_json::Value;

use super::PATIENCE;
use super::program::Program;

/// A running `serve`, killed when it is dropped.
pub struct Daemon {
    child: Child,
    log: Arc<Mutex<String>>,
    client: Client,
    /// Where its pages are.
    pub url: String,
}

impl Daemon {
    /// Starts one in the program's folder, and waits until it serves.
    pub async fn start(program: &Program) -> Self {
        Self::run(program.command(&["serve"])).await
    }

    /// The same by a command of the test's.
    pub async fn run(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        read(child.stderr.take().unwrap(), Arc::clone(&log));
        let client = Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        let mut daemon = Self { child, log, client, url: String::new() };
        let line = daemon.says(" on http://").await;
        daemon.url = line[line.find(" on http://").unwrap() + 4..].trim().to_owned();
        daemon
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal: `TERM`, `HUP`.
    pub fn signal(&self, name: &str) {
        let done = Command::new("sh").arg("-c").arg(format!("kill -{name} {}", self.child.id())).status().unwrap();
        assert!(done.success());
    }

    /// All that it has said.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits for words in its log; gives their line.
    #[track_caller]
    pub fn says(&self, words: &str) -> impl Future<Output = String> + use<> {
        let (log, words) = (Arc::clone(&self.log), words.to_owned());
        let place = std::panic::Location::caller();
        async move {
            let began = Instant::now();
            loop {
                let said = log.lock().unwrap().clone();
                if let Some(line) = said.lines().find(|line| line.contains(&words)) {
                    return line.to_owned();
                }
                assert!(began.elapsed() < PATIENCE, "{place}: it never says {words:?}:\n{said}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// Asks for a page.
    pub async fn get(&self, path: &str) -> (StatusCode, String) {
        let response = self.client.get(format!("{}{path}", self.url)).send().await.unwrap();
        (response.status(), response.text().await.unwrap())
    }

    /// Posts a form.
    pub async fn post(&self, path: &str, form: &str) -> (StatusCode, String) {
        let request = self.client.post(format!("{}{path}", self.url));
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(form.to_owned());
        let response = request.send().await.unwrap();
        (response.status(), response.text().await.unwrap())
    }

    /// What `/readyz` says.
    pub async fn ready(&self) -> (StatusCode, Value) {
        let (status, text) = self.get("/readyz").await;
        (status, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
    }

    /// Waits until `/readyz` is as `wanted` says.
    #[track_caller]
    pub fn until<'d>(&'d self, wanted: impl Fn(&Value) -> bool + 'd) -> impl Future<Output = (StatusCode, Value)> + 'd {
        let place = std::panic::Location::caller();
        async move {
            let began = Instant::now();
            loop {
                let (status, ready) = self.ready().await;
                if wanted(&ready) {
                    return (status, ready);
                }
                assert!(began.elapsed() < PATIENCE, "{place}: it stays at {ready}\n{}", self.log());
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    /// The sample of `/metrics` with that name and labels, as they are written.
    pub async fn metric(&self, sample: &str) -> Option<f64> {
        let (status, text) = self.get("/metrics").await;
        assert_eq!(status, StatusCode::OK);
        text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' ')?.parse().ok())
    }

    /// Waits until it has ended; gives how, and how long that took.
    pub async fn ended(mut self) -> (ExitStatus, Duration) {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, began.elapsed());
            }
            assert!(began.elapsed() < PATIENCE, "it does not end:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(pipe: impl Read + Send + 'static, log: Arc<Mutex<String>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let mut log = log.lock().unwrap();
            log.push_str(&line);
            log.push('\n');
        }
    });
}
