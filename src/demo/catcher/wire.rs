//! The bytes of a connection as lines and contents, within limits, with answers held back until the client waits.

use std::io::{self, BufRead};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The longest command line that is read, its end included. RFC 4954 (4.) asks for this much in `AUTH` exchanges.
const MAX_LINE: usize = 12_288;

/// The longest line of a mail, CR LF included and an added dot not (RFC 5321, 4.5.3.1.6).
const MAX_TEXT_LINE: usize = 1000;

/// How much is read at once, and how much of an endless line is looked at together.
const CHUNK: usize = 64 * 1024;

/// One line of a client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Its bytes without the end.
    Text(Vec<u8>),
    /// Longer than is allowed; it was skipped.
    TooLong,
    /// The client closed the connection.
    End,
}

/// What came between `DATA` and the final dot.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Content {
    /// The mail with added dots taken away; empty after a fault.
    pub(super) raw: Vec<u8>,
    /// What is wrong with it.
    pub(super) fault: Option<Fault>,
}

/// Why a mail can't be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Over the limit of the server.
    TooBig,
    /// A line longer than RFC 5321 allows; the number of the line.
    LongLine(usize),
    /// A CR or LF that is not part of CR LF, which lets mails be smuggled through servers; the number of the line.
    BareLineEnd(usize),
}

