//! How long an issue will take at the rates and quotas that are set, before it is sent.

use std::time::Duration;

use super::pace::SECOND;
use super::quotas::for_many;
use super::troubles::{Trouble, troubles};
use crate::config::{Rate, Smtp, WarmUp};
use crate::domain::UtcMillis;
use crate::store::{Session, StoreError};

const DAY: u64 = 86_400;

/// Nothing is foreseen further than this.
const HORIZON: u64 = 400 * DAY;

/// What is to be expected of an issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// How long the limits hold it up; `None`: longer than a year, or nobody can say, since no relay works that would be enough.
    /// Zero: it goes as fast as the relays take it.
    pub takes: Option<Duration>,
    /// How many of them the quotas let through at once; `None`: there is no quota.
    pub quota: Option<u64>,
    /// Relays that have asked for less speed, and for how long they still get nothing.
    pub rests: Vec<(String, Duration)>,
    /// Relays that do not work, as far as is known.
    pub failing: Vec<Trouble>,
}

/// What limits a relay, or all of them.
struct Scope<'a> {
    rates: &'a [Rate],
    /// Of the time of each rate: what was taken in it.
    taken: Vec<Vec<Taken>>,
    warm_up: Option<WarmUp>,
    taken_today: u64,
    /// For so many seconds it gets nothing.
    rests: u64,
}

/// Places of a quota that have been taken.
struct Taken {
    /// After so many seconds they are free again.
    free_in: u64,
    places: i64,
}

/// All that limits how fast mails go, but for the domains.
struct Limits<'a> {
    all: Scope<'a>,
    /// Each relay's weight and limits.
    relays: Vec<(u64, Scope<'a>)>,
}

impl Forecast {
    /// Of so many mails, of which so many go to the domains that have a limit of their own: those of that issue; none: of one that
    /// would be composed now. What has waited for longer goes before.
    ///
    /// # Errors
    /// When the store cannot say what was sent lately.
    pub async fn of(
        session: &mut Session,
        smtp: &Smtp,
        people: u64,
        at_domains: &[(&str, Rate, u64)],
        (issue, now): (Option<i64>, UtcMillis),
    ) -> Result<Self, StoreError> {
        let rests = resting(session, smtp).await?;
        let mut failing = troubles(session, smtp, now).await?;
        failing.retain(|trouble| trouble.sender.is_none());
        let limits = Limits::read(session, smtp, (&rests, &failing), now).await?;
        let mut by_domain = 0;
        for (domain, rate, people) in at_domains.iter().filter(|(_, _, people)| *people > 0) {
            let before = session.waiting_before_at(issue, domain).await?.unsigned_abs();
            by_domain = by_domain.max(per_second(*rate, before + people));
        }
        let is_free = limits.capacity(0, now) == u64::MAX;
        let before = if is_free || people == 0 { 0 } else { session.waiting_before(issue).await?.unsigned_abs() };
        let takes = least(|seconds| limits.capacity(seconds, now) >= before + people);
        let takes = takes.map(|seconds| Duration::from_secs(seconds.max(by_domain)));
        let quota = limits.quota(now);
        let quota = (quota < u64::MAX).then(|| quota.saturating_sub(before));
        Ok(Self { takes, quota, rests, failing })
    }

    /// Of what still waits of an issue, so many mails.
    ///
    /// # Errors
    /// When the store cannot say what was sent lately, or what waits.
    pub async fn of_issue(
        session: &mut Session,
        smtp: &Smtp,
        issue: i64,
        waiting: u64,
        now: UtcMillis,
    ) -> Result<Self, StoreError> {
        let mut at_domains = Vec::with_capacity(smtp.per_domain.len());
        for (domain, rate) in &smtp.per_domain {
            let waiting = session.waiting_at(issue, domain).await?.unsigned_abs();
            at_domains.push((domain.as_str(), *rate, waiting));
        }
        Self::of(session, smtp, waiting, &at_domains, (Some(issue), now)).await
    }
}

