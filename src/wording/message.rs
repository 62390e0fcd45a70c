//! A sentence of the pages: one text, or one in plural forms; and groups of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Plural, insert};
use crate::domain::Locale;

/// What a locale's file has under a key.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub(super) enum Message {
    /// A sentence.
    Text(String),
    /// A sentence with a number in it.
    Counted(Plural),
    /// More keys.
    Group(BTreeMap<String, Message>),
}

impl Message {
    /// The sentence under a key with dots in it.
    pub(super) fn find(&self, key: &str) -> Option<&Self> {
        key.split('.').try_fold(self, |message, part| match message {
            Self::Group(group) => group.get(part),
            Self::Text(_) | Self::Counted(_) => None,
        })
    }

    /// Adds the keys of all its sentences.
    pub(super) fn collect(&self, within: &str, keys: &mut Vec<String>) {
        let Self::Group(group) = self else { return keys.push(within.to_owned()) };
        for (key, message) in group {
            let path = if within.is_empty() { key.clone() } else { format!("{within}.{key}") };
            message.collect(&path, keys);
        }
    }

    /// With its `{names}` filled in. `None`: a group of sentences, or no number for one that needs it.
    pub(super) fn filled(&self, count: Option<u32>, values: &[(&str, &str)], locale: &Locale) -> Option<String> {
        match self {
            Self::Text(text) => Some(insert(text, values)),
            Self::Counted(forms) => Some(insert(&forms.with(count?, locale), values)),
            Self::Group(_) => None,
        }
    }
}
