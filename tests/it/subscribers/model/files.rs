//! Files in the model's world: rows as our own export writes them, and lists of addresses that must not be mailed.

use std::collections::BTreeMap;
use std::time::Duration;

use postround::domain::UtcMillis;
use postround::subscribers::{Import, ImportBasis, Origin, SuppressionReason};

use super::people::{ALL, Bar, DIGESTS, Got, PEOPLE, Person, Standing, TOPICS};
use super::sending::Stands;
use super::words::wanted;
use super::world::World;
use crate::support::household::Asked;

const DAY: Duration = Duration::from_secs(86_400);

/// How long ago old things in files were.
const LONG: Duration = Duration::from_secs(20 * 86_400);

/// What a row has of a digest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Had {
    Nothing,
    Active,
    Left,
    /// For so many days from now on.
    Paused(u32),
}

impl Had {
    /// What they get by it; nothing where they left.
    fn got(self, now: UtcMillis) -> Option<Got> {
        match self {
            Self::Nothing | Self::Left => None,
            Self::Active => Some(Got { topics: ALL, paused_until: None }),
            Self::Paused(days) => Some(Got { topics: ALL, paused_until: Some(now.plus(DAY * days)) }),
        }
    }
}

impl Person {
    /// A row has them so. Says what is stopped.
    fn take_over(&mut self, rows: &BTreeMap<usize, Had>, suppresses: bool, now: UtcMillis) -> Vec<(usize, Stands)> {
        let mut stopped = Vec::new();
        match self.standing {
            Standing::Unknown => self.asked_at = now,
            // What they seem to want may be a stranger's wish.
            Standing::Pending => self.gets.clear(),
            Standing::Confirmed => {}
            Standing::Left | Standing::Bounced | Standing::Complained => return stopped,
        }
        if suppresses {
            stopped.extend(self.gets.keys().chain(self.left.keys()).map(|digest| (*digest, Stands::Over)));
        }
        for (digest, had) in rows.iter().filter(|(digest, _)| !self.left.contains_key(digest)).collect::<Vec<_>>() {
            match (self.gets.get_mut(digest), had.got(now)) {
                (None, Some(got)) => drop(self.gets.insert(*digest, got)),
                (None, None) => self.leaves(*digest, now),
                (Some(_), None) => {
                    self.leaves(*digest, now);
                    stopped.push((*digest, Stands::Over));
                }
                (Some(have), Some(got)) if got.paused_until > have.paused_until.max(Some(now)) => {
                    have.paused_until = got.paused_until;
                    stopped.insert(0, (*digest, Stands::Paused));
                }
                (Some(_), Some(_)) => {}
            }
        }
        (self.standing, self.proven) = (Standing::Confirmed, true);
        if self.gets.is_empty() {
            (self.standing, self.gone_at, self.left_all_at) = (Standing::Left, now, now);
        }
        stopped
    }

    fn leaves(&mut self, digest: usize, now: UtcMillis) {
        let had = self.gets.remove(&digest).unwrap_or(Got { topics: ALL, paused_until: None });
        self.left.insert(digest, now);
        self.had.insert(digest, had);
    }

    /// Whether they have confirmed the address since, which lifts such a suppression.
    fn has_lifted(&self, bar: Bar, since: UtcMillis) -> bool {
        bar < Bar::Complaint && self.own.is_some_and(|at| since < at)
    }

    fn weighs_more(&self, bar: Bar) -> bool {
        self.bar.is_none_or(|(before, _)| before < bar)
    }
}

fn reason(bar: Bar) -> SuppressionReason {
    match bar {
        Bar::Erased => SuppressionReason::Erased,
        Bar::Bounced => SuppressionReason::Bounced,
        Bar::Complaint => SuppressionReason::Complaint,
        Bar::Manual => SuppressionReason::Manual,
    }
}

