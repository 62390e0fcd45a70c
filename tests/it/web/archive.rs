//! The archive over real HTTP: what was sent is there for everybody, without anybody's name, and nothing else is.

mod withdrawals;

use std::sync::Arc;

use postround::collect::read_feed;
use postround::compose::{Because, Occasion};
use postround::web::{AppState, router, serve};
use reqwest::StatusCode;
use scraper::{Html, Selector};
use tempfile::tempdir;

use super::{ANA, Pages};
use crate::support::household::execute;
use crate::support::site::story;
use crate::support::{MONDAY, TestClock, TestStore, on_both};

const BECAUSE: Because<'static> = Because { actor: "a test", note: None };
const PERSON: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

impl Pages {
    /// Serves with lines added to the digest's table.
    async fn serve_with(store: &TestStore, more: &str) -> Self {
        let mut pages = Self::serve(store).await;
        pages.reconfigure(more).await;
        pages
    }

    /// Serves anew, with these lines added.
    async fn reconfigure(&mut self, more: &str) {
        let file = self.program.folder.path().join("config.toml");
        let config = std::fs::read_to_string(file).unwrap();
        self.program.configure(&format!("{config}{more}\n"));
        self.app = self.program.app(Arc::new(TestClock::at(MONDAY))).await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        self.url = format!("http://{}", listener.local_addr().unwrap());
        let router = router(AppState::new(self.app.subscribers(), self.app.notices(), Arc::new(|_, _| {})).unwrap());
        tokio::spawn(serve(listener, router, std::future::pending()));
    }

    async fn week(&self) {
        self.program.site.publish(story("hubs", "Family hubs win &amp; grow", "2026-11-18"));
        self.program.site.publish(story("visitors", "Health visitor posts fill", "2026-11-20"));
        self.program.site.list(story("ferreira", "Nadia Ferreira on counting", "2026-11-04"));
    }

    async fn compose(&self) -> i64 {
        let digest = self.app.config.digest("weekly").unwrap().clone();
        let issue = self.app.composer().compose(&digest, Occasion::Extra).await.unwrap().issue;
        self.app.composer().tend().await.unwrap();
        issue
    }

    async fn deliver(&self) {
        let lock = self.app.store.try_lock_deliverer().unwrap().unwrap();
        self.app.engine(lock).deliver_one_batch().await.unwrap();
        self.app.composer().tend().await.unwrap();
    }

    async fn archive(&self, path: &str) -> (StatusCode, String) {
        self.get(&format!("{}/archive{path}", self.url)).await
    }
}

fn texts(page: &str, selector: &str) -> Vec<String> {
    let page = Html::parse_document(page);
    let selector = Selector::parse(selector).unwrap();
    page.select(&selector).map(|element| element.text().collect::<String>().trim().to_owned()).collect()
}

fn attribute(page: &str, selector: &str, name: &str) -> String {
    let page = Html::parse_document(page);
    let parsed = Selector::parse(selector).unwrap();
    page.select(&parsed).next().unwrap_or_else(|| panic!("no {selector}")).attr(name).unwrap().to_owned()
}

