//! What an operator does to an issue: hold, resume, cancel, retry, withdraw, correct; while it is being sent, and from outside.

mod acts;
mod copies;
mod corrections;
mod folding;
mod foreseen;
mod gone;
mod listing;
mod seen;
mod standing;
mod withdrawals;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mail_parser::MessageParser;
use postround::app::App;
use postround::compose::{Because, Occasion};
use postround::demo::catcher::{Answers, Caught, Options, Reply, Stage};
use postround::domain::{Clock, DeliveryState, EmailAddress, SystemClock};
use postround::store::{ClaimedRow, Durability, Mark, Totals};
use postround::subscribers::{NewSubscriber, Origin, resolve_choice};

use crate::support::program::Program;
use crate::support::site::story;
use crate::support::{PATIENCE, TestStore};

pub const BECAUSE: Because<'static> = Because { actor: "a test", note: Some("a reason") };

/// The topics of [`Desk::of_many_choices`].
pub const MANY: [&str; 6] = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"];

/// A program with two stories, and its parts in this process.
pub struct Desk {
    pub program: Program,
    pub app: App,
}

impl Desk {
    /// Its relay takes a moment for each message, so that a test can act while an issue is being sent.
    pub async fn new(store: &TestStore) -> Self {
        Self::with(store, |stage| {
            matches!(stage, Stage::Content { .. }).then(|| Reply::usual().after(Duration::from_millis(15)))
        })
        .await
    }

    pub async fn with(store: &TestStore, script: impl Fn(&Stage<'_>) -> Option<Reply> + Send + Sync + 'static) -> Self {
        let answers = Answers::script(move |turn| script(&turn.stage));
        let program = Program::with_relay(store, Options { answers, ..Options::default() }).await;
        program.site.publish(story("hubs", "Family hubs win an extra year", "2026-11-18"));
        program.site.publish(story("visitors", "Health visitor posts fill", "2026-11-20"));
        let app = program.app(Arc::new(SystemClock)).await;
        Self { program, app }
    }

    /// With a story of each of [`MANY`], and a reader for each choice of them: more than composing makes mails for.
    pub async fn of_many_choices(store: &TestStore) -> Self {
        let mut desk = Self::with(store, |_| None).await;
        let config = std::fs::read_to_string(desk.program.folder.path().join("config.toml")).unwrap();
        let rules = MANY.map(|topic| format!("{{ title = \"{topic}\", topic = \"{topic}\" }}")).join(", ");
        let rules = format!("topics = [{rules}, {{ topic = \"news\" }}]");
        desk.program.configure(&config.replacen("topic = \"news\"", &rules, 1));
        desk.app = desk.program.app(Arc::new(SystemClock)).await;
        for topic in MANY {
            desk.program.site.publish(story(topic, &format!("The story of {topic}"), "2026-11-19"));
        }
        for reader in 1..64 {
            let topics: Vec<String> = Self::choice(reader).map(str::to_owned).collect();
            desk.add(reader, &topics).await;
        }
        desk
    }

    /// What the reader of that number has chosen there.
    pub fn choice(reader: usize) -> impl Iterator<Item = &'static str> {
        MANY.into_iter().enumerate().filter(move |(at, _)| (reader >> at) & 1 == 1).map(|(_, topic)| topic)
    }

    pub async fn subscribe(&self, count: usize) {
        for number in 1..=count {
            self.add(number, &[]).await;
        }
    }

    async fn add(&self, number: usize, topics: &[String]) {
        let new = NewSubscriber {
            address: EmailAddress::parse(&format!("reader{number}@northfold.example")).unwrap(),
            name: String::new(),
            locale: None,
            choice: resolve_choice(&self.app.config, &[], topics).unwrap(),
        };
        self.app.subscribers().add_confirmed(&new, "on paper", Origin::COMMAND_LINE).await.unwrap();
    }

    /// Composes and lays out an issue.
    pub async fn issue(&self) -> i64 {
        let digest = self.app.config.digest("weekly").unwrap().clone();
        let issue = self.app.composer().compose(&digest, Occasion::Extra).await.unwrap().issue;
        self.tend().await;
        issue
    }

