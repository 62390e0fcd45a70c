//! An invented trade paper for children's services: its configuration, and issues of any size.

use std::path::PathBuf;
use std::time::Duration;

use chrono::NaiveDate;
use chrono_tz::Europe::London;
use postround::compose::{IssueArticle, IssueContent, Section};
use postround::config::{
    AfterCrash, Alerts, Backlog, Banner, Collect, Config, Confirmation, Delivery, Digest, RelayUrl, Sender, Server,
    Smtp, Store, StoreUrl, Subscribe, Templates, Theme, Web, WhenEmpty,
};
use postround::domain::{EmailAddress, Locale, Random, UtcMillis};
use postround::render::{Frame, Slots};
use postround::schedule::Schedule;
use url::Url;

/// The same bytes each time, so that marks and boundaries do not change between runs.
pub struct Counting(std::sync::atomic::AtomicU8);

impl Counting {
    pub fn new() -> Self {
        Self(std::sync::atomic::AtomicU8::new(1))
    }
}

impl Random for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = self.0.fetch_add(37, std::sync::atomic::Ordering::Relaxed);
        }
    }
}

pub fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn url(text: &str) -> Url {
    text.parse().unwrap()
}

pub fn sender() -> Sender {
    Sender {
        name: "Early Help Weekly".into(),
        email: EmailAddress::parse("digest@earlyhelp.example").unwrap(),
        reply_to: Some(EmailAddress::parse("desk@earlyhelp.example").unwrap()),
        unsubscribe_email: None,
        postal_address: "Fernhollow Press, 14 Tannery Row, Alderbridge XR4 7QE".into(),
        legal: "Published by Fernhollow Press Ltd, registered in England and Wales, no. 00000000.".into(),
        contact_url: Some(url("https://earlyhelp.example/contact")),
        social: vec![
            ("linkedin".into(), url("https://social.example/company/early-help")),
            ("bluesky".into(), url("https://sky.example/earlyhelp")),
        ],
    }
}

pub fn digest() -> Digest {
    Digest {
        id: "weekly".into(),
        title: "Early Help Weekly".into(),
        subject: "{{ lead.title }}{% if more > 0 %} + {{ more }} more{% endif %}".into(),
        sources: vec!["news".into()],
        sections: vec!["news".into(), "features".into(), "interviews".into()],
        schedule: Schedule::parse("0 8 * * MON", London).unwrap(),
        catch_up: Duration::from_secs(3600),
        spread: std::time::Duration::ZERO,
        holidays: None,
        min_articles: 1,
        max_articles: 20,
        banner: Some(Banner {
            text: "Warm Rooms: 61 councils have pledged a staffed family room. See who has signed".into(),
            url: Some(url("https://earlyhelp.example/warm-rooms?from=digest&issue=42")),
            from: Some(day("2026-11-02")),
            until: Some(day("2026-11-30")),
        }),
        intro: None,
        when_topics_are_empty: WhenEmpty::Skip,
        template: "digest".into(),
        theme: Theme::default(),
        locale: Locale::default(),
        public: true,
        sender: sender(),
        utm: None,
        count_clicks: false,
        ping_url: None,
    }
}

pub fn config() -> Config {
    Config {
        ignored_variables: Vec::new(),
        file: PathBuf::from("config.toml"),
        server: Server {
            listen: "127.0.0.1:8080".parse().unwrap(),
            public_url: "https://post.earlyhelp.example".into(),
            trusted_proxies: Vec::new(),
            metrics_from: Vec::new(),
        },
        store: Store { url: StoreUrl::Sqlite("data/postround.db".into()), keys: "data/postround.keys".into() },
        sender: sender(),
        smtp: Smtp::to(RelayUrl::File("data/outbox".into())),
        delivery: Delivery {
            after_crash: AfterCrash::Resend,
            retry_for: Duration::from_secs(3600),
            hold_when_failing: None,
        },
        dkim: None,
        collect: Collect { allow_private_networks: false, backlog: Backlog::Period },
        sources: Vec::new(),
        topics: Vec::new(),
        digests: vec![digest()],
        leave: postround::config::Leave::default(),
        retention: postround::config::Retention::default(),
        confirmation: Confirmation::default(),
        templates: Templates::default(),
        alerts: Alerts::default(),
        web: Web {
            home_url: Some(url("https://earlyhelp.example/")),
            privacy_url: Some(url("https://earlyhelp.example/privacy")),
            ..Web::default()
        },
        subscribe: Subscribe::default(),
    }
}

pub fn frame(config: &Config) -> Frame<'_> {
    Frame { digest: &config.digests[0], config, locale: &config.digests[0].locale, test: false }
}

