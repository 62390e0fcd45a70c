//! Texts by locale that leave out the language of the digest that they are for: no mistake, and seldom meant.

use std::collections::HashSet;

use super::local_text::LocalText;
use super::settings::{Config, Digest};

impl Config {
    /// Those texts, a sentence for each: what stands in for them is a language that nobody may have asked for.
    pub fn untranslated(&self) -> Vec<String> {
        let mut told = HashSet::new();
        let of_digest = |digest| self.texts_for(digest).into_iter().map(move |(name, text)| (digest, name, text));
        let lacking = self.digests.iter().flat_map(of_digest).filter_map(|(digest, name, text)| {
            let other = text.stand_in(&digest.locale)?;
            Some((digest, name, other))
        });
        let notes = lacking.filter(|(digest, name, _)| told.insert((digest.locale.clone(), name.clone())));
        let note = |(digest, name, other): (&Digest, String, _)| {
            let (locale, id) = (&digest.locale, &digest.id);
            format!(
                "{name} has no text in {locale}, the language of the digest `{id}`; its readers get that in {other}"
            )
        };
        notes.map(note).collect()
    }

    /// What readers of a digest see, with its name in the file.
    fn texts_for<'a>(&'a self, digest: &'a Digest) -> Vec<(String, &'a LocalText)> {
        let mut texts = vec![
            ("`heading` of [web]".to_owned(), &self.web.heading),
            ("`intro` of [web]".to_owned(), &self.web.intro),
        ];
        for topic in &self.topics {
            texts.push((format!("`title` of the topic `{}`", topic.id), &topic.title));
            texts.push((format!("`description` of the topic `{}`", topic.id), &topic.description));
        }
        let own = |key: &str| format!("`{key}` of the digest `{}`", digest.id);
        texts.extend(digest.banner.iter().map(|banner| (own("banner.text"), &banner.text)));
        if let Some(intro) = &digest.intro {
            texts.push((own("intro.text"), &intro.text));
            texts.push((own("intro.by"), &intro.by));
        }
        texts
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const CONFIG: &str = r#"
[sender]
email = "digest@example.org"
[web]
intro = { de = "Was in der Woche war", en-US = "What the week was like" }
[[source]]
id = "news"
feed = "https://example.org/"
[[topic]]
id = "news"
title = { de = "Nachrichten" }
[[topic]]
id = "features"
title = "Features"
[[digest]]
id = "weekly"
sources = ["news"]
schedule = "@weekly"
intro = { text = { fr = "Une semaine", de = "Eine Woche" }, by = { en-GB = "The editor", de = "Die Redaktion" } }
[[digest]]
id = "daily"
sources = ["news"]
schedule = "@daily"
[[digest]]
id = "monthly"
sources = ["news"]
schedule = "@monthly"
locale = "de"
banner = { text = { en-GB = "Enter the awards" } }
"#;

    #[test]
    fn a_text_by_locale_without_the_digests_own_language_is_told_once() {
        let config = Config::parse(CONFIG, Path::new("config.toml"), std::iter::empty()).unwrap();
        assert_eq!(
            config.untranslated(),
            [
                "`title` of the topic `news` has no text in en-GB, the language of the digest `weekly`; its readers get that in de",
                "`intro.text` of the digest `weekly` has no text in en-GB, the language of the digest `weekly`; its readers get \
                 that in fr",
                "`banner.text` of the digest `monthly` has no text in de, the language of the digest `monthly`; its readers get \
                 that in en-GB",
            ]
        );
    }
}
