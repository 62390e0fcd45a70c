//! The effective configuration as text, with `***` where secrets are.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use url::Url;

use crate::domain::EmailAddress;

use super::local_text::LocalText;
use super::public::{SubscribeShown, WebShown};
use super::secret::Secret;
use super::settings::{self, AfterCrash, Config, Digest, Intro, Sender, WhenEmpty};
use super::show_dkim::DkimShown;
use super::show_relays::{RelayShown, SmtpShown, relays_shown};
use super::show_sources::{SourceShown, backlog};
use super::theme::Theme;
use super::urls::write_store;
use super::utm::Utm;
use super::values::{write_duration, write_path};

impl Config {
    /// The effective configuration as TOML: with defaults and variables of the environment, secrets as `***`.
    /// Secrets aside, it reads back as the same configuration.
    pub fn show(&self) -> String {
        toml::to_string(&Root::of(self)).unwrap_or_else(|error| format!("# cannot be shown: {error}\n"))
    }

    /// The same as JSON.
    pub fn show_json(&self) -> serde_json::Value {
        serde_json::to_value(Root::of(self)).unwrap_or_default()
    }
}

#[derive(Serialize)]
struct Root<'a> {
    server: Server<'a>,
    store: Store,
    sender: SenderShown<'a>,
    smtp: SmtpShown<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    relay: Vec<RelayShown<'a>>,
    delivery: Delivery,
    #[serde(skip_serializing_if = "Option::is_none")]
    dkim: Option<DkimShown<'a>>,
    collect: Collect,
    leave: Leave,
    retention: Retention,
    confirmation: Confirmation,
    templates: Templates,
    web: WebShown<'a>,
    subscribe: SubscribeShown<'a>,
    alerts: AlertsShown<'a>,
    source: Vec<SourceShown<'a>>,
    topic: Vec<Topic<'a>>,
    digest: Vec<DigestShown<'a>>,
}

#[derive(Serialize)]
struct Server<'a> {
    listen: String,
    public_url: &'a str,
    trusted_proxies: Vec<String>,
    metrics_from: Vec<String>,
}

#[derive(Serialize)]
struct Store {
    url: String,
    keys: String,
}

#[derive(Serialize)]
struct SenderShown<'a> {
    name: &'a str,
    email: &'a str,
    reply_to: &'a str,
    unsubscribe_email: &'a str,
    postal_address: &'a str,
    legal: &'a str,
    contact_url: &'a str,
    #[serde(serialize_with = "as_map")]
    social: &'a [(String, Url)],
}

#[derive(Serialize)]
struct Confirmation {
    valid_for: String,
    reminder_after: String,
    forget_after: String,
    welcome_mail: bool,
}

#[derive(Serialize)]
struct Delivery {
    after_crash: &'static str,
    retry_for: String,
    hold_when_failing: String,
}

#[derive(Serialize)]
struct Collect {
    allow_private_networks: bool,
    backlog: String,
}

#[derive(Serialize)]
struct Leave {
    goodbye_mail: bool,
}

#[derive(Serialize)]
struct Retention {
    network: String,
    network_prefix: bool,
    deliveries: String,
}

#[derive(Serialize)]
struct Templates {
    dir: String,
}

#[derive(Serialize)]
struct AlertsShown<'a> {
    email: &'a str,
    webhook: String,
}

#[derive(Serialize)]
struct Topic<'a> {
    id: &'a str,
    title: &'a LocalText,
    description: &'a LocalText,
}

#[derive(Serialize)]
struct DigestShown<'a> {
    id: &'a str,
    title: &'a str,
    subject: &'a str,
    sources: &'a [String],
    sections: &'a [String],
    schedule: &'a str,
    timezone: &'static str,
    catch_up: String,
    spread: String,
    holidays: String,
    min_articles: usize,
    max_articles: usize,
    when_topics_are_empty: &'static str,
    template: &'a str,
    locale: &'a str,
    public: bool,
    sender: OwnSender<'a>,
    count_clicks: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    utm: Option<&'a Utm>,
    ping_url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    banner: Option<BannerShown<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    intro: Option<&'a Intro>,
    theme: &'a Theme,
}

#[derive(Serialize)]
struct OwnSender<'a> {
    name: &'a str,
    email: &'a str,
    reply_to: &'a str,
}

#[derive(Serialize)]
struct BannerShown<'a> {
    text: &'a LocalText,
    url: &'a str,
    from: String,
    until: String,
}

