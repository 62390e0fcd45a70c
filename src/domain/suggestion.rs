//! Guesses the domain that was meant where somebody mistyped that of a common mailbox provider.

use strsim::osa_distance;

use super::EmailAddress;

/// Providers whose names are mistyped often, by name and endings; the first ending is the usual one.
const PROVIDERS: &[(&str, &[&str])] = &[
    ("gmail", &["com"]),
    ("googlemail", &["com"]),
    ("hotmail", &["com", "co.uk", "fr", "de", "it", "es", "nl", "be", "se", "ch", "ca"]),
    ("outlook", &["com", "fr", "de", "it", "es", "ie", "dk", "at", "be", "pt", "jp", "in"]),
    ("live", &["com", "co.uk", "fr", "de", "it", "nl", "be", "ie", "se", "dk", "no", "ca", "cn"]),
    ("yahoo", &["com", "co.uk", "fr", "de", "it", "es", "ie", "ca", "co.in", "in", "co.jp", "com.au", "com.br"]),
    ("icloud", &["com"]),
    ("btinternet", &["com"]),
    ("btopenworld", &["com"]),
    ("virginmedia", &["com"]),
    ("ntlworld", &["com"]),
    ("talktalk", &["net"]),
    ("blueyonder", &["co.uk"]),
    ("tiscali", &["co.uk", "it"]),
    ("rocketmail", &["com"]),
    ("protonmail", &["com", "ch"]),
    ("fastmail", &["com", "fm"]),
    ("comcast", &["net"]),
    ("verizon", &["net"]),
    ("sbcglobal", &["net"]),
    ("wanadoo", &["fr"]),
    ("laposte", &["net"]),
];

/// Providers that have one ending in all the world, so that any other is a mistake.
const ONE_ENDING: &[&str] = &["gmail", "googlemail", "icloud", "btinternet", "ntlworld"];

/// Names that are mistyped by more slips than one, so often that they are known.
const OFTEN: &[(&str, &str)] =
    &[("icould", "icloud"), ("gmaol", "gmail"), ("hotamil", "hotmail"), ("homtial", "hotmail")];

/// Domains of real mailboxes that look like a mistyped other one, or are too short to guess at.
const REAL: &str = "\
    mail.com email.com ymail.com fmail.co.uk gmx.com gmx.net gmx.de gmx.co.uk msn.com me.com mac.com aol.com \
    aol.co.uk sky.com plus.com proton.me pm.me hey.com zoho.com web.de cloud.com wahoo.com google.com yandex.com \
    tuta.com inmail.com live.com.au live.com.mx hotmail.com.br outlook.com.br yahoo.com.mx yahoo.com.ar \
    yahoo.co.id verizon.com comcast.com talktalk.co.uk laposte.fr nhs.net orange.fr free.fr qq.com 163.com \
    126.com";

/// The endings that were meant by last labels that no registry has.
const NO_ENDINGS: &[(&str, &str)] = &[
    ("com", "con cmo ocm vom xom cim cpm comm coom ccom conm comn"),
    ("co.uk", "couk co-uk"),
    ("org", "orgg ogr rog"),
    ("net", "nett ner nte"),
    ("uk", "ukk uuk ik yk uj ul ku"),
];

/// Real endings that nobody has a mailbox of these providers under, and that are one slip from the usual one.
const SLIPS: &[&str] = &["co", "cm", "om", "c", "m", "cc", "com.uk", "com.com", "net.com", "con.com"];

impl EmailAddress {
    /// The address that was probably meant, where the domain looks like a slip of the fingers: `gmial.com`,
    /// `hotnail.co.uk`, `.con`, `.co.ukk`. Never for the domain of a common provider, nor for real ones that only
    /// resemble one. It is a hint: what was typed may be right.
    pub fn suggestion(&self) -> Option<Self> {
        let domain = meant(self.domain())?;
        Self::parse(&format!("{}@{domain}", self.local())).ok().filter(|meant| meant != self)
    }
}

fn meant(domain: &str) -> Option<String> {
    if is_known(domain) {
        return None;
    }
    let bare = domain.strip_prefix("www.").unwrap_or(domain);
    if is_known(bare) {
        return Some(bare.to_owned());
    }
    // A dot that is missing, doubled by another key, or in the wrong place.
    let dotless = |text: &str| text.replace(['.', '-'], "");
    let misplaced =
        providers().find(|(name, ending)| name.len() > 4 && dotless(bare) == format!("{name}{}", dotless(ending)));
    if let Some((name, ending)) = misplaced {
        return Some(format!("{name}.{ending}"));
    }
    let (name, ending) = bare.split_once('.')?;
    if let Some(whole) = with_ending(name, ending) {
        return Some(whole);
    }
    if let Some(ending) = repaired(ending) {
        let whole = format!("{name}.{ending}");
        return meant(&whole).or(Some(whole));
    }
    let (provider, endings) = PROVIDERS.iter().find(|(provider, _)| *provider == nearest_name(name).unwrap_or(name))?;
    let usual = endings.first()?;
    let slipped = SLIPS.contains(&ending) || ONE_ENDING.contains(provider) && *provider == name;
    let british = endings.contains(&"co.uk") && ending != "uk" && is_nearly_british(ending);
    match (british, slipped) {
        (true, _) => Some(format!("{provider}.co.uk")),
        (_, true) => Some(format!("{provider}.{usual}")),
        _ => None,
    }
}

