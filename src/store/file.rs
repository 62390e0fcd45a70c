//! A store on SQLite: its file, the connections to it, and its locks.

use std::fs::{File, TryLockError};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::OpenFlags;
use sqlx::migrate::Migrator;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, SqlitePool, Transaction};

use super::marker::Marker;
use super::waiters::Waiters;
use super::{Durability, PATIENCE, StoreError};
use crate::files::folder_of;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// What SQLite's writer keeps of the file in memory: 12 MB, in its own notation. A large import is no faster with more.
const WRITER_CACHE: &str = "-12000";

/// How many rows the driver's thread hands over before it waits for them to be taken: both threads wake each other for each
/// that it hands over with less.
const ROWS_AHEAD: usize = 1000;

/// After how many pages SQLite brings its log into the file. More pages are written once instead of several times in a
/// large import, and fewer keep the pause short.
pub(super) const CHECKPOINT: &str = "4000";

/// How long emptying the log may keep others from writing, when it has to wait for a reader.
const EMPTYING: Duration = Duration::from_secs(1);

/// A store on SQLite. Writers take turns on one connection; readers have others, and wait for nobody.
#[derive(Debug)]
pub(super) struct SqliteFile {
    path: PathBuf,
    read: SqlitePool,
    /// One connection alone, so that writers queue in order and none starves.
    write: SqlitePool,
    /// Whether that connection is at `synchronous = FULL`.
    full: AtomicBool,
    /// The connection that marks deliveries, for whoever has the writer's.
    marker: Arc<Marker>,
    waiters: Arc<Waiters>,
}

