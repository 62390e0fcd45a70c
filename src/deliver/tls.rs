//! Encryption on the way to a relay: which certificates are trusted.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_platform_verifier::Verifier;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::relay::RelayError;

/// Makes encrypted connections to one host.
#[derive(Clone)]
pub struct Encryption {
    connector: TlsConnector,
    host: ServerName<'static>,
}

impl Encryption {
    /// Trusts what the system trusts, and the certificates in `ca_file`.
    pub fn new(host: &str, ca_file: Option<&Path>) -> Result<Self, RelayError> {
        let extra = ca_file.map(certificates).transpose()?.unwrap_or_default();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = Verifier::new_with_extra_roots(extra, Arc::clone(&provider))?;
        Self::trusting(host, provider, Arc::new(verifier))
    }

    /// Takes whatever certificate there is: for a relay within one's own network that is spoken to in the clear else.
    pub fn opportunistic(host: &str) -> Result<Self, RelayError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = Anybody(provider.signature_verification_algorithms);
        Self::trusting(host, provider, Arc::new(verifier))
    }

    fn trusting(
        host: &str,
        provider: Arc<CryptoProvider>,
        verifier: Arc<dyn ServerCertVerifier>,
    ) -> Result<Self, RelayError> {
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        let host = ServerName::try_from(host.to_owned())
            .map_err(|_| RelayError::Tls(format!("`{host}` is no name that a certificate can have")))?;
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), host })
    }

    /// The handshake, and the check of the certificate.
    pub async fn encrypt(&self, tcp: TcpStream) -> Result<TlsStream<TcpStream>, RelayError> {
        self.connector.connect(self.host.clone(), tcp).await.map_err(|error| RelayError::Tls(error.to_string()))
    }
}

impl From<rustls::Error> for RelayError {
    fn from(error: rustls::Error) -> Self {
        Self::Tls(error.to_string())
    }
}

/// Trusts every certificate, and checks that the server has its key.
#[derive(Debug)]
struct Anybody(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, RelayError> {
    let failed = |why: String| RelayError::Tls(format!("cannot read `tls_ca_file` {}: {why}", file.display()));
    let found: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(file).map_err(|error| failed(error.to_string()))?.collect();
    let found = found.map_err(|error| failed(error.to_string()))?;
    if found.is_empty() {
        return Err(failed("it has no certificate in PEM form".to_owned()));
    }
    Ok(found)
}
