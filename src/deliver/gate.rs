//! A gate lets one delivery through in each step of time: one's own, or the places in time that the store has given a
//! node where several share a rate.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::config::Rate;

/// What a gate lets through at once after everybody was held up for a moment.
const CATCH_UP: Duration = Duration::from_millis(100);

/// The most that is made up for; whoever was away for longer had nothing to send.
pub const MOST_OWED: Duration = Duration::from_secs(1);

/// What has been missed is made up for by one part in so many.
const MADE_UP: u32 = 100;

/// How much of a rate a node takes at a time from the store.
const BLOCK: Duration = Duration::from_millis(200);

/// What goes within this time counts as at hand.
const SOON: Duration = Duration::from_secs(1);

/// The next look at a gate that has no place in hand.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Lets one through in each step of time.
#[derive(Debug)]
pub struct Gate {
    step: Duration,
    /// What has been missed, and is made up for bit by bit.
    owed: Duration,
    /// For how long a place that nobody has taken may be taken.
    patience: Duration,
    way: Way,
}

#[derive(Debug)]
enum Way {
    /// Nobody else sends: when the next one may go.
    Own(Instant),
    /// What the store has given, and how many places are asked for at a time.
    Shared(VecDeque<Places>, u32),
}

/// Places in time, one after the other.
#[derive(Debug)]
struct Places {
    next: Instant,
    step: Duration,
    left: u32,
}

/// What to ask the store for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// So many places.
    pub count: u32,
    /// They span so much time all together.
    pub span: Duration,
    /// What is made up for by them.
    pub paid: Duration,
    /// Time of places that nobody used.
    pub lost: Duration,
}

impl Gate {
    /// One that nobody else goes through.
    pub fn own(rate: Rate) -> Self {
        let (step, way) = (rate.per / rate.count.get(), Way::Own(Instant::now()));
        Self { step, owed: Duration::ZERO, patience: CATCH_UP, way }
    }

    /// One that nodes share.
    pub fn shared(rate: Rate) -> Self {
        let own = Self::own(rate);
        Self { way: Way::Shared(VecDeque::new(), own.block()), ..own }
    }

    /// The same for a domain: whoever has its place waits for one in the rate of all too, and shall have both then. That is one step
    /// `of_all` away; where nodes have the places of all in turn, each for a while, it is longer.
    #[must_use]
    pub fn of_domain(self, of_all: Duration) -> Self {
        let patience = match self.way {
            Way::Own(_) => of_all.min(self.step).max(CATCH_UP),
            Way::Shared(..) => MOST_OWED,
        };
        Self { patience, ..self }
    }

    /// The time for each, of all nodes together.
    pub fn step(&self) -> Duration {
        self.step
    }

    /// When its next one may go, for a gate that follows it; none: the store knows.
    pub fn reached(&self) -> Option<Instant> {
        match self.way {
            Way::Own(next) => Some(next),
            Way::Shared(..) => None,
        }
    }

    /// It follows a gate that has reached this.
    pub fn follow(&mut self, reached: Instant) {
        if let Way::Own(next) = &mut self.way {
            *next = reached;
        }
    }

    /// The most places that are asked for at a time.
    fn block(&self) -> u32 {
        u32::try_from(BLOCK.as_nanos() / self.step.as_nanos().max(1)).unwrap_or(u32::MAX).max(1)
    }

    /// When the next one may go. Where no place is in hand, that is when to look again.
    pub fn opens(&self, now: Instant) -> Instant {
        match &self.way {
            Way::Own(next) => *next,
            Way::Shared(places, _) => {
                places.iter().find_map(|some| some.first(now, self.patience)).unwrap_or(now + LOOK_AGAIN)
            }
        }
    }

    /// How many may go within a second; where nodes share the rate, those that have a place in hand.
    pub fn soon(&self, now: Instant) -> usize {
        let count = match &self.way {
            Way::Own(next) => {
                let left = (now + SOON).checked_duration_since(*next).map(|left| left.min(SOON));
                left.map_or(0, |left| 1 + left.as_nanos() / self.step.as_nanos().max(1))
            }
            Way::Shared(places, _) => {
                places.iter().map(|some| u128::from(some.left - some.late(now, self.patience))).sum()
            }
        };
        usize::try_from(count).unwrap_or(usize::MAX)
    }

    /// One goes.
    pub fn pass(&mut self, now: Instant) {
        match &mut self.way {
            Way::Own(next) => {
                let late = now.saturating_duration_since(*next + self.patience);
                self.owed = (self.owed + late).min(MOST_OWED);
                let paid = self.owed.min(self.step / MADE_UP);
                self.owed -= paid;
                *next = *next + late + self.step - paid;
            }
            Way::Shared(places, _) => {
                self.owed += drop_late(places, now, self.patience);
                if let Some(some) = places.front_mut() {
                    some.skip(1);
                }
            }
        }
    }