impl World<'_> {
    /// A file has them in that state, and names what they want, or does not.
    pub(super) async fn import(&mut self, who: usize, state: usize, digests: u8, topics: u8) {
        let (word, state) = [
            ("confirmed", Standing::Confirmed),
            ("unsubscribed", Standing::Left),
            ("bounced", Standing::Bounced),
            ("complained", Standing::Complained),
        ][state];
        let path = self.store.folder.path().join("people.csv");
        // The topics are those of the first digest.
        let topics = if digests > 1 { 0 } else { topics };
        let named = match (digests, topics) {
            (0, 0) => None,
            (digests, 0) => Some(wanted(digests, 0)),
            (_, topics) => Some(wanted(1, topics)),
        };
        let bits = |names: &[&str], bits: u8| {
            let named = names.iter().enumerate().filter(|(bit, _)| bits & (1 << bit) != 0);
            named.map(|(_, name)| *name).collect::<Vec<_>>().join(";")
        };
        let (digests, topics) = (bits(&DIGESTS, digests), bits(&TOPICS, topics));
        let file = format!("email,state,digests,topics\n{},{word},{digests},{topics}\n", PEOPLE[who]);
        std::fs::write(&path, file).unwrap();
        let import = Import::new(&path, ImportBasis::Confirmed("an old list"));
        self.subscribers.import(&import, &Asked::default(), |_, _| {}).await.unwrap();
        let mere = matches!(self.people[who].standing, Standing::Unknown | Standing::Pending);
        let meant = mere || state != Standing::Confirmed;
        if let Some(home) = self.moved_from(who).filter(|_| meant) {
            return self.import_moved(who, home, state);
        }
        let (now, before) = (self.now(), self.people[who].standing);
        self.people[who].import(state, named.as_ref(), now);
        if self.people[who].standing != before && state != Standing::Confirmed {
            self.stop(who, None, Stands::Over);
        }
    }

    /// A row of our own export, of somebody who was confirmed there, and may have been suppressed long ago.
    pub(super) async fn import_export(&mut self, who: usize, digests: [Had; 2], mark: Option<Bar>) {
        let (now, long_ago) = (self.now(), self.now().minus(LONG));
        let rows: BTreeMap<usize, Had> =
            digests.into_iter().enumerate().filter(|(_, had)| *had != Had::Nothing).collect();
        if rows.values().all(|had| *had == Had::Left) {
            return;
        }
        let one = |(digest, had): (&usize, &Had)| match had.got(now) {
            None => format!("{}=* left", DIGESTS[*digest]),
            Some(Got { paused_until: Some(until), .. }) => format!("{}=* paused until={until}", DIGESTS[*digest]),
            Some(_) => format!("{}=*", DIGESTS[*digest]),
        };
        let subscriptions = rows.iter().map(one).collect::<Vec<_>>().join("; ");
        let suppressed = mark.map(|bar| format!("{} {long_ago}", reason(bar).as_str())).unwrap_or_default();
        let file =
            format!("email,state,subscriptions,suppressed\n{},confirmed,{subscriptions},{suppressed}\n", PEOPLE[who]);
        let path = self.store.folder.path().join("people.csv");
        std::fs::write(&path, file).unwrap();
        let import = Import::new(&path, ImportBasis::Confirmed("an export"));
        self.subscribers.import(&import, &Asked::default(), |_, _| {}).await.unwrap();

        let mere = matches!(self.people[who].standing, Standing::Unknown | Standing::Pending);
        let home = self.moved_from(who).filter(|_| mere);
        let before = self.people[who].bar;
        let here = &mut self.people[who];
        let suppresses = mark.filter(|bar| here.weighs_more(*bar) && !here.has_lifted(*bar, long_ago));
        if let Some(bar) = suppresses {
            here.bar = Some((bar, long_ago));
        }
        let stopped = match (home, before) {
            (None, None) => here.take_over(&rows, suppresses.is_some(), now),
            _ => Vec::new(),
        };
        if suppresses.is_some() || !stopped.is_empty() {
            stopped.into_iter().for_each(|(digest, stands)| self.stop(who, Some(digest), stands));
            self.recall(who);
        }
        // A no for good is for both.
        if let (Some(home), Some(bar)) = (home, mark.filter(|bar| *bar >= Bar::Complaint))
            && self.people[home].weighs_more(bar)
        {
            self.people[home].bar = Some((bar, long_ago));
            self.recall(home);
        }
    }

    /// A list has the address, for that reason, and may say since when.
    pub(super) async fn list(&mut self, who: usize, bar: Bar, old: bool) {
        let (now, long_ago) = (self.now(), self.now().minus(LONG));
        let since = if old { long_ago.to_string() } else { String::new() };
        let path = self.store.folder.path().join("list.csv");
        std::fs::write(&path, format!("email,reason,since\n{},{},{since}\n", PEOPLE[who], reason(bar).as_str()))
            .unwrap();
        let import = Import::new(&path, ImportBasis::Rows);
        let manual = SuppressionReason::Manual;
        self.subscribers.import_suppressions(&import, manual, "", Origin::COMMAND_LINE).await.unwrap();

        let here = &self.people[who];
        let lifted = old && here.has_lifted(bar, long_ago);
        if bar < Bar::Complaint && (lifted || !here.weighs_more(bar)) {
            return;
        }
        let elsewhere = self.moved_from(who).filter(|_| bar >= Bar::Complaint);
        for who in elsewhere.into_iter().chain([who]) {
            let person = &mut self.people[who];
            person.suppress(bar, if old { long_ago } else { now });
            match (bar, person.standing) {
                (_, Standing::Unknown | Standing::Complained) => {}
                (Bar::Complaint, _) => (person.standing, person.gone_at) = (Standing::Complained, now),
                (Bar::Bounced, Standing::Pending | Standing::Confirmed) => {
                    (person.standing, person.gone_at) = (Standing::Bounced, now);
                }
                _ => {}
            }
            self.stop(who, None, Stands::Over);
        }
    }
}
