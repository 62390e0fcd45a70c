//! Files as people have them: long, with blank lines, with rows twice, with a quotation mark that is not closed.

use std::fmt::Write as _;

use postround::subscribers::{Import, ImportBasis};

use super::{URL, import, states};
use crate::support::household::{Asked, subscribers, text};
use crate::support::on_both;

const PAPER: ImportBasis<'static> = ImportBasis::Confirmed("paper forms");

on_both! {
    async fn a_long_file_is_written_in_short_transactions_and_read_again_without_a_change(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let mut file = "email,name,digests\n".to_owned();
        for index in 0..20_000 {
            writeln!(file, "reader{index}@northfold.example,Reader {index},weekly").unwrap();
        }
        let path = store.folder.path().join("people.csv");
        std::fs::write(&path, file).unwrap();
        let (nobody, file) = (Asked::default(), Import { path: &path, basis: PAPER, skip_bad: false });
        let mut steps = Vec::new();
        let report = subscribers.import(&file, &nobody, |done, of| steps.push((done, of))).await.unwrap();
        assert_eq!((report.rows, report.added), (20_000, 20_000));
        assert!(steps.windows(2).all(|pair| pair[1].0 - pair[0].0 <= 2_000), "{steps:?}");
        assert_eq!(steps.last(), Some(&(20_000, 20_000)));
        let report = subscribers.import(&file, &nobody, |_, _| {}).await.unwrap();
        assert_eq!((report.unchanged, report.added + report.updated + report.skipped), (20_000, 0));
        assert_eq!(text(&store, "select cast(count(*) as text) from subscriptions where state = 'active'").await, "20000");
        let mut listed = 0;
        subscribers.list(|record| {
            listed += 1;
            assert_eq!((record.digests.len(), record.consent.len()), (1, 1));
            Ok::<_, postround::subscribers::SubscribersError>(())
        }).await.unwrap();
        assert_eq!(listed, 20_000);
    }

    async fn lines_are_counted_as_an_editor_does(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        for ending in ["\n", "\r\n", "\r"] {
            let lines = ["email,name", "", "a@northfold.example,\"A", "A\"", "", "nobody", "b@northfold.example,B", "none"];
            let report = import(&store, &subscribers, lines.join(ending).as_bytes(), PAPER, false).await;
            assert_eq!(report.refused.iter().map(|row| row.line).collect::<Vec<_>>(), [6, 8], "{ending:?}");
        }
    }

    async fn of_two_rows_for_one_person_both_count_and_the_stricter_state_wins(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let file = b"email,state,digests\nA@northfold.example,confirmed,weekly\na@northfold.example,,jobs\n\
                     b@northfold.example,unsubscribed,\nb@northfold.example,confirmed,weekly\n\
                     c@northfold.example,confirmed,\nc@northfold.example,bounced,\n";
        let report = import(&store, &subscribers, file, PAPER, false).await;
        assert_eq!((report.rows, report.added, report.updated, report.skipped), (6, 3, 2, 1));
        let strict = "A@northfold.example confirmed\nb@northfold.example unsubscribed\nc@northfold.example bounced";
        assert_eq!(states(&store).await, strict);
        let digests = "select digest from subscriptions where subscriber_id = 1 order by digest";
        assert_eq!(text(&store, digests).await, "jobs\nweekly");
    }

    async fn what_is_no_list_of_people_is_refused_with_a_reason(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let unclosed = format!("email,name\na@northfold.example,\"A\n{}", "b@northfold.example,B\n".repeat(60_000));
        let cases: [(&[u8], u64, &str); 9] = [
            (b"", 1, "no header"),
            (b"name\nAnn\n", 1, "no header"),
            (b"email,email\na@northfold.example,\n", 1, "twice"),
            (unclosed.as_bytes(), 2, "quotation mark"),
            (b"email\na@northfold.example,too many\n", 2, "2 fields"),
            (b"email,state\na@northfold.example,sleeping\n", 2, "`sleeping` is not a state"),
            (b"email,digests\na@northfold.example,monthly\n", 2, "no digest `monthly`"),
            (b"email,topics\na@northfold.example,sport\n", 2, "no topic `sport`"),
            (b"email,confirmed_at\na@northfold.example,31/12/2025\n", 2, "not a date"),
        ];
        for (file, line, reason) in cases {
            let report = import(&store, &subscribers, file, PAPER, false).await;
            let refused = report.refused.first().unwrap();
            assert!(refused.line == line && refused.reason.contains(reason), "{refused:?}, not line {line}: {reason}");
        }
        assert_eq!(states(&store).await, "");
    }
}
