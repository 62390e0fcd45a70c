//! Quoted-printable and HTML escaping, written straight into a message without a buffer in between.

/// The most octets of an encoded line before the `=` of a soft line break (RFC 2045, 6.7: 76 with it).
const LINE: usize = 75;

/// A soft line break: the decoder drops it.
pub const SOFT_BREAK: &[u8] = b"=\r\n";

/// Encodes text as quoted-printable (RFC 2045, 6.7), piece by piece.
///
/// Line feeds become CRLF. A dot or a `From ` at the start of a line is encoded, so that SMTP's dot stuffing, mbox files and
/// signatures all see the same bytes. Whatever follows a piece must be a line break or [`SOFT_BREAK`]: only then may the piece
/// end in a space.
#[derive(Clone, Copy, Debug, Default)]
pub struct QuotedPrintable {
    column: usize,
}

impl QuotedPrintable {
    /// Appends `text`, encoded, to `out`.
    pub fn push(&mut self, text: &str, out: &mut Vec<u8>) {
        let bytes = text.as_bytes();
        for (at, &byte) in bytes.iter().enumerate() {
            match byte {
                b'\n' => {
                    out.extend_from_slice(b"\r\n");
                    self.column = 0;
                }
                b'\r' if bytes.get(at + 1) == Some(&b'\n') => {}
                b' ' | b'\t' if !ends_line(&bytes[at + 1..]) => self.literal(byte, &bytes[at..], out),
                b'!'..=b'<' | b'>'..=b'~' => self.literal(byte, &bytes[at..], out),
                _ => self.escaped(byte, out),
            }
        }
    }

    /// Whether the next piece starts a line.
    pub fn starts_line(&self) -> bool {
        self.column == 0
    }

    /// A soft line break; the next piece starts a line.
    pub fn soft_break(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(SOFT_BREAK);
        self.column = 0;
    }

    fn literal(&mut self, byte: u8, rest: &[u8], out: &mut Vec<u8>) {
        if self.column + 1 > LINE {
            self.soft_break(out);
        }
        if self.column == 0 && (byte == b'.' || rest.starts_with(b"From ")) {
            return self.escaped(byte, out);
        }
        out.push(byte);
        self.column += 1;
    }

    fn escaped(&mut self, byte: u8, out: &mut Vec<u8>) {
        if self.column + 3 > LINE {
            self.soft_break(out);
        }
        out.extend_from_slice(&[b'=', hex(byte >> 4), hex(byte & 15)]);
        self.column += 3;
    }
}

/// Whether a line break follows.
fn ends_line(rest: &[u8]) -> bool {
    matches!(rest, [b'\n', ..] | [b'\r', b'\n', ..])
}

/// The upper-case hexadecimal digit of a number below 16.
pub fn hex(nibble: u8) -> u8 {
    b"0123456789ABCDEF"[usize::from(nibble & 15)]
}

/// Gives `text` with HTML's special characters escaped, in pieces.
pub fn html_pieces(text: &str, mut push: impl FnMut(&str)) {
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let entity = match byte {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&quot;",
            b'\'' => "&#39;",
            _ => continue,
        };
        push(&text[from..at]);
        push(entity);
        from = at + 1;
    }
    push(&text[from..]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(text: &str) -> String {
        let mut out = Vec::new();
        QuotedPrintable::default().push(text, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_dot_and_a_from_at_the_start_of_a_line_are_encoded() {
        assert_eq!(encoded(".\n..x\nFrom me\nFromage."), "=2E\r\n=2E.x\r\n=46rom me\r\nFromage.");
        let long = format!("{}.", "x".repeat(LINE));
        assert!(encoded(&long).ends_with("=\r\n=2E"), "{}", encoded(&long));
    }

    #[test]
    fn spaces_before_a_line_break_are_encoded_and_others_are_not() {
        assert_eq!(encoded("a b \r\nc\t\n"), "a b=20\r\nc=09\r\n");
    }

    #[test]
    fn a_lone_carriage_return_stays_a_character() {
        assert_eq!(encoded("a\rb"), "a=0Db");
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_the_same_within_76_columns(text in "[ -~\\t\\n]{0,200}|(\\PC|[\\n. =])*") {
            let encoded = encoded(&text);
            for line in encoded.split("\r\n") {
                prop_assert!(line.len() <= 76, "{line}");
                prop_assert!(!line.starts_with('.') && !line.starts_with("From "), "{line}");
                prop_assert!(line.is_ascii());
            }
            let closed = format!("{encoded}=\r\n");
            let decoded = quoted_printable::decode(closed, quoted_printable::ParseMode::Robust).unwrap();
            prop_assert_eq!(String::from_utf8(decoded).unwrap(), text.replace('\n', "\r\n"));
        }
    }
}