impl<'a> Root<'a> {
    fn of(config: &'a Config) -> Self {
        Self {
            server: Server::of(&config.server),
            store: Store { url: write_store(&config.store.url), keys: write_path(&config.store.keys) },
            sender: sender_shown(&config.sender),
            smtp: SmtpShown::of(&config.smtp),
            relay: relays_shown(&config.smtp),
            delivery: Delivery::of(&config.delivery),
            dkim: config.dkim.as_ref().map(|dkim| DkimShown::of(&dkim.names)),
            collect: Collect {
                allow_private_networks: config.collect.allow_private_networks,
                backlog: backlog(config.collect.backlog),
            },
            leave: Leave { goodbye_mail: config.leave.goodbye_mail },
            retention: Retention::of(&config.retention),
            confirmation: Confirmation::of(&config.confirmation),
            templates: Templates { dir: config.templates.dir.as_deref().map(write_path).unwrap_or_default() },
            web: WebShown::of(&config.web),
            subscribe: SubscribeShown::of(&config.subscribe),
            alerts: AlertsShown {
                email: config.alerts.email.as_ref().map(EmailAddress::as_str).unwrap_or_default(),
                webhook: secret_address(config.alerts.webhook.as_ref()),
            },
            source: config.sources.iter().map(SourceShown::of).collect(),
            topic: config.topics.iter().map(Topic::of).collect(),
            digest: config.digests.iter().map(digest).collect(),
        }
    }
}

impl<'a> Server<'a> {
    fn of(server: &'a settings::Server) -> Self {
        Self {
            listen: server.listen.to_string(),
            public_url: &server.public_url,
            trusted_proxies: server.trusted_proxies.iter().map(ToString::to_string).collect(),
            metrics_from: server.metrics_from.iter().map(ToString::to_string).collect(),
        }
    }
}

impl Delivery {
    fn of(delivery: &settings::Delivery) -> Self {
        Self {
            after_crash: match delivery.after_crash {
                AfterCrash::Resend => "resend",
                AfterCrash::Hold => "hold",
            },
            retry_for: write_duration(delivery.retry_for),
            hold_when_failing: delivery.hold_when_failing.map(|share| format!("{share}%")).unwrap_or_default(),
        }
    }
}

impl Retention {
    fn of(retention: &settings::Retention) -> Self {
        Self {
            network: write_duration(retention.network),
            network_prefix: retention.network_prefix,
            deliveries: write_duration(retention.deliveries),
        }
    }
}

impl Confirmation {
    fn of(confirmation: &super::Confirmation) -> Self {
        Self {
            valid_for: write_duration(confirmation.valid_for),
            reminder_after: confirmation.reminder_after.map(write_duration).unwrap_or_default(),
            forget_after: write_duration(confirmation.forget_after),
            welcome_mail: confirmation.welcome_mail,
        }
    }
}

impl<'a> Topic<'a> {
    fn of(topic: &'a super::Topic) -> Self {
        Self { id: &topic.id, title: &topic.title, description: &topic.description }
    }
}

fn sender_shown(sender: &Sender) -> SenderShown<'_> {
    SenderShown {
        name: &sender.name,
        email: sender.email.as_str(),
        reply_to: sender.reply_to.as_ref().map(EmailAddress::as_str).unwrap_or_default(),
        unsubscribe_email: sender.unsubscribe_email.as_ref().map(EmailAddress::as_str).unwrap_or_default(),
        postal_address: &sender.postal_address,
        legal: &sender.legal,
        contact_url: address(sender.contact_url.as_ref()),
        social: &sender.social,
    }
}

fn digest(digest: &Digest) -> DigestShown<'_> {
    DigestShown {
        id: &digest.id,
        title: &digest.title,
        subject: &digest.subject,
        sources: &digest.sources,
        sections: &digest.sections,
        schedule: digest.schedule.expression(),
        timezone: digest.timezone().name(),
        catch_up: write_duration(digest.catch_up),
        spread: write_duration(digest.spread),
        holidays: digest.holidays.as_deref().map(write_path).unwrap_or_default(),
        min_articles: digest.min_articles,
        max_articles: digest.max_articles,
        when_topics_are_empty: match digest.when_topics_are_empty {
            WhenEmpty::Skip => "skip",
            WhenEmpty::Rest => "rest",
        },
        template: &digest.template,
        locale: digest.locale.as_str(),
        public: digest.public,
        sender: OwnSender {
            name: &digest.sender.name,
            email: digest.sender.email.as_str(),
            reply_to: digest.sender.reply_to.as_ref().map(EmailAddress::as_str).unwrap_or_default(),
        },
        count_clicks: digest.count_clicks,
        utm: digest.utm.as_ref(),
        ping_url: secret_address(digest.ping_url.as_ref()),
        banner: digest.banner.as_ref().map(|banner| BannerShown {
            text: &banner.text,
            url: address(banner.url.as_ref()),
            from: banner.from.map(|day| day.to_string()).unwrap_or_default(),
            until: banner.until.map(|day| day.to_string()).unwrap_or_default(),
        }),
        intro: digest.intro.as_ref(),
        theme: &digest.theme,
    }
}

pub(super) fn address(url: Option<&Url>) -> &str {
    url.map(Url::as_str).unwrap_or_default()
}

/// An address without what makes it a secret: its path.
fn secret_address(url: Option<&Secret>) -> String {
    let url = url.and_then(|url| Url::parse(url.reveal()).ok());
    url.map(|url| format!("{}/***", url.origin().ascii_serialization())).unwrap_or_default()
}

/// A list of pairs as a table, in its order.
fn as_map<S: Serializer>(pairs: &[(String, Url)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(pairs.len()))?;
    for (name, url) in pairs {
        map.serialize_entry(name, url.as_str())?;
    }
    map.end()
}
