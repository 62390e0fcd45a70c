//! The key file: token keys that rotate and a suppression key that never does.
//!
//! A running process reads the file anew when it has changed: at once for a token that none of its keys has made, and now
//! and then by [`Keys::refresh`]. So it does not matter which process signs with a new key first.

mod veil;

use std::fmt::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use aws_lc_rs::hmac;
use data_encoding::{BASE32_NOPAD, HEXLOWER};

use crate::domain::{EmailAddress, PublicId, Random};
use crate::files::{folder_of, write_secret};
use crate::store::{Store, StoreError};

/// Octets of a key.
const KEY_LEN: usize = 32;

/// The fact in the store that says which keys it belongs to.
const FINGERPRINT: &str = "keys";

/// The facts in the store that say which token keys have signed: this, and the fingerprint of one.
const SIGNED: &str = "token key ";

const HEADER: &str = "\
# The keys of this Postround. Keep them secret, back them up together with the store, and never make new ones by hand:
# without them the links in mails that were sent no longer work, and suppressed addresses are no longer recognised.
# `suppression` never changes. `token` may stand several times: the last one signs new links, all of them are accepted.
# `next` is accepted too, and signs from the next `postround keys rotate` on, when every node has this file.
";

/// The keys of one installation. `Debug` shows none of them.
pub struct Keys {
    path: PathBuf,
    suppression: hmac::Key,
    ring: RwLock<Ring>,
}

/// The keys that make and know tokens.
#[derive(Clone)]
struct Ring {
    /// In the order of the file; there is at least one.
    tokens: Vec<hmac::Key>,
    /// One that is accepted already, and signs nothing yet.
    next: Option<hmac::Key>,
    /// The file that they were read from: another one has been put in its place when this differs.
    stamp: Option<Stamp>,
}

/// Inode, size and time of change: a file that replaces another one has another inode at least.
type Stamp = (u64, u64, i64, i64);

