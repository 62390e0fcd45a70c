//! Tries the template of a subject on a sample issue, so that a mistake in it shows now and not on the morning of the
//! issue.

use serde_json::{Value, json};
use tera::{Context, ErrorKind};

use super::nearest::{listed, suggestion};
use super::reader::shown;
use super::template_loops::{self, TRIAL, begin_render, in_time};
use super::template_names::{Locals, Names};
use super::template_words::unknown_word;

/// The subject of a digest that has none of its own.
pub const DEFAULT: &str = "{{ lead.title }}{% if more > 0 %} {{ words.more }}{% endif %}";

/// What a subject can name.
pub const VARIABLES: [&str; 6] = ["digest", "issue", "articles", "lead", "more", "words"];

/// What a subject may go by in a configuration.
#[derive(Clone, Debug)]
pub struct Known {
    /// The digest's id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// The topics that stories may have.
    pub topics: Vec<String>,
}

/// Whether the text is a template that renders, and comes to an end.
///
/// # Errors
/// What is wrong with it, and what would be right.
pub fn check(text: &str, known: Known) -> Result<(), String> {
    if !text.contains("for") {
        return renders(text, &known);
    }
    let text = text.to_owned();
    in_time(move || renders(&text, &known)).unwrap_or_else(|error| match error.kind() {
        std::io::ErrorKind::TimedOut => {
            Err(format!("is not done after {} seconds; a loop in it goes on for too long", TRIAL.as_secs()))
        }
        _ => Err(format!("cannot be tried: {error}")),
    })
}

fn renders(text: &str, known: &Known) -> Result<(), String> {
    let mut tera = template_loops::limited_tera();
    tera.add_raw_template("subject", text).map_err(|error| in_words(&error))?;
    let used = tera.get_template_variables("subject").map_err(|error| in_words(&error))?;
    let mut unknown: Vec<&str> = used.into_iter().filter(|name| !VARIABLES.contains(name)).collect();
    unknown.sort_unstable();
    if let Some(name) = unknown.first() {
        let near = suggestion(name, VARIABLES, || format!("a subject can name {}", listed(VARIABLES)));
        return Err(format!("names `{}`, which there is not{near}", shown(name)));
    }
    let full = full_sample(known);
    let names = [Names::of(text)];
    if let Some((_, message)) = names[0].unknown(&full, &Locals::of(&names, &full)) {
        return Err(message);
    }
    let try_on = |sample: &Value| {
        let context = Context::from_serialize(sample).map_err(|error| in_words(&error))?;
        begin_render();
        tera.render("subject", &context).map_err(|error| in_words(&error))
    };
    if try_on(&full)?.trim().is_empty() {
        return Err("comes out empty; write what the mail is about, as in `{{ lead.title }}`".to_owned());
    }
    for name in LACKED {
        try_on(&without(&full, &[name])).map_err(|_| fails_without(name))?;
    }
    let bare = of_one_word(without(&without(&full, &LACKED), &["lead.beside"]));
    try_on(&bare).map_err(|_| {
        "fails where little is known of the stories; ask for each thing first, as in \
         `{% if lead.author %}{{ lead.author }}: {% endif %}{{ lead.title }}`"
            .to_owned()
    })?;
    let fails_alone = |_: String| {
        "fails where the issue has one story; ask `{% if more > 0 %}` first, as in \
         `{{ lead.title }}{% if more > 0 %}; {{ articles[1].title }}{% endif %}`"
            .to_owned()
    };
    let samples = [full, bare];
    samples.iter().try_for_each(|sample| try_on(&of_stories(sample, 1)).map(drop).map_err(fails_alone))?;
    for sample in &samples {
        for count in 3..=MANY {
            let fails = |_: String| format!("fails where the issue has {count} stories; ask for each of them first");
            try_on(&of_stories(sample, count)).map_err(fails)?;
        }
        for topic in &known.topics {
            let fails = |_: String| {
                format!(
                    "fails on a story of `{topic}`; ask for each thing first, as in \
                     `{{% if lead.author %}}{{{{ lead.author }}}}: {{% endif %}}{{{{ lead.title }}}}`"
                )
            };
            try_on(&of_topic(sample, topic)).map_err(fails)?;
        }
    }
    Ok(())
}

/// How many stories it is tried with at most.
const MANY: usize = 7;

/// What a story or an issue may lack by itself.
const LACKED: [&str; 7] =
    ["lead.url", "lead.date", "lead.author", "lead.image", "lead.dir", "lead.excerpt", "issue.number"];

