//! Why a message was refused for now, in a few words: read from a relay's answer, or from ours where it gave none.

/// A reason for a refusal for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The receiver does not know us yet, and takes it when it is tried again.
    Greylisted,
    /// Too much at once.
    Rate,
    /// The mailbox is full.
    MailboxFull,
    /// The mailbox takes nothing for now.
    Mailbox,
    /// Something about the message or its sender is not liked.
    Policy,
    /// The receiver's own trouble.
    System,
    /// Nobody could reach the receiver, or its name could not be looked up.
    Network,
    /// The connection to the relay broke.
    Connection,
    /// None of these.
    Other,
}

impl Reason {
    /// Of the words that are kept with a delivery: a reply with its code, or why there was none.
    pub fn of(words: &str) -> Self {
        let text = words.to_ascii_lowercase();
        let has = |some: &[&str]| some.iter().any(|one| text.contains(one));
        let mut start = text.split([' ', '-']).filter(|word| !word.is_empty());
        let Some(code) = start.next().filter(|code| code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit()))
        else {
            return Self::Connection;
        };
        if has(&["greylist", "graylist", "grey list", "gray list"]) {
            return Self::Greylisted;
        }
        if has(&["rate limit", "too many", "throttl", "too fast", "slow down", "rate that"]) {
            return Self::Rate;
        }
        let mut status = start.next().unwrap_or_default().split('.').skip(1).map(str::parse);
        match (status.next(), status.next(), code) {
            (Some(Ok(2)), Some(Ok(2)), _) | (.., "452" | "552") if !has(&["4.3.", "4.5."]) => Self::MailboxFull,
            (Some(Ok(1_u16 | 2)), ..) => Self::Mailbox,
            (Some(Ok(3)), ..) => Self::System,
            (Some(Ok(4)), ..) => Self::Network,
            (Some(Ok(7)), Some(Ok(28_u16)), _) => Self::Rate,
            (Some(Ok(7)), ..) => Self::Policy,
            (.., "421") => Self::Connection,
            (.., "450") => Self::Mailbox,
            (.., "451") => Self::System,
            _ => Self::Other,
        }
    }

    /// The words for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Greylisted => "greylisted",
            Self::Rate => "rate",
            Self::MailboxFull => "mailbox full",
            Self::Mailbox => "mailbox",
            Self::Policy => "policy",
            Self::System => "system",
            Self::Network => "network",
            Self::Connection => "connection",
            Self::Other => "other",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("451 4.7.1 Greylisting in action, please come back later", Reason::Greylisted)]
    #[case("450 4.2.0 <…>: Recipient address rejected: Greylisted", Reason::Greylisted)]
    #[case("421 4.7.0 Too many connections", Reason::Rate)]
    #[case("421 4.7.28 Our system has detected an unusual amount of mail", Reason::Rate)]
    #[case("452 4.2.2 The email account is over quota", Reason::MailboxFull)]
    #[case("452 Requested action not taken: insufficient storage", Reason::MailboxFull)]
    #[case("450 4.2.1 The mailbox is busy", Reason::Mailbox)]
    #[case("452 4.3.1 Insufficient system storage", Reason::System)]
    #[case("451 4.3.0 Temporary failure", Reason::System)]
    #[case("451 4.4.3 The name server does not answer", Reason::Network)]
    #[case("451 4.7.0 Suspicious content", Reason::Policy)]
    #[case("421 Closing", Reason::Connection)]
    #[case("the connection broke: end of file", Reason::Connection)]
    #[case("451 Try again", Reason::System)]
    #[case("499 What", Reason::Other)]
    fn an_answer_has_one_of_few_reasons(#[case] words: &str, #[case] reason: Reason) {
        assert_eq!(Reason::of(words), reason);
    }

    proptest! {
        #[test]
        fn any_answer_has_a_reason(words in "\\PC{0,60}|4[0-9][0-9][ -][45]\\.[0-9]{1,4}\\.[0-9]{1,6} \\PC{0,20}") {
            prop_assert!(!Reason::of(&words).as_str().is_empty());
        }
    }
}
