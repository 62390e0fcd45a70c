//! Words by which well-known servers and providers say whose trouble it is, where their status does not.

use super::reply::Reply;

/// Asking for less speed, or saying that what we may send in an hour or a day is used up.
const SLOWER: [&str; 18] = [
    "rate limit",
    "ratelimit",
    "throttl",
    "too many messages",
    "too much mail from",
    "sending rate",
    "sending limit",
    "sending quota",
    "sending activity",
    "submission quota",
    "message quota exceeded",
    "mails per hour",
    "messages per hour",
    "hourly limit",
    "hourly quota",
    "daily limit",
    "daily quota",
    "relay limit exceeded",
];

/// Saying that our address, domain or account may not send, whichever the message: Postfix, Exim, Amazon SES, Microsoft 365,
/// SendGrid, Mailgun, Postmark.
const ABOUT_US: [&str; 14] = [
    "sender address rejected",
    "sender verify failed",
    "email address is not verified",
    "is not authorized to perform `ses:",
    "sending paused",
    "sending suspended",
    "your account",
    "sendasdenied",
    "not allowed to send as",
    "permissions to send as",
    "verified sender identity",
    "credits exceeded",
    "is not allowed to send:",
    "sender signature",
];

/// Saying that a mailbox gets more than it may, from everybody together.
const TOO_MUCH_FOR_THEM: [&str; 2] = ["receiving mail at a rate", "receiving mail too quickly"];

/// Whether a mailbox gets more than it may for now: that passes, whatever the code says.
pub fn is_flooded(reply: &Reply) -> bool {
    says(&reply.text, &TOO_MUCH_FOR_THEM)
}

/// Whether less speed is asked of us. A limit of messages for each connection is none on the speed: the next connection is
/// welcome. A mailbox has limits of its own.
pub fn asks_for_less(reply: &Reply) -> bool {
    let of_one_connection = says(&reply.text, &["connection", "session"]) && says(&reply.text, &["too many messages"]);
    let of_mailbox = is_of_mailbox(reply) && !says(&reply.text, &["submission quota"]);
    !of_one_connection && !of_mailbox && says(&reply.text, &SLOWER)
}

/// Whether it is about our address, domain or account.
pub fn is_about_us(reply: &Reply) -> bool {
    says(&reply.text, &ABOUT_US) && (!is_of_mailbox(reply) || says(&reply.text, &["sendasdenied"]))
}

/// Whether the relay does not know us as somebody it relays for.
pub fn denies_relaying(reply: &Reply) -> bool {
    says(&reply.text, &["relay"]) && says(&reply.text, &["denied", "not permitted", "not allowed", "prohibited"])
}

/// Whether its status is about the state of a mailbox (RFC 3463, section 3.3).
fn is_of_mailbox(reply: &Reply) -> bool {
    reply.status().is_some_and(|(subject, _)| subject == 2)
}

fn says(text: &str, phrases: &[&str]) -> bool {
    let text = text.to_ascii_lowercase();
    phrases.iter().any(|phrase| text.contains(phrase))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn reply(text: &str) -> Reply {
        Reply { code: text[..3].parse().unwrap(), text: text[4..].to_owned() }
    }

    #[rstest]
    #[case("454 Throttling failure: Daily message quota exceeded.")]
    #[case("550 You have exceeded your hourly limit")]
    #[case("550 Domain example.org has exceeded the max emails per hour (200/200 (100%)) allowed. Message discarded.")]
    #[case("550 5.1.90 Your message can't be sent because you've reached your daily limit for message recipients.")]
    #[case("550 5.2.2 Submission quota exceeded")]
    #[case("550 5.4.5 Daily SMTP relay limit exceeded for user")]
    #[case("550 5.4.6 Unusual sending activity detected")]
    #[case("450 4.7.1 Error: too much mail from 192.0.2.1")]
    fn an_allowance_that_is_used_up_asks_for_less(#[case] words: &str) {
        assert!(asks_for_less(&reply(words)) && !is_about_us(&reply(words)), "{words}");
    }

    #[rstest]
    #[case("452 4.2.2 The mailbox has reached its daily quota")]
    #[case("450-4.2.1 The user you are trying to contact is receiving mail too quickly")]
    #[case("421 4.7.0 Too many messages in this session, please reconnect")]
    #[case("552 5.2.3 The message exceeds the size limit")]
    fn what_is_a_mailboxs_or_a_connections_limit_does_not(#[case] words: &str) {
        assert!(!asks_for_less(&reply(words)), "{words}");
    }

    #[rstest]
    #[case("554 Message rejected: Email address is not verified. The following identities failed the check")]
    #[case("554 Message rejected: Sending paused for this account.")]
    #[case("554 5.2.252 SendAsDenied; digest@example.org not allowed to send as jo@example.org")]
    #[case("550 The from address does not match a verified Sender Identity.")]
    #[case("451 Authentication failed: Maximum credits exceeded")]
    #[case("550 Domain example.org is not allowed to send: Account disabled")]
    #[case("550 5.7.1 The 'From' address you supplied is not a Sender Signature on your account.")]
    #[case("450 <digest@example.org>: Sender address rejected: Domain not found")]
    fn a_sender_or_an_account_that_may_not_send_is_about_us(#[case] words: &str) {
        assert!(is_about_us(&reply(words)) && !asks_for_less(&reply(words)), "{words}");
    }

    #[rstest]
    #[case("550 5.2.1 The email account that you tried to reach is disabled")]
    #[case("550 5.1.1 Account not found")]
    #[case("550 5.2.1 Mail receiving disabled for this account")]
    #[case("552 5.2.2 Your account is full")]
    #[case("550 5.7.1 You are not allowed to send to this group")]
    #[case("550 5.4.1 Recipient address rejected: Access denied")]
    #[case("451 4.7.1 Greylisted, try again later")]
    fn what_is_about_one_recipient_is_not(#[case] words: &str) {
        assert!(!is_about_us(&reply(words)) && !asks_for_less(&reply(words)), "{words}");
    }
}
