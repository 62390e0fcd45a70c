//! The `file:` relay: one `.eml` for each message, in a folder.

use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::relay::RelayError;

/// A folder that takes messages.
pub struct Outbox(PathBuf);

impl Outbox {
    /// The folder at `path`; it is made with the first message.
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Puts a message in. The name is the delivery's, so that a repeat takes the place of the first, and the file is
    /// there only when it is whole.
    pub async fn put(&self, delivery: i64, message: Vec<u8>) -> Result<(), RelayError> {
        let folder = self.0.clone();
        let written = tokio::task::spawn_blocking(move || write(&folder, delivery, &message)).await;
        written
            .map_err(io::Error::other)
            .and_then(|written| written)
            .map_err(|error| RelayError::Outbox { path: self.0.display().to_string(), why: error.to_string() })
    }
}

/// Mails carry links that act for their reader: nobody but the owner reads them.
fn write_private(path: &Path, message: &[u8]) -> io::Result<()> {
    let mut file = std::fs::File::options().create(true).truncate(true).write(true).mode(0o600).open(path)?;
    file.write_all(message)
}

fn write(folder: &Path, delivery: i64, message: &[u8]) -> io::Result<()> {
    let part = folder.join(format!(".{delivery:08}.part"));
    if let Err(error) = write_private(&part, message) {
        if error.kind() != io::ErrorKind::NotFound {
            return Err(error);
        }
        std::fs::create_dir_all(folder)?;
        write_private(&part, message)?;
    }
    std::fs::rename(part, folder.join(format!("{delivery:08}.eml")))
}