/// What one recipient's mail is filled with.
pub fn slots<'a>(name: &'a str, address: &'a EmailAddress) -> Slots<'a> {
    Slots {
        name,
        address,
        message_id: "42.7k2m@earlyhelp.example",
        date: UtcMillis(1_795_420_800_000),
        unsubscribe_url: "https://post.earlyhelp.example/unsubscribe/mfrggzdfmztwq2lknnwg23tpobyxe43uov3ho6dzpi",
        preferences_url: "https://post.earlyhelp.example/preferences/mfrggzdfmztwq2lknnwg23tpobyxe43uov3ho6dzpi",
        link: "https://post.earlyhelp.example/confirm/mfrggzdfmztwq2lknnwg23tpobyxe43uov3ho6dzpi",
    }
}

/// Topic, title, source, excerpt, and whether there is a picture.
type Story = (&'static str, &'static str, &'static str, &'static str, bool);

const STORIES: [Story; 12] = [
    (
        "news",
        "Family hubs win an extra year to merge their front doors",
        "Early Help Weekly",
        "Councils now have until March 2028 to bring early help, health visiting and social care referrals through one door. Fourteen areas had warned ministers that the first date meant closing phone lines before shared records were ready.",
        true,
    ),
    (
        "news",
        "Health visitor vacancies fall for a third quarter, but not on the coast",
        "Public Care Record",
        "Posts empty for more than six months are down to 9 per cent, while coastal teams still carry twice that rate.",
        false,
    ),
    (
        "news",
        "Inspectors will ask every area how it hears from fathers",
        "The Hub Bulletin",
        "The revised framework adds one question to each early help visit from April, with no new paperwork attached.",
        false,
    ),
    (
        "news",
        "Attendance officers join the early help duty desk in Calderwick",
        "Ward & Council",
        "Sitting together four days a week, the two teams cut unanswered referrals by a third in their first term.",
        true,
    ),
    (
        "news",
        "Draft guidance drops the home visit for “settled” kinship carers",
        "Family Practice Review",
        "Carers could be assessed by video where a child has lived with them for two years or more.",
        false,
    ),
    (
        "features",
        "The street where nobody is called hard to reach",
        "Early Help Weekly",
        "For eighteen months one Stourhaven team has worked a single street of 140 homes. What they learned has less to do with services than with who knocks.",
        false,
    ),
    (
        "features",
        "What the minutes of the panel leave out",
        "The Long Table",
        "We read 212 anonymised step-down decisions. The words that come up most often are not about risk, and almost none belong to the child.",
        false,
    ),
    (
        "interviews",
        "“What would you stop doing tomorrow?” Nadia Ferreira on the end of counting contacts",
        "Early Help Weekly",
        "Ashenford’s principal social worker on duty teams, thresholds and the case for a slower first week.",
        false,
    ),
    (
        "news",
        "Short breaks: three councils publish waiting times",
        "Public Care Record",
        "The figures are the first of their kind, and range from nine days to fourteen weeks.",
        false,
    ),
    (
        "news",
        "A plain-English consent form, tested by parents",
        "The Hub Bulletin",
        "One page, no capitals, and a line that says what happens if the answer is no.",
        false,
    ),
    (
        "news",
        "Young carers: what counts as reasonable delay",
        "Family Practice Review",
        "A tribunal has set out the test that assessments must meet.",
        false,
    ),
    (
        "news",
        "Speech drop-ins return to Stourhaven’s libraries",
        "Ward & Council",
        "Eight branches, two mornings a week, no appointment and no threshold.",
        false,
    ),
];

/// An issue of `count` articles, of which at most `shown` have an excerpt.
pub fn issue(count: usize, shown: usize) -> IssueContent {
    let mut content = IssueContent {
        digest: "weekly".into(),
        title: "Early Help Weekly".into(),
        number: Some(42),
        date: day("2026-11-23"),
        intro: None,
        sections: Vec::new(),
        listed: Vec::new(),
    };
    for number in 0..count {
        let (topic, title, source, excerpt, picture) = STORIES[number % STORIES.len()];
        let round = number / STORIES.len();
        let article = IssueArticle {
            topic: topic.into(),
            source: source.into(),
            title: if round == 0 { title.into() } else { format!("{title} (part {})", round + 1) },
            url: Some(format!("https://earlyhelp.example/{topic}/{number}?utm=digest&part={round}")),
            canonical: String::new(),
            published: None,
            date: (number % 7 != 6).then(|| day("2026-11-20") - chrono::Days::new(number as u64 % 5)),
            excerpt: excerpt.into(),
            author: None,
            image: picture.then(|| format!("https://earlyhelp.example/img/{number}.png")),
        };
        if number >= shown {
            content.listed.push(article);
        } else if let Some(section) = content.sections.iter_mut().find(|section| section.topic == topic) {
            section.articles.push(article);
        } else {
            let mut title = topic.to_owned();
            title[..1].make_ascii_uppercase();
            content.sections.push(Section { topic: topic.into(), title, articles: vec![article] });
        }
    }
    content
}

/// Changes every article.
pub fn each(mut content: IssueContent, change: impl Fn(&mut IssueArticle)) -> IssueContent {
    for section in &mut content.sections {
        section.articles.iter_mut().for_each(&change);
    }
    content.listed.iter_mut().for_each(&change);
    content
}