impl<'a> Limits<'a> {
    async fn read(
        session: &mut Session,
        smtp: &'a Smtp,
        (rests, failing): (&[(String, Duration)], &[Trouble]),
        now: UtcMillis,
    ) -> Result<Self, StoreError> {
        let all = Scope::read(session, "*", &smtp.rates, smtp.warm_up, now).await?;
        let mut relays = Vec::with_capacity(smtp.relays.len());
        for relay in &smtp.relays {
            let scope = Scope::read(session, &relay.id, &relay.rates, relay.warm_up, now).await?;
            let rest = rests.iter().find(|(id, _)| *id == relay.id).map(|(_, rest)| rest.as_secs() + 1);
            // When it will work again nobody knows.
            let rest = rest.or_else(|| failing.iter().any(|trouble| trouble.relay == relay.id).then_some(HORIZON + 1));
            relays.push((relay.weight as u64, Scope { rests: rest.unwrap_or_default(), ..scope }));
        }
        Ok(Self { all, relays })
    }

    /// How many get through within so many seconds.
    fn capacity(&self, seconds: u64, now: UtcMillis) -> u64 {
        let together = |sum: u64, (_, relay): &(u64, Scope<'_>)| sum.saturating_add(relay.capacity(seconds, now));
        let relays = self.relays.iter().fold(0, together);
        relays.min(self.by_weight(seconds, now)).min(self.all.capacity(seconds, now))
    }

    /// How many that are while the relays keep to their weights: the slowest for its weight holds up the others. One whose
    /// quota is used up does not, nor does one that rests, until it has rested.
    fn by_weight(&self, seconds: u64, now: UtcMillis) -> u64 {
        let whole: u64 = self.relays.iter().map(|(weight, _)| weight).sum();
        let bounds = self.relays.iter().filter_map(|(weight, relay)| {
            let steady = relay.steady(seconds)?;
            let without = self.without(relay, seconds, now);
            let with = steady.saturating_mul(whole) / weight.max(&1);
            (steady <= relay.quota(seconds, now)).then(|| without.saturating_add(with))
        });
        bounds.min().unwrap_or(u64::MAX)
    }

    /// How many get through within so many seconds before a relay has rested.
    fn without(&self, relay: &Scope<'_>, seconds: u64, now: UtcMillis) -> u64 {
        if relay.rests == 0 {
            return 0;
        }
        let others = self.relays.iter().map(|(_, other)| other.capacity(seconds.min(relay.rests), now));
        others.fold(0, u64::saturating_add)
    }

    /// How many the quotas let through at once: those of relays that rest let nothing through, unless all of them do.
    fn quota(&self, now: UtcMillis) -> u64 {
        let all_rest = self.relays.iter().all(|(_, relay)| relay.rests > 0);
        let able = self.relays.iter().filter(|(_, relay)| all_rest || relay.rests == 0);
        let together = |sum: u64, (_, relay): &(u64, Scope<'_>)| sum.saturating_add(relay.quota(0, now));
        able.fold(0, together).min(self.all.quota(0, now))
    }
}

impl<'a> Scope<'a> {
    async fn read(
        session: &mut Session,
        name: &str,
        rates: &'a [Rate],
        warm_up: Option<WarmUp>,
        now: UtcMillis,
    ) -> Result<Self, StoreError> {
        let mut taken = Vec::with_capacity(rates.len());
        for rate in rates {
            taken.push(match rate.per {
                SECOND => Vec::new(),
                per => taken_in(session, name, per, now).await?,
            });
        }
        let taken_today = match warm_up {
            Some(_) => session.quota_taken(name, 24 * 60, now).await?,
            None => 0,
        };
        Ok(Self { rates, taken, warm_up, taken_today, rests: 0 })
    }

    /// How many it lets through within so many seconds.
    fn capacity(&self, seconds: u64, now: UtcMillis) -> u64 {
        if seconds < self.rests {
            return 0;
        }
        self.steady(seconds).unwrap_or(u64::MAX).min(self.quota(seconds, now))
    }

    /// The same by its rates per second alone, where it has one.
    fn steady(&self, seconds: u64) -> Option<u64> {
        let steady = self.rates.iter().filter(|rate| rate.per == SECOND);
        steady.map(|rate| u64::from(rate.count.get()).saturating_mul(seconds.saturating_sub(self.rests))).min()
    }

    /// The same by its quotas alone. What was taken lately is free again a window after that, and so on.
    fn quota(&self, seconds: u64, now: UtcMillis) -> u64 {
        let windows = self.rates.iter().zip(&self.taken).filter(|(rate, _)| rate.per != SECOND).map(|(rate, taken)| {
            let (count, window) = (u64::from(for_many(rate.count.get())), rate.per.as_secs().max(1));
            let still: i64 = taken.iter().filter(|one| one.free_in > seconds % window).map(|one| one.places).sum();
            let free = count.saturating_sub(u64::try_from(still).unwrap_or_default());
            free.saturating_add(count.saturating_mul(seconds / window))
        });
        let warm_up = self.warm_up.map(|warm_up| {
            let today = now.to_utc().date_naive();
            let days = (1..=seconds / DAY).filter_map(|day| today.checked_add_days(chrono::Days::new(day)));
            let first = u64::from(for_many(warm_up.on(today))).saturating_sub(self.taken_today);
            days.fold(first, |sum, day| sum.saturating_add(u64::from(for_many(warm_up.on(day)))))
        });
        windows.chain(warm_up).min().unwrap_or(u64::MAX)
    }
}

/// What was taken of a quota in its time.
async fn taken_in(session: &mut Session, name: &str, per: Duration, now: UtcMillis) -> Result<Vec<Taken>, StoreError> {
    let minutes = i64::try_from(per.as_secs() / 60).unwrap_or(i64::MAX);
    let rows = session.quota_rows(name, minutes, now).await?;
    let free_in = |minute: i64| {
        let over = minute.saturating_add(minutes).saturating_add(1).saturating_mul(60) - now.0.div_euclid(1000);
        u64::try_from(over).unwrap_or_default().min(per.as_secs())
    };
    Ok(rows.into_iter().map(|(minute, places)| Taken { free_in: free_in(minute), places }).collect())
}

/// The relays that have asked for less speed and still rest, and for how long.
async fn resting(session: &mut Session, smtp: &Smtp) -> Result<Vec<(String, Duration)>, StoreError> {
    let slow = session.slow_relays().await?.into_iter().filter(|slow| slow.rests > 0);
    let known = slow.filter_map(|slow| {
        let relay = smtp.relays.iter().find(|relay| relay.account() == slow.relay)?;
        Some((relay.id.clone(), slow.rests()))
    });
    Ok(known.collect())
}

/// How many seconds so many take at a rate.
fn per_second(rate: Rate, people: u64) -> u64 {
    people.saturating_mul(rate.per.as_secs()) / u64::from(rate.count.get())
}

/// The least number of seconds after which it is enough.
fn least(enough: impl Fn(u64) -> bool) -> Option<u64> {
    let (mut too_few, mut most) = (0, HORIZON);
    if enough(0) {
        return Some(0);
    }
    if !enough(most) {
        return None;
    }
    while most - too_few > 1 {
        let middle = too_few.midpoint(most);
        if enough(middle) { most = middle } else { too_few = middle }
    }
    Some(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope<'a>(rates: &'a [Rate], taken: &[u64]) -> Scope<'a> {
        let just_now = |(rate, taken): (&Rate, &u64)| {
            vec![Taken { free_in: rate.per.as_secs(), places: i64::try_from(*taken).unwrap() }]
        };
        let taken = rates.iter().zip(taken).map(just_now).collect();
        Scope { rates, taken, warm_up: None, taken_today: 0, rests: 0 }
    }

    fn takes(scope: &Scope<'_>, people: u64) -> Option<u64> {
        least(|seconds| scope.capacity(seconds, UtcMillis(0)) >= people)
    }

    #[test]
    fn a_rate_alone_gives_the_time() {
        let rates = [Rate::parse("20/s").unwrap()];
        assert_eq!(takes(&scope(&rates, &[0]), 1000), Some(50));
        assert_eq!(takes(&scope(&[], &[]), 1_000_000), Some(0));
    }

    #[test]
    fn what_was_sent_in_the_last_hour_is_missing_until_it_is_over() {
        let rates = [Rate::parse("500/h").unwrap()];
        assert_eq!(takes(&scope(&rates, &[100]), 375), Some(0), "25 are kept for confirmations");
        assert_eq!(takes(&scope(&rates, &[100]), 376), Some(3600));
        assert_eq!(takes(&scope(&rates, &[700]), 1001), Some(3 * 3600));
    }

    #[test]
    fn what_was_taken_is_free_again_an_hour_after_it_was_taken() {
        let rates = [Rate::parse("20/h").unwrap()];
        let taken = vec![vec![Taken { free_in: 600, places: 10 }, Taken { free_in: 1800, places: 9 }]];
        let scope = Scope { taken, ..scope(&rates, &[0]) };
        assert_eq!([10, 11, 19].map(|people| takes(&scope, people)), [Some(600), Some(1800), Some(1800)]);
        assert_eq!([20, 30].map(|people| takes(&scope, people)), [Some(4200), Some(5400)], "and an hour later");
    }

    #[test]
    fn a_relay_that_is_slow_for_its_weight_holds_up_the_others_until_its_quota_is_used_up() {
        let [slow, fast] = [[Rate::parse("10/s").unwrap()], [Rate::parse("50/s").unwrap()]];
        let scarce = [slow[0], Rate::parse("100/h").unwrap()];
        let takes = |weight: u64, first: Scope<'_>, people: u64| {
            let limits = Limits { all: scope(&[], &[]), relays: vec![(weight, first), (1, scope(&fast, &[0]))] };
            least(|seconds| limits.capacity(seconds, UtcMillis(0)) >= people)
        };
        assert_eq!(takes(1, scope(&slow, &[0]), 600), Some(30), "ten each second through each");
        assert_eq!(takes(3, scope(&slow, &[0]), 600), Some(45), "ten through the one, three through the other");
        assert_eq!(takes(1, scope(&scarce, &[0, 0]), 10_095), Some(200), "95 through the one");
    }

