//! Locales of the operator's own: files `locales/CODE.toml` in the folder of the templates.
//!
//! A file has the keys of the built-in ones. One with a built-in code changes what it names and leaves the rest; another one
//! is a new locale, which says in the words of its base what it does not say itself: `de-AT` in those of `de`, `pt` in
//! British English.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::check::check;
use super::file::{Unreadable, is_aside, read_own};
use super::in_use::Wordings;
use super::plural::are_forms;
use super::{FILES, Wording};
use crate::domain::{Direction, Locale};

/// What stands in the folder of the templates.
const FOLDER: &str = "locales";

/// What a reading of a folder gives.
#[derive(Default)]
pub(crate) struct Reading {
    /// What can be used.
    pub(crate) wordings: Wordings,
    /// For each that does not say everything, what it leaves to its base.
    pub(crate) gaps: Vec<String>,
    /// What is wrong with each file that cannot be used, and what would be right.
    pub(crate) wrong: Vec<String>,
}

/// What is wrong with a file, and the line where that is known.
struct Wrong {
    line: Option<usize>,
    message: String,
}

impl From<String> for Wrong {
    fn from(message: String) -> Self {
        Self { line: None, message }
    }
}

/// Reads the locales of a templates folder.
pub(crate) fn read_all(dir: &Path) -> Reading {
    let mut all = Reading::default();
    let (files, others) = files(&dir.join(FOLDER));
    all.gaps.extend(others.iter().filter_map(|path| other(path)));
    for (code, path) in files {
        match read(&code, &path, &mut all.wordings) {
            Ok((_, missing)) if missing.is_empty() => {}
            Ok((base, missing)) => {
                all.gaps.push(format!("{} says nothing for {}; {base} stands in", path.display(), missing.join(", ")));
            }
            Err(Wrong { line, message }) => {
                let line = line.map_or_else(String::new, |line| format!(":{line}"));
                all.wrong.push(format!("{}{line}: {message}", path.display()));
                all.wordings.add_broken(code);
            }
        }
    }
    all
}

/// The files of the folder by code, languages before their regions, so that a base is there first; and what else is in it.
fn files(folder: &Path) -> (Vec<(String, PathBuf)>, Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let entries = entries.filter(|entry| !is_aside(&entry.file_name().to_string_lossy())).map(|entry| entry.path());
    let (toml, mut others): (Vec<PathBuf>, Vec<PathBuf>) =
        entries.partition(|path| path.extension().is_some_and(|ending| ending == "toml"));
    let mut files: Vec<(String, PathBuf)> =
        toml.into_iter().filter_map(|path| Some((path.file_stem()?.to_str()?.to_owned(), path))).collect();
    files.sort_by_key(|(code, _)| (code.len(), code.clone()));
    others.sort();
    (files, others)
}

/// Says that a file is not used whose name is that of a wording but for its ending.
fn other(path: &Path) -> Option<String> {
    let code = path.file_name()?.to_str()?.split('.').next().filter(|code| is_code(code))?;
    Some(format!("{} is not used: the name of a wording ends with .toml; did you mean `{code}.toml`?", path.display()))
}

/// Reads a file beside those before it; gives the base and the keys that are left to it.
fn read(code: &str, path: &Path, others: &mut Wordings) -> Result<(&'static str, Vec<String>), Wrong> {
    if !is_code(code) {
        return Err(format!("`{code}` is not the code of a locale; one looks like `pt`, `pt-BR` or `zh-Hant`").into());
    }
    let text = read_own(path).map_err(|error| match error {
        Unreadable::System(error) => format!("cannot be read ({error}); check who may").into(),
        Unreadable::Text { line, message } => Wrong { line: Some(line), message },
    })?;
    let given: Table = text.parse().map_err(|error: toml::de::Error| Wrong {
        line: error.span().map(|span| 1 + text[..span.start.min(text.len())].matches('\n').count()),
        message: error.message().trim().replace('\n', " "),
    })?;
    let reference = built_in(FILES[0].0)?;
    let mut table = given.clone();
    check(&mut table, &reference, "", &Locale::named(code)).map_err(|message| {
        // What is wrong is said of a key, which stands first.
        let line = message.split('`').nth(1).and_then(|key| line_of(key, &text));
        Wrong { line, message }
    })?;
    let (base, base_table) = base_of(code, others)?;
    let mut missing = Vec::new();
    fill(&mut table, &base_table, "", &mut missing);
    // Where people choose among languages, its code stands for it.
    if table.get("pages").and_then(|pages| pages.get("language")?.get(code)).is_none() {
        missing.push(format!("pages.language.{code}"));
    }
    table.entry("dir").or_insert_with(|| Value::String(written(code).to_owned()));
    let words: Wording = table
        .clone()
        .try_into()
        .map_err(|error: toml::de::Error| format!("{}; take en-GB.toml as the example", error.message()))?;
    others.add(code, words, table, path.to_owned());
    let is_change_of_built_in = FILES.iter().any(|(known, _)| known.eq_ignore_ascii_case(code));
    Ok((base, if is_change_of_built_in { Vec::new() } else { missing }))
}

