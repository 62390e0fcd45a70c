//! What the engine needs to know beside its store: the relay, the policy, and how long it waits for what.

use std::sync::Arc;
use std::time::Duration;

use crate::config::{Delivery, Smtp};
use crate::dkim::Signer;

/// What the engine needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The relays and their limits.
    pub smtp: Smtp,
    /// How deliveries are treated.
    pub delivery: Delivery,
    /// What this client calls itself in EHLO: a host name, or an address literal such as `[127.0.0.1]`.
    pub hello: String,
    /// What signs each message; none: they go out unsigned.
    pub dkim: Option<Arc<Signer>>,
    /// How long it waits for what.
    pub timings: Timings,
}

/// How long the engine waits for what.
#[derive(Clone, Copy, Debug)]
pub struct Timings {
    /// How long a connection without work is kept.
    pub idle: Duration,
    /// Between looks at an empty queue: other processes may have filled it.
    pub poll: Duration,
    /// The first pause after the relay itself has failed; each further failure doubles it.
    pub relay_pause: Duration,
    /// The longest such pause.
    pub relay_pause_max: Duration,
    /// The first rest of a relay that has asked for less speed; each further time doubles it.
    pub throttle_pause: Duration,
    /// After how much time that goes well it gets one connection more.
    pub throttle_step: Duration,
    /// How long messages in flight may take when the engine is asked to stop.
    pub stop: Duration,
    /// Between two beats of a node on a shared store.
    pub beat: Duration,
    /// A node whose beat has not been seen to move for so long is dead, and what it had is freed.
    pub lease: Duration,
}

/// How long a server may take for what: the times of RFC 5321 (4.5.3.2), in proportion to that for a command. It has less
/// for its greeting than there.
#[derive(Clone, Copy, Debug)]
pub struct Waits {
    /// For a TCP connection, a TLS handshake, and the answers to both: a server that works gives them at once, and one that
    /// does not shall not keep what others could take.
    pub connect: Duration,
    /// For the answer to a command.
    pub command: Duration,
    /// For the answer to the final dot, the sending of the content included.
    pub content: Duration,
}

impl Waits {
    /// For a server that may take so long for a command.
    pub fn of(command: Duration) -> Self {
        Self { connect: command / 10, command, content: command * 2 }
    }
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(5),
            poll: Duration::from_secs(1),
            relay_pause: Duration::from_secs(1),
            relay_pause_max: Duration::from_secs(300),
            throttle_pause: Duration::from_secs(600),
            throttle_step: Duration::from_secs(60),
            stop: Duration::from_secs(6),
            beat: Duration::from_secs(5),
            lease: Duration::from_secs(30),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Relay;

    #[test]
    fn a_relay_that_nothing_is_said_of_has_the_times_of_rfc_5321() {
        let Waits { connect, command, content } = Waits::of(Relay::TIMEOUT);
        assert_eq!([connect, command, content].map(|wait| wait.as_secs()), [30, 300, 600]);
    }
}
