//! What the outside sees of `deliver`: the queue of both databases, and real SMTP conversations at the other end.

mod broken;
mod crash;
mod leaving;
mod relays;
mod results;
mod starting;
mod world;
