//! The words of the domain as types that cannot hold a wrong value; every room speaks in them.

mod address;
mod bidi;
mod colour;
mod locale;
mod picture;
mod random;
mod states;
mod suggestion;
mod time;
mod visible;

pub use address::{AddressError, EmailAddress};
pub use bidi::{direction, kept_apart, without_turns};
pub use colour::{Colour, NoColour};
pub use locale::{Direction, Locale, UnknownLocale};
pub use picture::is_svg;
pub use random::{PublicId, Random, SystemRandom};
pub use states::{DeliveryState, IssueState, SubscriberState, SubscriptionState, UnknownState};
pub use time::{Clock, SystemClock, UtcMillis};
pub use visible::is_visible;
