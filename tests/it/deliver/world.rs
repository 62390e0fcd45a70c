//! A store with an issue to be sent, a mail catcher to send it to, and engines between them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use postround::compose::DIGEST_PRIORITY;
use postround::config::{AfterCrash, Delivery, RelayUrl, Smtp, Tls};
use postround::deliver::{Engine, Links, Outcome, Settings, Timings};
use postround::demo::catcher::{Answers, Mailbox, Options, Reply, Turn, serve_with};
use postround::domain::{
    DeliveryState, EmailAddress, IssueState, PublicId, Random, SubscriberState, SubscriptionState, SystemRandom,
    UtcMillis,
};
use postround::store::{
    Durability, NewDelivery, NewIssue, NewMail, Session, Store, SubscriberRow, SubscriptionRow, Totals,
};
use tokio::net::TcpListener;

use crate::support::{MONDAY, PATIENCE, TestClock, TestStore};

const MARKER: &str = "m4rkm4rkm4rkm4rkm4rkm4rkmm";

/// A mail with a slot in each place, as it is stored.
pub const MIME: &str = "From: Digest <digest@example.org>\r\n\
    To: m4rkm4rkm4rkm4rkm4rkm4rkmmtoh\r\n\
    Message-ID: m4rkm4rkm4rkm4rkm4rkm4rkmmidh\r\n\
    Date: m4rkm4rkm4rkm4rkm4rkm4rkmmdah\r\n\
    List-Unsubscribe: <m4rkm4rkm4rkm4rkm4rkm4rkmmunh>\r\n\
    Subject: The week\r\n\
    MIME-Version: 1.0\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Content-Transfer-Encoding: quoted-printable\r\n\
    \r\n\
    Hello =\r\n\
    m4rkm4rkm4rkm4rkm4rkm4rkmmnat=\r\n\
    , choose at =\r\n\
    m4rkm4rkm4rkm4rkm4rkm4rkmmprt=\r\n\
    .\r\n";

/// An issue and its mail in a store, and a clock that stands.
pub struct World {
    /// The store.
    pub test: TestStore,
    /// The clock of all engines.
    pub clock: Arc<TestClock>,
    /// The issue.
    pub issue: i64,
    mail: i64,
    people: AtomicU64,
}

struct PlainLinks;

impl Links for PlainLinks {
    fn unsubscribe_url(&self, subscriber: &PublicId, digest: &str) -> String {
        format!("https://example.org/unsubscribe/{digest}/{subscriber}")
    }

    fn preferences_url(&self, subscriber: &PublicId, digest: &str) -> String {
        format!("https://example.org/preferences/{digest}/{subscriber}")
    }

    fn nobodys_unsubscribe_url(&self, digest: &str) -> String {
        format!("https://example.org/unsubscribe/{digest}/nobody")
    }

    fn nobodys_preferences_url(&self, digest: &str) -> String {
        format!("https://example.org/preferences/{digest}/nobody")
    }
}

pub fn mail_of(issue: i64) -> NewMail<'static> {
    NewMail {
        issue: Some(issue),
        kind: "digest",
        digest: Some("weekly"),
        topics: "*",
        locale: "en-GB",
        subject: "The week",
        html: "",
        text: "",
        mime: MIME,
        marker: MARKER,
        salt: "salt",
        fingerprint: None,
    }
}

fn row_of(address: &EmailAddress, name: &str) -> SubscriberRow {
    SubscriberRow {
        id: 0,
        public_id: PublicId::new(&SystemRandom),
        email: address.as_str().to_owned(),
        address_hash: address.as_str().to_owned(),
        name: name.to_owned(),
        state: SubscriberState::Confirmed,
        locale: None,
        created_at: MONDAY,
        updated_at: MONDAY,
        confirmed_at: Some(MONDAY),
        left_all_at: None,
    }
}

impl World {
    /// A store with an issue of `weekly` in it, and nobody to send it to.
    pub async fn new(test: TestStore) -> Self {
        let mut session = test.store.write(Durability::Full).await.unwrap();
        let public_id = PublicId::new(&SystemRandom);
        let issue = NewIssue {
            public_id: &public_id,
            digest: "weekly",
            key: "one",
            state: IssueState::Sending,
            reason: None,
            subject: "The week",
            date: "2026-11-23",
            scheduled_at: None,
        };
        let (issue, _) = session.insert_issue(&issue, MONDAY).await.unwrap().unwrap();
        let mail = session.insert_mail(&mail_of(issue), MONDAY).await.unwrap();
        session.commit().await.unwrap();
        Self { test, clock: Arc::new(TestClock::at(MONDAY)), issue, mail, people: AtomicU64::new(0) }
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.test.store
    }

