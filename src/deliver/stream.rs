//! The bytes under an SMTP conversation: TCP without Nagle's delay, plain or encrypted, counted, and fit for lettre.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// How many octets have been handed to the network; shared with the conversation.
#[derive(Clone, Debug, Default)]
pub struct Sent(Arc<AtomicU64>);

impl Sent {
    /// So many until now.
    pub fn octets(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A connection to a relay.
pub struct Stream {
    /// What is read before anything that comes from the network.
    before: &'static [u8],
    inner: Inner,
    sent: Sent,
}

enum Inner {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Lent(Arc<Mutex<Option<TcpStream>>>),
}

/// Keeps a TCP connection that has been lent to a conversation in the clear, until STARTTLS has been agreed on. What the
/// conversation had read ahead is lost with it: nothing said in the clear counts after that (RFC 3207, section 4.2).
#[derive(Debug)]
pub struct Lender(Arc<Mutex<Option<TcpStream>>>);

impl Lender {
    /// Takes the connection back.
    pub fn take_back(self) -> io::Result<TcpStream> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or(io::ErrorKind::NotConnected.into())
    }
}

impl Stream {
    /// In the clear.
    pub fn plain(tcp: TcpStream) -> Self {
        Self { before: b"", inner: Inner::Plain(tcp), sent: Sent::default() }
    }

    /// Encrypted from the first octet.
    pub fn tls(tls: TlsStream<TcpStream>) -> Self {
        Self { before: b"", inner: Inner::Tls(Box::new(tls)), sent: Sent::default() }
    }

    /// Encrypted after STARTTLS. There is no second greeting then (RFC 3207), and lettre waits for one: it gets ours.
    pub fn after_starttls(tls: TlsStream<TcpStream>) -> Self {
        Self { before: b"220 encrypted\r\n", ..Self::tls(tls) }
    }

    /// In the clear, to be taken back.
    pub fn lend(tcp: TcpStream) -> (Self, Lender) {
        let shared = Arc::new(Mutex::new(Some(tcp)));
        let inner = Inner::Lent(Arc::clone(&shared));
        (Self { before: b"", inner, sent: Sent::default() }, Lender(shared))
    }

    /// The count of what it sends.
    pub fn sent(&self) -> Sent {
        self.sent.clone()
    }
}

/// Calls a method of whichever stream there is.
macro_rules! on_inner {
    ($self:ident, $stream:ident => $call:expr, $gone:expr) => {
        match &mut $self.get_mut().inner {
            Inner::Plain(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
            Inner::Tls(stream) => {
                let $stream = Pin::new(&mut **stream);
                $call
            }
            Inner::Lent(shared) => match shared.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
                Some(stream) => {
                    let $stream = Pin::new(stream);
                    $call
                }
                None => $gone,
            },
        }
    };
}

fn gone<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.before.is_empty() {
            let (now, later) = self.before.split_at(self.before.len().min(buf.remaining()));
            buf.put_slice(now);
            self.before = later;
            return Poll::Ready(Ok(()));
        }
        let start = buf.filled().len();
        let poll = on_inner!(self, stream => stream.poll_read(cx, buf), gone());
        // A server may complain in Latin-1, and lettre takes UTF-8 alone: one odd letter must not cost the connection.
        for byte in &mut buf.filled_mut()[start..] {
            if !byte.is_ascii() {
                *byte = b'?';
            }
        }
        poll
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let sent = self.sent.clone();
        let poll = on_inner!(self, stream => stream.poll_write(cx, buf), gone());
        if let Poll::Ready(Ok(written)) = &poll {
            sent.0.fetch_add(*written as u64, Ordering::Relaxed);
        }
        poll
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_inner!(self, stream => stream.poll_flush(cx), gone())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_inner!(self, stream => stream.poll_shutdown(cx), gone())
    }
}

impl AsyncTokioStream for Stream {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.inner {
            Inner::Plain(tcp) => tcp.peer_addr(),
            Inner::Tls(tls) => tls.get_ref().0.peer_addr(),
            Inner::Lent(shared) => {
                let shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
                shared.as_ref().map_or(Err(io::ErrorKind::NotConnected.into()), TcpStream::peer_addr)
            }
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.inner {
            Inner::Plain(_) => "Stream(plain)",
            Inner::Tls(_) => "Stream(tls)",
            Inner::Lent(_) => "Stream(lent)",
        })
    }
}
