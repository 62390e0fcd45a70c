//! `digest`: the digests, and when each is due next.

use serde::Serialize;

use super::{CliError, Context, output};
use crate::domain::{Clock, SystemClock};
use crate::subscribers::Reason;

/// How many coming times are shown.
const TIMES: usize = 5;

/// Subcommands of `digest`.
#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// Each digest and its next five times, local and UTC
    List,
    /// Why people left it within the last year, counted, and what they wrote
    Reasons {
        /// The digest
        id: String,
    },
}

/// How far back reasons are counted.
const YEAR: std::time::Duration = std::time::Duration::from_secs(365 * 86_400);

/// How many notes are shown.
const NOTES: usize = 20;

async fn reasons(context: &Context, id: &str) -> Result<(), CliError> {
    context.digest(id)?;
    let rows = context.open().await?.subscribers().reasons(id, YEAR).await?;
    let count = |reason: Reason| rows.iter().filter(|row| row.reason == reason.as_str()).count();
    let notes: Vec<_> = rows.iter().filter(|row| !row.note.is_empty()).take(NOTES).collect();
    if context.json {
        let counts: serde_json::Map<_, _> =
            Reason::ALL.iter().map(|reason| (reason.as_str().to_owned(), count(*reason).into())).collect();
        let notes: Vec<_> = notes
            .iter()
            .map(|row| serde_json::json!({ "at": row.left_at, "reason": row.reason, "note": row.note }))
            .collect();
        return output::json(&serde_json::json!({ "digest": id, "reasons": counts, "notes": notes }));
    }
    for reason in Reason::ALL {
        output::line(format!("{:>6}  {}", count(reason), reason.as_str()))?;
    }
    notes.iter().try_for_each(|row| output::line(format!("{}  {}: {}", row.left_at, row.reason, row.note)))
}

#[derive(Serialize)]
struct Listed<'a> {
    id: &'a str,
    title: &'a str,
    schedule: &'a str,
    timezone: &'a str,
    next: Vec<String>,
}

/// Runs one of them.
pub async fn run(context: &Context, command: &Command) -> Result<(), CliError> {
    match command {
        Command::List => list(context),
        Command::Reasons { id } => reasons(context, id).await,
    }
}

fn list(context: &Context) -> Result<(), CliError> {
    let config = context.config()?;
    let now = SystemClock.now();
    if context.json {
        let listed: Vec<_> = config
            .digests
            .iter()
            .map(|digest| Listed {
                id: &digest.id,
                title: &digest.title,
                schedule: digest.schedule.expression(),
                timezone: digest.timezone().name(),
                next: digest
                    .schedule
                    .upcoming(now, TIMES)
                    .into_iter()
                    .map(|at| digest.schedule.local(at).to_rfc3339())
                    .collect(),
            })
            .collect();
        return output::json(&listed);
    }
    for digest in &config.digests {
        output::line(format!(
            "{}: {} ({}, {})",
            digest.id,
            digest.title,
            digest.schedule.expression(),
            digest.timezone().name()
        ))?;
        for at in digest.schedule.upcoming(now, TIMES) {
            let local = digest.schedule.local(at).format("%a %e %b %Y %H:%M %Z");
            output::line(format!("  {local}  {}", at.to_utc().format("%Y-%m-%d %H:%M UTC")))?;
        }
    }
    Ok(())
}
