//! Excerpts as readers should see them: without the site's own tail, ended at a whole sentence.

use unicode_segmentation::UnicodeSegmentation;

/// How sites end an excerpt, in lower case: from there on it is theirs.
const TAILS: &[&str] = &[
    "continue reading",
    "read more",
    "read full story",
    "read the full story",
    "read full article",
    "read the full article",
    "read the rest",
    "read on",
    "keep reading",
    "find out more",
    "learn more",
    "view article",
    "view post",
    "click here to read",
    "more…",
    "more...",
    "(more…)",
    "(more...)",
    "weiterlesen",
    "mehr lesen",
    "lire la suite",
    "en savoir plus",
    "leer más",
    "seguir leyendo",
    "lees meer",
    "lees verder",
    "leggi tutto",
    "darllen mwy",
];

/// The words with which a feed plug-in signs: `The post TITLE appeared first on SITE.`
const SIGNATURE: (&str, &str) = ("the post ", " appeared first on ");

/// Removes a site's own tail (`[...]`, `Continue reading …`, `The post … appeared first on …`); a text that was cut off,
/// or is longer than `max_chars`, then ends at its last whole sentence, or with `…` behind a word.
pub fn tidy_excerpt(text: &str, max_chars: usize) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (body, cut_off) = without_tail(&text);
    let fits = body.chars().count() <= max_chars;
    if fits && !cut_off {
        return body.to_owned();
    }
    let end = if fits { body.len() } else { body.char_indices().nth(max_chars).map_or(body.len(), |(at, _)| at) };
    let shown = &body[..end];
    match last_sentence(shown, fits) {
        Some(sentences) => sentences.to_owned(),
        None => at_a_word(body, shown, max_chars),
    }
}

/// The text without what the site appended, and whether that shows that the text was cut off.
fn without_tail(text: &str) -> (&str, bool) {
    let mut rest = text.trim_end();
    let mut cut_off = false;
    loop {
        let before = rest;
        if let Some(at) = signature(rest) {
            rest = rest[..at].trim_end();
        }
        if let Some(at) = tail(rest) {
            rest = rest[..at].trim_end();
        }
        let bare = rest.trim_end_matches(['»', '›', '→', '>', '|', '-', '–', ' ']);
        let bare = if bare.ends_with(['…', ']', ')']) || bare.ends_with("...") { bare } else { rest };
        for mark in ["[…]", "[...]", "[..]", "[ … ]", "[ ... ]", "(…)", "(...)", "[&hellip;]", "[&#8230;]", "…", "..."]
        {
            if let Some(less) = bare.strip_suffix(mark) {
                rest = less.trim_end();
                cut_off = true;
                break;
            }
        }
        if rest == before {
            return (rest, cut_off);
        }
        cut_off |= rest.is_empty();
    }
}

/// Where a plug-in's signature begins.
fn signature(text: &str) -> Option<usize> {
    let lower = ascii_lower(text);
    let second = lower.rfind(SIGNATURE.1).filter(|at| text.len() - at < 200)?;
    lower[..second].rfind(SIGNATURE.0).filter(|at| *at == 0 || text[..*at].ends_with(' '))
}

/// Where a phrase begins that invites to read on: at the end, or followed by no more than a title.
fn tail(text: &str) -> Option<usize> {
    let lower = ascii_lower(text);
    TAILS
        .iter()
        .filter_map(|phrase| {
            let at = lower.rfind(phrase)?;
            let begins = at == 0 || !text[..at].ends_with(char::is_alphanumeric);
            let behind =
                text[at + phrase.len()..].trim_matches([' ', '.', '…', '»', '›', '→', '>', ':', ')', ']', '|']);
            // `Continue reading TITLE` is the site's; "Read more books this winter." is the article's.
            let names_the_article =
                *phrase == "continue reading" && behind.chars().count() < 150 && !behind.contains(". ");
            let after_a_stop =
                text[..at].trim_end().ends_with(['.', '!', '?', '…', ']', ')', '"', '”', '’', '|', '»', ':', '-', '–'])
                    || at == 0;
            (begins && (behind.is_empty() || names_the_article && after_a_stop)).then_some(at)
        })
        .min()
}

/// ASCII letters in lower case, so that positions stay the same.
fn ascii_lower(text: &str) -> String {
    text.to_ascii_lowercase()
}

