//! Which wordings of the operator hold: those in use, and on a thread that tries others, those.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use toml::Table;

use super::Wording;
use crate::domain::Locale;

/// A wording of the operator's.
pub(super) struct Own {
    pub(super) locale: Locale,
    pub(super) words: Wording,
    /// All that it says, with what its base says for it.
    pub(super) table: Table,
}

type ByCode = BTreeMap<&'static str, &'static Own>;

/// Those in use.
static IN_USE: RwLock<ByCode> = RwLock::new(ByCode::new());

/// All that were ever read: they stay as long as the process.
static READ: RwLock<Vec<&'static Own>> = RwLock::new(Vec::new());

thread_local! {
    static TRIED: RefCell<Option<Wordings>> = const { RefCell::new(None) };
}

/// The wordings of an operator, as one reading of their files found them. They hold once they are put to use.
#[derive(Clone, Default)]
pub struct Wordings {
    own: ByCode,
    files: Vec<(Locale, PathBuf)>,
    /// The codes of files that cannot be used.
    broken: Vec<String>,
}

impl fmt::Debug for Wordings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.own.keys()).finish()
    }
}

impl Wordings {
    /// Puts them to use, beside what is in use.
    pub fn install(&self) {
        self.install_over(&Self::default());
    }

    /// Puts them to use in the place of others: what those had alone is gone.
    pub(crate) fn install_over(&self, before: &Self) {
        let mut in_use = IN_USE.write().unwrap_or_else(PoisonError::into_inner);
        for (code, own) in before.own.iter().filter(|(code, _)| !self.own.contains_key(*code)) {
            in_use.remove(code);
            own.locale.remove();
        }
        for (code, own) in &self.own {
            in_use.insert(*code, *own);
            own.locale.add();
        }
    }

    /// Lets this thread alone go by them until what is given back is dropped.
    pub(crate) fn tried(&self) -> Trial {
        let locales = self.own.values().map(|own| own.locale.clone()).collect();
        Trial {
            locales: Locale::try_instead(Some(locales)),
            wordings: TRIED.replace(Some(self.clone())),
            on_this_thread: PhantomData,
        }
    }

    /// Their locales, each with its file.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&Locale, &Path)> {
        self.files.iter().map(|(locale, file)| (locale, file.as_path()))
    }

    /// Adds one. It is the same as one that has said the same before, so that files can be read again and again.
    pub(super) fn add(&mut self, code: &str, words: Wording, table: Table, file: PathBuf) {
        let locale = Locale::named(code);
        let mut read = READ.write().unwrap_or_else(PoisonError::into_inner);
        let same = read.iter().find(|own| own.locale == locale && own.table == table).copied();
        let own = same.unwrap_or_else(|| {
            let own: &'static Own = Box::leak(Box::new(Own { locale: locale.clone(), words, table }));
            read.push(own);
            own
        });
        self.own.insert(locale.as_str(), own);
        self.files.push((locale, file));
    }

    pub(super) fn add_broken(&mut self, code: String) {
        self.broken.push(code);
    }

    pub(super) fn get(&self, code: &str) -> Option<&'static Own> {
        self.own.get(code).copied()
    }
}

/// While it is there, its thread goes by the wordings that are tried.
#[must_use]
pub(crate) struct Trial {
    wordings: Option<Wordings>,
    locales: Option<Vec<Locale>>,
    on_this_thread: PhantomData<*const ()>,
}

impl Drop for Trial {
    fn drop(&mut self) {
        TRIED.set(self.wordings.take());
        Locale::try_instead(self.locales.take());
    }
}

/// The operator's wording of the locale with that code, where there is one.
pub(super) fn of(code: &str) -> Option<&'static Wording> {
    let own = TRIED.with_borrow(|tried| match tried {
        Some(tried) => tried.get(code),
        None => IN_USE.read().unwrap_or_else(PoisonError::into_inner).get(code).copied(),
    });
    own.map(|own| &own.words)
}

/// Whether, of the wordings that are tried, the one of this locale cannot be used, which has been said.
pub(crate) fn is_broken(code: &str) -> bool {
    let is_named = |known: &String| known.eq_ignore_ascii_case(code.trim());
    TRIED.with_borrow(|tried| tried.as_ref().is_some_and(|tried| tried.broken.iter().any(is_named)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wording::own::read_all;

    fn read(files: &[(&str, &str)]) -> Wordings {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("locales")).unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join("locales").join(name), text).unwrap();
        }
        read_all(folder.path()).wordings
    }

    fn contact(code: &str) -> Option<&'static str> {
        Some(Wording::of(&Locale::parse(code).ok()?).contact.as_str())
    }

    #[test]
    fn what_is_only_read_changes_nothing() {
        read(&[("qba.toml", "contact = \"x\""), ("es.toml", "contact = \"y\"")]);
        assert_eq!(contact("qba"), None);
        assert_ne!(contact("es"), Some("y"));
    }

    #[test]
    fn what_is_tried_holds_for_the_thread_that_tries_it_and_as_long() {
        let (one, other) = (read(&[("qbb.toml", "contact = \"x\"")]), read(&[("qbc.toml", "contact = \"y\"")]));
        {
            let _one = one.tried();
            assert_eq!((contact("qbb"), contact("qbc")), (Some("x"), None));
            {
                let _other = other.tried();
                assert_eq!((contact("qbb"), contact("qbc")), (None, Some("y")));
            }
            assert_eq!((contact("qbb"), contact("qbc")), (Some("x"), None));
            assert_eq!(std::thread::spawn(|| contact("qbb")).join().unwrap(), None);
        }
        assert_eq!((contact("qbb"), contact("qbc")), (None, None));
    }

    #[test]
    fn what_comes_in_the_place_of_others_leaves_nothing_of_them() {
        let before = read(&[("qbd.toml", "contact = \"x\""), ("qbe.toml", "contact = \"y\"")]);
        before.install();
        let gone = Locale::parse("qbe").unwrap();
        assert_eq!(Wording::of(&gone).contact, "y");
        read(&[("qbd.toml", "contact = \"z\"")]).install_over(&before);
        assert_eq!((contact("qbd"), contact("qbe")), (Some("z"), None));
        assert!(!Locale::known().contains(&"qbe"));
        assert_eq!(Wording::of(&gone).contact, Wording::of(&Locale::default()).contact, "who still has it");
    }
}
