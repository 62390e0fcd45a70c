//! What the fields of a row say of somebody's having gone: by columns that stand for one no each, such as `unsubscribed`,
//! `Blacklist` or `subscribed_to_emails`, and all of them together.

use super::strictness;
use super::values;
use crate::domain::{SubscriberState, UtcMillis};

/// That somebody has gone where a row comes from, and since when at the latest, where it says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gone {
    pub(super) state: SubscriberState,
    pub(super) at: Option<UtcMillis>,
}

/// What the fields of a row say of that together.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Noes {
    /// The strictest of what was said.
    pub(super) gone: Option<Gone>,
    /// Why some field may say it and cannot be read.
    pub(super) unclear: Option<String>,
    /// Whether they have not confirmed.
    pub(super) unconfirmed: bool,
}

impl Noes {
    /// Notes one that is said.
    pub(super) fn say(&mut self, state: SubscriberState, at: Option<UtcMillis>) {
        let Some(gone) = &mut self.gone else {
            self.gone = Some(Gone { state, at });
            return;
        };
        // Of two for one reason the date is that of both; for two reasons both have to have one.
        let both =
            if gone.state == state { gone.at.max(at) } else { gone.at.zip(at).map(|(one, other)| one.max(other)) };
        let stricter = if strictness(state) > strictness(gone.state) { state } else { gone.state };
        *gone = Gone { state: stricter, at: both };
    }

    /// Notes that a field cannot be read.
    pub(super) fn doubt(&mut self, why: String) {
        self.unclear.get_or_insert(why);
    }

    /// Notes a moment at which they went; one that cannot be read is none that is empty.
    pub(super) fn went(&mut self, state: SubscriberState, at: Option<&str>, now: UtcMillis) {
        match at.map(|text| values::past(text, now)) {
            None => {}
            Some(Ok(at)) => self.say(state, Some(at)),
            Some(Err(why)) => {
                self.say(state, None);
                self.doubt(why);
            }
        }
    }
}

