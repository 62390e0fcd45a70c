//! Letters that nobody sees and that turn the direction of what stands around them.

/// The text without embeddings, overrides and isolates, by which a name could turn the words behind it. The marks for a
/// direction stay: they are part of how some languages are written.
pub fn without_turns(text: &str) -> String {
    let turns = |letter: char| matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().filter(|letter| !turns(*letter)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_turns_words_goes_and_what_spells_them_stays() {
        assert_eq!(without_turns("Ann\u{202e} hsraM\u{202c}\u{2066}!\u{2069}"), "Ann hsraM!");
        assert_eq!(without_turns("\u{200f}نور\u{200d}"), "\u{200f}نور\u{200d}");
    }
}
