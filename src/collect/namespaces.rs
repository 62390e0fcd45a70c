//! Prefixes of XML namespaces, brought to the usual ones; undeclared ones mean what they usually mean.

/// No more declarations than this are in force at once.
const MOST: usize = 64;

/// How a namespace begins, in lower case, and the prefix that its elements have here.
const KNOWN: &[(&str, &str)] = &[
    ("http://www.w3.org/2005/atom", ""),
    ("http://purl.org/atom/ns#", ""),
    ("http://purl.org/atom-blog/ns#", ""),
    ("http://purl.org/rss/1.0/modules/rss091#", ""),
    ("http://purl.org/rss/1.0/modules/content", "content"),
    ("http://purl.org/rss/1.0/modules/", "-"),
    ("http://purl.org/rss/1.0", ""),
    ("http://purl.org/net/rss1.1#", ""),
    ("http://my.netscape.com/rdf/simple/0.9", ""),
    ("http://my.netscape.com/publish/formats/rss-0.9", ""),
    ("http://channel.netscape.com/rdf/simple/0.9", ""),
    ("http://backend.userland.com/rss", ""),
    ("http://backend.userland.com/", "-"),
    ("http://blogs.law.harvard.edu/tech/rss", ""),
    ("http://cyber.law.harvard.edu/rss", ""),
    ("http://purl.org/pie/", ""),
    ("http://purl.org/echo/", ""),
    ("http://example.com/necho", ""),
    ("http://example.com/newformat#", ""),
    ("uri/of/echo/namespace#", ""),
    ("http://purl.org/dc/elements/1.", "dc"),
    ("http://purl.org/dc/terms", "dcterms"),
    ("http://search.yahoo.com/mrss", "media"),
    ("http://video.search.yahoo.com/mrss", "media"),
    ("http://www.itunes.com/dtds/podcast-1.0.dtd", "itunes"),
    ("http://example.com/dtds/podcast-1.0.dtd", "itunes"),
    ("http://www.w3.org/1999/xhtml", "xhtml"),
    ("http://www.w3.org/1999/02/22-rdf-syntax-ns#", "rdf"),
    ("http://www.w3.org/xml/1998/namespace", "xml"),
    ("http://rssnamespace.org/feedburner/ext/1.0", "feedburner"),
];

/// Prefixes that feeds use without declaring them, where they differ from the prefixes here.
const USUAL: &[(&str, &str)] = &[
    ("atom", ""),
    ("atom10", ""),
    ("atom03", ""),
    ("a10", ""),
    ("rss", ""),
    ("rss10", ""),
    ("dct", "dcterms"),
    ("html", "xhtml"),
    ("xh", "xhtml"),
    ("mrss", "media"),
];

/// The declarations in force.
#[derive(Default)]
pub(super) struct Namespaces {
    /// Depth, prefix as written, prefix here.
    declared: Vec<(usize, String, String)>,
    undeclared: bool,
}

impl Namespaces {
    /// Takes the declarations among an element's attributes; the element will be at this depth.
    pub(super) fn enter(&mut self, depth: usize, attributes: &[(String, String)]) {
        for (key, value) in attributes {
            let prefix = match key.strip_prefix("xmlns") {
                Some("") => "",
                Some(rest) if rest.starts_with(':') => &rest[1..],
                _ => continue,
            };
            if self.declared.len() < MOST {
                self.declared.push((depth, prefix.to_owned(), here(prefix, value)));
            }
        }
    }

    /// Forgets what was declared deeper than this.
    pub(super) fn leave(&mut self, depth: usize) {
        while self.declared.last().is_some_and(|(at, ..)| *at >= depth) {
            self.declared.pop();
        }
    }

    /// An element's name in lower case with the prefix that it has here.
    pub(super) fn element(&mut self, written: &str) -> String {
        let written = written.to_lowercase();
        let (prefix, name) = written.split_once(':').unwrap_or(("", &written));
        self.with_prefix(prefix, name)
    }

    /// An attribute's name: as an element's, except that no prefix means no namespace.
    pub(super) fn attribute(&mut self, written: &str) -> String {
        match written.split_once(':') {
            Some(("xml" | "xmlns", _)) | None => written.to_owned(),
            Some((prefix, name)) => self.with_prefix(prefix, name),
        }
    }

    /// Whether a prefix was used that nobody had declared.
    pub(super) fn undeclared(&self) -> bool {
        self.undeclared
    }

    fn with_prefix(&mut self, prefix: &str, name: &str) -> String {
        let declared = self.declared.iter().rev().find(|(_, written, _)| written == prefix);
        let prefix = match declared {
            Some((.., here)) => here.as_str(),
            None => {
                self.undeclared |= !prefix.is_empty();
                USUAL.iter().find(|(usual, _)| *usual == prefix).map_or(prefix, |(_, here)| here)
            }
        };
        if prefix.is_empty() { name.to_owned() } else { format!("{prefix}:{name}") }
    }
}

/// The prefix here of a namespace that was declared with `prefix`.
fn here(prefix: &str, namespace: &str) -> String {
    let namespace = namespace.trim().to_lowercase().replacen("https://", "http://", 1);
    match KNOWN.iter().find(|(beginning, _)| namespace.starts_with(beginning)) {
        Some((_, "-")) | None => USUAL
            .iter()
            .find(|(usual, _)| *usual == prefix && usual.starts_with("atom"))
            .map_or(prefix, |(_, here)| here)
            .to_owned(),
        Some((_, here)) => (*here).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_namespace_counts_and_not_the_prefix() {
        let mut names = Namespaces::default();
        names.enter(
            1,
            &[
                ("xmlns:x".into(), "http://purl.org/dc/elements/1.1/".into()),
                ("xmlns".into(), "http://www.w3.org/2005/Atom".into()),
            ],
        );
        assert_eq!(names.element("X:Creator"), "dc:creator");
        assert_eq!(names.element("entry"), "entry");
        names.enter(2, &[("xmlns".into(), "http://www.w3.org/1999/xhtml".into())]);
        assert_eq!(names.element("DIV"), "xhtml:div");
        names.leave(2);
        assert_eq!(names.element("div"), "div");
        assert!(!names.undeclared());
    }

    #[test]
    fn an_undeclared_prefix_means_what_it_usually_means() {
        let mut names = Namespaces::default();
        assert_eq!(names.element("dc:date"), "dc:date");
        assert_eq!(names.element("atom:link"), "link");
        assert!(names.undeclared());
    }
}
