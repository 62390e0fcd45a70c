//! The HTML and the text of a digest: what stands in them, and how.

use postround::compose::IssueContent;
use postround::domain::Locale;
use postround::render::{Letter, RenderedMail, format_date, subject};
use rstest::rstest;
use scraper::{ElementRef, Html, Selector};

use super::fixture::{config, day, each, issue};
use super::{confirmation, letter, render, sizes};

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
            let style = cell.attr("style").unwrap();
            assert!(style.contains("word-break:break-word") && style.contains("word-wrap:break-word"), "{name}");
        }
        for table in all(&page, r#"table.page, table[width="100%"]"#) {
            // Else `word-wrap` does not narrow it.
            assert!(table.attr("style").unwrap().contains("table-layout:fixed"), "{name}: {}", table.html());
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
    let expected: Vec<_> =
        content.articles().map(|article| (article.title.clone(), article.url.clone().unwrap())).collect();
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
            "19 November 2026, Public Care Record",
            "Posts empty for more than six months are down to 9 per cent, while coastal teams still carry twice that rate.",
            "https://earlyhelp.example/news/1",
        ] {
            assert!(part.contains(expected), "{expected}");
        }
    }
    assert!(mail.html.contains(">Read the full story</a>"));
}

#[test]
fn pictures_keep_their_shape_where_they_cannot_be_cut() {
    let content = each(issue(18, 18), |article| article.image = Some("https://earlyhelp.example/a.png".into()));
    let mail = render(&content, &config());
    let page = Html::parse_document(&mail.html);
    let pictures = all(&page, "img.pic");
    assert_eq!(pictures.len(), 18);
    for picture in pictures {
        let style = picture.attr("style").unwrap();
        assert!(style.contains("height:auto") && !style.contains("max-height"), "{style}");
    }
    let (before, after) = mail.html.split_once("@supports (aspect-ratio:1/1){").unwrap();
    assert!(after.contains("object-fit:cover") && !before.contains("object-fit"));
}

#[test]
fn the_picture_of_a_story_is_a_link_to_it_that_is_not_announced_besides_the_headline() {
    let content = each(issue(18, 18), |article| article.image = Some("https://earlyhelp.example/a.png".into()));
    let mail = render(&content, &config());
    let page = Html::parse_document(&mail.html);
    let links = all(&page, "a > img.pic").into_iter().map(|image| ElementRef::wrap(image.parent().unwrap()).unwrap());
    let mut led: Vec<&str> = Vec::new();
    for link in links {
        assert_eq!((link.attr("tabindex"), link.attr("aria-hidden")), (Some("-1"), Some("true")));
        led.extend(link.attr("href"));
    }
    assert_eq!(led, content.articles().filter_map(|article| article.url.as_deref()).collect::<Vec<_>>());
    let bare = render(&each(content, |article| article.url = None), &config());
    let page = Html::parse_document(&bare.html);
    assert_eq!((all(&page, "img.pic").len(), all(&page, "a > img.pic").len()), (18, 0));
}

#[test]
fn a_third_feature_leaves_no_hole_beside_it() {
    for (count, columns, wide) in [(7, 2, 0), (18, 2, 1), (19, 4, 0), (30, 4, 1)] {
        let mail = render(&issue(count, count), &config());
        let page = Html::parse_document(&mail.html);
        let found = (all(&page, ".cols > .col").len(), all(&page, ".cols > .wide").len());
        assert_eq!(found, (columns, wide), "{count}");
    }
}

