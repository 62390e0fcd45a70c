//! Tells systemd how far the daemon is; where it was not started by systemd, nothing happens.

use sd_notify::NotifyState;

/// All parts run.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The configuration is read again; `ready` says when that is done.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// The parts are asked to finish.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "systemd could not be told");
    }
}
