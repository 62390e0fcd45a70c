//! The schedule as the daemon keeps it: each period once, nothing of the past, nothing that is too late.

use std::sync::Arc;
use std::time::Duration;

use postround::app::App;
use postround::compose::{HELD, MISSED, OVERTAKEN, Occasion};
use postround::config::Digest;
use postround::domain::{Clock, EmailAddress, IssueState, UtcMillis};
use postround::schedule::{Holidays, Schedule};
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

/// The same app with another cron expression.
fn at(app: &App, cron: &str) -> App {
    with(app, |digest| digest.schedule = Schedule::parse(cron, digest.timezone()).unwrap())
}

/// The period, state and reason of each issue, the newest period first.
fn periods(issues: &[IssueRow]) -> Vec<(UtcMillis, IssueState, Option<&str>)> {
    let mut periods: Vec<_> =
        issues.iter().map(|issue| (issue.scheduled_at.unwrap(), issue.state, issue.reason.as_deref())).collect();
    periods.sort_by_key(|(at, ..)| std::cmp::Reverse(*at));
    periods
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

    async fn a_clock_that_steps_back_a_little_after_the_first_start_mails_nothing_of_before_it(store: TestStore) {
        let (_program, app, clock) = weekly(&store, MONDAY.plus(HOUR / 2)).await;
        assert!(look(&app).await.is_empty());
        clock.set_back(HOUR);
        for _ in 0..4 {
            assert!(look(&app).await.is_empty());
            clock.advance(HOUR / 2);
        }
        clock.advance(WEEK);
        assert_eq!(periods(&look(&app).await), [(MONDAY.plus(WEEK), IssueState::Sending, None)]);
    }

    async fn a_clock_that_steps_back_and_forth_repeats_nothing(store: TestStore) {
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
        // So far back, it is not the clock of the first start any more.
        assert_eq!(periods, [MONDAY, MONDAY.plus(WEEK), MONDAY.plus(2 * WEEK)], "each once");
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

    async fn what_is_late_when_a_hold_begins_is_skipped_and_goes_out_neither_in_the_hold_nor_after_it(store: TestStore) {
        let (_program, app, clock) = weekly(&store, MONDAY.minus(HOUR)).await;
        look(&app).await;
        let digest = app.config.digests[0].clone();
        clock.advance(2 * HOUR);
        app.composer().hold(&digest, None).await.unwrap();
        let issues = app.store.read().await.unwrap().issues().await.unwrap();
        assert_eq!(periods(&issues), [(MONDAY, IssueState::Skipped, Some(HELD))], "no look is needed for it");
        assert_eq!(look(&app).await.len(), 1);
        assert!(app.composer().resume(&digest).await.unwrap());
        assert_eq!(look(&app).await.len(), 1);
        clock.advance(WEEK);
        let issues = look(&app).await;
        assert_eq!((issues.len(), issues[0].state), (2, IssueState::Sending));
    }

    async fn what_a_hold_has_covered_stays_skipped_when_another_hold_follows(store: TestStore) {
        let (_program, app, clock) = weekly(&store, MONDAY.minus(HOUR)).await;
        look(&app).await;
        let digest = app.config.digests[0].clone();
        app.composer().hold(&digest, Some(MONDAY.plus(HOUR))).await.unwrap();
        clock.advance(4 * HOUR);
        app.composer().hold(&digest, None).await.unwrap();
        app.composer().resume(&digest).await.unwrap();
        assert_eq!(periods(&look(&app).await), [(MONDAY, IssueState::Skipped, Some(HELD))]);
    }

    async fn a_hold_that_comes_while_an_issue_is_composed_is_heeded(store: TestStore) {
        let (_program, app, clock) = weekly(&store, MONDAY.minus(HOUR)).await;
        look(&app).await;
        clock.advance(HOUR);
        let digest = app.config.digests[0].clone();
        let composer = app.composer();
        let reading = composer.read_for(&digest).await.unwrap();
        composer.hold(&digest, None).await.unwrap();
        // The hold has settled the period that was due; as if it had become due just after.
        let next = MONDAY.plus(WEEK);
        let composed = composer.compose_of(&digest, Occasion::Period(next), reading).await.unwrap();
        let issues = app.store.read().await.unwrap().issues().await.unwrap();
        let made = issues.iter().find(|issue| issue.id == composed.issue).unwrap();
        assert_eq!((made.state, made.reason.as_deref()), (IssueState::Skipped, Some(HELD)));
    }

    async fn a_digest_that_was_held_while_the_clock_was_ahead_is_held_all_the_same(store: TestStore) {
        let (_program, app, clock) = weekly(&store, MONDAY.minus(HOUR)).await;
        look(&app).await;
        let digest = app.config.digests[0].clone();
        clock.advance(HOUR / 2);
        app.composer().hold(&digest, None).await.unwrap();
        clock.set_back(HOUR / 4);
        assert!(app.composer().is_held(&digest).await.unwrap());
    }

    async fn all_periods_that_were_missed_are_recorded_when_the_latest_comes_late(store: TestStore) {
        let (_program, app, clock) = weekly(&store, MONDAY.minus(HOUR)).await;
        look(&app).await;
        clock.advance(2 * HOUR + 2 * WEEK);
        for _ in 0..2 {
            assert_eq!(periods(&look(&app).await), [
                (MONDAY.plus(2 * WEEK), IssueState::Sending, None),
                (MONDAY.plus(WEEK), IssueState::Skipped, Some(MISSED)),
                (MONDAY, IssueState::Skipped, Some(MISSED)),
            ]);
        }
    }

    async fn of_very_many_missed_periods_the_latest_ones_are_recorded(store: TestStore) {
        let (_program, app, clock) = weekly(&store, MONDAY.minus(HOUR)).await;
        let hourly = with(&at(&app, "@hourly"), |digest| digest.catch_up = 2 * HOUR);
        look(&hourly).await;
        clock.advance(48 * HOUR);
        let issues = look(&hourly).await;
        let reasons: Vec<_> = periods(&issues).into_iter().map(|(.., reason)| reason).collect();
        let late = [[None, Some(OVERTAKEN), Some(OVERTAKEN)].as_slice(), &[Some(MISSED); 8]].concat();
        assert_eq!(reasons, late, "one goes out, and the ten before it are recorded");
        clock.advance(HOUR);
        assert_eq!(look(&hourly).await.len(), issues.len() + 1, "what is older is not looked at again");
    }

    async fn what_was_missed_while_the_digest_was_held_was_held_and_not_missed(store: TestStore) {
        let (_program, app, clock) = weekly(&store, MONDAY.minus(HOUR)).await;
        look(&app).await;
        app.composer().hold(&app.config.digests[0], Some(MONDAY.plus(HOUR))).await.unwrap();
        clock.advance(2 * HOUR + 2 * WEEK);
        assert_eq!(periods(&look(&app).await), [
            (MONDAY.plus(2 * WEEK), IssueState::Sending, None),
            (MONDAY.plus(WEEK), IssueState::Skipped, Some(MISSED)),
            (MONDAY, IssueState::Skipped, Some(HELD)),
        ]);
    }

    async fn nodes_that_disagree_about_a_schedule_compose_each_by_its_own(store: TestStore) {
        let (program, app, clock) = weekly(&store, MONDAY.minus(2 * HOUR)).await;
        let other = at(&app, "0 9 * * MON");
        for _ in 0..24 {
            look(&app).await;
            look(&other).await;
            clock.advance(Duration::from_secs(300));
        }
        assert_eq!(clock.now(), MONDAY);
        look(&other).await;
        assert_eq!(periods(&look(&app).await), [(MONDAY, IssueState::Sending, None)]);
        program.site.publish(story("more", "More news", "2026-11-19"));
        clock.advance(HOUR);
        look(&app).await;
        assert_eq!(periods(&look(&other).await)[0], (MONDAY.plus(HOUR), IssueState::Sending, None));
    }

    async fn a_period_that_is_due_while_the_nodes_are_reloaded_one_by_one_is_not_lost(store: TestStore) {
        let (_program, app, clock) = weekly(&store, MONDAY.minus(HOUR)).await;
        let other = at(&app, "0 8 * * MON,THU");
        look(&app).await;
        clock.advance(HOUR - Duration::from_secs(5));
        look(&other).await;
        look(&app).await;
        clock.advance(Duration::from_secs(6));
        assert_eq!(periods(&look(&other).await), [(MONDAY, IssueState::Sending, None)]);
        assert_eq!(look(&app).await.len(), 1);
    }

    async fn a_schedule_that_is_changed_and_later_changed_back_catches_up_nothing_of_the_time_between(store: TestStore) {
        let (program, app, clock) = weekly(&store, MONDAY.minus(HOUR)).await;
        look(&app).await;
        let other = at(&app, "0 9 * * TUE");
        for _ in 0..7 {
            look(&other).await;
            clock.advance(24 * HOUR);
        }
        clock.advance(2 * HOUR);
        program.site.publish(story("more", "More news", "2026-11-19"));
        let before = app.store.read().await.unwrap().issues().await.unwrap().len();
        assert_eq!(look(&app).await.len(), before, "an hour after 8:00 on a Monday");
        clock.advance(WEEK);
        assert_eq!(periods(&look(&app).await)[0], (MONDAY.plus(2 * WEEK), IssueState::Sending, None));
    }

    async fn a_machine_that_is_off_for_long_after_a_change_of_schedule_catches_up_by_the_new_one(store: TestStore) {
        let (_program, app, clock) = weekly(&store, MONDAY.minus(HOUR)).await;
        let before = at(&app, "0 9 * * TUE");
        look(&before).await;
        look(&app).await;
        clock.advance(Duration::from_secs(90));
        look(&app).await;
        clock.advance(WEEK + 2 * HOUR);
        assert_eq!(periods(&look(&app).await).len(), 2);
    }

    async fn what_was_skipped_while_the_clock_was_ahead_comes_when_its_time_comes(store: TestStore) {
        let (program, app, clock) = weekly(&store, MONDAY.minus(HOUR)).await;
        look(&app).await;
        clock.advance(5 * WEEK + 2 * HOUR);
        let ahead = look(&app).await;
        assert_eq!(ahead.len(), 6, "the latest goes out, as it is due by that clock");
        clock.set_back(5 * WEEK);
        for week in 0..5 {
            program.site.publish(story(&format!("story{week}"), "More news", "2026-11-19"));
            let issues = look(&app).await;
            let at = MONDAY.plus(week * WEEK);
            assert!(periods(&issues).contains(&(at, IssueState::Sending, None)), "{week}: {:?}", periods(&issues));
            clock.advance(WEEK);
        }
        assert_eq!(look(&app).await.len(), 6, "the one that went out ahead of its time does not come again");
    }

    async fn a_digest_that_was_first_seen_while_the_clock_was_ahead_is_not_silent_until_then(store: TestStore) {
        for ahead in [52 * WEEK, 13 * HOUR] {
            let store = if store.store.is_shared() { TestStore::postgres().await.unwrap() } else { TestStore::sqlite().await };
            let (_program, app, clock) = weekly(&store, MONDAY.minus(HOUR)).await;
            clock.advance(ahead);
            look(&app).await;
            clock.set_back(ahead);
            look(&app).await;
            clock.advance(HOUR);
            assert_eq!(periods(&look(&app).await), [(MONDAY, IssueState::Sending, None)], "{ahead:?}");
        }
    }

    async fn a_clock_that_has_not_been_set_schedules_nothing_and_is_said_to_be_wrong(store: TestStore) {
        let (_program, app, clock) = weekly(&store, UtcMillis(0).plus(HOUR)).await;
        let outcomes = app.composer().compose_due(|_| false).await;
        let said = outcomes[0].1.as_ref().unwrap_err().to_string();
        assert!(said.contains("1970-01-01T01:00:00Z"), "{said}");
        for refused in [
            app.composer().hold(&app.config.digests[0], None).await.map(|()| 0),
            app.composer().compose(&app.config.digests[0], Occasion::Extra).await.map(|_| 0),
            app.composer().collect(None).await.map(|_| 0),
        ] {
            assert_eq!(refused.unwrap_err().to_string(), said);
        }
        clock.advance(Duration::from_millis(MONDAY.plus(HOUR).0.unsigned_abs()));
        assert!(look(&app).await.is_empty(), "what was due before the clock was right is of the past");
        clock.advance(WEEK);
        assert_eq!(look(&app).await.len(), 1);
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
