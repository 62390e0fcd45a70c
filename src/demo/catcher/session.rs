//! One conversation with a client: commands in, answers out, mails into the mailbox.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{sleep, timeout};

use super::Options;
use super::answers::{Reply, Stage, Turn};
use super::command::Command;
use super::mailbox::Mailbox;
use super::wire::{Content, Fault, Line, Wire};

/// As many recipients as RFC 5321 (4.5.3.1.8) wants a server to take at least, times ten.
const MAX_RECIPIENTS: usize = 1000;

/// What the server answers by itself.
type Usual = (u16, String);

/// What goes on after an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Go,
    Close,
}

struct Envelope {
    from: String,
    recipients: Vec<String>,
    smtputf8: bool,
}

/// One conversation.
pub(super) struct Session<S> {
    wire: Wire<S>,
    mailbox: Mailbox,
    options: Arc<Options>,
    connection: u64,
    delivered: u64,
    greeted: bool,
    authenticated: bool,
    envelope: Option<Envelope>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    pub(super) fn new(stream: S, mailbox: Mailbox, options: Arc<Options>, connection: u64) -> Self {
        let wire = Wire::new(stream);
        let authenticated = options.login.is_none();
        Self { wire, mailbox, options, connection, delivered: 0, greeted: false, authenticated, envelope: None }
    }

    /// Talks until one side closes. An error is a connection that broke.
    pub(super) async fn run(&mut self) -> io::Result<()> {
        let greeting = self.ask(Stage::Connect);
        let (_, mut next) = self.say(&greeting, (220, "localhost ESMTP Postround catches mail".to_owned())).await?;
        while next == Next::Go {
            next = match timeout(self.options.idle, self.wire.line()).await {
                Err(_) => {
                    self.wire.say(421, "4.4.2 Nothing was said for too long");
                    Next::Close
                }
                Ok(line) => match line? {
                    Line::End => Next::Close,
                    Line::TooLong => {
                        self.wire.say(500, "5.5.6 The line is too long");
                        Next::Go
                    }
                    Line::Text(line) => self.command(&Command::parse(&line)).await?,
                },
            };
            if next == Next::Go && self.wire.has_input() && !self.options.pipelining {
                self.wire.say(554, "5.5.0 Wait for the answer: PIPELINING is not offered");
                next = Next::Close;
            }
        }
        self.wire.flush().await
    }

    /// Tells a waiting client that the server stops.
    pub(super) async fn farewell(&mut self) {
        self.wire.say(421, "4.3.2 The server stops");
        // A client that does not read is left alone.
        let _ = timeout(Duration::from_secs(1), self.wire.flush()).await;
    }

    async fn command(&mut self, command: &Command) -> io::Result<Next> {
        let reply = self.ask(Stage::Command(command));
        if let (Command::Auth { mechanism, initial }, None, false) = (command, &reply.line, reply.silent) {
            let usual = match self.usual(command) {
                (334, _) => match self.exchange(mechanism, initial.as_deref()).await? {
                    Some(usual) => usual,
                    None => return Ok(Next::Close),
                },
                usual => usual,
            };
            let (code, next) = self.say(&reply, usual).await?;
            self.authenticated |= is_positive(code);
            return Ok(next);
        }
        let usual = self.usual(command);
        let (code, next) = self.say(&reply, usual).await?;
        if !is_positive(code) || next == Next::Close {
            return Ok(next);
        }
        match command {
            Command::Hello { .. } => {
                self.greeted = true;
                self.envelope = None;
            }
            Command::Mail { from, parameters } => {
                let smtputf8 = parameters.iter().any(|(key, _)| key == "SMTPUTF8");
                self.envelope = Some(Envelope { from: from.clone(), recipients: Vec::new(), smtputf8 });
            }
            Command::Recipient { to, .. } => {
                if let Some(envelope) = &mut self.envelope {
                    envelope.recipients.push(to.clone());
                }
            }
            Command::Data => return self.content().await,
            Command::Auth { .. } => self.authenticated = true,
            Command::Reset => self.envelope = None,
            Command::Quit => return Ok(Next::Close),
            Command::Noop | Command::Verify | Command::Malformed(_) | Command::Unknown => {}
        }
        Ok(Next::Go)
    }

