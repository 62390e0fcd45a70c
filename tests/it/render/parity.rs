//! HTML and text of a mail say the same: the same words and addresses, in the same order.

use postround::domain::Locale;
use postround::render::{Letter, RenderedMail, fill};
use scraper::{Html, Selector};

use super::fixture::{config, issue, slots};
use super::looks::{letters, speaking};
use super::{RENDERER, letter, reader, render};

/// Both parts as one reader has them.
fn filled(mail: &RenderedMail) -> (Html, String) {
    let part = |part, html| fill(part, &mail.marker, &slots("Zoë", &reader()), html);
    (Html::parse_document(&part(&mail.html, true)), part(&mail.text, false))
}

/// Both parts link to the same addresses in the same order; several links of a story, one after the other, are one to a reader.
#[track_caller]
pub fn assert_same_addresses(mail: &RenderedMail) {
    let (page, text) = filled(mail);
    let links = Selector::parse("a").unwrap();
    let mut in_html: Vec<&str> = page.select(&links).filter_map(|link| link.attr("href")).collect();
    // In a sentence it may stand in brackets.
    let address = |word| str::strip_prefix(word, '(').and_then(|word| word.strip_suffix(").")).unwrap_or(word);
    let mut in_text: Vec<&str> = text.split_whitespace().filter(|word| word.contains("://")).map(address).collect();
    in_html.dedup();
    in_text.dedup();
    assert_eq!(in_html, in_text, "{}", mail.subject);
}

/// What is read in a text, word by word, without what is an address or a line below a heading; a heading of the text is in
/// capitals, and a label there ends with a colon.
fn words(text: &str) -> Vec<String> {
    let words = text.split_whitespace().filter(|word| !word.contains("://"));
    let words = words.map(|word| word.trim_end_matches(':').to_lowercase());
    words.filter(|word| word.contains(|c| !matches!(c, '=' | '-'))).collect()
}

#[track_caller]
fn assert_same_words(mail: &RenderedMail) {
    let (page, text) = filled(mail);
    let read = Selector::parse("h1, h2, h3, p, td.btn").unwrap();
    let in_html: Vec<String> = page.select(&read).map(|element| element.text().collect()).collect();
    assert_eq!(words(&in_html.join(" ")), words(&text), "{}", mail.subject);
}

#[test]
fn both_parts_of_an_issue_link_to_the_same_addresses_in_the_same_order() {
    for content in [issue(1, 1), issue(12, 8), issue(40, 20)] {
        assert_same_addresses(&render(&content, &config()));
    }
}

#[test]
fn both_parts_of_each_letter_have_the_same_words_and_addresses_in_the_same_order() {
    for code in Locale::BUILT_IN {
        for (_, mail) in letters(&RENDERER, &speaking(code)) {
            assert_same_words(&mail);
            assert_same_addresses(&mail);
        }
    }
}

#[test]
fn both_parts_of_a_welcome_lead_to_the_rest_of_an_issue_in_the_same_place() {
    for (public, stories) in [(true, 25), (true, 4), (false, 25), (false, 4)] {
        let mut config = config();
        config.digests[0].public = public;
        let latest = issue(stories, 20);
        let mail = letter(&config, &Letter::Welcome { latest: Some(&latest) });
        assert_same_words(&mail);
        assert_same_addresses(&mail);
    }
}
