//! Articles as sources had them, and which of them a digest has not had yet.

use super::query::{execute, fetch_all, fetch_one, fetch_optional, json, queries};
use super::{Session, StoreError};
use crate::domain::UtcMillis;

queries! {
    KNOWN_ARTICLE = {
        "select id, url, canonical, title, published_at, excerpt, author, image, topic from articles
         where source = $1 and guid = $2"
    };
    INSERT_ARTICLE = {
        "insert into articles (source, guid, url, canonical, title, published_at, excerpt, author, image, topic, first_seen_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)
         on conflict (source, guid) do nothing returning id"
    };
    UPDATE_ARTICLE = {
        "update articles set url = $2, canonical = $3, title = $4, published_at = $5, excerpt = $6, author = $7, image = $8,
         topic = $9, updated_at = $10 where id = $1"
    };
    NEW_ARTICLES = {
        "select a.id, a.source as source_id, a.first_seen_at, coalesce(s.title, a.source) as source, a.url, a.canonical,
                a.title, a.published_at, a.excerpt, a.author, a.image, a.topic
         from articles a
         join digest_sources d on d.source = a.source and d.digest = $1
         left join sources s on s.source = a.source
         where not exists (select 1 from issue_articles i where i.digest = $1 and i.claimed_article = a.id)
           and not exists (select 1 from issue_articles i where i.digest = $1 and i.claimed_canonical = a.canonical)
           and not exists (select 1 from dropped_articles x where x.digest = $1 and x.article_id = a.id)
           and not exists (select 1 from dropped_articles x join articles b on b.id = x.article_id
                           where x.digest = $1 and b.canonical = a.canonical)
         order by a.id"
    };
    // In a canonical address, what tells the stories of one page apart comes behind a `#`; `$` is what follows that in the order
    // of the index. A list is bound in its own way on each, and SQLite keeps the order of a cross join: else it would go through all
    // that the digest ever had.
    HAD_AT = {
        sqlite "select i.url, i.title from json_each($2) n
              cross join issue_articles f on f.digest = $1 and f.claimed_canonical >= n.value and f.claimed_canonical < n.value || '$'
              join issue_articles i on i.issue_id = f.issue_id and i.canonical = f.canonical
              union
              select b.url, b.title from dropped_articles x join articles b on b.id = x.article_id
              where x.digest = $1
                and substr(b.canonical, 1, instr(b.canonical || '#', '#') - 1) in (select value from json_each($2))"
        postgres "select i.url, i.title from json_array_elements_text($2::text::json) n (value)
              join issue_articles f on f.digest = $1 and f.claimed_canonical >= n.value and f.claimed_canonical < n.value || '$'
              join issue_articles i on i.issue_id = f.issue_id and i.canonical = f.canonical
              union
              select b.url, b.title from dropped_articles x join articles b on b.id = x.article_id
              where x.digest = $1 and split_part(b.canonical, '#', 1)
                  in (select e.value from json_array_elements_text($2::text::json) e (value))"
    };
    FIRST_CONTACT = {
        "insert into digest_sources (digest, source, first_contact_at) values ($1, $2, $3) on conflict do nothing"
    };
    DROP_BACKLOG = {
        "insert into dropped_articles (digest, article_id, reason, dropped_at)
         select $1, a.id, 'backlog', $3 from articles a
         where a.source = $2 and (a.published_at is null and $5 = 1 or a.published_at < $4)
         on conflict do nothing"
    };
}

/// An article as its source has it now.
#[derive(Clone, Debug, PartialEq)]
pub struct ArticleRow {
    /// The source's id in the configuration.
    pub source: String,
    /// The source's own id for it, else its canonical address.
    pub guid: String,
    /// Where it can be read; none: it has no page of its own.
    pub url: Option<String>,
    /// The address that duplicates share.
    pub canonical: String,
    /// Plain text.
    pub title: String,
    /// When it was published, where the source says so.
    pub published_at: Option<UtcMillis>,
    /// Plain text; may be empty.
    pub excerpt: String,
    /// Who wrote it.
    pub author: Option<String>,
    /// The address of its picture.
    pub image: Option<String>,
    /// The topic that the rules gave it.
    pub topic: String,
}

