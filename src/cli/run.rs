//! `run`: composes an issue now, out of schedule, and with `--wait` sees it off.

use std::time::Duration;

use super::collect::warn_of_failures;
use super::forecast::Expected;
use super::issue::IssueReport;
use super::{CliError, Context, issue, output};
use crate::app::App;
use crate::compose::Occasion;
use crate::domain::IssueState;

/// How often the progress is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Options of `run`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The digest's id
    digest: String,
    /// Follow it until nothing is queued or being sent
    #[arg(long)]
    wait: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

/// Composes, lays out, and prints the issue. With nothing new it is skipped, which is no failure.
pub async fn run(context: &Context, args: &Args) -> Result<(), CliError> {
    let digest = context.digest(&args.digest)?;
    let app = context.open().await?;
    let composer = app.composer();
    if composer.is_held(&digest).await? {
        let words = format!("{0} is held, so nothing is sent; `postround digest resume {0}` ends that", digest.id);
        return Err(CliError::Failed(words));
    }
    let reading = composer.read_for(&digest).await?;
    let reckoning = composer.reckon(&digest, &reading).await?;
    if reckoning.reason.is_none() && reckoning.recipients > 0 {
        // What somebody asks for out of schedule is not spread.
        output::note(Expected::of(&app, &digest, &reckoning, Duration::ZERO).await?.describe());
        if output::asks(args.yes) {
            let question = format!("Send to {}?", output::people(reckoning.recipients.unsigned_abs()));
            if !output::confirm(&question)? {
                return Err(CliError::Failed("not sent".to_owned()));
            }
        }
    }
    let composed = composer.compose_of(&digest, Occasion::Extra, reading).await?;
    warn_of_failures(&composed.polled);
    let report = IssueReport::read(&app.store, composed.issue).await?;
    if report.state == IssueState::Skipped {
        return issue::show(context, &report);
    }
    tend(&app, composed.issue).await?;
    if args.wait {
        follow(&app, composed.issue).await?;
    }
    let report = IssueReport::read(&app.store, composed.issue).await?;
    issue::show(context, &report)?;
    if args.wait { stopped(&report) } else { Ok(()) }
}

/// An issue that somebody, or too many failures, have stopped on its way has not gone out.
fn stopped(report: &IssueReport) -> Result<(), CliError> {
    let id = report.id;
    let remedy = match report.state {
        IssueState::Held => {
            format!("; see `postround issue show {id}`, and let it go on with `postround issue resume {id}`")
        }
        IssueState::Cancelled => String::new(),
        _ => return Ok(()),
    };
    let reason = report.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    Err(CliError::Failed(format!("issue {id} is {}{reason}{remedy}", report.state)))
}

/// Looks after the open issues; fails when this one could not be laid out. Others are not this command's business.
async fn tend(app: &App, issue: i64) -> Result<(), CliError> {
    match Box::pin(app.composer().tend()).await?.into_iter().find(|(failed, _)| *failed == issue) {
        Some((_, error)) => Err(error.into()),
        None => Ok(()),
    }
}

/// Waits until nothing of the issue is queued or being sent: delivers it here where no other process does.
async fn follow(app: &App, issue: i64) -> Result<(), CliError> {
    let report = IssueReport::read(&app.store, issue).await?;
    let bar = output::progress(report.recipients.unsigned_abs(), "sending");
    let look = async {
        loop {
            tend(app, issue).await?;
            let report = IssueReport::read(&app.store, issue).await?;
            bar.set_position(report.totals.settled().unsigned_abs());
            if report.is_settled() {
                // The last of it may have come in between.
                return tend(app, issue).await;
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    let trouble = |words| {
        bar.suspend(|| {
            output::error(format!("the relay fails: {words}"));
            output::note(
                "it is tried again and again; Ctrl-C is safe, and `serve` or another run delivers what is queued",
            );
        });
    };
    let stop = super::serve::asked_to_stop()?;
    // What is in flight is finished, and its result recorded.
    let look = async {
        tokio::select! {
            done = look => done,
            () = stop => Err(CliError::Failed(
                "stopped; what is still queued is sent by `serve` or another run".to_owned(),
            )),
        }
    };
    let done = app.delivering(None, trouble, look).await?;
    bar.finish_and_clear();
    done
}