/// A connection.
///
/// Answers are collected and written when no whole line is left to read, so that a pipelined group costs one segment
/// each way (RFC 2920, 3.2).
pub(super) struct Wire<S> {
    stream: S,
    input: Vec<u8>,
    start: usize,
    output: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, input: Vec::new(), start: 0, output: Vec::new() }
    }

    /// Whether the client has sent more than was read.
    pub(super) fn has_input(&self) -> bool {
        self.start < self.input.len()
    }

    /// Says an answer; lines of the text are separated by `\n`.
    pub(super) fn say(&mut self, code: u16, text: &str) {
        let mut lines = text.split('\n').peekable();
        while let Some(line) = lines.next() {
            let mark = if lines.peek().is_some() { '-' } else { ' ' };
            self.output.extend_from_slice(format!("{code}{mark}{line}\r\n").as_bytes());
        }
    }

    /// Writes what was said. When it is cancelled, the next call goes on where it was.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        while !self.output.is_empty() {
            let written = self.stream.write(&self.output).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.output.drain(..written);
        }
        self.stream.flush().await
    }

    /// The next command line. A bare LF ends it too, for people who type.
    pub(super) async fn line(&mut self) -> io::Result<Line> {
        let mut skipping = false;
        loop {
            let (length, ended) = self.ahead()?;
            let too_long = skipping || length > MAX_LINE;
            if ended {
                let line = &self.input[self.start..self.start + length];
                let text = line.strip_suffix(b"\r\n").or(line.strip_suffix(b"\n")).unwrap_or(line).to_vec();
                self.start += length;
                return Ok(if too_long { Line::TooLong } else { Line::Text(text) });
            }
            if too_long {
                skipping = true;
                self.start += length;
            }
            if !self.fill().await? {
                return Ok(Line::End);
            }
        }
    }

    /// A mail up to its final dot; `None` when the client closed the connection before it.
    ///
    /// A faulty mail is read to its end as well, without being kept.
    pub(super) async fn content(&mut self, limit: usize) -> io::Result<Option<Content>> {
        let mut content = Content { raw: Vec::new(), fault: None };
        let mut number = 1;
        let mut at_line_start = true;
        loop {
            let (length, ended) = self.ahead()?;
            if !ended && length < CHUNK {
                if !self.fill().await? {
                    return Ok(None);
                }
                continue;
            }
            // Of an endless line the last octet stays: it may be the CR of CR LF.
            let length = if ended { length } else { length - 1 };
            let line = &self.input[self.start..self.start + length];
            if at_line_start && line == b".\r\n" {
                self.start += length;
                return Ok(Some(content));
            }
            let text = if at_line_start { line.strip_prefix(b".").unwrap_or(line) } else { line };
            let whole = text.strip_suffix(b"\r\n");
            let fault = if text.len() > MAX_TEXT_LINE || !ended {
                Some(Fault::LongLine(number))
            } else if whole.is_none_or(|inner| inner.contains(&b'\r')) {
                Some(Fault::BareLineEnd(number))
            } else if content.raw.len() + text.len() > limit {
                Some(Fault::TooBig)
            } else {
                None
            };
            content.fault = content.fault.or(fault);
            if content.fault.is_none() {
                content.raw.extend_from_slice(text);
            } else {
                content.raw = Vec::new();
            }
            at_line_start = whole.is_some();
            number += usize::from(ended);
            self.start += length;
        }
    }

    /// The length of what is there up to a line's end, and whether it has one.
    fn ahead(&self) -> io::Result<(usize, bool)> {
        let mut rest = &self.input[self.start..];
        let ended_at = |length: usize| length > 0 && self.input[self.start + length - 1] == b'\n';
        let length = rest.skip_until(b'\n')?;
        Ok((length, ended_at(length)))
    }

    /// Writes what was said, then reads more; `false` at the end of the stream.
    async fn fill(&mut self) -> io::Result<bool> {
        self.flush().await?;
        self.input.drain(..self.start);
        self.start = 0;
        self.input.reserve(CHUNK);
        Ok(self.stream.read_buf(&mut self.input).await? > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::io::{DuplexStream, duplex};

    /// A wire on whose other end `bytes` were written in pieces of that size, and then closed.
    fn wire(bytes: &[u8], piece: usize) -> Wire<DuplexStream> {
        let (ours, mut theirs) = duplex(1024);
        let bytes = bytes.to_vec();
        tokio::spawn(async move {
            for part in bytes.chunks(piece.max(1)) {
                if theirs.write_all(part).await.is_err() {
                    return;
                }
            }
        });
        Wire::new(ours)
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[tokio::test]
    async fn lines_end_with_lf_and_too_long_ones_are_skipped_to_theirs() {
        let mut bytes = b"NOOP\r\nRSET\n".to_vec();
        bytes.extend(vec![b'x'; 200_000]);
        bytes.extend(b"\r\nQUIT\r\nrest");
        let mut wire = wire(&bytes, 7000);
        assert_eq!(wire.line().await.unwrap(), Line::Text(b"NOOP".to_vec()));
        assert_eq!(wire.line().await.unwrap(), Line::Text(b"RSET".to_vec()));
        assert_eq!(wire.line().await.unwrap(), Line::TooLong);
        assert_eq!(wire.line().await.unwrap(), Line::Text(b"QUIT".to_vec()));
        assert_eq!(wire.line().await.unwrap(), Line::End);
    }

    #[tokio::test]
    async fn a_faulty_mail_is_read_to_its_final_dot() {
        let long = [vec![b'y'; 999], b"\r\n".to_vec()].concat();
        let endless = [vec![b'z'; 300_000], b"\r\n".to_vec()].concat();
        for (body, fault) in [
            (b"one\r\ntwo\n.\r\n\r\n".to_vec(), Fault::BareLineEnd(2)),
            (b"a\rb\r\n".to_vec(), Fault::BareLineEnd(1)),
            (long, Fault::LongLine(1)),
            (endless, Fault::LongLine(1)),
            (b"0123456789\r\n".repeat(20), Fault::TooBig),
        ] {
            let mut wire = wire(&[&body, &b".\r\nQUIT\r\n"[..]].concat(), 4096);
            let content = wire.content(200).await.unwrap().unwrap();
            assert_eq!(content, Content { raw: Vec::new(), fault: Some(fault) });
            assert_eq!(wire.line().await.unwrap(), Line::Text(b"QUIT".to_vec()), "{fault:?}");
        }
    }

    #[tokio::test]
    async fn the_longest_line_and_the_biggest_mail_just_fit() {
        let body = [vec![b'y'; 998], b"\r\n".to_vec()].concat();
        let mut wire = wire(&[b".".to_vec(), body.clone(), b".\r\n".to_vec()].concat(), 512);
        let content = wire.content(1000).await.unwrap().unwrap();
        assert_eq!(content, Content { raw: body, fault: None });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn dots_added_by_a_sender_are_taken_away_however_the_bytes_arrive(lines in proptest::collection::vec("[a.]{0,5}", 0..20), piece in 1_usize..40) {
            let mail: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
            let sent: String = lines.iter().map(|line| format!("{}{line}\r\n", if line.starts_with('.') { "." } else { "" })).collect();
            let content = run(async { wire(format!("{sent}.\r\n").as_bytes(), piece).content(10_000).await });
            prop_assert_eq!(content.unwrap().unwrap(), Content { raw: mail.into_bytes(), fault: None });
        }

        #[test]
        fn any_bytes_are_read_to_the_end(bytes in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'.'), any::<u8>()], 0..200), piece in 1_usize..40) {
            run(async {
                let mut wire = wire(&bytes, piece);
                while wire.content(50).await.unwrap().is_some() {}
                let mut wire = self::wire(&bytes, piece);
                while wire.line().await.unwrap() != Line::End {}
            });
        }
    }
}
