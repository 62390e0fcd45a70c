//! The list of issues.

use super::Desk;
use crate::support::on_both;
use crate::support::site::story;

on_both! {
    async fn the_list_of_issues_has_of_each_what_show_says_of_it(store: TestStore) {
        let desk = Desk::new(&store).await;
        desk.subscribe(2).await;
        let first = desk.issue().await;
        desk.deliver_all(first).await;
        desk.issue().await;
        desk.program.site.publish(story("more", "One story more", "2026-11-21"));
        desk.issue().await;
        let listed = desk.program.json(&["issue", "list"]).await;
        let states: Vec<_> = listed.as_array().unwrap().iter().map(|issue| issue["state"].as_str().unwrap()).collect();
        assert_eq!(states, ["sending", "skipped", "sent"]);
        for issue in listed.as_array().unwrap() {
            let shown = desk.program.json(&["issue", "show", &issue["id"].to_string()]).await;
            let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
            assert_eq!(keys(issue), keys(&shown));
            for key in ["articles", "clicks", "deferrals", "events", "trouble", "sent", "progress", "state"] {
                assert_eq!(issue[key], shown[key], "{key}");
            }
        }
    }
}
