//! The settings of `config.toml` as the rooms take them: every value here has been checked.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDate;
use chrono_tz::Tz;
use ipnet::IpNet;
use url::Url;

use super::local_text::LocalText;
use super::public::{Confirmation, Subscribe, Web};
use super::relays::Smtp;
use super::secret::Secret;
use super::source::{Collect, Source, Topic};
use super::theme::Theme;
use super::urls::is_loopback;
use super::utm::Utm;
use crate::dkim::Signer;
use crate::domain::{EmailAddress, Locale};
use crate::schedule::Schedule;
use crate::wording::Wordings;

/// Everything that `config.toml` and the environment say.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it was read from; relative paths count from its folder and are resolved here already.
    pub file: PathBuf,
    /// Where the web pages are served.
    pub server: Server,
    /// Where everything is kept.
    pub store: Store,
    /// Who the mails are from, unless a digest has its own.
    pub sender: Sender,
    /// The relays that take the mails, and what holds for all of them.
    pub smtp: Smtp,
    /// How deliveries are treated.
    pub delivery: Delivery,
    /// Who signs the mails; none: nobody, or the relay.
    pub dkim: Option<Dkim>,
    /// How sources are read.
    pub collect: Collect,
    /// The sources, in the order of the file.
    pub sources: Vec<Source>,
    /// How topics are called, in the order of the file.
    pub topics: Vec<Topic>,
    /// The digests, in the order of the file.
    pub digests: Vec<Digest>,
    /// What happens when people leave.
    pub leave: Leave,
    /// How long what is known of people is kept.
    pub retention: Retention,
    /// How people are asked whether they really want it.
    pub confirmation: Confirmation,
    /// The operator's own templates.
    pub templates: Templates,
    /// The site around, and its look.
    pub web: Web,
    /// Where warnings to the operator go.
    pub alerts: Alerts,
    /// The form that people join with.
    pub subscribe: Subscribe,
    /// See [`Config::ignored_variables`].
    pub ignored_variables: Vec<String>,
}

impl Config {
    /// The digest of that id.
    pub fn digest(&self, id: &str) -> Option<&Digest> {
        self.digests.iter().find(|digest| digest.id == id)
    }

    /// Who a mail about all of these digests is from: their own sender where they have one and the same, else that of all.
    pub fn sender_of<'d>(&self, digests: impl IntoIterator<Item = &'d str>) -> &Sender {
        let mut senders = digests.into_iter().filter_map(|id| self.digest(id)).map(|digest| &digest.sender);
        let first = senders.next().unwrap_or(&self.sender);
        if senders.all(|other| (&other.name, &other.email) == (&first.name, &first.email)) {
            first
        } else {
            &self.sender
        }
    }

    /// The source of that id.
    pub fn source(&self, id: &str) -> Option<&Source> {
        self.sources.iter().find(|source| source.id == id)
    }

    /// The topic of that id, where the configuration says more of it than its id.
    pub fn topic(&self, id: &str) -> Option<&Topic> {
        self.topics.iter().find(|topic| topic.id == id)
    }

    /// How the topic is called in a locale, or else in `fallback`, the digest's: its title from the configuration, else its id
    /// with a capital letter.
    pub fn topic_title(&self, id: &str, locale: &Locale, fallback: &Locale) -> String {
        let title = self.topic(id).map(|topic| topic.title.of(locale, fallback).to_owned());
        title.unwrap_or_else(|| super::values::as_words(id))
    }
}

/// `[server]`.
#[derive(Clone, Debug)]
pub struct Server {
    /// Address and port that the web server binds.
    pub listen: SocketAddr,
    /// How the outside reaches it; ends without a slash.
    pub public_url: String,
    /// Networks of proxies whose word on where a request comes from counts.
    pub trusted_proxies: Vec<IpNet>,
    /// Networks that may read the metrics, beside this machine.
    pub metrics_from: Vec<IpNet>,
}

