//! Changes of address in the model's world: everybody's mails may go to another inbox.

use std::collections::BTreeSet;

use postround::domain::{PublicId, UtcMillis};
use postround::subscribers::{
    ADDRESSES, ADDRESSES_WINDOW, CHANGE_LIFETIME, ChangeAsked, Changed, NoticeKind, Origin, TokenError,
};

use super::people::{Bar, Expected, PEOPLE, Person, Standing, Wanted};
use super::sending::Stands;
use super::world::World;
use crate::support::household::{Asked, address, everything};

/// A link that was mailed to a new address.
#[derive(Clone, Debug)]
pub struct Move {
    token: String,
    /// The id of who asked.
    id: PublicId,
    from: usize,
    to: usize,
    at: UtcMillis,
}

impl World<'_> {
    /// Somebody asks for an inbox further on, by the link to everything.
    pub(super) async fn ask_move(&mut self, from: usize, on: usize) {
        let (to, now) = ((from + on) % PEOPLE.len(), self.now());
        let Some(claim) = self.manage(from).await.filter(|_| self.people[from].may_have_link()) else { return };
        let asked = Asked::default();
        let new = address(PEOPLE[to]);
        let answer = self.subscribers.ask_address_change(&claim, &new, Origin::PAGE, &asked).await.unwrap();
        let mails = asked.0.into_inner().unwrap();
        let day = self.people[from].moves.iter().filter(|at| **at > now.minus(ADDRESSES_WINDOW)).count();
        if day >= ADDRESSES {
            assert!(answer == ChangeAsked::TooOften && mails.is_empty(), "{answer:?} {mails:?}");
            return;
        }
        assert_eq!(answer, ChangeAsked::Asked);
        self.people[from].moves.push(now);
        let granted = self.people[to].may_be_mailed(now);
        if granted {
            self.people[to].mails.push(now);
        }
        let barred = self.people[to].bar.is_some() || self.people[to].standing == Standing::Complained;
        let silent = !granted || barred || self.said_no_elsewhere(to);
        match (&mails[..], silent, self.people[to].standing) {
            ([], true, _) => {}
            ([mail], false, Standing::Confirmed) => {
                assert!(matches!(mail.kind, NoticeKind::AddressTaken), "{mail:?}");
            }
            ([mail], false, _) => {
                let NoticeKind::ChangeAddress { link, .. } = &mail.kind else { panic!("{mail:?}") };
                let token = link.0.rsplit('/').next().unwrap().to_owned();
                let id = claim.subscriber.clone();
                self.homes.insert(id.clone(), from);
                self.moves.push(Move { token, id, from, to, at: now });
            }
            _ => panic!("{mails:?} {:#?}", self.people[to]),
        }
    }

    /// The button behind one of the links that were mailed to a new address.
    pub(super) async fn follow_move(&mut self, link: usize) {
        let Some(change) = self.moves.iter().rev().nth(link).cloned() else { return };
        let claim = match self.subscribers.tokens().verify_change(&change.token, self.now()) {
            Err(error) => {
                assert_eq!(error, TokenError::Expired);
                assert!(change.at.plus(CHANGE_LIFETIME) <= self.now());
                return;
            }
            Ok(claim) => claim,
        };
        let expected = self.expected_of(&change);
        let before = everything(self.store).await;
        assert_eq!(self.subscribers.would_change(&claim).await.unwrap(), expected, "{change:?} {:#?}", self.people);
        assert_eq!(everything(self.store).await, before, "a look at the page changes nothing");
        let changed = self.subscribers.change_address(&claim, "Yes?", Origin::PAGE, &Asked::default()).await.unwrap();
        assert_eq!(changed, expected, "{change:?} {:#?}", self.people);
        if changed == Changed::Now {
            self.moved(change.from, change.to);
        }
    }

    fn expected_of(&self, change: &Move) -> Changed {
        let (from, to) = (&self.people[change.from], &self.people[change.to]);
        match self.homes.get(&change.id) {
            Some(home) if *home == change.to => Changed::Already,
            // By now they have a third one, to which the link is not bound.
            Some(home) if *home != change.from => Changed::Stale,
            Some(_) if from.moved_at >= change.at => Changed::Stale,
            Some(_) if self.said_no_elsewhere(change.to) => Changed::Stale,
            Some(_) if from.is_barred() || to.bar.is_some() => Changed::Stale,
            Some(_) if matches!(to.standing, Standing::Confirmed | Standing::Complained) => Changed::Stale,
            Some(_) => Changed::Now,
            None => Changed::Stale,
        }
    }

    /// Whoever was at `to` is one with them now; each inbox keeps how many mails it had, and what it must not be mailed for.
    fn moved(&mut self, from: usize, to: usize) {
        let now = self.now();
        let mover = std::mem::replace(&mut self.people[from], Person::new());
        let other = std::mem::replace(&mut self.people[to], Person::new());
        let (links, mails, bar) = (mover.links, mover.mails.clone(), mover.bar);
        self.people[from] = Person { links, mails, bar, ..Person::new() };
        let gone = matches!(mover.standing, Standing::Left | Standing::Bounced);
        // What was left at either is left, when it was left last.
        let (mut left, mut had) = (mover.left, mover.had);
        for (digest, at) in other.left.into_iter().filter(|(digest, _)| !mover.gets.contains_key(digest)) {
            left.entry(digest).and_modify(|before| *before = at.max(*before)).or_insert(at);
            had.entry(digest).or_insert(other.had[&digest]);
        }
        self.people[to] = Person {
            standing: mover.standing,
            proven: mover.proven,
            gets: mover.gets,
            left,
            had,
            undos: other.undos,
            moves: mover.moves.into_iter().chain(other.moves).collect(),
            moved_at: now,
            gone_at: if gone { now } else { mover.gone_at },
            left_all_at: mover.left_all_at.max(other.left_all_at),
            bar: None,
            own: Some(now),
            links: other.links,
            used: mover.used.into_iter().chain(other.used).collect(),
            asked_at: mover.asked_at,
            reminded: mover.reminded,
            mails: other.mails,
        };
        self.homes.values_mut().filter(|home| **home == from).for_each(|home| *home = to);
        self.departed.insert(from);
        self.former.iter_mut().filter(|home| **home == Some(from)).for_each(|home| *home = Some(to));
        (self.former[from], self.former[to]) = (Some(to), None);
        // Of an issue that both had, one delivery is theirs.
        self.stop(to, None, Stands::Over);
        let had: BTreeSet<usize> = self.queue.iter().filter(|sent| sent.who == from).map(|sent| sent.issue).collect();
        self.queue.retain(|sent| sent.who != to || !had.contains(&sent.issue));
        self.queue.iter_mut().filter(|sent| sent.who == from).for_each(|sent| sent.who = to);
    }

    /// What typing the address of an inbox must set off.
    pub(super) fn joins(&mut self, who: usize, wanted: &Wanted) -> Expected {
        let (now, elsewhere) = (self.now(), self.said_no_elsewhere(who));
        self.people[who].join(wanted, elsewhere, now)
    }

    /// Whether whoever had that inbox before has said no for good at the one that they have now.
    pub(super) fn said_no_elsewhere(&self, who: usize) -> bool {
        self.moved_from(who).is_some_and(|home| self.people[home].is_barred())
    }

    /// An inbox that somebody has confirmed is theirs alone.
    pub(super) fn prove(&mut self, who: usize) {
        if self.people[who].standing == Standing::Confirmed {
            self.former[who] = None;
        }
    }

    /// Whoever had that inbox before is meant by a no for good from there as well, as long as nobody has confirmed it since.
    pub(super) fn shut_elsewhere(&mut self, who: usize, bar: Bar) {
        let now = self.now();
        let Some(home) = self.moved_from(who) else { return };
        if bar == Bar::Complaint {
            self.people[home].standing = Standing::Complained;
        }
        self.people[home].suppress(bar, now);
        self.stop(home, None, Stands::Over);
    }

    /// Where whoever had that inbox before is now, as long as nobody has confirmed it since.
    pub(super) fn moved_from(&self, who: usize) -> Option<usize> {
        let unproven = self.people[who].standing != Standing::Confirmed;
        self.former[who].filter(|_| unproven)
    }

    /// A file has somebody by the inbox `who`, which they had before: that they left, or complained, they have said.
    pub(super) fn import_moved(&mut self, who: usize, home: usize, state: Standing) {
        let (now, before) = (self.now(), self.people[home].standing);
        let here = &mut self.people[who];
        if state == Standing::Complained && here.standing == Standing::Unknown && here.bar.is_some() {
            here.suppress(Bar::Complaint, now);
        }
        // The no is that of whoever has asked for it as well.
        if here.standing != Standing::Unknown && state != Standing::Confirmed {
            here.import(state, None, now);
        }
        if matches!(state, Standing::Left | Standing::Complained) {
            self.people[home].import(state, None, now);
        }
        if self.people[home].standing != before {
            self.stop(home, None, Stands::Over);
        }
    }

    /// Whoever is at `who` is erased, and comes back by none of the inboxes that they had before. Whatever is asked for at one
    /// of them goes with them.
    pub(super) fn erase(&mut self, who: usize) {
        let now = self.now();
        let askers = (0..PEOPLE.len()).filter(|asker| self.former[*asker] == Some(who));
        let askers: Vec<usize> = askers.filter(|asker| self.people[*asker].standing != Standing::Confirmed).collect();
        askers.into_iter().for_each(|asker| self.erase_one(asker, now));
        self.erase_one(who, now);
    }

    fn erase_one(&mut self, who: usize, now: UtcMillis) {
        if self.people[who].standing == Standing::Unknown {
            return;
        }
        let complained = self.people[who].standing == Standing::Complained;
        self.people[who].erase(now);
        self.vanished(who);
        for (inbox, home) in self.former.iter_mut().enumerate().filter(|(_, home)| **home == Some(who)) {
            *home = None;
            self.people[inbox].bar_erased(complained, now);
        }
    }

    /// Nobody is known at `who` any more.
    pub(super) fn vanished(&mut self, who: usize) {
        self.homes.retain(|_, home| *home != who);
        self.queue.retain(|sent| sent.who != who);
    }
}
