//! What the templates of a mail see: everything chosen, worded and dated already, so that a template only lays it out.

use serde::Serialize;

use super::Frame;
use super::article::{ArticleView, web_link};
use super::slots::{Marker, Slot};
use super::text::{cut_at_word, one_line, paragraphs};
use super::theme::ThemeView;
use crate::compose::{Intro, IssueArticle, IssueContent};
use crate::config::Sender;
use crate::domain::{Direction, EmailAddress, Locale, kept_apart};
use crate::wording::{Wording, insert};

/// How long the first line of a mail may be, which inboxes show beside the subject.
const SUMMARY: usize = 100;
/// How much of the next stories it names.
const SUMMARY_TITLES: usize = 3;

/// What each mail has, whatever it is about.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Common {
    pub(super) lang: String,
    /// The direction of the writing.
    pub(super) dir: Direction,
    /// Where a line starts, `left` or `right`, and where it ends: mail programs know no other words for it.
    pub(super) start: &'static str,
    pub(super) end: &'static str,
    pub(super) theme: ThemeView,
    pub(super) subject: String,
    /// The first line, which inboxes show beside the subject.
    pub(super) summary: String,
    /// Says that it is a test; empty where it is none.
    pub(super) test: String,
    pub(super) digest: DigestView,
    pub(super) home_url: Option<String>,
    pub(super) privacy_url: Option<String>,
    pub(super) sender: SenderView,
    pub(super) words: Words,
    pub(super) slot: SlotView,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct DigestView {
    pub(super) id: String,
    pub(super) title: String,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct SenderView {
    pub(super) name: String,
    pub(super) email: String,
    /// Whether answers are read.
    pub(super) replies: bool,
    pub(super) postal_address: String,
    pub(super) legal: String,
    pub(super) contact_url: Option<String>,
    pub(super) social: Vec<LinkView>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct LinkView {
    pub(super) name: String,
    pub(super) url: String,
}

/// The sentences of a mail, filled in.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Words {
    read_story: &'static str,
    read_interview: &'static str,
    also: &'static str,
    why: String,
    preferences: &'static str,
    pause: &'static str,
    unsubscribe: &'static str,
    reply: &'static str,
    contact: &'static str,
    follow: &'static str,
    privacy: &'static str,
    web: &'static str,
    colon: &'static str,
}

/// The marks of the slots, as templates write them.
#[derive(Clone, Debug, Serialize)]
pub(super) struct SlotView {
    name: String,
    pub(super) address: String,
    greeting: String,
    pub(super) unsubscribe_url: String,
    pub(super) preferences_url: String,
    pub(super) link: String,
}

/// What a digest's template sees beside [`Common`].
#[derive(Clone, Debug, Serialize)]
pub(super) struct IssueView {
    #[serde(flatten)]
    pub(super) common: Common,
    pub(super) issue: NumberView,
    pub(super) banner: Option<BannerView>,
    pub(super) intro: Option<IntroView>,
    pub(super) lead: Option<ArticleView>,
    pub(super) sections: Vec<SectionView>,
    pub(super) listed: Vec<ArticleView>,
    /// Whether the titles are listed without their sources, to make the mail smaller.
    pub(super) plain: bool,
    /// That there are more stories than the mail has room for, and how many.
    pub(super) unlisted: Option<String>,
    /// How many articles there are in all.
    pub(super) count: usize,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct NumberView {
    pub(super) number: Option<i64>,
    pub(super) date: String,
    /// `Issue 42 · Monday 23 November 2026`.
    pub(super) label: String,
    /// The issue's page in the archive; of a test, the list there. None: the digest is not public.
    pub(super) web_url: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct BannerView {
    pub(super) text: String,
    pub(super) url: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct IntroView {
    pub(super) paragraphs: Vec<String>,
    /// Who says it.
    pub(super) by: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct SectionView {
    pub(super) topic: String,
    pub(super) title: String,
    /// Whether all of its articles have a picture.
    pub(super) pictured: bool,
    pub(super) articles: Vec<ArticleView>,
}

impl Common {
    pub(super) fn new(frame: &Frame<'_>, subject: &str, summary: String, marker: &Marker) -> Self {
        let title = one_line(&frame.digest.title).into_owned();
        let words = Wording::of(frame.locale);
        Self {
            lang: frame.locale.as_str().to_owned(),
            dir: words.direction(),
            start: words.direction().start(),
            end: words.direction().end(),
            theme: ThemeView::of(&frame.digest.theme),
            subject: subject.to_owned(),
            summary,
            test: if frame.test {
                words.mail("test.line", None, &[], frame.locale).unwrap_or_default()
            } else {
                String::new()
            },
            home_url: frame.config.web.home_url.as_ref().and_then(|url| web_link(url.as_str())),
            privacy_url: frame.config.web.privacy_url.as_ref().and_then(|url| web_link(url.as_str())),
            sender: SenderView::of(&frame.digest.sender, words.direction()),
            words: Words::new(words, &title),
            digest: DigestView { id: frame.digest.id.clone(), title },
            slot: SlotView::new(marker, frame.locale),
        }
    }
}

impl Words {
    pub(super) fn new(words: &'static Wording, digest: &str) -> Self {
        Self {
            read_story: &words.read_story,
            read_interview: &words.read_interview,
            also: &words.also,
            why: insert(&words.why, &[("digest", &kept_apart(digest, words.direction()))]),
            preferences: &words.preferences,
            pause: &words.pause,
            unsubscribe: &words.unsubscribe,
            reply: &words.reply,
            contact: &words.contact,
            follow: &words.follow,
            privacy: &words.privacy,
            web: &words.web,
            colon: &words.colon,
        }
    }
}

impl SlotView {
    pub(super) fn new(marker: &Marker, locale: &Locale) -> Self {
        Self {
            name: marker.hold(Slot::Name),
            address: marker.hold(Slot::Address),
            greeting: marker.hold(Slot::greeting(locale)),
            unsubscribe_url: marker.hold(Slot::UnsubscribeUrl),
            preferences_url: marker.hold(Slot::PreferencesUrl),
            link: marker.hold(Slot::Link),
        }
    }
}

impl SenderView {
    fn of(sender: &Sender, dir: Direction) -> Self {
        let postal_address = sender.postal_address.lines().map(str::trim).collect::<Vec<_>>().join(", ");
        let social = sender
            .social
            .iter()
            .filter_map(|(name, url)| Some(LinkView { name: network(name), url: web_link(url.as_str())? }));
        Self {
            name: sender.name.clone(),
            email: sender.email.to_string(),
            replies: sender.reply_to.as_ref().is_some_and(is_read),
            postal_address: kept_apart(&postal_address, dir),
            legal: kept_apart(&one_line(&sender.legal), dir),
            contact_url: sender.contact_url.as_ref().map(|url| url.as_str().to_owned()),
            social: social.collect(),
        }
    }
}

impl IssueView {
    /// The issue for one locale. Its lead story stands first, apart from its section.
    pub(super) fn new(content: &IssueContent, frame: &Frame<'_>, subject: &str, marker: &Marker) -> Self {
        let words = Wording::of(frame.locale);
        let article = |article: &IssueArticle| ArticleView::new(article, words);
        let mut sections: Vec<SectionView> = content
            .sections
            .iter()
            .map(|section| SectionView {
                topic: section.topic.clone(),
                title: one_line(&section.title).into_owned(),
                pictured: false,
                articles: section.articles.iter().map(article).collect(),
            })
            .collect();
        let lead =
            sections.first_mut().filter(|first| !first.articles.is_empty()).map(|first| first.articles.remove(0));
        sections.retain(|section| !section.articles.is_empty());
        for section in &mut sections {
            section.pictured = section.articles.iter().all(|article| article.image.is_some());
        }
        let mut listed: Vec<ArticleView> = content.listed.iter().map(article).collect();
        let others = sections.iter_mut().flat_map(|section| &mut section.articles).chain(&mut listed);
        leave_sole_source_out(lead.as_ref(), others.collect());
        let summary = summary(lead.as_ref(), &sections, &listed, words);
        Self {
            common: Common::new(frame, subject, summary, marker),
            issue: NumberView { web_url: web_url(content, frame), ..NumberView::new(content, words) },
            banner: banner(content, frame),
            intro: content.intro.as_ref().and_then(IntroView::of),
            lead,
            sections,
            listed,
            plain: false,
            unlisted: None,
            count: content.articles().count(),
        }
    }
}

/// Where all stories are from one source, the lead story alone says it.
pub(super) fn leave_sole_source_out(lead: Option<&ArticleView>, others: Vec<&mut ArticleView>) {
    let source = lead.map(|lead| lead.source.clone()).unwrap_or_default();
    if others.iter().all(|article| article.source == source) {
        others.into_iter().for_each(ArticleView::leave_source_out);
    }
}

/// Whether answers to an address are read, as far as its name says.
fn is_read(address: &EmailAddress) -> bool {
    let name = address.as_str().split('@').next().unwrap_or_default();
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    !["noreply", "donotreply", "dontreply"].iter().any(|silent| name.contains(silent))
}

impl IntroView {
    fn of(intro: &Intro) -> Option<Self> {
        let paragraphs = paragraphs(&intro.text).into_iter().map(|text| one_line(&text).into_owned());
        let paragraphs: Vec<String> = paragraphs.filter(|text| !text.is_empty()).collect();
        let by = Some(one_line(&intro.by).into_owned()).filter(|by| !by.is_empty());
        (!paragraphs.is_empty()).then_some(Self { paragraphs, by })
    }
}

impl NumberView {
    pub(super) fn new(content: &IssueContent, words: &Wording) -> Self {
        let date = words.date(content.date, true);
        let label = match content.number {
            Some(number) => format!("{} · {date}", insert(&words.issue, &[("number", &number.to_string())])),
            None => date.clone(),
        };
        Self { number: content.number, date, label, web_url: None }
    }
}

/// Where the issue is on the web; the same for all readers.
pub(super) fn web_url(content: &IssueContent, frame: &Frame<'_>) -> Option<String> {
    let archive = format!("{}/archive/{}", frame.config.server.public_url, frame.digest.id);
    let number = content.number.filter(|_| !frame.test);
    frame.digest.public.then(|| number.map_or_else(|| archive.clone(), |number| format!("{archive}/{number}")))
}

/// The banner, on the days that it is for.
fn banner(content: &IssueContent, frame: &Frame<'_>) -> Option<BannerView> {
    let banner = frame.digest.banner.as_ref()?;
    banner.is_for(content.date).then(|| BannerView {
        text: one_line(banner.text.of(frame.locale, &frame.digest.locale)).into_owned(),
        url: banner.url.as_ref().map(|url| url.as_str().to_owned()),
    })
}

/// The first line: what there is beside the lead story, whose title is in the subject; with one story, its beginning.
fn summary(lead: Option<&ArticleView>, sections: &[SectionView], listed: &[ArticleView], words: &Wording) -> String {
    // The first of each section, then the second of each, so that every kind of story has its chance.
    let rounds = (0..SUMMARY_TITLES).flat_map(|at| sections.iter().filter_map(move |section| section.articles.get(at)));
    let room = SUMMARY.saturating_sub(insert(&words.inside, &[("titles", "")]).chars().count());
    let mut titles = String::new();
    for article in rounds.chain(listed).take(SUMMARY_TITLES) {
        let title = article.title.trim_end_matches('.');
        if titles.is_empty() {
            titles.push_str(&cut_at_word(title, room));
        } else if words.inside.len() + titles.len() + title.len() < SUMMARY {
            titles.push_str("; ");
            titles.push_str(title);
        }
    }
    let line = match lead {
        _ if !titles.is_empty() => insert(&words.inside, &[("titles", &titles)]),
        // The headline alone is the subject already.
        Some(lead) => lead.excerpt.clone(),
        None => String::new(),
    };
    cut_at_word(&line, SUMMARY).into_owned()
}

/// How a network is written, from its key in the configuration.
fn network(key: &str) -> String {
    const KNOWN: [(&str, &str); 9] = [
        ("linkedin", "LinkedIn"),
        ("youtube", "YouTube"),
        ("tiktok", "TikTok"),
        ("github", "GitHub"),
        ("whatsapp", "WhatsApp"),
        ("x", "X"),
        ("bluesky", "Bluesky"),
        ("mastodon", "Mastodon"),
        ("facebook", "Facebook"),
    ];
    if let Some((_, name)) = KNOWN.iter().find(|(known, _)| known.eq_ignore_ascii_case(key)) {
        return (*name).to_owned();
    }
    let mut letters = key.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
