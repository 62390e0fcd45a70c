//! One SMTP conversation that takes mail: envelopes and contents in, replies out (RFC 5321, RFC 2920).
//!
//! It knows nothing of deliveries. Where the server offers PIPELINING, an envelope travels as one group, and the next
//! one in the group of a content's final dot; else each command waits for its answer.

use std::time::Duration;

use lettre::transport::smtp;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::Ehlo;
use lettre::transport::smtp::extension::{ClientId, Extension};
use tokio::sync::watch;
use tokio::time::timeout;

use super::policy::Step;
use super::reply::Reply;
use super::settings::Waits;
use super::stream::Outgoing;
use crate::domain::EmailAddress;

/// How far the engine has been asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// Not at all.
    No,
    /// After the messages in flight.
    Soon,
    /// This moment.
    Now,
}

/// Tells a conversation to stop.
pub type Stops = watch::Receiver<Stop>;

/// What asks for a content.
const DATA: &str = "DATA\r\n";

/// What ends a content.
const FINAL_DOT: &str = ".\r\n";

/// How long a polite goodbye may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// How long a server that broke off in the middle of a content is listened to for its reason.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Who a message is from and to.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// The envelope sender.
    pub from: &'a EmailAddress,
    /// The one recipient.
    pub to: &'a EmailAddress,
    /// About how many octets the message has, rather more than less.
    pub size: usize,
}

/// What became of an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// The server waits for the content: it gets it, or the connection is dropped.
    Ready,
    /// It was refused; the connection goes on unless the conversation [is over](Conversation::is_over).
    Refused(Step, Reply),
}

/// What became of a content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// The server answered.
    Answered(Reply),
    /// The connection broke before the final dot had been sent.
    Incomplete(String),
    /// The connection broke after the final dot had been sent.
    Unanswered(String),
}

/// One conversation with a server.
pub struct Conversation {
    connection: AsyncSmtpConnection,
    outgoing: Outgoing,
    stops: Stops,
    waits: Waits,
    pipelining: bool,
    smtputf8: bool,
    eight_bit: bool,
    /// The most octets that a message may have; 0: nobody knows. `None`: the server does not say (RFC 1870).
    size: Option<u64>,
    /// An envelope was refused half-way, so that the server may still have the first half.
    half_open: bool,
    /// Whether the sender of the last envelope was taken.
    sender_taken: bool,
    /// Whether the server has said 354 and waits.
    waits_for_content: bool,
    over: bool,
}

impl Conversation {
    /// A conversation on a connection that has been greeted.
    pub fn new(connection: AsyncSmtpConnection, outgoing: Outgoing, stops: Stops, waits: Waits) -> Self {
        Self {
            connection,
            outgoing,
            stops,
            waits,
            pipelining: false,
            smtputf8: false,
            eight_bit: false,
            size: None,
            half_open: false,
            sender_taken: false,
            waits_for_content: false,
            over: false,
        }
    }

    /// Asks for the extensions once more: lettre knows neither PIPELINING nor keywords in small letters, and what is
    /// offered may have changed with the authentication. `pipelining`: whether it may be used. Gives a refusal, after which
    /// what was offered at first still holds, as far as it is known.
    pub async fn ask_extensions(&mut self, hello: &ClientId, pipelining: bool) -> Result<Option<Reply>, String> {
        let limit = self.waits.connect;
        let answer = waited(&mut self.stops, limit, self.connection.command(Ehlo::new(hello.clone()))).await?;
        let response = match answer {
            Ok(response) => response,
            Err(error) => {
                let refusal = Reply::read(Err(error)).map_err(|error| error.to_string())?;
                let first = self.connection.server_info();
                self.smtputf8 = first.supports_feature(Extension::SmtpUtfEight);
                self.eight_bit = first.supports_feature(Extension::EightBitMime);
                return Ok(Some(refusal));
            }
        };
        for line in response.message().skip(1) {
            let mut words = line.split_ascii_whitespace();
            match words.next().unwrap_or_default().to_ascii_uppercase().as_str() {
                "PIPELINING" => self.pipelining = pipelining,
                "SMTPUTF8" => self.smtputf8 = true,
                "8BITMIME" => self.eight_bit = true,
                "SIZE" => self.size = Some(words.next().and_then(|size| size.parse().ok()).unwrap_or(0)),
                _ => {}
            }
        }
        Ok(None)
    }

