//! A secret, given in the file or as a file of its own.

use std::path::Path;

use crate::config::Secret;
use crate::config::error::Place;
use crate::config::reader::Table;

/// Reads `name`, or the file that `file_name` names. Of the two the one from the environment wins.
pub fn secret(table: &Table<'_>, name: &'static str, file_name: &'static str, folder: &Path) -> Secret {
    let from_environment = |place: &Place| matches!(place, Place::Variable(_));
    let mut value = table.given(name);
    let mut file = table.given(file_name);
    if let (Some(a), Some(b)) = (&value, &file) {
        match (from_environment(a.place()), from_environment(b.place())) {
            (true, false) => file = None,
            (false, true) => value = None,
            _ => b.fail(format!("is given beside `{name}`; keep one of the two")),
        }
    }
    if let Some(value) = value {
        return value.text().map(Secret::new).unwrap_or_default();
    }
    file.and_then(|field| field.accept(read(&folder.join(field.text()?)))).unwrap_or_default()
}

fn read(path: &Path) -> Result<Secret, String> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => format!("there is no file {shown}; make it, with the secret as its only line"),
        std::io::ErrorKind::InvalidData => {
            format!("{shown} is not UTF-8 text; it must have the secret as its only line")
        }
        _ => format!("cannot read {shown}: {error}; check that it is a file and who may read it"),
    })?;
    // What editors add at the end is no part of it.
    let secret = text.trim_end_matches(['\r', '\n']);
    match secret.is_empty() {
        true => Err(format!("{shown} is empty; it must have the secret as its only line")),
        false => Ok(Secret::new(secret)),
    }
}
