//! Who runs a recipient's mail: a few that many people are with, and the rest together.

/// Who runs the mail of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Provider {
    /// Gmail.
    Gmail,
    /// Outlook, Hotmail, Live.
    Microsoft,
    /// Yahoo and AOL.
    Yahoo,
    /// iCloud.
    Apple,
    /// GMX, WEB.DE, mail.com.
    UnitedInternet,
    /// BT, Sky, Virgin Media, TalkTalk, Orange, Free, T-Online and their like.
    Access,
    /// Public offices, health services, schools and universities.
    Public,
    /// Anybody else.
    Other,
}

impl Provider {
    /// Of an address, by the name of its domain alone.
    pub fn of(address: &str) -> Self {
        let domain = domain_of(address);
        match domain.as_str() {
            "gmail.com" | "googlemail.com" => return Self::Gmail,
            "msn.com" => return Self::Microsoft,
            "ymail.com" | "rocketmail.com" => return Self::Yahoo,
            "icloud.com" | "me.com" | "mac.com" => return Self::Apple,
            "web.de" | "mail.com" | "1und1.de" => return Self::UnitedInternet,
            "btinternet.com" | "sky.com" | "virginmedia.com" | "ntlworld.com" | "talktalk.net" | "comcast.net"
            | "orange.fr" | "wanadoo.fr" | "free.fr" | "sfr.fr" | "t-online.de" | "libero.it" => return Self::Access,
            _ => {}
        }
        let ends = |endings: &[&str]| {
            endings.iter().any(|ending| domain.strip_suffix(ending).is_some_and(|rest| rest.ends_with('.')))
        };
        if ends(&["gov.uk", "nhs.uk", "nhs.net", "sch.uk", "ac.uk", "police.uk", "gov", "edu"]) || domain == "nhs.net" {
            return Self::Public;
        }
        match domain.split('.').next().unwrap_or_default() {
            "outlook" | "hotmail" | "live" => Self::Microsoft,
            "yahoo" | "aol" => Self::Yahoo,
            "gmx" => Self::UnitedInternet,
            _ => Self::Other,
        }
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gmail => "gmail",
            Self::Microsoft => "microsoft",
            Self::Yahoo => "yahoo",
            Self::Apple => "apple",
            Self::UnitedInternet => "united internet",
            Self::Access => "access",
            Self::Public => "public sector",
            Self::Other => "other",
        }
    }
}

/// The domain of an address, in small letters.
pub(super) fn domain_of(address: &str) -> String {
    address.rsplit('@').next().unwrap_or_default().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("jo@Gmail.com", Provider::Gmail)]
    #[case("jo@hotmail.co.uk", Provider::Microsoft)]
    #[case("jo@yahoo.fr", Provider::Yahoo)]
    #[case("jo@me.com", Provider::Apple)]
    #[case("jo@gmx.net", Provider::UnitedInternet)]
    #[case("jo@btinternet.com", Provider::Access)]
    #[case("jo@council.gov.uk", Provider::Public)]
    #[case("jo@nhs.net", Provider::Public)]
    #[case("jo@notgov.uk", Provider::Other)]
    #[case("jo@northfold.example", Provider::Other)]
    #[case("", Provider::Other)]
    fn a_domain_counts_as_who_runs_it(#[case] address: &str, #[case] provider: Provider) {
        assert_eq!(Provider::of(address), provider);
    }
}
