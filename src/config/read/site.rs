//! The tables that are there once: server, store, relay, delivery, collecting, templates.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;

use super::Scene;
use super::secret::secret;
use crate::config::nearest::suggestion;
use crate::config::reader::{Field, Table, shown};
use crate::config::settings::{
    AfterCrash, Backlog, Collect, Delivery, RelayUrl, Server, Smtp, Store, StoreUrl, Templates,
};
use crate::config::{urls, values};
use crate::wording::load_own;

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
        trusted_proxies: trusted_proxies(table),
    }
}

fn trusted_proxies(table: &Table<'_>) -> Vec<IpNet> {
    let items = table.field("trusted_proxies").and_then(|field| field.items()).unwrap_or_default();
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

pub fn smtp(table: &Table<'_>, folder: &Path) -> Smtp {
    let url = table.given("url").and_then(|field| field.parse(|text| urls::relay(text, folder)));
    let username = table.given("username").and_then(|field| field.line()).unwrap_or_default().to_owned();
    let password = secret(table, "password", "password_file", folder);
    let gives_password = table.given("password").is_some() || table.given("password_file").is_some();
    if !username.is_empty() && !gives_password {
        table.wrong("username", "has no password with it; set `password`, or `password_file` with the name of a file");
    }
    if username.is_empty() && gives_password && table.given("username").is_none() {
        let key = if table.given("password").is_some() { "password" } else { "password_file" };
        table.wrong(key, "has no account with it; set `username` too");
    }
    let tls_ca_file = path(table, "tls_ca_file", folder);
    if let (Some(file), Some(field)) = (&tls_ca_file, table.given("tls_ca_file"))
        && !file.is_file()
    {
        field.fail(format!("there is no file {}; it must be one of certificates in PEM form", file.display()));
    }
    Smtp {
        url: url.unwrap_or_else(|| RelayUrl::File(folder.join("data/outbox"))),
        username,
        password,
        connections: table.field("connections").and_then(|field| field.number(1..=500)).unwrap_or(10),
        messages_per_connection: table
            .field("messages_per_connection")
            .and_then(|field| field.number(1..=1_000_000))
            .unwrap_or(1000),
        tls_ca_file,
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
    Templates { gaps: locales(table, dir.as_deref()), dir }
}

/// Makes the operator's locales known, before anything asks for one. What they leave out is not wrong.
fn locales(table: &Table<'_>, dir: Option<&Path>) -> Vec<String> {
    dir.map_or_else(Vec::new, |dir| {
        load_own(dir).unwrap_or_else(|errors| {
            errors.into_iter().for_each(|error| table.wrong("dir", error));
            Vec::new()
        })
    })
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
