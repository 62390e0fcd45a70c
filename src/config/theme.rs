//! How a digest looks: its colours in light and dark, fonts, logo and width.

use std::fmt;

use url::Url;

/// The least contrast of text with what it stands on (WCAG 2.2, success criterion 1.4.3).
pub const TEXT_CONTRAST: f64 = 4.5;
/// The contrast that a dark accent gets which nobody has chosen.
const DARK_ACCENT_CONTRAST: f64 = 7.0;
/// The steps in which a colour is moved until it reads, in 256ths.
const STEP: u16 = 8;
/// How much of the accent is in the band behind interviews, in 256ths.
const SOFT: u16 = 26;

/// `[digest.theme]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Theme {
    /// The colours on a light screen.
    pub light: Palette,
    /// The colours where the reader's mail program is dark.
    pub dark: Palette,
    /// The fonts of headlines, as CSS lists them.
    pub heading_font: String,
    /// The fonts of everything else.
    pub text_font: String,
    /// Stands in the place of the digest's title.
    pub logo: Option<Logo>,
    /// The width of the content, in pixels.
    pub width: usize,
}

/// A picture in the place of the digest's title.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logo {
    /// Where it is.
    pub url: Url,
    /// How wide it is shown, in pixels.
    pub width: usize,
    /// How high.
    pub height: usize,
}

/// The colours that a theme names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Palette {
    /// The title, links and buttons.
    pub accent: Colour,
    /// Headlines and text.
    pub ink: Colour,
    /// Dates, sources and the footer.
    pub muted: Colour,
    /// What articles stand on.
    pub paper: Colour,
    /// What is around the paper, and behind the footer.
    pub background: Colour,
    /// What interviews stand on.
    pub soft: Colour,
}

/// A colour, as in `#0b5c55`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour([u8; 3]);

impl Default for Theme {
    fn default() -> Self {
        Self {
            light: Palette::LIGHT,
            dark: Palette::DARK,
            heading_font: "Georgia, 'Times New Roman', serif".to_owned(),
            text_font: "-apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif".to_owned(),
            logo: None,
            width: 600,
        }
    }
}

impl Palette {
    /// Ink and dark green on white, on a warm grey.
    pub const LIGHT: Self = Self {
        accent: Colour([0x0b, 0x5c, 0x55]),
        ink: Colour([0x1d, 0x1c, 0x1a]),
        muted: Colour([0x5d, 0x59, 0x55]),
        paper: Colour::WHITE,
        background: Colour([0xf5, 0xf2, 0xec]),
        soft: Colour([0xe7, 0xf0, 0xee]),
    };
    /// The same at night.
    pub const DARK: Self = Self {
        accent: Colour([0x74, 0xc9, 0xbd]),
        ink: Colour([0xec, 0xea, 0xe5]),
        muted: Colour([0xaa, 0xa5, 0x9d]),
        paper: Colour([0x1a, 0x1e, 0x21]),
        background: Colour([0x12, 0x15, 0x17]),
        soft: Colour([0x1f, 0x2f, 0x2d]),
    };

    /// The colour with that key.
    pub fn of(&mut self, key: &str) -> Option<&mut Colour> {
        match key {
            "accent" => Some(&mut self.accent),
            "ink" => Some(&mut self.ink),
            "muted" => Some(&mut self.muted),
            "paper" => Some(&mut self.paper),
            "background" => Some(&mut self.background),
            "soft" => Some(&mut self.soft),
            _ => None,
        }
    }

    /// A band that suits paper and accent, for who has chosen none.
    pub fn suiting_soft(&self) -> Colour {
        self.paper.mixed(self.accent, SOFT)
    }

    /// The accent of a light theme, lightened until it reads well here.
    pub fn suiting_accent(&self, light: Colour) -> Colour {
        light.moved(Colour::WHITE, &[self.paper, self.background], DARK_ACCENT_CONTRAST)
    }

    /// Each text with each ground that it stands on: their keys and colours.
    pub fn pairs(&self) -> [(&'static str, Colour, &'static str, Colour); 8] {
        let (paper, background, soft) = (self.paper, self.background, self.soft);
        [
            ("ink", self.ink, "paper", paper),
            ("ink", self.ink, "background", background),
            ("ink", self.ink, "soft", soft),
            ("muted", self.muted, "paper", paper),
            ("muted", self.muted, "background", background),
            ("muted", self.muted, "soft", soft),
            ("accent", self.accent, "paper", paper),
            ("accent", self.accent, "soft", soft),
        ]
    }

    /// The hairline between stories.
    pub fn rule(&self) -> Colour {
        self.paper.mixed(self.muted, 56)
    }

