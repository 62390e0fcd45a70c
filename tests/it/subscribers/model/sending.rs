//! Issues in the model's world: laid out, started and finished; and what is stopped meanwhile, and comes again.

use std::collections::BTreeSet;

use postround::domain::{DeliveryState, UtcMillis};
use postround::store::{ClaimedRow, Durability, Mark};

use super::people::{DIGESTS, PEOPLE};
use super::world::World;
use crate::support::household::{execute, text};

/// Where a delivery stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stands {
    Queued,
    /// A pause has stopped it: it comes again when one is ended.
    Paused,
    /// Leaving at that moment has: it comes again when that is undone.
    Left(UtcMillis),
    /// It was started, or stopped for good.
    Over,
}

/// A delivery of an issue.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    pub who: usize,
    pub digest: usize,
    pub issue: usize,
    pub stands: Stands,
}

impl World<'_> {
    /// Stops what is queued to somebody, of a digest or of all.
    pub(super) fn stop(&mut self, who: usize, digest: Option<usize>, stands: Stands) {
        let theirs = |sent: &&mut Sent| sent.who == who && digest.is_none_or(|digest| digest == sent.digest);
        let queued = self.queue.iter_mut().filter(theirs).filter(|sent| sent.stands == Stands::Queued);
        queued.for_each(|sent| sent.stands = stands);
    }

    /// Where there are writers beside each other, whatever is not wanted any more is looked for once again.
    pub(super) fn recall(&mut self, who: usize) {
        let now = self.now();
        let unwanted = (0..DIGESTS.len()).filter(|digest| self.people[who].audience(*digest, now).is_none());
        for digest in unwanted.filter(|_| self.store.store.is_shared()).collect::<Vec<_>>() {
            self.stop(who, Some(digest), Stands::Over);
        }
    }

    /// Queues again what was stopped so, as far as its issue is still being sent.
    pub(super) fn comes_again(&mut self, who: usize, digest: usize, stopped: Stands) {
        let theirs = |sent: &&mut Sent| (sent.who, sent.digest, sent.stands) == (who, digest, stopped);
        let open = self.queue.iter_mut().filter(theirs).filter(|sent| self.open.contains(&sent.issue));
        open.for_each(|sent| sent.stands = Stands::Queued);
    }

    pub(super) async fn lay_out(&mut self, digest: usize) {
        self.issues += 1;
        let (issue, now) = (self.issues, self.now());
        self.open.insert(issue);
        for who in 0..PEOPLE.len() {
            if self.people[who].audience(digest, now).is_none() {
                continue;
            }
            self.queue.push(Sent { who, digest, issue, stands: Stands::Queued });
            let claim = self.claim(who, digest).await.unwrap();
            let token = self.subscribers.tokens().unsubscribe(&claim.subscriber, &claim.digest).as_str().to_owned();
            self.tokens.push((token, claim));
        }
        let sql = format!(
            "insert into issues (public_id, digest, issue_key, state, subject, issue_date, composed_at, layout_after, laid_out_at, recipients)
                 values ('i{issue}', '{1}', 'k{issue}', 'sending', '', '', {0}, 0, {0}, 0);
             insert into deliveries (mail_id, issue_id, kind, digest, subscriber_id, address, name, state, priority, due_at, first_due_at, attempts)
             select m.id, {issue}, 'digest', l.digest, l.subscriber_id, l.email, '', 'queued', 0, {0}, {0}, 0 from mails m, live_subscriptions l
             where l.digest = '{1}' and l.since <= {0}",
            now.0, DIGESTS[digest]
        );
        execute(self.store, &sql).await;
    }

    /// What is queued is what the model says.
    pub(super) async fn check_queue(&self, when: &str) {
        let queued =
            "select lower(s.email) || ' ' || d.issue_id from deliveries d join subscribers s on s.id = d.subscriber_id
             where d.state = 'queued'";
        let queued: BTreeSet<String> = text(self.store, queued).await.lines().map(str::to_owned).collect();
        let expected = self.queue.iter().filter(|sent| sent.stands == Stands::Queued);
        let expected = expected.map(|sent| format!("{} {}", PEOPLE[sent.who], sent.issue));
        assert_eq!(queued, expected.collect::<BTreeSet<_>>(), "{when}: {:#?} {:#?}", self.queue, self.people);
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
        let mut expected = Vec::new();
        for sent in self.queue.iter_mut().filter(|sent| sent.stands == Stands::Queued) {
            sent.stands = Stands::Over;
            if self.people[sent.who].audience(sent.digest, now).is_some() {
                expected.push(format!("{} {}", PEOPLE[sent.who], DIGESTS[sent.digest]));
            }
        }
        started.iter_mut().for_each(|line| line.make_ascii_lowercase());
        started.sort();
        expected.sort();
        assert_eq!(started, expected);
    }

    /// Looks which issues are sent by now: those of which nothing waits.
    pub(super) async fn finish(&mut self) {
        let now = self.now();
        for issue in self.open.clone() {
            let mut session = self.subscribers.store().write(Durability::Full).await.unwrap();
            let finished = session.finish_issue(i64::try_from(issue).unwrap(), now).await.unwrap();
            session.commit().await.unwrap();
            let waits = self.queue.iter().any(|sent| sent.issue == issue && sent.stands == Stands::Queued);
            assert_eq!(finished, !waits, "{issue}: {:#?}", self.queue);
            if finished {
                self.open.remove(&issue);
            }
        }
    }
}
