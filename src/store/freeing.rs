//! Freeing what deliverers have in hand: what is claimed is queued again, and of what was started nobody knows whether it went.
//!
//! What belongs to an issue, or corrects one, then comes to the state that the policy has for it. Any other mail is queued: there
//! would be nobody to ask, and a second confirmation harms nobody.

use super::query::{execute, queries};
use super::{Session, StoreError};
use crate::domain::DeliveryState;

queries! {
    FREE_ALL = {
        "update deliveries set owner = null,
             state = case when state = 'claimed' then 'queued' when address = '' then 'cancelled'
                 when issue_id is null and correction_id is null then 'queued' else $1 end,
             finished_at = case when state = 'sending' and address = '' then started_at else finished_at end
         where owner is not null and state in ('claimed', 'sending')"
    };
    FREE_OWNER = {
        deliveries set "owner = null,
             state = case when state = 'claimed' then 'queued' when address = '' then 'cancelled'
                 when issue_id is null and correction_id is null then 'queued' else $2 end,
             finished_at = case when state = 'sending' and address = '' then started_at else finished_at end"
        where "owner = $1 and state in ('claimed', 'sending')"
    };
    // A list of keys is bound in its own way on each.
    FREE_STRAYS = {
        deliveries set "owner = null,
             state = case when state = 'claimed' then 'queued' when address = '' then 'cancelled'
                 when issue_id is null and correction_id is null then 'queued' else $3 end,
             finished_at = case when state = 'sending' and address = '' then started_at else finished_at end"
        where sqlite "owner = $1 and state in ('claimed', 'sending') and id not in (select value from json_each($2))"
        postgres "owner = $1 and state in ('claimed', 'sending')
           and id not in (select e.value::bigint from json_array_elements_text($2::text::json) as e (value))"
    };
    RELEASE = {
        deliveries set "state = 'queued', owner = null"
        where sqlite "state = 'claimed' and owner = $1
             and id not in (select value from json_each($2))"
        postgres "state = 'claimed' and owner = $1
             and id not in (select e.value::bigint from json_array_elements_text($2::text::json) as e (value))"
    };
}

impl Session {
    /// Frees what any deliverer had claimed, and puts what any had started of issues and corrections into `started`. For whoever
    /// has the store's deliverer lock, before it claims. Says how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn free_all_deliveries(&mut self, started: DeliveryState) -> Result<u64, StoreError> {
        execute!(self, FREE_ALL, started.as_str())
    }

    /// The same for what one dead deliverer had.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn free_deliveries_of(&mut self, owner: &str, started: DeliveryState) -> Result<u64, StoreError> {
        execute!(self, FREE_OWNER, owner, started.as_str())
    }

    /// The same for what `owner` has, but for those `in_hand`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn free_strays(
        &mut self,
        owner: &str,
        in_hand: &[i64],
        started: DeliveryState,
    ) -> Result<u64, StoreError> {
        let json = serde_json::to_string(in_hand).unwrap_or_default();
        execute!(self, FREE_STRAYS, owner, json, started.as_str())
    }

    /// Gives back what `owner` has claimed and not started, but for those `in_hand`. Says how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn release_deliveries(&mut self, owner: &str, in_hand: &[i64]) -> Result<u64, StoreError> {
        let json = serde_json::to_string(in_hand).unwrap_or_default();
        execute!(self, RELEASE, owner, json)
    }
}