    /// What the server answers to `command` by itself, as things stand.
    fn usual(&self, command: &Command) -> Usual {
        let (code, text) = match command {
            Command::Hello { extended: true, .. } => return (250, self.extensions()),
            Command::Hello { extended: false, .. } => (250, "localhost"),
            Command::Mail { from, parameters } => self.usual_to_mail(from, parameters),
            Command::Recipient { to, parameters } => match &self.envelope {
                None => (503, "5.5.1 Send MAIL first"),
                Some(_) if !parameters.is_empty() => (555, "5.5.4 RCPT takes no parameter here"),
                Some(envelope) if !to.is_ascii() && !envelope.smtputf8 => {
                    (553, "5.6.7 The address needs SMTPUTF8 with MAIL")
                }
                Some(envelope) if envelope.recipients.len() >= MAX_RECIPIENTS => (452, "4.5.3 Too many recipients"),
                Some(_) => (250, "2.1.5 The recipient is fine"),
            },
            Command::Data => match &self.envelope {
                None => (503, "5.5.1 Send MAIL first"),
                Some(envelope) if envelope.recipients.is_empty() => (554, "5.5.1 There is no valid recipient"),
                Some(_) => (354, "End the mail with a dot on a line of its own"),
            },
            Command::Auth { .. } if self.options.login.is_none() => (503, "5.5.1 AUTH is not offered"),
            Command::Auth { .. } if !self.greeted || self.envelope.is_some() => (503, "5.5.1 Not now"),
            Command::Auth { .. } if self.authenticated => (503, "5.5.1 You are signed in already"),
            Command::Auth { mechanism, .. } if mechanism != "PLAIN" && mechanism != "LOGIN" => {
                (504, "5.5.4 Only PLAIN and LOGIN are offered")
            }
            Command::Auth { .. } => (334, ""),
            Command::Reset | Command::Noop => (250, "2.0.0 Done"),
            Command::Verify => (252, "2.0.0 Every address is caught"),
            Command::Quit => (221, "2.0.0 Goodbye"),
            Command::Malformed(why) => return (501, format!("5.5.4 The command is not right: {why}")),
            Command::Unknown => (500, "5.5.2 The command is not known"),
        };
        (code, text.to_owned())
    }

    fn usual_to_mail(&self, from: &str, parameters: &[(String, String)]) -> (u16, &'static str) {
        if !self.greeted {
            return (503, "5.5.1 Say EHLO first");
        }
        if !self.authenticated {
            return (530, "5.7.0 Sign in first");
        }
        if self.envelope.is_some() {
            return (503, "5.5.1 A mail is under way already");
        }
        let mut smtputf8 = false;
        for (key, value) in parameters {
            match (key.as_str(), value.to_ascii_uppercase().as_str()) {
                ("SIZE", size) => match size.parse::<u64>() {
                    Ok(size) if size > self.options.max_size as u64 => return (552, "5.3.4 The mail is too big"),
                    Ok(_) => {}
                    Err(_) => return (501, "5.5.4 SIZE takes a number"),
                },
                ("BODY", "7BIT" | "8BITMIME") => {}
                ("SMTPUTF8", "") if self.options.smtputf8 => smtputf8 = true,
                ("AUTH", _) if self.options.login.is_some() => {}
                _ => return (555, "5.5.4 A parameter of MAIL is not known here"),
            }
        }
        if !from.is_ascii() && !smtputf8 {
            return (553, "5.6.7 The address needs SMTPUTF8");
        }
        (250, "2.1.0 The sender is fine")
    }

    fn extensions(&self) -> String {
        let mut lines = vec!["localhost".to_owned(), format!("SIZE {}", self.options.max_size), "8BITMIME".to_owned()];
        if self.options.pipelining {
            lines.push("PIPELINING".to_owned());
        }
        if self.options.smtputf8 {
            lines.push("SMTPUTF8".to_owned());
        }
        if self.options.login.is_some() {
            lines.push("AUTH PLAIN LOGIN".to_owned());
        }
        lines.push("ENHANCEDSTATUSCODES".to_owned());
        lines.join("\n")
    }