    /// Replaces the issue's mail, as withdrawing an article does.
    pub async fn replace_mail(&self) {
        let mut session = self.store().write(Durability::Full).await.unwrap();
        let new = session.insert_mail(&mail_of(self.issue), MONDAY).await.unwrap();
        session.replace_mail(self.issue, self.mail, new).await.unwrap();
        session.commit().await.unwrap();
        let mut session = self.store().write(Durability::Full).await.unwrap();
        session.recall(self.issue, DeliveryState::Queued, MONDAY).await.unwrap();
        session.commit().await.unwrap();
    }

    /// The issue's mail.
    pub fn mail(&self) -> i64 {
        self.mail
    }

    /// Adds `count` subscribers, `reader1@x.example` and on, and queues a delivery to each. Gives their row ids.
    pub async fn queue(&self, count: u64) -> Vec<i64> {
        let mut session = self.store().write(Durability::Full).await.unwrap();
        let mut ids = Vec::new();
        for _ in 0..count {
            let number = self.people.fetch_add(1, Ordering::SeqCst) + 1;
            ids.push(self.add(&mut session, &reader(number), &format!("Reader {number}"), DIGEST_PRIORITY).await);
        }
        session.commit().await.unwrap();
        ids
    }

    /// Adds a subscriber and queues a delivery to them. Gives the subscriber's row id.
    pub async fn queue_to(&self, address: &str, name: &str) -> i64 {
        let mut session = self.store().write(Durability::Full).await.unwrap();
        let subscriber = self.add(&mut session, address, name, DIGEST_PRIORITY).await;
        session.commit().await.unwrap();
        subscriber
    }

    /// Queues a mail of no issue, such as `confirmation`, to somebody new.
    pub async fn queue_notice(&self, kind: &str, address: &str) {
        let mut session = self.store().write(Durability::Full).await.unwrap();
        let mail = NewMail { issue: None, kind, ..mail_of(self.issue) };
        let mail = session.insert_mail(&mail, MONDAY).await.unwrap();
        let address = EmailAddress::parse(address).unwrap();
        let subscriber = SubscriberRow { state: SubscriberState::Pending, confirmed_at: None, ..row_of(&address, "") };
        let subscriber = session.add_subscriber(&subscriber).await.unwrap();
        let delivery = NewDelivery {
            mail,
            issue: None,
            kind,
            digest: Some("weekly"),
            subscriber: Some(subscriber),
            address: &address,
            name: "",
            priority: 0,
            link: Some("https://example.org/confirm/token"),
        };
        session.insert_notice(&delivery, address.as_str(), MONDAY).await.unwrap();
        session.commit().await.unwrap();
    }

    /// The same, more urgent than all that [`World::queue`] queues.
    pub async fn queue_urgently(&self, address: &str) {
        let mut session = self.store().write(Durability::Full).await.unwrap();
        self.add(&mut session, address, "", 0).await;
        session.commit().await.unwrap();
    }

    async fn add(&self, session: &mut Session, address: &str, name: &str, priority: i64) -> i64 {
        let address = EmailAddress::parse(address).unwrap();
        let subscriber = session.add_subscriber(&row_of(&address, name)).await.unwrap();
        let delivery = NewDelivery {
            mail: self.mail,
            issue: Some(self.issue),
            kind: "digest",
            digest: Some("weekly"),
            subscriber: Some(subscriber),
            address: &address,
            name,
            priority,
            link: None,
        };
        session.insert_delivery(&delivery, MONDAY).await.unwrap();
        let subscription = SubscriptionRow {
            subscriber_id: subscriber,
            digest: "weekly".to_owned(),
            state: SubscriptionState::Active,
            topics: "*".to_owned(),
            paused_until: None,
            created_at: MONDAY,
            left_at: None,
        };
        session.put_subscription(&subscription).await.unwrap();
        subscriber
    }

    /// An engine that has the store's right to deliver.
    pub fn engine(&self, settings: Settings) -> Engine {
        let lock = self.store().try_lock_deliverer().unwrap().expect("nobody else delivers");
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        Engine::new(self.store().clone(), lock, settings, Arc::new(PlainLinks), self.clock.clone(), random)
    }

    /// An engine with these settings in the place of one whose run is over.
    pub fn successor(&self, engine: &Engine, settings: Settings) -> Engine {
        engine.successor(settings, Arc::new(PlainLinks))
    }

