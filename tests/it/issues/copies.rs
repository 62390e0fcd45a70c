//! Copies of one story: whatever their sources say of them, readers get it once.

use super::{BECAUSE, Desk};
use crate::support::on_both;
use crate::support::site::{Story, story};

/// A story that the feed has under an id of its own.
fn known_as(guid: &str, path: &str, title: &str) -> Story {
    Story { guid: guid.to_owned(), ..story(path, title, "2026-11-19") }
}

/// Where each story of the latest mail is, which the one reader got.
async fn stories(desk: &Desk) -> Vec<String> {
    let issue = desk.issue().await;
    desk.deliver_all(issue).await;
    let shown = desk.program.json(&["issue", "show", &issue.to_string()]).await;
    let articles = shown["articles"].as_array().cloned().unwrap_or_default();
    articles.iter().map(|article| article["title"].as_str().unwrap().to_owned()).collect()
}

on_both! {
    async fn one_address_and_title_is_one_story_whatever_ids_a_feed_gives_it(store: TestStore) {
        let desk = Desk::new(&store).await;
        desk.subscribe(1).await;
        for (guid, title) in [("1", "Hubs in brief"), ("2", "Hubs in Brief"), ("3", "Visitors in brief")] {
            desk.program.site.publish(known_as(guid, "brief", title));
        }
        desk.program.site.publish(known_as("4", "pair", "Twice the same"));
        desk.program.site.publish(known_as("5", "pair", "Twice the same"));
        // The front page is nobody's own address: each of them may be another week's.
        desk.program.site.publish(known_as("6", "", "On the front page"));
        desk.program.site.publish(known_as("7", "", "On the front page"));
        let mut got = stories(&desk).await;
        got.sort();
        let expected = ["Family hubs win an extra year", "Health visitor posts fill", "Hubs in Brief", "On the front page",
            "On the front page", "Twice the same", "Visitors in brief"];
        assert_eq!(got, expected);
        let text = &desk.got()["reader1@northfold.example"][0].1;
        assert_eq!(text.matches(">Twice the same<").count(), 1, "{text}");
    }

    async fn a_story_that_was_sent_does_not_come_back_when_another_source_has_it_twice(store: TestStore) {
        let desk = Desk::new(&store).await;
        desk.subscribe(1).await;
        desk.program.site.list(story("count", "Nadia Ferreira on counting", "2026-11-04"));
        desk.program.site.list(story("wait", "Ngozi Okafor on waiting", "2026-11-05"));
        assert_eq!(stories(&desk).await.len(), 4);
        for guid in ["1", "2"] {
            desk.program.site.publish(known_as(guid, "count", "Nadia Ferreira on counting"));
            desk.program.site.publish(known_as(&format!("w{guid}"), "wait", "Ngozi Okafor on waiting"));
        }
        // This address has another story too, and that one has not been sent.
        desk.program.site.publish(known_as("3", "wait", "Ngozi Okafor's letter"));
        assert_eq!(stories(&desk).await, ["Ngozi Okafor's letter"]);
        assert_eq!(desk.program.json(&["run", "weekly"]).await["state"], "skipped");
    }

    async fn a_withdrawn_story_is_gone_in_all_its_copies_and_comes_back_in_none(store: TestStore) {
        let desk = Desk::new(&store).await;
        desk.subscribe(1).await;
        for (guid, title) in [("1", "Libel about Mr X"), ("2", "Libel about Mr X"), ("3", "A letter")] {
            desk.program.site.publish(known_as(guid, "brief", title));
        }
        let issue = desk.issue().await;
        desk.app.composer().hold_issue(issue, BECAUSE).await.unwrap();
        desk.app.composer().withdraw(issue, "Libel about Mr X", BECAUSE).await.unwrap();
        desk.app.composer().cancel_issue(issue, BECAUSE).await.unwrap();
        desk.program.site.publish(known_as("4", "brief", "Libel about Mr X"));
        assert_eq!(stories(&desk).await, ["Health visitor posts fill", "A letter", "Family hubs win an extra year"]);
        assert!(!desk.got()["reader1@northfold.example"][0].1.contains("Libel"));
    }
}
