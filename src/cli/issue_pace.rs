//! How an issue goes: how far it is, how fast, until when, and what was put off by whom and why.

use std::time::Duration;

use serde::Serialize;

use super::issue::IssueReport;
use super::{CliError, output};
use crate::domain::{IssueState, UtcMillis};
use crate::store::{DeferralRow, Store, StoreError};

/// The speed is that of this time.
const LATELY: Duration = Duration::from_secs(60);

/// How many reasons are listed.
const REASONS: i64 = 20;

/// How an issue goes.
#[derive(Serialize)]
pub struct Progress {
    /// Which part of it has an end or waits for the relay's pleasure, 0 to 1.
    progress: f64,
    /// Of the last minute; of a sent issue, of the whole time.
    rate_per_second: Option<f64>,
    /// When it is probably done.
    estimated_end: Option<UtcMillis>,
    deferrals: Vec<Deferral>,
}

/// Deliveries to one domain that were put off for one reason.
#[derive(Serialize)]
struct Deferral {
    domain: String,
    reason: String,
    deliveries: i64,
    next_try: UtcMillis,
}

impl Progress {
    /// Reads it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn read(store: &Store, report: &IssueReport, now: UtcMillis) -> Result<Self, StoreError> {
        let mut session = store.read().await?;
        let deferrals = session.deferrals(report.id, REASONS).await?.into_iter().map(Deferral::of).collect();
        let pace = session.issue_pace(report.id, now.minus(LATELY)).await?;
        let going = report.state == IssueState::Sending;
        let (done, until) = if going { (pace.lately, Some(now)) } else { (report.totals.sent, pace.last_end) };
        let since = pace.first_start.map(|first| if going { first.max(now.minus(LATELY)) } else { first });
        let rate = since.zip(until).and_then(|(since, until)| rate(done, since, until));
        let waiting = report.totals.queued + report.totals.sending;
        let by_rate = rate.filter(|_| going && waiting > 0).map(|rate| now.plus(seconds(waiting, rate)));
        let last_due = if going { session.last_due(report.id).await? } else { None };
        Ok(Self {
            progress: part(report.settled(), report.recipients),
            rate_per_second: rate,
            estimated_end: by_rate.max(last_due.filter(|due| *due > now)),
            deferrals,
        })
    }

    /// For people.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn print(&self, report: &IssueReport) -> Result<(), CliError> {
        if report.recipients > 0 {
            let rate = self.rate_per_second.map(|rate| format!(", {rate:.1} a second")).unwrap_or_default();
            let end = self.estimated_end.map(|end| format!(", done about {end}")).unwrap_or_default();
            output::line(format!("  {:.0} % done{rate}{end}", (self.progress * 100.0).floor()))?;
        }
        self.deferrals.iter().try_for_each(|deferral| output::line(format!("  {}", deferral.describe())))
    }
}

impl Deferral {
    fn of(row: DeferralRow) -> Self {
        let DeferralRow { domain, reason, deliveries, due_at } = row;
        Self { domain, reason, deliveries, next_try: due_at }
    }

    fn describe(&self) -> String {
        let Self { domain, reason, deliveries, next_try } = self;
        let count = output::count(deliveries.unsigned_abs());
        format!("{count} deferred at {domain}, tried again from {next_try} on: {reason}")
    }
}

/// What `issue watch` says of what is put off: each domain and reason when it comes up.
#[derive(Default)]
pub struct News {
    told: std::collections::HashSet<(String, String)>,
}

impl News {
    /// What has not been told yet.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn of(&mut self, store: &Store, issue: i64) -> Result<Vec<String>, StoreError> {
        let deferrals = store.read().await?.deferrals(issue, REASONS).await?;
        let codes = |row: &DeferralRow| (row.domain.clone(), row.reason.chars().take(10).collect::<String>());
        let fresh = deferrals.into_iter().filter(|row| self.told.insert(codes(row)));
        Ok(fresh.map(|row| Deferral::of(row).describe()).collect())
    }
}

#[allow(clippy::cast_precision_loss, reason = "it is shown with one digit")]
fn rate(done: i64, since: UtcMillis, until: UtcMillis) -> Option<f64> {
    let time = (until.0 - since.0).max(1) as f64 / 1000.0;
    (done > 0).then(|| done as f64 / time)
}

#[allow(clippy::cast_precision_loss, reason = "it is an estimate")]
fn seconds(waiting: i64, rate: f64) -> Duration {
    Duration::try_from_secs_f64(waiting as f64 / rate).unwrap_or_default()
}

#[allow(clippy::cast_precision_loss, reason = "it is shown in per cent")]
fn part(done: i64, of: i64) -> f64 {
    if of == 0 { 1.0 } else { (done as f64 / of as f64).clamp(0.0, 1.0) }
}
