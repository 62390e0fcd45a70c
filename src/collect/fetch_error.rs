//! Why a source could not be fetched, in a sentence, and whether it may go better next time.

use std::net::IpAddr;
use std::time::Duration;

/// Why a source could not be fetched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// Neither http nor https.
    #[error("{url} cannot be fetched: an address of a source begins with http:// or https://")]
    Scheme {
        /// The address.
        url: String,
    },
    /// On this machine or a private network.
    #[error(
        "{url} is refused: {host} is at {address}, on this machine or a private network; if that is meant, set `collect.allow_private_networks = true`"
    )]
    Private {
        /// The address.
        url: String,
        /// Its host.
        host: String,
        /// Where that is.
        address: IpAddr,
    },
    /// The name has no address.
    #[error("{host} cannot be found: {reason}; check the address, and whether this machine can resolve names")]
    Name {
        /// The host.
        host: String,
        /// What the resolver said.
        reason: String,
    },
    /// No connection, or none that is safe.
    #[error("cannot connect to {host}: {reason}")]
    Connect {
        /// The host.
        host: String,
        /// What the system said.
        reason: String,
    },
    /// It took too long.
    #[error("{url} did not answer in full within {after:?}; it is tried again at the next poll")]
    Timeout {
        /// The address.
        url: String,
        /// The limit for the whole fetch.
        after: Duration,
    },
    /// It is too large.
    #[error("{url} is larger than {} unpacked: that is no feed or listing page; look for the address of the feed itself", size(*.limit))]
    TooLarge {
        /// The address.
        url: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// A redirect to where it came from.
    #[error("{url} redirects in a circle; open it in a browser and use the address where that ends")]
    RedirectLoop {
        /// The address that came twice.
        url: String,
    },
    /// A long chain of redirects.
    #[error("{url} redirects more than {limit} times; use the address where that ends")]
    TooManyRedirects {
        /// The address that was asked for.
        url: String,
        /// The limit.
        limit: usize,
    },
    /// A redirect to nowhere.
    #[error("{url} redirects to an address that is none: {reason}")]
    BadRedirect {
        /// The address that redirects.
        url: String,
        /// What is wrong with its `Location`.
        reason: String,
    },
    /// 404.
    #[error("{url} is not there (404); the feed or page may have moved")]
    NotFound {
        /// The address.
        url: String,
    },
    /// 410.
    #[error("{url} is gone for good (410); remove the source, or find its new address")]
    Gone {
        /// The address.
        url: String,
    },
    /// 401, 403 and the like.
    #[error("{url} does not let us read it ({status}); it may want a password, or keep programs out")]
    Forbidden {
        /// The address.
        url: String,
        /// The status.
        status: u16,
    },
    /// 429, or 503 with a time to wait.
    #[error("{url} asks to be left alone for a while ({status}); `poll` may be too short")]
    Busy {
        /// The address.
        url: String,
        /// The status.
        status: u16,
        /// How long, where it says so.
        retry_after: Option<Duration>,
    },
    /// 5xx.
    #[error("{url} has a problem of its own ({status}); it is tried again at the next poll")]
    Server {
        /// The address.
        url: String,
        /// The status.
        status: u16,
    },
    /// Any other status, 304 without having been asked included.
    #[error("{url} answered {status}, which makes no sense here")]
    Unexpected {
        /// The address.
        url: String,
        /// The status.
        status: u16,
    },
    /// The answer broke off, or was no HTTP.
    #[error("the answer of {url} cannot be read: {reason}")]
    Broken {
        /// The address.
        url: String,
        /// What happened.
        reason: String,
    },
    /// The HTTP client cannot be set up.
    #[error("cannot set up the HTTP client: {reason}")]
    Client {
        /// What happened.
        reason: String,
    },
}

impl FetchError {
    /// Whether the same request may succeed later without anybody changing anything here.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Name { .. }
            | Self::Connect { .. }
            | Self::Timeout { .. }
            | Self::NotFound { .. }
            | Self::Busy { .. }
            | Self::Server { .. }
            | Self::Broken { .. } => true,
            Self::Scheme { .. }
            | Self::Private { .. }
            | Self::TooLarge { .. }
            | Self::RedirectLoop { .. }
            | Self::TooManyRedirects { .. }
            | Self::BadRedirect { .. }
            | Self::Gone { .. }
            | Self::Forbidden { .. }
            | Self::Unexpected { .. }
            | Self::Client { .. } => false,
        }
    }

    /// How long the server asked us to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// A number of bytes as people say it.
fn size(bytes: usize) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..1_048_576 => format!("{} KiB", bytes / 1024),
        _ => format!("{} MiB", bytes / 1_048_576),
    }
}
