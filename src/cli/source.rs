//! `source`: the state of the sources, and a try of any address or file.

use serde::Serialize;

use super::{CliError, Context, output};
use crate::collect::{self, Fetcher, Kind, Limits};
use crate::domain::UtcMillis;

/// Subcommands of `source`.
#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// State of the sources: when each was read last, and how that went
    List,
    /// Tries an address or a saved file: finds its feed or guesses a listing page's selectors, and prints its articles
    Check {
        /// The address, or a file
        #[arg(value_name = "URL|FILE")]
        target: String,
    },
}

#[derive(Serialize)]
struct Listed<'a> {
    id: &'a str,
    kind: &'static str,
    url: &'a str,
    title: Option<String>,
    status: Option<String>,
    polled_at: Option<UtcMillis>,
    succeeded_at: Option<UtcMillis>,
    failures: i64,
    error: Option<String>,
}

/// Runs one of them.
pub async fn run(context: &Context, command: &Command) -> Result<(), CliError> {
    match command {
        Command::List => list(context).await,
        Command::Check { target } => check(context, target).await,
    }
}

async fn list(context: &Context) -> Result<(), CliError> {
    let app = context.open_without_templates().await?;
    let mut session = app.store.read().await?;
    let mut listed = Vec::new();
    for source in &app.config.sources {
        let row = session.source(&source.id).await?;
        listed.push(Listed {
            id: &source.id,
            kind: match source.kind {
                crate::config::SourceKind::Feed(_) => "feed",
                crate::config::SourceKind::Page { .. } => "page",
            },
            url: source.url().as_str(),
            title: row.as_ref().and_then(|row| row.title.clone()),
            status: row.as_ref().map(|row| row.status.clone()),
            polled_at: row.as_ref().and_then(|row| row.polled_at),
            succeeded_at: row.as_ref().and_then(|row| row.succeeded_at),
            failures: row.as_ref().map_or(0, |row| row.failures),
            error: row.and_then(|row| row.error),
        });
    }
    if context.json {
        return output::json(&listed);
    }
    let rows: Vec<_> = listed
        .iter()
        .map(|s| {
            vec![
                s.id.to_owned(),
                s.kind.to_owned(),
                s.status.clone().unwrap_or_else(|| "not read yet".to_owned()),
                s.succeeded_at.map(|at| at.to_string()).unwrap_or_default(),
                s.error.clone().unwrap_or_else(|| s.url.to_owned()),
            ]
        })
        .collect();
    output::table(&["source", "kind", "status", "last read", "address or error"], &rows)
}

async fn check(context: &Context, target: &str) -> Result<(), CliError> {
    // Works without a configuration: it is how one begins; then nothing says that private addresses are out of bounds.
    let allow_private = context.config().map_or(true, |config| config.collect.allow_private_networks);
    let fetcher = Fetcher::new(Limits::default(), allow_private)?;
    let checked = collect::check(target, &fetcher).await?;
    if context.json {
        return output::json(&checked);
    }
    let document = &checked.document;
    let kind = match document.kind {
        Kind::Rss => "an RSS feed",
        Kind::Atom => "an Atom feed",
        Kind::Json => "a JSON Feed",
        Kind::Page => "a listing page",
    };
    let repaired = if document.repaired { ", repaired" } else { "" };
    let title = document.title.as_deref().unwrap_or("no title");
    let articles = output::counted(document.articles.len(), "article");
    output::line(format!("\"{title}\", {kind}{repaired}, {articles}"))?;
    for found in &document.articles {
        let date = found.published.map(|at| at.to_utc().format("%Y-%m-%d").to_string());
        let date = date.unwrap_or_else(|| "no date".to_owned());
        output::line(format!("\n  {date:10}  {}", found.title.as_deref().unwrap_or("no title")))?;
        output::line(format!("              {}", found.url.as_deref().unwrap_or("no link")))?;
    }
    for note in &checked.notes {
        output::note(format!("note: {note}"));
    }
    output::line(format!("\n{}", checked.config.trim_end()))
}
