//! The way to the sink: none at all, one of some length, or one that is encrypted.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ServerConfig, crypto};

/// How messages get to the sink.
pub enum Link {
    /// Directly.
    Near,
    /// With this much time there and back.
    Far(Duration),
    /// Encrypted up to a process in front of the sink.
    Encrypted,
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Near => f.write_str("near"),
            Self::Far(time) => write!(f, "through {} ms", time.as_millis()),
            Self::Encrypted => f.write_str("tls"),
        }
    }
}

/// The certificate of the encrypted way, and its key.
fn certificate() -> &'static rcgen::CertifiedKey<rcgen::KeyPair> {
    static CERTIFICATE: OnceLock<rcgen::CertifiedKey<rcgen::KeyPair>> = OnceLock::new();
    CERTIFICATE.get_or_init(|| rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap())
}

impl Link {
    /// The lines of the relay's configuration for a server at the end of this link.
    pub fn relay(&self, address: SocketAddr, folder: &Path) -> String {
        if !matches!(self, Self::Encrypted) {
            return format!("url = \"smtp://{address}\"");
        }
        let ca = folder.join("ca.pem");
        std::fs::write(&ca, certificate().cert.pem()).unwrap();
        format!("url = \"smtps://{address}\"\ntls_ca_file = \"{}\"", ca.display())
    }

    /// Where to connect to come to `sink` over this link.
    pub async fn to(&self, sink: SocketAddr) -> SocketAddr {
        if matches!(self, Self::Near) {
            return sink;
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let delay = if let Self::Far(time) = self { Some(*time / 2) } else { None };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let _ = client.set_nodelay(true);
                tokio::spawn(async move {
                    let server = TcpStream::connect(sink).await.ok()?;
                    server.set_nodelay(true).ok()?;
                    match delay {
                        Some(delay) => delayed(client, server, delay).await,
                        None => encrypted(client, server).await?,
                    }
                    Some(())
                });
            }
        });
        address
    }
}

async fn delayed(client: TcpStream, server: TcpStream, delay: Duration) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::join!(carry(from_client, to_server, delay), carry(from_server, to_client, delay));
}

/// Carries octets, each arriving `delay` after it was sent, however many are on the way.
async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, delay: Duration) {
    let (sender, mut on_the_way) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let reading = async move {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            if sender.send((Instant::now() + delay, buffer[..count].to_vec())).is_err() {
                break;
            }
        }
    };
    let writing = async move {
        while let Some((arrives, octets)) = on_the_way.recv().await {
            sleep_until(arrives).await;
            if to.write_all(&octets).await.is_err() {
                return;
            }
        }
        let _ = to.shutdown().await;
    };
    tokio::join!(reading, writing);
}

async fn encrypted(client: TcpStream, mut server: TcpStream) -> Option<()> {
    let key = certificate();
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .ok()?
        .with_no_client_auth()
        .with_single_cert(vec![key.cert.der().clone()], PrivateKeyDer::try_from(key.signing_key.serialize_der()).ok()?)
        .ok()?;
    let mut client = TlsAcceptor::from(Arc::new(config)).accept(client).await.ok()?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await.ok()?;
    Some(())
}
