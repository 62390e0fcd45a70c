//! A generation: all parts that go by one configuration. They start together and stop together.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::sync::{Mutex, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use super::DaemonError;
use super::deliver::{self, Chair};
use super::keep::{keep, until};
use super::work;
use crate::alerts::{Alerts, Teller, Watch};
use crate::app::App;
use crate::config::Wordings;
use crate::status::{Part, Status};
use crate::web::{self, AppState};

/// How long warnings may take that are being given when the daemon stops.
const LAST_WARNINGS: Duration = Duration::from_millis(500);

/// What every part has at hand.
#[derive(Clone)]
pub(super) struct Desk {
    /// The rooms.
    pub app: App,
    /// Where the operator is warned.
    pub alerts: Alerts,
    /// Where it is told how things are.
    pub status: Status,
    /// When to stop.
    pub stopped: watch::Receiver<bool>,
}

/// A generation that has not started: whatever can be wrong with its configuration would have been found.
pub(super) struct Prepared {
    app: App,
    alerts: Alerts,
    teller: Teller,
    watch: Watch,
    router: Router,
}

impl Prepared {
    /// Its pages.
    pub(super) fn router(&self) -> Router {
        self.router.clone()
    }

    /// Its wordings, which hold for the whole process.
    pub(super) fn wordings(&self) -> &Wordings {
        &self.app.config.templates.wordings
    }
}

/// Puts a generation together.
pub(super) fn prepare(app: App, further: &Router, status: &Status) -> Result<Prepared, DaemonError> {
    if let Some(advice) = app.config.server.unnamed_proxy() {
        tracing::warn!("{advice}");
    }
    let (alerts, teller, watch) = app.alerts()?;
    let notices = app.notices().with_alerts(alerts.clone());
    let state = AppState::new(app.subscribers(), notices, alerts.of_pages())?.with_status(status.clone());
    let router = web::router(state).merge(further.clone());
    Ok(Prepared { app, alerts, teller, watch, router })
}

/// A generation that runs.
pub(super) struct Generation {
    app: App,
    stop: watch::Sender<bool>,
    parts: JoinSet<()>,
    telling: JoinHandle<()>,
}

impl Generation {
    /// Starts all parts.
    pub(super) fn start(prepared: Prepared, status: &Status, chair: &Chair) -> Self {
        let Prepared { app, alerts, teller, watch, router: _ } = prepared;
        let (stop, stopped) = watch::channel(false);
        let telling = tokio::spawn(tell(teller, status.part("tell")));
        let desk = Desk { app: app.clone(), alerts, status: status.clone(), stopped };
        let mut parts = JoinSet::new();
        spawn(&mut parts, &desk, "collect", work::collect);
        spawn(&mut parts, &desk, "compose", work::compose);
        spawn(&mut parts, &desk, "tend", work::tend);
        spawn(&mut parts, &desk, "ask", work::ask);
        spawn(&mut parts, &desk, "housekeep", work::housekeep);
        spawn(&mut parts, &desk, "store", work::probe);
        let watch = Arc::new(Mutex::new(watch));
        spawn(&mut parts, &desk, "watch", move |desk, part| work::look_out(desk, part, Arc::clone(&watch)));
        let chair = chair.clone();
        spawn(&mut parts, &desk, "deliver", move |desk, part| deliver::deliver(desk, part, chair.clone()));
        Self { app, stop, parts, telling }
    }

    /// What it goes by.
    pub(super) fn app(&self) -> &App {
        &self.app
    }

    /// Lets all parts finish, to make room for the next generation. Warnings that are being given go on beside that.
    pub(super) async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.parts.join_next().await.is_some() {}
    }

    /// Lets all parts finish for good.
    pub(super) async fn end(mut self) {
        self.stop.send_replace(true);
        while self.parts.join_next().await.is_some() {}
        if timeout(LAST_WARNINGS, &mut self.telling).await.is_err() {
            self.telling.abort();
        }
    }
}

/// Runs a part beside the others.
fn spawn<F: Future<Output = ()> + Send + 'static>(
    parts: &mut JoinSet<()>,
    desk: &Desk,
    name: &'static str,
    run: impl Fn(Desk, Part) -> F + Send + 'static,
) {
    let part = desk.status.part(name);
    let desk = desk.clone();
    let (alerts, stopped) = (desk.alerts.clone(), desk.stopped.clone());
    parts.spawn(keep(part, Some(alerts), stopped, move |part, _| run(desk.clone(), part)));
}

/// Gives the warnings until nobody can raise any more; that is how it hears of the end.
async fn tell(teller: Teller, part: Part) {
    let teller = Arc::new(Mutex::new(teller));
    let (done, is_done) = watch::channel(false);
    let kept = keep(part, None, is_done.clone(), move |part, _| {
        let (teller, done) = (Arc::clone(&teller), done.clone());
        async move {
            part.works();
            teller.lock().await.run().await;
            done.send_replace(true);
        }
    });
    tokio::select! {
        () = kept => {}
        () = until(is_done) => {}
    }
}