impl Server {
    /// What to do where nobody but a proxy on this machine can reach `listen`, and none such is named: all visitors look like
    /// this machine then. `None`: it is named, or the pages are for this machine alone.
    pub fn unnamed_proxy(&self) -> Option<String> {
        let peer = self.listen.ip();
        let is_tried_out = Url::parse(&self.public_url).is_ok_and(|url| is_loopback(&url));
        let is_named = self.trusted_proxies.iter().any(|net| net.contains(&peer));
        (peer.is_loopback() && !is_named && !is_tried_out).then(|| {
            format!(
                "server.listen is {peer}, which only a proxy on this machine reaches for others, and server.trusted_proxies \
                 does not name it: visitors cannot be told apart, so that subscribe.per_network does not hold for them and \
                 the evidence of a consent has no address of theirs; set server.trusted_proxies = [\"{peer}\"]"
            )
        })
    }
}

/// `[store]`.
#[derive(Clone, Debug)]
pub struct Store {
    /// Which database.
    pub url: StoreUrl,
    /// The key file.
    pub keys: PathBuf,
}

/// Which database keeps everything.
#[derive(Clone, Debug)]
pub enum StoreUrl {
    /// A file of SQLite.
    Sqlite(PathBuf),
    /// A `postgres://` URL, password included.
    Postgres(Secret),
}

/// `[sender]`, or a digest's own.
#[derive(Clone, Debug)]
pub struct Sender {
    /// The display name.
    pub name: String,
    /// The `From` address.
    pub email: EmailAddress,
    /// Where answers go; none: to the sender.
    pub reply_to: Option<EmailAddress>,
    /// Where a mail program may send a mail that unsubscribes; none: only the link does.
    pub unsubscribe_email: Option<EmailAddress>,
    /// The postal address in the footer; may be empty for a relay on this machine.
    pub postal_address: String,
    /// Company or charity number; may be empty.
    pub legal: String,
    /// The contact page.
    pub contact_url: Option<Url>,
    /// Social links: name as in the file (`linkedin`), address.
    pub social: Vec<(String, Url)>,
}

/// `[delivery]`.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// What happens to a delivery whose deliverer died in the middle.
    pub after_crash: AfterCrash,
    /// How long a delivery that is refused for now is tried again.
    pub retry_for: Duration,
    /// An issue is held when so many in a hundred of its latest deliveries have failed.
    pub hold_when_failing: Option<u8>,
}

/// What happens to a delivery whose deliverer died in the middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterCrash {
    /// It is sent again, with the same Message-ID.
    Resend,
    /// What is of an issue waits, `uncertain`, for an operator.
    Hold,
}

/// `[dkim]`.
#[derive(Clone, Debug)]
pub struct Dkim {
    /// How it is written.
    pub names: DkimNames,
    /// What signs, with the keys out of their files.
    pub signer: Arc<Signer>,
}

/// Domain, selectors and files of `[dkim]`; the files need not be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DkimNames {
    /// The domain that signs.
    pub domain: String,
    /// The name of the RSA key within the domain.
    pub selector: String,
    /// The file of the RSA key.
    pub key_file: PathBuf,
    /// Name and file of an Ed25519 key beside it.
    pub ed25519: Option<(String, PathBuf)>,
}

