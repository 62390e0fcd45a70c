//! A lenient reader of XML: whatever the damage, a tree of the elements that were meant.

use std::borrow::Cow;
use std::sync::Arc;

use quick_xml::events::{BytesStart, Event};
use url::Url;

use super::entities::{self, Declared};
use super::namespaces::Namespaces;
use super::repair::repair;
use super::unclosed;

/// Elements nested deeper than this are read as if they had no tags: a tree is walked by recursion.
const DEEPEST: usize = 256;
/// No more elements than this are kept.
const MOST_ELEMENTS: usize = 400_000;
/// No more attributes of an element than this are read.
const MOST_ATTRIBUTES: usize = 64;

/// An element: its name and its attributes' names are lower-case, with the usual prefix of their namespace.
#[derive(Debug, Default)]
pub(super) struct Element {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    pub children: Vec<Child>,
    /// What addresses in it are relative to.
    pub base: Option<Arc<Url>>,
}

/// What is in an element.
#[derive(Debug)]
pub(super) enum Child {
    Text(String),
    Element(Element),
}

impl Element {
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn elements(&self) -> impl Iterator<Item = &Element> {
        self.children.iter().filter_map(|child| match child {
            Child::Element(element) => Some(element),
            Child::Text(_) => None,
        })
    }

    pub(super) fn child(&self, name: &str) -> Option<&Element> {
        self.elements().find(|element| element.name == name)
    }

    /// All text within it.
    pub(super) fn text(&self) -> Cow<'_, str> {
        match self.children.as_slice() {
            [] => Cow::Borrowed(""),
            [Child::Text(text)] => Cow::Borrowed(text),
            _ => {
                let mut all = String::new();
                self.add_text(&mut all);
                Cow::Owned(all)
            }
        }
    }

    fn add_text(&self, all: &mut String) {
        for child in &self.children {
            match child {
                Child::Text(text) => all.push_str(text),
                Child::Element(element) => element.add_text(all),
            }
        }
    }
}

/// A document, read.
pub(super) struct Tree {
    /// Everything is in here; it has no name itself.
    pub root: Element,
    /// Whether it was not well-formed.
    pub repaired: bool,
}

/// Reads a text that was meant to be XML.
pub(super) fn read(text: &str, base: Option<&Url>) -> Tree {
    let fixed = repair(text);
    let mut builder = Builder::new(base.cloned().map(Arc::new));
    builder.repaired = fixed.repaired;
    builder.declared = entities::declared(&fixed.doctype);
    let mut reader = quick_xml::Reader::from_str(&fixed.text);
    let config = reader.config_mut();
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    config.allow_dangling_amp = true;
    loop {
        match reader.read_event() {
            Ok(Event::Start(tag)) => builder.open(&tag),
            Ok(Event::Empty(tag)) => {
                builder.open(&tag);
                builder.close_one();
            }
            Ok(Event::End(tag)) => builder.close(tag.name().into_inner()),
            Ok(Event::Text(text)) => builder.text(&text),
            Ok(Event::CData(text)) => builder.cdata(&text),
            Ok(Event::GeneralRef(name)) => builder.reference(&name),
            Ok(Event::Comment(_) | Event::PI(_) | Event::Decl(_) | Event::DocType(_)) => {}
            Ok(Event::Eof) => break,
            Err(_) => {
                builder.repaired = true;
                break;
            }
        }
    }
    builder.finish()
}

struct Builder {
    /// The open elements; the first one is the document.
    open: Vec<Element>,
    /// How many elements are open beyond the deepest, or left out.
    beyond: usize,
    elements: usize,
    namespaces: Namespaces,
    declared: Declared,
    repaired: bool,
}

impl Builder {
    fn new(base: Option<Arc<Url>>) -> Self {
        Self {
            open: vec![Element { base, ..Element::default() }],
            beyond: 0,
            elements: 0,
            namespaces: Namespaces::default(),
            declared: Declared::new(),
            repaired: false,
        }
    }

    fn open(&mut self, tag: &BytesStart<'_>) {
        let attributes = self.attributes(tag);
        self.namespaces.enter(self.open.len(), &attributes);
        let name = self.namespaces.element(tag.name().into_inner());
        self.close_before(&name);
        if self.open.len() >= DEEPEST || self.elements >= MOST_ELEMENTS || self.beyond > 0 {
            self.beyond += 1;
            return;
        }
        self.elements += 1;
        let attributes: Vec<_> =
            attributes.into_iter().map(|(key, value)| (self.namespaces.attribute(&key), value)).collect();
        let above = self.open.last().and_then(|element| element.base.clone());
        let given = attributes.iter().find(|(key, _)| key == "xml:base").map(|(_, value)| value.trim());
        let base = given.filter(|text| !text.is_empty()).and_then(|text| join(above.as_deref(), text)).or(above);
        self.open.push(Element { name, attributes, children: Vec::new(), base });
    }

    fn attributes(&mut self, tag: &BytesStart<'_>) -> Vec<(String, String)> {
        let mut found: Vec<(String, String)> = Vec::new();
        let mut all = tag.html_attributes();
        for attribute in all.with_checks(false).take(MOST_ATTRIBUTES) {
            let Ok(attribute) = attribute else {
                self.repaired = true;
                continue;
            };
            let key = attribute.key.into_inner().to_lowercase();
            if found.iter().any(|(known, _)| *known == key) {
                self.repaired = true;
                continue;
            }
            found.push((key, entities::unescape(&attribute.value, &self.declared).into_owned()));
        }
        found
    }

