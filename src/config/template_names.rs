//! The names that an operator's template uses, held against what there is: Tera itself says nothing of a wrong one in an `if`.

mod paths;
#[cfg(test)]
mod written_out;

use std::collections::BTreeMap;

use serde_json::Value;

use self::paths::{Path, is_place, list, operands, paths, plain, written};
use super::nearest::unknown_name;

/// What a template uses and what it makes itself.
#[derive(Debug, Default)]
pub(crate) struct Names<'t> {
    used: Vec<(usize, Path<'t>)>,
    locals: Vec<Local<'t>>,
    /// Slots that are not written as they are: the line, and the slot.
    bent: Vec<(usize, String)>,
}

/// Names that a template sets or loops over.
#[derive(Debug)]
struct Local<'t> {
    names: Vec<&'t str>,
    /// What it is set to, where that is plainly another name.
    from: Option<Path<'t>>,
    /// Whether it stands for each item of that.
    each: bool,
}

/// What the local names of all templates together may stand for; null: anything.
#[derive(Debug, Default)]
pub(crate) struct Locals<'v>(BTreeMap<String, Vec<&'v Value>>);

impl<'t> Names<'t> {
    /// Reads a template.
    pub(crate) fn of(text: &'t str) -> Self {
        let mut names = Self::default();
        let mut at = 0;
        while let Some(open) = text[at..].find('{').map(|open| at + open) {
            let (end, kind) = match text.as_bytes().get(open + 1) {
                Some(b'{') => ("}}", '{'),
                Some(b'%') => ("%}", '%'),
                Some(b'#') => ("#}", '#'),
                _ => {
                    at = open + 1;
                    continue;
                }
            };
            let from = open + 2;
            let Some(close) = text[from..].find(end).map(|close| from + close) else { break };
            at = close + 2;
            let inside = text[from..close].trim_matches('-').trim();
            let line = text[..open].matches('\n').count() + 1;
            match kind {
                '{' if !inside.starts_with('<') => {
                    names.expression(inside, line);
                    names.find_bent(operands(inside), line);
                }
                '%' if inside == "raw" => {
                    at = text[at..].find("endraw").map_or(text.len(), |end| at + end);
                }
                '%' => {
                    names.tag(inside, line);
                    names.find_bent([inside], line);
                }
                _ => {}
            }
        }
        names
    }

    /// The names that it uses.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &[&'t str]> {
        self.used.iter().map(|(_, path)| path.as_slice())
    }

    fn tag(&mut self, inside: &'t str, line: usize) {
        let (word, rest) = inside.split_once(|c: char| c.is_whitespace()).unwrap_or((inside, ""));
        let words = |text: &'t str| -> Vec<&'t str> {
            text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty()).collect()
        };
        match word {
            "if" | "elif" => self.expression(rest, line),
            "for" => {
                let Some((names, over)) = rest.split_once(" in ") else { return };
                // Of a map, key and value are looked at no further.
                let from = list(over).filter(|_| !names.contains(','));
                self.locals.push(Local { names: words(names), from, each: true });
                self.expression(over, line);
            }
            "set" | "set_global" => {
                let Some((name, value)) = rest.split_once('=') else { return };
                self.locals.push(Local { names: words(name), from: plain(value), each: false });
                self.expression(value, line);
            }
            "component" => self.locals.push(Local { names: words(rest), from: None, each: false }),
            _ => {}
        }
    }

    /// Slots in a part of an expression or a tag where they are not written out as they are: they are filled later, for each
    /// recipient, so nothing can be decided by them or made of them.
    fn find_bent(&mut self, parts: impl IntoIterator<Item = &'t str>, line: usize) {
        for part in parts {
            let slot = paths(part).into_iter().find(|path| path[0] == "slot");
            let slot = slot.map(|path| path[..path.len().min(2)].join("."));
            if let Some(slot) = slot.filter(|slot| part.trim() != slot) {
                self.bent.push((line, slot));
            }
        }
    }

    /// The first slot that something is decided by, or made of: its line and its name.
    pub(crate) fn bent_slot(&self) -> Option<&(usize, String)> {
        self.bent.first()
    }

    fn expression(&mut self, text: &'t str, line: usize) {
        self.used.extend(paths(text).into_iter().map(|path| (line, path)));
    }

    /// The first name that is not there: its line, and what is wrong with it.
    pub(crate) fn unknown(&self, view: &Value, locals: &Locals<'_>) -> Option<(usize, String)> {
        self.used.iter().find_map(|(line, path)| Some((*line, wrong(path, view, locals)?)))
    }
}

