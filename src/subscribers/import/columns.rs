//! The columns of a table of people: which of them means what, in our own files and in those of other programs.

use super::Format;
use super::charset::Letters;
use super::no_columns::NoColumn;

macro_rules! columns {
    ($($(#[$meta:meta])* $name:ident,)*) => {
        /// The columns that mean something.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(super) enum Column { $($(#[$meta])* $name,)* }

        impl Column {
            /// How many there are.
            pub(super) const COUNT: usize = [$(Self::$name,)*].len();
        }
    };
}

columns! {
    Email,
    Name,
    FirstName,
    LastName,
    State,
    /// The state of somebody who is suppressed, that apart.
    OwnState,
    Topics,
    Digests,
    Locale,
    ConfirmedAt,
    Evidence,
    /// Each digest with its topics, pause and leaving, as our own export writes it.
    Subscriptions,
    /// Whether, since when and why the address is suppressed.
    Suppressed,
    /// The network address that agreed.
    Network,
    CreatedAt,
    /// What stands for the person in the links of sent mails.
    Id,
    /// All events of consent, as our own export writes them.
    Consent,
    /// What waits for an answer, in the same way.
    Requests,
    /// Why they left, in the same way.
    Reasons,
    /// The addresses that the person had before.
    FormerAddresses,
    /// When they are to be asked to confirm, and what import brought them.
    Turn,
    // Mailchimp
    OptinTime,
    OptinIp,
    UnsubTime,
    UnsubReason,
    CleanTime,
    // phpList
    IsConfirmed,
    IsBlacklisted,
    IsDisabled,
    Membership,
    // listmonk
    Lists,
    UpdatedAt,
}

/// What the columns of a file mean, in their order.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// Whose export it is; never [`Format::Detect`].
    pub(super) format: Format,
    /// For each column of the file, what it means.
    pub(super) columns: Vec<Option<Column>>,
    /// The columns without a meaning that may hold a person's groups, by their place.
    pub(super) extra: Vec<usize>,
    /// The columns beyond those that say of somebody that they have gone.
    pub(super) noes: Vec<NoColumn>,
    /// The headers of columns that mean nothing here.
    pub(super) ignored: Vec<String>,
    /// Whether every letter stands there as it was written.
    pub(super) letters: Letters,
}

impl Layout {
    /// Reads a header. The error says what is wrong with it.
    pub(super) fn read<'h>(header: impl Iterator<Item = &'h str>, wanted: Format) -> Result<Self, String> {
        let names: Vec<&str> = header.map(str::trim).collect();
        let keys: Vec<String> = names.iter().map(|name| key(name)).collect();
        let format = match wanted {
            Format::Detect => detect(&keys),
            format => format,
        };
        if let Some(missing) = missing(format, &keys) {
            return Err(missing);
        }
        let columns: Vec<Option<Column>> = keys.iter().map(|key| meaning(format, key)).collect();
        let twice = columns.iter().enumerate().find(|(at, column)| column.is_some() && columns[..*at].contains(column));
        if let Some((at, _)) = twice {
            return Err(format!("a column stands twice in the header: `{}`", shown(names[at])));
        }
        if !columns.contains(&Some(Column::Email)) {
            return Err("the first line is no header with an `email` column".to_owned());
        }
        let free = |at: &usize| columns[*at].is_none() && !keys[*at].is_empty();
        let (mut extra, mut noes, mut ignored) = (Vec::new(), Vec::new(), Vec::new());
        for at in (0..names.len()).filter(free) {
            let (key, foreign) = (keys[at].as_str(), format != Format::Csv);
            let harmless = PHPLIST_OWN.contains(&key) || format == Format::Mailchimp && MAILCHIMP_OWN.contains(&key);
            let no = NoColumn::read(key, at, &shown(names[at]), foreign).filter(|no| !(harmless && no.is_hint()));
            let idle = no.as_ref().is_none_or(NoColumn::is_hint);
            noes.extend(no);
            if idle && format == Format::Mailchimp && !harmless {
                extra.push(at);
            } else if idle && format == Format::Csv {
                ignored.push(shown(names[at]));
            }
        }
        Ok(Self { format, columns, extra, noes, ignored, letters: Letters::default() })
    }

    /// Whether a column at that place or behind it may say of somebody that they have gone.
    pub(super) fn may_say_no_from(&self, place: usize) -> bool {
        let by_meaning = |column: &Option<Column>| column.is_some_and(|column| NOES.contains(&column));
        self.columns.iter().skip(place).any(by_meaning) || self.noes.iter().any(|no| no.at >= place && no.is_named())
    }

    /// Whether it is that of our own export.
    pub(super) fn is_own(&self) -> bool {
        self.columns.contains(&Some(Column::Consent))
    }
}

