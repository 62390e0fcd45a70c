//! Which mailboxes have had mails enough, as far as this process has seen them typed: the next attempt to mail one will come to
//! nothing, so it takes no place from anybody else. It knows what was typed, and nothing of who is subscribed.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::EmailAddress;
use crate::subscribers::{NOTICE_SPACING, NOTICE_WINDOW};

/// What has been typed for a mailbox.
#[derive(Default)]
struct Mailbox {
    /// When the last mails to it were set off, the newest last.
    last: [Option<Instant>; 3],
    /// Whether one attempt waits for its turn.
    waits: bool,
}

/// What is to become of an attempt.
pub(super) enum Attempt<'m> {
    /// It needs a place.
    Fresh(Fresh<'m>),
    /// Another one for this mailbox waits for its turn; by that it will be known.
    Waits,
    /// The mailbox has had mails enough.
    Enough,
}

/// An attempt that needs a place. It counts once it has one; whoever goes away before leaves nothing behind.
pub(super) struct Fresh<'m> {
    mailboxes: &'m Mailboxes,
    key: u64,
}

impl Fresh<'_> {
    /// It has its place.
    pub(super) fn count(self, now: Instant) {
        if let Some(mailbox) = self.mailboxes.all().get_mut(&self.key) {
            let [_, second, third] = mailbox.last;
            mailbox.last = [second, third, Some(now)];
        }
    }
}

impl Drop for Fresh<'_> {
    fn drop(&mut self) {
        let mut all = self.mailboxes.all();
        if let Some(mailbox) = all.get_mut(&self.key) {
            mailbox.waits = false;
            if mailbox.last == [None; 3] {
                all.remove(&self.key);
            }
        }
    }
}

/// The mailboxes that have been typed within [`NOTICE_WINDOW`]. Their addresses are not kept, only what tells them apart.
#[derive(Default)]
pub(super) struct Mailboxes {
    seed: RandomState,
    all: Mutex<HashMap<u64, Mailbox>>,
}

impl Mailboxes {
    /// One more attempt at `now` to mail an address, by the rule of
    /// [`Subscribers::take_notice_slot`](crate::subscribers::Subscribers::take_notice_slot).
    pub(super) fn attempt(&self, address: &EmailAddress, now: Instant) -> Attempt<'_> {
        let key = self.seed.hash_one(address.untagged());
        let mut all = self.all();
        let mailbox = all.entry(key).or_default();
        if mailbox.waits {
            return Attempt::Waits;
        }
        let since = |at: Option<Instant>| at.map_or(Duration::MAX, |at| now.saturating_duration_since(at));
        let [first, _, last] = mailbox.last;
        if since(last) < NOTICE_SPACING || since(first) < NOTICE_WINDOW {
            return Attempt::Enough;
        }
        mailbox.waits = true;
        Attempt::Fresh(Fresh { mailboxes: self, key })
    }

    /// Forgets whoever has not been typed for so long that it has no influence any more.
    pub(super) fn sweep(&self, now: Instant) {
        let recent = |at: Instant| now.saturating_duration_since(at) < NOTICE_WINDOW;
        self.all().retain(|_, mailbox| mailbox.waits || mailbox.last[2].is_some_and(recent));
    }

    fn all(&self) -> MutexGuard<'_, HashMap<u64, Mailbox>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> EmailAddress {
        EmailAddress::parse(text).unwrap()
    }

    /// Whether an attempt needs a place; it gets it.
    fn takes(mailboxes: &Mailboxes, address: &EmailAddress, now: Instant) -> bool {
        match mailboxes.attempt(address, now) {
            Attempt::Fresh(fresh) => {
                fresh.count(now);
                true
            }
            Attempt::Enough => false,
            Attempt::Waits => panic!("nobody waits"),
        }
    }

    #[test]
    fn a_mailbox_is_mailed_once_in_ten_minutes_and_three_times_a_week_whatever_its_tag() {
        let (mailboxes, start) = (Mailboxes::default(), Instant::now());
        let (ann, tagged, ben) = (address("ann@a.example"), address("Ann+x@A.example"), address("ben@a.example"));
        let takes = |address, now| takes(&mailboxes, address, now);
        assert!(takes(&ann, start) && !takes(&tagged, start) && takes(&ben, start));
        let moment = Duration::from_millis(1);
        assert!(!takes(&ann, start + NOTICE_SPACING - moment));
        assert!(takes(&tagged, start + NOTICE_SPACING) && takes(&ann, start + NOTICE_SPACING * 2));
        assert!(!takes(&ann, start + NOTICE_SPACING * 3), "three");
        assert!(takes(&ann, start + NOTICE_WINDOW), "the first has aged");
        assert!(!takes(&ann, start + NOTICE_WINDOW + NOTICE_SPACING - moment));
        assert!(takes(&ann, start + NOTICE_WINDOW + NOTICE_SPACING), "and the second");
    }

    #[test]
    fn an_attempt_counts_once_it_has_its_place_and_nobody_is_kept_for_ever() {
        let (mailboxes, start) = (Mailboxes::default(), Instant::now());
        let ann = address("ann@a.example");
        for _ in 0..5 {
            let waiting = mailboxes.attempt(&ann, start);
            assert!(matches!(waiting, Attempt::Fresh(_)), "those before went away");
            assert!(matches!(mailboxes.attempt(&ann, start), Attempt::Waits));
        }
        assert!(mailboxes.all().is_empty());
        assert!(takes(&mailboxes, &ann, start));
        mailboxes.sweep(start + NOTICE_WINDOW - Duration::from_millis(1));
        assert_eq!(mailboxes.all().len(), 1);
        mailboxes.sweep(start + NOTICE_WINDOW);
        assert!(mailboxes.all().is_empty());
    }
}
