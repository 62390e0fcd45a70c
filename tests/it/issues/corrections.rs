//! Correcting an issue: to exactly those who have received it and have not left, once for each.

use std::time::Duration;

use postround::compose::Occasion;
use postround::demo::catcher::{Command, Reply, Stage};
use postround::domain::{DeliveryState, IssueState};
use postround::store::{ClaimedRow, Mark};
use postround::subscribers::{Leave, Origin};

use super::{BECAUSE, Desk};
use crate::support::site::story;
use crate::support::{TestStore, on_both};

/// The deliveries of a correction, which a deliverer has started that is about to die; by address.
async fn being_sent(desk: &Desk, issue: i64) -> Vec<ClaimedRow> {
    desk.app.composer().correct(issue, "It is 2028.", BECAUSE).await.unwrap();
    desk.start(100).await
}

/// Corrects an issue of which three stories are withdrawn: after that, or so that corrections are queued by then.
async fn names_what_is_left(store: &TestStore, is_queued_before: bool) {
    let desk = Desk::new(store).await;
    desk.program.site.list(story("ferreira", "Nadia Ferreira on counting", "2026-11-04"));
    desk.program.site.list(story("okafor", "Ngozi Okafor on waiting", "2026-11-05"));
    desk.program.subscribe("ana@northfold.example", &[]).await;
    desk.program.subscribe("dora@northfold.example", &["--locale", "de"]).await;
    desk.program.subscribe("emil@northfold.example", &["--topics", "interviews"]).await;
    desk.program.subscribe("fay@northfold.example", &["--topics", "news"]).await;
    let issue = desk.issue().await;
    desk.deliver_all(issue).await;
    let gone = ["Health visitor posts fill", "Family hubs win an extra year", "Ngozi Okafor on waiting"];
    if is_queued_before {
        desk.app.composer().correct(issue, "That was wrong.", BECAUSE).await.unwrap();
    }
    for title in gone {
        desk.app.composer().withdraw(issue, title, BECAUSE).await.unwrap();
    }
    if !is_queued_before {
        desk.app.composer().correct(issue, "That was wrong.", BECAUSE).await.unwrap();
    }
    desk.delivering(async {
        while desk.got().values().map(Vec::len).sum::<usize>() < 8 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    for (name, expected) in [
        ("ana", "Correction: Nadia Ferreira on counting"),
        ("dora", "Berichtigung: Nadia Ferreira on counting"),
        ("emil", "Correction: Nadia Ferreira on counting"),
        ("fay", "Correction: Exampleton Weekly"),
    ] {
        let [_, (subject, text)] = &desk.got()[&format!("{name}@northfold.example")][..] else { panic!("{name}") };
        assert_eq!(subject, expected, "{name}");
        assert!(gone.iter().all(|title| !text.contains(title)), "{name}: {text}");
    }
}

/// Withdraws a story of which a correction is queued, while the operator's template for corrections has come to this.
async fn is_named_anew_whatever_the_template_does(store: &TestStore, template: &str) {
    let gone = "Health visitor posts fill";
    let desk = Desk::new(store).await;
    desk.subscribe(1).await;
    desk.program.subscribe("dora@northfold.example", &["--locale", "de"]).await;
    let issue = desk.issue().await;
    desk.deliver_all(issue).await;
    desk.app.composer().correct(issue, "It is 2028.", BECAUSE).await.unwrap();
    own_template(&desk, template);
    let withdrawn = desk.program.run(&["issue", "withdraw", &issue.to_string(), gone, "--yes"]).await;
    assert!(withdrawn.status.success(), "{withdrawn:?}");
    assert_eq!(desk.program.json(&["issue", "show", &issue.to_string()]).await["is_outdated"], false);
    desk.delivering(async {
        while desk.got().values().map(Vec::len).sum::<usize>() < 4 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    for (name, expected) in [
        ("reader1", "Correction: Family hubs win an extra year"),
        ("dora", "Berichtigung: Family hubs win an extra year"),
    ] {
        let [_, (subject, text)] = &desk.got()[&format!("{name}@northfold.example")][..] else { panic!("{name}") };
        assert_eq!(subject, expected, "{name}");
        assert!(text.contains("It is 2028.") && !text.contains(gone), "{name}: {text}");
    }
}

/// The program has a template of the operator's for corrections from now on.
fn own_template(desk: &Desk, template: &str) {
    let own = desk.program.folder.path().join("own");
    std::fs::create_dir(&own).unwrap();
    std::fs::write(own.join("correction.txt"), template).unwrap();
    let config = std::fs::read_to_string(desk.program.folder.path().join("config.toml")).unwrap();
    desk.program.configure(&format!("{config}\n[templates]\ndir = \"own\"\n"));
}

/// Fails on what a correction says in these tests, and on no invented one.
const FAILS: &str = "{% extends 'builtin/correction.txt' %}\n{% block more %}{% for p in letter.text %}\
                     {% if p is containing(pat='2028') %}{{ p | int }}{% endif %}{% endfor %}{% endblock %}";

on_both! {
    async fn a_correction_goes_once_to_those_who_received_the_issue_and_have_not_left(store: TestStore) {
        let desk = Desk::with(&store, |stage| match stage {
            Stage::Command(Command::Recipient { to, .. }) if to.starts_with("reader2@") => {
                Some(Reply::new(550, "5.1.1 no such user here"))
            }
            _ => None,
        })
        .await;
        desk.subscribe(4).await;
        let issue = desk.issue().await;
        desk.deliver_all(issue).await;
        desk.program.subscribe("late@northfold.example", &[]).await;
        let rows = desk.app.store.read().await.unwrap().subscribers_after(0, 10).await.unwrap();
        let third = rows.iter().find(|row| row.email.starts_with("reader3@")).unwrap();
        desk.app.subscribers().leave(&third.public_id, Leave::Digest("weekly"), Origin::PAGE).await.unwrap();

        let file = desk.program.folder.path().join("correction.txt");
        std::fs::write(&file, "The date was wrong.\n\nIt is 2 March <b>2028</b>.\n").unwrap();
        let arguments = ["issue", "correct", &issue.to_string(), "--text", file.to_str().unwrap()];
        let said = desk.program.json(&arguments).await;
        assert_eq!((&said["recipients"], &said["fresh"], &said["goes_on"]), (&2.into(), &true.into(), &false.into()));
        let again = desk.program.json(&arguments).await;
        assert_eq!((&again["recipients"], &again["fresh"]), (&2.into(), &false.into()));
        desk.delivering(async {
            while desk.got().values().flatten().filter(|(subject, _)| subject.starts_with("Correction")).count() < 2 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        })
        .await;
        let got = desk.got();
        let corrected: Vec<&String> = got.iter().filter(|(_, mails)| mails.len() == 2).map(|(to, _)| to).collect();
        assert_eq!(corrected, ["reader1@northfold.example", "reader4@northfold.example"]);
        let (subject, text) = &got["reader1@northfold.example"][1];
        assert_eq!(subject, "Correction: Health visitor posts fill + 1 more");
        assert!(text.contains("The date was wrong.") && text.contains("It is 2 March <b>2028</b>."), "{text}");
        assert!(text.contains("It is 2 March &lt;b&gt;2028&lt;/b&gt;.") && text.contains("/unsubscribe/"), "{text}");
        assert!(!got.contains_key("late@northfold.example"));
        let totals = desk.totals(issue).await;
        assert_eq!((totals.sent, totals.failed), (3, 1), "corrections are no deliveries of the issue");
    }

    async fn who_receives_an_issue_after_its_correction_began_gets_the_correction_too(store: TestStore) {
        let desk = Desk::new(&store).await;
        desk.subscribe(40).await;
        let issue = desk.issue().await;
        desk.delivering(async {
            desk.sent(issue, 8).await;
            let corrected = desk.app.composer().correct(issue, "It is 2028.", BECAUSE).await.unwrap();
            assert!(corrected.goes_on && (8..40).contains(&corrected.recipients), "{corrected:?}");
            desk.sent(issue, 40).await;
            desk.tend().await;
            desk.tend().await;
            while desk.got().values().map(Vec::len).sum::<usize>() < 80 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        })
        .await;
        assert!(desk.got().values().all(|mails| mails.len() == 2));
        assert!(desk.app.store.read().await.unwrap().open_corrections().await.unwrap().is_empty());
    }

    async fn a_correction_comes_in_the_language_and_about_the_subject_of_the_mail_that_each_has(store: TestStore) {
        let desk = Desk::new(&store).await;
        desk.program.site.list(story("ferreira", "Nadia Ferreira on counting", "2026-11-04"));
        desk.program.subscribe("ana@northfold.example", &[]).await;
        desk.program.subscribe("dora@northfold.example", &["--locale", "de"]).await;
        desk.program.subscribe("emil@northfold.example", &["--topics", "interviews"]).await;
        let issue = desk.issue().await;
        desk.deliver_all(issue).await;
        desk.app.composer().correct(issue, "It is 2028.", BECAUSE).await.unwrap();
        desk.delivering(async {
            while desk.got().values().map(Vec::len).sum::<usize>() < 6 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        for (name, correction, word) in
            [("ana", "Correction: ", "Unsubscribe"), ("dora", "Berichtigung: ", "Abmelden"), ("emil", "Correction: ", "Unsubscribe")]
        {
            let [issue, corrected] = &desk.got()[&format!("{name}@northfold.example")][..] else { panic!("{name}") };
            assert_eq!(corrected.0, format!("{correction}{}", issue.0));
            assert!(corrected.1.contains(word) && corrected.1.contains("It is 2028."), "{}", corrected.1);
        }
        assert_eq!(desk.got()["emil@northfold.example"][0].0, "Nadia Ferreira on counting");
    }

    async fn who_gets_a_mail_that_is_made_after_the_correction_gets_it_in_their_language_too(store: TestStore) {
        let desk = Desk::of_many_choices(&store).await;
        desk.program.subscribe("dora@northfold.example", &["--topics", "zeta", "--locale", "de"]).await;
        let digest = desk.app.config.digest("weekly").unwrap().clone();
        let composer = desk.app.composer();
        let issue = composer.compose(&digest, Occasion::Extra).await.unwrap().issue;
        let mails = desk.app.store.read().await.unwrap().issue_mails(issue).await.unwrap();
        assert!(mails.iter().all(|mail| mail.locale != "de"), "hers is left to the layout");
        composer.correct(issue, "It is 2028.", BECAUSE).await.unwrap();
        desk.tend().await;
        desk.deliver_all(issue).await;
        desk.delivering(async {
            while desk.got().values().map(Vec::len).sum::<usize>() < 128 {
                tokio::time::sleep(Duration::from_millis(10)).await;
                desk.tend().await;
            }
        })
        .await;
        let [(_, _), (subject, text)] = &desk.got()["dora@northfold.example"][..] else { panic!("two mails") };
        assert_eq!(subject, "Berichtigung: The story of zeta");
        assert!(text.contains("Abmelden") && text.contains("It is 2028."), "{text}");
    }

    async fn whoever_chooses_between_a_correction_and_the_layout_gets_it_in_their_language_too(store: TestStore) {
        let desk = Desk::new(&store).await;
        desk.program.site.list(story("ferreira", "Nadia Ferreira on counting", "2026-11-04"));
        desk.program.subscribe("ana@northfold.example", &[]).await;
        let digest = desk.app.config.digest("weekly").unwrap().clone();
        let composer = desk.app.composer();
        let issue = composer.compose(&digest, Occasion::Extra).await.unwrap().issue;
        composer.correct(issue, "It is 2028.", BECAUSE).await.unwrap();
        desk.program.subscribe("dora@northfold.example", &["--locale", "de"]).await;
        desk.program.subscribe("emil@northfold.example", &["--topics", "interviews"]).await;
        desk.tend().await;
        desk.deliver_all(issue).await;
        desk.delivering(async {
            while desk.got().values().map(Vec::len).sum::<usize>() < 6 {
                tokio::time::sleep(Duration::from_millis(10)).await;
                desk.tend().await;
            }
        })
        .await;
        for (name, correction) in [("ana", "Correction: "), ("dora", "Berichtigung: "), ("emil", "Correction: ")] {
            let [issue, corrected] = &desk.got()[&format!("{name}@northfold.example")][..] else { panic!("{name}") };
            assert_eq!(corrected.0, format!("{correction}{}", issue.0));
            assert!(corrected.1.contains("It is 2028."), "{}", corrected.1);
        }
    }

    async fn a_correction_after_a_withdrawal_names_the_issue_by_what_is_left_of_it(store: TestStore) {
        names_what_is_left(&store, false).await;
    }

    async fn a_correction_that_is_queued_when_a_story_is_withdrawn_names_it_no_more(store: TestStore) {
        names_what_is_left(&store, true).await;
    }

    async fn a_retry_takes_an_issues_corrections_too_and_gives_up_what_is_uncertain_of_those_who_have_left(store: TestStore) {
        let desk = Desk::new(&store).await;
        desk.subscribe(4).await;
        let issue = desk.issue().await;
        desk.deliver_all(issue).await;
        let rows = being_sent(&desk, issue).await;
        let third = rows[2].subscriber.clone().unwrap();
        desk.app.subscribers().leave(&third, Leave::Digest("weekly"), Origin::PAGE).await.unwrap();
        let ended = [(1, DeliveryState::Failed), (3, DeliveryState::Sent)];
        let ended = ended.map(|(row, state)| Mark::of(rows[row].id, DeliveryState::Sending, state));
        desk.app.store.marks().await.unwrap().mark_deliveries("dead", &ended).await.unwrap();
        assert_eq!(desk.found_dead().await, 2);

        assert_eq!(desk.app.composer().retry_issue(issue, BECAUSE).await.unwrap(), 2);
        let mut session = desk.app.store.read().await.unwrap();
        let mut states = Vec::new();
        for row in &rows {
            states.push(session.delivery(row.id).await.unwrap().unwrap().state.as_str());
        }
        assert_eq!(states, ["queued", "queued", "cancelled", "sent"]);
        assert_eq!(session.issue(issue).await.unwrap().unwrap().state, IssueState::Sent, "nothing of itself is open");
        drop(session);
        assert_eq!(desk.app.composer().retry_issue(issue, BECAUSE).await.unwrap(), 0);
    }

    async fn a_retry_of_an_issue_that_was_cancelled_is_for_its_corrections_alone(store: TestStore) {
        let desk = Desk::new(&store).await;
        desk.subscribe(40).await;
        let issue = desk.issue().await;
        desk.delivering(desk.sent(issue, 2)).await;
        let composer = desk.app.composer();
        composer.cancel_issue(issue, BECAUSE).await.unwrap();
        assert!(composer.retry_issue(issue, BECAUSE).await.is_err(), "there is nothing to be tried again");
        let rows = being_sent(&desk, issue).await;
        assert_eq!(desk.found_dead().await, rows.len() as u64);
        assert_eq!(composer.retry_issue(issue, BECAUSE).await.unwrap(), rows.len() as u64);
        assert_eq!(desk.totals(issue).await.queued, 0, "it stays cancelled");
    }

    async fn a_retry_that_only_gives_up_what_is_uncertain_of_those_who_have_left_does_so_of_a_cancelled_issue_too(store: TestStore) {
        let desk = Desk::new(&store).await;
        desk.subscribe(2).await;
        let issue = desk.issue().await;
        let row = desk.start(1).await.remove(0);
        let composer = desk.app.composer();
        composer.cancel_issue(issue, BECAUSE).await.unwrap();
        desk.answer(&row, DeliveryState::Sent).await;
        desk.tend().await;
        assert_eq!(being_sent(&desk, issue).await.len(), 1);
        desk.app.subscribers().leave(&row.subscriber.unwrap(), Leave::Digest("weekly"), Origin::PAGE).await.unwrap();
        assert_eq!(desk.found_dead().await, 1);
        assert_eq!(composer.retry_issue(issue, BECAUSE).await.unwrap(), 0);
        assert!(desk.app.store.read().await.unwrap().uncertain_issues().await.unwrap().is_empty());
        assert!(composer.retry_issue(issue, BECAUSE).await.is_err(), "there is nothing more");
    }

    async fn who_receives_an_issue_that_was_cancelled_meanwhile_gets_its_correction(store: TestStore) {
        let desk = Desk::new(&store).await;
        desk.subscribe(3).await;
        let issue = desk.issue().await;
        let row = desk.start(1).await.remove(0);
        let composer = desk.app.composer();
        composer.cancel_issue(issue, BECAUSE).await.unwrap();
        let corrected = composer.correct(issue, "It is 2028.", BECAUSE).await.unwrap();
        assert!(corrected.goes_on && corrected.recipients == 0, "{corrected:?}");
        desk.tend().await;
        desk.answer(&row, DeliveryState::Sent).await;
        desk.tend().await;
        let corrected = composer.correct(issue, "It is 2028.", BECAUSE).await.unwrap();
        assert!(!corrected.goes_on && corrected.recipients == 1, "{corrected:?}");
    }

    async fn a_correction_that_the_operators_template_fails_on_is_a_mistake_in_the_configuration(store: TestStore) {
        let desk = Desk::new(&store).await;
        desk.subscribe(1).await;
        let issue = desk.issue().await;
        own_template(&desk, FAILS);
        std::fs::write(desk.program.folder.path().join("text"), "It is 2028.").unwrap();
        let said = desk.program.run(&["issue", "correct", &issue.to_string(), "--text", "text"]).await;
        assert_eq!(said.status.code(), Some(2), "{said:?}");
        assert!(String::from_utf8_lossy(&said.stderr).contains("own/correction.txt:2: "), "{said:?}");
    }

    async fn a_queued_correction_no_longer_names_what_is_withdrawn_while_a_template_is_broken(store: TestStore) {
        is_named_anew_whatever_the_template_does(&store, "{{ nothing").await;
    }

    async fn a_queued_correction_no_longer_names_what_is_withdrawn_where_the_operators_template_fails_on_it(store: TestStore) {
        is_named_anew_whatever_the_template_does(&store, FAILS).await;
    }

    async fn a_correction_without_a_word_with_too_many_or_of_an_issue_that_nobody_got_is_refused(store: TestStore) {
        let desk = Desk::new(&store).await;
        let skipped = desk.issue().await;
        assert!(desk.app.composer().correct(skipped, "It is 2028.", BECAUSE).await.is_err());
        desk.subscribe(1).await;
        let issue = desk.issue().await;
        assert!(desk.app.composer().correct(issue, " \n ", BECAUSE).await.is_err());
        let long = desk.app.composer().correct(issue, &"It is 2028. ".repeat(9_000), BECAUSE).await.unwrap_err();
        let said = long.to_string();
        assert!(said.contains("Gmail cuts a mail off, and with it the link to leave; say it in fewer words"), "{said}");
        assert!(desk.app.composer().correct(issue, &"It is 2028. ".repeat(5_000), BECAUSE).await.is_ok());
        let missing = desk.program.run(&["issue", "correct", &issue.to_string(), "--text", "nowhere.txt"]).await;
        assert_eq!(missing.status.code(), Some(2));
    }
}
