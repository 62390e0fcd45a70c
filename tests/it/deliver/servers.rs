//! What servers offer, and servers that do it wrongly: encryption that may be, sizes, groups, silence.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use postround::config::{RelayUrl, Tls};
use postround::demo::catcher::{Answers, Command, Options, Reply, Stage, Turn};
use postround::domain::DeliveryState;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::relays::{InTheClear, encrypting};
use super::world::{Catcher, World, outcome, reader, smtp_url};
use crate::support::TestStore;

/// A server in front of `behind`, whose part is played by `talk` until it has nothing more to say; then the two talk to
/// each other.
pub async fn before<F, T>(behind: SocketAddr, talk: F) -> SocketAddr
where
    F: Fn(BufReader<TcpStream>) -> T + Send + Sync + 'static,
    T: Future<Output = Option<BufReader<TcpStream>>> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let talk = Arc::new(talk);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let talk = Arc::clone(&talk);
            tokio::spawn(async move {
                let mut client = talk(BufReader::new(client)).await?.into_inner();
                let mut server = BufReader::new(TcpStream::connect(behind).await.ok()?);
                // The client has been greeted.
                server.read_line(&mut String::new()).await.ok()?;
                tokio::io::copy_bidirectional(&mut client, &mut server.into_inner()).await.ok()
            });
        }
    });
    address
}

pub async fn say(client: &mut BufReader<TcpStream>, text: &str) -> Option<()> {
    client.get_mut().write_all(text.as_bytes()).await.ok()
}

pub async fn hear(client: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    (client.read_line(&mut line).await.ok()? > 0).then(|| line.trim_end().to_owned())
}

#[tokio::test]
async fn a_local_relay_is_spoken_to_under_encryption_where_it_can_and_in_the_clear_where_not() {
    let (world, catcher) = (World::new(TestStore::sqlite().await).await, Catcher::plain().await);
    let folder = world.test.folder.path();
    let knows_nothing_of_it = catcher.settings();
    let offers = encrypting(&catcher, folder, InTheClear::StartTls).await;
    let fails = before(catcher.address, |mut client| async move {
        say(&mut client, "220 hello\r\n").await?;
        let hello = hear(&mut client).await?;
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        if ASKED.fetch_add(1, Ordering::SeqCst) == 0 {
            say(&mut client, "250-localhost\r\n250 STARTTLS\r\n").await?;
            hear(&mut client).await?;
            say(&mut client, "220 go\r\nno handshake\r\n").await?;
            return None;
        }
        assert!(hello.starts_with("EHLO"));
        say(&mut client, "250 localhost\r\n").await?;
        Some(client)
    })
    .await;
    let mut fails_to = catcher.settings();
    fails_to.smtp.relays[0].url = smtp_url(fails, Tls::None);
    for mut settings in [knows_nothing_of_it, offers, fails_to] {
        let relay = &mut settings.smtp.relays[0];
        let RelayUrl::Smtp { host, port, .. } = relay.url.clone() else { panic!("it is a server") };
        // Nobody vouches for the certificate.
        (relay.url, relay.tls_ca_file, relay.opportunistic_tls) =
            (RelayUrl::Smtp { host, port, tls: Tls::None }, None, true);
        world.queue(2).await;
        assert_eq!(world.engine(settings).deliver_one_batch().await.unwrap(), outcome(2, 2, 0, 0));
    }
    assert_eq!(catcher.got().len(), 6);
}

#[tokio::test]
async fn a_message_that_is_larger_than_the_relay_takes_has_failed_and_is_not_tried() {
    let (mails, heard) = (Arc::new(AtomicUsize::new(0)), Arc::new(std::sync::Mutex::new(String::new())));
    let (count, words) = (Arc::clone(&mails), Arc::clone(&heard));
    let answers = Answers::script(move |turn| {
        if let Stage::Command(command @ Command::Mail { .. }) = turn.stage {
            count.fetch_add(1, Ordering::SeqCst);
            *words.lock().unwrap() = format!("{command:?}");
        }
        None
    });
    let world = World::new(TestStore::sqlite().await).await;
    world.queue(3).await;
    for (max_size, sent, failed) in [(100, 0, 3), (100_000, 3, 0)] {
        let catcher = Catcher::start(Options { max_size, answers: answers.clone(), ..Options::default() }).await;
        let done = world.engine(catcher.settings()).deliver_one_batch().await.unwrap();
        assert_eq!(
            (done.sent, done.failed, mails.load(Ordering::SeqCst)),
            (sent, failed, usize::try_from(sent).unwrap())
        );
        if failed > 0 {
            assert!(world.delivery_to(&reader(1)).await.1.contains("larger than the relay takes"));
            world.queue(3).await;
        }
    }
    assert!(heard.lock().unwrap().contains("(\"SIZE\", \"1"), "the size is announced: {}", heard.lock().unwrap());
}