    /// One that went has not been used: another may go at once.
    pub fn give_back(&mut self, now: Instant) {
        match &mut self.way {
            Way::Own(next) => *next = next.checked_sub(self.step).map_or(now, |before| before.max(now)),
            Way::Shared(places, _) => places.push_front(Places { next: now, step: self.step, left: 1 }),
        }
    }

    /// There was nothing to let through until `now`, since it came late, or there was nothing at all.
    pub fn was_idle(&mut self, now: Instant) {
        if let Way::Own(next) = &mut self.way {
            let late = now.saturating_duration_since(*next);
            self.owed = if late > MOST_OWED { Duration::ZERO } else { (self.owed + late).min(MOST_OWED) };
            *next = (*next).max(now);
        }
    }

    /// What to ask the store for, where so many are to go. `owed`: what the store has said that all nodes have missed.
    /// `None`: there is enough in hand. Whoever could not use some of what it had asks for half as many, so that the others
    /// can, and for twice as many when that went well.
    pub fn wish(&mut self, to_go: usize, owed: Duration, now: Instant) -> Option<Wish> {
        let most = self.block();
        let Way::Shared(places, block) = &mut self.way else { return None };
        self.owed += drop_late(places, now, self.patience);
        let in_hand: u32 = places.iter().map(|some| some.left).sum();
        let wanted = u32::try_from(to_go).unwrap_or(u32::MAX);
        if in_hand > *block / 2 || in_hand >= wanted {
            return None;
        }
        *block = if self.owed.is_zero() { block.saturating_mul(2).min(most) } else { (*block / 2).max(1) };
        let wanted = wanted.min(*block).max(in_hand + 1);
        let count = wanted - in_hand;
        let paid = owed.min(self.step * count / MADE_UP);
        Some(Wish { count, span: self.step * count - paid, paid, lost: std::mem::take(&mut self.owed) })
    }

    /// Lets go of the places in hand; says how much time they are, with what was missed before.
    pub fn let_go(&mut self) -> Duration {
        let Way::Shared(places, _) = &mut self.way else { return Duration::ZERO };
        let in_hand: Duration = places.drain(..).map(|some| some.step * some.left).sum();
        in_hand + std::mem::take(&mut self.owed)
    }

    /// The store has given what was wished for, from that time on.
    pub fn add(&mut self, wish: &Wish, from: Instant) {
        if let Way::Shared(places, _) = &mut self.way {
            places.push_back(Places { next: from, step: wish.span / wish.count.max(1), left: wish.count });
        }
    }
}

/// Drops the places that it is too late for, and says how much time that was.
fn drop_late(places: &mut VecDeque<Places>, now: Instant, patience: Duration) -> Duration {
    let mut lost = Duration::ZERO;
    while let Some(some) = places.front_mut() {
        let late = some.late(now, patience);
        lost += some.step * late;
        some.skip(late);
        if some.left > 0 {
            break;
        }
        places.pop_front();
    }
    lost
}

impl Places {
    /// How many of them are over.
    fn late(&self, now: Instant, patience: Duration) -> u32 {
        let late = now.saturating_duration_since(self.next + patience).as_nanos().div_ceil(self.step.as_nanos().max(1));
        self.left.min(u32::try_from(late).unwrap_or(u32::MAX))
    }

    /// The first that is not over.
    fn first(&self, now: Instant, patience: Duration) -> Option<Instant> {
        let late = self.late(now, patience);
        (late < self.left).then(|| self.next + self.step * late)
    }

