//! What `subscriber import --dry-run` says is what the import does then.

use postround::subscribers::{Import, ImportBasis, ImportReport, Keys, Origin, Subscribers, SuppressionReason};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::URL;
use crate::support::household::{Asked, address, confirmed, everything, execute, subscribers, subscribers_with, text};
use crate::support::{TestStore, on_both};

const NAMES: [&str; 6] = ["ann", "ben", "cal", "dot", "eli", "fay"];

/// What a report counts.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Counts {
    people: [u64; 5],
    why: Vec<(&'static str, u64)>,
    lines: Vec<u64>,
    digests: Vec<(String, u64)>,
    without_choice: u64,
}

fn counts(report: &ImportReport) -> Counts {
    Counts {
        people: [report.added, report.updated, report.unchanged, report.skipped, report.asked],
        why: report.skipped_by.clone().into_iter().collect(),
        lines: report.skipped_rows.iter().map(|row| row.line).collect(),
        digests: report.digests.clone().into_iter().collect(),
        without_choice: report.without_choice,
    }
}

/// Looks, then imports: what each of them said.
async fn foreseen_and_done(
    store: &TestStore,
    subscribers: &Subscribers,
    file: &str,
    basis: ImportBasis<'_>,
) -> (Counts, Counts) {
    let path = store.folder.path().join("people.csv");
    std::fs::write(&path, file).unwrap();
    let import = Import::new(&path, basis);
    let before = everything(store).await;
    let look = Import { dry: true, ..import.clone() };
    let foreseen = subscribers.import(&look, &Asked::default(), |_, _| {}).await.unwrap();
    assert_eq!(everything(store).await, before, "looking changes nothing");
    assert_eq!(foreseen.refused, []);
    let done = subscribers.import(&import, &Asked::default(), |_, _| {}).await.unwrap();
    (counts(&foreseen), counts(&done))
}

/// What somebody has done themselves, after whatever suppression the files have, as a field.
fn event(name: &str, event: &str) -> String {
    let at = "2026-02-02T03:04:05Z";
    let event = format!(
        r#"[{{"event":"{event}","at":"{at}","address":"{name}@northfold.example","source":"page","actor":"subscriber"}}]"#
    );
    format!("\"{}\"", event.replace('"', "\"\""))
}

/// A row of somebody, as our own export could have it or somebody by hand.
fn row() -> impl Strategy<Value = String> {
    let name = prop::sample::select(NAMES.to_vec());
    let state =
        prop::sample::select(vec!["", "confirmed", "confirmed", "pending", "unsubscribed", "bounced", "complained"]);
    let evidence = prop::sample::select(vec!["", "a form"]);
    let digests = prop::sample::select(vec![
        "",
        "weekly=*",
        "jobs=*",
        "weekly=news; jobs=*",
        "weekly=* left",
        "weekly=* paused until=2099-01-01; jobs=* left",
    ]);
    let called = prop::sample::select(vec!["", "", "Ann", "Ben"]);
    let suppressed =
        prop::sample::select(vec!["", "", "", "manual 2026-01-02T03:04:05Z", "bounced 2026-01-02T03:04:05Z"]);
    let former = prop::sample::select(vec!["", "", "", "ann", "dot"]);
    let done = prop::sample::select(vec!["", "", "", "confirmed", "moved", "profile", "left"]);
    (name, called, state, evidence, digests, suppressed, (former, done)).prop_map(
        |(name, called, state, evidence, digests, suppressed, (former, done))| {
            // Whoever has left has left everything.
            let digests = if state == "unsubscribed" { "" } else { digests };
            let former = if former.is_empty() || former == name {
                String::new()
            } else {
                format!("{former}@northfold.example 2026-01-02T03:04:05Z")
            };
            let consent = if done.is_empty() { String::new() } else { event(name, done) };
            format!("{name}@northfold.example,{called},{state},{evidence},{digests},{suppressed},{former},{consent}\n")
        },
    )
}

fn basis() -> impl Strategy<Value = ImportBasis<'static>> {
    prop::sample::select(vec![
        ImportBasis::Rows,
        ImportBasis::Rows,
        ImportBasis::Ask,
        ImportBasis::Confirmed("paper forms"),
    ])
}

/// Files that are imported one after the other.
fn files() -> impl Strategy<Value = Vec<(Vec<String>, ImportBasis<'static>)>> {
    prop::collection::vec((prop::collection::vec(row(), 1..9), basis()), 1..4)
}

