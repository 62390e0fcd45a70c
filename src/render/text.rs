//! Plain text for headers and for the text part: one-line values, cutting and wrapping at words.

use std::borrow::Cow;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// How wide the text part of a mail is written, in characters.
pub const WIDTH: usize = 72;

/// The text as one line without anything that a reader cannot see or that steers a terminal or a header: runs of white
/// space become one space, control characters and overrides of the writing direction are dropped. Joiners stay, since
/// emoji and Indic scripts need them. Allocates only when something has to change.
pub fn one_line(text: &str) -> Cow<'_, str> {
    let mut after_space = true;
    let clean = text.chars().all(|c| {
        let fits = !is_dropped(c) && !is_break(c) && (c != ' ' || !after_space);
        after_space = c == ' ';
        fits
    });
    if clean && (!after_space || text.is_empty()) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len());
    for c in text.chars().filter(|&c| !is_dropped(c)) {
        if !is_break(c) && c != ' ' {
            line.push(c);
        } else if !line.is_empty() && !line.ends_with(' ') {
            line.push(' ');
        }
    }
    line.truncate(line.trim_end_matches(' ').len());
    Cow::Owned(line)
}

/// White space that ends a line or is a tab.
fn is_break(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Control characters, overrides and isolates of the writing direction, and the byte order mark.
fn is_dropped(c: char) -> bool {
    (c.is_control() && !is_break(c)) || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The text cut at a word so that it has at most `limit` characters as a reader counts them, the `…` included; where half of
/// them or more would be lost with the word, it is cut within. A text that fits comes back as it is.
pub fn cut_at_word(text: &str, limit: usize) -> Cow<'_, str> {
    let limit = limit.max(2);
    let Some((end, _)) = text.grapheme_indices(true).nth(limit) else {
        return Cow::Borrowed(text);
    };
    let room = text.grapheme_indices(true).nth(limit - 1).map_or(end, |(at, _)| at);
    let head = &text[..room];
    let at_word = if text[room..].starts_with(' ') { room } else { head.rfind(' ').unwrap_or(room) };
    let (to_word, within) = (finished(&text[..at_word]), finished(head));
    let keeps_half = to_word.graphemes(true).count() * 2 > limit;
    let kept = [to_word, within].into_iter().skip(usize::from(!keeps_half)).find(|kept| !kept.is_empty());
    Cow::Owned(format!("{}…", kept.unwrap_or(head)))
}

/// The text without what leads on to more at its end.
fn finished(text: &str) -> &str {
    text.trim_end_matches(|c: char| c.is_whitespace() || ",;:–—-(".contains(c))
}

/// The paragraphs of a text: what empty lines part.
pub fn paragraphs(text: &str) -> Vec<String> {
    let mut paragraphs = vec![String::new()];
    for line in text.lines().map(str::trim) {
        match paragraphs.last_mut() {
            Some(last) if line.is_empty() && !last.is_empty() => paragraphs.push(String::new()),
            Some(last) if !line.is_empty() => {
                if !last.is_empty() {
                    last.push(' ');
                }
                last.push_str(line);
            }
            _ => {}
        }
    }
    paragraphs.retain(|paragraph| !paragraph.is_empty());
    paragraphs
}

/// Breaks each line of `text` at spaces so that none takes more than `width` columns; a longer word is broken too, unless it is
/// an address. Every line starts with `indent` spaces.
pub fn wrap(text: &str, width: usize, indent: usize) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 16);
    let room = width.saturating_sub(indent).max(2);
    for (number, line) in text.lines().enumerate() {
        if number > 0 {
            out.push('\n');
        }
        let mut column = 0;
        let words = line.split(' ').filter(|word| !word.is_empty()).flat_map(|word| pieces(word, room));
        for word in words {
            let length = word.width();
            if column > 0 && column + 1 + length > width {
                out.push('\n');
                column = 0;
            }
            let gap = if column == 0 { indent } else { 1 };
            out.extend(std::iter::repeat_n(' ', gap));
            out.push_str(word);
            column += gap + length;
        }
    }
    out
}

/// A word that fits, or an address, as it is; a longer one in pieces that fit.
fn pieces(word: &str, room: usize) -> Vec<&str> {
    if word.width() <= room || word.contains("://") {
        return vec![word];
    }
    let (mut pieces, mut from, mut column) = (Vec::new(), 0, 0);
    for (at, letter) in word.grapheme_indices(true) {
        let width = letter.width();
        if column > 0 && column + width > room {
            pieces.push(&word[from..at]);
            (from, column) = (at, 0);
        }
        column += width;
    }
    pieces.push(&word[from..]);
    pieces
}

