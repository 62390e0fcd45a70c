//! What the headers of columns say of somebody's having gone, and what words for states are about.

use super::noes::{Subject, TIMELESS, UNSUBSCRIBED};
use crate::domain::SubscriberState;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Yes, or a date, means that.
    Gone(SubscriberState),
    /// No means that they have left.
    Wanted,
    /// No means that they have not confirmed.
    Confirmed,
    /// Nothing as a rule, but a field may say so all the same.
    Hint(Hint),
}

/// What the name of a column has in it that may be about that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hint {
    /// A permission, such as `double_opt_in` or `newsletter_weekly`.
    Permission,
    /// A state, such as `account_status`.
    State,
    /// None of these.
    Nothing,
}

/// How headers begin and end that are about a no and are none: `Number of bounces`, `unsubscribe_url`.
const BEGINNINGS: [&str; 4] = ["number", "total", "count", "soft"];
const ENDINGS: [&str; 15] = [
    "url", "link", "token", "hash", "count", "counts", "note", "notes", "comment", "comments", "score", "rate", "id",
    "ip", "by",
];

/// What a header says, in small letters and digits, and what that is about. `None`: it is about a no, and is none. Where
/// the file is `foreign` a column may be called as a group is, so that its name alone says little.
pub(super) fn meaning(key: &str, foreign: bool) -> Option<(Subject, Kind)> {
    let said = by_name(key).or_else(|| by_stem(key).filter(|_| !is_about(key)));
    said.or_else(|| (!is_about(key)).then(|| by_parts(key, foreign)))
}

/// What a word for a state is about: as the column of that name.
pub(super) fn subject_of(word: &str) -> Subject {
    let key = key(word);
    by_name(&key).or_else(|| by_stem(&key)).map_or(TIMELESS, |(subject, _)| subject)
}

/// Whether a word for a state says, wherever it stands, that somebody has gone: `unsubscribed` does, and `removed` may be
/// about anything.
pub(super) fn is_plain(word: &str) -> bool {
    by_stem(&key(word)).is_some()
}

