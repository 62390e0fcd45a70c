//! Thirteen real feeds, where the folder with them is there.

use std::path::PathBuf;

use postround::collect::{Found, Kind, read_feed};

/// File, kind, articles, how many of these have a title and a link, and how many a date.
const FEEDS: &[(&str, Kind, usize, usize, usize)] = &[
    ("atom_mediarss_reddit_1.xml", Kind::Atom, 25, 25, 25),
    ("atom_xml_base.xml", Kind::Atom, 1, 1, 1),
    ("jsonfeed_elastic_1.1.json", Kind::Json, 3, 3, 2),
    ("rss_1.0_debian.xml", Kind::Rss, 1, 1, 1),
    ("rss_1.0_iso8859.xml", Kind::Rss, 1, 1, 1),
    ("rss_2.0_bbc.xml", Kind::Rss, 1, 1, 1),
    ("rss_2.0_ghost_1.xml", Kind::Rss, 1, 0, 0),
    ("rss_2.0_heated.xml", Kind::Rss, 1, 1, 1),
    ("rss_2.0_ilmessaggero.xml", Kind::Rss, 1, 1, 1),
    ("rss_2.0_nbcny.xml", Kind::Rss, 1, 1, 1),
    ("rss_2.0_relurl_1.xml", Kind::Rss, 2, 2, 2),
    ("rss_2.0_spiegel.xml", Kind::Rss, 1, 1, 1),
    ("rss_2.0_wirecutter.xml", Kind::Rss, 1, 1, 1),
];

/// They are somebody else's, and so no part of this repository.
fn folder() -> PathBuf {
    let beside = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data"));
    std::env::var_os("POSTROUND_TEST_DATA").map_or(beside, PathBuf::from).join("feeds")
}

#[test]
fn real_feeds_give_all_their_articles_with_title_link_and_date() {
    let folder = folder();
    if !folder.is_dir() {
        eprintln!(
            "not tested: there are no real feeds in {}; POSTROUND_TEST_DATA names their folder",
            folder.display()
        );
        return;
    }
    for (file, kind, articles, linked, dated) in FEEDS {
        let document = read_feed(&std::fs::read(folder.join(file)).unwrap(), None, None).unwrap();
        assert_eq!((document.kind, document.articles.len()), (*kind, *articles), "{file}");
        assert_eq!(document.articles.iter().filter(|found| found.published.is_some()).count(), *dated, "{file}");
        let has_both = |found: &&Found| found.title.is_some() && found.url.is_some();
        assert_eq!(document.articles.iter().filter(has_both).count(), *linked, "{file}");
    }
}
