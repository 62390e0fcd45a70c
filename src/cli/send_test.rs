//! `send-test`: the issue as it would be composed now, mailed to staff; its links change nothing.

use std::time::Duration;

use super::collect::warn_of_failures;
use super::{CliError, Context, output};
use crate::domain::{Clock, DeliveryState, EmailAddress, PublicId, SystemClock, SystemRandom};
use crate::store::{Durability, NewDelivery, NewMail};

/// Where test sends stand in the queue: before digests, behind confirmations.
const TEST_PRIORITY: i64 = 10;

const LOOK: Duration = Duration::from_millis(100);

/// Options of `send-test`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The digest's id
    digest: String,
    /// Where it goes
    #[arg(long, required = true, num_args = 1.., value_name = "EMAIL")]
    to: Vec<EmailAddress>,
}

/// Composes without storing an issue, queues the test, and waits until the relay has answered.
pub async fn run(context: &Context, args: &Args) -> Result<(), CliError> {
    let digest = context.digest(&args.digest)?;
    let app = context.open().await?;
    let preview = app.composer().preview(&digest, true).await?;
    warn_of_failures(&preview.polled);
    let Some(rendered) = preview.mail else {
        let reason = preview.reason.unwrap_or_else(|| "there is nothing in it".to_owned());
        return Err(CliError::Failed(format!("nothing to send: {reason}")));
    };
    let salt = PublicId::new(&SystemRandom);
    let now = SystemClock.now();
    let mut session = app.store.write(Durability::Full).await?;
    let mail = NewMail {
        issue: None,
        kind: "test",
        digest: Some(&digest.id),
        topics: crate::compose::ALL_TOPICS,
        locale: digest.locale.as_str(),
        subject: &rendered.subject,
        html: &rendered.html,
        text: &rendered.text,
        mime: &rendered.mime,
        marker: &rendered.marker,
        salt: salt.as_str(),
        fingerprint: None,
    };
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
        session.insert_delivery(&delivery, now).await?;
    }
    session.commit().await?;

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
    let followed = app.delivering(look).await??;
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
