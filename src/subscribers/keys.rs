//! The key file: token keys that rotate and a suppression key that never does.

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::hmac;
use data_encoding::{BASE32_NOPAD, HEXLOWER};

use crate::domain::{EmailAddress, PublicId, Random};
use crate::store::{Store, StoreError};

/// Octets of a key.
const KEY_LEN: usize = 32;

/// The fact in the store that says which keys it belongs to.
const FINGERPRINT: &str = "keys";

const HEADER: &str = "\
# The keys of this Postround. Keep them secret, back them up together with the store, and never make new ones by hand:
# without them the links in mails that were sent no longer work, and suppressed addresses are no longer recognised.
# `suppression` never changes. `token` may stand several times: the last one signs new links, all of them are accepted.
";

/// The keys of one installation. `Debug` shows none of them.
#[derive(Clone)]
pub struct Keys {
    /// In the order of the file; there is at least one.
    tokens: Vec<hmac::Key>,
    suppression: hmac::Key,
}

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file could not be read, made or replaced.
    #[error("cannot {action} the key file {path}: {source}; check `store.keys`, and that this user may use that folder", path = path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is there and cannot be understood.
    #[error("{path}:{line}: {problem}; restore the key file from a backup", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Where; 0: the file as a whole.
        line: usize,
        /// What is wrong there.
        problem: &'static str,
    },
    /// The store was made with keys, and the file is gone.
    #[error(
        "the key file {path} is missing, and this store was made with one; restore it from a backup, or copy it from \
         another node: with new keys the links in mails that were sent would stop working", path = path.display()
    )]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The store was made with other keys.
    #[error(
        "the key file {path} does not belong to this store, which was made with other keys; set `store.keys` to the \
         file that was made with this store, or copy it here from a backup or from another node", path = path.display()
    )]
    Other {
        /// The file that does not fit.
        path: PathBuf,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Keys {
    /// Reads the key file, makes it at the first start, and checks that it is the one which `store` was made with.
    ///
    /// # Errors
    /// [`KeysError`]; with other keys than those of the store nothing must run.
    pub async fn open(path: &Path, store: &Store, random: &dyn Random) -> Result<Self, KeysError> {
        let known = store.read().await?.meta(FINGERPRINT).await?;
        let (keys, made) = match (Self::read(path)?, &known) {
            (Some(keys), _) => (keys, false),
            (None, Some(_)) => return Err(KeysError::Missing { path: path.to_owned() }),
            (None, None) => Self::create(path, random)?,
        };
        let mine = keys.fingerprint();
        if known.as_ref() == Some(&mine) {
            return Ok(keys);
        }
        let mut session = store.write(crate::store::Durability::Full).await?;
        let stored = session.claim_meta(FINGERPRINT, &mine).await?;
        session.commit().await?;
        if stored == mine {
            return Ok(keys);
        }
        if made {
            // Another node was first with its own file: this one has signed nothing yet.
            std::fs::remove_file(path).map_err(|source| file_error("remove", path, source))?;
        }
        Err(KeysError::Other { path: path.to_owned() })
    }

    /// Reads the key file; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be read or understood.
    pub fn read(path: &Path) -> Result<Option<Self>, KeysError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(file_error("read", path, source)),
        };
        if std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o007 != 0) {
            tracing::warn!(file = %path.display(), "everybody on this machine may read the key file; `chmod 600` it");
        }
        Self::parse(&text).map(Some).map_err(|(line, problem)| KeysError::Format {
            path: path.to_owned(),
            line,
            problem,
        })
    }

    fn parse(text: &str) -> Result<Self, (usize, &'static str)> {
        let (mut tokens, mut suppression) = (Vec::new(), None);
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let at = |problem| (index + 1, problem);
            let (name, value) = line.split_once(char::is_whitespace).ok_or(at("a line is a name and a key"))?;
            let bytes = HEXLOWER.decode(value.trim().as_bytes()).map_err(|_| at("the key is not hexadecimal"))?;
            if bytes.len() != KEY_LEN {
                return Err(at("the key does not have its full length"));
            }
            let key = hmac::Key::new(hmac::HMAC_SHA256, &bytes);
            match name {
                "token" => tokens.push(key),
                "suppression" if suppression.is_none() => suppression = Some(key),
                "suppression" => return Err(at("there is a second suppression key")),
                _ => return Err(at("a line begins with `token` or `suppression`")),
            }
        }
        let suppression = suppression.ok_or((0, "it has no suppression key"))?;
        if tokens.is_empty() {
            return Err((0, "it has no token key"));
        }
        Ok(Self { tokens, suppression })
    }

    /// Makes the file with fresh keys. Of two processes that do so at once, one wins and the other reads its file; the
    /// second value says whether this one won.
    fn create(path: &Path, random: &dyn Random) -> Result<(Self, bool), KeysError> {
        let mut text = HEADER.to_owned();
        for name in ["suppression", "token"] {
            push_key(&mut text, name, random);
        }
        let made = place(path, &text, random, |new, path| match std::fs::hard_link(new, path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
            linked => linked.map(|()| true),
        })
        .map_err(|source| file_error("make", path, source))?;
        Self::read(path)?.map(|keys| (keys, made)).ok_or_else(|| KeysError::Missing { path: path.to_owned() })
    }

    /// Adds a token key, which signs from then on, and gives the keys as they are now. The old ones are still accepted.
    /// Other processes follow when they start anew.
    ///
    /// # Errors
    /// When there is no key file, or it cannot be replaced.
    pub fn rotate(path: &Path, random: &dyn Random) -> Result<Self, KeysError> {
        Self::read(path)?.ok_or_else(|| KeysError::Missing { path: path.to_owned() })?;
        let mut text = std::fs::read_to_string(path).map_err(|source| file_error("read", path, source))?;
        if !text.ends_with('\n') {
            text.push('\n');
        }
        push_key(&mut text, "token", random);
        place(path, &text, random, |new, path| std::fs::rename(new, path).map(|()| true))
            .map_err(|source| file_error("replace", path, source))?;
        Self::read(path)?.ok_or_else(|| KeysError::Missing { path: path.to_owned() })
    }

    /// What the store remembers of the suppression key: enough to tell another one, of no use for anything else.
    fn fingerprint(&self) -> String {
        HEXLOWER.encode(&hmac::sign(&self.suppression, b"fingerprint of this key").as_ref()[..16])
    }

    /// The keyed hash that stands for an address in suppressions and lookups: 52 lower-case base32 letters. The case of
    /// the local part does not count, since one mailbox must not slip through by its spelling.
    pub fn address_hash(&self, address: &EmailAddress) -> String {
        let text = format!("address {}", address.folded());
        BASE32_NOPAD.encode(hmac::sign(&self.suppression, text.as_bytes()).as_ref()).to_ascii_lowercase()
    }

    /// Signs with the newest token key.
    pub(super) fn sign(&self, message: &[u8]) -> hmac::Tag {
        // There is always one: `parse` sees to it.
        hmac::sign(self.tokens.last().unwrap_or(&self.suppression), message)
    }

    /// Whether any of the token keys has made `mac`, the beginning of a tag; compares in constant time.
    pub(super) fn verify(&self, message: &[u8], mac: &[u8]) -> bool {
        self.tokens.iter().rev().any(|key| {
            hmac::sign(key, message)
                .as_ref()
                .get(..mac.len())
                .is_some_and(|beginning| aws_lc_rs::constant_time::verify_slices_are_equal(beginning, mac).is_ok())
        })
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({} token keys)", self.tokens.len())
    }
}

