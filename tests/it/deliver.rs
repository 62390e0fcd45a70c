//! Delivery against a real SMTP conversation: what is refused, broken off or left in the middle loses nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use postround::app::App;
use postround::compose::Occasion;
use postround::demo::catcher::{Answers, Command, Options, Reply, Stage};
use postround::domain::{DeliveryState, EmailAddress};
use postround::store::Totals;
use postround::subscribers::{Leave, NewSubscriber, Origin, resolve_choice};

use crate::support::program::Program;
use crate::support::site::story;
use crate::support::{MONDAY, TestClock, TestStore, on_both};

const READERS: usize = 12;

/// An issue that is laid out for a dozen readers, `reader0@northfold.example` and so on, and not delivered.
struct Laid {
    program: Program,
    app: App,
    clock: Arc<TestClock>,
    issue: i64,
}

impl Laid {
    async fn out(store: &TestStore, options: Options) -> Self {
        let program = Program::with_relay(store, options).await;
        program.site.publish(story("hubs", "Family hubs win an extra year", "2026-11-18"));
        let clock = Arc::new(TestClock::at(MONDAY));
        let app = program.app(clock.clone()).await;
        for number in 0..READERS {
            let new = NewSubscriber {
                address: reader(number),
                name: format!("Reader {number}"),
                locale: None,
                choice: resolve_choice(&app.config, &[], &[]).unwrap(),
            };
            app.subscribers().add_confirmed(&new, "on paper", Origin::COMMAND_LINE).await.unwrap();
        }
        let digest = app.config.digest("weekly").unwrap().clone();
        let issue = app.composer().compose(&digest, Occasion::Extra).await.unwrap().issue;
        app.composer().tend().await.unwrap();
        Self { program, app, clock, issue }
    }

    /// Delivers what is due, batch by batch, with the clock moved on by a day between.
    async fn deliver(&self, batches: usize) {
        let engine = self.app.engine(self.app.store.try_lock_deliverer().unwrap().unwrap());
        for _ in 0..batches {
            engine.deliver_one_batch().await.unwrap();
            self.clock.advance(Duration::from_secs(6 * 3600));
        }
    }

    async fn totals(&self) -> Totals {
        self.app.store.read().await.unwrap().issue_totals(self.issue).await.unwrap()
    }

    /// To whom the relay has taken mails, sorted.
    fn taken(&self) -> Vec<String> {
        let mut to: Vec<String> =
            self.program.mailbox.messages().iter().flat_map(|mail| mail.recipients.clone()).collect();
        to.sort();
        to
    }

    /// The relay's last words on a reader.
    async fn words(&self, number: usize) -> String {
        let mut session = self.app.store.read().await.unwrap();
        let rows = session.issue_deliveries(self.issue, None, 0, 100).await.unwrap();
        let row = rows.into_iter().find(|row| row.address == reader(number).as_str()).unwrap();
        row.answer.unwrap_or_default()
    }
}

fn reader(number: usize) -> EmailAddress {
    EmailAddress::parse(&format!("reader{number}@northfold.example")).unwrap()
}

fn all() -> Vec<String> {
    let mut all: Vec<String> = (0..READERS).map(|number| reader(number).to_string()).collect();
    all.sort();
    all
}

/// A relay that gives one recipient an answer of its own, so many times.
fn refusing(number: usize, code: u16, text: &'static str, times: u64) -> Options {
    let (asked, address) = (AtomicU64::new(0), reader(number).to_string());
    let script = move |turn: &postround::demo::catcher::Turn<'_>| match turn.stage {
        Stage::Command(Command::Recipient { to, .. }) if *to == address => {
            (asked.fetch_add(1, Ordering::SeqCst) < times).then(|| Reply::new(code, text))
        }
        _ => None,
    };
    Options { answers: Answers::script(script), ..Options::default() }
}

