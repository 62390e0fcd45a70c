//! `utm` of a digest: the campaign that the links of its articles name.

use serde::{Deserialize, Serialize};

/// The campaign that the article links of a mail name; what is empty is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Utm {
    /// `utm_source`.
    pub source: String,
    /// `utm_medium`.
    pub medium: String,
    /// `utm_campaign`.
    pub campaign: String,
}

impl Utm {
    /// The parameters with their values.
    pub fn parameters(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [("utm_source", &self.source), ("utm_medium", &self.medium), ("utm_campaign", &self.campaign)]
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name, value.as_str()))
    }
}
