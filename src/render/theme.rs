//! A digest's theme as the templates see it: colours as CSS writes them, and every width that follows from the content's.

use serde::Serialize;

use crate::config::{Logo, Palette, Theme};
use crate::domain::Colour;

/// What `theme` has.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ThemeView {
    light: Colours,
    dark: Colours,
    heading_font: String,
    text_font: String,
    logo: Option<Logo>,
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
    #[serde(flatten)]
    palette: Palette,
    /// The line between stories.
    hairline: Colour,
    /// The line above a section.
    rule: Colour,
    on_accent: Colour,
}

impl ThemeView {
    pub(super) fn of(theme: &Theme) -> Self {
        let paper = theme.paper();
        Self {
            light: Colours::of(theme.light, theme.light.ink),
            // A line in the ink of the night would glare.
            dark: Colours::of(theme.dark, theme.dark.muted),
            heading_font: fonts(&theme.heading_font),
            text_font: fonts(&theme.text_font),
            logo: theme.logo.clone(),
            width: theme.width,
            paper,
            phone: paper - 1,
            column: theme.column(),
            story: theme.story(),
            note: theme.note(),
            half: theme.width / 2,
        }
    }
}

impl Colours {
    fn of(palette: Palette, rule: Colour) -> Self {
        Self { palette, hairline: palette.rule(), rule, on_accent: palette.on_accent() }
    }
}

/// A list of fonts without the spaces: each paragraph of a mail repeats it.
fn fonts(list: &str) -> String {
    list.split(',').map(str::trim).collect::<Vec<_>>().join(",")
}
