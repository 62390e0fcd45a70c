//! Exports of other programs as they come: listmonk's, phpList's, Mailchimp's.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use postround::subscribers::{
    Confirmed, Format, Import, ImportBasis, ImportReport, Leave, Origin, Subscribers, SubscribersError,
};

use super::{URL, import, states};
use crate::support::household::{Asked, address, confirmed, execute, somebody, subscribers, subscribers_with, text};
use crate::support::{TestStore, on_both};

const LISTMONK: &str = "\
uuid,email,name,attributes,status,created_at,updated_at
0b2c8f7a-5a57-4f0e-9d0b-52f1f4b0c001,ann@northfold.example,Ann Marsh,\"{\"\"city\"\": \"\"Exampleton\"\", \"\"tags\"\": [1, 2]}\",enabled,2023-04-05 06:07:08.9+00,2023-04-05 06:07:08.9+00
0b2c8f7a-5a57-4f0e-9d0b-52f1f4b0c002,bea@northfold.example,Bea,{},blocklisted,2023-04-05 06:07:08.9+00,2024-01-01 00:00:00+00
0b2c8f7a-5a57-4f0e-9d0b-52f1f4b0c003,cal@northfold.example,Cal,{},disabled,2023-04-05 06:07:08.9+00,2024-01-01 00:00:00+00
";

const PHPLIST: &str = "\
id\tEmail\tIs this subscriber confirmed\tIs this subscriber blacklisted\tDid this subscriber manually confirm\tNumber of bounces on this subscriber\tEntered\tLast Modified\tSend this subscriber HTML emails\tList Membership
1\tann@northfold.example\t1\t0\t1\t0\t2019-02-03 10:11:12\t2020-01-01 00:00:00\t1\tEarly Help Weekly Jobs & Posts
2\tbea@northfold.example\t1\t1\t1\t0\t2019-02-03 10:11:12\t2020-01-01 00:00:00\t1\tEarly Help Weekly
3\tcal@northfold.example\t0\t0\t0\t0\t2019-02-03 10:11:12\t2020-01-01 00:00:00\t1\tJobs & Posts
4\tdot@northfold.example\t1\t0\t1\t0\t2019-02-03 10:11:12\t2020-01-01 00:00:00\t1\tNo Lists
5\teli@northfold.example\t1\t0\t1\t0\t2019-02-03 10:11:12\t2020-01-01 00:00:00\t1\tGardening
";

const SUBSCRIBED: &str = "\
\"Email Address\",\"First Name\",\"Last Name\",Company,Interests,MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,LATITUDE,LONGITUDE,GMTOFF,DSTOFF,TIMEZONE,CC,REGION,LAST_CHANGED,LEID,EUID,NOTES,TAGS
ann@northfold.example,Ann,Marsh,Northfold Ltd,\"News, Features\",4,\"2021-03-04 05:06:07\",192.0.2.1,\"2021-03-04 05:08:00\",192.0.2.2,,,,,,,,\"2021-03-04 05:08:00\",1,aa,,\"\"\"VIP\"\"\"
bea@northfold.example,Bea,,,,2,,,\"2021-05-06 07:08:09\",2001:db8::7,,,,,,,,\"2021-05-06 07:08:09\",2,bb,,
cal@northfold.example,,,,Gardening,2,,,\"2021-05-06 07:08:09\",,,,,,,,,\"2021-05-06 07:08:09\",3,cc,,
";

const UNSUBSCRIBED: &str = "\
\"Email Address\",\"First Name\",\"Last Name\",Interests,MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,UNSUB_TIME,UNSUB_CAMPAIGN_TITLE,UNSUB_CAMPAIGN_ID,UNSUB_REASON,UNSUB_REASON_OTHER,LEID,EUID,NOTES,TAGS
dot@northfold.example,Dot,,News,2,,,\"2021-03-04 05:08:00\",192.0.2.3,\"2022-01-02 03:04:05\",May,c1,\"No longer interested\",,4,dd,,
eli@northfold.example,Eli,,,2,,,\"2021-03-04 05:08:00\",192.0.2.3,\"2022-01-02 03:04:05\",May,c1,\"Abuse complaint\",,5,ee,,
";

const CLEANED: &str = "\
\"Email Address\",\"First Name\",\"Last Name\",MEMBER_RATING,OPTIN_TIME,CONFIRM_TIME,CLEAN_TIME,CLEAN_CAMPAIGN_TITLE,CLEAN_CAMPAIGN_ID,LEID,EUID,NOTES,TAGS
fay@northfold.example,Fay,,1,,\"2021-03-04 05:08:00\",\"2023-01-02 03:04:05\",June,c2,6,ff,,
";

