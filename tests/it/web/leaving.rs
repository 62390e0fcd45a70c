//! The pages of leaving over real HTTP: from the mail's link to the way back, and one-click.

use std::time::Duration;

use postround::subscribers::{Origin, SuppressionReason};
use reqwest::StatusCode;

use super::managing::{ANN, action, ann, link, path};
use super::site::{FORM, Site};
use crate::support::household::{address, confirmed, everything, text};
use crate::support::on_both;

on_both! {
    async fn leaving_can_be_undone_and_asks_why(store: TestStore) {
        let site = Site::open(&store).await;
        confirmed(&site.subscribers, ANN, &["weekly", "jobs"]).await;
        let (unsubscribe, _) = ann(&store, &site).await;
        let (status, page) = site.act(&unsubscribe, "leave=digest").await;
        assert!(status == StatusCode::OK && page.contains("You have left") && page.contains("You still get other newsletters"), "{page}");
        let back = action(&page, "value=\"undo\"");
        let before = everything(&store).await;
        let (status, shown) = site.shown(&back).await;
        assert!(status == StatusCode::OK && shown.contains("Undo") && everything(&store).await == before, "a GET changes nothing");
        let (status, page) = site.act(&back, "reason=too-often&note=%3Cb%3Edaily%3C/b%3E").await;
        assert!(status == StatusCode::OK && page.contains("helps us"), "{page}");
        assert_eq!(text(&store, "select reason || ' ' || note from leave_reasons").await, "too-often <b>daily</b>");
        assert_eq!(site.act(&back, "reason=none").await.0, StatusCode::UNPROCESSABLE_ENTITY);
        let long = format!("reason=other&note={}", "x".repeat(301));
        let (status, page) = site.act(&back, &long).await;
        assert!(status == StatusCode::UNPROCESSABLE_ENTITY && page.contains("300 letters"), "{page}");
        assert_eq!(site.act(&back, "").await.0, StatusCode::UNPROCESSABLE_ENTITY);
        let (status, page) = site.act(&back, "do=undo").await;
        assert!(status == StatusCode::OK && page.contains("subscribed again"), "{page}");
        assert_eq!(text(&store, "select state from subscriptions where digest = 'weekly'").await, "active");
        site.clock.advance(Duration::from_secs(86_400));
        assert_eq!(site.shown(&back).await.0, StatusCode::GONE);
        assert_eq!(site.act(&back, "do=undo").await.0, StatusCode::GONE);
    }

    async fn the_way_back_is_there_when_the_page_after_leaving_is_loaded_again(store: TestStore) {
        let site = Site::open(&store).await;
        confirmed(&site.subscribers, ANN, &["weekly", "jobs"]).await;
        let (unsubscribe, preferences) = ann(&store, &site).await;
        for (at, fields) in [(&unsubscribe, "leave=digest"), (&preferences, "leave=all")] {
            let answer = site.post(at, FORM, fields).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::SEE_OTHER);
            let goodbye = path(answer.headers()["location"].to_str().unwrap());
            let before = everything(&store).await;
            let first = site.shown(&goodbye).await;
            assert!(first.0 == StatusCode::OK && first.1.contains("You have left") && first.1.contains("value=\"undo\""), "{}", first.1);
            assert_eq!(site.shown(&goodbye).await, first);
            // Whoever goes back and presses once more is not the one who left.
            let again = site.post(at, FORM, fields).send().await.unwrap();
            assert_eq!(again.status(), StatusCode::OK);
            assert!(!again.text().await.unwrap().contains("undo"));
            assert!(!site.shown(&unsubscribe).await.1.contains("undo"));
            assert_eq!(everything(&store).await, before);
            assert!(site.act(&goodbye, "do=undo").await.1.contains("subscribed again"));
            assert!(site.shown(&goodbye).await.1.contains("subscribed again"));
            site.clock.advance(Duration::from_secs(60));
        }
    }

    async fn whoever_must_not_be_mailed_leaves_and_may_say_why_and_has_no_way_back(store: TestStore) {
        let site = Site::open(&store).await;
        confirmed(&site.subscribers, ANN, &["weekly"]).await;
        let (unsubscribe, _) = ann(&store, &site).await;
        site.subscribers.suppress(&address(ANN), SuppressionReason::Manual, "", Origin::COMMAND_LINE).await.unwrap();
        let (status, page) = site.act(&unsubscribe, "leave=digest").await;
        assert!(status == StatusCode::OK && page.contains("You have left") && !page.contains("value=\"undo\""), "{page}");
        let why = action(&page, "name=\"reason\"");
        assert!(site.act(&why, "reason=too-often").await.1.contains("helps us"));
        assert_eq!(site.act(&why, "do=undo").await.0, StatusCode::GONE);
    }

    async fn a_mail_program_that_leaves_is_never_led_elsewhere(store: TestStore) {
        let site = Site::open(&store).await;
        confirmed(&site.subscribers, ANN, &["weekly"]).await;
        let (unsubscribe, _) = ann(&store, &site).await;
        for _ in 0..2 {
            let answer = site.post(&unsubscribe, FORM, "List-Unsubscribe=One-Click").send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK);
            assert!(answer.headers().get("location").is_none());
        }
        assert_eq!(text(&store, "select state from subscribers").await, "unsubscribed");
    }

    async fn a_mail_program_that_leaves_gets_a_goodbye_mail_where_the_operator_wants_it(store: TestStore) {
        let site = Site::with(&store, |config| config.leave.goodbye_mail = true).await;
        confirmed(&site.subscribers, ANN, &["weekly"]).await;
        let (unsubscribe, _) = ann(&store, &site).await;
        for _ in 0..2 {
            assert_eq!(site.act(&unsubscribe, "List-Unsubscribe=One-Click").await.0, StatusCode::OK);
        }
        assert_eq!(text(&store, "select kind || ' ' || address from deliveries").await, format!("goodbye {ANN}"));
        let (status, page) = site.shown(&link(&store).await).await;
        assert!(status == StatusCode::OK && page.contains("Undo"), "{page}");
    }

    async fn the_links_of_somebody_who_was_erased_claim_nothing_of_whoever_has_the_address_now(store: TestStore) {
        let site = Site::open(&store).await;
        confirmed(&site.subscribers, ANN, &["weekly", "jobs"]).await;
        let (unsubscribe, preferences) = ann(&store, &site).await;
        let goodbye = action(&site.act(&unsubscribe, "leave=digest").await.1, "value=\"undo\"");
        site.subscribers.erase_address(&address(ANN)).await.unwrap();
        site.join(&format!("email={ANN}&digests=weekly")).await;
        assert_eq!(site.act(&link(&store).await, "").await.0, StatusCode::OK);
        let before = everything(&store).await;
        for (status, page) in [
            site.shown(&unsubscribe).await, site.act(&unsubscribe, "leave=digest").await, site.act(&unsubscribe, "leave=all").await,
            site.shown(&preferences).await, site.act(&preferences, "pause=4w").await, site.act(&preferences, "do=link").await,
        ] {
            assert_eq!(status, StatusCode::OK);
            assert!(page.contains("has been erased") && page.contains("href=\"/mail/preferences\">Mail me my link"), "{page}");
            assert!(!page.contains("further issue") && !page.contains("on its way") && !page.contains("<form"), "{page}");
        }
        for (status, page) in [site.shown(&goodbye).await, site.act(&goodbye, "do=undo").await, site.act(&goodbye, "reason=other").await] {
            assert!(status == StatusCode::GONE && page.contains("has been erased"), "{page}");
        }
        for _ in 0..2 {
            let (status, answer) = site.act(&unsubscribe, "List-Unsubscribe=One-Click").await;
            assert!(status == StatusCode::OK && answer.contains("this link was made for has ended") && !answer.contains("to you"), "{answer}");
        }
        assert_eq!(everything(&store).await, before);
        assert_eq!(text(&store, "select digest || ' ' || state from subscriptions").await, "weekly active");
    }

    async fn a_way_back_that_a_later_leaving_or_an_operator_has_ended_says_so(store: TestStore) {
        let site = Site::open(&store).await;
        confirmed(&site.subscribers, ANN, &["weekly"]).await;
        let (unsubscribe, _) = ann(&store, &site).await;
        let leave = async || {
            site.clock.advance(Duration::from_secs(60));
            action(&site.act(&unsubscribe, "leave=digest").await.1, "value=\"undo\"")
        };
        let first = leave().await;
        assert_eq!(site.act(&first, "do=undo").await.0, StatusCode::OK);
        let second = leave().await;
        let id = site.subscribers.public_id(&address(ANN)).await.unwrap().unwrap();
        for back in [first, second] {
            let before = everything(&store).await;
            for (status, page) in [site.shown(&back).await, site.act(&back, "do=undo").await] {
                assert!(status == StatusCode::GONE && page.contains("unsubscribed once more since"), "{page}");
                assert!(page.contains("href=\"/mail/\">Subscribe") && !page.contains("address has changed"), "{page}");
            }
            assert_eq!(everything(&store).await, before);
            site.clock.advance(Duration::from_secs(60));
            let operator = Origin::COMMAND_LINE;
            site.subscribers.leave(&id, postround::subscribers::Leave::Digest("weekly"), operator).await.unwrap();
        }
    }
}
