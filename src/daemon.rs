//! The daemon: starts, watches and stops the parts.
//!
//! Each part is a step and a trivial loop around it. A step that fails is told and tried again; a part that panics is
//! started again after a pause, and the others go on.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::alerts::{Alerts, Lasting, Watch};
use crate::app::{App, AppError};
use crate::domain::UtcMillis;
use crate::web::{self, AppState};

/// How often the schedule, the polls and the open issues are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// How often the relay and the store are looked at for what the operator should hear of.
const WATCH: Duration = Duration::from_secs(5);

/// From how many failures in a row on an issue that cannot be composed is told.
const TOLD_FROM: u32 = 3;

/// How often it is looked who has not answered.
const HOUSEKEEPING: Duration = Duration::from_secs(60);

/// How long a part that fell over, or a digest whose issue could not be composed, rests at first.
const REST: Duration = Duration::from_secs(5);

/// The longest rest of a digest whose issue could not be composed again and again.
const LONGEST_REST: Duration = Duration::from_secs(300);

/// Why the daemon cannot start.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The pages cannot be served.
    #[error(transparent)]
    Web(#[from] web::WebError),
    /// A part cannot be put together.
    #[error(transparent)]
    App(#[from] AppError),
}

/// Runs all parts on `listener` until `shutdown` is done; then lets them finish, and returns.
///
/// # Errors
/// When the pages' templates are not usable, or no HTTP client can be made.
pub async fn serve(app: App, listener: TcpListener, shutdown: impl Future<Output = ()>) -> Result<(), DaemonError> {
    serve_with(app, Router::new(), listener, shutdown).await
}

/// The same, with further pages beside the public ones.
///
/// # Errors
/// As [`serve`].
pub async fn serve_with(
    app: App,
    further: Router,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Result<(), DaemonError> {
    let (stop, stopped) = watch::channel(false);
    let (alerts, teller, watch) = app.alerts()?;
    let warn = alerts.of_pages();
    let router = web::router(AppState::new(app.subscribers(), app.notices(), warn)?).merge(further);
    let mut parts = JoinSet::new();
    let telling = tokio::spawn(teller.run());
    parts.spawn(look_out(watch, stopped.clone()));
    let signal = until(stopped.clone());
    parts.spawn(async move {
        if let Err(error) = web::serve(listener, router, signal).await {
            tracing::error!(%error, "the web server has ended");
        }
    });
    for part in [Part::Collect, Part::Compose, Part::Tend, Part::Ask, Part::Deliver, Part::Housekeep] {
        parts.spawn(keep(app.clone(), alerts.clone(), part, stopped.clone()));
    }
    shutdown.await;
    tracing::info!("stopping");
    stop.send_replace(true);
    while parts.join_next().await.is_some() {}
    telling.abort();
    Ok(())
}

#[derive(Clone, Copy, Debug)]
enum Part {
    Collect,
    Compose,
    Tend,
    Ask,
    Deliver,
    Housekeep,
}

/// Runs a part until it is told to stop; starts it again when it falls over.
async fn keep(app: App, alerts: Alerts, part: Part, stopped: watch::Receiver<bool>) {
    loop {
        let (app, alerts, stopped) = (app.clone(), alerts.clone(), stopped.clone());
        let stop = until(stopped.clone());
        let run = async move {
            match part {
                Part::Collect => collect(&app, stopped).await,
                Part::Compose => compose(&app, &alerts, stopped).await,
                Part::Tend => tend(&app, stopped).await,
                Part::Ask => ask(&app, stopped).await,
                Part::Deliver => deliver(&app, &alerts, stopped).await,
                Part::Housekeep => housekeep(&app, stopped).await,
            }
        };
        match tokio::spawn(run).await {
            Ok(()) => return,
            Err(error) => tracing::error!(?part, %error, "a part fell over; it is started again"),
        }
        tokio::select! {
            () = stop => return,
            () = tokio::time::sleep(REST) => {}
        }
    }
}

async fn until(mut stopped: watch::Receiver<bool>) {
    // An error means that the daemon itself is gone.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// Waits for the next look. `false`: it is time to stop.
async fn look_again(stopped: &watch::Receiver<bool>) -> bool {
    tokio::select! {
        () = until(stopped.clone()) => false,
        () = tokio::time::sleep(LOOK) => true,
    }
}

/// Polls each source when it is due.
async fn collect(app: &App, stopped: watch::Receiver<bool>) {
    let mut tried: HashMap<String, UtcMillis> = HashMap::new();
    while look_again(&stopped).await {
        for source in &app.config.sources {
            let now = app.clock.now();
            let last = match tried.get(&source.id) {
                Some(at) => Some(*at),
                None => last_poll(app, &source.id).await,
            };
            if last.is_some_and(|at| now < at.plus(source.poll)) {
                continue;
            }
            tried.insert(source.id.clone(), now);
            let composer = app.composer();
            let Some(polled) = unless_stopped(&stopped, composer.collect(Some(&source.id))).await else { return };
            match polled {
                Ok(polled) => {
                    for polled in polled {
                        let error = polled.error.unwrap_or_default();
                        tracing::info!(source = polled.source, new = polled.new, error, "polled");
                    }
                }
                Err(error) => tracing::warn!(source = source.id, %error, "a poll could not be recorded"),
            }
        }
    }
}

/// When another process, or this one before a restart, polled the source last.
async fn last_poll(app: &App, source: &str) -> Option<UtcMillis> {
    let mut session = app.store.read().await.ok()?;
    session.source(source).await.ok()??.polled_at
}

/// Composes what is due. A digest that fails rests for a while, longer each time, so that its sources are left in peace.
async fn compose(app: &App, alerts: &Alerts, stopped: watch::Receiver<bool>) {
    let composer = app.composer();
    let mut resting: HashMap<String, (UtcMillis, u32)> = HashMap::new();
    loop {
        let now = app.clock.now();
        let rests = |digest: &str| resting.get(digest).is_some_and(|(until, _)| now < *until);
        let Some(outcomes) = unless_stopped(&stopped, composer.compose_due(rests)).await else { return };
        for (digest, outcome) in outcomes {
            match outcome {
                Ok(composed) => {
                    resting.remove(&digest);
                    if composed.fresh {
                        tracing::info!(digest, issue = composed.issue, "a period has its issue");
                    }
                }
                Err(error) => {
                    let failures = resting.get(&digest).map_or(0, |(_, failures)| *failures);
                    let pause = REST.saturating_mul(2_u32.saturating_pow(failures)).min(LONGEST_REST);
                    tracing::error!(digest, %error, again_in = pause.as_secs(), "an issue that is due could not be composed");
                    if failures + 1 >= TOLD_FROM {
                        let subject = format!("The issue of {digest} cannot be composed");
                        let text =
                            format!("It is due, and fails again and again: {error}.\nIt is tried again by itself.");
                        alerts.raise(&format!("compose:{digest}"), &subject, &text);
                    }
                    resting.insert(digest, (app.clock.now().plus(pause), failures + 1));
                }
            }
        }
        if !look_again(&stopped).await {
            return;
        }
    }
}

/// Lays out issues, and marks those that are finished. What fails is told once, and when it changes.
async fn tend(app: &App, stopped: watch::Receiver<bool>) {
    let composer = app.composer();
    let mut told: Vec<String> = Vec::new();
    loop {
        let Some(tended) = unless_stopped(&stopped, composer.tend()).await else { return };
        let failed: Vec<String> = match tended {
            Ok(failed) => failed.into_iter().map(|(issue, error)| format!("issue {issue}: {error}")).collect(),
            Err(error) => vec![error.to_string()],
        };
        for error in failed.iter().filter(|error| !told.contains(error)) {
            tracing::error!(error, "an open issue could not be looked after");
        }
        told = failed;
        if !look_again(&stopped).await {
            return;
        }
    }
}

/// Asks those whom an import brought, when their turn comes.
async fn ask(app: &App, stopped: watch::Receiver<bool>) {
    let (subscribers, notices) = (app.subscribers(), app.notices());
    while look_again(&stopped).await {
        match unless_stopped(&stopped, subscribers.ask_due(&notices)).await {
            None => return,
            Some(Ok(0)) => {}
            Some(Ok(asked)) => tracing::info!(asked, "people of an import are asked to confirm"),
            Some(Err(error)) => tracing::error!(%error, "people of an import could not be asked"),
        }
    }
}

/// Looks for what the operator should hear of, until it is time to stop.
async fn look_out(mut watch: Watch, stopped: watch::Receiver<bool>) {
    loop {
        match unless_stopped(&stopped, watch.look()).await {
            None => return,
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::warn!(%error, "cannot look for what the operator should hear of"),
        }
        tokio::select! {
            () = until(stopped.clone()) => return,
            () = tokio::time::sleep(WATCH) => {}
        }
    }
}

/// Reminds and forgets those who have not confirmed.
async fn housekeep(app: &App, stopped: watch::Receiver<bool>) {
    let (subscribers, notices) = (app.subscribers(), app.notices());
    loop {
        app.keys.refresh();
        let step = async {
            let reminded = subscribers.remind(&notices).await;
            (reminded, subscribers.forget_unconfirmed().await, subscribers.forget_networks().await)
        };
        let Some((reminded, forgotten, networks)) = unless_stopped(&stopped, step).await else { return };
        match networks {
            Ok(0) => {}
            Ok(events) => tracing::info!(events, "forgot from which networks people had agreed"),
            Err(error) => tracing::error!(%error, "old networks could not be forgotten"),
        }
        match reminded {
            Ok(0) => {}
            Ok(reminded) => tracing::info!(reminded, "asked once more who had not answered"),
            Err(error) => tracing::error!(%error, "nobody could be reminded"),
        }
        match forgotten {
            Ok(0) => {}
            Ok(forgotten) => tracing::info!(forgotten, "forgot who never answered"),
            Err(error) => tracing::error!(%error, "those who never answered could not be forgotten"),
        }
        tokio::select! {
            () = until(stopped.clone()) => return,
            () = tokio::time::sleep(HOUSEKEEPING) => {}
        }
    }
}

/// What a step gives; `None` when it was time to stop before it was done. What it had not committed did not happen.
async fn unless_stopped<T>(stopped: &watch::Receiver<bool>, step: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        () = until(stopped.clone()) => None,
        output = step => Some(output),
    }
}

/// Delivers, as soon as no other process does.
async fn deliver(app: &App, alerts: &Alerts, stopped: watch::Receiver<bool>) {
    loop {
        match app.store.try_lock_deliverer() {
            Ok(Some(lock)) => {
                let engine = app.engine(lock);
                let watch = async {
                    let mut lasting = Lasting::default();
                    loop {
                        tokio::time::sleep(WATCH).await;
                        let trouble = engine.relay_trouble();
                        if lasting.look(trouble.is_some()) {
                            let text = format!(
                                "{}\nNothing is lost: what is queued goes out when it works again.",
                                trouble.unwrap_or_default()
                            );
                            alerts.raise("relay", "The relay does not take mail", &text);
                        }
                    }
                };
                tokio::select! {
                    _ = engine.run(until(stopped)) => {}
                    () = watch => {}
                }
                return;
            }
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "cannot deliver"),
        }
        if !look_again(&stopped).await {
            return;
        }
    }
}
