//! Takes each step on a real store and on the model, and compares.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use postround::domain::{PublicId, SystemRandom, UtcMillis};
use postround::subscribers::{
    AskedAgain, Confirmed, DigestClaim, Erased, JoinRequest, Keys, Leave, NewSubscriber, Notice, NoticeKind, Origin,
    Subscribers, SuppressionReason, TokenError,
};

use super::Step;
use super::moving::Move;
use super::people::{Bar, DIGESTS, Expected, Link, PEOPLE, Person, Standing, Verdict, Wanted};
use super::sending::{Sent, Stands};
use super::words::{choice, or_all, state, topics, wanted};
use crate::support::household::{Asked, address, everything, execute, subscribers_with, text, traces};
use crate::support::{TestClock, TestStore};

const DAY: Duration = Duration::from_secs(86_400);

/// A store, and what the model says of it.
pub struct World<'a> {
    pub(super) store: &'a TestStore,
    pub(super) subscribers: Subscribers,
    pub clock: Arc<TestClock>,
    pub(super) people: Vec<Person>,
    /// Every delivery of an issue.
    pub(super) queue: Vec<Sent>,
    /// How many issues there have been, and which of them are being sent.
    pub(super) issues: usize,
    pub(super) open: BTreeSet<usize>,
    /// Unsubscribe tokens that went out, ever.
    pub(super) tokens: Vec<(String, DigestClaim)>,
    /// Links that were mailed to a new address.
    pub(super) moves: Vec<Move>,
    /// Where whoever was mailed a link is now, by their id.
    pub(super) homes: BTreeMap<PublicId, usize>,
    /// Inboxes that somebody has left for another one: what they had there is part of their evidence.
    pub(super) departed: BTreeSet<usize>,
    /// Which inbox somebody has now who had this one before, until it confirms something itself.
    pub(super) former: [Option<usize>; PEOPLE.len()],
}

impl<'a> World<'a> {
    pub async fn open(store: &'a TestStore) -> Self {
        let (subscribers, clock) = subscribers_with(store, super::super::URL, |config| {
            config.confirmation.reminder_after = Some(DAY);
        })
        .await;
        execute(
            store,
            "insert into mails (kind, topics, locale, subject, html, body_text, mime, marker, salt, created_at)
             values ('digest', '*', '', '', '', '', '', '', '', 0)",
        )
        .await;
        let people = PEOPLE.iter().map(|_| Person::new()).collect();
        let (queue, issues, open, tokens, moves, homes, departed, former) = Default::default();
        Self { store, subscribers, clock, people, queue, issues, open, tokens, moves, homes, departed, former }
    }

    pub(super) fn now(&self) -> UtcMillis {
        self.subscribers.now()
    }

    pub async fn take(&mut self, step: Step) {
        match step {
            Step::Join { who, digests, topics } => self.join(who, &wanted(digests, topics)).await,
            Step::Confirm { who, link, pressed } => self.confirm(who, link, pressed).await,
            Step::AskAgain { who, link } => self.ask_again(who, link).await,
            Step::Leave { who, digest } => self.leave(who, Some(digest)).await,
            Step::LeaveAll { who } => self.leave(who, None).await,
            Step::Undo { who, back } => self.undo(who, back).await,
            Step::TakeUp { who, digest } => self.take_up(who, digest).await,
            Step::LoseLink { who } => self.lose_link(who).await,
            Step::AskMove { who, on } => self.ask_move(who, on).await,
            Step::FollowMove { link } => self.follow_move(link).await,
            Step::Choose { who, digest, topics, days } => self.choose(who, digest, topics, days).await,
            Step::Bounce { who } => self.bounce(who).await,
            Step::Complain { who } => self.complain(who).await,
            Step::ByHand { who, lift } => self.by_hand(who, lift).await,
            Step::Evidence { who, digests, topics } => self.evidence(who, &wanted(digests, topics)).await,
            Step::Import { who, state, digests, topics } => self.import(who, state, digests, topics).await,
            Step::ImportExport { who, digests, mark } => self.import_export(who, digests, mark).await,
            Step::List { who, reason, old } => self.list(who, reason, old).await,
            Step::Erase { who, by_link } => self.be_erased(who, by_link).await,
            Step::LayOut { digest } => self.lay_out(digest).await,
            Step::Deliver => self.deliver().await,
            Step::Rotate => self.rotate(),
            Step::Housekeep => self.housekeep().await,
            Step::Wait { minutes } => self.clock.advance(Duration::from_secs(60 * minutes)),
        }
    }

