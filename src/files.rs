//! Files that are somebody's secret.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::Path;

/// The folder that a file is in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes a file that is not there yet, for its owner alone to read, and has it on disk. Made by root, it belongs to the
/// owner of its folder: a command that root runs must not lock out the daemon, which is another user.
///
/// # Errors
/// When the file is there already or cannot be written.
pub(crate) fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    let (own, home) = (file.metadata()?, std::fs::metadata(folder_of(path))?);
    if own.uid() == 0 && home.uid() != 0 {
        fchown(&file, Some(home.uid()), Some(home.gid()))?;
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
