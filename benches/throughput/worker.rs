//! A process of its own for each measurement, so that its time and memory are those of delivering alone.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use postround::app::App;
use postround::config::Config;
use postround::dkim::{Algorithm, PrivateKey};
use serde::{Deserialize, Serialize};

use crate::cpu;
use crate::link::Link;
use crate::list::List;

/// The variable that tells a process that it is a worker, and what to do.
const JOB: &str = "THROUGHPUT_WORKER";

/// What a worker does.
#[derive(Serialize, Deserialize)]
pub struct Job {
    config: PathBuf,
    count: u64,
    lays_out: bool,
}

/// In which way messages are sent.
#[derive(Clone, Copy)]
pub struct Way<'a> {
    /// How they get to the sink.
    pub link: &'a Link,
    /// Where that begins.
    pub relay: SocketAddr,
    /// On how many connections.
    pub sessions: usize,
    /// Whether each message is signed.
    pub signed: bool,
    /// Whether each mark is on disk before it counts.
    pub on_disk: bool,
    /// Whether the issue is to be laid out first.
    pub lays_out: bool,
}

/// What delivering took.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct Measured {
    /// How many were sent.
    pub count: u64,
    /// Seconds from the first claim to the last recorded result.
    pub seconds: f64,
    /// Seconds of the processor in that time.
    pub cpu: f64,
    /// Seconds that the layout took before that.
    pub layout: f64,
    /// The most memory that the process ever had, in kB.
    peak: u64,
}

impl Measured {
    /// Messages a second.
    pub fn rate(&self) -> f64 {
        self.count as f64 / self.seconds
    }

    /// Microseconds of the processor for each message.
    pub fn cpu_micros(&self) -> f64 {
        self.cpu * 1e6 / self.count as f64
    }

    /// The most memory that the process ever had.
    pub fn megabytes(&self) -> f64 {
        self.peak as f64 / 1024.0
    }
}

/// The job of this process, if it is a worker.
pub fn job() -> Option<Job> {
    serde_json::from_str(&std::env::var(JOB).ok()?).ok()
}

/// Delivers in a process of its own.
pub fn measure(list: &List, way: Way<'_>, count: u64) -> Measured {
    let Way { link, relay, sessions, signed, on_disk, lays_out } = way;
    let folder = list.folder.path();
    let config = folder.join("config.toml");
    let relay = link.relay(relay, folder);
    let text = format!(
        "[server]\npublic_url = \"https://news.example.org\"\n[store]\nurl = \"{}\"\nkeys = \"{}\"\n\
         [sender]\nname = \"Early Help Weekly\"\nemail = \"digest@example.org\"\npostal_address = \"1 High Street\"\n\
         [smtp]\n{relay}\nconnections = {sessions}\nmessages_per_connection = 1000000\n\
         [[source]]\nid = \"news\"\nfeed = \"https://example.org/feed/\"\n\
         [[digest]]\nid = \"weekly\"\ntitle = \"Early Help Weekly\"\nsources = [\"news\"]\nschedule = \"0 8 * * MON\"\n\
         timezone = \"Europe/London\"\n",
        list.url,
        folder.join("keys").display(),
    );
    let dkim = if signed { signing(folder) } else { String::new() };
    let delivery = if on_disk { "[delivery]\nafter_crash = \"hold\"\n" } else { "" };
    std::fs::write(&config, text + &dkim + delivery).unwrap();
    let job = serde_json::to_string(&Job { config, count, lays_out }).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .env(JOB, job)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "the worker failed");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The table that signs, with a key of its own.
fn signing(folder: &Path) -> String {
    let file = folder.join("dkim.pem");
    PrivateKey::create(&file, Algorithm::Rsa).unwrap();
    format!("[dkim]\ndomain = \"example.org\"\nkey_file = \"{}\"\n", file.display())
}

/// Does the job; gives what it took, as JSON.
pub fn run(job: &Job) -> String {
    let _ = tracing_subscriber::fmt().with_env_filter("warn").with_writer(std::io::stderr).try_init();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let measured = runtime.block_on(deliver(job));
    serde_json::to_string(&measured).unwrap()
}

async fn deliver(job: &Job) -> Measured {
    let count = job.count;
    let config = Arc::new(Config::load(&job.config, std::iter::empty()).unwrap());
    let app = App::open(config).await.unwrap();
    let began = Instant::now();
    if job.lays_out {
        assert!(app.composer().tend().await.unwrap().is_empty());
    }
    let layout = began.elapsed().as_secs_f64();
    let engine = app.engine(app.store.try_lock_deliverer().unwrap().unwrap());
    let (started, cpu) = (Instant::now(), cpu::own());
    let all_sent = async {
        while engine.progress().sent < count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let outcome = engine.run(all_sent).await;
    assert!(outcome.sent >= count, "{outcome:?}");
    let seconds = started.elapsed().as_secs_f64();
    Measured { count: outcome.sent, seconds, cpu: cpu::own() - cpu, layout, peak: peak() }
}

fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
