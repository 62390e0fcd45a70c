//! What the invented news site has published: headlines, texts, and how long ago each came out.

mod archive;
mod features;
mod news;

use std::time::Duration;

/// What sort of story it is; the site labels it so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    News,
    Feature,
    Interview,
}

impl Kind {
    /// The label that readers see; the feed has it as category, in lower case.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::News => "News",
            Self::Feature => "Feature",
            Self::Interview => "Interview",
        }
    }

    /// The folder of its address.
    pub(super) fn folder(self) -> &'static str {
        match self {
            Self::News => "news",
            Self::Feature => "features",
            Self::Interview => "interviews",
        }
    }
}

/// Where a story is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Announced {
    Feed,
    Listing,
    Both,
}

/// A picture drawn for a story.
#[derive(Clone, Copy, Debug)]
pub(super) struct Picture {
    /// Its file name.
    pub(super) file: &'static str,
    /// What it shows, for those who don't see it.
    pub(super) alt: &'static str,
}

/// A published story.
#[derive(Clone, Copy, Debug)]
pub(super) struct Story {
    pub(super) slug: &'static str,
    pub(super) kind: Kind,
    pub(super) announced: Announced,
    /// How many hours ago it came out.
    pub(super) hours_ago: u64,
    pub(super) headline: &'static str,
    pub(super) author: &'static str,
    pub(super) picture: Option<Picture>,
    pub(super) paragraphs: &'static [&'static str],
}

impl Story {
    /// Its address on the site.
    pub(super) fn path(&self) -> String {
        format!("/{}/{}/", self.kind.folder(), self.slug)
    }

    /// How long ago it came out.
    pub(super) fn age(&self) -> Duration {
        Duration::from_secs(self.hours_ago * 3600)
    }

    /// Its first paragraph, or as much of it as fits, with the `[...]` that many a site's software puts behind.
    pub(super) fn excerpt(&self) -> String {
        const WORDS: usize = 36;
        let first = self.paragraphs.first().copied().unwrap_or_default();
        format!("{} [...]", first.split(' ').take(WORDS).collect::<Vec<_>>().join(" "))
    }
}

/// Every story, the newest first.
pub(super) fn all() -> Vec<&'static Story> {
    let mut stories: Vec<&Story> = news::NEWS.iter().chain(features::FEATURES).chain(archive::ARCHIVE).collect();
    stories.sort_by_key(|story| story.hours_ago);
    stories
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    const WEEK: u64 = 7 * 24;

    #[test]
    fn a_week_has_a_dozen_stories_and_the_archive_is_clearly_older() {
        let stories = all();
        let fresh = stories.iter().filter(|story| story.hours_ago < WEEK).count();
        assert!(fresh >= 12, "{fresh}");
        assert!(stories.len() - fresh >= 6);
        // A listing has days only: a story must not slip over the week's edge by the hours that its date leaves out.
        assert!(stories.iter().all(|story| !(WEEK - 24..WEEK + 24).contains(&story.hours_ago)));
        assert!(stories.iter().all(|story| story.hours_ago >= 3));
    }

    #[test]
    fn feed_and_listing_share_exactly_one_fresh_story() {
        let shared: Vec<_> = all().into_iter().filter(|story| story.announced == Announced::Both).collect();
        assert_eq!(shared.len(), 1);
        assert!(shared[0].hours_ago < WEEK);
    }

    #[test]
    fn every_story_has_an_address_of_its_own_and_a_text_longer_than_its_excerpt() {
        let stories = all();
        assert_eq!(stories.iter().map(|story| story.path()).collect::<HashSet<_>>().len(), stories.len());
        for story in stories {
            assert!(story.slug.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
            assert!(story.paragraphs.len() >= 3, "{}", story.slug);
            let excerpt = story.excerpt();
            assert!(excerpt.trim_end_matches(" [...]").contains(". "), "no whole sentence fits: {excerpt}");
        }
    }
}
