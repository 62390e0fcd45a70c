//! `demo`: everything on this machine, by the very code that `serve` and `run` use.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::issue::IssueReport;
use super::{CliError, Context, output, serve};
use crate::app::App;
use crate::compose::Occasion;
use crate::config::Config;
use crate::daemon;
use crate::demo::catcher::{self, Mailbox};
use crate::demo::{self, Places, READERS, inbox};
use crate::domain::{Clock, IssueState, SystemClock};

/// How long the digest may take on its way to the inbox.
const PATIENCE: Duration = Duration::from_secs(60);

const LOOK: Duration = Duration::from_millis(50);

/// Options of `demo`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Do it all and exit with a summary
    #[arg(long)]
    once: bool,
    /// Keep its files here instead of in a temporary folder
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// The running surroundings: a news site, a mail catcher, and the inbox page over it.
struct Surroundings {
    mailbox: Mailbox,
    places: Places,
    inbox_url: String,
    pages: TcpListener,
}

/// Starts everything, sends the week's digest to the readers, says where to look, and stays until Ctrl-C or SIGTERM.
pub async fn run(context: &Context, args: &Args) -> Result<(), CliError> {
    // Before there is a folder that would be left.
    let stop = serve::asked_to_stop()?;
    let (folder, temporary) = match &args.dir {
        Some(dir) => (dir.clone(), false),
        None => (std::env::temp_dir().join(format!("postround-demo-{}", std::process::id())), true),
    };
    std::fs::create_dir_all(&folder)?;
    let outcome = Box::pin(show(context, args, &folder, stop)).await;
    if temporary {
        // What is left of a demo that nobody asked to keep is not worth an error.
        let _ = std::fs::remove_dir_all(&folder);
    }
    outcome
}

async fn show(
    context: &Context,
    args: &Args,
    folder: &Path,
    asked_to_stop: impl Future<Output = ()>,
) -> Result<(), CliError> {
    tokio::pin!(asked_to_stop);
    let surroundings = start().await?;
    let file = folder.join("config.toml");
    std::fs::write(&file, demo::config_toml(&surroundings.places))?;
    let app = App::open(Arc::new(Config::load(&file, std::iter::empty())?)).await?;

    let (stop, stopped) = oneshot::channel::<()>();
    let daemon = tokio::spawn(daemon::serve(app.clone(), surroundings.pages, async {
        let _ = stopped.await;
    }));
    let sent = tokio::select! {
        sent = Box::pin(join_and_send(&app, &surroundings.places, &surroundings.mailbox)) => sent,
        () = &mut asked_to_stop => Err(CliError::Failed("it was stopped before the digest had arrived".to_owned())),
    };
    match (&sent, args.once) {
        (Ok((report, articles)), true) => summarise(context, report, *articles, &surroundings.mailbox)?,
        (Ok((report, articles)), false) => {
            welcome(report, *articles, &surroundings.places, &surroundings.inbox_url, folder)?;
            asked_to_stop.await;
            output::note("\nstopping");
        }
        (Err(_), _) => {}
    }
    let _ = stop.send(());
    daemon.await.map_err(|error| CliError::Failed(error.to_string()))??;
    app.store.close().await;
    sent.map(|_| ())
}

async fn start() -> Result<Surroundings, CliError> {
    let bind = || TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let (site, smtp, inbox, pages) = (bind().await?, bind().await?, bind().await?, bind().await?);
    let url = |listener: &TcpListener| listener.local_addr().map(|address| format!("http://{address}"));
    let smtp_address = smtp.local_addr()?;
    let places = Places {
        site_url: url(&site)?,
        smtp_url: format!("smtp://{smtp_address}"),
        listen: pages.local_addr()?,
        public_url: url(&pages)?,
    };
    let inbox_url = url(&inbox)?;
    let mailbox = Mailbox::new(Arc::new(SystemClock));
    let news_site = url::Url::parse(&places.site_url).map_err(|error| CliError::Failed(error.to_string()))?;
    let news = demo::site::site(SystemClock.now()).router();
    let mails = inbox::router(mailbox.clone(), inbox::Links { news_site, smtp_port: smtp_address.port() });
    // They end with the process: nothing in them is worth keeping.
    tokio::spawn(async move { axum::serve(site, news).await });
    tokio::spawn(async move { axum::serve(inbox, mails).await });
    tokio::spawn(catcher::serve(smtp, mailbox.clone(), std::future::pending::<()>()));
    Ok(Surroundings { mailbox, places, inbox_url, pages })
}