/// `[[digest]]`.
#[derive(Clone, Debug)]
pub struct Digest {
    /// Its id.
    pub id: String,
    /// Its name.
    pub title: String,
    /// The template of the subject.
    pub subject: String,
    /// The ids of its sources.
    pub sources: Vec<String>,
    /// Topics in the order of their sections; others follow.
    pub sections: Vec<String>,
    /// When it goes out.
    pub schedule: Schedule,
    /// How late a missed period may still go out.
    pub catch_up: Duration,
    /// Over how long a time an issue's deliveries are spread; zero: none.
    pub spread: Duration,
    /// The calendar of days on which no issue comes out.
    pub holidays: Option<PathBuf>,
    /// With fewer articles the period is skipped.
    pub min_articles: usize,
    /// How many are shown with an excerpt; the rest is listed by title.
    pub max_articles: usize,
    /// A campaign line on top.
    pub banner: Option<Banner>,
    /// What stands above the lead story.
    pub intro: Option<Intro>,
    /// What somebody gets who chose only topics that an issue does not have.
    pub when_topics_are_empty: WhenEmpty,
    /// The name of its template, without ending.
    pub template: String,
    /// Its colours, fonts, logo and width.
    pub theme: Theme,
    /// The language of its wording and dates.
    pub locale: Locale,
    /// Whether strangers are offered it: on the subscribe page and in the archive.
    pub public: bool,
    /// Who it is from: its own sender over that of `[sender]`.
    pub sender: Sender,
    /// The campaign that its article links name.
    pub utm: Option<Utm>,
    /// Whether its article links count how often they are followed, by all readers together.
    pub count_clicks: bool,
    /// Called after each finished or skipped period; whoever knows it can call it too.
    pub ping_url: Option<Secret>,
}

impl Digest {
    /// The zone that its schedule and its dates are read in.
    pub fn timezone(&self) -> Tz {
        self.schedule.timezone()
    }
}

/// A campaign line on top of a digest.
#[derive(Clone, Debug)]
pub struct Banner {
    /// What it says.
    pub text: LocalText,
    /// Where it leads.
    pub url: Option<Url>,
    /// Its first day, in the digest's zone.
    pub from: Option<NaiveDate>,
    /// Its last day.
    pub until: Option<NaiveDate>,
}

impl Banner {
    /// Whether it is shown on that day.
    pub fn is_for(&self, day: NaiveDate) -> bool {
        self.from.is_none_or(|from| from <= day) && self.until.is_none_or(|until| day <= until)
    }
}

/// What stands above the lead story of a digest.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Intro {
    /// What it says; an empty line begins a paragraph.
    pub text: LocalText,
    /// Who says it; may be empty.
    pub by: LocalText,
}

/// What somebody gets who chose only topics that an issue does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenEmpty {
    /// No mail.
    #[default]
    Skip,
    /// The rest of the issue.
    Rest,
}

/// `[leave]`.
#[derive(Clone, Debug, Default)]
pub struct Leave {
    /// Whether whoever leaves gets a last mail, with the way back.
    pub goodbye_mail: bool,
}

/// `[retention]`.
#[derive(Clone, Debug)]
pub struct Retention {
    /// How long the evidence of consent says from which network and program it came; zero: never.
    pub network: Duration,
    /// Whether only the beginning of the network address is kept.
    pub network_prefix: bool,
    /// How long it is kept who got what after an issue is finished; then only how many did.
    pub deliveries: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        let year = Duration::from_secs(365 * 86_400);
        Self { network: year, network_prefix: false, deliveries: year }
    }
}

impl Retention {
    /// What the evidence keeps of a network address: all of it, or the first 24 bits of an IPv4 and 48 of an IPv6 address,
    /// which tell the provider and not the person; `None`: nothing.
    pub fn network(&self, address: IpAddr) -> Option<String> {
        if self.network.is_zero() {
            return None;
        }
        let address = address.to_canonical();
        if !self.network_prefix {
            return Some(address.to_string());
        }
        let length = if address.is_ipv4() { 24 } else { 48 };
        IpNet::new(address, length).ok().map(|network| network.trunc().to_string())
    }
}

/// `[templates]`.
#[derive(Clone, Debug, Default)]
pub struct Templates {
    /// Files here replace built-in ones of the same name; those in `locales` add locales.
    pub dir: Option<PathBuf>,
    /// The locales; they hold once the configuration is taken.
    pub wordings: Wordings,
    /// What those locales leave to others to say, a sentence for each.
    pub gaps: Vec<String>,
}

/// `[alerts]`.
#[derive(Clone, Debug, Default)]
pub struct Alerts {
    /// Where they are mailed.
    pub email: Option<EmailAddress>,
    /// The address that they are posted to; whoever knows it can post there too.
    pub webhook: Option<Secret>,
}
