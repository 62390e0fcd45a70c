//! Time zones as dates name them, and the cursor that reads them.

/// A cursor over ASCII text.
pub(super) struct Cursor<'a>(pub &'a str);

impl<'a> Cursor<'a> {
    /// Up to `most` digits, at least one.
    pub(super) fn digits(&mut self, most: usize) -> Option<&'a str> {
        let length = self.0.bytes().take(most).take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.0.split_at(length);
        self.0 = rest;
        (length > 0).then_some(digits)
    }

    pub(super) fn eat(&mut self, any: &[char]) -> bool {
        let rest = self.0.strip_prefix(any);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }
}

/// The offset in minutes of `+01:00`, `-0500`, `+1`, `Z`, `GMT+1`, `EST`, `CEST (Berlin)`; `None` for anything else.
pub(super) fn zone(text: &str) -> Option<i32> {
    let text = text.trim().trim_start_matches(['(', '"']);
    let text = text.strip_prefix("Etc/").unwrap_or(text);
    let upper = text.get(..3).unwrap_or("").to_ascii_uppercase();
    let text = if matches!(upper.as_str(), "GMT" | "UTC") { text[3..].trim_start() } else { text };
    if text.is_empty() && !upper.is_empty() {
        return Some(0);
    }
    let sign = match text.chars().next()? {
        '+' => 1,
        '-' | '−' | '–' => -1,
        _ => return Some(i32::from(named_zone(text)?) * 30),
    };
    let mut cursor = Cursor(text.trim_start_matches(['+', '-', '−', '–']));
    let digits = cursor.digits(4)?;
    let (hours, minutes) = match digits.len() {
        1 | 2 => (digits, if cursor.eat(&[':', '.']) { cursor.digits(2).unwrap_or("0") } else { "0" }),
        3 => (&digits[..1], &digits[1..]),
        _ => (&digits[..2], &digits[2..]),
    };
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours <= 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

/// The offset of a zone's name in half hours; military letters as RFC 822 has them.
fn named_zone(text: &str) -> Option<i8> {
    let end = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
    let name = text[..end].to_ascii_uppercase();
    if let [letter @ (b'A'..=b'I' | b'K'..=b'Z')] = name.as_bytes() {
        let number = |from: u8| i8::try_from(letter - from).unwrap_or(0) + 1;
        return Some(match letter {
            b'A'..=b'I' => -2 * number(b'A'),
            b'K'..=b'M' => -2 * (number(b'K') + 9),
            b'N'..=b'Y' => 2 * number(b'N'),
            _ => 0,
        });
    }
    Some(match name.as_str() {
        "UT" | "GMT" | "UTC" | "WET" => 0,
        "BST" | "WEST" | "CET" | "MET" | "MEZ" => 2,
        "CEST" | "MEST" | "MESZ" | "EET" | "SAST" => 4,
        "EEST" | "MSK" => 6,
        "IST" => 11,
        "SGT" | "HKT" | "AWST" | "PHT" => 16,
        "JST" | "KST" => 18,
        "AEST" => 20,
        "AEDT" => 22,
        "NZST" => 24,
        "NZDT" => 26,
        "ADT" => -6,
        "AST" | "AT" | "EDT" => -8,
        "EST" | "ET" | "CDT" => -10,
        "CST" | "CT" | "MDT" => -12,
        "MST" | "MT" | "PDT" => -14,
        "PST" | "PT" | "AKDT" => -16,
        "AKST" => -18,
        "HST" => -20,
        _ => return None,
    })
}
