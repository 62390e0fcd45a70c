//! Since when each digest has had its schedule: no period before that is made up for.
//!
//! Nodes may go by different schedules, while they are reloaded one by one or for longer. Each schedule has a beginning of its
//! own, and as long as there are several, whoever goes by one says so now and then. One that is no longer seen has been
//! replaced: where it comes back later, it begins anew.

use std::time::Duration;

use super::due::SKEW;
use super::{ComposeError, Composer};
use crate::config::Digest;
use crate::domain::UtcMillis;
use crate::store::{Durability, SeenSchedule, Session, StoreError};

/// How often it is written down that a schedule is still gone by, while there are several.
const SAY: Duration = Duration::from_secs(60);

/// After how long one that nobody goes by has been replaced, where another is gone by.
const REPLACED: Duration = Duration::from_secs(3600);

impl Composer {
    /// Since when a digest has had its schedule.
    pub(super) async fn schedule_since(&self, digest: &Digest, now: UtcMillis) -> Result<UtcMillis, ComposeError> {
        let known = self.store.read().await?.schedules(&digest.id).await?;
        if let Some(since) = settled(&known, &schedule_text(digest), now) {
            return Ok(since);
        }
        let mut session = self.store.write(Durability::Full).await?;
        let since = self.see(&mut session, digest, now).await?;
        session.commit().await?;
        Ok(since)
    }

    /// Writes down that a digest has its schedule now; gives since when.
    pub(super) async fn see(
        &self,
        session: &mut Session,
        digest: &Digest,
        now: UtcMillis,
    ) -> Result<UtcMillis, StoreError> {
        session.add_digest(&digest.id).await?;
        session.lock_digest(&digest.id).await?;
        let (known, mine) = (session.schedules(&digest.id).await?, schedule_text(digest));
        if let Some(since) = settled(&known, &mine, now) {
            return Ok(since);
        }
        let is_gone = |row: &SeenSchedule| !is_near(row.seen_at, now, REPLACED);
        let is_replaced = |row: &SeenSchedule| is_gone(row) && known.iter().any(|other| other.seen_at > row.seen_at);
        let own = known.iter().find(|row| row.schedule == mine);
        let kept = own.filter(|row| !is_replaced(row) && row.since <= now.plus(SKEW));
        let since = kept.map_or(now, |row| row.since);
        session.put_schedule(&digest.id, &mine, since, now).await?;
        for other in known.iter().filter(|row| row.schedule != mine) {
            match own {
                // Who goes by it may be about to say so.
                None => session.put_schedule(&digest.id, &other.schedule, other.since, now).await?,
                Some(_) if is_gone(other) => session.forget_schedule(&digest.id, &other.schedule).await?,
                Some(_) => {}
            }
        }
        Ok(since)
    }
}

/// Since when that schedule has been gone by, where nothing has to be written down for it.
fn settled(known: &[SeenSchedule], mine: &str, now: UtcMillis) -> Option<UtcMillis> {
    let own = known.iter().find(|row| row.schedule == mine && row.since <= now.plus(SKEW))?;
    (known.len() == 1 || is_near(own.seen_at, now, SAY)).then_some(own.since)
}

fn is_near(at: UtcMillis, now: UtcMillis, within: Duration) -> bool {
    (now.minus(within)..=now.plus(within)).contains(&at)
}

/// What makes a schedule another one: its expression or its zone.
fn schedule_text(digest: &Digest) -> String {
    format!("{} {}", digest.schedule.expression(), digest.timezone().name())
}
