//! The model: what a person has agreed to, what has come in between, and what they may be mailed for it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use postround::domain::{PublicId, UtcMillis};
use postround::subscribers::{NOTICE_SPACING, NOTICE_WINDOW};

/// Everybody there is.
pub const PEOPLE: [&str; 3] = ["ann@northfold.example", "ben@saltby.example", "cal@elsewhere.example"];
/// The digests, and what one can choose of either.
pub const DIGESTS: [&str; 2] = ["weekly", "jobs"];
/// The topics of a digest, one for each bit.
pub const TOPICS: [&str; 3] = ["features", "interviews", "news"];
/// All topics, later ones included.
pub const ALL: u8 = 0xff;

const DAY: Duration = Duration::from_secs(86_400);

/// Digests, and the topics of each.
pub type Wanted = BTreeMap<usize, u8>;

/// Where a person stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    Unknown,
    Pending,
    Confirmed,
    Left,
    Bounced,
    Complained,
}

/// A suppression. A confirmation lifts the first two; a later one takes no place of one that stands behind it here.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Debug)]
pub enum Bar {
    Erased,
    Bounced,
    Complaint,
    Manual,
}

/// What typing an address must set off.
#[derive(PartialEq, Eq, Debug)]
pub enum Expected {
    Nothing,
    Already,
    Ask(Wanted),
}

/// What a link must do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    Now,
    Already,
    Stale,
    Refused,
}

/// A link that was mailed.
#[derive(Clone, Debug)]
pub struct Link {
    pub token: String,
    pub asked_at: UtcMillis,
    pub choice: Wanted,
    /// The id of whom it was for: it is theirs as long as they are where it was mailed.
    pub owner: PublicId,
}

/// What one gets of a digest.
#[derive(Clone, Copy, Debug)]
pub struct Got {
    pub topics: u8,
    pub paused_until: Option<UtcMillis>,
}

/// One person.
#[derive(Clone, Debug)]
pub struct Person {
    pub standing: Standing,
    /// Whether they have ever confirmed, or something else proves it.
    pub proven: bool,
    /// When they last confirmed this address themselves.
    pub own: Option<UtcMillis>,
    pub gets: BTreeMap<usize, Got>,
    pub left: BTreeMap<usize, UtcMillis>,
    /// What they got of what they have left, as it was then.
    pub had: BTreeMap<usize, Got>,
    /// What can be undone: the digest, and when it was left.
    pub undos: Vec<(usize, UtcMillis)>,
    /// When they asked for another address.
    pub moves: Vec<UtcMillis>,
    /// When they came from another inbox.
    pub moved_at: UtcMillis,
    pub gone_at: UtcMillis,
    /// When they last left everything at once: what was asked for before counts no more.
    pub left_all_at: UtcMillis,
    pub bar: Option<(Bar, UtcMillis)>,
    pub links: Vec<Link>,
    pub used: BTreeSet<UtcMillis>,
    pub asked_at: UtcMillis,
    pub reminded: bool,
    pub mails: Vec<UtcMillis>,
}

impl Person {
    pub fn new() -> Self {
        Self {
            standing: Standing::Unknown,
            proven: false,
            own: None,
            gets: BTreeMap::new(),
            left: BTreeMap::new(),
            had: BTreeMap::new(),
            undos: Vec::new(),
            moves: Vec::new(),
            moved_at: UtcMillis(0),
            gone_at: UtcMillis(0),
            left_all_at: UtcMillis(0),
            bar: None,
            links: Vec::new(),
            used: BTreeSet::new(),
            asked_at: UtcMillis(0),
            reminded: false,
            mails: Vec::new(),
        }
    }

    /// Whether nothing that a link can do brings them back.
    pub fn is_barred(&self) -> bool {
        self.standing == Standing::Complained || self.bar.is_some_and(|(bar, _)| bar >= Bar::Complaint)
    }

    fn is_served(&self) -> bool {
        self.standing == Standing::Confirmed && self.bar.is_none()
    }

    /// Whether a digest goes to them now, and which topics of it.
    pub fn audience(&self, digest: usize, now: UtcMillis) -> Option<u8> {
        let got = self.gets.get(&digest).filter(|_| self.is_served())?;
        got.paused_until.is_none_or(|until| until <= now).then_some(got.topics)
    }

    /// Whether a stranger may set off one more mail.
    pub fn may_be_mailed(&self, now: UtcMillis) -> bool {
        let rested = self.mails.last().is_none_or(|last| *last <= now.minus(NOTICE_SPACING));
        rested && self.mails.iter().rev().nth(2).is_none_or(|third| *third <= now.minus(NOTICE_WINDOW))
    }

