//! The relays that take the mails, and how fast they may be given some.

use std::path::PathBuf;
use std::time::Duration;

use chrono::NaiveDate;

use super::rate::Rate;
use super::secret::Secret;

/// `[smtp]` and each `[[relay]]`.
#[derive(Clone, Debug)]
pub struct Smtp {
    /// The relays; at least one.
    pub relays: Vec<Relay>,
    /// How much all of them together may take: of each window the least.
    pub rates: Vec<Rate>,
    /// How much may go to a recipient domain, whichever the relay.
    pub per_domain: Vec<(String, Rate)>,
    /// How a sender that nobody knows yet begins.
    pub warm_up: Option<WarmUp>,
}

impl Smtp {
    /// One relay with nothing special about it.
    pub fn to(url: RelayUrl) -> Self {
        Self { relays: vec![Relay::at(url)], rates: Vec::new(), per_domain: Vec::new(), warm_up: None }
    }

    /// Whether all that goes out stays on this machine.
    pub fn is_local(&self) -> bool {
        self.relays.iter().all(|relay| relay.url.is_local())
    }

    /// How many connections there may be in all.
    pub fn connections(&self) -> usize {
        self.relays.iter().map(|relay| relay.connections).sum()
    }
}

/// One relay.
#[derive(Clone, Debug)]
pub struct Relay {
    /// How it is called, in logs and beside deliveries.
    pub id: String,
    /// What takes the mails.
    pub url: RelayUrl,
    /// How much of the whole it gets, beside the weights of the others; at least 1.
    pub weight: usize,
    /// The account; empty: no authentication.
    pub username: String,
    /// Its password.
    pub password: Secret,
    /// Where the password is; it is read again for each connection.
    pub password_file: Option<PathBuf>,
    /// How the account is signed in.
    pub auth: Auth,
    /// How many connections at once; at least 1.
    pub connections: usize,
    /// After how many messages a connection is closed and opened anew; at least 1.
    pub messages_per_connection: usize,
    /// How much it may be given.
    pub rates: Vec<Rate>,
    /// How a relay that nobody knows yet begins.
    pub warm_up: Option<WarmUp>,
    /// A file of certificates to trust beside the system's.
    pub tls_ca_file: Option<PathBuf>,
    /// Whether a local relay is spoken to under encryption where it offers that, whoever's its certificate is.
    pub opportunistic_tls: bool,
    /// Whether several commands may go out at once where the server offers that.
    pub pipelining: bool,
    /// How long the answer to a command may take; the other times of RFC 5321 are in proportion.
    pub timeout: Duration,
}

impl Relay {
    /// How many connections there are where nothing is said.
    pub const CONNECTIONS: usize = 10;
    /// After how many messages a connection is closed where nothing is said.
    pub const MESSAGES_PER_CONNECTION: usize = 1000;
    /// How long the answer to a command may take (RFC 5321, 4.5.3.2).
    pub const TIMEOUT: Duration = Duration::from_secs(300);

    /// One with nothing special about it.
    pub fn at(url: RelayUrl) -> Self {
        Self {
            id: url.name(),
            url,
            weight: 1,
            username: String::new(),
            password: Secret::default(),
            password_file: None,
            auth: Auth::Password,
            connections: Self::CONNECTIONS,
            messages_per_connection: Self::MESSAGES_PER_CONNECTION,
            rates: Vec::new(),
            warm_up: None,
            tls_ca_file: None,
            opportunistic_tls: false,
            pipelining: true,
            timeout: Self::TIMEOUT,
        }
    }

    /// What its server knows us by, and what we call it: whatever is known of a relay is known of this.
    pub fn account(&self) -> String {
        [self.id.as_str(), &self.url.name(), &self.username].join(" ")
    }
}

/// How an account is signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// By PLAIN, else by LOGIN.
    Password,
    /// By LOGIN alone.
    Login,
    /// By XOAUTH2; the password is an access token.
    Xoauth2,
}

impl Auth {
    /// All of them, as a configuration names them.
    pub const NAMES: [(&'static str, Self); 3] =
        [("password", Self::Password), ("login", Self::Login), ("xoauth2", Self::Xoauth2)];

    /// As a configuration names it.
    pub fn as_str(self) -> &'static str {
        Self::NAMES.iter().find(|(_, auth)| *auth == self).map_or("password", |(name, _)| name)
    }
}

/// How somebody begins whom the receivers do not know yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WarmUp {
    /// The first day, in UTC.
    pub from: NaiveDate,
    /// How many on that day.
    pub first_day: u32,
    /// After how much time it is twice as many.
    pub doubles: Duration,
}

impl WarmUp {
    /// How many may go out in the twenty-four hours that end on `day`.
    pub fn on(&self, day: NaiveDate) -> u32 {
        let days = u64::try_from((day - self.from).num_days()).unwrap_or(0);
        let doublings = days * 86_400 / self.doubles.as_secs().max(1);
        let factor = u32::try_from(doublings).ok().and_then(|doublings| 2_u32.checked_pow(doublings));
        self.first_day.saturating_mul(factor.unwrap_or(u32::MAX))
    }
}

/// What takes the mails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelayUrl {
    /// A folder that gets one `.eml` for each message.
    File(PathBuf),
    /// An SMTP server.
    Smtp {
        /// Host name or IP address.
        host: String,
        /// Port.
        port: u16,
        /// How the connection is protected.
        tls: Tls,
    },
}

/// How a connection to a relay is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Not at all: `smtp://`.
    None,
    /// Upgraded by STARTTLS, which must work: `smtp+starttls://`.
    StartTls,
    /// From the first byte: `smtps://`.
    Wrapped,
}

impl RelayUrl {
    /// Whether what it takes stays on this machine: a folder, or a server on a loopback address.
    pub fn is_local(&self) -> bool {
        match self {
            Self::File(_) => true,
            Self::Smtp { host, .. } => {
                host == "localhost"
                    || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
            }
        }
    }

    /// Its host and port, or `file`.
    pub fn name(&self) -> String {
        match self {
            Self::File(_) => "file".to_owned(),
            Self::Smtp { host, port, .. } => format!("{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warm_up_doubles_and_never_overflows() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        let warm_up = WarmUp { from: day("2026-11-02"), first_day: 200, doubles: Duration::from_secs(2 * 86_400) };
        let days = ["2026-11-01", "2026-11-02", "2026-11-03", "2026-11-04", "2026-11-12", "2027-11-02"];
        assert_eq!(days.map(|text| warm_up.on(day(text))), [200, 200, 200, 400, 6400, u32::MAX]);
    }
}
