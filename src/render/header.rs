//! Header lines (RFC 5322), folded, with names and subjects in encoded words (RFC 2047) where they need it.

use data_encoding::BASE64;
use unicode_segmentation::UnicodeSegmentation;

use super::encode::hex;
use super::text::one_line;
use crate::domain::EmailAddress;

/// The longest line with an encoded word (RFC 2047, 2); others keep to it too.
const LINE: usize = 76;
/// What stands around the encoded text of a word: `=?UTF-8?Q?` and `?=`.
const FRAME: usize = 12;
/// The longest encoded word (RFC 2047, 2).
const WORD: usize = 75;
/// The longest word or name that is written as it is; anything longer is encoded, so that it can be folded.
const PLAIN: usize = 60;

/// A header being written to the end of a buffer.
pub struct Header<'a> {
    out: &'a mut Vec<u8>,
    column: usize,
    fresh: bool,
}

impl<'a> Header<'a> {
    /// Begins the header `name`.
    pub fn begin(name: &str, out: &'a mut Vec<u8>) -> Self {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        Self::at(name.len() + 2, out)
    }

    /// Goes on with a header of which `column` octets, the space after the colon included, are written.
    pub fn at(column: usize, out: &'a mut Vec<u8>) -> Self {
        Self { out, column, fresh: true }
    }

    /// Ends the header.
    pub fn end(self) {
        self.out.extend_from_slice(b"\r\n");
    }

    /// A value that is written as it is, on the next line when it does not fit.
    pub fn token(&mut self, token: &str) {
        self.gap(token.len());
        self.raw(token.as_bytes());
    }

    /// Free text, as in a subject. It is made one line first, so that nothing in it can end the header.
    pub fn text(&mut self, text: &str) {
        let text = one_line(text);
        let mut rest = text.as_ref();
        while !rest.is_empty() {
            let word_end = rest.find(' ').unwrap_or(rest.len());
            let end = if is_plain(&rest[..word_end]) {
                self.token(&rest[..word_end]);
                word_end
            } else {
                let end = run_end(rest);
                self.encoded(&rest[..end]);
                end
            };
            rest = rest[end..].trim_start_matches(' ');
        }
    }

    /// A display name: atoms, a quoted string, or encoded words (RFC 2047, 5 (3)).
    pub fn phrase(&mut self, name: &str) {
        let name = one_line(name);
        if name.is_empty() {
            return;
        }
        if !is_plain_line(&name) {
            self.encoded(&name);
        } else if name.bytes().all(|b| b == b' ' || is_atext(b)) {
            self.token(&name);
        } else {
            self.gap(name.len() + 2);
            self.raw(b"\"");
            for byte in name.bytes() {
                if matches!(byte, b'"' | b'\\') {
                    self.raw(b"\\");
                }
                self.raw(&[byte]);
            }
            self.raw(b"\"");
        }
    }

    /// A mailbox: a name, which may be empty, and an address. A local part beyond ASCII is written as UTF-8 (RFC 6532): only a
    /// server with SMTPUTF8 gets such a message.
    pub fn mailbox(&mut self, name: &str, address: &EmailAddress) {
        let name = one_line(name);
        if name.is_empty() {
            return self.token(address.as_str());
        }
        self.phrase(&name);
        self.gap(address.as_str().len() + 2);
        self.raw(b"<");
        self.raw(address.as_str().as_bytes());
        self.raw(b">");
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
        self.column += bytes.len();
        self.fresh = false;
    }

    /// The space before the next word of that width, or a new line where it does not fit.
    fn gap(&mut self, width: usize) {
        if self.fresh {
            return;
        }
        if self.column + 1 + width > LINE {
            self.fold();
        } else {
            self.raw(b" ");
        }
    }

    fn fold(&mut self) {
        // The space that begins the next line is the one between the words.
        while self.out.last() == Some(&b' ') {
            self.out.pop();
        }
        self.out.extend_from_slice(b"\r\n ");
        self.column = 1;
        self.fresh = true;
    }

