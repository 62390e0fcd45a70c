//! Parts that fall over: seen, started again, and no harm to the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use postround::app::App;
use postround::daemon;
use postround::domain::{Clock, SystemClock, UtcMillis};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::{got, readers};
use crate::support::TestStore;
use crate::support::program::Program;

/// A clock that is broken for a while: whoever asks it falls over.
struct Broken(AtomicBool);

impl Clock for Broken {
    fn now(&self) -> UtcMillis {
        assert!(!self.0.load(Ordering::SeqCst), "the clock is broken, as the test wants it");
        SystemClock.now()
    }
}

async fn until(url: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let began = Instant::now();
    loop {
        let text = client.get(format!("{url}/readyz")).send().await.unwrap().text().await.unwrap();
        let ready: Value = serde_json::from_str(&text).unwrap();
        if wanted(&ready) {
            return ready;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{ready}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_that_fall_over_are_seen_and_started_again_and_go_on_where_they_were() {
    let store = TestStore::sqlite().await;
    let program = Program::on(&store).await;
    readers(&program, 3).await;
    let clock = Arc::new(Broken(AtomicBool::new(false)));
    let app: App = program.app(clock.clone()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(async move {
        daemon::serve(app, listener, async { drop(stopped.await) }).await.unwrap();
    });
    let all = ["ask", "collect", "compose", "deliver", "housekeep", "store", "tell", "tend", "watch", "web"];
    let well = |ready: &Value| all.iter().all(|part| ready["parts"][part] == "ok");
    until(&url, well).await;

    clock.0.store(true, Ordering::SeqCst);
    let ready =
        until(&url, |ready| ["compose", "deliver"].iter().all(|part| ready["parts"][part] == "restarting")).await;
    assert_eq!(ready["parts"]["web"], "ok", "{ready}");
    clock.0.store(false, Ordering::SeqCst);
    until(&url, well).await;
    program.json(&["run", "weekly"]).await;
    assert_eq!(got(&program.mailbox, 3).await.len(), 3);

    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let metrics = client.get(format!("{url}/metrics")).send().await.unwrap().text().await.unwrap();
    let falls = metrics.lines().find_map(|line| line.strip_prefix("postround_part_restarts_total{part=\"compose\"} "));
    assert!(falls.unwrap().parse::<u64>().unwrap() >= 1, "{metrics}");
    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(10), running).await.unwrap().unwrap();
}
