//! `issue`: the issues, and how far each has gone.

use serde::Serialize;

use super::{CliError, Context, output};
use crate::domain::{DeliveryState, IssueState, UtcMillis};
use crate::store::{IssueRow, Session, Store, StoreError, Totals};

/// How many deliveries of each state `issue show` names.
const SHOWN: i64 = 50;

/// Subcommands of `issue`.
#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// All issues, the newest first
    List,
    /// One issue
    Show {
        /// Its id
        id: i64,
    },
}

/// An issue and its deliveries, in the shape that `--json` prints. What is claimed counts as queued.
#[derive(Clone, Debug, Serialize)]
pub struct IssueReport {
    /// Row id.
    pub id: i64,
    /// The digest's id.
    pub digest: String,
    /// Where it stands.
    pub state: IssueState,
    /// Its subject; empty when skipped.
    pub subject: String,
    /// To how many it goes.
    pub recipients: i64,
    /// How many of its deliveries are where.
    #[serde(flatten)]
    pub totals: Totals,
    /// Whether all its deliveries are in the queue.
    #[serde(skip)]
    laid_out: bool,
    /// Counted for each digest; none when skipped.
    pub number: Option<i64>,
    /// Why it was skipped.
    pub reason: Option<String>,
    /// The scheduled instant.
    pub scheduled_at: Option<UtcMillis>,
    /// When it was composed.
    pub composed_at: UtcMillis,
    /// When its last delivery was finished.
    pub finished_at: Option<UtcMillis>,
}

impl IssueReport {
    /// Reads it.
    ///
    /// # Errors
    /// When the store fails, or has no such issue.
    pub async fn read(store: &Store, id: i64) -> Result<Self, CliError> {
        let mut session = store.read().await?;
        let issue = session.issue(id).await?;
        let issue = issue.ok_or_else(|| CliError::Usage(format!("there is no issue {id}; `issue list` shows them")))?;
        Ok(Self::of(&mut session, issue).await?)
    }

    async fn of(session: &mut Session, issue: IssueRow) -> Result<Self, StoreError> {
        let totals = session.issue_totals(issue.id).await?;
        Ok(Self::new(issue, totals))
    }

    fn new(issue: IssueRow, totals: Totals) -> Self {
        Self {
            id: issue.id,
            digest: issue.digest,
            state: issue.state,
            subject: issue.subject,
            recipients: issue.recipients,
            totals,
            laid_out: issue.laid_out_at.is_some() || issue.state != IssueState::Sending,
            number: issue.number,
            reason: issue.reason,
            scheduled_at: issue.scheduled_at,
            composed_at: issue.composed_at,
            finished_at: issue.finished_at,
        }
    }

    /// How many deliveries have an end or wait for the relay's pleasure.
    pub fn settled(&self) -> i64 {
        self.totals.all() - self.totals.queued - self.totals.sending
    }

    /// Whether nothing is queued or being sent any more.
    pub fn is_settled(&self) -> bool {
        self.laid_out && self.totals.queued + self.totals.sending == 0
    }

    /// For people: what it is and how far it has gone.
    pub fn describe(&self) -> String {
        let name = match self.number {
            Some(number) => format!("issue {} ({} no. {number}): {}", self.id, self.digest, self.state),
            None => format!("issue {} ({}): {}", self.id, self.digest, self.state),
        };
        if let Some(reason) = &self.reason {
            return format!("{name}: {reason}");
        }
        let mut parts = vec![format!("{} recipients", output::count(self.recipients.unsigned_abs()))];
        for (count, word) in [
            (self.totals.queued, "queued"),
            (self.totals.sending, "being sent"),
            (self.totals.sent, "sent"),
            (self.totals.deferred, "deferred"),
            (self.totals.failed, "failed"),
            (self.totals.cancelled, "cancelled"),
            (self.totals.uncertain, "uncertain"),
        ] {
            if count > 0 {
                parts.push(format!("{} {word}", output::count(count.unsigned_abs())));
            }
        }
        format!("{name}\n  {}\n  {}", self.subject, parts.join(", "))
    }
}

/// Runs one of them.
pub async fn run(context: &Context, command: &Command) -> Result<(), CliError> {
    let app = context.open().await?;
    match command {
        Command::List => {
            let mut session = app.store.read().await?;
            let mut reports = Vec::new();
            for issue in session.issues().await? {
                reports.push(IssueReport::of(&mut session, issue).await?);
            }
            if context.json {
                return output::json(&reports);
            }
            if reports.is_empty() {
                output::note("no issue yet; `run DIGEST` makes one");
            }
            reports.iter().try_for_each(|report| output::line(report.describe()))
        }
        Command::Show { id } => {
            let report = IssueReport::read(&app.store, *id).await?;
            let trouble = trouble(&app.store, *id).await?;
            if context.json {
                return output::json(&Shown { report: &report, trouble: &trouble });
            }
            output::line(report.describe())?;
            trouble.iter().try_for_each(|delivery| {
                let answer = delivery.answer.as_deref().unwrap_or("no answer");
                output::line(format!("  {} {}: {answer}", delivery.state, delivery.address))
            })
        }
    }
}

/// An issue with the deliveries that the relay did not take.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    report: &'a IssueReport,
    trouble: &'a [Trouble],
}

/// A delivery that the relay did not take, with its words.
#[derive(Serialize)]
struct Trouble {
    address: String,
    state: DeliveryState,
    answer: Option<String>,
}

/// The first of an issue's deliveries that failed, wait to be tried again, or are uncertain.
async fn trouble(store: &Store, issue: i64) -> Result<Vec<Trouble>, StoreError> {
    let mut session = store.read().await?;
    let mut trouble = Vec::new();
    for state in [DeliveryState::Failed, DeliveryState::Deferred, DeliveryState::Uncertain] {
        let rows = session.issue_deliveries(issue, Some(state), 0, SHOWN).await?;
        trouble.extend(rows.into_iter().map(|row| Trouble {
            address: row.address,
            state: row.state,
            answer: row.answer,
        }));
    }
    Ok(trouble)
}

/// Prints an issue.
pub fn show(context: &Context, report: &IssueReport) -> Result<(), CliError> {
    if context.json { output::json(report) } else { output::line(report.describe()) }
}
