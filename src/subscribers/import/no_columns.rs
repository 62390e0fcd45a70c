//! Columns that stand for one no each, such as `unsubscribed`, `Blacklist` or `subscribed_to_emails`.

use super::noes::{Noes, Subject, TIMELESS, UNSUBSCRIBED};
use super::values;
use crate::domain::{SubscriberState, UtcMillis};

/// A column that stands for one no.
#[derive(Clone, Debug)]
pub(super) struct NoColumn {
    /// Its place in the file.
    pub(super) at: usize,
    /// Its header, as it may be shown.
    name: String,
    subject: Subject,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Yes, or a date, means that.
    Gone(SubscriberState),
    /// No means that they have left.
    Wanted,
    /// No means that they have not confirmed.
    Confirmed,
}

/// How headers begin and end that are about a no and are none: `Number of bounces`, `unsubscribe_url`.
const BEGINNINGS: [&str; 4] = ["number", "total", "count", "soft"];
const ENDINGS: [&str; 15] = [
    "url", "link", "token", "hash", "count", "counts", "note", "notes", "comment", "comments", "score", "rate", "id",
    "ip", "by",
];

impl NoColumn {
    /// Reads a header, in small letters and digits.
    pub(super) fn read(key: &str, at: usize, name: &str) -> Option<Self> {
        let (subject, kind) = meaning(key)?;
        Some(Self { at, name: name.to_owned(), subject, kind })
    }

    /// Notes what a field of it says.
    pub(super) fn note(&self, text: &str, now: UtcMillis, noes: &mut Noes) {
        let nothing = text.is_empty() || text.eq_ignore_ascii_case("null") || text.starts_with("0000-00-00");
        let said = match values::flag(text) {
            _ if nothing => None,
            Ok(said) => Some(said),
            Err(_) => match values::state(text) {
                Ok(state) if super::decide::gone(state) => return noes.say_state(text, state),
                Ok(state) => Some(match self.kind {
                    Kind::Gone(_) => false,
                    Kind::Wanted => true,
                    Kind::Confirmed => state == SubscriberState::Confirmed,
                }),
                Err(_) => return self.note_moment(text, now, noes),
            },
        };
        match (self.kind, said) {
            (Kind::Gone(state), Some(true)) => noes.say(self.subject, state, None),
            (Kind::Wanted, Some(false)) => noes.say(self.subject, SubscriberState::Unsubscribed, None),
            (Kind::Wanted, None) => self.doubt("", noes),
            (Kind::Confirmed, said) => noes.unconfirmed |= said != Some(true),
            (Kind::Gone(_), _) | (Kind::Wanted, Some(true)) => {}
        }
    }

    /// A moment says that it was so from then on.
    fn note_moment(&self, text: &str, now: UtcMillis, noes: &mut Noes) {
        match (values::past_at_latest(text, now), self.kind) {
            (Ok(at), Kind::Gone(state)) => noes.say(self.subject, state, Some(at)),
            (Ok(_), _) => {}
            (Err(_), kind) => {
                self.doubt(text, noes);
                // What has digits is a date that is written in another way.
                if let Kind::Gone(state) = kind
                    && text.contains(|c: char| c.is_ascii_digit())
                {
                    noes.say(TIMELESS, state, None);
                }
            }
        }
    }

    fn doubt(&self, text: &str, noes: &mut Noes) {
        noes.doubt(format!(
            "`{}` in the column `{}` says neither yes nor no, so that nobody knows whether this person wants mails; rename \
             the column to `state` and write `confirmed` or `unsubscribed` there, or drop it",
            values::shown(text),
            self.name
        ));
    }
}

/// What a header says, in small letters and digits, and what that is about.
fn meaning(key: &str) -> Option<(Subject, Kind)> {
    by_name(key).or_else(|| by_stem(key).filter(|_| !is_about(key)))
}

/// What a word for a state is about: as the column of that name.
pub(super) fn subject_of(word: &str) -> Subject {
    let key: String = word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    meaning(&key).map_or(TIMELESS, |(subject, _)| subject)
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
    ["reason", "campaign"].iter().any(|word| key.contains(word))
        || BEGINNINGS.iter().any(|word| key.starts_with(word))
        || ENDINGS.iter().any(|word| key.ends_with(word)) && !key.ends_with("account")
}

