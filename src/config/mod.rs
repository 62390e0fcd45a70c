//! `config.toml` to typed, checked settings.

mod settings;

pub use settings::*;
