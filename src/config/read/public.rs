//! `[web]` and `[subscribe]`: the site around, its look, and the form that people join with.

use std::path::{Path, PathBuf};
use std::time::Duration;

use url::{Origin, Url};

use super::local_text::local_line;
use super::secret::secret;
use super::site::path;
use crate::config::public::{Captcha, DARK_GROUND, LIGHT_GROUND, READABLE, Subscribe, Web};
use crate::config::rate::Rate;
use crate::config::reader::{Field, Table, shown};
use crate::config::{urls, values};
use crate::domain::Colour;

/// The largest picture that every visitor shall load.
const LOGO_LIMIT: u64 = 512 * 1024;

/// What a logo may be: what browsers show.
const LOGO_KINDS: [&str; 6] = ["svg", "png", "jpg", "jpeg", "webp", "gif"];

/// Nobody waits longer than that before they press a button.
const LONGEST_FILL: Duration = Duration::from_secs(60);

pub fn web(table: &Table<'_>, folder: &Path) -> Web {
    let url = |name| table.given(name).and_then(|field| field.parse(urls::web));
    let local = |name| table.given(name).and_then(|field| local_line(&field)).unwrap_or_default();
    let accent = table.given("accent").and_then(|field| readable(&field, LIGHT_GROUND, Colour::new(0, 0, 0)));
    let accent_dark = table.given("accent_dark").and_then(|field| readable(&field, DARK_GROUND, Colour::WHITE));
    if accent_dark.is_some() && table.given("accent").is_none() {
        table.wrong("accent_dark", "has no `accent` with it; set the colour by day too");
    }
    Web {
        home_url: url("home_url"),
        privacy_url: url("privacy_url"),
        title: table.given("title").and_then(|field| field.line()).unwrap_or_default().to_owned(),
        heading: local("heading"),
        intro: local("intro"),
        logo: logo(table, folder),
        accent,
        accent_dark,
    }
}

/// A colour that can be read as text on `ground`; else one nearer to `end` is named that could.
fn readable(field: &Field<'_>, ground: Colour, end: Colour) -> Option<Colour> {
    let colour = field.parse(|text| Colour::parse(text).map_err(|error| format!("`{}` {error}", shown(text))))?;
    let contrast = colour.contrast(ground);
    if contrast < READABLE {
        let better = colour.readable_on(ground, end, READABLE);
        field.fail(format!(
            "has a contrast of {contrast:.1} to the page's {ground}, and text in it could not be read; it must have {READABLE}, \
             as {better} has"
        ));
        return None;
    }
    Some(colour)
}

fn logo(table: &Table<'_>, folder: &Path) -> Option<PathBuf> {
    let (field, file) = (table.given("logo")?, path(table, "logo", folder)?);
    let kind = file.extension().and_then(|kind| kind.to_str()).map(str::to_ascii_lowercase).unwrap_or_default();
    let size = std::fs::metadata(&file).ok().filter(std::fs::Metadata::is_file).map(|file| file.len());
    let shown = file.display();
    match size {
        _ if !LOGO_KINDS.contains(&kind.as_str()) => {
            field.fail(format!("{shown} is no picture that we know; it must end with .svg, .png, .jpg, .webp or .gif"));
        }
        None => field.fail(format!("there is no file {shown}; it must be a picture")),
        Some(size) if size > LOGO_LIMIT => {
            field.fail(format!("{shown} has {} KB; it must have at most {}", size / 1024, LOGO_LIMIT / 1024));
        }
        Some(_) => return Some(file),
    }
    None
}

pub fn subscribe(table: &Table<'_>, folder: &Path) -> Subscribe {
    let default = Subscribe::default();
    let rate = |name, default| table.given(name).and_then(|field| field.parse(Rate::parse)).unwrap_or(default);
    let fill = |text: &str| values::duration(text, Duration::ZERO, LONGEST_FILL);
    let min_fill_time = table.given("min_fill_time").and_then(|field| field.parse(fill));
    Subscribe {
        origins: origins(table, "origins"),
        per_network: rate("per_network", default.per_network),
        per_domain: rate("per_domain", default.per_domain),
        overall: rate("overall", default.overall),
        min_fill_time: min_fill_time.unwrap_or(default.min_fill_time),
        mx_check: table.field("mx_check").and_then(|field| field.boolean()).unwrap_or(default.mx_check),
        captcha: captcha(table, folder),
    }
}

fn origins(table: &Table<'_>, name: &'static str) -> Vec<String> {
    let items = table.field(name).and_then(|field| field.items()).unwrap_or_default();
    items.iter().filter_map(|item| item.parse(origin)).collect()
}

/// A site as browsers name it: scheme, host and port.
fn origin(text: &str) -> Result<String, String> {
    let url = urls::web(text)?;
    let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    match url.origin() {
        origin @ Origin::Tuple(..) if bare && url.username().is_empty() => Ok(origin.ascii_serialization()),
        _ => Err(format!("`{}` has more than scheme, host and port; it looks like `https://example.org`", shown(text))),
    }
}

/// The keys of a CAPTCHA, which are there together or not at all.
fn captcha(table: &Table<'_>, folder: &Path) -> Option<Captcha> {
    const NEEDED: [&str; 3] = ["captcha_script_url", "captcha_verify_url", "captcha_site_key"];
    const OTHERS: [&str; 5] =
        ["captcha_secret", "captcha_secret_file", "captcha_class", "captcha_field", "captcha_origins"];
    let given: Vec<&'static str> =
        NEEDED.into_iter().chain(OTHERS).filter(|name| table.given(name).is_some()).collect();
    let first = given.first()?;
    for name in NEEDED.iter().filter(|name| !given.contains(name)) {
        table.wrong(name, format!("is missing, and `{first}` is given; set both, or none of the captcha's keys"));
    }
    if !given.contains(&"captcha_secret") && !given.contains(&"captcha_secret_file") {
        table.wrong("captcha_secret", "is missing; set it, or `captcha_secret_file` with the name of a file");
    }
    let address = |name| table.given(name).and_then(|field: Field<'_>| field.parse(captcha_url));
    let word = |name, default: &str| match table.given(name) {
        Some(field) => field.parse(word).unwrap_or_default(),
        None => default.to_owned(),
    };
    let secret = secret(table, "captcha_secret", "captcha_secret_file", folder);
    Some(Captcha {
        script_url: address("captcha_script_url")?,
        verify_url: address("captcha_verify_url")?,
        site_key: table.given("captcha_site_key")?.line()?.to_owned(),
        secret,
        class: word("captcha_class", "h-captcha"),
        field: word("captcha_field", "h-captcha-response"),
        origins: origins(table, "captcha_origins"),
    })
}

/// An address that a Content-Security-Policy can name, and that nobody on the way can read; this machine's own aside.
fn captcha_url(text: &str) -> Result<Url, String> {
    let url = urls::web(text)?;
    match url.scheme() == "https" || urls::is_loopback(&url) {
        true => Ok(url),
        false => Err(format!("`{}` is not https; it must begin with https://", shown(text))),
    }
}

/// A class or the name of a field.
fn word(text: &str) -> Result<String, String> {
    let text = text.trim();
    let fits = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    match fits && text.len() <= 64 {
        true => Ok(text.to_owned()),
        false => Err(format!("`{}` is not a name; one has letters, digits, - and _, as in `h-captcha`", shown(text))),
    }
}