/// How many of the columns of that header mean something, to tell the delimiter.
pub(super) fn known(header: impl Iterator<Item = impl AsRef<str>>) -> usize {
    let all = [Format::Csv, Format::Mailchimp, Format::PhpList, Format::Listmonk];
    header.filter(|name| all.iter().any(|format| meaning(*format, &key(name.as_ref())).is_some())).count()
}

/// A header as it is compared: small letters and digits alone.
fn key(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// A header as it may be shown in a message.
fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(60).collect()
}

/// The columns with a meaning that may say of somebody that they have gone.
const NOES: [Column; 7] = [
    Column::State,
    Column::OwnState,
    Column::Suppressed,
    Column::UnsubTime,
    Column::CleanTime,
    Column::IsBlacklisted,
    Column::IsDisabled,
];

/// What Mailchimp writes beside the fields and groups of a list.
const MAILCHIMP_OWN: [&str; 17] = [
    "memberrating",
    "latitude",
    "longitude",
    "gmtoff",
    "dstoff",
    "timezone",
    "cc",
    "region",
    "lastchanged",
    "leid",
    "euid",
    "notes",
    "tags",
    "unsubcampaigntitle",
    "unsubcampaignid",
    "cleancampaigntitle",
    "cleancampaignid",
];

/// What phpList writes beside a list's attributes, and looks like a permission.
const PHPLIST_OWN: [&str; 6] = [
    "sendthissubscriberhtmlemails",
    "sendthisuserhtmlemails",
    "subscribepage",
    "whichpagewasusedtosubscribe",
    "uniqueidforsubscriber",
    "htmlemail",
];

fn detect(keys: &[String]) -> Format {
    let has = |key: &str| keys.iter().any(|have| have == key);
    if has("uuid") && has("attributes") && has("status") {
        Format::Listmonk
    } else if has("emailaddress") && ["memberrating", "leid", "euid", "optintime", "confirmtime"].into_iter().any(has) {
        Format::Mailchimp
    } else if (has("listmembership") || has("blacklisted") || has("htmlemail"))
        && keys.iter().any(|key| meaning(Format::PhpList, key) == Some(Column::IsConfirmed))
    {
        Format::PhpList
    } else {
        Format::Csv
    }
}

/// What an export of that program always has, and this header does not.
fn missing(format: Format, keys: &[String]) -> Option<String> {
    let has = |column| keys.iter().any(|key| meaning(format, key) == Some(column));
    let lacks = |program: &str, column: &str| {
        Some(format!(
            "this is no export of {program}: it has no column `{column}`; leave --format out to read it as it is"
        ))
    };
    match format {
        Format::Listmonk if !has(Column::State) => lacks("listmonk", "status"),
        Format::PhpList if !has(Column::IsConfirmed) => lacks("phpList", "confirmed"),
        Format::Mailchimp if !has(Column::Email) => lacks("Mailchimp", "Email Address"),
        _ => None,
    }
}

fn meaning(format: Format, key: &str) -> Option<Column> {
    let own = match format {
        Format::Csv | Format::Detect => csv(key),
        Format::Mailchimp => mailchimp(key),
        Format::PhpList => phplist(key),
        Format::Listmonk => listmonk(key),
    };
    own.or(match key {
        "email" | "emailaddress" | "mail" | "mailaddress" => Some(Column::Email),
        "name" | "fullname" | "displayname" => Some(Column::Name),
        "firstname" | "givenname" | "forename" | "fname" => Some(Column::FirstName),
        "lastname" | "surname" | "familyname" | "lname" => Some(Column::LastName),
        _ => None,
    })
}

