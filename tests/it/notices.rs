//! The mails about somebody's own subscription, from the notice to the queue.

use std::collections::BTreeSet;
use std::sync::Arc;

use postround::alerts::Alerts;
use postround::app::Notices;
use postround::config::Utm;
use postround::domain::{Locale, PublicId, SubscriptionState, SystemRandom, UtcMillis};
use postround::render::{Message, Renderer, Slots};
use postround::store::{Durability, SubscriptionRow};
use postround::subscribers::{
    Chosen, Import, ImportBasis, Keys, Leave, Left, Notice, NoticeKind, Notify, Origin, Pauses, SecretLink,
    Subscribers, Topics,
};

use crate::support::household::{address, config, confirmed, execute, somebody, subscribers, text};
use crate::support::{MONDAY, TestClock, TestStore, on_both};

const LINK: &str = "https://post.northfold.example/secret/mfrggzdf";
const HOUR: i64 = 3_600_000;

/// A house with notices that are queued as mails.
struct House {
    test: TestStore,
    people: Subscribers,
    notices: Notices,
}

impl House {
    async fn new(test: TestStore) -> Self {
        Self::with(test, Renderer::new(None).unwrap()).await
    }

    async fn with(test: TestStore, renderer: Renderer) -> Self {
        let (people, clock) = subscribers(&test, "https://post.northfold.example").await;
        let mut config = config(&test, "https://post.northfold.example");
        config.digests[0].utm = Some(Utm { source: "post".to_owned(), ..Utm::default() });
        let keys = Keys::open(&config.store.keys, &test.store, &SystemRandom).await.unwrap();
        let clock: Arc<TestClock> = clock;
        let notices = Notices::new(config.into(), renderer.into(), keys.into(), clock, Arc::new(SystemRandom));
        Self { test, people, notices }
    }

    async fn person(&self, email: &str) -> i64 {
        confirmed(&self.people, email, &["weekly"]).await;
        text(&self.test, &format!("select cast(id as text) from subscribers where email = '{email}'"))
            .await
            .parse()
            .unwrap()
    }

    async fn notify(&self, subscriber: i64, email: &str, locale: Option<&str>, kind: NoticeKind) {
        let notice = Notice {
            subscriber,
            address: address(email),
            locale: locale.map(|code| Locale::parse(code).unwrap()),
            digest: "weekly".to_owned(),
            kind,
        };
        let mut session = self.test.store.write(Durability::Full).await.unwrap();
        self.notices.notify(&mut session, &notice).await.unwrap();
        session.commit().await.unwrap();
    }

    /// The whole message of the latest delivery, decoded, with the slots filled.
    async fn latest(&self, email: &str) -> String {
        let mut session = self.test.store.read().await.unwrap();
        let id: i64 = text(&self.test, "select cast(max(mail_id) as text) from deliveries").await.parse().unwrap();
        let row = session.mail(id).await.unwrap().unwrap();
        let address = address(email);
        let slots = Slots {
            name: "",
            address: &address,
            message_id: "x@northfold.example",
            date: MONDAY,
            unsubscribe_url: "https://post.northfold.example/unsubscribe/x",
            preferences_url: "https://post.northfold.example/preferences/x",
            link: LINK,
        };
        let mut out = Vec::new();
        Message::parse(&row.mime, &row.marker).unwrap().splice(&slots, &mut out);
        let message = mail_parser::MessageParser::default().parse(&out).unwrap();
        let headers = String::from_utf8_lossy(&out[..out.windows(4).position(|four| four == b"\r\n\r\n").unwrap()]);
        format!("{}\n\n{}", headers.replace('\r', ""), message.body_text(0).unwrap().replace('\r', ""))
    }
}

/// Lets somebody leave by the link of a mail.
async fn leave(house: &House, email: &str, what: Leave<'_>) {
    let id = text(&house.test, &format!("select public_id from subscribers where email = '{email}'")).await;
    let left = house.people.leave(&PublicId::parse(&id).unwrap(), what, Origin::PAGE).await.unwrap();
    assert_eq!(left, Left::Now, "{email}");
}

fn link() -> SecretLink {
    SecretLink(LINK.to_owned())
}

fn confirm(choice: Vec<Chosen>, reminder: bool) -> NoticeKind {
    let (pauses, expires_at) = (Pauses::default(), UtcMillis(MONDAY.0 + 7 * 24 * HOUR - 5));
    NoticeKind::Confirm { choice, pauses, link: link(), expires_at, reminder }
}

