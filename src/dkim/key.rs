//! Private keys that sign mails: read from their file, made anew, and shown as the record that receivers look up.

use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::{fmt, io};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _, RsaKeyPair};
use data_encoding::BASE64;
use mail_auth::common::crypto::{DkimKey, Ed25519Key, RsaKey};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

/// The longest string of a TXT record (RFC 1035, section 3.3.14).
const STRING: usize = 255;

/// What a key signs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA with SHA-256, which every receiver knows.
    Rsa,
    /// Ed25519 (RFC 8463), which few receivers know yet.
    Ed25519,
}

impl Algorithm {
    /// Its name, as the `k` of a record has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rsa => "rsa",
            Self::Ed25519 => "ed25519",
        }
    }
}

/// Why a key cannot be used. Each message says what would be right after a semicolon.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// No such file.
    #[error("there is no file {path}; `postround dkim generate` makes it", path = .0.display())]
    Missing(PathBuf),
    /// It cannot be read or written.
    #[error("cannot {action} {path}: {source}; check that it is a file and who may use it", path = path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// No private key in it.
    #[error("{path} has no private key in PEM form; `postround dkim generate` makes one", path = .0.display())]
    NoKey(PathBuf),
    /// A key that signs no mails.
    #[error("{path} has a key that signs no mails; it must be one of RSA or Ed25519", path = .0.display())]
    Unknown(PathBuf),
    /// An RSA key that receivers do not believe any more (RFC 8301).
    #[error(
        "{path} has an RSA key of less than 2048 bits; make a new one under another selector with `postround dkim generate`",
        path = .0.display()
    )]
    TooSmall(PathBuf),
    /// The key could not be made.
    #[error("the key could not be made; try again")]
    NotMade,
}

/// A private key. `Debug` does not show it.
pub struct PrivateKey {
    pub(super) key: DkimKey,
    algorithm: Algorithm,
    /// As the `p` of a record has it.
    public: Vec<u8>,
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl PrivateKey {
    /// Reads the file, in PEM form: PKCS #8, or PKCS #1 for RSA.
    ///
    /// # Errors
    /// [`KeyError`] when there is no such file, or no key in it that receivers would believe.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let pem = std::fs::read(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => KeyError::Missing(path.to_owned()),
            _ => KeyError::File { action: "read", path: path.to_owned(), source },
        })?;
        let der = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| KeyError::NoKey(path.to_owned()))?;
        let rsa = match &der {
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            _ => return Err(KeyError::Unknown(path.to_owned())),
        };
        match (rsa, &der) {
            (Ok(pair), _) => Self::rsa(&pair, der).ok_or_else(|| KeyError::Unknown(path.to_owned())),
            (Err(error), _) if error.to_string() == "TooSmall" => Err(KeyError::TooSmall(path.to_owned())),
            (Err(_), PrivateKeyDer::Pkcs8(der)) => {
                Self::ed25519(der.secret_pkcs8_der()).ok_or_else(|| KeyError::Unknown(path.to_owned()))
            }
            _ => Err(KeyError::Unknown(path.to_owned())),
        }
    }

    fn rsa(pair: &RsaKeyPair, der: PrivateKeyDer<'_>) -> Option<Self> {
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().ok()?;
        let key = DkimKey::Rsa(RsaKey::from_key_der(der).ok()?);
        Some(Self { key, algorithm: Algorithm::Rsa, public: public.as_ref().to_vec() })
    }

    fn ed25519(der: &[u8]) -> Option<Self> {
        let public = Ed25519KeyPair::from_pkcs8(der).ok()?.public_key().as_ref().to_vec();
        let key = DkimKey::Ed25519(Ed25519Key::from_pkcs8_der(der).ok()?);
        Some(Self { key, algorithm: Algorithm::Ed25519, public })
    }

    /// Makes a key and its file, which nobody but the owner of its folder may read. A file that is there stays as it is.
    /// RSA keys have 2048 bits: a record for more does not fit into what many DNS servers take.
    ///
    /// # Errors
    /// [`KeyError`] when the file is there already or cannot be written.
    pub fn create(path: &Path, algorithm: Algorithm) -> Result<Self, KeyError> {
        let der = match algorithm {
            Algorithm::Rsa => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError::NotMade)?;
                let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| KeyError::NotMade)?;
                der.as_ref().to_vec()
            }
            // Version 1, as other programs read it.
            Algorithm::Ed25519 => {
                let pair = Ed25519KeyPair::generate().and_then(|pair| pair.to_pkcs8v1());
                pair.map_err(|_| KeyError::NotMade)?.as_ref().to_vec()
            }
        };
        write(path, &pem(&der)).map_err(|source| KeyError::File { action: "make", path: path.to_owned(), source })?;
        Self::read(path)
    }

    /// What it signs with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// What has to stand in the DNS, so that receivers believe its signatures.
    pub fn record(&self, domain: &str, selector: &str) -> Record {
        let value = format!("v=DKIM1; k={}; p={}", self.algorithm.as_str(), BASE64.encode(&self.public));
        Record { name: format!("{selector}._domainkey.{domain}"), value }
    }
}

