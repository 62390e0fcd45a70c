//! Looks for what the operator should hear of in the store, whichever process did it, and calls dead man's switches.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures_util::future::join_all;

use super::{Alerts, Poster};
use crate::compose::{HELD, MISSED, OVERTAKEN};
use crate::config::Config;
use crate::domain::{Clock, IssueState, UtcMillis};
use crate::render::{HTML_LIMIT, HTML_WARNING};
use crate::store::{Durability, IssueRow, SeenSchedule, SourceRow, Store, StoreError, UncertainIssue};

const DAY: i64 = 86_400_000;

const MINUTE: i64 = 60_000;

/// Nodes that go by a schedule say so now and then, where there are several: one that was not seen for so long has gone.
const GONE: i64 = 5 * MINUTE;

/// How long nodes may go by different schedules before anybody is told: they are reloaded one by one.
const RELOADING: i64 = 15 * MINUTE;

/// How far back it looks at issues.
const BACK: i64 = 2 * DAY;

/// How long a source fails before anybody is told.
const PATIENCE: i64 = 2 * DAY;

/// An issue, how much had been taken away from its mails, and whether all of them had been made: the last are made as it is laid
/// out.
type Measured = (i64, i64, bool);

fn as_measured(issue: &IssueRow) -> Measured {
    (issue.id, issue.shortened_by, issue.laid_out_at.is_some())
}

/// Looks at the store now and then.
pub struct Watch {
    config: Arc<Config>,
    store: Store,
    poster: Poster,
    clock: Arc<dyn Clock>,
    alerts: Alerts,
    began: UtcMillis,
    /// What was raised at the last look, or would have been; all else is forgotten.
    raised: HashSet<String>,
    /// The same at this look.
    seen: HashSet<String>,
    /// Since when issues have had uncertain deliveries without a break.
    uncertain: HashMap<i64, UtcMillis>,
    /// Issues whose mails have been measured, each with all that may come with a longer one.
    measured: HashSet<Measured>,
}

impl Watch {
    /// From now on.
    pub fn new(config: Arc<Config>, store: Store, poster: Poster, clock: Arc<dyn Clock>, alerts: Alerts) -> Self {
        let began = clock.now();
        let (raised, seen, measured) = (HashSet::new(), HashSet::new(), HashSet::new());
        let uncertain = HashMap::new();
        Self { config, store, poster, clock, alerts, began, raised, seen, uncertain, measured }
    }