fn already(paused_until: Option<UtcMillis>) -> NoticeKind {
    let pauses = paused_until.map(|until| ("weekly".to_owned(), until)).into_iter().collect();
    NoticeKind::AlreadySubscribed { digests: vec!["weekly".to_owned()], pauses }
}

fn whole(digest: &str) -> Chosen {
    Chosen { digest: digest.to_owned(), topics: Topics::All }
}

fn in_an_hour() -> UtcMillis {
    UtcMillis(MONDAY.0 + HOUR)
}

/// Each notice with what its delivery is called and whether it has a link of its own.
fn all() -> Vec<(NoticeKind, &'static str, bool)> {
    vec![
        (confirm(vec![whole("weekly")], false), "confirmation", true),
        (confirm(vec![whole("weekly")], true), "reminder", true),
        (already(None), "subscribed", false),
        (already(Some(in_an_hour())), "subscribed", false),
        (NoticeKind::AddressTaken, "subscribed", false),
        (NoticeKind::ManageLink { link: link(), expires_at: in_an_hour() }, "manage", true),
        (NoticeKind::ChangeAddress { link: link(), expires_at: in_an_hour() }, "address", true),
        (NoticeKind::AddressChanged, "moved", false),
        (NoticeKind::Goodbye { link: link(), expires_at: in_an_hour() }, "goodbye", true),
        (NoticeKind::Welcome, "welcome", false),
    ]
}