    pub async fn tend(&self) {
        assert!(self.app.composer().tend().await.unwrap().is_empty());
    }

    pub async fn totals(&self, issue: i64) -> Totals {
        self.app.store.read().await.unwrap().issue_totals(issue).await.unwrap()
    }

    /// Delivers while `act` is done, and until it is.
    pub async fn delivering<F: Future>(&self, act: F) -> F::Output {
        let engine = self.app.engine(self.app.store.try_lock_deliverer().unwrap().unwrap());
        let (done, is_done) = tokio::sync::oneshot::channel::<()>();
        let run = engine.run(async {
            let _ = is_done.await;
        });
        let act = async {
            let output = act.await;
            let _ = done.send(());
            output
        };
        let both = futures_util::future::join(Box::pin(act), Box::pin(run));
        tokio::time::timeout(PATIENCE, both).await.expect("it comes to an end").0
    }

    /// Up to so many deliveries, by address, which a deliverer has started that is about to die.
    pub async fn start(&self, limit: i64) -> Vec<ClaimedRow> {
        let now = SystemClock.now();
        let mut session = self.app.store.write(Durability::Full).await.unwrap();
        let mut rows = session.claim_deliveries("dead", now, limit, None).await.unwrap();
        rows.sort_by(|one, other| one.address.cmp(&other.address));
        let start = |row: &ClaimedRow| Mark {
            mail: Some(row.mail_id),
            started_at: Some(now.0),
            ..Mark::of(row.id, DeliveryState::Claimed, DeliveryState::Sending)
        };
        let starts: Vec<Mark> = rows.iter().map(start).collect();
        assert_eq!(session.mark_deliveries("dead", &starts).await.unwrap().len(), rows.len());
        session.commit().await.unwrap();
        rows
    }

    /// The relay's answer to one of them.
    pub async fn answer(&self, row: &ClaimedRow, state: DeliveryState) {
        let mark = Mark::of(row.id, DeliveryState::Sending, state);
        assert_eq!(self.app.store.marks().await.unwrap().mark_deliveries("dead", &[mark]).await.unwrap().len(), 1);
    }

    /// That deliverer is dead, and the operator wants to be asked. Says how many it had.
    pub async fn found_dead(&self) -> u64 {
        self.app.store.marks().await.unwrap().free_deliveries_of("dead", DeliveryState::Uncertain).await.unwrap()
    }

    /// Waits until so many have been sent.
    pub async fn sent(&self, issue: i64, count: i64) {
        while self.totals(issue).await.sent < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Delivers all that is queued.
    pub async fn deliver_all(&self, issue: i64) {
        let over = async {
            while self.totals(issue).await.open() > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
                self.tend().await;
            }
        };
        self.delivering(over).await;
        self.tend().await;
    }

    /// The addresses whose delivery has been started.
    pub async fn started(&self, issue: i64) -> Vec<String> {
        let mut session = self.app.store.read().await.unwrap();
        let rows = session.issue_deliveries(issue, None, 0, 10_000).await.unwrap();
        rows.into_iter().filter(|row| row.started_at.is_some()).map(|row| row.address).collect()
    }

    /// Waits until nothing is with the relay.
    pub async fn answered(&self, issue: i64) {
        while self.totals(issue).await.sending > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// What each has got: the subjects and texts of the mails.
    pub fn got(&self) -> BTreeMap<String, Vec<(String, String)>> {
        let mut got: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        for mail in self.program.mailbox.messages() {
            let (to, subject, text) = read(&mail);
            got.entry(to).or_default().push((subject, text));
        }
        got
    }

    pub async fn states(&self, issue: i64, state: DeliveryState) -> usize {
        let mut session = self.app.store.read().await.unwrap();
        session.issue_deliveries(issue, Some(state), 0, 10_000).await.unwrap().len()
    }
}

fn read(mail: &Caught) -> (String, String, String) {
    let parsed = MessageParser::default().parse(&mail.raw).unwrap();
    let both = format!("{}\n{}", parsed.body_text(0).unwrap(), parsed.body_html(0).unwrap());
    (mail.recipients[0].clone(), parsed.subject().unwrap().to_owned(), both)
}
