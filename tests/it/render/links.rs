//! The links that readers need, in whatever an operator's template makes of a mail: that they are there, are seen and lead on.

use postround::render::{Letter, Valid, Wanted, built_in_templates};
use rstest::rstest;

use super::fixture::{Counting, config, frame, issue};
use super::templates::{OWN, load, load_for};

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

#[rstest]
#[case("lang == 'de'")]
#[case("dir == 'rtl'")]
#[case("count > 10")]
#[case("count == 3")]
#[case("not banner")]
#[case("listed | length > 30")]
#[case("lead.topic == 'jobs'")]
fn a_link_to_leave_that_some_mails_have_in_a_comment_or_hidden_is_missed(#[case] when: &str) {
    let link = "<a href=\"{{ slot.unsubscribe_url }}\">Leave</a>";
    let missed = |instead: String| {
        let message = load_for("letter", &[("letter.html", &OWN.replace(link, &instead))]).err();
        let message = message.unwrap_or_else(|| panic!("{instead} was taken"));
        assert!(
            message.starts_with("DIR/letter.html: ") && message.contains("`{{ slot.unsubscribe_url }}`"),
            "{message}"
        );
    };
    missed(format!("{{% if {when} %}}<!-- {{% endif %}}{link}"));
    missed(format!("<p {{% if {when} %}}hidden{{% endif %}}>{link}</p>"));
    let message = load_for(
        "letter",
        &[(
            "letter.html",
            &OWN.replace("</body>", &format!("{{% if {when} %}}<a href=\"/imprint\">x</a>{{% endif %}}</body>")),
        )],
    )
    .err();
    assert!(
        message.is_some_and(|message| message.starts_with("DIR/letter.html: a link leads to `/imprint`;")),
        "{when}"
    );
}

#[test]
fn what_invented_mails_are_tried_for_each_real_one_is_and_the_built_in_template_stands_in() {
    let hides = |when: &str| format!("{{% if {when} %}}<!-- {{% endif %}}");
    let digest = OWN.replace("<a href", &format!("{}<a href", hides("lead.title is containing(pat='hubs')")));
    let note = built_in_templates().iter().find(|(name, _)| *name == "note.html").unwrap().1;
    let when = hides("letter.items | length > 7");
    let note = note.replacen("{% if letter.button %}", &format!("{when}{{% if letter.button %}}"), 1);
    let renderer = load(&[("digest.html", &digest), ("note.html", &note)]).unwrap();

    let (config, content) = (config(), issue(2, 2));
    assert!(content.lead().unwrap().title.contains("hubs"));
    let unseen = "the mail has no `{{ slot.";
    let error = renderer.digest(&content, &frame(&config), &Counting::new()).unwrap_err().to_string();
    assert!(error.contains(unseen), "{error}");
    let mail = renderer.digest_in_any_case(&content, &frame(&config), &Counting::new()).unwrap();
    assert!(mail.failed.unwrap().contains(unseen) && mail.html.contains("Early Help Weekly"), "{}", mail.html);
    let wanted = |count: usize| {
        let wanted = (0..count).map(|number| Wanted { digest: format!("Digest {number}"), topics: Vec::new() });
        let (valid, wanted) = (Valid::Days(7), wanted.collect());
        let letter = Letter::Confirmation { wanted, first_issue: None, valid, days: 30, reminder: false };
        renderer.letter_in_any_case(&frame(&config), &letter, &Counting::new()).unwrap().failed
    };
    assert_eq!(wanted(7), None);
    assert!(wanted(8).is_some_and(|error| error.contains(unseen)));
}

#[rstest]
#[case("letter.items | length > 1")]
#[case("lang == 'de'")]
#[case("letter.note | length > 2")]
fn the_button_of_a_letter_that_some_have_in_a_comment_is_missed(#[case] when: &str) {
    let built_in = built_in_templates().iter().find(|(name, _)| *name == "note.html").unwrap().1;
    let own = built_in.replacen(
        "{% if letter.button %}",
        &format!("{{% if {when} %}}<!-- {{% endif %}}{{% if letter.button %}}"),
        1,
    );
    assert_ne!(own, built_in);
    let message = load(&[("note.html", &own)]).err().unwrap_or_else(|| panic!("{when} was taken"));
    assert!(message.contains("the mail has no `{{ slot."), "{message}");
}

