//! What a refusal or a broken connection means: for the delivery, and for the relay.

use std::time::Duration;

use super::phrases;
use super::reply::Reply;
use crate::config::AfterCrash;
use crate::domain::{DeliveryState, Random, UtcMillis};
use crate::store::Durability;

/// The pause after the first temporary refusal; each further one makes it [`GROWTH`] times as long.
const FIRST_PAUSE: Duration = Duration::from_secs(15);
const GROWTH: u32 = 4;
const LONGEST_PAUSE: Duration = Duration::from_secs(4 * 3600);

/// Where in a conversation something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// `MAIL FROM`.
    Mail,
    /// `RCPT TO`.
    Recipient,
    /// `DATA`, up to its 354.
    Data,
    /// The answer to the final dot.
    Content,
}

/// Whose business a refusal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The message is refused for now.
    Deferred,
    /// The message is refused for good.
    Failed,
    /// There is no such address, or it takes no mail: nothing shall go there any more.
    Address,
    /// It is about us and the relay, whichever the message: it is kept, and the relay is left alone for a while.
    Relay,
    /// The relay asks for less speed: the message is kept.
    Throttled,
}

/// Statuses of an address that is dead: no such user or host, bad syntax, moved, takes no mail (RFC 3463, RFC 7505).
const DEAD: [(u16, u16); 6] = [(1, 1), (1, 2), (1, 3), (1, 6), (1, 10), (2, 1)];

/// Statuses of a sender that is not welcome, be it its address, its domain, its signatures, its account or its network
/// (RFC 3463, RFC 7372; those of three digits are Microsoft's).
const SENDER: [(u16, u16); 20] = [
    (1, 7),
    (1, 8),
    (2, 252),
    (7, 20),
    (7, 21),
    (7, 22),
    (7, 23),
    (7, 25),
    (7, 26),
    (7, 27),
    (7, 57),
    (7, 60),
    (7, 500),
    (7, 501),
    (7, 502),
    (7, 503),
    (7, 511),
    (7, 515),
    (7, 705),
    (7, 708),
];

/// Whose business it is that `step` was answered with `reply`, which is not the answer that goes on.
pub fn blame(step: Step, reply: &Reply) -> Blame {
    let status = reply.status();
    let is_one_of = |statuses: &[(u16, u16)]| status.is_some_and(|status| statuses.contains(&status));
    if phrases::is_flooded(reply) {
        return Blame::Deferred;
    }
    if status == Some((7, 28)) || phrases::asks_for_less(reply) {
        return Blame::Throttled;
    }
    match reply.code {
        // Authentication is required, failed, too weak or needs encryption (RFC 4954, section 6).
        454 if status == Some((7, 0)) => Blame::Relay,
        530 | 534 | 535 | 538 => Blame::Relay,
        _ if step == Step::Mail && reply.is_permanent() => Blame::Relay,
        // A refusal for now of the same kind lasts as long as its cause does: whole lists must not fail of it in the end.
        _ if is_one_of(&SENDER) || phrases::is_about_us(reply) => Blame::Relay,
        // The relay does not know us as somebody it relays for: whole lists must not fail of it at once.
        _ if step == Step::Recipient && phrases::denies_relaying(reply) => Blame::Deferred,
        _ if reply.is_permanent() && is_one_of(&DEAD) => Blame::Address,
        _ if reply.is_permanent() => Blame::Failed,
        _ => Blame::Deferred,
    }
}

/// What many refusals in a row have in common when they are about us: a policy, and the words without what belongs to
/// one message. `None`: it is no such refusal.
pub fn grudge(reply: &Reply) -> Option<String> {
    let policy = reply.is_permanent() && reply.status().is_some_and(|(subject, _)| subject == 7);
    if !policy && !phrases::denies_relaying(reply) {
        return None;
    }
    let plain = |word: &&str| !word.contains('@') && !word.bytes().any(|byte| byte.is_ascii_digit());
    let words: Vec<&str> = reply.text.split_whitespace().filter(plain).collect();
    Some(format!("{} {:?} {}", reply.code, reply.status(), words.join(" ")))
}

/// What becomes of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fate {
    /// The state that it comes to.
    pub state: DeliveryState,
    /// When it is due again, if that is not as before.
    pub due_at: Option<UtcMillis>,
}

impl Fate {
    const fn of(state: DeliveryState) -> Self {
        Self { state, due_at: None }
    }
}

