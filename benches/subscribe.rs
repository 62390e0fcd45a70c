//! How long `POST /subscribe` takes for addresses of every state: the distributions must be alike, or the time tells strangers
//! who is subscribed.
//!
//! `POSTROUND_BENCH_POSTGRES=postgres://…` runs it on an empty PostgreSQL database too.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench that meets the unexpected shall fail at once")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use postround::app::App;
use postround::config::Config;
use postround::domain::{EmailAddress, SystemRandom};
use postround::subscribers::{Leave, NewSubscriber, Origin, resolve_choice};
use postround::web::{self, AppState};
use tokio::task::JoinSet;

/// How many sign-ups of each state.
const EACH: usize = 200;

/// How many at once: few, and so many that they wait for each other.
const AT_ONCE: [usize; 2] = [10, 150];

const STATES: [&str; 5] = ["new", "pending", "confirmed", "unsubscribed", "suppressed"];

#[tokio::main]
async fn main() {
    measure("SQLite", "sqlite:bench.db").await;
    if let Ok(url) = std::env::var("POSTROUND_BENCH_POSTGRES") {
        measure("PostgreSQL", &url).await;
    }
}

async fn measure(database: &str, store: &str) {
    let folder = tempfile::tempdir().unwrap();
    let app = app(folder.path(), store).await;
    for number in 0..EACH * AT_ONCE.len() {
        prepare(&app, number).await;
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/subscribe", listener.local_addr().unwrap());
    let warn: web::Warn = Arc::new(|key, warning| println!("{key}: {warning}"));
    let state = AppState::new(app.subscribers(), app.notices(), warn).unwrap();
    tokio::spawn(web::serve(listener, web::router(state), std::future::pending()));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for (round, at_once) in AT_ONCE.into_iter().enumerate() {
        sign_up(database, &client, &url, EACH * round, at_once).await;
    }
}

/// Signs up that many of each state, beginning with a number, so many at once.
async fn sign_up(database: &str, client: &reqwest::Client, url: &str, first: usize, at_once: usize) {
    // Interleaved, so that whatever else goes on meets all of them.
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); STATES.len()];
    let (mut open, mut answers) = (JoinSet::new(), std::collections::HashSet::new());
    for number in 0..EACH * STATES.len() {
        if open.len() == at_once {
            note(open.join_next().await.unwrap().unwrap(), &mut times, &mut answers);
        }
        let (client, url, state) = (client.clone(), url.to_owned(), number % STATES.len());
        open.spawn(async move {
            let body = format!("{{\"email\": \"{}\"}}", address(STATES[state], first + number / STATES.len()));
            let started = Instant::now();
            let answer = client.post(url).header("content-type", "application/json").body(body).send().await.unwrap();
            let status = answer.status();
            (state, format!("{status} {}", answer.text().await.unwrap()), started.elapsed())
        });
    }
    while let Some(done) = open.join_next().await {
        note(done.unwrap(), &mut times, &mut answers);
    }
    assert_eq!(answers.len(), 1, "the answers differ: {answers:?}");
    println!("{database}: POST /subscribe, {EACH} of each state, {at_once} at once, milliseconds");
    println!("{:<14}{:>9}{:>9}{:>9}{:>9}{:>9}", "state", "least", "mean", "median", "p90", "p99");
    for (state, times) in STATES.iter().zip(&mut times) {
        times.sort();
        let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1000.0;
        // An answer leaves at steps, so that what one state took longer would be seen in the mean alone.
        let mean = times.iter().sum::<Duration>().as_secs_f64() * 1000.0 / times.len() as f64;
        println!("{state:<14}{:>9.1}{mean:>9.1}{:>9.1}{:>9.1}{:>9.1}", at(0), at(50), at(90), at(99));
    }
}

fn note(
    (state, answer, time): (usize, String, Duration),
    times: &mut [Vec<Duration>],
    answers: &mut std::collections::HashSet<String>,
) {
    times[state].push(time);
    answers.insert(answer);
}

fn address(state: &str, number: usize) -> String {
    format!("{state}{number}@d{number}.example")
}

async fn app(folder: &std::path::Path, store: &str) -> App {
    let text = format!(
        "[store]\nurl = \"{store}\"\n[sender]\nemail = \"d@example.org\"\n[subscribe]\noverall = \"1000000/s\"\n\
         [[source]]\nid = \"news\"\nfeed = \"https://example.org/feed/\"\n\
         [[digest]]\nid = \"weekly\"\nsources = [\"news\"]\nschedule = \"0 8 * * MON\"\n"
    );
    let config = Config::parse(&text, &folder.join("config.toml"), std::iter::empty()).unwrap();
    App { random: Arc::new(SystemRandom), ..App::open(Arc::new(config)).await.unwrap() }
}

/// One address of each known state.
async fn prepare(app: &App, number: usize) {
    let subscribers = app.subscribers();
    let new = |state: &str| NewSubscriber {
        address: EmailAddress::parse(&address(state, number)).unwrap(),
        name: String::new(),
        locale: None,
        choice: resolve_choice(&app.config, &[], &[]).unwrap(),
    };
    subscribers.add(&new("pending"), Origin::COMMAND_LINE, &app.notices()).await.unwrap();
    for state in ["confirmed", "unsubscribed"] {
        subscribers.add_confirmed(&new(state), "a bench", Origin::COMMAND_LINE).await.unwrap();
    }
    let hash = |state: &str| app.keys.address_hash(&new(state).address);
    let row = app.store.read().await.unwrap().subscriber_by_hash(&hash("unsubscribed")).await.unwrap().unwrap();
    subscribers.leave(&row.public_id, Leave::All, Origin::PAGE).await.unwrap();
    let mut session = app.store.write(postround::store::Durability::Full).await.unwrap();
    let suppression = postround::store::SuppressionRow {
        address_hash: hash("suppressed"),
        reason: "manual".to_owned(),
        note: String::new(),
        created_at: app.clock.now(),
    };
    session.suppress(&suppression).await.unwrap();
    session.commit().await.unwrap();
}
