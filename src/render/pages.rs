//! The names in an operator's pages, held against those that the built-in pages use.

use serde_json::{Value, json};

use super::sample;
use crate::config::{Locals, Names};

/// A name in the text of a page that neither a built-in page uses nor a mail has: its line, and what is wrong with it.
pub fn unknown_in_page<'t>(text: &str, built_in: impl IntoIterator<Item = &'t str>) -> Option<(usize, String)> {
    // The page of an issue sees what its mails see.
    let mut known = sample::known();
    for page in built_in {
        Names::of(page).paths().for_each(|path| learn(&mut known, path));
    }
    let names = [Names::of(text)];
    let locals = Locals::of(&names, &known);
    names[0].unknown(&known, &locals)
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
        let unknown = |text: &str| unknown_in_page(text, built_in).map(|(line, message)| format!("{line}: {message}"));
        for good in ["{{ heading }}", "{% for y in years %}{{ y.any }}{% endfor %}", "{{ lead.title }}{{ site.logo }}"]
        {
            assert_eq!(unknown(good), None, "{good}");
        }
        assert_eq!(unknown("\n{{ headng }}").unwrap(), "2: `headng` is not known here; did you mean `heading`?");
        assert_eq!(
            unknown("{% if site.lgo %}{% endif %}").unwrap(),
            "1: `site.lgo` is not known here; did you mean `site.logo`?"
        );
    }
}
