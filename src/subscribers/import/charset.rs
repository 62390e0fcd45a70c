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
    /// How much of it can be read.
    pub(super) letters: Letters,
    /// Its beginning, decoded.
    pub(super) start: String,
}

/// How sure the letters of a text are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Letters {
    /// It is UTF-8 from end to end.
    Exact,
    /// It is UTF-8 but for some octets, which nobody can read.
    Broken,
    /// It is in another charset, which may be a guess.
    #[default]
    Guessed,
}

impl Letters {
    /// What is wrong with one of the lines whose octets cannot be read, in one of its fields.
    pub(super) fn problem<'f>(self, mut fields: impl Iterator<Item = &'f str>) -> Option<String> {
        let broken = self == Self::Broken && fields.any(|field| field.contains(char::REPLACEMENT_CHARACTER));
        broken.then(|| {
            "has letters that are not UTF-8, as those of other lines are, so that they cannot be read; save all of the file \
             as UTF-8"
                .to_owned()
        })
    }
}

/// Looks at the whole of a text: a byte order mark decides, else whether any of it is UTF-8, else what its bytes look like.
/// `pass` gives it from its beginning to whoever reads.
///
/// One line in another charset says nothing of the others: read as that, each letter of theirs would be two others.
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
    let letters = match (encoding == UTF_8, utf8) {
        (true, true) => Letters::Exact,
        (true, false) => Letters::Broken,
        (false, _) => Letters::Guessed,
    };
    let start = encoding.decode(&start).0.into_owned();
    Ok(Look { encoding, letters, start })
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

/// The charset of a text that is not UTF-8 as a whole.
fn guess(reader: &mut dyn Read) -> io::Result<&'static Encoding> {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    let (mut block, mut words) = (vec![0; BLOCK], Words::default());
    loop {
        let read = reader.read(&mut block)?;
        if words.have_utf8(&block[..read], read == 0) {
            return Ok(UTF_8);
        }
        detector.feed(&block[..read], read == 0);
        if read == 0 {
            return Ok(detector.guess(None, Utf8Detection::Deny));
        }
    }
}

/// Octets beyond ASCII that stand together. Two or three may look like UTF-8 by chance; that all of them do is none.
#[derive(Default)]
struct Words {
    word: Vec<u8>,
    /// Whether the present one is longer than is looked at.
    long: bool,
}

/// Octets of such a word that are looked at: more than any name has.
const WORD: usize = 4096;

impl Words {
    /// Whether a word ends in the next octets, or with the text, that is UTF-8.
    fn have_utf8(&mut self, octets: &[u8], ends: bool) -> bool {
        for octet in octets {
            if octet.is_ascii() {
                if self.end() {
                    return true;
                }
            } else if self.word.len() < WORD {
                self.word.push(*octet);
            } else {
                self.long = true;
            }
        }
        ends && self.end()
    }

    fn end(&mut self) -> bool {
        let valid = Encoding::utf8_valid_up_to(&self.word);
        // Of a long one the last letter may be cut.
        let rest = self.word.len() - valid;
        let is = valid > 0 && (rest == 0 || self.long && rest < 4);
        self.word.clear();
        self.long = false;
        is
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

#[cfg(test)]
mod tests {
    use super::*;

    fn looked(text: &[u8]) -> Look {
        look(|with| with(&mut &text[..])).unwrap()
    }

    #[test]
    fn a_text_is_utf8_where_any_of_its_words_is_and_else_what_it_looks_like() {
        let exact = "Zo\u{eb}, J\u{fc}rgen".as_bytes();
        // Of the last, Пётр in windows-1251, two letters look like one of UTF-8.
        let cases: [(&[u8], Letters); 6] = [
            (exact, Letters::Exact),
            (b"Zo\xc3\xab, J\xfcrgen", Letters::Broken),
            (b"J\xfcrgen, Zo\xc3\xab", Letters::Broken),
            (b"\xef\xbb\xbfJ\xfcrgen", Letters::Broken),
            (b"Zo\xeb, J\xfcrgen, \xc9ric", Letters::Guessed),
            (b"\xcf\xb8\xf2\xf0, \xc1\xee\xf0\xe8\xf1", Letters::Guessed),
        ];
        for (text, letters) in cases {
            let look = looked(text);
            assert_eq!((look.encoding == UTF_8, look.letters), (letters != Letters::Guessed, letters), "{text:x?}");
        }
        let long = [&b"a "[..], "\u{e9}".repeat(WORD).as_bytes(), b" \xe9"].concat();
        assert_eq!(looked(&long).letters, Letters::Broken);
    }
}