#[rstest]
#[case("<a href=\"URL\"></a>")]
#[case("<a href=\"URL\"> &nbsp;&zwnj;<img src=\"https://example.org/x.png\" alt=\" \"></a>")]
#[case("<a href=\"URL\" style=\"color: red; Display:NONE !important\">Leave</a>")]
#[case("<a href=\"URL\"><span style=\"visibility:hidden\">Leave</span></a>")]
#[case("<div style=\"font-size:0px\"><p><a href=\"URL\">Leave</a></p></div>")]
#[case("<div style=\"opacity:0.0\"><a href=\"URL\"><img src=\"https://example.org/x.png\" alt=\"Leave\"></a></div>")]
#[case("<a href=\"URL\" style=\"font:0/0 Arial\">Leave</a>")]
#[case("<div hidden><a href=\"URL\">Leave</a></div>")]
#[case("<style>.off { display: none }</style><p class=\"off\"><a href=\"URL\">Leave</a></p>")]
#[case("<p style=\"display:none\">Leave: URL</p>")]
#[case("<template><a href=\"URL\">Leave</a></template>")]
#[case("<textarea>URL</textarea>")]
fn a_link_to_leave_that_has_no_words_or_is_hidden_is_refused(#[case] hidden: &str) {
    let link = "<a href=\"{{ slot.unsubscribe_url }}\">Leave</a>";
    let own = OWN.replace(link, &hidden.replace("URL", "{{ slot.unsubscribe_url }}"));
    let message = load(&[("letter.html", &own)]).err().unwrap_or_else(|| panic!("{hidden} was taken"));
    let expected = "DIR/letter.html: readers do not see the link to `{{ slot.unsubscribe_url }}`: it has no words, or";
    assert!(message.starts_with(expected), "{message}");
}

#[rstest]
#[case("<a href=\"URL\"><img src=\"https://example.org/x.png\" alt=\"Leave\"></a>")]
#[case(
    "<div style=\"font-size:0;visibility:hidden\"><a href=\"URL\" style=\"font-size:12px;visibility:visible\">Leave</a></div>"
)]
#[case("<div style=\"font-size:0\"><a href=\"URL\"><img src=\"https://example.org/x.png\" alt=\"Leave\"></a></div>")]
#[case("<a href=\"URL\" style=\"display:none;display:block;font-size:0.9em;opacity:.6\">&rarr;</a>")]
#[case("<a href=\"URL\" style=\"display:none\">Leave</a><p>Leave (URL).</p>")]
#[case("<p>Leave:URL, whenever you like</p>")]
#[case(
    "<table style=\"font-size:0\"><tr><td><a href=\"URL\" style=\"font:14px/20px Arial\">Leave</a></td></tr></table>"
)]
#[case("<a href=\"URL\" style=\"display:block !important;display:none\">Leave</a>")]
#[case(
    "<style>.leave { font-size: 14px }</style><table style=\"font-size:0\"><tr><td><a class=\"leave\" href=\"URL\">Leave</a></td></tr></table>"
)]
#[case("<a href=\"https://r.example/?to=URL&amp;c=1\">Leave</a>")]
#[case("<a href=\"URL#now\">Leave</a> <a href=\"URL?from=mail\">Go</a>")]
fn a_link_to_leave_that_readers_can_use_is_taken(#[case] link: &str) {
    let own = OWN.replace(
        "<a href=\"{{ slot.unsubscribe_url }}\">Leave</a>",
        &link.replace("URL", "{{ slot.unsubscribe_url }}"),
    );
    assert_eq!(load(&[("letter.html", &own)]).err(), None, "{link}");
}

#[rstest]
#[case("letter.html", "<a href=\"{{ slot.unsubscribe_url }}x\">Leave</a>", "{{ slot.unsubscribe_url }}x")]
#[case(
    "letter.html",
    "<a href=\"https://post.example{{ slot.unsubscribe_url }}\">Leave</a>",
    "https://post.example{{ slot.unsubscribe_url }}"
)]
#[case("letter.html", "<a href=\"{{ slot.unsubscribe_url }}.\">Leave</a>", "{{ slot.unsubscribe_url }}.")]
#[case("letter.html", "<a href=\"{{ slot.preferences_url }}/pause\">Pause</a>", "{{ slot.preferences_url }}/pause")]
#[case("letter.html", "<p>Leave: {{ slot.unsubscribe_url }}_now</p>", "{{ slot.unsubscribe_url }}_now")]
#[case("letter.txt", "Leave{{ slot.unsubscribe_url }}", "Leave{{ slot.unsubscribe_url }}")]
#[case(
    "letter.txt",
    "{{ slot.unsubscribe_url }}{{ slot.preferences_url }}",
    "{{ slot.unsubscribe_url }}{{ slot.preferences_url }}"
)]
fn a_link_that_something_stuck_to_it_leads_elsewhere_is_refused(
    #[case] file: &str,
    #[case] stuck: &str,
    #[case] address: &str,
) {
    let text = format!("{stuck}\n{{{{ slot.unsubscribe_url }}}}\n{{{{ slot.preferences_url }}}}.\n");
    let own = if file == "letter.txt" { text } else { OWN.replace("</body>", &format!("{stuck}</body>")) };
    let message = load(&[("letter.html", OWN), (file, &own)]).err().unwrap_or_else(|| panic!("{stuck} was taken"));
    assert!(
        message.starts_with(&format!("DIR/{file}: `{address}` leads nowhere, since what stands right")),
        "{message}"
    );
}
