//! The document to settings, table by table.

mod confirmation;
mod digest;
mod dkim;
mod local_text;
mod people;
mod public;
mod relays;
mod secret;
mod sender;
mod site;
mod source;
mod theme;

use std::path::{Path, PathBuf};

use super::document::Node;
use super::keys;
use super::reader::{Report, Table};
use super::settings::{Config, DkimNames};

/// What reading a table needs to know of the rest.
pub struct Scene<'a> {
    /// Where relative paths count from.
    pub folder: &'a Path,
    /// Whether mails leave this machine: then placeholders of the shipped file are mistakes.
    pub real_relay: bool,
    /// The folder of the operator's templates.
    templates: Option<&'a Path>,
}

/// Reads all settings. Notes what is wrong; `None` only when something is.
pub fn config(root: &Node, file: &Path, ignored_variables: Vec<String>, report: &Report<'_>) -> Option<Config> {
    let root = Table::open(root, "", keys::ROOT, report)?;
    let folder = file.parent().unwrap_or(Path::new(""));
    let smtp = relays::smtp(&root, folder);
    let scene = Scene { folder, real_relay: !smtp.is_local(), templates: None };
    let server = site::server(&root.table("server", keys::SERVER), &scene);
    let store = site::store(&root.table("store", keys::STORE), &scene);
    let sender = sender::sender(&root.table("sender", keys::SENDER), &scene);
    let delivery = site::delivery(&root.table("delivery", keys::DELIVERY));
    let collect = site::collect(&root.table("collect", keys::COLLECT));
    let templates = site::templates(&root.table("templates", keys::TEMPLATES), &scene);
    // The locales of the operator are there from here on, for this thread.
    let _tried = templates.wordings.tried();
    let scene = Scene { templates: templates.dir.as_deref(), ..scene };
    let alerts = site::alerts(&root.table("alerts", keys::ALERTS), &scene);
    let leave = people::leave(&root.table("leave", keys::LEAVE));
    let retention = people::retention(&root.table("retention", keys::RETENTION));
    let confirmation = confirmation::confirmation(&root.table("confirmation", keys::CONFIRMATION));
    let web = public::web(&root.table("web", keys::WEB), folder);
    let subscribe = public::subscribe(&root.table("subscribe", keys::SUBSCRIBE), folder);
    let topics = source::topics(&root);
    let sources = source::sources(&root, &topics);
    let digests = digest::digests(&root, &sources, &topics, sender.as_ref(), &scene);
    let dkim = dkim::dkim(&root, folder, sender.as_ref(), &digests);
    Some(Config {
        file: file.to_owned(),
        server,
        store,
        sender: sender?,
        smtp,
        delivery,
        dkim,
        collect,
        sources: sources.read,
        topics: topics.read,
        digests,
        leave,
        retention,
        confirmation,
        templates,
        web,
        alerts,
        subscribe,
        ignored_variables,
    })
}

/// The names of `[dkim]` alone: what is wrong elsewhere is not looked at, and its files need not be there.
pub fn dkim_names(root: &Node, file: &Path, report: &Report<'_>) -> Option<DkimNames> {
    let root = Table::open(root, "", keys::ROOT, report)?;
    dkim::names(&root, file.parent().unwrap_or(Path::new("")))
}

/// The folder of the templates alone: nothing else is looked at.
pub fn templates_dir(root: &Node, file: &Path, report: &Report<'_>) -> Option<PathBuf> {
    let root = Table::open(root, "", keys::ROOT, report)?;
    site::path(&root.table("templates", keys::TEMPLATES), "dir", file.parent().unwrap_or(Path::new("")))
}

pub use dkim::{domain_name, selector_name};

/// Reads the id of a repeated table. `seen` are those before it, with the line of each.
fn id(table: &Table<'_>, what: &str, seen: &mut Vec<(String, super::error::Place)>) -> Option<String> {
    let field = table.required("id", &format!("give each {what} an id of its own, as in id = \"weekly\""))?;
    let id = field.parse(super::values::id)?;
    if let Some((_, super::error::Place::Line(line))) = seen.iter().find(|(other, _)| *other == id) {
        field.fail(format!("`{id}` is the {what} in line {line} already; give this one another id"));
        return None;
    }
    seen.push((id.clone(), field.place().clone()));
    Some(id)
}
