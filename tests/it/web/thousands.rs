//! Hundreds of mail programs that leave at once, while an issue is laid out and sent and an import runs.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use postround::compose::Occasion;
use postround::domain::{DeliveryState, SystemClock};
use postround::subscribers::{Import, ImportBasis};
use postround::web::{self, AppState};

use crate::support::household::{execute, text};
use crate::support::program::Program;
use crate::support::site::story;
use crate::support::{TestStore, on_both};

const PEOPLE: usize = 300;

on_both! {
    async fn hundreds_who_leave_at_once_are_all_out_and_nothing_is_started_to_them_afterwards(store: TestStore) {
        let program = Program::on(&store).await;
        program.site.publish(story("hubs", "Family hubs win", "2026-11-18"));
        let app = program.app(Arc::new(SystemClock)).await;
        let store = TestStore { store: app.store.clone(), url: app.config.store.url.clone(), folder: tempfile::tempdir().unwrap() };
        let list = |from: usize, to: usize| {
            let path = store.folder.path().join(format!("{from}.csv"));
            let rows: String = (from..to).map(|n| format!("reader{n}@northfold.example\n")).collect();
            std::fs::write(&path, format!("email\n{rows}")).unwrap();
            path
        };
        let subscribers = app.subscribers();
        let import = async |path: std::path::PathBuf| {
            let import = Import::new(&path, ImportBasis::Confirmed("a list"));
            subscribers.import(&import, &app.notices(), |_, _| {}).await.unwrap()
        };
        import(list(0, PEOPLE)).await;

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let root = format!("http://{}", listener.local_addr().unwrap());
        let state = AppState::new(app.subscribers(), app.notices(), Arc::new(|_, _| {})).unwrap();
        tokio::spawn(web::serve(listener, web::router(state), std::future::pending()));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let tokens = subscribers.tokens();
        let ids = text(&store, "select public_id from subscribers order by id").await;
        let links: Vec<String> = ids.lines().map(|id| {
            let id = postround::domain::PublicId::parse(id).unwrap();
            tokens.unsubscribe_url(&id, "weekly").replace("http://localhost:8080", &root)
        }).collect();

        let digest = app.config.digest("weekly").unwrap().clone();
        let issue = app.composer().compose(&digest, Occasion::Extra).await.unwrap().issue;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let engine = app.engine(app.store.try_lock_deliverer().unwrap().unwrap());
        let delivering = tokio::spawn(async move { engine.run(async { let _ = stopped.await; }).await });
        let composer = app.composer();
        let tending = tokio::spawn(async move {
            loop {
                let _ = composer.tend().await;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        let leave = async |link: &String| {
            let request = client.post(link).header("content-type", "application/x-www-form-urlencoded");
            let answer = request.body("List-Unsubscribe=One-Click").send().await.unwrap();
            (answer.status().as_u16(), subscribers.now())
        };
        let leavers: Vec<&String> = links.iter().step_by(2).chain(links.iter().step_by(2).take(20)).collect();
        let (answers, report) = tokio::join!(join_all(leavers.iter().map(|link| leave(link))), import(list(PEOPLE, PEOPLE + 3000)));
        assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:?}");
        assert_eq!(report.added, 3000);
        // Whatever would still bring it to them is made to try.
        execute(&store, "update deliveries set state = 'queued' where state = 'deferred'").await;
        for _ in 0..400 {
            let totals = app.store.read().await.unwrap().issue_totals(issue).await.unwrap();
            let waits = text(&store, "select count(*) || '' from deliveries where state in ('queued', 'claimed', 'sending')").await;
            if waits == "0" && totals.all() >= 150 { break }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        tending.abort();
        let _ = stop.send(());
        delivering.await.unwrap();

        let left = text(&store, "select count(*) || '' from subscribers where state = 'unsubscribed'").await;
        assert_eq!(left, (PEOPLE / 2).to_string(), "one was lost");
        assert_eq!(text(&store, "select count(*) || '' from consent_events where event = 'left'").await, left, "and none is written down twice");
        let mut session = app.store.read().await.unwrap();
        let sent = session.issue_deliveries(issue, None, 0, 10_000).await.unwrap();
        let gone: HashSet<String> = text(&store, "select email from subscribers where state = 'unsubscribed'").await.lines().map(str::to_owned).collect();
        let answered: std::collections::HashMap<String, postround::domain::UtcMillis> = {
            let emails = text(&store, "select email from subscribers order by id").await;
            let emails: Vec<String> = emails.lines().take(PEOPLE).step_by(2).map(str::to_owned).collect();
            emails.into_iter().zip(answers.iter().map(|(_, at)| *at)).collect()
        };
        let mut started = 0;
        for row in sent.iter().filter(|row| gone.contains(&row.address)) {
            let Some(start) = row.started_at.filter(|_| row.state != DeliveryState::Cancelled) else { continue };
            started += 1;
            assert!(start <= answered[&row.address], "a delivery was started after the answer");
        }
        let others = sent.iter().filter(|row| !gone.contains(&row.address)).count();
        assert!(others >= PEOPLE / 2, "the others were laid out: {others}");
        assert!(started <= gone.len());
    }
}
