//! Elements that were never closed: what the beginning of another one shows to be finished.

/// Where among the open elements, the outermost first, those begin that an element of this name ends: an item ends an
/// item, and whatever text was left open around it; a sibling of a title or a date ends those.
pub(super) fn ended_by<'o>(
    name: &str,
    open: impl DoubleEndedIterator<Item = &'o str> + ExactSizeIterator + Clone,
) -> Option<usize> {
    let is_item = |name: &str| matches!(name, "item" | "entry");
    if is_item(name) {
        return open.clone().position(|open| open == name || is_text(open));
    }
    if !LINES.contains(&name) && !BESIDE_LINES.contains(&name) {
        return None;
    }
    // What is unfinished around an item is not ended by what stands in it.
    let inside = open.clone().rposition(is_item).map_or(0, |at| at + 1);
    open.skip(inside).rposition(|open| is_unfinished(open, name)).map(|at| at + inside)
}

/// Elements that hold a line of text, and are never around another element of a feed.
const LINES: &[&str] = &[
    "title",
    "link",
    "guid",
    "pubdate",
    "author",
    "category",
    "comments",
    "dc:creator",
    "dc:date",
    "dc:subject",
    "itunes:author",
    "id",
    "updated",
    "published",
    "issued",
    "modified",
];
/// Elements that stand beside those, and may hold more than a line.
const BESIDE_LINES: &[&str] = &[
    "description",
    "content:encoded",
    "enclosure",
    "wfw:commentrss",
    "slash:comments",
    "media:content",
    "media:thumbnail",
    "summary",
    "content",
];
/// Those of them that HTML has not, so that they are not part of an unescaped description either.
const FOREIGN_TO_HTML: &[&str] = &[
    "guid",
    "pubdate",
    "content:encoded",
    "category",
    "comments",
    "enclosure",
    "dc:creator",
    "dc:date",
    "dc:subject",
    "wfw:commentrss",
    "slash:comments",
];

/// Whether an element of this name holds text, and so never an item.
fn is_text(name: &str) -> bool {
    LINES.contains(&name) || matches!(name, "description" | "content:encoded" | "summary")
}

/// Whether an open element of this name is one that was never closed, when `next` begins.
fn is_unfinished(open: &str, next: &str) -> bool {
    LINES.contains(&open) || matches!(open, "description" | "content:encoded") && FOREIGN_TO_HTML.contains(&next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(name: &str, open: &[&str]) -> Option<usize> {
        ended_by(name, open.iter().copied())
    }

    #[test]
    fn a_line_ends_where_its_sibling_begins() {
        assert_eq!(ended("author", &["rss", "channel", "item", "pubdate"]), Some(3));
        assert_eq!(ended("guid", &["rss", "channel", "item", "description"]), Some(3));
        assert_eq!(ended("link", &["rss", "channel", "item", "description"]), None, "HTML has links too");
        assert_eq!(ended("author", &["rss", "channel", "item"]), None);
    }

    #[test]
    fn an_item_ends_the_one_before_and_text_left_open_around_it() {
        assert_eq!(ended("item", &["rss", "channel", "item", "description"]), Some(2));
        assert_eq!(ended("item", &["rss", "channel", "description"]), Some(2));
        assert_eq!(ended("item", &["rss", "channel"]), None);
    }

    #[test]
    fn nothing_in_an_item_ends_what_is_open_around_it() {
        assert_eq!(ended("guid", &["rss", "channel", "description", "item"]), None);
    }
}