    #[test]
    fn a_relay_that_rests_gets_nothing_and_holds_up_no_other_until_it_has_rested() {
        let [slow, fast] = [[Rate::parse("10/s").unwrap()], [Rate::parse("50/s").unwrap()]];
        let resting = |rates| Scope { rests: 600, ..scope(rates, &[0]) };
        assert_eq!([takes(&resting(&[]), 1), takes(&resting(&slow), 100)], [Some(600), Some(610)]);
        let takes = |people: u64| {
            let limits = Limits { all: scope(&[], &[]), relays: vec![(1, resting(&slow)), (1, scope(&fast, &[0]))] };
            least(|seconds| limits.capacity(seconds, UtcMillis(0)) >= people)
        };
        assert_eq!(takes(5_000), Some(100), "all through the other one");
        assert_eq!(takes(30_000 + 200), Some(610), "ten each second through each from then on");
    }

    #[test]
    fn while_a_relay_rests_the_quota_of_the_others_is_what_lets_mails_through_at_once() {
        let rates = [Rate::parse("20/h").unwrap()];
        let limits = |rests: [u64; 2], taken| {
            let relays = [(scope(&[], &[]), rests[0]), (scope(&rates, taken), rests[1])];
            let relays = relays.map(|(relay, rests)| (1, Scope { rests, ..relay })).into();
            Limits { all: scope(&[], &[]), relays }.quota(UtcMillis(0))
        };
        assert_eq!([limits([600, 0], &[19]), limits([600, 0], &[4])], [0, 15], "not what the resting one would take");
        assert_eq!([limits([0, 0], &[4]), limits([0, 600], &[4]), limits([600, 600], &[4])], [u64::MAX; 3]);
    }

    #[test]
    fn what_would_take_years_is_not_foreseen() {
        assert_eq!(takes(&scope(&[Rate::parse("1/d").unwrap()], &[0]), 1_000_000), None);
    }

    #[test]
    fn a_warm_up_doubles_from_day_to_day() {
        let warm_up = WarmUp { from: chrono::NaiveDate::default(), first_day: 100, doubles: Duration::from_secs(DAY) };
        let scope = Scope { rates: &[], taken: Vec::new(), warm_up: Some(warm_up), taken_today: 0, rests: 0 };
        assert_eq!(takes(&scope, 95), Some(0));
        assert_eq!(takes(&scope, 665), Some(2 * DAY));
    }
}