fn csv(key: &str) -> Option<Column> {
    Some(match key {
        "state" | "status" => Column::State,
        "stateunsuppressed" => Column::OwnState,
        "topics" | "topic" => Column::Topics,
        "digests" | "digest" => Column::Digests,
        "locale" | "language" | "lang" => Column::Locale,
        "confirmedat" | "confirmtime" | "confirmedon" => Column::ConfirmedAt,
        "evidence" | "consentevidence" => Column::Evidence,
        "subscriptions" => Column::Subscriptions,
        "suppressed" => Column::Suppressed,
        "network" | "confirmip" | "ipaddress" => Column::Network,
        "createdat" | "subscribedat" => Column::CreatedAt,
        "id" => Column::Id,
        "consent" => Column::Consent,
        "joinrequests" => Column::Requests,
        "leavereasons" => Column::Reasons,
        "formeraddresses" => Column::FormerAddresses,
        "tobeasked" => Column::Turn,
        _ => return None,
    })
}

fn mailchimp(key: &str) -> Option<Column> {
    Some(match key {
        "optintime" => Column::OptinTime,
        "optinip" => Column::OptinIp,
        "confirmtime" => Column::ConfirmedAt,
        "confirmip" => Column::Network,
        "unsubtime" => Column::UnsubTime,
        "unsubreason" => Column::UnsubReason,
        "cleantime" => Column::CleanTime,
        _ => return None,
    })
}

fn phplist(key: &str) -> Option<Column> {
    Some(match key {
        "confirmed" | "isthisuserconfirmed" | "isthissubscriberconfirmed" => Column::IsConfirmed,
        "blacklisted" | "isthisuserblacklisted" | "isthissubscriberblacklisted" => Column::IsBlacklisted,
        "disabled" | "isthisaccountdisabled" => Column::IsDisabled,
        "optedin" | "didthisusermanuallyconfirm" | "didthissubscribermanuallyconfirm" => Column::Evidence,
        "entered" => Column::CreatedAt,
        "listmembership" => Column::Membership,
        _ => return None,
    })
}

fn listmonk(key: &str) -> Option<Column> {
    Some(match key {
        "status" => Column::State,
        "createdat" => Column::CreatedAt,
        "updatedat" => Column::UpdatedAt,
        "lists" => Column::Lists,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(header: &str) -> Result<Layout, String> {
        Layout::read(header.split(','), Format::Detect)
    }

    #[test]
    fn a_header_is_understood_in_usual_spellings() {
        let columns = layout(" E-Mail ,FIRST NAME,Last_Name,Status,Confirmed At,Shoe size").unwrap();
        let known = [Column::Email, Column::FirstName, Column::LastName, Column::State, Column::ConfirmedAt];
        assert_eq!(columns.columns, known.map(Some).into_iter().chain([None]).collect::<Vec<_>>());
        assert_eq!(columns.ignored, ["Shoe size"]);
    }

    #[test]
    fn an_export_of_another_program_is_known_by_its_columns() {
        for (header, format) in [
            ("uuid,email,name,attributes,status,created_at,updated_at", Format::Listmonk),
            ("Email Address,First Name,Last Name,MEMBER_RATING,OPTIN_TIME,CONFIRM_TIME,LEID,TAGS", Format::Mailchimp),
            (
                "Email,Is this subscriber confirmed,Is this subscriber blacklisted,Entered,List Membership",
                Format::PhpList,
            ),
            ("email,confirmed,blacklisted,optedin,htmlemail,uniqid,entered,modified", Format::PhpList),
            ("email,name,confirmed", Format::Csv),
            ("email,uuid", Format::Csv),
        ] {
            assert_eq!(layout(header).unwrap().format, format, "{header}");
        }
    }
}
