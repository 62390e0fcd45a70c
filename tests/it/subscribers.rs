//! Joining, leaving and importing, on both databases; keys and tokens.

mod asking;
mod coming_back;
mod editing;
mod files;
mod foreseeing;
mod former;
mod held;
mod joining;
mod leaving;
mod limits;
mod managing;
mod model;
mod moving;
mod noes;
mod other_programs;
mod passed_over;
mod pausing;
mod recalling;
mod repeated;
mod rotating;
mod round_trip;
mod suppressing;
mod waiting;

use std::time::Duration;

use postround::domain::{PublicId, SystemRandom};
use postround::subscribers::{
    Added, Chosen, Confirmed, DigestClaim, Import, ImportBasis, ImportReport, Keys, KeysError, Leave, Left, Origin,
    Refusal, Subscribers, SubscribersError, TokenError, Tokens, Topics,
};
use proptest::prelude::*;

use crate::support::household::{Asked, address, confirmed, everything, people, somebody, subscribers, text};
use crate::support::{MONDAY, TestStore, on_both};

const URL: &str = "https://post.northfold.example";
const ANN: &str = "ann.marsh@northfold.example";

/// Imports a file of that content.
async fn import(
    store: &TestStore,
    subscribers: &Subscribers,
    content: &[u8],
    basis: ImportBasis<'_>,
    skip_bad: bool,
) -> ImportReport {
    let path = store.folder.path().join("people.csv");
    std::fs::write(&path, content).unwrap();
    let import = Import { skip_bad, ..Import::new(&path, basis) };
    subscribers.import(&import, &Asked::default(), |_, _| {}).await.unwrap()
}

async fn states(store: &TestStore) -> String {
    text(store, "select email || ' ' || state from subscribers order by email").await
}

async fn public_id(store: &TestStore) -> PublicId {
    PublicId::parse(&text(store, "select public_id from subscribers").await).unwrap()
}

