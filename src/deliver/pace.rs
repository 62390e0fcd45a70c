//! How fast deliveries may go: so many a second for each relay, each domain and all; by quotas; and by the relays' weights.
//!
//! Not `governor`: a place must be asked for without taking it, be given back, and be shared with other nodes.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::gate::{Gate, Wish};
use super::scope::Scope;
use crate::config::{Rate, Smtp};

/// A rate in this is spread over it; one in more is a quota.
pub const SECOND: Duration = Duration::from_secs(1);

/// A relay that has taken nothing for so long has no claim to its share: the others take over.
const ABSENT: Duration = Duration::from_secs(2);

/// How many deliveries a relay may be ahead of its share, for each of its weight.
const AHEAD: u64 = 4;

#[derive(Debug)]
struct Share {
    weight: u64,
    served: u64,
    last: Option<Instant>,
}

/// Which of the limits something is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// That of all relays.
    All,
    /// That of the relay in this place.
    Relay(usize),
    /// That of a recipient domain.
    Domain(String),
}

/// All limits, as they stand.
#[derive(Debug)]
pub struct Pace {
    all: Scope,
    relays: Vec<Scope>,
    shares: Vec<Share>,
    domains: HashMap<String, Gate>,
    nodes: Arc<AtomicU32>,
    /// Whether the store says when something may go, since other nodes keep to the same limits.
    is_shared: bool,
}

impl Pace {
    /// The limits of a configuration. `nodes`: how many keep to them together; `is_shared`: whether there may be others.
    pub fn new(smtp: &Smtp, nodes: Arc<AtomicU32>, is_shared: bool) -> Self {
        let gate = if is_shared { Gate::shared } else { Gate::own };
        let has_quota = |rates: &[Rate], warms: bool| warms || rates.iter().any(|rate| rate.per != SECOND);
        let scope = |rates: &[Rate], warms: bool| Scope::new(rates, has_quota(rates, warms), gate);
        let share = |weight| Share { weight, served: 0, last: None };
        let all = scope(&smtp.rates, smtp.warm_up.is_some());
        let of_all = all.gate.as_ref().map(Gate::step).unwrap_or_default();
        let of_domain = |(domain, rate): &(String, Rate)| (domain.clone(), gate(*rate).of_domain(of_all));
        let mut pace = Self {
            all,
            relays: smtp.relays.iter().map(|relay| scope(&relay.rates, relay.warm_up.is_some())).collect(),
            shares: smtp.relays.iter().map(|relay| share(relay.weight as u64)).collect(),
            domains: smtp.per_domain.iter().map(of_domain).collect(),
            nodes,
            is_shared: false,
        };
        pace.is_shared = is_shared && pace.gates().next().is_some();
        pace
    }

    /// There was nothing to let through until `now`.
    pub fn was_idle(&mut self, now: Instant) {
        self.gates().for_each(|gate| gate.was_idle(now));
    }

    /// Whether the store has to be asked for places.
    pub fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// What to ask the store for, where so many are to go, by relays that are not resting, and so many of them to each
    /// domain. `owed`: what the store has said that was missed.
    pub fn wishes(
        &mut self,
        to_go: usize,
        rests: impl Fn(usize) -> bool,
        to_domain: impl Fn(&str) -> usize,
        owed: &HashMap<Limit, Duration>,
        now: Instant,
    ) -> Vec<(Limit, Wish)> {
        let scopes = std::iter::once((Limit::All, &mut self.all));
        let relays = self.relays.iter_mut().enumerate().filter(|(place, _)| !rests(*place));
        let relays = relays.map(|(place, relay)| (Limit::Relay(place), relay));
        let gates = scopes.chain(relays).filter_map(|(limit, scope)| Some((limit, scope.gate.as_mut()?, to_go)));
        let domains = self.domains.iter_mut().map(|(domain, gate)| {
            let to_go = to_domain(domain);
            (Limit::Domain(domain.clone()), gate, to_go)
        });
        let gates = gates.chain(domains).filter_map(|(limit, gate, to_go)| {
            let owed = owed.get(&limit).copied().unwrap_or_default();
            gate.wish(to_go, owed, now).map(|wish| (limit, wish))
        });
        gates.collect()
    }

