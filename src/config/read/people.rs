//! What concerns the people: how they leave, and how long what is known of them is kept.

use std::time::Duration;

use crate::config::reader::Table;
use crate::config::settings::{Leave, Retention};
use crate::config::values;

/// What has been finished for less may be asked about, tried again or corrected.
const SHORTEST: Duration = Duration::from_secs(7 * 86_400);

/// Longer than any law asks for.
const LONGEST: Duration = Duration::from_secs(3650 * 86_400);

pub fn leave(table: &Table<'_>) -> Leave {
    Leave { goodbye_mail: table.field("goodbye_mail").and_then(|field| field.boolean()).unwrap_or_default() }
}

pub fn retention(table: &Table<'_>) -> Retention {
    let default = Retention::default();
    let network = table.given("network");
    let network = network.and_then(|field| field.parse(|text| values::duration(text, Duration::ZERO, LONGEST)));
    let network_prefix = table.field("network_prefix").and_then(|field| field.boolean());
    let deliveries = table.given("deliveries");
    let deliveries = deliveries.and_then(|field| field.parse(|text| values::duration(text, SHORTEST, LONGEST)));
    Retention {
        deliveries: deliveries.unwrap_or(default.deliveries),
        network: network.unwrap_or(default.network),
        network_prefix: network_prefix.unwrap_or(default.network_prefix),
    }
}
