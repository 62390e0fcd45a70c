//! What the log says: never who somebody is, nor a token that anybody could act with.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use postround::demo::catcher::{Answers, Command, Options, Reply, Stage};
use postround::domain::{Clock, EmailAddress, SystemClock};
use postround::subscribers::{Chosen, Keys, Topics};

use crate::support::daemon::Daemon;
use crate::support::program::Program;
use crate::support::site::story;
use crate::support::{PATIENCE, on_both};

const ANN: &str = "ann.marsh@northfold.example";
const NEW: &str = "ann.newman@saltby.example";

fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

/// Paths with tokens of every kind for Ann.
async fn paths(program: &Program) -> Vec<String> {
    let app = program.app(Arc::new(SystemClock)).await;
    let (subscribers, now) = (app.subscribers(), SystemClock.now());
    let keys = Keys::read(&app.config.store.keys).unwrap().unwrap();
    let (id, hash) = (subscribers.public_id(&address(ANN)).await.unwrap().unwrap(), keys.address_hash(&address(ANN)));
    let tokens = subscribers.tokens();
    let choice = [Chosen { digest: "weekly".to_owned(), topics: Topics::All }];
    let change = tokens.change_url(&id, &hash, "weekly", &address(NEW), now);
    let mut paths = vec![
        format!("/unsubscribe/{}", tokens.unsubscribe(&id, "weekly").as_str()),
        format!("/preferences/{}", tokens.preferences(&id, "weekly").as_str()),
        format!("/preferences/{}", tokens.manage(&id, &hash, "weekly", now).as_str()),
        format!("/goodbye/{}", tokens.undo(&id, &hash, "weekly", now).as_str()),
        format!("/confirm/{}", tokens.confirm(&id, &address(ANN), &choice, now).as_str()),
        format!("/address/{}", change.rsplit('/').next().unwrap()),
        format!("/r/{}", tokens.click_url(&id, 0).rsplit('/').next().unwrap()),
    ];
    let forged: Vec<String> = paths.iter().map(|path| format!("{}aa", &path[..path.len() - 2])).collect();
    paths.extend(forged);
    paths
}

/// A relay that refuses Ann once, for now, and names her; and whether it has.
fn grumpy() -> (Options, Arc<AtomicBool>) {
    let refused = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&refused);
    let answers = Answers::script(move |turn| match &turn.stage {
        Stage::Command(Command::Recipient { to, .. }) if to == ANN && !refused.swap(true, Ordering::Relaxed) => {
            Some(Reply::new(450, format!("4.2.0 <{to}> greylisted")))
        }
        _ => None,
    });
    (Options { answers, ..Options::default() }, seen)
}

/// Waits for what has to come true.
async fn until(mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap();
}

on_both! {
    async fn the_log_has_no_token_and_no_address_whatever_is_done_with_links_of_every_kind(store: TestStore) {
        let (grumpy, refused) = grumpy();
        let program = Program::with_relay(&store, grumpy).await;
        let config = std::fs::read_to_string(program.folder.path().join("config.toml")).unwrap();
        program.configure(&format!("{config}[subscribe]\nmin_fill_time = \"0s\"\n"));
        program.site.publish(story("hubs", "Family hubs win an extra year", "2026-11-18"));
        program.subscribe(ANN, &["--name", "Ann Marsh"]).await;
        let daemon = Daemon::run(program.command(&["-v", "serve"])).await;
        let paths = paths(&program).await;
        for path in &paths {
            daemon.get(path).await;
            daemon.get(&format!("{path}?{}", path.trim_start_matches('/'))).await;
        }
        let (_, home) = daemon.get("/").await;
        let stamp = home.split_once("name=\"stamp\" value=\"").unwrap().1.split('"').next().unwrap().to_owned();
        daemon.post("/subscribe", &format!("stamp={stamp}&email={ANN}&name=Ann+Marsh")).await;
        daemon.post("/subscribe", "email=ann.marsh%40&name=Ann+Marsh").await;
        // She has been told that she is subscribed already, as far as the relay lets that through, before she leaves below.
        until(|| refused.load(Ordering::Relaxed)).await;
        let bodies = ["", "topics=news&pause=4w", "do=address&email=ann.newman%40saltby.example", "do=link",
            "do=profile&name=Ann+Marsh", "reason=other&note=Ann+Marsh", "List-Unsubscribe=One-Click"];
        for path in &paths {
            for body in bodies {
                daemon.post(path, body).await;
            }
        }
        program.subscribe("ben@northfold.example", &[]).await;
        let run = program.run(&["-v", "run", "weekly", "--yes"]).await;
        assert!(run.status.success());
        until(|| program.mailbox.messages().iter().any(|mail| mail.recipients[0].starts_with("ben@"))).await;
        daemon.signal("TERM");
        daemon.says("stopping").await;
        let log = format!("{}{}", daemon.log(), String::from_utf8_lossy(&run.stderr));
        assert!(log.contains("polled"), "{log}");
        let secrets = paths.iter().flat_map(|path| {
            let token = path.rsplit('/').next().unwrap();
            [token, &token[..token.len().min(24)], &token[token.len().saturating_sub(16)..]]
        });
        let people = ["ann.marsh", "ann.newman", "Ann Marsh", "ben@", "greylisted", stamp.as_str()];
        for secret in secrets.chain(people) {
            assert!(!log.contains(secret), "the log has {secret}:\n{log}");
        }
    }
}