    /// The store has granted a wish, from that time on.
    pub fn grant(&mut self, limit: &Limit, wish: &Wish, from: Instant) {
        if let Some(gate) = self.gate(limit) {
            gate.add(wish, from);
        }
    }

    /// Lets go of the places in hand that the store has given; says how much time of which limit they are.
    pub fn let_go(&mut self) -> Vec<(Limit, Duration)> {
        let scopes = std::iter::once((Limit::All, &mut self.all));
        let relays = self.relays.iter_mut().enumerate().map(|(place, relay)| (Limit::Relay(place), relay));
        let gates = scopes.chain(relays).filter_map(|(limit, scope)| Some((limit, scope.gate.as_mut()?)));
        let domains = self.domains.iter_mut().map(|(domain, gate)| (Limit::Domain(domain.clone()), gate));
        gates.chain(domains).map(|(limit, gate)| (limit, gate.let_go())).filter(|(_, time)| !time.is_zero()).collect()
    }

    /// When the next one may go within each rate, for a pace that follows this one.
    pub fn reached(&self) -> HashMap<Limit, Instant> {
        let relays = self.relays.iter().enumerate().map(|(place, relay)| (Limit::Relay(place), relay));
        let scopes = std::iter::once((Limit::All, &self.all)).chain(relays);
        let gates = scopes.filter_map(|(limit, scope)| Some((limit, scope.gate.as_ref()?)));
        let domains = self.domains.iter().map(|(domain, gate)| (Limit::Domain(domain.clone()), gate));
        gates.chain(domains).filter_map(|(limit, gate)| Some((limit, gate.reached()?))).collect()
    }

    /// The same, in the place of one that has reached this: beginning anew is no leave to go at once.
    #[must_use]
    pub fn following(mut self, reached: &HashMap<Limit, Instant>) -> Self {
        for (limit, at) in reached {
            if let Some(gate) = self.gate(limit) {
                gate.follow(*at);
            }
        }
        self
    }

    fn gate(&mut self, limit: &Limit) -> Option<&mut Gate> {
        match limit {
            Limit::All => self.all.gate.as_mut(),
            Limit::Relay(relay) => self.relays.get_mut(*relay)?.gate.as_mut(),
            Limit::Domain(domain) => self.domains.get_mut(domain),
        }
    }

    fn gates(&mut self) -> impl Iterator<Item = &mut Gate> {
        let scopes = std::iter::once(&mut self.all).chain(&mut self.relays).filter_map(|scope| scope.gate.as_mut());
        scopes.chain(self.domains.values_mut())
    }

    /// How many relays there are.
    pub fn relays(&self) -> usize {
        self.relays.len()
    }

    /// Whether relays share the work.
    pub fn has_shares(&self) -> bool {
        self.shares.len() > 1
    }

    /// Whether domains have limits of their own.
    pub fn has_domains(&self) -> bool {
        !self.domains.is_empty()
    }

    /// The domains that have limits of their own.
    pub fn domains(&self) -> impl Iterator<Item = &str> {
        self.domains.keys().map(String::as_str)
    }

    /// How many may go in a second from this node, as far as one can say; none: no limit.
    pub fn per_second(&self) -> Option<f64> {
        let nodes = f64::from(self.nodes());
        let rate = |scope: &Scope| scope.gate.as_ref().map(|gate| 1.0 / gate.step().as_secs_f64() / nodes);
        let relays: Option<f64> = self.relays.iter().map(rate).sum();
        rate(&self.all).into_iter().chain(relays).reduce(f64::min)
    }

    /// How many places of quotas are in hand; none: no relay is held up by one.
    pub fn places(&self) -> Option<u32> {
        let relays: Option<u32> = self.relays.iter().map(|relay| relay.places).sum();
        self.all.places.into_iter().chain(relays).min()
    }

    /// When `relay` may take the next one; `None`: not before something changes.
    pub fn opens(&self, relay: usize, now: Instant) -> Option<Instant> {
        let opens = self.all.opens(now)?.max(self.relays.get(relay)?.opens(now)?);
        match self.ahead_until(relay, now) {
            Some(until) => Some(opens.max(until)),
            None => Some(opens),
        }
    }

