//! A temporary PostgreSQL for the test run: one cluster, a fresh database for each test.
//!
//! A guardian shell owns the server. It reads from a pipe that this process holds open and never writes to, so that the
//! pipe ends when the tests end, however they end, and the guardian stops the server and removes its folder. PostgreSQL
//! refuses to run as root, so the guardian gives up that right first.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AssertSqlSafe, Connection, Executor};

/// The user that the server runs as when the tests run as root: `nobody`.
const NOBODY: u32 = 65534;

const GUARDIAN: &str = r#"
set -e
initdb="$1/initdb"; postgres="$1/postgres"; home="$2"
"$initdb" --no-sync --no-locale --encoding=UTF8 --auth=trust --username=postround --pgdata="$home/data" >"$home/log" 2>&1 \
    || { tail -n 5 "$home/log" >&2; exit 1; }
"$postgres" -D "$home/data" -k "$home" -c listen_addresses= -c max_connections=200 -c shared_buffers=64MB \
    $3 >>"$home/log" 2>&1 &
server=$!
trap 'kill -INT "$server" 2>/dev/null; wait "$server" || true; rm -rf "$home"/*' EXIT
tries=0
until [ -S "$home/.s.PGSQL.5432" ]; do
    kill -0 "$server" && tries=$((tries + 1)) && [ "$tries" -lt 300 ] || exit 1
    sleep 0.05
done
echo ready
cat >/dev/null
"#;

/// Lets a command give up the right of root, which PostgreSQL does not want, and gives it the folder.
pub(super) fn as_nobody(command: &mut Command, folder: &Path) {
    if is_root(folder) {
        std::os::unix::fs::chown(folder, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    if folder.metadata().unwrap().uid() == NOBODY {
        command.uid(NOBODY).gid(NOBODY);
    }
}

struct Cluster {
    folder: PathBuf,
    /// Holds the pipe that keeps the guardian waiting.
    _guardian: Child,
}

static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
static SETTINGS: OnceLock<&str> = OnceLock::new();

/// What a cluster that is gone after the tests need not care for.
const CARELESS: &str = "-c fsync=off -c full_page_writes=off";

/// Lets the cluster, which must not have been started yet, keep what it commits as one in earnest does.
#[allow(dead_code, reason = "the throughput bench measures that")]
pub fn in_earnest() {
    SETTINGS.get_or_init(|| "");
}
static COUNTER: AtomicU32 = AtomicU32::new(0);

/// The URL of an empty database that nobody else uses; none where no server is installed.
pub async fn fresh_database() -> Option<String> {
    copy_of("template1").await
}

/// The URL of a new database with all that another one has, to which nobody is connected.
pub async fn copy_of(database: &str) -> Option<String> {
    let cluster = tokio::task::spawn_blocking(|| CLUSTER.get_or_init(start)).await.unwrap().as_ref()?;
    let name = format!("test_{}", COUNTER.fetch_add(1, Ordering::Relaxed));
    let url = |database: &str| format!("postgres://postround@localhost/{database}?host={}", cluster.folder.display());
    let mut admin = connect(&url("postgres")).await;
    admin.execute(AssertSqlSafe(format!("create database {name} template {database}"))).await.unwrap();
    Some(url(&name))
}

pub(super) async fn connect(url: &str) -> sqlx::PgConnection {
    for _ in 0..100 {
        if let Ok(connection) = sqlx::PgConnection::connect(url).await {
            return connection;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    sqlx::PgConnection::connect(url).await.expect("the temporary PostgreSQL takes connections")
}

fn start() -> Option<Cluster> {
    let Some(binaries) = server_binaries() else {
        assert!(std::env::var_os("CI").is_none(), "CI needs PostgreSQL: install the package postgresql");
        eprintln!("PostgreSQL is not installed: the tests on it did not run");
        return None;
    };
    let folder = tempfile::Builder::new().prefix("postround-pg-").tempdir().unwrap().keep();
    let mut guardian = Command::new("sh");
    guardian.arg("-c").arg(GUARDIAN).arg("sh").arg(&binaries).arg(&folder);
    guardian.arg(SETTINGS.get_or_init(|| CARELESS)).current_dir("/");
    as_nobody(&mut guardian, &folder);
    let mut guardian = guardian.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(guardian.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line.trim(), "ready", "the temporary PostgreSQL did not start");
    Some(Cluster { folder, _guardian: guardian })
}

fn is_root(own_folder: &Path) -> bool {
    own_folder.metadata().unwrap().uid() == 0
}

/// The newest folder with `initdb` and `postgres`: on the path, or where Debian and Red Hat keep them.
pub(super) fn server_binaries() -> Option<PathBuf> {
    let on_path =
        std::env::var_os("PATH").into_iter().flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let mut versions: Vec<PathBuf> = ["/usr/lib/postgresql", "/usr"]
        .iter()
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .collect();
    versions.sort();
    on_path.chain(versions.into_iter().rev()).find(|bin| bin.join("initdb").exists() && bin.join("postgres").exists())
}