    /// Whether the next envelope may go ahead with a content.
    pub fn can_pipeline(&self) -> bool {
        self.pipelining && !self.over
    }

    /// Why the server cannot take this envelope at all, if it cannot (RFC 6531, RFC 1870).
    pub fn objection(&self, envelope: Envelope<'_>) -> Option<&'static str> {
        if needs_smtputf8(envelope) && !self.smtputf8 {
            return Some("the address needs SMTPUTF8, which the relay does not offer");
        }
        let fits = self.size.is_none_or(|most| most == 0 || envelope.size as u64 <= most);
        (!fits).then_some("the message is larger than the relay takes")
    }

    /// Whether envelopes travel as groups.
    pub fn pipelines(&self) -> bool {
        self.pipelining
    }

    /// Whether the server has taken the sender of the last envelope.
    pub fn has_taken_sender(&self) -> bool {
        self.sender_taken
    }

    /// Whether the server has closed, or the connection is broken.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Sends an envelope. `Err`: the connection broke.
    pub async fn open(&mut self, envelope: Envelope<'_>) -> Result<Opened, String> {
        self.sender_taken = false;
        if self.pipelining {
            let mut group = String::new();
            self.push_group(envelope, &mut group);
            let first = self.say(&group, self.waits.command).await?;
            return self.read_group(Some(first)).await;
        }
        if self.half_open {
            self.say("RSET\r\n", self.waits.command).await?;
            self.half_open = false;
        }
        let commands =
            [(Step::Mail, self.mail(envelope)), (Step::Recipient, recipient(envelope)), (Step::Data, DATA.to_owned())];
        for (step, command) in commands {
            let reply = self.say(&command, self.waits.command).await?;
            self.sender_taken |= step == Step::Mail && reply.is_done();
            let goes_on = if step == Step::Data { reply.wants_content() } else { reply.is_done() };
            if !goes_on {
                return Ok(self.refused(step, reply));
            }
        }
        Ok(self.ready())
    }

    /// An empty buffer for a content, that of the one before where there was one.
    pub fn buffer(&self) -> Vec<u8> {
        self.outgoing.buffer()
    }

    /// Sends the content of the opened envelope with its final dot, and the next envelope behind it in the same group.
    /// `content` ends with a line end. The second value is `None` when no next envelope was given, or the connection broke
    /// before it was answered.
    pub async fn deliver(
        &mut self,
        content: Vec<u8>,
        next: Option<Envelope<'_>>,
    ) -> (Delivered, Option<Result<Opened, String>>) {
        let mut rest = FINAL_DOT.to_owned();
        if let Some(next) = next {
            self.push_group(next, &mut rest);
            self.sender_taken = false;
        }
        self.waits_for_content = false;
        let complete = self.outgoing.octets() + (content.len() + FINAL_DOT.len()) as u64;
        self.outgoing.goes_first(content);
        let answer = match self.say(&rest, self.waits.content).await {
            Ok(reply) => reply,
            Err(why) if self.outgoing.octets() >= complete => return (Delivered::Unanswered(why), None),
            Err(why) => {
                // A server that refuses in the middle may have said why before it closed.
                let last_words = timeout(LAST_WORDS, self.connection.read_response()).await;
                return match last_words.map(Reply::read) {
                    Ok(Ok(reply)) if !reply.is_done() => (Delivered::Answered(reply), None),
                    _ => (Delivered::Incomplete(why), None),
                };
            }
        };
        let opened = match next {
            Some(_) if self.over => None,
            Some(_) => Some(self.read_group(None).await),
            None => None,
        };
        (Delivered::Answered(answer), opened)
    }

    /// Takes leave, without insisting; of a server that waits for a content without a word, since any would be content.
    pub async fn quit(&mut self) {
        if !std::mem::replace(&mut self.over, true) && !self.waits_for_content {
            let _ = timeout(FAREWELL, self.connection.command("QUIT\r\n")).await;
        }
    }

    fn mail(&self, envelope: Envelope<'_>) -> String {
        let mut command = format!("MAIL FROM:<{}>", envelope.from);
        if self.size.is_some() {
            command.push_str(&format!(" SIZE={}", envelope.size));
        }
        if needs_smtputf8(envelope) {
            command.push_str(if self.eight_bit { " BODY=8BITMIME SMTPUTF8" } else { " SMTPUTF8" });
        }
        command.push_str("\r\n");
        command
    }

    fn push_group(&self, envelope: Envelope<'_>, group: &mut String) {
        if self.half_open {
            group.push_str("RSET\r\n");
        }
        group.push_str(&self.mail(envelope));
        group.push_str(&recipient(envelope));
        group.push_str(DATA);
    }

    /// Reads the answers to a group, `first` being the first of them if it has been read already.
    async fn read_group(&mut self, first: Option<Reply>) -> Result<Opened, String> {
        let mut first = first;
        if std::mem::take(&mut self.half_open) {
            if first.is_none() {
                self.listen().await?;
            }
            first = None;
            if self.over {
                return Err("the server closed the connection".to_owned());
            }
        }
        let mail = match first {
            Some(reply) => reply,
            None => self.listen().await?,
        };
        self.sender_taken = mail.is_done();
        if self.over {
            return Ok(self.refused(Step::Mail, mail));
        }
        let recipient = self.listen().await?;
        if self.over {
            return Ok(if mail.is_done() {
                self.refused(Step::Recipient, recipient)
            } else {
                self.refused(Step::Mail, mail)
            });
        }
        let data = self.listen().await?;
        if mail.wants_content() || recipient.wants_content() || data.is_done() {
            // A server that counts a group as one command, or answers in another order: it cannot be believed.
            self.over = true;
            return Err("the relay answered a group of commands wrongly".to_owned());
        }
        // Only the first refusal means anything: the others follow from it.
        let refusal = if !mail.is_done() {
            Some((Step::Mail, mail))
        } else if !recipient.is_done() {
            Some((Step::Recipient, recipient))
        } else if !data.wants_content() {
            Some((Step::Data, data.clone()))
        } else {
            None
        };
        let Some((step, reply)) = refusal else { return Ok(self.ready()) };
        if data.wants_content() && !self.over {
            // A lone dot, which the server has to refuse: it has no recipient (RFC 2920, section 3.1).
            let _ = self.say(FINAL_DOT, self.waits.content).await;
        }
        Ok(self.refused(step, reply))
    }

    fn ready(&mut self) -> Opened {
        self.waits_for_content = true;
        Opened::Ready
    }

    fn refused(&mut self, step: Step, reply: Reply) -> Opened {
        self.half_open = true;
        Opened::Refused(step, reply)
    }

    async fn say(&mut self, text: &str, limit: Duration) -> Result<Reply, String> {
        let answer = waited(&mut self.stops, limit, self.connection.command(text)).await;
        self.heard(answer)
    }

    async fn listen(&mut self) -> Result<Reply, String> {
        let limit = self.waits.command;
        let answer = waited(&mut self.stops, limit, self.connection.read_response()).await;
        self.heard(answer)
    }

    fn heard(
        &mut self,
        answer: Result<Result<smtp::response::Response, smtp::Error>, String>,
    ) -> Result<Reply, String> {
        let reply = answer.and_then(|answer| Reply::read(answer).map_err(|error| error.to_string()));
        self.over |= reply.as_ref().map_or(true, Reply::closes);
        reply
    }
}

fn needs_smtputf8(envelope: Envelope<'_>) -> bool {
    envelope.from.needs_smtputf8() || envelope.to.needs_smtputf8()
}

fn recipient(envelope: Envelope<'_>) -> String {
    format!("RCPT TO:<{}>\r\n", envelope.to)
}

/// Waits for `answer`, `limit` long at most, or until the engine has to stop this moment.
async fn waited<T>(stops: &mut Stops, limit: Duration, answer: impl Future<Output = T>) -> Result<T, String> {
    tokio::select! {
        biased;
        answer = timeout(limit, answer) => answer.map_err(|_| format!("no answer within {} s", limit.as_secs())),
        _ = stops.wait_for(|stop| *stop == Stop::Now) => Err("the deliverer was stopped".to_owned()),
    }
}
