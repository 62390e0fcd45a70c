//! The design of the digest: its scales, its theme, its limits, and what no text from a feed can do to it.

use std::cell::Cell;
use std::sync::LazyLock;

use postround::compose::{Intro, IssueContent, Section};
use postround::config::Config;
use postround::domain::{Colour, Locale};
use postround::render::{RenderedMail, Slots, built_in_templates, fill};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use rstest::rstest;
use scraper::{ElementRef, Html, Selector};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::fixture::{config, day, each, issue, slots};
use super::looks::{branded, letters};
use super::messages::{check_form, parse};
use super::parity::assert_same_addresses;
use super::{RENDERER, arabic, reader, render, spliced};

fn count(page: &Html, selector: &str) -> usize {
    page.select(&Selector::parse(selector).unwrap()).count()
}

fn texts(html: &str, selector: &str) -> Vec<String> {
    let page = Html::parse_document(html);
    let selector = Selector::parse(selector).unwrap();
    page.select(&selector).map(|element| element.text().collect::<String>().trim().to_owned()).collect()
}

/// The numbers of pixels that the style sheets give a property, or one of its sides.
fn sizes_of(property: &str) -> Vec<u32> {
    let sheets = built_in_templates().iter().filter(|(name, _)| name.ends_with(".html")).map(|(_, text)| *text);
    // Without what a template decides: both ways count.
    let tag = regex::Regex::new(r"\{%.*?%\}").unwrap();
    let sheets =
        sheets.map(|text| tag.replace_all(text, " ").replace("{{ end }}", "end").replace("{{ start }}", "start"));
    let mut sizes = Vec::new();
    for sheet in sheets {
        for (name, value) in sheet.split([';', '{', '}', '"']).filter_map(|declaration| declaration.split_once(':')) {
            let side = name.trim().strip_prefix(property);
            if side.is_some_and(|side| side.is_empty() || side.starts_with('-')) {
                let pixels = value.split([' ', '!']).filter_map(|part| part.strip_suffix("px")?.parse::<u32>().ok());
                sizes.extend(pixels);
            }
        }
    }
    sizes
}

#[test]
fn type_and_space_keep_to_their_scales() {
    let scale = |name: &str| -> Vec<u32> {
        let (_, layout) = built_in_templates().iter().find(|(file, _)| *file == "layout.html").unwrap();
        let line = layout.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).unwrap();
        line.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
    };
    let (space, touch) = (scale("space"), [10, 14]);
    assert!(space.len() > 6, "{space:?}");
    for property in ["padding", "margin"] {
        for size in sizes_of(property) {
            // A link's own room is taken off the room around it.
            assert!(space.contains(&size) || touch.contains(&size) || size == 2, "{property}: {size}px");
        }
    }
    let fonts = sizes_of("font-size");
    assert!(fonts.len() > 12, "{fonts:?}");
    for size in fonts {
        assert!([14, 16, 18, 22, 28, 32, 36].contains(&size), "font-size: {size}px");
    }
}

#[test]
fn the_theme_is_in_the_elements_and_in_the_rules_for_the_dark() {
    let mut config = config();
    let theme = &mut config.digests[0].theme;
    theme.light.accent = Colour::parse("#7a1f5c").unwrap();
    theme.dark.accent = Colour::parse("#f0a6d6").unwrap();
    theme.text_font = "Verdana, sans-serif".into();
    theme.width = 640;
    let html = render(&issue(12, 8), &config).html;
    assert!(html.contains("color:#7a1f5c") && html.contains(".a{color:#f0a6d6!important}"));
    assert!(html.contains("font-family:Verdana,sans-serif") && !html.contains("Segoe UI',Roboto"));
    assert!(html.contains("max-width:720px") && html.contains("@media (max-width:719px)"));
    assert!(!html.contains("#0b5c55") && !html.contains("680"));
}

