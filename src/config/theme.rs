//! How a digest looks: its colours in light and dark, fonts, logo and width.

use serde::{Serialize, Serializer};
use url::Url;

use crate::domain::Colour;

/// The least contrast of text with what it stands on (WCAG 2.2, success criterion 1.4.3).
pub const TEXT_CONTRAST: f64 = 4.5;
/// The contrast that a dark accent gets which nobody has chosen.
const DARK_ACCENT_CONTRAST: f64 = 7.0;
/// How much of the accent is in the band behind interviews, in percent.
const SOFT: u8 = 10;
/// How much of the dates' colour is in the line between stories, in percent.
const HAIRLINE: u8 = 22;

/// Between the content and the edge of the paper, in pixels.
const EDGE: usize = 40;
/// A picture beside a story, with what keeps the text off it.
const PICTURE: usize = 136;

const BLACK: Colour = Colour::new(0, 0, 0);

/// `[digest.theme]`; serialized, it is written as it is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Theme {
    /// The colours on a light screen.
    #[serde(flatten)]
    pub light: Palette,
    /// The fonts of headlines, as CSS lists them.
    pub heading_font: String,
    /// The fonts of everything else.
    pub text_font: String,
    /// The width of the content, in pixels.
    pub width: usize,
    /// The colours where the reader's mail program is dark.
    pub dark: Palette,
    /// Stands in the place of the digest's title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logo: Option<Logo>,
}

/// A picture in the place of the digest's title.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Logo {
    /// Where it is.
    #[serde(serialize_with = "as_text")]
    pub url: Url,
    /// How wide it is shown, in pixels.
    pub width: usize,
    /// How high.
    pub height: usize,
}

/// The colours that a theme names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
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

fn as_text<S: Serializer>(url: &Url, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(url.as_str())
}

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

impl Theme {
    /// The width of the content and the edges of the paper, in pixels.
    pub fn paper(&self) -> usize {
        self.width + 2 * EDGE
    }

    /// That of the text of intro and lead story.
    pub fn column(&self) -> usize {
        self.width * 84 / 100
    }

    /// That of the text of a story.
    pub fn story(&self) -> usize {
        self.width - PICTURE
    }

    /// That of the text of the footer.
    pub fn note(&self) -> usize {
        self.width * 72 / 100
    }
}

impl Palette {
    /// Ink and dark green on white, on a warm grey.
    pub const LIGHT: Self = Self {
        accent: Colour::new(0x0b, 0x5c, 0x55),
        ink: Colour::new(0x1d, 0x1c, 0x1a),
        muted: Colour::new(0x5d, 0x59, 0x55),
        paper: Colour::WHITE,
        background: Colour::new(0xf5, 0xf2, 0xec),
        soft: Colour::new(0xe7, 0xf0, 0xee),
    };
    /// The same at night.
    pub const DARK: Self = Self {
        accent: Colour::new(0x74, 0xc9, 0xbd),
        ink: Colour::new(0xec, 0xea, 0xe5),
        muted: Colour::new(0xaa, 0xa5, 0x9d),
        paper: Colour::new(0x1a, 0x1e, 0x21),
        background: Colour::new(0x12, 0x15, 0x17),
        soft: Colour::new(0x1f, 0x2f, 0x2d),
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
        self.paper.toward(self.accent, SOFT)
    }

    /// The accent of a light theme, lightened until it reads well here.
    pub fn suiting_accent(&self, light: Colour) -> Colour {
        light.readable_on(self.paper, Colour::WHITE, DARK_ACCENT_CONTRAST).readable_on(
            self.background,
            Colour::WHITE,
            DARK_ACCENT_CONTRAST,
        )
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

    /// The darker or lighter colour for that key, nearest to what it is, with which all pairs that it changes read; `None`:
    /// there is none. Where the band `soft` is not chosen, it follows `accent` and `paper`.
    pub fn readable(&self, key: &str, soft_follows: bool) -> Option<Colour> {
        let mut with = *self;
        let from = *with.of(key)?;
        let mut steps = (0..=100).flat_map(|percent| [BLACK, Colour::WHITE].map(|end| from.toward(end, percent)));
        let follows = soft_follows && ["accent", "paper"].contains(&key);
        steps.find(|colour| {
            let mut with = *self;
            if let Some(place) = with.of(key) {
                *place = *colour;
            }
            if follows {
                with.soft = with.suiting_soft();
            }
            let changed = |name: &str| name == key || (follows && name == "soft");
            let mut pairs = with.pairs().into_iter().filter(|(text, _, ground, _)| changed(text) || changed(ground));
            pairs.all(|(_, colour, _, on)| colour.contrast(on) >= TEXT_CONTRAST)
        })
    }

    /// The hairline between stories.
    pub fn rule(&self) -> Colour {
        self.paper.toward(self.muted, HAIRLINE)
    }

    /// What is written on a button, whose ground is the accent.
    pub fn on_accent(&self) -> Colour {
        // One of these reads on any ground; the soft black is nicer than the last.
        let candidates = [Colour::WHITE, Colour::new(0x12, 0x15, 0x17)];
        let reads = |text: &Colour| self.accent.contrast(*text) >= TEXT_CONTRAST;
        candidates.into_iter().find(reads).unwrap_or(BLACK)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
            let accent = Colour::new(red, green, blue);
            let mut dark = Palette::DARK;
            dark.accent = dark.suiting_accent(accent);
            dark.soft = dark.suiting_soft();
            for palette in [dark, Palette { accent, ..Palette::LIGHT }] {
                prop_assert!(palette.on_accent().contrast(palette.accent) >= TEXT_CONTRAST);
            }
            for (_, colour, _, on) in dark.pairs() {
                prop_assert!(colour.contrast(on) >= TEXT_CONTRAST, "{colour} on {on}");
            }
        }

        #[test]
        fn the_colour_that_would_do_does(red: u8, green: u8, blue: u8, at in 0usize..6, follows: bool) {
            let key = ["accent", "ink", "muted", "paper", "background", "soft"][at];
            let mut palette = Palette::LIGHT;
            *palette.of(key).unwrap() = Colour::new(red, green, blue);
            // On the default colours each key can be mended alone.
            let better = palette.readable(key, follows).unwrap();
            *palette.of(key).unwrap() = better;
            if follows && ["accent", "paper"].contains(&key) {
                palette.soft = palette.suiting_soft();
            }
            for (text, colour, ground, on) in palette.pairs() {
                prop_assert!(colour.contrast(on) >= TEXT_CONTRAST, "{text} on {ground}");
            }
        }
    }
}
