//! Holds the model's statements against the program's own on both databases: what was asked in some worlds is asked of a
//! store too, and each answer, and all that is stored after it, has to be the same.

use std::path::PathBuf;

use super::tables::{Answer, Job, NodeId, Row, Statement};
use super::world::World;
use crate::config::{Secret, StoreUrl};
use crate::domain::{
    DeliveryState as State, IssueState, PublicId, SubscriberState, SubscriptionState, SystemRandom, UtcMillis,
};
use crate::store::{
    Choice, Durability, Mark, NewIssue, NewMail, NodeRow, Place, Store, SubscriberRow, SubscriptionRow,
};

#[allow(dead_code, clippy::unwrap_used, clippy::print_stderr, reason = "the helpers of the integration tests")]
#[path = "../../../tests/it/support/postgres.rs"]
mod postgres;

const WORLDS: u64 = 25;

/// A store beside the model, with what the model's numbers are called in it.
struct Mirror {
    store: Store,
    digest: String,
    issue: Option<i64>,
    mail: i64,
    subscribers: Vec<i64>,
    deliveries: Vec<i64>,
    /// How many beats there were: each is at another time, as the beats of a node are.
    beats: i64,
}

fn name(node: NodeId) -> String {
    node.to_string()
}

impl Mirror {
    /// A digest of its own with so many readers.
    async fn new(store: &Store, world: u64, people: usize) -> Self {
        let digest = format!("digest{world}");
        let mut session = store.write(Durability::Full).await.unwrap();
        let mut subscribers = Vec::new();
        for _ in 0..people {
            let public_id = PublicId::new(&SystemRandom);
            let row = SubscriberRow {
                id: 0,
                email: format!("{public_id}@reader.example"),
                address_hash: public_id.to_string(),
                public_id,
                name: String::new(),
                state: SubscriberState::Confirmed,
                locale: None,
                created_at: UtcMillis(0),
                updated_at: UtcMillis(0),
                confirmed_at: Some(UtcMillis(0)),
                left_all_at: None,
            };
            let subscriber_id = session.add_subscriber(&row).await.unwrap();
            let subscription = SubscriptionRow {
                subscriber_id,
                digest: digest.clone(),
                state: SubscriptionState::Active,
                topics: "*".to_owned(),
                paused_until: None,
                created_at: UtcMillis(0),
                left_at: None,
            };
            session.put_subscription(&subscription).await.unwrap();
            subscribers.push(subscriber_id);
        }
        session.commit().await.unwrap();
        Self { store: store.clone(), digest, issue: None, mail: 0, subscribers, deliveries: Vec::new(), beats: 0 }
    }

    fn model(&self, delivery: i64) -> usize {
        self.deliveries.iter().position(|id| *id == delivery).expect("a delivery of this world")
    }

    async fn run(&mut self, statement: &Statement, now: UtcMillis) -> Answer {
        match statement {
            Statement::Compose => Answer::Was(self.compose(now).await),
            Statement::LayOut(from, to) => Answer::Was(self.lay_out(*from, *to, now).await),
            Statement::Leave(subscriber) => {
                let mut session = self.store.write(Durability::Full).await.unwrap();
                let id = self.subscribers[*subscriber];
                session.cancel_deliveries(id, Some(&self.digest), now).await.unwrap();
                session.drop_subscription(id, &self.digest).await.unwrap();
                session.commit().await.unwrap();
                Answer::Done
            }
            Statement::LaidOut | Statement::Retry => {
                let mut session = self.store.write(Durability::Full).await.unwrap();
                match (self.issue, statement) {
                    (Some(issue), Statement::LaidOut) => {
                        let last = self.subscribers.last().copied().unwrap_or_default();
                        session.laid_out(issue, last, now).await.unwrap();
                    }
                    (Some(issue), _) => drop(session.retry_deliveries(issue, now).await.unwrap()),
                    (None, _) => {}
                }
                session.commit().await.unwrap();
                Answer::Done
            }
            Statement::Beat(node, beat) => {
                let mut session = self.store.write(Durability::Full).await.unwrap();
                self.beats += 1;
                let anew = session.beat(&name(*node), *beat, UtcMillis(self.beats)).await.unwrap();
                session.commit().await.unwrap();
                Answer::Was(anew)
            }
            Statement::Others(node) => {
                let rows = self.store.read().await.unwrap().other_nodes(&name(*node)).await.unwrap();
                let mut nodes: Vec<_> = rows.into_iter().map(|row| (row.node.parse().unwrap(), row.beat)).collect();
                nodes.sort_unstable();
                Answer::Nodes(nodes)
            }
            Statement::Bury(node, beat, started) => {
                let mut session = self.store.write(Durability::Full).await.unwrap();
                let was = session.bury_node(&NodeRow { node: name(*node), beat: *beat }).await.unwrap();
                if was {
                    session.free_deliveries_of(&name(*node), *started).await.unwrap();
                }
                session.commit().await.unwrap();
                Answer::Was(was)
            }
            queue => self.run_on_queue(queue, now).await,
        }
    }

