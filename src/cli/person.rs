//! `subscriber edit`, `unsubscribe` and `erase`: what an operator does for one person who asked them to.

use chrono::NaiveDate;

use super::{CliError, Context, output};
use crate::app::App;
use crate::domain::{EmailAddress, Locale, PublicId};
use crate::schedule::start_of_day;
use crate::subscribers::{Edit, Edited, Erased, Leave, Left, Meant, Origin, Record, Subscribers, Topics, topics_of};

/// Options of `subscriber edit`.
#[derive(clap::Args, Debug)]
pub struct EditArgs {
    /// The address
    email: EmailAddress,
    /// Their name; an empty one removes it
    #[arg(long)]
    name: Option<String>,
    /// The language of their mails; an empty one is that of each digest
    #[arg(long, value_name = "CODE")]
    locale: Option<String>,
    /// The digest whose topics or pause are changed
    #[arg(long, value_name = "ID")]
    digest: Option<String>,
    /// Its topics; "all" means all of them, later ones included
    #[arg(long, value_delimiter = ',', value_name = "ID", requires = "digest")]
    topics: Vec<String>,
    /// Send nothing of it before that day
    #[arg(long, value_name = "DATE", requires = "digest", conflicts_with = "resume")]
    pause: Option<NaiveDate>,
    /// End its pause
    #[arg(long, requires = "digest")]
    resume: bool,
    /// Their new address: it is used when they have confirmed it there
    #[arg(long, value_name = "EMAIL")]
    address: Option<EmailAddress>,
}

/// Options of `subscriber unsubscribe`.
#[derive(clap::Args, Debug)]
pub struct UnsubscribeArgs {
    /// The address
    email: EmailAddress,
    /// These digests; none named means all
    #[arg(long, value_delimiter = ',', value_name = "ID")]
    digests: Vec<String>,
}

/// Options of `subscriber erase`.
#[derive(clap::Args, Debug)]
pub struct EraseArgs {
    /// The address
    email: EmailAddress,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// Changes what is held of somebody.
pub async fn edit(context: &Context, app: &App, args: &EditArgs) -> Result<(), CliError> {
    let digest = args.digest.as_deref().map(|id| context.digest(id)).transpose()?;
    let topics = match (&digest, args.topics.as_slice()) {
        (_, []) => None,
        (_, [all]) if all == "all" => Some(Topics::All),
        (Some(digest), topics) => {
            let known = topics_of(&app.config, digest);
            if let Some(word) = topics.iter().find(|topic| !known.contains(topic)) {
                let known = known.join(", ");
                return Err(CliError::Usage(format!(
                    "there is no topic `{word}` in `{}`; its topics are {known}",
                    digest.id
                )));
            }
            Some(Topics::Only(topics.iter().cloned().collect()))
        }
        (None, _) => None,
    };
    let subscribers = app.subscribers();
    let pause = match (&digest, args.pause) {
        (Some(digest), Some(day)) => {
            let until = start_of_day(day, digest.timezone());
            if until <= subscribers.now() {
                return Err(CliError::Usage(format!(
                    "--pause {day} is not ahead; a pause ends on a day to come, and --resume ends one now"
                )));
            }
            Some(Some(until))
        }
        _ => args.resume.then_some(None),
    };
    let nothing = args.name.is_none() && args.locale.is_none() && args.address.is_none();
    if nothing && topics.is_none() && pause.is_none() {
        return Err(CliError::Usage(
            "say what changes: --name, --locale, --topics, --pause, --resume or --address".to_owned(),
        ));
    }
    let edit = Edit {
        name: args.name.clone(),
        locale: args.locale.as_deref().map(locale).transpose()?,
        digest: args.digest.clone(),
        topics,
        pause,
        address: args.address.clone(),
    };
    match subscribers.edit(&args.email, &edit, Origin::COMMAND_LINE, &app.notices()).await? {
        Edited::Done => {}
        Edited::Unknown => {
            is_present(&subscribers, &args.email).await?;
            return Err(unknown(&args.email));
        }
        Edited::NotSubscribed => {
            let digest = args.digest.as_deref().unwrap_or_default();
            return Err(CliError::Failed(format!(
                "{} does not get `{digest}`; `subscriber add` asks them whether they want it",
                args.email
            )));
        }
    }
    if context.json {
        return output::json(&subscribers.show(&args.email).await?);
    }
    output::line(match &args.address {
        Some(new) => format!("{}: changed; the new address {new} counts when they have confirmed it there", args.email),
        None => format!("{}: changed", args.email),
    })
}

/// Leaves for somebody.
pub async fn unsubscribe(context: &Context, app: &App, args: &UnsubscribeArgs) -> Result<(), CliError> {
    for id in &args.digests {
        context.digest(id)?;
    }
    let subscribers = app.subscribers();
    let email = &args.email;
    let Meant { here: Some(here), moved } = subscribers.meant_by(email).await? else {
        is_present(&subscribers, email).await?;
        return Err(unknown(email));
    };
    let left = leave(&subscribers, &here, &args.digests).await?;
    // That somebody has asked for the address since makes it nobody else's: whoever had it before has said so too.
    let elsewhere = match &moved {
        Some((_, id)) => leave(&subscribers, id, &args.digests).await?,
        None => false,
    };
    let moved_to = moved.map(|(now, _)| now);
    if context.json {
        return output::json(&Shown { record: subscribers.show(email).await?, moved_to });
    }
    output::line(match left {
        true => format!("{email}: unsubscribed; nothing more of it is started"),
        false => format!("{email}: had left already"),
    })?;
    match moved_to {
        Some(now) if elsewhere => output::line(format!("it is a former address of {now}: unsubscribed there too")),
        Some(now) => output::line(format!("it is a former address of {now}: had left there already")),
        None => Ok(()),
    }
}

/// A person, with whoever is meant by their address too.
#[derive(serde::Serialize)]
pub(super) struct Shown {
    #[serde(flatten)]
    pub(super) record: Option<Record>,
    /// The address that whoever had this one before has now, as long as nobody has confirmed this one since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) moved_to: Option<String>,
}

/// Leaves these digests for one person; none named means all. Says whether they had any of it.
async fn leave(subscribers: &Subscribers, who: &PublicId, digests: &[String]) -> Result<bool, CliError> {
    let what: Vec<Leave<'_>> = match digests {
        [] => vec![Leave::All],
        digests => digests.iter().map(|id| Leave::Digest(id)).collect(),
    };
    let mut left = false;
    for what in what {
        left |= subscribers.leave(who, what, Origin::COMMAND_LINE).await? == Left::Now;
    }
    Ok(left)
}