    /// Whom the store would mail is whom the model would, everybody stands where they should, and old links work.
    pub async fn check(&self, when: &str) {
        let now = self.now();
        let sql =
            format!("select email || ' ' || digest || ' ' || topics from live_subscriptions where since <= {}", now.0);
        let live: BTreeSet<String> = text(self.store, &sql).await.lines().map(str::to_owned).collect();
        let mut expected = BTreeSet::new();
        let mut standing = BTreeSet::new();
        for (person, email) in self.people.iter().zip(PEOPLE) {
            for (digest, name) in DIGESTS.iter().enumerate() {
                if let Some(bits) = person.audience(digest, now) {
                    expected.insert(format!("{email} {name} {}", topics(bits).stored()));
                }
            }
            if let Some(state) = state(person.standing) {
                standing.insert(format!("{email} {state}"));
            }
        }
        assert_eq!(live, expected, "{when}: {:#?}", self.people);
        let stored = text(self.store, "select email || ' ' || state from subscribers").await;
        assert_eq!(stored.lines().map(str::to_owned).collect::<BTreeSet<_>>(), standing, "{when}");
        self.check_queue(when).await;
        for (token, claim) in &self.tokens {
            assert_eq!(self.subscribers.tokens().verify_unsubscribe(token).as_ref(), Ok(claim), "{when}");
        }
    }

    async fn join(&mut self, who: usize, wanted: &Wanted) {
        let request = JoinRequest {
            address: address(PEOPLE[who]),
            name: "Visit casino.example".to_owned(),
            locale: None,
            choice: choice(wanted),
            wording: "Yes".to_owned(),
        };
        let asked = Asked::default();
        self.subscribers.join(&request, Origin::PAGE, &asked).await.unwrap();
        let expected = self.joins(who, wanted);
        self.expect(who, &expected, asked).await;
    }

    /// Compares what was mailed, and keeps the link.
    pub(super) async fn expect(&mut self, who: usize, expected: &Expected, asked: Asked) {
        let (mails, asked_at) = (asked.0.into_inner().unwrap(), self.now());
        assert!(!format!("{mails:?}").contains("casino"), "a stranger's words in a mail: {mails:?}");
        match (expected, &mails[..]) {
            (Expected::Nothing, [])
            | (Expected::Already, [Notice { kind: NoticeKind::AlreadySubscribed { .. }, .. }]) => {}
            (
                Expected::Ask(wanted),
                [Notice { kind: NoticeKind::Confirm { choice: named, link, reminder: false, .. }, .. }],
            ) => {
                assert_eq!(named, &choice(wanted));
                let token = link.0.rsplit('/').next().unwrap().to_owned();
                let owner = self.id(who).await.unwrap();
                self.homes.insert(owner.clone(), who);
                self.people[who].links.push(Link { token, asked_at, choice: wanted.clone(), owner });
            }
            _ => panic!("{expected:?} was expected, and there came {mails:?}"),
        }
    }

    /// Whether a link that was mailed there is for whoever is there.
    fn is_theirs(&self, who: usize, link: &Link) -> bool {
        self.homes.get(&link.owner) == Some(&who)
    }

    fn link(&self, who: usize, link: usize) -> Option<Link> {
        self.people[who].links.iter().rev().nth(link).cloned()
    }

    async fn confirm(&mut self, who: usize, link: usize, pressed: bool) {
        let Some(link) = self.link(who, link) else { return };
        let claim = match self.subscribers.tokens().verify_confirm(&link.token, self.now()) {
            Err(error) => {
                assert_eq!(error, TokenError::Expired);
                assert!(link.asked_at.plus(7 * DAY) <= self.now());
                return;
            }
            Ok(claim) => claim,
        };
        let before = everything(self.store).await;
        let would = self.subscribers.would_confirm(&claim).await.unwrap().verdict;
        assert_eq!(everything(self.store).await, before, "a look at the page changes nothing");
        if !pressed {
            return;
        }
        let verdict = self.subscribers.confirm(&claim, "Yes?", Origin::PAGE, &Asked::default()).await.unwrap();
        assert_eq!(verdict, would);
        let expected = match (self.is_theirs(who, &link), self.said_no_elsewhere(who)) {
            (true, false) => self.people[who].confirm(&link, self.subscribers.now()),
            (true, true) if self.people[who].is_barred() => Verdict::Refused,
            _ => Verdict::Stale,
        };
        self.prove(who);
        let same = matches!(
            (&verdict, expected),
            (Confirmed::Now, Verdict::Now)
                | (Confirmed::Already, Verdict::Already)
                | (Confirmed::Stale, Verdict::Stale)
                | (Confirmed::Refused(_), Verdict::Refused)
        );
        assert!(same, "{expected:?} was expected, and it was {verdict:?}: {link:?} {:#?}", self.people[who]);
    }

