//! `subscriber export`: one person's data, or everybody as a CSV file.

use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use super::{CliError, Context, output, person};
use crate::app::App;
use crate::domain::EmailAddress;
use crate::subscribers::SubscribersError;

/// Options of `subscriber export`.
#[derive(clap::Args, Debug)]
#[command(group = clap::ArgGroup::new("whom").args(["email", "all"]).required(true))]
pub struct Args {
    /// All that is held of this one, as JSON
    email: Option<EmailAddress>,
    /// Everybody, as CSV with the columns of the import
    #[arg(long)]
    all: bool,
    /// Into this file instead of stdout
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Runs it.
pub async fn run(_context: &Context, app: &App, args: &Args) -> Result<(), CliError> {
    let Some(path) = &args.output else { return write(app, args, &mut output::stream()).await };
    let failed = |source| SubscribersError::File { path: path.clone(), source };
    // There are addresses in it.
    let file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path).map_err(failed)?;
    let mut file = BufWriter::new(file);
    write(app, args, &mut file).await?;
    Ok(file.flush().map_err(failed)?)
}

async fn write(app: &App, args: &Args, to: &mut impl Write) -> Result<(), CliError> {
    let subscribers = app.subscribers();
    let Some(email) = &args.email else {
        let count = subscribers.export_all(&mut *to).await?;
        output::note(output::people(count));
        return Ok(());
    };
    let Some(held) = subscribers.data_of(email).await? else {
        person::is_present(&subscribers, email).await?;
        return Err(person::unknown(email));
    };
    if let Some(now) = subscribers.moved_to(email).await? {
        output::note(format!("{email} is a former address of {now} as well: what is held of them is there"));
    }
    let text = serde_json::to_string_pretty(&held).map_err(|error| CliError::Output(error.into()))?;
    writeln!(to, "{text}").map_err(CliError::Output)
}
