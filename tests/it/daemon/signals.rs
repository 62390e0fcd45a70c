//! SIGTERM and SIGHUP, sent to a real process.

use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use postround::demo::catcher::{self, Answers, Options, Reply, Stage};
use reqwest::StatusCode;

use super::{got, mailbox, readers, slow};
use crate::support::daemon::Daemon;
use crate::support::program::Program;
use crate::support::site::story;
use crate::support::{PATIENCE, TestStore, on_both};

/// The configuration as it stands, changed.
fn change(program: &Program, from: &str, to: &str) {
    let file = program.folder.path().join("config.toml");
    let before = std::fs::read_to_string(&file).unwrap();
    assert!(before.contains(from), "{from}");
    std::fs::write(file, before.replace(from, to)).unwrap();
}

on_both! {
    async fn a_term_signal_finishes_the_messages_in_flight_and_records_them(store: TestStore) {
        let program = Program::with_relay(&store, slow(Duration::from_secs(2))).await;
        readers(&program, 9).await;
        let daemon = Daemon::start(&program).await;
        let issue = program.json(&["run", "weekly"]).await;
        // Two connections, each with a message that has come to the relay and waits for its answer.
        program.mailbox.wait_for(2, PATIENCE).await.unwrap();
        daemon.signal("TERM");
        let (status, took) = daemon.ended().await;
        assert!(status.success(), "{status}");
        assert!(took < Duration::from_secs(10), "{took:?}");
        let taken = program.mailbox.len();
        assert!((2..=4).contains(&taken), "{taken}");
        let shown = program.json(&["issue", "show", &issue["id"].to_string()]).await;
        assert_eq!((&shown["sent"], &shown["queued"]), (&taken.into(), &(9 - taken).into()), "{shown}");
        assert_eq!((&shown["sending"], &shown["uncertain"]), (&0.into(), &0.into()), "{shown}");
    }

    async fn a_run_that_is_waited_for_and_asked_to_stop_finishes_the_messages_in_flight_and_records_them(store: TestStore) {
        let program = Program::with_relay(&store, slow(Duration::from_secs(2))).await;
        readers(&program, 9).await;
        for signal in ["INT", "TERM"] {
            let before = program.mailbox.len();
            let run = program.command(&["run", "weekly", "--wait", "--yes"]).spawn().unwrap();
            program.mailbox.wait_for(before + 2, PATIENCE).await.unwrap();
            let done = std::process::Command::new("sh").arg("-c").arg(format!("kill -{signal} {}", run.id())).status().unwrap();
            assert!(done.success());
            let output = tokio::task::spawn_blocking(move || run.wait_with_output().unwrap()).await.unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.code() == Some(1) && said.contains("sent by `serve` or another run"), "{said}");
            let issues = program.json(&["issue", "list"]).await;
            let of = |state: &str| issues.as_array().unwrap().iter().map(|issue| issue[state].as_u64().unwrap()).sum::<u64>();
            assert_eq!((of("sent"), of("sending"), of("uncertain")), (program.mailbox.len() as u64, 0, 0), "{issues}");
            program.site.publish(story("next", "What comes next", "2026-11-21"));
        }
    }

    async fn a_hangup_in_the_middle_of_an_issue_loses_and_repeats_nothing(store: TestStore) {
        let program = Program::with_relay(&store, slow(Duration::from_millis(60))).await;
        readers(&program, 50).await;
        let daemon = Daemon::start(&program).await;
        program.json(&["run", "weekly"]).await;
        for mails in [5, 15, 25] {
            program.mailbox.wait_for(mails, PATIENCE).await.unwrap();
            daemon.signal("HUP");
        }
        let got = got(&program.mailbox, 50).await;
        assert!(got.values().all(|mails| *mails == 1), "{got:?}");
        assert!(daemon.log().contains("read again"), "{}", daemon.log());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hangup_takes_what_has_changed_and_a_bad_configuration_changes_nothing() {
    let store = TestStore::sqlite().await;
    let program = Program::on(&store).await;
    readers(&program, 3).await;
    let daemon = Daemon::start(&program).await;
    assert!(daemon.get("/").await.1.contains("Exampleton Weekly"));

    // Titles, and the relay.
    let other = mailbox();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(catcher::serve(listener, other.clone(), std::future::pending()));
    change(&program, "Exampleton Weekly", "Exampleton Gazette");
    change(&program, &format!("smtp://{}", program.relay), &format!("smtp://{address}"));
    daemon.signal("HUP");
    daemon.says("the configuration was read again, and is in use").await;
    let (status, page) = daemon.get("/").await;
    assert!(status == StatusCode::OK && page.contains("Exampleton Gazette") && !page.contains("Exampleton Weekly"));
    program.json(&["run", "weekly"]).await;
    let got = got(&other, 3).await;
    assert_eq!((got.len(), program.mailbox.len()), (3, 0), "the relay of the new configuration has it");
    let raw = String::from_utf8_lossy(&other.messages()[0].raw).into_owned();
    assert!(raw.contains("Exampleton Gazette"));

    // A bad one.
    change(&program, "Exampleton Gazette", "Exampleton Herald");
    change(&program, "timezone = \"Europe/London\"", "timezone = \"Europe/Londn\"");
    daemon.signal("HUP");
    daemon.says("the configuration is refused; the one before stays in use").await;
    let said = daemon.says("timezone").await;
    assert!(said.contains("config.toml:") && said.contains("Londn"), "{said}");
    assert!(daemon.get("/").await.1.contains("Exampleton Gazette"));
    assert_eq!(daemon.metric("postround_config_reload_success").await, Some(0.0));

    // Mended, with a source more that is polled by itself, and something that takes a restart.
    let more = format!("[[source]]\nid = \"extra\"\nfeed = \"{}\"\n[[digest]]", program.site.url("feed/"));
    change(&program, "timezone = \"Europe/Londn\"", "timezone = \"Europe/London\"");
    change(&program, "[[digest]]", &more);
    change(&program, "listen = \"127.0.0.1:0\"", "listen = \"127.0.0.1:1\"");
    daemon.signal("HUP");
    daemon.says("server.listen has changed, and takes a restart; until then it stays as it was").await;
    daemon.says("source=\"extra\"").await;
    assert!(daemon.get("/").await.1.contains("Exampleton Herald"), "it listens where it did");
    assert_eq!(daemon.metric("postround_config_reload_success").await, Some(1.0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_template_that_loops_practically_for_ever_is_refused_and_keeps_nobody_from_stopping() {
    let store = TestStore::sqlite().await;
    let program = Program::on(&store).await;
    let own = program.folder.path().join("own");
    std::fs::create_dir(&own).unwrap();
    change(&program, "[collect]", "[templates]\ndir = \"own\"\n[collect]");
    let daemon = Daemon::start(&program).await;
    let endless = "{% set r = range(end=3000) %}{% for a in r %}{% for b in r %}{% for c in r %}{% endfor %}{% endfor %}{% endfor %}";
    std::fs::write(own.join("digest.txt"), endless).unwrap();
    daemon.signal("HUP");
    daemon.says("own/digest.txt: it is not done after 10 seconds").await;
    daemon.says("the configuration is refused; the one before stays in use").await;
    daemon.signal("HUP");
    daemon.signal("TERM");
    let (status, took) = daemon.ended().await;
    assert!(status.success() && took < Duration::from_secs(8), "{status} after {took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_has_asked_for_less_speed_is_left_alone_after_a_hangup_too() {
    let store = TestStore::sqlite().await;
    let connections = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&connections);
    let answers = Answers::script(move |turn| {
        seen.fetch_max(turn.connection, Ordering::SeqCst);
        match turn.stage {
            Stage::Content { .. } => Some(Reply::new(421, "4.7.28 Too much from you").then_close()),
            _ => None,
        }
    });
    let program = Program::with_relay(&store, Options { answers, ..Options::default() }).await;
    readers(&program, 5).await;
    let daemon = Daemon::start(&program).await;
    program.json(&["run", "weekly"]).await;
    daemon.says("the relay asks for less speed").await;
    daemon.signal("HUP");
    daemon.says("the configuration was read again, and is in use").await;
    let before = connections.load(Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(connections.load(Ordering::SeqCst), before, "ten minutes are not over");
    assert!(program.mailbox.is_empty());
    assert_eq!(daemon.ready().await.1["relays"], "none works");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn systemd_is_told_when_it_is_ready_when_it_reads_again_and_when_it_stops() {
    let store = TestStore::sqlite().await;
    let program = Program::on(&store).await;
    let path = program.folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let socket = Arc::new(socket);
    let told = async || {
        let socket = Arc::clone(&socket);
        let told = move || {
            let mut message = [0; 200];
            let length = socket.recv(&mut message).unwrap();
            String::from_utf8(message[..length].to_vec()).unwrap()
        };
        tokio::task::spawn_blocking(told).await.unwrap()
    };
    let mut command = program.command(&["serve"]);
    command.env("NOTIFY_SOCKET", &path);
    let daemon = Daemon::run(command).await;
    assert_eq!(told().await.trim(), "READY=1");
    daemon.signal("HUP");
    assert!(told().await.starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert_eq!(told().await.trim(), "READY=1");
    daemon.signal("TERM");
    assert_eq!(told().await.trim(), "STOPPING=1");
    assert!(daemon.ended().await.0.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hangup_reads_templates_anew_and_refuses_a_broken_one() {
    let store = TestStore::sqlite().await;
    let program = Program::on(&store).await;
    readers(&program, 1).await;
    let templates = program.folder.path().join("templates");
    let output = program.run(&["template", "export", templates.to_str().unwrap()]).await;
    assert!(output.status.success(), "{output:?}");
    let mail = templates.join("digest.txt");
    let text = std::fs::read_to_string(&mail).unwrap();
    change(&program, "[collect]", "[templates]\ndir = \"templates\"\n[collect]");
    let daemon = Daemon::start(&program).await;

    std::fs::write(&mail, format!("{text}\n{{% if %}}")).unwrap();
    daemon.signal("HUP");
    daemon.says("the configuration is refused").await;
    assert!(daemon.log().contains("digest.txt"), "{}", daemon.log());

    std::fs::write(&mail, format!("{text}\nPrinted on paper.\n")).unwrap();
    daemon.signal("HUP");
    daemon.says("the configuration was read again, and is in use").await;
    program.site.publish(story("more", "More of it", "2026-11-19"));
    program.json(&["run", "weekly"]).await;
    let mails = program.caught(1).await;
    assert!(String::from_utf8_lossy(&mails[0].raw).contains("Printed on paper."));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hangup_that_is_refused_leaves_the_wording_as_it_was_and_one_that_is_taken_drops_what_is_gone() {
    let store = TestStore::sqlite().await;
    let program = Program::on(&store).await;
    let locales = program.folder.path().join("templates/locales");
    std::fs::create_dir_all(&locales).unwrap();
    change(&program, "[collect]", "[templates]\ndir = \"templates\"\n[collect]");
    let write = |code: &str, free: &str, more: &str| {
        let text = format!("[pages.home]\nfree = \"{free}\"\n{more}");
        std::fs::write(locales.join(format!("{code}.toml")), text).unwrap();
    };
    write("en-GB", "The first words", "");
    write("pt", "As primeiras palavras", "");
    let daemon = Daemon::start(&program).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let page_in = async |language: &str| {
        let request = client.get(&daemon.url).header("accept-language", language);
        request.send().await.unwrap().text().await.unwrap()
    };
    assert!(page_in("en-GB").await.contains("The first words"));
    assert!(page_in("pt").await.contains("As primeiras palavras"));

    let endless = format!("[mails.goodbye]\ntext = \"{}\"\n", "x".repeat(90_000));
    write("en-GB", "Words beside others that are too long", &endless);
    write("gl", "Palabras", "");
    daemon.signal("HUP");
    daemon.says("en-GB.toml: a mail has ").await;
    assert!(page_in("en-GB").await.contains("The first words"));
    assert!(page_in("gl").await.contains("The first words"), "a locale that was not taken is not there");

    write("en-GB", "Words beside a bad configuration", "");
    std::fs::remove_file(locales.join("pt.toml")).unwrap();
    change(&program, "timezone = \"Europe/London\"", "timezone = \"Europe/Londn\"");
    daemon.signal("HUP");
    daemon.says("Londn").await;
    assert!(page_in("en-GB").await.contains("The first words"));
    assert!(page_in("pt").await.contains("As primeiras palavras"));

    write("en-GB", "The last words", "");
    change(&program, "timezone = \"Europe/Londn\"", "timezone = \"Europe/London\"");
    daemon.signal("HUP");
    daemon.says("the configuration was read again, and is in use").await;
    assert!(page_in("en-GB").await.contains("The last words"));
    assert!(page_in("gl").await.contains("Palabras"));
    assert!(page_in("pt").await.contains("The last words"));
}
