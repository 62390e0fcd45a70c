//! Conversations with the mail catcher.

use std::time::Duration;

use lettre::transport::smtp::authentication::Credentials;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use postround::demo::catcher::{Answers, Command, Mailbox, Options, Reply, Stage, Turn, serve};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::{Client, catcher, deliver};
use crate::support::PATIENCE;

fn answering(script: impl Fn(&Turn<'_>) -> Option<Reply> + Send + Sync + 'static) -> Options {
    Options { answers: Answers::script(script), ..Options::default() }
}

#[tokio::test]
async fn a_mail_is_kept_as_it_came_with_its_envelope() {
    let catcher = catcher(Options::default()).await;
    let mut client = Client::connect(&catcher).await;
    assert_eq!(client.says("HELO client.example").await, 250);
    assert_eq!(client.says("VRFY anyone").await, 252);
    assert_eq!(client.says("NOOP").await, 250);
    assert_eq!(client.says("MAIL FROM:<>").await, 250);
    assert_eq!(client.says("RSET").await, 250);
    assert_eq!(client.says("RCPT TO:<a@b.example>").await, 503);
    assert_eq!(client.says("MAIL FROM:<from@x.example> BODY=8BITMIME SIZE=40").await, 250);
    assert_eq!(client.says("DATA").await, 554);
    assert_eq!(client.says("RCPT TO:<a@b.example>").await, 250);
    assert_eq!(client.says("RCPT TO:<c@d.example>").await, 250);
    assert_eq!(client.says("DATA").await, 354);
    assert_eq!(client.says("Subject: Zoë\r\n\r\n..one\r\n...two\r\nend.\r\n.").await, 250);
    assert_eq!(client.says("QUIT").await, 221);
    assert!(client.is_closed().await);
    let mails = catcher.mailbox.wait_for(1, PATIENCE).await.unwrap();
    assert_eq!(mails[0].envelope_from, "from@x.example");
    assert_eq!(mails[0].recipients, ["a@b.example", "c@d.example"]);
    assert_eq!(String::from_utf8_lossy(&mails[0].raw), "Subject: Zoë\r\n\r\n.one\r\n..two\r\nend.\r\n");
}

#[tokio::test]
async fn the_final_dot_and_the_next_envelope_may_come_in_one_segment() {
    let catcher = catcher(Options::default()).await;
    let mut client = Client::connect(&catcher).await;
    client.send(b"EHLO client.example\r\n").await;
    let extensions = client.answer().await;
    for extension in ["PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 26214400"] {
        assert!(extensions.contains(extension), "{extensions}");
    }
    let envelope = "MAIL FROM:<f@x.example>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n";
    client.send(envelope.as_bytes()).await;
    assert_eq!(client.codes().await, [250, 250, 354]);
    for _ in 0..3 {
        client.send(format!("Subject: x\r\n\r\nbody\r\n.\r\n{envelope}").as_bytes()).await;
        assert_eq!(client.codes().await, [250, 250, 250, 354]);
    }
    client.send(b"Subject: last\r\n\r\nbody\r\n.\r\nQUIT\r\n").await;
    assert_eq!(client.codes().await, [250, 221]);
    assert_eq!(catcher.mailbox.messages().iter().map(|mail| mail.id).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert!(catcher.mailbox.messages().iter().all(|mail| mail.connection == 1));
}

#[tokio::test]
async fn a_conversation_arriving_octet_by_octet_is_the_same() {
    let catcher = catcher(Options::default()).await;
    let mut client = Client::connect(&catcher).await;
    client.0.get_mut().set_nodelay(true).unwrap();
    for byte in b"HELO x\r\nMAIL FROM:<f@x.example>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n..\r\n.\r\nQUIT\r\n" {
        client.send(&[*byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(client.codes().await, [250, 250, 250, 354, 250, 221]);
    assert_eq!(catcher.mailbox.messages()[0].raw, b".\r\n");
}

#[tokio::test]
async fn lettre_delivers_signed_in_and_to_an_address_beyond_ascii() {
    let catcher = catcher(Options { login: Some(("user".into(), "pass wörd".into())), ..Options::default() }).await;
    let transport = |password: &str| {
        AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous("127.0.0.1")
            .port(catcher.address.port())
            .credentials(Credentials::new("user".into(), password.into()))
            .build()
    };
    let mail = Message::builder()
        .from("Doorstep <weekly@doorstep.example>".parse().unwrap())
        .to("zoë@saltmere.example".parse().unwrap())
        .subject("Café")
        .body("Hello\r\n.\r\nthere".to_owned())
        .unwrap();
    assert!(transport("wrong").send(mail.clone()).await.unwrap_err().is_permanent());
    transport("pass wörd").send(mail.clone()).await.unwrap();
    let caught = &catcher.mailbox.messages()[0];
    assert_eq!(caught.recipients, ["zoë@saltmere.example"]);
    let parsed = mail_parser::MessageParser::default().parse(&caught.raw).unwrap();
    assert_eq!(parsed.subject(), Some("Café"));
    assert_eq!(parsed.body_text(0).unwrap().trim_end(), "Hello\r\n.\r\nthere");
}

#[tokio::test]
async fn signing_in_is_asked_for_and_checked() {
    let catcher = catcher(Options { login: Some(("u".into(), "p".into())), ..Options::default() }).await;
    let mut client = Client::greeted(&catcher).await;
    assert_eq!(client.says("MAIL FROM:<f@x.example>").await, 530);
    for (line, code) in [
        ("AUTH CRAM-MD5", 504),
        ("AUTH PLAIN !!!", 501),
        ("AUTH PLAIN AHUAeA==", 535),
        ("AUTH LOGIN", 334),
        ("*", 501),
        ("AUTH LOGIN", 334),
        ("dQ==", 334),
        ("cA==", 235),
        ("AUTH LOGIN", 503),
        ("MAIL FROM:<f@x.example>", 250),
    ] {
        assert_eq!(client.says(line).await, code, "{line}");
    }
}

#[tokio::test]
async fn what_a_strict_relay_would_refuse_is_refused() {
    let catcher = catcher(Options { max_size: 5000, smtputf8: false, ..Options::default() }).await;
    let mut client = Client::connect(&catcher).await;
    assert_eq!(client.says("MAIL FROM:<f@x.example>").await, 503);
    assert_eq!(client.says("EHLO x").await, 250);
    for (line, code) in [
        ("MAIL FROM:<f@x.example> SIZE=5001", 552),
        ("MAIL FROM:<f@x.example> SMTPUTF8", 555),
        ("MAIL FROM:<zoë@x.example>", 553),
        ("MAIL FROM:f@x.example", 501),
        ("GET / HTTP/1.1", 500),
        ("AUTH PLAIN", 503),
    ] {
        assert_eq!(client.says(line).await, code, "{line}");
    }
    assert_eq!(client.says(&"x".repeat(100_000)).await, 500);
    for (body, code) in [("y".repeat(999), 554), ("y\r\n".repeat(2000), 552), ("a\nb".to_owned(), 554)] {
        client.send(b"MAIL FROM:<f@x.example>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n").await;
        assert_eq!(client.codes().await, [250, 250, 354]);
        assert_eq!(client.says(&format!("{body}\r\n.")).await, code);
    }
    assert!(catcher.mailbox.is_empty());
}

#[tokio::test]
async fn without_pipelining_an_impatient_client_is_dropped() {
    let catcher = catcher(Options { pipelining: false, ..Options::default() }).await;
    deliver(&catcher, "Subject: patient\r\n\r\nx").await;
    let mut client = Client::connect(&catcher).await;
    client.send(b"EHLO x\r\n").await;
    assert!(!client.answer().await.contains("PIPELINING"));
    client.send(b"MAIL FROM:<f@x.example>\r\nRCPT TO:<a@b.example>\r\n").await;
    assert_eq!(client.codes().await, [250, 554]);
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_script_refuses_and_the_rest_of_the_group_follows_from_it() {
    let refuse = |turn: &Turn<'_>| match turn.stage {
        Stage::Command(Command::Mail { from, .. }) if from == "later@x.example" => Some(Reply::new(451, "4.3.0 Later")),
        Stage::Command(Command::Recipient { to, .. }) if to == "gone@y.example" => Some(Reply::new(550, "5.1.1 Gone")),
        Stage::Command(Command::Data) if turn.delivered == 1 => Some(Reply::new(354, "Whatever")),
        Stage::Content { raw, .. } if raw.starts_with(b"Spam") => Some(Reply::new(554, "5.7.1 No")),
        _ => None,
    };
    let catcher = catcher(answering(refuse)).await;
    let mut client = Client::greeted(&catcher).await;
    client.send(b"MAIL FROM:<later@x.example>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n").await;
    assert_eq!(client.codes().await, [451, 503, 503]);
    client.send(b"MAIL FROM:<f@x.example>\r\nRCPT TO:<gone@y.example>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n").await;
    assert_eq!(client.codes().await, [250, 550, 250, 354]);
    assert_eq!(client.says("Ham: x\r\n.").await, 250);
    // A server may say 354 although it has refused the only recipient; the lone dot that follows is no mail.
    client.send(b"MAIL FROM:<f@x.example>\r\nRCPT TO:<gone@y.example>\r\nDATA\r\n").await;
    assert_eq!(client.codes().await, [250, 550, 354]);
    assert_eq!(client.says(".").await, 554);
    client.send(b"MAIL FROM:<f@x.example>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n").await;
    assert_eq!(client.codes().await, [250, 250, 354]);
    assert_eq!(client.says("Spam: x\r\n.").await, 554);
    let mails = catcher.mailbox.messages();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].recipients, ["a@b.example"]);
}

#[tokio::test]
async fn a_script_can_keep_a_mail_and_drop_the_connection_before_the_answer() {
    let crash = |turn: &Turn<'_>| match turn.stage {
        Stage::Connect if turn.connection == 3 => Some(Reply::new(421, "4.3.2 Busy").then_close()),
        Stage::Content { .. } if turn.connection == 1 => Some(Reply::dropped().keeping()),
        Stage::Content { .. } if turn.connection == 2 => Some(Reply::dropped().after(Duration::from_millis(20))),
        _ => None,
    };
    let catcher = catcher(answering(crash)).await;
    for kept in [1, 1] {
        let mut client = Client::greeted(&catcher).await;
        client.send(b"MAIL FROM:<f@x.example>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n").await;
        assert_eq!(client.codes().await, [250, 250, 354]);
        client.send(b"Subject: x\r\n.\r\n").await;
        assert!(client.is_closed().await);
        assert_eq!(catcher.mailbox.len(), kept);
    }
    let mut client = Client(BufReader::new(TcpStream::connect(catcher.address).await.unwrap()));
    assert_eq!(client.code().await, 421);
    assert!(client.is_closed().await);
    deliver(&catcher, "Subject: after all that").await;
}

#[tokio::test]
async fn stopping_tells_the_clients_and_waits_for_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async move {
        let _ = stopped.await;
    };
    let server = tokio::spawn(serve(listener, Mailbox::default(), shutdown));
    let mut client = Client(BufReader::new(TcpStream::connect(address).await.unwrap()));
    assert_eq!(client.code().await, 220);
    stop.send(()).unwrap();
    assert_eq!(client.code().await, 421);
    tokio::time::timeout(PATIENCE, server).await.expect("it stops in time").unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn after_any_garbage_the_next_client_is_served(
        garbage in proptest::collection::vec(
            prop_oneof![
                "(EHLO x|MAIL FROM:<a@b>|RCPT TO:<c@d>|DATA|RSET|AUTH PLAIN|AUTH LOGIN =|\\.|BDAT 5|STARTTLS)?[ -~]{0,6}\r?\n".prop_map(String::into_bytes),
                proptest::collection::vec(any::<u8>(), 0..40),
            ],
            0..12,
        ),
        login in any::<bool>(),
    ) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let login = login.then(|| ("u".to_owned(), "p".to_owned()));
            let catcher = catcher(Options { login: login.clone(), ..Options::default() }).await;
            let mut client = Client::connect(&catcher).await;
            for piece in &garbage {
                // The server may have closed after a QUIT or the like.
                let _ = client.0.write_all(piece).await;
            }
            let _ = client.0.shutdown().await;
            let mut answers = Vec::new();
            let _ = tokio::time::timeout(PATIENCE, client.0.read_to_end(&mut answers)).await.expect("it ends");
            for line in String::from_utf8(answers).unwrap().lines() {
                assert!(line.len() >= 4 && line[..3].parse::<u16>().is_ok(), "{line:?}");
            }
            let mut client = Client::greeted(&catcher).await;
            assert_eq!(client.says("NOOP").await, 250);
        });
    }
}
