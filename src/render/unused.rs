//! What is in the folder of the templates and nothing uses: perhaps a name is mistyped, or it stands in another place than it should.

use std::path::Path;

use super::error::file_of;
use super::templates::FILES;
use crate::config::nearest;
use crate::wording::{dangles, is_aside, is_code};

/// Says that a file which is no whole mail and no part of another is not used; none where it is.
pub(super) fn unused_file(name: &str, text: &str, dir: Option<&Path>) -> Option<String> {
    let is_known = FILES.iter().any(|(file, _)| *file == name) || text.contains("component ");
    let meant = meant_file(name, built_in());
    let place = file_of(name, dir);
    (!is_known).then(|| format!("{place} is not used: it is no whole mail, and no template includes it{meant}"))
}

/// Says that a whole mail is not used which no digest names; none where it is a built-in one.
pub(super) fn unused_mail(name: &str, dir: Option<&Path>) -> Option<String> {
    let meant = meant_file(name, built_in());
    let is_known = FILES.iter().any(|(file, _)| *file == name);
    (!is_known).then(|| format!("{} is not used: no digest names it{meant}", file_of(name, dir)))
}

/// Says of what is in the folder beside the templates that it is not used, where it may be meant as one, or as a page or a
/// wording.
pub(super) fn other(name: &str, dir: &Path) -> Option<String> {
    let path = dir.join(name);
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    let why = if path.is_dir() {
        return other_folder(name, &path);
    } else if !may_be_meant(name) {
        return None;
    } else if dangles(&path) {
        "it is a link to what is not there".to_owned()
    } else if ending.eq_ignore_ascii_case("toml") {
        format!("wordings stand in a folder of their own; did you mean `locales/{name}`?")
    } else {
        let meant = misnamed(name, built_in()).map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
        format!("the name of a template ends with .html or .txt{meant}")
    };
    Some(format!("{} is not used: {why}", path.display()))
}

/// The same of a folder, of what is in it, or of its own name.
fn other_folder(name: &str, path: &Path) -> Option<String> {
    const READ: [&str; 2] = ["pages", "locales"];
    if READ.contains(&name) {
        return None;
    }
    let meant = nearest(name, READ).map(|meant| format!("; did you mean `{meant}`?"));
    let mut files = std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let is_meant = meant.is_some()
        || may_be_meant(name)
        || files.any(|file| file.to_str().is_some_and(|file| !is_aside(file) && may_be_meant(file)));
    let meant = meant.unwrap_or_default();
    is_meant.then(|| format!("{} is not used: of folders, `pages` and `locales` alone are read{meant}", path.display()))
}

/// Whether a name is one of a template or a wording, or nearly so.
fn may_be_meant(name: &str) -> bool {
    const ENDINGS: [&str; 11] = ["html", "htm", "xhtml", "txt", "text", "tera", "j2", "jinja", "jinja2", "tmpl", "tpl"];
    let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
    let ending = ending.to_ascii_lowercase();
    ENDINGS.contains(&ending.as_str()) || ending == "toml" && is_code(stem) || misnamed(name, built_in()).is_some()
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

/// The file whose name is nearly that one, or the same with another ending, or with one too many.
pub(crate) fn misnamed<'a>(name: &str, files: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let files: Vec<&str> = files.into_iter().collect();
    let has_more = |file: &&str| name.strip_prefix(*file).is_some_and(|more| more.starts_with('.'));
    if let Some(meant) = files.iter().copied().find(has_more) {
        return Some(meant);
    }
    let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
    let endings = files.iter().filter_map(|file| file.rsplit_once('.')).map(|(_, ending)| ending);
    let is_slip = nearest(ending, endings).is_some();
    let is_same = |known: &str| known.eq_ignore_ascii_case(stem) || is_slip && nearest(stem, [known]).is_some();
    let meant = files.into_iter().filter(|file| file.rsplit_once('.').is_some_and(|(known, _)| is_same(known)));
    let meant: Vec<&str> = meant.collect();
    nearest(name, meant.iter().copied()).or_else(|| meant.first().copied())
}
