//! `preview`: the issue as it would be composed now, or one as it was frozen.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use clap::ValueEnum;

use super::collect::warn_of_failures;
use super::forecast::Expected;
use super::{CliError, Context, output};
use crate::app::App;
use crate::compose::{Preview, Reckoning};
use crate::config::Digest;
use crate::domain::{Clock, EmailAddress, Locale, PublicId, SystemClock, SystemRandom};
use crate::render::{Message, RenderedMail, Slots, fill};

/// What the names of files begin with that are opened.
const BEGINNING: &str = "postround-";

/// How long such a file is kept, when another one is opened.
const KEPT: Duration = Duration::from_secs(3_600);

/// Options of `preview`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The digest's id
    #[arg(required_unless_present = "issue")]
    digest: Option<String>,
    /// Show this issue as it was frozen instead
    #[arg(long, value_name = "ID", conflicts_with = "digest")]
    issue: Option<i64>,
    /// For a reader of this language, as in de [default: the digest's own]
    #[arg(long, value_name = "LOCALE")]
    locale: Option<String>,
    /// What to print [default: text, and html to open]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Write it into this file
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Open it in the browser, or an eml in the mail program
    #[arg(long)]
    open: bool,
}

/// The forms of a mail.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum Format {
    /// The HTML part
    Html,
    /// The text part
    Text,
    /// The whole message
    Eml,
}

impl Format {
    /// What the name of its file ends with.
    fn ending(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::Text => "txt",
            Self::Eml => "eml",
        }
    }
}

/// Composes without storing, or takes what is frozen, and prints or writes the result; says on stderr what it is.
pub async fn run(context: &Context, args: &Args) -> Result<(), CliError> {
    let locale = args.locale.as_deref().map(|code| context.locale(code)).transpose()?;
    match (args.issue, &args.digest) {
        (Some(issue), _) => frozen(context, args, issue, locale.as_ref()).await,
        (None, digest) => next(context, args, digest.as_deref().unwrap_or_default(), locale).await,
    }
}

/// The issue that would be next.
async fn next(context: &Context, args: &Args, digest: &str, locale: Option<Locale>) -> Result<(), CliError> {
    let digest = context.digest(digest)?;
    let locale = locale.unwrap_or_else(|| digest.locale.clone());
    let app = context.open().await?;
    let Preview { mail, reckoning } = app.composer().preview(&digest, &locale, false).await?;
    warn_of_failures(&reckoning.polled);
    let expected = Expected::of(&app, &digest, &reckoning, digest.spread).await?;
    if context.json {
        output::json(&serde_json::json!({
            "digest": digest.id,
            "locale": locale.as_str(),
            "subject": mail.as_ref().map(|mail| &mail.subject),
            "articles": reckoning.articles,
            "recipients": expected.recipients,
            "variants": expected.variants,
            "nothing_for": reckoning.nothing,
            "left_out": expected.left_out,
            "done_at": expected.done_at,
            "limited": expected.limited,
            "quota_suffices": expected.quota_suffices,
            "quota_left": expected.quota_left,
            "resting": expected.resting,
            "failing": expected.failing,
            "skipped": reckoning.reason.is_some(),
            "reason": reckoning.reason,
        }))?;
    } else {
        output::note(summary(mail.as_ref(), &reckoning, &expected));
    }
    match &mail {
        Some(mail) => give(context, args, &app, &digest, mail),
        None => Ok(()),
    }
}

/// An issue that was composed before.
async fn frozen(context: &Context, args: &Args, issue: i64, locale: Option<&Locale>) -> Result<(), CliError> {
    let app = context.open().await?;
    let (digest, locale, mail) = app.composer().preview_issue(issue, locale).await?;
    if context.json {
        output::json(&serde_json::json!({
            "issue": issue, "digest": digest.id, "locale": locale.as_str(), "subject": mail.subject,
        }))?;
    } else {
        output::note(format!("subject: {}", mail.subject));
    }
    give(context, args, &app, &digest, &mail)
}

