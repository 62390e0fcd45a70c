//! `keys`: the keys that sign the links in mails.

use super::{CliError, Context, output};
use crate::app::AppError;
use crate::domain::SystemRandom;
use crate::subscribers::{Keys, Rotated};

/// Subcommands of `keys`.
#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// Signs new links with a new key; links in mails that were sent work for ever
    Rotate {
        /// Sign with it at once, on PostgreSQL too: this is the only node
        #[arg(long)]
        now: bool,
    },
}

/// Runs it.
pub async fn run(context: &Context, command: &Command) -> Result<(), CliError> {
    let Command::Rotate { now } = command;
    let app = context.open_without_templates().await?;
    let path = &app.config.store.keys;
    // On several nodes each must know the key before one signs with it.
    let rotated = match app.store.is_shared() && !now {
        true => Keys::rotate_on_nodes(path, &SystemRandom),
        false => Keys::rotate(path, &SystemRandom).map(|_| Rotated::Signs),
    };
    let rotated = rotated.map_err(AppError::Keys)?;
    if rotated == Rotated::Signs {
        Keys::open(path, &app.store, &SystemRandom).await.map_err(AppError::Keys)?;
    }
    if context.json {
        let waits = rotated == Rotated::Waits;
        return output::json(&serde_json::json!({ "keys": path.display().to_string(), "waits": waits }));
    }
    output::line(match rotated {
        Rotated::Signs => {
            format!("{}: a new key signs from now on; old links work on. Back the file up", path.display())
        }
        Rotated::Waits => format!(
            "{path}: a new key is accepted and signs nothing yet. Copy the file to each node, run `keys rotate` here again, \
             and copy it once more. (With one node alone, `keys rotate --now`.)",
            path = path.display()
        ),
    })
}
