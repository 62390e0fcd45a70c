//! `config`: checks it, or prints what is in effect.

use super::{CliError, Context, output};
use crate::render::Renderer;
use crate::web::check_pages;

/// Subcommands of `config`.
#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// Says whether it is right, and where not
    Check,
    /// Prints the effective configuration without secrets
    Show,
}

/// Runs one of them.
pub fn run(context: &Context, command: &Command) -> Result<(), CliError> {
    let config = context.config()?;
    match command {
        Command::Check => {
            let renderer = Renderer::of(&config)?;
            let strangers = check_pages(&config)?;
            for name in config.ignored_variables() {
                output::note(format!("note: {name} in the environment is none of ours: it has no `__` in it"));
            }
            let untranslated = config.untranslated();
            let gaps = config.templates.gaps.iter().chain(&strangers).chain(&untranslated).map(String::as_str);
            for gap in renderer.unused().chain(gaps) {
                output::note(format!("note: {gap}"));
            }
            if let Some(advice) = config.server.unnamed_proxy() {
                output::note(format!("warning: {advice}"));
            }
            let (sources, digests) = (config.sources.len(), config.digests.len());
            let has = format!("{}, {}", output::counted(sources, "source"), output::counted(digests, "digest"));
            let message = format!("{} is right: {has}", config.file.display());
            if context.json {
                output::json(&serde_json::json!({
                    "file": config.file, "ok": true, "sources": sources, "digests": digests,
                }))
            } else {
                output::line(message)
            }
        }
        Command::Show if context.json => output::json(&config.show_json()),
        Command::Show => output::raw(config.show()),
    }
}