    async fn ask_again(&mut self, who: usize, link: usize) {
        let Some(link) = self.link(who, link) else { return };
        let asked = Asked::default();
        let again = self.subscribers.ask_again(&link.token, "Again", Origin::PAGE, &asked).await.unwrap();
        if !self.is_theirs(who, &link) {
            assert_eq!((again, asked.count()), (AskedAgain::Gone, 0));
            return;
        }
        assert_eq!(again, AskedAgain::Asked);
        let expected = self.joins(who, &link.choice);
        self.expect(who, &expected, asked).await;
    }

    /// Their link of a digest; only who has ever been mailed one has one.
    pub(super) async fn claim(&self, who: usize, digest: usize) -> Option<DigestClaim> {
        if matches!(self.people[who].standing, Standing::Unknown | Standing::Pending) {
            return None;
        }
        Some(DigestClaim { subscriber: self.id(who).await?, digest: DIGESTS[digest].to_owned() })
    }

    /// How they are known outside; none: they are not.
    pub(super) async fn id(&self, who: usize) -> Option<PublicId> {
        let sql = format!("select public_id from subscribers where lower(email) = '{}'", PEOPLE[who]);
        PublicId::parse(&text(self.store, &sql).await)
    }

    async fn leave(&mut self, who: usize, digest: Option<usize>) {
        let Some(claim) = self.claim(who, digest.unwrap_or_default()).await else { return };
        let what = digest.map_or(Leave::All, |_| Leave::Digest(&claim.digest));
        self.subscribers.leave(&claim.subscriber, what, Origin::ONE_CLICK).await.unwrap();
        let now = self.now();
        if self.people[who].gets.keys().any(|got| digest.is_none_or(|digest| digest == *got)) {
            self.people[who].undos.push((digest.unwrap_or_default(), now));
        }
        if digest.is_none() {
            self.people[who].left_all_at = now;
        }
        for left in digest.map_or(0..DIGESTS.len(), |digest| digest..digest + 1) {
            self.people[who].leave(left, now);
            self.stop(who, Some(left), Stands::Left(now));
        }
    }

    async fn choose(&mut self, who: usize, digest: usize, bits: u8, days: u64) {
        let Some(claim) = self.claim(who, digest).await else { return };
        let (bits, now) = (or_all(bits), self.now());
        let until = (days > 0).then(|| now.plus(DAY * u32::try_from(days).unwrap()));
        self.subscribers.choose(&claim, Some(&topics(bits)), until, Origin::PAGE).await.unwrap();
        let confirmed = self.people[who].standing == Standing::Confirmed;
        if let Some(got) = self.people[who].gets.get_mut(&digest).filter(|_| confirmed) {
            let had = *got;
            (got.topics, got.paused_until) = (bits, until);
            match (had.paused_until, until) {
                (_, Some(_)) if (had.topics, had.paused_until) != (bits, until) => {
                    self.stop(who, Some(digest), Stands::Paused);
                    self.recall(who);
                }
                (Some(_), None) => self.comes_again(who, digest, Stands::Paused),
                _ => {}
            }
        }
    }

    async fn suppress(&mut self, who: usize, reason: SuppressionReason) {
        self.subscribers.suppress(&address(PEOPLE[who]), reason, "", Origin::COMMAND_LINE).await.unwrap();
        self.stop(who, None, Stands::Over);
    }

    async fn bounce(&mut self, who: usize) {
        if self.people[who].standing == Standing::Unknown {
            return;
        }
        self.suppress(who, SuppressionReason::Bounced).await;
        let now = self.now();
        self.people[who].bounce(now);
    }

