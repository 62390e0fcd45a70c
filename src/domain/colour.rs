//! A colour of the site's own look, and whether text in it can be read.

use std::fmt;

use serde::{Serialize, Serializer};

/// An opaque colour in sRGB.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Colour {
    red: u8,
    green: u8,
    blue: u8,
}

/// A text that is no colour.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("is not a colour; one looks like `#0b5c55`")]
pub struct NoColour;

impl Colour {
    /// White.
    pub const WHITE: Self = Self::new(255, 255, 255);

    /// Of its parts.
    pub const fn new(red: u8, green: u8, blue: u8) -> Self {
        Self { red, green, blue }
    }

    /// Reads `#0b5c55` or `#0bc`.
    ///
    /// # Errors
    /// [`NoColour`] for anything else.
    pub fn parse(text: &str) -> Result<Self, NoColour> {
        let digits = text.trim().strip_prefix('#').ok_or(NoColour)?;
        let nibbles: Vec<u8> = digits
            .chars()
            .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
            .collect::<Option<_>>()
            .ok_or(NoColour)?;
        match *nibbles {
            [r, g, b] => Ok(Self::new(r * 17, g * 17, b * 17)),
            [r, s, g, h, b, c] => Ok(Self::new(r * 16 + s, g * 16 + h, b * 16 + c)),
            _ => Err(NoColour),
        }
    }

    /// The contrast ratio of WCAG 2.2 between the two, from 1 to 21.
    pub fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance() + 0.05, other.luminance() + 0.05);
        if one > two { one / two } else { two / one }
    }

    fn luminance(self) -> f64 {
        let linear = |part: u8| {
            let part = f64::from(part) / 255.0;
            if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(self.red) + 0.7152 * linear(self.green) + 0.0722 * linear(self.blue)
    }

    /// The way to `other`, in percent.
    #[must_use]
    pub fn toward(self, other: Self, percent: u8) -> Self {
        let part = |from: u8, to: u8| {
            let (from, to, percent) = (u32::from(from), u32::from(to), u32::from(percent.min(100)));
            u8::try_from((from * (100 - percent) + to * percent + 50) / 100).unwrap_or(u8::MAX)
        };
        Self::new(part(self.red, other.red), part(self.green, other.green), part(self.blue, other.blue))
    }

    /// The nearest colour on the way to `other` that has at least this contrast to `ground`; `other` where none has.
    #[must_use]
    pub fn readable_on(self, ground: Self, other: Self, contrast: f64) -> Self {
        let steps = (0..=100).map(|percent| self.toward(other, percent));
        steps.into_iter().find(|colour| colour.contrast(ground) >= contrast).unwrap_or(other)
    }
}

/// As it is displayed and read.
impl Serialize for Colour {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.red, self.green, self.blue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn contrasts_are_those_of_the_guideline() {
        let grey = Colour::parse("#777").unwrap();
        assert!((Colour::WHITE.contrast(Colour::new(0, 0, 0)) - 21.0).abs() < 0.001);
        assert!((grey.contrast(Colour::WHITE) - 4.478).abs() < 0.001);
        assert!((Colour::WHITE.contrast(grey) - 4.478).abs() < 0.001);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back_and_no_text_is_a_trouble(r: u8, g: u8, b: u8, text in "#?\\PC{0,8}") {
            let colour = Colour::new(r, g, b);
            prop_assert_eq!(Colour::parse(&colour.to_string()), Ok(colour));
            let _ = Colour::parse(&text);
        }

        #[test]
        fn any_colour_becomes_readable(r: u8, g: u8, b: u8) {
            let ground = Colour::parse("#f5f2ec").unwrap();
            let readable = Colour::new(r, g, b).readable_on(ground, Colour::new(0, 0, 0), 4.5);
            prop_assert!(readable.contrast(ground) >= 4.5);
        }
    }
}