#[test]
fn old_outlook_gets_fonts_of_the_theme_that_it_knows() {
    let mut config = config();
    let theme = &mut config.digests[0].theme;
    theme.heading_font = "Lora, 'Arial Black', sans-serif".into();
    theme.text_font = "'IBM Plex Mono', monospace".into();
    let html = render(&issue(2, 2), &config).html;
    let word = html.split_once("<!--[if mso]><style>").unwrap().1.split_once("</style>").unwrap().0;
    assert!(word.contains("p,.label,.button td{font-family:'Courier New',monospace!important}"), "{word}");
    assert!(word.contains(".say{font-family:'Arial Black',sans-serif!important}"), "{word}");
}

#[test]
fn every_letter_wears_the_theme_of_its_digest() {
    for (name, mail) in letters(&RENDERER, &branded()) {
        assert!(mail.html.contains("logo.png") && mail.html.contains(".a{color:#f0a6d6!important}"), "{name}");
        assert!(!mail.html.contains("#0b5c55"), "{name}");
    }
}

#[test]
fn a_logo_stands_for_the_title_and_says_it() {
    let mut config = config();
    config.digests[0].theme.logo = Some(postround::config::Logo {
        url: "https://earlyhelp.example/logo.png".parse().unwrap(),
        width: 180,
        height: 40,
    });
    let html = render(&issue(2, 2), &config).html;
    let page = Html::parse_document(&html);
    assert_eq!(count(&page, r#"h1 img[width="180"][height="40"][alt="Early Help Weekly"]"#), 1);
    assert_eq!(texts(&html, "h1"), [""]);
}

#[test]
fn an_intro_stands_above_the_lead_story_with_its_paragraphs_and_who_says_it() {
    let mut content = issue(3, 3);
    content.intro = Some(Intro { text: "First.\r\n \r\nSecond\nline.".into(), by: "Marian Holt, Editor".into() });
    let mail = render(&content, &config());
    assert_eq!(texts(&mail.html, "p.say"), ["First.", "Second line."]);
    let text = mail.text.replace('\n', "|");
    assert!(text.contains("|First.||Second line.||Marian Holt, Editor||Family hubs"), "{text}");
    let at = |part: &str| mail.html.find(part).unwrap();
    assert!(at("Marian Holt") < at("<h2"));
}

#[rstest]
#[case("news", 20)]
#[case("features", 19)]
#[case("features", 20)]
#[case("interviews", 20)]
fn no_table_has_so_many_stories_that_old_outlook_tears_it(#[case] topic: &str, #[case] count: usize) {
    // The first of them leads the issue.
    let mut content = each(issue(count + 1, count + 1), |article| {
        article.topic = topic.into();
        article.image = Some("https://earlyhelp.example/a.png".into());
    });
    let articles: Vec<_> = content.sections.drain(..).flat_map(|section| section.articles).collect();
    content.sections = vec![Section { topic: topic.into(), title: "A section".into(), articles }];
    let html = render(&content, &config()).html;
    let page = Html::parse_document(&html);
    let stories = Selector::parse("h3").unwrap();
    let of_table = |table: ElementRef<'_>| table.select(&stories).count();
    let tables: Vec<usize> = page.select(&Selector::parse("table.page").unwrap()).map(of_table).collect();
    let full: Vec<usize> = tables.into_iter().filter(|stories| *stories > 0).collect();
    assert_eq!(full, [6, 6, 6, count - 18]);
    // What Word alone sees is whole, too: in each table of its own, and in the rest of the page.
    let for_word = html.replace("<!--[if mso]>", "").replace("<![endif]-->", "");
    for element in ["table", "tr", "td"] {
        let ends = for_word.matches(&format!("</{element}>")).count();
        let begins =
            for_word.matches(&format!("<{element}>")).count() + for_word.matches(&format!("<{element} ")).count();
        assert_eq!(begins, ends, "{element}");
    }
}

#[test]
fn a_mail_in_arabic_goes_from_right_to_left_and_an_english_story_in_it_does_not() {
    let config = arabic::config();
    let mail = render(&arabic::issue(), &config);
    let page = Html::parse_document(&mail.html);
    assert_eq!(count(&page, r#"html[lang="ar"][dir="rtl"]"#), 1);
    assert_eq!(count(&page, r#"body > [lang="ar"][dir="rtl"]"#), 1);
    assert_eq!(count(&page, r#"h3[dir="ltr"]"#), 1);
    assert!(mail.html.contains("text-align:right;direction:rtl"));
    assert!(mail.html.contains("العدد 42 · الاثنين 23 نوفمبر 2026"));
    assert!(!mail.html.contains("letter-spacing"), "it would tear Arabic letters apart");
    assert!(mail.text.contains("وأيضًا في هذا العدد") && mail.text.contains("إلغاء الاشتراك"));
    // Of seven stories six are left: six is "few" in Arabic.
    let subject = "{{ lead.title }}{% if more > 0 %} {{ words.more }}{% endif %}";
    let subject = postround::render::subject(subject, &arabic::issue(), &arabic::locale()).unwrap();
    assert_eq!(subject, "عام إضافي لمراكز الأسرة لتوحيد أبوابها + 6 أخبار أخرى");
}

#[test]
fn a_date_that_another_language_stands_in_for_keeps_its_ends() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("locales")).unwrap();
    std::fs::write(folder.path().join("locales/ur.toml"), "dir = \"rtl\"\nissue = \"شمارہ {number}\"\n").unwrap();
    let mail = render(&arabic::issue(), &arabic::config_in(folder.path(), "ur"));
    for part in [&mail.html, &mail.text] {
        for dated in
            ["شمارہ 42 · \u{200e}Monday 23 November 2026\u{200e}", "\u{200e}20 November 2026\u{200e}, الأسرة اليوم"]
        {
            assert!(part.contains(dated), "{dated}: {part}");
        }
    }
}

#[test]
fn an_address_in_the_other_direction_keeps_its_ends() {
    let mut config = arabic::config();
    config.digests[0].sender.postal_address = "1 High Street, Exampleton EX1 1EX".into();
    config.digests[0].sender.legal = "(Charity 1234567)".into();
    let content = each(arabic::issue(), |article| article.source = "3 Counties Herald (North)".into());
    let mail = render(&content, &config);
    for part in [&mail.html, &mail.text] {
        for text in ["1 High Street, Exampleton EX1 1EX", "(Charity 1234567)", "3 Counties Herald (North)"] {
            assert!(part.contains(&format!("\u{200e}{text}\u{200e}")), "{text}");
        }
    }
    config.digests[0].sender.postal_address = "دار النشر".into();
    assert!(!render(&content, &config).text.contains("\u{200f}"));
}

#[test]
fn the_subject_says_in_its_language_how_many_more_there_are() {
    let subject = |code: &str, count| {
        let template = "{{ lead.title }}{% if more > 0 %} {{ words.more }}{% endif %}";
        postround::render::subject(template, &issue(count, 8), &Locale::parse(code).unwrap()).unwrap()
    };
    let lead = "Family hubs win an extra year to merge their front doors";
    assert_eq!(subject("en-GB", 12), format!("{lead} + 11 more"));
    assert_eq!(subject("fr", 2), format!("{lead} + 1 autre"));
    assert_eq!(subject("de", 1), lead);
}

#[test]
fn a_backlog_of_a_thousand_stories_fits_too_and_says_how_many_are_left_out() {
    let content = each(issue(1000, 400), |article| article.excerpt = article.excerpt.repeat(6));
    let mail = render(&content, &config());
    assert!(mail.html.len() < 100_000, "{}", mail.html.len());
    let listed = texts(&mail.html, "p.title").len();
    let left_out = 1000 - 1 - listed - texts(&mail.html, "h3").len();
    let said = format!("And {left_out} more stories");
    let rest = texts(&mail.html, r#"a[href="https://post.earlyhelp.example/archive/weekly/42"]"#);
    assert_eq!(rest.first(), Some(&said), "it leads to the page that has them all");
    assert!(mail.html.contains(&said) && mail.text.contains(&said), "{listed} listed: {said}");
    assert!(listed > 100, "{listed}");
    let (first, _) = mail.text.split_once("\nhttps://earlyhelp.example/news/1?").unwrap();
    assert!(!first.ends_with('\n'), "an address stands right below its title, also where its source is left out");
    assert_same_addresses(&mail);
}

#[test]
fn excerpts_get_no_shorter_than_the_mail_needs() {
    let content = each(issue(40, 40), |article| article.excerpt = article.excerpt.repeat(6));
    let mail = render(&content, &config());
    let longest = texts(&mail.html, "p.body").iter().map(|text| text.chars().count()).max().unwrap();
    assert!((300..=900).contains(&longest), "{longest}");
    // Nearly all of the room is used; from 80,000 on the operator hears of it.
    assert!((85_000..100_000).contains(&mail.html.len()), "{}", mail.html.len());
    assert_eq!(texts(&mail.html, "h3").len(), 39);
}

#[test]
fn each_readers_copy_stays_below_what_gmail_cuts_off_however_long_their_links_are() {
    let content = each(issue(40, 40), |article| article.excerpt = article.excerpt.repeat(6));
    let mail = render(&content, &config());
    let address = reader();
    let link = format!("https://post.earlyhelp.example/{}/{}", "path".repeat(50), "t".repeat(110));
    let name = "Zoë & Żółć ".repeat(20);
    let slots = slots(&name, &address);
    let slots = Slots { unsubscribe_url: &link, preferences_url: &link, link: &link, ..slots };
    let filled = fill(&mail.html, &mail.marker, &slots, true);
    assert!(filled.len() > mail.html.len() && filled.len() < 100_000, "{} of {}", filled.len(), mail.html.len());
}

#[test]
fn a_story_in_hebrew_goes_from_right_to_left_in_an_english_issue() {
    let content = each(issue(4, 3), |article| article.title = "שנה נוספת למרכזי המשפחה לאיחוד הדלתות".into());
    let page = Html::parse_document(&render(&content, &config()).html);
    for (selector, expected) in [(r#"h2.lead[dir="rtl"]"#, 1), (r#"h3[dir="rtl"]"#, 2), (r#"p.title[dir="rtl"]"#, 1)] {
        assert_eq!(count(&page, selector), expected, "{selector}");
    }
}

/// Texts as feeds should not have them.
fn wild() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "\\PC{0,12}",
        Just("</td></tr></table></div></body></html>".to_owned()),
        Just("--><![endif]--><!--[if mso]><!-- <style>*{display:none}</style> ]]>".to_owned()),
        Just("\" onclick=\"x\" style='display:none'".to_owned()),
        Just("{{ slot.name }}{% raw %}{# ".to_owned()),
        Just("\u{202e}override\u{2066}isolate\u{200f}".to_owned()),
        Just("x".repeat(5_000)),
        Just("👩\u{200d}👩\u{200d}👧\u{200d}👦".repeat(40)),
        Just("शक्ति हिन्दी क्षत्रिय".to_owned()),
        Just("ที่นี่น้ำกำลังไหล".to_owned()),
        Just("\u{200b}\u{200c}\u{2060}\u{feff}\u{ad}".to_owned()),
        Just("e\u{301}".repeat(3) + &"\u{301}".repeat(500)),
        Just("مرحبا بالعالم".to_owned()),
        Just(String::new()),
        Just("\r\nBcc: x@example.org\r\n\r\n<p>".to_owned()),
    ];
    vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

/// How often each element of the layout occurs.
fn skeleton(mail: &RenderedMail) -> Vec<(String, usize)> {
    let page = Html::parse_document(&mail.html);
    let names =
        ["html", "body", "body > *", "table", "td", "h1", "h2", "h3", "p", "a", "div", "img", "style", "td td td"];
    let mut counts: Vec<_> = names.iter().map(|name| ((*name).to_owned(), count(&page, name))).collect();
    counts.push(("conditions".to_owned(), mail.html.matches("<!--[if").count()));
    counts.push(("their ends".to_owned(), mail.html.matches("<![endif]-->").count()));
    counts
}

/// Addresses as feeds should not have them; whether a link leads there, and whether a picture may come from there.
fn wild_address() -> impl Strategy<Value = (Option<String>, bool, bool)> {
    let given = |address: &str, leads, shows| Just((Some(address.to_owned()), leads, shows));
    prop_oneof![
        4 => wild().prop_map(|text| {
            let text: String = text.chars().take(60).collect();
            (Some(format!("https://wild.example/{text}")), true, true)
        }),
        1 => Just((None, false, false)),
        1 => given("", false, false),
        1 => given("/news/1", false, false),
        1 => given("https://[", false, false),
        1 => given("javascript:alert(1)//https://wild.example/", false, false),
        1 => given("data:image/svg+xml,<svg onload=alert(1)>", false, false),
        1 => Just((Some(format!("https://wild.example/{}", "x".repeat(5_000))), false, false)),
        1 => given("http://wild.example/a", true, false),
        1 => given(" https://wild.example/a\r\n b\" onerror=\"x ", true, true),
        1 => given("HTTPS://User:Pass@Wild.Example:8443/?a=1&amp;b='2'#<!--[if mso]>-->", true, true),
        1 => given("https://مثال.example/صورة?{{ slot.name }}", true, true),
    ]
}

/// An issue of ordinary texts: each story has an address, and a picture, as `has` says.
fn plain(has: &[(bool, bool)]) -> IssueContent {
    let at = Cell::new(0);
    each(issue(10, 8), |article| {
        let number = at.replace(at.get() + 1);
        let (leads, shows) = has[number];
        article.url = leads.then(|| format!("https://plain.example/{number}"));
        article.image = shows.then(|| format!("https://plain.example/{number}.png"));
        article.excerpt = "An excerpt.".into();
        article.date = Some(day("2026-11-20"));
    })
}

static DIRECTIONS: LazyLock<[Config; 2]> = LazyLock::new(|| [config(), arabic::config()]);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn no_text_or_address_of_an_article_changes_the_layout(
        title in wild(), excerpt in wild(), source in wild(),
        urls in vec(wild_address(), 10), images in vec(wild_address(), 10), config in select(&DIRECTIONS[..]),
    ) {
        let has: Vec<(bool, bool)> = urls.iter().zip(&images).map(|(url, image)| (url.1, image.2)).collect();
        let at = Cell::new(0);
        // What is empty after cleaning is left out of the layout on purpose, so that each text has a letter.
        let content = each(plain(&has), |article| {
            let number = at.replace(at.get() + 1);
            article.title.clone_from(&title);
            article.excerpt = format!("{excerpt} a");
            article.source = format!("{source} a");
            (article.url, article.image) = (urls[number].0.clone(), images[number].0.clone());
        });
        let mail = render(&content, &config);
        prop_assert_eq!(skeleton(&mail), skeleton(&render(&plain(&has), &config)));
        prop_assert!(mail.html.len() < 100_000);
        prop_assert!(!mail.subject.contains(char::is_control) && mail.subject.graphemes(true).count() < 100);
        let overrides = ['\u{202e}', '\u{2066}'];
        prop_assert!(!mail.html.contains(overrides));
        let headings = texts(&mail.html, "h2.lead, h3, p.title");
        prop_assert_eq!(headings.len(), 10);
        prop_assert!(headings.iter().all(|heading| !heading.is_empty()), "{:?}", headings);
        for line in mail.text.lines() {
            prop_assert!(line.contains("://") || line.width() <= 72 || line.graphemes(true).count() == 1, "{}", line);
        }
        assert_same_addresses(&mail);
        let zoe = reader();
        let message = spliced(&mail, "Zoë", &zoe);
        check_form(&message);
        let parsed = parse(&message);
        prop_assert_eq!(parsed.subject(), Some(mail.subject.as_str()));
        prop_assert_eq!(parsed.to().and_then(|to| to.first()?.address()), Some(zoe.as_str()));
        prop_assert!(parsed.header("Bcc").is_none());
    }
}
