//! Confirming over real HTTP: the button, old links, and what is mailed before anybody has agreed.

use std::time::Duration;

use postround::subscribers::{Leave, Origin};
use reqwest::StatusCode;

use super::joining::{ANN, asked, known};
use super::site::{FORM, Site};
use crate::support::household::{address, everything, text};
use crate::support::{TestStore, on_both};

on_both! {
    async fn the_button_works_from_a_page_without_origin_and_scanners_press_nothing(store: TestStore) {
        let site = Site::open(&store).await;
        site.join(&format!("email={ANN}&name=Ann+Marsh")).await;
        let token = link(&store, ANN).await;
        let path = format!("/confirm/{token}");
        let before = everything(&store).await;
        for (name, value) in [("purpose", "prefetch"), ("x-http-method-override", "POST"), ("list-unsubscribe", "One-Click"), ("accept", "*/*")] {
            for method in [reqwest::Method::GET, reqwest::Method::HEAD] {
                let request = site.client.request(method, format!("{}{path}", site.root)).header(name, value);
                assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
            }
        }
        assert_eq!(everything(&store).await, before);
        let page = site.text(&path).await;
        assert!(page.contains("Do you want Early Help Weekly and Jobs &amp; Posts?") && page.contains(ANN), "{page}");
        assert_eq!(page.matches("<button").count(), 1);
        for _ in 0..2 {
            let pressed = site.post(&path, FORM, "").header("origin", "null").send().await.unwrap();
            assert_eq!(pressed.status(), StatusCode::OK);
            let page = pressed.text().await.unwrap();
            assert!(page.contains("You are subscribed") && page.contains("Mondays at 08:00"), "{page}");
            assert!(page.contains("Next issue: Monday 30 November 2026 at 08:00"), "{page}");
            assert_eq!(page.matches("Choose topics or a pause").count(), 2, "of each: {page}");
        }
        assert_eq!(known(&store).await, format!("{ANN} confirmed"));
        let events = text(&store, "select event || ' ' || coalesce(network, '') || ' ' || coalesce(wording, '') from consent_events where digest = 'weekly' order by id").await;
        assert!(events.contains("asked 127.0.0.1 Newsletters of Early Help Weekly"), "{events}");
        assert!(events.contains("[Subscribe]") && events.contains("confirmed 127.0.0.1 Do you want"), "{events}");
        assert_eq!(text(&store, "select name from subscribers").await, "Ann Marsh");
    }

    async fn the_page_names_what_comes_and_nothing_that_was_left_since(store: TestStore) {
        let site = Site::open(&store).await;
        site.join(&format!("email={ANN}")).await;
        let path = format!("/confirm/{}", link(&store, ANN).await);
        let id = site.subscribers.public_id(&address(ANN)).await.unwrap().unwrap();
        site.subscribers.leave(&id, Leave::Digest("weekly"), Origin::ONE_CLICK).await.unwrap();
        let page = site.text(&path).await;
        assert!(page.contains("Do you want Jobs &amp; Posts?") && page.contains(&format!("{ANN} will get Jobs &amp; Posts.")), "{page}");
        for _ in 0..2 {
            let page = site.post(&path, FORM, "").send().await.unwrap().text().await.unwrap();
            assert!(page.contains(&format!("{ANN} gets Jobs &amp; Posts.")), "{page}");
            assert_eq!(page.matches("Choose topics or a pause").count(), 1, "{page}");
        }
        let agreed = "select digest || ' ' || substr(wording, 1, 24) from consent_events where event = 'confirmed'";
        assert_eq!(text(&store, agreed).await, "jobs Do you want Jobs & Posts");
    }

    async fn a_confirmed_link_that_is_opened_after_one_of_two_was_left_names_the_other(store: TestStore) {
        let site = Site::open(&store).await;
        site.join(&format!("email={ANN}")).await;
        let path = format!("/confirm/{}", link(&store, ANN).await);
        site.post(&path, FORM, "").send().await.unwrap();
        let id = site.subscribers.public_id(&address(ANN)).await.unwrap().unwrap();
        site.clock.advance(Duration::from_secs(60));
        site.subscribers.leave(&id, Leave::Digest("weekly"), Origin::ONE_CLICK).await.unwrap();
        for page in [site.get(&path).await, site.post(&path, FORM, "").send().await.unwrap()] {
            assert_eq!(page.status(), StatusCode::OK);
            let page = page.text().await.unwrap();
            assert!(page.contains(&format!("{ANN} gets Jobs &amp; Posts.")), "{page}");
        }
        site.subscribers.leave(&id, Leave::All, Origin::ONE_CLICK).await.unwrap();
        assert_eq!(site.get(&path).await.status(), StatusCode::GONE);
    }

    async fn no_text_that_a_stranger_typed_is_mailed_before_it_is_confirmed(store: TestStore) {
        let site = Site::open(&store).await;
        site.join(&format!("email={ANN}&name=Buy+pills+at+pills.example")).await;
        assert_eq!(asked(&store).await, ANN);
        let mails = text(&store, "select m.mime || ' ' || d.name || ' ' || coalesce(d.link, '') from deliveries d join mails m on m.id = d.mail_id").await;
        assert!(!mails.contains("pills") && mails.contains("/confirm/"), "{mails}");
    }

    async fn a_link_that_is_too_old_offers_a_new_one_that_works(store: TestStore) {
        let site = Site::open(&store).await;
        site.join(&format!("email={ANN}&digests=weekly&topics=news&topics=features")).await;
        let old = format!("/confirm/{}", link(&store, ANN).await);
        assert!(site.text(&old).await.contains("Early Help Weekly with News and Features."));
        site.clock.advance(Duration::from_secs(8 * 86_400));
        let before = everything(&store).await;
        for page in [site.get(&old).await, site.post(&old, FORM, "").send().await.unwrap()] {
            assert_eq!(page.status(), StatusCode::GONE);
            let page = page.text().await.unwrap();
            assert!(page.contains("It worked for 7 days") && page.contains("name=\"again\" value=\"yes\""), "{page}");
        }
        assert_eq!(everything(&store).await, before);
        let again = site.post(&old, FORM, "again=yes").send().await.unwrap();
        assert_eq!(again.status(), StatusCode::OK);
        assert_eq!(asked(&store).await, format!("{ANN}\n{ANN}"));
        let new = format!("/confirm/{}", link(&store, ANN).await);
        assert_eq!(site.post(&new, FORM, "").send().await.unwrap().status(), StatusCode::OK);
        assert_eq!(known(&store).await, format!("{ANN} confirmed"));
        assert_eq!(text(&store, "select topics from subscriptions").await, "features,news");
    }

    async fn a_link_whose_time_is_over_shows_success_and_nothing_of_whoever_has_what_it_was_for(store: TestStore) {
        let site = Site::open(&store).await;
        site.join(&format!("email={ANN}&digests=weekly")).await;
        let older = format!("/confirm/{}", link(&store, ANN).await);
        site.clock.advance(Duration::from_secs(601));
        site.join(&format!("email={ANN}")).await;
        let newer = format!("/confirm/{}", link(&store, ANN).await);
        site.post(&newer, FORM, "").send().await.unwrap();
        site.clock.advance(Duration::from_secs(40 * 86_400));
        let before = everything(&store).await;
        for path in [&newer, &older] {
            for page in [site.get(path).await, site.post(path, FORM, "").send().await.unwrap()] {
                assert_eq!(page.status(), StatusCode::GONE);
                let page = page.text().await.unwrap();
                assert!(page.contains("You are subscribed") && page.contains("href=\"/mail/preferences\">Mail me my link"), "{page}");
                for theirs in [ANN, "Jobs &amp;", "/preferences/"] {
                    assert!(!page.contains(theirs), "{theirs}: {page}");
                }
            }
        }
        assert_eq!(everything(&store).await, before);
        let id = site.subscribers.public_id(&address(ANN)).await.unwrap().unwrap();
        site.subscribers.leave(&id, Leave::Digest("weekly"), Origin::ONE_CLICK).await.unwrap();
        for page in [site.get(&older).await, site.post(&older, FORM, "").send().await.unwrap()] {
            assert_eq!(page.status(), StatusCode::GONE);
            assert!(page.text().await.unwrap().contains("name=\"again\" value=\"yes\""));
        }
    }

    async fn a_link_of_a_request_that_is_forgotten_leads_to_the_form_and_has_no_button(store: TestStore) {
        let site = Site::open(&store).await;
        site.join(&format!("email={ANN}")).await;
        let path = format!("/confirm/{}", link(&store, ANN).await);
        site.clock.advance(Duration::from_secs(31 * 86_400));
        assert_eq!(site.subscribers.forget_unconfirmed().await.unwrap(), 1);
        let pressed = site.post(&path, FORM, "again=yes").send().await.unwrap();
        for page in [site.get(&path).await, site.post(&path, FORM, "").send().await.unwrap(), pressed] {
            assert_eq!(page.status(), StatusCode::GONE);
            let page = page.text().await.unwrap();
            assert!(page.contains("This link is over") && page.contains("href=\"/mail/\">Subscribe"), "{page}");
            assert!(!page.contains("<button") && !page.contains("You have left"), "{page}");
        }
        assert_eq!(known(&store).await, "");
    }

    async fn a_flood_for_one_address_mails_it_once_in_ten_minutes(store: TestStore) {
        let site = Site::open(&store).await;
        let stamp = site.stamp().await;
        site.clock.advance(Duration::from_secs(2));
        let sent = (0..60).map(|_| site.post("/subscribe", FORM, format!("stamp={stamp}&email={ANN}")).send());
        for answer in futures_util::future::join_all(sent).await {
            assert_eq!(answer.unwrap().status(), StatusCode::OK);
        }
        assert_eq!(asked(&store).await, ANN);
    }

    async fn a_digest_that_is_gone_is_subscribed_to_by_nobody_and_the_others_of_the_request_are(store: TestStore) {
        let site = Site::open(&store).await;
        let (ben, cay) = ("ben@northfold.example", "cay@northfold.example");
        for fields in [format!("email={ANN}"), format!("email={ben}&digests=jobs"), format!("email={cay}&digests=jobs")] {
            site.join(&fields).await;
        }
        let (both, only) = (format!("/confirm/{}", link(&store, ANN).await), format!("/confirm/{}", link(&store, ben).await));
        let used = format!("/confirm/{}", link(&store, cay).await);
        assert_eq!(site.post(&used, FORM, "").send().await.unwrap().status(), StatusCode::OK);
        let site = Site::with(&store, |config| config.digests.retain(|digest| digest.id != "jobs")).await;
        site.clock.advance(Duration::from_secs(60));
        for days in [0, 8] {
            site.clock.advance(Duration::from_secs(days * 86_400));
            let before = everything(&store).await;
            for path in [&only, &used] {
                let pressed = site.post(path, FORM, "again=yes").send().await.unwrap();
                for page in [site.get(path).await, site.post(path, FORM, "").send().await.unwrap(), pressed] {
                    assert_eq!(page.status(), StatusCode::GONE);
                    let page = page.text().await.unwrap();
                    assert!(page.contains("does not exist any more") && page.contains("href=\"/mail/\">Subscribe"), "{page}");
                    assert!(!page.contains("<form") && !page.contains("You are subscribed") && !page.contains("jobs"), "{page}");
                }
            }
            assert_eq!(everything(&store).await, before);
            if days > 0 {
                break;
            }
            let page = site.text(&both).await;
            assert!(page.contains("Do you want Early Help Weekly?") && page.contains(&format!("{ANN} will get Early Help Weekly.")), "{page}");
            for _ in 0..2 {
                let page = site.post(&both, FORM, "").send().await.unwrap().text().await.unwrap();
                assert!(page.contains(&format!("{ANN} gets Early Help Weekly.")) && !page.contains("jobs"), "{page}");
            }
            let of_ann = "digest from subscriptions n join subscribers s on s.id = n.subscriber_id where s.email like 'ann%'";
            assert_eq!(text(&store, &format!("select {of_ann}")).await, "weekly");
            let agreed = "select digest from consent_events where event = 'confirmed' and address like 'ann%'";
            assert_eq!(text(&store, agreed).await, "weekly");
        }
    }
}

/// The token of the last link that was mailed there.
async fn link(store: &TestStore, email: &str) -> String {
    let link =
        text(store, &format!("select link from deliveries where address = '{email}' order by id desc limit 1")).await;
    link.rsplit('/').next().unwrap().to_owned()
}
