//! Warnings to the operator: by mail, by webhook, and the dead man's switch.

mod posting;

use std::sync::Arc;
use std::time::Duration;

use postround::alerts::{Alert, Alerts, Poster, Teller, Watch};
use postround::config::{Config, Secret};
use postround::domain::{PublicId, SystemRandom};
use postround::render::{HTML_LIMIT, Renderer};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::household::{address, config, execute, text};
use crate::support::{MONDAY, TestClock, TestStore, on_both};

const QUICK: [Duration; 2] = [Duration::from_millis(1); 2];

struct Office {
    test: TestStore,
    config: Arc<Config>,
    clock: Arc<TestClock>,
    hook: MockServer,
}

impl Office {
    async fn new(test: TestStore) -> Self {
        let hook = MockServer::start().await;
        let mut config = config(&test, "https://post.northfold.example");
        config.alerts.email = Some(address("ops@northfold.example"));
        config.alerts.webhook = Some(Secret::new(format!("{}/secret", hook.uri())));
        config.digests[0].ping_url = Some(Secret::new(format!("{}/ping", hook.uri())));
        Self { test, config: config.into(), clock: Arc::new(TestClock::at(MONDAY)), hook }
    }

    fn teller(&self) -> Teller {
        Teller {
            raised: Alerts::new().1,
            config: self.config.clone(),
            store: self.test.store.clone(),
            renderer: Arc::new(Renderer::new(None).unwrap()),
            poster: Poster::with_pauses(&QUICK).unwrap(),
            clock: self.clock.clone(),
            random: Arc::new(SystemRandom),
        }
    }

    async fn tell(&self, key: &str, once: bool) {
        let alert = Alert {
            key: key.to_owned(),
            subject: "The relay is gone".to_owned(),
            text: "It said no to zoe@reader.example\nIt is tried again.".to_owned(),
            once,
        };
        self.teller().tell(&alert).await;
    }

    async fn mailed(&self) -> String {
        text(&self.test, "select kind || ' ' || address || ' ' || state from deliveries order by id").await
    }

    async fn posted(&self) -> Vec<serde_json::Value> {
        let requests = self.hook.received_requests().await.unwrap();
        let posts = requests.iter().filter(|request| request.method.as_str() == "POST");
        posts.map(|request| serde_json::from_slice(&request.body).unwrap()).collect()
    }

    async fn pings(&self) -> usize {
        self.hook.received_requests().await.unwrap().iter().filter(|request| request.url.path() == "/ping").count()
    }

    async fn answers(&self, status: u16, times: u64) {
        let answer = ResponseTemplate::new(status);
        Mock::given(method("POST"))
            .and(path("/secret"))
            .respond_with(answer)
            .up_to_n_times(times)
            .mount(&self.hook)
            .await;
    }

    async fn issue(&self, number: i64, state: &str, reason: &str) -> i64 {
        let id = PublicId::new(&SystemRandom);
        execute(&self.test, &format!(
            "insert into issues (public_id, digest, issue_key, number, state, reason, subject, issue_date, scheduled_at, composed_at,
                                 finished_at, layout_after, recipients)
             values ('{id}', 'weekly', 'k{number}', {number}, '{state}', '{reason}', 's', '2026-11-23', 1, {0}, {0}, 0, 0)",
            MONDAY.0
        )).await;
        text(&self.test, "select cast(max(id) as text) from issues").await.parse().unwrap()
    }
}

/// What a watch raises at one look.
async fn seen(office: &Office) -> Vec<Alert> {
    let (alerts, mut raised) = Alerts::new();
    let poster = Poster::with_pauses(&QUICK).unwrap();
    let mut watch = Watch::new(office.config.clone(), office.test.store.clone(), poster, office.clock.clone(), alerts);
    watch.look().await.unwrap();
    watch.look().await.unwrap();
    let mut seen = Vec::new();
    while let Ok(alert) = raised.try_recv() {
        seen.push(alert);
    }
    seen
}

