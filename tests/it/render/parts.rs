//! The HTML and the text of a digest: what stands in them, and how.

use postround::compose::IssueContent;
use postround::domain::Locale;
use postround::render::{RenderedMail, format_date, subject};
use rstest::rstest;
use scraper::{ElementRef, Html, Selector};

use super::fixture::{config, day, each, issue};
use super::{confirmation, render, sizes};

fn all<'a>(page: &'a Html, selector: &str) -> Vec<ElementRef<'a>> {
    page.select(&Selector::parse(selector).unwrap()).collect()
}

fn text_of(element: ElementRef<'_>) -> String {
    element.text().collect::<String>().trim().to_owned()
}

#[test]
fn the_markup_is_what_mail_programs_and_screen_readers_need() {
    let config = config();
    let mut mails: Vec<_> = sizes().into_iter().map(|(name, content)| (name, render(&content, &config))).collect();
    mails.push(("confirmation", confirmation(&config)));
    for (name, mail) in mails {
        let page = Html::parse_document(&mail.html);
        assert_eq!(all(&page, "h1").len(), 1, "{name}");
        assert_eq!(text_of(all(&page, "title")[0]), mail.subject, "{name}");
        for child in all(&page, "body > *") {
            assert_eq!((child.attr("lang"), child.attr("dir")), (Some("en-GB"), Some("ltr")), "{name}");
        }
        for table in all(&page, "table") {
            assert_eq!(table.attr("role"), Some("presentation"), "{name}");
        }
        for image in all(&page, "img") {
            assert!(["width", "height", "alt"].iter().all(|attribute| image.attr(attribute).is_some()), "{name}");
        }
        for link in all(&page, "a") {
            let pictured = all(&page, "a img[alt]").iter().any(|image| image.parent() == Some(*link));
            assert!(!text_of(link).is_empty() || pictured, "{name}: {}", link.html());
        }
        for cell in all(&page, "td.px") {
            assert!(cell.attr("style").unwrap().contains("word-break:break-word"), "{name}");
        }
        assert!(all(&page, "script, form, iframe, link, svg, [hidden]").is_empty(), "{name}");
        assert!(!mail.html.contains("display:none"), "{name}: nothing is hidden");
        assert!(mail.html.matches("<!--[if mso]>").count() > 4, "{name}: Outlook gets its widths");
        assert_eq!(mail.html.matches("prefers-color-scheme:dark").count(), 1, "{name}");
        assert!(
            !mail.html.split("</head>").nth(1).unwrap().contains("!important"),
            "{name}: it would beat the dark colours"
        );
        let first = all(&page, "body p")[0];
        assert!(first.attr("class").unwrap().contains("small"), "{name}: the summary comes first");
    }
}

/// Both parts have all of the issue's articles, in its order, each with its address.
#[track_caller]
fn assert_complete(content: &IssueContent, mail: &RenderedMail) {
    let page = Html::parse_document(&mail.html);
    let links = all(&page, "h2 a, h3 a, p.title a");
    let in_html: Vec<_> = links.iter().map(|link| (text_of(*link), link.attr("href").unwrap().to_owned())).collect();
    let expected: Vec<_> = content.articles().map(|article| (article.title.clone(), article.url.clone())).collect();
    assert_eq!(in_html, expected);
    let flowing = mail.text.replace('\n', " ");
    let mut from = 0;
    for (title, url) in expected {
        let title_at = from + flowing[from..].find(&title).unwrap_or_else(|| panic!("{title}"));
        from = title_at + flowing[title_at..].find(&url).unwrap_or_else(|| panic!("{url}"));
    }
}

#[test]
fn both_parts_have_the_same_articles_in_the_same_order_with_the_same_addresses() {
    for (_, content) in sizes() {
        assert_complete(&content, &render(&content, &config()));
    }
}

#[test]
fn an_article_has_its_title_date_source_excerpt_and_link() {
    let mail = render(&issue(3, 3), &config());
    for part in [&mail.html, &mail.text] {
        let part = part.replace('\n', " ");
        for expected in [
            "Health visitor vacancies fall for a third quarter, but not on the coast",
            "19 November 2026 · Public Care Record",
            "Posts empty for more than six months are down to 9 per cent, while coastal teams still carry twice that rate.",
            "https://earlyhelp.example/news/1",
        ] {
            assert!(part.contains(expected), "{expected}");
        }
    }
    assert!(mail.html.contains(">Read the full story</a>"));
}

#[test]
fn the_footer_says_who_sends_it_and_how_to_leave() {
    let mail = render(&issue(2, 2), &config());
    for part in [&mail.html, &mail.text] {
        for expected in [
            "because you subscribed to Early Help Weekly",
            "Preferences",
            "Unsubscribe",
            "https://earlyhelp.example/contact",
            "https://social.example/company/early-help",
            "LinkedIn",
            "Fernhollow Press, 14 Tannery Row, Alderbridge XR4 7QE",
            "no. 00000000",
            "https://earlyhelp.example/privacy",
        ] {
            assert!(part.replace('\n', " ").contains(expected), "{expected}");
        }
    }
}