/// A column that stands for one no.
#[derive(Clone, Debug)]
pub(super) struct NoColumn {
    /// Its place in the file.
    pub(super) at: usize,
    /// Its header, as it may be shown.
    name: String,
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
        Some(Self { at, name: name.to_owned(), kind: kind(key)? })
    }

    /// Notes what a field of it says.
    pub(super) fn note(&self, text: &str, now: UtcMillis, noes: &mut Noes) {
        let nothing = text.is_empty() || text.eq_ignore_ascii_case("null") || text.starts_with("0000-00-00");
        let said = match values::flag(text) {
            _ if nothing => None,
            Ok(said) => Some(said),
            Err(_) => match values::state(text) {
                Ok(state) if super::decide::gone(state) => return noes.say(state, None),
                Ok(state) => Some(match self.kind {
                    Kind::Gone(_) => false,
                    Kind::Wanted => true,
                    Kind::Confirmed => state == SubscriberState::Confirmed,
                }),
                Err(_) => return self.note_moment(text, now, noes),
            },
        };
        match (self.kind, said) {
            (Kind::Gone(state), Some(true)) => noes.say(state, None),
            (Kind::Wanted, Some(false)) => noes.say(SubscriberState::Unsubscribed, None),
            (Kind::Wanted, None) => self.doubt("", noes),
            (Kind::Confirmed, said) => noes.unconfirmed |= said != Some(true),
            (Kind::Gone(_), _) | (Kind::Wanted, Some(true)) => {}
        }
    }

    /// A moment says that it was so from then on.
    fn note_moment(&self, text: &str, now: UtcMillis, noes: &mut Noes) {
        match (values::past(text, now), self.kind) {
            (Ok(at), Kind::Gone(state)) => noes.say(state, Some(at)),
            (Ok(_), _) => {}
            (Err(_), kind) => {
                self.doubt(text, noes);
                // What has digits is a date that is written in another way.
                if let Kind::Gone(state) = kind
                    && text.contains(|c: char| c.is_ascii_digit())
                {
                    noes.say(state, None);
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

fn kind(key: &str) -> Option<Kind> {
    by_name(key).or_else(|| by_stem(key).filter(|_| !is_about(key)))
}

fn is_about(key: &str) -> bool {
    ["reason", "campaign"].iter().any(|word| key.contains(word))
        || BEGINNINGS.iter().any(|word| key.starts_with(word))
        || ENDINGS.iter().any(|word| key.ends_with(word)) && !key.ends_with("account")
}

fn by_name(key: &str) -> Option<Kind> {
    Some(match key {
        "spam" | "isspam" | "abuse" | "reportedspam" | "markedasspam" => Kind::Gone(SubscriberState::Complained),
        "cleaned" | "cleantime" | "cleanedat" | "invalid" | "isinvalid" => Kind::Gone(SubscriberState::Bounced),
        "disabled"
        | "isdisabled"
        | "isthisaccountdisabled"
        | "inactive"
        | "isinactive"
        | "blocked"
        | "isblocked"
        | "left"
        | "leftat"
        | "removed"
        | "removedat"
        | "deleted"
        | "deletedat"
        | "cancelled"
        | "cancelledat"
        | "archived"
        | "archivedat" => Kind::Gone(SubscriberState::Unsubscribed),
        "subscribed"
        | "issubscribed"
        | "optin"
        | "optedin"
        | "emailoptin"
        | "emailconsent"
        | "marketingconsent"
        | "emailmarketingconsent"
        | "active"
        | "isactive"
        | "enabled"
        | "isenabled" => Kind::Wanted,
        "confirmed" | "isconfirmed" | "isthisuserconfirmed" | "isthissubscriberconfirmed" => Kind::Confirmed,
        _ => return None,
    })
}

fn by_stem(key: &str) -> Option<Kind> {
    let has = |words: &[&str]| words.iter().any(|word| key.contains(word));
    if has(&["complain", "spam"]) {
        Some(Kind::Gone(SubscriberState::Complained))
    } else if has(&["bounce"]) {
        Some(Kind::Gone(SubscriberState::Bounced))
    } else if has(&["unsub", "optout", "optedout", "blacklist", "blocklist", "donot"]) {
        Some(Kind::Gone(SubscriberState::Unsubscribed))
    } else {
        (key.starts_with("subscribedto") || key.starts_with("accepts")).then_some(Kind::Wanted)
    }
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
        assert_eq!((noes.gone.map(|gone| gone.state), noes.unclear), (expected, None), "{header}: {text}");
    }

    #[test]
    fn what_is_neither_yes_nor_no_is_said_with_the_column_and_the_way_on() {
        let unclear = note("optedout", "perhaps").unclear.unwrap();
        assert!(unclear.contains("`perhaps` in the column `optedout`") && unclear.contains("rename"), "{unclear}");
        assert!(note("subscribed", "").unclear.is_some());
        let another_way = note("unsubscribedat", "31/12/2025");
        assert!(another_way.unclear.is_some() && another_way.gone.is_some());
        assert!(note("confirmed", "0").unconfirmed && !note("confirmed", "1").unconfirmed);
    }

    #[test]
    fn what_is_about_a_no_is_none() {
        for header in ["unsubreason", "unsubcampaigntitle", "unsubscribeurl", "numberofbouncesonthissubscriber", "name"]
        {
            assert_eq!(kind(header), None, "{header}");
        }
    }

    #[test]
    fn two_noes_are_as_late_as_the_later_and_undated_unless_both_have_a_date() {
        let say = |all: &[(SubscriberState, Option<i64>)]| {
            let mut noes = Noes::default();
            all.iter().for_each(|(state, at)| noes.say(*state, at.map(UtcMillis)));
            noes.gone.map(|gone| (gone.state, gone.at.map(|at| at.0)))
        };
        use SubscriberState::{Bounced, Unsubscribed};
        assert_eq!(say(&[(Unsubscribed, None), (Unsubscribed, Some(5))]), Some((Unsubscribed, Some(5))));
        assert_eq!(say(&[(Unsubscribed, Some(7)), (Bounced, Some(5))]), Some((Bounced, Some(7))));
        assert_eq!(say(&[(Unsubscribed, None), (Bounced, Some(5))]), Some((Bounced, None)));
    }
}
