//! The schedule as the daemon keeps it: each period once, nothing of the past, nothing that is too late.

use std::sync::Arc;
use std::time::Duration;

use postround::app::App;
use postround::domain::{EmailAddress, IssueState, UtcMillis};
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
}
