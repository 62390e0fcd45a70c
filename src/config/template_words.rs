//! The words of the template language, for whoever has mistyped one: Tera says that there is no such word, and no more.

use super::nearest::suggestion;

const FILTERS: [&str; 35] = [
    "abs",
    "capitalize",
    "default",
    "escape",
    "first",
    "float",
    "get",
    "group_by",
    "indent",
    "int",
    "join",
    "keys",
    "last",
    "length",
    "lower",
    "newlines_to_br",
    "nth",
    "pairs",
    "pluralize",
    "replace",
    "reverse",
    "round",
    "safe",
    "sort",
    "split",
    "str",
    "title",
    "trim",
    "trim_end",
    "trim_start",
    "truncate",
    "unique",
    "upper",
    "values",
    "wordcount",
];

const TESTS: [&str; 17] = [
    "array",
    "bool",
    "containing",
    "defined",
    "divisible_by",
    "ending_with",
    "even",
    "float",
    "integer",
    "iterable",
    "map",
    "none",
    "number",
    "odd",
    "starting_with",
    "string",
    "undefined",
];

const FUNCTIONS: [&str; 2] = ["range", "throw"];

/// A word that the language does not have.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UnknownWord<'m> {
    /// What it is: `filter`, `test` or `function`.
    pub(crate) kind: &'m str,
    /// The word.
    pub(crate) word: &'m str,
    /// `; did you mean …?`, or where all of them are.
    pub(crate) near: String,
}

/// The word in Tera's message that there is no such one, and the nearest; `own` are the words that a place has beside the language,
/// each with its kind. `None`: the message says something else.
pub(crate) fn unknown_word<'m>(message: &'m str, own: &[(&str, &str)]) -> Option<UnknownWord<'m>> {
    let (kind, rest) = message.strip_prefix("Unknown ")?.split_once(" `")?;
    let (word, _) = rest.split_once('`')?;
    let known: &[&str] = match kind {
        "filter" => &FILTERS,
        "test" => &TESTS,
        "function" => &FUNCTIONS,
        _ => return None,
    };
    let own = own.iter().filter(|(of, _)| *of == kind).map(|(_, name)| *name);
    let all = || format!("docs/templates.md has every {kind} that there is");
    Some(UnknownWord { kind, word, near: suggestion(word, known.iter().copied().chain(own), all) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_the_language_does_not_have_is_answered_with_the_nearest_of_its_kind() {
        let near = |message, own: &[(&str, &str)]| unknown_word(message, own).map(|unknown| unknown.near);
        assert_eq!(near("Unknown filter `uper`", &[]).unwrap(), "; did you mean `upper`?");
        assert_eq!(near("Unknown test `defind`", &[]).unwrap(), "; did you mean `defined`?");
        assert_eq!(near("Unknown function `rang`", &[]).unwrap(), "; did you mean `range`?");
        assert_eq!(near("Unknown filter `lnks`", &[("filter", "links")]).unwrap(), "; did you mean `links`?");
        let far = "; docs/templates.md has every filter that there is";
        assert_eq!(near("Unknown filter `lnks`", &[("function", "links")]).unwrap(), far);
        assert_eq!(near("Unknown tag", &[]), None);
        assert_eq!(near("Unknown component `x`", &[]), None);
    }

    #[test]
    fn the_words_are_those_of_the_documentation() {
        let documentation = include_str!("../../docs/templates.md");
        for (kind, words) in [("filters", &FILTERS[..]), ("tests", &TESTS), ("functions", &FUNCTIONS)] {
            let list = documentation.split_once(&format!("\n- {kind}: ")).unwrap().1.split("\n\n").next().unwrap();
            let list = list.split("\n- ").next().unwrap();
            assert_eq!(list.split('`').skip(1).step_by(2).collect::<Vec<_>>(), words, "{kind}");
        }
    }
}