    fn skip(&mut self, count: u32) {
        self.left = self.left.saturating_sub(count);
        self.next += self.step * count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_millis(20);

    fn fifty() -> Rate {
        Rate::parse("50/s").unwrap()
    }

    #[tokio::test]
    async fn what_was_missed_is_made_up_for_by_a_hundredth_and_never_in_a_burst() {
        let mut gate = Gate::own(fifty());
        let start = Instant::now();
        gate.was_idle(start);
        gate.pass(start);
        let late = start + Duration::from_millis(620);
        let mut at_once = 0;
        while gate.opens(late) <= late {
            gate.pass(late);
            at_once += 1;
        }
        assert_eq!(at_once, 6, "as many as belong to a moment");
        let first = gate.opens(late);
        gate.pass(first);
        assert_eq!(gate.opens(first) - first, STEP - STEP / 100);
        for _ in 0..5000 {
            let at = gate.opens(first);
            gate.pass(at);
        }
        let at = gate.opens(first);
        gate.pass(at);
        assert_eq!(gate.opens(at) - at, STEP, "half a second is not owed for ever");
    }

    #[tokio::test]
    async fn a_place_that_was_not_used_is_another_ones_and_never_two_at_once() {
        for mut gate in [Gate::own(fifty()), Gate::shared(fifty())] {
            let now = Instant::now();
            if let Some(wish) = gate.wish(100, Duration::ZERO, now) {
                gate.add(&wish, now);
            }
            gate.was_idle(now);
            gate.pass(now);
            let later = now + Duration::from_millis(5);
            assert!(gate.opens(later) > later);
            gate.give_back(later);
            assert_eq!(gate.opens(later), later);
            gate.pass(later);
            assert!(gate.opens(later) > later);
        }
    }

    #[tokio::test]
    async fn time_without_anything_to_send_is_not_made_up_for() {
        let mut gate = Gate::own(fifty());
        let now = Instant::now() + Duration::from_secs(5);
        gate.was_idle(now);
        gate.pass(now);
        assert_eq!(gate.opens(now), now + STEP);
    }

    #[tokio::test]
    async fn a_shared_gate_lets_through_what_the_store_has_given_and_not_what_is_over() {
        let mut gate = Gate::shared(fifty());
        let now = Instant::now();
        assert!(gate.opens(now) > now);
        let wish = gate.wish(100, Duration::ZERO, now).unwrap();
        assert_eq!(wish, Wish { count: 10, span: STEP * 10, paid: Duration::ZERO, lost: Duration::ZERO });
        gate.add(&wish, now);
        assert_eq!(gate.wish(100, Duration::ZERO, now), None, "it has enough");
        gate.pass(now);
        assert_eq!(gate.opens(now), now + STEP);
        let late = now + Duration::from_millis(200);
        assert_eq!(gate.opens(late), now + Duration::from_millis(100));
        let wish = gate.wish(100, Duration::from_secs(1), late).unwrap();
        assert_eq!((wish.count, wish.lost, wish.paid), (1, STEP * 4, STEP / 100), "it had more than it could use");
    }

    #[tokio::test]
    async fn a_place_of_a_domain_waits_for_one_in_the_rate_of_all() {
        let mut gate = Gate::own(Rate::parse("2/s").unwrap()).of_domain(Duration::from_secs(1) / 3);
        let start = Instant::now();
        gate.was_idle(start);
        let mut passed = 0;
        for at in (0..=30).map(|third| start + Duration::from_secs(third) / 3) {
            if gate.opens(at) <= at {
                gate.pass(at);
                passed += 1;
            }
        }
        assert_eq!(passed, 21, "of three a second two");

        let mut gate = Gate::shared(fifty()).of_domain(STEP);
        let wish = gate.wish(1, Duration::ZERO, start).unwrap();
        gate.add(&wish, start);
        let later = start + Duration::from_millis(400);
        assert_eq!(gate.opens(later), start, "another node had the places of all until now");
    }

    #[tokio::test]
    async fn whoever_cannot_use_its_places_leaves_them_to_others() {
        let mut gate = Gate::shared(fifty());
        let mut now = Instant::now();
        let mut counts = Vec::new();
        for late in [true, true, true, false, false, false, false] {
            let wish = gate.wish(100, Duration::ZERO, now).unwrap();
            counts.push(wish.count);
            gate.add(&wish, now);
            if late {
                now += Duration::from_secs(1);
            } else {
                for _ in 0..wish.count {
                    now = gate.opens(now);
                    gate.pass(now);
                }
            }
        }
        assert_eq!(counts, [10, 5, 2, 1, 2, 4, 8]);
    }

    #[tokio::test]
    async fn whoever_goes_leaves_the_time_that_it_has_not_used() {
        let mut gate = Gate::shared(fifty());
        let now = Instant::now();
        let wish = gate.wish(100, Duration::ZERO, now).unwrap();
        gate.add(&wish, now);
        gate.pass(now);
        assert_eq!((gate.let_go(), gate.let_go()), (STEP * 9, Duration::ZERO));
        assert!(gate.opens(now) > now);
        assert_eq!(Gate::own(fifty()).let_go(), Duration::ZERO, "nobody else could use it");
    }

    #[tokio::test]
    async fn no_more_is_asked_for_than_there_is_to_send() {
        let mut gate = Gate::shared(fifty());
        let now = Instant::now();
        assert_eq!(gate.wish(3, Duration::ZERO, now).map(|wish| wish.count), Some(3));
        assert_eq!(gate.wish(0, Duration::ZERO, now), None);
    }
}
