//! The settings of the public pages: the site around and its look, and the form that people join with.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use url::Url;

use super::local_text::LocalText;
use super::rate::Rate;
use super::secret::Secret;
use super::show::address;
use super::values::{write_duration, write_path};
use crate::domain::Colour;

/// The ground of the pages by day.
pub const LIGHT_GROUND: Colour = Colour::new(0xf5, 0xf2, 0xec);

/// Their ground by night.
pub const DARK_GROUND: Colour = Colour::new(0x12, 0x15, 0x17);

/// The least contrast of text, by WCAG 2.2 AA.
pub const READABLE: f64 = 4.5;

/// `[web]`.
#[derive(Clone, Debug, Default)]
pub struct Web {
    /// The site that the digest belongs to.
    pub home_url: Option<Url>,
    /// Its privacy page.
    pub privacy_url: Option<Url>,
    /// What stands at the head of the pages; empty: the digest's title, or of several the sender's name.
    pub title: String,
    /// The heading of the subscribe page; may be empty.
    pub heading: LocalText,
    /// What one gets, in a sentence or two; may be empty.
    pub intro: LocalText,
    /// A picture beside the title.
    pub logo: Option<PathBuf>,
    /// The colour of links and buttons by day.
    pub accent: Option<Colour>,
    /// The same by night; none: a lighter one.
    pub accent_dark: Option<Colour>,
}

/// `[subscribe]`.
#[derive(Clone, Debug)]
pub struct Subscribe {
    /// Sites whose scripts may send sign-ups, as in `https://example.org`.
    pub origins: Vec<String>,
    /// How many sign-ups of one network are taken.
    pub per_network: Rate,
    /// How many for addresses of one domain.
    pub per_domain: Rate,
    /// How many in all.
    pub overall: Rate,
    /// Nobody fills the form faster than that.
    pub min_fill_time: Duration,
    /// Whether the domain of an address is looked up.
    pub mx_check: bool,
    /// A test that tells people from programs.
    pub captcha: Option<Captcha>,
}

impl Default for Subscribe {
    fn default() -> Self {
        Self {
            origins: Vec::new(),
            per_network: Rate::per_hour(30),
            per_domain: Rate::per_hour(1000),
            overall: Rate::per_hour(2000),
            min_fill_time: Duration::from_secs(1),
            mx_check: false,
            captcha: None,
        }
    }
}

/// A test that tells people from programs: the widget of a provider, and the address that knows the answers.
#[derive(Clone, Debug)]
pub struct Captcha {
    /// The script of the widget.
    pub script_url: Url,
    /// Where answers are verified.
    pub verify_url: Url,
    /// The public key.
    pub site_key: String,
    /// The other one.
    pub secret: Secret,
    /// The class of the element that the script turns into the widget.
    pub class: String,
    /// The form field that the widget fills.
    pub field: String,
    /// Further origins that the widget loads from.
    pub origins: Vec<String>,
}

/// `[confirmation]`.
#[derive(Clone, Debug)]
pub struct Confirmation {
    /// How long the link in a confirmation mail works.
    pub valid_for: Duration,
    /// After how long somebody who has not answered is asked once more; none: never.
    pub reminder_after: Option<Duration>,
    /// After how long somebody who has not answered is forgotten.
    pub forget_after: Duration,
    /// Whether whoever confirms gets a mail with the latest issue.
    pub welcome_mail: bool,
}

impl Default for Confirmation {
    fn default() -> Self {
        let day = Duration::from_secs(86_400);
        Self { valid_for: 7 * day, reminder_after: None, forget_after: 30 * day, welcome_mail: false }
    }
}

/// `[web]` as `config show` prints it.
#[derive(Serialize)]
pub struct WebShown<'a> {
    home_url: &'a str,
    privacy_url: &'a str,
    title: &'a str,
    heading: &'a LocalText,
    intro: &'a LocalText,
    logo: String,
    accent: String,
    accent_dark: String,
}

impl<'a> WebShown<'a> {
    /// Of those settings.
    pub fn of(web: &'a Web) -> Self {
        let colour = |colour: Option<Colour>| colour.map(|colour| colour.to_string()).unwrap_or_default();
        Self {
            home_url: address(web.home_url.as_ref()),
            privacy_url: address(web.privacy_url.as_ref()),
            title: &web.title,
            heading: &web.heading,
            intro: &web.intro,
            logo: web.logo.as_deref().map(write_path).unwrap_or_default(),
            accent: colour(web.accent),
            accent_dark: colour(web.accent_dark),
        }
    }
}

/// `[subscribe]` as `config show` prints it.
#[derive(Serialize)]
pub struct SubscribeShown<'a> {
    origins: &'a [String],
    per_network: String,
    per_domain: String,
    overall: String,
    min_fill_time: String,
    mx_check: bool,
    #[serde(flatten)]
    captcha: Option<CaptchaShown<'a>>,
}

#[derive(Serialize)]
struct CaptchaShown<'a> {
    captcha_script_url: &'a str,
    captcha_verify_url: &'a str,
    captcha_site_key: &'a str,
    captcha_secret: &'static str,
    captcha_class: &'a str,
    captcha_field: &'a str,
    captcha_origins: &'a [String],
}

impl<'a> SubscribeShown<'a> {
    /// Of those settings.
    pub fn of(subscribe: &'a Subscribe) -> Self {
        Self {
            origins: &subscribe.origins,
            per_network: subscribe.per_network.to_string(),
            per_domain: subscribe.per_domain.to_string(),
            overall: subscribe.overall.to_string(),
            min_fill_time: write_duration(subscribe.min_fill_time),
            mx_check: subscribe.mx_check,
            captcha: subscribe.captcha.as_ref().map(|captcha| CaptchaShown {
                captcha_script_url: captcha.script_url.as_str(),
                captcha_verify_url: captcha.verify_url.as_str(),
                captcha_site_key: &captcha.site_key,
                captcha_secret: "***",
                captcha_class: &captcha.class,
                captcha_field: &captcha.field,
                captcha_origins: &captcha.origins,
            }),
        }
    }
}