    /// Encoded words, cut between characters as a reader sees them where a word can hold one.
    fn encoded(&mut self, text: &str) {
        let encoding = Encoding::shorter_for(text);
        self.gap((FRAME + encoding.length(text)).min(LINE / 2));
        let mut rest = text;
        while !rest.is_empty() {
            let room = WORD.min(LINE.saturating_sub(self.column)).saturating_sub(FRAME);
            let end = encoding.fitting(rest, room);
            if end == 0 {
                self.fold();
                continue;
            }
            encoding.write(&rest[..end], self);
            rest = &rest[end..];
            if !rest.is_empty() {
                self.fold();
            }
        }
    }
}

/// Whether a word of a subject needs no encoding.
fn is_plain(word: &str) -> bool {
    is_plain_line(word) && !word.contains("?=")
}

fn is_plain_line(text: &str) -> bool {
    text.len() <= PLAIN && text.bytes().all(|b| (b' '..=b'~').contains(&b)) && !text.contains("=?")
}

/// RFC 5322, 3.2.3.
fn is_atext(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

/// The end of the words, from the first on, that are best encoded together: up to the last one that needs it, over short
/// gaps that would cost more if they were left out.
fn run_end(text: &str) -> usize {
    let mut end = 0;
    let mut at = 0;
    for word in text.split(' ') {
        let word_end = at + word.len();
        if !is_plain(word) {
            end = word_end;
        } else if word_end > end + FRAME {
            break;
        }
        at = word_end + 1;
    }
    end
}

#[derive(Clone, Copy)]
enum Encoding {
    Q,
    B,
}

impl Encoding {
    fn shorter_for(text: &str) -> Self {
        if Self::Q.length(text) <= Self::B.length(text) { Self::Q } else { Self::B }
    }

    fn length(self, text: &str) -> usize {
        match self {
            Self::Q => text.bytes().map(|b| if is_q_safe(b) { 1 } else { 3 }).sum(),
            Self::B => text.len().div_ceil(3) * 4,
        }
    }

    /// How much of the text fits into `room` octets: whole grapheme clusters, else whole characters.
    fn fitting(self, text: &str, room: usize) -> usize {
        let longest = |ends: &mut dyn Iterator<Item = usize>| {
            ends.take_while(|&end| self.length(&text[..end]) <= room).last().unwrap_or(0)
        };
        let clusters = longest(&mut text.grapheme_indices(true).map(|(at, cluster)| at + cluster.len()).take(room + 1));
        // A cluster that no word could hold is cut between characters.
        let cut_within = clusters == 0 && room >= WORD - FRAME - 8;
        if cut_within {
            longest(&mut text.char_indices().map(|(at, c)| at + c.len_utf8()).take(room + 1))
        } else {
            clusters
        }
    }

    fn write(self, text: &str, header: &mut Header<'_>) {
        match self {
            Self::Q => {
                header.raw(b"=?UTF-8?Q?");
                for byte in text.bytes() {
                    match byte {
                        b' ' => header.raw(b"_"),
                        byte if is_q_safe(byte) => header.raw(&[byte]),
                        byte => header.raw(&[b'=', hex(byte >> 4), hex(byte & 15)]),
                    }
                }
            }
            Self::B => {
                header.raw(b"=?UTF-8?B?");
                for chunk in text.as_bytes().chunks(3) {
                    let mut quad = [0; 4];
                    BASE64.encode_mut(chunk, &mut quad);
                    header.raw(&quad);
                }
            }
        }
        header.raw(b"?=");
    }
}

/// What stands for itself in a Q word anywhere, also in a name (RFC 2047, 5 (3)); the space is written `_`.
fn is_q_safe(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b" !*+-/".contains(&byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn subject(text: &str) -> String {
        let mut out = Vec::new();
        let mut header = Header::begin("Subject", &mut out);
        header.text(text);
        header.end();
        String::from_utf8(out).unwrap()
    }

    fn to(name: &str, address: &str) -> String {
        let mut out = Vec::new();
        let mut header = Header::begin("To", &mut out);
        header.mailbox(name, &EmailAddress::parse(address).unwrap());
        header.end();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn only_the_words_that_need_it_are_encoded() {
        assert_eq!(subject("News of the week"), "Subject: News of the week\r\n");
        assert_eq!(subject("Zoë asks for more"), "Subject: =?UTF-8?Q?Zo=C3=AB?= asks for more\r\n");
        assert_eq!(subject("日本 ok"), "Subject: =?UTF-8?B?5pel5pys?= ok\r\n");
        assert_eq!(subject("“Early help” it is"), "Subject: =?UTF-8?B?4oCcRWFybHkgaGVscOKAnQ==?= it is\r\n");
    }

    #[test]
    fn a_text_that_looks_encoded_stays_what_it_is() {
        assert_eq!(subject("=?UTF-8?Q?x?="), "Subject: =?UTF-8?B?PT9VVEYtOD9RP3g/PQ==?=\r\n");
    }

    #[test]
    fn names_are_atoms_quoted_strings_or_encoded_words() {
        assert_eq!(to("Jo Bloggs", "jo@example.org"), "To: Jo Bloggs <jo@example.org>\r\n");
        assert_eq!(
            to("Dr. \"Jo\" Bloggs, MA", "jo@example.org"),
            "To: \"Dr. \\\"Jo\\\" Bloggs, MA\" <jo@example.org>\r\n"
        );
        assert_eq!(to("Zoë Żółć", "z@example.org"), "To: =?UTF-8?B?Wm/DqyDFu8OzxYLEhw==?= <z@example.org>\r\n");
        assert_eq!(to("", "z@example.org"), "To: z@example.org\r\n");
        assert_eq!(to(" \r\nBcc: x@example.org", "z@example.org"), "To: \"Bcc: x@example.org\" <z@example.org>\r\n");
    }

    #[test]
    fn a_cluster_of_joined_emoji_is_not_cut() {
        let family = "👩\u{200d}👩\u{200d}👧";
        for line in subject(&family.repeat(12)).lines() {
            let word = line.rsplit(['?']).nth(1).unwrap();
            let text = String::from_utf8(BASE64.decode(word.as_bytes()).unwrap()).unwrap();
            assert_eq!(text.replace(family, ""), "");
        }
    }

    /// What mail programs put together again (RFC 5322, 2.2.3).
    fn unfolded(header: &str) -> String {
        header.replace("\r\n ", " ")
    }

    #[test]
    fn no_second_space_stands_before_a_letter_that_does_not_fit_on_the_line() {
        let wales = "🏴\u{e0067}\u{e0062}\u{e0077}\u{e006c}\u{e0073}\u{e007f}";
        let header = subject(&format!("News from Wales today {wales}… and more"));
        assert!(header.starts_with("Subject: News from Wales today\r\n =?UTF-8?"), "{header}");
        assert!(header.ends_with("?= and more\r\n"), "{header}");
        assert!(!unfolded(&header).contains("  "), "{header}");
    }

    proptest! {
        #[test]
        fn headers_decode_to_the_same_and_keep_to_76_columns(
            text in "\\PC{0,120}|[a-z=?_ é]{0,200}|(👩\u{200d}👧|़|é|a){0,90}|([a-z]{1,9} ){3,9}(👩\u{200d}👩\u{200d}👧|🏴\u{e0067}\u{e0062}|é|क्ष){1,4}…( [a-z]{1,9}){0,9}",
        ) {
            let clean = one_line(&text).into_owned();
            let name = clean.chars().take(60).collect::<String>();
            let name = one_line(&name).into_owned();
            let message = format!("{}{}\r\n", subject(&text), to(&name, "reader@example.org"));
            for line in message.split("\r\n") {
                prop_assert!(line.len() <= LINE, "{line}");
                prop_assert!(line.is_ascii());
            }
            prop_assert!(!message.contains(" \r\n ") && !unfolded(&message).contains("  "), "{message}");
            let parsed = mail_parser::MessageParser::default().parse(message.as_bytes()).unwrap();
            prop_assert_eq!(parsed.subject().unwrap_or_default(), clean);
            let to = parsed.to().and_then(|to| to.first()).unwrap();
            prop_assert_eq!(to.name().unwrap_or_default(), name);
            prop_assert_eq!(to.address(), Some("reader@example.org"));
        }
    }
}