    /// Delivers batch after batch until nothing is open, an hour passing wherever nothing is due.
    pub async fn deliver_all(&self, engine: &Engine) {
        for _ in 0..200 {
            let outcome = engine.deliver_one_batch().await.unwrap();
            if self.totals().await.open() == 0 {
                return;
            }
            if outcome.claimed == 0 {
                self.clock.advance(Duration::from_secs(3600));
                // The pause that a relay gets is of real time.
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
        }
        panic!("it never ends: {:?}", self.totals().await);
    }

    /// Where the issue's deliveries are.
    pub async fn totals(&self) -> Totals {
        self.store().read().await.unwrap().issue_totals(self.issue).await.unwrap()
    }

    /// How many deliveries are in this state, `claimed` told from `queued`.
    pub async fn in_state(&self, state: DeliveryState) -> usize {
        let mut session = self.store().read().await.unwrap();
        session.issue_deliveries(self.issue, Some(state), 0, 10_000).await.unwrap().len()
    }

    /// Where the delivery to an address is, and the relay's words on it.
    pub async fn delivery_to(&self, address: &str) -> (DeliveryState, String) {
        let mut session = self.store().read().await.unwrap();
        let rows = session.issue_deliveries(self.issue, None, 0, 10_000).await.unwrap();
        let row = rows.into_iter().find(|row| row.address == address).expect("it was queued");
        (row.state, row.answer.unwrap_or_default())
    }

    /// A subscriber leaves the digest.
    pub async fn leave(&self, subscriber: i64) {
        let mut session = self.store().write(Durability::Full).await.unwrap();
        session.cancel_deliveries(subscriber, Some("weekly"), MONDAY).await.unwrap();
        session.drop_subscription(subscriber, "weekly").await.unwrap();
        session.commit().await.unwrap();
    }
}

/// Waits until the issue is held.
pub async fn until_held(world: &World) {
    let held = async {
        while world.store().read().await.unwrap().issue(world.issue).await.unwrap().unwrap().state != IssueState::Held {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, held).await.unwrap();
}

/// The address of the reader of that number.
pub fn reader(number: u64) -> String {
    format!("reader{number}@x.example")
}

/// An outcome with these counts and no trouble with the relay.
pub fn outcome(claimed: u64, sent: u64, deferred: u64, failed: u64) -> Outcome {
    Outcome { claimed, sent, deferred, failed, ..Outcome::default() }
}

/// Settings for the relay at `url`, impatient as a test is.
pub fn settings(url: RelayUrl) -> Settings {
    let mut smtp = Smtp::to(url);
    smtp.relays[0].connections = 1;
    let timings = Timings {
        idle: Duration::from_millis(200),
        poll: Duration::from_millis(20),
        relay_pause: Duration::from_millis(1),
        relay_pause_max: Duration::from_millis(2),
        stop: Duration::from_secs(2),
        beat: Duration::from_millis(50),
        lease: Duration::from_millis(1200),
        ..Timings::default()
    };
    Settings {
        smtp,
        delivery: Delivery {
            after_crash: AfterCrash::Resend,
            retry_for: Duration::from_secs(48 * 3600),
            hold_when_failing: None,
        },
        hello: "client.example".to_owned(),
        dkim: None,
        timings,
    }
}

/// A running mail catcher.
pub struct Catcher {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it caught.
    pub mailbox: Mailbox,
}

impl Catcher {
    /// One that behaves as `options` say.
    pub async fn start(options: Options) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, mailbox) = (listener.local_addr().unwrap(), Mailbox::default());
        tokio::spawn(serve_with(listener, mailbox.clone(), options, std::future::pending()));
        Self { address, mailbox }
    }

    /// One that takes everything.
    pub async fn plain() -> Self {
        Self::start(Options::default()).await
    }

    /// One that answers by a script.
    pub async fn answering(script: impl Fn(&Turn<'_>) -> Option<Reply> + Send + Sync + 'static) -> Self {
        Self::start(Options { answers: Answers::script(script), ..Options::default() }).await
    }

    /// Settings for an engine that sends to it in the clear.
    pub fn settings(&self) -> Settings {
        settings(smtp_url(self.address, Tls::None))
    }

    /// How many mails each recipient has got.
    pub fn got(&self) -> BTreeMap<String, usize> {
        let mut got = BTreeMap::new();
        for mail in self.mailbox.messages() {
            assert_eq!(mail.recipients.len(), 1, "a mail to more than one");
            assert!(!mail.raw.is_empty(), "an empty mail");
            *got.entry(mail.recipients[0].clone()).or_insert(0) += 1;
        }
        got
    }
}

/// The URL of an SMTP server on this machine.
pub fn smtp_url(address: SocketAddr, tls: Tls) -> RelayUrl {
    RelayUrl::Smtp { host: address.ip().to_string(), port: address.port(), tls }
}

/// The URL of an outbox.
pub fn outbox_url(folder: &Path) -> RelayUrl {
    RelayUrl::File(folder.to_owned())
}

/// The first line of a message that begins with `header`.
pub fn header(raw: &[u8], header: &str) -> String {
    let text = String::from_utf8_lossy(raw).into_owned();
    text.lines().find(|line| line.starts_with(header)).unwrap_or_default().to_owned()
}

/// Moments are compared as times since the world began.
pub fn since_monday(time: UtcMillis) -> Duration {
    Duration::from_millis(u64::try_from(time.0 - MONDAY.0).unwrap())
}
