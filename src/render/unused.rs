//! Files in the folder of the templates that nothing uses: perhaps a name is mistyped.

use std::path::Path;

use super::error::file_of;
use super::templates::FILES;
use crate::config::nearest;

/// Says that a file which is no whole mail and no part of another is not used; none where it is.
pub(super) fn unused_file(name: &str, text: &str, dir: Option<&Path>) -> Option<String> {
    let is_known = FILES.iter().any(|(file, _)| *file == name) || text.contains("component ");
    let meant = meant_file(name, built_in());
    let place = file_of(name, dir);
    (!is_known).then(|| format!("{place} is not used: it is no whole mail, and no template includes it{meant}"))
}

/// Says that a file is not used whose name is nearly that of a template, but ends otherwise.
pub(super) fn other_file(name: &str, dir: Option<&Path>) -> Option<String> {
    let meant = misnamed(name, built_in()).filter(|_| !name.starts_with('.'))?;
    let place = file_of(name, dir);
    Some(format!("{place} is not used: the name of a template ends with .html or .txt; did you mean `{meant}`?"))
}

/// Says that a whole mail is not used whose name is near to that of a built-in template; none where it may be meant.
pub(super) fn unused_mail(name: &str, dir: Option<&Path>) -> Option<String> {
    let meant = meant_file(name, built_in());
    let is_near = !meant.is_empty() && FILES.iter().all(|(file, _)| *file != name);
    is_near.then(|| format!("{} is not used: no digest names it{meant}", file_of(name, dir)))
}

fn built_in() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(file, _)| *file)
}

/// `; did you mean …?` with the file whose name is nearest to that of another one; empty where none is near.
pub(crate) fn meant_file<'a>(name: &str, files: impl IntoIterator<Item = &'a str>) -> String {
    let files: Vec<&str> = files.into_iter().collect();
    let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
    let stems = files.iter().filter_map(|file| file.strip_suffix(ending)?.strip_suffix('.'));
    let same_kind = nearest(stem, stems).map(|stem| format!("{stem}.{ending}"));
    let meant = same_kind.or_else(|| misnamed(name, files).map(str::to_owned));
    meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default()
}

/// The file whose name is nearly that one, or the same with another ending. Copies that editors and people leave beside a file
/// have more behind its whole name.
pub(crate) fn misnamed<'a>(name: &str, files: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let files: Vec<&str> = files.into_iter().collect();
    let is_copy = |file: &&str| name.strip_prefix(*file).is_some_and(|more| more.starts_with(['.', '~']));
    if files.iter().any(is_copy) {
        return None;
    }
    let (stem, ending) = name.rsplit_once('.')?;
    let endings = files.iter().filter_map(|file| file.rsplit_once('.')).map(|(_, ending)| ending);
    let is_slip = nearest(ending, endings).is_some();
    let is_same = |known: &str| known.eq_ignore_ascii_case(stem) || is_slip && nearest(stem, [known]).is_some();
    let meant = files.into_iter().filter(|file| file.rsplit_once('.').is_some_and(|(known, _)| is_same(known)));
    let meant: Vec<&str> = meant.collect();
    nearest(name, meant.iter().copied()).or_else(|| meant.first().copied())
}