/// Prints the mail, writes it or opens it.
fn give(context: &Context, args: &Args, app: &App, digest: &Digest, mail: &RenderedMail) -> Result<(), CliError> {
    let format = args.format.unwrap_or(if args.open { Format::Html } else { Format::Text });
    let rendered = show(app, digest, mail, format)?;
    let file = match (&args.output, args.open) {
        (Some(file), _) => Some(file.clone()),
        (None, true) => {
            let folder = std::env::temp_dir();
            forget_earlier(&folder);
            // A name that nobody can foresee: the folder is everybody's.
            Some(folder.join(format!("{BEGINNING}{}.{}", PublicId::new(&SystemRandom), format.ending())))
        }
        (None, false) => None,
    };
    match &file {
        Some(file) => std::fs::write(file, rendered)
            .map_err(|error| CliError::Failed(format!("cannot write {}: {error}", file.display())))?,
        None if context.json => {}
        None => output::raw(String::from_utf8_lossy(&rendered))?,
    }
    if let Some(file) = file.filter(|_| args.open) {
        open_in_browser(&file);
    }
    Ok(())
}

/// What a reader would get, with links that lead to the site's front page: a preview is nobody's.
fn show(app: &App, digest: &Digest, mail: &RenderedMail, format: Format) -> Result<Vec<u8>, CliError> {
    let address = EmailAddress::parse(&format!("preview@{}", digest.sender.email.domain()))
        .map_err(|error| CliError::Failed(error.to_string()))?;
    let link = &app.config.server.public_url;
    let slots = Slots {
        name: "",
        address: &address,
        message_id: &format!("preview@{}", digest.sender.email.domain()),
        date: SystemClock.now(),
        unsubscribe_url: link,
        preferences_url: link,
        link,
    };
    Ok(match format {
        Format::Html => fill(&mail.html, &mail.marker, &slots, true).into_bytes(),
        Format::Text => fill(&mail.text, &mail.marker, &slots, false).into_bytes(),
        Format::Eml => {
            let message =
                Message::parse(&mail.mime, &mail.marker).map_err(|error| CliError::Failed(error.to_string()))?;
            let mut out = Vec::new();
            message.splice(&slots, &mut out);
            out
        }
    })
}

fn summary(mail: Option<&RenderedMail>, reckoning: &Reckoning, expected: &Expected) -> String {
    let mut lines = Vec::new();
    if let Some(mail) = mail {
        lines.push(format!("subject: {}", mail.subject));
    }
    lines.push(output::counted(reckoning.articles, "article"));
    lines.push(expected.describe());
    if let Some(reason) = &reckoning.reason {
        lines.push(format!("it would be skipped: {reason}"));
    }
    lines.join("\n")
}

/// Removes what was opened before: nobody else does. What is still being looked at may be loaded again.
fn forget_earlier(folder: &Path) {
    let is_ours = |path: &Path| {
        let name = path.file_stem().and_then(|name| name.to_str()).and_then(|name| name.strip_prefix(BEGINNING));
        let ending = path.extension().and_then(|ending| ending.to_str());
        name.is_some_and(|id| PublicId::parse(id).is_some())
            && Format::value_variants().iter().any(|format| ending == Some(format.ending()))
    };
    let is_old = |path: &Path| {
        let age =
            std::fs::symlink_metadata(path).and_then(|file| file.modified()).ok().and_then(|at| at.elapsed().ok());
        age.is_some_and(|age| age > KEPT)
    };
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    for file in files.filter(|file| is_ours(file) && is_old(file)) {
        // It may be somebody else's.
        let _ = std::fs::remove_file(file);
    }
}

/// Opens the file where there is a browser, and says where it is: without one, that is all.
fn open_in_browser(file: &Path) {
    let (opener, arguments): (_, &[&str]) = match std::env::consts::OS {
        "macos" => ("open", &[]),
        "windows" => ("cmd", &["/C", "start", ""]),
        _ => ("xdg-open", &[]),
    };
    let opened = Command::new(opener).args(arguments).arg(file).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    match opened {
        Ok(_) => output::note(format!("the preview is in {}", file.display())),
        Err(_) => output::error(format!("no browser was found; open {}", file.display())),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn what_was_opened_an_hour_ago_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let id = || PublicId::new(&SystemRandom).to_string();
        let kept = [
            format!("postround-{}.html", id()),
            format!("postround-{}.db", id()),
            "postround-weekly.html".to_owned(),
            format!("{}.html", id()),
        ];
        let gone = [format!("postround-{}.html", id()), format!("postround-{}.eml", id())];
        for (number, name) in kept.iter().chain(&gone).enumerate() {
            let file = File::create(folder.path().join(name)).unwrap();
            let age = if number == 0 { KEPT / 2 } else { KEPT * 2 };
            file.set_modified(SystemTime::now() - age).unwrap();
        }
        forget_earlier(folder.path());
        assert!(kept.iter().all(|name| folder.path().join(name).exists()));
        assert!(!gone.iter().any(|name| folder.path().join(name).exists()));
    }
}