#[rstest]
#[case("2026-11-01", false)]
#[case("2026-11-02", true)]
#[case("2026-11-30", true)]
#[case("2026-12-01", false)]
fn the_banner_shows_on_its_days_alone(#[case] date: &str, #[case] shown: bool) {
    let mut content = issue(2, 2);
    content.date = day(date);
    let mail = render(&content, &config());
    assert_eq!(mail.html.contains("Warm Rooms"), shown);
    assert_eq!(mail.text.contains("Warm Rooms"), shown);
}

#[test]
fn a_mail_is_worded_and_dated_in_its_digests_locale() {
    let mut config = config();
    for (code, date, words) in [
        ("de", "Ausgabe 42 · Montag, 23. November 2026", "Abmelden"),
        ("fr", "Numéro 42 · lundi 23 novembre 2026", "Se désabonner"),
        ("cy", "Rhifyn 42 · Dydd Llun 23 Tachwedd 2026", "Dad-danysgrifio"),
    ] {
        config.digests[0].locale = Locale::parse(code).unwrap();
        let mail = render(&issue(3, 3), &config);
        assert!(mail.html.contains(date) && mail.text.contains(date), "{date}");
        assert!(mail.html.contains(words) && mail.text.contains(words), "{words}");
        assert!(mail.html.contains(&format!("lang=\"{code}\"")));
        assert!(mail.text.contains(&format_date(day("2026-11-19"), &config.digests[0].locale)));
    }
}

#[test]
fn text_from_feeds_stays_text_and_only_web_addresses_become_links() {
    let content = each(issue(4, 3), |article| {
        article.title = "<script>alert(1)</script> \"quoted\" & {{ slot.unsubscribe_url }}".into();
        article.excerpt = "</td></table><img src=x onerror=alert(1)>".into();
        article.source = "<b>Source</b>".into();
        article.url = "javascript:alert(1)".into();
        article.image = Some("data:image/svg+xml,<svg onload=alert(1)>".into());
    });
    let mail = render(&content, &config());
    let page = Html::parse_document(&mail.html);
    assert!(all(&page, "script, b, img, [onerror]").is_empty());
    assert!(all(&page, "a").iter().all(|link| !link.attr("href").unwrap().starts_with("javascript")));
    assert!(!mail.html.contains("javascript:") && !mail.text.contains("javascript:"));
    assert_eq!(text_of(all(&page, "h3")[0]), content.lead().unwrap().title);
    assert!(mail.text.contains("<script>alert(1)</script> \"quoted\" & {{ slot.unsubscribe_url }}"));
}

#[test]
fn a_mail_that_gmail_would_cut_is_made_smaller_and_loses_no_article() {
    let content = each(issue(120, 120), |article| article.excerpt = article.excerpt.repeat(4));
    let mail = render(&content, &config());
    assert!(mail.html.len() < 100_000, "{}", mail.html.len());
    assert_complete(&content, &mail);
    assert!(mail.html.contains("Also in this issue"));
}

#[test]
fn the_text_keeps_to_72_columns_but_for_addresses() {
    for (name, content) in sizes() {
        for line in render(&content, &config()).text.lines() {
            assert!(line.chars().count() <= 72 || line.starts_with("https://"), "{name}: {line}");
            assert_eq!(line, line.trim_end(), "{name}");
        }
    }
}

#[test]
fn a_test_says_so_in_its_subject() {
    let config = config();
    let mut frame = super::frame(&config);
    frame.test = true;
    let mail = super::RENDERER.digest(&issue(1, 1), &frame, &super::Counting::new()).unwrap();
    assert_eq!(mail.subject, "[Test] Family hubs win an extra year to merge their front doors");
}

#[rstest]
#[case(
    "{{ lead.title }}{% if more > 0 %} + {{ more }} more{% endif %}",
    "Family hubs win an extra year to merge their front doors + 11 more"
)]
#[case("{{ digest.title }} {{ issue.number }}: {{ articles | length }} stories", "Early Help Weekly 42: 12 stories")]
#[case(
    "{{ digest.title }}, {{ issue.date }}: {{ lead.title }}",
    "Early Help Weekly, Monday 23 November 2026: Family hubs win an extra…"
)]
#[case(
    "{{ lead.title }} & “{{ articles[1].source }}”",
    "Family hubs win an extra year to merge their… & “Public Care Record”"
)]
#[case(" {# nothing #} ", "Early Help Weekly")]
fn the_subject_comes_from_its_template_and_stays_short(#[case] template: &str, #[case] expected: &str) {
    let subject = subject(template, &issue(12, 8), &Locale::default()).unwrap();
    assert_eq!(subject, expected);
}

#[test]
fn a_subject_is_one_line_whatever_a_title_holds() {
    let content = each(issue(1, 1), |article| article.title = "One\r\nBcc: x@example.org\u{202e}\u{7} two".into());
    assert_eq!(subject("{{ lead.title }}", &content, &Locale::default()).unwrap(), "One Bcc: x@example.org two");
    let unknown = subject("{{ leed.title }}", &content, &Locale::default()).unwrap_err().to_string();
    assert_eq!(unknown, "subject: `leed` is not known here; did you mean `lead`?");
}
