//! `subscriber why`: for each digest and its latest issues, why an address gets it or does not.

use super::{CliError, Context, output};
use crate::app::App;
use crate::domain::EmailAddress;

/// Prints it.
pub async fn run(context: &Context, app: &App, email: &EmailAddress) -> Result<(), CliError> {
    let why = app.subscribers().why(email).await?;
    if context.json {
        return output::json(&why);
    }
    let state = match (&why.moved_to, why.state) {
        (Some(now), None) => format!("a former address of {now}"),
        (Some(now), Some(state)) => format!("{state}; also a former address of {now}, who stands for themselves"),
        (None, state) => state.map_or("unknown".to_owned(), |state| state.to_string()),
    };
    output::line(format!("{}  {state}", why.email))?;
    if let Some(suppressed) = &why.suppressed {
        output::line(format!("  suppressed since {}: {}", suppressed.since, suppressed.reason))?;
    }
    for digest in &why.digests {
        let gets = if digest.gets { "gets the next issue" } else { "gets nothing" };
        output::line(format!("  {}: {gets}: {}", digest.id, digest.why))?;
    }
    for issue in &why.issues {
        let number = issue.number.map(|number| format!(" no. {number}")).unwrap_or_default();
        output::line(format!("  issue {} ({}{number}, {}): {}", issue.id, issue.digest, issue.composed_at, issue.why))?;
    }
    Ok(())
}
