//! Postround: a newsletter digest mailer.
//!
//! It collects the week's new articles from feeds and listing pages, renders them as an HTML and text digest, and
//! mails it on schedule to confirmed subscribers.
//!
//! # Layout
//!
//! The modules follow the data:
//!
//! - [`config`]: `config.toml` to typed, checked settings
//! - [`collect`]: a source's URL to articles
//! - [`compose`]: articles to an issue
//! - [`render`]: an issue to mails with slots
//! - [`deliver`]: mails and subscribers to messages at a relay, from the durable queue
//! - [`dkim`]: keys and signatures on mails
//! - [`subscribers`]: join, confirm, prefer, leave, consent, tokens, import
//! - [`alerts`]: warnings to the operator
//! - [`schedule`]: cron and time zone to the periods that are due
//! - [`store`]: all SQL; SQLite and PostgreSQL
//! - `wording`: what mails and pages say in each locale
//! - [`web`]: pages and routes, thin, over the rooms above
//! - [`domain`]: the words that all of them share, as types
//! - [`status`]: how the parts are doing, for supervisors and Prometheus
//! - [`app`]: the rooms wired together; [`daemon`]: keeps them going
//! - [`cli`]: one file for each command; [`demo`] is the largest of them

pub mod alerts;
pub mod app;
pub mod cli;
pub mod collect;
pub mod compose;
pub mod config;
pub mod daemon;
pub mod deliver;
pub mod demo;
pub mod dkim;
pub mod domain;
pub mod render;
pub mod schedule;
pub mod status;
pub mod store;
pub mod subscribers;
pub mod web;
mod wording;
