//! `suppression`: addresses that must not be mailed, whatever is imported.

use std::path::PathBuf;

use super::{CliError, Context, output};
use crate::app::App;
use crate::domain::{EmailAddress, SubscriberState};
use crate::subscribers::{Import, ImportBasis, Mover, Origin, SuppressionList, SuppressionReason};

/// Subcommands of `suppression`.
#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// All of them; only a keyed hash is kept of each address
    List {
        /// As CSV, which `suppression import` reads where the same key file is used
        #[arg(long)]
        csv: bool,
    },
    /// Suppresses an address, and stops what is on its way to it
    Add {
        /// The address
        email: EmailAddress,
        /// Why
        #[arg(long, value_enum, default_value = "manual")]
        reason: Reason,
        /// A word on it, for whoever looks later
        #[arg(long, default_value = "", value_name = "TEXT")]
        note: String,
    },
    /// Lifts a suppression, and says what it was
    Remove {
        /// The address, or the hash that the list shows
        address: String,
    },
    /// Suppresses all addresses of a file: one a line, or a CSV file with a column `email`
    Import {
        /// The file
        file: PathBuf,
        /// Why, where a row does not say so
        #[arg(long, value_enum, default_value = "manual")]
        reason: Reason,
        /// A word on it, where a row has none
        #[arg(long, default_value = "", value_name = "TEXT")]
        note: String,
        /// Leave bad rows out instead of refusing the file; they are listed in FILE.report.csv
        #[arg(long)]
        skip_bad: bool,
    },
}

/// Why an address is suppressed.
#[derive(clap::ValueEnum, Clone, Copy, Debug)]
pub enum Reason {
    /// An operator says so; only `remove` lifts it
    Manual,
    /// The person reported a mail as spam; only `remove` lifts it
    Complaint,
    /// The address is dead; a confirmation of the person lifts it
    Bounced,
}

impl From<Reason> for SuppressionReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Manual => Self::Manual,
            Reason::Complaint => Self::Complaint,
            Reason::Bounced => Self::Bounced,
        }
    }
}

/// Runs one of them.
pub async fn run(context: &Context, command: &Command) -> Result<(), CliError> {
    let app = context.open_without_templates().await?;
    match command {
        Command::List { csv } if *csv && !context.json => list_csv(&app).await,
        Command::List { .. } => list(context, &app).await,
        Command::Add { email, reason, note } => add(context, &app, email, *reason, note).await,
        Command::Remove { address } => remove(context, &app, address).await,
        Command::Import { file, reason, note, skip_bad } => {
            let import = Import { skip_bad: *skip_bad, ..Import::new(file, ImportBasis::Rows) };
            import_file(context, &app, &import, *reason, note).await
        }
    }
}

async fn list(context: &Context, app: &App) -> Result<(), CliError> {
    let mut first = true;
    app.subscribers()
        .suppressions(|row: SuppressionList| {
            if context.json {
                let text = serde_json::to_string(&row).map_err(|error| CliError::Output(error.into()))?;
                output::raw(if first { "[\n  " } else { ",\n  " })?;
                first = false;
                return output::raw(text);
            }
            let who = row.email.as_deref().unwrap_or(&row.address_hash);
            output::line(format!("{}  {:<9}  {who}  {}", row.since, row.reason, row.note).trim_end())
        })
        .await?;
    match (context.json, first) {
        (true, true) => output::line("[]"),
        (true, false) => output::line("\n]"),
        (false, _) => Ok(()),
    }
}

async fn list_csv(app: &App) -> Result<(), CliError> {
    let mut table = csv::Writer::from_writer(output::stream());
    let failed = |error: csv::Error| CliError::Output(error.into());
    table.write_record(["address_hash", "reason", "note", "since", "keys"]).map_err(failed)?;
    let keys = app.keys.fingerprint();
    app.subscribers()
        .suppressions(|row: SuppressionList| {
            let since = row.since.exact();
            table.write_record([&row.address_hash, &row.reason, &row.note, &since, &keys]).map_err(failed)
        })
        .await?;
    table.flush().map_err(CliError::Output)
}

