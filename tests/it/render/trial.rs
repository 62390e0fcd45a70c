//! What is found of an operator's template only by trying it: with invented mails of all kinds, before anybody waits for one.

use std::path::Path;

use postround::config::Config;
use postround::render::{Renderer, built_in_templates};
use rstest::rstest;

use super::templates::{OWN, load, load_for};
use crate::support::PATIENCE;

#[rstest]
#[case("digest.html", "{% if not test %}{{ lead.title | int }}{% endif %}")]
#[case("digest.html", "{% if lang == 'cy' %}{{ lead.title | int }}{% endif %}")]
#[case("digest.html", "{% if not summary %}{{ lead.title | int }}{% endif %}")]
#[case("note.html", "{% if not test %}{{ subject | int }}{% endif %}")]
fn what_only_real_mails_say_is_tried(#[case] file: &str, #[case] wrong: &str) {
    let built_in = built_in_templates().iter().find(|(name, _)| *name == file).unwrap().1;
    let own = built_in.replace("{% block content %}", &format!("{{% block content %}}{wrong}"));
    assert_ne!(own, built_in);
    let message = load(&[(file, &own)]).err().unwrap();
    assert!(message.starts_with(&format!("DIR/{file}:")), "{message}");
}

#[test]
fn a_template_that_fails_on_an_empty_or_a_wild_issue_is_refused() {
    let links = "{{ slot.unsubscribe_url }} {{ slot.preferences_url }}";
    let message = load(&[("digest.txt", &format!("{links} {{{{ lead.url | upper }}}}"))]).err().unwrap();
    assert!(message.starts_with("DIR/digest.txt:1: "), "{message}");
}

/// The built-in template with something wrong behind a place in it is refused, with its file and a line.
fn assert_refused_with(file: &str, place: &str, wrong: &str) {
    let built_in = built_in_templates().iter().find(|(name, _)| *name == file).unwrap().1;
    let own = built_in.replacen(place, &format!("{place}{wrong}"), 1);
    assert_ne!(own, built_in);
    let message = load(&[(file, &own)]).err().unwrap_or_else(|| panic!("{wrong} was taken"));
    assert!(message.starts_with(&format!("DIR/{file}:")), "{message}");
}

#[rstest]
#[case("layout.html", "{% block dateline %}", "{{ issue.label }}")]
#[case("layout.html", "{% block dateline %}", "{{ sender.contact_url | upper }}")]
#[case("welcome.html", "{% block more %}", "{{ issue.label }}")]
#[case("welcome.txt", "{% block more %}", "{{ issue.label }}")]
#[case("story.html", "<div class=\"card\">", "{{ article.date | upper }}")]
#[case("story.html", "<div class=\"card\">", "{{ article.url | replace(from='http:', to='https:') }}")]
#[case("story.txt", "{{ article.title | wrap }}", "{{ article.author | upper }}")]
#[case("feature.html", "{% set read = words.read_story %}", "{{ article.image | upper }}")]
#[case("story-body.html", "</h3>", "{{ article.date | upper }}")]
#[case("titles.html", "{% for article in listed %}", "{{ article.beside | upper }}")]
#[case(
    "digest.html",
    "{% for section in sections %}",
    "{% for a in section.articles %}{{ a.date | upper }}{% endfor %}"
)]
#[case("digest.txt", "{% if intro %}", "{{ intro.by | wrap }}")]
#[case("digest.txt", "{% if banner %}", "{{ banner.url | upper }}")]
#[case("digest.txt", "{% if listed or unlisted %}", "{{ unlisted | upper }}")]
#[case("digest.txt", "{{ issue.label | wrap }}", "{% if issue.number %}{{ issue.web_url | upper }}{% endif %}")]
#[case("story.txt", "{{ article.title | wrap }}", "{% if article.url %}{{ article.author | upper }}{% endif %}")]
#[case("story.txt", "{{ article.title | wrap }}", "{% if article.author %}{{ article.url | upper }}{% endif %}")]
#[case("digest.txt", "{% if home_url %}", "{{ privacy_url | upper }}")]
#[case("footer.txt", "{% if sender.legal %}", "{% if home_url %}{{ sender.contact_url | upper }}{% endif %}")]
#[case("correction.txt", "#}", "{% block more %}{{ letter.text | first | int }}{% endblock %}")]
#[case(
    "alert.txt",
    "#}",
    "{% block more %}{% for p in letter.text %}{{ p | wrap(width='60') }}{% endfor %}{% endblock %}"
)]
#[case("welcome.html", "{% if listed %}", "{{ issue.web_url | upper }}")]
#[case("welcome.txt", "{% elif unlisted %}", "{{ issue.web_url | upper }}")]
#[case("welcome.txt", "{% if unlisted %}", "{{ unlisted | int }}")]
#[case("digest.txt", "{% for section in sections %}", "{{ section.articles[1].title }}")]
#[case("digest.html", "{% block content %}", "{% if sections %}{{ sections[1].title }}{% endif %}")]
#[case("digest.txt", "{% if listed or unlisted %}", "{% if listed %}{{ listed[1].title }}{% endif %}")]
#[case("welcome.html", "{% if listed %}", "{{ listed[1].title }}")]
#[case("correction.txt", "#}", "{% block more %}{{ letter.text[1] }}{% endblock %}")]
#[case("alert.txt", "#}", "{% block more %}{% if letter.text %}{{ letter.text[1] }}{% endif %}{% endblock %}")]
fn a_template_that_fails_on_a_mail_without_what_it_names_is_refused(
    #[case] file: &str,
    #[case] place: &str,
    #[case] wrong: &str,
) {
    assert_refused_with(file, place, wrong);
}

