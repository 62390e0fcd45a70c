//! What the fields of a row say together of somebody's having gone.

use super::no_names::subject_of;
use super::values;
use crate::domain::{SubscriberState, UtcMillis};

/// That somebody has gone where a row comes from, and since when at the latest, where it says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gone {
    pub(super) state: SubscriberState,
    pub(super) at: Option<UtcMillis>,
}

/// What the fields of a row say of that together.
#[derive(Debug, Default)]
pub(super) struct Noes {
    said: Vec<(Subject, Gone)>,
    /// Why some field may say it and cannot be read.
    pub(super) unclear: Option<String>,
    /// Whether they have not confirmed.
    pub(super) unconfirmed: bool,
}

/// What a no is about, such as a list's blacklist: a date says when it began of that alone.
pub(super) type Subject = &'static str;

/// What Mailchimp's times are about, and the names of its files.
pub(super) const UNSUBSCRIBED: Subject = "unsub";
pub(super) const CLEANED: Subject = "cleaned";
/// Where something is said of which nobody can tell when it began.
pub(super) const TIMELESS: Subject = "";

impl Noes {
    /// Notes one that is said.
    pub(super) fn say(&mut self, subject: Subject, state: SubscriberState, at: Option<UtcMillis>) {
        let same = |(about, gone): &&mut (Subject, Gone)| *about == subject && gone.state == state;
        match self.said.iter_mut().find(same) {
            Some((_, gone)) => gone.at = gone.at.max(at),
            None => self.said.push((subject, Gone { state, at })),
        }
    }

    /// Notes the state that a field gives, if it is one of somebody who has gone.
    pub(super) fn say_state(&mut self, text: &str, state: SubscriberState) {
        if super::decide::gone(state) {
            self.say(subject_of(text), state, None);
        }
    }

    /// Notes that a field cannot be read.
    pub(super) fn doubt(&mut self, why: String) {
        self.unclear.get_or_insert(why);
    }

    /// Notes a moment at which they went; one that cannot be read is none that is empty.
    pub(super) fn went(&mut self, subject: Subject, state: SubscriberState, at: Option<&str>, now: UtcMillis) {
        match at.map(|text| values::past_at_latest(text, now)) {
            None => {}
            Some(Ok(at)) => self.say(subject, state, Some(at)),
            Some(Err(why)) => {
                self.say(TIMELESS, state, None);
                self.doubt(why);
            }
        }
    }

    /// Whether any is said.
    pub(super) fn any(&self) -> bool {
        !self.said.is_empty()
    }

    /// One for each state that is said, the strictest first. Each counts by itself, as if it stood in a row of its own; it is
    /// as late as the latest date, and undated where it is said once without one.
    pub(super) fn gone(&self) -> Vec<Gone> {
        use SubscriberState::{Bounced, Complained, Unsubscribed};
        let all = [Complained, Bounced, Unsubscribed].into_iter().filter_map(|state| {
            let said = || self.said.iter().map(|(_, gone)| *gone).filter(move |gone| gone.state == state);
            said().reduce(|one, other| Gone { state, at: one.at.zip(other.at).map(|(one, other)| one.max(other)) })
        });
        all.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_no_counts_by_itself_and_a_date_is_of_what_it_is_about_alone() {
        use SubscriberState::{Bounced, Unsubscribed};
        let say = |all: &[(Subject, SubscriberState, Option<i64>)]| {
            let mut noes = Noes::default();
            all.iter().for_each(|(subject, state, at)| noes.say(subject, *state, at.map(UtcMillis)));
            noes.gone().iter().map(|gone| (gone.state, gone.at.map(|at| at.0))).collect::<Vec<_>>()
        };
        let (left, listed) = (UNSUBSCRIBED, "blacklist");
        assert_eq!(say(&[(left, Unsubscribed, None), (left, Unsubscribed, Some(5))]), [(Unsubscribed, Some(5))]);
        assert_eq!(say(&[(left, Unsubscribed, Some(5)), (listed, Unsubscribed, None)]), [(Unsubscribed, None)]);
        assert_eq!(say(&[(left, Unsubscribed, Some(5)), (listed, Unsubscribed, Some(7))]), [(Unsubscribed, Some(7))]);
        assert_eq!(
            say(&[(left, Unsubscribed, Some(7)), ("bounce", Bounced, None)]),
            [(Bounced, None), (Unsubscribed, Some(7))]
        );
    }
}
