//! Who is asking: the network address and the program there, as far as they can be believed.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::header::USER_AGENT;
use axum::http::request::Parts;
use ipnet::IpNet;

use super::AppState;
use crate::config::Retention;
use crate::subscribers::Origin;

/// How many letters are kept of what a program calls itself.
const AGENT_LIMIT: usize = 250;

/// Names each proxy's client, the nearest proxy's last. Anybody can send it, so only what a trusted proxy has added counts.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// What proxies add to a request that they pass on.
const FORWARDED: [&str; 5] = ["forwarded", FORWARDED_FOR, "x-forwarded-host", "x-real-ip", "via"];

/// Whether a proxy has passed the request on, as far as proxies say so.
pub(super) fn is_forwarded(headers: &HeaderMap) -> bool {
    FORWARDED.iter().any(|name| headers.contains_key(*name))
}

/// Whether a request came from a proxy on this machine which says for whom, and is not believed.
fn is_unnamed_proxy(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> bool {
    let peer = peer.to_canonical();
    let says = ["forwarded", FORWARDED_FOR, "x-real-ip"].iter().any(|name| headers.contains_key(*name));
    says && peer.is_loopback() && !is_trusted(peer, trusted)
}

fn is_trusted(peer: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|net| net.contains(&peer))
}

/// Whoever sent a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Visitor {
    /// The address that it came from; behind trusted proxies, the one that the outermost of them saw.
    pub(super) network: Option<IpAddr>,
    /// What the program calls itself: printable, and not endless.
    pub(super) agent: Option<String>,
    /// Whether a proxy that nobody has named has passed the request on, so that it may come from anywhere.
    pub(super) is_passed_on: bool,
    /// The address as the evidence keeps it.
    written: Option<String>,
}

impl Visitor {
    fn new(peer: Option<IpAddr>, headers: &HeaderMap, trusted: &[IpNet], kept: &Retention) -> Self {
        let peer = peer.map(|peer| peer.to_canonical());
        let seen = peer.map(|peer| client(peer, headers, trusted));
        let network = seen.map(|(client, _)| client);
        let by_stranger = !peer.is_some_and(|peer| is_trusted(peer, trusted));
        let is_passed_on = by_stranger && is_forwarded(headers) || seen.is_some_and(|(_, is_passed_on)| is_passed_on);
        let agent = headers.get(USER_AGENT).map(|agent| plain(&String::from_utf8_lossy(agent.as_bytes())));
        let written = network.and_then(|network| kept.network(network));
        Self { network, agent: agent.filter(|agent| !agent.is_empty()), is_passed_on, written }
    }

    /// `origin`, from here, as far as the evidence keeps it.
    pub(super) fn at<'a>(&'a self, origin: Origin<'a>) -> Origin<'a> {
        let agent = self.written.as_ref().and(self.agent.as_deref());
        origin.from(self.written.as_deref(), agent)
    }
}

impl FromRequestParts<AppState> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Self::Rejection> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
        let config = state.subscribers.config();
        if let Some(peer) = peer.filter(|peer| is_unnamed_proxy(*peer, &parts.headers, &config.server.trusted_proxies))
        {
            state.guards.tell_of_proxy(peer);
        }
        Ok(Self::new(peer, &parts.headers, &config.server.trusted_proxies, &config.retention))
    }
}

/// Follows what the proxies say from the nearest outwards, for as long as whoever says it is trusted; and says whether
/// whoever is not names somebody else in turn, as a proxy does.
fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> (IpAddr, bool) {
    let lines: Vec<&str> = headers.get_all(FORWARDED_FOR).iter().map(|line| line.to_str().unwrap_or("?")).collect();
    let mut hops = lines.iter().rev().flat_map(|line| line.rsplit(','));
    let mut client = peer;
    while is_trusted(client, trusted) {
        // Where there is nothing that can be read, the proxy itself is the nearest that is known.
        let Some(hop) = hops.next() else { return (client, false) };
        let Some(before) = address(hop) else { return (client, true) };
        client = before;
    }
    (client, hops.next().is_some())
}

/// An address with or without a port, as proxies write it.
fn address(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    let bare = || hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']')).unwrap_or(hop).parse().ok();
    let address: Option<IpAddr> = hop.parse::<SocketAddr>().ok().map(|address| address.ip()).or_else(bare);
    address.map(|address| address.to_canonical())
}

