//! Relays that take nothing for long, as the operator hears of them.

use std::collections::BTreeMap;

use crate::alerts::Lasting;
use crate::deliver::RelayState;

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
            let has_news = self.each.entry(relay.id.clone()).or_default().look(relay);
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
}
