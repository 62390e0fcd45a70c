//! What is withdrawn from an issue is gone from the archive, which stays the same issue as the mails.

use mail_parser::MessageParser;
use reqwest::StatusCode;
use scraper::{Html, Selector};

use super::super::{ANA, Pages};
use super::{BECAUSE, texts};
use crate::support::on_both;
use crate::support::site::{Story, story};

/// The stories of a mail, a page or an entry of the feed, in their order, and which of them have an excerpt.
fn laid_out(html: &str) -> Vec<(&'static str, bool)> {
    let page = Html::parse_document(html);
    let text: String = page.root_element().text().collect();
    let mut found = Vec::new();
    for link in page.select(&Selector::parse("a[href]").unwrap()) {
        let path = link.attr("href").unwrap().split('?').next().unwrap();
        let known = ["third", "visitors", "hubs", "okafor", "ferreira"];
        let known = known.into_iter().find(|name| path.ends_with(&format!("/{name}")));
        let known = known.map(|name| (name, text.contains(&format!("What happened in {name}."))));
        found.extend(known.filter(|story| !found.contains(story)));
    }
    found
}

on_both! {
    async fn after_a_withdrawal_page_feed_mails_and_subject_have_the_same_stories_in_the_same_places(store: TestStore) {
        let pages = Pages::serve_with(&store, "max_articles = 2").await;
        pages.week().await;
        pages.program.site.publish(story("third", "A third story", "2026-11-21"));
        pages.program.site.list(story("okafor", "Ngozi Okafor on waiting", "2026-11-05"));
        pages.subscribe(ANA).await;
        let issue = pages.compose().await;
        pages.app.composer().withdraw(issue, "A third story", BECAUSE).await.unwrap();
        pages.deliver().await;

        let mail = pages.program.caught(1).await;
        let mail = MessageParser::default().parse(&mail[0].raw).unwrap();
        let expected = [("visitors", true), ("okafor", true), ("hubs", false), ("ferreira", false)];
        assert_eq!(laid_out(&mail.body_html(0).unwrap()), expected);
        assert_eq!(laid_out(&pages.archive("/weekly/1").await.1), expected);
        let feed = feed_rs::parser::parse(pages.archive("/weekly/feed.xml").await.1.as_bytes()).unwrap();
        assert_eq!(laid_out(feed.entries[0].content.as_ref().unwrap().body.as_ref().unwrap()), expected);
        let id = issue.to_string();
        let preview = pages.program.run(&["preview", "--issue", &id, "--locale", "de", "--format", "html"]).await;
        assert_eq!(laid_out(&String::from_utf8(preview.stdout).unwrap()), expected);

        let subject = "Health visitor posts fill + 3 more";
        assert_eq!(mail.subject(), Some(subject));
        assert_eq!(pages.program.json(&["issue", "show", &id]).await["subject"], subject);
        assert_eq!(texts(&pages.archive("/weekly").await.1, ".past-title"), [subject]);
        assert_eq!(feed.entries[0].title.as_ref().unwrap().content, subject);
    }

    async fn what_is_withdrawn_is_gone_from_page_and_feed_with_a_dated_note(store: TestStore) {
        let pages = Pages::serve(&store).await;
        pages.week().await;
        pages.subscribe(ANA).await;
        let issue = pages.compose().await;
        pages.deliver().await;
        pages.app.composer().withdraw(issue, "Health visitor posts fill", BECAUSE).await.unwrap();
        for path in ["/weekly", "/weekly/1", "/weekly/feed.xml"] {
            let (_, page) = pages.archive(path).await;
            assert!(!page.contains("Health visitor") && page.contains("Family hubs win"), "{path}: {page}");
            let noted = page.contains("One story was withdrawn from this issue on 23 November 2026.");
            assert_eq!(noted, path != "/weekly", "{path}: {page}");
        }
        assert!(pages.archive("/weekly").await.1.contains("2 stories"));
        for title in ["Family hubs win & grow", "Nadia Ferreira on counting"] {
            pages.app.composer().withdraw(issue, title, BECAUSE).await.unwrap();
        }
        let (status, page) = pages.archive("/weekly/1").await;
        assert!(status == StatusCode::OK && page.contains("All stories of this issue have been withdrawn"), "{page}");
        let notes = ["3 stories were withdrawn from this issue on 23 November 2026."];
        assert_eq!(texts(&page, ".issue-notes p"), notes);
        assert!(!page.contains("description\""), "there is nothing to describe: {page}");
        assert_eq!(pages.archive("/weekly/feed.xml").await.0, StatusCode::OK);
    }

    async fn withdrawing_a_story_without_a_page_leaves_its_namesake(store: TestStore) {
        let pages = Pages::serve(&store).await;
        for path in ["first", "second"] {
            let excerpt = "The week in short.".to_owned();
            pages.program.site.publish(Story { excerpt, has_page: false, ..story(path, "Weekly bulletin", "2026-11-20") });
        }
        pages.subscribe(ANA).await;
        let issue = pages.compose().await;
        pages.deliver().await;
        let rows = pages.app.store.read().await.unwrap().articles_of_issue(issue).await.unwrap();
        assert_eq!(rows.len(), 2);
        pages.app.composer().withdraw(issue, &rows[0].article_id.to_string(), BECAUSE).await.unwrap();
        let (_, page) = pages.archive("/weekly/1").await;
        let left = texts(&page, ".sheet h2, .sheet h3").into_iter().filter(|title| title == "Weekly bulletin");
        assert_eq!(left.count(), 1, "{page}");
        assert!(pages.archive("/weekly").await.1.contains("1 story"));
    }
}