#[test]
fn no_line_of_the_footer_can_begin_with_a_dot() {
    let mail = render(&issue(2, 2), &config());
    let page = Html::parse_document(&mail.html);
    let links = all(&page, ".social a");
    assert_eq!(links.len(), 2);
    assert!(links.iter().all(|link| link.attr("style").unwrap().contains("inline-block")));
    assert!(!text_of(all(&page, ".foot")[0]).contains('·'));
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
        article.url = Some("javascript:alert(1)".into());
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
    let content = each(issue(80, 80), |article| article.excerpt = article.excerpt.repeat(4));
    let mail = render(&content, &config());
    assert!(mail.html.len() < 100_000, "{}", mail.html.len());
    let page = Html::parse_document(&mail.html);
    let led = |selector| all(&page, selector).into_iter().map(|link| link.attr("href").unwrap().to_owned());
    let shown: Vec<String> = led("h2 a, h3 a, p.title a").collect();
    let mut every: Vec<&str> = shown.iter().map(String::as_str).collect();
    let mut expected: Vec<&str> = content.articles().filter_map(|article| article.url.as_deref()).collect();
    every.sort_unstable();
    expected.sort_unstable();
    assert_eq!(every, expected);
    let in_text: Vec<&str> = mail.text.lines().filter(|line| shown.iter().any(|url| url == line)).collect();
    assert_eq!(in_text, shown);
    // What there is room for is shared: no kind of story is in the list alone.
    for section in ["News", "Features", "Interviews"] {
        assert!(all(&page, "h2.label").into_iter().any(|heading| text_of(heading) == section), "{section}");
    }
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
#[case(
    "{{ lead.title | upper }} – {{ digest.title }}",
    "FAMILY HUBS WIN AN EXTRA YEAR TO MERGE THEIR FRONT DOORS – Early Help…"
)]
#[case("{{ lead.excerpt }}", "Councils now have until March 2028 to bring early help, health…")]
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

#[test]
fn a_source_that_all_stories_have_is_said_once() {
    let content = each(issue(12, 8), |article| article.source = "The Long Table".into());
    let mail = render(&content, &config());
    assert_eq!(mail.html.matches("The Long Table").count(), 1);
    assert_eq!(mail.text.matches("The Long Table").count(), 1);
    let page = Html::parse_document(&mail.html);
    assert_eq!(text_of(all(&page, "h3 + .meta")[0]), "19 November 2026");
    assert_eq!(text_of(all(&page, ".from")[0]), "17 November 2026");
    let welcome = letter(&config(), &Letter::Welcome { latest: Some(&content) });
    for part in [&welcome.html, &welcome.text] {
        assert!(!part.contains("The Long Table") && part.contains("17 November 2026"), "{part}");
    }
}

#[test]
fn the_first_line_never_repeats_the_headline_and_always_says_something_of_a_long_word() {
    let bare = each(issue(1, 1), |article| article.excerpt.clear());
    let mail = render(&bare, &config());
    assert_eq!(mail.text.lines().next(), Some("Early Help Weekly"));
    assert_eq!(mail.html.matches("merge their front doors</a>").count(), 1);
    assert!(!mail.html.contains("first\""), "no empty line stands above the masthead");
    let long = each(issue(3, 3), |article| article.title = "Donaudampfschifffahrtsgesellschaft".repeat(20));
    let first = render(&long, &config()).text.replace('\n', "");
    assert!(first.starts_with("Also inside:Donaudampfschifffahrt"), "{}", &first[..90]);
}

#[rstest]
#[case("desk@earlyhelp.example", true)]
#[case("no-reply@earlyhelp.example", false)]
#[case("DoNotReply+weekly@earlyhelp.example", false)]
fn readers_are_asked_to_answer_only_where_answers_are_read(#[case] address: &str, #[case] asked: bool) {
    let mut config = config();
    config.digests[0].sender.reply_to = Some(postround::domain::EmailAddress::parse(address).unwrap());
    let mail = render(&issue(1, 1), &config);
    assert_eq!(mail.html.contains("Just reply to this mail"), asked);
    assert_eq!(mail.text.contains("Just reply to this mail"), asked);
}

#[test]
fn a_colon_stands_as_the_language_writes_it() {
    let mut config = config();
    config.digests[0].locale = Locale::parse("fr").unwrap();
    let text = render(&issue(1, 1), &config).text;
    assert!(text.contains("Se désabonner\u{a0}:\n") && !text.contains("Se désabonner:"), "{text}");
}

#[test]
fn no_comment_has_two_dashes_in_it_whatever_titles_and_addresses_have() {
    let content = each(issue(12, 12), |article| {
        article.title = "Draft -- final --> really".into();
        article.url = Some("https://earlyhelp.example/draft--final---1".into());
        article.image = Some("https://earlyhelp.example/img/a--b.png".into());
    });
    let html = render(&content, &config()).html;
    let mut rest = html.as_str();
    while let Some((_, after)) = rest.split_once("<!--") {
        let (comment, after) = after.split_once("-->").unwrap();
        assert!(!comment.contains("--"), "{comment}");
        rest = after;
    }
    assert!(
        html.contains("draft&#45;&#45;final") && html.contains("href=\"https://earlyhelp.example/draft--final---1\"")
    );
}
