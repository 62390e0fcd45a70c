//! A PostgreSQL of one test's own, which it may stop and start again.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::postgres::{as_nobody, connect, server_binaries};

/// Runs a server on a cluster that is there, until the pipe ends.
const SERVER: &str = r#"
"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c shared_buffers=16MB -c fsync=off >>"$2/log" 2>&1 &
server=$!
trap 'kill -INT "$server" 2>/dev/null; wait "$server" || true' EXIT
cat >/dev/null
"#;

/// A server of a test's own, which it may stop and start again.
pub struct Server {
    binaries: PathBuf,
    folder: tempfile::TempDir,
    guardian: Option<Child>,
}

impl Server {
    /// One that runs; none where no server is installed.
    pub async fn new() -> Option<Self> {
        let binaries = server_binaries();
        assert!(binaries.is_some() || std::env::var_os("CI").is_none(), "CI needs PostgreSQL");
        let binaries = binaries?;
        let folder = tempfile::Builder::new().prefix("postround-pg-").tempdir().unwrap();
        let mut initdb = Command::new(binaries.join("initdb"));
        initdb.args(["--no-sync", "--no-locale", "--encoding=UTF8", "--auth=trust", "--username=postround"]);
        initdb.arg("--pgdata").arg(folder.path().join("data")).current_dir("/").stdout(Stdio::null());
        as_nobody(&mut initdb, folder.path());
        assert!(initdb.status().unwrap().success());
        let mut server = Self { binaries, folder, guardian: None };
        server.start().await;
        Some(server)
    }

    /// The database that a program is given.
    pub fn url(&self) -> String {
        format!("postgres://postround@localhost/postgres?host={}", self.folder.path().display())
    }

    /// Starts it, and waits until it takes connections.
    pub async fn start(&mut self) {
        let mut guardian = Command::new("sh");
        guardian.arg("-c").arg(SERVER).arg("sh").arg(&self.binaries).arg(self.folder.path()).current_dir("/");
        as_nobody(&mut guardian, self.folder.path());
        self.guardian = Some(guardian.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap());
        drop(connect(&self.url()).await);
    }

    /// Stops it as its operator would who wants it down at once: it hangs up on everybody.
    pub async fn stop(&mut self) {
        let Some(mut guardian) = self.guardian.take() else { return };
        drop(guardian.stdin.take());
        tokio::task::spawn_blocking(move || guardian.wait().unwrap()).await.unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut guardian) = self.guardian.take() {
            drop(guardian.stdin.take());
            let _ = guardian.wait();
        }
    }
}