impl SqliteFile {
    /// Opens it, makes it on first use, and brings its tables up to date.
    pub(super) async fn open(path: &Path) -> Result<Self, StoreError> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|source| StoreError::File { path: folder.to_owned(), source })?;
        }
        // Two processes that start at once must not both migrate.
        let lock = lock_file(path, "migrate")?;
        lock.lock().map_err(|source| StoreError::File { path: path.to_owned(), source })?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .row_buffer_size(ROWS_AHEAD)
            .busy_timeout(PATIENCE);
        // There are addresses in it, and links that act: nobody but its owner reads it.
        let file = File::options().create(true).write(true).truncate(false).mode(0o600).open(path);
        file.map_err(|source| StoreError::File { path: path.to_owned(), source })?;
        let open = |source| StoreError::Open { target: path.display().to_string(), source };
        let write = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(PATIENCE)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_with(
                options
                    .clone()
                    .pragma("cache_size", WRITER_CACHE)
                    .pragma("wal_autocheckpoint", CHECKPOINT)
                    // What is deleted is overwritten with zeros.
                    .pragma("secure_delete", "on"),
            )
            .await
            .map_err(open)?;
        MIGRATIONS.run(&write).await?;
        for ending in ["", "-wal", "-shm"] {
            let mut beside = path.as_os_str().to_owned();
            beside.push(ending);
            let beside = PathBuf::from(beside);
            if beside.exists() {
                give_to_folder(&beside).map_err(|source| StoreError::File { path: beside, source })?;
            }
        }
        let read = SqlitePoolOptions::new()
            .max_connections(8)
            .acquire_timeout(PATIENCE)
            .test_before_acquire(false)
            .connect_with(options.pragma("query_only", "on"))
            .await
            .map_err(open)?;
        let marker = Arc::new(Marker::new(path));
        Ok(Self { path: path.to_owned(), read, write, full: AtomicBool::new(true), marker, waiters: Arc::default() })
    }

    /// The writer's connection, set to `durability`.
    pub(super) async fn writer(&self, durability: Durability) -> Result<PoolConnection<Sqlite>, StoreError> {
        let begin = |source| StoreError::Transaction { action: "begin", source };
        let waiting = self.waiters.add();
        let mut connection = self.write.acquire().await.map_err(begin)?;
        drop(waiting);
        let full = durability == Durability::Full;
        if self.full.swap(full, Ordering::Relaxed) != full {
            let pragma = if full { "pragma synchronous = full" } else { "pragma synchronous = normal" };
            sqlx::query(pragma).execute(&mut *connection).await.map_err(begin)?;
        }
        Ok(connection)
    }

    /// A transaction of the writer's.
    pub(super) async fn begin(&self, durability: Durability) -> Result<Transaction<'static, Sqlite>, StoreError> {
        let begun = match self.try_begin(durability).await? {
            Err(sqlx::Error::InvalidSavePointStatement) => {
                self.renew_writer().await?;
                self.try_begin(durability).await?
            }
            begun => begun,
        };
        begun.map_err(|source| StoreError::Transaction { action: "begin", source })
    }

    async fn try_begin(
        &self,
        durability: Durability,
    ) -> Result<sqlx::Result<Transaction<'static, Sqlite>>, StoreError> {
        let begin = Some(sqlx::SqlSafeStr::into_sql_str("begin immediate"));
        Ok(Transaction::begin(self.writer(durability).await?, begin).await)
    }

    /// The connection that marks deliveries, for whoever has the writer's.
    pub(super) fn marker(&self) -> Arc<Marker> {
        Arc::clone(&self.marker)
    }

    /// Those who wait for the writer's connection.
    pub(super) fn waiters(&self) -> Arc<Waiters> {
        Arc::clone(&self.waiters)
    }

    /// A reader's connection.
    pub(super) async fn reader(&self) -> sqlx::Result<PoolConnection<Sqlite>> {
        self.read.acquire().await
    }

    /// The lock of the one that delivers; `None`: another process has it.
    pub(super) fn try_lock_deliverer(&self) -> Result<Option<File>, StoreError> {
        let lock = lock_file(&self.path, "deliver")?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(lock)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(StoreError::File { path: self.path.clone(), source }),
        }
    }

    /// Brings the log into the file, and empties it. `false`: somebody reads or writes for too long.
    pub(super) async fn empty_log(&self) -> Result<bool, StoreError> {
        let path = self.path.clone();
        let emptying = tokio::task::spawn_blocking(move || {
            let connection = rusqlite::Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
            connection.busy_timeout(EMPTYING)?;
            connection.query_row("pragma wal_checkpoint(truncate)", [], |row| row.get(0))
        });
        let ended = |_| StoreError::Transaction { action: "wait for", source: sqlx::Error::WorkerCrashed };
        let busy: i64 = emptying.await.map_err(ended)?.map_err(StoreError::Mark)?;
        Ok(busy == 0)
    }

    /// Closes all connections.
    pub(super) async fn close(&self) {
        self.read.close().await;
        let _waiting = self.waiters.add();
        self.write.close().await;
        self.marker.close();
    }

    /// Lets another connection be the writer's. On a full disk SQLite takes a transaction back by itself; the driver does
    /// not see that, and would begin no other on that connection for ever.
    async fn renew_writer(&self) -> Result<(), StoreError> {
        let renew = |source| StoreError::Transaction { action: "begin", source };
        let _waiting = self.waiters.add();
        let connection = self.write.acquire().await.map_err(renew)?;
        // As the pool opens the next one, which it does only when this one is closed.
        self.full.store(true, Ordering::Relaxed);
        connection.close().await.map_err(renew)
    }
}

fn lock_file(database: &Path, purpose: &str) -> Result<File, StoreError> {
    let mut path = database.as_os_str().to_owned();
    path.push(format!(".{purpose}.lock"));
    let path = PathBuf::from(path);
    let file = File::options().create(true).write(true).truncate(false).open(&path);
    file.and_then(|file| give_to_folder(&path).map(|()| file)).map_err(|source| StoreError::File { path, source })
}

/// Gives a file to the owner of its folder when this is root: a command that root runs must not lock out the daemon,
/// which is another user.
fn give_to_folder(path: &Path) -> std::io::Result<()> {
    let (file, home) = (std::fs::metadata(path)?, std::fs::metadata(folder_of(path))?);
    if file.uid() == 0 && home.uid() != 0 {
        std::os::unix::fs::chown(path, Some(home.uid()), Some(home.gid()))?;
    }
    Ok(())
}