const NONSUBSCRIBED: &str = "\
\"Email Address\",\"First Name\",MEMBER_RATING,LAST_CHANGED,LEID,EUID
gus@northfold.example,Gus,1,\"2021-03-04 05:08:00\",7,gg
";

fn zip(store: &TestStore, files: &[(&str, &str)]) -> PathBuf {
    let path = store.folder.path().join("export.zip");
    let mut archive = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
    for (name, text) in files {
        archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
    }
    archive.finish().unwrap();
    path
}

async fn import_zip(subscribers: &Subscribers, path: &Path) -> Result<ImportReport, SubscribersError> {
    subscribers.import(&Import::new(path, ImportBasis::Rows), &Asked::default(), |_, _| {}).await
}

on_both! {
    async fn listmonks_blocklist_counts_as_having_left_and_nobody_has_evidence(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let report = import(&store, &subscribers, LISTMONK.as_bytes(), ImportBasis::Rows, false).await;
        assert_eq!((report.format, report.rows, report.applied), (Format::Listmonk, 3, false));
        assert_eq!(states(&store).await, "");
        let report = import(&store, &subscribers, LISTMONK.as_bytes(), ImportBasis::Confirmed("its form"), false).await;
        assert_eq!((report.added, report.refused.len()), (3, 0));
        let expected = "ann@northfold.example confirmed\nbea@northfold.example unsubscribed\ncal@northfold.example unsubscribed";
        assert_eq!(states(&store).await, expected);
    }

    async fn phplists_flags_and_list_names_are_understood(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let report = import(&store, &subscribers, PHPLIST.as_bytes(), ImportBasis::Rows, false).await;
        assert_eq!((report.format, report.added, report.skipped, report.applied), (Format::PhpList, 3, 2, true), "{:?}", report.refused);
        let expected = "ann@northfold.example confirmed\nbea@northfold.example unsubscribed\ncal@northfold.example pending";
        assert_eq!(states(&store).await, expected);
        let digests = "select s.email || ' ' || b.digest || ' ' || b.state from subscriptions b
                       join subscribers s on s.id = b.subscriber_id order by 1";
        assert_eq!(text(&store, digests).await, "ann@northfold.example jobs active\nann@northfold.example weekly active\n\
            bea@northfold.example weekly left\ncal@northfold.example jobs active");
        let commas = PHPLIST.replace('\t', ",");
        let report = import(&store, &subscribers, commas.as_bytes(), ImportBasis::Rows, false).await;
        assert_eq!((report.added, report.updated, report.unchanged), (0, 0, 3));
    }

    async fn a_group_that_is_called_as_a_topic_means_no_digest_that_is_not_public(store: TestStore) {
        let got = "select s.email || ' ' || d.digest || ' ' || d.topics from subscriptions d
                   join subscribers s on s.id = d.subscriber_id order by 1";
        let mailchimp = SUBSCRIBED.replace("\"News, Features\"", "News").replace(",Gardening,", ",\"News, Jobs & Posts\",");
        let phplist = PHPLIST.replacen("Early Help Weekly Jobs & Posts", "News", 1).replace("\tGardening", "\tNews Jobs & Posts");
        let listmonk = "uuid,email,name,attributes,status,lists\n\
            0b2c8f7a-5a57-4f0e-9d0b-52f1f4b0c001,ann@northfold.example,Ann,{},enabled,News\n\
            0b2c8f7a-5a57-4f0e-9d0b-52f1f4b0c002,cal@northfold.example,Cal,{},enabled,\"News, Jobs & Posts\"\n";
        for (file, format, named) in [
            (mailchimp.as_str(), Format::Mailchimp, "cal"), (&phplist, Format::PhpList, "eli"), (listmonk, Format::Listmonk, "cal"),
        ] {
            for public in [true, false] {
                execute(&store, "delete from subscriptions; delete from subscribers").await;
                let (subscribers, _clock) = subscribers_with(&store, URL, |config| {
                    config.digests[0].public = public;
                    config.digests[1].public = false;
                    config.digests[1].sections.push("news".to_owned());
                }).await;
                let basis = if format == Format::Listmonk { ImportBasis::Confirmed("form") } else { ImportBasis::Rows };
                let report = import(&store, &subscribers, file.as_bytes(), basis, false).await;
                assert_eq!(report.format, format);
                let all = text(&store, got).await;
                let jobs: Vec<&str> = all.lines().filter(|line| line.starts_with("ann") || line.starts_with(named)).collect();
                let ann = if public { vec![] } else { vec!["ann@northfold.example jobs news".to_owned()] };
                let expected = ann.into_iter().chain([
                    "ann@northfold.example weekly news".to_owned(), format!("{named}@northfold.example jobs news"),
                    format!("{named}@northfold.example weekly news"),
                ]);
                assert_eq!(jobs, expected.collect::<Vec<_>>(), "{format:?}, weekly is public: {public}");
            }
        }
    }

    async fn mailchimps_zip_file_keeps_every_state_its_evidence_and_its_groups(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let path = zip(&store, &[
            ("subscribed_email_audience_export_a1.csv", SUBSCRIBED),
            ("unsubscribed_email_audience_export_a1.csv", UNSUBSCRIBED),
            ("cleaned_email_audience_export_a1.csv", CLEANED),
            ("nonsubscribed_email_audience_export_a1.csv", NONSUBSCRIBED),
            ("__MACOSX/._subscribed.csv", "junk"),
            ("readme.txt", "Hello"),
        ]);
        let report = import_zip(&subscribers, &path).await.unwrap();
        assert_eq!((report.format, report.rows, report.added, report.skipped), (Format::Mailchimp, 7, 5, 2), "{:?}", report.refused);
        let mut why: Vec<_> = report.skipped_by.into_iter().collect();
        why.sort_unstable();
        assert_eq!(why, [("never asked", 1), ("nothing for them", 1)]);
        assert_eq!(states(&store).await, "ann@northfold.example confirmed\nbea@northfold.example confirmed\n\
            dot@northfold.example unsubscribed\neli@northfold.example complained\nfay@northfold.example bounced");
        let topics = "select b.digest || ' ' || b.topics from subscriptions b join subscribers s on s.id = b.subscriber_id
                      where s.email = 'ann@northfold.example'";
        assert_eq!(text(&store, topics).await, "weekly features,news");
        let proof = "select network || ' ' || evidence from consent_events where address = 'ann@northfold.example'";
        assert_eq!(text(&store, proof).await, "192.0.2.2 state confirmed; Mailchimp: confirmed there; \
            asked for 2021-03-04 05:06:07 (confirmed 2021-03-04T05:08:00Z)");
        let networks = "select cast(count(*) as text) from consent_events where network is not null";
        assert_eq!(text(&store, networks).await, "4", "however long ago they are from: they are the evidence");
        assert_eq!(text(&store, "select name from subscribers where email = 'ann@northfold.example'").await, "Ann Marsh");
        let again = import_zip(&subscribers, &path).await.unwrap();
        assert_eq!((again.added, again.updated, again.unchanged), (0, 0, 5));
    }

    async fn networks_and_programs_in_a_file_are_kept_as_the_configuration_says(store: TestStore) {
        let days = |days: u64| Duration::from_secs(days * 86_400);
        let (written, _clock) = subscribers(&store, URL).await;
        confirmed(&written, "leo@northfold.example", &["weekly", "jobs"]).await;
        let leo = written.public_id(&address("leo@northfold.example")).await.unwrap().unwrap();
        let origin = Origin::PAGE.from(Some("192.0.2.9"), Some("Browser"));
        written.leave(&leo, Leave::Digest("jobs"), origin).await.unwrap();
        let mut export = Vec::new();
        written.export_all(&mut export).await.unwrap();
        let own = "email,evidence,confirmed_at,ip_address\nkim@northfold.example,form,2026-08-01,2001:db8:1:2::7\n";
        let whole = "192.0.2.2 \n192.0.2.9 Browser\n2001:db8:1:2::7 \n2001:db8::7 ";
        let cut = "192.0.2.0/24 \n192.0.2.0/24 Browser\n2001:db8:1::/48 \n2001:db8::/48 ";
        let of_others = "192.0.2.2 \n2001:db8:1:2::7 \n2001:db8::7 ";
        for (keeps, network_prefix, expected) in [(365, false, whole), (365, true, cut), (30, false, of_others), (0, false, ""), (0, true, "")] {
            let other = TestStore::sqlite().await;
            let (subscribers, clock) = subscribers_with(&other, URL, |config| {
                (config.retention.network, config.retention.network_prefix) = (days(keeps), network_prefix);
            }).await;
            clock.advance(days(31));
            for file in [SUBSCRIBED.as_bytes(), own.as_bytes(), &export] {
                import(&other, &subscribers, file, ImportBasis::Rows, false).await;
            }
            let kept = "select coalesce(network, '') || ' ' || coalesce(agent, '') from consent_events
                        where network is not null or agent is not null order by 1";
            assert_eq!(text(&other, kept).await, expected, "{keeps} days, cut: {network_prefix}");
        }
    }

    async fn whoever_left_another_program_in_what_is_still_the_future_here_can_come_back_at_once(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        let file = UNSUBSCRIBED.replace("2022-01-02 03:04:05", "2026-11-23 20:00:00");
        let path = zip(&store, &[("unsubscribed_1.csv", &file)]);
        import_zip(&subscribers, &path).await.unwrap();
        clock.advance(Duration::from_secs(60));
        let asked = Asked::default();
        subscribers.add(&somebody("dot@northfold.example", &["weekly"]), Origin::PAGE, &asked).await.unwrap();
        let claim = subscribers.tokens().verify_confirm(&asked.token(), subscribers.now()).unwrap();
        assert_eq!(subscribers.confirm(&claim, "Yes?", Origin::PAGE, &asked).await.unwrap(), Confirmed::Now);
    }

    async fn members_without_evidence_are_left_alone_and_named_and_all_others_are_taken(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let unproven = SUBSCRIBED.replacen("\"2021-05-06 07:08:09\",2001:db8::7", ",", 1);
        let files = [("subscribed_1.csv", unproven.as_str()), ("unsubscribed_1.csv", UNSUBSCRIBED), ("cleaned_1.csv", CLEANED)];
        let path = zip(&store, &files);
        for dry in [true, false] {
            let lines = store.folder.path().join("left-alone.csv");
            let import = Import { dry, report: Some(lines.clone()), ..Import::new(&path, ImportBasis::Rows) };
            let report = subscribers.import(&import, &Asked::default(), |_, _| {}).await.unwrap();
            assert_eq!((report.applied, report.added, report.skipped), (!dry, 4, 2), "{report:?}");
            assert_eq!((report.skipped_by["no evidence"], report.lines_without_evidence().collect::<Vec<_>>()), (1, vec![3]));
            let lines = std::fs::read_to_string(lines).unwrap();
            assert!(lines.contains("3,skipped,bea@northfold.example,there is no evidence"), "{lines}");
        }
        assert_eq!(states(&store).await, "ann@northfold.example confirmed\ndot@northfold.example unsubscribed\n\
            eli@northfold.example complained\nfay@northfold.example bounced");
        // Where nobody has any, leavers wait for the others.
        let nobody = unproven.replace("\"2021-03-04 05:08:00\",192.0.2.2", ",").replace("Gardening,2,,,\"2021-05-06 07:08:09\"", "Gardening,2,,,");
        let path = zip(&store, &[("subscribed_1.csv", &nobody), ("unsubscribed_1.csv", UNSUBSCRIBED)]);
        let report = import_zip(&subscribers, &path).await.unwrap();
        assert_eq!((report.applied, report.lines_without_evidence().count()), (false, 0), "{report:?}");
    }

    async fn a_file_of_mailchimps_leavers_is_known_without_its_name_and_a_doubtful_row_is_refused(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        import(&store, &subscribers, UNSUBSCRIBED.as_bytes(), ImportBasis::Rows, false).await;
        assert_eq!(states(&store).await, "dot@northfold.example unsubscribed\neli@northfold.example complained");
        let doubtful = UNSUBSCRIBED.replace("\"2022-01-02 03:04:05\"", "");
        let report = import(&store, &subscribers, doubtful.as_bytes(), ImportBasis::Rows, false).await;
        assert_eq!(report.refused.iter().map(|row| row.line).collect::<Vec<_>>(), [2, 3]);
    }

    async fn a_bad_row_in_a_zip_file_is_named_with_its_file(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let bad = CLEANED.replace("fay@northfold.example", "nobody");
        let path = zip(&store, &[("subscribed_1.csv", SUBSCRIBED), ("cleaned_1.csv", &bad)]);
        let report = import_zip(&subscribers, &path).await.unwrap();
        assert_eq!((report.applied, report.refused.len(), report.refused[0].line), (false, 1, 2));
        assert!(report.refused[0].reason.starts_with("in cleaned_1.csv: "), "{}", report.refused[0].reason);
        assert_eq!(states(&store).await, "");
    }

    async fn a_zip_file_that_unpacks_to_far_more_than_people_is_refused(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let row = format!("ann@northfold.example,{}\n", "x".repeat(100_000));
        let bomb = format!("Email Address,LEID\n{}", row.repeat(40));
        let path = zip(&store, &[("subscribed_1.csv", &bomb)]);
        let error = import_zip(&subscribers, &path).await.unwrap_err().to_string();
        assert!(error.contains("far more"), "{error}");
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        let error = import_zip(&subscribers, &path).await.unwrap_err().to_string();
        assert!(error.contains("cannot be unpacked"), "{error}");
    }

    async fn what_is_called_an_export_and_is_none_is_refused_with_the_remedy(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let path = store.folder.path().join("people.csv");
        std::fs::write(&path, "email,name\na@northfold.example,A\n").unwrap();
        let file = Import { format: Format::Listmonk, ..Import::new(&path, ImportBasis::Rows) };
        let report = subscribers.import(&file, &Asked::default(), |_, _| {}).await.unwrap();
        assert!(report.refused[0].reason.contains("no export of listmonk"), "{:?}", report.refused);
    }
}
