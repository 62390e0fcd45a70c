//! How an issue goes: how far it is, how fast, until when, and what was put off by whom and why.

use serde::Serialize;

use super::issue::IssueReport;
use super::relay_trouble::InTheWay;
use super::{CliError, output};
use crate::app::App;
use crate::domain::UtcMillis;
use crate::status::{self, Standing};
use crate::store::{DeferralRow, Store, StoreError};

/// How many reasons are listed.
const REASONS: i64 = 20;

/// How an issue goes.
#[derive(Serialize)]
pub struct Progress {
    /// Which part of it has come to an end, 0 to 1.
    progress: f64,
    /// Of the last minute; of a sent issue, of the whole time.
    rate_per_second: Option<f64>,
    /// When it is probably done.
    estimated_end: Option<UtcMillis>,
    deferrals: Vec<Deferral>,
    #[serde(flatten)]
    in_the_way: InTheWay,
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
    pub async fn read(app: &App, report: &IssueReport) -> Result<Self, StoreError> {
        let now = app.clock.now();
        let mut session = app.store.read().await?;
        let deferrals = session.deferrals(report.id, REASONS).await?.into_iter().map(Deferral::of).collect();
        let pace = session.issue_pace(report.id, status::Progress::since(now)).await?;
        let last_due = session.last_due(report.id).await?;
        let (state, recipients, totals) = (report.state, report.recipients, report.totals);
        let issue = (report.id, state, &totals);
        let takes = status::Progress::takes(&mut session, &app.config.smtp, issue, now).await?;
        let progress = status::Progress::of(&Standing { state, recipients, totals, pace, last_due, takes }, now);
        let in_the_way = InTheWay::read(&mut session, app, report, &pace, now).await?;
        let estimated_end = progress.end.filter(|_| !in_the_way.is_refused);
        let (progress, rate_per_second) = (progress.part, progress.rate);
        Ok(Self { progress, rate_per_second, estimated_end, deferrals, in_the_way })
    }

    /// In a line, for people, with what keeps it from going on.
    pub fn describe_all(&self) -> String {
        std::iter::once(self.describe()).chain(self.in_the_way.lines()).collect::<Vec<_>>().join("; ")
    }

    /// In a line, for people.
    fn describe(&self) -> String {
        let rate = self.rate_per_second.map(|rate| format!(", {rate:.1} a second")).unwrap_or_default();
        let end = self.estimated_end.map(|end| format!(", done about {end}")).unwrap_or_default();
        format!("{:.0} % done{rate}{end}", (self.progress * 100.0).floor())
    }

    /// For people.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn print(&self, report: &IssueReport) -> Result<(), CliError> {
        if report.recipients > 0 {
            output::line(format!("  {}", self.describe()))?;
        }
        self.in_the_way.lines().iter().try_for_each(|line| output::line(format!("  {line}")))?;
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
