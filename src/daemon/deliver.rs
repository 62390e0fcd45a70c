//! The part that delivers, as soon as no other process does.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::generation::Desk;
use super::keep::{rest, until};
use super::trouble::{Troubles, unsigned_issue};
use crate::deliver::Engine;
use crate::status::{Part, StoreState};

/// How often it is looked how it goes, and whether another process has stopped to deliver.
const LOOK: Duration = Duration::from_secs(1);

/// Where the engine sits. It keeps the right to deliver, and what is known of the relays, from one generation to the next.
#[derive(Clone, Default)]
pub(super) struct Chair(Arc<Mutex<Option<Arc<Engine>>>>);

impl Chair {
    /// The engine for this configuration. `None`: it is time to stop, and another process still delivers.
    async fn engine(&self, desk: &Desk, part: &Part) -> Option<Arc<Engine>> {
        let before = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let engine = match before {
            Some(before) => desk.app.successor(&before),
            None => loop {
                match desk.app.store.try_lock_deliverer() {
                    Ok(Some(lock)) => break desk.app.engine(lock).counting(desk.status.tally()),
                    Ok(None) => part.stands_by(),
                    Err(error) => part.fails(error),
                }
                if !rest(&desk.stopped, LOOK).await {
                    return None;
                }
            },
        };
        let engine = Arc::new(engine);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&engine));
        Some(engine)
    }
}

/// Delivers until it is time to stop.
pub(super) async fn deliver(desk: Desk, part: Part, chair: Chair) {
    let Some(engine) = chair.engine(&desk, &part).await else { return };
    desk.status.delivers(&engine);
    part.works();
    let run = Box::pin(engine.run(until(desk.stopped.clone())));
    tokio::select! {
        _ = run => {}
        () = watch(&desk, &part, &engine) => {}
    }
}

/// Tells of relays that take nothing for long.
async fn watch(desk: &Desk, part: &Part, engine: &Engine) {
    let mut troubles = Troubles::default();
    loop {
        tokio::time::sleep(LOOK).await;
        let relays = engine.relays();
        if engine.waits_for_store() || desk.status.store() != StoreState::Ok {
            part.fails("nothing is begun that the store cannot take; it goes on when the store does");
        } else if relays.iter().any(|relay| relay.works) {
            part.works();
        } else {
            part.fails("no relay takes mail; what is queued is kept");
        }
        for warning in troubles.look(engine.relay_trouble().as_deref(), &relays) {
            desk.alerts.raise(&warning.key, &warning.subject, &warning.text);
        }
        for unsigned in engine.newly_unsigned() {
            let warning = unsigned_issue(&unsigned);
            desk.alerts.raise_once(&warning.key, &warning.subject, &warning.text);
        }
    }
}
