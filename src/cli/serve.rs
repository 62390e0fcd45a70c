//! `serve`: the daemon.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::{CliError, Context, output};
use crate::config::{Config, ConfigError};
use crate::daemon::{self, Reload};
use crate::web::{self, dev};

/// Options of `serve`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Show all mails under /dev, rendered again at each save of a template or the configuration
    #[arg(long)]
    dev: bool,
}

/// Runs until SIGTERM or Ctrl-C, and finishes the messages in flight before it returns; SIGHUP reads the configuration again.
pub async fn run(context: &Context, args: &Args) -> Result<(), CliError> {
    let app = context.open().await?;
    web::check_pages(&app.config)?;
    let listen = app.config.server.listen;
    if args.dev && !listen.ip().is_loopback() {
        return Err(CliError::Usage(format!(
            "--dev is for this machine alone, and {listen} is not; set `server.listen` to an address such as 127.0.0.1:8080"
        )));
    }
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| CliError::Failed(format!("cannot listen on {listen}: {error}; check `server.listen`")))?;
    let address = listener.local_addr()?;
    let stop = asked_to_stop()?;
    let reload = Reload { asked: hangups()?, read: Arc::new(reading(app.config.file.clone())) };
    output::note(format!("postround serves {} on http://{address}", app.config.server.public_url));
    let mut further = Router::new();
    if args.dev {
        further = dev::router(&app.config.file, app.store.clone());
        output::note(format!("the mails are on http://{address}/dev"));
    }
    Box::pin(daemon::serve_with(app, further, listener, reload, stop)).await?;
    Ok(())
}

/// Is done at SIGTERM or Ctrl-C. From the call on neither ends the process by itself.
pub fn asked_to_stop() -> std::io::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Reads the file and the environment as they are then.
fn reading(file: PathBuf) -> impl Fn() -> Result<Config, ConfigError> {
    move || Config::load(&file, std::env::vars())
}

/// A message for each SIGHUP; several that come while one is heeded are one.
fn hangups() -> std::io::Result<mpsc::Receiver<()>> {
    let mut hangup = signal(SignalKind::hangup())?;
    let (ask, asked) = mpsc::channel(1);
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            if let Err(TrySendError::Closed(())) = ask.try_send(()) {
                return;
            }
        }
    });
    Ok(asked)
}
