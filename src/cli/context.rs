//! What every command is given: the options before it, and the program put together on demand.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::CliError;
use crate::app::App;
use crate::config::{Config, ConfigError, Digest, Source};
use crate::domain::Locale;
use crate::store::Store;

/// How long closing the store may take.
const CLOSING: Duration = Duration::from_secs(2);

/// The options that stand before any command.
#[derive(Debug)]
pub struct Context {
    file: Option<PathBuf>,
    /// Whether results are printed as JSON.
    pub json: bool,
    config: std::sync::OnceLock<Arc<Config>>,
    store: std::sync::OnceLock<Store>,
}

impl Context {
    /// From the command line.
    pub fn new(file: Option<PathBuf>, json: bool) -> Self {
        Self { file, json, config: std::sync::OnceLock::new(), store: std::sync::OnceLock::new() }
    }

    /// The configuration's file, as the command line names it.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The configuration, read once.
    ///
    /// # Errors
    /// When there is none, or it is wrong.
    pub fn config(&self) -> Result<Arc<Config>, ConfigError> {
        if let Some(config) = self.config.get() {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(Config::load(&Config::find(self.file.as_deref())?, std::env::vars())?);
        config.templates.wordings.install();
        Ok(Arc::clone(self.config.get_or_init(|| config)))
    }

    /// The program, with its store open.
    ///
    /// # Errors
    /// When the configuration, a template, the keys or the store are not usable.
    pub async fn open(&self) -> Result<App, CliError> {
        Ok(self.noted(App::open(self.config()?).await?))
    }

    /// The same for a command that must do its work also while a template is wrong.
    ///
    /// # Errors
    /// When the configuration, the keys or the store are not usable.
    pub async fn open_in_any_case(&self) -> Result<App, CliError> {
        Ok(self.noted(App::open_in_any_case(self.config()?).await?))
    }

    /// The same for a command that makes no mail, so that a template that is wrong does not keep anybody from stopping an issue.
    ///
    /// # Errors
    /// When the configuration, the keys or the store are not usable.
    pub async fn open_without_templates(&self) -> Result<App, CliError> {
        Ok(self.noted(App::open_without_templates(self.config()?).await?))
    }

    fn noted(&self, app: App) -> App {
        // A second one of the same command is closed with the process.
        let _ = self.store.set(app.store.clone());
        app
    }

    /// Closes the store, if it was opened: the last of its processes brings SQLite's log into the file.
    pub async fn close(&self) {
        if let Some(store) = self.store.get() {
            // What still reads or writes in a thread of its own is not worth a wait.
            let _ = tokio::time::timeout(CLOSING, store.close()).await;
        }
    }

    /// The digest of that id.
    ///
    /// # Errors
    /// When the configuration has none.
    pub fn digest(&self, id: &str) -> Result<Digest, CliError> {
        let config = self.config()?;
        config.digest(id).cloned().ok_or_else(|| {
            let known: Vec<_> = config.digests.iter().map(|digest| digest.id.as_str()).collect();
            CliError::Usage(format!("there is no digest `{id}`; the digests are: {}", known.join(", ")))
        })
    }

    /// The locale of that code: of the program, or an operator's, which are known once the configuration has been read.
    ///
    /// # Errors
    /// When there is none.
    pub fn locale(&self, code: &str) -> Result<Locale, CliError> {
        self.config()?;
        Locale::parse(code).map_err(|error| CliError::Usage(error.to_string()))
    }

    /// The source of that id.
    ///
    /// # Errors
    /// When the configuration has none.
    pub fn source(&self, id: &str) -> Result<Source, CliError> {
        let config = self.config()?;
        config.source(id).cloned().ok_or_else(|| {
            let known: Vec<_> = config.sources.iter().map(|source| source.id.as_str()).collect();
            CliError::Usage(format!("there is no source `{id}`; the sources are: {}", known.join(", ")))
        })
    }
}
