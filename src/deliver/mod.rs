//! Mails and subscribers to messages at a relay, from the durable queue.
//!
//! An [`Engine`] claims deliveries in batches and shares them out to its connections. Each connection runs the loop of
//! `session` and `line`: the envelope, the durable start, the content, the answer. Starts and results of all connections go
//! through one recorder, which commits many in one statement; whatever the store does not grant is not sent. What a
//! refusal or a broken connection means for a delivery is decided in `policy` alone. How fast they go is decided in `pace`,
//! for all relays, each of which is a `station`. Where mails are signed,
//! `signing` has done so before a connection takes one.

mod aside;
mod bury;
mod connections;
mod conversation;
mod counts;
mod dial;
mod engine;
mod failing;
mod feed;
mod filing;
mod forecast;
mod forward;
mod gate;
mod health;
mod in_order;
mod lease;
mod line;
mod look;
mod message;
mod others;
mod outbox;
mod pace;
mod pacer;
mod phrases;
mod policy;
mod provider;
mod put_off;
mod quotas;
mod reason;
mod recorder;
mod refusals;
mod relay;
mod reply;
mod rests;
mod run;
mod scope;
mod session;
mod settings;
mod signing;
#[cfg(test)]
mod simulation;
mod station;
mod strays;
mod stream;
mod successor;
mod tally;
mod tasks;
mod tls;
mod told;
mod troubles;
mod unsigned;
mod unwelcome;
mod verdict;

pub use counts::Outcome;
pub use engine::Engine;
pub use forecast::Forecast;
pub use message::Links;
pub use provider::Provider;
pub use reason::Reason;
pub use relay::RelayError;
pub use settings::{Settings, Timings};
pub use station::RelayState;
pub use tally::Tally;
pub use troubles::{Trouble, troubles};
pub use unsigned::UnsignedIssue;
