//! The names in an operator's pages, held against those that the built-in pages use.

use serde_json::{Value, json};

use super::sample;
use crate::config::{Locals, Names};

/// What a page may name.
pub struct PageNames(Value);

impl PageNames {
    /// What the built-in pages use. The page of an issue sees what its mails see, but for what is each reader's own.
    pub fn of<'t>(built_in: impl IntoIterator<Item = &'t str>) -> Self {
        let mut known = sample::known();
        known.as_object_mut().and_then(|names| names.remove("slot"));
        for page in built_in {
            Names::of(page).paths().for_each(|path| learn(&mut known, path));
        }
        Self(known)
    }

    /// A name in the text of a page that is not among them: its line, and what is wrong with it.
    pub fn unknown_in(&self, text: &str) -> Option<(usize, String)> {
        let names = [Names::of(text)];
        names[0].unknown(&self.0, &Locals::of(&names, &self.0))
    }
}

/// Adds a path; what is behind it is not known, so it may be anything.
fn learn(known: &mut Value, path: &[&str]) {
    let mut at = known;
    for field in path {
        if at.is_null() {
            *at = json!({});
        }
        let Value::Object(fields) = at else { return };
        at = fields.entry(*field).or_insert(Value::Null);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_may_use_what_the_built_in_ones_use_and_what_mails_have() {
        let built_in = [
            "{{ heading }}{% for year in years %}{% for issue in year.issues %}{{ issue.url }}{% endfor %}{% endfor %}{% if site.logo %}{% endif %}",
        ];
        let known = PageNames::of(built_in);
        let unknown = |text: &str| known.unknown_in(text).map(|(line, message)| format!("{line}: {message}"));
        for good in ["{{ heading }}", "{% for y in years %}{{ y.any }}{% endfor %}", "{{ lead.title }}{{ site.logo }}"]
        {
            assert_eq!(unknown(good), None, "{good}");
        }
        assert_eq!(unknown("\n{{ headng }}").unwrap(), "2: `headng` is not known here; did you mean `heading`?");
        assert!(unknown("{{ slot.greeting }}").unwrap().starts_with("1: `slot"), "pages have no reader");
        assert_eq!(
            unknown("{% if site.lgo %}{% endif %}").unwrap(),
            "1: `site.lgo` is not known here; did you mean `site.logo`?"
        );
    }
}
