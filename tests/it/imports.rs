//! Import, export and suppression through the built program.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::Duration;

use postround::store::{ConsentRow, Durability, FormerAddressRow};
use postround::subscribers::{JoinRequest, Origin, SuppressionReason};

use crate::support::household::{Asked, address, somebody};
use crate::support::program::Program;
use crate::support::{MONDAY, TestClock, on_both};

on_both! {
    async fn a_file_is_imported_exported_and_imported_elsewhere(store: TestStore) {
        let program = Program::on(&store).await;
        let file = program.folder.path().join("people.csv");
        std::fs::write(&file, "E-mail;First name;Last name;topics\nann@northfold.example;Ann;Marsh;news\nben@northfold.example;Ben;;\n").unwrap();
        let file = file.to_str().unwrap();
        let report = program.json(&["subscriber", "import", file]).await;
        assert_eq!((&report["added"], &report["applied"]), (&2.into(), &false.into()));
        let report = program.json(&["subscriber", "import", file, "--confirmed", "--evidence", "Paper forms"]).await;
        assert_eq!((&report["rows"], &report["added"], &report["skipped"]), (&2.into(), &2.into(), &0.into()));
        assert_eq!(report["refused"], serde_json::json!([]));
        let csv = program.run(&["subscriber", "export", "--all"]).await;
        let csv = String::from_utf8(csv.stdout).unwrap();
        assert!(csv.starts_with("email,name,state,topics,digests,locale,confirmed_at,evidence,"), "{csv}");
        let other = Program::on(&store).await;
        let copy = other.folder.path().join("export.csv");
        std::fs::write(&copy, csv).unwrap();
        let report = other.json(&["subscriber", "import", copy.to_str().unwrap()]).await;
        assert_eq!((&report["added"], &report["applied"]), (&2.into(), &true.into()));
        let shown = other.json(&["subscriber", "show", "ann@northfold.example"]).await;
        assert_eq!((&shown["name"], &shown["digests"][0]["topics"]), (&"Ann Marsh".into(), &serde_json::json!(["news"])));
    }

    async fn rows_without_evidence_are_left_alone_with_their_lines_and_a_way_on(store: TestStore) {
        let program = Program::on(&store).await;
        let file = program.folder.path().join("people.csv");
        std::fs::write(&file, "email,evidence\nann@northfold.example,paper form 7\nben@northfold.example,\ncal@northfold.example,\n").unwrap();
        let output = program.run(&["subscriber", "import", file.to_str().unwrap()]).await;
        assert!(output.status.success(), "{output:?}");
        let (said, hint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(said.contains("1 added, 0 updated, 0 unchanged, 2 skipped") && said.contains("without evidence: line 3, 4"), "{said}");
        assert!(hint.contains("--ask") && !hint.contains("--confirmed"), "{hint}");
        let shown = program.json(&["subscriber", "show", "ann@northfold.example"]).await;
        assert_eq!(shown["state"], "confirmed");
    }

    async fn an_import_says_which_digests_people_get(store: TestStore) {
        let program = Program::on(&store).await;
        let file = program.folder.path().join("people.csv");
        std::fs::write(&file, "email,digests\nann@northfold.example,weekly\nben@northfold.example,\n").unwrap();
        let looking = ["subscriber", "import", file.to_str().unwrap(), "--confirmed", "--evidence", "Forms", "--dry-run"];
        let said = String::from_utf8(program.run(&looking).await.stdout).unwrap();
        assert!(said.contains(" 2 would get weekly\n") && said.contains("no digest or topic named: 1; these get what is public"), "{said}");
        let report = program.json(&looking).await;
        assert_eq!((&report["digests"], &report["without_choice"]), (&serde_json::json!({ "weekly": 2 }), &1.into()));
        let said = String::from_utf8(program.run(&looking[..6]).await.stdout).unwrap();
        assert!(said.contains(" 2 get weekly\n"), "{said}");
    }

    async fn a_bad_row_ends_in_exit_code_1_with_its_line_and_can_be_skipped_with_a_report(store: TestStore) {
        let program = Program::on(&store).await;
        let file = program.folder.path().join("people.csv");
        std::fs::write(&file, "email\nann@northfold.example\nnobody\n").unwrap();
        let arguments = ["subscriber", "import", file.to_str().unwrap(), "--confirmed", "--evidence", "Forms"];
        let output = program.run(&arguments).await;
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains("line 3: "), "{output:?}");
        assert_eq!(program.run(&["subscriber", "list"]).await.stdout, b"");
        let report = program.json(&[&arguments[..], &["--skip-bad"]].concat()).await;
        assert_eq!((&report["added"], &report["refused"][0]["line"]), (&1.into(), &3.into()));
        let listed = std::fs::read_to_string(program.folder.path().join("people.csv.report.csv")).unwrap();
        assert!(listed.contains("3,refused,"), "{listed}");
    }

    async fn where_no_header_can_be_read_skipping_bad_rows_ends_in_exit_code_1_too(store: TestStore) {
        let program = Program::on(&store).await;
        let file = program.folder.path().join("people.csv");
        std::fs::write(&file, "Name,Town\nAnn,Exampleton\n").unwrap();
        let file = file.to_str().unwrap();
        for arguments in [
            &["subscriber", "import", file, "--confirmed", "--evidence", "Forms", "--skip-bad"][..],
            &["suppression", "import", file, "--skip-bad"],
        ] {
            let output = program.run(arguments).await;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(1), "{said}");
            assert!(said.contains("line 1: ") && !said.contains("leaves bad rows out"), "{said}");
        }
    }

    async fn a_pause_that_is_over_before_it_begins_is_refused(store: TestStore) {
        let program = Program::on(&store).await;
        program.subscribe("ann@northfold.example", &[]).await;
        let pause = |day: &'static str| ["subscriber", "edit", "ann@northfold.example", "--digest", "weekly", "--pause", day];
        let refused = program.run(&pause("2020-01-01")).await;
        assert_eq!(refused.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&refused.stderr).contains("2020-01-01 is not ahead"), "{refused:?}");
        assert!(program.run(&pause("2099-01-01")).await.status.success());
    }

    async fn a_file_may_have_any_name(store: TestStore) {
        let program = Program::on(&store).await;
        let file = program.folder.path().join(OsStr::from_bytes(b"Zo\xeb.csv"));
        std::fs::write(&file, "email\nann@northfold.example\nnobody\n").unwrap();
        let mut command = program.command(&["subscriber", "import", "--confirmed", "--evidence", "Forms", "--skip-bad", "--json"]);
        command.arg(&file);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        assert!(output.status.success(), "{output:?}");
        assert!(program.folder.path().join(OsStr::from_bytes(b"Zo\xeb.csv.report.csv")).is_file());
        let shown = program.json(&["subscriber", "show", "ann@northfold.example"]).await;
        assert_eq!(shown["consent"][0]["source"], "import of Zo\\xeb.csv");
    }

    async fn an_export_says_what_can_be_exported(store: TestStore) {
        let program = Program::on(&store).await;
        for arguments in [&["subscriber", "export"][..], &["subscriber", "export", "ann@northfold.example", "--all"]] {
            let output = program.run(arguments).await;
            assert_eq!(output.status.code(), Some(2));
            assert!(String::from_utf8_lossy(&output.stderr).contains("--all"), "{output:?}");
        }
    }

    async fn a_list_of_suppressions_is_exact_and_one_that_is_erased_says_nothing(store: TestStore) {
        let program = Program::on(&store).await;
        let app = program.app(Arc::new(TestClock::at(MONDAY.plus(Duration::from_millis(7))))).await;
        app.subscribers().suppress(&address("ann@northfold.example"), SuppressionReason::Bounced, "Ann", Origin::COMMAND_LINE).await.unwrap();
        let csv = String::from_utf8(program.run(&["suppression", "list", "--csv"]).await.stdout).unwrap();
        assert!(csv.contains("2026-11-23T08:00:00.007Z"), "{csv}");
        assert!(program.run(&["subscriber", "erase", "ann@northfold.example"]).await.status.success());
        assert_eq!(program.json(&["suppression", "list"]).await[0]["note"], "");
        let again = program.run(&["subscriber", "erase", "ann@northfold.example"]).await;
        assert!(String::from_utf8_lossy(&again.stdout).contains("nothing is held but a keyed hash"), "{again:?}");
    }

    async fn an_operator_hears_of_whoever_had_an_address_before_though_somebody_has_asked_for_it_since(store: TestStore) {
        let program = Program::on(&store).await;
        let (old, new) = ("ann@northfold.example", "ann@saltby.example");
        program.subscribe(new, &[]).await;
        let app = program.app(Arc::new(TestClock::at(MONDAY))).await;
        let mut session = app.store.write(Durability::Full).await.unwrap();
        let subscriber_id = session.subscriber_by_hash(&app.keys.address_hash(&address(new))).await.unwrap().unwrap().id;
        let former = FormerAddressRow { address_hash: app.keys.address_hash(&address(old)), subscriber_id, moved_at: MONDAY };
        session.add_former_addresses(&[former]).await.unwrap();
        session.commit().await.unwrap();
        let request = JoinRequest {
            address: address(old), name: String::new(), locale: None, choice: somebody(old, &["weekly"]).choice, wording: String::new(),
        };
        app.subscribers().join(&request, Origin::PAGE, &Asked::default()).await.unwrap();
        let shown = String::from_utf8(program.run(&["subscriber", "show", old]).await.stdout).unwrap();
        assert!(shown.contains("pending") && shown.contains(&format!("it is a former address of {new} as well")), "{shown}");
        let shown = program.json(&["subscriber", "show", old]).await;
        assert_eq!((&shown["state"], &shown["moved_to"]), (&"pending".into(), &new.into()));
        let exported = program.run(&["subscriber", "export", old]).await;
        let held: serde_json::Value = serde_json::from_slice(&exported.stdout).unwrap();
        assert_eq!(held["state"], "pending");
        let said = String::from_utf8_lossy(&exported.stderr).into_owned();
        assert!(said.contains(&format!("{old} is a former address of {new} as well")), "{said}");
        for json in [&[][..], &["--json"]] {
            let output = program.run(&[json, &["subscriber", "edit", old, "--name", "Ann"]].concat()).await;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!output.status.success() && output.stdout.is_empty() && said.contains(new), "{output:?}");
        }
        let left = program.run(&["subscriber", "unsubscribe", old]).await;
        let left = String::from_utf8(left.stdout).unwrap();
        assert!(left.contains(&format!("it is a former address of {new}: unsubscribed there too")), "{left}");
        let listed = String::from_utf8(program.run(&["subscriber", "list"]).await.stdout).unwrap();
        assert_eq!(listed, format!("unsubscribed  {new}\nunsubscribed  {old}\n"));
        let again = program.json(&["subscriber", "unsubscribe", old]).await;
        assert_eq!((&again["email"], &again["state"], &again["moved_to"]), (&old.into(), &"unsubscribed".into(), &new.into()));
        assert!(program.json(&["subscriber", "unsubscribe", new]).await.get("moved_to").is_none());
        let erased = String::from_utf8(program.run(&["subscriber", "erase", old, "--yes"]).await.stdout).unwrap();
        assert!(erased.contains(&format!("it is a former address of {new} as well: what is held of them stays")), "{erased}");
        for json in [&[][..], &["--json"]] {
            let output = program.run(&[json, &["subscriber", "erase", old, "--yes"]].concat()).await;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let refused = !output.status.success() && output.stdout.is_empty();
            assert!(refused && said.contains(&format!("`subscriber erase {new}`")), "nobody has it any more: {output:?}");
        }
        let erased = program.json(&["subscriber", "erase", new]).await;
        assert_eq!(erased, serde_json::json!({ "email": new, "erased": true }));
    }

    async fn what_is_shown_of_somebody_says_where_nothing_is_mailed(store: TestStore) {
        let program = Program::on(&store).await;
        program.subscribe("ann@northfold.example", &[]).await;
        let shown = program.json(&["subscriber", "show", "ann@northfold.example"]).await;
        assert_eq!((&shown["digests"][0]["state"], &shown["digests"][0]["gets"]), (&"active".into(), &true.into()));
        let app = program.app(Arc::new(TestClock::at(MONDAY))).await;
        app.subscribers().suppress(&address("ann@northfold.example"), SuppressionReason::Complaint, "", Origin::COMMAND_LINE).await.unwrap();
        let shown = program.json(&["subscriber", "show", "ann@northfold.example"]).await;
        assert_eq!((&shown["digests"][0]["state"], &shown["digests"][0]["gets"]), (&"active".into(), &false.into()));
        let said = program.run(&["subscriber", "show", "ann@northfold.example"]).await.stdout;
        let said = String::from_utf8(said).unwrap();
        assert!(said.contains("weekly: active (all topics); nothing is mailed: the address is suppressed (complaint)"), "{said}");
        let listed = String::from_utf8(program.run(&["subscriber", "list", "--json"]).await.stdout).unwrap();
        assert!(listed.contains("\"gets\":false"), "{listed}");
    }

    async fn an_address_that_was_suppressed_by_hand_gets_nothing_until_it_is_lifted(store: TestStore) {
        let program = Program::on(&store).await;
        assert_eq!(program.json(&["suppression", "list"]).await, serde_json::json!([]));
        program.json(&["suppression", "add", "ann@northfold.example", "--note", "by phone"]).await;
        let refused = program.run(&["subscriber", "add", "ann@northfold.example"]).await;
        assert_eq!(refused.status.code(), Some(1));
        let all = program.json(&["suppression", "list"]).await;
        assert_eq!((&all[0]["reason"], &all[0]["note"], all.as_array().unwrap().len()), (&"manual".into(), &"by phone".into(), 1));
        let csv = program.run(&["suppression", "list", "--csv"]).await.stdout;
        let lifted = program.json(&["suppression", "remove", "ann@northfold.example"]).await;
        assert_eq!(lifted["note"], "by phone");
        assert_eq!(program.run(&["suppression", "remove", "ann@northfold.example"]).await.status.code(), Some(1));
        let file = program.folder.path().join("suppressed.csv");
        std::fs::write(&file, csv).unwrap();
        let report = program.json(&["suppression", "import", file.to_str().unwrap()]).await;
        assert_eq!(report["added"], 1);
        assert_eq!(program.run(&["subscriber", "add", "ann@northfold.example"]).await.status.code(), Some(1));
    }

    async fn of_an_address_that_somebody_had_before_the_operator_is_told_which_one_is_shut_too(store: TestStore) {
        let program = Program::on(&store).await;
        let (old, new) = ("ann@northfold.example", "ann@saltby.example");
        program.subscribe(new, &[]).await;
        program.json(&["suppression", "add", old, "--reason", "bounced"]).await;
        let address_hash = program.json(&["suppression", "list"]).await[0]["address_hash"].as_str().unwrap().to_owned();
        let app = program.app(Arc::new(TestClock::at(MONDAY))).await;
        let mut session = app.subscribers().store().write(Durability::Full).await.unwrap();
        session.add_former_addresses(&[FormerAddressRow { address_hash, subscriber_id: 1, moved_at: MONDAY }]).await.unwrap();
        session.commit().await.unwrap();
        let said = async |arguments: &[&str]| String::from_utf8(program.run(arguments).await.stdout).unwrap();
        let lifted = said(&["suppression", "remove", old]).await;
        assert!(lifted.contains(&format!("it is a former address of {new}; the person stays as they are there")), "{lifted}");
        let shut = said(&["suppression", "add", old]).await;
        assert!(shut.contains(&format!("it is a former address of {new}: nothing is mailed there any more either")), "{shut}");
        let lifted = said(&["suppression", "remove", new]).await;
        assert!(lifted.contains("stays suppressed (manual): a list that has it suppresses them again"), "{lifted}");
        said(&["suppression", "add", new]).await;
        let lifted = said(&["suppression", "remove", old]).await;
        assert!(lifted.contains(&format!("where the person stays suppressed (manual); `suppression remove {new}` lifts that")), "{lifted}");
        let nothing = String::from_utf8(program.run(&["suppression", "remove", old]).await.stderr).unwrap();
        assert!(nothing.contains(&format!("{old} is not suppressed; it is a former address of {new}")), "{nothing}");
        let listed = said(&["suppression", "list"]).await;
        assert!(listed.contains(new) && !listed.contains(old), "{listed}");
    }

    async fn the_evidence_is_shown_with_wording_and_version_in_lines_that_a_terminal_holds(store: TestStore) {
        let program = Program::on(&store).await;
        program.subscribe("ann@northfold.example", &[]).await;
        let app = program.app(Arc::new(TestClock::at(MONDAY))).await;
        let mut session = app.subscribers().store().write(Durability::Full).await.unwrap();
        let event = session.consent_between(1, 1).await.unwrap().remove(0);
        let wording = "Do you want Early Help Weekly? ann@northfold.example will get Early Help Weekly with News and Features. \
            The next issue comes on Monday. [Yes, subscribe me]";
        let (network, agent, wording) = (Some("192.0.2.7".to_owned()), Some("Browser \u{1b}[31m".to_owned()), Some(wording.to_owned()));
        session.add_consent(&ConsentRow { network, agent, wording, ..event }).await.unwrap();
        session.commit().await.unwrap();
        let shown = program.json(&["subscriber", "show", "ann@northfold.example"]).await;
        let said = String::from_utf8(program.run(&["subscriber", "show", "ann@northfold.example"]).await.stdout).unwrap();
        let version = shown["consent"][1]["wording_version"].as_str().unwrap();
        assert!(said.contains("      from 192.0.2.7, Browser [31m\n") && said.contains(&format!("      wording {version}: Do you want")), "{said}");
        assert!(said.trim_end().ends_with("subscribe me]"), "{said}");
        assert!(said.lines().all(|line| line.chars().count() <= 80), "{said}");
    }
}