on_both! {
    async fn a_warning_is_mailed_and_posted_and_names_nobody(test: TestStore) {
        let office = Office::new(test).await;
        office.answers(204, 10).await;
        office.tell("relay", false).await;
        assert_eq!(office.mailed().await, "alert ops@northfold.example queued");
        let posted = office.posted().await;
        assert_eq!(posted, [serde_json::json!({
            "key": "relay", "subject": "The relay is gone", "text": "It said no to (an address)\nIt is tried again.",
            "instance": "https://post.northfold.example", "at": "2026-11-23T08:00:00Z",
        })]);
        let mail = text(&office.test, "select subject || body_text || mime from mails").await;
        assert!(mail.contains("Postround: The relay is gone") && mail.contains("It is tried again."), "{mail}");
        assert!(!mail.contains("zoe@") && !mail.contains("List-Unsubscribe"), "{mail}");
    }

    async fn the_same_warning_comes_at_most_once_an_hour_whatever_process_raises_it(test: TestStore) {
        let office = Office::new(test).await;
        office.answers(204, 10).await;
        for _ in 0..3 {
            office.tell("relay", false).await;
            office.tell("held:1", true).await;
        }
        assert_eq!(office.posted().await.len(), 2);
        office.clock.advance(Duration::from_secs(3601));
        office.tell("relay", false).await;
        office.tell("held:1", true).await;
        assert_eq!(office.posted().await.len(), 3);
    }

    async fn a_warning_that_was_given_while_the_clock_was_ahead_mutes_no_other_when_it_is_set_right(test: TestStore) {
        let office = Office::new(test).await;
        office.answers(204, 10).await;
        let year = Duration::from_secs(365 * 24 * 3600);
        let tell = async || {
            office.tell("relay", false).await;
            office.tell("held:1", true).await;
            office.posted().await.len()
        };
        office.clock.advance(year);
        assert_eq!(tell().await, 2);
        office.clock.set_back(Duration::from_secs(5));
        assert_eq!(tell().await, 2, "another node's clock may be a little behind");
        office.clock.set_back(year);
        assert_eq!(tell().await, 3, "what is told once for all stays told");
        assert_eq!(tell().await, 3);
    }

    async fn a_warning_that_is_told_once_is_mailed_when_the_store_takes_it_again(test: TestStore) {
        let office = Office::new(test).await;
        office.answers(204, 10).await;
        let (alerts, raised) = Alerts::new();
        let mut teller = Teller { raised, ..office.teller() };
        let run = tokio::spawn(async move { teller.run().await });
        execute(&office.test, "alter table alerts rename to gone").await;
        alerts.raise_once("held:1", "An issue is held", "Issue 1 waits.");
        while office.posted().await.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        execute(&office.test, "alter table gone rename to alerts").await;
        alerts.raise("relay", "The relay is gone", "It says nothing.");
        drop(alerts);
        run.await.unwrap();
        let subjects = text(&office.test, "select subject from mails order by subject").await;
        assert_eq!(subjects, "Postround: An issue is held\nPostround: The relay is gone");
        assert_eq!(office.posted().await.len(), 2, "each is posted once");
    }

    async fn held_missed_long_and_shortened_issues_and_dead_sources_are_told_once(test: TestStore) {
        let office = Office::new(test).await;
        assert_eq!(seen(&office).await, []);
        office.issue(1, "held", "too many failures").await;
        office.issue(2, "skipped", postround::compose::MISSED).await;
        office.issue(3, "skipped", "nothing is new").await;
        let long = office.issue(4, "sent", "").await;
        execute(&office.test, &format!(
            "insert into mails (issue_id, kind, digest, topics, locale, subject, html, body_text, mime, marker, salt, created_at)
             values ({long}, 'digest', 'weekly', '*', 'en-GB', 's', '{}', '', '', '', '', 0)", "ä".repeat(45_000),
        )).await;
        let shortened = office.issue(5, "sent", "").await;
        let note = "update issues set shortened = '9 titles are left out', shortened_by = 7 where id =";
        execute(&office.test, &format!("{note} {shortened}")).await;
        let told = seen(&office).await;
        let keys: Vec<&str> = told.iter().map(|alert| alert.key.as_str()).collect();
        let first = long - 3;
        let expected = [("held", first, ""), ("long", long, ""), ("shortened", shortened, ":7"), ("missed", first + 1, "")];
        assert_eq!(keys, expected.map(|(what, issue, how)| format!("{what}:{issue}{how}")));
        assert!(told[2].text.contains("9 titles are left out"), "{told:?}");
    }

    async fn a_warning_is_mailed_however_long_it_is_and_keeps_what_it_is_about_and_the_remedy(test: TestStore) {
        let office = Office::new(test).await;
        let said = "<\"&>".repeat(500);
        let lines = (1..=500).map(|line| format!("line {line}: {said}")).collect::<Vec<_>>().join("\n");
        let long = format!("It said no: {said}\n{lines}\nTry `postround doctor`.");
        let alert = Alert { key: "k".to_owned(), subject: format!("No: {said}"), text: long, once: true };
        office.teller().tell(&alert).await;
        assert_eq!(office.mailed().await, "alert ops@northfold.example queued");
        let mail = text(&office.test, "select html from mails").await;
        assert!(mail.len() <= HTML_LIMIT, "{} octets", mail.len());
        for kept in ["It said no: ", "line 1: ", "The log has the rest of it.", "postround doctor"] {
            assert!(mail.contains(kept), "{kept} is not in {mail}");
        }
    }

    async fn a_warning_that_the_operators_template_fails_on_is_mailed_by_the_built_in_one(test: TestStore) {
        let office = Office::new(test).await;
        let folder = tempfile::tempdir().unwrap();
        let own = "{% extends \"builtin/alert.txt\" %}{% block more %}\
                   {% if letter.heading is containing(pat='relay') %}{{ letter.text[9] }}{% endif %}{% endblock %}";
        std::fs::write(folder.path().join("alert.txt"), own).unwrap();
        let renderer = Arc::new(Renderer::new(Some(folder.path())).unwrap());
        let alert = Alert {
            key: "relay".to_owned(),
            subject: "The relay is gone".to_owned(),
            text: "It is tried again.".to_owned(),
            once: true,
        };
        Teller { renderer, ..office.teller() }.tell(&alert).await;
        assert_eq!(office.mailed().await, "alert ops@northfold.example queued");
        let mail = text(&office.test, "select subject || body_text from mails").await;
        assert!(mail.contains("Postround: The relay is gone") && mail.contains("It is tried again."), "{mail}");
    }

    async fn periods_that_were_missed_together_are_told_in_one_warning_that_names_each(test: TestStore) {
        let office = Office::new(test).await;
        for (number, reason) in [(1, postround::compose::MISSED), (2, postround::compose::OVERTAKEN), (3, postround::compose::HELD)] {
            let issue = office.issue(number, "skipped", reason).await;
            let at = MONDAY.plus(Duration::from_secs(3600) * u32::try_from(number).unwrap()).0;
            execute(&office.test, &format!("update issues set scheduled_at = {at} where id = {issue}")).await;
        }
        let told = seen(&office).await;
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].subject, "2 periods of weekly were missed");
        for time in ["Mon 23 Nov 2026 09:00 GMT", "Mon 23 Nov 2026 10:00 GMT"] {
            assert!(told[0].text.contains(time), "{time} is not in {}", told[0].text);
        }
        let later = office.issue(4, "skipped", postround::compose::MISSED).await;
        execute(&office.test, &format!("update issues set composed_at = composed_at + 1 where id = {later}")).await;
        let told = seen(&office).await;
        assert_eq!(told.iter().map(|alert| alert.subject.as_str()).collect::<Vec<_>>(),
            ["2 periods of weekly were missed", "A period of weekly was missed"]);
    }

    async fn nodes_that_go_by_different_schedules_are_told_of_when_it_lasts(test: TestStore) {
        let office = Office::new(test).await;
        let minute = Duration::from_secs(60);
        // A node's schedule, since when it has had it, and when it looked last; in minutes from now.
        let schedules = async |rows: &[(&str, u32, u32)]| {
            execute(&office.test, "delete from digest_schedules").await;
            for (schedule, since, seen) in rows {
                let (since, seen) = (MONDAY.minus(minute * *since).0, MONDAY.minus(minute * *seen).0);
                execute(&office.test, &format!("insert into digest_schedules (digest, schedule, since, seen_at)
                    values ('weekly', '{schedule} Europe/London', {since}, {seen})")).await;
            }
            seen(&office).await
        };
        assert_eq!(schedules(&[("0 8 * * MON", 9000, 8000)]).await, []);
        assert_eq!(schedules(&[("0 8 * * MON", 9000, 1), ("0 9 * * MON", 5, 0)]).await, [], "they are being reloaded");
        assert_eq!(schedules(&[("0 8 * * MON", 9000, 30), ("0 9 * * MON", 30, 0)]).await, [], "one has gone");
        let told = schedules(&[("0 8 * * MON", 9000, 1), ("0 9 * * MON", 30, 0)]).await;
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].once && told[0].text.contains("0 8 * * MON") && told[0].text.contains("0 9 * * MON"), "{told:?}");
    }

    async fn an_issue_that_is_held_again_is_told_of_again(test: TestStore) {
        let office = Office::new(test).await;
        let held = office.issue(1, "held", "too many failures").await;
        let keys = async || seen(&office).await.into_iter().map(|alert| alert.key).collect::<Vec<_>>();
        for key in [format!("held:{held}"), format!("held:{held}:2")] {
            execute(&office.test, &format!(
                "insert into issue_events (issue_id, event, at, actor) values ({held}, 'held', 1, 'postround')"
            )).await;
            assert_eq!(keys().await, [key]);
        }
    }

    async fn an_issue_is_told_of_once_for_as_long_as_it_is_not_known_what_arrived_of_it_or_of_its_corrections(test: TestStore) {
        let office = Office::new(test).await;
        let (alerts, mut raised) = Alerts::new();
        let poster = Poster::with_pauses(&QUICK).unwrap();
        let (config, store) = (office.config.clone(), office.test.store.clone());
        let mut watch = Watch::new(config, store, poster, office.clock.clone(), alerts);
        let (sending, sent) = (office.issue(1, "sending", "").await, office.issue(2, "sent", "").await);
        execute(&office.test, &format!(
            "insert into mails (kind, topics, locale, subject, html, body_text, mime, marker, salt, created_at)
             values ('digest', '*', 'en-GB', 's', '', '', '', '', '', 0);
             insert into corrections (issue_id, fingerprint, mail_id, layout_after, created_at)
             select {sent}, 'f', max(id), 0, 0 from mails"
        )).await;
        let started = async |at: i64, issue: Option<i64>, kind: &str| {
            let (issue, correction) = match issue {
                Some(issue) => (issue.to_string(), "null"),
                None => ("null".to_owned(), "(select max(id) from corrections)"),
            };
            execute(&office.test, &format!(
                "insert into deliveries (mail_id, issue_id, correction_id, kind, address, name, state, priority, due_at, first_due_at,
                                         attempts, started_at)
                 select max(id), {issue}, {correction}, '{kind}', 'a@b.example', '', 'uncertain', 1, 0, 0, 1, {at} from mails"
            )).await;
        };
        let ended = async |at: i64| {
            execute(&office.test, &format!("update deliveries set state = 'sent' where started_at = {at}")).await;
        };
        let mut keys = async || {
            watch.look().await.unwrap();
            watch.look().await.unwrap();
            std::iter::from_fn(|| raised.try_recv().ok()).map(|alert| alert.key).collect::<Vec<_>>()
        };
        started(7, Some(sending), "digest").await;
        started(8, None, "correction").await;
        assert_eq!(keys().await, [format!("uncertain:{sending}:7"), format!("uncertain:{sent}:8")]);
        started(9, Some(sending), "digest").await;
        ended(7).await;
        ended(8).await;
        assert!(keys().await.is_empty(), "there are some still, or none any more");
        ended(9).await;
        assert!(keys().await.is_empty());
        started(10, Some(sending), "digest").await;
        assert_eq!(keys().await, [format!("uncertain:{sending}:10")], "others");
    }

    async fn a_period_that_is_skipped_for_nothing_new_is_told_of_only_when_a_source_of_it_fails(test: TestStore) {
        let mut office = Office::new(test).await;
        let mut config = (*office.config).clone();
        config.digests[0].sources = vec!["news".to_owned()];
        office.config = config.into();
        office.issue(1, "skipped", "nothing is new").await;
        office.issue(2, "skipped", postround::compose::HELD).await;
        assert_eq!(seen(&office).await, []);
        for (source, failures) in [("news", 3), ("elsewhere", 9)] {
            execute(&office.test, &format!(
                "insert into sources (source, url, status, failures) values ('{source}', 'https://x.example/', 'failed', {failures})"
            )).await;
        }
        let told = seen(&office).await;
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].key.starts_with("skipped:") && told[0].text.contains("This cannot be read: news."), "{told:?}");
    }

    async fn the_switch_is_called_once_for_each_finished_or_skipped_period(test: TestStore) {
        let office = Office::new(test).await;
        Mock::given(path("/ping")).respond_with(ResponseTemplate::new(500)).up_to_n_times(1).mount(&office.hook).await;
        Mock::given(path("/ping")).respond_with(ResponseTemplate::new(200)).mount(&office.hook).await;
        office.issue(1, "sent", "").await;
        seen(&office).await;
        assert_eq!(office.pings().await, 2, "once more after the failure");
        seen(&office).await;
        assert_eq!(office.pings().await, 2);
        office.issue(2, "skipped", "nothing is new").await;
        office.issue(3, "sending", "").await;
        seen(&office).await;
        assert_eq!(office.pings().await, 3);
        office.issue(4, "cancelled", "somebody did").await;
        office.issue(5, "held", "somebody did").await;
        seen(&office).await;
        assert_eq!(office.pings().await, 4, "a cancelled period is over, a held one is not");
    }
}
