//! The names that a template is given, written out, for the tests that hold the documentation against them.

use std::collections::BTreeSet;

use super::{Local, Names};

impl Names<'_> {
    /// The names that it is given, written out: `latest[].url` for `issue.url` where `issue` is each of `latest`.
    pub(crate) fn written_out(&self) -> BTreeSet<String> {
        let all: BTreeSet<String> = self.used.iter().flat_map(|(_, path)| self.resolved(path, 0)).collect();
        let has_fields = |name: &String| {
            let fields =
                |other: &String| other.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with(['.', '[']));
            all.iter().any(fields)
        };
        all.iter().filter(|name| !has_fields(name)).cloned().collect()
    }

    fn resolved(&self, path: &[&str], depth: usize) -> Vec<String> {
        let locals: Vec<&Local<'_>> = self.locals.iter().filter(|local| local.names.contains(&path[0])).collect();
        if locals.is_empty() || depth > 4 {
            return vec![path.join(".")];
        }
        let of_one = |local: &&Local<'_>| {
            let (from, each) = (local.from.iter(), if local.each { "[]" } else { "" });
            let found: Vec<String> = from.flat_map(|from| self.resolved(from, depth + 1)).collect();
            found
                .into_iter()
                .map(|name| [&[&*format!("{name}{each}")], &path[1..]].concat().join("."))
                .collect::<Vec<_>>()
        };
        locals.iter().flat_map(of_one).collect()
    }
}

#[test]
fn names_are_written_out_from_where_they_come() {
    let template = "{% if a %}{{ a.b }}{% endif %}{% for x in list %}{% for y in x.inner %}{{ y.z }}{% endfor %}{% endfor %}\
                    {% set s = c.d %}{{ s.e }}{% set n = 1 + k %}{{ n }}{{ f }}";
    let names: Vec<String> = Names::of(template).written_out().into_iter().collect();
    assert_eq!(names, ["a.b", "c.d.e", "f", "k", "list[].inner[].z"]);
}
