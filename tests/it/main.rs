//! The integration tests: one binary, one module for each room.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    reason = "a test that meets the unexpected shall fail at once"
)]

mod alerts;
mod browser;
mod collect;
mod config;
mod daemon;
mod deliver;
mod demo;
mod digests;
mod due;
mod flow;
mod imports;
mod issues;
mod notices;
mod readme;
mod render;
mod store;
mod subscribers;
mod support;
mod templates;
mod variants;
mod web;
