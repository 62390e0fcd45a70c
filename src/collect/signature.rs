//! Short CSS selectors for elements that repeat on a page.

use scraper::ElementRef;

/// Classes that say how one item differs from the next, or nothing at all.
const PASSING: &[&str] =
    &["first", "last", "odd", "even", "active", "current", "featured", "hidden", "clearfix", "row", "hentry"];
/// How classes begin that a theme makes for each item.
const MADE: &[&str] =
    &["is-", "has-", "status-", "format-", "category-", "tag-", "js-", "wp-", "align", "author-", "col-"];

/// An element's name with its first lasting class, as in `div.card`.
pub(super) fn of(element: ElementRef<'_>) -> String {
    let name = element.value().name();
    match lasting_class(element) {
        Some(class) => format!("{name}.{class}"),
        None => name.to_owned(),
    }
}

/// As [`of`], and for an element without such a class, with its parent: `ul.news > li`.
pub(super) fn with_parent(element: ElementRef<'_>) -> String {
    let own = of(element);
    if own.contains('.') || own == "article" {
        return own;
    }
    match element.parent().and_then(ElementRef::wrap) {
        Some(parent) if !matches!(parent.value().name(), "html" | "body") => format!("{} > {own}", of(parent)),
        _ => own,
    }
}

/// The first class of an element that looks as if a person had chosen it for all such elements.
pub(super) fn lasting_class(element: ElementRef<'_>) -> Option<&str> {
    element.value().classes().find(|class| {
        let plain = class.starts_with(|c: char| c.is_ascii_alphabetic())
            && class.chars().all(|c| c.is_ascii_alphabetic() || matches!(c, '-' | '_'));
        let hashed = class.len() > 40 || class.chars().filter(char::is_ascii_uppercase).count() > 4;
        plain && !hashed && !PASSING.contains(class) && !MADE.iter().any(|made| class.starts_with(made))
    })
}