    /// When a delivery to `domain` may go, as far as the domain is concerned.
    pub fn domain_opens(&self, domain: &str, now: Instant) -> Instant {
        self.domains.get(domain).map_or(now, |gate| gate.opens(now))
    }

    /// How many deliveries to `domain` may go within a second, as far as the domain is concerned.
    pub fn soon_to(&self, domain: &str, now: Instant) -> usize {
        self.domains.get(domain).map_or(usize::MAX, |gate| gate.soon(now))
    }

    /// How long a step of a domain is, of all nodes together.
    pub fn domain_step(&self, domain: &str) -> Option<Duration> {
        self.domains.get(domain).map(Gate::step)
    }

    /// There was nothing to let through to `domain` until `now`.
    pub fn domain_was_idle(&mut self, domain: &str, now: Instant) {
        self.domains.get_mut(domain).into_iter().for_each(|gate| gate.was_idle(now));
    }

    /// `relay` takes one to `domain`.
    pub fn pass(&mut self, relay: usize, domain: &str, now: Instant) {
        self.all.pass(now);
        self.relays[relay].pass(now);
        if let Some(gate) = self.domains.get_mut(domain) {
            gate.pass(now);
        }
        if self.shares.len() > 1 {
            self.count(relay, now);
        }
    }

    /// What `relay` had taken has not gone out.
    pub fn give_back(&mut self, relay: usize) {
        for scope in [&mut self.all, &mut self.relays[relay]] {
            scope.places = scope.places.map(|places| places + 1);
        }
    }

    /// What `relay` had taken to `domain` has not been heard of at all by anybody: its turn is the next one's.
    pub fn give_back_turn(&mut self, relay: usize, domain: &str, now: Instant) {
        let scopes = [&mut self.all, &mut self.relays[relay]].into_iter().filter_map(|scope| scope.gate.as_mut());
        scopes.chain(self.domains.get_mut(domain)).for_each(|gate| gate.give_back(now));
    }

    /// `relay` does not work: the others need not wait for it.
    pub fn leave_out(&mut self, relay: usize) {
        self.shares[relay].last = None;
    }

    /// Adds places to the quota of a relay, or of all.
    pub fn add_places(&mut self, relay: Option<usize>, places: u32) {
        let scope = self.scope(relay);
        scope.places = scope.places.map(|some| some + places);
    }

    /// How many places a scope has in hand; none: it has no quota.
    pub fn places_of(&mut self, relay: Option<usize>) -> Option<u32> {
        self.scope(relay).places
    }

