//! The public pages as browsers get them, in English and in Arabic: to be checked by tools and looked at.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use postround::compose::IssueContent;
use postround::config::Config;
use postround::domain::PublicId;

use super::same::{ISSUE, publish};
use super::site::{FORM, Site, hidden};
use crate::render::{arabic, fixture, looks};
use crate::support::TestStore;
use crate::support::household::{confirmed, execute, text};

const ANN: &str = "ann.marsh@northfold.example";

/// A page with its stylesheets in it, so that it stands alone.
async fn dressed(site: &Site, mut page: String) -> String {
    while let Some((before, rest)) = page.split_once("<link rel=\"stylesheet\" href=\"") {
        let (address, after) = rest.split_once("\">").unwrap();
        let css = site.text(&address.replace("&#x2F;", "/")).await;
        page = format!("{before}<style>{css}</style>{after}");
    }
    page
}

/// The last link that was mailed, to that page, as a path.
async fn mailed(store: &TestStore, root: &str, page: &str) -> String {
    let link = text(store, "select link from deliveries where link is not null order by id desc limit 1").await;
    let path = link.strip_prefix(root).unwrap();
    assert!(path.starts_with(page), "{path}");
    path.to_owned()
}

/// What the first page says of the latest issue.
async fn remember(store: &TestStore, content: &IssueContent) {
    for (at, article) in content.articles().take(4).enumerate() {
        let (title, topic) = (article.title.replace('\'', "''"), &article.topic);
        execute(
            store,
            &format!(
                "insert into articles (source, guid, canonical, url, title, excerpt, topic, first_seen_at, updated_at)
                     values ('news', '{at}', '{at}', '{at}', '', '', 'news', 0, 0);
                 insert into issue_articles (issue_id, digest, article_id, canonical, position, listed, topic, source, url, title, excerpt)
                     select i.id, 'weekly', a.id, a.canonical, {at}, 0, '{topic}', 'news', '', '{title}', ''
                     from issues i, articles a where a.guid = '{at}'"
            ),
        )
        .await;
    }
}

/// The pages on somebody's way, by name.
async fn pages(store: &TestStore, config: &Config, content: &IssueContent) -> Vec<(&'static str, String)> {
    let site = publish(store, config, content).await;
    remember(store, content).await;
    let root = &config.server.public_url;
    let act = async |path: &str, body: String| {
        let answer = site.post(path, FORM, body).send().await.unwrap();
        site.follow(answer).await.text().await.unwrap()
    };
    let mut pages = vec![
        ("home", site.text("/").await),
        ("archive", site.text("/archive/weekly").await),
        ("issue", site.text(ISSUE).await),
        ("lost", site.text("/preferences").await),
        ("missing", site.text("/nowhere").await),
        ("wrong", site.join("email=ann&name=Ann").await.text().await.unwrap()),
        ("check", site.join(&format!("email={ANN}&name=Ann+Marsh")).await.text().await.unwrap()),
    ];
    let confirm = mailed(store, root, "/confirm/").await;
    pages.push(("confirm", site.text(&confirm).await));
    pages.push(("confirmed", act(&confirm, String::new()).await));
    confirmed(&site.subscribers, ANN, &["weekly"]).await;
    let id = text(store, "select public_id from subscribers").await;
    let (id, tokens) = (PublicId::parse(&id).unwrap(), site.subscribers.tokens());
    let own = |link: String| link.strip_prefix(root).unwrap().to_owned();
    let (leave, choose) = (own(tokens.unsubscribe_url(&id, "weekly")), own(tokens.preferences_url(&id, "weekly")));
    let preferences = site.text(&choose).await;
    site.clock.advance(Duration::from_secs(3600));
    pages.push(("link_sent", act(&choose, format!("{}&do=link", hidden(&preferences))).await));
    let manage = mailed(store, root, "/preferences/").await;
    pages.push(("manage", site.text(&manage).await));
    pages.push(("erase", act(&manage, "do=erase".to_owned()).await));
    pages.push(("preferences", preferences));
    pages.push(("unsubscribe", site.text(&leave).await));
    pages.push(("goodbye", act(&leave, "leave=digest".to_owned()).await));
    for (_, page) in &mut pages {
        *page = dressed(&site, std::mem::take(page)).await;
    }
    pages
}

/// An issue with an intro, and a second digest to choose.
fn english() -> (Config, IssueContent) {
    let mut config = fixture::config();
    let mut jobs = config.digests[0].clone();
    "jobs".clone_into(&mut jobs.id);
    "Jobs & Posts".clone_into(&mut jobs.title);
    config.digests.push(jobs);
    (config, looks::sizes().swap_remove(0).1)
}

/// With `POSTROUND_LOOK` set to a folder, the pages are written into `pages` there. The browser's part, which takes longer, is run by
/// `.ci/run`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_markup_of_every_page_is_valid() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = std::env::var_os("POSTROUND_LOOK").map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    let folder = folder.join("pages");
    std::fs::create_dir_all(&folder).unwrap();
    let mut count = 0;
    let (config, content) = english();
    for (prefix, config, content) in [("", config, content), ("ar-", arabic::config(), arabic::issue())] {
        let store = TestStore::sqlite().await;
        for (name, page) in pages(&store, &config, &content).await {
            let direction = if prefix.is_empty() { "lang=\"en-GB\" dir=\"ltr\"" } else { "lang=\"ar\" dir=\"rtl\"" };
            assert!(page.contains(direction), "{prefix}{name}: {page}");
            std::fs::write(folder.join(format!("{prefix}{name}.html")), page).unwrap();
            count += 1;
        }
    }
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    if !tools.join("node_modules").is_dir() || Command::new("node").arg("--version").output().is_err() {
        eprintln!("not checked: this needs node, and `npm ci` in tests/browser");
        return;
    }
    let checked =
        Command::new("node").arg("pages.mjs").arg(&folder).arg("--without-browser").current_dir(tools).output();
    let checked = checked.unwrap();
    let said = [checked.stdout, checked.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    assert!(checked.status.success() && said.contains(&format!("{count} pages, 0 problems")), "{said}");
}