#[test]
fn a_template_may_go_through_what_stands_behind_an_index_and_through_what_a_filter_makes() {
    let built_in = built_in_templates().iter().find(|(name, _)| *name == "digest.txt").unwrap().1;
    let own = "{% if sections %}{% for a in sections[0].articles %}{{ a.title }}{% if a.url %}{{ a.url }}{% endif %}{% endfor %}\
               {% for b in sections | first | get(key='articles') %}{{ b.title }}{% endfor %}{% endif %}";
    assert_eq!(load(&[("digest.txt", &format!("{built_in}\n{own}"))]).err(), None);
    let slip = own.replace("if a.url", "if a.ulr");
    let message = load(&[("digest.txt", &format!("{built_in}\n{slip}"))]).err().unwrap();
    assert!(message.contains("`a.ulr` is not known here; did you mean `a.url`?"), "{message}");
}

#[rstest]
#[case("digest.html", "{% block content %}")]
#[case("goodbye.html", "{% block more %}")]
#[case("footer.html", "")]
fn a_template_that_leaves_no_room_for_what_a_mail_is_about_is_refused(#[case] file: &str, #[case] block: &str) {
    let end = if block.is_empty() { "" } else { "{% endblock %}" };
    let begin = if block.is_empty() { String::new() } else { format!("{{% extends \"builtin/{file}\" %}}{block}") };
    let own = |octets: usize| format!("{begin}<p>{}</p>{end}", "x".repeat(octets));
    let message = load(&[(file, &own(80_000))]).err().unwrap();
    assert!(message.starts_with(&format!("DIR/{file}: a mail has ")) || block.is_empty(), "{message}");
    assert!(message.ends_with("Gmail cuts mails near 102,000; make it shorter"), "{message}");
    assert_eq!(load(&[(file, &own(40_000))]).err(), None);
}

#[rstest]
#[case("digest.html", "{% block content %}", "{% if lang == 'cy' %}{{ lead.author | upper }}{% endif %}")]
#[case(
    "digest.txt",
    "{% if intro %}",
    "{% if lang == 'fr' %}{% for l in listed %}{{ l.date | upper }}{% endfor %}{% endif %}"
)]
#[case(
    "digest.html",
    "{% block content %}",
    "{% for s in sections %}{% if s.topic == 'jobs' %}{% for a in s.articles %}{{ a.author | upper }}{% endfor %}{% endif %}{% endfor %}"
)]
#[case("story.html", "<div class=\"card\">", "{% if article.topic == 'jobs' %}{{ article.author | upper }}{% endif %}")]
#[case(
    "titles.html",
    "{% for article in listed %}",
    "{% if article.topic == 'jobs' %}{{ article.author | upper }}{% endif %}"
)]
#[case("digest.txt", "{{ issue.label | wrap }}", "{% if lead.topic == 'jobs' %}{{ lead.author | upper }}{% endif %}")]
#[case(
    "digest.html",
    "{% block content %}",
    "{% if digest.title == 'Early Help Weekly' %}{{ lead.author | upper }}{% endif %}"
)]
#[case(
    "digest.html",
    "{% block content %}",
    "{% if sender.name == 'Early Help Weekly' %}{{ lead.author | upper }}{% endif %}"
)]
#[case(
    "goodbye.html",
    "#}",
    "{% block more %}{% if digest.id == 'weekly' %}{{ issue.label }}{% endif %}{% endblock %}"
)]
#[case("digest.html", "{% block content %}", "{% set w = lead.title | split(pat=' ') %}{{ w[1] }}")]
#[case("digest.html", "{% block content %}", "{% if sections | length > 3 %}{{ sections[4].title }}{% endif %}")]
#[case(
    "digest.html",
    "{% for section in sections %}",
    "{% if section.articles | length > 3 %}{{ section.articles[4].title }}{% endif %}"
)]
#[case("digest.txt", "{% if listed or unlisted %}", "{% if listed | length > 4 %}{{ listed[5].title }}{% endif %}")]
#[case("digest.html", "{% block content %}", "{% for n in range(end=count*300) %}{% endfor %}")]
fn a_template_that_fails_on_what_is_configured_or_on_other_numbers_is_refused(
    #[case] file: &str,
    #[case] place: &str,
    #[case] wrong: &str,
) {
    assert_refused_with(file, place, wrong);
}

