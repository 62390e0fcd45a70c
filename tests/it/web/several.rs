//! Signing up for several digests at once, or for more of one: what the mails and pages name, and when they say that it comes.

use std::time::Duration;

use postround::domain::EmailAddress;
use postround::subscribers::{DigestClaim, Origin};

use super::joining::ANN;
use super::site::{FORM, Site};
use crate::support::household::{address, text};
use crate::support::{MONDAY, TestStore, on_both};

const WEEK: Duration = Duration::from_secs(7 * 86_400);

/// The last mail: its message and its text, each in one line.
async fn mail(store: &TestStore) -> (String, String) {
    let last = async |column: &str| {
        let sql =
            format!("select m.{column} from deliveries d join mails m on m.id = d.mail_id order by d.id desc limit 1");
        text(store, &sql).await.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    (last("mime").await, format!("{}: {}", last("subject").await, last("body_text").await))
}

async fn link(store: &TestStore) -> String {
    let link = text(store, "select link from deliveries order by id desc limit 1").await;
    format!("/confirm/{}", link.rsplit('/').next().unwrap())
}

on_both! {
    async fn a_mail_about_several_digests_names_all_of_them_and_is_from_whoever_sends_all(store: TestStore) {
        let site = Site::with(&store, |config| {
            config.sender.name = "Northfold Press".to_owned();
            config.sender.email = EmailAddress::parse("press@northfold.example").unwrap();
        }).await;
        let page = site.join(&format!("email={ANN}&digests=weekly")).await.text().await.unwrap();
        let (message, said) = mail(&store).await;
        assert!(message.contains("<digest@northfold.example>") && page.contains("digest@northfold.example"), "{message} {page}");
        assert!(said.starts_with("Confirm your address for Early Help Weekly: "), "{said}");
        let page = site.join("email=ben@northfold.example&digests=weekly&digests=jobs").await.text().await.unwrap();
        let (message, said) = mail(&store).await;
        // Both have the same sender of their own.
        assert!(message.contains("<digest@northfold.example>") && page.contains("digest@northfold.example"), "{message} {page}");
        assert!(said.starts_with("Confirm your address for Early Help Weekly and Jobs & Posts: "), "{said}");

        let site = Site::with(&store, |config| {
            config.sender.name = "Northfold Press".to_owned();
            config.sender.email = EmailAddress::parse("press@northfold.example").unwrap();
            config.digests[1].sender.email = EmailAddress::parse("jobs@northfold.example").unwrap();
        }).await;
        let page = site.join("email=cal@northfold.example&digests=weekly&digests=jobs").await.text().await.unwrap();
        let (message, said) = mail(&store).await;
        assert!(message.contains("Northfold Press <press@northfold.example>") && page.contains("press@northfold.example"), "{message} {page}");
        assert!(said.contains("Northfold Press ===") && said.contains("Early Help Weekly Jobs & Posts"), "{said}");
    }

    async fn whoever_has_paused_a_digest_and_takes_more_of_it_is_told_of_the_first_issue_after_that(store: TestStore) {
        let site = Site::open(&store).await;
        site.join(&format!("email={ANN}&digests=weekly&topics=news")).await;
        site.post(&link(&store).await, FORM, "").send().await.unwrap();
        let subscriber = site.subscribers.public_id(&address(ANN)).await.unwrap().unwrap();
        let claim = DigestClaim { subscriber, digest: "weekly".to_owned() };
        // The issue that is due as the pause ends comes.
        site.subscribers.choose(&claim, None, Some(MONDAY.plus(WEEK * 4)), Origin::PAGE).await.unwrap();
        site.clock.advance(Duration::from_secs(601));
        site.join(&format!("email={ANN}&digests=weekly&topics=features")).await;
        let (_, said) = mail(&store).await;
        assert!(said.contains("comes on Monday 21 December 2026"), "{said}");
        let path = link(&store).await;
        let pressed = site.post(&path, FORM, "").send().await.unwrap().text().await.unwrap();
        for page in [pressed, site.text(&path).await] {
            assert!(page.contains("Next issue: Monday 21 December 2026 at 08:00") && !page.contains("November"), "{page}");
        }
        assert_eq!(text(&store, "select state || ' ' || topics from subscriptions").await, "paused features,news");
    }
}
