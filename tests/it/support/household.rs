//! The subscribers of two digests on a store, and a way to look behind.

use std::sync::{Arc, Mutex};

use postround::app::Notices;
use postround::config::{
    AfterCrash, Alerts, Backlog, Collect, Config, Confirmation, Delivery, Digest, Leave, RelayUrl, Retention, Sender,
    Server, Smtp, StoreUrl, Subscribe, Templates, Theme, Topic, Web, WhenEmpty,
};
use postround::domain::{EmailAddress, Locale, SystemRandom};
use postround::render::Renderer;
use postround::schedule::Schedule;
use postround::store::Session;
use postround::subscribers::{
    Chosen, Keys, NewSubscriber, Notice, NoticeKind, Notify, NotifyError, Origin, Subscribers, Topics,
};
use sqlx::{AssertSqlSafe, Connection};

use super::{MONDAY, TestClock, TestStore};

/// Two digests, `weekly` with the topics news, features and interviews, and `jobs`.
pub fn config(store: &TestStore, public_url: &str) -> Config {
    let sender = Sender {
        name: "Early Help Weekly".to_owned(),
        email: address("digest@northfold.example"),
        reply_to: None,
        unsubscribe_email: None,
        postal_address: "1 High Street, Exampleton EX1 1EX".to_owned(),
        legal: String::new(),
        contact_url: Some("https://northfold.example/contact".parse().unwrap()),
        social: Vec::new(),
    };
    let digest = |id: &str, title: &str, sections: &[&str]| Digest {
        id: id.to_owned(),
        title: title.to_owned(),
        subject: "{{ lead.title }}".to_owned(),
        sources: Vec::new(),
        sections: sections.iter().map(|&section| section.to_owned()).collect(),
        schedule: Schedule::parse("0 8 * * MON", chrono_tz::Europe::London).unwrap(),
        catch_up: std::time::Duration::from_secs(3600),
        spread: std::time::Duration::ZERO,
        holidays: None,
        min_articles: 1,
        max_articles: 20,
        banner: None,
        intro: None,
        when_topics_are_empty: WhenEmpty::Skip,
        template: "digest".to_owned(),
        theme: Theme::default(),
        locale: Locale::default(),
        public: true,
        sender: sender.clone(),
        utm: None,
        count_clicks: false,
        ping_url: None,
    };
    Config {
        ignored_variables: Vec::new(),
        file: store.folder.path().join("config.toml"),
        server: Server {
            listen: ([127, 0, 0, 1], 0).into(),
            public_url: public_url.to_owned(),
            trusted_proxies: Vec::new(),
            metrics_from: Vec::new(),
        },
        store: postround::config::Store { url: store.url.clone(), keys: store.folder.path().join("keys") },
        sender: sender.clone(),
        smtp: Smtp::to(RelayUrl::File(store.folder.path().join("outbox"))),
        delivery: Delivery {
            after_crash: AfterCrash::Resend,
            retry_for: std::time::Duration::from_secs(3600),
            hold_when_failing: None,
        },
        dkim: None,
        collect: Collect { allow_private_networks: false, backlog: Backlog::All },
        sources: Vec::new(),
        topics: vec![Topic { id: "news".to_owned(), title: "News".into(), description: "The week".into() }],
        digests: vec![
            digest("weekly", "Early Help Weekly", &["news", "features", "interviews"]),
            digest("jobs", "Jobs & Posts", &["jobs"]),
        ],
        leave: Leave::default(),
        retention: Retention::default(),
        confirmation: Confirmation::default(),
        templates: Templates::default(),
        alerts: Alerts::default(),
        web: Web { home_url: Some("https://northfold.example/".parse().unwrap()), ..Web::default() },
        subscribe: Subscribe::default(),
    }
}

/// The actions on subscribers of a store, and the clock that they go by.
pub async fn subscribers(store: &TestStore, public_url: &str) -> (Subscribers, Arc<TestClock>) {
    subscribers_with(store, public_url, |_| {}).await
}

/// The same with another configuration.
pub async fn subscribers_with(
    store: &TestStore,
    public_url: &str,
    change: impl FnOnce(&mut Config),
) -> (Subscribers, Arc<TestClock>) {
    let mut config = config(store, public_url);
    change(&mut config);
    let keys = Keys::open(&config.store.keys, &store.store, &SystemRandom).await.unwrap();
    let clock = Arc::new(TestClock::at(MONDAY));
    let subscribers =
        Subscribers::new(store.store.clone(), config.into(), keys.into(), clock.clone(), Arc::new(SystemRandom));
    (subscribers, clock)
}

/// What queues their mails.
pub fn notices(subscribers: &Subscribers) -> Notices {
    let config = Arc::new(subscribers.config().clone());
    let keys = Keys::read(&config.store.keys).unwrap().unwrap();
    let renderer = Renderer::new(None).unwrap();
    Notices::new(config, renderer.into(), keys.into(), Arc::new(TestClock::at(MONDAY)), Arc::new(SystemRandom))
}

/// An address.
pub fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

