//! What `preview` and `run` say beforehand: to how many an issue goes, who gets nothing and why, and until when it takes.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::relay_trouble::Failing;
use super::{CliError, output};
use crate::app::App;
use crate::compose::Reckoning;
use crate::config::Digest;
use crate::deliver::Forecast;
use crate::domain::UtcMillis;

/// What is to be expected of an issue that is sent now.
#[derive(Serialize)]
pub struct Expected {
    /// To how many it goes.
    pub recipients: i64,
    /// In how many variants.
    pub variants: usize,
    /// How many of those who have not left get nothing, by what keeps it from them.
    pub left_out: BTreeMap<String, i64>,
    /// When the limits that are set let the last one through; none: they would take longer than a year, or nobody can say, since
    /// no relay works.
    pub done_at: Option<UtcMillis>,
    /// Whether anything but the relays' own speed limits it.
    pub limited: bool,
    /// Whether the quotas let all of them through at once; none: no quota is set.
    pub quota_suffices: Option<bool>,
    /// How many they let through at once, after what waits already.
    pub quota_left: Option<u64>,
    /// Relays that have asked for less speed, and until when they get nothing.
    pub resting: BTreeMap<String, UtcMillis>,
    /// Relays that do not work.
    pub failing: Vec<Failing>,
    #[serde(skip)]
    takes: Option<Duration>,
    /// Over how long it is spread.
    #[serde(skip)]
    spread: Duration,
}

impl Expected {
    /// Of an issue as it would be now, spread over so long.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn of(app: &App, digest: &Digest, reckoning: &Reckoning, spread: Duration) -> Result<Self, CliError> {
        let now = app.clock.now();
        let mut session = app.store.read().await?;
        let mut left_out: BTreeMap<String, i64> = session.barred(&digest.id, now).await?.into_iter().collect();
        left_out.remove("");
        if reckoning.nothing > 0 {
            left_out.insert("no_topic".to_owned(), reckoning.nothing);
        }
        let smtp = &app.config.smtp;
        let mut at_domains = Vec::with_capacity(smtp.per_domain.len());
        for (domain, rate) in &smtp.per_domain {
            let people = session.audience_at(&digest.id, now, domain).await?;
            at_domains.push((domain.as_str(), *rate, people.unsigned_abs()));
        }
        let people = reckoning.recipients.unsigned_abs();
        let forecast = Forecast::of(&mut session, smtp, people, &at_domains, (None, now)).await?;
        let spread = if people == 0 { Duration::ZERO } else { spread };
        let takes = forecast.takes.map(|takes| takes.max(spread));
        Ok(Self {
            recipients: reckoning.recipients,
            variants: reckoning.variants,
            left_out,
            done_at: takes.map(|takes| now.plus(takes)),
            limited: takes != Some(Duration::ZERO),
            quota_suffices: forecast.quota.map(|left| left >= people),
            quota_left: forecast.quota,
            resting: forecast.rests.into_iter().map(|(relay, rest)| (relay, now.plus(rest))).collect(),
            failing: forecast.failing.into_iter().map(Failing::of).collect(),
            takes,
            spread,
        })
    }

    /// For people.
    pub fn describe(&self) -> String {
        let people = output::people(self.recipients.unsigned_abs());
        let mut lines = vec![format!("it goes to {people} in {}", output::counted(self.variants, "variant"))];
        for (bar, people) in &self.left_out {
            let why = match bar.as_str() {
                "no_topic" => "none of their topics has an article",
                "pending" => "they have not confirmed",
                "paused" => "they have paused it",
                "suppressed" => "their address is suppressed",
                "bounced" => "their address has bounced",
                "complained" => "they complained of unwanted mail",
                _ => "they have left",
            };
            lines.push(format!("{} left out: {why}", output::count(people.unsigned_abs())));
        }
        for (relay, until) in &self.resting {
            lines.push(format!("the relay {relay} has asked for less speed, and gets nothing until {until}"));
        }
        lines.extend(self.failing.iter().filter(|one| !self.resting.contains_key(&one.relay)).map(Failing::describe));
        match (self.takes, self.done_at) {
            (Some(Duration::ZERO), _) if self.quota_left.is_none() => {
                lines.push("no rate holds it up: it goes as fast as the relays take it".to_owned());
            }
            (Some(takes), Some(done)) if takes == self.spread && !takes.is_zero() => {
                lines.push(format!("it is spread over {}: the last one goes about {done}", span(takes)));
            }
            (Some(takes), Some(done)) if !takes.is_zero() => {
                lines.push(format!("at the rates that are set, the last one goes about {done}, in {}", span(takes)));
            }
            (None, _) if !self.failing.is_empty() => {
                lines.push("when the last one goes nobody can say before a relay works again".to_owned());
            }
            (None, _) => lines.push("at the rates that are set, it would take longer than a year".to_owned()),
            _ => {}
        }
        match (self.quota_suffices, self.quota_left) {
            (Some(true), Some(left)) => lines.push(format!("the quota suffices: {} may go now", output::count(left))),
            (Some(false), Some(left)) => {
                lines.push(format!("the quota lets {} go now; the others wait for it", output::count(left)));
            }
            _ => {}
        }
        lines.join("\n")
    }
}

fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..120 => format!("{seconds} seconds"),
        120..7_200 => format!("{} minutes", seconds.div_ceil(60)),
        7_200..172_800 => format!("{} hours", seconds.div_ceil(3_600)),
        _ => format!("{} days", seconds.div_ceil(86_400)),
    }
}