    /// Takes out the places that a scope has in hand.
    pub fn take_places(&mut self, relay: Option<usize>) -> u32 {
        self.scope(relay).places.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn scope(&mut self, relay: Option<usize>) -> &mut Scope {
        match relay {
            Some(relay) => &mut self.relays[relay],
            None => &mut self.all,
        }
    }

    /// How many nodes keep to the limits together.
    pub fn nodes(&self) -> u32 {
        self.nodes.load(Ordering::Relaxed).max(1)
    }

    /// Until when a relay that is ahead of its share waits for the others at the most.
    fn ahead_until(&self, relay: usize, now: Instant) -> Option<Instant> {
        let own = &self.shares[relay];
        let behind = |other: &&Share| {
            let is_there = other.last.is_some_and(|last| now < last + ABSENT);
            is_there && own.served * other.weight > (other.served + AHEAD * other.weight) * own.weight
        };
        let others = self.shares.iter().enumerate().filter(|(place, _)| *place != relay).map(|(_, share)| share);
        others.filter(behind).filter_map(|share| share.last).max().map(|last| last + ABSENT)
    }

    /// Counts one for a relay's share. Whoever comes back begins where the others are.
    fn count(&mut self, relay: usize, now: Instant) {
        let is_there = |share: &Share| share.last.is_some_and(|last| now < last + ABSENT);
        let weight = self.shares[relay].weight;
        if !is_there(&self.shares[relay]) {
            let others = self.shares.iter().enumerate().filter(|(place, share)| *place != relay && is_there(share));
            let level = others.map(|(_, share)| share.served * weight / share.weight).min();
            self.shares[relay].served = self.shares[relay].served.max(level.unwrap_or_default());
        }
        self.shares[relay].served += 1;
        self.shares[relay].last = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{RelayUrl, Smtp};

    fn pace(change: impl FnOnce(&mut Smtp)) -> Pace {
        let mut smtp = Smtp::to(RelayUrl::File("x".into()));
        smtp.relays.push(smtp.relays[0].clone());
        change(&mut smtp);
        Pace::new(&smtp, Arc::new(AtomicU32::new(1)), false)
    }

    /// How many pass in ten seconds when somebody asks each millisecond.
    fn in_ten_seconds(pace: &mut Pace, relays: &[usize]) -> Vec<u32> {
        let start = Instant::now();
        let mut passed = vec![0; relays.len()];
        for millisecond in 0..10_000 {
            let now = start + Duration::from_millis(millisecond);
            for (count, relay) in passed.iter_mut().zip(relays) {
                if pace.opens(*relay, now).is_some_and(|at| at <= now) {
                    pace.pass(*relay, "x.example", now);
                    *count += 1;
                }
            }
        }
        passed
    }

    fn rate(text: &str) -> Vec<Rate> {
        vec![Rate::parse(text).unwrap()]
    }

    #[tokio::test]
    async fn a_rate_is_that_of_all_relays_together() {
        let mut pace = pace(|smtp| smtp.rates = rate("50/s"));
        let passed: u32 = in_ten_seconds(&mut pace, &[0, 1]).iter().sum();
        assert!((499..=506).contains(&passed), "{passed}");
    }

    #[tokio::test]
    async fn a_pace_that_follows_another_goes_on_where_that_was() {
        let limit = |smtp: &mut Smtp| {
            smtp.rates = rate("5/s");
            smtp.relays[1].rates = rate("10/s");
            smtp.per_domain = vec![("x.example".to_owned(), Rate::parse("2/s").unwrap())];
        };
        let now = Instant::now();
        let mut before = pace(limit);
        before.was_idle(now);
        before.pass(1, "x.example", now);
        let after = pace(limit).following(&before.reached());
        let opens = |pace: &Pace| [pace.opens(0, now), pace.opens(1, now), Some(pace.domain_opens("x.example", now))];
        assert_eq!(opens(&after), opens(&before));
        assert!(opens(&after).iter().all(|opens| opens.is_some_and(|opens| opens > now)));
    }

    #[tokio::test]
    async fn to_a_domain_never_two_go_at_once_after_nobody_could_send() {
        for all in ["50/s", "3/s", "1/s"] {
            let domains = vec![("x.example".to_owned(), rate("1/s")[0])];
            let mut pace = pace(|smtp| (smtp.rates, smtp.per_domain) = (rate(all), domains));
            let now = Instant::now() + 5 * SECOND;
            pace.pass(0, "x.example", now);
            let again = pace.domain_opens("x.example", now).max(pace.opens(0, now).unwrap());
            assert!(again >= now + Duration::from_millis(600), "{all}: {:?}", again - now);
        }
    }

    #[tokio::test]
    async fn a_relay_has_a_rate_of_its_own() {
        let mut pace = pace(|smtp| smtp.relays[0].rates = rate("5/s"));
        assert!((50..=51).contains(&in_ten_seconds(&mut pace, &[0])[0]));
    }

    #[tokio::test]
    async fn relays_share_by_weight_and_the_others_take_over() {
        let mut pace = pace(|smtp| smtp.relays[0].weight = 3);
        let both = in_ten_seconds(&mut pace, &[0, 1]);
        assert!((2.9..3.1).contains(&(f64::from(both[0]) / f64::from(both[1]))), "{both:?}");
        pace.leave_out(0);
        assert_eq!(in_ten_seconds(&mut pace, &[1]), [10_000]);
    }

    #[tokio::test]
    async fn a_quota_lets_through_what_it_has_places_for() {
        let mut pace = pace(|smtp| smtp.rates = rate("500/h"));
        assert_eq!(in_ten_seconds(&mut pace, &[0]), [0]);
        pace.add_places(None, 7);
        assert_eq!((pace.places(), in_ten_seconds(&mut pace, &[0])), (Some(7), vec![7]));
        pace.give_back(0);
        assert_eq!(in_ten_seconds(&mut pace, &[0]), [1]);
    }
}
