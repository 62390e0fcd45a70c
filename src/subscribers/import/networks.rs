//! The network addresses and programs in a file's evidence, as far as the configuration lets them be kept.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::config::Retention;
use crate::domain::UtcMillis;

/// Reads a network address, or the beginning of one; what is none is nothing.
pub(super) fn read(text: &str) -> Option<String> {
    let address = text.parse::<IpAddr>().map(|address| address.to_string());
    address.or_else(|_| text.parse::<IpNet>().map(|beginning| beginning.to_string())).ok()
}

/// What is kept of a network, given as an address or as the beginning of one, from which something came at that time. What
/// would be forgotten by now is not kept anew.
pub(super) fn kept(network: &str, at: UtcMillis, retention: &Retention, now: UtcMillis) -> Option<String> {
    if is_over(at, retention, now) {
        return None;
    }
    if let Ok(address) = network.parse::<IpAddr>() {
        return retention.network(address);
    }
    let beginning = network.parse::<IpNet>().ok()?.trunc();
    let short = retention.network(beginning.addr())?.parse::<IpNet>().ok();
    // The whole of it, unless there is more of it than is to be kept.
    let longer = short.is_some_and(|short| short.prefix_len() < beginning.prefix_len());
    Some(short.filter(|_| longer).unwrap_or(beginning).to_string())
}

/// Whether the time for which networks and programs are kept is over.
pub(super) fn is_over(at: UtcMillis, retention: &Retention, now: UtcMillis) -> bool {
    retention.network.is_zero() || at < now.minus(retention.network)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::an_address("192.0.2.7", false, Some("192.0.2.7"))]
    #[case::its_beginning("192.0.2.7", true, Some("192.0.2.0/24"))]
    #[case::what_was_cut("192.0.2.0/24", true, Some("192.0.2.0/24"))]
    #[case::what_was_cut_and_may_be_whole("192.0.2.0/24", false, Some("192.0.2.0/24"))]
    #[case::what_was_cut_less("192.0.2.7/28", true, Some("192.0.2.0/24"))]
    #[case::what_was_cut_more("192.0.0.0/16", true, Some("192.0.0.0/16"))]
    #[case::of_ipv6("2001:db8:1:2::7", true, Some("2001:db8:1::/48"))]
    #[case::what_is_none("somewhere", false, None)]
    fn what_is_kept_of_a_network_is_what_the_configuration_says(
        #[case] network: &str,
        #[case] network_prefix: bool,
        #[case] expected: Option<&str>,
    ) {
        let retention = Retention { network_prefix, ..Retention::default() };
        let now = UtcMillis(1_800_000_000_000);
        assert_eq!(kept(network, now, &retention, now).as_deref(), expected);
        assert_eq!(kept(network, now.minus(retention.network), &retention, now).as_deref(), expected);
        let over = now.minus(retention.network).minus(Duration::from_millis(1));
        assert_eq!(kept(network, over, &retention, now), None);
        let nothing = Retention { network: Duration::ZERO, ..retention };
        assert_eq!(kept(network, now, &nothing, now), None);
    }
}