fn plain(agent: &str) -> String {
    agent.chars().filter(|letter| !letter.is_control()).take(AGENT_LIMIT).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn seen(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let lines = forwarded.iter().map(|line| (FORWARDED_FOR.parse().unwrap(), line.parse().unwrap()));
        let headers: HeaderMap = lines.collect();
        let trusted: Vec<IpNet> = trusted.iter().map(|net| net.parse().unwrap()).collect();
        Visitor::new(Some(peer.parse().unwrap()), &headers, &trusted, &Retention::default())
            .network
            .unwrap()
            .to_string()
    }

    #[rstest]
    #[case::without_a_proxy("198.51.100.7", &[], "198.51.100.7")]
    #[case::a_stranger_who_names_somebody_else("198.51.100.7", &["203.0.113.9"], "198.51.100.7")]
    #[case::a_trusted_proxy("10.0.0.1", &["203.0.113.9"], "203.0.113.9")]
    #[case::a_client_who_names_somebody_else_to_the_proxy("10.0.0.1", &["192.0.2.1, 203.0.113.9"], "203.0.113.9")]
    #[case::two_trusted_proxies("10.0.0.1", &["192.0.2.1, 203.0.113.9, 10.0.0.2"], "203.0.113.9")]
    #[case::two_lines("10.0.0.1", &["192.0.2.1", "203.0.113.9, 10.0.0.2"], "203.0.113.9")]
    #[case::nobody_but_proxies("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3")]
    #[case::a_proxy_that_says_nothing("10.0.0.1", &[], "10.0.0.1")]
    #[case::a_proxy_that_does_not_know("10.0.0.1", &["192.0.2.1, unknown"], "10.0.0.1")]
    #[case::with_a_port("10.0.0.1", &["203.0.113.9:4711"], "203.0.113.9")]
    #[case::of_ipv6_with_a_port("10.0.0.1", &["[2001:db8::7]:4711"], "2001:db8::7")]
    #[case::of_ipv6_in_brackets("10.0.0.1", &["[2001:db8::7]"], "2001:db8::7")]
    #[case::of_ipv6("fd00::1", &["2001:db8::7"], "2001:db8::7")]
    #[case::of_ipv4_in_ipv6("::ffff:10.0.0.1", &["::ffff:203.0.113.9"], "203.0.113.9")]
    fn the_client_is_the_nearest_that_no_trusted_proxy_is(
        #[case] peer: &str,
        #[case] forwarded: &[&str],
        #[case] expected: &str,
    ) {
        assert_eq!(seen(peer, forwarded, &["10.0.0.0/24", "fd00::1/128"]), expected);
    }

    #[rstest]
    #[case::from_somebody("198.51.100.7", &[], false)]
    #[case::by_somebody_unnamed("198.51.100.7", &["203.0.113.9"], true)]
    #[case::by_who_is_named("10.0.0.1", &["203.0.113.9"], false)]
    #[case::by_two_who_are_named("10.0.0.1", &["203.0.113.9, 10.0.0.2"], false)]
    #[case::by_somebody_unnamed_to_who_is_named("10.0.0.1", &["203.0.113.9, 127.0.0.1"], true)]
    #[case::by_who_does_not_know("10.0.0.1", &["unknown"], true)]
    fn what_a_proxy_has_passed_on_that_nobody_has_named_is_known(
        #[case] peer: &str,
        #[case] forwarded: &[&str],
        #[case] expected: bool,
    ) {
        let lines = forwarded.iter().map(|line| (FORWARDED_FOR.parse().unwrap(), line.parse().unwrap()));
        let trusted = ["10.0.0.0/24".parse().unwrap()];
        let visitor = Visitor::new(Some(peer.parse().unwrap()), &lines.collect(), &trusted, &Retention::default());
        assert_eq!(visitor.is_passed_on, expected);
    }

    #[test]
    fn without_trusted_proxies_the_header_counts_nothing() {
        assert_eq!(seen("10.0.0.1", &["203.0.113.9"], &[]), "10.0.0.1");
    }

    #[rstest]
    #[case::all(365, false, "198.51.100.7", Some("198.51.100.7"))]
    #[case::the_beginning(365, true, "198.51.100.7", Some("198.51.100.0/24"))]
    #[case::the_beginning_of_ipv6(365, true, "2001:db8:1:2::7", Some("2001:db8:1::/48"))]
    #[case::nothing(0, false, "198.51.100.7", None)]
    fn the_evidence_keeps_what_the_operator_wants_and_no_program_without_a_network(
        #[case] days: u64,
        #[case] network_prefix: bool,
        #[case] peer: &str,
        #[case] kept: Option<&str>,
    ) {
        let network = std::time::Duration::from_secs(days * 86_400);
        let retention = Retention { network, network_prefix, ..Retention::default() };
        let headers = HeaderMap::from_iter([(USER_AGENT, "Mail 1.0".parse().unwrap())]);
        let visitor = Visitor::new(Some(peer.parse().unwrap()), &headers, &[], &retention);
        let origin = visitor.at(Origin::PAGE);
        assert_eq!((origin.network, origin.agent), (kept, kept.map(|_| "Mail 1.0")));
    }

    #[test]
    fn a_program_says_its_name_in_printable_letters_and_not_for_ever() {
        let agent = |bytes: &[u8]| {
            let value = axum::http::HeaderValue::from_bytes(bytes).unwrap();
            Visitor::new(None, &HeaderMap::from_iter([(USER_AGENT, value)]), &[], &Retention::default()).agent
        };
        assert_eq!(agent(b"Mail\t1.0 \xc3\xa9"), Some("Mail1.0 é".to_owned()));
        assert_eq!(agent(b" "), None);
        assert_eq!(agent(&[b'x'; 1000]).unwrap().len(), AGENT_LIMIT);
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(line in "[ -~]{0,60}") {
            let headers = HeaderMap::from_iter([(FORWARDED_FOR.parse().unwrap(), line.parse().unwrap())]);
            let trusted: [IpNet; 1] = ["0.0.0.0/0".parse().unwrap()];
            Visitor::new(Some("10.0.0.1".parse().unwrap()), &headers, &trusted, &Retention::default());
        }
    }
}
