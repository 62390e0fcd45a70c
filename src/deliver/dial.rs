//! TCP to a relay whose name may have several addresses: one after the other, so that one that swallows everything does not stand
//! for the relay (RFC 8305 has them overlap, which mail has no need of).

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

/// The least that each of several addresses has, where the limit for all is not less.
const LEAST: Duration = Duration::from_secs(5);

/// Connects to one host.
#[derive(Debug, Default)]
pub struct Dialler {
    /// Addresses that did not answer when they were tried last. They are tried behind the others.
    silent: Mutex<BTreeSet<IpAddr>>,
}

impl Dialler {
    /// A connection to that host and port: within `limit`, unless it has so many addresses that each would have too little. The error
    /// says what the last address failed with.
    pub async fn connect(&self, host: &str, port: u16, limit: Duration) -> Result<TcpStream, String> {
        let until = Instant::now() + limit;
        let found = timeout_at(until, tokio::net::lookup_host((host, port))).await;
        let found = found.map_err(|_| format!("its name was not resolved within {limit:?}"))?;
        let addresses = found.map_err(|error| error.to_string())?.collect();
        self.connect_to(addresses, until, limit).await
    }

    async fn connect_to(
        &self,
        mut addresses: Vec<SocketAddr>,
        until: Instant,
        limit: Duration,
    ) -> Result<TcpStream, String> {
        let known = self.silent.lock().unwrap_or_else(PoisonError::into_inner).clone();
        addresses.sort_by_key(|address| known.contains(&address.ip()));
        let mut failure = "its name has no address".to_owned();
        for (number, address) in addresses.iter().enumerate() {
            let left = u32::try_from(addresses.len() - number).unwrap_or(u32::MAX);
            let share = (until.saturating_duration_since(Instant::now()) / left).max(LEAST.min(limit));
            let answer = timeout(share, TcpStream::connect(address)).await;
            self.note(address.ip(), answer.is_err());
            failure = match answer {
                Ok(Ok(tcp)) => return Ok(tcp),
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("nobody answered within {share:?}"),
            };
        }
        Err(failure)
    }

    fn note(&self, address: IpAddr, is_silent: bool) {
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        if is_silent {
            silent.insert(address);
        } else {
            silent.remove(&address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::{TcpListener, TcpSocket};

    /// An address that takes no further connection and refuses none, as one behind a wall that drops packets.
    struct Silent {
        address: SocketAddr,
        _listener: TcpListener,
        _waiting: Vec<TcpStream>,
    }

    impl Silent {
        async fn new() -> Self {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
            let listener = socket.listen(1).unwrap();
            let (address, mut waiting) = (listener.local_addr().unwrap(), Vec::new());
            while let Ok(Ok(tcp)) = timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
                waiting.push(tcp);
            }
            Self { address, _listener: listener, _waiting: waiting }
        }
    }

    async fn dial(dialler: &Dialler, addresses: &[SocketAddr], limit: Duration) -> Result<SocketAddr, String> {
        let tcp = dialler.connect_to(addresses.to_vec(), Instant::now() + limit, limit).await;
        tcp.map(|tcp| tcp.peer_addr().unwrap())
    }

    #[tokio::test]
    async fn an_address_that_swallows_everything_leaves_time_for_the_next_and_comes_last_from_then_on() {
        let limit = Duration::from_secs(1);
        let (silent, listener) = (Silent::new().await, TcpListener::bind("127.0.0.1:0").await.unwrap());
        let (dialler, works) = (Dialler::default(), listener.local_addr().unwrap());
        let addresses = [silent.address, works];
        assert_eq!(dial(&dialler, &addresses, limit).await.unwrap(), works);
        let begun = Instant::now();
        assert_eq!(dial(&dialler, &addresses, limit).await.unwrap(), works);
        assert!(begun.elapsed() < limit, "{:?}", begun.elapsed());
        drop(listener);
        let said = dial(&dialler, &addresses, limit).await.unwrap_err();
        assert!(said.contains("nobody answered within"), "the silent one is still tried: {said}");
    }
}
