//! The page of an issue, and its entry in the feed, say what its mails say: the same items in the same order, with the same
//! addresses and words.

use postround::compose::{Intro, IssueContent, IssuePage};
use postround::config::{Config, Theme};
use postround::domain::Locale;
use postround::store::Durability;
use scraper::{ElementRef, Html, Selector};

use super::site::Site;
use crate::render::{arabic, fixture, looks, render};
use crate::support::household::{execute, text};
use crate::support::{TestStore, on_both};

pub const ISSUE: &str = "/archive/weekly/42";

/// The pages of what such a digest has published.
pub async fn publish(store: &TestStore, config: &Config, content: &IssueContent) -> Site {
    let site = Site::with(store, |here| {
        here.digests = config.digests.clone();
        here.sender = config.sender.clone();
        here.web = config.web.clone();
        here.server.public_url.clone_from(&config.server.public_url);
    })
    .await;
    execute(
        store,
        "delete from issue_pages; delete from issues;
         insert into issues (public_id, digest, issue_key, number, state, subject, issue_date, composed_at, layout_after,
                first_sent_at, recipients)
            values ('aaaqeayeaudaocajbifqydiob4', 'weekly', 'a', 42, 'sent', 'The subject', '2026-11-23', 0, 0, 1, 1)",
    )
    .await;
    let issue = text(store, "select cast(id as text) from issues").await.parse().unwrap();
    let mut session = store.store.write(Durability::Normal).await.unwrap();
    let digest = &config.digests[0];
    IssuePage::of(content.clone(), digest, config).put(&mut session, issue, &digest.locale).await.unwrap();
    session.commit().await.unwrap();
    site
}

/// The issues that one looks at, with the digests that they are of.
fn issues() -> Vec<(&'static str, Config, IssueContent)> {
    let mut all: Vec<_> =
        looks::sizes().into_iter().map(|(name, content)| (name, fixture::config(), content)).collect();
    all.push(("arabic", arabic::config(), arabic::issue()));
    all.push(("branded", looks::branded(), fixture::issue(3, 3)));
    all.push(("wild", fixture::config(), looks::wild()));
    let mut linked = fixture::issue(3, 3);
    linked.intro = Some(Intro { text: "See <https://earlyhelp.example/a?b=1&c=2>.".into(), by: String::new() });
    all.push(("linked", fixture::config(), linked));
    all.push(("unlinked", fixture::config(), fixture::each(fixture::issue(20, 17), |article| article.url = None)));
    all
}

/// What is read, word by word, but for what stands in `without`.
fn words(html: &str, without: &str) -> Vec<String> {
    let page = Html::parse_document(html);
    let without = Selector::parse(without).unwrap();
    let hidden: Vec<_> = page.select(&without).map(|element| element.id()).collect();
    let body = page.select(&Selector::parse("body").unwrap()).next().unwrap();
    let texts = body.descendants().filter_map(|node| {
        let is_read = !node.ancestors().any(|above| hidden.contains(&above.id()));
        node.value().as_text().filter(|_| is_read).map(|text| text.to_string())
    });
    texts.collect::<Vec<_>>().join(" ").split_whitespace().map(str::to_owned).collect()
}

/// The links that have words, with where they lead.
fn links(html: &str, without: &str) -> Vec<(String, String)> {
    let page = Html::parse_document(html);
    let without = Selector::parse(without).unwrap();
    let hidden: Vec<_> = page.select(&without).map(|element| element.id()).collect();
    let is_read = |link: &ElementRef<'_>| {
        !hidden.contains(&link.id()) && !link.ancestors().any(|above| hidden.contains(&above.id()))
    };
    let links = Selector::parse("a").unwrap();
    let all = page.select(&links).filter(is_read).map(|link| {
        let text = link.text().collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ");
        (text, link.attr("href").unwrap().to_owned())
    });
    all.filter(|(text, _)| !text.is_empty()).collect()
}

fn attributes(html: &str, selector: &str, name: &str) -> Vec<String> {
    let page = Html::parse_document(html);
    let selector = Selector::parse(selector).unwrap();
    let found = page.select(&selector).filter_map(|element| element.attr(name));
    found.map(str::to_owned).collect()
}

/// Takes a sentence out, which must be there once.
#[track_caller]
fn take(words: &mut Vec<String>, sentence: &str) {
    let sentence: Vec<&str> = sentence.split_whitespace().collect();
    let at: Vec<usize> = (0..words.len()).filter(|&at| words[at..].starts_with_words(&sentence)).collect();
    assert_eq!(at.len(), 1, "{sentence:?} in {words:?}");
    words.drain(at[0]..at[0] + sentence.len());
}

