//! Every kind of mail is signed, and two verifiers that are not ours say so: mail-auth's always, dkimpy where it is
//! installed (`.ci/run` does, and names its Python in `POSTROUND_DKIMPY`).

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::process::Command;
use std::sync::Arc;

use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::DomainKey;
use mail_auth::{AuthenticatedMessage, DkimResult, MessageAuthenticator, Parameters, ResolverCache, Txt};
use postround::demo::catcher::Caught;
use postround::dkim::{Algorithm, PrivateKey, Record, SIGNED, Signer};
use postround::domain::{EmailAddress, SystemClock, SystemRandom};
use postround::render::{Frame, Had, Letter, RenderedMail, Renderer, Valid, Wanted};
use postround::store::{Durability, NewDelivery, NewMail};

use super::world::{Catcher, World};
use crate::render::fixture;
use crate::support::program::Program;
use crate::support::site::story;
use crate::support::{PATIENCE, TestStore};

const DOMAIN: &str = "earlyhelp.example";

/// The DNS of a test: TXT records by name.
struct Dns(HashMap<Box<str>, Txt>);

impl Dns {
    fn with(records: &[Record]) -> Self {
        let parsed = |record: &Record| Txt::DomainKey(Arc::new(DomainKey::parse(record.value.as_bytes()).unwrap()));
        Self(records.iter().map(|record| (format!("{}.", record.name).into(), parsed(record))).collect())
    }

    /// What mail-auth says of each signature of a message.
    async fn verify(&self, message: &[u8]) -> Vec<bool> {
        let message = AuthenticatedMessage::parse(message).unwrap();
        let verifier = MessageAuthenticator::new_cloudflare().unwrap();
        let results = verifier.verify_dkim(Parameters::new(&message).with_txt_cache(self)).await;
        results.iter().map(|result| *result.result() == DkimResult::Pass).collect()
    }
}

impl ResolverCache<Box<str>, Txt> for Dns {
    fn get<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        Some(self.0.get(name).expect("a signature of ours").clone())
    }

    fn remove<Q>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: Box<str>, _: Txt, _: std::time::Instant) {}
}

const DKIMPY: &str = r#"
import json, sys, dkim, nacl
records = json.load(open(sys.argv[1]))
def txt(name, timeout=5):
    name = name.decode() if isinstance(name, bytes) else name
    return records[name.rstrip(".")].encode()
for path in sys.argv[2:]:
    raw = open(path, "rb").read()
    count = sum(name.lower() == b"dkim-signature" for name, _ in dkim.DKIM(raw).headers)
    print(count, all(dkim.DKIM(raw).verify(idx=i, dnsfunc=txt) for i in range(count)))
"#;

