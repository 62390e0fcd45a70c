//! Asks a subscriber to confirm, and notes what for.

use super::choice::{self, Chosen};
use super::language::{self, locale_of};
use super::{Notice, NoticeKind, Notify, Origin, Pauses, SecretLink, Subscribers, SubscribersError, event};
use crate::domain::{EmailAddress, Locale, UtcMillis, without_turns};
use crate::store::{JoinRequestRow, Session, SubscriberRow};

/// What is asked for. Name and language count from the confirmation of this very request on.
#[derive(Clone, Copy)]
pub(super) struct Wish<'a> {
    /// The digests and topics that the mail names.
    pub(super) choice: &'a [Chosen],
    /// What they have paused, and go on to have.
    pub(super) pauses: &'a Pauses,
    /// The name that was typed.
    pub(super) name: &'a str,
    /// The language that was asked in.
    pub(super) locale: Option<&'a Locale>,
    /// What the person was shown where they asked.
    pub(super) wording: Option<&'a str>,
}

impl Subscribers {
    /// Asks a subscriber, whom an operator has written down, to confirm `choice`, and notes that.
    pub(super) async fn ask(
        &self,
        session: &mut Session,
        row: &SubscriberRow,
        address: &EmailAddress,
        choice: &[Chosen],
        origin: Origin<'_>,
        notify: &impl Notify,
    ) -> Result<(), SubscribersError> {
        let locale = locale_of(row.locale.as_deref());
        let pauses = &Pauses::default();
        let wish = Wish { choice, pauses, name: &row.name, locale: locale.as_ref(), wording: None };
        self.ask_for(session, row, address, wish, origin, notify).await
    }

    /// Asks a subscriber to confirm a wish that was uttered in their name, and notes that. Nothing else of them changes.
    pub(super) async fn ask_for(
        &self,
        session: &mut Session,
        row: &SubscriberRow,
        address: &EmailAddress,
        wish: Wish<'_>,
        origin: Origin<'_>,
        notify: &impl Notify,
    ) -> Result<(), SubscribersError> {
        let now = self.now();
        let request = JoinRequestRow {
            subscriber_id: row.id,
            asked_at: now,
            choice: choice::pack(wish.choice),
            name: without_turns(wish.name),
            locale: wish.locale.map(|locale| locale.as_str().to_owned()),
            reminded_at: None,
        };
        let Some(notice) = self.question(row, address, (wish.choice, wish.pauses), &request, false) else {
            return Ok(());
        };
        session.put_join_request(&request).await?;
        notice.queue(session, notify).await?;
        for chosen in wish.choice {
            let mut event = event(row, "asked", now, origin);
            event.digest = Some(chosen.digest.clone());
            event.wording = wish.wording.map(str::to_owned);
            event.evidence = Some(format!("topics {}", chosen.topics.stored()));
            session.add_consent(&event).await?;
        }
        Ok(())
    }

    /// The mail that asks for `choice`, in the looks of its first digest; none when nothing is chosen. It comes in the
    /// language that was asked in only to people who have no way yet to say which is theirs.
    pub(super) fn question(
        &self,
        row: &SubscriberRow,
        address: &EmailAddress,
        (choice, pauses): (&[Chosen], &Pauses),
        request: &JoinRequestRow,
        reminder: bool,
    ) -> Option<Notice> {
        let first = choice.first()?;
        let kind = NoticeKind::Confirm {
            choice: choice.to_vec(),
            pauses: pauses.clone(),
            link: SecretLink(self.tokens.confirm_url(&row.public_id, address, choice, request.asked_at)),
            expires_at: self.expiry(request.asked_at),
            reminder,
        };
        let locale = language::of_person(row, request.locale.as_deref());
        Some(Notice { subscriber: row.id, address: address.clone(), locale, digest: first.digest.clone(), kind })
    }

    fn expiry(&self, asked_at: UtcMillis) -> UtcMillis {
        asked_at.plus(self.config.confirmation.valid_for)
    }
}
