//! The daemon: starts, watches and stops the parts.
//!
//! Each part is a step and a trivial loop around it. A step that fails is told and tried again; a part that falls over is
//! started again after a pause that grows, and the others go on. The parts of one configuration are a generation: when the
//! configuration is read again, the next one takes its place, and the web server, the store and the right to deliver stay.

mod deliver;
mod front;
mod generation;
mod keep;
mod reload;
mod systemd;
mod trouble;
mod work;

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use crate::app::{App, AppError};
use crate::config::{Config, ConfigError};
use crate::status::Status;
use crate::web;
use deliver::Chair;
use front::Front;
use generation::Generation;

/// Why the daemon cannot start.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The pages cannot be served.
    #[error(transparent)]
    Web(#[from] web::WebError),
    /// A part cannot be put together.
    #[error(transparent)]
    App(#[from] AppError),
    /// The listener is not usable.
    #[error("cannot use the address that is listened on: {0}")]
    Listener(std::io::Error),
}

/// When and how the configuration is read again.
pub struct Reload {
    /// Each message asks for it.
    pub asked: mpsc::Receiver<()>,
    /// Reads it.
    pub read: Arc<dyn Fn() -> Result<Config, ConfigError> + Send + Sync>,
}

/// Runs all parts on `listener` until `shutdown` is done; then lets them finish, and returns.
///
/// # Errors
/// When the pages' templates are not usable, or no HTTP client can be made.
pub async fn serve(app: App, listener: TcpListener, shutdown: impl Future<Output = ()>) -> Result<(), DaemonError> {
    // Nobody ever asks.
    let (_ask, asked) = mpsc::channel(1);
    let config = app.config.clone();
    let reload = Reload { asked, read: Arc::new(move || Ok((*config).clone())) };
    serve_with(app, Router::new(), listener, reload, shutdown).await
}

/// The same, with further pages beside the public ones, and a configuration that can be read again.
///
/// # Errors
/// As [`serve`].
pub async fn serve_with(
    app: App,
    further: Router,
    listener: TcpListener,
    mut reload: Reload,
    shutdown: impl Future<Output = ()>,
) -> Result<(), DaemonError> {
    let status = Status::new(app.store.clone(), app.clock.now());
    let (stop, stopped) = watch::channel(false);
    let chair = Chair::default();
    let prepared = generation::prepare(app, &further, &status)?;
    let front = Front::new(prepared.router());
    let server = front.serve(listener, status.part("web"), stopped).map_err(DaemonError::Listener)?;
    let mut running = Generation::start(prepared, &status, &chair);
    systemd::ready();
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(()) = reload.asked.recv() => {}
        }
        systemd::reloading();
        // Trying the templates may take long, and whoever wants it to stop need not wait for that.
        let next = {
            let (app, read, further, status) =
                (running.app().clone(), Arc::clone(&reload.read), further.clone(), status.clone());
            tokio::task::spawn_blocking(move || reload::prepare(&app, &*read, &further, &status))
        };
        let next = tokio::select! {
            () = &mut shutdown => break,
            next = next => next.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())),
        };
        if let Some(next) = next {
            front.show(next.router());
            tracing::info!("the configuration was read again, and is in use");
            // Whoever wants it to stop need not wait for the change.
            running.stop().await;
            running = Generation::start(next, &status, &chair);
        }
        systemd::ready();
    }
    tracing::info!("stopping");
    systemd::stopping();
    stop.send_replace(true);
    running.end().await;
    // The server waits for who is slow no longer than the parts may take.
    if let Err(error) = server.await {
        tracing::error!(%error, "the web server could not be stopped as it should be");
    }
    Ok(())
}