/// The line of a key with dots in it, or of the table that it is in.
fn line_of(key: &str, text: &str) -> Option<usize> {
    let mut table = String::new();
    let mut best = None;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        let here = if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            table = format!("{}.", name.trim());
            name.trim().to_owned()
        } else {
            let Some((name, _)) = line.split_once('=') else { continue };
            format!("{table}{}", name.trim().trim_matches('"'))
        };
        if here == key {
            return Some(number + 1);
        }
        if key.strip_prefix(&here).is_some_and(|rest| rest.starts_with('.')) {
            best = Some(number + 1);
        }
    }
    best
}

/// How its language is written, as `dir` has it.
fn written(code: &str) -> &'static str {
    if Locale::named(code).direction() == Direction::RightToLeft { "rtl" } else { "ltr" }
}

/// Two or three letters, then script or region.
pub(crate) fn is_code(code: &str) -> bool {
    let mut parts = code.split('-');
    let language = parts.next().unwrap_or_default();
    let fits = |part: &str| (2..=4).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (2..=3).contains(&language.len())
        && language.bytes().all(|byte| byte.is_ascii_lowercase())
        && parts.clone().count() <= 2
        && parts.all(fits)
}

fn built_in(code: &str) -> Result<Table, String> {
    let file = FILES.iter().find(|(known, _)| known.eq_ignore_ascii_case(code)).map_or("", |(_, file)| file);
    file.parse().map_err(|error: toml::de::Error| error.to_string())
}

/// What a locale says that its file does not.
fn base_of(code: &str, others: &Wordings) -> Result<(&'static str, Table), String> {
    let language = code.split('-').next().unwrap_or_default();
    let known = |wanted: &str| FILES.iter().map(|(code, _)| *code).find(|code| code.eq_ignore_ascii_case(wanted));
    if let Some(same) = known(code) {
        return Ok((same, built_in(same)?));
    }
    if language != code {
        if let Some(own) = others.get(language) {
            return Ok((own.locale.as_str(), own.table.clone()));
        }
        if let Some(base) = known(language) {
            return Ok((base, built_in(base)?));
        }
    }
    Ok((FILES[0].0, built_in(FILES[0].0)?))
}