/// Tidies a rendered text: no trailing spaces, at most one empty line in a row, none at the start, a line feed at the end.
pub fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut empty = 0;
    for line in text.lines().map(|line| line.trim_end_matches([' ', '\t', '\r'])) {
        empty = if line.is_empty() { empty + 1 } else { 0 };
        if empty > 1 || (out.is_empty() && line.is_empty()) {
            continue;
        }
        out.push_str(line);
        out.push('\n');
    }
    while out.ends_with("\n\n") {
        out.pop();
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_loses_breaks_controls_and_direction_overrides_and_keeps_joiners() {
        assert_eq!(one_line(" a\r\n b\t\tc\u{202e}d\u{7}\u{2028}e "), "a b cd e");
        assert_eq!(one_line("👩\u{200d}👧 शक्ति\u{200d}"), "👩\u{200d}👧 शक्ति\u{200d}");
        assert!(matches!(one_line("already clean"), Cow::Borrowed(_)));
        assert!(matches!(one_line(""), Cow::Borrowed(_)));
        assert_eq!(one_line(" "), "");
    }

    #[test]
    fn a_cut_falls_between_words_and_counts_what_the_reader_sees() {
        assert_eq!(cut_at_word("Family hubs win an extra year", 20), "Family hubs win an…");
        assert_eq!(cut_at_word("Family hubs win an extra year", 19), "Family hubs win an…");
        assert_eq!(cut_at_word("Family hubs: win", 14), "Family hubs…");
        assert_eq!(cut_at_word("Short", 5), "Short");
        assert_eq!(cut_at_word("Donaudampfschifffahrt", 8), "Donauda…");
        assert_eq!(cut_at_word("Neu: Donaudampfschifffahrtsgesellschaft", 20), "Neu: Donaudampfschi…");
        assert_eq!(cut_at_word("【速報】 子ども家庭支援センターが来年度も続く", 15), "【速報】 子ども家庭支援セン…");
        assert_eq!(cut_at_word("Das Ministerium: Donaudampfschifffahrt", 20), "Das Ministerium…");
        assert_eq!(cut_at_word("👩‍👩‍👧 👩‍👩‍👧 👩‍👩‍👧", 4), "👩‍👩‍👧 👩‍👩‍👧…");
    }

    #[test]
    fn empty_lines_part_paragraphs() {
        assert_eq!(paragraphs("\n one\ntwo \n\n\n three\n"), ["one two", "three"]);
        assert_eq!(paragraphs("one\r\n \t\r\ntwo"), ["one", "two"]);
        assert!(paragraphs(" \n\t\n").is_empty());
    }

    #[test]
    fn wrapping_leaves_addresses_whole() {
        let url = format!("https://news.example/{}", "a".repeat(90));
        assert_eq!(wrap(&format!("see {url} there"), 20, 2), format!("  see\n  {url}\n  there"));
    }

    #[test]
    fn a_word_that_is_too_long_is_broken_and_wide_letters_count_as_two() {
        assert_eq!(wrap(&"x".repeat(25), 10, 0), format!("{0}\n{0}\n{1}", "x".repeat(10), "x".repeat(5)));
        assert_eq!(wrap("日本語日本語", 6, 0), "日本語\n日本語");
        assert_eq!(
            wrap("👩\u{200d}👩\u{200d}👧👩\u{200d}👩\u{200d}👧", 3, 0),
            "👩\u{200d}👩\u{200d}👧\n👩\u{200d}👩\u{200d}👧"
        );
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_it_may_be(text in "(\\PC{0,30} ?){0,6}") {
            prop_assume!(!text.contains("://"));
            let wrapped = wrap(&text, 20, 0);
            // A letter that is wider than the room stands alone.
            prop_assert!(wrapped.lines().all(|line| line.width() <= 20 || line.graphemes(true).count() == 1), "{wrapped}");
        }

        #[test]
        fn one_line_is_stable_and_has_no_controls(text in ".*|\\PC*") {
            let line = one_line(&text).into_owned();
            prop_assert!(!line.chars().any(char::is_control));
            prop_assert_eq!(one_line(&line), line.as_str());
        }

        #[test]
        fn a_cut_text_keeps_to_its_limit(text in "\\PC{0,90}", limit in 2usize..80) {
            prop_assert!(cut_at_word(&text, limit).graphemes(true).count() <= limit.max(2));
        }

        #[test]
        fn wrapped_lines_hold_the_same_words_within_the_width(text in "[a-zé]{1,12}( [a-zé]{1,12}){0,40}") {
            let wrapped = wrap(&text, 30, 0);
            prop_assert!(wrapped.lines().all(|line| line.chars().count() <= 30));
            prop_assert_eq!(wrapped.replace('\n', " "), text);
        }
    }
}