#[derive(sqlx::FromRow)]
struct KnownRow {
    id: i64,
    url: Option<String>,
    canonical: String,
    title: String,
    published_at: Option<UtcMillis>,
    excerpt: String,
    author: Option<String>,
    image: Option<String>,
    topic: String,
}

/// An article that a digest has not had yet.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct NewArticle {
    /// Row id.
    pub id: i64,
    /// The source's id in the configuration.
    pub source_id: String,
    /// When it was first seen.
    pub first_seen_at: UtcMillis,
    /// What readers see of it.
    #[sqlx(flatten)]
    pub story: StoryRow,
}

/// What readers see of an article: of one that is new to a digest, or the frozen copy in an issue.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct StoryRow {
    /// The topic's id.
    pub topic: String,
    /// The source's name for readers.
    pub source: String,
    /// Where it can be read; none: it has no page of its own.
    pub url: Option<String>,
    /// The address that copies of the story share.
    pub canonical: String,
    /// Plain text.
    pub title: String,
    /// When it was published, where the source says so.
    pub published_at: Option<UtcMillis>,
    /// Plain text; may be empty.
    pub excerpt: String,
    /// Who wrote it.
    pub author: Option<String>,
    /// The address of its picture.
    pub image: Option<String>,
}

/// What [`Session::put_article`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Put {
    /// The article was not known.
    New,
    /// It was known, and has changed.
    Changed,
    /// It was known as it is.
    Unchanged,
}

impl Session {
    /// Adds an article, or brings the known one of the same source and guid up to date.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn put_article(&mut self, article: &ArticleRow, now: UtcMillis) -> Result<Put, StoreError> {
        let a = article;
        let inserted = fetch_optional!(
            self,
            INSERT_ARTICLE as (i64,),
            &a.source,
            &a.guid,
            &a.url,
            &a.canonical,
            &a.title,
            a.published_at,
            &a.excerpt,
            &a.author,
            &a.image,
            &a.topic,
            now
        )?;
        if inserted.is_some() {
            return Ok(Put::New);
        }
        let known = fetch_one!(self, KNOWN_ARTICLE as KnownRow, &a.source, &a.guid)?;
        let same = known.url == a.url
            && known.canonical == a.canonical
            && known.title == a.title
            && known.published_at == a.published_at
            && known.excerpt == a.excerpt
            && known.author == a.author
            && known.image == a.image
            && known.topic == a.topic;
        if same {
            return Ok(Put::Unchanged);
        }
        execute!(
            self,
            UPDATE_ARTICLE,
            known.id,
            &a.url,
            &a.canonical,
            &a.title,
            a.published_at,
            &a.excerpt,
            &a.author,
            &a.image,
            &a.topic,
            now
        )?;
        Ok(Put::Changed)
    }

    /// The articles that are in no issue of the digest, were not dropped for it, and share no address with one that was;
    /// in the order they were first seen. The same story from two sources is there twice.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn new_articles(&mut self, digest: &str) -> Result<Vec<NewArticle>, StoreError> {
        fetch_all!(self, NEW_ARTICLES as NewArticle, digest)
    }

    /// The addresses and titles of what the digest had, or dropped, on those pages, whatever told it apart there from other
    /// stories. What it does not name may be among them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn had_at(
        &mut self,
        digest: &str,
        addresses: impl IntoIterator<Item = &str>,
    ) -> Result<Vec<(Option<String>, String)>, StoreError> {
        fetch_all!(self, HAD_AT as (Option<String>, String), digest, json(addresses))
    }

    /// Records the first contact of a digest with a source.
    /// Returns whether this was the first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn first_contact(&mut self, digest: &str, source: &str, now: UtcMillis) -> Result<bool, StoreError> {
        Ok(execute!(self, FIRST_CONTACT, digest, source, now)? == 1)
    }

    /// Drops for the digest, for good, what the source has from before `since`, and with `undated` what has no date.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn drop_backlog(
        &mut self,
        digest: &str,
        source: &str,
        since: UtcMillis,
        undated: bool,
        now: UtcMillis,
    ) -> Result<u64, StoreError> {
        execute!(self, DROP_BACKLOG, digest, source, now, since, i64::from(undated))
    }
}
