//! Issues of a digest that is gone from the configuration: what is laid out goes on, and can be stopped, changed and corrected.

use std::sync::Arc;
use std::time::Duration;

use mail_parser::MessageParser;
use postround::compose::Occasion;
use postround::domain::SystemClock;

use super::{BECAUSE, Desk};
use crate::support::on_both;

const GONE: &str = "Family hubs win an extra year";

/// The digest has another id from now on, another title and another language. Gives the configuration of before.
async fn replace_the_digest(desk: &mut Desk) -> String {
    let before = std::fs::read_to_string(desk.program.folder.path().join("config.toml")).unwrap();
    let mut config = before.clone();
    for (old, new) in [
        ("id = \"weekly\"", "id = \"monthly\""),
        ("title = \"Exampleton Weekly\"", "title = \"Exampleton Monthly\""),
        ("locale = \"en-GB\"", "locale = \"de\""),
    ] {
        assert!(config.contains(old));
        config = config.replace(old, new);
    }
    desk.program.configure(&config);
    desk.app = desk.program.app(Arc::new(SystemClock)).await;
    before
}

on_both! {
    async fn a_story_is_withdrawn_from_what_is_laid_out_of_a_digest_that_is_gone(store: TestStore) {
        let mut desk = Desk::new(&store).await;
        desk.subscribe(2).await;
        desk.program.subscribe("dora@northfold.example", &["--locale", "de"]).await;
        let issue = desk.issue().await;
        desk.app.composer().hold_issue(issue, BECAUSE).await.unwrap();
        replace_the_digest(&mut desk).await;
        let withdrawn = desk.program.run(&["issue", "withdraw", &issue.to_string(), GONE]).await;
        assert!(withdrawn.status.success(), "{withdrawn:?}");
        desk.app.composer().resume_issue(issue, BECAUSE).await.unwrap();
        desk.deliver_all(issue).await;
        let got = desk.got();
        assert_eq!(got.len(), 3);
        for (address, mails) in got {
            let [(subject, text)] = &mails[..] else { panic!("{address}: {mails:?}") };
            assert!(!text.contains(GONE) && text.contains("Health visitor posts fill"), "{address}: {text}");
            assert!(subject.contains("Health visitor posts fill"), "{address}: {subject}");
            assert!(text.contains("Exampleton Weekly") && !text.contains("Exampleton Monthly"), "{address}: {text}");
            assert_eq!(text.contains("Abmelden"), address.starts_with("dora@"), "{text}");
        }
    }

    async fn an_issue_of_a_digest_that_is_gone_is_corrected(store: TestStore) {
        let mut desk = Desk::new(&store).await;
        desk.subscribe(1).await;
        desk.program.subscribe("dora@northfold.example", &["--locale", "de"]).await;
        let issue = desk.issue().await;
        desk.deliver_all(issue).await;
        replace_the_digest(&mut desk).await;
        let corrected = desk.app.composer().correct(issue, "It is 2028.", BECAUSE).await.unwrap();
        assert_eq!(corrected.recipients, 2);
        desk.delivering(async {
            while desk.got().values().map(Vec::len).sum::<usize>() < 4 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        for (reader, word) in [("reader1", "Correction: "), ("dora", "Berichtigung: ")] {
            let [_, (subject, text)] = &desk.got()[&format!("{reader}@northfold.example")][..] else { panic!("{reader}") };
            assert!(subject.starts_with(word) && text.contains("It is 2028."), "{reader}: {subject}\n{text}");
        }
    }

    async fn the_mails_of_a_digest_that_is_gone_are_from_whom_they_were_from_and_answers_go_where_they_went(store: TestStore) {
        let mut desk = Desk::new(&store).await;
        let config = std::fs::read_to_string(desk.program.folder.path().join("config.toml")).unwrap();
        let own = "{ name = \"Zoë, Editor\", email = \"editor@exampleton.example\", reply_to = \"desk@exampleton.example\" }";
        desk.program.configure(&config.replace("id = \"weekly\"", &format!("id = \"weekly\"\nsender = {own}")));
        desk.app = desk.program.app(Arc::new(SystemClock)).await;
        desk.subscribe(1).await;
        let issue = desk.issue().await;
        desk.app.composer().hold_issue(issue, BECAUSE).await.unwrap();
        replace_the_digest(&mut desk).await;
        desk.app.composer().withdraw(issue, GONE, BECAUSE).await.unwrap();
        desk.app.composer().resume_issue(issue, BECAUSE).await.unwrap();
        desk.deliver_all(issue).await;
        let mails = desk.program.mailbox.messages();
        let [mail] = &mails[..] else { panic!("{} mails", mails.len()) };
        let parsed = MessageParser::default().parse(&mail.raw).unwrap();
        let from = parsed.from().and_then(|from| from.first()).unwrap();
        assert_eq!((from.name(), from.address()), (Some("Zoë, Editor"), Some("editor@exampleton.example")));
        let reply_to = parsed.reply_to().and_then(|to| to.first()).unwrap();
        assert_eq!(reply_to.address(), Some("desk@exampleton.example"));
    }

    async fn what_is_withdrawn_before_an_issue_is_laid_out_is_in_no_mail_when_its_digest_is_back(store: TestStore) {
        let mut desk = Desk::new(&store).await;
        desk.subscribe(2).await;
        let digest = desk.app.config.digest("weekly").unwrap().clone();
        let issue = desk.app.composer().compose(&digest, Occasion::Extra).await.unwrap().issue;
        let before = replace_the_digest(&mut desk).await;
        desk.app.composer().withdraw(issue, GONE, BECAUSE).await.unwrap();
        let failed = desk.app.composer().tend().await.unwrap();
        assert!(failed[0].1.to_string().contains("not laid out whole"), "{failed:?}");
        desk.program.configure(&before);
        desk.app = desk.program.app(Arc::new(SystemClock)).await;
        desk.tend().await;
        desk.deliver_all(issue).await;
        let got = desk.got();
        assert_eq!(got.len(), 2);
        assert!(!format!("{got:?}").contains(GONE), "{got:?}");
    }
}
