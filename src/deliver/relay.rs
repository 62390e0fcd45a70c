//! Connecting to an SMTP relay: TCP, TLS, EHLO and authentication, up to a conversation that can take mail.

use std::time::Duration;

use data_encoding::BASE64;
use lettre::transport::smtp;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::Starttls;
use lettre::transport::smtp::extension::ClientId;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::conversation::{Conversation, Stops};
use super::dial::Dialler;
use super::policy::{Blame, Step, blame};
use super::reply::Reply;
use super::settings::Waits;
use super::stream::Stream;
use super::tls::Encryption;
use crate::config::{self, Auth, Tls};

/// What keeps a relay from taking any mail. It is no message's failure.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RelayError {
    /// No connection.
    #[error("no connection to {relay}: {why}")]
    Connect {
        /// Host and port.
        relay: String,
        /// What the system says.
        why: String,
    },
    /// Nobody answered in time.
    #[error("the relay did not answer within {0:?}")]
    Silent(Duration),
    /// No encryption, or a certificate that is not trusted.
    #[error("the encrypted connection failed: {0}; for a certificate of one's own set `smtp.tls_ca_file`")]
    Tls(String),
    /// STARTTLS is asked for and not offered.
    #[error(
        "the relay does not offer STARTTLS; use smtps:// if it encrypts from the start, or smtp:// on a trusted network"
    )]
    NoStartTls,
    /// The account was refused.
    #[error("the relay did not accept `username` and `password`: {0}")]
    Authentication(String),
    /// It asks for less speed before it has taken anything.
    #[error("the relay asks for less speed: {0}")]
    Throttled(String),
    /// Another refusal.
    #[error("the relay refused: {0}")]
    Refused(String),
    /// The outbox could not be written.
    #[error("cannot write to the outbox {path}: {why}")]
    Outbox {
        /// The folder.
        path: String,
        /// What the system says.
        why: String,
    },
}

/// An SMTP server that takes our mail.
pub struct SmtpRelay {
    host: String,
    port: u16,
    tls: Tls,
    config: config::Relay,
    hello: ClientId,
    waits: Waits,
    dialler: Dialler,
}

impl SmtpRelay {
    /// The relay at `host` and `port`; nothing is connected yet.
    pub fn new(host: &str, port: u16, tls: Tls, config: &config::Relay, hello: &str) -> Self {
        let host = host.trim_matches(['[', ']']).to_owned();
        let (hello, waits, dialler) = (client_id(hello), Waits::of(config.timeout), Dialler::default());
        Self { host, port, tls, config: config.clone(), hello, waits, dialler }
    }

    /// Connects, encrypts, signs in, and asks what the server can do. `pipelining`: whether it may be used.
    pub async fn connect(&self, stops: Stops, pipelining: bool) -> Result<Conversation, RelayError> {
        let tcp = self.tcp().await?;
        let stream = match self.tls {
            Tls::None if self.config.opportunistic_tls => self.opportunistic(tcp).await?,
            Tls::None => Stream::plain(tcp),
            Tls::Wrapped => Stream::tls(self.encrypted(tcp).await?),
            Tls::StartTls => Stream::after_starttls(self.encrypted(self.starttls(tcp).await?).await?),
        };
        let outgoing = stream.outgoing();
        let mut connection = self.greet(stream).await?;
        if !self.config.username.is_empty() {
            self.sign_in(&mut connection).await?;
        }
        let mut conversation = Conversation::new(connection, outgoing, stops, self.waits);
        match conversation.ask_extensions(&self.hello, pipelining).await.map_err(RelayError::Refused)? {
            // Some servers do not take a second EHLO; that it fails for now says nothing of what they offer.
            Some(refusal) if is_throttling(&refusal) || !refusal.is_permanent() => Err(said(&refusal)),
            _ => Ok(conversation),
        }
    }

    async fn tcp(&self) -> Result<TcpStream, RelayError> {
        let failed = |why: String| RelayError::Connect { relay: format!("{}:{}", self.host, self.port), why };
        let tcp = self.dialler.connect(&self.host, self.port, self.waits.connect).await.map_err(failed)?;
        // With Nagle's algorithm the end of each message would wait for the server's delayed acknowledgement.
        tcp.set_nodelay(true).map_err(|error| failed(error.to_string()))?;
        Ok(tcp)
    }

    /// The part of the conversation that is in the clear.
    async fn starttls(&self, tcp: TcpStream) -> Result<TcpStream, RelayError> {
        let (stream, lender) = Stream::lend(tcp);
        let mut connection = self.greet(stream).await?;
        if !connection.can_starttls() {
            return Err(RelayError::NoStartTls);
        }
        let reply = within(self.waits.connect, connection.command(Starttls)).await?;
        if reply.code != 220 {
            return Err(RelayError::Tls(reply.words()));
        }
        drop(connection);
        lender.take_back().map_err(|error| RelayError::Tls(error.to_string()))
    }

