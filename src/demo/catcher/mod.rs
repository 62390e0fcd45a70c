//! A mail catcher: a small SMTP server on this machine that takes every mail and delivers none (RFC 5321).
//!
//! It is the far end of the demo and of the integration tests, so it is strict where a relay could be (line lengths,
//! line ends, the order of commands, non-ASCII addresses without SMTPUTF8), and a script of [`Answers`] makes it refuse,
//! wait or break off at any point.

mod answers;
mod command;
mod mailbox;
mod session;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use answers::{Answers, Reply, Stage, Turn};
pub use command::Command;
pub use mailbox::{Caught, Mailbox, MailsMissing};

use session::Session;

/// How the server behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether it offers PIPELINING (RFC 2920). Without it, a client that does not wait for its answers is dropped.
    pub pipelining: bool,
    /// Whether it offers SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
    /// The biggest mail that it takes, in octets.
    pub max_size: usize,
    /// The user and password that must be given by AUTH before any mail.
    pub login: Option<(String, String)>,
    /// How long a client may be silent.
    pub idle: Duration,
    /// Answers other than its own.
    pub answers: Answers,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            pipelining: true,
            smtputf8: true,
            max_size: 25 * 1024 * 1024,
            login: None,
            idle: Duration::from_secs(300),
            answers: Answers::default(),
        }
    }
}

/// Serves SMTP on `listener` into `mailbox` until `shutdown` is done, then ends the open conversations and returns.
pub async fn serve(listener: TcpListener, mailbox: Mailbox, shutdown: impl Future<Output = ()>) {
    serve_with(listener, mailbox, Options::default(), shutdown).await;
}

/// [`serve`] with other behaviour than the usual.
pub async fn serve_with(listener: TcpListener, mailbox: Mailbox, options: Options, shutdown: impl Future<Output = ()>) {
    let options = Arc::new(options);
    let stop = watch::Sender::new(false);
    let mut conversations = JoinSet::new();
    let mut connection = 0;
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(_) = conversations.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connection += 1;
                    // Answers are small; without this each could wait for the client's delayed ACK.
                    let _ = stream.set_nodelay(true);
                    let session = Session::new(stream, mailbox.clone(), Arc::clone(&options), connection);
                    conversations.spawn(converse(session, stop.subscribe()));
                }
                Err(error) => {
                    tracing::warn!(%error, "the mail catcher could not accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
    stop.send_replace(true);
    while conversations.join_next().await.is_some() {}
}

async fn converse(mut session: Session<tokio::net::TcpStream>, mut stop: watch::Receiver<bool>) {
    let stopped = tokio::select! {
        ended = session.run() => {
            if let Err(error) = ended {
                tracing::debug!(%error, "a client of the mail catcher broke off");
            }
            false
        }
        stopped = async { stop.wait_for(|stop| *stop).await.is_ok() } => stopped,
    };
    if stopped {
        session.farewell().await;
    }
}
