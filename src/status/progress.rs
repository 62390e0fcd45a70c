//! How an issue goes: how far it is, how fast, and until when it probably takes. The same for all who ask.

use std::time::Duration;

use crate::config::Smtp;
use crate::deliver::Forecast;
use crate::domain::{IssueState, UtcMillis};
use crate::store::{PaceRow, Session, StoreError, Totals};

/// The speed is that of this time.
const LATELY: Duration = Duration::from_secs(60);

/// A few messages within a moment are no speed: they count as those of a second.
const LEAST: Duration = Duration::from_secs(1);

/// Where an issue stands.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// Its state.
    pub state: IssueState,
    /// To how many it goes.
    pub recipients: i64,
    /// How many of its deliveries are where.
    pub totals: Totals,
    /// How it has gone; what was lately has been since [`Progress::since`].
    pub pace: PaceRow,
    /// When the last of those is due that wait for their turn, or to be tried again.
    pub last_due: Option<UtcMillis>,
    /// How long the limits that are set hold up what waits; none: for longer than anybody foresees.
    pub takes: Option<Duration>,
}

/// How an issue goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Which part of it has come to an end, 0 to 1.
    pub part: f64,
    /// How many a second in the last minute; of an issue that is not being sent, of the whole time.
    pub rate: Option<f64>,
    /// When it is probably done; none: nobody can say, or it is.
    pub end: Option<UtcMillis>,
}

impl Progress {
    /// From when on something was lately.
    pub fn since(now: UtcMillis) -> UtcMillis {
        now.minus(LATELY)
    }

    /// How long the limits hold up what waits of an issue that stands so.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn takes(
        session: &mut Session,
        smtp: &Smtp,
        (issue, state, totals): (i64, IssueState, &Totals),
        now: UtcMillis,
    ) -> Result<Option<Duration>, StoreError> {
        let waiting = waiting(totals).unsigned_abs();
        if state != IssueState::Sending || waiting == 0 {
            return Ok(Some(Duration::ZERO));
        }
        Ok(Forecast::of_issue(session, smtp, issue, waiting, now).await?.takes)
    }

    /// Of an issue that stands so.
    pub fn of(standing: &Standing, now: UtcMillis) -> Self {
        let Standing { state, recipients, totals, pace, last_due, takes } = standing;
        let goes = *state == IssueState::Sending;
        let (done, until) = if goes { (pace.lately, Some(now)) } else { (totals.sent, pace.last_end) };
        let since = pace.first_start.map(|first| if goes { first.max(Self::since(now)) } else { first });
        let rate = since.zip(until).and_then(|(since, until)| rate(done, since, until));
        let waiting = totals.queued + totals.sending;
        let by_rate = rate.filter(|_| goes && waiting > 0).map(|rate| now.plus(seconds(waiting, rate)));
        let last_due = last_due.filter(|due| goes && *due > now);
        let by_limits = takes.filter(|takes| goes && !takes.is_zero()).map(|takes| now.plus(takes));
        let end = takes.and_then(|_| by_rate.max(last_due).max(by_limits));
        Self { part: part(totals.settled(), *recipients), rate, end }
    }
}

/// How many have still to go.
fn waiting(totals: &Totals) -> i64 {
    totals.queued + totals.sending + totals.deferred
}

#[allow(clippy::cast_precision_loss, reason = "it is shown with one digit")]
fn rate(done: i64, since: UtcMillis, until: UtcMillis) -> Option<f64> {
    let time = Duration::from_millis(u64::try_from(until.0 - since.0).unwrap_or_default()).max(LEAST);
    (done > 0).then(|| done as f64 / time.as_secs_f64())
}

#[allow(clippy::cast_precision_loss, reason = "it is an estimate")]
fn seconds(waiting: i64, rate: f64) -> Duration {
    Duration::try_from_secs_f64(waiting as f64 / rate).unwrap_or_default()
}

#[allow(clippy::cast_precision_loss, reason = "it is shown in per cent")]
fn part(done: i64, of: i64) -> f64 {
    if of == 0 { 1.0 } else { (done as f64 / of as f64).clamp(0.0, 1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Option<Duration> = Some(Duration::ZERO);

    const START: UtcMillis = UtcMillis(1_795_420_800_000);

    fn standing(totals: Totals, lately: i64) -> Standing {
        let pace = PaceRow { first_start: Some(START), last_end: None, lately };
        Standing { state: IssueState::Sending, recipients: totals.all(), totals, pace, last_due: None, takes: NONE }
    }

    #[test]
    fn a_few_messages_within_a_moment_are_no_thousands_a_second() {
        let mut few = standing(Totals { sent: 12, ..Totals::default() }, 12);
        assert_eq!(Progress::of(&few, UtcMillis(START.0 + 3)).rate, Some(12.0));
        (few.state, few.pace.last_end) = (IssueState::Sent, Some(UtcMillis(START.0 + 3)));
        assert_eq!(Progress::of(&few, UtcMillis(START.0 + 9_000)).rate, Some(12.0));
    }

    #[test]
    fn what_is_put_off_has_not_come_to_an_end() {
        let totals = Totals { sent: 6, failed: 1, cancelled: 1, deferred: 1, uncertain: 1, ..Totals::default() };
        let now = UtcMillis(START.0 + 10_000);
        let due = UtcMillis(START.0 + 90_000);
        let progress = Progress::of(&Standing { last_due: Some(due), ..standing(totals, 8) }, now);
        assert_eq!(progress, Progress { part: 0.8, rate: Some(0.8), end: Some(due) });
    }

    #[test]
    fn it_ends_when_the_rate_is_through_and_not_before_the_last_turn_of_a_spread() {
        let totals = Totals { queued: 90, sent: 10, ..Totals::default() };
        let now = UtcMillis(START.0 + 10_000);
        let by_rate = Progress::of(&standing(totals, 10), now);
        assert_eq!(by_rate.end, Some(UtcMillis(START.0 + 100_000)));
        let spread = Standing { last_due: Some(UtcMillis(START.0 + 7_200_000)), ..standing(totals, 10) };
        assert_eq!(Progress::of(&spread, now).end, Some(UtcMillis(START.0 + 7_200_000)));
    }

    #[test]
    fn it_ends_no_sooner_than_the_limits_let_it_however_fast_it_has_gone() {
        let totals = Totals { queued: 90, sent: 10, ..Totals::default() };
        let now = UtcMillis(START.0 + 10_000);
        let end = |takes, lately| Progress::of(&Standing { takes, ..standing(totals, lately) }, now).end;
        let hours = Duration::from_secs(7_200);
        assert_eq!(end(Some(hours), 10), Some(now.plus(hours)));
        assert_eq!(end(Some(hours), 0), Some(now.plus(hours)), "nothing goes for now");
        assert_eq!(end(Some(Duration::from_secs(1)), 10), Some(UtcMillis(START.0 + 100_000)), "the relay is slower");
        assert_eq!((end(NONE, 0), end(None, 10)), (None, None), "nobody can say");
    }
}
