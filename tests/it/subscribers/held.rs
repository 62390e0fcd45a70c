//! All that is held of one person, as it is given to them.

use std::time::Duration;

use postround::domain::Locale;
use postround::subscribers::{Chosen, Import, ImportBasis, JoinRequest, Origin, Topics};
use serde_json::json;

use super::{ANN, URL};
use crate::support::household::{Asked, address, confirmed, execute, subscribers};
use crate::support::{MONDAY, on_both};

on_both! {
    async fn what_was_typed_in_somebodys_name_is_part_of_what_is_held_of_them(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let some = Topics::Only(["features".to_owned(), "news".to_owned()].into());
        let request = JoinRequest {
            address: address(ANN),
            name: "Ann Marsh".to_owned(),
            locale: Some(Locale::parse("de").unwrap()),
            choice: vec![
                Chosen { digest: "weekly".to_owned(), topics: some },
                Chosen { digest: "jobs".to_owned(), topics: Topics::All },
            ],
            wording: "Subscribe".to_owned(),
        };
        subscribers.join(&request, Origin::PAGE, &Asked::default()).await.unwrap();
        let held = serde_json::to_value(subscribers.data_of(&address(ANN)).await.unwrap().unwrap()).unwrap();
        assert_eq!((&held["state"], &held["name"], &held["locale"]), (&"pending".into(), &"".into(), &json!(null)));
        assert_eq!(held["created_at"], json!(MONDAY));
        assert_eq!(held["requests"], json!([{
            "at": MONDAY, "name": "Ann Marsh", "locale": "de", "reminded_at": null,
            "digests": [
                { "id": "weekly", "topics": ["features", "news"], "all_topics": false },
                { "id": "jobs", "topics": ["jobs"], "all_topics": true },
            ],
        }]));
        assert_eq!(held.get("to_be_asked"), None);
    }

    async fn when_somebody_is_to_be_asked_is_part_of_what_is_held_of_them(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let path = store.folder.path().join("people.csv");
        std::fs::write(&path, format!("email\n{ANN}\n")).unwrap();
        subscribers.import(&Import::new(&path, ImportBasis::Ask), &Asked::default(), |_, _| {}).await.unwrap();
        execute(&store, "delete from join_requests").await;
        let later = MONDAY.plus(Duration::from_secs(86_400));
        execute(&store, &format!("insert into asks (subscriber_id, due_at, source) select id, {}, 'import of people.csv' from subscribers", later.0)).await;
        let held = serde_json::to_value(subscribers.data_of(&address(ANN)).await.unwrap().unwrap()).unwrap();
        assert_eq!(held["to_be_asked"], json!({ "at": later, "source": "import of people.csv" }));
        assert_eq!(held.get("requests"), None);
    }

    async fn a_list_says_since_when_each_is_known_and_not_what_others_typed(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly"]).await;
        let mut listed = Vec::new();
        subscribers.list(|record| {
            listed.push(serde_json::to_value(&record).unwrap());
            Ok::<(), postround::subscribers::SubscribersError>(())
        }).await.unwrap();
        assert_eq!((listed.len(), &listed[0]["created_at"], listed[0].get("requests")), (1, &json!(MONDAY), None));
    }
}
