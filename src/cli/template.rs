//! `template export`: the built-in templates, for editing.

use std::path::{Path, PathBuf};

use super::{CliError, Context, output};
use crate::render::built_in_templates;
use crate::web::built_in_pages;
use crate::wording::built_in_wording;

/// `template` and its commands.
#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// Writes the built-in templates of mails and pages, and the wording of each locale, into a folder
    ///
    /// Name the folder as `dir` of `[templates]`, and delete what you do not change: whatever is missing there is taken from
    /// the program, also from later versions of it.
    Export {
        /// The folder; made where it is missing
        dir: PathBuf,
        /// Write over files that are there
        #[arg(long)]
        force: bool,
    },
}

/// Runs one of them.
pub fn run(context: &Context, command: &Command) -> Result<(), CliError> {
    match command {
        Command::Export { dir, force } => export(context, dir, *force),
    }
}

/// Writes all files, or none where one is in the way.
fn export(context: &Context, dir: &Path, force: bool) -> Result<(), CliError> {
    let mails = built_in_templates().iter().map(|(name, text)| (dir.join(name), *text));
    let pages = built_in_pages().map(|(name, text)| (dir.join(name), *text));
    let locales = built_in_wording().iter().map(|(code, text)| (dir.join(format!("locales/{code}.toml")), *text));
    let files: Vec<(PathBuf, &str)> = mails.chain(pages).chain(locales).collect();
    if let Some((file, _)) = files.iter().find(|(file, _)| !force && file.exists()) {
        return Err(CliError::Failed(format!(
            "{} is there already, and nothing was written; give another folder, or --force to write over what is there",
            file.display()
        )));
    }
    for (file, text) in &files {
        let folder = file.parent().unwrap_or(dir);
        let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(file, text));
        written.map_err(|error| CliError::Failed(format!("cannot write {}: {error}", file.display())))?;
    }
    if context.json {
        let names: Vec<_> = files.iter().map(|(file, _)| file.display().to_string()).collect();
        return output::json(&names);
    }
    let written = output::counted(files.len(), "file");
    output::line(format!("{written} in {}; what each sees is in docs/templates.md", dir.display()))
}
