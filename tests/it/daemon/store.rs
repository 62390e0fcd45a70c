//! A store that goes away or has no room, and comes back.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use reqwest::StatusCode;

use super::{got, readers, slow};
use crate::support::daemon::Daemon;
use crate::support::postgres_server::Server;
use crate::support::program::{Program, command};
use crate::support::{PATIENCE, TestStore};

const PEOPLE: usize = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_stops_and_starts_again_under_a_daemon_costs_nothing_and_is_seen() {
    let Some(mut server) = Server::new().await else { return };
    let program = Program::with_relay(&TestStore::sqlite().await, slow(Duration::from_millis(60))).await;
    program.configure(&program.config(&server.url(), ""));
    readers(&program, PEOPLE).await;
    let daemon = Daemon::start(&program).await;
    let issue = program.json(&["run", "weekly"]).await;
    program.mailbox.wait_for(10, PATIENCE).await.unwrap();
    server.stop().await;
    let (status, ready) = daemon.until(|ready| ready["ready"] == false).await;
    assert_eq!((status, &ready["store"]), (StatusCode::SERVICE_UNAVAILABLE, &"no answer".into()));
    assert_eq!(daemon.get("/healthz").await.0, StatusCode::OK, "the process lives");
    daemon.until(|ready| ready["parts"]["deliver"] == "failing").await;
    let asked = std::time::Instant::now();
    assert_eq!(daemon.get("/").await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert!(asked.elapsed() < Duration::from_secs(5), "nobody waits for a store that is known to be gone");
    // What had been started is finished, nothing more is.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let sent = program.mailbox.len();
    assert!(sent < PEOPLE / 2, "{sent}");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(program.mailbox.len(), sent, "without a store nothing is started");

    server.start().await;
    let got = got(&program.mailbox, PEOPLE).await;
    assert!(got.values().all(|mails| *mails == 1), "{got:?}");
    let (status, _) = daemon.until(|ready| ready["ready"] == true && ready["parts"]["store"] == "ok").await;
    assert_eq!(status, StatusCode::OK);
    for _ in 0..100 {
        let shown = program.json(&["issue", "show", &issue["id"].to_string()]).await;
        if shown["state"] == "sent" {
            assert_eq!(shown["sent"], PEOPLE);
            let parts = ["ask", "collect", "compose", "deliver", "store", "tend", "watch"];
            daemon.until(|ready| parts.iter().all(|part| ready["parts"][part] == "ok")).await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("the issue does not come to an end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_term_signal_ends_a_daemon_also_when_its_database_is_gone() {
    let Some(mut server) = Server::new().await else { return };
    let program = Program::with_relay(&TestStore::sqlite().await, slow(Duration::from_millis(500))).await;
    program.configure(&program.config(&server.url(), ""));
    readers(&program, 10).await;
    let daemon = Daemon::start(&program).await;
    program.json(&["run", "weekly"]).await;
    program.mailbox.wait_for(2, PATIENCE).await.unwrap();
    server.stop().await;
    daemon.until(|ready| ready["ready"] == false).await;
    daemon.signal("TERM");
    let (status, took) = daemon.ended().await;
    assert!(status.success() && took < Duration::from_secs(10), "{status} after {took:?}");
}

/// A daemon whose data are on a disk of its own, of three megabytes: a memory disk that only it sees, unless one looks
/// through its root.
struct Tiny {
    daemon: Daemon,
    data: PathBuf,
}

/// Mounts the disk, brings the data there, and becomes the program.
const MOUNT: &str = "mount -t tmpfs -o size=3m none data && cp -a seed/. data/ && exec \"$0\" serve";

impl Tiny {
    /// `None` where nobody may mount such a disk, which is said.
    async fn start(program: &Program) -> Option<Self> {
        let may = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "-o", "size=1m", "none", "/mnt"])
            .stderr(Stdio::null())
            .status();
        if !may.is_ok_and(|status| status.success()) {
            eprintln!("not tested: nobody may mount a disk in a namespace of its own here (unshare --user --mount)");
            return None;
        }
        let folder = program.folder.path();
        std::fs::rename(folder.join("data"), folder.join("seed")).unwrap();
        std::fs::create_dir(folder.join("data")).unwrap();
        let serve = command(folder, &[]);
        let mut unshare = Command::new("unshare");
        unshare.args(["--user", "--map-root-user", "--mount", "sh", "-c", MOUNT]).arg(serve.get_program());
        unshare.current_dir(folder).stdin(Stdio::null()).stderr(Stdio::piped()).env_remove("RUST_LOG");
        let daemon = Daemon::run(unshare).await;
        let data = PathBuf::from(format!("/proc/{}/root{}/data", daemon.id(), folder.display()));
        Some(Self { daemon, data })
    }

    fn fill(&self) {
        let filler = self.data.join("filler");
        let mut file = std::fs::File::create(&filler).unwrap();
        let full = std::io::copy(&mut std::io::repeat(b'x'), &mut file).unwrap_err();
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull, "{full}");
    }

    fn clear(&self) {
        std::fs::remove_file(self.data.join("filler")).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_costs_nothing_is_seen_and_is_gone_on_from_when_there_is_room() {
    let program = Program::with_relay(&TestStore::sqlite().await, slow(Duration::from_millis(60))).await;
    readers(&program, PEOPLE).await;
    program.json(&["run", "weekly"]).await;
    let Some(tiny) = Tiny::start(&program).await else { return };
    program.mailbox.wait_for(10, PATIENCE).await.unwrap();
    tiny.fill();
    let (status, ready) = tiny.daemon.until(|ready| ready["ready"] == false).await;
    assert_eq!((status, &ready["store"]), (StatusCode::SERVICE_UNAVAILABLE, &"cannot write".into()));
    assert_eq!(tiny.daemon.metric("postround_store_up").await, Some(0.0));
    let sent = program.mailbox.len();
    assert!(sent < PEOPLE - 10, "{sent}");
    let (status, page) = tiny.daemon.post("/subscribe", &sign_up(&tiny.daemon).await).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "a sign-up that is lost is not thanked for: {page}");
    assert_eq!(program.mailbox.len(), sent, "what cannot be written down is not started");

    tiny.clear();
    let got = got(&program.mailbox, PEOPLE).await;
    assert!(got.values().all(|mails| *mails == 1), "{got:?}");
    let (status, _) = tiny.daemon.until(|ready| ready["ready"] == true).await;
    assert_eq!(status, StatusCode::OK);
    let (status, page) = tiny.daemon.post("/subscribe", &sign_up(&tiny.daemon).await).await;
    assert_eq!(status, StatusCode::OK, "{page}\n{}", tiny.daemon.log());
    program.mailbox.wait_for(PEOPLE + 1, PATIENCE).await.unwrap();
    tiny.daemon.until(|ready| ready["parts"]["deliver"] == "ok" && ready["parts"]["tend"] == "ok").await;
}

/// A form as somebody sends it who has looked at it for a while.
async fn sign_up(daemon: &Daemon) -> String {
    let (_, page) = daemon.get("/").await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    format!("{}&email=new.reader@northfold.example&topics=news", crate::web::site::hidden(&page))
}
