//! Text that is written in two directions: which one a piece has, what keeps it in its place, and the letters that nobody sees and
//! that turn what stands around them.

use super::Direction;

/// The text without embeddings, overrides and isolates, by which a name could turn the words behind it. The marks for a
/// direction stay: they are part of how some languages are written.
pub fn without_turns(text: &str) -> String {
    let turns = |letter: char| matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().filter(|letter| !turns(*letter)).collect()
}

/// A text within one of that direction. One of the other direction gets marks around it, so that digits and brackets at
/// its ends stay there.
pub fn kept_apart(text: &str, around: Direction) -> String {
    match direction(text).filter(|dir| *dir != around) {
        Some(Direction::LeftToRight) => format!("\u{200e}{text}\u{200e}"),
        Some(Direction::RightToLeft) => format!("\u{200f}{text}\u{200f}"),
        None => text.to_owned(),
    }
}

/// The direction of a text: that of its first letter.
pub fn direction(text: &str) -> Option<Direction> {
    text.chars().find(|c| c.is_alphabetic()).map(|c| match c {
        '\u{590}'..='\u{8ff}'
        | '\u{fb1d}'..='\u{fdff}'
        | '\u{fe70}'..='\u{feff}'
        | '\u{10800}'..='\u{10fff}'
        | '\u{1e800}'..='\u{1efff}' => Direction::RightToLeft,
        _ => Direction::LeftToRight,
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn what_turns_words_goes_and_what_spells_them_stays() {
        assert_eq!(without_turns("Ann\u{202e} hsraM\u{202c}\u{2066}!\u{2069}"), "Ann hsraM!");
        assert_eq!(without_turns("\u{200f}نور\u{200d}"), "\u{200f}نور\u{200d}");
    }

    #[rstest]
    #[case("مرحبا", Some(Direction::RightToLeft))]
    #[case("2026: שלום", Some(Direction::RightToLeft))]
    #[case("Hello مرحبا", Some(Direction::LeftToRight))]
    #[case("42", None)]
    fn a_text_goes_the_way_of_its_first_letter(#[case] text: &str, #[case] way: Option<Direction>) {
        assert_eq!(direction(text), way);
    }
}
