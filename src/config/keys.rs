//! Every key that a configuration may have, table by table.

pub const ROOT: &[&str] = &[
    "server",
    "store",
    "sender",
    "smtp",
    "relay",
    "delivery",
    "dkim",
    "collect",
    "source",
    "topic",
    "digest",
    "leave",
    "retention",
    "templates",
    "web",
    "alerts",
    "subscribe",
    "confirmation",
];
pub const SERVER: &[&str] = &["listen", "public_url", "trusted_proxies", "metrics_from"];
pub const STORE: &[&str] = &["url", "keys"];
pub const SENDER: &[&str] =
    &["name", "email", "reply_to", "unsubscribe_email", "postal_address", "legal", "contact_url", "social"];
pub const SMTP: &[&str] = &[
    "url",
    "username",
    "password",
    "password_file",
    "auth",
    "connections",
    "messages_per_connection",
    "rate",
    "per_domain",
    "warm_up",
    "tls_ca_file",
    "opportunistic_tls",
    "pipelining",
    "timeout",
];
pub const RELAY: &[&str] = &[
    "id",
    "url",
    "weight",
    "username",
    "password",
    "password_file",
    "auth",
    "connections",
    "messages_per_connection",
    "rate",
    "warm_up",
    "tls_ca_file",
    "opportunistic_tls",
    "pipelining",
    "timeout",
];
pub const WARM_UP: &[&str] = &["from", "first_day", "doubles"];
pub const DELIVERY: &[&str] = &["after_crash", "retry_for", "hold_when_failing"];
pub const DKIM: &[&str] = &["domain", "selector", "key_file", "ed25519_selector", "ed25519_key_file"];
pub const COLLECT: &[&str] = &["allow_private_networks", "backlog"];
pub const SOURCE: &[&str] = &["id", "feed", "page", "topic", "topics", "poll", "backlog", "select"];
pub const SELECT: &[&str] = &["item", "title", "link", "date", "date_format", "excerpt", "author", "image", "category"];
pub const RULE: &[&str] = &["title", "url", "category", "topic"];
pub const TOPIC: &[&str] = &["id", "title", "description"];
pub const DIGEST: &[&str] = &[
    "id",
    "title",
    "subject",
    "sources",
    "sections",
    "schedule",
    "timezone",
    "catch_up",
    "spread",
    "holidays",
    "min_articles",
    "max_articles",
    "banner",
    "intro",
    "when_topics_are_empty",
    "template",
    "theme",
    "locale",
    "public",
    "sender",
    "utm",
    "count_clicks",
    "ping_url",
];
pub const BANNER: &[&str] = &["text", "url", "from", "until"];
pub const UTM: &[&str] = &["source", "medium", "campaign"];
pub const INTRO: &[&str] = &["text", "by"];
pub const THEME: &[&str] =
    &["accent", "ink", "muted", "paper", "background", "soft", "dark", "heading_font", "text_font", "logo", "width"];
pub const COLOURS: &[&str] = &["accent", "ink", "muted", "paper", "background", "soft"];
pub const LOGO: &[&str] = &["url", "width", "height"];
pub const OWN_SENDER: &[&str] = &["name", "email", "reply_to"];
pub const LEAVE: &[&str] = &["goodbye_mail"];
pub const RETENTION: &[&str] = &["network", "network_prefix", "deliveries"];
pub const TEMPLATES: &[&str] = &["dir"];
pub const ALERTS: &[&str] = &["email", "webhook"];
pub const CONFIRMATION: &[&str] = &["valid_for", "reminder_after", "forget_after", "welcome_mail"];
pub const WEB: &[&str] = &["home_url", "privacy_url", "title", "heading", "intro", "logo", "accent", "accent_dark"];
pub const SUBSCRIBE: &[&str] = &[
    "origins",
    "per_network",
    "per_domain",
    "overall",
    "min_fill_time",
    "mx_check",
    "captcha_script_url",
    "captcha_verify_url",
    "captcha_site_key",
    "captcha_secret",
    "captcha_secret_file",
    "captcha_class",
    "captcha_field",
    "captcha_origins",
];

/// Tables that are there once, with their keys: what the environment can set.
pub const ONCE: &[(&str, &[&str])] = &[
    ("server", SERVER),
    ("store", STORE),
    ("sender", SENDER),
    ("smtp", SMTP),
    ("delivery", DELIVERY),
    ("dkim", DKIM),
    ("collect", COLLECT),
    ("leave", LEAVE),
    ("retention", RETENTION),
    ("templates", TEMPLATES),
    ("web", WEB),
    ("alerts", ALERTS),
    ("subscribe", SUBSCRIBE),
    ("confirmation", CONFIRMATION),
];

/// The one table within those of which the environment can set single entries; their names are the operator's own.
pub const SOCIAL: (&str, &str) = ("sender", "social");

/// Tables within those that the environment cannot set.
pub const TABLES: &[(&str, &str)] = &[("smtp", "per_domain"), ("smtp", "warm_up")];
