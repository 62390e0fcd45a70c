//! `[smtp]` and `[[relay]]`: the relays, their accounts and rates.

use std::path::Path;
use std::time::Duration;

use super::secret::secret;
use super::site::path;
use crate::config::error::Place;
use crate::config::nearest::suggestion;
use crate::config::rate::Rate;
use crate::config::reader::{Field, Table, shown};
use crate::config::relays::{Auth, Relay, RelayUrl, Smtp, Tls, WarmUp};
use crate::config::{keys, urls, values};
use crate::domain::EmailAddress;

const SECOND: Duration = Duration::from_secs(1);

/// Keys of `[smtp]` that are one relay's own.
const OWN: [&str; 6] = ["url", "username", "password", "password_file", "auth", "opportunistic_tls"];

/// Reads `[smtp]` and, where there are any, each `[[relay]]`, to which `[smtp]` gives the defaults.
pub fn smtp(root: &Table<'_>, folder: &Path) -> Smtp {
    let common = root.table("smtp", keys::SMTP);
    let tables = root.tables("relay", keys::RELAY);
    let default = relay(&common, folder, &Relay::at(RelayUrl::File(folder.join("data/outbox"))));
    let per_domain = per_domain(&common);
    if tables.is_empty() {
        let (rates, warm_up) = (default.rates.clone(), default.warm_up);
        let only = Relay { rates: Vec::new(), warm_up: None, ..default };
        return Smtp { relays: vec![only], rates, per_domain, warm_up };
    }
    for name in OWN {
        if common.given(name).is_some() {
            common
                .wrong(name, "is one relay's own, and there are several; write it under the [[relay]] that it is for");
        }
    }
    let shared = Relay { rates: Vec::new(), warm_up: None, ..default.clone() };
    let relays: Vec<Relay> = tables
        .iter()
        .map(|table| {
            if table.required("url", "say where it is, as in `smtp+starttls://mail.example.org:587`").is_none() {
                return shared.clone();
            }
            relay(table, folder, &shared)
        })
        .collect();
    for (place, one) in relays.iter().enumerate() {
        if relays[..place].iter().any(|other| other.id == one.id) {
            let message = format!("is `{}`, as of a relay above; give each an `id` of its own", shown(&one.id));
            tables[place].wrong("id", message);
        }
    }
    Smtp { relays, rates: default.rates, per_domain, warm_up: default.warm_up }
}

fn relay(table: &Table<'_>, folder: &Path, default: &Relay) -> Relay {
    let url = table.given("url").and_then(|field| field.parse(|text| urls::relay(text, folder)));
    let url = url.unwrap_or_else(|| default.url.clone());
    let (username, password) = account(table, folder);
    let tls_ca_file = path(table, "tls_ca_file", folder);
    if let (Some(file), Some(field)) = (&tls_ca_file, table.given("tls_ca_file"))
        && !file.is_file()
    {
        field.fail(format!("there is no file {}; it must be one of certificates in PEM form", file.display()));
    }
    let number = |name, most, default| table.field(name).and_then(|field| field.number(1..=most)).unwrap_or(default);
    let timeout = table.given("timeout").and_then(|field| {
        field.parse(|text| values::duration(text, Duration::from_secs(1), Duration::from_secs(3600)))
    });
    let id = table.is_repeated().then(|| table.given("id")).flatten();
    let id = id.and_then(|field| field.parse(values::id));
    Relay {
        id: id.unwrap_or_else(|| url.name()),
        weight: if table.is_repeated() { number("weight", 1000, 1) } else { 1 },
        username,
        password,
        password_file: password_file(table, folder),
        auth: table.given("auth").and_then(|field| auth(&field)).unwrap_or(Auth::Password),
        connections: number("connections", 500, default.connections),
        messages_per_connection: number("messages_per_connection", 1_000_000, default.messages_per_connection),
        rates: table.given("rate").map(|field| rates(&field)).unwrap_or_default(),
        warm_up: table.field("warm_up").and_then(|field| warm_up(&field)),
        tls_ca_file: tls_ca_file.or_else(|| default.tls_ca_file.clone()),
        opportunistic_tls: opportunistic_tls(table, &url),
        pipelining: table.field("pipelining").and_then(|field| field.boolean()).unwrap_or(default.pipelining),
        timeout: timeout.unwrap_or(default.timeout),
        url,
    }
}

