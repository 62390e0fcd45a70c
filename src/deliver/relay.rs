//! Connecting to an SMTP relay: TCP, TLS, EHLO and authentication, up to a conversation that can take mail.

use std::time::Duration;

use lettre::transport::smtp;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::Starttls;
use lettre::transport::smtp::extension::ClientId;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::conversation::{Conversation, Stops};
use super::reply::Reply;
use super::settings::Timings;
use super::stream::Stream;
use super::tls::Encryption;
use crate::config::{Smtp, Tls};

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
    #[error("the relay did not accept `smtp.username` and `smtp.password`: {0}")]
    Authentication(String),
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
    smtp: Smtp,
    hello: ClientId,
    timings: Timings,
}

impl SmtpRelay {
    /// The relay at `host` and `port`; nothing is connected yet.
    pub fn new(host: &str, port: u16, tls: Tls, smtp: &Smtp, hello: &str, timings: Timings) -> Self {
        let host = host.trim_matches(['[', ']']).to_owned();
        Self { host, port, tls, smtp: smtp.clone(), hello: client_id(hello), timings }
    }

    /// Connects, encrypts, signs in, and asks what the server can do.
    pub async fn connect(&self, stops: Stops) -> Result<Conversation, RelayError> {
        let tcp = self.tcp().await?;
        let stream = match self.tls {
            Tls::None => Stream::plain(tcp),
            Tls::Wrapped => Stream::tls(self.encrypted(tcp).await?),
            Tls::StartTls => Stream::after_starttls(self.encrypted(self.starttls(tcp).await?).await?),
        };
        let sent = stream.sent();
        let mut connection = self.greet(stream).await?;
        if !self.smtp.username.is_empty() {
            self.sign_in(&mut connection).await?;
        }
        let mut conversation = Conversation::new(connection, sent, stops, self.timings);
        conversation.ask_extensions(&self.hello).await.map_err(RelayError::Refused)?;
        Ok(conversation)
    }

    async fn tcp(&self) -> Result<TcpStream, RelayError> {
        let failed = |why: String| RelayError::Connect { relay: format!("{}:{}", self.host, self.port), why };
        let tcp = timeout(self.timings.connect, TcpStream::connect((self.host.as_str(), self.port)))
            .await
            .map_err(|_| failed(format!("nobody answered within {:?}", self.timings.connect)))?
            .map_err(|error| failed(error.to_string()))?;
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
        let reply = self.within(connection.command(Starttls)).await?;
        if reply.code != 220 {
            return Err(RelayError::Tls(reply.words()));
        }
        drop(connection);
        lender.take_back().map_err(|error| RelayError::Tls(error.to_string()))
    }

    async fn encrypted(&self, tcp: TcpStream) -> Result<tokio_rustls::client::TlsStream<TcpStream>, RelayError> {
        let encryption = Encryption::new(&self.host, self.smtp.tls_ca_file.as_deref())?;
        timeout(self.timings.connect, encryption.encrypt(tcp))
            .await
            .map_err(|_| RelayError::Silent(self.timings.connect))?
    }

    async fn greet(&self, stream: Stream) -> Result<AsyncSmtpConnection, RelayError> {
        let greeting = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &self.hello);
        timeout(self.timings.command, greeting)
            .await
            .map_err(|_| RelayError::Silent(self.timings.command))?
            .map_err(|error| RelayError::Refused(words(error)))
    }

    async fn sign_in(&self, connection: &mut AsyncSmtpConnection) -> Result<(), RelayError> {
        let credentials = Credentials::new(self.smtp.username.clone(), self.smtp.password.reveal().to_owned());
        let signing_in = connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials);
        let answer = timeout(self.timings.command, signing_in)
            .await
            .map_err(|_| RelayError::Silent(self.timings.command))?
            .map_err(|error| RelayError::Authentication(words(error)))?;
        if answer.has_code(235) {
            return Ok(());
        }
        Err(RelayError::Authentication(Reply::read(Ok(answer)).map(|reply| reply.words()).unwrap_or_default()))
    }

    async fn within(
        &self,
        answer: impl Future<Output = Result<smtp::response::Response, smtp::Error>>,
    ) -> Result<Reply, RelayError> {
        let answer = timeout(self.timings.command, answer).await;
        let answer = answer.map_err(|_| RelayError::Silent(self.timings.command))?;
        Reply::read(answer).map_err(|error| RelayError::Refused(error.to_string()))
    }
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
