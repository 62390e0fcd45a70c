//! Where a sign-up was asked for, as its evidence says: the form, its digest, and the site that it was on.

use reqwest::StatusCode;

use super::joining::ANN;
use super::site::{FORM, Site, hidden};
use crate::support::household::{address, execute, text};
use crate::support::{TestStore, on_both};

const LISTED: &str = "https://north.example";
const ELSEWHERE: &str = "https://elsewhere.example";

async fn open(store: &TestStore) -> Site {
    Site::with(store, |config| config.subscribe.origins = vec!["https://south.example".to_owned(), LISTED.to_owned()])
        .await
}

/// Posts the form of a page on `site`, presses the button of the page that follows, as a browser does on a page that keeps
/// its address to itself, and gives what is written down; then forgets it.
async fn through_the_page_between(store: &TestStore, pages: &Site, site: &str, fields: &str) -> String {
    let page =
        pages.post("/subscribe", FORM, format!("email={ANN}&{fields}")).header("origin", site).send().await.unwrap();
    let page = page.text().await.unwrap();
    pages.clock.advance(std::time::Duration::from_secs(2));
    let press = pages.post("/subscribe", FORM, hidden(&page)).header("origin", "null").send().await.unwrap();
    assert_eq!(press.status(), StatusCode::OK);
    written(store).await
}

async fn written(store: &TestStore) -> String {
    let source = text(store, "select distinct source from consent_events where event = 'asked'").await;
    execute(store, "delete from consent_events; delete from notice_slots").await;
    source
}

on_both! {
    async fn the_evidence_says_on_which_listed_site_the_form_was_and_for_which_digest(store: TestStore) {
        let pages = open(&store).await;
        assert_eq!(through_the_page_between(&store, &pages, LISTED, "").await, format!("sign-up form on {LISTED}"));
        let one = through_the_page_between(&store, &pages, LISTED, "only=jobs").await;
        assert_eq!(one, format!("sign-up form for jobs on {LISTED}"));
        assert_eq!(pages.join(&format!("email={ANN}&only=jobs")).await.status(), StatusCode::OK);
        let record = pages.subscribers.show(&address(ANN)).await.unwrap().unwrap();
        assert_eq!(record.consent[0].source, "sign-up form for jobs");
        assert_eq!(written(&store).await, "sign-up form for jobs");
        let json = format!(r#"{{"email": "{ANN}", "only": "weekly", "site": "https://south.example"}}"#);
        let sent = pages.post("/subscribe", "application/json", json).header("origin", LISTED).send().await.unwrap();
        assert_eq!(sent.status(), StatusCode::ACCEPTED);
        assert_eq!(written(&store).await, format!("sign-up by script for weekly on {LISTED}"));
    }

    async fn a_form_that_comes_back_with_a_mistake_still_says_on_which_listed_site_it_was(store: TestStore) {
        let pages = open(&store).await;
        for (origin, field, expected) in [
            (LISTED, "", format!("sign-up form for jobs on {LISTED}")),
            ("null", LISTED, format!("sign-up form for jobs on {LISTED}")),
            (ELSEWHERE, LISTED, "sign-up form for jobs".to_owned()),
            ("null", ELSEWHERE, "sign-up form for jobs".to_owned()),
        ] {
            let form = format!("email=ann&only=jobs&site={field}");
            let page = pages.post("/subscribe", FORM, form).header("origin", origin).send().await.unwrap();
            assert_eq!(page.status(), StatusCode::UNPROCESSABLE_ENTITY);
            let again = format!("{}&email={ANN}", hidden(&page.text().await.unwrap()));
            pages.clock.advance(std::time::Duration::from_secs(5));
            let taken = pages.post("/subscribe", FORM, again).header("origin", "null").send().await.unwrap();
            assert_eq!(taken.status(), StatusCode::OK);
            assert_eq!(written(&store).await, expected, "from {origin}");
        }
    }

    async fn a_site_that_is_not_listed_gets_into_the_evidence_by_no_header_and_no_field(store: TestStore) {
        let pages = open(&store).await;
        for site in [ELSEWHERE, "null", "https://north.example.elsewhere.example", "javascript:alert(1)"] {
            let fields = format!("site={ELSEWHERE}");
            assert_eq!(through_the_page_between(&store, &pages, site, &fields).await, "sign-up form", "{site}");
        }
        let claims = through_the_page_between(&store, &pages, ELSEWHERE, &format!("site={LISTED}")).await;
        assert_eq!(claims, "sign-up form", "a page elsewhere that names a listed site");
        let json = format!(r#"{{"email": "{ANN}"}}"#);
        for site in [ELSEWHERE, "null"] {
            let sent = pages.post("/subscribe", "application/json", json.clone()).header("origin", site).send().await.unwrap();
            assert_eq!(sent.status(), StatusCode::FORBIDDEN, "{site}");
        }
        assert_eq!(written(&store).await, "");
    }

    async fn a_domain_that_takes_no_mail_is_refused_in_a_sentence_where_the_operator_wants_it_looked_up(store: TestStore) {
        // By RFC 6761 nothing below `.invalid` exists, and resolvers know that by themselves.
        let gone = "ann@nowhere.invalid";
        let pages = Site::with(&store, |config| config.subscribe.mx_check = true).await;
        let answer = pages.join(&format!("email={gone}")).await;
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let page = answer.text().await.unwrap();
        assert!(page.contains("nowhere.invalid takes no mail. Check the part after the @."), "{page}");
        let answer = pages.send(&format!(r#"{{"email": "{gone}"}}"#)).await;
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let said: serde_json::Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_eq!(said["error"]["field"], "email");
        assert_eq!(text(&store, "select email from subscribers").await, "");

        let usual = Site::open(&store).await;
        assert!(!usual.subscribers.config().subscribe.mx_check);
        assert_eq!(usual.join(&format!("email={gone}")).await.status(), StatusCode::OK, "else no domain is looked up");
        assert_eq!(text(&store, "select email from subscribers").await, gone);
    }
}
