//! An operator's own templates: what replaces what, and how mistakes are said.

use std::path::Path;

use postround::config::Config;
use postround::render::{Renderer, built_in_templates};
use rstest::rstest;

use super::fixture::{Counting, config, frame, issue};
use crate::support::PATIENCE;

/// Loads a folder of these files; gives the message of what is wrong with the folder's path cut off.
fn load(files: &[(&str, &str)]) -> Result<Renderer, String> {
    load_for("digest", files)
}

/// The same for a digest that names a template of its own.
fn load_for(template: &str, files: &[(&str, &str)]) -> Result<Renderer, String> {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let mut config = config();
    config.templates.dir = Some(dir.path().to_owned());
    config.digests[0].template = template.to_owned();
    config.digests[0].sections.push("jobs".to_owned());
    Renderer::of(&config).map_err(|error| error.to_string().replace(&format!("{}/", dir.path().display()), "DIR/"))
}

const OWN: &str = "<!doctype html><html><head><title>{{ subject }}</title><style>p { color: #123456 }
@media (max-width: 400px) { p { font-size: 20px !important } }</style></head><body>
<p>{{ slot.greeting }}</p><p>{{ lead.title }}</p>
<a href=\"{{ slot.preferences_url }}\">Choose</a> <a href=\"{{ slot.unsubscribe_url }}\">Leave</a></body></html>";

#[test]
fn a_file_of_the_same_name_replaces_a_part_of_the_built_in_mail() {
    let renderer = load(&[("footer.html", "<p class=\"m note\">Kind regards, {{ sender.name }}</p>")]).unwrap();
    let config = config();
    let mail = renderer.digest(&issue(2, 2), &frame(&config), &Counting::new()).unwrap();
    assert!(mail.html.contains("Kind regards, Early Help Weekly"));
    assert!(mail.html.contains("Family hubs win"));
    assert!(!mail.html.contains("Tannery Row") && mail.text.contains("Tannery Row"));
}

#[test]
fn an_own_template_may_have_no_text_and_gets_its_styles_inlined() {
    let renderer = load(&[("letter.html", OWN)]).unwrap();
    assert!(renderer.has_template("letter") && renderer.has_template("digest") && !renderer.has_template("other"));
    let mut config = config();
    config.digests[0].template = "letter".into();
    let mail = renderer.digest(&issue(2, 2), &frame(&config), &Counting::new()).unwrap();
    assert!(mail.html.contains("<p style=\"color:#123456\">Family hubs win"), "{}", mail.html);
    assert!(mail.html.contains("@media (max-width: 400px)"));
    assert!(mail.text.contains("Family hubs win"));
    let address = super::reader();
    let filled = |name| postround::render::fill(&mail.html, &mail.marker, &super::slots(name, &address), true);
    assert!(filled("Zoë & Co").contains("Dear Zoë &amp; Co,"));
    assert!(filled("").contains("Dear reader,"));
}

#[test]
fn an_own_template_may_extend_the_built_in_one_of_its_name() {
    let own = "{% extends \"builtin/digest.html\" %}{% block dateline %}<p>Dated {{ issue.date }}</p>{% endblock %}";
    let renderer = load(&[("digest.html", own)]).unwrap();
    let config = config();
    let mail = renderer.digest(&issue(2, 2), &frame(&config), &Counting::new()).unwrap();
    assert!(mail.html.contains("Dated Monday 23 November 2026") && mail.html.contains("Family hubs win"));
}

