//! `subscriber import`: says what a file would do, asks, and does it.

use std::path::PathBuf;

use super::{CliError, Context, output};
use crate::app::App;
use crate::config::Rate;
use crate::subscribers::{ASKED, Format, Import, ImportBasis, ImportReport};

/// How many lines of a kind a person is shown.
const SHOWN: usize = 20;

/// Options of `subscriber import`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The file
    file: PathBuf,
    /// Whose export it is; else its header says so
    #[arg(long, value_enum, value_name = "PROGRAM")]
    format: Option<Program>,
    /// They have agreed elsewhere
    #[arg(long, requires = "evidence", conflicts_with = "ask")]
    confirmed: bool,
    /// What proves that they have, where a row has no evidence of its own
    #[arg(long, requires = "confirmed", value_name = "TEXT")]
    evidence: Option<String>,
    /// Ask each of them to confirm
    #[arg(long)]
    ask: bool,
    /// How many are asked in which time, as in 20/s, 100/m, 500/h or 5000/d [default: 100/m]
    #[arg(long, requires = "ask", value_parser = Rate::parse)]
    rate: Option<Rate>,
    /// Leave bad rows out instead of refusing the file; they are listed in FILE.report.csv
    #[arg(long)]
    skip_bad: bool,
    /// List all rows that were refused or left alone in this file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Only say what would happen
    #[arg(long)]
    dry_run: bool,
    /// Do not ask before
    #[arg(long)]
    yes: bool,
}

/// Whose export a file is.
#[derive(clap::ValueEnum, Clone, Copy, Debug)]
pub enum Program {
    /// Columns as our own export has them
    Csv,
    /// listmonk's subscribers.csv
    Listmonk,
    /// phpList's export
    Phplist,
    /// Mailchimp's ZIP file, or one of the files in it
    Mailchimp,
}

impl From<Program> for Format {
    fn from(program: Program) -> Self {
        match program {
            Program::Csv => Self::Csv,
            Program::Listmonk => Self::Listmonk,
            Program::Phplist => Self::PhpList,
            Program::Mailchimp => Self::Mailchimp,
        }
    }
}

/// Runs it.
pub async fn run(context: &Context, app: &App, args: &Args) -> Result<(), CliError> {
    let basis = match (&args.evidence, args.ask) {
        (Some(evidence), _) if evidence.trim().is_empty() => {
            return Err(CliError::Usage("--evidence is empty; say what proves that they have agreed".to_owned()));
        }
        (Some(evidence), _) => ImportBasis::Confirmed(evidence.trim()),
        (None, true) => ImportBasis::Ask,
        (None, false) => ImportBasis::Rows,
    };
    let import = Import {
        skip_bad: args.skip_bad,
        format: args.format.map_or(Format::Detect, Format::from),
        rate: args.rate.unwrap_or(ASKED),
        report: args.report.clone(),
        dry: args.dry_run,
        ..Import::new(&args.file, basis)
    };
    if !import.dry && output::asks(args.yes) {
        let plan = read(app, &Import { dry: true, report: None, ..import.clone() }, "looking").await?;
        if plan.is_refused(&import) {
            return Err(refused(&plan));
        }
        preview(&plan, &import)?;
        if plan.would_apply && !output::confirm("Import this?")? {
            output::note("nothing was imported");
            return Ok(());
        }
    }
    let report = read(app, &import, "importing").await?;
    if context.json {
        output::json(&report)?;
    } else {
        summarise(&report, &import)?;
    }
    hints(&report, &import);
    if report.is_refused(&import) { Err(refused(&report)) } else { Ok(()) }
}

async fn read(app: &App, import: &Import<'_>, doing: &'static str) -> Result<ImportReport, CliError> {
    let bar = output::progress(0, doing);
    let report = app
        .subscribers()
        .import(import, &app.notices(), |done, all| {
            bar.set_length(all);
            bar.set_position(done);
        })
        .await?;
    bar.finish_and_clear();
    Ok(report)
}

fn refused(report: &ImportReport) -> CliError {
    let first = report.refused.first().map(|row| format!("line {}: {}", row.line, row.reason)).unwrap_or_default();
    let more = match report.refused_rows {
        0 | 1 => String::new(),
        rows => format!(" (and {} more)", output::count(rows - 1)),
    };
    let way = if report.unreadable { "" } else { " (--skip-bad leaves bad rows out)" };
    CliError::Failed(format!("{first}{more}; nothing was imported{way}"))
}

