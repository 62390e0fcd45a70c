//! A whole Postround on this machine: a news site, a mail catcher with an inbox page, and readers.

pub mod catcher;
pub mod inbox;
mod pages;
