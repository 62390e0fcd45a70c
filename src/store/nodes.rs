//! Processes that deliver from a shared store, each with a counter that it raises while it lives.

use super::query::{execute, fetch_all, queries};
use super::{Session, StoreError};
use crate::domain::UtcMillis;

queries! {
    BEAT = { "update nodes set beat = $2 where node = $1" };
    FIRST_BEAT = {
        "insert into nodes (node, beat, started_at) values ($1, $2, $3) on conflict (node) do update set beat = excluded.beat"
    };
    // An owner without a row died after it was buried; it is watched like the others.
    OTHER_NODES = {
        "select node, beat from nodes where node <> $1
         union all
         select distinct d.owner, cast(0 as bigint) from deliveries d where d.owner is not null and d.owner <> $1
             and not exists (select 1 from nodes n where n.node = d.owner)"
    };
    BURY = { "delete from nodes where node = $1 and beat = $2" };
    // It may beat at this moment: whichever of the two rows comes first, the other one waits for that transaction.
    STAND_IN = {
        "insert into nodes (node, beat, started_at) values ($1, 0, 0) on conflict (node) do nothing"
    };
    LEAVE = { "delete from nodes where node = $1" };
}

/// A node as others see it.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct NodeRow {
    /// Its name.
    pub node: String,
    /// Its counter; 0: it has no row any more, and deliveries in hand.
    pub beat: i64,
}

impl Session {
    /// Sets a node's counter; makes its row where there is none, and says whether it did.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn beat(&mut self, node: &str, beat: i64, now: UtcMillis) -> Result<bool, StoreError> {
        let is_there = execute!(self, BEAT, node, beat)? > 0;
        if !is_there {
            execute!(self, FIRST_BEAT, node, beat, now)?;
        }
        Ok(!is_there)
    }

    /// The nodes but `node`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn other_nodes(&mut self, node: &str) -> Result<Vec<NodeRow>, StoreError> {
        fetch_all!(self, OTHER_NODES as NodeRow, node)
    }

    /// Takes a dead node's row away. `false`: its counter has moved, so it lives, or another node was first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn bury_node(&mut self, dead: &NodeRow) -> Result<bool, StoreError> {
        if dead.beat == 0 && execute!(self, STAND_IN, &dead.node)? == 0 {
            return Ok(false);
        }
        Ok(execute!(self, BURY, &dead.node, dead.beat)? == 1)
    }

    /// Takes a node's row away when it stops.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn leave_nodes(&mut self, node: &str) -> Result<(), StoreError> {
        execute!(self, LEAVE, node)?;
        Ok(())
    }
}
