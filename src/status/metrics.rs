//! All that Prometheus is told. Labels are ids of the configuration and words of ours: never anything about a person.

use std::collections::BTreeMap;

use super::census::Work;
use super::text::{Exposition, Family, Kind};
use super::{Inner, Progress, Standing, StoreState, lock};
use crate::compose::DIGEST_PRIORITY;
use crate::config::Config;
use crate::deliver::{Provider, Reason};
use crate::domain::{SubscriberState, UtcMillis};
use crate::store::{Census, PeopleCensus, UnderWay};

/// The whole text.
pub(super) async fn metrics(status: &Inner, config: &Config, now: UtcMillis) -> String {
    let mut text = Exposition::default();
    program(&mut text, status);
    relays(&mut text, status);
    results(&mut text, status);
    polls(&mut text, status);
    schedule(&mut text, config, now);
    let work = status.census.work(&config.smtp, now);
    let (store, work, people) = tokio::join!(status.store_now(), work, status.census.people());
    gauge(&mut text, "postround_store_up", "Whether the store can be read and written")
        .sample(&[], store == StoreState::Ok);
    if let Some(work) = &work {
        queue(&mut text, &work.counts, now);
        issues(&mut text, work);
        sources(&mut text, config, &work.counts);
    }
    if let Some(people) = &people {
        subscribers(&mut text, people);
    }
    text.into_text()
}

fn gauge<'t>(text: &'t mut Exposition, name: &'static str, help: &str) -> Family<'t> {
    text.family(name, Kind::Gauge, help)
}

fn counter<'t>(text: &'t mut Exposition, name: &'static str, help: &str) -> Family<'t> {
    text.family(name, Kind::Counter, help)
}

/// A moment in seconds since 1970, as Prometheus has times.
#[allow(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit")]
fn seconds(at: UtcMillis) -> f64 {
    at.0 as f64 / 1000.0
}

fn program(text: &mut Exposition, status: &Inner) {
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    gauge(text, "postround_build_info", "Which program this is").sample(&version, 1_i64);
    gauge(text, "postround_start_time_seconds", "When it was started").sample(&[], seconds(status.started));
    let read = *lock(&status.read);
    gauge(text, "postround_config_reload_success", "Whether the configuration that was read last is in use")
        .sample(&[], read.taken);
    gauge(text, "postround_config_reload_time_seconds", "When the configuration was read last")
        .sample(&[], seconds(read.at));
    let parts = status.parts.all();
    let mut up = gauge(text, "postround_part_up", "Whether the last step of a part worked");
    for (name, state, _) in &parts {
        up.sample(&[("part", name)], state.is_well());
    }
    let mut restarts =
        counter(text, "postround_part_restarts_total", "How often a part fell over and was started again");
    for (name, _, times) in &parts {
        restarts.sample(&[("part", name)], *times);
    }
}

fn relays(text: &mut Exposition, status: &Inner) {
    let relays = status.relays();
    let mut up = gauge(text, "postround_relay_up", "Whether a relay takes mail; 0 while it rests from a failure");
    for relay in &relays {
        up.sample(&[("relay", &relay.id)], relay.works);
    }
    let mut connections = gauge(text, "postround_relay_connections", "Open connections to a relay");
    for relay in &relays {
        connections.sample(&[("relay", &relay.id)], relay.connections as u64);
    }
}

fn results(text: &mut Exposition, status: &Inner) {
    let mut results = counter(
        text,
        "postround_delivery_results_total",
        "Results of attempts: sent, deferred and failed, and kept where the relay or the connection was to blame",
    );
    for (digest, counts) in status.tally.results() {
        for (result, count) in counts {
            results.sample(&[("digest", &digest), ("result", result)], count);
        }
    }
    gauge(text, "postround_delivery_rate", "Messages a second that relays took in the last minute")
        .sample(&[], status.tally.rate());
    let mut deferrals =
        counter(text, "postround_deferrals_total", "Refusals for now, by who runs the recipient's mail and by reason");
    for (provider, reason, count) in status.tally.deferrals() {
        deferrals.sample(&[("provider", provider), ("reason", reason)], count);
    }
}

fn polls(text: &mut Exposition, status: &Inner) {
    let mut polls = counter(text, "postround_polls_total", "Polls of a source, by what they gave");
    for ((source, result), count) in &*lock(&status.polls) {
        polls.sample(&[("source", source), ("result", result)], *count);
    }
}

