//! Looks up whether the domain of an address takes mail at all. What cannot be found out refuses nobody.

use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::net::NetError;
use hickory_resolver::proto::rr::{Name, RData};

/// How long the answer may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// The resolver of this machine.
pub(crate) struct Domains(TokioResolver);

impl Domains {
    /// As the system is set up.
    ///
    /// # Errors
    /// When that cannot be read.
    pub(crate) fn of_the_system() -> Result<Self, NetError> {
        Ok(Self(TokioResolver::builder_tokio()?.build()?))
    }

    /// Whether a domain takes no mail, as far as is known: it does not exist, says so itself (RFC 7505), or has neither
    /// mail server nor address (RFC 5321, 5.1).
    pub(crate) async fn takes_no_mail(&self, domain: &str) -> bool {
        tokio::time::timeout(PATIENCE, self.ask(domain)).await.unwrap_or(Some(false)) == Some(true)
    }

    /// `None`: it could not be found out.
    async fn ask(&self, domain: &str) -> Option<bool> {
        let name = Name::from_ascii(format!("{domain}.")).ok()?;
        match self.0.mx_lookup(name.clone()).await {
            Ok(found) => {
                let servers: Vec<_> = found.answers().iter().filter_map(|record| exchange(&record.data)).collect();
                if !servers.is_empty() {
                    return Some(servers.iter().all(|server| server.is_root()));
                }
            }
            Err(error) if error.is_nx_domain() => return Some(true),
            Err(error) if error.is_no_records_found() => {}
            Err(_) => return None,
        }
        match self.0.lookup_ip(name).await {
            Ok(found) => Some(found.iter().next().is_none()),
            Err(error) if error.is_no_records_found() => Some(true),
            Err(_) => None,
        }
    }
}

fn exchange(data: &RData) -> Option<&Name> {
    match data {
        RData::MX(mx) => Some(&mx.exchange),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
    use hickory_resolver::net::runtime::TokioRuntimeProvider;
    use tokio::net::UdpSocket;

    use super::*;

    const MX: u8 = 15;
    const A: u8 = 1;

    /// A name server that answers by the first label: `mail` has a mail server, `null` says that it takes none, `host` has
    /// an address alone, `bare` neither, `gone` is not there; it does not answer for `deaf`, and has troubles with `sick`.
    async fn name_server() -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut packet = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut packet).await {
                if let Some(answer) = answer(&packet[..length]) {
                    socket.send_to(&answer, from).await.unwrap();
                }
            }
        });
        address
    }

    fn answer(query: &[u8]) -> Option<Vec<u8>> {
        let label = &query[13..13 + usize::from(query[12])];
        let end = 12 + query[12..].iter().position(|byte| *byte == 0).unwrap() + 5;
        let kind = query[end - 3];
        let (code, records): (u8, Vec<&[u8]>) = match (label, kind) {
            (b"mail", MX) => (0, vec![b"\x00\x0a\x02mx\xc0\x0c"]),
            (b"null", MX) => (0, vec![b"\x00\x00\x00"]),
            (b"host", A) => (0, vec![&[192, 0, 2, 1]]),
            (b"gone", _) => (3, vec![]),
            (b"sick", _) => (2, vec![]),
            (b"deaf", _) => return None,
            _ => (0, vec![]),
        };
        let mut packet =
            vec![query[0], query[1], 0x81, 0x80 | code, 0, 1, 0, u8::try_from(records.len()).unwrap(), 0, 0, 0, 0];
        packet.extend_from_slice(&query[12..end]);
        for data in records {
            packet.extend_from_slice(&[0xc0, 0x0c, 0, kind, 0, 1, 0, 0, 0, 60, 0, u8::try_from(data.len()).unwrap()]);
            packet.extend_from_slice(data);
        }
        Some(packet)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_takes_no_mail_is_told_from_who_cannot_be_asked() {
        let address = name_server().await;
        let mut connection = ConnectionConfig::udp();
        connection.port = address.port();
        let server = NameServerConfig::new(address.ip(), true, vec![connection]);
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        let resolver = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).build().unwrap();
        let domains = Domains(resolver);
        for (domain, takes_none) in [
            ("mail.test.example", false),
            ("null.test.example", true),
            ("host.test.example", false),
            ("bare.test.example", true),
            ("gone.test.example", true),
            ("sick.test.example", false),
            ("deaf.test.example", false),
        ] {
            assert_eq!(domains.takes_no_mail(domain).await, takes_none, "{domain}");
        }
    }
}
