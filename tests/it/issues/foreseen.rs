//! What is foreseen of an issue, where others are in the queue before it.

use super::Desk;
use super::seen::{said, set};
use crate::support::on_both;
use crate::support::site::story;

on_both! {
    async fn whether_the_quota_suffices_is_said_after_what_others_have_queued_before(store: TestStore) {
        let desk = Desk::new(&store).await;
        desk.subscribe(12).await;
        set(&desk, "rate = [\"5/s\", \"20/d\"]");
        let first = desk.issue().await.to_string();
        desk.program.run(&["subscriber", "add", "new@northfold.example"]).await;
        desk.program.site.publish(story("more", "One story more", "2026-11-21"));
        let tomorrow = (chrono::Utc::now() + chrono::TimeDelta::hours(23)).to_rfc3339();
        let text = said(&desk.program.run(&["run", "weekly"]).await);
        assert!(text.contains("the quota lets 6 go now"), "of 19, after 12 and a confirmation: {text}");
        let second = desk.program.json(&["issue", "list"]).await[0]["id"].to_string();
        let end = async |id: &str| desk.program.json(&["issue", "show", id]).await["estimated_end"].as_str().unwrap().to_owned();
        assert!(end(&second).await > tomorrow, "it waits for the first");
        assert!(end(&first).await < tomorrow, "the first does not wait for it");
    }

    async fn what_others_have_queued_to_a_domain_goes_first_there(store: TestStore) {
        let desk = Desk::new(&store).await;
        for name in ["ana", "bo", "cy"] {
            desk.program.subscribe(&format!("{name}@slow.example"), &[]).await;
        }
        set(&desk, "per_domain = { \"slow.example\" = \"1/s\" }");
        desk.issue().await;
        desk.program.site.publish(story("more", "One story more", "2026-11-21"));
        let later = (chrono::Utc::now() + chrono::TimeDelta::milliseconds(5_500)).to_rfc3339();
        let preview = desk.program.json(&["preview", "weekly"]).await;
        assert!(preview["done_at"].as_str().unwrap() > later.as_str(), "six at one a second: {preview}");
    }
}
