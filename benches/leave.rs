//! Ten thousand mail programs leave at once while an issue is laid out and sent and a large import runs: none is lost, and
//! nothing is started to anybody after the answer. Then requests a second on `/unsubscribe` and `/confirm`, with `wrk` where
//! it is installed.
//!
//! `POSTROUND_BENCH_POSTGRES=postgres://…` runs it on an empty PostgreSQL database too; `POSTROUND_BENCH_PEOPLE` says how
//! many leave.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench that meets the unexpected shall fail at once")]

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use postround::app::App;
use postround::compose::Occasion;
use postround::config::Config;
use postround::domain::{EmailAddress, PublicId, SystemRandom, UtcMillis};
use postround::subscribers::{Import, ImportBasis, resolve_choice};
use postround::web::{self, AppState};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// How many connections are open at once; each has two ends in this process.
const CONNECTIONS: usize = 4000;

/// How many rows are imported meanwhile, for each who leaves.
const IMPORTED: usize = 10;

const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::main]
async fn main() {
    let people = std::env::var("POSTROUND_BENCH_PEOPLE").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000);
    Box::pin(measure("SQLite", "sqlite:bench.db", people)).await;
    if let Ok(url) = std::env::var("POSTROUND_BENCH_POSTGRES") {
        Box::pin(measure("PostgreSQL", &url, people)).await;
    }
}

async fn measure(database: &str, store: &str, people: usize) {
    let folder = tempfile::tempdir().unwrap();
    let app = app(folder.path(), store).await;
    import(&app, folder.path(), 0, people * 2, "confirmed").await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let root = format!("http://{}", listener.local_addr().unwrap());
    let state = AppState::new(app.subscribers(), app.notices(), Arc::new(|_, _| {})).unwrap();
    tokio::spawn(web::serve(listener, web::router(state), std::future::pending()));
    let links = links(&app, &root).await;
    Box::pin(thousands(database, &app, folder.path(), &links, people)).await;
    rates(database, &app, folder.path(), &root, &links).await;
}

