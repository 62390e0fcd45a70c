//! A digest's theme as the templates see it: colours as CSS writes them, and every width that follows from the content's.

use serde::Serialize;

use crate::config::{Palette, Theme};

/// Between the content and the edge of the paper, in pixels.
const EDGE: usize = 40;
/// A picture beside a story, with what keeps the text off it.
const PICTURE: usize = 136;

/// What `theme` has.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ThemeView {
    light: Colours,
    dark: Colours,
    heading_font: String,
    text_font: String,
    logo: Option<LogoView>,
    /// The content.
    width: usize,
    /// The content and the edges of the paper.
    paper: usize,
    /// The widest window in which the phone's rules hold.
    phone: usize,
    /// The text of intro and lead story.
    column: usize,
    /// The text of a story.
    story: usize,
    /// The text of the footer.
    note: usize,
    /// One of two columns.
    half: usize,
}

#[derive(Clone, Debug, Serialize)]
struct Colours {
    accent: String,
    ink: String,
    muted: String,
    paper: String,
    background: String,
    soft: String,
    /// The line between stories.
    hairline: String,
    /// The line above a section.
    rule: String,
    on_accent: String,
}

#[derive(Clone, Debug, Serialize)]
struct LogoView {
    url: String,
    width: usize,
    height: usize,
}

impl ThemeView {
    pub(super) fn of(theme: &Theme) -> Self {
        let width = theme.width;
        let light = Colours::of(&theme.light, &theme.light.ink.to_string());
        // A line in the ink of the night would glare.
        let dark = Colours::of(&theme.dark, &theme.dark.muted.to_string());
        let logo = theme.logo.as_ref().map(|logo| LogoView {
            url: logo.url.as_str().to_owned(),
            width: logo.width,
            height: logo.height,
        });
        Self {
            light,
            dark,
            heading_font: fonts(&theme.heading_font),
            text_font: fonts(&theme.text_font),
            logo,
            width,
            paper: width + 2 * EDGE,
            phone: width + 2 * EDGE - 1,
            column: width * 84 / 100,
            story: width - PICTURE,
            note: width * 72 / 100,
            half: width / 2,
        }
    }
}

impl Colours {
    fn of(palette: &Palette, rule: &str) -> Self {
        Self {
            accent: palette.accent.to_string(),
            ink: palette.ink.to_string(),
            muted: palette.muted.to_string(),
            paper: palette.paper.to_string(),
            background: palette.background.to_string(),
            soft: palette.soft.to_string(),
            hairline: palette.rule().to_string(),
            rule: rule.to_owned(),
            on_accent: palette.on_accent().to_string(),
        }
    }
}

/// A list of fonts without the spaces: each paragraph of a mail repeats it.
fn fonts(list: &str) -> String {
    list.split(',').map(str::trim).collect::<Vec<_>>().join(",")
}