fn account(table: &Table<'_>, folder: &Path) -> (String, crate::config::Secret) {
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
    (username, password)
}

/// The file that the password came from: not where a password from the environment stands over it.
fn password_file(table: &Table<'_>, folder: &Path) -> Option<std::path::PathBuf> {
    let over = table.given("password").is_some_and(|field| matches!(field.place(), Place::Variable(_)));
    if over { None } else { path(table, "password_file", folder) }
}

fn auth(field: &Field<'_>) -> Option<Auth> {
    field.parse(|text| match Auth::NAMES.iter().find(|(name, _)| *name == text.trim()) {
        Some((_, auth)) => Ok(*auth),
        None => {
            let near = suggestion(text, Auth::NAMES.map(|(name, _)| name), || {
                "write `password`, `login` or `xoauth2`".to_owned()
            });
            Err(format!("`{}` is no way to sign in{near}", shown(text)))
        }
    })
}

/// Only within one's own network does encryption without a known certificate keep anything from anybody.
fn opportunistic_tls(table: &Table<'_>, url: &RelayUrl) -> bool {
    let asked = table.field("opportunistic_tls").and_then(|field| field.boolean()).unwrap_or(false);
    let RelayUrl::Smtp { host, tls, .. } = url else { return false };
    let own = url.is_local()
        || match host.parse() {
            Ok(std::net::IpAddr::V4(ip)) => ip.is_private() || ip.is_link_local(),
            Ok(std::net::IpAddr::V6(ip)) => ip.is_unique_local() || ip.is_unicast_link_local(),
            Err(_) => false,
        };
    if asked && (!own || *tls != Tls::None) {
        let remedy = "use smtp+starttls:// with a certificate that can be checked";
        table.wrong("opportunistic_tls", format!("is for smtp:// to an address of one's own network alone; {remedy}"));
    }
    asked
}

/// One rate or a list of them; each window once.
fn rates(field: &Field<'_>) -> Vec<Rate> {
    let read: Vec<Rate> = match field.is_list() {
        true => field.items().unwrap_or_default().iter().filter_map(|item| item.parse(Rate::parse)).collect(),
        false => field
            .text()
            .into_iter()
            .flat_map(|text| text.split(','))
            .filter_map(|one| field.accept(Rate::parse(one)))
            .collect(),
    };
    for (place, one) in read.iter().enumerate() {
        if read[..place].iter().any(|other| other.per == one.per) {
            field.fail(format!("has two rates of one kind, the second `{one}`; keep the smaller"));
        }
    }
    read
}

fn per_domain(table: &Table<'_>) -> Vec<(String, Rate)> {
    let Some(entries) = table.field("per_domain").and_then(|field| field.entries()) else { return Vec::new() };
    let entry = |(name, field): (&str, Field<'_>)| {
        let Ok(address) = EmailAddress::parse(&format!("a@{name}")) else {
            field.fail(format!("`{}` is no domain; write one as in `\"gmail.com\" = \"20/s\"`", shown(name)));
            return None;
        };
        let rate = field.parse(Rate::parse)?;
        if rate.per != SECOND {
            field.fail(format!("`{rate}` counts over more than a second; for a domain write as in `20/s`"));
        }
        Some((address.domain().to_owned(), rate))
    };
    entries.into_iter().filter_map(entry).collect()
}

fn warm_up(field: &Field<'_>) -> Option<WarmUp> {
    let table = field.table(keys::WARM_UP)?;
    let from = table.required("from", "give the first day, as in `2026-11-02`").and_then(|field| field.day());
    let first_day = table.required("first_day", "say how many on the first day, as in `200`");
    let first_day = first_day.and_then(|field| field.number(1..=10_000_000));
    let doubles = table.given("doubles").and_then(|field| {
        field.parse(|text| values::duration(text, Duration::from_secs(86_400), super::site::LONGEST))
    });
    Some(WarmUp {
        from: from?,
        first_day: u32::try_from(first_day?).unwrap_or(u32::MAX),
        doubles: doubles.unwrap_or(Duration::from_secs(2 * 86_400)),
    })
}