on_both! {
    async fn an_issue_is_in_the_archive_when_it_has_reached_somebody_and_not_before(store: TestStore) {
        let pages = Pages::serve(&store).await;
        pages.week().await;
        pages.subscribe(ANA).await;
        let issue = pages.compose().await;
        let (status, list) = pages.archive("/weekly").await;
        assert!(status == StatusCode::OK && list.contains("No issue has been sent yet"), "{list}");
        for path in ["/weekly/1", "/weekly/2", "/weekly/x", "/weekly/0", "/weekly/-1", "/other", "/weekly?before=x", "/%ff", "/weekly/%ff"] {
            assert_eq!(pages.archive(path).await.0, StatusCode::NOT_FOUND, "{path}");
        }
        pages.deliver().await;
        let (_, list) = pages.archive("/weekly").await;
        assert_eq!(texts(&list, ".past-title"), ["Health visitor posts fill + 2 more"]);
        assert!(list.contains("One issue, of 23 November 2026.") && list.contains("3 stories"), "{list}");
        assert_eq!(pages.client.get(format!("{}/archive", pages.url)).send().await.unwrap().status(), StatusCode::SEE_OTHER);

        let (status, page) = pages.archive("/weekly/1").await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(texts(&page, "h1, h2, h3"), [
            "Exampleton Weekly", "Health visitor posts fill", "News", "Family hubs win & grow", "Interviews",
            "Nadia Ferreira on counting",
        ]);
        assert!(page.contains("What happened in hubs.") && page.contains("Issue 1 · Monday 23 November 2026"), "{page}");
        let canonical = "http://localhost:8080/archive/weekly/1";
        assert_eq!(attribute(&page, "link[rel=canonical]", "href"), canonical);
        assert_eq!(attribute(&page, "meta[property='og:title']", "content"), "Health visitor posts fill + 2 more");
        assert_eq!(attribute(&page, "meta[property='og:url']", "content"), canonical);
        assert_eq!(attribute(&page, "link[type='application/atom+xml']", "href"), "http://localhost:8080/archive/weekly/feed.xml");
        assert_eq!(attribute(&page, ".button.primary", "href"), "http://localhost:8080/?digest=weekly");
        for nobodys in ["ana@", "Ana", "unsubscribe", "preferences", "style=", "<style", "<script", "noindex"] {
            assert!(!page.contains(nobodys), "{nobodys} is in {page}");
        }
        let public_id = pages.app.store.read().await.unwrap().issue(issue).await.unwrap().unwrap().public_id;
        for other in [public_id.as_str(), "01", "+1"] {
            let response = pages.client.get(format!("{}/archive/weekly/{other}", pages.url)).send().await.unwrap();
            assert_eq!(response.status(), StatusCode::PERMANENT_REDIRECT);
            assert_eq!(response.headers()["location"], canonical);
        }
        let mail = String::from_utf8(pages.program.caught(1).await[0].raw.clone()).unwrap().replace("=\r\n", "");
        assert!(mail.matches(canonical).count() >= 2, "text and HTML link the page: {mail}");
        assert!(mail.contains("List-Archive: <http://localhost:8080/archive/weekly>"), "{mail}");
    }

    async fn pages_can_be_kept_and_load_pictures_and_nothing_else_from_elsewhere(store: TestStore) {
        let pages = Pages::serve(&store).await;
        pages.week().await;
        pages.subscribe(ANA).await;
        pages.compose().await;
        pages.deliver().await;
        let ask = |path: &str| pages.client.get(format!("{}{path}", pages.url));
        let response = ask("/archive/weekly/1").send().await.unwrap();
        let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.contains("img-src 'self' https:") && policy.contains("style-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        let tag = response.headers()["etag"].clone();
        let page = response.text().await.unwrap();
        let again = ask("/archive/weekly/1").header("if-none-match", tag).send().await.unwrap();
        assert_eq!((again.status(), again.text().await.unwrap().len()), (StatusCode::NOT_MODIFIED, 0));
        let styles = Html::parse_document(&page);
        let styles: Vec<_> = styles.select(&Selector::parse("link[rel=stylesheet]").unwrap()).map(|link| link.attr("href").unwrap().to_owned()).collect();
        assert_eq!(styles.len(), 2);
        for style in styles {
            let response = ask(&style).send().await.unwrap();
            assert_eq!((response.status(), response.headers()["content-type"].to_str().unwrap()), (StatusCode::OK, "text/css; charset=utf-8"));
        }
        let list = ask("/archive/weekly").send().await.unwrap();
        assert!(!list.headers()["content-security-policy"].to_str().unwrap().contains("https:"));
    }

    async fn the_feed_is_read_back_by_our_own_reader_and_by_another(store: TestStore) {
        let pages = Pages::serve(&store).await;
        pages.week().await;
        pages.subscribe(ANA).await;
        pages.compose().await;
        assert!(!pages.archive("/weekly/feed.xml").await.1.contains("<entry>"));
        pages.deliver().await;
        let response = pages.client.get(format!("{}/archive/weekly/feed.xml", pages.url)).send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "application/atom+xml; charset=utf-8");
        let xml = response.text().await.unwrap();
        assert_eq!(pages.archive("/weekly/feed.xml").await.1, xml, "it does not change by itself");

        let feed = feed_rs::parser::parse(xml.as_bytes()).unwrap();
        assert_eq!(feed.title.unwrap().content, "Exampleton Weekly");
        assert_eq!(feed.authors[0].name.as_deref(), Some("Exampleton Weekly"));
        let own = feed.links.iter().find(|link| link.rel.as_deref() == Some("self")).unwrap();
        assert_eq!((own.href.as_str(), feed.id.as_str()), ("http://localhost:8080/archive/weekly/feed.xml", own.href.as_str()));
        let [entry] = feed.entries.as_slice() else { panic!("{xml}") };
        assert!(entry.id.starts_with("urn:uuid:") && entry.id.len() == 45, "{}", entry.id);
        assert_eq!(entry.title.as_ref().unwrap().content, "Health visitor posts fill + 2 more");
        assert_eq!(entry.published.unwrap().timestamp_millis(), MONDAY.0);
        assert_eq!(entry.updated.unwrap().timestamp_millis(), MONDAY.0);
        assert_eq!(entry.links[0].href, "http://localhost:8080/archive/weekly/1");
        let content = entry.content.as_ref().unwrap().body.as_ref().unwrap();
        assert_eq!(texts(content, "h2, h3").len(), 5, "{content}");
        assert_eq!(texts(content, "h3")[0], "Family hubs win & grow");
        assert!(!xml.contains("unsubscribe") && !xml.contains("northfold"), "{xml}");

        let document = read_feed(xml.as_bytes(), Some("application/atom+xml"), None).unwrap();
        assert_eq!(document.title.as_deref(), Some("Exampleton Weekly"));
        assert!(!document.repaired);
        assert_eq!(document.articles[0].title.as_deref(), Some("Health visitor posts fill + 2 more"));
        assert_eq!(document.articles[0].url.as_deref(), Some("http://localhost:8080/archive/weekly/1"));
        assert_eq!(document.articles[0].published, Some(MONDAY));
    }

    async fn a_feed_that_somebody_has_is_not_made_again_until_something_in_it_changes(store: TestStore) {
        let mut pages = Pages::serve(&store).await;
        pages.week().await;
        pages.subscribe(ANA).await;
        let issue = pages.compose().await;
        pages.deliver().await;
        let tag = async |pages: &Pages| {
            let feed = pages.client.get(format!("{}/archive/weekly/feed.xml", pages.url)).send().await.unwrap();
            feed.headers()["etag"].to_str().unwrap().to_owned()
        };
        let first = tag(&pages).await;
        // What is frozen cannot be read: the answer comes from the tag alone.
        let raw = TestStore { store: pages.app.store.clone(), url: pages.app.config.store.url.clone(), folder: tempdir().unwrap() };
        execute(&raw, "update issue_pages set content = 'x' || content").await;
        let ask = pages.client.get(format!("{}/archive/weekly/feed.xml", pages.url)).header("if-none-match", &first);
        assert_eq!(ask.send().await.unwrap().status(), StatusCode::NOT_MODIFIED);
        execute(&raw, "update issue_pages set content = substr(content, 2)").await;
        pages.app.composer().withdraw(issue, "Health visitor posts fill", BECAUSE).await.unwrap();
        let second = tag(&pages).await;
        assert_ne!(second, first);
        pages.reconfigure("intro = { text = \"Hello\" }").await;
        assert_ne!(tag(&pages).await, second);
    }

    async fn a_page_shows_what_was_frozen_whatever_has_changed_since(store: TestStore) {
        let pages = Pages::serve(&store).await;
        pages.week().await;
        pages.subscribe(ANA).await;
        pages.compose().await;
        pages.deliver().await;
        pages.program.site.edit("visitors", "Another headline");
        let changed = Pages { app: pages.app.clone(), ..Pages::serve(&store).await };
        let mut config = (*pages.app.config).clone();
        config.digests[0].title = "Another name".to_owned();
        config.digests[0].max_articles = 1;
        config.digests[0].sections.reverse();
        let subscribers = postround::subscribers::Subscribers::new(
            pages.app.store.clone(), config.into(), pages.app.keys.clone(), pages.app.clock.clone(), pages.app.random.clone(),
        );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = router(AppState::new(subscribers, pages.app.notices(), Arc::new(|_, _| {})).unwrap());
        tokio::spawn(serve(listener, router, std::future::pending()));
        let headings = |page: &str| texts(page, ".sheet h1, .sheet h2, .sheet h3");
        let (_, then) = pages.archive("/weekly/1").await;
        let (_, now) = changed.get(&format!("{url}/archive/weekly/1")).await;
        assert_eq!(headings(&then), headings(&now));
        assert_eq!(headings(&now).len(), 6);
    }

    async fn what_was_cancelled_or_held_before_it_reached_anybody_is_nobodys(store: TestStore) {
        let pages = Pages::serve(&store).await;
        pages.week().await;
        pages.subscribe(ANA).await;
        let issue = pages.compose().await;
        pages.app.composer().hold_issue(issue, BECAUSE).await.unwrap();
        assert_eq!(pages.archive("/weekly/1").await.0, StatusCode::NOT_FOUND);
        pages.app.composer().cancel_issue(issue, BECAUSE).await.unwrap();
        assert_eq!(pages.archive("/weekly/1").await.0, StatusCode::NOT_FOUND);
        pages.compose().await;
        pages.deliver().await;
        assert_eq!(pages.archive("/weekly/2").await.0, StatusCode::OK);
        assert!(!pages.archive("/weekly/feed.xml").await.1.contains("/archive/weekly/1<"));
    }

    async fn what_was_cancelled_after_it_had_reached_somebody_stays_for_them(store: TestStore) {
        let pages = Pages::serve(&store).await;
        pages.week().await;
        pages.subscribe(ANA).await;
        pages.subscribe("bo@saltby.example").await;
        let issue = pages.compose().await;
        let raw = TestStore { store: pages.app.store.clone(), url: pages.app.config.store.url.clone(), folder: tempdir().unwrap() };
        execute(&raw, "update deliveries set state = 'deferred', due_at = due_at + 3600000 where address like 'bo@%'").await;
        pages.deliver().await;
        let before = pages.archive("/weekly/1").await;
        pages.app.composer().cancel_issue(issue, BECAUSE).await.unwrap();
        assert_eq!(pages.archive("/weekly/1").await, before, "the link in the mail that went out leads there");
        assert_eq!(before.0, StatusCode::OK);
        for list in ["/weekly", "/weekly/feed.xml"] {
            assert!(pages.archive(list).await.1.contains("/archive/weekly/1"), "{list}");
        }
        let front = pages.get(&format!("{}/", pages.url)).await.1.replace("&#x2F;", "/");
        assert!(!front.contains("/archive/weekly/1"), "newcomers are not shown what was stopped: {front}");
        pages.app.composer().withdraw(issue, "Family hubs win & grow", BECAUSE).await.unwrap();
        let (_, _, previewed) = pages.app.composer().preview_issue(issue, None).await.unwrap();
        assert!(!previewed.text.contains("Family hubs win") && previewed.text.contains("Health visitor posts fill"));
        let (status, left) = pages.archive("/weekly/1").await;
        assert_eq!(status, StatusCode::OK);
        assert!(!left.contains("Family hubs win") && left.contains("Health visitor posts fill"), "{left}");
    }

    async fn a_digest_that_is_not_public_has_no_archive_and_its_mails_link_none(store: TestStore) {
        let pages = Pages::serve_with(&store, "public = false").await;
        pages.week().await;
        pages.subscribe(ANA).await;
        pages.compose().await;
        pages.deliver().await;
        for path in ["", "/weekly", "/weekly/1", "/weekly/feed.xml"] {
            assert_eq!(pages.archive(path).await.0, StatusCode::NOT_FOUND, "{path}");
        }
        let mail = String::from_utf8(pages.program.caught(1).await[0].raw.clone()).unwrap();
        assert!(!mail.contains("List-Archive") && !mail.contains("archive/weekly") && !mail.contains("on the web"), "{mail}");
    }

    async fn lists_and_feeds_come_in_pages_by_number(store: TestStore) {
        let pages = Pages::serve(&store).await;
        pages.week().await;
        pages.subscribe(ANA).await;
        pages.compose().await;
        pages.deliver().await;
        let raw = TestStore { store: pages.app.store.clone(), url: pages.app.config.store.url.clone(), folder: tempdir().unwrap() };
        let rows: Vec<String> = (2..=60)
            .map(|n| format!("('id{n}', 'weekly', 'key{n}', {n}, 'sent', 'Issue number {n}', '{}-01-02', {n}, 0, 1, 1)", 2020 + n / 30))
            .collect();
        execute(&raw, &format!(
            "insert into issues (public_id, digest, issue_key, number, state, subject, issue_date, composed_at, layout_after,
                first_sent_at, recipients) values {};
             insert into issue_pages (issue_id, locale, articles, content)
                select i.id, 'en-GB', 3, (select p.content from issue_pages p) from issues i where i.number > 1",
            rows.join(", ")
        )).await;
        let (_, first) = pages.archive("/weekly").await;
        let titles = texts(&first, ".past-title");
        assert_eq!((titles.len(), titles[0].as_str(), titles[49].as_str()), (50, "Issue number 60", "Issue number 11"));
        assert_eq!(texts(&first, ".past h2"), ["2022", "2021", "2020"]);
        let next = attribute(&first, "a[rel=next]", "href");
        let (_, second) = pages.get(&pages.here(&next)).await;
        let titles = texts(&second, ".past-title");
        assert_eq!((titles.len(), titles[0].as_str()), (10, "Issue number 10"));
        assert!(second.contains("60 issues since 2 January 2020") && !second.contains("rel=\"next\""), "{second}");

        let (_, newest) = pages.archive("/weekly/feed.xml").await;
        let feed = feed_rs::parser::parse(newest.as_bytes()).unwrap();
        assert_eq!(feed.entries.len(), 20);
        let next = feed.links.iter().find(|link| link.rel.as_deref() == Some("next")).unwrap().href.clone();
        let (_, older) = pages.get(&pages.here(&next)).await;
        let older = feed_rs::parser::parse(older.as_bytes()).unwrap();
        assert_eq!((older.entries.len(), older.id), (20, feed.id));
        let (_, page) = pages.archive("/weekly/30").await;
        assert_eq!(texts(&page, "a[rel=next], a[rel=prev]"), ["Newer issue Issue number 31", "Older issue Issue number 29"]);
    }

    async fn links_carry_the_campaign_and_count_clicks_of_people_together(store: TestStore) {
        let more = "utm = { source = \"weekly\", medium = \"email\" }\ncount_clicks = true";
        let pages = Pages::serve_with(&store, more).await;
        pages.week().await;
        pages.subscribe(ANA).await;
        pages.subscribe("bo@saltby.example").await;
        let issue = pages.compose().await;
        pages.deliver().await;
        let mut links = Vec::new();
        for caught in pages.program.caught(2).await {
            let mail = mail_parser::MessageParser::default().parse(&caught.raw).unwrap().body_text(0).unwrap().into_owned();
            assert!(!mail.contains("/hubs"), "{mail}");
            assert!(!mail.contains("utm_source"), "only the links of articles are changed: {mail}");
            links.push(mail.lines().filter(|line| line.contains("/r/")).map(|line| line.trim().to_owned()).collect::<Vec<_>>());
        }
        assert_eq!(links[0].len(), 3);
        assert_eq!(links[0], links[1], "the same for all");
        let link = pages.here(&links[0][0]);
        let follow = |agent: &'static str| pages.client.get(&link).header("user-agent", agent);
        let response = follow(PERSON).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::FOUND);
        let target = pages.program.site.url("visitors?utm_source=weekly&utm_medium=email");
        assert_eq!(response.headers()["location"].to_str().unwrap(), target);
        assert!(response.headers().get("set-cookie").is_none() && response.headers()["cache-control"] == "no-store");
        follow(PERSON).send().await.unwrap();
        for machine in [follow("ExampleBot/2.0"), follow(PERSON).header("sec-purpose", "prefetch"), pages.client.head(&link).header("user-agent", PERSON)] {
            assert_eq!(machine.send().await.unwrap().status(), StatusCode::FOUND);
        }
        let shown = pages.program.json(&["issue", "show", &issue.to_string()]).await;
        assert_eq!((&shown["clicks"][0]["url"], &shown["clicks"][0]["clicks"]), (&target.into(), &2.into()), "{shown}");
        assert_eq!(shown["clicks"].as_array().unwrap().len(), 3);
        let mut forged = link.clone();
        forged.replace_range(link.len() - 3.., "aaa");
        for bad in [forged, format!("{}/r/x", pages.url), format!("{}/r/https:%2F%2Fevil.example", pages.url)] {
            assert_eq!(pages.get(&bad).await.0, StatusCode::NOT_FOUND, "{bad}");
        }
        let (_, page) = pages.archive("/weekly/1").await;
        assert!(!page.contains("/r/") && !page.contains("utm_source=weekly"), "{page}");
    }
}
