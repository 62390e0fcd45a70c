//! The mails that one looks at, and that the tools for mails check.

use postround::compose::{Intro, IssueContent, Section};
use postround::config::{Config, Logo};
use postround::domain::{Colour, Locale};
use postround::render::{Had, Letter, RenderedMail, Renderer, Valid, Wanted};

use super::arabic;
use super::fixture::{Counting, config, day, each, frame, issue};

/// The issues that one looks at.
pub fn sizes() -> Vec<(&'static str, IssueContent)> {
    let bare = each(issue(12, 8), |article| article.image = None);
    let mut typical = issue(12, 8);
    typical.intro = Some(Intro {
        text:
            "Read the small print on shared records before you move a date in your own plan: the extra year is shorter \
               than it looks. And if you have ten minutes, spend them with Nadia Ferreira."
                .into(),
        by: "Marian Holt, Editor".into(),
    });
    let wide = "https://earlyhelp.example/img/wide.png";
    let pictured = each(issue(18, 18), |article| article.image = Some(wide.into()));
    vec![
        ("typical", typical),
        ("pictured", pictured),
        ("one", issue(1, 1)),
        ("pictureless", bare),
        ("forty", issue(40, 20)),
        ("excerpts", issue(40, 40)),
    ]
}

/// Every mail that one looks at, by name.
pub fn looks(renderer: &Renderer) -> Vec<(&'static str, RenderedMail)> {
    let digest =
        |content: &IssueContent, config: &Config| renderer.digest(content, &frame(config), &Counting::new()).unwrap();
    let mut mails = letters(renderer, &config());
    mails.extend(sizes().iter().map(|(name, content)| (*name, digest(content, &config()))));
    mails.push(("arabic", digest(&arabic::issue(), &arabic::config())));
    mails.push(("branded", digest(&issue(3, 3), &branded())));
    mails.push(("long_sections", digest(&long_sections(), &config())));
    mails.push(("wild", digest(&wild(), &config())));
    mails.push(("unlinked", digest(&each(issue(12, 8), |article| article.url = None), &config())));
    mails
}

/// An issue of many features and interviews, each with a picture.
pub fn long_sections() -> IssueContent {
    let mut content = issue(1, 1);
    for (topic, count) in [("features", 13), ("interviews", 14)] {
        let of_topic =
            each(issue(12, 12), |article| article.image = Some("https://earlyhelp.example/img/9.png".into()));
        let articles: Vec<_> = of_topic.sections.into_iter().flat_map(|section| section.articles).collect();
        let articles = articles.iter().cycle().take(count).cloned().collect();
        content.sections.push(Section { topic: topic.into(), title: topic.to_uppercase(), articles });
    }
    content
}

/// An issue whose texts are as feeds should not have them.
pub fn wild() -> IssueContent {
    let long = "Donaudampfschifffahrtsgesellschaft".repeat(147);
    let titles = [
        long.as_str(),
        "</h2></td></tr></table></div></body></html> <!--[if mso]> {{ slot.name }}",
        "\u{202e}Turned round\u{2066} and \u{200f}marked",
        "👩\u{200d}👩\u{200d}👧\u{200d}👦 👨🏽\u{200d}🚒 🏴\u{e0067}\u{e0062}\u{e0077}\u{e006c}\u{e0073}\u{e007f} on the school run",
        "शक्ति, क्षत्रिय और हिन्दी की मात्राएँ",
        "ที่นี่น้ำกำลังไหล และไม่มีช่องว่างระหว่างคำในประโยคที่ยาวมากๆ นี้",
        "\u{200b}\u{2060}\u{feff}",
        "Z\u{336}\u{301}\u{302}\u{303}\u{304}\u{305}\u{306}\u{307}\u{308}algo",
        "شارع لا يُقال فيه عن أحد إنه بعيد المنال",
        "",
    ];
    let at = std::cell::Cell::new(0);
    each(issue(12, 8), |article| {
        let title = titles[at.replace(at.get() + 1) % titles.len()];
        article.title = title.into();
        article.source = format!("{} & “Sons” <b>", title.chars().take(40).collect::<String>());
        article.excerpt = format!("{title} {}", article.excerpt);
    })
}

