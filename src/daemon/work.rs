//! The loops of the parts: collecting, composing, tending, asking, housekeeping, and two that look on.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::generation::Desk;
use super::keep::{rest, unless_stopped};
use crate::alerts::{Lasting, Watch};
use crate::collect::Polled;
use crate::config::Source;
use crate::status::{Part, Status, StoreState};
use crate::store::StoreError;

/// How often the schedule, the polls and the open issues are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// How often the store is looked at, and it is looked for what the operator should hear of.
const WATCH: Duration = Duration::from_secs(5);

/// From how many failures in a row on an issue that cannot be composed is told.
const TOLD_FROM: u32 = 3;

/// How often it is looked who has not answered.
const HOUSEKEEPING: Duration = Duration::from_secs(60);

/// How long a digest whose issue could not be composed, or a source whose poll could not be recorded, rests at first.
const REST: Duration = Duration::from_secs(5);

/// The longest rest of a digest whose issue could not be composed again and again.
const LONGEST_REST: Duration = Duration::from_secs(300);

/// How long the store may take to write a row before that is trouble.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the store must take nothing before the operator is told.
const TOLD_AFTER: Duration = Duration::from_secs(60);

/// Polls each source when it is due.
pub(super) async fn collect(desk: Desk, part: Part) {
    let composer = desk.app.composer();
    // By a clock that never steps.
    let mut due: HashMap<&str, Instant> = HashMap::new();
    while rest(&desk.stopped, LOOK).await {
        let mut well = true;
        for source in &desk.app.config.sources {
            let at = match due.get(source.id.as_str()) {
                Some(at) => *at,
                None => match first_poll(&desk, source).await {
                    Ok(at) => at,
                    Err(error) => {
                        part.fails(error);
                        well = false;
                        continue;
                    }
                },
            };
            due.insert(&source.id, at);
            if at > Instant::now() {
                continue;
            }
            let Some(polled) = unless_stopped(&desk.stopped, composer.collect(Some(&source.id))).await else { return };
            match polled {
                Ok(polled) => {
                    due.insert(&source.id, Instant::now() + source.poll);
                    polled.iter().for_each(|polled| tell(&desk.status, polled));
                }
                Err(error) => {
                    due.insert(&source.id, Instant::now() + REST);
                    part.fails(error);
                    well = false;
                }
            }
        }
        if well {
            part.works();
        }
    }
}

/// When a source is due that another process, or this one before a restart, has polled last.
async fn first_poll(desk: &Desk, source: &Source) -> Result<Instant, StoreError> {
    let row = desk.app.store.read().await?.source(&source.id).await?;
    let since = row.and_then(|row| row.polled_at).map(|at| desk.app.clock.now().0 - at.0);
    // A poll in the future is from before the clock was set.
    let since = since.and_then(|since| u64::try_from(since).ok()).map(Duration::from_millis);
    Ok(Instant::now() + since.map_or(Duration::ZERO, |since| source.poll.saturating_sub(since)))
}

fn tell(status: &Status, polled: &Polled) {
    status.polled(&polled.source, polled.status.as_str());
    let error = polled.error.as_deref().unwrap_or_default();
    tracing::info!(source = polled.source, new = polled.new, error, "polled");
}

/// Composes what is due. A digest that fails rests for a while, longer each time, so that its sources are left in peace.
pub(super) async fn compose(desk: Desk, part: Part) {
    let composer = desk.app.composer();
    let mut resting: HashMap<String, (Instant, u32)> = HashMap::new();
    loop {
        if let Err(error) = composer.time() {
            part.fails(error);
            if !rest(&desk.stopped, LOOK).await {
                return;
            }
            continue;
        }
        let now = Instant::now();
        let rests = |digest: &str| resting.get(digest).is_some_and(|(until, _)| now < *until);
        let Some(outcomes) = unless_stopped(&desk.stopped, composer.compose_due(rests)).await else { return };
        let failed = |digest: &str| outcomes.iter().any(|(id, outcome)| id == digest && outcome.is_err());
        resting.retain(|digest, (until, _)| now < *until || failed(digest));
        for (digest, outcome) in outcomes {
            match outcome {
                Ok(composed) => {
                    composed.polled.iter().for_each(|polled| tell(&desk.status, polled));
                    if composed.fresh {
                        tracing::info!(digest, issue = composed.issue, "a period has its issue");
                    }
                }
                Err(error) => {
                    let failures = resting.get(&digest).map_or(0, |(_, failures)| *failures);
                    let pause = REST.saturating_mul(2_u32.saturating_pow(failures)).min(LONGEST_REST);
                    part.fails(format_args!("what is due of {digest} cannot be composed: {error}"));
                    if failures + 1 >= TOLD_FROM {
                        let subject = format!("The issue of {digest} cannot be composed");
                        let text =
                            format!("It is due, and fails again and again: {error}.\nIt is tried again by itself.");
                        desk.alerts.raise(&format!("compose:{digest}"), &subject, &text);
                    }
                    resting.insert(digest, (Instant::now() + pause, failures.saturating_add(1)));
                }
            }
        }
        if resting.is_empty() {
            part.works();
        }
        if !rest(&desk.stopped, LOOK).await {
            return;
        }
    }
}

