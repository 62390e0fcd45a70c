//! How a command fails: with a sentence and an exit code.

use std::io;
use std::process::ExitCode;

use crate::app::AppError;
use crate::collect::{CheckError, FetchError};
use crate::compose::ComposeError;
use crate::config::ConfigError;
use crate::daemon::DaemonError;
use crate::render::TemplateError;
use crate::store::StoreError;
use crate::subscribers::SubscribersError;
use crate::web::WebError;

/// A command that failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The command line names something that is not there.
    #[error("{0}")]
    Usage(String),
    /// The configuration is wrong; its lines say where.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// It was tried and failed.
    #[error("{0}")]
    Failed(String),
    /// The program could not be put together.
    #[error(transparent)]
    App(#[from] AppError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Composing failed.
    #[error(transparent)]
    Compose(#[from] ComposeError),
    /// A template is wrong.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A page is wrong.
    #[error(transparent)]
    Web(#[from] WebError),
    /// A source could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A source could not be checked.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// An action on a subscriber did not happen.
    #[error(transparent)]
    Subscribers(#[from] SubscribersError),
    /// The daemon could not start.
    #[error(transparent)]
    Daemon(#[from] DaemonError),
    /// A result or an answer could not be passed on.
    #[error("cannot read or write: {0}")]
    Output(#[from] io::Error),
}

impl CliError {
    /// 2 for wrong usage or configuration, else 1.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_)
            | Self::Config(_)
            | Self::Template(_)
            | Self::Web(_)
            | Self::App(AppError::Template(_))
            | Self::Daemon(DaemonError::Web(_) | DaemonError::App(AppError::Template(_))) => ExitCode::from(2),
            Self::Compose(
                ComposeError::Template(_)
                | ComposeError::NoIssue { .. }
                | ComposeError::NoArticle { .. }
                | ComposeError::SeveralArticles { .. },
            ) => ExitCode::from(2),
            _ => ExitCode::FAILURE,
        }
    }

    /// What the person reads. Lines of the configuration stand as they are, so that an editor can jump to them.
    pub fn report(&self) -> String {
        match self {
            Self::Config(error) => error.to_string(),
            other => format!("error: {other}"),
        }
    }
}