    async fn run_on_queue(&self, statement: &Statement, now: UtcMillis) -> Answer {
        let mut session = self.store.marks().await.unwrap();
        match statement {
            Statement::Claim(node, limit) => {
                let limit = i64::try_from(*limit).unwrap();
                let rows = session.claim_deliveries(&name(*node), now, limit, None).await.unwrap();
                let job = |row: crate::store::ClaimedRow| Job {
                    delivery: self.model(row.id),
                    attempts: row.attempts,
                    started_at: row.started_at.map(|at| at.0),
                };
                return Answer::Claimed(rows.into_iter().map(job).collect());
            }
            Statement::Mark(node, marks) => {
                let own = |mark: &Mark| Mark {
                    id: self.deliveries[usize::try_from(mark.id).unwrap()],
                    mail: (mark.next == State::Sending).then_some(self.mail),
                    ..mark.clone()
                };
                let marks: Vec<Mark> = marks.iter().map(own).collect();
                let taken = session.mark_deliveries(&name(*node), &marks).await.unwrap();
                let mut taken: Vec<(usize, State)> =
                    taken.into_iter().map(|(id, state)| (self.model(id), state.parse().unwrap())).collect();
                taken.sort_by_key(|(id, _)| *id);
                return Answer::Marked(taken);
            }
            Statement::Release(node, in_hand) => {
                let in_hand: Vec<i64> = in_hand.iter().map(|id| self.deliveries[*id]).collect();
                session.release_deliveries(&name(*node), &in_hand).await.unwrap();
            }
            Statement::FreeStrays(node, in_hand, started) => {
                let in_hand: Vec<i64> = in_hand.iter().map(|id| self.deliveries[*id]).collect();
                session.free_strays(&name(*node), &in_hand, *started).await.unwrap();
            }
            Statement::QueueDeferred => drop(session.queue_deferred(now, 1000).await.unwrap()),
            Statement::FreeAll(started) => drop(session.free_all_deliveries(*started).await.unwrap()),
            Statement::Depart(node) => session.leave_nodes(&name(*node)).await.unwrap(),
            other => panic!("{other:?} is not of the queue"),
        }
        Answer::Done
    }

    async fn compose(&mut self, now: UtcMillis) -> bool {
        let mut session = self.store.write(Durability::Full).await.unwrap();
        let issue = NewIssue {
            public_id: &PublicId::new(&SystemRandom),
            digest: &self.digest,
            key: "the period",
            state: IssueState::Sending,
            reason: None,
            subject: "The week",
            date: "2026-11-23",
            scheduled_at: None,
        };
        let Some((issue, _)) = session.insert_issue(&issue, now).await.unwrap() else { return false };
        let mail = NewMail {
            issue: Some(issue),
            kind: "digest",
            digest: Some(&self.digest),
            topics: "*",
            locale: "en-GB",
            subject: "The week",
            html: "",
            text: "",
            mime: "",
            marker: "",
            salt: "",
            fingerprint: None,
        };
        self.mail = session.insert_mail(&mail, now).await.unwrap();
        let everybody = Choice { topics: "*".to_owned(), locale: String::new() };
        session.put_variant(issue, &everybody, Some(self.mail)).await.unwrap();
        session.commit().await.unwrap();
        self.issue = Some(issue);
        true
    }

    async fn lay_out(&mut self, from: usize, to: usize, now: UtcMillis) -> bool {
        let Some(issue) = self.issue else { return false };
        let end = |people: usize| people.checked_sub(1).map_or(0, |last| self.subscribers[last]);
        let place = Place { priority: 20, from: now, spread_ms: 0 };
        let mut session = self.store.write(Durability::Full).await.unwrap();
        let laid = session.lay_out(issue, &self.digest, end(from)..end(to), &place, now).await.unwrap();
        if laid {
            session.commit().await.unwrap();
            let rows = self.store.read().await.unwrap().issue_deliveries(issue, None, 0, 1000).await.unwrap();
            self.deliveries = rows.into_iter().map(|row| row.id).collect();
        }
        laid
    }

    /// What is stored of the deliveries, but for whose they are, which claims and marks tell.
    async fn rows(&self) -> Vec<(State, i64, Option<i64>, i64)> {
        let Some(issue) = self.issue else { return Vec::new() };
        let rows = self.store.read().await.unwrap().issue_deliveries(issue, None, 0, 1000).await.unwrap();
        rows.into_iter().map(|row| (row.state, row.attempts, row.started_at.map(|at| at.0), row.due_at.0)).collect()
    }
}

/// Lives through some worlds, and asks `store` all that was asked in them.
async fn compare(store: &Store) {
    for seed in 0..WORLDS {
        let mut world = World::new(seed, false, None);
        world.run().unwrap();
        let people = world.database.tables.left.len();
        let mut mirror = Mirror::new(store, seed, people).await;
        for (number, (statement, now, answer, tables)) in world.steps.iter().enumerate() {
            let got = mirror.run(statement, UtcMillis(*now)).await;
            assert_eq!(&got, answer, "world {seed}, step {number}: {statement:?}");
            let own = |row: &Row| (row.state, row.attempts, row.started_at, row.due_at);
            let wanted: Vec<_> = tables.rows.iter().map(own).collect();
            assert_eq!(mirror.rows().await, wanted, "world {seed}, step {number}: after {statement:?}");
        }
        for node in world.database.tables.nodes.keys() {
            mirror.run(&Statement::Depart(*node), UtcMillis(0)).await;
        }
    }
}

#[tokio::test]
async fn the_models_store_does_what_sqlite_does() {
    let folder = tempfile::tempdir().unwrap();
    let url = StoreUrl::Sqlite(PathBuf::from(folder.path()).join("postround.db"));
    compare(&Store::open(&url).await.unwrap()).await;
}

#[tokio::test]
async fn the_models_store_does_what_postgresql_does() {
    let Some(url) = postgres::fresh_database().await else { return };
    compare(&Store::open(&StoreUrl::Postgres(Secret::new(url))).await.unwrap()).await;
}
