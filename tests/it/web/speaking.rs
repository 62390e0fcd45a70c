//! Pages behind links speak the language of the person, on every way; where nobody is behind them, that of the browser.

use std::time::Duration;

use postround::domain::{Locale, PublicId};
use postround::subscribers::{Chosen, JoinRequest, Origin, Topics};
use reqwest::StatusCode;

use super::site::{FORM, Site};
use crate::support::household::{Asked, address, confirmed, execute, text};
use crate::support::{MONDAY, TestStore, on_both};

const ANN: &str = "ann.marsh@northfold.example";

/// A page, as a browser asks for it that is set to French.
async fn page(site: &Site, path: &str, posted: Option<&str>) -> (StatusCode, String) {
    let request = match posted {
        Some(form) => site.post(path, FORM, form.to_owned()),
        None => site.client.get(format!("{}{path}", site.root)),
    };
    let response = site.follow(request.header("accept-language", "fr").send().await.unwrap()).await;
    (response.status(), response.text().await.unwrap())
}

fn language(page: &str) -> &str {
    page.split("<html lang=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_else(|| panic!("{page}"))
}

fn choice(digest: &str) -> Vec<Chosen> {
    vec![Chosen { digest: digest.to_owned(), topics: Topics::All }]
}

/// Every link of Ann's that is about a digest: those that work, and those that did once.
async fn links(site: &Site, store: &TestStore, digest: &str) -> Vec<String> {
    let id = text(store, &format!("select public_id from subscribers where email = '{ANN}'")).await;
    let hash = text(store, &format!("select address_hash from subscribers where email = '{ANN}'")).await;
    let (id, tokens) = (PublicId::parse(&id).unwrap(), site.subscribers.tokens());
    let new = address("ann@elsewhere.example");
    let mut urls = vec![tokens.unsubscribe_url(&id, digest), tokens.preferences_url(&id, digest)];
    for at in [MONDAY, MONDAY.minus(Duration::from_secs(40 * 86_400))] {
        urls.push(tokens.confirm_url(&id, &address(ANN), &choice(digest), at));
        urls.push(tokens.manage_url(&id, &hash, digest, at));
        urls.push(tokens.undo_url(&id, &hash, digest, at));
        urls.push(tokens.change_url(&id, &hash, digest, &new, at));
        // Of an address that has changed since.
        urls.push(tokens.manage_url(&id, "aaaaaaaaaaaaaaaaaaaaaaaaaa", digest, at));
    }
    urls.into_iter().map(|url| url.strip_prefix("https://post.northfold.example/mail").unwrap().to_owned()).collect()
}

on_both! {
    async fn every_page_behind_a_link_speaks_the_language_of_its_person(store: TestStore) {
        let site = Site::open(&store).await;
        confirmed(&site.subscribers, ANN, &["weekly"]).await;
        execute(&store, "update subscribers set locale = 'de'").await;
        let manage = site.subscribers.tokens().manage_url(
            &PublicId::parse(&text(&store, "select public_id from subscribers").await).unwrap(),
            &text(&store, "select address_hash from subscribers").await,
            "weekly",
            MONDAY,
        );
        let manage = manage.strip_prefix("https://post.northfold.example/mail").unwrap();
        let (_, saved) = page(&site, manage, Some("do=profile&name=Ann&locale=de")).await;
        assert!(saved.contains("Gespeichert.") && !saved.contains("Saved"), "{saved}");
        let (_, changed) = page(&site, manage, Some("do=profile&name=Ann&locale=cy")).await;
        assert!(language(&changed) == "cy" && changed.contains("Cadwyd."), "{changed}");
        execute(&store, "update subscribers set locale = 'de'").await;
        for link in links(&site, &store, "weekly").await {
            for posted in [None, Some("do=nothing&until=never"), Some("again=yes&do=link"), Some("do=undo")] {
                let (status, page) = page(&site, &link, posted).await;
                assert_eq!(language(&page), "de", "{link} {posted:?} {status}: {page}");
            }
        }
    }

    async fn to_whoever_has_chosen_no_language_a_page_speaks_that_of_its_digest(store: TestStore) {
        let site = Site::with(&store, |config| config.digests[1].locale = Locale::parse("cy").unwrap()).await;
        confirmed(&site.subscribers, ANN, &["weekly", "jobs"]).await;
        for link in links(&site, &store, "jobs").await {
            for posted in [None, Some("do=nothing&until=never"), Some("again=yes&do=link"), Some("do=undo")] {
                let (status, page) = page(&site, &link, posted).await;
                assert_eq!(language(&page), "cy", "{link} {posted:?} {status}: {page}");
            }
        }
    }

    async fn whoever_asked_in_a_language_is_asked_back_and_thanked_in_it(store: TestStore) {
        let site = Site::open(&store).await;
        let asked = Asked::default();
        let request = JoinRequest {
            address: address(ANN),
            name: String::new(),
            locale: Some(Locale::parse("nl").unwrap()),
            choice: choice("weekly"),
            wording: "a form".to_owned(),
        };
        site.subscribers.join(&request, Origin::PAGE, &asked).await.unwrap();
        let link = format!("/confirm/{}", asked.token());
        for posted in [None, Some(""), None] {
            let (status, page) = page(&site, &link, posted).await;
            assert_eq!((status, language(&page)), (StatusCode::OK, "nl"), "{page}");
        }
    }

    async fn where_nobody_is_behind_a_link_its_page_speaks_the_language_of_the_browser(store: TestStore) {
        let site = Site::open(&store).await;
        for path in ["unsubscribe", "preferences", "confirm", "address", "goodbye", "r"] {
            let (status, page) = page(&site, &format!("/{path}/aaaaaaaa"), None).await;
            assert_eq!((status, language(&page)), (StatusCode::NOT_FOUND, "fr"), "{path}: {page}");
        }
        for path in ["/nowhere", "/?digest=nowhere"] {
            assert_eq!(language(&page(&site, path, None).await.1), "fr", "{path}");
        }
    }
}