    /// Somebody types the address; `elsewhere`: whoever had it before complained at the one that they have now.
    pub fn join(&mut self, wanted: &Wanted, elsewhere: bool, now: UtcMillis) -> Expected {
        if !self.may_be_mailed(now) {
            return Expected::Nothing;
        }
        self.mails.push(now);
        if self.is_barred() || elsewhere {
            return Expected::Nothing;
        }
        let more: Wanted = match self.is_served() {
            false => wanted.clone(),
            true => {
                wanted.iter().filter_map(|(digest, topics)| Some((*digest, self.beyond(*digest, *topics)?))).collect()
            }
        };
        if more.is_empty() {
            return Expected::Already;
        }
        if self.standing == Standing::Unknown {
            self.standing = Standing::Pending;
            self.gets = fresh(&more);
        }
        self.asked_at = now;
        Expected::Ask(more)
    }

    /// What of these topics they do not get.
    fn beyond(&self, digest: usize, topics: u8) -> Option<u8> {
        let have = self.gets.get(&digest).map_or(0, |got| got.topics);
        match have & topics == topics {
            true => None,
            false if topics == ALL => Some(ALL),
            false => Some(topics & !have),
        }
    }

    pub fn confirm(&mut self, link: &Link, now: UtcMillis) -> Verdict {
        if self.is_barred() {
            return Verdict::Refused;
        }
        let (used, no_since) = (self.used.contains(&link.asked_at), self.left_all_at >= link.asked_at);
        let gone = match self.standing {
            Standing::Left => used || no_since,
            Standing::Bounced => self.gone_at >= link.asked_at,
            _ => false,
        };
        if gone || self.bar.is_some_and(|(_, at)| at >= link.asked_at) {
            return Verdict::Stale;
        }
        let stands = |digest: &usize| self.left.get(digest).is_none_or(|left| *left < link.asked_at);
        let agreed: Wanted = link.choice.clone().into_iter().filter(|(digest, _)| stands(digest)).collect();
        if agreed.is_empty() {
            return Verdict::Stale;
        }
        let nothing_new = link.choice.iter().all(|(digest, topics)| self.beyond(*digest, *topics).is_none());
        if self.is_served() && (nothing_new || used) {
            return Verdict::Already;
        }
        if no_since {
            return Verdict::Stale;
        }
        if !self.is_served() {
            self.gets.clear();
        }
        for (digest, topics) in agreed {
            self.left.remove(&digest);
            self.gets.entry(digest).or_insert(Got { topics, paused_until: None }).topics |= topics;
        }
        (self.standing, self.proven, self.own) = (Standing::Confirmed, true, Some(now));
        self.bar = None;
        self.used.insert(link.asked_at);
        Verdict::Now
    }

    pub fn leave(&mut self, digest: usize, now: UtcMillis) {
        if let Some(got) = self.gets.remove(&digest) {
            self.left.insert(digest, now);
            self.had.insert(digest, got);
        }
        if self.standing == Standing::Confirmed && self.gets.is_empty() {
            (self.standing, self.gone_at) = (Standing::Left, now);
        }
    }

    pub fn evidence(&mut self, wanted: &Wanted) {
        if self.is_barred() || self.bar.is_some() || matches!(self.standing, Standing::Left | Standing::Bounced) {
            return;
        }
        if self.standing != Standing::Confirmed {
            self.gets.clear();
        }
        let taken: Vec<_> = wanted.iter().filter(|(digest, _)| !self.left.contains_key(digest)).collect();
        for (digest, topics) in taken {
            self.gets.entry(*digest).or_insert(Got { topics: *topics, paused_until: None }).topics |= topics;
            (self.standing, self.proven) = (Standing::Confirmed, true);
        }
    }

