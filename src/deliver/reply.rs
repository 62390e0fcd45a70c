//! What an SMTP server says, and what can be read from it.

use std::error::Error as _;

use lettre::transport::smtp;

/// The longest answer that is kept.
const LONGEST: usize = 500;

/// A server's reply (RFC 5321, section 4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Its three digits.
    pub code: u16,
    /// Its text on one line, without control characters.
    pub text: String,
}

impl Reply {
    /// Reads what lettre gives: a positive reply as a response, a negative one as an error. `Err`: no reply at all.
    pub fn read(outcome: Result<smtp::response::Response, smtp::Error>) -> Result<Self, smtp::Error> {
        match outcome {
            Ok(response) => {
                let text = response.message().collect::<Vec<_>>().join(" ");
                Ok(Self::new(response.code().into(), &text))
            }
            Err(error) => match error.status() {
                Some(code) => {
                    let text = error.source().map(ToString::to_string).unwrap_or_default();
                    Ok(Self::new(code.into(), &text))
                }
                None => Err(error),
            },
        }
    }

    fn new(code: u16, text: &str) -> Self {
        let text = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect();
        Self { code, text }
    }

    /// 2xx: done.
    pub fn is_done(&self) -> bool {
        self.code / 100 == 2
    }

    /// 354: the server waits for content.
    pub fn wants_content(&self) -> bool {
        self.code == 354
    }

    /// 5xx: never.
    pub fn is_permanent(&self) -> bool {
        self.code / 100 == 5
    }

    /// 421: the server closes the connection (RFC 5321, section 3.8).
    pub fn closes(&self) -> bool {
        self.code == 421
    }

    /// The enhanced status code without its class: 1.1 of `550 5.1.1 No such user` (RFC 3463).
    pub fn status(&self) -> Option<(u16, u16)> {
        let mut parts = self.text.split_whitespace().next()?.split('.');
        let class: u16 = parts.next()?.parse().ok()?;
        let status = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        (class == self.code / 100 && parts.next().is_none()).then_some(status)
    }

    /// Code and text, as they are kept with a delivery.
    pub fn words(&self) -> String {
        format!("{} {}", self.code, self.text).trim_end().to_owned()
    }
}

/// The words without anything that looks like an address, for logs.
pub fn without_addresses(words: &str) -> String {
    words.split(' ').map(|word| if word.contains('@') { "…" } else { word }).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_many_lines_is_kept_on_one() {
        let response: smtp::response::Response = "550-5.1.1 No such\r\n550 5.1.1 user here\r\n".parse().unwrap();
        let reply = Reply::read(Ok(response)).unwrap();
        assert_eq!(reply.words(), "550 5.1.1 No such 5.1.1 user here");
        assert!(reply.is_permanent() && !reply.closes());
    }

    #[test]
    fn a_status_is_read_where_it_belongs_to_the_code() {
        let status = |code, text: &str| Reply { code, text: text.to_owned() }.status();
        assert_eq!(status(550, "5.1.1 No such user"), Some((1, 1)));
        assert_eq!(status(421, "4.7.28 Slow down"), Some((7, 28)));
        for text in ["", "No", "4.1.1 x", "5.1 x", "5.1.1.1 x", "5.x.1", "5.99999.1"] {
            assert_eq!(status(550, text), None, "{text}");
        }
    }

    #[test]
    fn addresses_do_not_come_into_logs() {
        assert_eq!(without_addresses("554 <jo@x.example>: Relay access denied"), "554 … Relay access denied");
    }
}