impl<'v> Locals<'v> {
    /// Finds out what the local names of these templates stand for. They see each other's, as one includes another.
    pub(crate) fn of(templates: &[Names<'_>], view: &'v Value) -> Self {
        static ANYTHING: Value = Value::Null;
        let mut locals = Self::default();
        // A loop within a loop needs what the outer one stands for.
        for _ in 0..4 {
            let mut next = BTreeMap::<String, Vec<&'v Value>>::new();
            for local in templates.iter().flat_map(|names| &names.locals) {
                let found = local.from.as_ref().map(|path| values(path, view, &locals)).unwrap_or_default();
                let of_one = |value: &'v Value| if local.each { item(value) } else { value };
                let shapes = if found.is_empty() { vec![&ANYTHING] } else { found.into_iter().map(of_one).collect() };
                for name in &local.names {
                    next.entry((*name).to_owned()).or_default().extend(&shapes);
                }
            }
            locals = Self(next);
        }
        locals
    }
}

/// An item of a list; of anything else, itself.
fn item(value: &Value) -> &Value {
    static ANYTHING: Value = Value::Null;
    match value {
        Value::Array(items) => items.first().unwrap_or(&ANYTHING),
        other => other,
    }
}

/// What a name may stand for.
fn roots<'v>(name: &str, view: &'v Value, locals: &Locals<'v>) -> Vec<&'v Value> {
    let own = locals.0.get(name).into_iter().flatten().copied();
    own.chain(view.get(name)).collect()
}

/// What a whole path may stand for; none where it leads nowhere.
fn values<'v>(path: &[&str], view: &'v Value, locals: &Locals<'v>) -> Vec<&'v Value> {
    let Some((first, fields)) = path.split_first() else { return Vec::new() };
    let walk = |root: &'v Value| fields.iter().try_fold(root, |value, field| step(value, field));
    roots(first, view, locals).into_iter().filter_map(walk).collect()
}

/// A field of a value. Of what is not known all fields are there.
fn step<'v>(value: &'v Value, field: &str) -> Option<&'v Value> {
    match value {
        Value::Object(fields) => fields.get(field),
        Value::Null => Some(value),
        Value::Array(_) | Value::String(_) if is_place(field) => Some(item(value)),
        _ => None,
    }
}