#[tokio::test]
async fn a_message_for_an_address_beyond_ascii_says_what_it_needs_and_others_do_not() {
    let heard = Arc::new(std::sync::Mutex::new(Vec::new()));
    let words = Arc::clone(&heard);
    let catcher = Catcher::answering(move |turn| {
        if let Stage::Command(Command::Mail { parameters, .. }) = turn.stage {
            words
                .lock()
                .unwrap()
                .push(parameters.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>());
        }
        None
    })
    .await;
    let world = World::new(TestStore::sqlite().await).await;
    world.queue_to("plain@x.example", "").await;
    world.queue_to("zoë@x.example", "Zoë").await;
    assert_eq!(world.engine(catcher.settings()).deliver_one_batch().await.unwrap().sent, 2);
    let heard = heard.lock().unwrap();
    assert!(!heard[0].iter().any(|word| word.starts_with("SMTPUTF8") || word.starts_with("BODY")), "{heard:?}");
    assert!(heard[1].contains(&"BODY=8BITMIME".to_owned()) && heard[1].contains(&"SMTPUTF8=".to_owned()), "{heard:?}");
}

#[tokio::test]
async fn a_second_greeting_that_is_refused_for_now_or_for_good_takes_nothing_from_what_the_server_offers() {
    for (code, connections) in [(451, 2), (503, 1)] {
        let greeted = std::sync::Mutex::new(BTreeSet::new());
        let last = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&last);
        let catcher = Catcher::answering(move |turn| {
            counted.store(turn.connection, Ordering::SeqCst);
            let is_second = matches!(turn.stage, Stage::Command(Command::Hello { .. }))
                && !greeted.lock().unwrap().insert(turn.connection);
            (is_second && (code == 503 || turn.connection == 1)).then(|| Reply::new(code, "Not twice"))
        })
        .await;
        let world = World::new(TestStore::sqlite().await).await;
        world.queue_to("zoë@x.example", "Zoë").await;
        let engine = world.engine(catcher.settings());
        world.deliver_all(&engine).await;
        assert_eq!((world.totals().await.sent, last.load(Ordering::SeqCst)), (1, connections), "{code}");
    }
}

/// Servers that say that they take groups, and do not.
#[derive(Clone, Copy, Debug)]
enum Liar {
    /// It hangs up on whoever does not wait.
    HangsUp,
    /// It throws away what follows a command.
    Forgets,
    /// It answers each group once.
    AnswersOnce,
}

/// Takes mails like such a server; gives how many, and whether the last conversation had groups.
async fn lying(liar: Liar) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, taken) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&taken);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(lie(client, liar, Arc::clone(&count)));
        }
    });
    (address, taken)
}

