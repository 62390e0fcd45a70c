//! An issue to many people, while nodes are killed, the relay falls and readers leave: what came of it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use postround::app::App;
use postround::domain::{Clock, DeliveryState, IssueState, PublicId, Random, SystemClock, SystemRandom, UtcMillis};
use postround::subscribers::{Leave, Origin};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::TestStore;
use super::daemon::Daemon;
use super::program::Program;
use super::site::story;

/// How long the relay is gone when it falls.
const GONE: Duration = Duration::from_millis(300);

/// How long nothing may move: longer than a lease.
const PATIENCE: Duration = Duration::from_secs(100);

/// What happens to an issue.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// To how many it goes.
    pub people: usize,
    /// How many processes deliver it.
    pub nodes: usize,
    /// How many connections each has.
    pub connections: usize,
    /// How often one of them is killed, and another one started.
    pub kills: usize,
    /// How often the relay falls, with all its connections.
    pub falls: usize,
    /// How many leave while it is being sent.
    pub leavers: usize,
    /// How long the relay thinks about each content.
    pub pause: Duration,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// Contents that came whole to the relay.
    pub arrived: usize,
    /// Who had not left and got nothing, or whose delivery is not `sent`.
    pub lost: usize,
    /// How many contents came again.
    pub repeats: usize,
    /// How many may: one for each connection that was open whenever something fell.
    pub bound: usize,
    /// Whose delivery was started after the answer to their leaving.
    pub late: usize,
    /// Who left before it was started, and got nothing.
    pub spared: usize,
    /// How long it took.
    pub seconds: f64,
}

/// A relay that counts what comes, and can fall at any point of its conversations.
struct Relay {
    address: SocketAddr,
    arrivals: Arc<Arrivals>,
    pause: Duration,
    serving: JoinHandle<()>,
}

#[derive(Default)]
struct Arrivals {
    to: Mutex<HashMap<String, usize>>,
    all: AtomicUsize,
}

impl Relay {
    async fn start(pause: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, arrivals) = (listener.local_addr().unwrap(), Arc::default());
        let serving = tokio::spawn(serve(listener, Arc::clone(&arrivals), pause));
        Self { address, arrivals, pause, serving }
    }

    /// Falls with all its connections, and is back after a while.
    async fn fall(&mut self) {
        self.serving.abort();
        // With the task all its connections are gone.
        let _ = (&mut self.serving).await;
        tokio::time::sleep(GONE).await;
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.serving = tokio::spawn(serve(listener, Arc::clone(&self.arrivals), self.pause));
    }

    /// Waits until so many contents have come, or no more come.
    async fn until(&self, count: usize) {
        let (mut last, mut since) = (0, Instant::now());
        loop {
            let all = self.arrivals.all.load(Ordering::SeqCst);
            if all != last {
                (last, since) = (all, Instant::now());
            }
            if all >= count || since.elapsed() > PATIENCE {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

async fn serve(listener: TcpListener, arrivals: Arc<Arrivals>, pause: Duration) {
    let mut conversations = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        conversations.spawn(converse(stream, Arc::clone(&arrivals), pause));
        while conversations.try_join_next().is_some() {}
    }
}

async fn converse(stream: TcpStream, arrivals: Arc<Arrivals>, pause: Duration) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::with_capacity(64 * 1024, read);
    write.write_all(b"220 relay.example\r\n").await?;
    let (mut line, mut to) = (Vec::new(), String::new());
    loop {
        line.clear();
        if read.read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&line);
        let answer: &[u8] = match text.get(..4) {
            Some("EHLO") => b"250-relay.example\r\n250 PIPELINING\r\n",
            Some("RCPT") => {
                to = text.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                b"250 ok\r\n"
            }
            Some("DATA") => {
                write.write_all(b"354 go on\r\n").await?;
                loop {
                    line.clear();
                    if read.read_until(b'\n', &mut line).await? == 0 {
                        return Ok(());
                    }
                    if line == b".\r\n" {
                        break;
                    }
                }
                *arrivals.to.lock().unwrap().entry(to.clone()).or_default() += 1;
                arrivals.all.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(pause).await;
                b"250 taken\r\n"
            }
            Some("QUIT") => return write.write_all(b"221 bye\r\n").await,
            _ => b"250 ok\r\n",
        };
        write.write_all(answer).await?;
    }
}

#[derive(Clone, Copy)]
enum Act {
    Kill,
    Fall,
    Leave,
}

fn below(bound: usize) -> usize {
    let mut bytes = [0; 8];
    SystemRandom.fill(&mut bytes);
    usize::try_from(u64::from_le_bytes(bytes) % bound as u64).unwrap()
}

