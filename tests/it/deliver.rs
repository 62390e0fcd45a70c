//! What the outside sees of `deliver`: the queue of both databases, and real SMTP conversations at the other end.

mod accounts;
mod answers;
mod aside;
mod broken;
mod clocks;
mod crash;
mod faults;
mod leaving;
mod locking;
mod marking;
mod metronome;
mod order;
mod power;
mod rates;
mod real;
mod relays;
mod results;
mod servers;
mod several;
mod signed;
mod slowing;
mod starting;
mod stopping;
mod uncertain;
mod unwelcome;
mod world;
