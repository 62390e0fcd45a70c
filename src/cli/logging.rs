//! Logs on stderr: events with fields, never an address, a token or a body.

use tracing_subscriber::EnvFilter;

/// Starts logging: warnings from commands, what happens from the daemon, more with `verbose`, errors alone with
/// `quiet`; `RUST_LOG` says otherwise.
pub fn start(verbose: bool, quiet: bool, daemon: bool) {
    let level = match (verbose, quiet, daemon) {
        (_, true, _) => "error",
        (true, ..) => "warn,postround=debug",
        (.., true) => "warn,postround=info",
        _ => "error,postround=warn",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    // A second start, in tests, keeps the first.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(ansi).try_init();
}