/// The provider's domain when the ending is one of its own and the name is nearly its name.
fn with_ending(name: &str, ending: &str) -> Option<String> {
    let provider = nearest_name(name)?;
    providers().any(|own| own == (provider, ending)).then(|| format!("{provider}.{ending}"))
}

/// The provider whose name is one slip away; two for the long names, which nothing else resembles.
fn nearest_name(name: &str) -> Option<&'static str> {
    if let Some((_, meant)) = OFTEN.iter().find(|(often, _)| *often == name) {
        return Some(meant);
    }
    let slips = |provider: &str| match provider.len() {
        0..5 => 0,
        5..8 => 1,
        _ if provider.chars().next() == name.chars().next() => 2,
        _ => 1,
    };
    let near = PROVIDERS.iter().map(|(provider, _)| (osa_distance(provider, name), *provider));
    near.filter(|(distance, provider)| (1..=slips(provider)).contains(distance))
        .min_by_key(|near| near.0)
        .map(|near| near.1)
}

/// The ending with a last label that exists.
fn repaired(ending: &str) -> Option<String> {
    let (before, last) = match ending.rsplit_once('.') {
        Some((before, last)) => (format!("{before}."), last),
        None => (String::new(), ending),
    };
    let (meant, _) = NO_ENDINGS.iter().find(|(_, wrong)| wrong.split(' ').any(|wrong| wrong == last))?;
    Some(format!("{before}{meant}"))
}

/// Whether it is one slip from `co.uk`, and no country's own.
fn is_nearly_british(ending: &str) -> bool {
    let last = ending.rsplit('.').next().unwrap_or_default();
    osa_distance(ending, "co.uk") == 1 && (last == "uk" || last.len() != 2)
}

fn is_known(domain: &str) -> bool {
    REAL.split(' ').any(|real| real == domain)
        || providers()
            .any(|(name, ending)| domain.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')) == Some(ending))
}

fn providers() -> impl Iterator<Item = (&'static str, &'static str)> {
    PROVIDERS.iter().flat_map(|(name, endings)| endings.iter().map(move |ending| (*name, *ending)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hint(domain: &str) -> Option<String> {
        let address = EmailAddress::parse(&format!("Ann.Marsh+x@{domain}")).unwrap();
        let meant = address.suggestion()?;
        assert_eq!(meant.local(), "Ann.Marsh+x");
        Some(meant.domain().to_owned())
    }

    #[test]
    fn a_slip_of_the_fingers_is_known() {
        for (typed, meant) in [
            ("gmial.com", "gmail.com"),
            ("gamil.com", "gmail.com"),
            ("gnail.com", "gmail.com"),
            ("gmail.co", "gmail.com"),
            ("gmail.con", "gmail.com"),
            ("gmial.con", "gmail.com"),
            ("gmail.co.uk", "gmail.com"),
            ("www.gmail.com", "gmail.com"),
            ("googlemial.com", "googlemail.com"),
            ("hotnail.co.uk", "hotmail.co.uk"),
            ("hotmial.com", "hotmail.com"),
            ("hotmail.co.ukk", "hotmail.co.uk"),
            ("hotnail.co.ukk", "hotmail.co.uk"),
            ("hotmail.c.uk", "hotmail.co.uk"),
            ("hotmail.couk", "hotmail.co.uk"),
            ("hotmailco.uk", "hotmail.co.uk"),
            ("hotmail.cm", "hotmail.com"),
            ("yaho.co.uk", "yahoo.co.uk"),
            ("yahooo.com", "yahoo.com"),
            ("outlok.com", "outlook.com"),
            ("icould.com", "icloud.com"),
            ("btintenet.com", "btinternet.com"),
            ("btinternet.co.uk", "btinternet.com"),
            ("virginmeda.com", "virginmedia.com"),
            ("talktak.net", "talktalk.net"),
            ("blueyonder.co.ik", "blueyonder.co.uk"),
            ("northfold.con", "northfold.com"),
            ("northfold.co.ukk", "northfold.co.uk"),
            ("northfold.org.yk", "northfold.org.uk"),
        ] {
            assert_eq!(hint(typed).as_deref(), Some(meant), "{typed}");
        }
    }

    #[test]
    fn real_domains_that_resemble_one_raise_no_alarm() {
        let real = "mail.com email.com gmx.com gmx.at ymail.com hotmail.gr yahoo.co.id yahoo.com.ph outlook.sa \
            live.com.pt cloud.com aon.com line.com olive.com alive.co.uk bt.com sky.com sky.de me.com \
            tme.com outdoor.com hotel.com virgin.com proton.me pm.com northfold.example example.co \
            example.cm nhs.net nhs.uk google.com talktalk.co.uk postmail.com comcast.com free.org \
            live.org.uk";
        for real in real.split(' ') {
            assert_eq!(hint(real), None, "{real}");
        }
        for (name, ending) in providers() {
            assert_eq!(hint(&format!("{name}.{ending}")), None);
        }
    }

    proptest! {
        #[test]
        fn a_hint_is_another_address_of_the_same_person_and_needs_no_further_one(
            domain in "(gmail|hotmail|yahoo|outlook|btinternet|northfold|[a-z]{3,9})[a-z]?\\.(com|co\\.uk|con|[a-z]{2,4}|co\\.[a-z]{2})",
        ) {
            let address = EmailAddress::parse(&format!("ann@{domain}")).unwrap();
            if let Some(meant) = address.suggestion() {
                prop_assert_ne!(&meant, &address);
                prop_assert_eq!(meant.local(), "ann");
                prop_assert_eq!(meant.suggestion(), None, "{} led to {}", address.domain(), meant.domain());
            }
        }
    }
}