/// Somebody who wants these digests, with all topics.
pub fn somebody(email: &str, digests: &[&str]) -> NewSubscriber {
    let choice = digests.iter().map(|&digest| Chosen { digest: digest.to_owned(), topics: Topics::All });
    NewSubscriber { address: address(email), name: String::new(), locale: None, choice: choice.collect() }
}

/// Adds somebody as confirmed.
pub async fn confirmed(subscribers: &Subscribers, email: &str, digests: &[&str]) {
    subscribers.add_confirmed(&somebody(email, digests), "a signed form", Origin::COMMAND_LINE).await.unwrap();
}

/// Keeps the notices instead of mailing them.
#[derive(Default)]
pub struct Asked(pub Mutex<Vec<Notice>>);

impl Asked {
    /// The token of the last one's link.
    pub fn token(&self) -> String {
        let notices = self.0.lock().unwrap();
        let link = match &notices.last().unwrap().kind {
            NoticeKind::Confirm { link, .. }
            | NoticeKind::ManageLink { link, .. }
            | NoticeKind::ChangeAddress { link, .. }
            | NoticeKind::Goodbye { link, .. } => link,
            other => panic!("{other:?} has no link"),
        };
        link.0.rsplit('/').next().unwrap().to_owned()
    }

    /// How many there were.
    pub fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl Notify for Asked {
    async fn notify(&self, _session: &mut Session, notice: &Notice) -> Result<(), NotifyError> {
        self.0.lock().unwrap().push(notice.clone());
        Ok(())
    }
}

/// Runs SQL that the store itself has no words for.
pub async fn execute(store: &TestStore, sql: &str) {
    match &store.url {
        StoreUrl::Sqlite(path) => {
            let url = format!("sqlite:{}", path.display());
            let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
            // As the store's own connections: what was there before a change does not stay.
            let sql = format!("pragma secure_delete = on; {sql}");
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        }
        StoreUrl::Postgres(url) => {
            let mut connection = sqlx::PgConnection::connect(url.reveal()).await.unwrap();
            sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
        }
    }
}

/// The text that a query gives as its one value; all rows, one a line.
pub async fn text(store: &TestStore, sql: &str) -> String {
    let sql = AssertSqlSafe(sql.to_owned());
    let rows: Vec<String> = match &store.url {
        StoreUrl::Sqlite(path) => {
            let url = format!("sqlite:{}", path.display());
            let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
            sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap()
        }
        StoreUrl::Postgres(url) => {
            let mut connection = sqlx::PgConnection::connect(url.reveal()).await.unwrap();
            sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap()
        }
    };
    rows.join("\n")
}

/// How subscribers stand and what was noted of them, to see that nothing of that has changed.
pub async fn people(store: &TestStore) -> String {
    let all = "select 'subscriber ' || email || ' ' || state || ' ' || updated_at from subscribers union all
         select 'subscription ' || digest || ' ' || state || ' ' || topics || ' ' || coalesce(paused_until, 0) from subscriptions
         union all select 'consent ' || id || ' ' || event from consent_events order by 1";
    text(store, all).await
}

/// The same, and every text of every table as `table.column: text`, to see that nothing has changed anywhere. The limits of
/// mails to an address are left out: they count what is refused as well, and have nothing but hashes.
pub async fn everything(store: &TestStore) -> String {
    let columns = match &store.url {
        StoreUrl::Sqlite(_) => {
            "select m.name || '.' || c.name from sqlite_master m join pragma_table_info(m.name) c
             where m.type = 'table' and m.name not like 'sqlite_%' and m.name not in ('_sqlx_migrations', 'notice_slots')
               and upper(c.type) = 'TEXT' order by 1"
        }
        StoreUrl::Postgres(_) => {
            "select c.table_name::text || '.' || c.column_name::text from information_schema.columns c
             join information_schema.tables t using (table_schema, table_name)
             where c.table_schema = 'public' and t.table_type = 'BASE TABLE'
               and c.table_name not in ('_sqlx_migrations', 'notice_slots') and c.data_type = 'text' order by 1"
        }
    };
    let columns = text(store, columns).await;
    let texts = columns.lines().map(|path| {
        let (table, column) = path.split_once('.').unwrap();
        format!("select '{path}: ' || {column} from {table} where {column} is not null")
    });
    let texts = texts.collect::<Vec<_>>().join(" union all ");
    assert!(
        texts.contains("former_addresses") && texts.contains("from deliveries"),
        "the catalogue is not read: {texts}"
    );
    let texts = text(store, &format!("select * from ({texts}) x order by 1")).await;
    format!("{}\n{texts}", people(store).await)
}

/// What is stored of somebody in whichever column, to see that nothing is left: texts with one of these in it.
pub async fn traces(store: &TestStore, of: &[&str]) -> String {
    let all = everything(store).await.to_lowercase();
    let theirs = all.lines().filter(|line| of.iter().any(|word| line.contains(&word.to_lowercase())));
    theirs.collect::<Vec<_>>().join("\n")
}
