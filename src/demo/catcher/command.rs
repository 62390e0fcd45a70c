//! One line of an SMTP client, read into a command (RFC 5321, section 4.1).

/// What a client asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `HELO` or, when `extended`, `EHLO`.
    Hello {
        /// Whether the client wants the list of extensions.
        extended: bool,
        /// What the client calls itself.
        name: String,
    },
    /// `MAIL FROM:<…>`.
    Mail {
        /// The envelope sender; empty for `<>`.
        from: String,
        /// The parameters after it, keywords in capitals.
        parameters: Vec<(String, String)>,
    },
    /// `RCPT TO:<…>`.
    Recipient {
        /// The envelope recipient.
        to: String,
        /// The parameters after it, keywords in capitals.
        parameters: Vec<(String, String)>,
    },
    /// `DATA`.
    Data,
    /// `AUTH`: the mechanism in capitals and, if given, the initial response.
    Auth {
        /// `PLAIN`, `LOGIN` or what else was asked for.
        mechanism: String,
        /// The initial response, still in base64.
        initial: Option<String>,
    },
    /// `RSET`.
    Reset,
    /// `NOOP`.
    Noop,
    /// `VRFY`.
    Verify,
    /// `QUIT`.
    Quit,
    /// A command that is known and has something wrong in its argument.
    Malformed(&'static str),
    /// None that this server knows.
    Unknown,
}

impl Command {
    /// Reads a line, given without its end. Verbs and keywords are taken in any case.
    pub fn parse(line: &[u8]) -> Self {
        let Ok(line) = std::str::from_utf8(line) else { return Self::Malformed("the line is not UTF-8") };
        let line = line.trim_end_matches([' ', '\t']);
        if line.chars().any(|c| c.is_control() && c != '\t') {
            return Self::Malformed("the line has a control character");
        }
        let (verb, argument) = line.split_once(' ').unwrap_or((line, ""));
        let argument = argument.trim();
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" | "HELO" if argument.is_empty() => Self::Malformed("say your name after it"),
            "EHLO" => Self::Hello { extended: true, name: argument.to_owned() },
            "HELO" => Self::Hello { extended: false, name: argument.to_owned() },
            "MAIL" => match path_and_parameters(argument, "FROM:") {
                Some((from, parameters)) => Self::Mail { from, parameters },
                None => Self::Malformed("it takes FROM:<address>"),
            },
            "RCPT" => match path_and_parameters(argument, "TO:") {
                Some((to, parameters)) if !to.is_empty() => Self::Recipient { to, parameters },
                _ => Self::Malformed("it takes TO:<address>"),
            },
            "DATA" | "RSET" | "QUIT" if !argument.is_empty() => Self::Malformed("it takes no argument"),
            "DATA" => Self::Data,
            "RSET" => Self::Reset,
            "QUIT" => Self::Quit,
            "NOOP" => Self::Noop,
            "VRFY" if argument.is_empty() => Self::Malformed("it takes an address"),
            "VRFY" => Self::Verify,
            "AUTH" => {
                let mut words = argument.split_ascii_whitespace();
                match (words.next(), words.next(), words.next()) {
                    (Some(mechanism), initial, None) => {
                        Self::Auth { mechanism: mechanism.to_ascii_uppercase(), initial: initial.map(str::to_owned) }
                    }
                    _ => Self::Malformed("it takes a mechanism and at most one response"),
                }
            }
            _ => Self::Unknown,
        }
    }
}

type Parameters = Vec<(String, String)>;

/// Reads `FROM:<address> KEY=VALUE …`. A space after the colon and a source route are taken and dropped, as
/// RFC 5321 (4.1.1.3, appendix C) asks of servers.
fn path_and_parameters(argument: &str, keyword: &str) -> Option<(String, Parameters)> {
    let head = argument.get(..keyword.len())?;
    if !head.eq_ignore_ascii_case(keyword) {
        return None;
    }
    let rest = argument[keyword.len()..].trim_start().strip_prefix('<')?;
    let (path, rest) = split_at_closing_bracket(rest)?;
    if !rest.is_empty() && !rest.starts_with(' ') {
        return None;
    }
    let address = match path.strip_prefix('@') {
        Some(route) => route.split_once(':')?.1,
        None => path,
    };
    if !is_address_or_empty(address) {
        return None;
    }
    let parameters = rest
        .split_ascii_whitespace()
        .map(|word| {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            (key.to_ascii_uppercase(), value.to_owned())
        })
        .collect();
    Some((address.to_owned(), parameters))
}