fn key(word: &str) -> String {
    word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// What stands around a name without changing what it is about.
const BEFORE: [&str; 8] = ["is", "was", "has", "this", "email", "account", "user", "subscriber"];
const BEHIND: [&str; 4] = ["at", "on", "time", "date"];

/// A header without that, and whether it is about a time: `deleted` of `is_deleted` and of `deleted_at`.
fn core(key: &str) -> (&str, bool) {
    let timeless = BEHIND.iter().find_map(|word| key.strip_suffix(word));
    let mut core = timeless.unwrap_or(key);
    while let Some(rest) = BEFORE.iter().find_map(|word| core.strip_prefix(word)) {
        core = rest;
    }
    (core, timeless.is_some())
}

fn is_about(key: &str) -> bool {
    // A country is no count, and a membership no network address.
    let begins = |word: &&str| key.starts_with(*word) && !key.starts_with("countr") && !key.starts_with("county");
    let ends = |word: &&str| key.ends_with(*word) && !key.ends_with("account") && !key.ends_with("ship");
    ["reason", "campaign"].iter().any(|word| key.contains(word))
        || BEGINNINGS.iter().any(begins)
        || ENDINGS.iter().any(ends)
}

/// Names that are a no as they stand, or its contrary.
const NAMES: [(Kind, &[Subject]); 6] = [
    (Kind::Gone(SubscriberState::Complained), &["spam", "abuse", "reportedspam", "markedasspam"]),
    (Kind::Gone(SubscriberState::Bounced), &["cleaned", "cleantime", "invalid", "invalidemail", "undeliverable"]),
    (
        Kind::Gone(SubscriberState::Unsubscribed),
        &["disabled", "inactive", "blocked", "left", "removed", "deleted", "cancelled", "canceled", "archived"],
    ),
    (
        Kind::Gone(SubscriberState::Unsubscribed),
        &["dnc", "suppressed", "revoked", "withdrawn", "noemail", "noemails", "nomail", "nomails"],
    ),
    (
        Kind::Wanted,
        &[
            "subscribed",
            "active",
            "enabled",
            "sendemail",
            "sendemails",
            "allowemail",
            "allowemails",
            "receiveemail",
            "receiveemails",
            "receivesemails",
            "wantsemail",
            "wantsemails",
        ],
    ),
    (Kind::Confirmed, &["confirmed"]),
];

fn by_name(key: &str) -> Option<(Subject, Kind)> {
    let (core, timed) = core(key);
    let mut names = NAMES.iter().flat_map(|(kind, names)| names.iter().map(|name| (*name, *kind)));
    // When somebody subscribed, or was active last, says nothing where it is empty.
    names.find(|(name, kind)| (*name == core || *name == key) && (!timed || matches!(kind, Kind::Gone(_))))
}

/// Parts of names that say one, and what each is about: another spelling is about the same.
const STEMS: [(&str, Subject, SubscriberState); 14] = [
    ("complain", "complain", SubscriberState::Complained),
    ("spam", "complain", SubscriberState::Complained),
    ("bounce", "bounce", SubscriberState::Bounced),
    ("unsub", UNSUBSCRIBED, SubscriberState::Unsubscribed),
    ("optout", "optout", SubscriberState::Unsubscribed),
    ("optedout", "optout", SubscriberState::Unsubscribed),
    ("blacklist", "blacklist", SubscriberState::Unsubscribed),
    ("blocklist", "blacklist", SubscriberState::Unsubscribed),
    ("donot", "donot", SubscriberState::Unsubscribed),
    // Of the languages that the pages speak.
    ("abmeld", UNSUBSCRIBED, SubscriberState::Unsubscribed),
    ("abgemeld", UNSUBSCRIBED, SubscriberState::Unsubscribed),
    ("désabonn", UNSUBSCRIBED, SubscriberState::Unsubscribed),
    ("uitgeschreven", UNSUBSCRIBED, SubscriberState::Unsubscribed),
    ("debaja", UNSUBSCRIBED, SubscriberState::Unsubscribed),
];

fn by_stem(key: &str) -> Option<(Subject, Kind)> {
    let stem = STEMS.iter().find(|(stem, ..)| key.contains(stem));
    let wanted = key.starts_with("subscribedto") || key.starts_with("accepts");
    stem.map(|(_, subject, state)| (*subject, Kind::Gone(*state)))
        .or_else(|| wanted.then_some(("subscribed", Kind::Wanted)))
}

/// Parts of names that are about a permission; what is longer first.
const PERMISSIONS: [&str; 12] = [
    "subscription",
    "subscriber",
    "subscribed",
    "subscribe",
    "newsletter",
    "consented",
    "consent",
    "permission",
    "marketing",
    "mailinglist",
    "optedin",
    "optin",
];
const STATES: [&str; 2] = ["status", "state"];
const MAILS: [&str; 2] = ["email", "mail"];
/// What stands around them and changes nothing.
const FILLERS: [&str; 9] = ["is", "has", "wants", "want", "receives", "receive", "agreed", "given", "to"];
const DENIALS: [&str; 3] = ["not", "non", "no"];
/// How names end that count something, so that zero is no answer.
const NUMBERS: [&str; 9] = ["opened", "opens", "clicked", "clicks", "sent", "received", "rating", "months", "price"];

/// A name that is a permission, or the state of one, and nothing else is understood. What is longer may be about something
/// else.
fn by_parts(key: &str, foreign: bool) -> (Subject, Kind) {
    let mut rest = key.to_owned();
    let mut take = |words: &[&str]| {
        let before = rest.len();
        words.iter().for_each(|word| rest = rest.replace(word, ""));
        rest.len() < before
    };
    let (permission, state, mail) = (take(&PERMISSIONS), take(&STATES), take(&MAILS));
    take(&FILLERS);
    let rest = rest.trim_end_matches('s');
    let counts = !key.ends_with("consent") && NUMBERS.iter().any(|ending| key.ends_with(ending));
    let kind = match rest {
        "" if !foreign && (permission || state && mail) => Kind::Wanted,
        rest if permission && DENIALS.contains(&rest) => {
            return ("denied", Kind::Gone(SubscriberState::Unsubscribed));
        }
        _ if permission && !counts => Kind::Hint(Hint::Permission),
        _ if permission || state => Kind::Hint(Hint::State),
        _ => Kind::Hint(Hint::Nothing),
    };
    ("subscribed", kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(headers: &[&str], foreign: bool) -> Vec<Option<Kind>> {
        headers.iter().map(|header| meaning(&key(header), foreign).map(|(_, kind)| kind)).collect()
    }

    #[test]
    fn a_name_that_is_a_permission_or_its_state_is_understood_and_one_that_has_more_to_it_is_a_hint() {
        let whole = [
            "newsletter",
            "Subscription",
            "is_subscriber",
            "wants_newsletter",
            "send_email",
            "allow email",
            "consent given",
            "opt_in",
            "Email opt-in",
            "marketing",
            "email_marketing_consent",
            "marketing_permission",
            "email_status",
            "subscription_status",
            "Subscriber State",
            "Newsletter-Status",
            "mailing list",
        ];
        assert!(kinds(&whole, false).iter().all(|kind| *kind == Some(Kind::Wanted)), "{:?}", kinds(&whole, false));
        let denied = [
            "not subscribed",
            "Not opted in",
            "is_not_subscriber",
            "no_newsletter",
            "dnc",
            "do_not_contact",
            "No mail",
        ];
        let gone = Some(Kind::Gone(SubscriberState::Unsubscribed));
        assert!(kinds(&denied, false).iter().all(|kind| *kind == gone), "{:?}", kinds(&denied, false));
        let hints = [
            "newsletter_source",
            "double_opt_in",
            "active_subscription",
            "sms consent",
            "newsletters_weekly",
            "Subscribed on",
        ];
        let permission = Some(Kind::Hint(Hint::Permission));
        assert!(kinds(&hints, false).iter().all(|kind| *kind == permission), "{:?}", kinds(&hints, false));
        let states = ["country_state", "Mailing State/Province", "account status", "newsletters received"];
        let state = Some(Kind::Hint(Hint::State));
        assert!(kinds(&states, false).iter().all(|kind| *kind == state), "{:?}", kinds(&states, false));
        let others = ["notes", "type", "emails received", "city", "mailing city"];
        assert!(kinds(&others[1..], false).iter().all(|kind| *kind == Some(Kind::Hint(Hint::Nothing))));
        assert_eq!(kinds(&["newsletter", "notes"], true), [permission, None], "Mailchimp's groups may be called so");
    }

    #[test]
    fn what_is_about_a_no_is_none() {
        let about = ["unsubreason", "unsubcampaigntitle", "unsubscribeurl", "numberofbouncesonthissubscriber"];
        assert_eq!(kinds(&about, false), [None; 4]);
    }
}
