//! `serve`: the daemon.

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::{CliError, Context, output};
use crate::daemon;

/// Runs until SIGTERM or Ctrl-C; finishes the messages in flight before it returns.
pub async fn run(context: &Context) -> Result<(), CliError> {
    let app = context.open().await?;
    let listen = app.config.server.listen;
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| CliError::Failed(format!("cannot listen on {listen}: {error}; check `server.listen`")))?;
    let address = listener.local_addr()?;
    let mut terminate = signal(SignalKind::terminate())?;
    output::note(format!("postround serves {} on http://{address}", app.config.server.public_url));
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    daemon::serve(app, listener, stop).await?;
    Ok(())
}
