//! Deliveries that have gone back into the queue since their domain lets them go much later only: when each is due again.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

/// For how long one is put off at the most: the limit may be another one by then, or those before it gone. Those that would be
/// due later all come back together, which must not be often.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// Until when deliveries to each domain have been put off, by their priorities: the next ones have places behind them.
#[derive(Debug, Default)]
pub struct PutOff(HashMap<(String, i64), Instant>);

impl PutOff {
    /// When the next one is due: one `step` behind those that matter as much, so that they do not all come back together to be put off
    /// again, and not before it `opens`. The step is that of all nodes: what is put off is any node's, and what comes too early is put
    /// off once more.
    pub fn place(&mut self, domain: &str, priority: i64, opens: Instant, step: Duration, now: Instant) -> Instant {
        let behind = self.0.entry((domain.to_owned(), priority)).or_insert(now);
        *behind = opens.max(*behind + step).min(now + LONGEST);
        *behind
    }

    /// The next ones have the first places: those before them may be gone.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn a_backlog_of_an_hour_comes_back_one_after_the_other() {
        let (mut put_off, now) = (PutOff::default(), Instant::now());
        for number in 1..=72_000 {
            assert_eq!(put_off.place("x.example", 20, now, STEP, now), now + STEP * number);
        }
    }

    #[tokio::test]
    async fn what_matters_more_does_not_go_behind_what_matters_less() {
        let (mut put_off, now) = (PutOff::default(), Instant::now());
        for _ in 0..1000 {
            put_off.place("x.example", 20, now, STEP, now);
        }
        assert_eq!(put_off.place("x.example", 15, now, STEP, now), now + STEP);
        assert_eq!(put_off.place("y.example", 20, now, STEP, now), now + STEP);
    }

    #[tokio::test]
    async fn nobody_goes_behind_those_that_are_set_aside() {
        let (mut put_off, now) = (PutOff::default(), Instant::now());
        put_off.place("x.example", 20, now + STEP * 1000, STEP, now);
        put_off.clear();
        assert_eq!(put_off.place("x.example", 20, now + STEP * 3, STEP, now), now + STEP * 3);
    }
}