    /// Encrypted where the server offers that and means it, else in the clear.
    async fn opportunistic(&self, tcp: TcpStream) -> Result<Stream, RelayError> {
        let encrypted = async {
            let tcp = self.starttls(tcp).await?;
            let encryption = Encryption::opportunistic(&self.host)?;
            let tls = timeout(self.waits.connect, encryption.encrypt(tcp)).await;
            tls.map_err(|_| RelayError::Silent(self.waits.connect))?
        };
        match encrypted.await {
            Ok(tls) => Ok(Stream::after_starttls(tls)),
            Err(RelayError::NoStartTls | RelayError::Tls(_)) => Ok(Stream::plain(self.tcp().await?)),
            Err(other) => Err(other),
        }
    }

    async fn encrypted(&self, tcp: TcpStream) -> Result<tokio_rustls::client::TlsStream<TcpStream>, RelayError> {
        let encryption = Encryption::new(&self.host, self.config.tls_ca_file.as_deref())?;
        timeout(self.waits.connect, encryption.encrypt(tcp))
            .await
            .map_err(|_| RelayError::Silent(self.waits.connect))?
    }

    async fn greet(&self, stream: Stream) -> Result<AsyncSmtpConnection, RelayError> {
        let greeting = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &self.hello);
        timeout(self.waits.connect, greeting)
            .await
            .map_err(|_| RelayError::Silent(self.waits.connect))?
            .map_err(refused)
    }

    async fn sign_in(&self, connection: &mut AsyncSmtpConnection) -> Result<(), RelayError> {
        let password = self.password().await?;
        let answer = match self.config.auth {
            Auth::Password => self.by_password(connection, password, &[Mechanism::Plain, Mechanism::Login]).await,
            Auth::Login => self.by_password(connection, password, &[Mechanism::Login]).await,
            Auth::Xoauth2 => self.by_token(connection, &password).await,
        };
        match answer? {
            reply if reply.code == 235 => Ok(()),
            reply if is_throttling(&reply) => Err(RelayError::Throttled(reply.words())),
            reply => Err(RelayError::Authentication(reply.words())),
        }
    }

    async fn by_password(
        &self,
        connection: &mut AsyncSmtpConnection,
        password: String,
        mechanisms: &[Mechanism],
    ) -> Result<Reply, RelayError> {
        let credentials = Credentials::new(self.config.username.clone(), password);
        let answer = timeout(self.waits.command, connection.auth(mechanisms, &credentials)).await;
        let answer = answer.map_err(|_| RelayError::Silent(self.waits.command))?;
        Reply::read(answer).map_err(|error| RelayError::Authentication(words(error)))
    }

    /// XOAUTH2. A server that refuses first gives its reason as a challenge, which lettre does not know: the answer to
    /// that is an empty line, and then comes the refusal.
    async fn by_token(&self, connection: &mut AsyncSmtpConnection, token: &str) -> Result<Reply, RelayError> {
        let response = format!("user={}\x01auth=Bearer {token}\x01\x01", self.config.username);
        let command = format!("AUTH XOAUTH2 {}\r\n", BASE64.encode(response.as_bytes()));
        let limit = self.waits.command;
        let reply = within(limit, connection.command(command)).await?;
        if reply.code == 334 { within(limit, connection.command("\r\n")).await } else { Ok(reply) }
    }

    /// The password; out of its file anew, where it has one: access tokens do not live for long.
    async fn password(&self) -> Result<String, RelayError> {
        let Some(file) = &self.config.password_file else { return Ok(self.config.password.reveal().to_owned()) };
        let read = tokio::fs::read_to_string(file).await;
        let failed = |error| RelayError::Authentication(format!("cannot read {}: {error}", file.display()));
        Ok(read.map_err(failed)?.trim_end_matches(['\r', '\n']).to_owned())
    }
}

async fn within(
    limit: Duration,
    answer: impl Future<Output = Result<smtp::response::Response, smtp::Error>>,
) -> Result<Reply, RelayError> {
    let answer = timeout(limit, answer).await.map_err(|_| RelayError::Silent(limit))?;
    Reply::read(answer).map_err(|error| RelayError::Refused(error.to_string()))
}

fn refused(error: smtp::Error) -> RelayError {
    Reply::read(Err(error)).map_or_else(|error| RelayError::Refused(error.to_string()), |reply| said(&reply))
}

fn said(refusal: &Reply) -> RelayError {
    let kind = if is_throttling(refusal) { RelayError::Throttled } else { RelayError::Refused };
    kind(refusal.words())
}

/// Whether a reply to a greeting asks for less speed, as it would in the dialogue.
fn is_throttling(reply: &Reply) -> bool {
    blame(Step::Mail, reply) == Blame::Throttled
}

/// The server's words where it said any, else what broke.
fn words(error: smtp::Error) -> String {
    match Reply::read(Err(error)) {
        Ok(reply) => reply.words(),
        Err(error) => error.to_string(),
    }
}

fn client_id(hello: &str) -> ClientId {
    let literal = hello.trim_matches(['[', ']']);
    match literal.strip_prefix("IPv6:").unwrap_or(literal).parse() {
        Ok(std::net::IpAddr::V4(ip)) => ClientId::Ipv4(ip),
        Ok(std::net::IpAddr::V6(ip)) => ClientId::Ipv6(ip),
        Err(_) => ClientId::Domain(literal.to_owned()),
    }
}
