//! What lasts is told in the log now and then, not at each try.

use std::time::Duration;

use tokio::time::Instant;

/// How often trouble that lasts is told.
const AGAIN: Duration = Duration::from_secs(60);

/// When something was told last.
#[derive(Debug, Default)]
pub struct Told(Option<Instant>);

impl Told {
    /// Whether it is to be told now; then it counts as told.
    pub fn again(&mut self) -> bool {
        let now = Instant::now();
        let again = self.0.is_none_or(|told| now - told >= AGAIN);
        if again {
            self.0 = Some(now);
        }
        again
    }

    /// The trouble is over: the next is told at once.
    pub fn over(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_lasts_is_told_once_a_minute_and_what_is_new_at_once() {
        let mut told = Told::default();
        assert_eq!([told.again(), told.again()], [true, false]);
        tokio::time::advance(AGAIN).await;
        assert_eq!([told.again(), told.again()], [true, false]);
        told.over();
        assert!(told.again());
    }
}
