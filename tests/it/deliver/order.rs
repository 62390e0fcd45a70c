//! The order of what a connection does, as its other end and the store see it: what the bound on repeats rests on.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use postround::demo::catcher::{Reply, Stage, Turn};
use postround::domain::DeliveryState;
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use super::crash::finish;
use super::world::{Catcher, World};
use crate::support::on_both;

/// Trouble of every kind now and then, by the number of the content; nobody is refused twice, since that would take long.
fn trouble(content: usize, again: bool) -> Option<Reply> {
    match content % 7 {
        2 if !again => Some(Reply::new(451, "4.3.0 later")),
        4 => Some(Reply::dropped()),
        5 => Some(Reply::dropped().keeping()),
        6 => Some(Reply::usual().then_close()),
        _ => None,
    }
}

on_both! {
    async fn each_content_has_its_start_in_the_store_and_the_result_of_the_one_before_it(test: TestStore) {
        let world = Arc::new(World::new(test).await);
        world.queue(150).await;
        let (contents, looked, wrong) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let last: Mutex<HashMap<u64, String>> = Mutex::default();
        let (behind, looks, found) = (Arc::clone(&world), Arc::clone(&looked), Arc::clone(&wrong));
        let look = move |turn: &Turn<'_>, to: &str| {
            let state = |address: &str| block_in_place(|| Handle::current().block_on(behind.delivery_to(address))).0;
            let before = last.lock().unwrap().insert(turn.connection, to.to_owned());
            looks.fetch_add(usize::from(before.is_some()), Ordering::SeqCst);
            if state(to) != DeliveryState::Sending {
                found.lock().unwrap().push(format!("{to} has no start"));
            }
            if let Some(before) = before.filter(|before| before != to && state(before) == DeliveryState::Sending) {
                found.lock().unwrap().push(format!("{to} was sent before the result of {before} was there"));
            }
        };
        let seen: Mutex<HashSet<String>> = Mutex::default();
        let catcher = Catcher::answering(move |turn| {
            let Stage::Content { recipients, .. } = turn.stage else { return None };
            look(turn, &recipients[0]);
            let again = !seen.lock().unwrap().insert(recipients[0].clone());
            trouble(contents.fetch_add(1, Ordering::SeqCst), again)
        })
        .await;
        let mut settings = catcher.settings();
        settings.smtp.relays[0].connections = 4;
        finish(&world, world.engine(settings)).await;
        assert_eq!(*wrong.lock().unwrap(), [""; 0]);
        assert!(looked.load(Ordering::SeqCst) > 50, "connections were used again");
        assert_eq!((world.totals().await.sent, catcher.got().len()), (150, 150));
    }
}