/// What is done when how many have come, in order.
fn acts(plan: &Plan) -> Vec<(usize, Act)> {
    let of = |count, act| (0..count).map(move |_| (below(plan.people * 9 / 10), act));
    let mut acts: Vec<_> =
        of(plan.kills, Act::Kill).chain(of(plan.falls, Act::Fall)).chain(of(plan.leavers, Act::Leave)).collect();
    acts.sort_by_key(|(when, _)| *when);
    acts
}

/// A program with its readers, whose relay is another one.
async fn program(test: &TestStore, plan: &Plan, relay: SocketAddr) -> Program {
    let program = Program::on(test).await;
    let file = program.folder.path().join("config.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    let config = config.replace(&program.relay.to_string(), &relay.to_string());
    program.configure(&config.replace("connections = 2", &format!("connections = {}", plan.connections)));
    program.site.publish(story("hubs", "Family hubs win an extra year", "2026-11-18"));
    let people = program.folder.path().join("people.csv");
    let rows: String = (1..=plan.people).map(|n| format!("reader{n}@northfold.example\n")).collect();
    std::fs::write(&people, format!("email\n{rows}")).unwrap();
    let people = people.to_str().unwrap();
    program.json(&["subscriber", "import", people, "--confirmed", "--evidence", "Paper forms"]).await;
    program
}

/// Lives through it.
pub async fn survive(test: &TestStore, plan: Plan) -> Outcome {
    let mut relay = Relay::start(plan.pause).await;
    let program = program(test, &plan, relay.address).await;
    let app = program.app(Arc::new(SystemClock)).await;
    let mut ids = public_ids(&app).await;
    let issue = program.json(&["run", "weekly"]).await["id"].as_i64().unwrap();
    let began = Instant::now();
    let mut nodes = Vec::new();
    for _ in 0..plan.nodes {
        nodes.push(Daemon::start(&program).await);
    }
    let mut left = HashMap::new();
    for (when, act) in acts(&plan) {
        relay.until(when).await;
        match act {
            Act::Kill => {
                // Dropped, it is killed.
                drop(nodes.swap_remove(below(nodes.len())));
                nodes.push(Daemon::start(&program).await);
            }
            Act::Fall => relay.fall().await,
            Act::Leave => {
                let (email, id) = ids.swap_remove(below(ids.len()));
                app.subscribers().leave(&id, Leave::Digest("weekly"), Origin::PAGE).await.unwrap();
                left.insert(email, SystemClock.now());
            }
        }
    }
    while app.store.read().await.unwrap().issue(issue).await.unwrap().unwrap().state != IssueState::Sent {
        let waited = relay.arrivals.all.load(Ordering::SeqCst);
        assert!(began.elapsed() < PATIENCE * 4, "it never ends: {waited} have come");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let seconds = began.elapsed().as_secs_f64();
    for node in nodes {
        node.signal("TERM");
        assert!(node.ended().await.0.success());
    }
    let bound = plan.kills * plan.connections + plan.falls * plan.connections * plan.nodes;
    let outcome = Outcome { arrived: 0, lost: 0, repeats: 0, bound, late: 0, spared: 0, seconds };
    let arrivals = relay.arrivals.to.lock().unwrap().clone();
    judge(&app, issue, &left, &arrivals, outcome).await
}

async fn public_ids(app: &App) -> Vec<(String, PublicId)> {
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let rows = app.store.read().await.unwrap().subscribers_after(after, 10_000).await.unwrap();
        let Some(last) = rows.last() else { return all };
        after = last.id;
        all.extend(rows.into_iter().map(|row| (row.email, row.public_id)));
    }
}

async fn judge(
    app: &App,
    issue: i64,
    left: &HashMap<String, UtcMillis>,
    arrivals: &HashMap<String, usize>,
    mut outcome: Outcome,
) -> Outcome {
    outcome.arrived = arrivals.values().sum();
    outcome.repeats = outcome.arrived - arrivals.len();
    let mut after = 0;
    loop {
        let rows = app.store.read().await.unwrap().issue_deliveries(issue, None, after, 10_000).await.unwrap();
        let Some(last) = rows.last() else { return outcome };
        after = last.id;
        for row in rows {
            let came = arrivals.contains_key(&row.address);
            match left.get(&row.address) {
                None => outcome.lost += usize::from(!came || row.state != DeliveryState::Sent),
                Some(answered) => {
                    let late = row.started_at.is_some_and(|started| started > *answered);
                    outcome.late += usize::from(late || came && row.started_at.is_none());
                    outcome.spared += usize::from(!came);
                }
            }
        }
    }
}
