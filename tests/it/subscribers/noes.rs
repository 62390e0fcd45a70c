//! What a file says of people who have gone is not lost: not by a bad field, nor by a column of another name. It is over for
//! those alone who have confirmed since.

use std::path::PathBuf;
use std::time::Duration;

use postround::domain::UtcMillis;
use postround::subscribers::{Import, ImportBasis, ImportReport, Leave, Origin, Subscribers, SuppressionReason};

use super::moving::{NEW, moves};
use super::{ANN, URL, import, public_id, states};
use crate::support::household::{Asked, confirmed, execute, somebody, subscribers, text};
use crate::support::{TestClock, TestStore, on_both};

const PAPER: ImportBasis<'static> = ImportBasis::Confirmed("paper forms");

fn all_are_counted(report: &ImportReport) {
    assert_eq!(
        report.added + report.updated + report.unchanged + report.skipped + report.refused_rows,
        report.rows,
        "{report:?}"
    );
}

/// Imports a file of that name.
async fn import_named(name: &str, store: &TestStore, subscribers: &Subscribers, content: &str) -> ImportReport {
    let path: PathBuf = store.folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    subscribers.import(&Import::new(&path, PAPER), &Asked::default(), |_, _| {}).await.unwrap()
}

/// Somebody asks for the weekly and confirms it themselves.
async fn confirms(email: &str, subscribers: &Subscribers, clock: &TestClock) {
    let asked = Asked::default();
    subscribers.add(&somebody(email, &["weekly"]), Origin::PAGE, &asked).await.unwrap();
    let claim = subscribers.tokens().verify_confirm(&asked.token(), subscribers.now()).unwrap();
    clock.advance(Duration::from_secs(60));
    subscribers.confirm(&claim, "Yes?", Origin::PAGE, &asked).await.unwrap();
    clock.advance(Duration::from_secs(60));
}

