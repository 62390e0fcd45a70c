//! The kinds of relay: a folder, and servers with encryption and accounts.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use postround::config::{Secret, Tls};
use postround::deliver::Settings;
use postround::demo::catcher::{Answers, Command, Options, Reply, Stage, Turn};
use postround::domain::DeliveryState;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ServerConfig, crypto};

use super::crash::{claim, finish, record, start};
use super::world::{Catcher, World, header, outbox_url, outcome, reader, settings, smtp_url};
use crate::support::{TestStore, on_both};

/// What a server says in the clear before it encrypts.
#[derive(Clone, Copy, PartialEq)]
pub enum InTheClear {
    Nothing,
    StartTls,
    /// As somebody on the way would, who hopes that it counts as said under encryption (RFC 3207, section 6).
    StartTlsAndMore,
    RefusesStartTls,
}

/// A server that encrypts, in front of `catcher`; gives the settings for it.
pub async fn encrypting(catcher: &Catcher, folder: &std::path::Path, clear: InTheClear) -> Settings {
    let key = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let ca_file: PathBuf = folder.join("ca.pem");
    std::fs::write(&ca_file, key.cert.pem()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![key.cert.der().clone()],
            PrivateKeyDer::try_from(key.signing_key.serialize_der()).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, behind) = (listener.local_addr().unwrap(), catcher.address);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(relay(client, acceptor.clone(), behind, clear));
        }
    });
    let tls = if clear == InTheClear::Nothing { Tls::Wrapped } else { Tls::StartTls };
    let mut settings = settings(smtp_url(address, tls));
    settings.smtp.relays[0].tls_ca_file = Some(ca_file);
    settings
}

async fn relay(
    mut client: TcpStream,
    acceptor: TlsAcceptor,
    behind: std::net::SocketAddr,
    clear: InTheClear,
) -> Option<()> {
    let mut server = BufReader::new(TcpStream::connect(behind).await.ok()?);
    if clear != InTheClear::Nothing {
        let mut line = String::new();
        client.write_all(b"220 hello\r\n").await.ok()?;
        let mut lines = BufReader::new(&mut client);
        lines.read_line(&mut line).await.ok()?;
        assert!(line.starts_with("EHLO"), "{line}");
        lines.get_mut().write_all(b"250-localhost\r\n250 STARTTLS\r\n").await.ok()?;
        line.clear();
        lines.read_line(&mut line).await.ok()?;
        assert_eq!(line, "STARTTLS\r\n");
        let answer: &[u8] = match clear {
            InTheClear::StartTlsAndMore => b"220 go\r\n250-forged\r\n250 AUTH PLAIN\r\n",
            InTheClear::RefusesStartTls => b"454 4.7.0 TLS not available\r\n",
            _ => b"220 go\r\n",
        };
        lines.get_mut().write_all(answer).await.ok()?;
        // The greeting has been given already.
        server.read_line(&mut line).await.ok()?;
    }
    let mut client = acceptor.accept(client).await.ok()?;
    let rest = server.buffer().to_vec();
    client.write_all(&rest).await.ok()?;
    tokio::io::copy_bidirectional(&mut client, &mut server.into_inner()).await.ok()?;
    Some(())
}

