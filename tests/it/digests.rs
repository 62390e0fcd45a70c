//! `digest list`, `hold` and `resume` as an operator calls them.

use chrono::{DateTime, Datelike, FixedOffset, TimeDelta, Utc};
use serde_json::Value;

use crate::support::on_both;
use crate::support::program::Program;

/// The coming times that a digest is listed with.
fn times(digest: &Value) -> Vec<DateTime<FixedOffset>> {
    let next = digest["next"].as_array().unwrap_or_else(|| panic!("{digest}"));
    next.iter().map(|at| DateTime::parse_from_rfc3339(at.as_str().unwrap()).unwrap()).collect()
}

fn said(output: &std::process::Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

on_both! {
    async fn the_digests_are_listed_each_with_its_next_five_times_in_its_own_zone(store: TestStore) {
        let program = Program::on(&store).await;
        let file = program.folder.path().join("config.toml");
        let config = std::fs::read_to_string(&file).unwrap();
        let second = "[[digest]]\nid = \"daily\"\ntitle = \"Daily\"\nsources = [\"news\"]\nschedule = \"30 6 * * *\"\n\
                      timezone = \"Asia/Kolkata\"\n";
        program.configure(&format!("{config}{second}"));
        let began = Utc::now();
        let listed = program.json(&["digest", "list"]).await;
        let listed = listed.as_array().unwrap();
        assert_eq!(listed.len(), 2);
        for (digest, id, schedule, timezone) in [
            (&listed[0], "weekly", "0 8 * * MON", "Europe/London"),
            (&listed[1], "daily", "30 6 * * *", "Asia/Kolkata"),
        ] {
            assert_eq!((&digest["id"], &digest["schedule"]), (&id.into(), &schedule.into()));
            assert_eq!((&digest["timezone"], &digest["held"]), (&timezone.into(), &false.into()));
            let next = times(digest);
            assert_eq!(next.len(), 5, "{digest}");
            assert!(next[0] > began && next.is_sorted(), "{digest}");
        }
        for at in times(&listed[0]) {
            assert_eq!((at.weekday(), at.time().to_string().as_str()), (chrono::Weekday::Mon, "08:00:00"), "{at}");
            let summer = at.with_timezone(&chrono_tz::Europe::London).to_rfc3339();
            assert_eq!(at.to_rfc3339(), summer, "with the offset that London has on that day");
        }
        for at in listed[1]["next"].as_array().unwrap() {
            assert!(at.as_str().unwrap().ends_with("T06:30:00+05:30"), "{at}");
        }
        let text = said(&program.run(&["digest", "list"]).await);
        assert!(text.contains("weekly: Exampleton Weekly (0 8 * * MON, Europe/London)"), "{text}");
        assert!(text.contains("06:30 IST  ") && text.contains(" 01:00 UTC"), "local and UTC: {text}");
    }

    async fn a_digest_is_held_until_a_day_or_until_it_is_resumed_and_its_times_say_so(store: TestStore) {
        let program = Program::on(&store).await;
        let day = Utc::now().date_naive() + TimeDelta::days(60);
        let held = program.json(&["digest", "hold", "weekly", "--until", &day.to_string()]).await;
        assert_eq!((held.as_array().unwrap().len(), &held[0]["held"]), (1, &true.into()), "{held}");
        let until = DateTime::parse_from_rfc3339(held[0]["held_until"].as_str().unwrap()).unwrap();
        assert_eq!((until.date_naive(), until.time().to_string().as_str()), (day, "00:00:00"), "the day's beginning there");
        let next = times(&held[0]);
        assert!(next.len() == 5 && next[0] >= until && next[0] < until + TimeDelta::days(7), "{held}");
        assert_eq!(program.json(&["digest", "list"]).await, held);

        let held = program.json(&["digest", "hold", "weekly"]).await;
        assert_eq!((&held[0]["held"], &held[0]["held_until"], times(&held[0]).len()), (&true.into(), &Value::Null, 0));
        let text = said(&program.run(&["digest", "list"]).await);
        assert!(text.contains("held until `digest resume weekly`"), "{text}");
        program.subscribe("ana@northfold.example", &[]).await;
        let why = program.json(&["subscriber", "why", "ana@northfold.example"]).await;
        assert_eq!(why["digests"][0]["why"], "the digest is held, so nobody gets it");
        let run = program.run(&["run", "weekly", "--yes"]).await;
        assert_eq!(run.status.code(), Some(1));
        assert!(said(&run).contains("weekly is held"), "{}", said(&run));

        let resumed = program.json(&["digest", "resume", "weekly"]).await;
        assert_eq!((&resumed[0]["held"], times(&resumed[0]).len()), (&false.into(), 5));
        let again = program.run(&["digest", "resume", "weekly"]).await;
        assert!(again.status.success() && said(&again).contains("weekly was not held"), "{}", said(&again));
        assert_eq!(program.json(&["subscriber", "why", "ana@northfold.example"]).await["digests"][0]["gets"], true);
    }

    async fn a_hold_names_a_digest_that_there_is_and_a_day_to_come(store: TestStore) {
        let program = Program::on(&store).await;
        let today = Utc::now().with_timezone(&chrono_tz::Europe::London).date_naive().to_string();
        for arguments in [["weekly", "--until", "2020-01-01"], ["weekly", "--until", &today], ["weekly", "--until", "Monday"],
            ["weakly", "--until", "2099-01-01"]] {
            let refused = program.run(&[["digest", "hold"].as_slice(), &arguments].concat()).await;
            assert_eq!(refused.status.code(), Some(2), "{arguments:?}: {}", said(&refused));
        }
        assert_eq!(program.json(&["digest", "list"]).await[0]["held"], false);
    }
}
