//! The site's own look: its colours as custom properties over the stylesheet, and its logo; and that of each digest, which its
//! issues have there as in the mails.

use std::path::Path;

use crate::config::{DARK_GROUND, LIGHT_GROUND, Palette, READABLE, Theme, Web};
use crate::domain::Colour;

/// The ink of the pages by day and by night.
const INKS: [Colour; 2] = [Colour::new(0x1d, 0x1c, 0x1a), Colour::new(0xec, 0xea, 0xe5)];

/// What the site changes in the stylesheet; empty where it changes nothing.
pub(super) fn colours(web: &Web) -> String {
    let Some(light) = web.accent else { return String::new() };
    // By night the same colour, as much lighter as it takes.
    let dark = web.accent_dark.unwrap_or_else(|| light.readable_on(DARK_GROUND, Colour::WHITE, READABLE + 2.0));
    format!(
        "\n:root {{ {} }}\n@media (prefers-color-scheme: dark) {{\n  :root {{ {} }}\n}}\n",
        properties(light, LIGHT_GROUND, INKS[0]),
        properties(dark, DARK_GROUND, INKS[1])
    )
}

/// The accent, deeper towards the ink, soft towards the ground, and what can be read on it.
fn properties(accent: Colour, ground: Colour, ink: Colour) -> String {
    let on = [Colour::WHITE, Colour::new(0x0c, 0x12, 0x17)];
    let on = if on[0].contrast(accent) >= on[1].contrast(accent) { on[0] } else { on[1] };
    format!(
        "--accent: {accent}; --accent-deep: {}; --accent-soft: {}; --on-accent: {on};",
        accent.toward(ink, 35),
        ground.toward(accent, 10)
    )
}

/// A digest's theme, for the pages of its issues.
pub(super) fn theme(theme: &Theme) -> String {
    let Theme { light, dark, heading_font, text_font, .. } = theme;
    let (paper, [column, story, note]) = (theme.paper(), [theme.column(), theme.story(), theme.note()]);
    format!(
        "\n.issue {{ --serif: {heading_font}; --sans: {text_font}; --paper: {paper}px; --column: {column}px; --story: {story}px; \
         --note: {note}px; --plate: {}; --plate-text: {}; {} --heavy: {}; }}\n\
         @media (prefers-color-scheme: dark) {{\n  .issue {{ {} --heavy: {}; }}\n}}\n",
        light.paper,
        light.accent,
        palette(light),
        light.ink,
        palette(dark),
        // A line in the ink of the night would glare.
        dark.muted,
    )
}

fn palette(colours: &Palette) -> String {
    let Palette { accent, ink, muted, paper, background, soft } = colours;
    format!(
        "--ground: {background}; --field: {paper}; --ink: {ink}; --muted: {muted}; --accent: {accent}; --accent-deep: {}; \
         --accent-soft: {soft}; --on-accent: {}; --rule: {}; --rule-strong: {};",
        accent.toward(*ink, 35),
        colours.on_accent(),
        colours.rule(),
        soft.toward(*muted, 30),
    )
}

/// A picture that visitors load.
pub(super) struct Logo {
    pub(super) content: Vec<u8>,
    pub(super) kind: &'static str,
    pub(super) ending: &'static str,
}

/// Reads the logo; the configuration has checked that it is there.
pub(super) fn logo(path: &Path) -> std::io::Result<Logo> {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    let (kind, ending) = match ending.as_str() {
        "svg" => ("image/svg+xml", "svg"),
        "jpg" | "jpeg" => ("image/jpeg", "jpg"),
        "webp" => ("image/webp", "webp"),
        "gif" => ("image/gif", "gif"),
        _ => ("image/png", "png"),
    };
    Ok(Logo { content: std::fs::read(path)?, kind, ending })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The colour of that property, by day (0) or by night (1).
    fn property(css: &str, name: &str, scheme: usize) -> Colour {
        let found = css.split(&format!("{name}: ")).nth(scheme + 1).unwrap();
        Colour::parse(found.split(';').next().unwrap()).unwrap()
    }

    proptest! {
        #[test]
        fn whatever_the_accent_is_its_text_and_buttons_can_be_read(r: u8, g: u8, b: u8) {
            let accent = Colour::new(r, g, b).readable_on(LIGHT_GROUND, Colour::new(0, 0, 0), READABLE);
            let css = colours(&Web { accent: Some(accent), ..Web::default() });
            for (scheme, ground) in [LIGHT_GROUND, DARK_GROUND].into_iter().enumerate() {
                let (accent, deep) = (property(&css, "--accent", scheme), property(&css, "--accent-deep", scheme));
                let on = property(&css, "--on-accent", scheme);
                prop_assert!(accent.contrast(ground) >= READABLE && deep.contrast(ground) >= READABLE, "{css}");
                prop_assert!(on.contrast(accent) >= READABLE, "{css}");
                let ink = INKS[scheme];
                prop_assert!(ink.contrast(property(&css, "--accent-soft", scheme)) >= READABLE, "{css}");
            }
        }
    }

    #[test]
    fn the_grounds_and_inks_are_those_of_the_stylesheet() {
        let style = include_str!("../../templates/pages/style.css");
        for (scheme, (ground, ink)) in [LIGHT_GROUND, DARK_GROUND].into_iter().zip(INKS).enumerate() {
            assert_eq!((property(style, "--ground", scheme), property(style, "--ink", scheme)), (ground, ink));
        }
    }
}