fn fails_without(name: &str) -> String {
    let whose = if name.starts_with("lead.") { "a story" } else { "the issue" };
    let field = name.split('.').next_back().unwrap_or(name);
    format!(
        "fails where {whose} has no `{field}`; ask for it first, as in \
         `{{% if {name} %}}{{{{ {name} }}}}: {{% endif %}}{{{{ lead.title }}}}`"
    )
}

/// The sample without these things, of a story in all of them.
fn without(sample: &Value, names: &[&str]) -> Value {
    let mut sample = sample.clone();
    for (whose, field) in names.iter().filter_map(|name| name.split_once('.')) {
        let nothing = if field == "excerpt" { json!("") } else { Value::Null };
        if whose == "lead" {
            let articles = sample["articles"].as_array_mut();
            articles.into_iter().flatten().for_each(|article| article[field] = nothing.clone());
        }
        sample[whose][field] = nothing;
    }
    sample
}

/// The sample with so many stories, at least one.
fn of_stories(sample: &Value, count: usize) -> Value {
    let mut sample = sample.clone();
    sample["more"] = json!(count - 1);
    sample["articles"] = vec![sample["lead"].clone(); count].into();
    sample
}

/// The sample with all stories of one topic.
fn of_topic(sample: &Value, topic: &str) -> Value {
    each_story(sample.clone(), |story| story["topic"] = json!(topic))
}

/// The sample with titles of one word.
fn of_one_word(sample: Value) -> Value {
    each_story(sample, |story| (story["title"], story["label"]) = (json!("Families"), json!("Families")))
}

fn each_story(mut sample: Value, change: impl Fn(&mut Value)) -> Value {
    sample["articles"].as_array_mut().into_iter().flatten().for_each(&change);
    change(&mut sample["lead"]);
    sample
}

/// An issue with all that one can have.
fn full_sample(known: &Known) -> Value {
    let article = json!({
        "title": "Thousands more families to get early help", "url": "https://example.org/news/early-help",
        "topic": "news", "source": "news", "date": "4 November 2026", "excerpt": "More money for family hubs.",
        "author": "Jo Bloggs", "image": "https://example.org/hub.jpg", "meta": "4 November 2026 · news",
        "label": "Thousands more families to get early help", "dir": "ltr", "quoted": false, "beside": "news",
    });
    json!({
        "digest": { "id": known.id, "title": known.title },
        "issue": { "number": 12, "date": "4 November 2026", "label": "4 November 2026", "web_url": null },
        "lead": article,
        "more": 1,
        "words": { "more": "+ 1 more" },
        "articles": [article, article],
    })
}

/// Tera's error without its picture of the source. Of an unknown field it lists all that there are: the nearest is
/// enough.
fn in_words(error: &tera::Error) -> String {
    let message = match error.kind() {
        ErrorKind::SyntaxError(report) | ErrorKind::RenderingError(report) => report.message().to_owned(),
        other => other.to_string(),
    };
    // Of some errors the report itself is the message.
    let message = message.split("\n -->").next().unwrap_or_default().trim_start_matches("error: ");
    let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((wrong, fields)) = unknown_field(&message) {
        let near = suggestion(wrong, fields.iter().copied(), || format!("there are {}", listed(fields.clone())));
        return format!("names a field `{}`, which there is not{near}", shown(wrong));
    }
    if let Some(unknown) = unknown_word(&message, &[]) {
        return format!("names a {} `{}`, which there is not{}", unknown.kind, shown(unknown.word), unknown.near);
    }
    format!("is not a template that works ({}); one looks like `{{{{ lead.title }}}}`", message.trim_end_matches('.'))
}

