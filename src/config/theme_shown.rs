//! A theme as `config show` writes it.

use serde::Serialize;

use super::theme::{Logo, Palette, Theme};

#[derive(Serialize)]
pub(super) struct ThemeShown<'a> {
    #[serde(flatten)]
    light: Colours,
    heading_font: &'a str,
    text_font: &'a str,
    width: usize,
    dark: Colours,
    #[serde(skip_serializing_if = "Option::is_none")]
    logo: Option<LogoShown<'a>>,
}

#[derive(Serialize)]
struct Colours {
    accent: String,
    ink: String,
    muted: String,
    paper: String,
    background: String,
    soft: String,
}

#[derive(Serialize)]
struct LogoShown<'a> {
    url: &'a str,
    width: usize,
    height: usize,
}

impl<'a> ThemeShown<'a> {
    pub(super) fn of(theme: &'a Theme) -> Self {
        let logo = |logo: &'a Logo| LogoShown { url: logo.url.as_str(), width: logo.width, height: logo.height };
        Self {
            light: Colours::of(&theme.light),
            heading_font: &theme.heading_font,
            text_font: &theme.text_font,
            width: theme.width,
            dark: Colours::of(&theme.dark),
            logo: theme.logo.as_ref().map(logo),
        }
    }
}

impl Colours {
    fn of(palette: &Palette) -> Self {
        Self {
            accent: palette.accent.to_string(),
            ink: palette.ink.to_string(),
            muted: palette.muted.to_string(),
            paper: palette.paper.to_string(),
            background: palette.background.to_string(),
            soft: palette.soft.to_string(),
        }
    }
}
