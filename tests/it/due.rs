//! The schedule as the daemon keeps it: each period once, nothing of the past, nothing that is too late.

use std::sync::Arc;
use std::time::Duration;

use postround::app::App;
use postround::config::Digest;
use postround::domain::{EmailAddress, IssueState, UtcMillis};
use postround::schedule::Holidays;
use postround::store::IssueRow;
use postround::subscribers::{NewSubscriber, Origin, resolve_choice};

use crate::support::program::Program;
use crate::support::site::story;
use crate::support::{MONDAY, TestClock, TestStore, on_both};

const HOUR: Duration = Duration::from_secs(3600);
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

/// A weekly digest, due on Mondays at 8 in London, with a reader and an article; the clock at some moment.
async fn weekly(store: &TestStore, now: UtcMillis) -> (Program, App, Arc<TestClock>) {
    let program = Program::on(store).await;
    program.site.publish(story("hubs", "Family hubs win an extra year", "2026-11-18"));
    let clock = Arc::new(TestClock::at(now));
    let app = program.app(clock.clone()).await;
    let new = NewSubscriber {
        address: EmailAddress::parse("ana@northfold.example").unwrap(),
        name: String::new(),
        locale: None,
        choice: resolve_choice(&app.config, &[], &[]).unwrap(),
    };
    app.subscribers().add_confirmed(&new, "on paper", Origin::COMMAND_LINE).await.unwrap();
    (program, app, clock)
}

/// The same app with its digest changed.
fn with(app: &App, change: impl FnOnce(&mut Digest)) -> App {
    let mut config = (*app.config).clone();
    change(&mut config.digests[0]);
    App { config: Arc::new(config), ..app.clone() }
}

/// Looks at the schedule as the daemon does; gives all issues there are, the newest first.
async fn look(app: &App) -> Vec<IssueRow> {
    for (digest, outcome) in app.composer().compose_due(|_| false).await {
        outcome.unwrap_or_else(|error| panic!("{digest}: {error}"));
    }
    app.store.read().await.unwrap().issues().await.unwrap()
}

