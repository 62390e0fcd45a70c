//! Reading the configuration again: a good one takes the place of the old, a bad one is refused with its reasons.

use axum::Router;

use super::DaemonError;
use super::generation::{self, Prepared};
use crate::app::App;
use crate::config::{Config, ConfigError, StoreUrl};
use crate::status::Status;

/// Reads the configuration again and puts together what goes by it. `None`: it is refused, and why is in the log.
pub(super) fn prepare(
    app: &App,
    read: impl Fn() -> Result<Config, ConfigError>,
    further: &Router,
    status: &Status,
) -> Option<Prepared> {
    app.keys.refresh();
    let prepared = read().map_err(Refused::Config).and_then(|config| {
        let config = with_what_stays(config, &app.config);
        let _tried = config.templates.wordings.tried();
        let app = app.with_config(config.into()).map_err(|error| Refused::Daemon(error.into()))?;
        generation::prepare(app, further, status).map_err(Refused::Daemon)
    });
    status.config_read(app.clock.now(), prepared.is_ok());
    match prepared {
        Ok(prepared) => {
            prepared.wordings().install_over(&app.config.templates.wordings);
            Some(prepared)
        }
        Err(refused) => {
            tracing::error!("the configuration is refused; the one before stays in use");
            // Each line stands for itself, as `config check` prints it.
            refused.to_string().lines().for_each(|reason| tracing::error!("{reason}"));
            None
        }
    }
}

/// Why a configuration is not taken.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Config(ConfigError),
    #[error(transparent)]
    Daemon(DaemonError),
}

/// The new configuration, with what a running daemon cannot change as it was. What that is, is said.
fn with_what_stays(mut new: Config, old: &Config) -> Config {
    let says = |key: &str| {
        tracing::warn!("{key} has changed, and takes a restart; until then it stays as it was");
    };
    if new.server.listen != old.server.listen {
        says("server.listen");
        new.server.listen = old.server.listen;
    }
    if !is_same(&new.store.url, &old.store.url) {
        says("store.url");
        new.store.url = old.store.url.clone();
    }
    if new.store.keys != old.store.keys {
        says("store.keys");
        new.store.keys.clone_from(&old.store.keys);
    }
    new
}

fn is_same(one: &StoreUrl, other: &StoreUrl) -> bool {
    match (one, other) {
        (StoreUrl::Sqlite(one), StoreUrl::Sqlite(other)) => one == other,
        (StoreUrl::Postgres(one), StoreUrl::Postgres(other)) => one.reveal() == other.reveal(),
        _ => false,
    }
}
