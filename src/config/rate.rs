//! How much of something there may be in a time: `20/h`.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use super::reader::shown;

const UNITS: [(&str, u64); 4] = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];

/// So many in each second, minute, hour or day.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// How many.
    pub count: NonZeroU32,
    /// In which time.
    pub per: Duration,
}

impl Rate {
    /// So many in an hour; at least one.
    pub const fn per_hour(count: u32) -> Self {
        let count = match NonZeroU32::new(count) {
            Some(count) => count,
            None => NonZeroU32::MIN,
        };
        Self { count, per: Duration::from_secs(3_600) }
    }

    /// Reads `20/s`, `500/m`, `500/h` or `5000/d`.
    ///
    /// # Errors
    /// What is wrong with it, and what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let read = || {
            let (count, unit) = text.trim().split_once('/')?;
            let (_, seconds) = UNITS.iter().find(|(name, _)| *name == unit.trim())?;
            let count = count.trim().parse().ok().filter(|count: &NonZeroU32| count.get() <= 1_000_000)?;
            Some(Self { count, per: Duration::from_secs(*seconds) })
        };
        read().ok_or_else(|| {
            format!(
                "`{}` is not a rate; write a number from 1 to 1000000 and /s, /m, /h or /d, as in `20/h`",
                shown(text)
            )
        })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit =
            UNITS.iter().find(|(_, seconds)| Duration::from_secs(*seconds) == self.per).map_or("s", |unit| unit.0);
        write!(f, "{}/{unit}", self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_rate_is_refused() {
        for bad in ["", "5", "0/h", "-1/h", "1/w", "1.5/s", "/h", "9999999/s", "99999999999999/s"] {
            assert!(Rate::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_written_rate_is_read_back(count in 1_u32..=1_000_000, unit in "[smhd]", any in "\\PC{0,9}") {
            let text = format!("{count}/{unit}");
            prop_assert_eq!(Rate::parse(&text).unwrap().to_string(), text);
            let _ = Rate::parse(&any);
        }
    }
}
