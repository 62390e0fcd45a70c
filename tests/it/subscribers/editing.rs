//! What an operator changes for somebody, and is told where it would come to nothing.

use postround::subscribers::{Edit, Edited, Immovable, Origin, SubscribersError, SuppressionReason};

use super::{ANN, URL};
use crate::support::household::{Asked, address, confirmed, everything, execute, subscribers};
use crate::support::on_both;

const NEW: &str = "ann@saltby.example";
const TAKEN: &str = "ben@saltby.example";

on_both! {
    async fn an_operator_hears_why_an_address_cannot_be_changed_and_what_helps(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let asked = Asked::default();
        confirmed(&subscribers, ANN, &["weekly"]).await;
        confirmed(&subscribers, TAKEN, &["weekly"]).await;
        let edit = |new: &str| Edit { name: Some("Ann".to_owned()), address: Some(address(new)), ..Edit::default() };
        let suppress = async |who: &str, reason| {
            subscribers.suppress(&address(who), reason, "", Origin::COMMAND_LINE).await.unwrap();
        };
        let refused = async |new: &str, expected: Immovable| {
            let before = everything(&store).await;
            let done = subscribers.edit(&address(ANN), &edit(new), Origin::COMMAND_LINE, &asked).await;
            assert!(matches!(&done, Err(SubscribersError::Immovable { reason, .. }) if *reason == expected), "{done:?}");
            assert_eq!((everything(&store).await, asked.count()), (before, 0));
        };
        refused(TAKEN, Immovable::Taken(address(TAKEN))).await;
        suppress(NEW, SuppressionReason::Manual).await;
        refused(NEW, Immovable::NewSuppressed(address(NEW))).await;
        execute(&store, "delete from suppressions").await;
        suppress(ANN, SuppressionReason::Bounced).await;
        refused(NEW, Immovable::Suppressed("bounced".to_owned())).await;
        suppress(ANN, SuppressionReason::Complaint).await;
        refused(NEW, Immovable::Complained).await;
        execute(&store, "delete from suppressions; update subscribers set state = 'confirmed'").await;
        assert_eq!(subscribers.edit(&address(ANN), &edit(NEW), Origin::COMMAND_LINE, &asked).await.unwrap(), Edited::Done);
        assert_eq!(asked.count(), 1);
    }
}