async fn add(context: &Context, app: &App, email: &EmailAddress, reason: Reason, note: &str) -> Result<(), CliError> {
    let done = app.subscribers().suppress(email, reason.into(), note, Origin::COMMAND_LINE).await?;
    if context.json {
        return output::json(&done);
    }
    let stopped = match done.stopped {
        0 => String::new(),
        stopped => format!("; {} on the way to it stopped", output::count(stopped)),
    };
    output::line(match done.changed {
        true => format!("{email}: nothing is mailed there any more{stopped}"),
        false => format!("{email}: was suppressed already{stopped}"),
    })?;
    match done.moved_to {
        Some(now) => output::line(format!("it is a former address of {now}: nothing is mailed there any more either")),
        None => Ok(()),
    }
}

async fn remove(context: &Context, app: &App, address: &str) -> Result<(), CliError> {
    let lifted = app.subscribers().unsuppress(address, Origin::COMMAND_LINE).await?;
    let Some(lifted) = lifted else { return Err(not_suppressed(app, address).await) };
    if context.json {
        return output::json(&lifted);
    }
    let note = if lifted.note.is_empty() { String::new() } else { format!(" ({})", lifted.note) };
    output::line(format!("{address}: lifted what was there since {}: {}{note}", lifted.since, lifted.reason))?;
    for shut in &lifted.former {
        output::line(format!(
            "{0}, an address of theirs from before, stays suppressed ({1}): a list that has it suppresses them again; \
             `suppression remove {0}` lifts that",
            shut.address, shut.reason
        ))?;
    }
    if let Some(moved) = &lifted.moved {
        return output::line(elsewhere(moved));
    }
    output::line(match lifted.state {
        None => "nobody of that address is subscribed; it can be added again".to_owned(),
        Some(SubscriberState::Confirmed) => "the person is confirmed, and gets the next issue again".to_owned(),
        Some(SubscriberState::Pending) => "the person has not confirmed yet, and gets nothing before".to_owned(),
        Some(state) => format!("the person stays {state}; only a confirmation of their own brings them back"),
    })
}

/// What is to be said of whoever has another address by now.
fn elsewhere(moved: &Mover) -> String {
    let now = &moved.email;
    match moved.barred {
        Some(reason) => format!(
            "it is a former address of {now}, where the person stays suppressed ({reason}); `suppression remove {now}` \
             lifts that"
        ),
        None => format!("it is a former address of {now}; the person stays as they are there"),
    }
}

async fn not_suppressed(app: &App, address: &str) -> CliError {
    let moved = match EmailAddress::parse(address) {
        Ok(address) => app.subscribers().moved_to(&address).await,
        Err(_) => Ok(None),
    };
    match moved {
        Ok(Some(now)) => CliError::Failed(format!("{address} is not suppressed; it is a former address of {now}")),
        Ok(None) => CliError::Failed(format!("{address} is not suppressed")),
        Err(error) => error.into(),
    }
}

async fn import_file(
    context: &Context,
    app: &App,
    import: &Import<'_>,
    reason: Reason,
    note: &str,
) -> Result<(), CliError> {
    let report = app.subscribers().import_suppressions(import, reason.into(), note, Origin::COMMAND_LINE).await?;
    if context.json {
        output::json(&report)?;
    } else {
        output::line(format!(
            "{}: {} suppressed, {} so already, {} refused",
            output::counted(report.rows, "row"),
            output::count(report.added),
            output::count(report.unchanged),
            output::count(report.refused_rows),
        ))?;
        if let Some(former) = report.former.filter(|former| *former > 0) {
            let rows = output::counted(former, "row");
            output::line(format!("{rows} of addresses that people had before: theirs of today are suppressed too"))?;
        }
    }
    if let Some(path) = &report.written {
        output::note(format!("the rows that were refused are listed in {}", path.display()));
    }
    if report.is_refused(import) {
        let first = report.refused.first().map(|row| format!("line {}: {}", row.line, row.reason)).unwrap_or_default();
        let way = match report.unreadable {
            true => "no line has an address, and no header says where they are",
            false => "--skip-bad leaves bad rows out",
        };
        return Err(CliError::Failed(format!("{first}; nothing was suppressed ({way})")));
    }
    Ok(())
}