/// Imports them into a store where somebody is known, somebody has moved, and somebody is suppressed.
async fn attack(store: &TestStore, files: &[(Vec<String>, ImportBasis<'static>)]) -> Result<(), TestCaseError> {
    let (subscribers, _clock) = subscribers(store, URL).await;
    confirmed(&subscribers, "ann@northfold.example", &["weekly"]).await;
    confirmed(&subscribers, "ben@northfold.example", &["weekly", "jobs"]).await;
    let keys = Keys::read(&store.folder.path().join("keys")).unwrap().unwrap();
    let moved = keys.address_hash(&address("cal@northfold.example"));
    execute(
        store,
        &format!(
            "insert into former_addresses (address_hash, subscriber_id, moved_at)
        select '{moved}', id, 0 from subscribers where email like 'ann%'"
        ),
    )
    .await;
    subscribers
        .suppress(&address("dot@northfold.example"), SuppressionReason::Bounced, "", Origin::COMMAND_LINE)
        .await
        .unwrap();
    for (rows, basis) in files {
        let file =
            format!("email,name,state,evidence,subscriptions,suppressed,former_addresses,consent\n{}", rows.concat());
        let (foreseen, done) = foreseen_and_done(store, &subscribers, &file, *basis).await;
        prop_assert_eq!(foreseen, done, "{}", file);
    }
    Ok(())
}

on_both! {
    async fn a_row_without_evidence_does_not_hide_the_one_that_has_it(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let file = "email,evidence\nann@northfold.example,\nann@northfold.example,a form\n";
        let (foreseen, done) = foreseen_and_done(&store, &subscribers, file, ImportBasis::Rows).await;
        assert_eq!(foreseen, done);
        assert_eq!((done.people, done.why, done.lines), ([1, 0, 0, 1, 0], vec![("no evidence", 1)], vec![2]));
        assert_eq!(text(&store, "select state from subscribers").await, "confirmed");
    }

    async fn what_a_second_row_adds_is_foreseen_as_well(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let file = "email,digests,evidence\nann@northfold.example,weekly,a form\nann@northfold.example,jobs,a form\n\
                    ann@northfold.example,jobs,a form\n";
        let (foreseen, done) = foreseen_and_done(&store, &subscribers, file, ImportBasis::Rows).await;
        assert_eq!((foreseen, done.people), (done.clone(), [1, 1, 1, 0, 0]));
    }

    async fn what_somebody_new_has_done_themselves_counts_for_a_later_row_as_well(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let columns = "email,name,state,subscriptions,suppressed,consent";
        let old = "bounced,weekly=*,bounced 2026-01-02T03:04:05Z";
        let confirmed = event("ann", "confirmed");
        let ann = format!("ann@northfold.example,,confirmed,weekly=*,,{confirmed}\nann@northfold.example,,{old},\n");
        let profile = event("ben", "profile");
        let ben = format!("ben@northfold.example,,confirmed,weekly=*,,{profile}\nben@northfold.example,Ben,confirmed,weekly=*,,\n");
        let (foreseen, done) = foreseen_and_done(&store, &subscribers, &format!("{columns}\n{ann}{ben}"), ImportBasis::Confirmed("paper forms")).await;
        assert_eq!((foreseen, done.people), (done.clone(), [2, 0, 2, 0, 0]));
        assert_eq!(text(&store, "select distinct name from subscribers").await, "");
    }

    async fn which_digests_people_get_by_a_file_is_said_beforehand(store: TestStore) {
        let (subscribers, _clock) = subscribers_with(&store, URL, |config| config.digests[1].public = false).await;
        confirmed(&subscribers, "ann@northfold.example", &["weekly"]).await;
        let file = "email,digests,state\nann@northfold.example,weekly;jobs,\nben@northfold.example,,\ncal@northfold.example,,\n\
                    dot@northfold.example,weekly,\neli@northfold.example,weekly,unsubscribed\n";
        let path = store.folder.path().join("people.csv");
        std::fs::write(&path, file).unwrap();
        for basis in [ImportBasis::Rows, ImportBasis::Ask] {
            let look = Import { dry: true, ..Import::new(&path, basis) };
            let foreseen = counts(&subscribers.import(&look, &Asked::default(), |_, _| {}).await.unwrap());
            // Whoever is confirmed is not asked about more.
            let jobs = (basis == ImportBasis::Rows).then(|| ("jobs".to_owned(), 1));
            let all: Vec<_> = jobs.into_iter().chain([("weekly".to_owned(), 3)]).collect();
            assert_eq!((foreseen.digests, foreseen.without_choice), (all, 2), "{basis:?}");
        }
        let (foreseen, done) = foreseen_and_done(&store, &subscribers, file, ImportBasis::Confirmed("paper forms")).await;
        assert_eq!(foreseen, done);
        let active = "select digest || ' ' || count(*) from subscriptions where state = 'active' group by digest order by 1";
        assert_eq!(text(&store, active).await, "jobs 1\nweekly 4");
    }

    async fn an_import_does_what_a_dry_run_said(store: TestStore) {
        // The same files on both.
        let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
        for _ in 0..6 {
            let files = files().new_tree(&mut runner).unwrap().current();
            attack(&store, &files).await.unwrap();
            execute(&store, "delete from consent_events; delete from subscriptions; delete from former_addresses;
                delete from suppressions; delete from asks; delete from join_requests; delete from subscribers").await;
        }
    }
}

#[test]
fn whatever_small_file_it_is_an_import_does_what_a_dry_run_said() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let config = Config { failure_persistence: None, ..Config::with_cases(96) };
    TestRunner::new(config)
        .run(&files(), |files| runtime.block_on(async { attack(&TestStore::sqlite().await, &files).await }))
        .unwrap();
}

#[test]
fn whose_address_is_claimed_as_a_former_one_is_foreseen_in_any_order_of_the_rows() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let kept = [
        "fay@northfold.example,,confirmed,,weekly=*,,ann@northfold.example 2026-01-02T03:04:05Z,\n",
        "ann@northfold.example,,unsubscribed,,,,,\n",
        "ann@northfold.example,,complained,,,,,\n",
    ];
    let rows = [
        "ann@northfold.example,,complained,,,,,\n",
        "cal@northfold.example,,confirmed,,weekly=*,,,\n",
        "eli@northfold.example,,confirmed,,weekly=* left,,ann@northfold.example 2026-01-02T03:04:05Z,\n",
        "eli@northfold.example,,bounced,,weekly=* left,bounced 2026-01-02T03:04:05Z,ann@northfold.example 2026-01-02T03:04:05Z,\n",
    ];
    let file =
        |rows: &[&str]| (rows.iter().map(|&row| row.to_owned()).collect(), ImportBasis::Confirmed("paper forms"));
    let (rows, kept) = (vec![file(&rows)], vec![file(&kept)]);
    // The order is that of the keyed hashes, and each store has keys of its own.
    for _ in 0..24 {
        for files in [&rows, &kept] {
            runtime.block_on(async { attack(&TestStore::sqlite().await, files).await }).unwrap();
        }
    }
}