/// A digest with a logo and colours of its own.
pub fn branded() -> Config {
    let mut config = config();
    let theme = &mut config.digests[0].theme;
    let url = "https://earlyhelp.example/logo.png".parse().unwrap();
    theme.logo = Some(Logo { url, width: 220, height: 48 });
    theme.light.accent = Colour::parse("#7a1f5c").unwrap();
    theme.light.soft = Colour::parse("#f3e9f0").unwrap();
    theme.dark.accent = Colour::parse("#f0a6d6").unwrap();
    theme.dark.soft = Colour::parse("#33222d").unwrap();
    config
}

/// The configuration in a language.
pub fn speaking(code: &str) -> Config {
    let mut config = config();
    config.digests[0].locale = Locale::parse(code).unwrap();
    config
}

/// Each letter of the first digest, by the name of its picture.
pub fn letters(renderer: &Renderer, config: &Config) -> Vec<(&'static str, RenderedMail)> {
    let latest = issue(4, 4);
    let text = [
        "The deadline is March 2028, and not March 2027 as we wrote (https://earlyhelp.example/news/0?a=1&b=2)."
            .to_owned(),
        "We are sorry.".to_owned(),
    ];
    let whole = Wanted { digest: config.digests[0].title.clone(), topics: Vec::new() };
    let part = Wanted { digest: "Jobs & Posts".to_owned(), topics: vec!["North".to_owned(), "South".to_owned()] };
    let confirmation = |wanted, first_issue, reminder| Letter::Confirmation {
        wanted,
        first_issue,
        valid: Valid::Days(7),
        days: 30,
        reminder,
    };
    let subscribed = |had: &[(&str, Option<&str>)]| {
        let had = had.iter().map(|(digest, until)| Had { digest: (*digest).to_owned(), paused_until: until.map(day) });
        Letter::Subscribed { had: had.collect() }
    };
    let first = Some(day("2026-11-30"));
    let all = [
        ("confirmation", confirmation(vec![whole.clone()], first, false)),
        ("confirmation_of_several", confirmation(vec![whole.clone(), part.clone()], first, false)),
        ("reminder", confirmation(vec![whole.clone()], None, true)),
        ("reminder_of_a_part", confirmation(vec![part.clone()], first, true)),
        ("subscribed", subscribed(&[("Early Help Weekly", None)])),
        ("subscribed_to_several", subscribed(&[("Early Help Weekly", None), ("Jobs & Posts", None)])),
        ("paused", subscribed(&[("Early Help Weekly", Some("2026-12-21"))])),
        (
            "paused_in_part",
            subscribed(&[
                ("Early Help Weekly", None),
                ("Jobs & Posts", Some("2026-12-21")),
                ("Inspections", Some("2026-12-21")),
            ]),
        ),
        ("taken", Letter::Taken),
        ("manage", Letter::Manage { valid: Valid::Hours(1) }),
        ("address", Letter::Address { valid: Valid::Hours(24) }),
        ("moved", Letter::Moved),
        ("goodbye", Letter::Goodbye { valid: Valid::Days(7) }),
        ("welcome", Letter::Welcome { latest: Some(&latest) }),
        ("welcome_before_the_first_issue", Letter::Welcome { latest: None }),
        (
            "correction",
            Letter::Correction { text: &text, subject: "Family hubs win an extra year", date: day("2026-11-23") },
        ),
        ("alert", Letter::Alert { subject: "The relay does not take mail", text: &text }),
    ];
    let render = |what| renderer.letter(&frame(config), &what, &Counting::new()).unwrap();
    all.into_iter().map(|(name, what)| (name, render(what))).collect()
}
