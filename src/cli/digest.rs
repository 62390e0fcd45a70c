//! `digest`: the digests, and when each is due next.

use serde::Serialize;

use super::{CliError, Context, output};
use crate::domain::{Clock, SystemClock};

/// How many coming times are shown.
const TIMES: usize = 5;

/// Subcommands of `digest`.
#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// Each digest and its next five times, local and UTC
    List,
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
pub fn run(context: &Context, command: &Command) -> Result<(), CliError> {
    let Command::List = command;
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
