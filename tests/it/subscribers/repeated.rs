//! Files that have somebody several times: all that their rows choose counts.

use postround::subscribers::ImportBasis;

use super::{URL, import};
use crate::support::household::{confirmed, subscribers, text};
use crate::support::on_both;

const PAPER: ImportBasis<'static> = ImportBasis::Confirmed("paper forms");

on_both! {
    async fn several_rows_of_one_person_that_choose_topics_of_one_digest_bring_all_of_them(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, "here@northfold.example", &["jobs"]).await;
        let got = "select s.email || ' ' || d.digest || ' ' || d.topics || ' ' || d.state from subscriptions d
                   join subscribers s on s.id = d.subscriber_id order by 1";
        let topics = b"email,digests,topics,evidence\n\
            ann@northfold.example,weekly,features,form\nann@northfold.example,weekly,news,form\n\
            ann@northfold.example,weekly,interviews,\n\
            ben@northfold.example,weekly,news,\nben@northfold.example,weekly,features,form\n\
            cal@northfold.example,weekly,news,form\ncal@northfold.example,weekly,,form\n\
            here@northfold.example,weekly,news,form\nhere@northfold.example,weekly,features,form\n";
        let exact = b"email,subscriptions,evidence\n\
            dot@northfold.example,weekly=news,form\ndot@northfold.example,weekly=features; jobs=*,form\n\
            eli@northfold.example,weekly=news,form\neli@northfold.example,weekly=features left,form\n";
        for _ in 0..2 {
            import(&store, &subscribers, topics, ImportBasis::Rows, false).await;
            import(&store, &subscribers, exact, ImportBasis::Rows, false).await;
            assert_eq!(
                text(&store, got).await.replace("@northfold.example", ""),
                "ann weekly features,news active\nben weekly features active\ncal weekly * active\ndot jobs * active\n\
                dot weekly features,news active\neli weekly news left\nhere jobs * active\nhere weekly features,news active"
            );
        }
        // What somebody has chosen here themselves stays.
        let more =
            b"email,digests,topics\nann@northfold.example,weekly,interviews\nann@northfold.example,weekly,news\n";
        assert_eq!(import(&store, &subscribers, more, PAPER, false).await.unchanged, 2);
    }

    async fn somebody_whom_a_file_has_twice_is_asked_about_all_that_it_names(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let file = b"email,digests,topics\nann@northfold.example,weekly,features\nann@northfold.example,weekly,news\n";
        let report = import(&store, &subscribers, file, ImportBasis::Ask, false).await;
        assert_eq!((report.added, report.unchanged, report.asked), (1, 1, 1));
        assert_eq!(text(&store, "select topics from subscriptions").await, "features,news");
    }
}
