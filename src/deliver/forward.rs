//! A time that never goes back, for what is due: the machine's clock may be set back by hours in the middle of an issue, and
//! what was due stays due.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::UtcMillis;

/// Smaller steps are how clocks are kept right, and not worth a word.
const STEP: Duration = Duration::from_secs(5);

/// The latest time that has been seen, and when by the monotonic clock.
#[derive(Debug, Default)]
pub struct Forward(Mutex<Latest>);

#[derive(Debug, Default)]
struct Latest {
    seen: Option<(UtcMillis, Instant)>,
    /// Whether the clock is known to have been set back.
    told: bool,
}

impl Forward {
    /// The time now, when the machine's clock says `clock` and the monotonic one `at`: where the first has been set back, the
    /// one that it would show if it had not.
    pub fn now(&self, clock: UtcMillis, at: Instant) -> UtcMillis {
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let would_be = latest.seen.map(|(then, since)| then.plus(at.saturating_duration_since(since)));
        match would_be {
            Some(would_be) if clock < would_be => {
                let back = would_be.0.abs_diff(clock.0);
                if u128::from(back) >= STEP.as_millis() && !std::mem::replace(&mut latest.told, true) {
                    let seconds = back / 1_000;
                    tracing::warn!(
                        seconds,
                        "the clock of this machine was set back; what is due is delivered all the same"
                    );
                }
                would_be
            }
            _ => {
                *latest = Latest { seen: Some((clock, at)), told: false };
                clock
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_where_the_clock_is_set_back_and_goes_along_where_it_is_set_forward() {
        let (forward, start) = (Forward::default(), Instant::now());
        let at = |second: u64| start + Duration::from_secs(second);
        let clock = |second: i64| UtcMillis(1_000_000_000 + second * 1_000);
        assert_eq!(forward.now(clock(0), at(0)), clock(0));
        assert_eq!(forward.now(clock(-3_600), at(2)), clock(2), "an hour back");
        assert_eq!(forward.now(clock(-3_597), at(5)), clock(5));
        assert_eq!(forward.now(clock(7), at(6)), clock(7), "right again");
        assert_eq!(forward.now(clock(3_600), at(7)), clock(3_600), "an hour forth");
        assert_eq!(forward.now(clock(9), at(9)), clock(3_602), "and back: what became due in between stays due");
        assert_eq!(forward.now(clock(5_000), at(10)), clock(5_000));
    }
}