on_both! {
    async fn each_reader_gets_one_message_of_their_own(store: TestStore) {
        let laid = Laid::out(&store, Options::default()).await;
        laid.deliver(1).await;
        assert_eq!(laid.taken(), all());
        assert_eq!(laid.totals().await, Totals { sent: READERS as i64, ..Totals::default() });
        let bodies: std::collections::HashSet<Vec<u8>> =
            laid.program.mailbox.messages().iter().map(|mail| mail.raw.clone()).collect();
        assert_eq!(bodies.len(), READERS);
    }

    async fn a_relay_without_pipelining_gets_one_command_at_a_time(store: TestStore) {
        let laid = Laid::out(&store, Options { pipelining: false, ..Options::default() }).await;
        laid.deliver(1).await;
        assert_eq!(laid.taken(), all());
    }

    async fn what_is_refused_for_now_is_tried_again_when_it_is_due(store: TestStore) {
        let laid = Laid::out(&store, refusing(3, 450, "4.2.0 greylisted", 1)).await;
        laid.deliver(1).await;
        let totals = laid.totals().await;
        assert_eq!((totals.sent, totals.deferred), (READERS as i64 - 1, 1));
        assert!(laid.words(3).await.contains("greylisted"));
        laid.deliver(1).await;
        assert_eq!(laid.taken(), all());
    }

    async fn what_is_refused_for_good_has_failed_with_the_words_kept_and_the_others_go_out(store: TestStore) {
        let laid = Laid::out(&store, refusing(5, 550, "5.1.1 no such user here", u64::MAX)).await;
        laid.deliver(3).await;
        let totals = laid.totals().await;
        assert_eq!((totals.sent, totals.failed), (READERS as i64 - 1, 1));
        assert!(laid.words(5).await.contains("no such user here"));
        assert!(!laid.taken().contains(&reader(5).to_string()));
    }

    async fn a_refused_sender_is_nobodys_failure_and_keeps_all_messages(store: TestStore) {
        let script = |turn: &postround::demo::catcher::Turn<'_>| match turn.stage {
            Stage::Command(Command::Mail { .. }) => Some(Reply::new(550, "5.7.1 sender refused")),
            _ => None,
        };
        let laid = Laid::out(&store, Options { answers: Answers::script(script), ..Options::default() }).await;
        laid.deliver(1).await;
        let totals = laid.totals().await;
        assert_eq!((totals.queued, totals.failed, totals.sent), (READERS as i64, 0, 0));
    }

    async fn a_connection_that_breaks_at_any_step_loses_nothing_and_repeats_one_message_at_most(store: TestStore) {
        for step in ["connect", "ehlo", "mail", "rcpt", "data", "content", "kept"] {
            let dropped = Arc::new(AtomicU64::new(0));
            let count = dropped.clone();
            let script = move |turn: &postround::demo::catcher::Turn<'_>| {
                let here = match turn.stage {
                    Stage::Connect => "connect",
                    Stage::Command(Command::Hello { .. }) => "ehlo",
                    Stage::Command(Command::Mail { .. }) => "mail",
                    Stage::Command(Command::Recipient { .. }) => "rcpt",
                    Stage::Command(Command::Data) => "data",
                    Stage::Content { .. } => if step == "kept" { "kept" } else { "content" },
                    Stage::Command(_) => "other",
                };
                let drop = here == step && turn.delivered < 3 && count.load(Ordering::SeqCst) < 2;
                drop.then(|| {
                    count.fetch_add(1, Ordering::SeqCst);
                    if step == "kept" { Reply::dropped().keeping() } else { Reply::dropped() }
                })
            };
            let laid = Laid::out(&store, Options { answers: Answers::script(script), ..Options::default() }).await;
            for _ in 0..8 {
                laid.deliver(1).await;
                if laid.totals().await.sent == READERS as i64 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(400)).await;
            }
            let mut taken = laid.taken();
            let repeats = taken.len();
            taken.dedup();
            assert_eq!(taken, all(), "broken at {step}");
            let drops = dropped.load(Ordering::SeqCst) as usize;
            assert_eq!(drops, 2, "the relay never broke at {step}");
            assert!(repeats - READERS <= drops, "broken at {step}: {} repeats", repeats - READERS);
        }
    }

    async fn whoever_leaves_after_the_claim_is_not_mailed(store: TestStore) {
        let script = |turn: &postround::demo::catcher::Turn<'_>| match turn.stage {
            Stage::Connect => Some(Reply::usual().after(Duration::from_millis(700))),
            _ => None,
        };
        let laid = Laid::out(&store, Options { answers: Answers::script(script), ..Options::default() }).await;
        let leave = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let mut session = laid.app.store.read().await.unwrap();
            let claimed = session.issue_deliveries(laid.issue, Some(DeliveryState::Claimed), 0, 100).await.unwrap();
            assert_eq!(claimed.len(), READERS, "the claim comes before the connection");
            let row = session.subscriber_by_hash(&laid.app.keys.address_hash(&reader(7))).await.unwrap().unwrap();
            laid.app.subscribers().leave(&row.public_id, Leave::Digest("weekly"), Origin::PAGE).await.unwrap();
        };
        tokio::join!(laid.deliver(1), leave);
        assert!(!laid.taken().contains(&reader(7).to_string()));
        let totals = laid.totals().await;
        assert_eq!((totals.sent, totals.cancelled), (READERS as i64 - 1, 1));
    }

    async fn a_deliverer_that_dies_in_the_middle_is_followed_by_one_that_loses_nothing(store: TestStore) {
        let script = |turn: &postround::demo::catcher::Turn<'_>| match turn.stage {
            Stage::Content { .. } => Some(Reply::usual().after(Duration::from_millis(150))),
            _ => None,
        };
        let laid = Laid::out(&store, Options { answers: Answers::script(script), ..Options::default() }).await;
        for _ in 0..2 {
            let died = tokio::time::timeout(Duration::from_millis(250), laid.deliver(1)).await;
            assert!(died.is_err(), "it was finished before it died");
            if laid.app.store.is_shared() {
                // Other nodes have to see for a while that its heart has stopped; here it is told.
                laid.app.store.marks().await.unwrap().free_all_deliveries(DeliveryState::Queued).await.unwrap();
            }
        }
        laid.deliver(2).await;
        let mut taken = laid.taken();
        let repeats = taken.len() - READERS;
        taken.dedup();
        assert_eq!(taken, all());
        assert!(repeats <= 2 * laid.app.config.smtp.connections, "{repeats} repeats");
        assert_eq!(laid.totals().await.sent, READERS as i64);
    }
}