/// What would happen, before it is asked whether it shall.
fn preview(plan: &ImportReport, import: &Import<'_>) -> Result<(), CliError> {
    let states: Vec<String> =
        plan.states.iter().map(|(state, rows)| format!("{} {state}", output::count(*rows))).collect();
    output::line(format!("{}, in these states: {}", output::counted(plan.rows, "row"), states.join(", ")))?;
    for (outcome, rows) in [
        ("added", plan.added),
        ("updated", plan.updated),
        ("unchanged", plan.unchanged),
        ("skipped", plan.skipped),
        ("refused", plan.refused_rows),
    ] {
        let examples = plan.examples.get(outcome).map(|them| format!("  ({}, …)", them.join(", "))).unwrap_or_default();
        if rows > 0 {
            output::line(format!("  {:>10} {outcome}{examples}", output::count(rows)))?;
        }
    }
    reasons(plan)?;
    digests(plan, import)?;
    if plan.asked > 0 {
        output::line(format!(
            "{} are asked to confirm; they get nothing else before they agree",
            output::count(plan.asked)
        ))?;
    }
    Ok(())
}

/// Why rows were left alone, and the first bad ones.
fn reasons(report: &ImportReport) -> Result<(), CliError> {
    for (reason, rows) in &report.skipped_by {
        output::line(format!("  skipped, {reason}: {}", output::count(*rows)))?;
    }
    let unproven: Vec<String> = report.lines_without_evidence().take(SHOWN).map(|line| line.to_string()).collect();
    if !unproven.is_empty() {
        let more = if report.lines_without_evidence().nth(SHOWN).is_some() { ", …" } else { "" };
        output::line(format!("  without evidence: line {}{more}", unproven.join(", ")))?;
    }
    let first = report.refused.iter().take(SHOWN);
    first.into_iter().try_for_each(|row| output::line(format!("  line {}: {}", row.line, row.reason)))?;
    let rest = report.refused_rows.saturating_sub(SHOWN as u64);
    if rest > 0 { output::line(format!("  and {} more", output::count(rest))) } else { Ok(()) }
}

/// Which digests come to people by it.
fn digests(report: &ImportReport, import: &Import<'_>) -> Result<(), CliError> {
    let gets = match (import.basis, report.applied) {
        (ImportBasis::Ask, true) => "are asked about",
        (ImportBasis::Ask, false) => "would be asked about",
        (_, true) => "get",
        (_, false) => "would get",
    };
    for (digest, people) in &report.digests {
        output::line(format!("  {:>10} {gets} {digest}", output::count(*people)))?;
    }
    if report.without_choice == 0 {
        return Ok(());
    }
    output::line(format!(
        "  no digest or topic named: {}; these get what is public",
        output::count(report.without_choice)
    ))
}

fn summarise(report: &ImportReport, import: &Import<'_>) -> Result<(), CliError> {
    let would = if report.applied { "" } else { "would be " };
    output::line(format!(
        "{}: {would}{} added, {} updated, {} unchanged, {} skipped, {} refused",
        output::counted(report.rows, "row"),
        output::count(report.added),
        output::count(report.updated),
        output::count(report.unchanged),
        output::count(report.skipped),
        output::count(report.refused_rows),
    ))?;
    reasons(report)?;
    digests(report, import)?;
    if report.applied && report.asked > 0 {
        output::line(format!(
            "{} are asked to confirm; `serve` asks them at the rate given",
            output::count(report.asked)
        ))?;
    }
    Ok(())
}

fn hints(report: &ImportReport, import: &Import<'_>) {
    for column in &report.ignored_columns {
        output::note(format!("note: the column `{column}` means nothing here and was ignored"));
    }
    if report.repeated > 0 {
        output::note(format!(
            "note: {} rows repeat somebody; the strictest state counts",
            output::count(report.repeated)
        ));
    }
    if !report.unknown.is_empty() {
        let ids: Vec<&str> = report.unknown.iter().map(String::as_str).collect();
        output::note(format!("note: the configuration has no digest or topic called {}", ids.join(", ")));
    }
    if let Some(path) = &report.written {
        output::note(format!("the rows that were refused or left alone are listed in {}", path.display()));
    }
    if report.lines_without_evidence().next().is_some() {
        output::note(
            "rows without evidence are left alone. Note in their column `evidence` what proves that these people agreed, or \
             import the file once more with --ask, which sends a confirmation to those of it who are not subscribed",
        );
    }
    if report.is_only_report(import) && !report.would_apply {
        output::note(
            "nothing was imported: there is no evidence that these people agreed. Give --confirmed --evidence TEXT, a \
             column `evidence` in each row, or --ask, which sends each of them a confirmation",
        );
    }
}
