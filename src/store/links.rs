//! The counted links of an issue: where each leads, and how often readers followed it, all of them together.

use super::query::{execute, fetch_all, fetch_optional, queries};
use super::{Session, StoreError};
use crate::domain::PublicId;

queries! {
    PUT_LINK = {
        "insert into issue_links (issue_id, place, url, clicks) values ($1, $2, $3, 0) on conflict do nothing"
    };
    ISSUE_LINKS = { "select place, url, clicks from issue_links where issue_id = $1 order by place" };
    LINK = {
        "select i.digest, l.url from issues i join issue_links l on l.issue_id = i.id where i.public_id = $1 and l.place = $2"
    };
    COUNT_CLICK = {
        "update issue_links set clicks = clicks + 1
         where place = $2 and issue_id = (select i.id from issues i where i.public_id = $1)"
    };
}

/// A counted link of an issue.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct LinkRow {
    /// Its number within the issue, from 0.
    pub place: i64,
    /// Where it leads.
    pub url: String,
    /// How often it was followed.
    pub clicks: i64,
}

impl Session {
    /// Records where a counted link of an issue leads. The first address of a place stays.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn put_link(&mut self, issue: i64, place: i64, url: &str) -> Result<(), StoreError> {
        execute!(self, PUT_LINK, issue, place, url)?;
        Ok(())
    }

    /// The counted links of an issue, in their order.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn issue_links(&mut self, issue: i64) -> Result<Vec<LinkRow>, StoreError> {
        fetch_all!(self, ISSUE_LINKS as LinkRow, issue)
    }

    /// The digest that a counted link came with, and where it leads.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn link(&mut self, issue: &PublicId, place: i64) -> Result<Option<(String, String)>, StoreError> {
        fetch_optional!(self, LINK as (String, String), issue, place)
    }

    /// Counts that somebody followed a link.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_click(&mut self, issue: &PublicId, place: i64) -> Result<(), StoreError> {
        execute!(self, COUNT_CLICK, issue, place)?;
        Ok(())
    }
}