fn schedule(text: &mut Exposition, config: &Config, now: UtcMillis) {
    let mut next = gauge(text, "postround_digest_next_time_seconds", "When the next issue of a digest is due");
    for digest in &config.digests {
        if let Some(due) = digest.schedule.next_after(now) {
            next.sample(&[("digest", &digest.id)], seconds(due));
        }
    }
}

fn queue(text: &mut Exposition, work: &Census, now: UtcMillis) {
    let mut deliveries = gauge(
        text,
        "postround_deliveries",
        "Deliveries of issues that are under way, and of other mails as far as they are not finished, by state",
    );
    for (digest, state, count) in &work.deliveries {
        deliveries.sample(&[("digest", digest), ("state", state)], *count);
    }
    let mut oldest = gauge(text, "postround_queue_age_seconds", "How long the oldest queued delivery has been due");
    for (priority, due) in &work.oldest {
        let kind = match *priority {
            DIGEST_PRIORITY => "digest",
            priority if priority < DIGEST_PRIORITY => "notice",
            _ => "other",
        };
        oldest
            .sample(&[("priority", &priority.to_string()), ("kind", kind)], seconds(UtcMillis((now.0 - due.0).max(0))));
    }
    let mut issues = gauge(text, "postround_issues", "Issues by state");
    for (digest, state, count) in &work.issues {
        issues.sample(&[("digest", digest), ("state", state)], *count);
    }
}

fn issues(text: &mut Exposition, work: &Work) {
    let under_way: Vec<_> = work
        .counts
        .under_way
        .iter()
        .map(|issue| {
            let UnderWay { id, state, recipients, totals, pace, last_due, .. } = *issue;
            let takes = work.takes.get(&id).copied().flatten();
            let progress = Progress::of(&Standing { state, recipients, totals, pace, last_due, takes }, work.at);
            (issue, issue.id.to_string(), progress)
        })
        .collect();
    let mut part = gauge(text, "postround_issue_progress", "Which part of an issue under way has come to an end");
    for (issue, id, progress) in &under_way {
        part.sample(&[("digest", &issue.digest), ("issue", id)], progress.part);
    }
    let mut rate = gauge(text, "postround_issue_rate", "Messages a second of an issue under way in the last minute");
    for (issue, id, progress) in &under_way {
        rate.sample(&[("digest", &issue.digest), ("issue", id)], progress.rate.unwrap_or_default());
    }
    let mut end = gauge(text, "postround_issue_estimated_end_time_seconds", "When an issue under way is probably done");
    for (issue, id, progress) in &under_way {
        if let Some(at) = progress.end {
            end.sample(&[("digest", &issue.digest), ("issue", id)], seconds(at));
        }
    }
    let mut deferred = gauge(
        text,
        "postround_issue_deferred",
        "Deliveries of an issue under way that wait to be tried again, by who runs the recipient's mail and by reason",
    );
    for (issue, id, _) in &under_way {
        let mut counts = BTreeMap::new();
        for row in &issue.deferrals {
            *counts.entry((Provider::of(&row.domain), Reason::of(&row.reason))).or_insert(0) += row.deliveries;
        }
        for ((provider, reason), count) in counts {
            let labels = [
                ("digest", &*issue.digest),
                ("issue", id),
                ("provider", provider.as_str()),
                ("reason", reason.as_str()),
            ];
            deferred.sample(&labels, count);
        }
    }
}

fn sources(text: &mut Exposition, config: &Config, work: &Census) {
    let known: Vec<_> = work.sources.iter().filter(|row| config.source(&row.source).is_some()).collect();
    let mut failures = gauge(text, "postround_source_failures", "How often in a row a source could not be read");
    for row in &known {
        failures.sample(&[("source", &row.source)], row.failures);
    }
    let mut success = gauge(text, "postround_source_last_success_time_seconds", "When a source was read last");
    for row in &known {
        if let Some(at) = row.succeeded_at {
            success.sample(&[("source", &row.source)], seconds(at));
        }
    }
}

fn subscribers(text: &mut Exposition, people: &PeopleCensus) {
    let mut subscribers = gauge(text, "postround_subscribers", "Subscribers by state");
    for state in SubscriberState::ALL {
        let counted = people.subscribers.iter().find(|(word, _)| word == state.as_str());
        subscribers.sample(&[("state", state.as_str())], counted.map_or(0, |(_, count)| *count));
    }
    let mut subscriptions = gauge(text, "postround_subscriptions", "Subscriptions by state");
    for (digest, state, count) in &people.subscriptions {
        subscriptions.sample(&[("digest", digest), ("state", state)], *count);
    }
}
