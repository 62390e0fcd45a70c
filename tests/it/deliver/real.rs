//! Postfix and Exim, as Debian has them, with encryption, an account, a refused recipient in the middle, and a limit of
//! messages for each connection. They have to be started as root; where one is missing, its test says so and passes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use postround::config::{Secret, Tls};
use postround::deliver::Settings;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::world::{World, reader, settings, smtp_url};
use crate::support::TestStore;

const PEOPLE: u64 = 2000;
const REFUSED: u64 = 1000;
const USER: &str = "postround";
const PASSWORD: &str = "s3cret";
/// The base64 of what PLAIN sends for them.
const PLAIN: &str = "AHBvc3Ryb3VuZABzM2NyZXQ=";

/// A server, which ends with this value: a shell waits for the end of its input, however that comes, and stops it.
struct Server {
    address: SocketAddr,
    folder: TempDir,
    guardian: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.guardian.stdin.take());
        let _ = self.guardian.wait();
    }
}

impl Server {
    /// Starts `start` in a shell, and has `stop` run in the end; both know `$home`.
    async fn start(folder: TempDir, address: SocketAddr, start: &str, stop: &str) -> Self {
        let script = format!("home={}; trap '{stop}' EXIT; {start}; cat >/dev/null", folder.path().display());
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let server = Self { address, folder, guardian: shell.spawn().unwrap() };
        let patience = Instant::now() + Duration::from_secs(20);
        loop {
            if let Ok(mut connection) = TcpStream::connect(address).await
                && matches!(connection.read(&mut [0; 3]).await, Ok(1..))
            {
                return server;
            }
            assert!(Instant::now() < patience, "{address} does not answer");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Settings for an engine that signs in over STARTTLS.
    fn settings(&self) -> Settings {
        let mut settings = settings(smtp_url(self.address, Tls::StartTls));
        let relay = &mut settings.smtp.relays[0];
        relay.tls_ca_file = Some(self.folder.path().join("cert.pem"));
        relay.username = USER.to_owned();
        relay.password = Secret::new(PASSWORD);
        relay.connections = 4;
        settings
    }

    /// Which recipients are named in the files under a folder of the server, and how often.
    fn recipients(&self, queue: &str) -> BTreeMap<String, usize> {
        let mut found = BTreeMap::new();
        for file in files(&self.folder.path().join(queue)) {
            let text = String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned();
            let Some(place) = text.find("To: Reader ") else { continue };
            let line = text[place..].split(['>', '\n']).next().unwrap_or_default();
            let Some((_, address)) = line.split_once('<') else { continue };
            *found.entry(address.to_owned()).or_insert(0) += 1;
        }
        found
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/usr/lib/postfix/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join(program)).find(|file| file.exists())
}

/// The program, when it is there and can be started by whoever runs the tests.
fn server(program: &str, package: &str) -> Option<PathBuf> {
    let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    let found = find(program).filter(|_| is_root);
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "CI runs this as root, with the package {package}");
        eprintln!("{program} of the package {package} is not there, or this is not root: the test with it did not run");
    }
    found
}

/// A folder that servers may use that give up their rights, with a certificate and its key in it.
fn home() -> TempDir {
    let folder = tempfile::Builder::new().prefix("postround-mta-").tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let key = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(folder.path().join("cert.pem"), key.cert.pem()).unwrap();
    std::fs::write(folder.path().join("key.pem"), key.signing_key.serialize_pem()).unwrap();
    std::fs::set_permissions(folder.path().join("key.pem"), std::fs::Permissions::from_mode(0o644)).unwrap();
    folder
}

async fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// All 2,000 go to the server; each is there once, but the one that it refuses.
async fn everybody_is_there_once(server: &Server, settings: Settings, queue: &str) {
    let world = World::new(TestStore::sqlite().await).await;
    world.queue(PEOPLE).await;
    let engine = world.engine(settings);
    let over = async {
        while world.totals().await.open() > 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    // They write each message to the disk before they answer.
    tokio::time::timeout(Duration::from_secs(180), engine.run(over)).await.expect("it comes to an end");
    let totals = world.totals().await;
    assert_eq!((totals.sent, totals.failed), (i64::try_from(PEOPLE).unwrap() - 1, 1), "{totals:?}");
    assert!(
        world.delivery_to(&reader(REFUSED)).await.1.contains("5.1.1"),
        "{:?}",
        world.delivery_to(&reader(REFUSED)).await
    );
    let found = server.recipients(queue);
    assert_eq!(found.len() as u64, PEOPLE - 1);
    assert!(found.values().all(|mails| *mails == 1), "somebody has two");
    assert!(!found.contains_key(&reader(REFUSED)));
}

/// Answers Postfix's questions about accounts, in Dovecot's protocol.
async fn accounts() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut lines = BufReader::new(client);
                let hello = b"VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t1f\nDONE\n";
                lines.get_mut().write_all(hello).await.ok()?;
                let mut line = String::new();
                while lines.read_line(&mut line).await.ok()? > 0 {
                    let words: Vec<&str> = line.trim_end().split('\t').collect();
                    if let ["AUTH", id, ..] = words.as_slice() {
                        let right = words.contains(&format!("resp={PLAIN}").as_str());
                        let answer = if right { format!("OK\t{id}\tuser={USER}\n") } else { format!("FAIL\t{id}\n") };
                        lines.get_mut().write_all(answer.as_bytes()).await.ok()?;
                    }
                    line.clear();
                }
                Some(())
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postfix_gets_every_message_once() {
    let Some(postfix) = server("postfix", "postfix") else { return };
    let (folder, address, accounts) = (home(), free_port().await, accounts().await);
    let home = folder.path().display();
    for inner in ["etc", "queue", "data"] {
        std::fs::create_dir(folder.path().join(inner)).unwrap();
    }
    assert!(Command::new("chown").arg("postfix").arg(folder.path().join("data")).status().unwrap().success());
    let services =
        ["pickup unix n - n 60 1", "cleanup unix n - n - 0", "qmgr unix n - n 300 1", "tlsmgr unix - - n 1000? 1"];
    let others = [
        "rewrite unix - - n - - trivial-rewrite",
        "bounce unix - - n - 0",
        "defer unix - - n - 0 bounce",
        "trace unix - - n - 0 bounce",
    ];
    let more = [
        "proxymap unix - - n - -",
        "anvil unix - - n - 1",
        "error unix - - n - -",
        "virtual unix - n n - -",
        "flush unix n - n 1000? 0",
    ];
    let mut master = format!("{address} inet n - n - - smtpd\n");
    for line in services.iter().chain(&others).chain(&more) {
        let named = line.split(' ').count() == 8;
        let program = line.split(' ').next().unwrap();
        master.push_str(&if named { format!("{line}\n") } else { format!("{line} {program}\n") });
    }
    std::fs::write(folder.path().join("etc/master.cf"), master).unwrap();
    let main = format!(
        "compatibility_level = 3.6\nqueue_directory = {home}/queue\ndata_directory = {home}/data\n\
         mail_owner = postfix\nsetgid_group = postdrop\ninet_protocols = ipv4\nmyhostname = mx.example\n\
         mydestination =\nvirtual_mailbox_domains = x.example\nvirtual_mailbox_maps = static:all\nalias_maps =\n\
         smtpd_tls_cert_file = {home}/cert.pem\nsmtpd_tls_key_file = {home}/key.pem\nsmtpd_tls_security_level = may\n\
         smtpd_tls_auth_only = yes\nsmtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = dovecot\n\
         smtpd_sasl_path = inet:{accounts}\nsmtpd_forbid_unauth_pipelining = yes\nsmtpd_peername_lookup = no\n\
         smtpd_recipient_restrictions = check_recipient_access inline:{{ {{ {} = 550 5.1.1 No such user }} }},\n\
         \tcheck_recipient_access static:HOLD, permit_sasl_authenticated, reject\n",
        reader(REFUSED)
    );
    std::fs::write(folder.path().join("etc/main.cf"), main).unwrap();
    let start = format!("{} -c $home/etc start", postfix.display());
    let stop = format!("{} -c $home/etc stop", postfix.display());
    let server = Server::start(folder, address, &start, &stop).await;
    let mut settings = server.settings();
    settings.smtp.relays[0].messages_per_connection = 150;
    everybody_is_there_once(&server, settings, "queue/hold").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exim_gets_every_message_once() {
    let Some(exim) = server("exim4", "exim4-daemon-light") else { return };
    let (folder, address) = (home(), free_port().await);
    let home = folder.path().display();
    // After its hundredth message the server says 421, whatever we would have liked.
    let config = format!(
        "exim_user = nobody\nexim_group = nogroup\nspool_directory = {home}/spool\nlog_file_path = {home}/log_%s\n\
         queue_only = true\nprimary_hostname = mx.example\ndaemon_smtp_ports = {port}\nlocal_interfaces = 127.0.0.1\n\
         smtp_accept_max_per_connection = 100\nsmtp_accept_max = 50\npipelining_advertise_hosts = *\n\
         tls_advertise_hosts = *\ntls_certificate = {home}/cert.pem\ntls_privatekey = {home}/key.pem\n\
         acl_smtp_rcpt = rcpt\nacl_smtp_data = accept\nhost_lookup =\nrfc1413_query_timeout = 0s\n\
         auth_advertise_hosts = ${{if def:tls_in_cipher{{*}}{{}}}}\n\
         begin acl\nrcpt:\n  deny recipients = {refused}\n       message = 5.1.1 No such user\n  accept authenticated = *\n  deny\n\
         begin authenticators\nplain:\n  driver = plaintext\n  public_name = PLAIN\n  server_prompts = :\n\
         \x20 server_condition = ${{if and{{{{eq{{$auth2}}{{{USER}}}}}{{eq{{$auth3}}{{{PASSWORD}}}}}}}}}\n  server_set_id = $auth2\n",
        port = address.port(),
        refused = reader(REFUSED),
    );
    std::fs::write(folder.path().join("exim.conf"), config).unwrap();
    std::fs::create_dir(folder.path().join("spool")).unwrap();
    assert!(Command::new("chown").arg("-R").arg("nobody:nogroup").arg(folder.path()).status().unwrap().success());
    assert!(Command::new("chown").arg("root").arg(folder.path().join("exim.conf")).status().unwrap().success());
    let start = format!("{} -C $home/exim.conf -bdf & exim=$!", exim.display());
    let server = Server::start(folder, address, &start, "kill $exim; wait $exim").await;
    everybody_is_there_once(&server, server.settings(), "spool/input").await;
}
