//! Ways back in the model's world: undoing, taking up a digest by the link to everything, and the link that was lost.

use postround::domain::UtcMillis;
use postround::subscribers::{
    Keys, NOTICE_WINDOW, NoticeKind, Origin, PersonalClaim, Taken, TokenError, UNDO_LIFETIME, Undone,
};

use super::people::{ALL, DIGESTS, Expected, Got, PEOPLE, Person, Standing, Wanted};
use super::sending::Stands;
use super::world::World;
use crate::support::household::{Asked, address, everything};

/// What the page for a lost link must set off.
pub enum Lost {
    Nothing,
    Link,
    Ask(Wanted),
}

impl Person {
    /// Whether they are mailed the link to everything.
    pub fn may_have_link(&self) -> bool {
        self.bar.is_none() && matches!(self.standing, Standing::Confirmed | Standing::Left)
    }

    fn undo(&mut self, digest: usize, at: UtcMillis, elsewhere: bool, now: UtcMillis) -> Undone {
        if elsewhere || self.bar.is_some() || !matches!(self.standing, Standing::Confirmed | Standing::Left) {
            return Undone::Refused;
        }
        let then: Vec<usize> = self.left.iter().filter(|(_, left)| **left == at).map(|(digest, _)| *digest).collect();
        if then.is_empty() {
            return if self.left.contains_key(&digest) { Undone::LeftAgain } else { Undone::Already };
        }
        if self.standing == Standing::Left {
            self.gets.clear();
            if self.left_all_at >= at {
                self.left_all_at = UtcMillis(0);
            }
        }
        self.standing = Standing::Confirmed;
        for digest in &then {
            let had = self.had[digest];
            self.left.remove(digest);
            self.gets.insert(*digest, Got { paused_until: had.paused_until.filter(|until| *until > now), ..had });
        }
        Undone::Now(then.into_iter().map(|digest| DIGESTS[digest].to_owned()).collect())
    }

    fn take_up(&mut self, digest: usize, elsewhere: bool, now: UtcMillis) -> Taken {
        if elsewhere || !self.may_have_link() {
            return Taken::Refused;
        }
        if self.standing == Standing::Confirmed && self.gets.contains_key(&digest) {
            return Taken::Already;
        }
        if self.standing == Standing::Left {
            self.gets.clear();
        }
        (self.standing, self.proven, self.own) = (Standing::Confirmed, true, Some(now));
        self.left.remove(&digest);
        self.gets.insert(digest, Got { topics: ALL, paused_until: None });
        Taken::Now
    }

    fn lose_link(&mut self, elsewhere: bool, now: UtcMillis) -> Lost {
        if !self.may_be_mailed(now) {
            return Lost::Nothing;
        }
        self.mails.push(now);
        if elsewhere {
            return Lost::Nothing;
        }
        if self.may_have_link() {
            return Lost::Link;
        }
        if self.standing != Standing::Pending || self.bar.is_some() {
            return Lost::Nothing;
        }
        self.asked_at = now;
        Lost::Ask(self.gets.iter().map(|(digest, got)| (*digest, got.topics)).collect())
    }
}

impl World<'_> {
    /// A link to everything that was made for whoever is there now.
    pub(super) async fn manage(&self, who: usize) -> Option<PersonalClaim> {
        let keys = Keys::read(&self.store.folder.path().join("keys")).unwrap().unwrap();
        let (tokens, hash) = (self.subscribers.tokens(), keys.address_hash(&address(PEOPLE[who])));
        let token = tokens.manage(&self.id(who).await?, &hash, DIGESTS[0], self.now());
        Some(tokens.verify_manage(token.as_str(), self.now()).unwrap())
    }

    pub(super) async fn undo(&mut self, who: usize, back: usize) {
        let now = self.now();
        let Some((digest, at)) = self.people[who].undos.iter().rev().nth(back).copied() else { return };
        let keys = Keys::read(&self.store.folder.path().join("keys")).unwrap().unwrap();
        let (tokens, hash) = (self.subscribers.tokens(), keys.address_hash(&address(PEOPLE[who])));
        let token = tokens.undo(&self.id(who).await.unwrap(), &hash, DIGESTS[digest], at);
        let claim = match tokens.verify_undo(token.as_str(), now) {
            Err(error) => {
                assert_eq!(error, TokenError::Expired);
                assert!(at.plus(UNDO_LIFETIME) <= now);
                return;
            }
            Ok(claim) => claim,
        };
        let before = everything(self.store).await;
        let would = match self.subscribers.would_undo(&claim).await.unwrap() {
            Undone::Barred(_) => Undone::Refused,
            would => would,
        };
        assert_eq!(everything(self.store).await, before, "a look at the page changes nothing");
        let undone = self.subscribers.undo(&claim, "Undo", Origin::PAGE).await.unwrap();
        assert_eq!(undone, would);
        let elsewhere = self.said_no_elsewhere(who);
        let expected = self.people[who].undo(digest, at, elsewhere, now);
        if let Undone::Now(digests) = &expected {
            for digest in (0..DIGESTS.len()).filter(|digest| digests.iter().any(|id| id == DIGESTS[*digest])) {
                if self.people[who].gets[&digest].paused_until.is_none() {
                    self.comes_again(who, digest, Stands::Left(at));
                }
            }
        }
        self.prove(who);
        assert_eq!(sorted(undone), sorted(expected), "{:#?}", self.people[who]);
    }

    pub(super) async fn take_up(&mut self, who: usize, digest: usize) {
        let Some(claim) = self.manage(who).await else { return };
        let taken = self.subscribers.take_up(&claim, DIGESTS[digest], "Subscribe", Origin::PAGE).await.unwrap();
        let (elsewhere, now) = (self.said_no_elsewhere(who), self.now());
        assert_eq!(taken, self.people[who].take_up(digest, elsewhere, now), "{:#?}", self.people[who]);
        self.prove(who);
    }

    pub(super) async fn lose_link(&mut self, who: usize) {
        let (asked, now) = (Asked::default(), self.now());
        self.subscribers.mail_lost_link(&address(PEOPLE[who]), Origin::PAGE, &asked).await.unwrap();
        let elsewhere = self.said_no_elsewhere(who);
        match self.people[who].lose_link(elsewhere, now) {
            Lost::Nothing => self.expect(who, &Expected::Nothing, asked).await,
            Lost::Ask(wanted) => self.expect(who, &Expected::Ask(wanted), asked).await,
            Lost::Link => {
                let mails = asked.0.into_inner().unwrap();
                assert!(
                    matches!(&mails[..], [mail] if matches!(mail.kind, NoticeKind::ManageLink { .. })),
                    "{mails:?}"
                );
            }
        }
        let week = self.people[who].mails.iter().filter(|at| **at > now.minus(NOTICE_WINDOW)).count();
        assert!(week <= 3, "{week} mails within a week");
    }
}

fn sorted(undone: Undone) -> Undone {
    match undone {
        Undone::Now(mut digests) => {
            digests.sort();
            Undone::Now(digests)
        }
        other => other,
    }
}
