//! Refusals by policy, which may be about us and not about the message: they are kept back until it is known.
//!
//! A message that gets through shows that the relay takes our mail, if its envelope went out after the refusal: one that was
//! under way says nothing. Many in a row without such a message are about us.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::provider::domain_of;
use super::run::Attempt;
use crate::store::ClaimedRow;

/// So many in a row for one reason that is no message's are about us, and so many for each connection: before a message that
/// went out after a refusal gets through, each may have one or two more.
const MANY: usize = 10;
const MANY_EACH: usize = 2;

/// So many times as many in a row are, whatever the reasons.
const OF_ALL: usize = 5;

/// When a relay has nothing more to do, so many to several domains are.
const SOME: usize = 3;

/// A message that was refused for a reason that may be about us.
pub struct Refused {
    /// The delivery.
    pub row: ClaimedRow,
    /// How far it had come.
    pub attempt: Attempt,
    /// The relay's words.
    pub words: String,
    /// What it has in common with others, as [`super::policy::grudge`] says.
    pub reason: String,
    /// Whether it was refused for good.
    pub for_good: bool,
}

/// What a relay has refused since it last got a message through.
#[derive(Default)]
pub struct Refusals(Mutex<State>);

#[derive(Default)]
struct State {
    /// How many there were ever. Envelopes are dated by it.
    seen: u64,
    kept: Vec<(u64, Refused)>,
    /// All in a row, those included that others may try by now.
    row: Vec<(u64, String)>,
    /// Since which one it is known that they are about us.
    about_us: Option<u64>,
}

impl Refusals {
    /// The date of an envelope that goes out now.
    pub fn date(&self) -> u64 {
        self.state().seen
    }

    /// Another one, which is not kept here. Gives its number.
    pub fn note(&self) -> u64 {
        let mut state = self.state();
        state.seen += 1;
        state.seen
    }

    /// Keeps one back, by a relay with so many connections. Gives all that are kept when they are about us.
    pub fn keep(&self, refused: Refused, connections: usize) -> Option<Vec<Refused>> {
        let mut state = self.state();
        state.seen += 1;
        let number = state.seen;
        state.row.push((number, refused.reason.clone()));
        let alike = state.row.iter().filter(|(_, reason)| *reason == refused.reason).count();
        state.kept.push((number, refused));
        let many = MANY.max(MANY_EACH * connections);
        if state.about_us.is_none() && alike < many && state.row.len() < OF_ALL * many {
            return None;
        }
        state.about_us = Some(number);
        state.row.clear();
        Some(state.take())
    }

    /// A message got through whose envelope has that date. Gives those that were each message's own after all; `None`: it says
    /// nothing, since it was under way when the relay began to refuse us.
    pub fn worked(&self, date: u64) -> Option<Vec<Refused>> {
        let mut state = self.state();
        if state.about_us.is_some_and(|since| date < since) {
            return None;
        }
        state.about_us = None;
        state.row.retain(|(number, _)| *number > date);
        if state.kept.is_empty() {
            return Some(Vec::new());
        }
        let (later, own): (Vec<_>, _) =
            std::mem::take(&mut state.kept).into_iter().partition(|(number, _)| *number > date);
        state.kept = later;
        Some(own.into_iter().map(|(_, refused)| refused).collect())
    }

    /// Takes out all that are kept. They still count.
    pub fn take(&self) -> Vec<Refused> {
        self.state().take()
    }

    /// What has been decided about those that are not kept any more counts no longer.
    pub fn forget(&self) {
        let mut state = self.state();
        let State { kept, row, .. } = &mut *state;
        row.retain(|(number, _)| kept.iter().any(|(one, _)| one == number));
    }

    /// How many are kept.
    pub fn count(&self) -> usize {
        self.state().kept.len()
    }

    /// Whether they are about us, as far as is known.
    pub fn are_about_us(&self) -> bool {
        self.state().about_us.is_some()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self) -> Vec<Refused> {
        std::mem::take(&mut self.kept).into_iter().map(|(_, refused)| refused).collect()
    }
}

