//! A guess at what somebody meant who typed `gmial.com`.

use strsim::damerau_levenshtein;

use crate::domain::EmailAddress;

/// Domains that many people have their address at.
const COMMON: [&str; 28] = [
    "gmail.com",
    "googlemail.com",
    "outlook.com",
    "hotmail.com",
    "hotmail.co.uk",
    "hotmail.fr",
    "live.com",
    "live.co.uk",
    "msn.com",
    "yahoo.com",
    "yahoo.co.uk",
    "yahoo.fr",
    "yahoo.de",
    "icloud.com",
    "aol.com",
    "protonmail.com",
    "proton.me",
    "btinternet.com",
    "virginmedia.com",
    "talktalk.net",
    "sky.com",
    "nhs.net",
    "gmx.de",
    "gmx.net",
    "web.de",
    "t-online.de",
    "orange.fr",
    "ziggo.nl",
];

/// Domains that are near to those and are meant.
const REAL: [&str; 24] = [
    "mail.com",
    "email.com",
    "ymail.com",
    "fmail.com",
    "hmail.com",
    "pmail.com",
    "gmx.com",
    "gmx.at",
    "gmx.ch",
    "gmx.fr",
    "me.com",
    "mac.com",
    "aol.de",
    "aol.fr",
    "live.de",
    "live.fr",
    "live.nl",
    "yahoo.es",
    "yahoo.nl",
    "yahoo.ie",
    "hotmail.de",
    "hotmail.es",
    "outlook.de",
    "outlook.fr",
];

/// From this length on two mistakes are forgiven; shorter names are too near to each other.
const LONG: usize = 10;

/// The address that was probably meant; `None` where nothing looks mistyped.
pub(super) fn meant(address: &EmailAddress) -> Option<EmailAddress> {
    let domain = address.domain();
    if COMMON.contains(&domain) || REAL.contains(&domain) {
        return None;
    }
    let (mistakes, near) = COMMON.into_iter().map(|common| (damerau_levenshtein(common, domain), common)).min()?;
    // A name of four letters is one letter away from many others.
    let forgiven = match near.len() {
        ..8 => 0,
        8..LONG => 1,
        _ => 2,
    };
    if mistakes > forgiven {
        return None;
    }
    EmailAddress::parse(&format!("{}@{near}", address.local())).ok()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn guess(email: &str) -> Option<String> {
        meant(&EmailAddress::parse(email).unwrap()).map(|address| address.as_str().to_owned())
    }

    #[rstest]
    #[case("priya@gmial.com", "priya@gmail.com")]
    #[case("Priya.R+x@gmail.co", "Priya.R+x@gmail.com")]
    #[case("p@gmail.con", "p@gmail.com")]
    #[case("p@hotmial.con", "p@hotmail.com")]
    #[case("p@yaho.co.uk", "p@yahoo.co.uk")]
    #[case("p@outlok.com", "p@outlook.com")]
    #[case("p@btintenet.com", "p@btinternet.com")]
    fn a_slip_is_recognised(#[case] typed: &str, #[case] meant: &str) {
        assert_eq!(guess(typed).as_deref(), Some(meant));
    }

    #[rstest]
    #[case("p@gmail.com")]
    #[case("p@mail.com")]
    #[case("p@gmx.com")]
    #[case("p@sky.org")]
    #[case("p@nhs.uk")]
    #[case("p@northfold.example")]
    #[case("p@example.org")]
    #[case("p@webb.de")]
    fn what_may_be_meant_is_left_alone(#[case] typed: &str) {
        assert_eq!(guess(typed), None);
    }
}
