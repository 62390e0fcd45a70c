//! Laying out and starting deliveries in the model's world.

use postround::domain::DeliveryState;
use postround::store::{ClaimedRow, Mark};

use super::people::{DIGESTS, PEOPLE};
use super::world::World;
use crate::support::household::execute;

impl World<'_> {
    pub(super) async fn lay_out(&mut self, digest: usize) {
        let now = self.now();
        for who in 0..PEOPLE.len() {
            if self.people[who].audience(digest, now).is_none() {
                continue;
            }
            self.queue.push((who, digest));
            let claim = self.claim(who, digest).await.unwrap();
            let token = self.subscribers.tokens().unsubscribe(&claim.subscriber, &claim.digest).as_str().to_owned();
            self.tokens.push((token, claim));
        }
        let sql = format!(
            "insert into deliveries (mail_id, kind, digest, subscriber_id, address, name, state, priority, due_at, first_due_at, attempts)
             select m.id, 'digest', l.digest, l.subscriber_id, l.email, '', 'queued', 0, {0}, {0}, 0 from mails m, live_subscriptions l
             where l.digest = '{1}' and l.since <= {0}",
            now.0, DIGESTS[digest]
        );
        execute(self.store, &sql).await;
    }

    /// Claims all that is queued and starts it: what is not granted may not be sent.
    pub(super) async fn deliver(&mut self) {
        let now = self.now();
        let mut session = self.subscribers.store().marks().await.unwrap();
        let claimed = session.claim_deliveries("me", now, 1000, None).await.unwrap();
        let start = |row: &ClaimedRow| Mark {
            mail: Some(row.mail_id),
            started_at: Some(now.0),
            ..Mark::of(row.id, DeliveryState::Claimed, DeliveryState::Sending)
        };
        let starts: Vec<Mark> = claimed.iter().map(start).collect();
        let granted = session.mark_deliveries("me", &starts).await.unwrap();
        drop(session);
        execute(self.store, "update deliveries set state = 'sent', owner = null where state = 'sending'").await;
        let mut started: Vec<String> = claimed
            .iter()
            .filter(|row| granted.contains(&(row.id, "sending".to_owned())))
            .map(|row| format!("{} {}", row.address, row.digest.clone().unwrap_or_default()))
            .collect();
        let due = self.queue.drain(..).filter(|(who, digest)| self.people[*who].audience(*digest, now).is_some());
        let mut expected: Vec<String> =
            due.map(|(who, digest)| format!("{} {}", PEOPLE[who], DIGESTS[digest])).collect();
        started.iter_mut().for_each(|line| line.make_ascii_lowercase());
        started.sort();
        expected.sort();
        assert_eq!(started, expected);
    }
}