/// The name and the names that there are, out of "Field `x` is not defined. Available fields: a, b".
fn unknown_field(message: &str) -> Option<(&str, Vec<&str>)> {
    let (wrong, rest) = message.strip_prefix("Field `")?.split_once('`')?;
    let (_, fields) = rest.split_once("Available fields: ")?;
    let mut fields: Vec<&str> = fields.split(", ").collect();
    fields.sort_unstable();
    Some((wrong, fields))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str) -> Result<(), String> {
        let topics = ["news", "jobs"].map(str::to_owned).into();
        super::check(text, Known { id: "weekly".to_owned(), title: "Early Help Weekly".to_owned(), topics })
    }

    #[test]
    fn a_subject_that_fails_on_what_is_configured_is_refused() {
        let of_topic = "{% if lead.topic == 'jobs' %}{{ lead.author | upper }}{% endif %}{{ lead.title }}";
        assert!(check(of_topic).unwrap_err().starts_with("fails on a story of `jobs`; "));
        let of_digest =
            "{% if digest.title == 'Early Help Weekly' %}{{ lead.author | upper }}{% endif %}{{ lead.title }}";
        assert!(check(of_digest).unwrap_err().contains("fails where a story has no `author`"));
        let of_another = "{% if lead.topic == 'sport' %}{{ lead.author | upper }}{% endif %}{{ lead.title }}";
        assert_eq!(check(of_another), Ok(()), "no story can have it");
    }

    #[test]
    fn a_subject_that_loops_practically_for_ever_is_refused_in_time() {
        let turns = "{% for a in r %}{% for b in r %}{% for c in r %}{% endfor %}{% endfor %}{% endfor %}";
        let message = check(&format!("{{% set r = range(end=3000) %}}{turns}{{{{ lead.title }}}}")).unwrap_err();
        assert_eq!(message, "is not done after 10 seconds; a loop in it goes on for too long");
    }

    #[test]
    fn a_subject_that_counts_on_words_or_stories_is_refused() {
        assert!(
            check("{% set w = lead.title | split(pat=' ') %}{{ w[1] }}").unwrap_err().contains("where little is known")
        );
        let of_six = "{% if more > 4 %}{{ articles[6].title }}{% endif %}{{ lead.title }}";
        assert_eq!(check(of_six).unwrap_err(), "fails where the issue has 6 stories; ask for each of them first");
    }

    #[test]
    fn the_default_works() {
        assert_eq!(check(DEFAULT), Ok(()));
        assert_eq!(check("{{ digest.title }}, no. {{ issue.number }}: {{ articles | length }} stories"), Ok(()));
        assert_eq!(check("Plain words"), Ok(()));
    }

    #[test]
    fn a_wrong_name_is_answered_with_the_nearest() {
        assert!(check("{{ led.title }}").unwrap_err().contains("did you mean `lead`?"));
        assert!(check("{% if mor > 0 %}x{% endif %}").unwrap_err().contains("did you mean `more`?"));
        assert!(
            check("{% if lead.titel %}x{% else %}y{% endif %}").unwrap_err().contains("did you mean `lead.title`?")
        );
        assert!(check("{% for a in articles %}{{ a.titel }}{% endfor %}").unwrap_err().contains("`a.title`?"));
        assert!(
            check("{% if more > 0 and articles[1].titel %}x{% endif %}y").unwrap_err().contains("`articles[1].title`?")
        );
        assert!(check("{{ lead.titel }}").unwrap_err().contains("did you mean `lead.title`?"));
        let of_the_language = |text| check(text).unwrap_err();
        assert_eq!(
            of_the_language("{{ lead.title | uper }}"),
            "names a filter `uper`, which there is not; did you mean `upper`?"
        );
        assert!(of_the_language("{% if lead is defind %}x{% endif %}").ends_with("; did you mean `defined`?"));
    }

    #[test]
    fn what_a_story_may_lack_must_be_asked_for() {
        assert!(check("{{ lead.author | upper }}: {{ lead.title }}").unwrap_err().contains("ask for it first"));
        assert_eq!(check("{% if lead.author %}{{ lead.author | upper }}: {% endif %}{{ lead.title }}"), Ok(()));
        assert_eq!(check("{{ lead.title }} ({{ issue.number }}, {{ lead.date }})"), Ok(()));
        let of_another = "{% if lead.author %}{{ lead.title | title }}{{ lead.date | upper }}{% endif %}";
        assert!(check(of_another).unwrap_err().contains("fails where a story has no `date`; ask for it first"));
        let of_the_issue = "{{ issue.number + 1 }}: {{ lead.title }}";
        assert!(check(of_the_issue).unwrap_err().contains("fails where the issue has no `number`"));
    }

    #[test]
    fn a_second_story_must_be_asked_for() {
        let message = check("{{ lead.title }}; {{ articles[1].title }}").unwrap_err();
        assert!(message.starts_with("fails where the issue has one story; ask `{% if more > 0 %}` first"), "{message}");
        let example = message.split('`').nth(3).unwrap();
        assert_eq!(check(example), Ok(()), "{example}");
        assert_eq!(check("{% if more > 0 and lead.date %}{{ articles[1].title }}{% endif %}{{ lead.title }}"), Ok(()));
    }

    #[test]
    fn what_does_not_parse_or_render_is_refused() {
        for bad in
            ["{{ lead.title", "{% if more > 0 %}x", "{{ more | nofilter }}", "{% include 'x' %}", "{{ lead }", " "]
        {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_a_trouble(text in "\\PC{0,20}|([{][{%] ?(lead|more|if|for|x|endif|[.|>()\\[\\]\"+-]| ){0,8} ?[}%][}] ?){0,3}") {
            let _ = check(&text);
        }
    }
}
