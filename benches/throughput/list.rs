//! A store with an issue laid out to as many people as are wanted, each with a name and links of their own.

use std::path::PathBuf;

use postround::config::StoreUrl;
use postround::domain::{IssueState, PublicId, SystemRandom, UtcMillis};
use postround::render::{RenderedMail, Renderer};
use postround::store::{Choice, Durability, NewIssue, NewMail, Store};
use sqlx::{AssertSqlSafe, Connection, Executor};
use tempfile::TempDir;

use crate::fixture::{Counting, config, each, frame, issue};
use crate::postgres::fresh_database;

/// Which database.
#[derive(Clone, Copy)]
pub enum Database {
    Sqlite,
    Postgres,
}

impl Database {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Sqlite, Self::Postgres];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }

    /// Whether it can be used here; says so where it cannot.
    pub async fn is_there(&self) -> bool {
        matches!(self, Self::Sqlite) || fresh_database().await.is_some()
    }
}

/// A store with a list in it, gone when this value is.
pub struct List {
    /// Where it is.
    pub folder: TempDir,
    /// How to open the store, as the configuration has it.
    pub url: String,
}

const NOW: UtcMillis = UtcMillis(1_795_420_800_000);

/// Fills `subscribers`, `subscriptions` and `deliveries`; one text for both databases.
const PEOPLE: [&str; 3] = [
    "with recursive n (i) as (select 1 union all select i + 1 from n where i < COUNT)
     insert into subscribers (public_id, email, address_hash, name, state, created_at, updated_at, confirmed_at)
     select substr('aaaaaaaaaaaaaaaaaaaaaaaaaa', length(cast(i as text)) + 1) || cast(i as text),
            'reader' || cast(i as text) || '@x.example', 'hash' || cast(i as text), 'Reader ' || cast(i as text),
            'confirmed', NOW, NOW, NOW from n",
    "insert into subscriptions (subscriber_id, digest, state, topics, created_at)
     select id, 'weekly', 'active', '*', NOW from subscribers order by id",
    "insert into deliveries (mail_id, issue_id, kind, digest, subscriber_id, address, name, state, priority, due_at,
                             first_due_at, attempts)
     select MAIL, ISSUE, 'digest', 'weekly', id, email, name, 'queued', 10, NOW, NOW, 0 from subscribers order by id",
];

impl List {
    /// Makes a store with `count` deliveries queued.
    pub async fn make(database: Database, count: u64) -> Self {
        Self::with(database, count, &PEOPLE).await
    }

    /// Makes a store with `count` readers, and an issue that is still to be laid out to them.
    pub async fn to_be_laid_out(database: Database, count: u64) -> Self {
        Self::with(database, count, &PEOPLE[..2]).await
    }

    async fn with(database: Database, count: u64, statements: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = match database {
            Database::Sqlite => format!("sqlite:{}", folder.path().join("postround.db").display()),
            Database::Postgres => fresh_database().await.unwrap(),
        };
        let store = Store::open(&store_url(&url)).await.unwrap();
        let mut session = store.write(Durability::Full).await.unwrap();
        let new = NewIssue {
            public_id: &PublicId::new(&SystemRandom),
            digest: "weekly",
            key: "one",
            state: IssueState::Sending,
            reason: None,
            subject: "The week",
            date: "2026-11-23",
            scheduled_at: None,
        };
        let (issue_id, _) = session.insert_issue(&new, NOW).await.unwrap().unwrap();
        let mail = mail();
        let new = NewMail {
            issue: Some(issue_id),
            kind: "digest",
            digest: Some("weekly"),
            topics: "*",
            locale: "en-GB",
            subject: &mail.subject,
            html: &mail.html,
            text: &mail.text,
            mime: &mail.mime,
            marker: &mail.marker,
            salt: "salt",
            fingerprint: None,
        };
        let mail_id = session.insert_mail(&new, NOW).await.unwrap();
        let everybody = Choice { topics: "*".to_owned(), locale: String::new() };
        session.put_variant(issue_id, &everybody, Some(mail_id)).await.unwrap();
        session.commit().await.unwrap();
        store.close().await;
        let fill = |text: &str| {
            text.replace("COUNT", &count.to_string())
                .replace("MAIL", &mail_id.to_string())
                .replace("ISSUE", &issue_id.to_string())
                .replace("NOW", &NOW.0.to_string())
        };
        let statements: Vec<String> = statements.iter().map(|text| fill(text)).collect();
        match store_url(&url) {
            StoreUrl::Sqlite(path) => {
                let mut connection =
                    sqlx::SqliteConnection::connect(&format!("sqlite:{}", path.display())).await.unwrap();
                for statement in statements {
                    connection.execute(AssertSqlSafe(statement)).await.unwrap();
                }
                connection.close().await.unwrap();
            }
            StoreUrl::Postgres(url) => {
                let mut connection = sqlx::PgConnection::connect(url.reveal()).await.unwrap();
                for statement in statements {
                    connection.execute(AssertSqlSafe(statement)).await.unwrap();
                }
                connection.execute("vacuum analyze").await.unwrap();
                connection.execute("checkpoint").await.unwrap();
            }
        }
        Self { folder, url }
    }
}

/// How long a message is at most, in octets.
const LENGTH: usize = 33_000;

/// The mail with as many articles as fit into that length.
fn mail() -> RenderedMail {
    let renderer = Renderer::new(None).unwrap();
    let of = |articles| {
        let content = each(issue(articles, articles * 2 / 3), |_| ());
        renderer.digest(&content, &frame(&config()), &Counting::new()).unwrap()
    };
    (5..).map(of).take_while(|mail| mail.mime.len() <= LENGTH).last().unwrap()
}

/// How long the messages are, in octets, without what is a recipient's own.
pub fn length() -> usize {
    mail().mime.len()
}

fn store_url(url: &str) -> StoreUrl {
    match url.strip_prefix("sqlite:") {
        Some(path) => StoreUrl::Sqlite(PathBuf::from(path)),
        None => StoreUrl::Postgres(postround::config::Secret::new(url)),
    }
}
