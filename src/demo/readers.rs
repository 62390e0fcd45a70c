//! The readers of the demo's digest, who join as anybody does: by the form, the mail and the button in it.

use std::time::Duration;

use futures_util::future::try_join_all;
use mail_parser::MessageParser;
use reqwest::{Client, Response, StatusCode};

use super::catcher::Mailbox;

/// Somebody who has joined.
#[derive(Clone, Copy, Debug)]
pub struct Reader {
    /// The name that the greeting uses; may be empty.
    pub name: &'static str,
    /// The address.
    pub email: &'static str,
    /// The topics that were chosen; none: all of them.
    pub topics: &'static [&'static str],
}

/// A dozen, most of them with everything, some with topics of their choice, one without a name.
pub const READERS: &[Reader] = &[
    Reader { name: "Priya Venkatesan-Holt", email: "priya.venkatesan@kelderby.example", topics: &[] },
    Reader { name: "Zoë Ní Bhriain", email: "zoe@saltmere-families.example", topics: &[] },
    Reader { name: "Łukasz Wiśniewski-Page", email: "l.wisniewski@pendlebrook.example", topics: &["news"] },
    Reader { name: "Bronwen Ap Rhys", email: "bronwen@hillsidetrust.example", topics: &[] },
    Reader { name: "Tom O’Dowd-Adeyemi", email: "tom.odowd@bramsea.example", topics: &[] },
    Reader {
        name: "José Ángel Núñez", email: "jose.nunez@thornhithe.example", topics: &["features", "interviews"]
    },
    Reader { name: "", email: "duty.team@ostley.example", topics: &["news"] },
    Reader { name: "Şirin Öztürk-Bell", email: "sirin+weekly@quillham.example", topics: &[] },
    Reader { name: "François Dûment", email: "francois@maison-verte.example", topics: &["interviews"] },
    Reader { name: "Amélie van der Veen", email: "amelie.vanderveen@marrowdale.example", topics: &[] },
    Reader { name: "Hồ Ngọc Anh", email: "anh.ho@saltmere.example", topics: &["news", "features"] },
    Reader { name: "Doorstep desk", email: "desk@doorstep.example", topics: &[] },
];

/// How long a confirmation may take on its way.
const PATIENCE: Duration = Duration::from_secs(30);

const LOOK: Duration = Duration::from_millis(50);

/// How long somebody takes to fill in the form; faster ones are asked to press once more.
const FILLING_IN: Duration = Duration::from_millis(1200);

/// A step of joining that did not go as it should.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The pages could not be reached.
    #[error("the subscribe page cannot be reached: {0}")]
    Http(#[from] reqwest::Error),
    /// A page is not what it should be.
    #[error("{step} answered {status}")]
    Page {
        /// Which step.
        step: &'static str,
        /// What was answered.
        status: StatusCode,
    },
    /// The page has no form, or the mail no link.
    #[error("{0} is missing")]
    Missing(&'static str),
}

/// Lets all readers join at the pages of that address; the confirmations are in `mailbox`.
///
/// # Errors
/// [`JoinError`] says which step failed.
pub async fn join_all(public_url: &str, mailbox: &Mailbox) -> Result<(), JoinError> {
    let client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
    let page = good("the subscribe page", client.get(format!("{public_url}/")).send().await?)?.text().await?;
    let stamp = between(&page, "name=\"stamp\" value=\"", "\"").ok_or(JoinError::Missing("the form's stamp"))?;
    tokio::time::sleep(FILLING_IN).await;
    try_join_all(READERS.iter().map(|reader| join(&client, public_url, stamp, mailbox, reader))).await?;
    Ok(())
}

async fn join(
    client: &Client,
    public_url: &str,
    stamp: &str,
    mailbox: &Mailbox,
    reader: &Reader,
) -> Result<(), JoinError> {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("stamp", stamp).append_pair("email", reader.email).append_pair("name", reader.name);
    for topic in reader.topics {
        form.append_pair("topics", topic);
    }
    let request = client.post(format!("{public_url}/subscribe"));
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(form.finish());
    good("the form", request.send().await?)?;
    let link = tokio::time::timeout(PATIENCE, confirmation(mailbox, public_url, reader.email)).await;
    let link = link.map_err(|_| JoinError::Missing("a confirmation mail"))?;
    good("the page of the confirmation", client.get(&link).send().await?)?;
    good("its button", client.post(&link).send().await?)?;
    Ok(())
}

/// The link in the mail that asks this reader.
async fn confirmation(mailbox: &Mailbox, public_url: &str, email: &str) -> String {
    let start = format!("{public_url}/confirm/");
    loop {
        let mails = mailbox.messages();
        let mine = mails.iter().filter(|mail| mail.recipients.iter().any(|to| to == email));
        let link = |raw: &[u8]| {
            let text = MessageParser::default().parse(raw)?.body_text(0)?.into_owned();
            let token: String = between(&text, &start, "\n")?.split_whitespace().next()?.to_owned();
            Some(format!("{start}{token}"))
        };
        if let Some(link) = mine.filter_map(|mail| link(&mail.raw)).next() {
            return link;
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn good(step: &'static str, response: Response) -> Result<Response, JoinError> {
    match response.status() {
        StatusCode::OK => Ok(response),
        status => Err(JoinError::Page { step, status }),
    }
}

/// What stands between the two for the first time.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split(after).next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::EmailAddress;
    use std::collections::HashSet;

    #[test]
    fn readers_have_addresses_of_their_own_that_lead_nowhere() {
        assert!(READERS.len() >= 12);
        assert_eq!(READERS.iter().map(|reader| reader.email).collect::<HashSet<_>>().len(), READERS.len());
        for reader in READERS {
            assert!(EmailAddress::parse(reader.email).unwrap().domain().ends_with(".example"));
            assert!(reader.topics.iter().all(|topic| ["news", "features", "interviews"].contains(topic)));
        }
    }

    #[test]
    fn what_stands_between_is_found() {
        assert_eq!(between("a [b] [c]", "[", "]"), Some("b"));
        assert_eq!(between("a", "[", "]"), None);
    }
}