type Place = fn(&Turn<'_>) -> bool;

/// Where a relay may refuse all that we send, whichever the message.
const REFUSALS: [(&str, Place); 3] = [
    ("greeting", |turn| matches!(turn.stage, Stage::Connect)),
    ("AUTH", |turn| matches!(turn.stage, Stage::Command(Command::Auth { .. }))),
    ("MAIL", |turn| matches!(turn.stage, Stage::Command(Command::Mail { .. }))),
];

on_both! {
    async fn an_outbox_gets_one_file_for_each_message(test: TestStore) {
        let world = World::new(test).await;
        world.queue(20).await;
        let folder = world.test.folder.path().join("out/box");
        let mut settings = settings(outbox_url(&folder));
        settings.smtp.relays[0].connections = 3;
        let engine = world.engine(settings);
        assert_eq!(engine.deliver_one_batch().await.unwrap(), outcome(20, 20, 0, 0));
        let files = |folder: &std::path::Path| -> BTreeSet<PathBuf> {
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
        };
        let first = files(&folder);
        assert!(first.len() == 20 && first.iter().all(|file| file.extension().unwrap() == "eml"));
        let to: BTreeSet<String> = first.iter().map(|file| header(&std::fs::read(file).unwrap(), "To:")).collect();
        assert_eq!(to.len(), 20);
        assert!(to.contains("To: Reader 7 <reader7@x.example>"));
    }

    async fn a_repeat_takes_the_place_of_the_first_file(test: TestStore) {
        let world = World::new(test).await;
        world.queue(1).await;
        let folder = world.test.folder.path().join("outbox");
        let rows = claim(&world, "dead", 1).await;
        assert_eq!(record(&world, "dead", &[start(&rows[0], 1)]).await, [true]);
        std::fs::create_dir(&folder).unwrap();
        let first = folder.join(format!("{:08}.eml", rows[0].id));
        std::fs::write(&first, "what a deliverer left that was killed").unwrap();

        finish(&world, world.engine(settings(outbox_url(&folder)))).await;
        let files: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files, std::slice::from_ref(&first));
        assert_eq!(header(&std::fs::read(first).unwrap(), "To:"), "To: Reader 1 <reader1@x.example>");
    }

    async fn an_outbox_that_cannot_be_written_keeps_every_message(test: TestStore) {
        let world = World::new(test).await;
        world.queue(2).await;
        let file = world.test.folder.path().join("file");
        std::fs::write(&file, "not a folder").unwrap();
        let engine = world.engine(settings(outbox_url(&file)));
        let outcome = engine.deliver_one_batch().await.unwrap();
        assert!(outcome.relay.unwrap().contains("cannot write to the outbox"));
        assert_eq!(world.totals().await.queued, 2);
    }

    async fn a_relay_that_takes_few_connections_gets_all_through_those(test: TestStore) {
        let catcher = Catcher::answering(|turn| match turn.stage {
            Stage::Connect if turn.connection > 2 => Some(Reply::new(421, "4.7.0 Too many connections").then_close()),
            Stage::Content { .. } => Some(Reply::usual().after(Duration::from_millis(5))),
            _ => None,
        })
        .await;
        let world = World::new(test).await;
        world.queue(40).await;
        let mut settings = catcher.settings();
        settings.smtp.relays[0].connections = 6;
        finish(&world, world.engine(settings)).await;
        assert_eq!(world.totals().await.sent, 40);
        assert!(catcher.got().values().all(|mails| *mails == 1));
    }

    async fn a_relay_that_rests_is_tried_by_one_connection_whatever_it_refuses(test: TestStore) {
        const CONNECTIONS: usize = 10;
        let world = World::new(test).await;
        for (number, (point, is_there)) in (1..).zip(REFUSALS) {
            let (refusing, tries) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
            let (refuses, tried) = (Arc::clone(&refusing), Arc::clone(&tries));
            let answers = Answers::script(move |turn| {
                let now = is_there(turn) && refuses.load(Ordering::SeqCst);
                now.then(|| {
                    tried.fetch_add(1, Ordering::SeqCst);
                    Reply::new(if matches!(turn.stage, Stage::Connect) { 554 } else { 535 }, "5.7.8 No").then_close()
                })
            });
            let login = Some(("user".to_owned(), "right".to_owned()));
            let catcher = Catcher::start(Options { login, answers, ..Options::default() }).await;
            world.queue(30).await;
            let mut settings = catcher.settings();
            let relay = &mut settings.smtp.relays[0];
            (relay.connections, relay.username, relay.password) = (CONNECTIONS, "user".to_owned(), Secret::new("right"));
            settings.timings.relay_pause = Duration::from_millis(100);
            settings.timings.relay_pause_max = Duration::from_millis(100);
            let engine = world.engine(settings);
            let over = async {
                tokio::time::sleep(Duration::from_millis(900)).await;
                let tries = tries.load(Ordering::SeqCst);
                assert!((2..=2 * CONNECTIONS).contains(&tries), "{point}: {tries} tries");
                refusing.store(false, Ordering::SeqCst);
                while world.totals().await.sent < 30 * number {
                    world.clock.advance(Duration::from_secs(1));
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            let patient = async { tokio::time::timeout(crate::support::PATIENCE, over).await.unwrap() };
            Box::pin(engine.run(patient)).await;
        }
    }

    async fn an_account_is_signed_in_and_a_wrong_password_keeps_every_message(test: TestStore) {
        let login = Some(("user".to_owned(), "right".to_owned()));
        let catcher = Catcher::start(Options { login, ..Options::default() }).await;
        let world = World::new(test).await;
        world.queue(3).await;
        for (password, says) in [("", "530"), ("wrong", "535"), ("right", "")] {
            let mut settings = catcher.settings();
            if !password.is_empty() {
                settings.smtp.relays[0].username = "user".to_owned();
                settings.smtp.relays[0].password = Secret::new(password);
            }
            let outcome = world.engine(settings).deliver_one_batch().await.unwrap();
            let relay = outcome.relay.unwrap_or_default();
            assert!(relay.contains(says), "{relay}");
            assert_eq!(world.totals().await.queued, if says.is_empty() { 0 } else { 3 }, "{relay}");
            world.clock.advance(Duration::from_secs(60));
        }
        assert_eq!(catcher.got().len(), 3);
    }
}

#[tokio::test]
async fn an_encrypted_relay_gets_the_mails_and_nobody_else() {
    let world = World::new(TestStore::sqlite().await).await;
    let catcher = Catcher::plain().await;
    for clear in [InTheClear::Nothing, InTheClear::StartTls, InTheClear::StartTlsAndMore] {
        world.queue(3).await;
        let settings = encrypting(&catcher, world.test.folder.path(), clear).await;
        let engine = world.engine(settings);
        let outcome = engine.deliver_one_batch().await.unwrap();
        assert_eq!((outcome.sent, outcome.relay), (3, None));
    }
    assert_eq!(catcher.got().len(), 9);
}

#[tokio::test]
async fn encryption_that_does_not_come_about_keeps_every_message() {
    let world = World::new(TestStore::sqlite().await).await;
    let catcher = Catcher::plain().await;
    world.queue(2).await;
    let folder = world.test.folder.path();

    let mut no_ca = encrypting(&catcher, folder, InTheClear::StartTls).await;
    no_ca.smtp.relays[0].tls_ca_file = None;
    let refused = encrypting(&catcher, folder, InTheClear::RefusesStartTls).await;
    let absent = settings(smtp_url(catcher.address, Tls::StartTls));
    let mut wrong_name = encrypting(&catcher, folder, InTheClear::Nothing).await;
    if let postround::config::RelayUrl::Smtp { host, .. } = &mut wrong_name.smtp.relays[0].url {
        *host = "localhost".to_owned();
    }
    let cases = [
        (no_ca, "the encrypted connection failed"),
        (refused, "454"),
        (absent, "does not offer STARTTLS"),
        (wrong_name, "failed"),
    ];
    for (settings, says) in cases {
        let outcome = world.engine(settings).deliver_one_batch().await.unwrap();
        let relay = outcome.relay.unwrap();
        assert!(relay.contains(says), "{relay}");
        assert_eq!(world.delivery_to(&reader(1)).await.0, DeliveryState::Queued);
    }
    assert!(catcher.mailbox.is_empty());
}
