//! Pausing a digest, and ending the pause: what it stops, what it does not, and what comes again.

use std::time::Duration;

use postround::subscribers::{
    DigestClaim, ImportBasis, JoinRequest, Leave, NoticeKind, Origin, Subscribers, SuppressionReason,
};

use super::{ANN, URL, import, public_id};
use crate::support::household::{Asked, address, confirmed, execute, notices, somebody, subscribers, text};
use crate::support::{TestStore, on_both};

const WEEK: Duration = Duration::from_secs(7 * 86_400);
const DELIVERIES: &str =
    "select m.subject || ' ' || d.state from deliveries d join mails m on m.id = d.mail_id order by 1";

/// Queues to everybody one mail of an issue that is in that state, and a correction of it.
async fn queue(store: &TestStore, issue: &str, state: &str) {
    execute(store, &format!(
        "insert into issues (public_id, digest, issue_key, state, subject, issue_date, composed_at, layout_after, recipients)
             values ('{issue}', 'weekly', '{issue}', '{state}', '', '', 0, 0, 1);
         insert into mails (issue_id, kind, topics, locale, subject, html, body_text, mime, marker, salt, created_at)
             select id, kind, '*', '', '{issue} ' || kind, '', '', '', '', '', 0 from issues,
                 (select 'digest' as kind union all select 'correction') k where public_id = '{issue}';
         insert into corrections (issue_id, fingerprint, mail_id, layout_after, created_at)
             select issue_id, '{issue}', id, 0, 0 from mails where subject = '{issue} correction';
         insert into deliveries (mail_id, issue_id, correction_id, kind, digest, subscriber_id, address, name, state, priority,
             due_at, first_due_at, attempts)
         select m.id, case when m.kind = 'digest' then m.issue_id end, c.id, m.kind, 'weekly', s.id, s.email, '', 'queued', 0,
                0, 0, 0
             from mails m left join corrections c on c.mail_id = m.id, subscribers s where m.subject like '{issue} %'"))
    .await;
}

async fn pause(subscribers: &Subscribers, store: &TestStore, weeks: u32) {
    let claim = DigestClaim { subscriber: public_id(store).await, digest: "weekly".to_owned() };
    let until = (weeks > 0).then(|| subscribers.now().plus(WEEK * weeks));
    subscribers.choose(&claim, None, until, Origin::PAGE).await.unwrap();
}

/// Until when the retries of what is queued are counted from.
async fn first_due(store: &TestStore) -> String {
    text(store, "select distinct cast(first_due_at as text) from deliveries where state = 'queued'").await
}

on_both! {
    async fn a_pause_stops_the_issue_and_not_its_correction_and_ending_it_brings_back_the_issue(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly"]).await;
        queue(&store, "a", "sending").await;
        queue(&store, "b", "sent").await;
        execute(&store, "update deliveries set state = 'sent' where kind = 'correction' and mail_id in
                             (select id from mails where subject = 'b correction')").await;
        pause(&subscribers, &store, 4).await;
        let stopped = "a correction queued\na digest cancelled\nb correction sent\nb digest cancelled";
        assert_eq!(text(&store, DELIVERIES).await, stopped);
        clock.advance(Duration::from_secs(60));
        pause(&subscribers, &store, 8).await;
        assert_eq!(text(&store, DELIVERIES).await, stopped);

        clock.advance(WEEK);
        execute(&store, "update deliveries set state = 'sent' where kind = 'correction'").await;
        pause(&subscribers, &store, 0).await;
        let again = "a correction sent\na digest queued\nb correction sent\nb digest cancelled";
        assert_eq!(text(&store, DELIVERIES).await, again, "of an issue that is still being sent");
        assert_eq!(first_due(&store).await, subscribers.now().0.to_string(), "the pause does not count as days of trying");
        let heard = tokio::time::timeout(Duration::from_secs(5), subscribers.store().queued()).await;
        assert!(heard.is_ok(), "whoever delivers here hears of it");
    }

    async fn undoing_a_leaving_brings_back_corrections_too_and_what_a_pause_had_stopped_stays_until_it_is_ended(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly"]).await;
        queue(&store, "a", "sending").await;
        pause(&subscribers, &store, 4).await;
        queue(&store, "b", "sending").await;
        queue(&store, "c", "sent").await;
        execute(&store, "update issues set folded_at = 1 where public_id = 'c'").await;
        clock.advance(Duration::from_secs(60));
        let asked = Asked::default();
        let id = public_id(&store).await;
        let goodbye = subscribers.say_goodbye(&id, "weekly", Leave::All, Origin::PAGE, &asked).await.unwrap();
        assert_eq!(text(&store, "select distinct state from deliveries").await, "cancelled");
        let claim = subscribers.tokens().verify_undo(goodbye.way.unwrap().as_str(), subscribers.now()).unwrap();
        clock.advance(Duration::from_secs(60));
        subscribers.undo(&claim, "", Origin::PAGE).await.unwrap();
        let corrections = "a correction queued\na digest cancelled\nb correction queued\nb digest cancelled\n\
                           c correction cancelled\nc digest cancelled";
        assert_eq!(text(&store, DELIVERIES).await, corrections);
        assert_eq!(first_due(&store).await, subscribers.now().0.to_string());
        clock.advance(Duration::from_secs(60));
        pause(&subscribers, &store, 0).await;
        assert_eq!(text(&store, DELIVERIES).await, corrections.replace("a digest cancelled", "a digest queued"));
    }

    async fn a_file_that_says_that_somebody_has_paused_stops_the_issue_and_not_its_correction(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly"]).await;
        queue(&store, "a", "sending").await;
        let file = |state: &str| format!("email,subscriptions\n{ANN},weekly=* {state}\n");
        let basis = ImportBasis::Confirmed("a list");
        import(&store, &subscribers, file("paused until=2027-06-01").as_bytes(), basis, false).await;
        assert_eq!(text(&store, DELIVERIES).await, "a correction queued\na digest cancelled");
        import(&store, &subscribers, file("left").as_bytes(), basis, false).await;
        assert_eq!(text(&store, DELIVERIES).await, "a correction cancelled\na digest cancelled");
    }

    async fn ending_a_pause_that_a_file_had_brings_back_what_it_stopped_and_not_what_a_file_ended(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly", "jobs"]).await;
        queue(&store, "a", "sending").await;
        let basis = ImportBasis::Confirmed("a list");
        let file = format!("email,subscriptions\n{ANN},weekly=* paused until=2027-06-01\n");
        import(&store, &subscribers, file.as_bytes(), basis, false).await;
        clock.advance(Duration::from_secs(60));
        pause(&subscribers, &store, 0).await;
        assert_eq!(text(&store, DELIVERIES).await, "a correction queued\na digest queued");
        let said = "select event || ' ' || evidence from consent_events where digest = 'weekly' and event = 'imported'";
        assert_eq!(text(&store, said).await, "imported paused until 2027-06-01T00:00:00Z");
        clock.advance(Duration::from_secs(60));
        let file = format!("email,subscriptions\n{ANN},weekly=* left\n");
        import(&store, &subscribers, file.as_bytes(), basis, false).await;
        execute(&store, "update subscriptions set state = 'active', left_at = null").await;
        for weeks in [2, 0] {
            clock.advance(Duration::from_secs(60));
            pause(&subscribers, &store, weeks).await;
        }
        assert_eq!(text(&store, DELIVERIES).await, "a correction cancelled\na digest cancelled");
    }

    async fn of_two_ends_of_a_pause_the_later_one_counts(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly"]).await;
        pause(&subscribers, &store, 4).await;
        let until = "select cast(paused_until as text) from subscriptions";
        let own = text(&store, until).await;
        let file = async |until: &str| {
            let file = format!("email,subscriptions\n{ANN},weekly=* paused until={until}\n");
            let report = import(&store, &subscribers, file.as_bytes(), ImportBasis::Confirmed("a list"), false).await;
            (report.updated, report.unchanged)
        };
        assert_eq!((file("2026-12-01").await, text(&store, until).await), ((0, 1), own), "their own ends later");
        assert_eq!((file("2027-06-01").await, text(&store, until).await), ((1, 0), "1811808000000".to_owned()));
        assert_eq!(file("2027-06-01").await, (0, 1));
    }

    async fn a_row_that_is_paused_and_says_not_until_when_is_refused_with_its_line(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let file = format!("email,subscriptions\n{ANN},weekly=* paused until=2027-06-01\nben@northfold.example,jobs=*; weekly=* paused\n");
        let report = import(&store, &subscribers, file.as_bytes(), ImportBasis::Confirmed("a list"), true).await;
        assert_eq!((report.added, report.refused.len(), report.refused[0].line), (1, 1, 3));
        let reason = "`weekly=* paused` does not say until when it is paused";
        assert!(report.refused[0].reason.starts_with(reason), "{}", report.refused[0].reason);
    }

    async fn whoever_signs_up_for_what_they_have_paused_is_told_until_when(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly", "jobs"]).await;
        let notices = notices(&subscribers);
        let request = JoinRequest {
            address: address(ANN), name: String::new(), locale: None, choice: somebody(ANN, &["jobs", "weekly"]).choice,
            wording: String::new(),
        };
        pause(&subscribers, &store, 4).await;
        let told = async || {
            execute(&store, "delete from notice_slots").await;
            subscribers.join(&request, Origin::PAGE, &notices).await.unwrap();
            let told = "select m.digest || ': ' || m.subject || ' ' || m.body_text from deliveries d join mails m on m.id = d.mail_id
                        where d.kind = 'subscribed' order by d.id desc limit 1";
            text(&store, told).await.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        let mail = told().await;
        assert!(mail.starts_with("weekly: Early Help Weekly is paused"), "{mail}");
        for (digest, answer) in [("Early Help Weekly", "You are subscribed to it, and it is paused until 21 December 2026."), ("Jobs & Posts", "It comes to you already")] {
            assert!(mail.contains(&format!("send {digest} to")) && mail.contains(answer), "{mail}");
        }
        execute(&store, "update subscriptions set state = 'paused', paused_until = (select max(paused_until) from subscriptions)").await;
        let mail = told().await;
        assert!(mail.starts_with("jobs: Jobs & Posts and Early Help Weekly are paused"), "{mail}");
        assert!(mail.contains("to them, and they are paused until 21 December 2026") && !mail.contains("to you already"), "{mail}");
        clock.advance(WEEK * 4);
        let mail = told().await;
        assert!(mail.starts_with("jobs: You already get Jobs & Posts and Early Help Weekly"), "{mail}");
        assert!(mail.contains("They come to you already") && !mail.contains("paused"), "{mail}");
    }

    async fn whom_an_operator_adds_to_one_more_digest_is_told_of_the_pause_that_stays(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly"]).await;
        pause(&subscribers, &store, 4).await;
        let until = Some(subscribers.now().plus(WEEK * 4));
        let told = async || {
            let asked = Asked::default();
            subscribers.add(&somebody(ANN, &["weekly", "jobs"]), Origin::COMMAND_LINE, &asked).await.unwrap();
            let mail = asked.0.into_inner().unwrap().remove(0);
            let NoticeKind::Confirm { pauses, .. } = mail.kind else { panic!("{mail:?}") };
            pauses.until("weekly")
        };
        assert_eq!(told().await, until);
        // A confirmation that lifts a suppression starts anew.
        subscribers.suppress(&address(ANN), SuppressionReason::Bounced, "", Origin::RELAY).await.unwrap();
        clock.advance(Duration::from_secs(60));
        assert_eq!(told().await, None);
    }
}
