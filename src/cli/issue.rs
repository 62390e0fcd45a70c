//! `issue`: the issues, how far each has gone, and what an operator does to them.

use std::path::PathBuf;

use serde::Serialize;

use super::issue_acts::{self, Wish};
use super::issue_details::Details;
use super::issue_pace::Progress;
use super::{CliError, Context, output};
use crate::app::App;
use crate::domain::{DeliveryState, IssueState, UtcMillis};
use crate::store::{IssueRow, Session, Store, StoreError, Totals};

/// How many deliveries of each state `issue show` names.
const SHOWN: i64 = 50;

/// Said of an issue whose mails are not made anew yet after a withdrawal.
const OUTDATED: &str = "\n  waits until its mails are made anew without what was withdrawn: `serve` does that, or the same `issue withdraw` again";

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
    /// Follows an issue until nothing of it is queued or being sent; delivers nothing itself
    Watch {
        /// Its id
        id: i64,
    },
    /// Stops the sending of an issue at once, until `issue resume`
    Hold {
        /// Its id
        id: i64,
        #[command(flatten)]
        because: Because,
    },
    /// Lets a held issue go on from where it was
    Resume {
        /// Its id
        id: i64,
        #[command(flatten)]
        because: Because,
    },
    /// Stops an issue for good; where nothing had gone out, its articles are free for the next one
    Cancel {
        /// Its id
        id: i64,
        #[command(flatten)]
        because: Because,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Queues failed and held-uncertain deliveries again, those of its corrections too
    Retry {
        /// Its id
        id: i64,
        #[command(flatten)]
        because: Because,
    },
    /// Takes one article out of what is not sent yet, of archive and feed
    Withdraw {
        /// The issue's id
        id: i64,
        /// The article: its id or address as `issue show` lists them, or its exact title
        article: String,
        #[command(flatten)]
        because: Because,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Mails a short correction to exactly those who received the issue and have not left
    Correct {
        /// The issue's id
        id: i64,
        /// What was wrong and what is right: a text file, or - for stdin
        #[arg(long, value_name = "FILE")]
        text: PathBuf,
        #[command(flatten)]
        because: Because,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

/// Why something is done.
#[derive(clap::Args, Debug)]
pub struct Because {
    /// Why, for the record that `issue show` has
    #[arg(long, value_name = "TEXT")]
    pub why: Option<String>,
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
    /// Why it was skipped, held or cancelled.
    pub reason: Option<String>,
    /// The scheduled instant.
    pub scheduled_at: Option<UtcMillis>,
    /// When it was composed.
    pub composed_at: UtcMillis,
    /// When its last delivery was finished.
    pub finished_at: Option<UtcMillis>,
    /// Since when it is not kept any more who got it, only how many.
    pub folded_at: Option<UtcMillis>,
    /// What was taken away so that mail programs do not cut it off.
    pub shortened: Option<String>,
    /// What the operator's template failed with, where the built-in one stood in for it.
    pub template_error: Option<String>,
    /// Whether mails of it still have what was withdrawn, and nothing of it is started until they are made anew.
    pub is_outdated: bool,
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
            folded_at: issue.folded_at,
            shortened: issue.shortened,
            template_error: issue.template_error,
            is_outdated: issue.outdated_upto.is_some(),
        }
    }

    /// Whether nothing is queued or being sent any more.
    pub fn is_settled(&self) -> bool {
        let queued = if self.state == IssueState::Held { 0 } else { self.totals.queued };
        self.laid_out && queued + self.totals.sending == 0
    }

    /// For people: what it is and how far it has gone.
    pub fn describe(&self) -> String {
        let name = match self.number {
            Some(number) => format!("issue {} ({} no. {number}): {}", self.id, self.digest, self.state),
            None => format!("issue {} ({}): {}", self.id, self.digest, self.state),
        };
        let name = match &self.reason {
            Some(reason) => format!("{name}: {reason}"),
            None => name,
        };
        if self.state == IssueState::Skipped {
            return name;
        }
        let so_far = if self.laid_out { "" } else { " so far" };
        let mut parts = vec![output::counted(self.recipients, "recipient") + so_far];
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
        let folded = self.folded_at.map(|at| format!("; who got it is not kept since {at}")).unwrap_or_default();
        let shortened = self.shortened.as_ref().map(|what| format!("\n  made smaller: {what}")).unwrap_or_default();
        let failed = self.template_error.as_ref();
        let failed = failed.map(|error| format!("\n  made by the built-in template: {error}")).unwrap_or_default();
        let outdated = if self.is_outdated { OUTDATED } else { "" };
        format!("{name}\n  {}\n  {}{folded}{outdated}{shortened}{failed}", self.subject, parts.join(", "))
    }
}

/// Runs one of them.
pub async fn run(context: &Context, command: &Command) -> Result<(), CliError> {
    let app = match command {
        Command::Correct { .. } => context.open().await?,
        // The story must not go out any more, in whatever looks.
        Command::Withdraw { .. } => context.open_in_any_case().await?,
        _ => context.open_without_templates().await?,
    };
    match command {
        Command::List => list(context, &app).await,
        Command::Show { id } => {
            let shown = Shown::read(&app, IssueReport::read(&app.store, *id).await?).await?;
            if context.json { output::json(&shown) } else { shown.print() }
        }
        Command::Watch { id } => issue_acts::watch(context, &app, *id).await,
        Command::Hold { id, because } => issue_acts::act(context, &app, *id, Wish::Hold, because).await,
        Command::Resume { id, because } => issue_acts::act(context, &app, *id, Wish::Resume, because).await,
        Command::Cancel { id, because, yes } => issue_acts::cancel(context, &app, *id, because, *yes).await,
        Command::Retry { id, because } => issue_acts::act(context, &app, *id, Wish::Retry, because).await,
        Command::Withdraw { id, article, because, yes } => {
            issue_acts::withdraw(context, &app, (*id, article), because, *yes).await
        }
        Command::Correct { id, text, because, yes } => {
            issue_acts::correct(context, &app, (*id, text), because, *yes).await
        }
    }
}

/// All issues: with `--json` all that is known of each.
async fn list(context: &Context, app: &App) -> Result<(), CliError> {
    let mut session = app.store.read().await?;
    let mut reports = Vec::new();
    for issue in session.issues().await? {
        reports.push(IssueReport::of(&mut session, issue).await?);
    }
    drop(session);
    if context.json {
        let mut shown = Vec::with_capacity(reports.len());
        for report in reports {
            shown.push(Shown::read(app, report).await?);
        }
        return output::json(&shown);
    }
    if reports.is_empty() {
        output::note("no issue yet; `run DIGEST` makes one");
    }
    reports.iter().try_for_each(|report| output::line(report.describe()))
}

/// An issue with the deliveries that the relay did not take, and what else is known of it.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    report: IssueReport,
    #[serde(flatten)]
    progress: Progress,
    trouble: Vec<Trouble>,
    #[serde(flatten)]
    details: Details,
}

impl Shown {
    async fn read(app: &App, report: IssueReport) -> Result<Self, CliError> {
        let trouble = trouble(&app.store, report.id).await?;
        let details = Details::read(&app.store, report.id).await?;
        let progress = Progress::read(app, &report).await?;
        Ok(Self { report, progress, trouble, details })
    }

    /// For people.
    fn print(&self) -> Result<(), CliError> {
        output::line(self.report.describe())?;
        self.progress.print(&self.report)?;
        self.trouble.iter().try_for_each(|delivery| {
            let answer = delivery.answer.as_deref().unwrap_or("no answer");
            output::line(format!("  {} {}: {answer}", delivery.state, delivery.address))
        })?;
        self.details.print(self.report.totals.sent)
    }
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
