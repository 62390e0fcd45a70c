//! The command line: one file for each command, thin over the rooms.
//!
//! Results go to stdout, everything else to stderr. Exit code 0: done; 1: it failed; 2: wrong usage or configuration.

mod collect;
mod config;
mod context;
mod demo;
mod digest;
mod dkim;
mod error;
mod export;
mod forecast;
mod import;
mod issue;
mod issue_acts;
mod issue_details;
mod issue_pace;
mod keys;
mod logging;
mod output;
mod person;
mod preview;
mod reasons;
mod relay_trouble;
mod run;
mod send_test;
mod serve;
mod source;
mod subscriber;
mod suppression;
mod template;
mod why;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use context::Context;
pub use error::CliError;

/// Collects the week's new articles and mails them as a digest to the people who asked for it.
#[derive(Parser, Debug)]
#[command(name = "postround", version, max_term_width = 100)]
struct Cli {
    /// The configuration [default: ./config.toml, then /etc/postround/config.toml]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long, global = true)]
    json: bool,
    /// Say more about what happens, on stderr
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    verbose: bool,
    /// Say nothing but errors
    #[arg(short, long, global = true)]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// The daemon: collects, composes on schedule, delivers, serves the web pages
    Serve(serve::Args),
    /// Polls the sources once, now; says what is new for each
    Collect(collect::Args),
    /// State of the sources; tries any address or saved file
    #[command(subcommand)]
    Source(source::Command),
    /// The digests, and when each is due next
    #[command(subcommand)]
    Digest(digest::Command),
    /// The issue as it would be composed now; stores nothing
    Preview(preview::Args),
    /// The same, mailed as a test; its links change nothing
    SendTest(send_test::Args),
    /// Composes an issue now, out of schedule
    Run(run::Args),
    /// The issues, and how far each has gone
    #[command(subcommand)]
    Issue(issue::Command),
    /// The subscribers
    #[command(subcommand)]
    Subscriber(subscriber::Command),
    /// Addresses that must not be mailed, whatever is imported
    #[command(subcommand)]
    Suppression(suppression::Command),
    /// The keys that sign the links in mails
    #[command(subcommand)]
    Keys(keys::Command),
    /// The keys that sign mails, and what to publish of them
    #[command(subcommand)]
    Dkim(dkim::Command),
    /// The configuration
    #[command(subcommand)]
    Config(config::Command),
    /// The templates of mails and pages
    #[command(subcommand)]
    Template(template::Command),
    /// Everything on this machine: a news site, readers, a digest, and an inbox to read it in
    Demo(demo::Args),
}

/// How long threads may take that are still at work when a command has ended.
const LAST_THREADS: std::time::Duration = std::time::Duration::from_millis(200);

/// Reads the command line, runs the command, and gives the exit code. Reports an error on stderr.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::start(cli.verbose, cli.quiet, matches!(cli.command, Command::Serve(_)));
    if cli.quiet {
        output::be_quiet();
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::error(format!("error: cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let context = Context::new(cli.config, cli.json);
    let done = runtime.block_on(async {
        let done = dispatch(&context, &cli.command).await;
        context.close().await;
        done
    });
    // What still blocks a thread, such as looking up a name, is nobody's any more.
    runtime.shutdown_timeout(LAST_THREADS);
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(error.report());
            error.exit_code()
        }
    }
}

async fn dispatch(context: &Context, command: &Command) -> Result<(), CliError> {
    match command {
        Command::Serve(args) => serve::run(context, args).await,
        Command::Collect(args) => collect::run(context, args).await,
        Command::Source(command) => source::run(context, command).await,
        Command::Digest(command) => digest::run(context, command).await,
        Command::Preview(args) => preview::run(context, args).await,
        Command::SendTest(args) => send_test::run(context, args).await,
        Command::Run(args) => Box::pin(run::run(context, args)).await,
        Command::Issue(command) => Box::pin(issue::run(context, command)).await,
        Command::Subscriber(command) => Box::pin(subscriber::run(context, command)).await,
        Command::Suppression(command) => Box::pin(suppression::run(context, command)).await,
        Command::Keys(command) => keys::run(context, command).await,
        Command::Dkim(command) => dkim::run(context, command),
        Command::Config(command) => config::run(context, command),
        Command::Template(command) => template::run(context, command),
        Command::Demo(args) => Box::pin(demo::run(context, args)).await,
    }
}
