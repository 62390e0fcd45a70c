//! Deliveries that a relay has not taken and others may take: which relays those are, and for how long they have them to
//! themselves.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

/// For how long after its time a relay is known not to have taken a delivery.
const KNOWN: Duration = Duration::from_secs(3600);

/// How often it is looked for what is known for longer: a relay may have not taken a whole issue.
const FORGET: Duration = Duration::from_secs(60);

/// Who else may take a delivery that a relay has not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// Some of them, now.
    Free,
    /// Some of them, but not now: they rest, or have had their time and did not take it.
    Away,
    /// None: none has taken it.
    None,
}

/// Which deliveries are kept from which relays.
#[derive(Debug, Default)]
pub struct KeptFrom {
    all: HashMap<i64, Vec<NotTaken>>,
    /// When it was looked last for what is known for too long.
    forgot_at: Option<Instant>,
}

/// A relay that has not taken a delivery.
#[derive(Debug)]
struct NotTaken {
    by: usize,
    until: Instant,
    /// Whether others had it to themselves until then.
    left_to_others: bool,
}

impl KeptFrom {
    /// `relay`, one of so many, has not taken that delivery. Others have it to themselves for so long, but not twice in a row:
    /// who has not taken it in that time may not be able to, and then it shall not go round for ever.
    pub fn add(
        &mut self,
        delivery: i64,
        relay: usize,
        time: Duration,
        of: usize,
        rests: impl Fn(usize) -> bool,
        now: Instant,
    ) -> Others {
        self.forget(now);
        let all = self.all.entry(delivery).or_default();
        let had_their_time = all.iter().any(|one| one.by == relay && one.left_to_others);
        all.retain(|one| one.by != relay);
        let is_left = |other: &usize| *other != relay && all.iter().all(|one| one.by != *other);
        let mut left = (0..of).filter(is_left).peekable();
        if left.peek().is_none() {
            self.all.remove(&delivery);
            return Others::None;
        }
        let left_to_others = !had_their_time && !left.all(rests);
        let until = if left_to_others { now + time } else { now };
        all.push(NotTaken { by: relay, until, left_to_others });
        if left_to_others { Others::Free } else { Others::Away }
    }

    fn forget(&mut self, now: Instant) {
        if self.forgot_at.is_some_and(|at| now < at + FORGET) {
            return;
        }
        self.forgot_at = Some(now);
        self.all.retain(|_, all| {
            all.retain(|one| one.until + KNOWN > now);
            !all.is_empty()
        });
    }

    /// One of so many relays has failed: what was left to relays that all rest now is kept from nobody any more.
    pub fn release(&mut self, of: usize, rests: impl Fn(usize) -> bool, now: Instant) {
        for all in self.all.values_mut() {
            let mut left = (0..of).filter(|other| all.iter().all(|one| one.by != *other));
            if left.all(&rests) {
                all.iter_mut().for_each(|one| one.until = one.until.min(now));
            }
        }
    }

    /// Until when a delivery is kept from `relay`, if it was.
    pub fn until(&self, delivery: i64, relay: usize) -> Option<Instant> {
        self.all.get(&delivery)?.iter().find(|one| one.by == relay).map(|one| one.until)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_secs(30);

    #[test]
    fn what_all_have_refused_nobody_else_may_have_however_late_the_last_was_asked() {
        let (mut kept, now) = (KeptFrom::default(), Instant::now());
        let mut add = |relay, at: u64| kept.add(7, relay, TIME, 3, |_| false, now + Duration::from_secs(at));
        assert_eq!(
            [add(0, 0), add(2, 45), add(1, 300), add(0, 400)],
            [Others::Free, Others::Free, Others::None, Others::Free]
        );
        assert_eq!(KeptFrom::default().add(7, 0, TIME, 1, |_| false, now), Others::None, "there is only one");
    }

    #[test]
    fn a_whole_issue_that_a_relay_does_not_take_is_not_walked_through_for_each_of_its_deliveries() {
        let (mut kept, now, began) = (KeptFrom::default(), Instant::now(), std::time::Instant::now());
        for delivery in 0..100_000 {
            kept.add(delivery, 0, TIME, 2, |_| false, now);
        }
        assert!(began.elapsed() < Duration::from_secs(10), "it took {:?}", began.elapsed());
    }

    #[test]
    fn nobody_waits_for_relays_that_rest() {
        let (mut kept, now) = (KeptFrom::default(), Instant::now());
        assert_eq!(kept.add(7, 0, TIME, 3, |relay| relay > 0, now), Others::Away);
        assert_eq!(kept.until(7, 0), Some(now));
        assert_eq!(kept.add(7, 0, TIME, 3, |relay| relay > 1, now), Others::Free);
        assert_eq!((kept.until(7, 0), kept.until(7, 1), kept.until(8, 0)), (Some(now + TIME), None, None));
        assert_eq!(kept.add(7, 1, TIME, 3, |relay| relay > 1, now), Others::Away);
    }

    #[test]
    fn what_was_left_to_relays_that_have_failed_since_is_kept_from_nobody() {
        let (mut kept, now) = (KeptFrom::default(), Instant::now());
        assert_eq!(kept.add(7, 0, TIME, 3, |_| false, now), Others::Free);
        kept.release(3, |relay| relay == 1, now);
        assert_eq!(kept.until(7, 0), Some(now + TIME), "one of them may still take it");
        kept.release(3, |relay| relay > 0, now);
        assert_eq!(kept.until(7, 0), Some(now));
        assert_eq!(kept.add(7, 0, TIME, 3, |relay| relay > 0, now), Others::Away, "and it has its pause");
    }

    #[test]
    fn others_have_their_time_once_and_then_the_delivery_has_a_pause_of_its_own() {
        let (mut kept, now) = (KeptFrom::default(), Instant::now());
        let rounds: Vec<Others> = (0..4).map(|round| kept.add(7, 0, TIME, 2, |_| false, now + TIME * round)).collect();
        assert_eq!(rounds, [Others::Free, Others::Away, Others::Free, Others::Away]);
        kept.add(8, 0, TIME, 2, |_| false, now + KNOWN * 2);
        assert_eq!(kept.until(7, 0), None, "it is forgotten in the end");
    }
}