async fn lie(mut client: TcpStream, liar: Liar, taken: Arc<AtomicUsize>) -> Option<()> {
    client.write_all(b"220 hello\r\n").await.ok()?;
    let (mut buffer, mut in_content) = (vec![0; 65_536], false);
    loop {
        let read = client.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        let text = String::from_utf8_lossy(&buffer[..read]).into_owned();
        let lines = text.matches('\n').count();
        let answer: &[u8] = if in_content {
            if !text.contains("\r\n.\r\n") {
                continue;
            }
            in_content = false;
            taken.fetch_add(1, Ordering::SeqCst);
            b"250 kept\r\n"
        } else if text.starts_with("EHLO") {
            b"250-localhost\r\n250 PIPELINING\r\n"
        } else if lines > 1 {
            match liar {
                Liar::HangsUp => return None,
                Liar::Forgets => b"250 sender\r\n",
                Liar::AnswersOnce => b"354 go\r\n",
            }
        } else if text.starts_with("DATA") {
            in_content = true;
            b"354 go\r\n"
        } else {
            b"250 fine\r\n"
        };
        client.write_all(answer).await.ok()?;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_offers_groups_and_does_not_take_them_gets_one_command_at_a_time() {
    for liar in [Liar::HangsUp, Liar::Forgets, Liar::AnswersOnce] {
        let world = World::new(TestStore::sqlite().await).await;
        let (address, taken) = lying(liar).await;
        world.queue(7).await;
        let mut settings = super::world::settings(smtp_url(address, Tls::None));
        settings.smtp.relays[0].timeout = Duration::from_millis(300);
        let engine = world.engine(settings);
        world.deliver_all(&engine).await;
        let totals = world.totals().await;
        assert_eq!((totals.sent, totals.failed, taken.load(Ordering::SeqCst)), (7, 0, 7), "{liar:?}");
    }
}

/// Refuses the first content in these words, lets the next envelope in, and only listens from then on. Gives what it heard.
async fn turned_against_us(client: TcpStream, words: &str) -> Option<String> {
    let (mut client, mut refused, mut in_content) = (BufReader::new(client), false, false);
    say(&mut client, "220 hello\r\n").await?;
    loop {
        let line = hear(&mut client).await?;
        let answer = match line.split([' ', ':']).next()? {
            "." => words,
            _ if in_content => continue,
            "EHLO" => "250-localhost\r\n250 PIPELINING",
            "DATA" => "354 go",
            _ => "250 fine",
        };
        say(&mut client, &format!("{answer}\r\n")).await?;
        in_content = line == "DATA";
        if in_content && refused {
            let mut heard = String::new();
            client.read_to_string(&mut heard).await.ok()?;
            return Some(heard);
        }
        refused |= line == ".";
    }
}

#[tokio::test]
async fn a_server_that_blames_us_and_waits_for_the_next_content_hears_nothing_more() {
    for words in ["550 5.7.26 Your mail is unauthenticated", "450 4.7.28 Unusual rate of mail"] {
        let world = World::new(TestStore::sqlite().await).await;
        world.queue(2).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let settings = super::world::settings(smtp_url(listener.local_addr().unwrap(), Tls::None));
        let server = tokio::spawn(async move { turned_against_us(listener.accept().await.unwrap().0, words).await });
        let outcome = world.engine(settings).deliver_one_batch().await.unwrap();
        assert!(outcome.relay.is_some(), "{words}: {outcome:?}");
        assert_eq!(server.await.unwrap().as_deref(), Some(""), "{words}");
        assert_eq!(world.totals().await.queued, 2, "{words}");
    }
}

/// A point of a conversation, and for how many tenths of the configured time a server may be silent there.
type Silence = (&'static str, fn(&Turn<'_>) -> bool, u32);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_server_is_given_up_after_the_configured_time_twice_that_for_a_message_and_a_tenth_for_a_greeting() {
    const TIME: Duration = Duration::from_millis(400);
    let silences: [Silence; 6] = [
        ("greeting", |turn| matches!(turn.stage, Stage::Connect), 1),
        ("EHLO", |turn| matches!(turn.stage, Stage::Command(Command::Hello { .. })), 1),
        ("MAIL", |turn| matches!(turn.stage, Stage::Command(Command::Mail { .. })), 10),
        ("RCPT", |turn| matches!(turn.stage, Stage::Command(Command::Recipient { .. })), 10),
        ("DATA", |turn| matches!(turn.stage, Stage::Command(Command::Data)), 10),
        ("content", |turn| matches!(turn.stage, Stage::Content { .. }), 20),
    ];
    for pipelining in [true, false] {
        for (point, is_there, tenths) in silences {
            let answers = Answers::script(move |turn| is_there(turn).then(|| Reply::usual().after(TIME * 20)));
            let catcher = Catcher::start(Options { pipelining, answers, ..Options::default() }).await;
            let world = World::new(TestStore::sqlite().await).await;
            world.queue(1).await;
            let mut settings = catcher.settings();
            settings.smtp.relays[0].timeout = TIME;
            let (engine, started) = (world.engine(settings), Instant::now());
            let outcome = engine.deliver_one_batch().await.unwrap();
            let (took, least) = (started.elapsed(), TIME * tenths / 10);
            assert!((least..least + TIME * 4).contains(&took), "{point}, pipelining {pipelining}: {took:?}");
            assert!(outcome.relay.is_some() && outcome.sent + outcome.failed == 0, "{point}: {outcome:?}");
            assert_eq!(world.delivery_to(&reader(1)).await.0, DeliveryState::Queued, "{point}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_its_rest_a_relay_that_asked_for_less_gets_one_connection_and_one_more_at_a_time() {
    const REST: Duration = Duration::from_millis(400);
    const STEP: Duration = Duration::from_millis(500);
    let asked = AtomicUsize::new(0);
    let catcher = Catcher::answering(move |turn| match turn.stage {
        Stage::Content { .. } if asked.fetch_add(1, Ordering::SeqCst) == 5 => {
            Some(Reply::new(421, "4.7.28 Unusual rate of mail").then_close())
        }
        Stage::Content { .. } => Some(Reply::usual().after(Duration::from_millis(20))),
        _ => None,
    })
    .await;
    let world = World::new(TestStore::sqlite().await).await;
    world.queue(150).await;
    let mut settings = catcher.settings();
    settings.smtp.relays[0].connections = 4;
    (settings.timings.throttle_pause, settings.timings.throttle_step) = (REST, STEP);
    let engine = world.engine(settings);
    let over = async {
        while world.totals().await.sent < 150 {
            // What the relay has kept is due when its rest is over.
            world.clock.advance(Duration::from_secs(1));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(crate::support::PATIENCE, engine.run(over)).await.unwrap();
    let mut mails: Vec<(i64, u64)> =
        catcher.mailbox.messages().iter().map(|mail| (mail.at.0, mail.connection)).collect();
    mails.sort_unstable();
    let gap = mails.windows(2).max_by_key(|two| two[1].0 - two[0].0).unwrap();
    let (before, after) = (gap[0].0, gap[1].0);
    assert!(after - before >= 350, "it rested {} ms", after - before);
    for step in 1..=3_u32 {
        let until = after + i64::try_from((STEP * step).as_millis()).unwrap();
        let used: BTreeSet<u64> =
            mails.iter().filter(|(at, _)| *at >= after && *at < until).map(|(_, connection)| *connection).collect();
        assert!(used.len() <= step as usize, "{} connections within {step} steps", used.len());
    }
    let last: BTreeSet<u64> = mails.iter().filter(|(at, _)| *at >= after).map(|(_, c)| *c).collect();
    assert!(last.len() > 1, "it gets more again");
}
