//! The bytes under an SMTP conversation: TCP without Nagle's delay, plain or encrypted, counted, and fit for lettre.

use std::fmt;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// What goes out on a connection beside what lettre writes; shared with the conversation.
#[derive(Clone, Debug, Default)]
pub struct Outgoing(Arc<Mutex<Queued>>);

#[derive(Debug, Default)]
struct Queued {
    /// How many octets have been handed to the network.
    octets: u64,
    /// A message that goes out before whatever is written next.
    content: Vec<u8>,
    /// How much of it has gone.
    gone: usize,
}

impl Outgoing {
    /// How many octets have been handed to the network until now.
    pub fn octets(&self) -> u64 {
        self.queued().octets
    }

    /// Lets a message go out before whatever is written next, and with it: nobody copies it once more, and it takes no turn
    /// of its own.
    pub fn goes_first(&self, content: Vec<u8>) {
        let mut queued = self.queued();
        (queued.content, queued.gone) = (content, 0);
    }

    /// The buffer of a message that has gone out.
    pub fn buffer(&self) -> Vec<u8> {
        let mut queued = self.queued();
        queued.gone = 0;
        let mut buffer = std::mem::take(&mut queued.content);
        buffer.clear();
        buffer
    }

    fn queued(&self) -> MutexGuard<'_, Queued> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection to a relay.
pub struct Stream {
    /// What is read before anything else that comes from the network.
    before: Vec<u8>,
    lines: Lines,
    inner: Inner,
    outgoing: Outgoing,
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
        Self { before: Vec::new(), lines: Lines::default(), inner: Inner::Plain(tcp), outgoing: Outgoing::default() }
    }

    /// Encrypted from the first octet.
    pub fn tls(tls: TlsStream<TcpStream>) -> Self {
        Self {
            before: Vec::new(),
            lines: Lines::default(),
            inner: Inner::Tls(Box::new(tls)),
            outgoing: Outgoing::default(),
        }
    }

    /// Encrypted after STARTTLS. There is no second greeting then (RFC 3207), and lettre waits for one: it gets ours.
    pub fn after_starttls(tls: TlsStream<TcpStream>) -> Self {
        Self { before: b"220 encrypted\r\n".to_vec(), ..Self::tls(tls) }
    }

    /// In the clear, to be taken back.
    pub fn lend(tcp: TcpStream) -> (Self, Lender) {
        let shared = Arc::new(Mutex::new(Some(tcp)));
        let inner = Inner::Lent(Arc::clone(&shared));
        (Self { before: Vec::new(), lines: Lines::default(), inner, outgoing: Outgoing::default() }, Lender(shared))
    }

    /// What goes out on it beside what is written.
    pub fn outgoing(&self) -> Outgoing {
        self.outgoing.clone()
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
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.before.is_empty() {
            let mut octets = [0; 2048];
            let mut some = ReadBuf::new(&mut octets);
            let inner = Pin::new(&mut *this);
            match on_inner!(inner, stream => stream.poll_read(cx, &mut some), gone()) {
                Poll::Ready(Ok(())) if some.filled().is_empty() => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(())) => this.lines.clean(some.filled(), &mut this.before),
                other => return other,
            }
        }
        let now = this.before.len().min(buf.remaining());
        buf.put_slice(&this.before[..now]);
        this.before.drain(..now);
        Poll::Ready(Ok(()))
    }
}

/// Makes the lines of a server such that lettre takes them: a code alone gets the space after it that RFC 5321 (4.2)
/// does without, a line feed alone its carriage return, and what is not ASCII becomes `?`, since a server may complain
/// in Latin-1.
#[derive(Debug, Default)]
struct Lines {
    /// Octets of the line so far.
    length: usize,
    last: u8,
}

impl Lines {
    fn clean(&mut self, octets: &[u8], clean: &mut Vec<u8>) {
        for &octet in octets {
            let ends = octet == b'\r' || octet == b'\n' && self.last != b'\r';
            if ends && self.length == 3 {
                clean.push(b' ');
            }
            if octet == b'\n' && self.last != b'\r' {
                clean.push(b'\r');
            }
            clean.push(if octet.is_ascii() { octet } else { b'?' });
            self.length = if octet == b'\n' { 0 } else { self.length + 1 };
            self.last = octet;
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outgoing = this.outgoing.clone();
        let mut queued = outgoing.queued();
        loop {
            let content = queued.content.get(queued.gone..).unwrap_or_default();
            let (of_content, both) = (content.len(), [IoSlice::new(content), IoSlice::new(buf)]);
            let pieces = if of_content == 0 { &both[1..] } else { &both[..] };
            let inner = Pin::new(&mut *this);
            let written = match on_inner!(inner, stream => stream.poll_write_vectored(cx, pieces), gone()) {
                Poll::Ready(Ok(written)) => written,
                other => return other,
            };
            queued.octets += written as u64;
            queued.gone += written.min(of_content);
            // Whoever writes has to hear of their own octets, and of none only when the connection takes none.
            if written > of_content || written == 0 || of_content == 0 {
                return Poll::Ready(Ok(written.saturating_sub(of_content)));
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_lines_become_such_that_lettre_takes_them_wherever_they_are_cut() {
        let said = b"250\r\n250-a\r\n250\r\n354 go\n550 n\xfc\r\n25\r\n220\n";
        let wanted = "250 \r\n250-a\r\n250 \r\n354 go\r\n550 n?\r\n25\r\n220 \r\n";
        for cut in 0..said.len() {
            let (mut lines, mut clean) = (Lines::default(), Vec::new());
            lines.clean(&said[..cut], &mut clean);
            lines.clean(&said[cut..], &mut clean);
            assert_eq!(String::from_utf8(clean).unwrap(), wanted);
        }
    }
}
