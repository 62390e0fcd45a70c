//! Tells trouble that lasts from trouble that comes and goes.

use std::time::Duration;

use tokio::time::Instant;

/// How long trouble must last before anybody is told, unless somebody says otherwise.
const LONG: Duration = Duration::from_secs(600);

/// For how long it must be gone to be over: between two tries it is not seen either.
const GONE: Duration = Duration::from_secs(300);

/// Trouble that is looked at now and then.
#[derive(Debug)]
pub struct Lasting {
    long: Duration,
    began: Option<Instant>,
    seen: Option<Instant>,
}

impl Default for Lasting {
    fn default() -> Self {
        Self::after(LONG)
    }
}

impl Lasting {
    /// Trouble that anybody is told of when it has lasted for `long`.
    pub fn after(long: Duration) -> Self {
        Self { long, began: None, seen: None }
    }

    /// A look: whether the trouble is there. Says whether it has lasted for long.
    pub fn look(&mut self, trouble: bool) -> bool {
        let now = Instant::now();
        if trouble {
            self.seen = Some(now);
            return now - *self.began.get_or_insert(now) >= self.long;
        }
        if self.seen.is_some_and(|seen| now - seen >= GONE) {
            *self = Self::after(self.long);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn trouble_is_told_when_it_has_lasted_and_a_pause_between_tries_does_not_end_it() {
        let mut lasting = Lasting::default();
        assert!(!lasting.look(true), "it has just begun");
        for _ in 0..4 {
            tokio::time::advance(LONG / 5).await;
            assert!(!lasting.look(true));
            tokio::time::advance(Duration::from_secs(1)).await;
            assert!(!lasting.look(false), "a pause between two tries");
        }
        tokio::time::advance(LONG / 5).await;
        assert!(lasting.look(true));
        tokio::time::advance(GONE).await;
        lasting.look(false);
        assert!(!lasting.look(true), "it began anew");
    }
}