/// How often and for how long a delivery is tried.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Since it was first due.
    pub retry_for: Duration,
    /// What happens when nobody knows whether the relay took it.
    pub after_crash: AfterCrash,
}

impl Policy {
    /// After the `attempts`th attempt was refused for now: deferred with a growing pause, until `retry_for` is over.
    /// The last attempt is made when it is.
    pub fn refused(&self, attempts: i64, first_due: UtcMillis, now: UtcMillis, random: &dyn Random) -> Fate {
        let last = first_due.plus(self.retry_for);
        if now >= last {
            return Fate::of(DeliveryState::Failed);
        }
        let exponent = u32::try_from(attempts.clamp(1, 16) - 1).unwrap_or(0);
        let pause = FIRST_PAUSE.saturating_mul(GROWTH.saturating_pow(exponent)).min(LONGEST_PAUSE);
        let due_at = now.plus(jittered(pause, random)).min(last);
        Fate { state: DeliveryState::Deferred, due_at: Some(due_at) }
    }

    /// After the connection broke in the `attempts`th attempt before the message was complete at the relay: it is
    /// queued again. From the second time on it may be the message that breaks connections, so it has to wait.
    pub fn broken(&self, attempts: i64, first_due: UtcMillis, now: UtcMillis, random: &dyn Random) -> Fate {
        if attempts <= 1 {
            return Fate::of(DeliveryState::Queued);
        }
        self.refused(attempts - 1, first_due, now, random)
    }

    /// After the connection broke when the message was complete and not answered. Only what is of an issue waits for the
    /// operator.
    pub fn unanswered(
        &self,
        of_issue: bool,
        attempts: i64,
        first_due: UtcMillis,
        now: UtcMillis,
        random: &dyn Random,
    ) -> Fate {
        match self.after_crash {
            AfterCrash::Hold if of_issue => Fate::of(DeliveryState::Uncertain),
            _ => self.broken(attempts, first_due, now, random),
        }
    }

    /// How surely starts and results survive a loss of power: what is lost of them goes out once more, unasked.
    pub fn durability(&self) -> Durability {
        match self.after_crash {
            AfterCrash::Hold => Durability::Full,
            AfterCrash::Resend => Durability::Normal,
        }
    }

    /// The state of what a dead deliverer had started of an issue.
    pub fn after_death(&self) -> DeliveryState {
        match self.after_crash {
            AfterCrash::Hold => DeliveryState::Uncertain,
            AfterCrash::Resend => DeliveryState::Queued,
        }
    }
}

