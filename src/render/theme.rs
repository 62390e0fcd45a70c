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
    /// The fonts for old Outlook, which shows Times where it does not know the first of a list.
    outlook_heading_font: String,
    outlook_text_font: String,
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
            outlook_heading_font: installed(&theme.heading_font),
            outlook_text_font: installed(&theme.text_font),
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

/// Those that come with Windows or Office.
const INSTALLED: [&str; 30] = [
    "aptos",
    "arial",
    "arial black",
    "arial narrow",
    "book antiqua",
    "bookman old style",
    "calibri",
    "cambria",
    "candara",
    "century gothic",
    "comic sans ms",
    "consolas",
    "constantia",
    "corbel",
    "courier new",
    "franklin gothic medium",
    "garamond",
    "georgia",
    "impact",
    "lucida console",
    "lucida sans unicode",
    "palatino linotype",
    "rockwell",
    "segoe print",
    "segoe ui",
    "sylfaen",
    "tahoma",
    "times new roman",
    "trebuchet ms",
    "verdana",
];

/// The first font of a list that is there with Windows, and the kind that the list ends with; where there is none, one of
/// that kind.
fn installed(list: &str) -> String {
    let names = || list.split(',').map(str::trim);
    let kind = names().next_back().unwrap_or_default();
    let is_there = |name: &&str| INSTALLED.contains(&name.trim_matches('\'').to_ascii_lowercase().as_str());
    let name = names().find(is_there).unwrap_or(match kind {
        "serif" => "Georgia",
        "monospace" => "'Courier New'",
        _ => "'Segoe UI'",
    });
    format!("{name},{kind}")
}

/// A list of fonts without the spaces: each paragraph of a mail repeats it.
fn fonts(list: &str) -> String {
    list.split(',').map(str::trim).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::installed;

    #[rstest]
    #[case("-apple-system, 'Segoe UI', Roboto, sans-serif", "'Segoe UI',sans-serif")]
    #[case("'Arial Black', Impact, sans-serif", "'Arial Black',sans-serif")]
    #[case("Lora, georgia, serif", "georgia,serif")]
    #[case("Lora, serif", "Georgia,serif")]
    #[case("'IBM Plex Mono', monospace", "'Courier New',monospace")]
    #[case("Inter, sans-serif", "'Segoe UI',sans-serif")]
    fn old_outlook_gets_the_first_font_that_its_machine_has(#[case] list: &str, #[case] font: &str) {
        assert_eq!(installed(list), font);
    }
}
