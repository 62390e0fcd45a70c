//! `collect`: polls the sources once, now.

use super::{CliError, Context, output};
use crate::collect::{PollStatus, Polled};

/// Options of `collect`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Only this source
    #[arg(long, value_name = "ID")]
    source: Option<String>,
}

/// Polls, records, and prints what is new for each source. Fails when every source failed.
pub async fn run(context: &Context, args: &Args) -> Result<(), CliError> {
    if let Some(id) = &args.source {
        context.source(id)?;
    }
    let app = context.open_without_templates().await?;
    let polled = app.composer().collect(args.source.as_deref()).await?;
    if context.json {
        output::json(&polled)?;
    } else {
        let rows: Vec<_> = polled
            .iter()
            .map(|p| {
                vec![
                    p.source.clone(),
                    p.status.as_str().to_owned(),
                    p.new.to_string(),
                    p.error.clone().unwrap_or_default(),
                ]
            })
            .collect();
        output::table(&["source", "status", "new", "error"], &rows)?;
    }
    if !polled.is_empty() && polled.iter().all(|p| p.status == PollStatus::Failed) {
        return Err(CliError::Failed("no source could be read".to_owned()));
    }
    Ok(())
}

/// Warns of the sources that failed while an issue was composed or previewed.
pub fn warn_of_failures(polled: &[Polled]) {
    for failed in polled.iter().filter(|p| p.status == PollStatus::Failed) {
        output::error(format!("source `{}` failed: {}", failed.source, failed.error.as_deref().unwrap_or("no reason")));
    }
}
