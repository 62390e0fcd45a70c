//! Issues of which too many deliveries fail: a wrong list or a wrong relay must not cost a whole one.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

/// How many of the latest results are looked at.
const LATEST: usize = 200;
/// With fewer than these nothing is known yet.
const LEAST: usize = 50;

/// The latest results of each issue.
#[derive(Debug, Default)]
pub struct Failing(Mutex<HashMap<i64, VecDeque<bool>>>);

impl Failing {
    /// A delivery of `issue` has been taken, or has failed for good. Gives how many have failed, of how many, when that is
    /// `share` in a hundred or more; then it begins anew.
    pub fn count(&self, issue: i64, failed: bool, share: u8) -> Option<(usize, usize)> {
        let mut issues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let latest = issues.entry(issue).or_default();
        latest.push_back(failed);
        if latest.len() > LATEST {
            latest.pop_front();
        }
        if !failed || latest.len() < LEAST {
            return None;
        }
        let (failures, of) = (latest.iter().filter(|failed| **failed).count(), latest.len());
        if failures * 100 < of * usize::from(share) {
            return None;
        }
        issues.remove(&issue);
        Some((failures, of))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issue_fails_when_enough_of_its_latest_results_do() {
        let failing = Failing::default();
        assert!((0..49).all(|_| failing.count(1, true, 30).is_none()), "too few to say");
        assert_eq!(failing.count(1, true, 30), Some((50, 50)));
        assert!((0..200).all(|number| failing.count(2, number % 4 == 0, 30).is_none()), "a quarter");
        let more = (0..).take(60).find_map(|_| failing.count(2, true, 30));
        assert!(more.is_some_and(|(failed, of)| failed == 60 && of == 200), "{more:?}");
    }
}