    /// What is written on a button, whose ground is the accent.
    pub fn on_accent(&self) -> Colour {
        // One of these reads on any ground; the soft black is nicer than the last.
        let candidates = [Colour::WHITE, Colour([0x12, 0x15, 0x17])];
        let reads = |text: &Colour| self.accent.contrast(*text) >= TEXT_CONTRAST;
        candidates.into_iter().find(reads).unwrap_or(Colour::BLACK)
    }
}

impl Colour {
    /// White.
    pub const WHITE: Self = Self([255; 3]);
    /// Black.
    pub const BLACK: Self = Self([0; 3]);

    /// Reads `#rrggbb` or `#rgb`.
    ///
    /// # Errors
    /// What is wrong, and what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{}` is not a colour; write one as in `#0b5c55`", super::reader::shown(text));
        let digits = text.trim().strip_prefix('#').filter(|digits| digits.is_ascii()).ok_or_else(wrong)?;
        let digits = match digits.len() {
            3 => digits.chars().flat_map(|digit| [digit, digit]).collect(),
            _ => digits.to_owned(),
        };
        let part = |at: usize| digits.get(at..at + 2).and_then(|part| u8::from_str_radix(part, 16).ok());
        match (part(0), part(2), part(4), digits.len()) {
            (Some(red), Some(green), Some(blue), 6) if !digits.contains('+') => Ok(Self([red, green, blue])),
            _ => Err(wrong()),
        }
    }

    /// The contrast of two colours, from 1 to 21 (WCAG 2.2, "contrast ratio").
    pub fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    fn luminance(self) -> f64 {
        let [red, green, blue] = self.0.map(|part| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    /// The colour with `share` 256ths of another one.
    pub fn mixed(self, other: Self, share: u16) -> Self {
        let share = share.min(256);
        let part = |at: usize| {
            let sum = u16::from(self.0[at]) * (256 - share) / 256 + u16::from(other.0[at]) * share / 256;
            u8::try_from(sum).unwrap_or(u8::MAX)
        };
        Self([part(0), part(1), part(2)])
    }

    /// The colour moved towards another one until it has that contrast with all grounds, or is there.
    fn moved(self, towards: Self, grounds: &[Self], contrast: f64) -> Self {
        let reads = |colour: &Self| grounds.iter().all(|ground| colour.contrast(*ground) >= contrast);
        let steps = (0..=256 / STEP).map(|step| self.mixed(towards, step * STEP));
        steps.into_iter().find(reads).unwrap_or(towards)
    }

    /// The nearest darker or lighter colour that text may have on that ground.
    pub fn readable_on(self, ground: Self) -> Self {
        let darker = ground.contrast(Self::BLACK) >= ground.contrast(Self::WHITE);
        self.moved(if darker { Self::BLACK } else { Self::WHITE }, &[ground], TEXT_CONTRAST)
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn colour(text: &str) -> Colour {
        Colour::parse(text).unwrap()
    }

    #[test]
    fn contrast_is_that_of_wcag() {
        assert!((Colour::BLACK.contrast(Colour::WHITE) - 21.0).abs() < 0.001);
        // The examples that accessibility checkers give: the lightest grey that may stand on white, and the next one.
        assert!(colour("#767676").contrast(Colour::WHITE) >= TEXT_CONTRAST);
        assert!(colour("#777777").contrast(Colour::WHITE) < TEXT_CONTRAST);
        assert!((colour("#f00").contrast(Colour::WHITE) - 4.0).abs() < 0.01);
    }

    #[test]
    fn the_themes_that_come_with_the_program_read_well() {
        for palette in [Palette::LIGHT, Palette::DARK] {
            for (text, colour, ground, on) in palette.pairs() {
                assert!(colour.contrast(on) >= TEXT_CONTRAST, "{text} on {ground}: {}", colour.contrast(on));
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_derived_from_any_accent_reads(red: u8, green: u8, blue: u8) {
            let accent = Colour([red, green, blue]);
            let mut dark = Palette::DARK;
            dark.accent = dark.suiting_accent(accent);
            dark.soft = dark.suiting_soft();
            for palette in [dark, Palette { accent, ..Palette::LIGHT }] {
                prop_assert!(palette.on_accent().contrast(palette.accent) >= TEXT_CONTRAST);
            }
            for (_, colour, _, on) in dark.pairs() {
                prop_assert!(colour.contrast(on) >= TEXT_CONTRAST, "{colour} on {on}");
            }
            prop_assert!(accent.readable_on(Colour::WHITE).contrast(Colour::WHITE) >= TEXT_CONTRAST);
            prop_assert_eq!(Colour::parse(&accent.to_string()).unwrap(), accent);
        }

        #[test]
        fn no_text_is_a_trouble(text in "#?\\PC{0,8}") {
            let _ = Colour::parse(&text);
        }
    }
}
