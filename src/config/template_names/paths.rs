//! The names in an expression of the template language, with all that is said behind them.

/// Words of the template language that are no names.
const WORDS: [&str; 15] = [
    "and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "True", "False", "None", "loop", "continue",
];

/// Filters that give the items of a list as they are.
const KEEPS_ITEMS: [&str; 3] = ["reverse", "sort", "unique"];

/// A name, with the fields behind its dots and the places and keys in its brackets.
pub(super) type Path<'t> = Vec<&'t str>;

/// A path as it is mostly written.
pub(super) fn written(path: &[&str]) -> String {
    let part = |part: &&str| if is_place(part) { format!("[{part}]") } else { format!(".{part}") };
    path.iter().map(part).collect::<String>().trim_start_matches('.').to_owned()
}

/// Whether it is a place in a list.
pub(super) fn is_place(part: &str) -> bool {
    part.bytes().all(|byte| byte.is_ascii_digit())
}

/// The list whose items a loop goes through, where it is plainly a path, in whatever order.
pub(super) fn list(over: &str) -> Option<Path<'_>> {
    let mut steps = over.split('|');
    let path = plain(steps.next()?)?;
    let keeps = |step: &str| KEEPS_ITEMS.contains(&step.split('(').next().unwrap_or_default().trim());
    steps.all(keeps).then_some(path)
}

/// The path that an expression is, where it is nothing else.
pub(super) fn plain(text: &str) -> Option<Path<'_>> {
    let text = text.trim();
    let (path, length) = path_at(text);
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    (begins && length == text.len() && !WORDS.contains(&path[0])).then_some(path)
}

/// The path that a text begins with, and its length. Behind brackets that hold more than a place or a key nothing is known.
fn path_at(text: &str) -> (Path<'_>, usize) {
    let fields = |text: &str| text[..length(text)].trim_end_matches(['.', '?']).len();
    let split = |text| str::split(text, ['.', '?']).filter(|part| !part.is_empty());
    let mut end = fields(text);
    let mut path: Path<'_> = split(&text[..end]).collect();
    while let Some((inside, _)) = text[end..].strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let place = inside.trim();
        let key = ['"', '\'', '`'].into_iter().find_map(|quote| place.strip_prefix(quote)?.strip_suffix(quote));
        let is_name = |key: &&str| !key.is_empty() && !key.contains(['"', '\'', '`', '[']);
        let place = Some(place.trim_start_matches('-')).filter(|place| !place.is_empty() && is_place(place));
        let Some(part) = key.filter(is_name).or(place) else { break };
        path.push(part);
        end += inside.len() + 2;
        if text[end..].starts_with(['.', '?']) {
            let behind = fields(&text[end..]);
            path.extend(split(&text[end..end + behind]));
            end += behind;
        }
    }
    (path, end)
}

/// The parts of an expression that `~` joins.
pub(super) fn operands(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut quote) = (Vec::new(), 0, None);
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            (None, '"' | '\'' | '`') => quote = Some(letter),
            (Some(open), close) if open == close => quote = None,
            (None, '~') => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// The paths in an expression: no strings, filters, tests, functions, names of arguments, or words of the language.
pub(super) fn paths(text: &str) -> Vec<Path<'_>> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let (mut at, mut before, mut word_before) = (0, b' ', "");
    while at < bytes.len() {
        let byte = bytes[at];
        if matches!(byte, b'"' | b'\'' | b'`') {
            at = text[at + 1..].find(char::from(byte)).map_or(text.len(), |end| at + 1 + end + 1);
            (before, word_before) = (byte, "");
            continue;
        }
        if !(byte.is_ascii_alphabetic() || byte == b'_') {
            if !byte.is_ascii_whitespace() {
                (before, word_before) = (byte, "");
            }
            // A number may have letters behind it, as in 1e5.
            at += if byte.is_ascii_digit() {
                length(&text[at..])
            } else {
                text[at..].chars().next().map_or(1, char::len_utf8)
            };
            continue;
        }
        let (path, end) = path_at(&text[at..]);
        let whole = &text[at..at + end];
        at += end;
        let after = text[at..].trim_start();
        let is_argument = after.starts_with('=') && !after.starts_with("==");
        let is_test = matches!(word_before, "is" | "is not");
        let is_name = !matches!(before, b'|' | b'.') && !is_test && !is_argument && !after.starts_with('(');
        if is_name && !WORDS.contains(&path[0]) {
            found.push(path);
        }
        word_before = if word_before == "is" && whole == "not" { "is not" } else { whole };
        before = b'a';
    }
    found
}

/// How long a name with its fields is.
fn length(text: &str) -> usize {
    text.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '?'))).unwrap_or(text.len())
}