/// Parts refusals by a relay that has nothing more to do, and got nothing through since: those that are about us, as there are
/// some to several domains for one reason, and those that are each message's own.
pub fn part(all: Vec<Refused>) -> (Vec<Refused>, Vec<Refused>) {
    let of_reason = |reason: &str| {
        let alike = all.iter().filter(|one| one.reason == reason);
        let domains: BTreeSet<String> = alike.clone().map(|one| domain_of(&one.row.address)).collect();
        let count = alike.count();
        count >= MANY || count >= SOME && domains.len() > 1
    };
    let about_us: BTreeSet<String> =
        all.iter().map(|one| &one.reason).filter(|one| of_reason(one.as_str())).cloned().collect();
    all.into_iter().partition(|one| about_us.contains(&one.reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::UtcMillis;

    fn refused(id: i64, domain: &str, reason: &str) -> Refused {
        let row = ClaimedRow {
            id,
            mail_id: 1,
            issue_id: None,
            kind: "digest".to_owned(),
            digest: None,
            address: format!("reader{id}@{domain}"),
            name: String::new(),
            priority: 0,
            due_at: UtcMillis(0),
            first_due_at: UtcMillis(0),
            attempts: 0,
            started_at: None,
            link: None,
            subscriber: None,
            issue_state: None,
        };
        let (words, reason) = (String::new(), reason.to_owned());
        Refused { row, attempt: Attempt::Claimed, words, reason, for_good: true }
    }

    fn keep(refusals: &Refusals, ids: std::ops::RangeInclusive<i64>) -> usize {
        ids.filter_map(|id| refusals.keep(refused(id, "x.example", "no"), 1)).map(|all| all.len()).sum()
    }

    #[test]
    fn ten_in_a_row_are_about_us_and_so_is_each_after_them_until_a_message_gets_through() {
        let refusals = Refusals::default();
        assert_eq!(keep(&refusals, 1..=9), 0);
        assert_eq!((keep(&refusals, 10..=10), keep(&refusals, 11..=11)), (10, 1));
        assert!(refusals.are_about_us());
        assert!(refusals.worked(10).is_none(), "it was under way");
        assert!(refusals.worked(11).is_some_and(|own| own.is_empty()));
        assert_eq!((refusals.are_about_us(), keep(&refusals, 12..=20)), (false, 0), "it counts anew");
    }

    #[test]
    fn of_many_connections_each_may_have_two_before_they_are_about_us() {
        let refusals = Refusals::default();
        let mut all = (1..).map(|id| refusals.keep(refused(id, "x.example", "no"), 20));
        assert_eq!(all.position(|all| all.is_some()), Some(39));
    }

    #[test]
    fn only_a_message_whose_envelope_went_out_after_a_refusal_says_that_it_is_its_own() {
        let refusals = Refusals::default();
        let before = refusals.date();
        keep(&refusals, 1..=3);
        assert!(refusals.worked(before).is_some_and(|own| own.is_empty()));
        let between = refusals.date();
        keep(&refusals, 4..=5);
        let own: Vec<i64> = refusals.worked(between).unwrap().iter().map(|one| one.row.id).collect();
        assert_eq!((own, refusals.count()), (vec![1, 2, 3], 2));
    }

    #[test]
    fn what_others_may_try_still_counts_until_it_is_decided() {
        let refusals = Refusals::default();
        for id in 1..=3 {
            assert_eq!((keep(&refusals, id..=id + 2), refusals.take().len()), (0, 3));
        }
        assert_eq!(keep(&refusals, 1..=1), 1);
        let refusals = Refusals::default();
        for id in 1..=20 {
            assert_eq!((keep(&refusals, id..=id), refusals.take().len()), (0, 1));
            refusals.forget();
        }
    }

    #[test]
    fn many_refusals_in_ever_other_words_are_about_us_too() {
        let refusals = Refusals::default();
        let reason = |id: i64| char::from(b'A' + u8::try_from(id).unwrap()).to_string();
        let all = (0..).find_map(|id| refusals.keep(refused(id, "x.example", &reason(id)), 1)).unwrap();
        assert_eq!(all.len(), OF_ALL * MANY);
    }

    #[test]
    fn some_for_one_reason_to_several_domains_are_about_us() {
        let of = |cases: &[(&str, &str)]| {
            let all = (1..).zip(cases).map(|(id, (domain, reason))| refused(id, domain, reason)).collect();
            let (about_us, own) = part(all);
            (about_us.len(), own.len())
        };
        assert_eq!(of(&[("x.example", "no"), ("y.example", "no"), ("X.example", "no"), ("z.example", "spam")]), (3, 1));
        assert_eq!(of(&[("x.example", "no"), ("x.example", "no"), ("x.example", "no")]), (0, 3), "the domain's own");
        assert_eq!(of(&[("x.example", "no"), ("y.example", "no")]), (0, 2), "too few to say");
        assert_eq!(of(&[("x.example", "no"); MANY]), (MANY, 0), "many");
    }
}
