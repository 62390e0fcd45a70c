//! Warnings that are posted to a webhook, which may be away for a while.

use std::time::Duration;

use super::Office;
use crate::support::household::text;
use crate::support::on_both;

on_both! {
    async fn a_webhook_that_fails_for_now_is_tried_again_and_one_that_refuses_is_not(test: TestStore) {
        let office = Office::new(test).await;
        office.answers(503, 2).await;
        office.answers(204, 1).await;
        office.tell("relay", false).await;
        assert_eq!(office.posted().await.len(), 3);
        office.hook.reset().await;
        office.answers(403, 9).await;
        office.tell("other", false).await;
        assert_eq!(office.posted().await.len(), 1);
    }

    async fn a_warning_is_posted_also_when_the_store_is_the_trouble(test: TestStore) {
        let office = Office::new(test).await;
        office.answers(204, 10).await;
        office.test.store.close().await;
        office.tell("store", false).await;
        assert_eq!(office.posted().await.len(), 1);
    }

    async fn a_warning_that_is_told_once_is_posted_again_later_also_by_another_process_until_the_webhook_takes_it(test: TestStore) {
        let office = Office::new(test).await;
        office.answers(503, 5).await;
        office.answers(204, 9).await;
        office.tell("held:1", true).await;
        assert_eq!(office.posted().await.len(), 3);
        let after = async |minutes: u64| {
            office.clock.advance(Duration::from_secs(minutes * 60));
            office.teller().post_again().await;
            office.posted().await.len()
        };
        assert_eq!(after(1).await, 3, "whoever raised it may still try");
        assert_eq!(after(3).await, 4);
        assert_eq!(after(0).await, 4, "after a pause");
        assert_eq!(after(1).await, 5);
        assert_eq!(after(1).await, 5, "which grows");
        assert_eq!(after(1).await, 6);
        assert_eq!(after(600).await, 6, "it has been told");
        let posted = office.posted().await;
        assert_eq!((&posted[5]["key"], &posted[5]["at"]), (&"held:1".into(), &"2026-11-23T08:00:00Z".into()), "{posted:?}");
        assert_eq!(text(&office.test, "select cast(count(*) as text) from unposted_alerts").await, "0");
        assert_eq!(office.mailed().await, "alert ops@northfold.example queued", "it is mailed once");
    }

    async fn what_is_told_once_and_what_the_webhook_has_taken_is_not_posted_again(test: TestStore) {
        let office = Office::new(test).await;
        office.answers(204, 1).await;
        office.answers(403, 9).await;
        office.tell("held:1", true).await;
        office.tell("relay", false).await;
        office.clock.advance(Duration::from_secs(600));
        office.teller().post_again().await;
        assert_eq!(office.posted().await.len(), 2, "what may last is raised again where it does");
        office.tell("held:2", true).await;
        office.clock.advance(Duration::from_secs(8 * 24 * 3600));
        office.teller().post_again().await;
        office.teller().post_again().await;
        assert_eq!(office.posted().await.len(), 3, "it is given up after a week");
    }
}