fn push_key(text: &mut String, name: &str, random: &dyn Random) {
    let mut key = [0; KEY_LEN];
    random.fill(&mut key);
    let _ = writeln!(text, "{name} {}", HEXLOWER.encode(&key));
}

/// Writes `text` into a new file beside `path`, for its owner alone, and lets `put` bring it there whole.
fn place(
    path: &Path,
    text: &str,
    random: &dyn Random,
    put: impl Fn(&Path, &Path) -> std::io::Result<bool>,
) -> std::io::Result<bool> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut new = path.as_os_str().to_owned();
    new.push(format!(".{}", PublicId::new(random)));
    let new = PathBuf::from(new);
    let placed = write_new(&new, folder, text).and_then(|()| put(&new, path));
    // After a rename there is nothing left to remove.
    let _ = std::fs::remove_file(&new);
    if placed? {
        std::fs::File::open(folder)?.sync_all()?;
        return Ok(true);
    }
    Ok(false)
}

fn write_new(new: &Path, folder: &Path, text: &str) -> std::io::Result<()> {
    let mut file = std::fs::File::options().write(true).create_new(true).mode(0o600).open(new)?;
    file.write_all(text.as_bytes())?;
    // A command run by root must not lock the daemon out, which is another user.
    let (owner, home) = (file.metadata()?, std::fs::metadata(folder)?);
    if owner.uid() == 0 && home.uid() != 0 {
        std::os::unix::fs::fchown(&file, Some(home.uid()), Some(home.gid()))?;
    }
    file.sync_all()
}

fn file_error(action: &'static str, path: &Path, source: std::io::Error) -> KeysError {
    KeysError::File { action, path: path.to_owned(), source }
}