on_both! {
    async fn a_fresh_install_mails_nothing_of_the_past_and_then_each_period_once(store: TestStore) {
        let (_program, app, clock) = weekly(&store, MONDAY.plus(2 * HOUR)).await;
        assert!(look(&app).await.is_empty());
        clock.advance(WEEK - 3 * HOUR);
        assert!(look(&app).await.is_empty(), "an hour before the next Monday's 8:00");
        clock.advance(HOUR + Duration::from_secs(5));
        for _ in 0..3 {
            let issues = look(&app).await;
            assert_eq!(issues.len(), 1);
            assert_eq!((issues[0].state, issues[0].scheduled_at), (IssueState::Sending, Some(MONDAY.plus(WEEK))));
        }
    }

    async fn two_daemons_compose_one_issue_for_a_period(store: TestStore) {
        let (_program, app, clock) = weekly(&store, MONDAY.minus(HOUR)).await;
        look(&app).await;
        clock.advance(HOUR + Duration::from_secs(1));
        let (_, issues) = tokio::join!(look(&app), look(&app));
        assert_eq!(issues.iter().filter(|issue| issue.state != IssueState::Skipped).count(), 1);
        assert_eq!(look(&app).await.len(), 1);
    }

    async fn a_period_missed_for_too_long_is_skipped_and_its_articles_wait(store: TestStore) {
        let (_program, app, clock) = weekly(&store, MONDAY.minus(HOUR)).await;
        look(&app).await;
        clock.advance(WEEK - 4 * 24 * HOUR);
        let issues = look(&app).await;
        assert_eq!(issues.len(), 1);
        assert_eq!(issues[0].state, IssueState::Skipped);
        assert!(issues[0].reason.as_deref().unwrap().contains("catch_up"));
        clock.advance(4 * 24 * HOUR + HOUR);
        let issues = look(&app).await;
        assert_eq!((issues.len(), issues[0].state), (2, IssueState::Sending));
        assert_eq!(issues[0].subject, "Family hubs win an extra year");
    }

    async fn a_period_missed_for_a_short_while_goes_out_late_and_a_clock_set_back_repeats_nothing(store: TestStore) {
        let (program, app, clock) = weekly(&store, MONDAY.minus(HOUR)).await;
        look(&app).await;
        clock.advance(5 * HOUR);
        assert_eq!(look(&app).await.len(), 1);
        program.site.publish(story("more", "More news", "2026-11-19"));
        let earlier = program.app(Arc::new(TestClock::at(MONDAY.plus(HOUR)))).await;
        assert_eq!(look(&earlier).await.len(), 1);
    }

    async fn a_clock_that_steps_back_and_forth_repeats_nothing_and_mails_nothing_of_before_the_first_start(store: TestStore) {
        let (_program, app, _) = weekly(&store, MONDAY.plus(2 * HOUR)).await;
        let at = |now: UtcMillis| App { clock: Arc::new(TestClock::at(now)), ..app.clone() };
        assert!(look(&app).await.is_empty());
        let day = 24 * HOUR;
        // A week on, back to before the first start, forth again, two weeks on, and to and fro around the due time.
        let steps = [WEEK + HOUR, HOUR, Duration::ZERO, WEEK + 2 * HOUR, 2 * day, 2 * WEEK + HOUR, WEEK, WEEK - HOUR, 2 * WEEK + 2 * HOUR];
        for step in steps {
            look(&at(MONDAY.plus(step))).await;
            look(&at(MONDAY.minus(3 * day).plus(step))).await;
        }
        let issues = look(&at(MONDAY.plus(2 * WEEK + 3 * HOUR))).await;
        let mut periods: Vec<_> = issues.iter().filter_map(|issue| issue.scheduled_at).collect();
        periods.sort();
        assert_eq!(periods, [MONDAY.plus(WEEK), MONDAY.plus(2 * WEEK)], "each once");
        let sent = issues.iter().filter(|issue| issue.state == IssueState::Sending).count();
        assert_eq!(sent, 1, "the one article is in the first of them, and only there");
    }

    async fn a_period_that_is_due_while_the_digest_is_held_is_skipped_and_the_next_has_its_articles(store: TestStore) {
        let (_program, app, clock) = weekly(&store, MONDAY.minus(HOUR)).await;
        look(&app).await;
        let digest = app.config.digests[0].clone();
        app.composer().hold(&digest, None).await.unwrap();
        clock.advance(HOUR + Duration::from_secs(1));
        let issues = look(&app).await;
        assert_eq!((issues.len(), issues[0].state), (1, IssueState::Skipped));
        assert!(issues[0].reason.as_deref().unwrap().contains("held"));
        assert!(app.composer().is_held(&digest).await.unwrap());
        assert!(app.composer().resume(&digest).await.unwrap());
        assert!(!app.composer().resume(&digest).await.unwrap(), "it is held no longer");
        assert_eq!(look(&app).await.len(), 1);
        clock.advance(WEEK);
        let issues = look(&app).await;
        assert_eq!((issues.len(), issues[0].state), (2, IssueState::Sending));
    }

    async fn what_was_due_in_a_hold_is_not_caught_up_by_a_daemon_that_was_not_running(store: TestStore) {
        let (_program, app, clock) = weekly(&store, MONDAY.minus(HOUR)).await;
        look(&app).await;
        app.composer().hold(&app.config.digests[0], Some(MONDAY.plus(2 * HOUR))).await.unwrap();
        clock.advance(4 * HOUR);
        let issues = look(&app).await;
        assert_eq!((issues.len(), issues[0].state), (1, IssueState::Skipped));
        clock.advance(WEEK);
        assert_eq!(look(&app).await[0].state, IssueState::Sending);
    }

    async fn on_a_holiday_the_issue_comes_on_the_next_working_day_and_a_new_calendar_repeats_nothing(store: TestStore) {
        let (program, app, clock) = weekly(&store, MONDAY.minus(HOUR)).await;
        let day_off = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:a\r\nDTSTART;VALUE=DATE:20261123\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        let day_off = Arc::new(Holidays::parse(day_off, chrono_tz::Europe::London).unwrap());
        let resting = with(&app, |digest| digest.schedule = digest.schedule.clone().with_holidays(day_off));
        look(&resting).await;
        clock.advance(3 * HOUR);
        assert!(look(&resting).await.is_empty(), "Monday is a holiday");
        clock.advance(22 * HOUR + Duration::from_secs(1));
        let issues = look(&resting).await;
        assert_eq!((issues.len(), issues[0].scheduled_at), (1, Some(MONDAY)));
        // Without the calendar the period is the same one.
        program.site.publish(story("more", "More news", "2026-11-19"));
        assert_eq!(look(&app).await.len(), 1);
    }

    async fn a_spread_issue_leaves_bit_by_bit_and_counts_as_queued(store: TestStore) {
        let (_program, app, clock) = weekly(&store, MONDAY.minus(HOUR)).await;
        for n in 0..40 {
            let new = NewSubscriber {
                address: EmailAddress::parse(&format!("reader{n}@northfold.example")).unwrap(),
                name: String::new(),
                locale: None,
                choice: resolve_choice(&app.config, &[], &[]).unwrap(),
            };
            app.subscribers().add_confirmed(&new, "on paper", Origin::COMMAND_LINE).await.unwrap();
        }
        let app = with(&app, |digest| digest.spread = 2 * HOUR);
        look(&app).await;
        clock.advance(HOUR + Duration::from_secs(1));
        let issue = look(&app).await.remove(0);
        app.composer().tend().await.unwrap();
        let mut session = app.store.read().await.unwrap();
        let totals = session.issue_totals(issue.id).await.unwrap();
        assert_eq!((totals.queued, totals.deferred), (41, 0));
        let due: Vec<UtcMillis> =
            session.issue_deliveries(issue.id, None, 0, 100).await.unwrap().iter().map(|row| row.due_at).collect();
        let end = issue.composed_at.plus(2 * HOUR);
        assert!(due.iter().all(|at| (issue.composed_at..end).contains(at)));
        let half = issue.composed_at.plus(HOUR);
        let early = due.iter().filter(|at| **at < half).count();
        assert!((10..=31).contains(&early), "{early} of 41 in the first half");
    }
}