/// What is wrong with a path, if anything is.
fn wrong(path: &[&str], view: &Value, locals: &Locals<'_>) -> Option<String> {
    if !values(path, view, locals).is_empty() {
        return None;
    }
    let roots = roots(path[0], view, locals);
    if roots.is_empty() {
        let names = view.as_object().map(|view| view.keys().map(String::as_str).collect()).unwrap_or_default();
        return Some(unknown_name(path[0], Vec::<&str>::into_iter(names)));
    }
    let good = (1..path.len()).rev().find(|length| !values(&path[..*length], view, locals).is_empty())?;
    let before = written(&path[..good]);
    let owner = values(&path[..good], view, locals).into_iter().find_map(Value::as_object);
    let names: Vec<String> = owner.into_iter().flatten().map(|(name, _)| format!("{before}.{name}")).collect();
    let name = written(&path[..=good]);
    if names.is_empty() {
        return Some(format!("`{name}` is not known here; `{before}` has no fields"));
    }
    Some(unknown_name(&name, names.iter().map(String::as_str)))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case("{{ lead.title | upper }}", None)]
    #[case("{% if lead.titel %}{% endif %}", Some("`lead.titel` is not known here; did you mean `lead.title`?"))]
    #[case("\n{% if leed %}{% endif %}", Some("`leed` is not known here; did you mean `lead`?"))]
    #[case(
        "{% for s in sections %}{% for a in s.articles %}{% if a.titel %}{% endif %}{% endfor %}{% endfor %}",
        Some("`a.titel` is not known here; did you mean `a.title`?")
    )]
    #[case("{% for a in sections.0.articles %}{{ a.title }}{{ loop.index }}{% endfor %}", None)]
    #[case(
        "{% set x = lead %}{% if x.titel %}{% endif %}",
        Some("`x.titel` is not known here; did you mean `x.title`?")
    )]
    #[case("{% set x = lead.title ~ 'titel.x' %}{{ x.any }}", None)]
    #[case("{% for a in sections[0].articles %}{{ a.title }}{% endfor %}", None)]
    #[case(
        "{% for a in sections[0].articles | reverse | sort(attribute='title') %}{% if a.titel %}{% endif %}{% endfor %}",
        Some("`a.titel` is not known here; did you mean `a.title`?")
    )]
    #[case(
        "{% for pair in sections | group_by(attribute='title') | pairs %}{{ pair.1.x }}{% endfor %}\
         {% for a in sections | first | get(key='articles') %}{{ a.title }}{% endfor %}",
        None
    )]
    #[case("{% for i in range(end=n) %}{{ i }}{% endfor %}{% for x in [lead] %}{{ x.title }}{% endfor %}", None)]
    #[case(
        "{% if sections[0].articels %}{% endif %}",
        Some("`sections[0].articels` is not known here; did you mean `sections[0].articles`?")
    )]
    #[case(
        "{% if n > 0 and sections[-1]['articles'][1].titel %}{% endif %}",
        Some("`sections[1].articles[1].titel` is not known here; did you mean `sections[1].articles[1].title`?")
    )]
    #[case("{% set x = sections[n].articles %}{% if sections[n].x or x[0].y %}{% endif %}{{ lead[`title`][0] }}", None)]
    #[case("{{ lead[\"titel\"] }}", Some("`lead.titel` is not known here; did you mean `lead.title`?"))]
    #[case("{{ lead['ti-tle'] }}", Some("`lead.ti-tle` is not known here; did you mean `lead.title`?"))]
    #[case("{{ lead['ti' ~ 'tle'] }}", None)]
    #[case("{% set x = sections[leed] %}", Some("`leed` is not known here; did you mean `lead`?"))]
    #[case("{# lede #}{% raw %}{{ lede }}{% endraw %}", None)]
    #[case("{% if lead is defined and lead.title is not containing(pat='x') and n == 1e5 %}{% endif %}", None)]
    #[case("{{ lead.title.words }}", Some("`lead.title.words` is not known here; `lead.title` has no fields"))]
    #[case("{{ lead.maybe.anything }}", None)]
    #[case(
        "{% if not lead.x or n > 1 %}{% endif %}",
        Some("`lead.x` is not known here; there are lead.maybe, lead.title")
    )]
    #[case("{{ cut }", None)]
    #[case("{{ {{ %} {% if %} {# ", None)]
    fn names_are_held_against_what_mails_have(#[case] template: &str, #[case] message: Option<&str>) {
        let view = json!({
            "lead": { "title": "x", "maybe": null }, "n": 1,
            "sections": [{ "articles": [{ "title": "x" }] }],
        });
        let names = [Names::of(template)];
        let locals = Locals::of(&names, &view);
        assert_eq!(names[0].unknown(&view, &locals).map(|(_, message)| message).as_deref(), message);
    }

    #[rstest]
    #[case("{{ slot.name }}{{ 'Dear ~ ' ~ slot.greeting ~ digest.title | upper }}", None)]
    #[case("{{ <button href={slot.link}> }}{# {% if slot.name %} #}", None)]
    #[case("{% if slot.name %}Dear{% endif %}", Some("slot.name"))]
    #[case("\n{% if more > 0 and slot.name == 'Jo' %}{% endif %}", Some("slot.name"))]
    #[case("{{ slot.name | length }}", Some("slot.name"))]
    #[case("{{ 'z' in slot.address }}", Some("slot.address"))]
    #[case("{{ slot.name[0] }}", Some("slot.name"))]
    #[case("{{ 'x' if slot.name else 'y' }}", Some("slot.name"))]
    #[case("{% set name = slot.name %}", Some("slot.name"))]
    #[case("{% for letter in slot.name %}{% endfor %}", Some("slot.name"))]
    fn a_slot_is_written_as_it_is_and_nothing_is_decided_by_it(#[case] template: &str, #[case] bent: Option<&str>) {
        assert_eq!(Names::of(template).bent_slot().map(|(_, slot)| slot.as_str()), bent);
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_too_wild_to_be_read(text in "([{%#}|.=\\[\\]0 \"'a-z?é\\n-]|for |in |if |set |is |not ){0,60}") {
            let view = json!({ "a": 1 });
            let names = [Names::of(&text)];
            let _ = names[0].unknown(&view, &Locals::of(&names, &view));
        }
    }
}
