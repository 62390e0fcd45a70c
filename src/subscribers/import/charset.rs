//! Reads text whatever its charset, as UTF-8 with line feeds, in memory that does not grow with it.

use std::io::{self, Read};

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// Octets that are read at once, and that a header may have.
pub(super) const BLOCK: usize = 1 << 16;

/// What a file looks like from outside.
pub(super) struct Look {
    /// Its charset.
    pub(super) encoding: &'static Encoding,
    /// Whether it is UTF-8 from end to end, so that no letter of it is a guess.
    pub(super) exact: bool,
    /// Its beginning, decoded.
    pub(super) start: String,
}

/// Looks at the whole of a text: a byte order mark decides, else whether it is UTF-8, else what its bytes look like.
/// `pass` gives it from its beginning to whoever reads.
pub(super) fn look(
    mut pass: impl FnMut(&mut dyn FnMut(&mut dyn Read) -> io::Result<()>) -> io::Result<()>,
) -> io::Result<Look> {
    let mut start = vec![0; BLOCK];
    pass(&mut |reader| {
        let length = fill(reader, &mut start)?;
        start.truncate(length);
        Ok(())
    })?;
    let mut utf8 = false;
    pass(&mut |reader| {
        utf8 = is_utf8(reader)?;
        Ok(())
    })?;
    let encoding = match Encoding::for_bom(&start) {
        Some((encoding, _)) => encoding,
        None if is_utf16(&start, 1) => UTF_16LE,
        None if is_utf16(&start, 0) => UTF_16BE,
        None if utf8 => UTF_8,
        None => {
            let mut guessed = UTF_8;
            pass(&mut |reader| {
                guessed = guess(reader)?;
                Ok(())
            })?;
            guessed
        }
    };
    let start = encoding.decode(&start).0.into_owned();
    Ok(Look { encoding, exact: utf8 && encoding == UTF_8, start })
}

/// Reads until the buffer is full or the text ends.
fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match reader.read(&mut buffer[length..])? {
            0 => break,
            read => length += read,
        }
    }
    Ok(length)
}

/// Whether a text without a mark has NULs where UTF-16 has them: in one octet of most pairs, here the one `at` that place.
fn is_utf16(start: &[u8], at: usize) -> bool {
    // Headers have letters of ASCII, whatever stands below.
    let pairs = start[..start.len().min(64)].chunks_exact(2);
    let (all, zeros) = (pairs.len(), |at: usize| pairs.clone().filter(|pair| pair[at] == 0).count());
    2 * zeros(at) > all && zeros(1 - at) == 0
}

fn is_utf8(reader: &mut dyn Read) -> io::Result<bool> {
    let (mut block, mut left) = (vec![0; BLOCK], 0);
    loop {
        let read = fill(reader, &mut block[left..])?;
        let all = &block[..left + read];
        let valid = Encoding::utf8_valid_up_to(all);
        let rest = all.len() - valid;
        if read == 0 {
            return Ok(rest == 0);
        }
        // A letter that the end of the block has cut has at most three octets there.
        if rest > 3 {
            return Ok(false);
        }
        block.copy_within(valid..valid + rest, 0);
        left = rest;
    }
}

fn guess(reader: &mut dyn Read) -> io::Result<&'static Encoding> {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    let mut block = vec![0; BLOCK];
    loop {
        let read = reader.read(&mut block)?;
        detector.feed(&block[..read], read == 0);
        if read == 0 {
            return Ok(detector.guess(None, Utf8Detection::Deny));
        }
    }
}

/// A text as UTF-8, each line ended by a line feed, the last one too.
pub(super) struct Decoded<R> {
    inner: R,
    decoder: Decoder,
    raw: Vec<u8>,
    text: String,
    /// How much of `text` has been given out.
    given: usize,
    after_return: bool,
    ended: bool,
}

/// What there is of a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Line {
    /// Nothing: the text has ended.
    None,
    /// All of it, with its end.
    Whole,
    /// Its beginning: it is longer than was asked for, and the rest of it is passed over.
    Cut,
}

impl<R: Read> Decoded<R> {
    pub(super) fn new(inner: R, encoding: &'static Encoding) -> Self {
        Self {
            inner,
            decoder: encoding.new_decoder(),
            raw: vec![0; BLOCK],
            text: String::new(),
            given: 0,
            after_return: false,
            ended: false,
        }
    }

    /// Appends the next line to `to`, of one that has more than `most` octets the beginning.
    pub(super) fn line(&mut self, to: &mut String, most: usize) -> io::Result<Line> {
        let mut length = 0;
        loop {
            if self.given == self.text.len() {
                if self.ended {
                    return Ok(Line::None);
                }
                self.fill()?;
                continue;
            }
            let rest = &self.text[self.given..];
            let end = rest.find('\n');
            let piece = &rest[..end.map_or(rest.len(), |end| end + 1)];
            length += piece.len();
            if length <= most {
                to.push_str(piece);
            }
            self.given += piece.len();
            if end.is_some() {
                return Ok(if length <= most { Line::Whole } else { Line::Cut });
            }
        }
    }

    /// Decodes the next block.
    fn fill(&mut self) -> io::Result<()> {
        let read = self.inner.read(&mut self.raw)?;
        self.ended = read == 0;
        self.text.clear();
        self.given = 0;
        self.text.reserve(self.decoder.max_utf8_buffer_length(read).unwrap_or(4 * BLOCK));
        // The buffer is large enough for all of it.
        let _ = self.decoder.decode_to_string(&self.raw[..read], &mut self.text, self.ended);
        if self.after_return || self.text.contains('\r') {
            let cut = usize::from(self.after_return && self.text.starts_with('\n'));
            self.after_return = self.text.ends_with('\r');
            self.text = self.text[cut..].replace("\r\n", "\n").replace('\r', "\n");
        }
        if self.ended {
            // So that every line ends in the same way; an empty one is no row.
            self.text.push('\n');
        }
        Ok(())
    }
}
