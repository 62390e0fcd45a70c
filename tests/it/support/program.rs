//! The program as its operator has it: the built binary, a configuration in a folder of its own, a site and a relay.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use postround::app::App;
use postround::config::Config;
use postround::config::StoreUrl;
use postround::demo::catcher::{self, Mailbox, Options};
use postround::domain::Clock;
use serde_json::Value;
use tempfile::TempDir;

use super::site::Site;
use super::{PATIENCE, TestStore, ready_database};

/// A configured Postround with its surroundings.
pub struct Program {
    /// Where its configuration and data are.
    pub folder: TempDir,
    /// The site that it reads.
    pub site: Site,
    /// The relay that takes its mails.
    pub mailbox: Mailbox,
    /// Where that relay listens.
    pub relay: SocketAddr,
}

impl Program {
    /// One on each database: SQLite always, PostgreSQL where a server is installed.
    pub async fn on(store: &TestStore) -> Self {
        Self::with_relay(store, Options::default()).await
    }

    /// The same with a relay that behaves as a test wants it.
    pub async fn with_relay(store: &TestStore, relay_options: Options) -> Self {
        let url = match &store.url {
            StoreUrl::Sqlite(_) => "sqlite:data/postround.db".to_owned(),
            StoreUrl::Postgres(_) => ready_database().await.unwrap(),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let relay = listener.local_addr().unwrap();
        let mailbox = Mailbox::new(Arc::new(postround::domain::SystemClock));
        tokio::spawn(catcher::serve_with(listener, mailbox.clone(), relay_options, std::future::pending::<()>()));
        let site = Site::start().await;
        let program = Self { folder: tempfile::tempdir().unwrap(), site, mailbox, relay };
        program.configure(&program.config(&url, ""));
        program
    }

    /// The usual configuration: a digest from a feed and a listing page. `more` goes into the digest's table.
    pub fn config(&self, store: &str, more: &str) -> String {
        format!(
            r#"
[server]
listen = "127.0.0.1:0"
public_url = "http://localhost:8080"
[store]
url = "{store}"
[sender]
name = "Exampleton Weekly"
email = "digest@exampleton.example"
postal_address = "1 High Street, Exampleton EX1 1EX"
[smtp]
url = "smtp://{relay}"
connections = 2
[collect]
allow_private_networks = true
backlog = "all"
[[source]]
id = "news"
feed = "{feed}"
topic = "news"
[[source]]
id = "interviews"
page = "{page}"
topic = "interviews"
select = {{ item = "article", title = "h3", link = "a.more@href", date = ".date", date_format = "%d/%m/%Y", excerpt = ".excerpt" }}
[[digest]]
id = "weekly"
title = "Exampleton Weekly"
sources = ["news", "interviews"]
sections = ["news", "interviews"]
schedule = "0 8 * * MON"
timezone = "Europe/London"
locale = "en-GB"
{more}
"#,
            relay = self.relay,
            feed = self.site.url("feed/"),
            page = self.site.url("knowledge-resources/"),
        )
    }

    /// Writes its configuration.
    pub fn configure(&self, config: &str) {
        std::fs::write(self.folder.path().join("config.toml"), config).unwrap();
    }

    /// Runs a command; stdin is no terminal.
    pub async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    /// Runs a command with `--json` that must succeed; gives what it prints.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> impl Future<Output = Value> + use<'_> {
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        async move {
            let mut all: Vec<&str> = arguments.iter().map(String::as_str).collect();
            all.push("--json");
            let output = self.run(&all).await;
            let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert!(output.status.success(), "{all:?} failed: {err}{out}");
            serde_json::from_str(&out).unwrap_or_else(|error| panic!("{all:?} printed no JSON: {error}\n{out}\n{err}"))
        }
    }

    /// A command that has not been started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        command(self.folder.path(), arguments)
    }

    /// The program put together in this process, with the time of a test.
    pub async fn app(&self, clock: Arc<dyn Clock>) -> App {
        let config = Config::load(&self.folder.path().join("config.toml"), std::iter::empty()).unwrap();
        App { clock, ..App::open(Arc::new(config)).await.unwrap() }
    }

    /// Adds a confirmed subscriber.
    pub async fn subscribe(&self, email: &str, more: &[&str]) {
        let mut arguments = vec!["subscriber", "add", email, "--confirmed", "--evidence", "Paper form, 2 March 2026"];
        arguments.extend(more);
        let output = self.run(&arguments).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Waits until the relay has taken so many mails in all.
    pub async fn caught(&self, count: usize) -> Vec<Arc<catcher::Caught>> {
        let messages = self.mailbox.wait_for(count, PATIENCE).await.unwrap();
        assert_eq!(messages.len(), count);
        messages
    }
}

/// The built program, started in a folder, with nothing in its environment that is its own.
pub fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postround"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env_remove("RUST_LOG");
    command
}