    /// Reads the mail after a positive answer to `DATA`, and answers it.
    async fn content(&mut self) -> io::Result<Next> {
        let limit = self.options.max_size;
        let content = match timeout(self.options.idle, self.wire.content(limit)).await {
            Ok(content) => content?,
            Err(_) => {
                self.wire.say(421, "4.4.2 The mail did not end");
                return Ok(Next::Close);
            }
        };
        let Some(Content { raw, fault }) = content else { return Ok(Next::Close) };
        let Envelope { from, recipients, .. } =
            self.envelope.take().unwrap_or(Envelope { from: String::new(), recipients: Vec::new(), smtputf8: false });
        let reply = self.ask(Stage::Content { from: &from, recipients: &recipients, raw: &raw });
        let mut usual = match fault {
            Some(Fault::TooBig) => (552, "5.3.4 The mail is too big".to_owned()),
            Some(Fault::LongLine(line)) => (554, format!("5.6.0 Line {line} is longer than RFC 5321 allows")),
            Some(Fault::BareLineEnd(line)) => (554, format!("5.6.0 Line {line} has a CR or LF by itself")),
            None if recipients.is_empty() => (554, "5.5.1 There is no valid recipient".to_owned()),
            None => (250, String::new()),
        };
        let code = reply.line.as_ref().map_or(usual.0, |(code, _)| *code);
        // What is acknowledged is kept first: a client may rely on it.
        if reply.keep || (is_positive(code) && !reply.silent) {
            let id = self.mailbox.put(self.connection, from, recipients, raw);
            self.delivered += 1;
            if usual.0 == 250 {
                usual.1 = format!("2.0.0 Caught as number {id}");
            }
        }
        Ok(self.say(&reply, usual).await?.1)
    }

    /// The challenges of `AUTH` and what is said in the end; `None` when the client closed.
    async fn exchange(&mut self, mechanism: &str, initial: Option<&str>) -> io::Result<Option<Usual>> {
        // The challenges of LOGIN are "Username:" and "Password:" in base64.
        let challenges: &[&str] = if mechanism == "PLAIN" { &[""] } else { &["VXNlcm5hbWU6", "UGFzc3dvcmQ6"] };
        let mut given = initial.map(str::to_owned);
        let mut responses = Vec::new();
        for challenge in challenges {
            let response = match given.take() {
                Some(response) => response,
                None => {
                    self.wire.say(334, challenge);
                    match timeout(self.options.idle, self.wire.line()).await {
                        Ok(Ok(Line::Text(line))) => String::from_utf8_lossy(&line).into_owned(),
                        Ok(Ok(Line::TooLong)) => return Ok(Some((500, "5.5.6 The line is too long".to_owned()))),
                        Ok(Ok(Line::End)) | Err(_) => return Ok(None),
                        Ok(Err(broken)) => return Err(broken),
                    }
                }
            };
            if response == "*" {
                return Ok(Some((501, "5.7.0 Signing in was cancelled".to_owned())));
            }
            let response = if response == "=" { "" } else { response.as_str() };
            match BASE64.decode(response.as_bytes()) {
                Ok(bytes) => responses.push(bytes),
                Err(_) => return Ok(Some((501, "5.5.2 The response is not base64".to_owned()))),
            }
        }
        let (user, password) = match responses.as_slice() {
            [plain] => {
                let parts: Vec<&[u8]> = plain.splitn(3, |byte| *byte == 0).collect();
                let [_, user, password] = parts[..] else {
                    return Ok(Some((501, "5.5.2 The response has not three parts".to_owned())));
                };
                (user, password)
            }
            [user, password] => (user.as_slice(), password.as_slice()),
            _ => return Ok(Some((501, "5.5.2 The response is not right".to_owned()))),
        };
        let right = self.options.login.as_ref().is_some_and(|(u, p)| u.as_bytes() == user && p.as_bytes() == password);
        Ok(Some(if right {
            (235, "2.7.0 You are signed in".to_owned())
        } else {
            (535, "5.7.8 User or password is wrong".to_owned())
        }))
    }

    fn ask(&self, stage: Stage<'_>) -> Reply {
        self.options.answers.ask(&Turn { connection: self.connection, delivered: self.delivered, stage })
    }

    /// Says what the script has, else the usual; gives the code, 0 for none.
    async fn say(&mut self, reply: &Reply, usual: Usual) -> io::Result<(u16, Next)> {
        if !reply.delay.is_zero() {
            self.wire.flush().await?;
            sleep(reply.delay).await;
        }
        let next = if reply.close { Next::Close } else { Next::Go };
        if reply.silent {
            return Ok((0, next));
        }
        let (code, text) = reply.line.as_ref().map_or((usual.0, usual.1.as_str()), |(code, text)| (*code, text));
        self.wire.say(code, text);
        Ok((code, next))
    }
}

/// Whether the command did what it asks for.
fn is_positive(code: u16) -> bool {
    (200..400).contains(&code)
}
