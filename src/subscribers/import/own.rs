//! Names and languages of a file, and those that people have chosen themselves, which are newer than any file.

use std::collections::{HashMap, HashSet};

use super::decide::Numbered;
use crate::domain::SubscriberState;
use crate::store::{Session, StoreError, SubscriberRow};

/// The row ids of those who have chosen the name or the language themselves that a row of a chunk would change.
pub(super) struct Own {
    /// On their page, where they may have emptied them too.
    profiles: HashSet<i64>,
    /// When they signed up, as far as they gave any.
    sign_ups: HashSet<i64>,
}

impl Own {
    /// Asked only of those for whom a row has another name or language, since each takes a look at their events.
    pub(super) async fn look_up(
        session: &mut Session,
        known: &HashMap<String, SubscriberRow>,
        chunk: &[&Numbered],
    ) -> Result<Self, StoreError> {
        let changed = chunk.iter().filter_map(|numbered| {
            let (row, person) = (&numbered.row, known.get(&numbered.row.address_hash)?);
            let name = !row.name.is_empty() && row.name != person.name;
            let locale = row.locale.as_ref().is_some_and(|locale| person.locale.as_deref() != Some(locale.as_str()));
            (name || locale).then_some(person.id)
        });
        let changed: Vec<i64> = changed.collect();
        if changed.is_empty() {
            return Ok(Self { profiles: HashSet::new(), sign_ups: HashSet::new() });
        }
        Ok(Self {
            profiles: session.own_profiles_among(&changed).await?.into_iter().collect(),
            sign_ups: session.own_sign_ups_among(&changed).await?.into_iter().collect(),
        })
    }

    /// Takes the name and the language of a row, but for those that the person has chosen. A mere request may be somebody
    /// else's. Of two rows for one person the first counts: else they would take turns with each import.
    pub(super) fn introduce(&self, next: &mut SubscriberRow, numbered: &Numbered, wanted: SubscriberState) {
        if self.profiles.contains(&next.id) {
            return;
        }
        let request = wanted == SubscriberState::Pending && next.state == SubscriberState::Confirmed;
        let stands = request || numbered.again || self.sign_ups.contains(&next.id);
        let row = &numbered.row;
        if !row.name.is_empty() && (!stands || next.name.is_empty()) {
            next.name.clone_from(&row.name);
        }
        if let Some(locale) = row.locale.as_ref().filter(|_| !stands || next.locale.is_none()) {
            next.locale = Some(locale.as_str().to_owned());
        }
    }
}
