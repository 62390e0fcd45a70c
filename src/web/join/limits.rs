//! How many sign-ups are taken: by network, by target domain, and in all. Beyond that people wait, then are asked to come back.
//! What is typed for an address that has had mails enough counts apart, so that a flood at one closes the form for no other.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, NotUntil, Quota, RateLimiter};
use ipnet::IpNet;

use super::mailboxes::{Attempt, Mailboxes};
use crate::config::{Rate, Subscribe};
use crate::domain::EmailAddress;
use crate::web::Warn;

/// How long somebody waits for their turn when there are many.
const PATIENCE: Duration = Duration::from_secs(8);

/// How often somebody who waits for another attempt at the same address looks what has become of it.
const LOOK: Duration = Duration::from_millis(250);

/// How many wait at once for their turn; more would only hold connections.
const WAITING: usize = 500;

/// After how many sign-ups the counts of those who are long gone are dropped.
const SWEEP: usize = 1000;

/// How often the operator hears of the same thing.
const QUIET: Duration = Duration::from_secs(600);

/// Somebody is asked to come back, after that time.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Later(pub(crate) Duration);

/// The counts of this process.
pub(crate) struct Limits {
    networks: DefaultKeyedRateLimiter<IpNet>,
    domains: DefaultKeyedRateLimiter<String>,
    overall: DefaultDirectRateLimiter,
    mailboxes: Mailboxes,
    /// What is typed for mailboxes that have had mails enough: as many as others, and none of theirs.
    repeated: DefaultDirectRateLimiter,
    settings: Subscribe,
    seen: AtomicUsize,
    waiting: AtomicUsize,
    /// Those who wait for another attempt at the same address, and take no place of whoever waits for a turn.
    following: AtomicUsize,
    told: Mutex<Vec<(&'static str, Instant)>>,
    warn: Warn,
}

impl Limits {
    pub(crate) fn new(settings: &Subscribe, warn: Warn) -> Self {
        Self {
            networks: RateLimiter::keyed(quota(settings.per_network)),
            domains: RateLimiter::keyed(quota(settings.per_domain)),
            overall: RateLimiter::direct(quota(settings.overall)),
            mailboxes: Mailboxes::default(),
            repeated: RateLimiter::direct(quota(settings.overall)),
            settings: settings.clone(),
            seen: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            following: AtomicUsize::new(0),
            told: Mutex::default(),
            warn,
        }
    }

    /// Counts a sign-up from there. This machine itself is no network: what comes from it comes through a proxy that
    /// nobody has named, and all visitors would share one limit.
    ///
    /// # Errors
    /// [`Later`] when that network had enough.
    pub(crate) fn admit(&self, network: Option<IpAddr>) -> Result<(), Later> {
        self.sweep();
        let Some(network) = network.filter(|network| !network.is_loopback()) else { return Ok(()) };
        let network = whole(network);
        let result = self.networks.check_key(&network);
        result.map_err(|no| {
            let wait = left(&no);
            let sentence = format!(
                "{network} sends more sign-ups than subscribe.per_network ({}) allows, and is asked to come back later. \
                 If that is your proxy, name it in server.trusted_proxies",
                self.settings.per_network
            );
            self.tell("signups_of_a_network", sentence);
            Later(wait)
        })
    }

    /// Waits for the turn of a sign-up for that address.
    ///
    /// # Errors
    /// [`Later`] when it would take too long.
    pub(crate) async fn turn(&self, address: &EmailAddress) -> Result<(), Later> {
        let started = Instant::now();
        loop {
            match self.mailboxes.attempt(address, Instant::now()) {
                Attempt::Enough => return self.repeat(),
                Attempt::Fresh(fresh) => {
                    self.place(started, address.domain()).await?;
                    fresh.count(Instant::now());
                    return Ok(());
                }
                Attempt::Waits if started.elapsed() > PATIENCE => return Err(Later(PATIENCE)),
                Attempt::Waits => {
                    let _place = Place::take(&self.following).ok_or(Later(PATIENCE))?;
                    tokio::time::sleep(LOOK).await;
                }
            }
        }
    }

    /// Of a domain first: what is refused there takes nothing from all the others.
    async fn place(&self, started: Instant, domain: &str) -> Result<(), Later> {
        let key = domain.to_owned();
        self.wait(started, || self.domains.check_key(&key).map_err(|no| left(&no)), || {
            let sentence = format!(
                "sign-ups for addresses at {domain} come faster than subscribe.per_domain ({}) allows: people wait, and \
                 some are asked to come back",
                self.settings.per_domain
            );
            self.tell("signups_of_a_domain", sentence);
        })
        .await?;
        self.wait(started, || self.overall.check().map_err(|no| left(&no)), || {
            let sentence = format!(
                "sign-ups come faster than subscribe.overall ({}) allows: people wait, and some are asked to come back",
                self.settings.overall
            );
            self.tell("signups_in_all", sentence);
        })
        .await
    }