    /// Closes what the beginning of such an element shows to be finished.
    fn close_before(&mut self, name: &str) {
        // Not the document itself, and nothing within the content of an Atom entry.
        let Some(at) = unclosed::ended_by(name, self.open.iter().skip(1).map(|open| open.name.as_str())) else {
            return;
        };
        if self.open[at + 1..]
            .iter()
            .any(|element| element.attribute("type").is_some_and(|kind| kind.contains("xhtml")))
        {
            return;
        }
        self.repaired = true;
        self.beyond = 0;
        while self.open.len() > at + 1 {
            self.close_one();
        }
    }

    fn close(&mut self, written: &str) {
        if self.beyond > 0 {
            self.beyond -= 1;
            return;
        }
        let name = self.namespaces.element(written);
        match self.open.iter().skip(1).rposition(|element| element.name == name) {
            Some(at) => {
                self.repaired |= at + 2 != self.open.len();
                while self.open.len() > at + 1 {
                    self.close_one();
                }
            }
            None => self.repaired = true,
        }
    }

    /// Closes the innermost element.
    fn close_one(&mut self) {
        if self.beyond > 0 {
            self.beyond -= 1;
        } else if self.open.len() > 1
            && let Some(element) = self.open.pop()
            && let Some(parent) = self.open.last_mut()
        {
            parent.children.push(Child::Element(element));
            self.namespaces.leave(self.open.len());
        }
    }

    fn push(&mut self, text: &str) {
        let Some(element) = self.open.last_mut() else { return };
        match element.children.last_mut() {
            Some(Child::Text(before)) => before.push_str(text),
            _ if text.is_empty() => {}
            _ => element.children.push(Child::Text(text.to_owned())),
        }
    }

    fn text(&mut self, text: &str) {
        self.repaired |= text.starts_with('&') || text.contains("]]>");
        self.push(text);
    }

    fn cdata(&mut self, text: &str) {
        self.push(text);
    }

    fn reference(&mut self, name: &str) {
        let known = matches!(name, "lt" | "gt" | "amp" | "quot" | "apos")
            || name.starts_with('#')
            || self.declared.contains_key(name);
        self.repaired |= !known;
        let text = entities::resolve(name, &self.declared).map(Cow::into_owned);
        self.push(&text.unwrap_or_else(|| format!("&{name};")));
    }

    fn finish(mut self) -> Tree {
        self.repaired |= self.open.len() > 1 || self.beyond > 0 || self.namespaces.undeclared();
        self.beyond = 0;
        while self.open.len() > 1 {
            self.close_one();
        }
        Tree { root: self.open.pop().unwrap_or_default(), repaired: self.repaired }
    }
}

fn join(base: Option<&Url>, text: &str) -> Option<Arc<Url>> {
    let url = match base {
        Some(base) => base.join(text),
        None => Url::parse(text),
    };
    url.ok().filter(super::links::is_web).map(Arc::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(element: &Element) -> String {
        let inside: Vec<String> = element
            .children
            .iter()
            .map(|child| match child {
                Child::Text(text) => text.clone(),
                Child::Element(element) => format!("{}({})", element.name, outline(element)),
            })
            .collect();
        inside.join(" ")
    }

    fn tree(text: &str) -> String {
        outline(&read(text, None).root)
    }

    #[test]
    fn an_end_tag_closes_its_nearest_match() {
        assert_eq!(tree("<a><b><c>x</b>y</a>"), "a(b(c(x)) y)");
        assert_eq!(tree("<a>x</b>y</a>"), "a(xy)");
        assert_eq!(tree("<A>x<B>y</b></a>"), "a(x b(y))");
    }

    #[test]
    fn a_new_item_closes_an_open_one_and_a_sibling_an_open_title() {
        assert_eq!(tree("<c><item><title>x<item><title>y</title></c>"), "c(item(title(x)) item(title(y)))");
        assert_eq!(tree("<item><title>x</titel><link>y</link></item>"), "item(title(x) link(y))");
        assert_eq!(tree("<item><description>x<p>y<guid>z</guid></item>"), "item(description(x p(y)) guid(z))");
    }

    #[test]
    fn references_are_text_and_bare_ampersands_too() {
        assert_eq!(
            tree("<a>R&D &amp; caf&eacute; &bogus; &#8217;&lt;<![CDATA[&amp;]]></a>"),
            "a(R&D & café &bogus; ’<&amp;)"
        );
        assert_eq!(read("<a b=1 b='2' c=\"&amp;x=1&y\"/>", None).root.child("a").unwrap().attributes[1].1, "&x=1&y");
    }

    #[test]
    fn nesting_has_an_end() {
        let text = format!("{}x{}", "<a>".repeat(300_000), "</a>".repeat(300_000));
        let tree = read(&text, None);
        assert!(tree.root.text() == "x");
        let text = "<item>".repeat(300_000);
        assert!(read(&text, None).repaired);
    }

    #[test]
    fn whether_it_was_well_formed_is_known() {
        for fine in ["<a b='1'>x &amp; y<c/></a>", "<?xml version='1.0'?>\n<a xmlns:dc='x'><dc:b/></a>\n<!-- c -->"] {
            assert!(!read(fine, None).repaired, "{fine}");
        }
        for damaged in
            ["<a>x", "<a>R&D</a>", "<a>&eacute;</a>", "<a></b></a>", "<a x=1 x=2/>", "<a><dc:b/></a>", "<a>\u{1}</a>"]
        {
            assert!(read(damaged, None).repaired, "{damaged}");
        }
    }
}