trait StartsWith {
    fn starts_with_words(&self, sentence: &[&str]) -> bool;
}

impl StartsWith for [String] {
    fn starts_with_words(&self, sentence: &[&str]) -> bool {
        self.len() >= sentence.len() && self.iter().zip(sentence).all(|(word, wanted)| word == wanted)
    }
}

/// What the page has beside the issue: the way around the archive, and the button to subscribe.
const AROUND: &str = ".skip, .sheet-foot nav, .sheet-foot .button";

/// What a mail alone has: why somebody gets it, their choices, the way to the page, and that one may answer it.
fn without_what_is_somebodys(words: &mut Vec<String>, config: &Config) {
    let say = |key: &str| wording(&config.digests[0].locale, key);
    take(words, &say("why").replace("{digest}", &config.digests[0].title));
    take(words, &[say("preferences"), say("pause"), say("unsubscribe")].join(" "));
    take(words, &say("web"));
    take(words, &say("reply"));
}

/// What a locale's file says.
fn wording(locale: &Locale, key: &str) -> String {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = |folder: &str| std::fs::read_to_string(format!("{folder}/{}.toml", locale.as_str()));
    let text = file(&folder.join("templates/locales").display().to_string())
        .or_else(|_| file(&folder.join("tests/fixtures/templates/locales").display().to_string()));
    let table: toml::Table = text.unwrap().parse().unwrap();
    table[key].as_str().unwrap().to_owned()
}

