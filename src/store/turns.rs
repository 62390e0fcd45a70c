//! Turns: who of several nodes may send next under a rate that they share, by the database's clock.

use std::time::Duration;

use super::query::{execute, fetch_all, queries};
use super::{Session, StoreError};

queries! {
    OWE_TURN = {
        "update turns set owed = case when owed + $2 < $3 then owed + $2 else cast($3 as bigint) end where scope = $1"
    };
    MAKE_TURNS = { "insert into turns (scope, next_at, owed) values ($1, 0, 0) on conflict (scope) do nothing" };
    // A turn begins when the one before ends, or now. None is given that would begin in more than $5; what lies further ahead
    // than could have been given was written before the clock was set back. What nobody took is owed, up to $5; when nobody has asked for
    // so long there was nothing to send, and nothing is owed.
    TAKE_TURN = {
        sqlite
        "update turns set
             owed = max(0, min($5, $4 + case when c.now - turns.next_at > $5 then 0
                                             when c.now > turns.next_at then turns.owed + c.now - turns.next_at
                                             else turns.owed end) - $3),
             next_at = $2 + case when turns.next_at between c.now and c.now + $5 then turns.next_at else c.now end
         from (select cast(unixepoch('subsec') * 1000000 as integer) as now) c
         where turns.scope = $1 and (turns.next_at <= c.now + $5 or turns.next_at > c.now + 3 * $5)
         returning next_at - cast(unixepoch('subsec') * 1000000 as integer), owed"
        postgres
        "update turns set
             owed = greatest(0, least($5, $4 + case when c.now - turns.next_at > $5 then 0
                                                    when c.now > turns.next_at then turns.owed + c.now - turns.next_at
                                                    else turns.owed end) - $3),
             next_at = $2 + case when turns.next_at between c.now and c.now + $5 then turns.next_at else c.now end
         from (select cast(extract(epoch from clock_timestamp()) * 1000000 as bigint) as now) c
         where turns.scope = $1 and (turns.next_at <= c.now + $5 or turns.next_at > c.now + 3 * $5)
         returning next_at - cast(extract(epoch from clock_timestamp()) * 1000000 as bigint), owed"
    };
}

/// A turn that was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// It begins so much later than now.
    pub begins_in: Duration,
    /// How much of the time nobody had taken lately.
    pub owed: Duration,
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

impl Session {
    /// Notes that `time` of the turns of `scope` was not used. No more than `most` is owed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn owe_turn(&mut self, scope: &str, time: Duration, most: Duration) -> Result<(), StoreError> {
        execute!(self, OWE_TURN, scope, micros(time), micros(most))?;
        Ok(())
    }

    /// Takes the next turn of `scope`, which lasts for `span`. `paid` is what it is shorter for, since so much is owed;
    /// `lost` of earlier turns was not used. `None`: turns up to `ahead` from now are given away.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take_turn(
        &mut self,
        scope: &str,
        span: Duration,
        paid: Duration,
        lost: Duration,
        ahead: Duration,
    ) -> Result<Option<Turn>, StoreError> {
        let (span, paid, lost, ahead) = (micros(span), micros(paid), micros(lost), micros(ahead));
        let lost = lost.min(ahead);
        let mut taken = fetch_all!(self, TAKE_TURN as (i64, i64), scope, span, paid, lost, ahead)?;
        if taken.is_empty() && execute!(self, MAKE_TURNS, scope)? == 1 {
            taken = fetch_all!(self, TAKE_TURN as (i64, i64), scope, span, paid, lost, ahead)?;
        }
        let time = |micros: i64| Duration::from_micros(u64::try_from(micros).unwrap_or_default());
        Ok(taken.pop().map(|(ends, owed)| Turn { begins_in: time(ends - span), owed: time(owed) }))
    }
}