/// Splits at the `>` that is not inside a quoted local part.
fn split_at_closing_bracket(text: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '>' if !quoted => return Some((&text[..at], &text[at + 1..])),
            _ => {}
        }
    }
    None
}

/// A mail catcher takes any domain, but both sides of an `@` have to be there, and no space outside quotes.
fn is_address_or_empty(address: &str) -> bool {
    if address.is_empty() || address.eq_ignore_ascii_case("postmaster") {
        return true;
    }
    let Some((local, domain)) = address.rsplit_once('@') else { return false };
    let local_fits = local.starts_with('"') && local.ends_with('"') && local.len() > 2
        || !local.is_empty() && !local.contains([' ', '\t', '<', '>', '"', ',', ';', '@']);
    local_fits && !domain.is_empty() && !domain.contains([' ', '\t', '<', '>', '"', ',', ';'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn verbs_and_keywords_are_taken_in_any_case() {
        assert_eq!(
            Command::parse(b"ehlo client.example"),
            Command::Hello { extended: true, name: "client.example".to_owned() }
        );
        assert_eq!(
            Command::parse(b"mail from:<a@b.example> size=12 Body=8BITMIME smtputf8 "),
            Command::Mail {
                from: "a@b.example".to_owned(),
                parameters: vec![
                    ("SIZE".to_owned(), "12".to_owned()),
                    ("BODY".to_owned(), "8BITMIME".to_owned()),
                    ("SMTPUTF8".to_owned(), String::new()),
                ],
            }
        );
    }

    #[test]
    fn the_empty_sender_is_one_and_the_empty_recipient_is_none() {
        assert!(matches!(Command::parse(b"MAIL FROM:<>"), Command::Mail { from, .. } if from.is_empty()));
        assert!(matches!(Command::parse(b"RCPT TO:<>"), Command::Malformed(_)));
    }

    #[test]
    fn quoted_local_parts_and_source_routes_are_understood() {
        let to = |line: &[u8]| match Command::parse(line) {
            Command::Recipient { to, .. } => to,
            other => panic!("{other:?}"),
        };
        assert_eq!(to(b"RCPT TO:<\"odd > one\"@x.example>"), "\"odd > one\"@x.example");
        assert_eq!(to(b"RCPT TO: <@relay.example,@b.example:jo@x.example>"), "jo@x.example");
        assert_eq!(to("RCPT TO:<zoë@x.example>".as_bytes()), "zoë@x.example");
    }

    #[test]
    fn what_is_wrong_in_an_argument_is_malformed() {
        for line in [
            "MAIL",
            "MAIL TO:<a@b.example>",
            "MAIL FROM:a@b.example",
            "MAIL FROM:<a@b.example",
            "MAIL FROM:<a b@c.example>",
            "MAIL FROM:<a@b.example>SIZE=1",
            "RCPT TO:<nobody>",
            "RCPT TO:<@x.example>",
            "DATA now",
            "AUTH",
            "EHLO",
            "VRFY",
            "MAIL FROM:<é",
            "MAI\0L",
        ] {
            assert!(matches!(Command::parse(line.as_bytes()), Command::Malformed(_)), "{line}");
        }
        assert!(matches!(Command::parse(b"NOOP \xff"), Command::Malformed(_)));
        for line in ["", "GET / HTTP/1.1", "STARTTLS", "EXPN x"] {
            assert_eq!(Command::parse(line.as_bytes()), Command::Unknown, "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_read_as_something(line in proptest::collection::vec(any::<u8>(), 0..60), verb in "(MAIL FROM:<|RCPT TO:<|AUTH |EHLO |)") {
            let mut whole = verb.into_bytes();
            whole.extend(line);
            let _ = Command::parse(&whole);
        }
    }
}
