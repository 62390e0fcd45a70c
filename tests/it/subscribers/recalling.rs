//! Noes on PostgreSQL, beside a delivery that comes back and is started at the same moment: whoever has the answer hears of no
//! start after it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use postround::config::StoreUrl;
use postround::domain::DeliveryState;
use postround::store::Durability;
use postround::subscribers::{Chose, DigestClaim, Import, ImportBasis, Origin, Subscribers, SuppressionReason};
use sqlx::{Connection, Executor};

use super::moving::{id_of, mailed, mark, starts};
use super::{ANN, URL};
use crate::support::household::{Asked, address, confirmed, subscribers, text};
use crate::support::{MONDAY, PATIENCE, TestStore};

/// Waits until somebody waits for a lock of that kind, or `is_over`.
async fn until_somebody_waits(store: &TestStore, kind: &str, is_over: impl Fn() -> bool) {
    let waiting = format!(
        "select cast(count(*) as text) from pg_locks l join pg_stat_activity a on a.pid = l.pid
         where not l.granted and l.locktype = '{kind}' and a.datname = current_database()"
    );
    let wait = async {
        while !is_over() && text(store, &waiting).await == "0" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap();
}

/// One of the ways in which somebody is to get nothing more.
async fn say_no(way: &str, path: &Path, store: &TestStore, subscribers: &Subscribers) {
    let import = Import::new(path, ImportBasis::Confirmed("a list"));
    match way {
        "suppressed" => {
            subscribers.suppress(&address(ANN), SuppressionReason::Manual, "", Origin::COMMAND_LINE).await.unwrap();
        }
        "listed" => {
            let manual = SuppressionReason::Manual;
            subscribers.import_suppressions(&import, manual, "", Origin::COMMAND_LINE).await.unwrap();
        }
        "paused" => {
            let claim = DigestClaim { subscriber: id_of(store, ANN).await, digest: "weekly".to_owned() };
            let pause = Some(MONDAY.plus(Duration::from_secs(86_400)));
            assert_eq!(subscribers.choose(&claim, None, pause, Origin::PAGE).await.unwrap(), Chose::Now);
        }
        _ => {
            subscribers.import(&import, &Asked::default(), |_, _| {}).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_no_is_answered_when_no_start_that_has_not_heard_of_it_is_under_way() {
    let since = "2026-01-02T03:04:05Z";
    for (way, file) in [
        ("suppressed", String::new()),
        ("paused", String::new()),
        ("listed", format!("{ANN}\n")),
        ("imported as left", format!("email,state\n{ANN},unsubscribed\n")),
        ("imported as suppressed", format!("email,state,suppressed\n{ANN},confirmed,manual {since}\n")),
    ] {
        let Some(store) = TestStore::postgres().await else { return };
        let (subscribers, _clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly"]).await;
        mailed(&store, "digest", "queued", "").await;
        let first = starts(&mut subscribers.store().marks().await.unwrap()).await;
        let path = store.folder.path().join("no.csv");
        std::fs::write(&path, file).unwrap();
        // It has cancelled what waits, and comes no further than its evidence.
        let StoreUrl::Postgres(url) = &store.url else { return };
        let mut holder = sqlx::PgConnection::connect(url.reveal()).await.unwrap();
        let mut hold = holder.begin().await.unwrap();
        hold.execute("lock table consent_events in share mode").await.unwrap();
        let answered = AtomicBool::new(false);
        let is_answered = || answered.load(Ordering::SeqCst);
        let no = async {
            say_no(way, &path, &store, &subscribers).await;
            answered.store(true, Ordering::SeqCst);
        };
        let meanwhile = async {
            until_somebody_waits(&store, "relation", is_answered).await;
            // What was under way comes back, and is started again.
            let back = mark(&first, DeliveryState::Sending, DeliveryState::Queued);
            subscribers.store().marks().await.unwrap().mark_deliveries("me", &[back]).await.unwrap();
            let again =
                subscribers.store().marks().await.unwrap().claim_deliveries("me", MONDAY, 10, None).await.unwrap();
            let mut start = subscribers.store().write(Durability::Normal).await.unwrap();
            let marks = [mark(&again[0], DeliveryState::Claimed, DeliveryState::Sending)];
            assert_eq!(start.mark_deliveries("me", &marks).await.unwrap(), [(again[0].id, "sending".to_owned())]);
            hold.commit().await.unwrap();
            until_somebody_waits(&store, "transactionid", is_answered).await;
            assert!(!is_answered(), "{way}: before the start was over");
            start.commit().await.unwrap();
        };
        tokio::join!(no, meanwhile);
        assert_eq!(text(&store, "select state from deliveries").await, "sending", "{way}");
    }
}
