//! `digest`: the digests, when each is due next, and their holidays.

use chrono::NaiveDate;
use serde::Serialize;

use super::{CliError, Context, output};
use crate::app::App;
use crate::config::Digest;
use crate::domain::UtcMillis;
use crate::schedule::start_of_day;
use crate::store::Hold;

/// How many coming times are shown.
const TIMES: usize = 5;

/// Subcommands of `digest`.
#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// Each digest and its next five times, local and UTC
    List,
    /// Lets a digest rest: what is due in this time is skipped, and its articles wait
    Hold {
        /// Its id
        id: String,
        /// The day from which on it comes again, as 2027-01-04; else it rests until `digest resume`
        #[arg(long, value_name = "DATE")]
        until: Option<NaiveDate>,
    },
    /// Ends the rest of a digest
    Resume {
        /// Its id
        id: String,
    },
    /// Why people left it within the last year, counted, and what they wrote
    Reasons {
        /// Its id
        id: String,
    },
}

#[derive(Serialize)]
struct Listed<'a> {
    id: &'a str,
    title: &'a str,
    schedule: &'a str,
    timezone: &'a str,
    /// Whether it rests now.
    held: bool,
    /// Until when; none: until it is resumed.
    held_until: Option<String>,
    next: Vec<String>,
}

/// A digest with the hold that is not over.
struct Due<'a> {
    digest: &'a Digest,
    hold: Option<Hold>,
    next: Vec<UtcMillis>,
}

/// Runs one of them.
pub async fn run(context: &Context, command: &Command) -> Result<(), CliError> {
    let app = context.open_without_templates().await?;
    match command {
        Command::Reasons { id } => super::reasons::run(context, id).await,
        Command::List => {
            let mut listed = Vec::new();
            for digest in &app.config.digests {
                listed.push(due(&app, digest).await?);
            }
            print(context, &listed)
        }
        Command::Hold { id, until } => {
            let digest = context.digest(id)?;
            let until = until.map(|day| start_of_day(day, digest.timezone()));
            if until.is_some_and(|until| until <= app.clock.now()) {
                return Err(CliError::Usage("--until takes a day to come, from which on it is sent again".to_owned()));
            }
            app.composer().hold(&digest, until).await?;
            print(context, &[due(&app, &digest).await?])
        }
        Command::Resume { id } => {
            let digest = context.digest(id)?;
            if !app.composer().resume(&digest).await? {
                output::note(format!("{id} was not held"));
            }
            print(context, &[due(&app, &digest).await?])
        }
    }
}

async fn due<'a>(app: &App, digest: &'a Digest) -> Result<Due<'a>, CliError> {
    // A hold that has just been ended is over from now on.
    let now = app.clock.now();
    let hold = app.store.read().await?.hold(&digest.id).await?.filter(|hold| hold.is_on(now));
    let from = match hold {
        None => Some(now),
        // One that has no end has no next issue either.
        Some(hold) => hold.until.map(|until| UtcMillis(until.0 - 1)),
    };
    let next = from.map(|from| digest.schedule.upcoming(from, TIMES)).unwrap_or_default();
    Ok(Due { digest, hold, next })
}

fn print(context: &Context, listed: &[Due<'_>]) -> Result<(), CliError> {
    if context.json {
        let listed: Vec<_> = listed.iter().map(as_json).collect();
        return output::json(&listed);
    }
    for Due { digest, hold, next } in listed {
        output::line(format!(
            "{}: {} ({}, {})",
            digest.id,
            digest.title,
            digest.schedule.expression(),
            digest.timezone().name()
        ))?;
        let local = |at: UtcMillis| digest.schedule.local(at);
        match hold.map(|hold| hold.until) {
            None => {}
            Some(Some(until)) => output::line(format!("  held until {}", local(until).format("%a %e %b %Y %H:%M %Z")))?,
            Some(None) => output::line(format!("  held until `digest resume {}`", digest.id))?,
        }
        for at in next {
            let utc = at.to_utc().format("%Y-%m-%d %H:%M UTC");
            output::line(format!("  {}  {utc}", local(*at).format("%a %e %b %Y %H:%M %Z")))?;
        }
    }
    Ok(())
}

fn as_json<'a>(due: &Due<'a>) -> Listed<'a> {
    let local = |at: UtcMillis| due.digest.schedule.local(at).to_rfc3339();
    Listed {
        id: &due.digest.id,
        title: &due.digest.title,
        schedule: due.digest.schedule.expression(),
        timezone: due.digest.timezone().name(),
        held: due.hold.is_some(),
        held_until: due.hold.and_then(|hold| hold.until).map(local),
        next: due.next.iter().map(|at| local(*at)).collect(),
    }
}
