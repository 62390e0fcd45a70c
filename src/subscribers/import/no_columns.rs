//! Columns that stand for one no each, such as `unsubscribed`, `Blacklist` or `subscribed_to_emails`, and those of which a
//! field may say one.

use super::no_names::{Hint, Kind, is_plain, meaning};
use super::noes::{Noes, Subject, TIMELESS};
use super::values;
use crate::domain::{SubscriberState, UtcMillis};

/// Octets of the longest word for a state.
pub(super) const LONGEST_WORD: usize = 30;

/// A column that stands for one no, or may hold one.
#[derive(Clone, Debug)]
pub(super) struct NoColumn {
    /// Its place in the file.
    pub(super) at: usize,
    /// Its header, as it may be shown.
    name: String,
    subject: Subject,
    kind: Kind,
}

impl NoColumn {
    /// Reads a header, in small letters and digits, of a file that may be `foreign`.
    pub(super) fn read(key: &str, at: usize, name: &str, foreign: bool) -> Option<Self> {
        let (subject, kind) = meaning(key, foreign)?;
        Some(Self { at, name: name.to_owned(), subject, kind })
    }

    /// Whether it means nothing as a rule.
    pub(super) fn is_hint(&self) -> bool {
        matches!(self.kind, Kind::Hint(_))
    }

    /// Whether its name says that a no may stand there.
    pub(super) fn is_named(&self) -> bool {
        self.kind != Kind::Hint(Hint::Nothing)
    }

    /// Notes what a field of it says.
    pub(super) fn note(&self, text: &str, now: UtcMillis, noes: &mut Noes) {
        if let Kind::Hint(hint) = self.kind {
            return self.note_hint(text, hint, noes);
        }
        let nothing = text.is_empty() || text.eq_ignore_ascii_case("null") || text.starts_with("0000-00-00");
        let said = match values::flag(text) {
            _ if nothing => None,
            Ok(said) => Some(said),
            Err(_) => match values::state(text) {
                Ok(state) if super::decide::gone(state) => return noes.say_state(text, state),
                Ok(state) => {
                    let confirmed = state == SubscriberState::Confirmed;
                    noes.unconfirmed |= self.kind == Kind::Wanted && !confirmed;
                    Some(match self.kind {
                        Kind::Gone(_) | Kind::Hint(_) => false,
                        Kind::Wanted => true,
                        Kind::Confirmed => confirmed,
                    })
                }
                Err(_) => return self.note_moment(text, now, noes),
            },
        };
        match (self.kind, said) {
            (Kind::Gone(state), Some(true)) => noes.say(self.subject, state, None),
            (Kind::Wanted, Some(false)) => noes.say(self.subject, SubscriberState::Unsubscribed, None),
            (Kind::Wanted, None) => self.doubt("", noes),
            (Kind::Confirmed, said) => noes.unconfirmed |= said != Some(true),
            (Kind::Gone(_) | Kind::Hint(_), _) | (Kind::Wanted, Some(true)) => {}
        }
    }

    /// A word that says no makes a row bad, since the column may be about something else; left out, it counts as that.
    fn note_hint(&self, text: &str, hint: Hint, noes: &mut Noes) {
        if text.is_empty() || text.len() > LONGEST_WORD || hint == Hint::Nothing && !is_plain(text) {
            return;
        }
        let state = values::state(text).ok();
        let permission = hint == Hint::Permission;
        let gone = state.filter(|state| super::decide::gone(*state));
        let refuses = permission && (state == Some(SubscriberState::Pending) || values::flag(text) == Ok(false));
        if let Some(state) = gone {
            noes.say_state(text, state);
        }
        if gone.is_some() || refuses {
            noes.doubt(format!(
                "`{}` in the column `{}` may say that this person wants no mails; if so, rename the column to `state` and \
                 write `unsubscribed` or `pending` there, else take the column out",
                values::shown(text),
                self.name
            ));
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
        let text = if text.is_empty() { "an empty field".to_owned() } else { format!("`{}`", values::shown(text)) };
        noes.doubt(format!(
            "{text} in the column `{}` says neither yes nor no, so that nobody knows whether this person wants mails; rename \
             the column to `state` and write `confirmed` or `unsubscribed` there, or drop it",
            self.name
        ));
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn note(header: &str, text: &str) -> Noes {
        let mut noes = Noes::default();
        let column = NoColumn::read(header, 1, header, false).expect(header);
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
    #[case("emailstatus", "unsubscribed", Some(SubscriberState::Unsubscribed))]
    #[case("newsletter", "nein", Some(SubscriberState::Unsubscribed))]
    #[case("notsubscribed", "true", Some(SubscriberState::Unsubscribed))]
    #[case("undeliverable", "1", Some(SubscriberState::Bounced))]
    #[case("subscription", "Cleaned", Some(SubscriberState::Bounced))]
    #[case("abgemeldetam", "2022-01-02", Some(SubscriberState::Unsubscribed))]
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

    #[rstest]
    #[case("accountstatus", "unsubscribed")]
    #[case("memberstatus", "inactive")]
    #[case("newsletterweekly", "no")]
    #[case("activesubscription", "false")]
    #[case("doubleoptin", "pending")]
    #[case("type", "Opted out")]
    fn a_word_that_says_no_in_a_column_that_may_be_about_something_else_is_in_doubt(
        #[case] header: &str,
        #[case] text: &str,
    ) {
        let unclear = note(header, text).unclear.unwrap_or_default();
        assert!(
            unclear.contains(&format!("`{text}` in the column `{header}`")) && unclear.contains("`state`"),
            "{unclear}"
        );
    }

    #[rstest]
    #[case("countrystate", "NO")]
    #[case("accountstatus", "active")]
    #[case("newslettersource", "Our website")]
    #[case("newslettersopened", "0")]
    #[case("doubleoptin", "2021-03-04")]
    #[case("type", "removed")]
    #[case("remarks", "was unsubscribed by phone")]
    fn what_says_no_such_thing_is_let_pass(#[case] header: &str, #[case] text: &str) {
        let noes = note(header, text);
        assert_eq!((noes.any(), noes.unclear), (false, None), "{header}: {text}");
    }
}