    /// A file has them in that state, and names what they want, or does not.
    pub fn import(&mut self, state: Standing, named: Option<&Wanted>, now: UtcMillis) {
        let all = Wanted::from_iter((0..DIGESTS.len()).map(|digest| (digest, ALL)));
        let known = self.standing != Standing::Unknown;
        if !known && self.bar.is_some() {
            // A complaint is kept even of somebody of whom nothing else is.
            if state == Standing::Complained {
                self.suppress(Bar::Complaint, now);
            }
            return;
        }
        let wanted = named.unwrap_or(&all);
        if !known {
            self.asked_at = now;
        }
        if state == Standing::Confirmed {
            let pending = self.standing == Standing::Pending && self.bar.is_none();
            if pending {
                self.gets.clear();
            }
            // Whoever is confirmed gets no more than they chose, unless the file names it.
            let may = !known || pending || self.is_served() && named.is_some();
            let taken = wanted.iter().filter(|(digest, _)| may && !self.left.contains_key(digest));
            for (digest, topics) in taken {
                self.gets.entry(*digest).or_insert(Got { topics: *topics, paused_until: None });
                (self.standing, self.proven) = (state, true);
            }
            return;
        }
        if known && strictness(state) <= strictness(self.standing) {
            return;
        }
        if !known {
            self.gets = fresh(wanted);
        }
        (self.standing, self.gone_at) = (state, now);
        if state == Standing::Left {
            self.leave_all(now);
            self.left_all_at = now;
        }
    }

    fn leave_all(&mut self, now: UtcMillis) {
        let gets = std::mem::take(&mut self.gets);
        self.left.extend(gets.keys().map(|digest| (*digest, now)));
        self.had.extend(gets);
    }

    /// A suppression that weighs more than what there is.
    pub fn suppress(&mut self, bar: Bar, now: UtcMillis) {
        if self.bar.is_none_or(|(before, _)| before < bar) {
            self.bar = Some((bar, now));
        }
    }

    /// An operator lifts whatever suppression there is; a complaint has been a leaving of everything then, and the end of
    /// whatever could be undone.
    pub fn lift(&mut self, now: UtcMillis) {
        let reported = self.standing == Standing::Complained || self.bar.is_some_and(|(bar, _)| bar == Bar::Complaint);
        self.bar = None;
        if reported && self.standing != Standing::Unknown {
            (self.standing, self.gone_at, self.left_all_at) = (Standing::Left, now, now);
            self.leave_all(now);
            self.left.values_mut().for_each(|left| *left = now);
        }
    }

    /// Nothing is kept but that they must not be mailed.
    pub fn erase(&mut self, now: UtcMillis) {
        if self.standing == Standing::Unknown {
            return;
        }
        self.bar_erased(self.standing == Standing::Complained, now);
        self.vanish();
    }

    /// What stays of an address of somebody who is erased; nothing that weighs more gives way to it.
    pub fn bar_erased(&mut self, complained: bool, now: UtcMillis) {
        if !self.bar.is_some_and(|(bar, _)| bar >= Bar::Complaint) {
            self.bar = Some((if complained { Bar::Complaint } else { Bar::Erased }, now));
        }
    }

    pub fn bounce(&mut self, now: UtcMillis) {
        self.suppress(Bar::Bounced, now);
        if matches!(self.standing, Standing::Pending | Standing::Confirmed) {
            (self.standing, self.gone_at) = (Standing::Bounced, now);
        }
    }

    /// A reminder has gone out; says whether it may.
    pub fn remind(&mut self, asked_at: UtcMillis, now: UtcMillis) -> bool {
        let due = asked_at <= now.minus(DAY) && asked_at > now.minus(7 * DAY);
        let may = self.standing == Standing::Pending && self.bar.is_none() && !self.reminded && self.may_be_mailed(now);
        self.reminded = true;
        self.mails.push(now);
        due && may
    }

    /// Whether they have never confirmed, and it is forgotten that they asked.
    pub fn is_forgotten(&self, now: UtcMillis) -> bool {
        // That an address is dead is not forgotten where nothing else says it.
        let bounced = self.standing == Standing::Bounced && !self.proven && self.bar.is_some();
        (self.standing == Standing::Pending || bounced) && self.asked_at <= now.minus(30 * DAY)
    }

    /// Nothing is known of them any more but that they must not be mailed, and what was mailed there.
    pub fn vanish(&mut self) {
        let (bar, links, mails) = (self.bar, std::mem::take(&mut self.links), std::mem::take(&mut self.mails));
        *self = Self { links, bar, mails, ..Self::new() };
    }
}

fn fresh(wanted: &Wanted) -> BTreeMap<usize, Got> {
    wanted.iter().map(|(digest, topics)| (*digest, Got { topics: *topics, paused_until: None })).collect()
}

fn strictness(standing: Standing) -> u8 {
    match standing {
        Standing::Unknown | Standing::Confirmed => 0,
        Standing::Pending => 1,
        Standing::Left => 2,
        Standing::Bounced => 3,
        Standing::Complained => 4,
    }
}