on_both! {
    async fn somebody_who_is_added_gets_nothing_before_they_confirm(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        let asked = Asked::default();
        let added = subscribers.add(&somebody(ANN, &["weekly"]), Origin::PAGE, &asked).await.unwrap();
        assert_eq!((added, asked.count()), (Added::Asked, 1));
        assert_eq!(states(&store).await, format!("{ANN} pending"));
        clock.advance(Duration::from_secs(60));
        let claim = subscribers.tokens().verify_confirm(&asked.token(), subscribers.now()).unwrap();
        assert_eq!(subscribers.confirm(&claim, "Yes?", Origin::PAGE, &Asked::default()).await.unwrap(), Confirmed::Now);
        assert_eq!(states(&store).await, format!("{ANN} confirmed"));
        let after = everything(&store).await;
        assert_eq!(subscribers.confirm(&claim, "Yes?", Origin::PAGE, &Asked::default()).await.unwrap(), Confirmed::Already);
        assert_eq!(everything(&store).await, after);
    }

    async fn an_old_confirmation_does_not_bring_back_who_has_left_and_a_new_one_does(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        let asked = Asked::default();
        subscribers.add(&somebody(ANN, &["weekly"]), Origin::PAGE, &asked).await.unwrap();
        let old = subscribers.tokens().verify_confirm(&asked.token(), subscribers.now()).unwrap();
        subscribers.confirm(&old, "Yes?", Origin::PAGE, &Asked::default()).await.unwrap();
        clock.advance(Duration::from_secs(60));
        let id = public_id(&store).await;
        assert_eq!(subscribers.leave(&id, Leave::Digest("weekly"), Origin::PAGE).await.unwrap(), Left::Now);
        assert_eq!(subscribers.leave(&id, Leave::All, Origin::PAGE).await.unwrap(), Left::Already);
        assert_eq!(subscribers.leave(&Tokens::nobody(), Leave::All, Origin::PAGE).await.unwrap(), Left::Unknown);
        assert_eq!(states(&store).await, format!("{ANN} unsubscribed"));
        assert_eq!(subscribers.confirm(&old, "Yes?", Origin::PAGE, &Asked::default()).await.unwrap(), Confirmed::Stale);
        let refused = subscribers.add_confirmed(&somebody(ANN, &["weekly"]), "a form", Origin::COMMAND_LINE).await;
        assert!(matches!(refused, Err(SubscribersError::Refused { refusal: Refusal::Left, .. })));
        clock.advance(Duration::from_secs(60));
        subscribers.add(&somebody(ANN, &["weekly"]), Origin::PAGE, &asked).await.unwrap();
        assert_eq!(states(&store).await, format!("{ANN} unsubscribed"));
        let new = subscribers.tokens().verify_confirm(&asked.token(), subscribers.now()).unwrap();
        assert_eq!(subscribers.confirm(&new, "Yes?", Origin::PAGE, &Asked::default()).await.unwrap(), Confirmed::Now);
        assert_eq!(states(&store).await, format!("{ANN} confirmed"));
    }

    async fn with_other_keys_or_without_its_own_a_store_is_not_served(store: TestStore) {
        let path = store.folder.path().join("keys");
        Keys::open(&path, &store.store, &SystemRandom).await.unwrap();
        Keys::open(&path, &store.store, &SystemRandom).await.unwrap();
        Keys::rotate(&path, &SystemRandom).unwrap();
        Keys::open(&path, &store.store, &SystemRandom).await.unwrap();
        let missing = Keys::open(&store.folder.path().join("none"), &store.store, &SystemRandom).await;
        assert!(matches!(missing, Err(KeysError::Missing { .. })));
        let other = TestStore::sqlite().await;
        let foreign = other.folder.path().join("keys");
        Keys::open(&foreign, &other.store, &SystemRandom).await.unwrap();
        let opened = Keys::open(&foreign, &store.store, &SystemRandom).await;
        assert!(matches!(opened, Err(KeysError::Other { .. })));
    }

    async fn an_import_reads_every_usual_delimiter_and_charset(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let basis = ImportBasis::Confirmed("paper forms");
        let files: [&[u8]; 7] = [
            b"email,name,topics\na@northfold.example,Zo\xc3\xab,\"news;features\"\n",
            b"\xef\xbb\xbfemail;name;topics\r\nb@northfold.example;Zo\xc3\xab;\"news,features\"\r\n",
            b"email\tname\ttopics\nc@northfold.example\tZo\xeb\tnews;features\n",
            b"name;email;topics\nZo\xeb;d@northfold.example;news,features\n",
            b"\xff\xfee\0m\0a\0i\0l\0,\0n\0a\0m\0e\0\n\0e\0@\0n\0o\0r\0t\0h\0f\0o\0l\0d\0.\0e\0x\0a\0m\0p\0l\0e\0,\0Z\0o\0\xeb\0\n\0",
            b"e\0m\0a\0i\0l\0,\0n\0a\0m\0e\0\n\0f\0@\0n\0o\0r\0t\0h\0f\0o\0l\0d\0.\0e\0x\0a\0m\0p\0l\0e\0,\0Z\0o\0\xeb\0\n\0",
            b"\0e\0m\0a\0i\0l\0,\0n\0a\0m\0e\0\n\0g\0@\0n\0o\0r\0t\0h\0f\0o\0l\0d\0.\0e\0x\0a\0m\0p\0l\0e\0,\0Z\0o\0\xeb\0\n",
        ];
        for (index, file) in files.into_iter().enumerate() {
            let report = import(&store, &subscribers, file, basis, false).await;
            assert_eq!((report.rows, report.added), (1, 1), "file {index}: {:?}", report.refused);
        }
        assert_eq!(text(&store, "select name from subscribers order by email").await, ["Zoë"; 7].join("\n"));
        let chosen = text(&store, "select topics from subscriptions where digest = 'weekly' order by subscriber_id").await;
        assert_eq!(chosen, "features,news\nfeatures,news\nfeatures,news\nfeatures,news\n*\n*\n*");
    }

    async fn a_bad_row_refuses_the_whole_file_with_its_line_unless_it_may_be_skipped(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let file = b"email,name\na@northfold.example,\"two\nlines\"\nnot an address,B\nc@northfold.example,C\n";
        let basis = ImportBasis::Confirmed("paper forms");
        let report = import(&store, &subscribers, file, basis, false).await;
        assert_eq!((report.rows, report.added, report.applied), (3, 0, false));
        assert_eq!(report.refused.iter().map(|refused| refused.line).collect::<Vec<_>>(), [4]);
        assert_eq!(states(&store).await, "");
        let report = import(&store, &subscribers, file, basis, true).await;
        assert_eq!((report.rows, report.added, report.refused.len()), (3, 2, 1));
        let listed = std::fs::read_to_string(report.written.unwrap()).unwrap();
        assert!(listed.contains("4,refused,,"), "{listed}");
        assert_eq!(states(&store).await, "a@northfold.example confirmed\nc@northfold.example confirmed");
    }

    async fn without_evidence_an_import_only_reports_and_asking_asks_each(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        let file = b"email,evidence\na@northfold.example,\nb@northfold.example,\n";
        let report = import(&store, &subscribers, file, ImportBasis::Rows, false).await;
        assert_eq!((report.added, report.applied), (2, false));
        assert_eq!(people(&store).await, "");
        let path = store.folder.path().join("people.csv");
        let (asked, import) = (Asked::default(), Import::new(&path, ImportBasis::Ask));
        subscribers.import(&import, &asked, |_, _| {}).await.unwrap();
        assert_eq!(asked.count(), 2);
        assert_eq!(states(&store).await, "a@northfold.example pending\nb@northfold.example pending");
    }

    async fn the_more_restrictive_state_wins_in_an_import(store: TestStore) {
        let (subscribers, _clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, "a@northfold.example", &["weekly"]).await;
        confirmed(&subscribers, "b@northfold.example", &["weekly"]).await;
        let file = b"email,state\na@northfold.example,unsubscribed\nb@northfold.example,complained\nc@northfold.example,bounced\n";
        import(&store, &subscribers, file, ImportBasis::Confirmed("a list"), false).await;
        let strict = "a@northfold.example unsubscribed\nb@northfold.example complained\nc@northfold.example bounced";
        assert_eq!(states(&store).await, strict);
        let file = b"email,state\na@northfold.example,confirmed\nb@northfold.example,confirmed\nc@northfold.example,confirmed\n";
        let report = import(&store, &subscribers, file, ImportBasis::Confirmed("a list"), false).await;
        assert_eq!(report.skipped, 3);
        assert_eq!(states(&store).await, strict);
    }

    async fn a_second_import_of_the_same_file_changes_nothing(store: TestStore) {
        let (subscribers, clock) = subscribers(&store, URL).await;
        let file = b"email,name,state,topics,confirmed_at\na@northfold.example,A,confirmed,news,2024-02-03\nb@northfold.example,B,unsubscribed,,\n";
        let report = import(&store, &subscribers, file, ImportBasis::Confirmed("a list"), false).await;
        assert_eq!(report.added, 2);
        let after = everything(&store).await;
        clock.advance(Duration::from_secs(60));
        let report = import(&store, &subscribers, file, ImportBasis::Confirmed("a list"), false).await;
        assert_eq!((report.added, report.updated, report.unchanged + report.skipped), (0, 0, 2));
        assert_eq!(everything(&store).await, after);
    }
}

