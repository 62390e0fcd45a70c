//! The connection that claims and marks deliveries on SQLite, without a thread of its own.
//!
//! The other connections hand each statement to a thread and wait for its answer, row by row. Waking two threads takes as
//! long as a commit of marks, and one such commit stands between any two messages. So this one commits on the thread that
//! asks, and waits for nothing there: where another process writes, a thread for waiting takes over.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::Duration;

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, Row};

use super::file::CHECKPOINT;
use super::{ClaimedRow, PATIENCE, StoreError};
use crate::domain::UtcMillis;

/// How many prepared statements are kept.
const STATEMENTS: usize = 64;

/// `synchronous` as for all marks; a small cache, since deliveries are marked in about the order of their rows. What
/// a change leaves behind is zeroed, so that nothing is left of whoever is erased later.
const SETTINGS: &str = "pragma synchronous = normal; pragma foreign_keys = on; pragma temp_store = memory;
    pragma cache_size = -4000; pragma secure_delete = on";

/// A value that a statement takes.
#[derive(Clone, Copy)]
pub(super) enum Field<'f> {
    Number(Option<i64>),
    Text(Option<&'f str>),
}

impl ToSql for Field<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Number(Some(number)) => ValueRef::Integer(*number),
            Self::Text(Some(text)) => ValueRef::Text(text.as_bytes()),
            Self::Number(None) | Self::Text(None) => ValueRef::Null,
        }))
    }
}

impl TryFrom<&Row<'_>> for ClaimedRow {
    type Error = rusqlite::Error;

    fn try_from(row: &Row<'_>) -> Result<Self, Self::Error> {
        Ok(Self {
            id: row.get("id")?,
            mail_id: row.get("mail_id")?,
            issue_id: row.get("issue_id")?,
            kind: row.get("kind")?,
            digest: row.get("digest")?,
            address: row.get("address")?,
            name: row.get("name")?,
            priority: row.get("priority")?,
            due_at: UtcMillis(row.get("due_at")?),
            first_due_at: UtcMillis(row.get("first_due_at")?),
            attempts: row.get("attempts")?,
            started_at: row.get::<_, Option<i64>>("started_at")?.map(UtcMillis),
            link: row.get("link")?,
            subscriber: row.get("subscriber")?,
            issue_state: row.get("issue_state")?,
        })
    }
}

/// Which deliveries are claimed, and for whom.
pub(super) struct Asked {
    pub(super) owner: String,
    pub(super) now: UtcMillis,
    pub(super) limit: i64,
    pub(super) mail: i64,
    pub(super) before: i64,
}

/// Claims deliveries by this statement.
pub(super) fn claim(connection: &Connection, text: &str, asked: &Asked) -> rusqlite::Result<Vec<ClaimedRow>> {
    let Asked { owner, now, limit, mail, before } = asked;
    let mut statement = connection.prepare_cached(text)?;
    let values = rusqlite::named_params! { "$1": owner, "$2": now.0, "$3": limit, "$4": mail, "$5": before };
    statement.query_map(values, |row| row.try_into())?.collect()
}

/// The connection, made when it is first used, and anew after it has failed. Whoever uses it has the writer's turn.
#[derive(Debug)]
pub(super) struct Marker {
    path: PathBuf,
    connection: Mutex<Option<Connection>>,
}

impl Marker {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), connection: Mutex::default() }
    }

    /// Does something that takes microseconds. `None`: it would have had to wait.
    pub(super) fn at_once<T>(
        &self,
        act: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Option<Result<T, StoreError>> {
        let mut connection = match self.connection.try_lock() {
            Ok(connection) => connection,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        match self.act(&mut connection, act) {
            Err(error) if is_busy(&error) => None,
            done => Some(done.map_err(StoreError::Mark)),
        }
    }

    /// Does something as soon as the others let it, on a thread that may wait; and brings the log into the file, when it has
    /// become long.
    pub(super) async fn in_time<T: Send + 'static>(
        self: &Arc<Self>,
        act: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let marker = Arc::clone(self);
        let waiting = tokio::task::spawn_blocking(move || {
            let mut connection = marker.connection.lock().unwrap_or_else(PoisonError::into_inner);
            marker.act(&mut connection, |connection| {
                set(connection, PATIENCE, CHECKPOINT)?;
                let done = act(connection);
                set(connection, Duration::ZERO, "0")?;
                done
            })
        });
        // It fails when the runtime ends, and nobody is left to hear of it.
        let ended = |_| StoreError::Transaction { action: "wait for", source: sqlx::Error::WorkerCrashed };
        waiting.await.map_err(ended)?.map_err(StoreError::Mark)
    }

    fn act<T>(
        &self,
        place: &mut Option<Connection>,
        act: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let connection = match place {
            Some(connection) => connection,
            None => place.insert(open(&self.path)?),
        };
        let done = act(connection);
        if done.as_ref().is_err_and(|error| !is_busy(error)) {
            *place = None;
        }
        done
    }

    /// Closes it, once whoever uses it has done.
    pub(super) fn close(&self) {
        *self.connection.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.execute_batch(SETTINGS)?;
    set(&connection, Duration::ZERO, "0")?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// Lets it wait so long for others, and bring the log into the file when that has so many pages.
fn set(connection: &Connection, patience: Duration, pages: &str) -> rusqlite::Result<()> {
    connection.busy_timeout(patience)?;
    connection.execute_batch(&format!("pragma wal_autocheckpoint = {pages}"))
}

/// Whether another connection has the file, so that waiting helps.
pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}