/// Names that are a no as they stand, or its contrary.
const NAMES: [(Kind, &[Subject]); 5] = [
    (Kind::Gone(SubscriberState::Complained), &["spam", "abuse", "reportedspam", "markedasspam"]),
    (Kind::Gone(SubscriberState::Bounced), &["cleaned", "cleantime", "invalid"]),
    (
        Kind::Gone(SubscriberState::Unsubscribed),
        &["disabled", "inactive", "blocked", "left", "removed", "deleted", "cancelled", "archived"],
    ),
    (Kind::Wanted, &["subscribed", "optin", "optedin", "consent", "marketingconsent", "active", "enabled"]),
    (Kind::Confirmed, &["confirmed"]),
];

fn by_name(key: &str) -> Option<(Subject, Kind)> {
    let (core, timed) = core(key);
    let mut names = NAMES.iter().flat_map(|(kind, names)| names.iter().map(|name| (*name, *kind)));
    // When somebody subscribed, or was active last, says nothing where it is empty.
    names.find(|(name, kind)| (*name == core || *name == key) && (!timed || matches!(kind, Kind::Gone(_))))
}

/// Parts of names that say one, and what each is about: another spelling is about the same.
const STEMS: [(&str, Subject, SubscriberState); 9] = [
    ("complain", "complain", SubscriberState::Complained),
    ("spam", "complain", SubscriberState::Complained),
    ("bounce", "bounce", SubscriberState::Bounced),
    ("unsub", UNSUBSCRIBED, SubscriberState::Unsubscribed),
    ("optout", "optout", SubscriberState::Unsubscribed),
    ("optedout", "optout", SubscriberState::Unsubscribed),
    ("blacklist", "blacklist", SubscriberState::Unsubscribed),
    ("blocklist", "blacklist", SubscriberState::Unsubscribed),
    ("donot", "donot", SubscriberState::Unsubscribed),
];

fn by_stem(key: &str) -> Option<(Subject, Kind)> {
    let stem = STEMS.iter().find(|(stem, ..)| key.contains(stem));
    let wanted = key.starts_with("subscribedto") || key.starts_with("accepts");
    stem.map(|(_, subject, state)| (*subject, Kind::Gone(*state)))
        .or_else(|| wanted.then_some(("subscribed", Kind::Wanted)))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn note(header: &str, text: &str) -> Noes {
        let mut noes = Noes::default();
        let column = NoColumn::read(header, 1, header).expect(header);
        column.note(text, UtcMillis(1_800_000_000_000), &mut noes);
        noes
    }

    #[rstest]
    #[case("unsubscribed", "yes", Some(SubscriberState::Unsubscribed))]
    #[case("unsubscribed", "No", None)]
    #[case("unsubscribed", "", None)]
    #[case("unsubtime", "2022-01-02 03:04:05", Some(SubscriberState::Unsubscribed))]
    #[case("unsubscribedat", "0000-00-00 00:00:00", None)]
    #[case("optedout", "opted out", Some(SubscriberState::Unsubscribed))]
    #[case("blacklist", "TRUE", Some(SubscriberState::Unsubscribed))]
    #[case("bounced", "1", Some(SubscriberState::Bounced))]
    #[case("spamcomplaint", "t", Some(SubscriberState::Complained))]
    #[case("subscribedtoemails", "false", Some(SubscriberState::Unsubscribed))]
    #[case("subscribed", "2021-03-04", None)]
    #[case("active", "1", None)]
    #[case("isthisaccountdisabled", "1", Some(SubscriberState::Unsubscribed))]
    #[case("donotemail", "yes", Some(SubscriberState::Unsubscribed))]
    fn a_column_that_stands_for_one_no_is_understood(
        #[case] header: &str,
        #[case] text: &str,
        #[case] expected: Option<SubscriberState>,
    ) {
        let noes = note(header, text);
        assert_eq!((noes.gone().first().map(|gone| gone.state), noes.unclear), (expected, None), "{header}: {text}");
    }

    #[test]
    fn what_is_neither_yes_nor_no_is_said_with_the_column_and_the_way_on() {
        let unclear = note("optedout", "perhaps").unclear.unwrap();
        assert!(unclear.contains("`perhaps` in the column `optedout`") && unclear.contains("rename"), "{unclear}");
        assert!(note("subscribed", "").unclear.is_some());
        let another_way = note("unsubscribedat", "31/12/2025");
        assert!(another_way.unclear.is_some() && another_way.any());
        assert!(note("confirmed", "0").unconfirmed && !note("confirmed", "1").unconfirmed);
    }

    #[test]
    fn what_is_about_a_no_is_none() {
        for header in ["unsubreason", "unsubcampaigntitle", "unsubscribeurl", "numberofbouncesonthissubscriber", "name"]
        {
            assert!(meaning(header).is_none(), "{header}");
        }
    }
}