/// Tokens of a fresh key file.
fn tokens() -> Tokens {
    static KEYS: std::sync::OnceLock<std::sync::Arc<Keys>> = std::sync::OnceLock::new();
    let keys = KEYS.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let hex = |digit: &str| digit.repeat(64);
        std::fs::write(&path, format!("suppression {}\ntoken {}\n", hex("a"), hex("b"))).unwrap();
        Keys::read(&path).unwrap().unwrap().into()
    });
    Tokens::new(keys.clone(), URL)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_token_says_what_it_was_made_for_and_nothing_else(
        id in any::<[u8; 16]>(), digest in "[a-z][a-z0-9-]{0,30}", topics in prop::collection::btree_set("[a-z]{1,9}", 1..4),
        place in any::<prop::sample::Index>(), letter in "[a-z2-7]",
    ) {
        let tokens = tokens();
        let id = PublicId::parse(&data_encoding::BASE32_NOPAD.encode(&id).to_ascii_lowercase()).unwrap();
        let token = tokens.unsubscribe(&id, &digest);
        let claim = DigestClaim { subscriber: id.clone(), digest: digest.clone() };
        prop_assert_eq!(tokens.verify_unsubscribe(token.as_str()), Ok(claim));
        prop_assert_eq!(tokens.verify_preferences(token.as_str()), Err(TokenError::Forged));
        prop_assert_eq!(tokens.verify_confirm(token.as_str(), MONDAY), Err(TokenError::Forged));

        let choice = [Chosen { digest, topics: Topics::Only(topics) }];
        let confirm = tokens.confirm(&id, &address(ANN), &choice, MONDAY);
        let claim = tokens.verify_confirm(confirm.as_str(), MONDAY).unwrap();
        prop_assert_eq!((&claim.choice[..], claim.asked_at), (&choice[..], MONDAY));
        let late = MONDAY.plus(Duration::from_secs(7 * 86_400));
        prop_assert_eq!(tokens.verify_confirm(confirm.as_str(), late), Err(TokenError::Expired));

        let mut changed = token.as_str().to_owned();
        let at = place.index(changed.len());
        changed.replace_range(at..=at, &letter);
        prop_assert_eq!(tokens.verify_unsubscribe(&changed).is_ok(), changed == token.as_str());
    }

    #[test]
    fn no_text_makes_the_reader_of_tokens_panic(text in ".{0,80}") {
        prop_assert!(tokens().verify_unsubscribe(&text).is_err());
    }
}
