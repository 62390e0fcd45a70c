//! A relay that goes away and comes back.

use std::net::SocketAddr;
use std::time::Duration;

use postround::demo::catcher::{self, Mailbox, Options};
use reqwest::StatusCode;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{got, mailbox, readers, slow};
use crate::support::daemon::Daemon;
use crate::support::program::Program;
use crate::support::{PATIENCE, on_both};

struct Relay {
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
    address: SocketAddr,
}

impl Relay {
    async fn at(address: &str, mailbox: &Mailbox, options: Options) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let address = listener.local_addr().unwrap();
        let stopped = async { drop(stopped.await) };
        let running = tokio::spawn(catcher::serve_with(listener, mailbox.clone(), options, stopped));
        Self { stop, running, address }
    }

    async fn vanish(self) -> SocketAddr {
        self.stop.send(()).unwrap();
        self.running.await.unwrap();
        self.address
    }
}

on_both! {
    async fn a_relay_that_vanishes_and_returns_costs_nothing_and_is_seen(store: TestStore) {
        let program = Program::on(&store).await;
        let mailbox = mailbox();
        let relay = Relay::at("127.0.0.1:0", &mailbox, slow(Duration::from_millis(50))).await;
        let config = std::fs::read_to_string(program.folder.path().join("config.toml")).unwrap();
        program.configure(&config.replace(&program.relay.to_string(), &relay.address.to_string()));
        readers(&program, 40).await;
        let daemon = Daemon::start(&program).await;
        let issue = program.json(&["run", "weekly"]).await;
        mailbox.wait_for(10, PATIENCE).await.unwrap();
        let address = relay.vanish().await;
        let (status, ready) = daemon.until(|ready| ready["relays"] == "none works").await;
        assert_eq!((status, &ready["ready"], &ready["store"]), (StatusCode::OK, &true.into(), &"ok".into()));
        assert_eq!(daemon.metric(&format!("postround_relay_up{{relay=\"{address}\"}}")).await, Some(0.0));
        daemon.until(|ready| ready["parts"]["deliver"] == "failing").await;
        let shown = program.json(&["issue", "show", &issue["id"].to_string()]).await;
        assert_eq!((&shown["failed"], &shown["state"]), (&0.into(), &"sending".into()), "{shown}");

        let _relay = Relay::at(&address.to_string(), &mailbox, Options::default()).await;
        let got = got(&mailbox, 40).await;
        // What the relay had taken, and could not say any more, is sent again.
        let repeats = got.values().sum::<usize>() - 40;
        assert!(repeats <= 2, "{repeats} repeats from two connections");
        daemon.until(|ready| ready["relays"] == "ok" && ready["parts"]["deliver"] == "ok").await;
    }
}
