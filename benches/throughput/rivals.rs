//! Postfix's test programs: the sink that takes the messages of everybody, and the source to compare with.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::cpu;

/// A program that is not there.
pub struct Missing(pub &'static str);

/// Where the programs are.
pub struct Rivals {
    sink: PathBuf,
    source: PathBuf,
    length: usize,
}

/// A running `smtp-sink`, which ends with this value.
pub struct Sink {
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
}

/// What the source did.
#[derive(Clone, Copy)]
pub struct Rival {
    /// Messages a second.
    pub rate: f64,
    /// Microseconds of the processor for each message.
    pub cpu_micros: f64,
}

impl Rivals {
    /// Finds the programs on the path or where Debian has them. The source sends messages of that many octets.
    pub fn find(length: usize) -> Result<Self, Missing> {
        Ok(Self { sink: find("smtp-sink")?, source: find("smtp-source")?, length })
    }

    /// Starts a sink.
    pub fn sink(&self) -> Sink {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new(&self.sink)
            .args(["-u", "nobody", &address.to_string(), "512"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let patience = Instant::now() + Duration::from_secs(5);
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < patience, "smtp-sink did not start");
            std::thread::sleep(Duration::from_millis(10));
        }
        Sink { address, child }
    }

    /// Lets the source send `count` messages on as many connections.
    pub fn source(&self, to: SocketAddr, sessions: usize, count: usize) -> Rival {
        let (sessions, messages, length) = (sessions.to_string(), count.to_string(), self.length.to_string());
        let (started, cpu) = (Instant::now(), cpu::children());
        let status = Command::new(&self.source)
            .args(["-d", "-s", &sessions, "-m", &messages, "-l", &length])
            .args(["-f", "digest@example.org", "-t", "reader@x.example", &to.to_string()])
            .status()
            .unwrap();
        assert!(status.success(), "smtp-source failed");
        let (count, seconds) = (count as f64, started.elapsed().as_secs_f64());
        Rival { rate: count / seconds, cpu_micros: (cpu::children() - cpu) * 1e6 / count }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn find(program: &'static str) -> Result<PathBuf, Missing> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders =
        std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/libexec/postfix")]);
    folders.map(|folder| folder.join(program)).find(|file| file.exists()).ok_or(Missing(program))
}
