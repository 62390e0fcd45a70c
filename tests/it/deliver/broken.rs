//! Connections that break, at every step: nothing is lost, and at most one message is repeated for each break.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use postround::config::{AfterCrash, Tls};
use postround::demo::catcher::{Answers, Command, Options, Reply, Stage, Turn};
use postround::domain::DeliveryState;

use super::world::{Catcher, World, reader, smtp_url};
use crate::support::on_both;

const PEOPLE: u64 = 12;

/// A point of a conversation.
type Point = fn(&Turn<'_>) -> bool;

const POINTS: [(&str, Point); 7] = [
    ("greeting", |turn| matches!(turn.stage, Stage::Connect)),
    ("EHLO", |turn| matches!(turn.stage, Stage::Command(Command::Hello { .. }))),
    ("MAIL", |turn| matches!(turn.stage, Stage::Command(Command::Mail { .. }))),
    ("RCPT", |turn| matches!(turn.stage, Stage::Command(Command::Recipient { .. }))),
    ("DATA", |turn| matches!(turn.stage, Stage::Command(Command::Data))),
    ("content", |turn| matches!(turn.stage, Stage::Content { .. })),
    ("QUIT", |turn| matches!(turn.stage, Stage::Command(Command::Quit))),
];

/// A way in which a server breaks off, and its name.
type Way = (&'static str, fn() -> Reply);

const WAYS: [Way; 4] = [
    ("without a word", Reply::dropped),
    ("having kept what there is", || Reply::dropped().keeping()),
    ("with 421", || Reply::new(421, "4.3.2 Shutting down").then_close()),
    ("after the answer", || Reply::usual().then_close()),
];

on_both! {
    async fn a_server_that_breaks_off_anywhere_costs_at_most_one_repeat(test: TestStore) {
        let world = World::new(test).await;
        let mut queued = 0;
        for pipelining in [true, false] {
            for (point, is_there) in POINTS {
                for (way, breaks) in WAYS {
                    // The second time it comes there: in the middle of a connection, where there is a middle.
                    let (times, answered) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
                    let broken = Arc::clone(&answered);
                    let answers = Answers::script(move |turn| {
                        let now = is_there(turn) && times.fetch_add(1, Ordering::SeqCst) == 1;
                        now.then(|| {
                            broken.fetch_add(1, Ordering::SeqCst);
                            breaks()
                        })
                    });
                    let catcher = Catcher::start(Options { pipelining, answers, ..Options::default() }).await;
                    world.queue(PEOPLE).await;
                    queued += PEOPLE;
                    let mut settings = catcher.settings();
                    settings.smtp.relays[0].connections = 2;
                    settings.smtp.relays[0].messages_per_connection = 5;
                    let engine = world.engine(settings);
                    world.deliver_all(&engine).await;

                    let got = catcher.got();
                    let what = format!("{point} {way}, pipelining {pipelining}");
                    assert_eq!(answered.load(Ordering::SeqCst), 1, "{what} did not happen");
                    assert_eq!(got.len() as u64, PEOPLE, "{what}: somebody got nothing");
                    assert!(got.values().sum::<usize>() as u64 <= PEOPLE + 1, "{what}: more than one repeat");
                    assert_eq!(world.totals().await.sent, i64::try_from(queued).unwrap(), "{what}");
                }
            }
        }
    }

    async fn a_message_that_breaks_every_connection_holds_up_nobody(test: TestStore) {
        let catcher = Catcher::answering(|turn| match turn.stage {
            Stage::Content { recipients, .. } if recipients[0] == reader(1) => Some(Reply::dropped()),
            _ => None,
        })
        .await;
        let world = World::new(test).await;
        world.queue(5).await;
        let engine = world.engine(catcher.settings());
        world.deliver_all(&engine).await;
        assert_eq!(catcher.got().into_keys().collect::<Vec<_>>(), [reader(2), reader(3), reader(4), reader(5)]);
        let (state, words) = world.delivery_to(&reader(1)).await;
        assert_eq!(state, DeliveryState::Failed);
        assert!(words.contains("did not answer"), "{words}");
    }

    async fn an_unanswered_message_waits_for_the_operator_where_the_config_says_so(test: TestStore) {
        let breaks = AtomicUsize::new(0);
        let catcher = Catcher::answering(move |turn| match turn.stage {
            Stage::Content { .. } => (breaks.fetch_add(1, Ordering::SeqCst) == 1).then(|| Reply::dropped().keeping()),
            _ => None,
        })
        .await;
        let world = World::new(test).await;
        world.queue(4).await;
        let mut settings = catcher.settings();
        settings.delivery.after_crash = AfterCrash::Hold;
        let engine = world.engine(settings);
        for _ in 0..3 {
            engine.deliver_one_batch().await.unwrap();
        }
        let totals = world.totals().await;
        assert_eq!((totals.sent, totals.uncertain), (3, 1));
        assert!(catcher.got().values().all(|mails| *mails == 1), "a repeat that nobody allowed");
    }

    async fn a_relay_that_is_down_keeps_every_message(test: TestStore) {
        let catcher = Catcher::plain().await;
        let world = World::new(test).await;
        world.queue(3).await;
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut settings = catcher.settings();
        settings.smtp.relays[0].url = smtp_url(nobody, Tls::None);
        let engine = world.engine(settings);
        let outcome = engine.deliver_one_batch().await.unwrap();
        assert!(outcome.relay.unwrap().contains("no connection to"));
        assert_eq!(world.in_state(DeliveryState::Queued).await, 3);
        drop(engine);
        world.deliver_all(&world.engine(catcher.settings())).await;
        assert_eq!(world.totals().await.sent, 3);
    }
}