on_both! {
    async fn a_bad_row_that_says_no_counts_as_that_no_and_its_address_is_listed(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, "here@northfold.example", &["weekly"]).await;
        let file = b"email,state,locale,topics,confirmed_at\n\
            locale@northfold.example,unsubscribed,xx,,\n\
            more@northfold.example,complained,,,,surplus\n\
            topic@northfold.example,unsubscribed,,gardening,\n\
            day@northfold.example,bounced,,,31/12/2025\n\
            both@northfold.example,confirmed,,,\n\
            both@northfold.example,unsubscribed,xx,,\n\
            here@northfold.example,unsubscribed,xx,,\n\
            letters@northfold.example,unsubscribed,\xef\xbf\xbd,,\n\
            yes@northfold.example,confirmed,xx,,\n\
            nobody,unsubscribed,,,\n\
            cut@northfold.example,unsubscribed,\"en-GB,,\n\
            good@northfold.example,confirmed,,,\n";
        let report = import(&store, &subscribers, file, PAPER, false).await;
        assert_eq!((report.applied, states(&store).await.as_str()), (false, "here@northfold.example confirmed"));
        let report = import(&store, &subscribers, file, PAPER, true).await;
        all_are_counted(&report);
        assert_eq!(states(&store).await.replace("@northfold.example", ""), "both unsubscribed\ncut unsubscribed\nday bounced\n\
            good confirmed\nhere unsubscribed\nletters unsubscribed\nlocale unsubscribed\nmore complained\ntopic unsubscribed");
        let live = text(&store, "select distinct email from live_subscriptions").await;
        assert_eq!(live, "good@northfold.example");
        let listed = std::fs::read_to_string(report.written.as_ref().unwrap()).unwrap();
        for line in ["2,refused,locale@northfold.example,", "3,refused,more@northfold.example,", "10,refused,yes@northfold.example,", "11,refused,,", "12,refused,cut@northfold.example,"] {
            assert!(listed.contains(line), "{line}: {listed}");
        }
        assert!(report.refused[0].reason.contains("counts as unsubscribed all the same"), "{:?}", report.refused[0]);
        let after = states(&store).await;
        let again = import(&store, &subscribers, file, PAPER, true).await;
        assert_eq!((again.added, again.updated, states(&store).await), (0, 0, after));
    }

    async fn where_a_bad_row_may_say_no_no_other_row_of_the_file_subscribes_that_person(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, "here@northfold.example", &["weekly"]).await;
        let file = b"email,name,state,digests\n\
            state@northfold.example,,confirmed,\nstate@northfold.example,,sleeping,\n\
            cut@northfold.example,\"Ann,unsubscribed,\ncut@northfold.example,,confirmed,\n\
            more@northfold.example,,confirmed,\nmore@northfold.example,Marsh, Ann,confirmed,weekly\n\
            here@northfold.example,,sleeping,\nhere@northfold.example,,confirmed,jobs\n\
            left@northfold.example,,sleeping,\nleft@northfold.example,,unsubscribed,\n\
            good@northfold.example,,confirmed,\ngood@northfold.example,,confirmed,gardening\n";
        let report = import(&store, &subscribers, file, PAPER, true).await;
        all_are_counted(&report);
        assert_eq!(states(&store).await.replace("@northfold.example", ""), "good confirmed\nhere confirmed\nleft unsubscribed");
        assert_eq!(report.skipped_by.get("in doubt"), Some(&4), "{:?}", report.skipped_rows);
        let have = "select digest from live_subscriptions where email like 'here%'";
        assert_eq!(text(&store, have).await, "weekly", "whoever is confirmed stays as they are");
    }

    async fn a_file_without_a_header_that_can_be_read_is_refused_whatever_may_be_skipped(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        for file in ["Our readers\nemail\na@northfold.example\n", "a@northfold.example\nb@northfold.example\n", "email,state,state\na@northfold.example,,\n"] {
            let report = import(&store, &subscribers, file.as_bytes(), PAPER, true).await;
            let path = store.folder.path().join("people.csv");
            let skips = Import { skip_bad: true, ..Import::new(&path, PAPER) };
            assert_eq!((report.is_refused(&skips), report.applied, report.refused[0].line), (true, false, 1), "{file}");
        }
        assert_eq!(states(&store).await, "");
    }

    async fn columns_that_say_no_under_other_names_are_understood_or_refused_and_never_ignored(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let gone = "ann confirmed\nben unsubscribed";
        for (name, file, expected) in [
            ("phplist.csv", "Email\tIs this subscriber blacklisted\tList Membership\nann@x.example\t0\tEarly Help Weekly\nben@x.example\t1\tEarly Help Weekly\n", gone),
            ("list.csv", "email,blacklisted\nann@x.example,0\nben@x.example,1\n", gone),
            ("mailchimp.csv", "Email Address,First Name,UNSUB_TIME\nann@x.example,Ann,\nben@x.example,Ben,2022-01-02 03:04:05\n", gone),
            ("generic.csv", "email,unsubscribed\nann@x.example,no\nben@x.example,yes\n", gone),
            ("optout.csv", "email,opted_out,name\nann@x.example,false,\nben@x.example,true,\n", gone),
            ("bounced.csv", "email;Bounced\nann@x.example;0\nben@x.example;1\n", "ann confirmed\nben bounced"),
            ("brevo.csv", "CONTACT ID,EMAIL,FIRSTNAME,BLACKLIST\n1,ann@x.example,Ann,FALSE\n2,ben@x.example,Ben,TRUE\n", gone),
            ("ghost.csv", "id,email,name,note,subscribed_to_emails,created_at\n1,ann@x.example,Ann,,true,2024-01-01T00:00:00.000Z\n2,ben@x.example,Ben,,false,2024-01-01T00:00:00.000Z\n", gone),
            ("several.csv", "email,state,unsubscribed,unsubscribed_at,spam_complaint\nann@x.example,active,,,\nben@x.example,active,,2022-01-02,1\n", "ann confirmed\nben complained"),
            ("confirmed.csv", "email,confirmed\nann@x.example,1\nben@x.example,0\n", "ann confirmed\nben pending"),
            ("status.csv", "email,subscription_status\nann@x.example,subscribed\nben@x.example,Unsubscribed\n", gone),
            ("permission.csv", "Email,Wants newsletter,country_state\nann@x.example,yes,NY\nben@x.example,no,CA\n", gone),
            ("denied.csv", "email,Not opted in,newsletter_source\nann@x.example,0,web\nben@x.example,1,shop\n", gone),
            ("pending.csv", "email,email_status\nann@x.example,active\nben@x.example,unconfirmed\n", "ann confirmed\nben pending"),
            ("about.csv", "email,unsubscribe_url,unsub_reason\nann@x.example,https://a.example,\n", "ann confirmed"),
        ] {
            let report = import_named(name, &store, &subscribers, file).await;
            assert_eq!(report.refused, [], "{name}");
            assert_eq!(states(&store).await.replace("@x.example", ""), expected, "{name}");
            execute(&store, "delete from subscriptions; delete from consent_events; delete from subscribers").await;
        }
        for (file, column) in [
            ("email,opted_out\nann@x.example,perhaps\n", "opted_out"),
            ("email,Unsubscribed at\nann@x.example,31/12/2025\n", "Unsubscribed at"),
            ("email,subscribed\nann@x.example,\n", "subscribed"),
            ("email,account_status\nann@x.example,inactive\n", "account_status"),
            ("email,Active subscription\nann@x.example,false\n", "Active subscription"),
            ("email,type\nann@x.example,opted out\n", "type"),
            ("Email Address,LEID,Member Status\nann@x.example,1,unsubscribed\n", "Member Status"),
        ] {
            let report = import_named("unclear.csv", &store, &subscribers, file).await;
            let reason = &report.refused[0].reason;
            assert!(!report.applied && reason.contains(&format!("the column `{column}`")) && reason.contains("`state`"), "{reason}");
        }
    }

    async fn an_old_dated_no_is_over_for_whoever_has_confirmed_since_and_an_undated_one_is_not(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        let ann = "ann@northfold.example";
        confirms(ann, &subscribers, &clock).await;
        clock.advance(Duration::from_secs(3600));
        let (before, after) = ("2022-01-02 03:04:05", subscribers.now().minus(Duration::from_secs(60)).exact());
        let listmonk = |at: &str| format!("uuid,email,name,attributes,status,created_at,updated_at\n1,{ann},Ann,{{}},blocklisted,2021-01-01 00:00:00+00,{at}\n");
        let events = |at: UtcMillis| {
            let at = at.exact();
            let event = format!("[{{\"\"event\"\":\"\"left\"\",\"\"at\"\":\"\"{at}\"\",\"\"address\"\":\"\"{ann}\"\",\"\"source\"\":\"\"page\"\",\"\"actor\"\":\"\"subscriber\"\"}}]");
            format!("email,state,subscriptions,consent\n{ann},unsubscribed,weekly=* left,\"{event}\"\n")
        };
        let column = |column: &str, at: &str| format!("email,{column}\n{ann},{at}\n");
        let twice = |at: &str| format!("email,evidence,unsubscribed_at\n{ann},a form,\n{ann},,{at}\n");
        let bad = |at: &str| format!("email,locale,unsubscribed_at\n{ann},xx,{at}\n");
        let mailchimp = |column: &str, at: &str| format!("Email Address,MEMBER_RATING,{column}\n{ann},1,{at}\n");
        let later = UtcMillis::from(chrono::DateTime::parse_from_rfc3339(&after).unwrap());
        for (file, state) in [
            (mailchimp("UNSUB_TIME", before), "confirmed"), (mailchimp("UNSUB_TIME", &after), "unsubscribed"),
            (mailchimp("CLEAN_TIME", before), "confirmed"), (mailchimp("CLEAN_TIME", &after), "bounced"),
            (listmonk("2022-01-02 03:04:05.9+00"), "confirmed"), (listmonk(&after), "unsubscribed"), (listmonk(""), "unsubscribed"),
            (events(UtcMillis(1_600_000_000_000)), "confirmed"), (events(later), "unsubscribed"),
            (column("unsubscribed_at", before), "confirmed"), (column("unsubscribed_at", &after), "unsubscribed"),
            (column("unsubscribed", "yes"), "unsubscribed"), (column("state", "unsubscribed"), "unsubscribed"),
            (column("complained_at", before), "complained"),
            (twice(before), "confirmed"), (twice(&after), "unsubscribed"),
            (bad(before), "confirmed"), (bad(&after), "unsubscribed"),
        ] {
            let look = store.folder.path().join("people.csv");
            std::fs::write(&look, &file).unwrap();
            let dry = Import { dry: true, skip_bad: true, ..Import::new(&look, PAPER) };
            let foreseen = subscribers.import(&dry, &Asked::default(), |_, _| {}).await.unwrap();
            let report = import(&store, &subscribers, file.as_bytes(), PAPER, true).await;
            assert_eq!((foreseen.updated, foreseen.unchanged), (report.updated, report.unchanged), "{file}");
            assert_eq!(states(&store).await, format!("{ann} {state}"), "{file}");
            execute(&store, "update subscribers set state = 'confirmed';
                update subscriptions set state = 'active', left_at = null; delete from suppressions").await;
        }
    }

    async fn an_old_dated_no_to_one_digest_is_over_for_whoever_has_taken_it_up_since(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        let ann = "ann@northfold.example";
        confirms(ann, &subscribers, &clock).await;
        execute(&store, "insert into subscriptions (subscriber_id, digest, state, topics, created_at)
            select id, 'jobs', 'active', '*', 0 from subscribers").await;
        let left_again = async || {
            let (id, asked) = (public_id(&store).await, Asked::default());
            let left = subscribers.say_goodbye(&id, "weekly", Leave::Digest("weekly"), Origin::PAGE, &asked).await.unwrap();
            let (left_at, way) = (subscribers.now(), left.way.unwrap());
            clock.advance(Duration::from_secs(60));
            let way = subscribers.tokens().verify_undo(way.as_str(), subscribers.now()).unwrap();
            subscribers.undo(&way, "Undo", Origin::PAGE).await.unwrap();
            format!(" left={}", left_at.exact())
        };
        let file = |digest: &str, left: &str| format!("email,subscriptions\n{ann},{digest}=* left{left}\n");
        let undone = left_again().await;
        clock.advance(Duration::from_secs(60));
        let later = format!(" left={}", subscribers.now().exact());
        let long_ago = " left=2022-01-02T03:04:05Z";
        for (file, has) in [
            (file("weekly", long_ago), "jobs\nweekly"), (file("weekly", &undone), "jobs\nweekly"),
            (file("weekly", &later), "jobs"), (file("weekly", ""), "jobs"),
            (file("jobs", long_ago), "weekly"),
        ] {
            let path = store.folder.path().join("people.csv");
            std::fs::write(&path, &file).unwrap();
            let dry = Import { dry: true, ..Import::new(&path, PAPER) };
            let foreseen = subscribers.import(&dry, &Asked::default(), |_, _| {}).await.unwrap();
            let report = import(&store, &subscribers, file.as_bytes(), PAPER, false).await;
            assert_eq!((foreseen.updated, foreseen.unchanged), (report.updated, report.unchanged), "{file}");
            assert_eq!(text(&store, "select digest from live_subscriptions order by 1").await, has, "{file}");
            execute(&store, "update subscriptions set state = 'active', left_at = null").await;
        }
    }

    async fn an_export_from_before_somebody_undid_their_leaving_takes_nobody_off(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        let (ann, asked) = ("ann@northfold.example", Asked::default());
        confirms(ann, &subscribers, &clock).await;
        clock.advance(Duration::from_secs(60));
        let (id, weekly) = (public_id(&store).await, Leave::Digest("weekly"));
        let left = subscribers.say_goodbye(&id, "weekly", weekly, Origin::PAGE, &asked).await.unwrap();
        clock.advance(Duration::from_secs(300));
        let mut export = Vec::new();
        subscribers.export_all(&mut export).await.unwrap();
        clock.advance(Duration::from_secs(300));
        let way = subscribers.tokens().verify_undo(left.way.unwrap().as_str(), subscribers.now()).unwrap();
        subscribers.undo(&way, "Undo", Origin::PAGE).await.unwrap();
        clock.advance(Duration::from_secs(300));
        let later = format!("email,unsubscribed_at\n{ann},{}\n", subscribers.now().exact());
        clock.advance(Duration::from_secs(300));
        for (file, state) in [(export, "confirmed"), (later.into_bytes(), "unsubscribed")] {
            import(&store, &subscribers, &file, PAPER, false).await;
            assert_eq!(states(&store).await, format!("{ann} {state}"));
        }
    }

    async fn an_old_dated_no_counts_against_an_operators_word_that_somebody_agreed(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, "ann@northfold.example", &["weekly"]).await;
        import(&store, &subscribers, b"email,unsubscribed_at\nann@northfold.example,2022-01-02\n", PAPER, false).await;
        assert_eq!(states(&store).await, "ann@northfold.example unsubscribed");
    }

    async fn all_noes_of_a_row_count_and_each_by_its_own_rule(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        for (name, columns, fields) in [
            ("good", "unsubscribed,bounced", "yes,yes"), ("state", "state,bounced", "unsubscribed,1"),
            ("bad", "unsubscribed,bounced,locale", "yes,yes,xx"), ("complaint", "spam,bounced", "yes,yes"),
        ] {
            confirmed(&subscribers, ANN, &["weekly"]).await;
            moves(&store, &subscribers, ANN, NEW).await;
            let file = format!("email,{columns}\n{ANN},{fields}\n");
            let report = import(&store, &subscribers, file.as_bytes(), PAPER, true).await;
            assert_eq!(text(&store, "select email from live_subscriptions").await, "", "{name}: {report:?}");
            execute(&store, "delete from notice_slots; delete from former_addresses; delete from deliveries; delete from subscriptions;
                delete from consent_events; delete from subscribers; delete from suppressions").await;
        }
        // Of somebody who is not known the strictest is written down, and that they had left everything.
        import(&store, &subscribers, format!("email,unsubscribed,bounced\n{ANN},yes,yes\n").as_bytes(), PAPER, false).await;
        assert_eq!(states(&store).await, format!("{ANN} bounced"));
        assert_eq!(text(&store, "select distinct state from subscriptions").await, "left");
    }

    async fn a_date_is_that_of_its_own_no_and_of_no_other(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        let ann = "ann@northfold.example";
        confirms(ann, &subscribers, &clock).await;
        let old = "2020-01-01 08:00:00";
        for (columns, fields, state) in [
            ("unsubscribed,blacklist", format!("{old},yes"), "unsubscribed"),
            ("unsubscribed,deleted_at", format!("yes,{old}"), "unsubscribed"),
            ("unsubscribed,blacklist", format!("{old},{old}"), "confirmed"),
            ("unsubscribed,bounced", format!("{old},yes"), "bounced"),
            ("unsubscribed,bounced", format!("yes,{old}"), "unsubscribed"),
            ("unsubscribed,unsubscribed_at", format!("yes,{old}"), "confirmed"),
            ("state,unsubscribed_at", format!("unsubscribed,{old}"), "confirmed"),
            ("state,bounced_at", format!("unsubscribed,{old}"), "unsubscribed"),
            ("blacklisted,is_blacklisted,blocklist_date", format!(",1,{old}"), "confirmed"),
        ] {
            let file = format!("email,{columns}\n{ann},{fields}\n");
            import(&store, &subscribers, file.as_bytes(), PAPER, false).await;
            assert_eq!(states(&store).await, format!("{ann} {state}"), "{file}");
            execute(&store, "update subscribers set state = 'confirmed';
                update subscriptions set state = 'active', left_at = null; delete from suppressions").await;
        }
    }

    async fn a_no_of_a_day_without_a_time_counts_until_that_day_is_over_everywhere(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        let ann = "ann@northfold.example";
        confirms(ann, &subscribers, &clock).await;
        let day = |before: u64| subscribers.now().minus(Duration::from_secs(before * 86_400)).exact()[..10].to_owned();
        let columns = ["unsubscribed_at", "bounced_at", "deleted_at"].map(|column| (column, String::new()));
        let subscriptions = ("subscriptions", "weekly=* left left=".to_owned());
        let suppressed = ("suppressed", "bounced ".to_owned());
        for (column, before) in columns.into_iter().chain([subscriptions, suppressed]) {
            for (days, stays) in [(0, false), (1, false), (2, true)] {
                let file = format!("email,{column}\n{ann},{before}{}\n", day(days));
                import(&store, &subscribers, file.as_bytes(), PAPER, false).await;
                let live = text(&store, "select digest from live_subscriptions").await;
                assert_eq!(live, if stays { "weekly" } else { "" }, "{file}");
                execute(&store, "update subscribers set state = 'confirmed';
                    update subscriptions set state = 'active', left_at = null; delete from suppressions").await;
            }
        }
        let path = store.folder.path().join("suppressed.csv");
        for (days, suppressed) in [(2, 0), (1, 1), (0, 1)] {
            std::fs::write(&path, format!("email,reason,since\n{ann},bounced,{}\n", day(days))).unwrap();
            let list = Import::new(&path, ImportBasis::Rows);
            let report = subscribers.import_suppressions(&list, SuppressionReason::Manual, "", Origin::COMMAND_LINE).await.unwrap();
            assert_eq!(report.added, suppressed, "{days}");
            execute(&store, "delete from suppressions; update subscribers set state = 'confirmed'").await;
        }
    }

    async fn every_address_that_can_be_read_in_a_bad_field_counts_for_the_no_of_its_row(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        for name in ["a", "b", "c", "d", "e", "f", "stays"] {
            confirmed(&subscribers, &format!("{name}@northfold.example"), &["weekly"]).await;
        }
        let fields = ["A <a@northfold.example>", "mailto:b@northfold.example", "c@northfold.example>",
            "\"d@northfold.example; e@northfold.example\"", "f\u{200b}@northfold.example"];
        let people = format!("email,state\n{}\nB <stays@northfold.example>,confirmed\n",
            fields.map(|field| format!("{field},unsubscribed")).join("\n"));
        let report = import(&store, &subscribers, people.as_bytes(), PAPER, true).await;
        all_are_counted(&report);
        let live = "select email from live_subscriptions";
        assert_eq!((report.refused_rows, text(&store, live).await.as_str()), (6, "stays@northfold.example"));
        assert_eq!(report.refused[3].email, "d@northfold.example; e@northfold.example");
        execute(&store, "update subscribers set state = 'confirmed'; update subscriptions set state = 'active', left_at = null").await;
        for start in ["email", "stays@northfold.example"] {
            let path = store.folder.path().join("suppressed.csv");
            std::fs::write(&path, format!("G <g@northfold.example>\n{start}\n{}\n", fields.join("\n"))).unwrap();
            let list = Import { skip_bad: true, ..Import::new(&path, ImportBasis::Rows) };
            let report = subscribers.import_suppressions(&list, SuppressionReason::Manual, "", Origin::COMMAND_LINE).await.unwrap();
            let stays = start == "email";
            assert_eq!((report.refused_rows, report.added), (6, u64::from(!stays)), "{:?}", report.refused);
            assert_eq!(text(&store, live).await, if stays { "stays@northfold.example" } else { "" });
            assert_eq!(text(&store, "select cast(count(*) as text) from suppressions").await, if stays { "7" } else { "8" });
            execute(&store, "delete from suppressions").await;
        }
    }

    async fn a_word_that_says_no_in_a_column_that_is_called_otherwise_counts_where_bad_rows_are_left_out(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        for (column, word) in [
            ("account_status", "unsubscribed"), ("category", "bounced"), ("consent", "no"), ("subscriptions", "opted out"),
            ("suppressed", "yes"),
        ] {
            confirmed(&subscribers, ANN, &["weekly"]).await;
            let report = import(&store, &subscribers, format!("email,{column}\n{ANN},{word}\n").as_bytes(), PAPER, true).await;
            assert_eq!((report.refused_rows, text(&store, "select email from live_subscriptions").await.as_str()), (1, ""), "{column}");
            execute(&store, "delete from subscriptions; delete from consent_events; delete from subscribers; delete from suppressions").await;
        }
    }
}