on_both! {
    async fn the_page_of_an_issue_has_the_words_and_addresses_of_its_mail_in_their_order(store: TestStore) {
        for (name, config, content) in issues() {
            let site = publish(&store, &config, &content).await;
            let (page, mail) = (site.text(ISSUE).await, render(&content, &config));
            let mut in_mail = words(&mail.html, "head");
            without_what_is_somebodys(&mut in_mail, &config);
            assert_eq!(words(&page, AROUND), in_mail, "{name}");
            let is_everybodys = |(_, href): &(String, String)| !href.contains(&mail.marker) && !href.contains("/archive/");
            let in_mail: Vec<_> = links(&mail.html, "head").into_iter().filter(is_everybodys).collect();
            assert_eq!(links(&page, AROUND), in_mail, "{name}");
            for (of, name) in [("h1 a", "href"), ("h2, h3", "dir"), (".read a", "aria-label"), ("h1 img", "src")] {
                assert_eq!(attributes(&page, of, name), attributes(&mail.html, of, name), "{name}");
            }
            let headings = |html: &str| {
                let page = Html::parse_document(html);
                let headings = Selector::parse("h1, h2, h3").unwrap();
                page.select(&headings).map(|heading| heading.value().name().to_owned()).collect::<Vec<_>>()
            };
            assert_eq!(headings(&page), headings(&mail.html), "{name}");
        }
    }

    async fn the_text_of_a_mail_has_the_words_and_addresses_of_the_page_in_their_order(store: TestStore) {
        for (name, config, content) in issues().into_iter().filter(|(name, ..)| !matches!(*name, "wild" | "linked")) {
            let site = publish(&store, &config, &content).await;
            let (page, mail) = (site.text(ISSUE).await, render(&content, &config));
            let body = mail.text.split_once("\n------------------------------------------------------------------------\n").unwrap().0;
            let is_rule = |word: &str| word.chars().all(|c| c == '=' || c == '-');
            let (addresses, read): (Vec<&str>, Vec<&str>) =
                body.split_whitespace().filter(|word| !is_rule(word)).partition(|word| word.starts_with("https://"));
            let read: Vec<String> = read.iter().map(|word| word.to_lowercase()).collect();
            let mut on_page: Vec<String> =
                words(&page, ".skip, .sheet-foot, .read").iter().map(|word| word.to_lowercase()).collect();
            if config.digests[0].theme.logo.is_some() {
                let at = read.len() - on_page.len();
                assert_eq!(at, config.digests[0].title.split_whitespace().count(), "{name}: the logo says the title");
                let title: Vec<String> = config.digests[0].title.to_lowercase().split_whitespace().map(str::to_owned).collect();
                let first = read.windows(at).position(|words| words == title).unwrap();
                on_page.splice(first..first, title);
            }
            assert_eq!(on_page, read, "{name}");
            let mut on_page: Vec<String> = links(&page, ".sheet-foot, .read, .skip").into_iter().map(|(_, href)| href).collect();
            if config.digests[0].theme.logo.is_some() {
                on_page.splice(0..0, attributes(&page, "h1 a", "href"));
            }
            assert_eq!(on_page, addresses, "{name}");
        }
    }

    async fn the_entry_in_the_feed_has_the_words_of_the_page_and_its_headings_follow_each_other(store: TestStore) {
        for (name, config, content) in issues() {
            let site = publish(&store, &config, &content).await;
            let page = site.text(ISSUE).await;
            let feed = feed_rs::parser::parse(site.text("/archive/weekly/feed.xml").await.as_bytes()).unwrap();
            let entry = feed.entries[0].content.as_ref().unwrap().body.clone().unwrap();
            assert_eq!(words(&entry, "head"), words(&page, ".skip, .sheet-first, .head, .sheet-foot"), "{name}");
            assert_eq!(links(&entry, "head"), links(&page, ".skip, .head, .sheet-foot"), "{name}");
            let own = Html::parse_fragment(&entry);
            let levels: Vec<u32> = own.select(&Selector::parse("h1, h2, h3, h4").unwrap())
                .map(|heading| heading.value().name()[1..].parse().unwrap()).collect();
            assert_eq!(levels[0], 2, "{name}");
            assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{name}: {levels:?}");
            let around = attributes(&entry, "body > div", "dir");
            assert_eq!(around, attributes(&page, "html", "dir"), "{name}");
        }
    }

    async fn pictures_are_on_the_page_where_the_mail_has_them(store: TestStore) {
        for (name, config, content) in issues() {
            let site = publish(&store, &config, &content).await;
            let (page, mail) = (site.text(ISSUE).await, render(&content, &config));
            // What Word alone sees is in comments.
            assert_eq!(attributes(&page, "main img", "src"), attributes(&mail.html, "td img.pic, div img.pic", "src"), "{name}");
        }
    }

    async fn a_page_wears_the_colours_fonts_and_measures_of_its_digest_by_day_and_by_night(store: TestStore) {
        let mut config = looks::branded();
        config.digests[0].theme = Theme { heading_font: "Verdana, sans-serif".into(), width: 640, ..config.digests[0].theme.clone() };
        let site = publish(&store, &config, &fixture::issue(3, 3)).await;
        let page = site.text(ISSUE).await;
        let style = &attributes(&page, "link[rel=stylesheet]", "href")[1];
        let css = site.text(style).await;
        let (day, night) = css.rsplit_once("@media (prefers-color-scheme: dark)").unwrap();
        let own = day.rsplit_once(".issue {").unwrap().1;
        for said in ["--accent: #7a1f5c", "--accent-soft: #f3e9f0", "--serif: Verdana, sans-serif", "--paper: 720px"] {
            assert!(own.contains(said), "{said}: {own}");
        }
        assert!(night.contains("--accent: #f0a6d6") && night.contains("--accent-soft: #33222d"), "{night}");
        let other = publish(&store, &fixture::config(), &fixture::issue(3, 3)).await;
        assert_ne!(attributes(&other.text(ISSUE).await, "link[rel=stylesheet]", "href")[1], *style);
    }

    async fn an_operators_stylesheets_stand_for_the_built_in_ones_under_the_colours(store: TestStore) {
        publish(&store, &fixture::config(), &fixture::issue(3, 3)).await;
        let pages = store.folder.path().join("own/pages");
        std::fs::create_dir_all(&pages).unwrap();
        for name in ["style", "issue"] {
            std::fs::write(pages.join(format!("{name}.css")), format!("h1::before {{ content: \"{name}\" }}")).unwrap();
        }
        let site = Site::with(&store, |here| {
            here.digests = looks::branded().digests;
            here.templates.dir = Some(store.folder.path().join("own"));
        })
        .await;
        let styles = attributes(&site.text(ISSUE).await, "link[rel=stylesheet]", "href");
        let (all, issue) = (site.text(&styles[0]).await, site.text(&styles[1]).await);
        assert!(all.starts_with("h1::before { content: \"style\" }") && !all.contains("issue"), "{all}");
        assert!(issue.starts_with("h1::before { content: \"issue\" }") && issue.contains("--accent: #7a1f5c"), "{issue}");
    }

    async fn an_issue_stays_in_the_language_that_it_was_sent_in(store: TestStore) {
        let mut config = fixture::config();
        config.digests[0].locale = Locale::parse("cy").unwrap();
        publish(&store, &config, &fixture::issue(3, 3)).await;
        let site = Site::with(&store, |here| here.digests = fixture::config().digests).await;
        let page = site.text(ISSUE).await;
        assert_eq!(attributes(&page, "html", "lang"), ["cy"]);
        assert!(page.contains("Rhifyn 42"), "{page}");
        assert!(site.text("/archive/weekly").await.contains("lang=\"en-GB\""));
    }
}
