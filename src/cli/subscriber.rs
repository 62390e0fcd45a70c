//! `subscriber`: the subscribers.

use super::{CliError, Context, export, import, output, person, why};
use crate::app::App;
use crate::domain::{EmailAddress, Locale, SubscriptionState};
use crate::subscribers::{Added, NewSubscriber, Origin, Record, RecordEvent, resolve_choice};

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
    /// Why somebody gets, or does not get, each digest and its latest issues
    Why {
        /// The address
        email: EmailAddress,
    },
    /// Changes name, language, topics, a pause or the address of somebody who asked for it
    Edit(person::EditArgs),
    /// Leaves for somebody who asked for it
    Unsubscribe(person::UnsubscribeArgs),
    /// Forgets somebody, and keeps a keyed hash so that no import brings them back
    Erase(person::EraseArgs),
    /// Imports a CSV file with a header (email, name, state, topics, digests, locale, confirmed_at, evidence), or an
    /// export of listmonk, phpList or Mailchimp
    Import(import::Args),
    /// One person's data as JSON, or everybody as a CSV file that the import reads
    Export(export::Args),
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

/// Runs one of them.
pub async fn run(context: &Context, command: &Command) -> Result<(), CliError> {
    let app = match command {
        Command::Add(_) | Command::Edit(_) | Command::Import(_) => context.open().await?,
        _ => context.open_without_templates().await?,
    };
    match command {
        Command::Add(args) => add(context, &app, args).await,
        Command::List => list(context, &app).await,
        Command::Show { email } => {
            let subscribers = app.subscribers();
            let Some(record) = subscribers.show(email).await? else {
                person::is_present(&subscribers, email).await?;
                return Err(person::unknown(email));
            };
            let moved_to = subscribers.moved_to(email).await?;
            if context.json {
                return output::json(&person::Shown { record: Some(record), moved_to });
            }
            describe(&record)?;
            moved_to.map_or(Ok(()), |now| output::paragraph(2, &format!("it is a former address of {now} as well")))
        }
        Command::Why { email } => why::run(context, &app, email).await,
        Command::Edit(args) => person::edit(context, &app, args).await,
        Command::Unsubscribe(args) => person::unsubscribe(context, &app, args).await,
        Command::Erase(args) => person::erase(context, &app, args).await,
        Command::Import(args) => import::run(context, &app, args).await,
        Command::Export(args) => export::run(context, &app, args).await,
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
        // Of what they have left or paused, the state says it.
        let why_not = digest.why_not.as_ref().filter(|_| digest.state == SubscriptionState::Active);
        let why_not = why_not.map(|why| format!("; nothing is mailed: {why}")).unwrap_or_default();
        output::line(format!("  {}: {}{pause} ({topics}){why_not}", digest.id, digest.state))?;
    }
    for request in &record.requests {
        let wants: Vec<&str> = request.digests.iter().map(|digest| digest.id.as_str()).collect();
        let name = if request.name.is_empty() { String::new() } else { format!(" in the name of {}", request.name) };
        output::paragraph(2, &format!("{}  asked for {}{name}; waits for an answer", request.at, wants.join(", ")))?;
    }
    if let Some(ask) = &record.to_be_asked {
        output::paragraph(2, &format!("{}  is to be asked then ({})", ask.at, ask.source))?;
    }
    for former in &record.former_addresses {
        output::line(format!("  {}  moved here from an address that is kept as a keyed hash", former.moved_at))?;
    }
    for reason in &record.reasons {
        let why = format!("  {}  left {}: {} {}", reason.at, reason.digest, reason.reason, reason.note);
        output::line(why.trim_end())?;
    }
    record.consent.iter().try_for_each(tell)
}

/// Prints an event of consent: what, by whom, from where, and what they were shown.
fn tell(event: &RecordEvent) -> Result<(), CliError> {
    let about = event.digest.as_deref().unwrap_or_default();
    let evidence = event.evidence.as_deref().unwrap_or_default();
    let what = format!("{} {} {about} by {} ({}) {evidence}", event.at, event.event, event.actor, event.source);
    output::paragraph(2, &what)?;
    let from: Vec<&str> = event.network.as_deref().into_iter().chain(event.agent.as_deref()).collect();
    if !from.is_empty() {
        output::paragraph(6, &format!("from {}", from.join(", ")))?;
    }
    if let Some(wording) = &event.wording {
        let version = event.wording_version.as_deref().unwrap_or_default();
        output::paragraph(6, &format!("wording {version}: {wording}"))?;
    }
    Ok(())
}