/// A pause between 80 % and 120 % of `pause`, so that what was refused together does not come back together.
pub fn jittered(pause: Duration, random: &dyn Random) -> Duration {
    let mut byte = [0];
    random.fill(&mut byte);
    pause.mul_f64(0.8 + 0.4 * f64::from(byte[0]) / 255.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Fixed(u8);

    impl Random for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    const HOUR: Duration = Duration::from_secs(3600);
    const POLICY: Policy = Policy { retry_for: Duration::from_secs(48 * 3600), after_crash: AfterCrash::Resend };

    fn reply(code: u16, text: &str) -> Reply {
        Reply { code, text: text.to_owned() }
    }

    #[test]
    fn what_is_about_us_is_not_the_message_s_failure() {
        assert_eq!(blame(Step::Mail, &reply(550, "5.7.1 Sender refused")), Blame::Relay);
        assert_eq!(blame(Step::Recipient, &reply(530, "5.7.0 Sign in first")), Blame::Relay);
        assert_eq!(blame(Step::Mail, &reply(454, "4.7.0 Temporary authentication failure")), Blame::Relay);
        assert_eq!(blame(Step::Recipient, &reply(554, "5.7.1 <…>: Relay access denied")), Blame::Deferred);
    }

    #[test]
    fn a_sender_that_is_not_welcome_is_not_the_message_s_failure_wherever_it_is_said() {
        assert_eq!(blame(Step::Recipient, &reply(550, "5.1.8 Bad sender's address")), Blame::Relay);
        assert_eq!(blame(Step::Content, &reply(550, "5.7.26 Unauthenticated mail")), Blame::Relay);
        assert_eq!(blame(Step::Content, &reply(554, "5.2.252 SendAsDenied; not allowed")), Blame::Relay);
        assert_eq!(blame(Step::Content, &reply(554, "Email address is not verified.")), Blame::Relay);
    }

    #[test]
    fn a_sender_that_is_not_welcome_for_now_is_no_more_the_message_s_failure() {
        let unknown = "4.1.8 <digest@x.example>: Sender address rejected: Domain not found";
        assert_eq!(blame(Step::Recipient, &reply(450, unknown)), Blame::Relay);
        assert_eq!(blame(Step::Recipient, &reply(450, "<d@x.example>: Sender address rejected")), Blame::Relay);
        let busy = "4.7.500 Server busy. Please try again later from [192.0.2.1]";
        assert_eq!(blame(Step::Recipient, &reply(451, busy)), Blame::Relay);
    }

    #[test]
    fn a_mailbox_that_gets_too_much_for_now_is_not_dead() {
        let flooded = "5.2.1 The user you are trying to contact is receiving mail at a rate that prevents it";
        assert_eq!(blame(Step::Recipient, &reply(550, flooded)), Blame::Deferred);
        assert_eq!(blame(Step::Recipient, &reply(550, "5.2.1 The account is disabled")), Blame::Address);
    }

    #[test]
    fn who_asks_for_less_is_heard_and_greylisting_and_full_mailboxes_are_not_that() {
        assert_eq!(blame(Step::Content, &reply(421, "4.7.28 Unusual rate of mail")), Blame::Throttled);
        assert_eq!(blame(Step::Mail, &reply(454, "4.7.0 Throttling failure: maximum")), Blame::Throttled);
        assert_eq!(blame(Step::Content, &reply(550, "5.4.5 Daily user sending limit exceeded")), Blame::Throttled);
        assert_eq!(blame(Step::Mail, &reply(421, "too many messages in this connection")), Blame::Deferred);
        assert_eq!(blame(Step::Recipient, &reply(450, "4.2.0 Greylisted, try again later")), Blame::Deferred);
        assert_eq!(blame(Step::Recipient, &reply(452, "4.2.2 Mailbox over quota")), Blame::Deferred);
    }

    #[test]
    fn refusals_of_one_policy_are_the_same_whoever_the_recipient_is() {
        let said = |text: &str| grudge(&reply(550, text));
        assert_eq!(said("5.7.1 <a@x.example>: blocked, id 77"), said("5.7.1 <b@y.example>: blocked, id 78"));
        assert!(said("5.7.1 blocked").is_some() && said("5.7.1 blocked") != said("5.7.1 spam"));
        assert_eq!(said("5.1.1 No such user"), None);
    }

    #[test]
    fn a_refused_recipient_or_content_is() {
        assert_eq!(blame(Step::Recipient, &reply(550, "5.1.1 No such user")), Blame::Address);
        assert_eq!(blame(Step::Recipient, &reply(550, "5.2.2 Mailbox full")), Blame::Failed);
        assert_eq!(blame(Step::Recipient, &reply(550, "No such user")), Blame::Failed);
        assert_eq!(blame(Step::Recipient, &reply(451, "4.7.1 Greylisted")), Blame::Deferred);
        assert_eq!(blame(Step::Content, &reply(554, "5.7.1 Spam")), Blame::Failed);
        assert_eq!(blame(Step::Content, &reply(452, "4.3.1 Disk full")), Blame::Deferred);
    }

    #[test]
    fn after_the_time_for_retries_it_has_failed() {
        let due = UtcMillis(0);
        assert_eq!(POLICY.refused(9, due, due.plus(48 * HOUR), &Fixed(0)).state, DeliveryState::Failed);
        let last = POLICY.refused(9, due, due.plus(47 * HOUR), &Fixed(255));
        assert_eq!(last, Fate { state: DeliveryState::Deferred, due_at: Some(due.plus(48 * HOUR)) });
    }

    #[test]
    fn a_message_that_breaks_every_connection_waits_longer_each_time() {
        assert_eq!(POLICY.broken(1, UtcMillis(0), UtcMillis(5), &Fixed(0)).state, DeliveryState::Queued);
        assert_eq!(POLICY.broken(2, UtcMillis(0), UtcMillis(5), &Fixed(0)).state, DeliveryState::Deferred);
    }

    proptest! {
        #[test]
        fn pauses_grow_and_stay_within_bounds(attempts in -5..100_i64, byte: u8) {
            let pause = |attempts| {
                let fate = POLICY.refused(attempts, UtcMillis(0), UtcMillis(0), &Fixed(byte));
                fate.due_at.unwrap().0
            };
            prop_assert!(pause(attempts) <= pause(attempts + 1));
            prop_assert!(pause(attempts) >= 12_000 && pause(attempts) <= 5 * 3_600_000);
        }
    }
}