/// Forgets somebody.
pub async fn erase(context: &Context, app: &App, args: &EraseArgs) -> Result<(), CliError> {
    if output::asks(args.yes) && !output::confirm(&format!("Erase all that is held of {}?", args.email))? {
        return Err(CliError::Failed("nothing was erased".to_owned()));
    }
    let subscribers = app.subscribers();
    let erased = subscribers.erase_address(&args.email).await?;
    let text = match &erased {
        Erased::Now => "erased; what stays is a keyed hash, so that no import brings the address back",
        Erased::Already => "nothing is held but a keyed hash",
        Erased::Moved(now) => {
            let email = &args.email;
            return Err(CliError::Failed(format!(
                "{email} is a former address of {now}; `subscriber erase {now}` erases what is held of both"
            )));
        }
        Erased::Unknown => return Err(CliError::Failed(format!("nothing is held of {}", args.email))),
    };
    let moved_to = subscribers.moved_to(&args.email).await?;
    if context.json {
        let mut done = serde_json::json!({ "email": args.email.as_str(), "erased": erased == Erased::Now });
        if let Some(now) = &moved_to {
            done["moved_to"] = now.as_str().into();
        }
        return output::json(&done);
    }
    output::line(format!("{}: {text}", args.email))?;
    match moved_to {
        Some(now) => output::line(format!("it is a former address of {now} as well: what is held of them stays")),
        None => Ok(()),
    }
}

/// Refuses an address that somebody had before they moved, and says which one they have now.
pub(super) async fn is_present(subscribers: &Subscribers, email: &EmailAddress) -> Result<(), CliError> {
    match subscribers.moved_to(email).await? {
        Some(now) => Err(CliError::Failed(format!("{email} is a former address of {now}; ask for that one"))),
        None => Ok(()),
    }
}

/// Nothing can be done for that address, since there is nobody.
pub(super) fn unknown(email: &EmailAddress) -> CliError {
    CliError::Failed(format!("nothing is held of {email}"))
}

/// The language that is asked for; an empty text takes the person's own away. Those of the operator are known by now.
fn locale(code: &str) -> Result<Option<Locale>, CliError> {
    match code.trim() {
        "" => Ok(None),
        code => Locale::parse(code).map(Some).map_err(|error| CliError::Usage(error.to_string())),
    }
}
