//! What an operator does to an issue: hold, resume, cancel, retry, withdraw, correct; and watching it go.

use std::io::Read as _;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use super::issue::{self, Because, IssueReport};
use super::issue_pace::{News, Progress};
use super::{CliError, Context, output};
use crate::app::App;
use crate::compose;

/// How often a watched issue is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// How often it is said how a watched issue goes: that is read out of all its deliveries.
const TELL: Duration = Duration::from_secs(5);

/// On a large list less often still: so many times as long as reading it took.
const SHARE: u32 = 20;

/// What is wanted of an issue, where its id is enough.
#[derive(Clone, Copy, Debug)]
pub enum Wish {
    /// Stop it for now.
    Hold,
    /// Let it go on.
    Resume,
    /// Try again what failed.
    Retry,
}

/// Who it is, as the record has it: the person behind `sudo`, where there is one.
fn actor() -> String {
    let user = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    let user = user.map(|user| user.chars().filter(|c| !c.is_control()).take(64).collect::<String>());
    user.filter(|user| !user.is_empty())
        .map_or_else(|| "command line".to_owned(), |user| format!("{user} (command line)"))
}

fn because<'a>(because: &'a Because, actor: &'a str) -> compose::Because<'a> {
    compose::Because { actor, note: because.why.as_deref().map(str::trim).filter(|why| !why.is_empty()) }
}

/// Asks on a terminal.
fn agreed(yes: bool, question: &str) -> Result<(), CliError> {
    if output::asks(yes) && !output::confirm(question)? {
        return Err(CliError::Failed("nothing was changed".to_owned()));
    }
    Ok(())
}

/// Does it, and prints the issue.
pub async fn act(context: &Context, app: &App, id: i64, wish: Wish, why: &Because) -> Result<(), CliError> {
    let (composer, actor) = (app.composer(), actor());
    let because = because(why, &actor);
    match wish {
        Wish::Hold => composer.hold_issue(id, because).await?,
        Wish::Resume => composer.resume_issue(id, because).await?,
        Wish::Retry => {
            let retried = composer.retry_issue(id, because).await?;
            output::note(format!("{} queued again; `serve` delivers them", output::count(retried)));
        }
    }
    issue::show(context, &IssueReport::read(&app.store, id).await?)
}

/// Cancels, and prints the issue.
pub async fn cancel(context: &Context, app: &App, id: i64, why: &Because, yes: bool) -> Result<(), CliError> {
    let report = IssueReport::read(&app.store, id).await?;
    agreed(yes, &format!("{}\nCancel it for good?", report.describe()))?;
    let actor = actor();
    app.composer().cancel_issue(id, because(why, &actor)).await?;
    issue::show(context, &IssueReport::read(&app.store, id).await?)
}

/// Withdraws an article, and prints the issue.
pub async fn withdraw(
    context: &Context,
    app: &App,
    (id, article): (i64, &str),
    why: &Because,
    yes: bool,
) -> Result<(), CliError> {
    agreed(yes, &format!("Withdraw `{article}` from issue {id}? It cannot be put back."))?;
    let actor = actor();
    let withdrawn = app.composer().withdraw(id, article, because(why, &actor)).await?;
    let mails = output::counted(withdrawn.mails, "mail");
    output::note(format!("`{}` is withdrawn; made anew: {mails}", withdrawn.title));
    issue::show(context, &IssueReport::read(&app.store, id).await?)
}

/// Queues a correction, and says to how many.
pub async fn correct(
    context: &Context,
    app: &App,
    (id, file): (i64, &Path),
    why: &Because,
    yes: bool,
) -> Result<(), CliError> {
    let text = read(file)?;
    let report = IssueReport::read(&app.store, id).await?;
    let people = output::people(report.totals.sent.unsigned_abs());
    let question = format!("Send this correction to up to {people}?");
    agreed(yes, &question)?;
    let actor = actor();
    let corrected = app.composer().correct(id, &text, because(why, &actor)).await?;
    if context.json {
        return output::json(&json!({
            "issue": id, "recipients": corrected.recipients, "fresh": corrected.fresh, "goes_on": corrected.goes_on,
        }));
    }
    let what = if corrected.fresh { "the correction is queued" } else { "this correction was queued before" };
    output::line(format!("{what}, to {}", output::people(corrected.recipients.unsigned_abs())))?;
    if corrected.goes_on {
        output::line("who receives the issue from now on gets it when the issue is sent")?;
    }
    Ok(())
}

fn read(file: &Path) -> Result<String, CliError> {
    if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    std::fs::read_to_string(file).map_err(|error| CliError::Usage(format!("cannot read {}: {error}", file.display())))
}

/// Follows an issue until nothing of it is queued or being sent, or it is held.
pub async fn watch(context: &Context, app: &App, id: i64) -> Result<(), CliError> {
    let first = IssueReport::read(&app.store, id).await?;
    let bar = output::watched(first.recipients.unsigned_abs(), "sending");
    let mut news = News::default();
    let mut tell_at = Instant::now();
    let report = loop {
        let report = IssueReport::read(&app.store, id).await?;
        bar.set_length(report.recipients.unsigned_abs());
        bar.set_position(report.totals.settled().unsigned_abs());
        for deferral in news.of(&app.store, id).await? {
            bar.suspend(|| output::note(deferral));
        }
        if report.is_settled() {
            break report;
        }
        if tell_at <= Instant::now() {
            let began = Instant::now();
            let progress = Progress::read(app, &report).await?.describe_all();
            tell_at = Instant::now() + TELL.max(began.elapsed() * SHARE);
            if bar.is_hidden() {
                output::note(&progress);
            }
            bar.set_message(progress);
        }
        tokio::time::sleep(LOOK).await;
    };
    bar.finish_and_clear();
    issue::show(context, &report)?;
    if context.json { Ok(()) } else { Progress::read(app, &report).await?.print(&report) }
}
