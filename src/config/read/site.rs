//! The tables that are there once: server, store, relay, delivery, collecting, templates.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;

use super::Scene;
use crate::config::Secret;
use crate::config::nearest::suggestion;
use crate::config::reader::{Field, Table, shown};
use crate::config::settings::{AfterCrash, Alerts, Delivery, Server, Store, StoreUrl, Templates};
use crate::config::source::{Backlog, Collect};
use crate::config::{urls, values};
use crate::wording::read_wordings;

/// The longest time that anything here may take.
pub const LONGEST: Duration = Duration::from_secs(30 * 86_400);

pub fn server(table: &Table<'_>, scene: &Scene<'_>) -> Server {
    let default = SocketAddr::from(([127, 0, 0, 1], 8080));
    let listen = table.given("listen").and_then(|field| {
        field.parse(|text| {
            text.trim().parse().map_err(|_| {
                format!(
                    "`{}` is not an IP address with a port; it looks like `127.0.0.1:8080` or `[::1]:8080`",
                    shown(text)
                )
            })
        })
    });
    Server {
        listen: listen.unwrap_or(default),
        public_url: public_url(table, scene),
        trusted_proxies: networks(table, "trusted_proxies"),
        metrics_from: networks(table, "metrics_from"),
    }
}

fn networks(table: &Table<'_>, key: &'static str) -> Vec<IpNet> {
    let items = table.field(key).and_then(|field| field.items()).unwrap_or_default();
    items.iter().filter_map(|field| field.parse(values::network)).collect()
}

fn public_url(table: &Table<'_>, scene: &Scene<'_>) -> String {
    const REMEDY: &str = "give the https address at which readers reach this server, since each mail links to it";
    let default = || "http://localhost:8080".to_owned();
    let Some(field) = table.given("public_url") else {
        if scene.real_relay {
            table.wrong("public_url", format!("is missing, and the relay is not on this machine; {REMEDY}"));
        }
        return default();
    };
    let Some(url) = field.parse(urls::public) else { return default() };
    if scene.real_relay {
        if urls::is_loopback(&url) {
            field.fail(format!("leads to this machine alone, and the relay is not on it; {REMEDY}"));
        } else if url.host_str().is_some_and(urls::is_example) {
            field.fail(format!("is the example's, and the relay is not on this machine; {REMEDY}"));
        } else if url.scheme() != "https" {
            field.fail("is not https, and the relay is not on this machine; it must begin with https://, as one-click unsubscribe asks for it");
        }
    }
    url.as_str().trim_end_matches('/').to_owned()
}

pub fn store(table: &Table<'_>, scene: &Scene<'_>) -> Store {
    let url = table.given("url").and_then(|field| field.parse(|text| urls::store(text, scene.folder)));
    Store {
        url: url.unwrap_or_else(|| StoreUrl::Sqlite(scene.folder.join("data/postround.db"))),
        keys: path(table, "keys", scene.folder).unwrap_or_else(|| scene.folder.join("data/postround.keys")),
    }
}

pub fn delivery(table: &Table<'_>) -> Delivery {
    let after_crash = table.given("after_crash").and_then(|field| {
        field.parse(|text| match text.trim() {
            "resend" => Ok(AfterCrash::Resend),
            "hold" => Ok(AfterCrash::Hold),
            other => {
                Err(format!("cannot be `{}`; write `resend` to send again what is uncertain, or `hold`", shown(other)))
            }
        })
    });
    Delivery {
        after_crash: after_crash.unwrap_or(AfterCrash::Resend),
        retry_for: duration(table, "retry_for", Duration::ZERO).unwrap_or(Duration::from_secs(48 * 3600)),
        hold_when_failing: match table.field("hold_when_failing") {
            Some(field) => field.parse(share).flatten(),
            None => Some(30),
        },
    }
}

/// A share such as `30%`; none for an empty text.
fn share(text: &str) -> Result<Option<u8>, String> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let number = text.trim().strip_suffix('%').and_then(|number| number.trim().parse().ok());
    match number.filter(|share| (1..=100).contains(share)) {
        Some(share) => Ok(Some(share)),
        None => Err(format!("`{}` is no share; write one from `1%` to `100%`, or \"\" for never", shown(text))),
    }
}

pub fn collect(table: &Table<'_>) -> Collect {
    Collect {
        allow_private_networks: table
            .field("allow_private_networks")
            .and_then(|field| field.boolean())
            .unwrap_or(false),
        backlog: table.given("backlog").and_then(|field| backlog(&field)).unwrap_or(Backlog::Period),
    }
}

pub fn backlog(field: &Field<'_>) -> Option<Backlog> {
    if field.is_date() {
        return field.day().map(Backlog::Since);
    }
    field.parse(|text| match text.trim() {
        "period" => Ok(Backlog::Period),
        "all" => Ok(Backlog::All),
        "none" => Ok(Backlog::None),
        other => values::day(other).map(Backlog::Since).map_err(|_| {
            let near = suggestion(other, ["period", "all", "none"], || {
                "write `period`, `all`, `none` or a day such as 2026-11-01".to_owned()
            });
            format!("`{}` says nothing about the backlog{near}", shown(other))
        }),
    })
}

pub fn templates(table: &Table<'_>, scene: &Scene<'_>) -> Templates {
    let dir = path(table, "dir", scene.folder);
    if let (Some(dir), Some(field)) = (&dir, table.given("dir"))
        && !dir.is_dir()
    {
        field.fail(format!(
            "there is no folder {}; make it, or leave the key out for the built-in templates",
            dir.display()
        ));
    }
    let read = dir.as_deref().map(read_wordings).unwrap_or_default();
    read.wrong.into_iter().for_each(|error| table.wrong("dir", error));
    Templates { dir, wordings: read.wordings, gaps: read.gaps }
}

pub fn alerts(table: &Table<'_>, scene: &Scene<'_>) -> Alerts {
    Alerts {
        email: table.given("email").and_then(|field| super::sender::address(&field, scene)),
        webhook: secret_url(table, "webhook"),
    }
}

/// A web address that only its owner shall know.
pub fn secret_url(table: &Table<'_>, name: &'static str) -> Option<Secret> {
    let url = table.given(name).and_then(|field| field.parse(urls::web))?;
    Some(Secret::new(url.as_str()))
}

/// A duration of `least` to [`LONGEST`].
pub fn duration(table: &Table<'_>, name: &'static str, least: Duration) -> Option<Duration> {
    table.given(name)?.parse(|text| values::duration(text, least, LONGEST))
}

/// A path, which counts from the configuration's folder.
pub fn path(table: &Table<'_>, name: &'static str, folder: &Path) -> Option<PathBuf> {
    table.given(name)?.parse(|text| match text.contains('\0') {
        true => Err("is not a path".to_owned()),
        false => Ok(folder.join(text)),
    })
}
