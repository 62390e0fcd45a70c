//! `dkim`: the keys that sign mails, and what to publish of them.

use std::path::{Path, PathBuf};

use super::{CliError, Context, output};
use crate::config::{Config, DkimNames, domain_name, selector_name};
use crate::dkim::{Algorithm, KeyError, PrivateKey, Record};

/// Subcommands of `dkim`.
#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// Makes the keys that `[dkim]` names and that are not there yet; prints the DNS record of each
    Generate(Args),
}

/// For a key that `[dkim]` does not name; each option stands over what is written there.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The domain that signs [default: `dkim.domain`, else that of `sender.email`]
    #[arg(long)]
    domain: Option<String>,
    /// The name of the key within the domain [default: `dkim.selector`]
    #[arg(long)]
    selector: Option<String>,
    /// The file of the key [default: `dkim.key_file`]
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// One Ed25519 key alone, to stand beside the RSA key
    #[arg(long)]
    ed25519: bool,
}

/// A key that is wanted.
struct Wanted {
    algorithm: Algorithm,
    selector: String,
    file: PathBuf,
}

/// Runs it.
pub fn run(context: &Context, command: &Command) -> Result<(), CliError> {
    let Command::Generate(args) = command;
    let (domain, configured, wanted) = plan(context, args)?;
    let mut made = Vec::new();
    for Wanted { algorithm, selector, file } in wanted {
        let is_new = !file.exists();
        let key = if is_new { PrivateKey::create(&file, algorithm) } else { PrivateKey::read(&file) };
        let key = key.map_err(|error| failed(&error))?;
        if key.algorithm() != algorithm {
            let (file, kind) = (file.display(), key.algorithm().as_str());
            return Err(CliError::Failed(format!("{file} has a key of {kind} already; give another --key-file")));
        }
        made.push((key.record(&domain, &selector), algorithm, selector, file, is_new));
    }
    if context.json {
        let shown = made.iter().map(|(record, algorithm, selector, file, is_new)| {
            serde_json::json!({
                "domain": domain, "selector": selector, "algorithm": algorithm.as_str(), "key_file": file, "made": is_new,
                "name": record.name, "type": "TXT", "value": record.value, "zone": record.in_zone_file(),
            })
        });
        return output::json(&shown.collect::<Vec<_>>());
    }
    for (record, _, _, file, is_new) in &made {
        let what = if *is_new { "a new key, for its owner alone to read" } else { "the key that was there already" };
        output::note(format!("{}: {what}", file.display()));
        print(record)?;
    }
    if !configured {
        output::note("When the record is published, write into config.toml:");
        output::note(lines(
            &domain,
            &made.iter().map(|(_, kind, name, file, _)| (*kind, name, file)).collect::<Vec<_>>(),
        ));
    }
    Ok(())
}

fn print(record: &Record) -> Result<(), CliError> {
    output::line(format!("name:  {}\ntype:  TXT\nvalue: {}\n", record.name, record.value))?;
    output::line(format!("; the same for a zone file\n{}\n", record.in_zone_file()))
}

fn lines(domain: &str, made: &[(Algorithm, &String, &PathBuf)]) -> String {
    let mut lines = format!("[dkim]\ndomain = \"{domain}\"");
    for (algorithm, selector, file) in made {
        let prefix = if *algorithm == Algorithm::Rsa { "" } else { "ed25519_" };
        lines.push_str(&format!(
            "\n{prefix}selector = \"{selector}\"\n{prefix}key_file = {:?}",
            file.display().to_string()
        ));
    }
    lines
}

/// The domain, whether the configuration has the keys already, and the keys.
fn plan(context: &Context, args: &Args) -> Result<(String, bool, Vec<Wanted>), CliError> {
    let usage = |message: String| CliError::Usage(message);
    // Without a configuration the options say everything.
    let file = Config::find(context.file()).ok();
    if let (None, Some(named)) = (&file, context.file()) {
        return Err(usage(format!("there is no file {}", named.display())));
    }
    let names = match &file {
        Some(file) => Config::dkim_names(file, std::env::vars())?,
        None => None,
    };
    let given = args.domain.as_deref().map(domain_name).transpose().map_err(usage)?;
    let domain = match (given, &names) {
        (Some(domain), _) => domain,
        (None, Some(names)) => names.domain.clone(),
        (None, None) if file.is_some() => context.config()?.sender.email.domain().to_owned(),
        (None, None) => return Err(usage("say which domain signs, as in `--domain example.org`".to_owned())),
    };
    let selector = args.selector.as_deref().map(selector_name).transpose().map_err(usage)?;
    let folder = file.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
    let configured = names.is_some() && args.domain.is_none() && selector.is_none() && args.key_file.is_none();
    let ed25519 = names.as_ref().and_then(|names| names.ed25519.clone());
    let ed_file = || folder.join("data/dkim-ed25519.pem");
    let (ed_selector, ed_file) = ed25519.clone().unwrap_or_else(|| (format!("{}-ed", DkimNames::SELECTOR), ed_file()));
    let of_ed25519 = |selector: Option<String>, file: Option<PathBuf>| Wanted {
        algorithm: Algorithm::Ed25519,
        selector: selector.unwrap_or(ed_selector),
        file: file.unwrap_or(ed_file),
    };
    if args.ed25519 {
        let wanted = vec![of_ed25519(selector, args.key_file.clone())];
        return Ok((domain, configured && ed25519.is_some(), wanted));
    }
    let (rsa_selector, rsa_file) = match names {
        Some(names) => (names.selector, names.key_file),
        None => (DkimNames::SELECTOR.to_owned(), folder.join(DkimNames::KEY_FILE)),
    };
    let mut wanted = vec![Wanted {
        algorithm: Algorithm::Rsa,
        selector: selector.unwrap_or(rsa_selector),
        file: args.key_file.clone().unwrap_or(rsa_file),
    }];
    if configured && ed25519.is_some() {
        wanted.push(of_ed25519(None, None));
    }
    Ok((domain, configured, wanted))
}

fn failed(error: &KeyError) -> CliError {
    CliError::Failed(error.to_string())
}