#[test]
fn a_link_that_issues_of_one_size_lack_is_missed() {
    let link = "<a href=\"{{ slot.unsubscribe_url }}\">Leave</a>";
    for size in ["count != 3", "sections | length != 4", "listed | length != 5"] {
        let own = OWN.replace(link, &format!("{{% if {size} %}}{link}{{% endif %}}"));
        let message = load_for("letter", &[("letter.html", &own)]).err().unwrap_or_else(|| panic!("{size} was taken"));
        assert!(message.starts_with("DIR/letter.html: the mail has no `{{ slot.unsubscribe_url }}`"), "{message}");
    }
}

#[test]
fn a_template_that_fails_in_a_language_of_the_operators_own_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("locales")).unwrap();
    std::fs::write(dir.path().join("locales/ur.toml"), "").unwrap();
    let own = "{% extends 'builtin/digest.html' %}{% block dateline %}{% if dir == 'rtl' %}{{ lead.author | upper }}{% endif %}\
               {% endblock %}";
    std::fs::write(dir.path().join("digest.html"), own).unwrap();
    let text = format!(
        "[sender]\nemail = \"digest@example.org\"\n[templates]\ndir = {:?}\n[[source]]\nid = \"news\"\n\
         feed = \"https://example.org/\"\n[[digest]]\nid = \"weekly\"\nsources = [\"news\"]\nschedule = \"@weekly\"\n",
        dir.path().display().to_string()
    );
    let config = Config::parse(&text, Path::new("config.toml"), std::iter::empty()).unwrap();
    let message = Renderer::of(&config).err().unwrap().to_string();
    assert!(message.contains("digest.html:1: "), "{message}");
}

#[test]
fn a_template_that_loops_practically_for_ever_is_refused_in_time() {
    let own = "{% set r = range(end=3000) %}{% for a in r %}{% for b in r %}{% for c in r %}{% endfor %}{% endfor %}{% endfor %}";
    let began = std::time::Instant::now();
    let message = load(&[("digest.txt", own)]).err().unwrap();
    assert!(
        message.starts_with("DIR/digest.txt: it is not done after 10 seconds with an invented mail; "),
        "{message}"
    );
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
}

#[test]
fn a_template_that_does_not_end_or_is_no_template_is_refused_in_time() {
    let wrong = |name: &str, text: &str| load(&[(name, text)]).err().unwrap();
    let turn = "x".repeat(10_000);
    let numbers = "{% set numbers = range(end=100) %}";
    let endless =
        format!("{numbers}{{% for i in numbers %}}{{% for j in numbers %}}{turn}{{% endfor %}}{{% endfor %}}");
    let said = wrong("digest.html", &endless);
    assert_eq!(said, "DIR/digest.html: it writes more than 64000000 octets; a loop in it goes on for too long");
    let silent = "\n{% for i in range(end=99999) %}{% for j in range(end=99999) %}{% endfor %}{% endfor %}";
    let said = wrong("digest.txt", silent);
    assert!(said.starts_with("DIR/digest.txt:2: `range` gives more than 10000 numbers in one render; "), "{said}");
    let said = wrong("footer.html", &"x".repeat(1_000_001));
    assert!(said.contains("DIR/footer.html: it has 1000001 octets, and no template needs more than 1000000"), "{said}");
}

#[rstest]
#[case(&[("letter.html", "<HTML lang=en>WRONG</HTML>")])]
#[case(&[("letter.html", "<body>WRONG")])]
#[case(&[("letter.html", "{%extends 'layout.html'%}{%block content%}WRONG{%endblock%}")])]
#[case(&[
    ("letter.html", "<html>{% block main %}WRONG{% endblock %}</html>"),
    ("other.html", "{% extends 'letter.html' %}{% block main %}{% include 'builtin/digest.html' %}{% endblock %}"),
])]
fn a_template_that_a_digest_names_is_tried_whatever_it_looks_like_and_whatever_else_uses_it(
    #[case] files: &[(&str, &str)],
) {
    let wrong = "{{ slot.unsubscribe_url }} {{ slot.preferences_url }} {{ lead.date | upper }}";
    let texts: Vec<(&str, String)> = files.iter().map(|(name, text)| (*name, text.replace("WRONG", wrong))).collect();
    let files: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let message = load_for("letter", &files).err().unwrap();
    assert!(message.starts_with("DIR/letter.html:1: "), "{message}");
}