#[test]
fn a_layout_that_own_templates_share_is_no_mail_by_itself() {
    let base = "<html><head><title>{{ subject }}</title></head><body>{% block links %}{% endblock %}</body></html>";
    let letter = "{% extends 'base.html' %}{% block links %}<a href=\"{{ slot.unsubscribe_url }}\">Leave</a>
        {% include \"choose.html\" %}{% endblock %}";
    let choose = "<a href=\"{{ slot.preferences_url }}\">Choose</a>";
    assert!(load(&[("base.html", base), ("letter.html", letter), ("choose.html", choose)]).is_ok());
    let message = load(&[("letter.txt", "Leave: {{ slot.unsubscribe_url }}")]).err().unwrap();
    assert!(message.starts_with("DIR/letter.txt: the mail has no `{{ slot.preferences_url }}`"), "{message}");
}

#[rstest]
#[case("digest.html", "<html>\n{{ lead.title }\n</html>", "DIR/digest.html:2: ")]
#[case(
    "digest.html",
    "<html>\n\n{{ lead.titel }}</html>",
    "DIR/digest.html:3: `lead.titel` is not known here; did you mean `lead.title`?"
)]
#[case(
    "digest.html",
    "<html>{% if bannr %}x{% endif %}</html>",
    "DIR/digest.html:1: `bannr` is not known here; did you mean `banner`?"
)]
#[case("digest.txt", "{{ summry }}", "DIR/digest.txt:1: `summry` is not known here; did you mean `summary`?")]
#[case(
    "story.html",
    "{{ article.titel }}",
    "DIR/story.html:1: `article.titel` is not known here; did you mean `article.title`?"
)]
#[case(
    "story.html",
    "\n{% if article.imge %}x{% endif %}",
    "DIR/story.html:2: `article.imge` is not known here; did you mean `article.image`?"
)]
#[case(
    "digest.html",
    "<html>\n{% for part in sections %}\n{% if part.articels %}x{% endif %}{% endfor %}</html>",
    "DIR/digest.html:3: `part.articels` is not known here; did you mean `part.articles`?"
)]
#[case(
    "welcome.html",
    "<html>{% if letter.subscribd %}x{% endif %}</html>",
    "DIR/welcome.html:1: `letter.subscribd` is not known here; did you mean `letter.subscribed`?"
)]
#[case(
    "digest.html",
    "<html>\n{{ lead.title | shout }}</html>",
    "DIR/digest.html:2: there is no filter `shout`; docs/templates.md has every filter that there is"
)]
#[case("digest.txt", "\n{{ lead.title | wrp }}", "DIR/digest.txt:2: there is no filter `wrp`; did you mean `wrap`?")]
#[case(
    "digest.txt",
    "{% if lead.title is starting_wiht(pat='A') %}{% endif %}",
    "DIR/digest.txt:1: there is no test `starting_wiht`; did you mean `starting_with`?"
)]
#[case(
    "digest.txt",
    "{% for n in rnge(end=3) %}{% endfor %}",
    "DIR/digest.txt:1: there is no function `rnge`; did you mean `range`?"
)]
#[case(
    "digest.html",
    "{% extends 'builtin/digest.html' %}\n{% block datline %}{% endblock %}",
    "DIR/digest.html:2: there is no block `datline` in what it extends; did you mean `dateline`?"
)]
#[case(
    "note.txt",
    "{% extends 'builtin/note.txt' %}{% block colours %}{% endblock %}",
    "DIR/note.txt:1: there is no block `colours` in what it extends; there are `more`"
)]
#[case(
    "digest.txt",
    "{% component line(text) %}{{ text }}{% endcomponent %}\n{{ <lien text={lead.title} /> }}",
    "DIR/digest.txt:2: there is no component `lien`; did you mean `line`?"
)]
#[case(
    "digest.txt",
    "Grüße\n  {% inculde 'footer.txt' %}",
    "DIR/digest.txt:2: there is no tag `inculde`; did you mean `include`?"
)]
#[case("digest.html", "{% extends \"nothing.html\" %}", "nothing.html")]
fn a_mistake_is_said_with_its_file_its_line_and_the_nearest_name(
    #[case] file: &str,
    #[case] text: &str,
    #[case] expected: &str,
) {
    let message = load(&[(file, text)]).map(|_| "accepted".to_owned()).unwrap_or_else(|message| message);
    assert!(message.contains(expected), "{message}");
}

#[test]
fn a_template_that_drops_or_changes_a_link_is_refused() {
    let without = OWN.replace("{{ slot.unsubscribe_url }}", "https://example.org");
    assert_eq!(
        load(&[("letter.html", &without)]).err().unwrap(),
        "DIR/letter.html: the mail has no `{{ slot.unsubscribe_url }}`, which each reader needs; put it back"
    );
    for filter in ["upper", "title", "truncate(length=20)"] {
        let changed = OWN.replace("slot.greeting", &format!("slot.preferences_url | {filter}"));
        let message = load(&[("letter.html", &changed)]).err();
        let message = message.unwrap_or_else(|| panic!("{filter} was taken"));
        assert!(
            message.contains(": `slot.preferences_url` is filled in for each reader after the template"),
            "{filter}: {message}"
        );
    }
    let message = load(&[("digest.txt", "{{ lead.title }}")]).err().unwrap();
    assert!(message.starts_with("DIR/digest.txt: the mail has no `{{ slot.unsubscribe_url }}`"), "{message}");
    let message = load(&[("confirmation.txt", "{{ letter.heading }}")]).err().unwrap();
    assert!(message.starts_with("DIR/confirmation.txt: the mail has no `{{ slot.link }}`"), "{message}");
}