/// Lays out issues, and marks those that are finished.
pub(super) async fn tend(desk: Desk, part: Part) {
    let composer = desk.app.composer();
    loop {
        let Some(tended) = unless_stopped(&desk.stopped, Box::pin(composer.tend())).await else { return };
        match tended {
            Ok(failed) if failed.is_empty() => part.works(),
            Ok(failed) => {
                let failed = failed.iter().map(|(issue, error)| format!("issue {issue}: {error}"));
                part.fails(failed.collect::<Vec<_>>().join("; "));
            }
            Err(error) => part.fails(error),
        }
        if !rest(&desk.stopped, LOOK).await {
            return;
        }
    }
}

/// Asks those whom an import brought, when their turn comes.
pub(super) async fn ask(desk: Desk, part: Part) {
    let (subscribers, notices) = (desk.app.subscribers(), desk.app.notices().with_alerts(desk.alerts.clone()));
    while rest(&desk.stopped, LOOK).await {
        match unless_stopped(&desk.stopped, subscribers.ask_due(&notices)).await {
            None => return,
            Some(Ok(asked)) => {
                if asked > 0 {
                    tracing::info!(asked, "people of an import are asked to confirm");
                }
                part.works();
            }
            Some(Err(error)) => part.fails(error),
        }
    }
}

/// Looks for what the operator should hear of, until it is time to stop.
pub(super) async fn look_out(desk: Desk, part: Part, watch: Arc<Mutex<Watch>>) {
    loop {
        let look = async { watch.lock().await.look().await };
        match unless_stopped(&desk.stopped, look).await {
            None => return,
            Some(Ok(())) => part.works(),
            Some(Err(error)) => part.fails(error),
        }
        if !rest(&desk.stopped, WATCH).await {
            return;
        }
    }
}

/// Reminds and forgets those who have not confirmed, and forgets what has been kept for long enough.
pub(super) async fn housekeep(desk: Desk, part: Part) {
    let (subscribers, composer) = (desk.app.subscribers(), desk.app.composer());
    let notices = desk.app.notices().with_alerts(desk.alerts.clone());
    loop {
        desk.app.keys.refresh();
        let step = async {
            let reminded = subscribers.remind(&notices).await?;
            Ok::<_, crate::subscribers::SubscribersError>((
                reminded,
                subscribers.forget_unconfirmed().await?,
                subscribers.forget_networks().await?,
                subscribers.leave_no_traces().await?,
            ))
        };
        match unless_stopped(&desk.stopped, composer.fold()).await {
            None => return,
            Some(Ok(0)) => {}
            Some(Ok(deliveries)) => tracing::info!(deliveries, "finished long ago: they are totals now"),
            Some(Err(error)) => part.fails(error),
        }
        match unless_stopped(&desk.stopped, step).await {
            None => return,
            Some(Ok((reminded, forgotten, networks, _))) => {
                if reminded > 0 {
                    tracing::info!(reminded, "asked once more who had not answered");
                }
                if forgotten > 0 {
                    tracing::info!(forgotten, "forgot who never answered");
                }
                if networks > 0 {
                    tracing::info!(events = networks, "forgot from which networks people had agreed");
                }
                part.works();
            }
            Some(Err(error)) => part.fails(error),
        }
        if !rest(&desk.stopped, HOUSEKEEPING).await {
            return;
        }
    }
}

/// Looks whether the store takes what is written.
pub(super) async fn probe(desk: Desk, part: Part) {
    let mut lasting = Lasting::after(TOLD_AFTER);
    loop {
        let Some((state, error)) = unless_stopped(&desk.stopped, look(&desk)).await else { return };
        desk.status.store_is(state);
        match &error {
            None => part.works(),
            Some(error) => part.fails(error),
        }
        if lasting.look(error.is_some()) {
            let (subject, remedy) = match state {
                StoreState::ReadOnly => ("The store takes nothing", "Is its disk full?"),
                StoreState::Gone | StoreState::Ok => ("The store does not answer", "Does the database run?"),
            };
            let text = format!(
                "{}\nNothing is sent, nobody can subscribe or leave until it does. Nothing is lost, and all goes on by itself \
                 then. {remedy}",
                error.unwrap_or_default()
            );
            desk.alerts.raise("store", subject, &text);
        }
        if !rest(&desk.stopped, WATCH).await {
            return;
        }
    }
}

/// How the store is, and what is wrong with it.
async fn look(desk: &Desk) -> (StoreState, Option<String>) {
    let write = async { desk.app.store.marks().await?.probe(desk.app.clock.now()).await };
    let error = match timeout(PATIENCE, write).await {
        Ok(Ok(())) => return (StoreState::Ok, None),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("nothing could be written within {} seconds", PATIENCE.as_secs()),
    };
    let read = async { desk.app.store.read().await?.ping().await };
    let state = match timeout(PATIENCE, read).await {
        Ok(Ok(())) => StoreState::ReadOnly,
        Ok(Err(_)) | Err(_) => StoreState::Gone,
    };
    (state, Some(error))
}
