//! Relays that take nothing for long, as the operator hears of them.

use std::collections::BTreeMap;

use crate::alerts::Lasting;
use crate::deliver::{RelayState, UnsignedIssue};

/// What is told of relays.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Warning {
    /// It is told so often for each key.
    pub(super) key: String,
    pub(super) subject: String,
    pub(super) text: String,
}

/// How long which relay has been in trouble.
#[derive(Default)]
pub(super) struct Troubles {
    all: Lasting,
    each: BTreeMap<String, Trouble>,
}

/// The trouble of one relay: since when it has not taken anything, and whether that has been told.
#[derive(Default)]
struct Trouble {
    lasting: Lasting,
    told: bool,
    /// How long it has refused a sender.
    refuses: Lasting,
}

impl Trouble {
    /// Whether there is something to tell: once when it has lasted, and again for as long as the relay is tried in vain.
    fn look(&mut self, relay: &RelayState) -> bool {
        self.told &= !relay.works;
        if !self.lasting.look(!relay.works) || self.told && !relay.rests {
            return false;
        }
        self.told = true;
        true
    }
}

impl Troubles {
    /// A look at the relays; `all`: what one of them said when none can be used. Says what has lasted for long.
    pub(super) fn look(&mut self, all: Option<&str>, relays: &[RelayState]) -> Vec<Warning> {
        let lasting = self.all.look(all.is_some());
        let others_work = relays.iter().any(|relay| relay.works);
        let mut warnings = Vec::new();
        for relay in relays {
            let trouble = self.each.entry(relay.id.clone()).or_default();
            let has_news = trouble.look(relay);
            let lasts = trouble.refuses.look(relay.refuses.is_some());
            if let Some(refusal) = relay.refuses.as_deref().filter(|_| lasts) {
                warnings.push(refused_sender(&relay.id, refusal));
            }
            if has_news && others_work {
                warnings.push(Warning {
                    key: format!("relay:{}", relay.id),
                    subject: format!("The relay {} does not take mail", relay.id),
                    text: format!(
                        "{}\nIt has taken nothing since. The other relays take its share meanwhile, within their own rates.",
                        relay.words.as_deref().unwrap_or_default()
                    ),
                });
            }
        }
        if let Some(words) = all.filter(|_| lasting) {
            warnings.push(Warning {
                key: "relay".to_owned(),
                subject: "The relay does not take mail".to_owned(),
                text: format!("{words}\nNothing is lost: what is queued goes out when it works again."),
            });
        }
        warnings
    }
}

fn refused_sender(relay: &str, refusal: &str) -> Warning {
    Warning {
        key: format!("sender:{relay}"),
        subject: format!("The relay {relay} refuses a sender"),
        text: format!(
            "{refusal}\nIt takes mail from others. What is from this sender is tried again, and fails when `retry_for` is over: each \
             mail keeps the sender that it was made with, whatever is configured since. `issue show` says of each issue what can be done."
        ),
    }
}

/// What is told of an issue that goes out unsigned.
pub(super) fn unsigned_issue(unsigned: &UnsignedIssue) -> Warning {
    let UnsignedIssue { issue, from, domain } = unsigned;
    Warning {
        key: format!("unsigned:{issue}"),
        subject: format!("Issue {issue} goes out without a signature"),
        text: format!(
            "Its mails were made with a sender of {from}, and `[dkim]` signs for {domain} now; receivers would take that signature for a \
             stranger's.\nWhoever insists on a signature refuses them. Where that matters, `issue hold {issue}` stops the rest, until \
             `[dkim]` is for {from} again."
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn relay(id: &str, words: Option<&str>) -> RelayState {
        RelayState {
            id: id.to_owned(),
            works: words.is_none(),
            words: words.map(str::to_owned),
            rests: words.is_some(),
            refuses: None,
            connections: 0,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_of_several_is_told_by_its_name_and_all_of_them_once() {
        let mut troubles = Troubles::default();
        let one = [relay("main", None), relay("backup", Some("535 wrong password"))];
        assert_eq!(troubles.look(None, &one), []);
        tokio::time::advance(Duration::from_secs(600)).await;
        let told = troubles.look(None, &one);
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(
            (told[0].key.as_str(), told[0].subject.as_str()),
            ("relay:backup", "The relay backup does not take mail")
        );
        assert!(told[0].text.starts_with("535 wrong password\n"), "{}", told[0].text);

        let idle = [relay("main", None), RelayState { rests: false, ..relay("backup", Some("535 wrong password")) }];
        assert_eq!(troubles.look(None, &idle), [], "it has been told, and nothing has been tried since");
        assert_eq!(Troubles::default().look(None, &idle), []);

        let both = [relay("main", Some("421 busy")), relay("backup", Some("535 wrong password"))];
        assert_eq!(
            troubles.look(Some("421 busy"), &both),
            [],
            "it has just begun, and the other one is not told apart"
        );
        tokio::time::advance(Duration::from_secs(600)).await;
        let told = troubles.look(Some("421 busy"), &both);
        assert_eq!(told.iter().map(|warning| warning.key.as_str()).collect::<Vec<_>>(), ["relay"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sender_that_a_relay_refuses_for_long_while_it_takes_others_is_told() {
        let mut troubles = Troubles::default();
        let refuses = [RelayState { refuses: Some("old@x.example: 550 no".to_owned()), ..relay("main", None) }];
        assert_eq!(troubles.look(None, &refuses), [], "it has just begun");
        tokio::time::advance(Duration::from_secs(600)).await;
        let told = troubles.look(None, &refuses);
        assert_eq!(told.iter().map(|warning| warning.key.as_str()).collect::<Vec<_>>(), ["sender:main"]);
        assert!(told[0].text.starts_with("old@x.example: 550 no\n"), "{}", told[0].text);
        assert_eq!(troubles.look(None, &[relay("main", None)]), []);
    }
}
