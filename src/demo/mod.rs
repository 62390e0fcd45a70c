//! A whole Postround on this machine: a news site, a mail catcher, and readers.

pub mod catcher;
