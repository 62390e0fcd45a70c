//! Text that readers see something of.

use unicode_normalization::char::is_combining_mark;

/// Whether a reader sees anything of the text: zero-width characters and marks alone are nothing.
pub fn is_visible(text: &str) -> bool {
    let hidden = |c: char| {
        c.is_whitespace()
            || c.is_control()
            || is_combining_mark(c)
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
                | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{2800}' | '\u{feff}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}')
    };
    !text.chars().all(hidden)
}

#[cfg(test)]
mod tests {
    use super::is_visible;

    #[test]
    fn nothing_that_one_sees_is_nothing() {
        for empty in ["", " ", "\u{200b}\u{200d}", "\u{2800}", "\u{ad}\u{301}", "\u{e0041}"] {
            assert!(!is_visible(empty), "{empty:?}");
        }
        assert!(is_visible("\u{200b}x"));
    }
}
