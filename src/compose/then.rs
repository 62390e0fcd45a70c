//! The digest of an issue, also where it is gone from the configuration: what is laid out of the issue goes on, and can be changed.

use std::time::Duration;

use super::page::IssuePage;
use super::{ComposeError, Composer};
use crate::config::{BUILT_IN_TEMPLATE, DEFAULT_SUBJECT, Digest, Sender, Theme, WhenEmpty};
use crate::render::{SentBy, sender_of};
use crate::store::{IssueRow, Session};

impl Composer {
    /// The digest of an issue as it is configured; where it is gone, as far as the issue has it, and else as one without a word
    /// about its looks.
    pub(super) async fn digest_then(&self, reader: &mut Session, issue: &IssueRow) -> Result<Digest, ComposeError> {
        if let Some(digest) = self.config.digest(&issue.digest) {
            return Ok(digest.clone());
        }
        let page = reader.page(issue.id).await?.map(|row| IssuePage::read(issue.id, &row)).transpose()?;
        let title = page.as_ref().map_or_else(|| issue.digest.clone(), |page| page.content.title.clone());
        let sender = self.sender_then(reader, issue).await?;
        let bare = self.bare(issue, title, sender)?;
        Ok(match page {
            Some(page) => page.digest(&bare),
            None => bare,
        })
    }

    /// A digest that is gone, of which nothing else is known. Its dates are read in the zone of the others.
    fn bare(&self, issue: &IssueRow, title: String, sender: Sender) -> Result<Digest, ComposeError> {
        let gone = || ComposeError::DigestGone { digest: issue.digest.clone() };
        let other = self.config.digests.first().ok_or_else(gone)?;
        Ok(Digest {
            id: issue.digest.clone(),
            title,
            sender,
            subject: DEFAULT_SUBJECT.to_owned(),
            sources: Vec::new(),
            sections: Vec::new(),
            spread: Duration::ZERO,
            holidays: None,
            banner: None,
            intro: None,
            when_topics_are_empty: WhenEmpty::default(),
            template: BUILT_IN_TEMPLATE.to_owned(),
            theme: Theme::default(),
            // Its archive is gone with it.
            public: false,
            utm: None,
            count_clicks: false,
            ping_url: None,
            ..other.clone()
        })
    }

    /// Who the mails of an issue are from. Nobody leaves by a mail to the common address if they are from another.
    async fn sender_then(&self, reader: &mut Session, issue: &IssueRow) -> Result<Sender, ComposeError> {
        let common = self.config.sender.clone();
        let message = reader.message_of_issue(issue.id).await?;
        Ok(match message.and_then(|message| sender_of(&message)) {
            Some(SentBy { name, email, reply_to }) => {
                let unsubscribe_email = common.unsubscribe_email.filter(|_| email == common.email);
                Sender { name, email, reply_to, unsubscribe_email, ..common }
            }
            None => common,
        })
    }
}
