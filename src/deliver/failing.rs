//! Issues of which too many deliveries fail: a wrong list or a wrong relay must not cost a whole one.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

/// How many of the latest results are looked at.
const LATEST: usize = 200;
/// From so many results on the share alone counts.
const MANY: usize = 50;
/// Of fewer, so many have to be failures: two bad addresses of four are none of the list's trouble.
const SOME: usize = 10;
/// Where nothing has been taken yet, so many failures are enough, so that a small list is guarded too.
const FEW: usize = 5;

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
        if !failed {
            return None;
        }
        let (failures, of) = (latest.iter().filter(|failed| **failed).count(), latest.len());
        let is_known = of >= MANY || failures >= SOME || (failures == of && of >= FEW);
        if !is_known || failures * 100 < of * usize::from(share) {
            return None;
        }
        issues.remove(&issue);
        Some((failures, of))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first results, `true` for a failure, up to that for which it says so.
    fn says(results: impl IntoIterator<Item = bool>) -> Option<(usize, usize)> {
        let failing = Failing::default();
        results.into_iter().find_map(|failed| failing.count(1, failed, 30))
    }

    #[test]
    fn an_issue_fails_when_enough_of_its_latest_results_do() {
        let quarter = (0..200).map(|number| number % 4 == 0);
        assert_eq!(says(quarter.clone()), None, "a quarter");
        let more = says(quarter.chain([true; 60]));
        assert!(more.is_some_and(|(failed, of)| failed == 60 && of == 200), "{more:?}");
    }

    #[test]
    fn a_small_issue_fails_when_nothing_of_it_is_taken() {
        assert_eq!(says([true; 4]), None, "too few to say");
        assert_eq!(says([true; 5]), Some((5, 5)));
    }

    #[test]
    fn a_small_issue_of_which_something_is_taken_fails_with_ten_that_are_enough() {
        let taken = |count| std::iter::repeat_n(false, count);
        assert_eq!(says(taken(1).chain([true; 9])), None, "nine may be bad addresses");
        assert_eq!(says(taken(1).chain([true; 10])), Some((10, 11)));
        assert_eq!(says(taken(30).chain([true; 20])), Some((13, 43)));
        assert_eq!(says(taken(40).chain([true; 9])), None);
    }

    #[test]
    fn it_begins_anew_for_each_issue_and_when_it_has_said_so() {
        let failing = Failing::default();
        assert!((0..8).all(|issue| failing.count(issue / 2, true, 30).is_none()));
        let said: Vec<bool> = (0..10).map(|_| failing.count(9, true, 30).is_some()).collect();
        assert_eq!(said.iter().filter(|said| **said).count(), 2);
    }
}
