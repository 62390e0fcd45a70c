//! Where the rows come from: a file, or the tables in a ZIP file such as Mailchimp's export.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use zip::ZipArchive;

use super::foreign::Told;
use crate::subscribers::SubscribersError;

/// Files that a ZIP file may have.
const MOST_FILES: usize = 1000;
/// Octets that are unpacked of one of them.
const MOST_OCTETS: u64 = 4 << 30;
/// How many octets one may become, beyond a start that small files need: text does not shrink further.
const MOST_GROWTH: u64 = 200;
const START: u64 = 1 << 20;

/// One table: a file, or a file in a ZIP file. It can be read again and again.
#[derive(Clone, Debug)]
pub(super) struct Part {
    path: PathBuf,
    /// Its place and its name in a ZIP file.
    packed: Option<(usize, String)>,
}

impl Part {
    /// A file as it is.
    pub(super) fn plain(path: &Path) -> Result<Self, SubscribersError> {
        let unreadable = |source| unreadable(path, source);
        let is_file = File::open(path).and_then(|file| file.metadata()).map_err(unreadable)?.is_file();
        if !is_file {
            let why = "it is read twice, so it must be a file";
            return Err(unreadable(io::Error::new(io::ErrorKind::InvalidInput, why)));
        }
        Ok(Self { path: path.to_owned(), packed: None })
    }

    /// The tables of a file.
    pub(super) fn all(path: &Path) -> Result<Vec<Self>, SubscribersError> {
        let plain = Self::plain(path)?;
        let unreadable = |source| unreadable(path, source);
        let mut file = File::open(path).map_err(unreadable)?;
        let mut start = [0; 4];
        let packed = file.read(&mut start).map_err(unreadable)? == 4 && start[..2] == *b"PK" && start[2] < 8;
        if !packed {
            return Ok(vec![plain]);
        }
        let mut archive = open(path).map_err(unreadable)?;
        if archive.len() > MOST_FILES {
            return Err(unreadable(damaged("it has too many files")));
        }
        let mut parts = Vec::new();
        for index in 0..archive.len() {
            let member = archive.by_index_raw(index).map_err(broken).map_err(unreadable)?;
            let name = member.name().map(std::borrow::Cow::into_owned).map_err(broken).map_err(unreadable)?;
            let is_table = Path::new(&name).extension().is_some_and(|end| end.eq_ignore_ascii_case("csv"));
            if member.is_file() && is_table && !name.starts_with("__MACOSX") {
                parts.push(Self { path: path.to_owned(), packed: Some((index, name)) });
            }
        }
        if parts.is_empty() {
            return Err(unreadable(damaged("there is no CSV file in it")));
        }
        // Whoever has left comes first, so that nobody counts as subscribed for a moment.
        parts.sort_by_key(|part| part.told() == Some(Told::Subscribed));
        Ok(parts)
    }

    /// Its name within a ZIP file.
    pub(super) fn name(&self) -> Option<&str> {
        self.packed.as_ref().map(|(_, name)| name.as_str())
    }

    /// What its name says about the people in it, where it is called as Mailchimp does.
    pub(super) fn told(&self) -> Option<Told> {
        match &self.packed {
            Some((_, name)) => Told::by(name),
            None => Told::by(&self.path.file_name()?.to_string_lossy()),
        }
    }

    /// Reads it from its beginning.
    pub(super) fn pass<T>(&self, with: impl FnOnce(&mut dyn Read) -> io::Result<T>) -> io::Result<T> {
        let Some((index, _)) = self.packed else { return with(&mut File::open(&self.path)?) };
        let mut archive = open(&self.path)?;
        let member = archive.by_index(index).map_err(broken)?;
        let left = MOST_OCTETS.min(member.compressed_size().saturating_mul(MOST_GROWTH).saturating_add(START));
        with(&mut Bounded { inner: member, left })
    }

    /// An error in reading it.
    pub(super) fn unreadable(&self, source: io::Error) -> SubscribersError {
        unreadable(&self.path, source)
    }
}

fn open(path: &Path) -> io::Result<ZipArchive<BufReader<File>>> {
    ZipArchive::new(BufReader::new(File::open(path)?)).map_err(broken)
}

#[allow(clippy::needless_pass_by_value, reason = "so that it fits `map_err`")]
fn broken(error: zip::result::ZipError) -> io::Error {
    match error {
        zip::result::ZipError::Io(error) => error,
        error => damaged(&format!("the ZIP file cannot be unpacked ({error})")),
    }
}

fn damaged(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_owned())
}

fn unreadable(path: &Path, source: io::Error) -> SubscribersError {
    SubscribersError::File { path: path.to_owned(), source }
}

/// Ends a file in a ZIP file that unpacks to more than it may.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self
            .left
            .checked_sub(read as u64)
            .ok_or_else(|| damaged("it unpacks to far more than a list of people would"))?;
        Ok(read)
    }
}