/// As many whole sentences as there are; the last one counts when something follows it or the text `is_whole`.
fn last_sentence(text: &str, is_whole: bool) -> Option<&str> {
    let mut end = None;
    for (at, sentence) in text.split_sentence_bound_indices() {
        let trimmed = sentence.trim_end();
        let stops =
            trimmed.trim_end_matches(['"', '”', '’', '\'', ')', '»']).ends_with(['.', '!', '?', '。', '！', '？']);
        let followed = at + sentence.len() < text.len();
        if stops && !ends_in_abbreviation(trimmed) && (followed || is_whole) {
            end = Some(at + trimmed.len());
        }
    }
    // A sentence that is only the beginning of a long text tells less than the text cut at a word.
    end.filter(|end| *end * 4 >= text.len() || *end >= 60).map(|end| &text[..end])
}

/// `Dr.`, `e.g.`, `J.`: a stop that ends no sentence.
fn ends_in_abbreviation(sentence: &str) -> bool {
    let Some(word) = sentence.rsplit(' ').next().and_then(|word| word.strip_suffix('.')) else { return false };
    let word = word.trim_start_matches(['(', '"', '“']);
    matches!(
        word,
        "Dr" | "Mr"
            | "Mrs"
            | "Ms"
            | "Prof"
            | "Rev"
            | "Sr"
            | "Jr"
            | "St"
            | "No"
            | "vs"
            | "cf"
            | "Nr"
            | "bzw"
            | "z.B"
            | "e.g"
            | "i.e"
            | "approx"
    ) || word.chars().count() == 1 && word.chars().all(char::is_uppercase)
}

/// Cut behind the last whole word, with `…`.
fn at_a_word(body: &str, shown: &str, max_chars: usize) -> String {
    if shown.is_empty() {
        return String::new();
    }
    let room: String = shown.chars().take(max_chars.saturating_sub(1)).collect();
    let whole = room.len() == body.len() || body[room.len()..].starts_with(' ');
    let kept = if whole { room.as_str() } else { room.rfind(' ').map_or(room.as_str(), |at| &room[..at]) };
    let kept = kept.trim_end_matches(|c: char| c.is_whitespace() || ",;:-–—(".contains(c));
    if max_chars == 0 { String::new() } else { format!("{kept}…") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_sites_own_tail_goes_and_whole_sentences_stay() {
        let tidy = |text| tidy_excerpt(text, 300);
        assert_eq!(tidy("Families need help early. New figures show that [...]"), "Families need help early.");
        assert_eq!(tidy("Families need help early. New figures show [&#8230;]"), "Families need help early.");
        assert_eq!(tidy("A pilot in three towns […]"), "A pilot in three towns…");
        assert_eq!(tidy("It works. Continue reading How it works →"), "It works.");
        assert_eq!(tidy("It works… Continue reading"), "It works…");
        assert_eq!(tidy("It works. Read more »"), "It works.");
        assert_eq!(tidy("It works. Read full story"), "It works.");
        assert_eq!(tidy("It works. The post How it works appeared first on Early Help."), "It works.");
        assert_eq!(tidy("It works and [...] The post How appeared first on Early Help."), "It works and…");
        assert_eq!(tidy("[...]"), "");
        assert_eq!(tidy("Read more"), "");
    }

    #[test]
    fn an_articles_own_words_stay() {
        let tidy = |text| tidy_excerpt(text, 300);
        for text in [
            "Read more books this winter.",
            "We asked parents to read more to their children.",
            "Plain text without a stop",
            "A title, and (some) more",
        ] {
            assert_eq!(tidy(text), text);
        }
    }

    #[test]
    fn a_long_text_ends_at_a_sentence_or_a_word() {
        assert_eq!(tidy_excerpt("One sentence here. Another one that is long", 30), "One sentence here.");
        assert_eq!(tidy_excerpt("One sentence that is long, too long for its place", 30), "One sentence that is long…");
        assert_eq!(tidy_excerpt("Dr. Ada Example has written a report that is long", 20), "Dr. Ada Example has…");
        assert_eq!(tidy_excerpt("Supercalifragilistic", 10), "Supercali…");
    }

    proptest! {
        #[test]
        fn it_never_grows_and_is_tidy_at_once(text in "([A-Za-zé]{1,8}[ .,!?…]{1,2}){0,20}(\\[...\\]|Read more|Continue reading x)?", max in 0usize..80) {
            let once = tidy_excerpt(&text, max);
            prop_assert!(once.chars().count() <= max.max(1));
            prop_assert_eq!(once.trim(), once.as_str());
        }
    }
}
