//! `send-test`: the issue as it would be composed now, mailed to staff; its links change nothing.

use std::time::Duration;

use tokio::sync::watch;

use super::collect::warn_of_failures;
use super::{CliError, Context, output};
use crate::app::App;
use crate::compose::{ALL_TOPICS, Preview, new_mail};
use crate::domain::{Clock, DeliveryState, EmailAddress, PublicId, SystemClock, SystemRandom};
use crate::store::{Durability, Followed, NewDelivery};

/// Where test sends stand in the queue: before digests, behind confirmations.
const TEST_PRIORITY: i64 = 10;

const LOOK: Duration = Duration::from_millis(100);

/// How long a test may take before it is taken back.
const PATIENCE: Duration = Duration::from_secs(60);

/// Options of `send-test`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The digest's id
    digest: String,
    /// Where it goes
    #[arg(long, required = true, num_args = 1.., value_name = "EMAIL")]
    to: Vec<EmailAddress>,
    /// For a reader of this language, as in de [default: the digest's own]
    #[arg(long, value_name = "LOCALE")]
    locale: Option<String>,
}

/// Composes without storing an issue, queues the test, and waits until the relay has answered.
pub async fn run(context: &Context, args: &Args) -> Result<(), CliError> {
    let digest = context.digest(&args.digest)?;
    let locale = args.locale.as_deref().map_or_else(|| Ok(digest.locale.clone()), |code| context.locale(code))?;
    let app = context.open().await?;
    let Preview { mail, reckoning } = app.composer().preview(&digest, &locale, true).await?;
    warn_of_failures(&reckoning.polled);
    let Some(rendered) = mail else {
        let reason = reckoning.reason.unwrap_or_else(|| "there is nothing in it".to_owned());
        return Err(CliError::Failed(format!("nothing to send: {reason}")));
    };
    let salt = PublicId::new(&SystemRandom);
    let now = SystemClock.now();
    let mut session = app.store.write(Durability::Full).await?;
    let mail = new_mail(None, "test", &digest, ALL_TOPICS, &locale, &rendered, salt.as_str());
    let mail = session.insert_mail(&mail, now).await?;
    for address in &args.to {
        let delivery = NewDelivery {
            mail,
            issue: None,
            kind: "test",
            digest: Some(&digest.id),
            subscriber: None,
            address,
            name: "",
            priority: TEST_PRIORITY,
            link: None,
        };
        session.insert_notice(&delivery, &app.keys.address_hash(address), now).await?;
    }
    session.commit().await?;

    let followed = follow(&app, mail).await;
    // What has not gone out by now is not wanted later: a test is looked at when it is sent.
    let mut session = app.store.write(Durability::Full).await?;
    session.cancel_mail(mail, SystemClock.now()).await?;
    session.commit().await?;
    let followed = followed?;
    if context.json {
        let rows: Vec<_> = followed
            .iter()
            .map(|d| serde_json::json!({ "to": d.address, "state": d.state, "answer": d.answer }))
            .collect();
        output::json(&serde_json::json!({ "digest": digest.id, "subject": rendered.subject, "deliveries": rows }))?;
    } else {
        output::line(&rendered.subject)?;
        for delivery in &followed {
            let answer = delivery.answer.as_deref().unwrap_or_default();
            output::line(format!("  {}: {} {answer}", delivery.address, delivery.state).trim_end())?;
        }
    }
    if followed.iter().any(|delivery| delivery.state != DeliveryState::Sent) {
        return Err(CliError::Failed("not every test was taken by the relay".to_owned()));
    }
    Ok(())
}

/// Waits until the relay has answered for each of them.
async fn follow(app: &App, mail: i64) -> Result<Vec<Followed>, CliError> {
    let look = async {
        loop {
            let followed = app.store.read().await?.follow_mail(mail).await?;
            let open = |state| matches!(state, DeliveryState::Queued | DeliveryState::Claimed | DeliveryState::Sending);
            if !followed.iter().any(|delivery| open(delivery.state)) {
                return Ok::<_, CliError>(followed);
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    let (tell, told) = watch::channel(String::new());
    let trouble = |words| {
        tell.send_replace(words);
    };
    let stop = super::serve::asked_to_stop()?;
    let look = async {
        let mut told = told;
        tokio::select! {
            followed = look => followed,
            words = told.wait_for(|words| !words.is_empty()) => {
                let words = words.map(|words| words.clone()).unwrap_or_default();
                Err(CliError::Failed(format!("the relay fails, and the test was taken back: {words}; check `[smtp]`")))
            }
            () = tokio::time::sleep(PATIENCE) => {
                let seconds = PATIENCE.as_secs();
                Err(CliError::Failed(format!("no answer from the relay within {seconds} s; the test was taken back")))
            }
            () = stop => Err(CliError::Failed("the test was taken back".to_owned())),
        }
    };
    app.delivering(Some(mail), trouble, look).await?
}