/// Puts in what is missing, and notes it.
fn fill(table: &mut Table, base: &Table, within: &str, missing: &mut Vec<String>) {
    for (key, value) in base {
        let path = if within.is_empty() { key.clone() } else { format!("{within}.{key}") };
        match (table.get_mut(key), value) {
            (Some(Value::Table(own)), Value::Table(base)) if !are_forms(base) => {
                fill(own, base, &path, missing);
            }
            (Some(_), _) => {}
            (None, value) => {
                table.insert(key.clone(), value.clone());
                missing.push(path);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wording::is_broken;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(FOLDER)).unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(FOLDER).join(name), text).unwrap();
        }
        folder
    }

    fn words(code: &str) -> &'static Wording {
        Wording::of(&Locale::parse(code).unwrap())
    }

    #[test]
    fn a_file_makes_a_locale_and_what_it_does_not_say_its_base_does() {
        // One without its number is right for every number.
        let region = "unsubscribe = \"Pfiat di\"\nunlisted = \"Und mehr\"";
        let language = "unsubscribe = \"Odhlásit\"\n[unlisted]\none = \"{count} den\"\nfew = \"{count} dny\"\nother = \"{count} dní\"";
        let folder = folder(&[("de-AT.toml", region), ("cs.toml", language)]);
        let Reading { wordings, gaps, .. } = read_all(folder.path());
        let _tried = wordings.tried();
        assert_eq!(words("de-at").unsubscribe, "Pfiat di");
        assert_eq!(words("de-AT").preferences, words("de").preferences);
        assert_eq!(words("de-AT").unlisted(3, &Locale::parse("de-AT").unwrap()), "Und mehr");
        assert_eq!(words("cs").preferences, words("en-GB").preferences);
        let cs = Locale::parse("cs").unwrap();
        assert_eq!([1, 2, 5].map(|count| words("cs").unlisted(count, &cs)), ["1 den", "2 dny", "5 dní"]);
        assert_eq!(gaps.len(), 2, "{gaps:?}");
        assert!(gaps[0].contains("cs.toml says nothing for") && gaps[0].ends_with("; en-GB stands in"), "{}", gaps[0]);
        assert!(gaps[0].contains("preferences") && !gaps[0].contains("unsubscribe,"), "{}", gaps[0]);
        assert!(gaps[0].contains(", pages.language.cs; "), "its own name: {}", gaps[0]);
        assert!(gaps[1].ends_with("; de stands in"), "{}", gaps[1]);
        assert_eq!(words("cs").direction(), crate::domain::Direction::LeftToRight);
    }

    #[test]
    fn what_is_no_wording_but_for_its_ending_is_told_and_a_copy_is_passed_over() {
        let folder = folder(&[
            ("._de.toml", "\0"),
            ("de.toml~", "x"),
            ("de.toml.bak", "x"),
            ("notes.txt", "x"),
            ("de.tml", "x"),
        ]);
        let Reading { gaps, wrong, .. } = read_all(folder.path());
        assert_eq!(wrong, [""; 0]);
        assert_eq!(gaps.len(), 1, "{gaps:?}");
        assert!(
            gaps[0].ends_with("de.tml is not used: the name of a wording ends with .toml; did you mean `de.toml`?"),
            "{gaps:?}"
        );
    }

    #[test]
    fn a_byte_order_mark_before_a_wording_is_skipped() {
        let read = read_all(folder(&[("qad.toml", "\u{feff}contact = \"x\"")]).path());
        assert_eq!(read.wrong, [""; 0]);
        let _tried = read.wordings.tried();
        assert_eq!(words("qad").contact, "x");
    }

    #[test]
    fn the_form_for_exactly_one_number_may_do_without_it_and_so_may_one_that_the_language_has_not() {
        for (name, forms) in [
            ("en-GB.toml", "one = \"+ one\", few = \"+ some\""),
            ("fr.toml", "one = \"+ un\""),
            ("ar.toml", "zero = \"-\", one = \"+ a\", two = \"+ b\""),
            ("ja.toml", "one = \"+ a\""),
            ("cy.toml", "few = \"tri\", many = \"chwech\""),
        ] {
            let text = format!("more = {{ {forms}, other = \"+ {{count}}\" }}");
            assert_eq!(read_all(folder(&[(name, &text)]).path()).wrong, [""; 0], "{name}");
        }
    }

    #[test]
    fn a_wording_in_another_charset_is_said_with_its_line() {
        let folder = folder(&[]);
        std::fs::write(folder.path().join(FOLDER).join("qah.toml"), b"contact = \"x\"\nwhy = \"f\xfcr\"").unwrap();
        let wrong = read_all(folder.path()).wrong;
        assert!(wrong[0].ends_with("qah.toml:2: what stands here is no UTF-8; save the file as UTF-8"), "{}", wrong[0]);
    }

    #[test]
    fn where_a_locale_from_right_to_left_has_no_months_a_date_goes_its_own_way_as_one_piece() {
        let months = format!("dir = \"rtl\"\nmonths = {:?}", ["ن"; 12]);
        let folder = folder(&[("qaf.toml", "dir = \"rtl\""), ("qag.toml", &months)]);
        let _tried = read_all(folder.path()).wordings.tried();
        let date = chrono::NaiveDate::from_ymd_opt(2026, 11, 30).unwrap();
        assert_eq!(words("qaf").date(date, false), "\u{200e}30 November 2026\u{200e}");
        assert_eq!(words("qaf").date(date, true), "\u{200e}Monday 30 November 2026\u{200e}");
        assert_eq!(words("qag").date(date, false), "30 ن 2026");
    }

    #[test]
    fn reading_the_same_again_gives_the_same_wording() {
        let folder = folder(&[("qab.toml", "contact = \"x\"")]);
        let read = || {
            let _tried = read_all(folder.path()).wordings.tried();
            words("qab")
        };
        assert!(std::ptr::eq(read(), read()));
        std::fs::write(folder.path().join(FOLDER).join("qab.toml"), "contact = \"y\"").unwrap();
        assert_eq!(read().contact, "y");
    }

    #[test]
    fn a_mistake_is_said_with_its_file_and_what_would_be_right() {
        for (name, text, expected) in [
            ("qac.toml", "unsubscrib = \"x\"", "there is no key `unsubscrib`; did you mean `unsubscribe`?"),
            ("qac.toml", "why = \"{digst}\"", "`why` has {digst}; what is filled in there is {digest}"),
            ("qac.toml", "contact = \"{name}\"", "`contact` has {name}, but nothing is filled in there"),
            ("qac.toml", "months = [\"x\"]", "`months` must be a list of 12 texts"),
            ("qac.toml", "\nweekdays = [\"a\", 2, 3, 4, 5, 6, 7]", "qac.toml:2: `weekdays` must be a list of 7 texts"),
            ("qac.toml", "\ndir = \"rlt\"", "qac.toml:2: `dir` cannot be `rlt`; did you mean `rtl`?"),
            ("qac.toml", "dir = 3", "qac.toml:1: `dir` must be a text in quotes, `ltr` or `rtl`"),
            ("qac.toml", "[pages.language]\nqac = 3", "qac.toml:2: `pages.language.qac` must be a text in quotes"),
            (
                "qac.toml",
                "\nmore = { one = 3, other = \"y\" }",
                "qac.toml:2: `more` must have a text for each plural form",
            ),
            (
                "qac.toml",
                "[pages.confrm]\nheading = \"x\"",
                "qac.toml:1: there is no key `pages.confrm`; did you mean `confirm`?",
            ),
            (
                "qac.toml",
                "background = \"x\"",
                "qac.toml:1: there is no key `background`; en-GB.toml has all that there are",
            ),
            ("qac.toml", "contact = 3", "`contact` must be a text in quotes"),
            ("qac.toml", "more = { one = \"x\" }", "`more` lacks the plural form `other`"),
            ("qac.toml", "more = { uno = \"x\", other = \"y\" }", "has a plural form `uno`; the forms are zero, one"),
            (
                "qac.toml",
                "\nmore = { one = \"+ 1\", few = \"+ {count}\", other = \"+ more\" }",
                "qac.toml:2: `more` lacks {count} in the form `other`, which stands for more than one number",
            ),
            ("ru.toml", "more = { one = \"ещё 1\", other = \"+ {count}\" }", "lacks {count} in the form `one`"),
            ("qac.toml", "pages = \"x\"", "`pages` must be a table of sentences"),
            ("qac.toml", "\ncontact = ", "qac.toml:2: "),
            ("qac.toml", "unsubscribe = \" \"", "qac.toml:1: `unsubscribe` is empty; leave the key out"),
            ("qac.toml", "unsubscribe = \"\\u200b\\u00ad\"", "qac.toml:1: `unsubscribe` is empty; leave the key out"),
            ("qac.toml", "more = { other = \"\\u2060\" }", "qac.toml:1: `more` is empty; leave the key out"),
            (
                "qac.toml",
                "weekdays = [\"\", \"a\", \"b\", \"c\", \"d\", \"e\", \"f\"]",
                "qac.toml:1: `weekdays` is empty;",
            ),
            (
                "qac.toml",
                "why = \"For {digest, {digest}\"",
                "qac.toml:1: `why` has a brace that is not closed: `{digest, `",
            ),
            (
                "qac.toml",
                "\nwhy = \"For {digest\"",
                "qac.toml:2: `why` has a brace that is not closed: `{digest`; a name",
            ),
            ("qac.toml", "inside = \"Also\"", "`inside` lacks {titles}, in whose place something is filled in"),
            ("qac.toml", "contact = \"a\\nb\"", "`contact` has a line break"),
            (
                "qac.toml",
                "\ncontact = \"a\\u0007b\"",
                "qac.toml:2: in `contact` there is a control character, U+0007; take it out",
            ),
            ("qac.toml", "[pages.language]\nqac = \"\\u001b[1m\"", "qac.toml:2: in `pages.language.qac` there is a"),
            ("qac.toml", "# x\u{7f}", "qac.toml:1: there is a control character, U+007F, which mails cannot have"),
            ("qac.toml", "[mails.goodbye]\n# x\nsubjct = \"x\"", "qac.toml:3: there is no key `mails.goodbye.subjct`"),
            ("qac.toml", "[unlisted]\nuno = \"x\"\nother = \"{count}\"", "qac.toml:1: `unlisted` has a plural form"),
            ("Klingon.toml", "", "`Klingon` is not the code of a locale; one looks like `pt`"),
        ] {
            let Reading { wordings, wrong, .. } = read_all(folder(&[(name, text)]).path());
            assert!(wrong[0].contains(name) && wrong[0].contains(expected), "{}", wrong[0]);
            let _tried = wordings.tried();
            assert!(is_broken(&name.replace(".toml", "").to_uppercase()) && !is_broken("de"));
            assert!(Locale::parse("qac").is_err());
        }
    }
}