    /// One look.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn look(&mut self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let mut reader = self.store.read().await?;
        let issues = reader.issues_to_watch(UtcMillis(now.0 - BACK)).await?;
        let sources = reader.sources().await?;
        let uncertain = reader.uncertain_issues().await?;
        for issue in &issues {
            if self.measured.insert(as_measured(issue)) {
                let octets = reader.longest_html(issue.id).await?;
                self.long(issue, octets);
            }
            if issue.state == IssueState::Held {
                let events = reader.issue_events(issue.id).await?;
                self.held(issue, events.iter().filter(|event| event.event == "held").count());
            }
        }
        let schedules = reader.schedules_seen(UtcMillis(now.0 - GONE), UtcMillis(now.0 + GONE)).await?;
        drop(reader);
        self.measured.retain(|measured| issues.iter().any(|issue| as_measured(issue) == *measured));
        self.missed(&issues);
        issues.iter().for_each(|issue| self.template_failed(issue));
        issues.iter().for_each(|issue| self.skipped(issue, &sources));
        self.uncertain(&uncertain);
        schedules.chunk_by(|one, next| one.digest == next.digest).for_each(|seen| self.disagreeing(seen, now));
        sources.iter().for_each(|source| self.source(source, now));
        self.raised = std::mem::take(&mut self.seen);
        self.ping(now).await
    }

    fn raise(&mut self, key: String, subject: &str, text: &str) {
        if !self.raised.contains(&key) {
            self.alerts.raise_once(&key, subject, text);
        }
        self.seen.insert(key);
    }

    /// Each time that an issue is held is told of.
    fn held(&mut self, issue: &IssueRow, times: usize) {
        let reason = issue.reason.as_deref().filter(|reason| !reason.is_empty());
        let (id, digest) = (issue.id, issue.digest.as_str());
        let subject = format!("An issue of {digest} is held");
        let text = format!(
            "Issue {id} waits: {}.\nSee what is wrong with `postround issue show {id}`, and let it go on with \
             `postround issue resume {id}`.",
            reason.unwrap_or("somebody has held it")
        );
        let key = if times > 1 { format!("held:{id}:{times}") } else { format!("held:{id}") };
        self.raise(key, &subject, &text);
    }

    /// Of each issue once for as long as it has some, whatever becomes of the first ones.
    fn uncertain(&mut self, issues: &[UncertainIssue]) {
        self.uncertain.retain(|id, _| issues.iter().any(|issue| issue.id == *id));
        for UncertainIssue { id, digest, deliveries, since } in issues {
            let first = *self.uncertain.entry(*id).or_insert(*since);
            let subject = format!("Of an issue of {digest} it is not known who has got it");
            let text = format!(
                "A process or a connection ended while issue {id}, or a correction of it, was being sent. Deliveries that may have \
                 arrived or not, and wait: {deliveries}.\n`postround issue show {id}` names those of the issue itself, and \
                 `postround issue retry {id}` sends all of them again: whoever has got it already gets it twice."
            );
            self.raise(format!("uncertain:{id}:{}", first.0), &subject, &text);
        }
    }

    /// Periods that nothing ran for: those that were found together are told in one warning.
    fn missed(&mut self, issues: &[IssueRow]) {
        let is_missed = |issue: &&IssueRow| {
            let reason = issue.reason.as_deref().unwrap_or_default();
            issue.state == IssueState::Skipped && [MISSED, OVERTAKEN].contains(&reason)
        };
        let mut missed: Vec<&IssueRow> = issues.iter().filter(is_missed).collect();
        missed.sort_by_key(|issue| (issue.digest.as_str(), issue.composed_at, issue.scheduled_at));
        for together in missed.chunk_by(|one, next| (&one.digest, one.composed_at) == (&next.digest, next.composed_at))
        {
            let digest = &together[0].digest;
            let (subject, were) = match together.len() {
                1 => (format!("A period of {digest} was missed"), "it was"),
                several => (format!("{several} periods of {digest} were missed"), "they were"),
            };
            let text = format!(
                "Nothing ran when {were} due: {}.\nNothing is lost: the articles go with the next issue. To send that now, use \
                 `postround run {digest}`; `catch_up` says how late one may still go out by itself.",
                self.times(together).join(", "),
            );
            self.raise(format!("missed:{}", together[0].id), &subject, &text);
        }
    }

    /// When issues were scheduled, in the zone of their digest.
    fn times(&self, issues: &[&IssueRow]) -> Vec<String> {
        let scheduled =
            issues.iter().filter_map(|issue| Some((self.config.digest(&issue.digest), issue.scheduled_at?)));
        let local = scheduled.map(|(digest, at)| match digest {
            Some(digest) => digest.schedule.local(at).format("%a %e %b %Y %H:%M %Z").to_string(),
            None => at.to_string(),
        });
        local.collect()
    }

    /// Schedules of one digest that nodes go by at the same time, the oldest first.
    fn disagreeing(&mut self, seen: &[SeenSchedule], now: UtcMillis) {
        let Some(latest) = seen.last().filter(|latest| seen.len() > 1 && latest.since.0 <= now.0 - RELOADING) else {
            return;
        };
        let digest = &latest.digest;
        let schedules: Vec<_> = seen.iter().map(|one| format!("`{}`", one.schedule)).collect();
        let subject = format!("Nodes have different schedules for {digest}");
        let text = format!(
            "They go by {}, each by its own, so {digest} may come more often than it should.\nGive all of them the same \
             configuration, and reload them.",
            schedules.join(" and ")
        );
        self.raise(format!("schedules:{digest}:{}", latest.since.0), &subject, &text);
    }

    /// A period without an issue is told where a source is the reason.
    fn skipped(&mut self, issue: &IssueRow, sources: &[SourceRow]) {
        let reason = issue.reason.as_deref().unwrap_or_default();
        let (id, digest) = (issue.id, issue.digest.as_str());
        if issue.state == IssueState::Skipped && ![HELD, MISSED, OVERTAKEN].contains(&reason) {
            // Nothing new is no news, unless it is nothing that could be read.
            let of_digest = self.config.digest(digest).map(|digest| digest.sources.as_slice()).unwrap_or_default();
            let failing = sources.iter().filter(|source| source.failures > 0 && of_digest.contains(&source.source));
            let failing: Vec<_> = failing.map(|source| source.source.as_str()).collect();
            if failing.is_empty() {
                return;
            }
            let subject = format!("A period of {digest} was skipped, and a source of it fails");
            let text = format!(
                "There was no issue: {reason}.\nThis cannot be read: {}. What it has new comes with the next issue; to send \
                 it before, use `postround run {digest}` when it can be read again.",
                failing.join(", ")
            );
            self.raise(format!("skipped:{id}"), &subject, &text);
        }
    }

    /// An issue that goes out all the same, by the built-in template, is told of once.
    fn template_failed(&mut self, issue: &IssueRow) {
        let Some(error) = &issue.template_error else { return };
        let (id, digest) = (issue.id, issue.digest.as_str());
        let subject = format!("A template failed on an issue of {digest}");
        let text = format!(
            "A mail of issue {id}, or more of them, could not be made by your template, so the built-in one stood in for it: \
             {error}.\nPut it right before the next issue: `postround config check` tries it, and `postround preview {digest}` \
             shows what comes next."
        );
        self.raise(format!("template:{id}"), &subject, &text);
    }

    /// Of an issue that had to be made smaller, each time that a mail of it loses more than those before.
    fn long(&mut self, issue: &IssueRow, octets: i64) {
        if let Some(shortened) = &issue.shortened {
            let subject = format!("An issue of {} was too long", issue.digest);
            let text = format!(
                "Mail programs would have cut issue {} off, and with it the links of its footer, so it was made smaller: \
                 {shortened}.",
                issue.id
            );
            return self.raise(format!("shortened:{}:{}", issue.id, issue.shortened_by), &subject, &text);
        }
        let octets = usize::try_from(octets).unwrap_or_default();
        if octets <= HTML_WARNING {
            return;
        }
        let subject = format!("The mail of {} is long", issue.digest);
        let text = format!(
            "The HTML of issue {} has {} KB. Gmail cuts a mail that is too long, so from {} KB on excerpts are shortened and \
             articles are listed by title alone.\nA lower `max_articles` keeps it short.",
            issue.id,
            octets / 1000,
            HTML_LIMIT / 1000
        );
        self.raise(format!("long:{}", issue.id), &subject, &text);
    }

    fn source(&mut self, source: &SourceRow, now: UtcMillis) {
        let is_known = self.config.source(&source.source).is_some();
        let well_until = source.succeeded_at.unwrap_or(self.began);
        if !is_known || source.failures == 0 || now.0 - well_until.0 < PATIENCE {
            return;
        }
        let subject = format!("The source {} has failed for days", source.source);
        let text = format!(
            "Nothing could be read from {} since {well_until}: {}.\nTry it with `postround source check {}`.",
            source.url,
            source.error.as_deref().unwrap_or("it gave no reason"),
            source.url
        );
        self.raise(format!("source:{}:{}", source.source, source.succeeded_at.map_or(0, |at| at.0)), &subject, &text);
    }

    /// Calls the switch of each digest whose period has finished or was skipped.
    async fn ping(&self, now: UtcMillis) -> Result<(), StoreError> {
        if self.config.digests.iter().all(|digest| digest.ping_url.is_none()) {
            return Ok(());
        }
        let mut session = self.store.write(Durability::Normal).await?;
        let finished = session.take_pings(now, UtcMillis(now.0 - DAY)).await?;
        session.commit().await?;
        let urls = self.config.digests.iter().filter(|digest| finished.contains(&digest.id));
        join_all(urls.filter_map(|digest| Some((digest, digest.ping_url.as_ref()?))).map(async |(digest, url)| {
            if let Err(error) = self.poster.ping(url).await {
                tracing::warn!(digest = digest.id, %error, "`ping_url` could not be called");
            }
        }))
        .await;
        Ok(())
    }
}
