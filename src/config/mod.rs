//! `config.toml` to typed, checked settings.
//!
//! The file is read as a tree whose values know their line (`document`), variables of the environment are laid over
//! it (`environment`), and each table is then read and checked (`read`). Everything wrong is found in one go and
//! answered as `config.toml:LINE: KEY: what is wrong; what would be right`.

mod document;
mod environment;
mod error;
mod keys;
mod local_text;
mod nearest;
mod public;
mod rate;
mod read;
mod reader;
mod relays;
mod secret;
mod select;
mod settings;
mod show;
mod show_dkim;
mod show_relays;
mod show_sources;
mod source;
mod subject;
mod template_loops;
mod template_names;
mod template_words;
#[cfg(test)]
mod tests;
mod theme;
mod untranslated;
mod urls;
mod utm;
mod values;

use std::path::{Path, PathBuf};

pub use crate::wording::Wordings;
pub use error::{ConfigError, Place, Problem};
pub use local_text::LocalText;
pub(crate) use nearest::{listed, nearest, suggestion, unknown_name};
pub use public::{Captcha, Confirmation, DARK_GROUND, LIGHT_GROUND, READABLE, Subscribe, Web};
pub use rate::Rate;
pub(crate) use read::{domain_name, selector_name};
pub use relays::{Auth, Relay, RelayUrl, Smtp, Tls, WarmUp};
pub use secret::Secret;
pub use settings::*;
pub use source::*;
pub(crate) use subject::DEFAULT as DEFAULT_SUBJECT;
pub(crate) use template_loops::{TRIAL, begin_render, in_time, limited_tera};
pub(crate) use template_names::{Locals, Names};
pub(crate) use template_words::unknown_word;
pub use theme::{Logo, Palette, Theme};
pub use utm::Utm;
pub use values::write_duration;
pub(crate) use values::{BUILT_IN_TEMPLATE, as_words};

use reader::Report;

/// Where a configuration is looked for when none is named.
const PLACES: [&str; 2] = ["config.toml", "/etc/postround/config.toml"];

impl Config {
    /// The file to read: the one that was named, else `./config.toml`, else `/etc/postround/config.toml`.
    ///
    /// # Errors
    /// [`ConfigError::NotFound`] when there is none.
    pub fn find(explicit: Option<&Path>) -> Result<PathBuf, ConfigError> {
        let places: Vec<PathBuf> = match explicit {
            Some(path) => vec![path.to_owned()],
            None => PLACES.iter().map(PathBuf::from).collect(),
        };
        match places.iter().find(|path| path.exists()) {
            Some(path) => Ok(path.clone()),
            None => Err(ConfigError::NotFound { tried: places }),
        }
    }

    /// Reads and checks a file, with the variables of the environment over it.
    ///
    /// # Errors
    /// [`ConfigError`], with all that is wrong.
    pub fn load(path: &Path, env: impl Iterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable { file: path.to_owned(), source };
        let bytes = std::fs::read(path).map_err(unreadable)?;
        match String::from_utf8(bytes) {
            Ok(text) => Self::parse(&text, path, env),
            Err(error) => {
                let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
                let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
                Err(wrong_line(path, line, "this is not UTF-8; save the file in that encoding".to_owned()))
            }
        }
    }

    /// Checks a text as if it were the content of `file`, from whose folder relative paths count.
    ///
    /// # Errors
    /// [`ConfigError::Wrong`], with all that is wrong.
    pub fn parse(text: &str, file: &Path, env: impl Iterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let mut root = document::parse(text).map_err(|errors| {
            let problem = |(line, message)| problem(file, line, message);
            ConfigError::Wrong(errors.into_iter().map(problem).collect())
        })?;
        let report = Report::new(file);
        let ignored = environment::overlay(&mut root, env, &report);
        let config = read::config(&root, file, ignored, &report);
        let problems = report.into_problems();
        match config {
            Some(config) if problems.is_empty() => Ok(config),
            _ => Err(ConfigError::Wrong(problems)),
        }
    }

    /// What `[dkim]` of a file says, whose keys need not be there yet, and whatever else is wrong with the file. `None`: it
    /// has no such table.
    ///
    /// # Errors
    /// [`ConfigError`] when the file or that table is wrong.
    pub fn dkim_names(
        path: &Path,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<Option<DkimNames>, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable { file: path.to_owned(), source };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let mut root = document::parse(&text).map_err(|errors| {
            ConfigError::Wrong(errors.into_iter().map(|(line, message)| problem(path, line, message)).collect())
        })?;
        let report = Report::new(path);
        environment::overlay(&mut root, env, &report);
        let names = read::dkim_names(&root, path, &report);
        let problems: Vec<Problem> =
            report.into_problems().into_iter().filter(|problem| problem.key.starts_with("dkim")).collect();
        if problems.is_empty() { Ok(names) } else { Err(ConfigError::Wrong(problems)) }
    }

    /// The folder of the operator's templates as a file names it, whatever else is wrong with it: nothing is tried, and the folder
    /// need not be there.
    pub fn templates_dir(path: &Path, env: impl Iterator<Item = (String, String)>) -> Option<PathBuf> {
        let mut root = document::parse(&std::fs::read_to_string(path).ok()?).ok()?;
        let report = Report::new(path);
        environment::overlay(&mut root, env, &report);
        read::templates_dir(&root, path, &report)
    }

    /// Variables of the environment that begin as ours do and are none, since they have no `__`.
    pub fn ignored_variables(&self) -> &[String] {
        &self.ignored_variables
    }
}

fn problem(file: &Path, line: usize, message: String) -> Problem {
    Problem { file: file.to_owned(), place: Place::Line(line), key: String::new(), message }
}

fn wrong_line(file: &Path, line: usize, message: String) -> ConfigError {
    ConfigError::Wrong(vec![problem(file, line, message)])
}
