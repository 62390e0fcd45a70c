//! `subscriber`: the subscribers.

use std::path::PathBuf;

use super::{CliError, Context, output};
use crate::app::App;
use crate::domain::{EmailAddress, Locale};
use crate::subscribers::{Added, Import, ImportBasis, ImportReport, NewSubscriber, Origin, Record, resolve_choice};

/// Subcommands of `subscriber`.
#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// Adds somebody, and asks them to confirm
    Add(Add),
    /// All subscribers; with --json one object a line
    List,
    /// All that is held of one
    Show {
        /// The address
        email: EmailAddress,
    },
    /// Imports a CSV file with a header: email, name, state, topics, digests, locale, confirmed_at, evidence
    Import(ImportArgs),
}

/// Options of `subscriber add`.
#[derive(clap::Args, Debug)]
pub struct Add {
    /// The address
    email: EmailAddress,
    /// Their name
    #[arg(long, default_value = "")]
    name: String,
    /// These digests; none named means all
    #[arg(long, value_delimiter = ',', value_name = "ID")]
    digests: Vec<String>,
    /// These topics; none named means all
    #[arg(long, value_delimiter = ',', value_name = "ID")]
    topics: Vec<String>,
    /// The language of their mails
    #[arg(long, value_name = "CODE")]
    locale: Option<String>,
    /// They have agreed elsewhere: no confirmation is sent
    #[arg(long, requires = "evidence")]
    confirmed: bool,
    /// What proves that they have
    #[arg(long, requires = "confirmed", value_name = "TEXT")]
    evidence: Option<String>,
}

/// Options of `subscriber import`.
#[derive(clap::Args, Debug)]
pub struct ImportArgs {
    /// The file
    file: PathBuf,
    /// They have agreed elsewhere
    #[arg(long, requires = "evidence", conflicts_with = "ask")]
    confirmed: bool,
    /// What proves that they have, where a row has no evidence of its own
    #[arg(long, requires = "confirmed", value_name = "TEXT")]
    evidence: Option<String>,
    /// Ask each of them to confirm
    #[arg(long)]
    ask: bool,
    /// Leave bad rows out instead of refusing the file
    #[arg(long)]
    skip_bad: bool,
}

/// Runs one of them.
pub async fn run(context: &Context, command: &Command) -> Result<(), CliError> {
    let app = context.open().await?;
    match command {
        Command::Add(args) => add(context, &app, args).await,
        Command::List => list(context, &app).await,
        Command::Show { email } => {
            let record = app.subscribers().show(email).await?;
            let record = record.ok_or_else(|| CliError::Failed(format!("nothing is held of {email}")))?;
            if context.json { output::json(&record) } else { describe(&record) }
        }
        Command::Import(args) => import(context, &app, args).await,
    }
}

async fn add(context: &Context, app: &App, args: &Add) -> Result<(), CliError> {
    let locale = args.locale.as_deref().map(Locale::parse).transpose();
    let new = NewSubscriber {
        address: args.email.clone(),
        name: args.name.trim().to_owned(),
        locale: locale.map_err(|error| CliError::Usage(error.to_string()))?,
        choice: resolve_choice(&app.config, &args.digests, &args.topics)
            .map_err(|error| CliError::Usage(error.to_string()))?,
    };
    let subscribers = app.subscribers();
    let added = match &args.evidence {
        Some(evidence) => subscribers.add_confirmed(&new, evidence, Origin::COMMAND_LINE).await?,
        None => subscribers.add(&new, Origin::COMMAND_LINE, &app.notices()).await?,
    };
    if context.json {
        return output::json(&subscribers.show(&args.email).await?);
    }
    output::line(match added {
        Added::Asked => format!("{}: a confirmation is queued; nothing else is sent before they agree", args.email),
        Added::Confirmed => format!("{}: added as confirmed", args.email),
        Added::Extended => format!("{}: was confirmed, and gets more now", args.email),
        Added::Unchanged => format!("{}: was confirmed with all of that already", args.email),
    })
}

async fn list(context: &Context, app: &App) -> Result<(), CliError> {
    app.subscribers()
        .list(|record| {
            if context.json {
                let line = serde_json::to_string(&record).map_err(|error| CliError::Output(error.into()))?;
                output::line(line)
            } else {
                output::line(format!("{}  {}", record.state, record.email))
            }
        })
        .await
}

fn describe(record: &Record) -> Result<(), CliError> {
    output::line(format!("{}  {}", record.email, record.state))?;
    for digest in &record.digests {
        let topics = if digest.all_topics { "all topics".to_owned() } else { digest.topics.join(", ") };
        let pause = digest.paused_until.map(|until| format!(", until {until}")).unwrap_or_default();
        output::line(format!("  {}: {}{pause} ({topics})", digest.id, digest.state))?;
    }
    for event in &record.consent {
        let about = event.digest.as_deref().unwrap_or_default();
        let evidence = event.evidence.as_deref().unwrap_or_default();
        output::line(
            format!("  {}  {} {about} by {} ({}) {evidence}", event.at, event.event, event.actor, event.source)
                .trim_end(),
        )?;
    }
    Ok(())
}

async fn import(context: &Context, app: &App, args: &ImportArgs) -> Result<(), CliError> {
    let basis = match (&args.evidence, args.ask) {
        (Some(evidence), _) => ImportBasis::Confirmed(evidence),
        (None, true) => ImportBasis::Ask,
        (None, false) => ImportBasis::Rows,
    };
    let import = Import { path: &args.file, basis, skip_bad: args.skip_bad };
    let bar = output::progress(0, "importing");
    let report = app
        .subscribers()
        .import(&import, &app.notices(), |done, all| {
            bar.set_length(all);
            bar.set_position(done);
        })
        .await?;
    bar.finish_and_clear();
    if context.json {
        output::json(&report)?;
    } else {
        summarise(&report)?;
    }
    for column in &report.ignored_columns {
        output::note(format!("note: the column `{column}` means nothing here and was ignored"));
    }
    if report.is_refused(&import) {
        let first = report.refused.first().map(|row| format!("line {}: {}", row.line, row.reason)).unwrap_or_default();
        return Err(CliError::Failed(format!("{first}; nothing was imported (--skip-bad leaves bad rows out)")));
    }
    if report.is_only_report(&import) {
        output::note(
            "nothing was imported: there is no evidence that these people agreed. Give --confirmed --evidence TEXT, a \
             column `evidence` in each row, or --ask, which sends each of them a confirmation",
        );
    }
    Ok(())
}

fn summarise(report: &ImportReport) -> Result<(), CliError> {
    let would = if report.applied { "" } else { "would be " };
    output::line(format!(
        "{} rows: {would}{} added, {} updated, {} unchanged, {} skipped, {} refused",
        output::count(report.rows),
        output::count(report.added),
        output::count(report.updated),
        output::count(report.unchanged),
        output::count(report.skipped),
        report.refused.len(),
    ))?;
    report.refused.iter().take(20).try_for_each(|row| output::line(format!("  line {}: {}", row.line, row.reason)))
}