/// What [`Keys::rotate_on_nodes`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotated {
    /// A new key signs from now on.
    Signs,
    /// A new key is accepted from now on, and waits until every node has the file.
    Waits,
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
    /// Links of this store were signed with keys that the file does not have.
    #[error(
        "the key file {path} is older than this store: links in mails that were sent were signed with a key that it does \
         not have; copy the newest key file here from another node or from a backup", path = path.display()
    )]
    Old {
        /// The file.
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
        if known.as_ref() != Some(&mine) {
            let mut session = store.write(crate::store::Durability::Full).await?;
            let stored = session.claim_meta(FINGERPRINT, &mine).await?;
            session.commit().await?;
            if stored != mine {
                if made {
                    // Another node was first with its own file: this one has signed nothing yet.
                    std::fs::remove_file(path).map_err(|source| file_error("remove", path, source))?;
                }
                return Err(KeysError::Other { path: path.to_owned() });
            }
        }
        keys.note_in(store).await?;
        Ok(keys)
    }

    /// Notes in the store which keys sign, and checks that the file has all that ever did.
    async fn note_in(&self, store: &Store) -> Result<(), KeysError> {
        let known = store.read().await?.meta_beginning_with(SIGNED).await?;
        let mine = self.signing();
        if known.iter().any(|known| !mine.contains(known)) {
            return Err(KeysError::Old { path: self.path.clone() });
        }
        if mine.iter().all(|mine| known.contains(mine)) {
            return Ok(());
        }
        let mut session = store.write(crate::store::Durability::Full).await?;
        for name in &mine {
            session.claim_meta(name, "").await?;
        }
        Ok(session.commit().await?)
    }

    /// What the store knows the token keys by.
    fn signing(&self) -> Vec<String> {
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        ring.tokens.iter().map(|key| format!("{SIGNED}{}", fingerprint(key))).collect()
    }

    /// Reads the key file; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be read or understood.
    pub fn read(path: &Path) -> Result<Option<Self>, KeysError> {
        // Before it is read: a file that replaces it meanwhile is then seen as another one.
        let stamp = stamp(path);
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(file_error("read", path, source)),
        };
        if std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o007 != 0) {
            tracing::warn!(file = %path.display(), "everybody on this machine may read the key file; `chmod 600` it");
        }
        let (suppression, ring) =
            parse(&text).map_err(|(line, problem)| KeysError::Format { path: path.to_owned(), line, problem })?;
        Ok(Some(Self { path: path.to_owned(), suppression, ring: RwLock::new(Ring { stamp, ..ring }) }))
    }

    /// Reads the file again where it is another one than before. What is no key file of this store is left alone, and told.
    /// Says whether there are other keys now.
    pub fn refresh(&self) -> bool {
        let seen = self.ring.read().unwrap_or_else(PoisonError::into_inner).stamp;
        if stamp(&self.path) == seen {
            return false;
        }
        let read = match Self::read(&self.path) {
            Ok(Some(read)) if read.fingerprint() == self.fingerprint() => read,
            Ok(Some(_)) => return self.stay("it does not belong to this store"),
            Ok(None) => return self.stay("it is gone"),
            Err(error) => return self.stay(&error.to_string()),
        };
        let ring = read.ring.into_inner().unwrap_or_else(PoisonError::into_inner);
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = ring;
        tracing::info!("the key file was read again");
        true
    }

    /// Goes on with the keys in hand, and says so once for each file.
    fn stay(&self, why: &str) -> bool {
        tracing::error!(file = %self.path.display(), why, "the key file has changed and cannot be used; the old keys stay");
        self.ring.write().unwrap_or_else(PoisonError::into_inner).stamp = stamp(&self.path);
        false
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

    /// Adds a token key, which signs from then on, and gives the keys as they are now. The old ones are accepted for ever.
    ///
    /// # Errors
    /// When there is no key file, or it cannot be replaced.
    pub fn rotate(path: &Path, random: &dyn Random) -> Result<Self, KeysError> {
        Self::turn(path, false, random)?;
        Self::read(path)?.ok_or_else(|| KeysError::Missing { path: path.to_owned() })
    }

    /// The same where several nodes have a copy of the file: the new key is only accepted at first, so that all can have it
    /// before one signs with it. A key that waits already signs from now on.
    ///
    /// # Errors
    /// When there is no key file, or it cannot be replaced.
    pub fn rotate_on_nodes(path: &Path, random: &dyn Random) -> Result<Rotated, KeysError> {
        Self::turn(path, true, random)
    }

    fn turn(path: &Path, wait: bool, random: &dyn Random) -> Result<Rotated, KeysError> {
        let keys = Self::read(path)?.ok_or_else(|| KeysError::Missing { path: path.to_owned() })?;
        let waits = keys.ring.into_inner().unwrap_or_else(PoisonError::into_inner).next.is_some();
        let mut text = std::fs::read_to_string(path).map_err(|source| file_error("read", path, source))?;
        if !text.ends_with('\n') {
            text.push('\n');
        }
        if waits {
            let lines = text.lines().map(|line| match line.trim_start().strip_prefix("next") {
                Some(key) => format!("token{key}\n"),
                None => format!("{line}\n"),
            });
            text = lines.collect();
        } else {
            push_key(&mut text, if wait { "next" } else { "token" }, random);
        }
        place(path, &text, random, |new, path| std::fs::rename(new, path).map(|()| true))
            .map_err(|source| file_error("replace", path, source))?;
        Ok(if wait && !waits { Rotated::Waits } else { Rotated::Signs })
    }

    /// What the store remembers of the suppression key: enough to tell another one, of no use for anything else.
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.suppression)
    }

    /// The keyed hash that stands for an address in suppressions and lookups: 52 lower-case base32 letters. The case of
    /// the local part does not count, since one mailbox must not slip through by its spelling.
    pub fn address_hash(&self, address: &EmailAddress) -> String {
        self.hash_of(&address.folded())
    }

    /// The keyed hash under which the mails to a mailbox are counted: whoever types tags after a plus sign reaches the same
    /// one.
    pub(super) fn mailbox_hash(&self, address: &EmailAddress) -> String {
        self.hash_of(&address.untagged())
    }

    fn hash_of(&self, address: &str) -> String {
        let text = format!("address {address}");
        BASE32_NOPAD.encode(hmac::sign(&self.suppression, text.as_bytes()).as_ref()).to_ascii_lowercase()
    }

    /// Signs with the newest token key.
    pub(super) fn sign(&self, message: &[u8]) -> hmac::Tag {
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        // There is always one: `parse` sees to it.
        hmac::sign(ring.tokens.last().unwrap_or(&self.suppression), message)
    }

    /// Whether any of the token keys has made `mac`, the beginning of a tag; compares in constant time. Where none has,
    /// another process may have a newer one.
    pub(super) fn verify(&self, message: &[u8], mac: &[u8]) -> bool {
        self.knows(message, mac) || (self.refresh() && self.knows(message, mac))
    }

    fn knows(&self, message: &[u8], mac: &[u8]) -> bool {
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        ring.tokens.iter().rev().chain(&ring.next).any(|key| {
            hmac::sign(key, message)
                .as_ref()
                .get(..mac.len())
                .is_some_and(|beginning| aws_lc_rs::constant_time::verify_slices_are_equal(beginning, mac).is_ok())
        })
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        write!(f, "Keys({} token keys)", ring.tokens.len())
    }
}

fn parse(text: &str) -> Result<(hmac::Key, Ring), (usize, &'static str)> {
    let (mut tokens, mut next, mut suppression) = (Vec::new(), None, None);
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
            "next" if next.is_none() => next = Some(key),
            "next" => return Err(at("there is a second key that waits")),
            "suppression" if suppression.is_none() => suppression = Some(key),
            "suppression" => return Err(at("there is a second suppression key")),
            _ => return Err(at("a line begins with `token`, `next` or `suppression`")),
        }
    }
    let suppression = suppression.ok_or((0, "it has no suppression key"))?;
    if tokens.is_empty() {
        return Err((0, "it has no token key"));
    }
    Ok((suppression, Ring { tokens, next, stamp: None }))
}

fn fingerprint(key: &hmac::Key) -> String {
    HEXLOWER.encode(&hmac::sign(key, b"fingerprint of this key").as_ref()[..16])
}

fn stamp(path: &Path) -> Option<Stamp> {
    let file = std::fs::metadata(path).ok()?;
    Some((file.ino(), file.size(), file.mtime(), file.mtime_nsec()))
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
    let folder = folder_of(path);
    std::fs::create_dir_all(folder)?;
    let mut new = path.as_os_str().to_owned();
    new.push(format!(".{}", PublicId::new(random)));
    let new = PathBuf::from(new);
    let placed = write_secret(&new, text).and_then(|()| put(&new, path));
    // After a rename there is nothing left to remove.
    let _ = std::fs::remove_file(&new);
    if placed? {
        std::fs::File::open(folder)?.sync_all()?;
        return Ok(true);
    }
    Ok(false)
}

fn file_error(action: &'static str, path: &Path, source: std::io::Error) -> KeysError {
    KeysError::File { action, path: path.to_owned(), source }
}