#[test]
fn a_template_that_says_something_else_where_a_slot_is_empty_is_refused() {
    let decided = "{% component say(name) %}{% if name %}Dear {{ name }}{% endif %}{% endcomponent say %}";
    let own = format!("{decided}{}", OWN.replace("{{ slot.greeting }}", "{{ <say name={slot.name} /> }}"));
    let message = load(&[("letter.html", &own)]).err().unwrap();
    assert!(message.contains("DIR/letter.html"), "{message}");
    let own = OWN.replace("{{ slot.greeting }}", "\n{% if slot.name %}Dear {{ slot.name }}{% endif %}");
    let message = load(&[("letter.html", &own)]).err().unwrap();
    assert!(message.starts_with("DIR/letter.html:4: `slot.name` is filled in for each reader"), "{message}");
}

#[test]
fn a_file_that_is_not_there_or_comes_back_to_itself_is_said_with_its_line() {
    for (file, text, expected) in [
        (
            "digest.html",
            "\n{% extends \"laoyut.html\" %}",
            "DIR/digest.html:2: `laoyut.html` is not known here; did you mean `layout.html`?",
        ),
        (
            "digest.html",
            "{% extends \"builtin/laoyut.html\" %}",
            "DIR/digest.html:1: `builtin/laoyut.html` is not known here",
        ),
        (
            "layout.html",
            "\n\n{% extends \"layout.html\" %}",
            "DIR/layout.html:3: `layout.html` comes back to `layout.html` itself; the built-in one is `builtin/layout.html`",
        ),
        (
            "footer.html",
            "{% include \"note.html\" %}",
            "DIR/footer.html:1: `note.html` comes back to `footer.html` itself",
        ),
    ] {
        let message = load(&[(file, text)]).err().unwrap();
        assert!(message.starts_with(expected), "{message}");
    }
}

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
fn a_link_that_only_tests_have_is_missed() {
    let link = "<a href=\"{{ slot.unsubscribe_url }}\">Leave</a>";
    let own = OWN.replace(link, &format!("{{% if test %}}{link}{{% endif %}}"));
    let message = load(&[("letter.html", &own)]).err().unwrap();
    assert!(message.starts_with("DIR/letter.html: the mail has no `{{ slot.unsubscribe_url }}`"), "{message}");
}

#[rstest]
#[case("letter.html", "<a href=\"{{ slot.link }}\">Go</a>", "`{{ slot.link }}` is empty in this mail")]
#[case("letter.html", "{{ slot.link }}", "`{{ slot.link }}` is empty in this mail")]
#[case("letter.html", "<a href='/news'>News</a>", "a link leads to `/news`; in a mail it must begin with `https://`")]
#[case("letter.html", "<a class=\"a > b\" href=javascript:alert(1)>x</a>", "a link leads to `javascript:alert(1)`")]
#[case("letter.html", "<a href=\"{{ lead.url }}\">x</a>", "a link leads to ``")]
#[case("letter.html", "{% if banner %}<a href=\"{{ banner.url }}\">x</a>{% endif %}", "a link leads to ``")]
#[case("letter.html", "<a href=\"{{ slot.name }}\">x</a>", "a link leads to `{{ slot.name }}`;")]
fn a_link_that_leads_nowhere_from_a_mail_is_refused(#[case] file: &str, #[case] link: &str, #[case] expected: &str) {
    let message = load(&[(file, &OWN.replace("</body>", &format!("{link}</body>")))]).err();
    let message = message.unwrap_or_else(|| panic!("{link} was taken"));
    assert!(message.starts_with(&format!("DIR/{file}: {expected}")), "{message}");
}

#[test]
fn links_to_the_web_to_an_address_and_of_slots_are_taken() {
    let links = "<a href=\"mailto:{{ sender.email }}\">Write</a> <a href=\"HTTPS://example.org/\">Read</a>
        <a href=\"{{ slot.preferences_url }}#pause\">Pause</a> {% if lead.url %}<a href=\"{{ lead.url }}\">x</a>{% endif %}";
    let taken = load(&[("letter.html", &OWN.replace("</body>", &format!("{links}</body>")))]);
    assert!(taken.is_ok(), "{:?}", taken.err());
}

#[test]
fn a_link_to_leave_that_readers_do_not_see_is_missed() {
    let link = "<a href=\"{{ slot.unsubscribe_url }}\">Leave</a>";
    for hidden in [format!("<!-- {link} -->"), format!("<!--[if mso]>{link}<![endif]-->")] {
        let message = load(&[("letter.html", &OWN.replace(link, &hidden))]).err();
        let message = message.unwrap_or_else(|| panic!("{hidden} was taken"));
        assert!(message.starts_with("DIR/letter.html: the mail has no `{{ slot.unsubscribe_url }}`"), "{message}");
    }
    let seen = format!("<!--[if !mso]><!-->{link}<!--<![endif]-->");
    assert!(load(&[("letter.html", &OWN.replace(link, &seen))]).is_ok());
}