/// Everybody with an even number leaves; gives what was wrong.
async fn thousands(database: &str, app: &App, folder: &Path, links: &[(String, String)], people: usize) {
    let digest = app.config.digest("weekly").unwrap().clone();
    let issue = app.composer().compose(&digest, Occasion::Extra).await.unwrap().issue;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let engine = app.engine(app.store.try_lock_deliverer().unwrap().unwrap());
    let delivering = tokio::spawn(async move {
        let until = async {
            let _ = stopped.await;
        };
        engine.run(until).await;
    });
    let composer = app.composer();
    let tending = tokio::spawn(async move {
        loop {
            composer.tend().await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let leavers: Vec<(String, String)> = links.iter().step_by(2).take(people).cloned().collect();
    let (started, more) = (Instant::now(), import(app, folder, people * 2, people * IMPORTED, "unsubscribed"));
    let leaving = leave_all(app, leavers.clone());
    let ((mut times, answered), imported) = tokio::join!(leaving, async {
        more.await;
        started.elapsed()
    });
    times.sort();
    let took = times.iter().max().copied().unwrap_or_default();
    while app.store.read().await.unwrap().issue_totals(issue).await.unwrap().open() > 0
        || app.store.read().await.unwrap().issue(issue).await.unwrap().unwrap().laid_out_at.is_none()
    {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tending.abort();
    let _ = stop.send(());
    delivering.await.unwrap();
    let (mut late, mut after, mut sent) = (0, 0, 0);
    loop {
        let rows = app.store.read().await.unwrap().issue_deliveries(issue, None, after, 5000).await.unwrap();
        let Some(last) = rows.last() else { break };
        after = last.id;
        sent += rows.iter().filter(|row| row.state.as_str() == "sent").count();
        late += rows
            .iter()
            .filter(|row| row.state.as_str() != "cancelled")
            .filter(|row| row.started_at.zip(answered.get(&row.address)).is_some_and(|(start, at)| start > *at))
            .count();
    }
    let mut left = 0;
    app.subscribers()
        .list(|record| {
            left += usize::from(answered.contains_key(&record.email) && record.state.as_str() == "unsubscribed");
            Ok::<_, postround::subscribers::SubscribersError>(())
        })
        .await
        .unwrap();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64();
    println!(
        "{database}: {} left at once in {:.1} s ({:.0} a second; median {:.2} s, p99 {:.2} s); {} lost; {late} deliveries \
         started after the answer; {sent} sent; the import took {:.1} s",
        leavers.len(),
        took.as_secs_f64(),
        leavers.len() as f64 / took.as_secs_f64(),
        at(50),
        at(99),
        leavers.len() - left,
        imported.as_secs_f64(),
    );
    assert!(left == leavers.len() && late == 0);
}

/// Leaves by one click, all at once. Gives how long each took from the beginning, and when each had its answer.
async fn leave_all(app: &App, leavers: Vec<(String, String)>) -> (Vec<Duration>, HashMap<String, UtcMillis>) {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(120)).build().unwrap();
    let (gate, mut open, begun) = (Arc::new(Semaphore::new(CONNECTIONS)), JoinSet::new(), Instant::now());
    for (email, link) in leavers {
        let (client, gate, clock) = (client.clone(), gate.clone(), app.clock.clone());
        open.spawn(async move {
            let _place = gate.acquire_owned().await.unwrap();
            let request = client.post(link).header("content-type", FORM).body("List-Unsubscribe=One-Click");
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 200);
            answer.bytes().await.unwrap();
            (email, clock.now(), begun.elapsed())
        });
    }
    let (mut times, mut answered) = (Vec::new(), HashMap::new());
    while let Some(done) = open.join_next().await {
        let (email, at, time) = done.unwrap();
        times.push(time);
        answered.insert(email, at);
    }
    (times, answered)
}

/// The addresses and unsubscribe links of all, in their order.
async fn links(app: &App, root: &str) -> Vec<(String, String)> {
    let (mut links, mut after) = (Vec::new(), 0);
    loop {
        let rows = app.store.read().await.unwrap().subscribers_after(after, 1000).await.unwrap();
        let Some(last) = rows.last() else { return links };
        after = last.id;
        let url = |id: &PublicId| app.subscribers().tokens().unsubscribe_url(id, "weekly");
        links.extend(
            rows.iter().map(|row| (row.email.clone(), url(&row.public_id).replace("http://localhost:8080", root))),
        );
    }
}

/// Requests a second by `wrk`, over the links of those who have not left. Who has confirmed stays confirmed; leaving comes
/// last.
async fn rates(database: &str, app: &App, folder: &Path, root: &str, links: &[(String, String)]) {
    let stay: Vec<String> = links.iter().skip(1).step_by(2).map(|(_, link)| link.clone()).collect();
    let choice = resolve_choice(&app.config, &[], &[]).unwrap();
    let mut confirm = Vec::new();
    for (email, _) in links.iter().skip(1).step_by(2).take(2000) {
        let address = EmailAddress::parse(email).unwrap();
        let id = app.subscribers().public_id(&address).await.unwrap().unwrap();
        let url = app.subscribers().tokens().confirm_url(&id, &address, &choice, app.clock.now());
        confirm.push(url.replace("http://localhost:8080", root));
    }
    for (name, method, links, body) in [
        ("/unsubscribe", "GET", &stay, ""),
        ("/confirm", "GET", &confirm, ""),
        ("/confirm", "POST", &confirm, ""),
        ("/unsubscribe one-click", "POST", &stay, "List-Unsubscribe=One-Click"),
    ] {
        let script = folder.join("wrk.lua");
        let paths: String = links.iter().map(|link| format!("{:?},\n", link.replace(root, ""))).collect();
        std::fs::write(
            &script,
            format!(
                "local paths = {{\n{paths}}}\nlocal at = math.random(#paths)\nfunction request()\n  at = at % #paths + 1\n  \
                 return wrk.format({method:?}, paths[at], {{ [\"content-type\"] = {FORM:?} }}, {body:?})\nend\n"
            ),
        )
        .unwrap();
        let arguments = ["-t1", "-c32", "-d8s", "--latency", "-s", script.to_str().unwrap(), root].map(str::to_owned);
        let run = tokio::task::spawn_blocking(move || std::process::Command::new("wrk").args(arguments).output());
        let Ok(output) = run.await.unwrap() else {
            println!("wrk is not installed: no rates were measured");
            return;
        };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = |what: &str| text.lines().find(|line| line.contains(what)).unwrap_or_default().trim().to_owned();
        println!("{database}: {method} {name}: {}; {}; {}", said("Requests/sec"), said("99%"), said("Non-2xx"));
    }
}

/// Imports people with these numbers. Those who are imported while the issue is laid out have left, so that it does not
/// grow with them.
async fn import(app: &App, folder: &Path, from: usize, count: usize, state: &str) {
    let path = folder.join(format!("{from}.csv"));
    let row = |number: usize| format!("reader{number}@d{}.example,{state}\n", number % 500);
    let rows: String = (from..from + count).map(row).collect();
    std::fs::write(&path, format!("email,state\n{rows}")).unwrap();
    let import = Import::new(&path, ImportBasis::Confirmed("a bench"));
    app.subscribers().import(&import, &app.notices(), |_, _| {}).await.unwrap();
}

/// A program with one digest, which reads from a feed of its own and delivers into a folder.
async fn app(folder: &Path, store: &str) -> App {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let feed = format!("http://{}/feed", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let item = "<item><title>Hubs win</title><link>https://example.org/hubs</link><guid>1</guid></item>";
        let body = format!("<rss version=\"2.0\"><channel><title>News</title>{item}</channel></rss>");
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/rss+xml\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        }
    });
    let text = format!(
        "[store]\nurl = \"{store}\"\n[sender]\nemail = \"d@example.org\"\n[smtp]\nurl = \"file:outbox\"\n[collect]\n\
         allow_private_networks = true\nbacklog = \"all\"\n[[source]]\nid = \"news\"\nfeed = \"{feed}\"\n\
         [[digest]]\nid = \"weekly\"\nsources = [\"news\"]\nschedule = \"0 8 * * MON\"\n"
    );
    let config = Config::parse(&text, &folder.join("config.toml"), std::iter::empty()).unwrap();
    App { random: Arc::new(SystemRandom), ..App::open(Arc::new(config)).await.unwrap() }
}
