//! The name that somebody who mistyped one may have meant.

/// `; did you mean …?` with the nearest of the names, else `; ` and the words of `otherwise`.
pub fn suggestion<'a>(
    wrong: &str,
    names: impl IntoIterator<Item = &'a str>,
    otherwise: impl FnOnce() -> String,
) -> String {
    match nearest(wrong, names) {
        Some(name) => format!("; did you mean `{name}`?"),
        None => format!("; {}", otherwise()),
    }
}

/// The name nearest to the wrong one, where one is near enough: a third of its letters may differ.
pub fn nearest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if wrong.len() > 100 {
        return None;
    }
    let folded = wrong.to_lowercase().replace('-', "_");
    let distance = |name: &str| strsim::osa_distance(&folded, &name.to_lowercase().replace('-', "_"));
    let allowed = (folded.chars().count() / 3).max(1);
    let near = names.into_iter().map(|name| (distance(name), name)).filter(|(distance, _)| *distance <= allowed);
    near.min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

/// `` `x` is not known here ``, and the nearest name or else all.
pub(crate) fn unknown_name<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    match nearest(wrong, names.iter().copied()) {
        Some(name) => format!("`{wrong}` is not known here; did you mean `{name}`?"),
        None => format!("`{wrong}` is not known here; there are {}", names.join(", ")),
    }
}

/// Names as words of a sentence: "`a`, `b` and `c`".
pub fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_name_and_another_word_none() {
        let names = ["schedule", "subject", "sources", "poll", "id"];
        assert_eq!(nearest("shedule", names), Some("schedule"));
        assert_eq!(nearest("sorces", names), Some("sources"));
        assert_eq!(nearest("POLL", names), Some("poll"));
        assert_eq!(nearest("colour", names), None);
        assert_eq!(nearest("", names), None);
    }

    #[test]
    fn names_are_listed_as_in_a_sentence() {
        assert_eq!(listed(["a"]), "`a`");
        assert_eq!(listed(["a", "b", "c"]), "`a`, `b` and `c`");
    }
}