/// Lets the readers join at the real form, then sends them the digest.
async fn join_and_send(app: &App, places: &Places, mailbox: &Mailbox) -> Result<(IssueReport, usize), CliError> {
    let joined = demo::join_all(&places.public_url, mailbox).await;
    joined.map_err(|error| CliError::Failed(format!("the readers could not join: {error}")))?;
    send(app, mailbox).await
}

/// Composes the issue; the daemon delivers it. Gives the issue and how many articles it has.
async fn send(app: &App, mailbox: &Mailbox) -> Result<(IssueReport, usize), CliError> {
    let digest = app.config.digests.first().ok_or_else(|| CliError::Failed("the demo has no digest".to_owned()))?;
    let before = mailbox.len();
    let composed = app.composer().compose(digest, Occasion::Extra).await?;
    super::collect::warn_of_failures(&composed.polled);
    let articles = app.store.read().await?.issue_articles(composed.issue).await?;
    // A story that two sources have is there for each of them.
    let articles = articles.iter().map(|article| &article.canonical).collect::<BTreeSet<_>>().len();
    let settled = async {
        loop {
            let report = IssueReport::read(&app.store, composed.issue).await?;
            let done = report.state == IssueState::Skipped || report.state == IssueState::Sent;
            if done {
                return Ok::<_, CliError>(report);
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    let report = tokio::time::timeout(PATIENCE, settled).await;
    let report = report.map_err(|_| CliError::Failed("the digest did not arrive in time".to_owned()))??;
    if report.state == IssueState::Sent
        && i64::try_from(mailbox.len() - before).unwrap_or_default() < report.totals.sent
    {
        return Err(CliError::Failed("a mail that was sent is not in the inbox".to_owned()));
    }
    Ok((report, articles))
}

fn summarise(context: &Context, report: &IssueReport, articles: usize, mailbox: &Mailbox) -> Result<(), CliError> {
    let caught = mailbox.messages();
    let subject = |raw: &[u8]| {
        let parsed = mail_parser::MessageParser::default().parse_headers(raw);
        parsed.and_then(|mail| mail.subject().map(str::to_owned)).unwrap_or_default()
    };
    let inbox: Vec<_> =
        caught.iter().map(|mail| json!({ "to": mail.recipients.join(", "), "subject": subject(&mail.raw) })).collect();
    if context.json {
        return output::json(&json!({
            "subscribers": READERS.len(), "articles": articles, "sent": report.totals.sent, "inbox": inbox,
        }));
    }
    let [readers, articles] =
        [(READERS.len(), "subscriber"), (articles, "article")].map(|(n, noun)| output::counted(n, noun));
    output::line(format!("{readers}, {articles}, {} sent", output::counted(report.totals.sent, "mail")))?;
    if let Some(reason) = &report.reason {
        output::line(format!("skipped: {reason}"))?;
    }
    let rows: Vec<_> = caught.iter().map(|mail| vec![mail.recipients.join(", "), subject(&mail.raw)]).collect();
    output::table(&["to", "subject"], &rows)
}

fn welcome(report: &IssueReport, articles: usize, places: &Places, inbox: &str, folder: &Path) -> Result<(), CliError> {
    output::line(match &report.reason {
        Some(reason) => format!("No digest this time: {reason}."),
        None => {
            let (articles, readers) =
                (output::counted(articles, "article"), output::counted(report.totals.sent, "reader"));
            format!("A digest of {articles} went to {readers}.")
        }
    })?;
    output::line("")?;
    output::line(format!("  Read it    {inbox}"))?;
    output::line(format!("  Join it    {}/", places.public_url))?;
    output::line(format!("  News site  {}", places.site_url))?;
    output::line(format!("  Files      {}", folder.display()))?;
    output::line("")?;
    output::line("Nothing leaves this machine. Ctrl-C ends it.")
}
