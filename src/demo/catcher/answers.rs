//! A script of answers, with which a test makes the catcher refuse, wait or break off at any point.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::command::Command;

/// Where a conversation has come to when the script is asked.
#[derive(Clone, Copy, Debug)]
pub struct Turn<'a> {
    /// The number of the connection, counted from 1 for each server.
    pub connection: u64,
    /// How many mails this connection has delivered so far.
    pub delivered: u64,
    /// What is to be answered.
    pub stage: Stage<'a>,
}

/// What is to be answered.
#[derive(Clone, Copy, Debug)]
pub enum Stage<'a> {
    /// The connection was opened: the greeting.
    Connect,
    /// A command was read.
    Command(&'a Command),
    /// A mail's final dot was read.
    Content {
        /// The envelope sender.
        from: &'a str,
        /// The envelope recipients.
        recipients: &'a [String],
        /// The mail.
        raw: &'a [u8],
    },
}

/// An answer other than the server's own.
///
/// What a command does follows from its code: a refused `MAIL` opens no envelope, a refused mail is not kept.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    pub(super) line: Option<(u16, String)>,
    pub(super) silent: bool,
    pub(super) delay: Duration,
    pub(super) close: bool,
    pub(super) keep: bool,
}

impl Reply {
    /// This code and text. A code outside 200 to 599 is sent as it is, which lets a test try a broken server.
    pub fn new(code: u16, text: impl Into<String>) -> Self {
        Self { line: Some((code, text.into())), ..Self::default() }
    }

    /// What the server would have said by itself; for adding [`Reply::after`] or [`Reply::then_close`].
    pub fn usual() -> Self {
        Self::default()
    }

    /// No answer: the connection is dropped.
    pub fn dropped() -> Self {
        Self { silent: true, close: true, ..Self::default() }
    }

    /// Waits before the answer, or before the drop.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Drops the connection after the answer.
    #[must_use]
    pub fn then_close(mut self) -> Self {
        self.close = true;
        self
    }

    /// Keeps the mail whatever the answer says, as a server does that dies between storing and answering.
    #[must_use]
    pub fn keeping(mut self) -> Self {
        self.keep = true;
        self
    }
}

type Script = dyn Fn(&Turn<'_>) -> Option<Reply> + Send + Sync;

/// The script of answers: asked before each answer, `None` leaves it to the server.
#[derive(Clone, Default)]
pub struct Answers(Option<Arc<Script>>);

impl Answers {
    /// A script. It is called on the server's own task and must not block.
    pub fn script(script: impl Fn(&Turn<'_>) -> Option<Reply> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(script)))
    }

    pub(super) fn ask(&self, turn: &Turn<'_>) -> Reply {
        self.0.as_ref().and_then(|script| script(turn)).unwrap_or_default()
    }
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Answers(script)" } else { "Answers(none)" })
    }
}