    /// Nothing is mailed for it, so it takes no place; but it is work.
    fn repeat(&self) -> Result<(), Later> {
        self.repeated.check().map_err(|no| {
            let sentence = format!(
                "addresses that have had mails enough are typed again and again, faster than subscribe.overall ({}) allows: \
                 they are mailed nothing, and others are not held up",
                self.settings.overall
            );
            self.tell("signups_repeated", sentence);
            Later(left(&no))
        })
    }

    async fn wait(
        &self,
        started: Instant,
        check: impl Fn() -> Result<(), Duration>,
        tell: impl Fn(),
    ) -> Result<(), Later> {
        while let Err(wait) = check() {
            tell();
            if started.elapsed() + wait > PATIENCE {
                return Err(Later(wait));
            }
            let _place = Place::take(&self.waiting).ok_or(Later(PATIENCE))?;
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }

    /// Drops what has no influence any more, so that many networks take no memory for long.
    fn sweep(&self) {
        if self.seen.fetch_add(1, Ordering::Relaxed) % SWEEP == SWEEP - 1 {
            self.networks.retain_recent();
            self.domains.retain_recent();
            self.mailboxes.sweep(Instant::now());
        }
    }

    /// Tells the operator, unless they have just heard it.
    fn tell(&self, key: &'static str, sentence: String) {
        let mut told = self.told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        told.retain(|(_, at)| at.elapsed() < QUIET);
        if !told.iter().any(|(known, _)| *known == key) {
            told.push((key, Instant::now()));
            drop(told);
            (self.warn)(key, sentence);
        }
    }
}

/// One of the places for those who wait; given back when it is dropped.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Option<Self> {
        let place = Self(waiting);
        (waiting.fetch_add(1, Ordering::Relaxed) < WAITING).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The network of one customer: an IPv4 address, or a /64 of IPv6.
fn whole(address: IpAddr) -> IpNet {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpNet::from(IpAddr::V4(v4)),
        IpAddr::V6(v6) => IpNet::new(IpAddr::V6(v6), 64).map_or(IpNet::from(IpAddr::V6(v6)), |net| net.trunc()),
    }
}

/// How long until there is a place.
fn left(no: &NotUntil<<DefaultClock as Clock>::Instant>) -> Duration {
    no.wait_time_from(DefaultClock::default().now())
}

fn quota(rate: Rate) -> Quota {
    let each = (rate.per / rate.count.get()).max(Duration::from_nanos(1));
    Quota::with_period(each).unwrap_or(Quota::per_second(NonZeroU32::MIN)).allow_burst(rate.count)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn limits(per_network: &str, per_domain: &str, overall: &str) -> (Limits, Arc<Mutex<Vec<String>>>) {
        let rate = |text| Rate::parse(text).unwrap();
        let settings = Subscribe {
            per_network: rate(per_network),
            per_domain: rate(per_domain),
            overall: rate(overall),
            ..Subscribe::default()
        };
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ears = Arc::clone(&heard);
        let warn: Warn = Arc::new(move |key, sentence| ears.lock().unwrap().push(format!("{key}: {sentence}")));
        (Limits::new(&settings, warn), heard)
    }

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn a_network_of_ipv6_is_one_and_another_is_another() {
        let (limits, heard) = limits("2/d", "9/s", "9/s");
        assert_eq!(limits.admit(ip("2001:db8::1")), Ok(()));
        assert_eq!(limits.admit(ip("2001:db8::ffff:2")), Ok(()));
        assert!(limits.admit(ip("2001:db8::3")).unwrap_err().0 > Duration::from_secs(3600));
        assert_eq!(limits.admit(ip("2001:db8:0:1::1")), Ok(()));
        for last in 1..=2 {
            assert_eq!(limits.admit(ip(&format!("::ffff:198.51.100.{last}"))), Ok(()));
            assert_eq!(limits.admit(ip(&format!("198.51.100.{last}"))), Ok(()));
            assert!(limits.admit(ip(&format!("198.51.100.{last}"))).is_err());
        }
        let heard = heard.lock().unwrap();
        assert_eq!(heard.len(), 1, "{heard:?}");
        assert!(heard[0].starts_with("signups_of_a_network: 2001:db8::/64"), "{heard:?}");
    }

    #[test]
    fn this_machine_and_an_unknown_one_are_no_network() {
        let (limits, _) = limits("1/d", "9/s", "9/s");
        for _ in 0..9 {
            assert_eq!(
                (limits.admit(ip("127.0.0.1")), limits.admit(ip("::1")), limits.admit(None)),
                (Ok(()), Ok(()), Ok(()))
            );
        }
    }

    #[test]
    fn networks_that_never_come_to_their_turn_are_forgotten_too() {
        let (limits, _) = limits("1000000/s", "9/s", "9/s");
        for number in 0..3 * u32::try_from(SWEEP).unwrap() {
            assert_eq!(limits.admit(Some(IpAddr::from((number + 0x0a00_0000).to_be_bytes()))), Ok(()));
        }
        assert!(limits.networks.len() <= SWEEP, "{}", limits.networks.len());
    }

    fn somebody(number: usize, domain: &str) -> EmailAddress {
        EmailAddress::parse(&format!("a{number}@{domain}")).unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_flood_of_many_networks_slows_down_and_is_told_once() {
        let (limits, heard) = limits("9/s", "1000/s", "4/s");
        let started = Instant::now();
        for number in 0..8 {
            limits.turn(&somebody(0, &format!("d{number}.example"))).await.unwrap();
        }
        assert!(started.elapsed() > Duration::from_millis(700), "{:?}", started.elapsed());
        assert_eq!(heard.lock().unwrap().len(), 1);
        assert!(
            heard.lock().unwrap()[0].starts_with("signups_in_all: sign-ups come faster than subscribe.overall (4/s)")
        );
    }

    #[tokio::test]
    async fn one_domain_that_is_flooded_does_not_stop_the_others() {
        let (limits, heard) = limits("9/s", "2/d", "4/d");
        for number in 0..9 {
            assert_eq!(limits.turn(&somebody(number, "target.example")).await.is_ok(), number < 2);
        }
        for number in 0..2 {
            limits.turn(&somebody(number, "other.example")).await.unwrap();
        }
        assert!(limits.turn(&somebody(0, "third.example")).await.is_err(), "four in all");
        assert!(heard.lock().unwrap()[0].contains("addresses at target.example"));
    }

    #[tokio::test]
    async fn one_address_that_is_flooded_stops_nobody_else_of_its_domain_nor_of_others() {
        let (limits, heard) = limits("9/s", "2/d", "3/d");
        let target = EmailAddress::parse("a0@target.example").unwrap();
        limits.turn(&target).await.unwrap();
        for number in 0..3 {
            limits.turn(&EmailAddress::parse(&format!("a0+{number}@target.example")).unwrap()).await.unwrap();
        }
        assert!(limits.turn(&target).await.is_err(), "as much work as all others, and no more");
        assert!(heard.lock().unwrap()[0].starts_with("signups_repeated: "));
        limits.turn(&somebody(1, "target.example")).await.unwrap();
        for _ in 0..2 {
            assert!(limits.turn(&somebody(2, "target.example")).await.is_err(), "what was refused is not known");
        }
        limits.turn(&somebody(1, "other.example")).await.unwrap();
        assert!(limits.turn(&somebody(1, "third.example")).await.is_err());
    }

    #[tokio::test]
    async fn whoever_types_an_address_that_waits_for_its_turn_waits_for_it_too() {
        let (limits, _) = limits("9/s", "1/s", "2/d");
        limits.turn(&somebody(0, "a.example")).await.unwrap();
        let (target, started) = (somebody(1, "a.example"), Instant::now());
        let _others: Vec<_> = (1..WAITING).map(|_| Place::take(&limits.waiting).unwrap()).collect();
        let all = tokio::join!(limits.turn(&target), limits.turn(&target), limits.turn(&target));
        assert_eq!(all, (Ok(()), Ok(()), Ok(())), "one place for all, also among those who wait");
        assert!(started.elapsed() > Duration::from_millis(900), "and none before it: {:?}", started.elapsed());
    }

    #[tokio::test]
    async fn so_many_wait_and_no_more() {
        let (limits, _) = limits("9/s", "1000/s", "1/m");
        limits.turn(&somebody(0, "a.example")).await.unwrap();
        assert!(limits.turn(&somebody(1, "a.example")).await.is_err(), "a minute is too long to wait");
        let places: Vec<_> = (0..WAITING).map(|_| Place::take(&limits.waiting).unwrap()).collect();
        assert!(Place::take(&limits.waiting).is_none());
        drop(places);
        assert!(Place::take(&limits.waiting).is_some());
        assert_eq!(limits.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn so_many_follow_an_attempt_at_the_same_address_and_no_more() {
        let (limits, _) = limits("9/s", "9/s", "9/s");
        let (target, started) = (somebody(0, "a.example"), Instant::now());
        let Attempt::Fresh(first) = limits.mailboxes.attempt(&target, started) else { panic!("it was typed before") };
        let places: Vec<_> = (0..WAITING).map(|_| Place::take(&limits.following).unwrap()).collect();
        assert_eq!(limits.turn(&target).await, Err(Later(PATIENCE)));
        limits.turn(&somebody(1, "a.example")).await.unwrap();
        assert!(started.elapsed() < LOOK, "nobody waits for that: {:?}", started.elapsed());
        drop(places);
        let (follows, ()) = tokio::join!(limits.turn(&target), async { first.count(Instant::now()) });
        assert_eq!(follows, Ok(()));
    }
}
