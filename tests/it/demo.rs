//! What the outside sees of `demo`: the mail catcher over TCP, its inbox and the news site over HTTP.

mod catcher;
mod pages;

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use postround::demo::catcher::{Mailbox, Options, serve_with};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::support::PATIENCE;

/// Starts the program's demo with its temporary folder in `folder`, and waits until it says so.
fn started(folder: &std::path::Path, words: &str) -> Child {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_postround"));
    demo.arg("demo").env("TMPDIR", folder).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = demo.spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    assert!(words.is_empty() || lines.any(|line| line.unwrap().contains(words)), "it never says {words:?}");
    child
}

#[test]
fn a_demo_that_is_told_to_end_takes_its_folder_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = started(folder.path(), "Nothing leaves this machine");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert!(child.wait().unwrap().success());
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
}

#[test]
fn a_demo_that_is_told_to_end_while_its_readers_join_takes_its_folder_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = started(folder.path(), "");
    while std::fs::read_dir(&folder).unwrap().count() == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
}

/// A running mail catcher; it stops when this is dropped.
struct Catcher {
    address: SocketAddr,
    mailbox: Mailbox,
    _stop: oneshot::Sender<()>,
}

async fn catcher(options: Options) -> Catcher {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, mailbox) = (listener.local_addr().unwrap(), Mailbox::default());
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async move {
        let _ = stopped.await;
    };
    tokio::spawn(serve_with(listener, mailbox.clone(), options, shutdown));
    Catcher { address, mailbox, _stop: stop }
}

/// A client that says exactly what a test says.
struct Client(BufReader<TcpStream>);

impl Client {
    /// Connects and reads the greeting.
    async fn connect(catcher: &Catcher) -> Self {
        let mut client = Self(BufReader::new(TcpStream::connect(catcher.address).await.unwrap()));
        assert_eq!(client.code().await, 220);
        client
    }

    /// Connects and says EHLO.
    async fn greeted(catcher: &Catcher) -> Self {
        let mut client = Self::connect(catcher).await;
        assert_eq!(client.says("EHLO client.example").await, 250);
        client
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// Sends one line, gives the code of the answer.
    async fn says(&mut self, line: &str) -> u16 {
        self.send(format!("{line}\r\n").as_bytes()).await;
        self.code().await
    }

    /// The next answer, all of its lines.
    async fn answer(&mut self) -> String {
        let mut answer = String::new();
        loop {
            let mut line = String::new();
            let read = tokio::time::timeout(PATIENCE, self.0.read_line(&mut line)).await.expect("an answer in time");
            assert!(read.unwrap() > 0, "the server closed after {answer:?}");
            answer.push_str(&line);
            if line.as_bytes().get(3) != Some(&b'-') {
                return answer;
            }
        }
    }

    async fn code(&mut self) -> u16 {
        self.answer().await[..3].parse().unwrap()
    }

    async fn codes<const N: usize>(&mut self) -> [u16; N] {
        let mut codes = [0; N];
        for code in &mut codes {
            *code = self.code().await;
        }
        codes
    }

    async fn is_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        tokio::time::timeout(PATIENCE, self.0.read_to_end(&mut rest)).await.expect("an end in time").is_err()
            || rest.is_empty()
    }
}

async fn deliver(catcher: &Catcher, raw: &str) {
    let mut client = Client::greeted(catcher).await;
    assert_eq!(client.says("MAIL FROM:<from@x.example>").await, 250);
    assert_eq!(client.says("RCPT TO:<to@y.example>").await, 250);
    assert_eq!(client.says("DATA").await, 354);
    assert_eq!(client.says(&format!("{raw}\r\n.")).await, 250);
}