/// A TXT record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its name.
    pub name: String,
    /// Its text.
    pub value: String,
}

impl Record {
    /// As a zone file has it: the text cut into strings.
    pub fn in_zone_file(&self) -> String {
        let mut strings = Vec::new();
        let mut rest = self.value.as_str();
        while !rest.is_empty() {
            let (string, after) = rest.split_at(rest.len().min(STRING));
            strings.push(format!("\"{string}\""));
            rest = after;
        }
        format!("{}. IN TXT ( {} )", self.name, strings.join(" "))
    }
}

fn pem(der: &[u8]) -> String {
    let text = BASE64.encode(der);
    let mut pem = "-----BEGIN PRIVATE KEY-----\n".to_owned();
    for line in text.as_bytes().chunks(64) {
        pem.extend(line.iter().copied().map(char::from));
        pem.push('\n');
    }
    pem + "-----END PRIVATE KEY-----\n"
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(folder)?;
    let mut file = std::fs::File::options().write(true).create_new(true).mode(0o600).open(path)?;
    let (home, own) = (std::fs::metadata(folder)?, file.metadata()?);
    // A command run by root must not lock the daemon out, which is another user.
    if own.uid() == 0 && home.uid() != 0 {
        std::os::unix::fs::fchown(&file, Some(home.uid()), Some(home.gid()))?;
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_for_its_owner_alone_and_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        for (algorithm, name) in [(Algorithm::Rsa, "new/rsa.pem"), (Algorithm::Ed25519, "ed.pem")] {
            let path = folder.path().join(name);
            let made = PrivateKey::create(&path, algorithm).unwrap();
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            let read = PrivateKey::read(&path).unwrap();
            assert_eq!((read.algorithm(), mode & 0o777), (algorithm, 0o600));
            assert_eq!(made.record("example.org", "s"), read.record("example.org", "s"));
            assert!(matches!(PrivateKey::create(&path, algorithm), Err(KeyError::File { .. })));
            assert_eq!(read.record("example.org", "s"), PrivateKey::read(&path).unwrap().record("example.org", "s"));
        }
    }

    #[test]
    fn a_record_is_cut_into_strings_that_the_dns_takes() {
        let folder = tempfile::tempdir().unwrap();
        let record =
            PrivateKey::create(&folder.path().join("k"), Algorithm::Rsa).unwrap().record("example.org", "post");
        assert_eq!(record.name, "post._domainkey.example.org");
        let zone = record.in_zone_file();
        let strings: Vec<&str> = zone.split('"').skip(1).step_by(2).collect();
        assert_eq!(strings.concat(), record.value);
        assert!(strings.len() == 2 && strings.iter().all(|string| string.len() <= STRING));
        assert!(zone.starts_with("post._domainkey.example.org. IN TXT ( \"v=DKIM1; k=rsa; p="), "{zone}");
    }

    #[test]
    fn what_is_no_key_says_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let said = |text: &str| {
            let path = folder.path().join("key");
            std::fs::write(&path, text).unwrap();
            PrivateKey::read(&path).unwrap_err().to_string()
        };
        assert!(said("nothing").contains("no private key"));
        assert!(said(&pem(b"no key at all")).contains("signs no mails"));
        let missing = PrivateKey::read(&folder.path().join("gone")).unwrap_err().to_string();
        assert!(missing.contains("there is no file") && missing.contains("dkim generate"), "{missing}");
    }
}