#[test]
fn the_filters_and_tests_in_the_documentation_are_there() {
    let documentation = include_str!("../../../docs/templates.md");
    for (kind, template) in [("filters", "{{ x | NAME }}"), ("tests", "{{ x is NAME }}")] {
        let list = documentation.split_once(&format!("\n- {kind}: ")).unwrap().1.split("\n- ").next().unwrap();
        let names: Vec<&str> = list.split('`').skip(1).step_by(2).collect();
        assert!(names.len() > 15, "{kind}");
        for name in names {
            let mut tera = tera::Tera::new();
            tera.add_raw_template("it", &template.replace("NAME", name))
                .unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
    assert!(tera::Tera::new().add_raw_template("it", "{{ x | striptags }}").is_err(), "an unknown one is noticed");
}

#[test]
fn a_folder_that_is_not_there_is_said() {
    let message = Renderer::new(Some(Path::new("/nowhere/templates"))).err().unwrap().to_string();
    assert!(message.starts_with("cannot read the templates in /nowhere/templates: "), "{message}");
}

#[test]
fn a_digest_with_a_template_that_is_not_there_is_told_so() {
    let mut config = config();
    config.digests[0].template = "letter".into();
    let error = super::RENDERER.digest(&issue(1, 1), &frame(&config), &Counting::new()).unwrap_err();
    assert!(error.to_string().starts_with("there is no template `letter`"));
}

#[test]
fn an_own_layout_may_ask_for_what_only_some_mails_have() {
    let layout = built_in_templates().iter().find(|(name, _)| *name == "layout.html").unwrap().1;
    let layout = layout.replace("{% block choices %}", "{% if lead or letter.button %}x{% endif %}{% block choices %}");
    assert!(load(&[("layout.html", &layout)]).is_ok());
}

#[test]
fn a_template_that_fails_on_an_empty_or_a_wild_issue_is_refused() {
    let links = "{{ slot.unsubscribe_url }}{{ slot.preferences_url }}";
    let message = load(&[("digest.txt", &format!("{links}{{{{ lead.url | upper }}}}"))]).err().unwrap();
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
fn a_byte_order_mark_at_the_start_of_a_file_is_skipped() {
    let renderer = load(&[("letter.html", &format!("\u{feff}{OWN}")), ("footer.txt", "\u{feff}Kind regards")]).unwrap();
    let mut config = config();
    config.digests[0].template = "letter".into();
    let mail = renderer.digest(&issue(2, 2), &frame(&config), &Counting::new()).unwrap();
    assert!(!mail.html.contains('\u{feff}') && !mail.text.contains('\u{feff}'));
}

#[test]
fn exported_templates_load_again_and_so_the_built_in_ones_pass_what_an_operators_must() {
    assert_eq!(load(built_in_templates()).err(), None);
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

#[test]
fn a_file_that_nothing_uses_is_told_with_the_name_that_may_be_meant() {
    let own =
        [("fotter.html", "x"), ("footer.txt", "x"), ("part.html", "x"), ("footer.html", "{% include \"part.html\" %}")];
    let said = |files: &[(&str, &str)]| -> Vec<String> {
        let renderer = load(files).unwrap();
        renderer.unused().map(|said| said.rsplit('/').next().unwrap().to_owned()).collect()
    };
    let unused = "is not used: it is no whole mail, and no template includes it";
    let mistyped = format!("fotter.html {unused}; did you mean `footer.html`?");
    assert_eq!(said(&own[..3]), [mistyped.clone(), format!("part.html {unused}")]);
    assert_eq!(said(&own[..]), [mistyped]);
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

#[test]
fn a_template_that_a_digest_names_is_used_whatever_it_looks_like() {
    let links = "<p>{{ slot.unsubscribe_url }} {{ slot.preferences_url }}";
    let unused = |template: &str| {
        let renderer = load_for(template, &[("letter.html", links)]).unwrap();
        renderer.unused().count()
    };
    assert_eq!((unused("letter"), unused("digest")), (0, 1));
}

#[test]
fn a_configuration_with_a_template_that_is_not_there_is_refused() {
    let message = load_for("letter", &[("other.html", OWN)]).err().unwrap();
    assert!(message.starts_with("there is no template `letter`"), "{message}");
}
