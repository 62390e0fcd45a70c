//! An operator's own templates: what replaces what, and how mistakes are said.

use std::path::Path;

use postround::render::{Renderer, built_in_templates};
use rstest::rstest;

use super::fixture::{Counting, config, frame, issue};

/// Loads a folder of these files; gives the message of what is wrong with the folder's path cut off.
pub fn load(files: &[(&str, &str)]) -> Result<Renderer, String> {
    load_for("digest", files)
}

/// The same for a digest that names a template of its own.
pub fn load_for(template: &str, files: &[(&str, &str)]) -> Result<Renderer, String> {
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

/// A small template of one's own.
pub const OWN: &str = "<!doctype html><html><head><title>{{ subject }}</title><style>p { color: #123456 }
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
#[case(
    "digest.txt",
    "{{ slot.unsubscribe_url }} {{ slot.preferences_url }}\n{{ listed[3].title }}",
    "DIR/digest.txt:2: `listed[3].title` is not there in every mail; ask for it first, as in `{% if listed[3] %}`"
)]
#[case(
    "digest.txt",
    "{{ slot.unsubscribe_url }} {{ slot.preferences_url }} {{-sections[0].articles[9].title | upper }}",
    "DIR/digest.txt:1: `sections[0].articles[9].title` is not there in every mail; ask for it first, as in \
     `{% if sections[0] and sections[0].articles[9] %}`"
)]
#[case(
    "digest.txt",
    "{{ slot.unsubscribe_url }} {{ slot.preferences_url }}{% for a in sections[99].articles %}{% endfor %}",
    "DIR/digest.txt:1: `sections[99].articles` is not"
)]
#[case(
    "digest.txt",
    "{{ slot.unsubscribe_url }} {{ slot.preferences_url }} {{ listed[-300].title }}",
    "DIR/digest.txt:1: `listed[-300].title` is not there in every mail; ask"
)]
#[case("digest.txt", "{{ digest[\"titel\"] }}", "`digest.titel` is not known here; did you mean `digest.title`?")]
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

#[test]
fn a_file_that_may_be_meant_as_a_template_is_told_whatever_it_ends_with_and_a_copy_is_not() {
    let said = |name: &str| -> Vec<String> {
        let renderer = load(&[(name, OWN)]).unwrap();
        renderer.unused().map(|said| said.rsplit('/').next().unwrap().to_owned()).collect()
    };
    let otherwise = "is not used: the name of a template ends with .html or .txt; did you mean";
    for (name, meant) in [
        ("digest.htm", "digest.html"),
        ("digest.text", "digest.txt"),
        ("Digest.HTML", "digest.html"),
        ("confirmaton.htm", "confirmation.html"),
        ("footer.tera", "footer.txt"),
        ("digest.HTML", "digest.html"),
        ("digest.html.tera", "digest.html"),
        ("digest", "digest.html"),
    ] {
        assert_eq!(said(name), [format!("{name} {otherwise} `{meant}`?")]);
    }
    assert_eq!(said("digset.html"), ["digset.html is not used: no digest names it; did you mean `digest.html`?"]);
    assert_eq!(said("Welcome.html"), ["Welcome.html is not used: no digest names it; did you mean `welcome.html`?"]);
    assert_eq!(said("summer.html"), ["summer.html is not used: no digest names it"]);
    for name in [
        "digest.html~",
        "digest.html.bak",
        "digest.html.ORIG",
        ".digest.html.swp",
        "._digest.html",
        ".digest.htm",
        "digest.html",
        "style.css",
        "readme.md",
        "logo.png",
    ] {
        assert!(said(name).is_empty(), "{name}");
    }
    assert_eq!(load_for("digset", &[("digset.html", OWN)]).unwrap().unused().count(), 0, "a digest names it");
}

#[rstest]
#[case("sub/story.html", "sub", "of folders, `pages` and `locales` alone are read")]
#[case("page/home.html", "page", "of folders, `pages` and `locales` alone are read; did you mean `pages`?")]
#[case("locale/de.toml", "locale", "of folders, `pages` and `locales` alone are read; did you mean `locales`?")]
#[case("Locales/de.toml", "Locales", "of folders, `pages` and `locales` alone are read; did you mean `locales`?")]
#[case("digest.html/x", "digest.html", "of folders, `pages` and `locales` alone are read")]
#[case("de.toml", "de.toml", "wordings stand in a folder of their own; did you mean `locales/de.toml`?")]
#[case("-> digest.html", "digest.html", "it is a link to what is not there")]
fn what_stands_in_a_wrong_place_is_told_with_the_right_one(#[case] file: &str, #[case] place: &str, #[case] why: &str) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(file.trim_start_matches("-> "));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    match file.starts_with("-> ") {
        true => std::os::unix::fs::symlink("/nowhere/digest.html", path).unwrap(),
        false => std::fs::write(path, "").unwrap(),
    }
    for beside in [".git/digest.html", "img/logo.png", "pages/home.html", "locales/de.toml"] {
        std::fs::create_dir_all(dir.path().join(beside).parent().unwrap()).unwrap();
        std::fs::write(dir.path().join(beside), "").unwrap();
    }
    let mut config = config();
    config.templates.dir = Some(dir.path().to_owned());
    let renderer = Renderer::of(&config).unwrap();
    let said: Vec<&str> = renderer.unused().collect();
    assert_eq!(said, [format!("{} is not used: {why}", dir.path().join(place).display())]);
}

#[test]
fn what_is_no_utf_8_or_has_control_characters_is_said_with_its_file_and_line() {
    let said = |octets: &[u8]| {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("footer.txt"), octets).unwrap();
        let error = Renderer::new(Some(dir.path())).map(|_| "taken".to_owned());
        error.unwrap_or_else(|error| error.to_string().rsplit('/').next().unwrap().to_owned())
    };
    assert_eq!(said(b"Kind\tregards\r\n\n"), "taken");
    assert_eq!(said(b"Kind\nregards, F\xfcr"), "footer.txt:2: what stands here is no UTF-8; save the file as UTF-8");
    assert_eq!(said(b"\xff\xfeK\0"), "footer.txt:1: what stands here is no UTF-8; save the file as UTF-8");
    for (control, name) in [("\0", "U+0000"), ("\u{7}", "U+0007"), ("\u{1b}[1m", "U+001B"), ("\u{9b}", "U+009B")] {
        let expected =
            format!("footer.txt:3: there is a control character, {name}, which mails cannot have; take it out");
        assert_eq!(said(format!("Kind\n\nreg{control}ards").as_bytes()), expected);
    }
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
