//! A whole Postround on this machine: a news site, a mail catcher with an inbox page, and readers.

pub mod catcher;
mod config;
pub mod inbox;
mod pages;
mod readers;
pub mod site;

pub use config::{Places, config_toml};
pub use readers::{JoinError, READERS, Reader, join_all};
