//! `[smtp]` and `[[relay]]` in the effective configuration.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::rate::Rate;
use super::relays::{Relay, Smtp, WarmUp};
use super::urls::write_relay;
use super::values::{write_duration, write_path};

/// `[smtp]`: the one relay, or what holds for all of several.
#[derive(Serialize)]
pub struct SmtpShown<'a> {
    #[serde(flatten)]
    only: Option<RelayShown<'a>>,
    rate: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    warm_up: Option<WarmUpShown>,
    #[serde(serialize_with = "as_map")]
    per_domain: &'a [(String, Rate)],
}

/// One relay.
#[derive(Serialize)]
pub struct RelayShown<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    weight: Option<usize>,
    username: &'a str,
    password: &'static str,
    auth: &'static str,
    connections: usize,
    messages_per_connection: usize,
    tls_ca_file: String,
    opportunistic_tls: bool,
    pipelining: bool,
    timeout: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    warm_up: Option<WarmUpShown>,
}

#[derive(Serialize)]
struct WarmUpShown {
    from: String,
    first_day: u32,
    doubles: String,
}

impl<'a> SmtpShown<'a> {
    /// Shows it.
    pub fn of(smtp: &'a Smtp) -> Self {
        let only = match smtp.relays.as_slice() {
            [relay] if relay.id == relay.url.name() && relay.rates.is_empty() && relay.weight == 1 => {
                Some(shown(relay))
            }
            _ => None,
        };
        let only = only.map(|relay| RelayShown { id: None, weight: None, rate: None, ..relay });
        let rate = smtp.rates.iter().map(ToString::to_string).collect();
        Self { only, rate, warm_up: smtp.warm_up.map(warm_up), per_domain: &smtp.per_domain }
    }
}

/// Each `[[relay]]`; none where `[smtp]` is the one.
pub fn relays_shown(smtp: &Smtp) -> Vec<RelayShown<'_>> {
    if SmtpShown::of(smtp).only.is_some() { Vec::new() } else { smtp.relays.iter().map(shown).collect() }
}

fn shown(relay: &Relay) -> RelayShown<'_> {
    RelayShown {
        id: (relay.id != relay.url.name()).then_some(&relay.id),
        url: write_relay(&relay.url),
        weight: Some(relay.weight),
        username: &relay.username,
        password: if relay.password.is_empty() { "" } else { "***" },
        auth: relay.auth.as_str(),
        connections: relay.connections,
        messages_per_connection: relay.messages_per_connection,
        tls_ca_file: relay.tls_ca_file.as_deref().map(write_path).unwrap_or_default(),
        opportunistic_tls: relay.opportunistic_tls,
        pipelining: relay.pipelining,
        timeout: write_duration(relay.timeout),
        rate: Some(relay.rates.iter().map(ToString::to_string).collect()),
        warm_up: relay.warm_up.map(warm_up),
    }
}

fn warm_up(warm_up: WarmUp) -> WarmUpShown {
    WarmUpShown {
        from: warm_up.from.to_string(),
        first_day: warm_up.first_day,
        doubles: write_duration(warm_up.doubles),
    }
}

fn as_map<S: Serializer>(rates: &[(String, Rate)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(rates.len()))?;
    for (domain, rate) in rates {
        map.serialize_entry(domain, &rate.to_string())?;
    }
    map.end()
}
