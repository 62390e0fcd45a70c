//! Counts for the metrics: of issues, deliveries, sources and people, none of which says who.

use super::query::{fetch_all, queries};
use super::{DeferralRow, PaceRow, Session, SourceRow, StoreError, Totals};
use crate::domain::{IssueState, UtcMillis};

queries! {
    ISSUES_BY_STATE = { "select digest, state, count(*) from issues group by digest, state order by digest, state" };
    ISSUES_UNDER_WAY = {
        "select id, digest, state, recipients from issues where state in ('sending', 'held') order by id"
    };
    // What is finished is in no short index, and of mails that belong to no issue nobody needs its number here.
    NOTICES_BY_STATE = {
        "select coalesce(digest, ''), case when state = 'claimed' then 'queued' else state end, count(*) from (
             select digest, state from deliveries where issue_id is null
                 and state not in ('claimed', 'sending', 'sent') and state in ('queued', 'deferred', 'uncertain')
             union all
             select digest, state from deliveries where owner is not null and issue_id is null) x
         group by 1, 2 order by 1, 2"
    };
    // One step of the index for each priority that there is.
    OLDEST_QUEUED = {
        "with recursive p (priority) as (
             select min(priority) from deliveries where state = 'queued'
             union all
             select (select min(d.priority) from deliveries d where d.state = 'queued' and d.priority > p.priority)
             from p where p.priority is not null)
         select p.priority, (select min(d.due_at) from deliveries d where d.state = 'queued' and d.priority = p.priority)
         from p where p.priority is not null order by 1"
    };
    SUBSCRIBERS_BY_STATE = { "select state, count(*) from subscribers group by state order by state" };
    SUBSCRIPTIONS_BY_STATE = {
        "select digest, state, count(*) from subscriptions group by digest, state order by digest, state"
    };
}

/// What there is of issues, deliveries and sources.
#[derive(Clone, Debug, Default)]
pub struct Census {
    /// How many issues of which digest are in which state.
    pub issues: Vec<(String, String, i64)>,
    /// How many deliveries of which digest are in which state: of issues that are under way all, of other mails those that
    /// are not finished. Without a digest it is `""`.
    pub deliveries: Vec<(String, &'static str, i64)>,
    /// The issues that are under way.
    pub under_way: Vec<UnderWay>,
    /// Of each priority in the queue, when the first was due that is still queued.
    pub oldest: Vec<(i64, UtcMillis)>,
    /// The states of all sources.
    pub sources: Vec<SourceRow>,
}

/// An issue that is under way.
#[derive(Clone, Debug)]
pub struct UnderWay {
    /// Its row id.
    pub id: i64,
    /// Its digest.
    pub digest: String,
    /// `sending` or `held`.
    pub state: IssueState,
    /// To how many it goes.
    pub recipients: i64,
    /// How many of its deliveries are where.
    pub totals: Totals,
    /// How it has gone.
    pub pace: PaceRow,
    /// When the last of those is due that wait.
    pub last_due: Option<UtcMillis>,
    /// What of it was put off.
    pub deferrals: Vec<DeferralRow>,
}

/// What there is of people.
#[derive(Clone, Debug, Default)]
pub struct PeopleCensus {
    /// How many subscribers are in which state.
    pub subscribers: Vec<(String, i64)>,
    /// How many subscriptions to which digest are in which state.
    pub subscriptions: Vec<(String, String, i64)>,
}

impl Session {
    /// Counts what there is of issues, deliveries and sources; `since` is from when on something was lately.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn census(&mut self, since: UtcMillis) -> Result<Census, StoreError> {
        let mut deliveries = std::collections::BTreeMap::new();
        let under_way = self.under_way(since).await?;
        for issue in &under_way {
            for (state, count) in issue.totals.by_state() {
                *deliveries.entry((issue.digest.clone(), state)).or_default() += count;
            }
        }
        for (digest, state, count) in fetch_all!(self, NOTICES_BY_STATE as (String, String, i64))? {
            if let Ok(state) = state.parse::<crate::domain::DeliveryState>() {
                *deliveries.entry((digest, state.as_str())).or_default() += count;
            }
        }
        Ok(Census {
            issues: fetch_all!(self, ISSUES_BY_STATE as (String, String, i64))?,
            deliveries: deliveries.into_iter().map(|((digest, state), count)| (digest, state, count)).collect(),
            under_way,
            oldest: fetch_all!(self, OLDEST_QUEUED as (i64, UtcMillis))?,
            sources: self.sources().await?,
        })
    }

    async fn under_way(&mut self, since: UtcMillis) -> Result<Vec<UnderWay>, StoreError> {
        let mut under_way = Vec::new();
        for (id, digest, state, recipients) in fetch_all!(self, ISSUES_UNDER_WAY as (i64, String, String, i64))? {
            let Ok(state) = state.parse() else { continue };
            under_way.push(UnderWay {
                id,
                digest,
                state,
                recipients,
                totals: self.issue_totals(id).await?,
                pace: self.issue_pace(id, since).await?,
                last_due: self.last_due(id).await?,
                deferrals: self.deferrals(id, i64::MAX).await?,
            });
        }
        Ok(under_way)
    }

    /// Counts what there is of people. On a large list that takes a second.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn people_census(&mut self) -> Result<PeopleCensus, StoreError> {
        Ok(PeopleCensus {
            subscribers: fetch_all!(self, SUBSCRIBERS_BY_STATE as (String, i64))?,
            subscriptions: fetch_all!(self, SUBSCRIPTIONS_BY_STATE as (String, String, i64))?,
        })
    }
}