    async fn complain(&mut self, who: usize) {
        if self.claim(who, 0).await.is_none() {
            return;
        }
        self.suppress(who, SuppressionReason::Complaint).await;
        let now = self.now();
        self.shut_elsewhere(who, Bar::Complaint);
        self.people[who].standing = Standing::Complained;
        self.people[who].suppress(Bar::Complaint, now);
    }

    async fn by_hand(&mut self, who: usize, lift: bool) {
        let now = self.now();
        if lift {
            self.subscribers.unsuppress(PEOPLE[who], Origin::COMMAND_LINE).await.unwrap();
            self.people[who].lift(now);
        } else {
            self.suppress(who, SuppressionReason::Manual).await;
            self.shut_elsewhere(who, Bar::Manual);
            self.people[who].suppress(Bar::Manual, now);
        }
    }

    /// By an operator, or by the link that was mailed to them; then no trace of the address is left but its hash.
    async fn be_erased(&mut self, who: usize, by_link: bool) {
        let (known, now) = (self.people[who].standing != Standing::Unknown, self.now());
        let keys = Keys::read(&self.store.folder.path().join("keys")).unwrap().unwrap();
        let hash = keys.address_hash(&address(PEOPLE[who]));
        let id = self.id(who).await.filter(|_| by_link);
        let erased = match id {
            Some(id) => {
                let tokens = self.subscribers.tokens();
                let token = tokens.manage(&id, &hash, DIGESTS[0], now);
                let claim = tokens.verify_manage(token.as_str(), now).unwrap();
                let erased = self.subscribers.erase(&claim).await.unwrap();
                assert_eq!(self.subscribers.erase(&claim).await.unwrap(), Erased::Unknown, "the link is nobody's now");
                erased
            }
            None => self.subscribers.erase_address(&address(PEOPLE[who])).await.unwrap(),
        };
        if let Some(home) = self.moved_from(who).filter(|_| !known) {
            assert_eq!(erased, Erased::Moved(PEOPLE[home].to_owned()), "they ask for what is held of them there");
            return;
        }
        assert_eq!(erased == Erased::Now, known, "{erased:?}");
        if known {
            self.erase(who);
            let here = self.departed.contains(&who);
            assert!(here || traces(self.store, &[PEOPLE[who]]).await.is_empty());
        }
    }

    async fn evidence(&mut self, who: usize, wanted: &Wanted) {
        let new =
            NewSubscriber { address: address(PEOPLE[who]), name: String::new(), locale: None, choice: choice(wanted) };
        let _ = self.subscribers.add_confirmed(&new, "a form", Origin::COMMAND_LINE).await;
        if self.moved_from(who).is_none() {
            self.people[who].evidence(wanted);
        }
    }

    fn rotate(&mut self) {
        let keys = Keys::rotate(&self.store.folder.path().join("keys"), &SystemRandom).unwrap();
        let config = Arc::new(self.subscribers.config().clone());
        self.subscribers =
            Subscribers::new(self.store.store.clone(), config, keys.into(), self.clock.clone(), Arc::new(SystemRandom));
    }

    async fn housekeep(&mut self) {
        self.finish().await;
        let (asked, now) = (Asked::default(), self.now());
        self.subscribers.remind(&asked).await.unwrap();
        for mail in asked.0.into_inner().unwrap() {
            let who = PEOPLE.iter().position(|email| mail.address.folded() == *email).unwrap();
            let NoticeKind::Confirm { link, reminder: true, .. } = &mail.kind else {
                panic!("{mail:?} is no reminder")
            };
            let token = link.0.rsplit('/').next().unwrap().to_owned();
            let claim = self.subscribers.tokens().verify_confirm(&token, now).unwrap();
            let first = self.people[who].links.iter().find(|link| link.asked_at == claim.asked_at).cloned().unwrap();
            assert!(self.is_theirs(who, &first));
            assert_eq!(claim.choice, choice(&first.choice));
            assert!(!self.said_no_elsewhere(who), "{:#?}", self.people);
            assert!(self.people[who].remind(claim.asked_at, now), "{:#?}", self.people[who]);
            self.people[who].links.push(Link { token, ..first });
        }
        self.subscribers.forget_unconfirmed().await.unwrap();
        for who in 0..PEOPLE.len() {
            if self.people[who].is_forgotten(now) {
                self.people[who].vanish();
                self.vanished(who);
            }
        }
    }
}