/// What dkimpy says of each message: how many signatures, and whether all are right. `None`: it is not installed.
fn dkimpy(messages: &[Arc<Caught>], records: &[Record]) -> Option<Vec<String>> {
    let python = std::env::var("POSTROUND_DKIMPY").unwrap_or_else(|_| "python3".to_owned());
    let there = Command::new(&python).args(["-c", "import dkim, nacl"]).output();
    if !there.is_ok_and(|output| output.status.success()) {
        assert!(std::env::var_os("CI").is_none(), "CI runs this with dkimpy and PyNaCl");
        eprintln!(
            "dkimpy and PyNaCl are not there (POSTROUND_DKIMPY names a Python with them): dkimpy verified nothing"
        );
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let named: HashMap<_, _> = records.iter().map(|record| (&record.name, &record.value)).collect();
    std::fs::write(folder.path().join("records"), serde_json::to_string(&named).unwrap()).unwrap();
    let mut command = Command::new(python);
    command.args(["-c", DKIMPY]).arg(folder.path().join("records"));
    for (number, message) in messages.iter().enumerate() {
        let path = folder.path().join(format!("{number}.eml"));
        std::fs::write(&path, &message.raw).unwrap();
        command.arg(path);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect())
}

/// A signer with a key of each kind, and what is published of them.
fn signer(folder: &std::path::Path) -> (Arc<Signer>, Vec<Record>) {
    let kinds = [("post", Algorithm::Rsa), ("post-ed", Algorithm::Ed25519)];
    let made = kinds.map(|(name, kind)| (name.to_owned(), PrivateKey::create(&folder.join(name), kind).unwrap()));
    let records = made.iter().map(|(selector, key)| key.record(DOMAIN, selector)).collect();
    (Arc::new(Signer::new(DOMAIN, made.into())), records)
}

/// A mail of each kind.
fn every_kind() -> Vec<RenderedMail> {
    let (config, content) = (fixture::config(), fixture::issue(12, 8));
    let (frame, renderer) = (fixture::frame(&config), Renderer::new(None).unwrap());
    let words = ["It was Tuesday.".to_owned(), ".A line with a dot  and   spaces ".to_owned()];
    let (date, wanted) = (fixture::day("2026-11-23"), vec![Wanted { digest: "Weekly".to_owned(), topics: Vec::new() }]);
    let confirmation = |reminder| Letter::Confirmation {
        wanted: wanted.clone(),
        first_issue: None,
        valid: Valid::Days(7),
        days: 30,
        reminder,
    };
    let valid = Valid::Hours(1);
    let letters = [
        confirmation(false),
        confirmation(true),
        Letter::Subscribed { had: vec![Had { digest: "Weekly".to_owned(), paused_until: None }] },
        Letter::Manage { valid },
        Letter::Address { valid },
        Letter::Moved,
        Letter::Goodbye { valid },
        Letter::Welcome { latest: Some(&content) },
        Letter::Correction { text: &words, subject: "The week — Zoë", date },
        Letter::Alert { subject: "The relay fails", text: &words },
    ];
    let digest = |test| renderer.digest(&content, &Frame { test, ..frame }, &SystemRandom).unwrap();
    let mut mails = vec![digest(false), digest(true)];
    mails.extend(letters.iter().map(|letter| renderer.letter(&frame, letter, &SystemRandom).unwrap()));
    mails
}

/// Queues it as if for staff: nobody has to be subscribed.
async fn queue(world: &World, mail: &RenderedMail, number: usize) {
    let mut session = world.store().write(Durability::Full).await.unwrap();
    let RenderedMail { subject, mime, marker, .. } = mail;
    let new = NewMail {
        issue: None,
        kind: "test",
        digest: Some("weekly"),
        topics: "*",
        locale: "en-GB",
        subject,
        html: "",
        text: "",
        mime,
        marker,
        salt: "salt",
        fingerprint: None,
    };
    let mail = session.insert_mail(&new, crate::support::MONDAY).await.unwrap();
    let delivery = NewDelivery {
        mail,
        issue: None,
        kind: "test",
        digest: Some("weekly"),
        subscriber: None,
        address: &EmailAddress::parse(&format!("zoe{number}@reader.example")).unwrap(),
        name: "Zoë  O’Brien, “.” ",
        priority: 10,
        link: Some("https://post.earlyhelp.example/confirm/mfrggzdf"),
    };
    session.insert_delivery(&delivery, crate::support::MONDAY).await.unwrap();
    session.commit().await.unwrap();
}

/// Sends a mail of each kind, signed, and gives what arrived.
async fn sent(pipelining: bool) -> (Vec<Arc<Caught>>, Vec<Record>) {
    let (world, catcher) = (World::new(TestStore::sqlite().await).await, Catcher::plain().await);
    let mails = every_kind();
    for (number, mail) in mails.iter().enumerate() {
        queue(&world, mail, number).await;
    }
    let (signer, records) = signer(world.test.folder.path());
    let mut settings = catcher.settings();
    settings.dkim = Some(signer);
    settings.smtp.relays[0].pipelining = pipelining;
    let outcome = world.engine(settings).deliver_one_batch().await.unwrap();
    assert_eq!(outcome.sent, mails.len() as u64, "{outcome:?}");
    let caught = catcher.mailbox.wait_for(mails.len(), PATIENCE).await.unwrap();
    assert_eq!(caught.len(), mails.len());
    (caught, records)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_mail_has_signatures_that_verifiers_accept() {
    for pipelining in [true, false] {
        let (caught, records) = sent(pipelining).await;
        let dns = Dns::with(&records);
        for mail in &caught {
            let text = String::from_utf8_lossy(&mail.raw);
            assert_eq!(dns.verify(&mail.raw).await, [true, true], "{text}");
            assert!(text.lines().take_while(|line| !line.is_empty()).all(|line| line.len() <= 100), "{text}");
        }
        if let Some(said) = dkimpy(&caught, &records) {
            assert_eq!(said, vec!["2 True"; caught.len()]);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_made_with_a_sender_of_another_domain_is_not_signed_as_a_stranger_and_is_told_once() {
    let (world, catcher) = (World::new(TestStore::sqlite().await).await, Catcher::plain().await);
    world.queue(20).await;
    let mails = every_kind();
    queue(&world, &mails[0], 0).await;
    let mut settings = catcher.settings();
    settings.dkim = Some(signer(world.test.folder.path()).0);
    let engine = world.engine(settings);
    assert_eq!(engine.deliver_one_batch().await.unwrap().sent, 21);
    for caught in catcher.mailbox.wait_for(21, PATIENCE).await.unwrap() {
        let raw = String::from_utf8_lossy(&caught.raw).into_owned();
        let is_signed = raw.contains("DKIM-Signature:");
        assert_eq!(is_signed, !raw.contains("From: Digest <digest@example.org>"), "{raw}");
    }
    let told = engine.newly_unsigned();
    assert_eq!(
        told.iter().map(|one| (one.issue, &*one.from, &*one.domain)).collect::<Vec<_>>(),
        [(world.issue, "example.org", DOMAIN)]
    );
    world.queue(1).await;
    assert_eq!((engine.deliver_one_batch().await.unwrap().sent, engine.newly_unsigned()), (1, Vec::new()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_or_an_added_header_or_body_breaks_every_signature() {
    let (caught, records) = sent(true).await;
    let (dns, digest) = (Dns::with(&records), String::from_utf8(caught[0].raw.to_vec()).unwrap());
    let changes = [
        digest.replacen("Subject: ", "Subject: Buy! ", 1),
        digest.replacen("unsubscribe/", "unsubscribe/x", 1),
        digest.replacen("List-Unsubscribe=One-Click", "List-Unsubscribe=Never", 1),
        digest.replacen("\r\n\r\n", "\r\n\r\nBuy!", 1),
    ];
    let added = SIGNED.iter().map(|name| format!("{name}: <x@example.org>\r\n{digest}"));
    for changed in changes.into_iter().chain(added) {
        assert_ne!(changed, digest);
        assert_eq!(dns.verify(changed.as_bytes()).await, [false, false], "{}", &changed[..80]);
    }
    let rewrapped = digest.replacen("Subject: ", "SUBJECT:   ", 1);
    assert_eq!(dns.verify(rewrapped.as_bytes()).await, [true, true], "relays may change spaces");
}

/// The configuration of a program, with the table that signs.
fn signing(program: &Program) -> String {
    let text = program.config("sqlite:data/postround.db", "");
    format!(
        "{text}\n[dkim]\ndomain = \"exampleton.example\"\ned25519_selector = \"ed\"\ned25519_key_file = \"data/ed.pem\"\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_makes_the_keys_publishes_them_and_every_mail_is_signed() {
    use std::os::unix::fs::PermissionsExt as _;

    let program = Program::on(&TestStore::sqlite().await).await;
    program.configure(&signing(&program));
    let checked = program.run(&["config", "check"]).await;
    assert_eq!(checked.status.code(), Some(2));
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(said.contains("dkim.key_file: there is no file") && said.contains("postround dkim generate"), "{said}");

    let made = program.json(&["dkim", "generate"]).await;
    let again = program.json(&["dkim", "generate"]).await;
    let records: Vec<Record> = ["postround._domainkey.exampleton.example", "ed._domainkey.exampleton.example"]
        .iter()
        .enumerate()
        .map(|(place, name)| {
            assert_eq!((made[place]["name"].as_str(), made[place]["made"].as_bool()), (Some(*name), Some(true)));
            assert_eq!((&again[place]["value"], again[place]["made"].as_bool()), (&made[place]["value"], Some(false)));
            Record { name: (*name).to_owned(), value: made[place]["value"].as_str().unwrap().to_owned() }
        })
        .collect();
    for file in ["data/dkim.pem", "data/ed.pem"] {
        let mode = std::fs::metadata(program.folder.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    assert!(program.run(&["config", "check"]).await.status.success());

    program.site.publish(story("hubs", "Family hubs win an extra year", "2026-11-18"));
    program.subscribe("jo@reader.example", &[]).await;
    let tested = program.run(&["send-test", "weekly", "--to", "staff@exampleton.example"]).await;
    assert!(tested.status.success(), "{}", String::from_utf8_lossy(&tested.stderr));
    program.json(&["run", "weekly", "--wait"]).await;
    let app = program.app(Arc::new(SystemClock)).await;
    assert!(program.run(&["subscriber", "add", "kim@reader.example"]).await.status.success());
    let confirmation = app.delivering(None, |words| panic!("{words}"), program.caught(3)).await.unwrap();
    let dns = Dns::with(&records);
    for mail in &confirmation {
        assert_eq!(dns.verify(&mail.raw).await, [true, true], "to {:?}", mail.recipients);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_made_without_a_configuration_too_and_never_over_another() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let mut command = crate::support::program::command(folder.path(), arguments);
        command.output().unwrap()
    };
    assert_eq!(run(&["dkim", "generate"]).status.code(), Some(2), "no domain");
    let made = run(&["dkim", "generate", "--domain", "example.org", "--key-file", "keys/k.pem", "--selector", "s1"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let (out, err) = (String::from_utf8_lossy(&made.stdout), String::from_utf8_lossy(&made.stderr));
    assert!(out.contains("s1._domainkey.example.org. IN TXT ( \"v=DKIM1; k=rsa; p="), "{out}");
    assert!(err.contains("[dkim]\ndomain = \"example.org\"\nselector = \"s1\"\nkey_file = \"keys/k.pem\""), "{err}");
    let before = std::fs::read(folder.path().join("keys/k.pem")).unwrap();
    let other = run(&["dkim", "generate", "--domain", "example.org", "--key-file", "keys/k.pem", "--ed25519"]);
    assert_eq!(other.status.code(), Some(1));
    assert_eq!(std::fs::read(folder.path().join("keys/k.pem")).unwrap(), before);
}