on_both! {
    async fn nobody_is_asked_any_more_who_has_said_no_since(test: TestStore) {
        let house = House::new(test).await;
        for name in ["operator", "import", "bounce", "page", "other"] {
            let email = format!("{name}@reader.example");
            house.people.add(&somebody(&email, &["weekly"]), Origin::PAGE, &house.notices).await.unwrap();
        }
        // Who has some of a digest, and another one, asks for all of it.
        for (name, asked) in [("part", &["weekly"][..]), ("rest", &["weekly", "jobs"])] {
            let email = format!("{name}@reader.example");
            let mut have = somebody(&email, &["weekly", "jobs"]);
            have.choice[0].topics = Topics::parse("news");
            house.people.add_confirmed(&have, "a form", Origin::COMMAND_LINE).await.unwrap();
            house.people.add(&somebody(&email, asked), Origin::PAGE, &house.notices).await.unwrap();
        }
        let open = "select address from deliveries where kind = 'confirmation' and state = 'queued' order by address";
        // Who asks for another digest has not said no to that.
        confirmed(&house.people, "more@reader.example", &["weekly"]).await;
        house.people.add(&somebody("more@reader.example", &["jobs"]), Origin::PAGE, &house.notices).await.unwrap();
        assert_eq!(text(&house.test, open).await.lines().count(), 8);

        leave(&house, "operator@reader.example", Leave::All).await;
        leave(&house, "page@reader.example", Leave::Digest("weekly")).await;
        for name in ["part", "rest", "more"] {
            leave(&house, &format!("{name}@reader.example"), Leave::Digest("weekly")).await;
        }
        let file = house.test.folder.path().join("noes.csv");
        std::fs::write(&file, "email,state\nimport@reader.example,unsubscribed\nbounce@reader.example,bounced\n").unwrap();
        let import = Import::new(&file, ImportBasis::Rows);
        let report = house.people.import(&import, &house.notices, |_, _| {}).await.unwrap();
        assert_eq!(report.updated, 2);
        assert_eq!(text(&house.test, open).await, "more@reader.example\nother@reader.example\nrest@reader.example");

        // Whoever asks again is asked again.
        execute(&house.test, "delete from notice_slots").await;
        house.people.add(&somebody("import@reader.example", &["weekly"]), Origin::PAGE, &house.notices).await.unwrap();
        assert!(text(&house.test, open).await.contains("import@reader.example"));
        // And no more where they say no once more.
        let id = text(&house.test, "select public_id from subscribers where email = 'import@reader.example'").await;
        let id = PublicId::parse(&id).unwrap();
        let again = house.people.leave(&id, Leave::All, Origin::COMMAND_LINE).await.unwrap();
        assert_eq!(again, Left::Already);
        assert!(!text(&house.test, open).await.contains("import@reader.example"));
    }

    async fn every_notice_is_queued_before_all_else_and_nothing_personal_is_in_its_mail(test: TestStore) {
        let house = House::new(test).await;
        let zoe = house.person("zoe@reader.example").await;
        for (kind, name, has_link) in all() {
            house.notify(zoe, "zoe@reader.example", None, kind).await;
            let latest = "from deliveries where id = (select max(id) from deliveries)";
            let row = format!("select kind || ' ' || priority || ' ' || address || ' ' || coalesce(link, '-') {latest}");
            let link = if has_link { LINK } else { "-" };
            assert_eq!(text(&house.test, &row).await, format!("{name} 0 zoe@reader.example {link}"));
            let stored = text(&house.test, "select subject || html || body_text || mime from mails order by id").await;
            assert!(!stored.contains("zoe@") && !stored.contains("/secret/"), "{name}");
            let message = house.latest("zoe@reader.example").await;
            assert_eq!(message.contains("List-Unsubscribe:"), name == "welcome", "{name}: {message}");
            assert_eq!(message.contains(LINK), has_link, "{name}: {message}");
        }
    }

    async fn all_who_get_the_same_words_share_one_mail(test: TestStore) {
        let house = House::new(test).await;
        let zoe = house.person("zoe@reader.example").await;
        let bob = house.person("bob@reader.example").await;
        let mails = "select cast(count(*) as text) from mails";
        for (kind, ..) in all() {
            house.notify(zoe, "zoe@reader.example", None, kind).await;
        }
        assert_eq!(text(&house.test, mails).await, "10");
        // As after a restart.
        let House { test, people, .. } = house;
        let again = House { people, ..House::new(test).await };
        for (kind, ..) in all() {
            again.notify(bob, "bob@reader.example", None, kind).await;
        }
        assert_eq!(text(&again.test, mails).await, "10");
        again.notify(bob, "bob@reader.example", Some("de"), NoticeKind::AddressChanged).await;
        assert_eq!(text(&again.test, mails).await, "11");
    }

    async fn a_confirmation_names_every_digest_and_topic_that_was_chosen(test: TestStore) {
        let house = House::new(test).await;
        let zoe = house.person("zoe@reader.example").await;
        let topics = Topics::Only(BTreeSet::from(["features".to_owned(), "news".to_owned()]));
        let choice = vec![Chosen { digest: "weekly".to_owned(), topics }, whole("jobs")];
        house.notify(zoe, "zoe@reader.example", None, confirm(choice, false)).await;
        let message = house.latest("zoe@reader.example").await;
        assert!(message.contains("Early Help Weekly: Features, News\nJobs & Posts\n"), "{message}");
    }

    async fn nobody_waits_for_a_letter_that_the_operators_template_fails_on_and_the_operator_is_told(test: TestStore) {
        let own = "{% extends 'builtin/confirmation.txt' %}{% block more %}My own end.\n\
                   {% for item in letter.items %}{% if item is containing(pat='Jobs') %}{{ item | int }}{% endif %}{% endfor %}{% endblock %}";
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("confirmation.txt"), own).unwrap();
        let mut house = House::with(test, Renderer::new(Some(folder.path())).unwrap()).await;
        let (alerts, mut raised) = Alerts::new();
        house.notices = house.notices.with_alerts(alerts);
        let (zoe, bob) = (house.person("zoe@reader.example").await, house.person("bob@reader.example").await);
        let mut asked = async |subscriber: i64, email: &str, digests: &[&str]| {
            house.notify(subscriber, email, None, confirm(digests.iter().map(|digest| whole(digest)).collect(), false)).await;
            let told: Vec<_> = std::iter::from_fn(|| raised.try_recv().ok()).collect();
            (house.latest(email).await, told)
        };
        let (message, told) = asked(zoe, "zoe@reader.example", &["weekly"]).await;
        assert!(message.contains(LINK) && message.contains("My own end."), "{message}");
        assert_eq!(told, []);
        for (subscriber, email, warnings) in [(zoe, "zoe@reader.example", 1), (bob, "bob@reader.example", 0)] {
            let (message, told) = asked(subscriber, email, &["weekly", "jobs"]).await;
            assert!(message.contains(LINK) && message.contains("\nJobs & Posts\n"), "{message}");
            assert!(!message.contains("My own end."), "{message}");
            assert_eq!(told.len(), warnings, "{told:?}");
            for alert in told {
                assert_eq!((alert.key.as_str(), alert.once), ("template:confirmation:weekly", false));
                assert!(alert.text.contains("confirmation.txt:2: "), "{}", alert.text);
            }
        }
    }

    async fn a_confirmation_says_how_long_its_link_works_and_when_the_request_is_forgotten(test: TestStore) {
        let house = House::new(test).await;
        let zoe = house.person("zoe@reader.example").await;
        for (reminder, locale, link, forgotten) in [
            (false, None, "The link works for 7 days.", "forget the request after 30 days"),
            (true, None, "The link works for 7 days.", "forget the request after 30 days"),
            (false, Some("de"), "Der Link gilt 7 Tage.", "vergessen die Anfrage nach 30 Tagen"),
        ] {
            house.notify(zoe, "zoe@reader.example", locale, confirm(vec![whole("weekly")], reminder)).await;
            let message = house.latest("zoe@reader.example").await.replace('\n', " ");
            assert!(message.contains(link) && message.contains(forgotten), "{message}");
        }
    }

    async fn a_notice_of_a_digest_that_is_gone_is_an_error_and_queues_nothing(test: TestStore) {
        let house = House::new(test).await;
        let zoe = house.person("zoe@reader.example").await;
        let notice = Notice {
            subscriber: zoe,
            address: address("zoe@reader.example"),
            locale: None,
            digest: "gone".to_owned(),
            kind: NoticeKind::AddressChanged,
        };
        let mut session = house.test.store.write(Durability::Full).await.unwrap();
        house.notices.notify(&mut session, &notice).await.unwrap_err();
        session.commit().await.unwrap();
        assert_eq!(text(&house.test, "select cast(count(*) as text) from deliveries").await, "0");
    }

    async fn a_welcome_has_the_stories_of_the_latest_issue_that_are_of_their_topics(test: TestStore) {
        let house = House::new(test).await;
        let zoe = house.person("zoe@reader.example").await;
        execute(
            &house.test,
            "insert into articles (source, guid, url, canonical, title, excerpt, topic, first_seen_at, updated_at)
             values ('news', 'g', 'u', 'c', 't', '', 'news', 0, 0)",
        )
        .await;
        // The last one failed for everybody, and has no page.
        for (number, state, first_sent_at) in
            [(1, "sent", "1"), (2, "sent", "1"), (3, "cancelled", "1"), (4, "sent", "null")]
        {
            execute(&house.test, &format!(
                "insert into issues (public_id, digest, issue_key, number, state, subject, issue_date, composed_at, layout_after, recipients,
                                     first_sent_at)
                 values ('{}', 'weekly', 'k{number}', {number}, '{state}', 's', '2026-11-16', {}, 0, 0, {first_sent_at})",
                PublicId::new(&SystemRandom), MONDAY.0,
            )).await;
            for (position, topic) in ["news", "features"].iter().enumerate() {
                execute(&house.test, &format!(
                    "insert into issue_articles (issue_id, digest, article_id, canonical, position, listed, topic, source, url, title, excerpt)
                     select i.id, 'weekly', 1, 'c{number}{position}', {position}, 0, '{topic}', 'Desk',
                            'https://northfold.example/{number}/{topic}', 'Story {number} of {topic}', '' from issues i where i.number = {number}"
                )).await;
            }
        }
        house.notify(zoe, "zoe@reader.example", None, NoticeKind::Welcome).await;
        let message = house.latest("zoe@reader.example").await;
        assert!(message.contains("Story 2 of news\nhttps://northfold.example/2/news?utm_source=post"), "{message}");
        assert!(message.contains("Read this issue on the web:\nhttps://post.northfold.example/archive/weekly/2"), "{message}");
        assert!(message.contains("Story 2 of features"), "{message}");
        assert!(!["Story 1", "Story 3", "Story 4"].iter().any(|other| message.contains(other)), "{message}");

        let mut session = house.test.store.write(Durability::Full).await.unwrap();
        let only_features = SubscriptionRow {
            subscriber_id: zoe,
            digest: "weekly".to_owned(),
            state: SubscriptionState::Active,
            topics: "features".to_owned(),
            paused_until: None,
            created_at: MONDAY,
            left_at: None,
        };
        session.put_subscription(&only_features).await.unwrap();
        session.commit().await.unwrap();
        house.notify(zoe, "zoe@reader.example", None, NoticeKind::Welcome).await;
        let message = house.latest("zoe@reader.example").await;
        assert!(message.contains("Story 2 of features") && !message.contains("Story 2 of news"), "{message}");
    }
}
