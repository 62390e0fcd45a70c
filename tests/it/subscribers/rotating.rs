//! New keys: whichever process signs first, all know each other's links, and those of before work for ever.

use std::sync::Arc;

use postround::domain::SystemRandom;
use postround::subscribers::{Keys, KeysError, Rotated, Tokens};

use super::URL;
use crate::support::household::address;
use crate::support::{MONDAY, on_both};

on_both! {
    async fn a_running_process_knows_the_links_of_a_newer_key_and_signs_with_it_when_it_has_looked(store: TestStore) {
        let path = store.folder.path().join("keys");
        let open = async || Arc::new(Keys::open(&path, &store.store, &SystemRandom).await.unwrap());
        let running = open().await;
        let (old, id) = (Tokens::new(running.clone(), URL), Tokens::nobody());
        let before = old.unsubscribe(&id, "weekly");
        Keys::rotate(&path, &SystemRandom).unwrap();
        let new = Tokens::new(open().await, URL);
        let after = new.unsubscribe(&id, "weekly");
        assert!(before != after);
        for tokens in [&old, &new] {
            assert!(tokens.verify_unsubscribe(before.as_str()).is_ok(), "a link of before");
            assert!(tokens.verify_unsubscribe(after.as_str()).is_ok(), "a link of the newer process");
        }
        assert_eq!(old.unsubscribe(&id, "weekly"), after, "it has read the file for that");
        Keys::rotate(&path, &SystemRandom).unwrap();
        assert!(running.refresh() && !running.refresh());
        assert!(old.unsubscribe(&id, "weekly") != after);
    }

    async fn a_link_to_a_new_address_does_not_show_it_and_works_whichever_key_is_newest(store: TestStore) {
        let path = store.folder.path().join("keys");
        let open = async || Arc::new(Keys::open(&path, &store.store, &SystemRandom).await.unwrap());
        let (old, id, new_address) = (Tokens::new(open().await, URL), Tokens::nobody(), address("ann@saltby.example"));
        let link = |tokens: &Tokens| {
            let url = tokens.change_url(&id, &"a".repeat(52), "weekly", &new_address, MONDAY);
            url.rsplit('/').next().unwrap().to_owned()
        };
        let before = link(&old);
        let octets = data_encoding::BASE32_NOPAD.decode(before.to_ascii_uppercase().as_bytes()).unwrap();
        for part in ["ann", "saltby"] {
            assert!(!octets.windows(part.len()).any(|octets| octets.eq_ignore_ascii_case(part.as_bytes())), "{octets:?}");
        }
        Keys::rotate(&path, &SystemRandom).unwrap();
        let new = Tokens::new(open().await, URL);
        let after = link(&new);
        for (tokens, token) in [(&old, &before), (&new, &before), (&old, &after), (&new, &after)] {
            let claim = tokens.verify_change(token, MONDAY).unwrap();
            assert_eq!((&claim.address, claim.person.digest.as_str()), (&new_address, "weekly"));
        }
    }

    async fn with_several_nodes_a_key_signs_when_each_has_the_file(store: TestStore) {
        let (here, there) = (store.folder.path().join("keys"), store.folder.path().join("keys-of-the-other"));
        let open = async |path| Arc::new(Keys::open(path, &store.store, &SystemRandom).await.unwrap());
        let here_tokens = Tokens::new(open(&here).await, URL);
        std::fs::copy(&here, &there).unwrap();
        let there_tokens = Tokens::new(open(&there).await, URL);
        let id = Tokens::nobody();
        let first = here_tokens.unsubscribe(&id, "weekly");
        assert_eq!(Keys::rotate_on_nodes(&here, &SystemRandom).unwrap(), Rotated::Waits);
        assert_eq!(Tokens::new(open(&here).await, URL).unsubscribe(&id, "weekly"), first, "it signs nothing yet");
        std::fs::copy(&here, &there).unwrap();
        assert_eq!(Keys::rotate_on_nodes(&here, &SystemRandom).unwrap(), Rotated::Signs);
        let second = Tokens::new(open(&here).await, URL).unsubscribe(&id, "weekly");
        assert!(second != first);
        assert!(there_tokens.verify_unsubscribe(second.as_str()).is_ok() && there_tokens.verify_unsubscribe(first.as_str()).is_ok());
    }

    async fn a_key_file_that_lacks_a_key_which_has_signed_is_refused(store: TestStore) {
        let (path, backup) = (store.folder.path().join("keys"), store.folder.path().join("backup"));
        Keys::open(&path, &store.store, &SystemRandom).await.unwrap();
        std::fs::copy(&path, &backup).unwrap();
        Keys::rotate(&path, &SystemRandom).unwrap();
        Keys::open(&path, &store.store, &SystemRandom).await.unwrap();
        let old = Keys::open(&backup, &store.store, &SystemRandom).await;
        assert!(matches!(old, Err(KeysError::Old { .. })));
    }

    async fn a_key_file_that_is_damaged_or_of_another_store_leaves_the_keys_in_hand(store: TestStore) {
        let path = store.folder.path().join("keys");
        let keys = Arc::new(Keys::open(&path, &store.store, &SystemRandom).await.unwrap());
        let tokens = Tokens::new(keys.clone(), URL);
        let token = tokens.unsubscribe(&Tokens::nobody(), "weekly");
        let good = std::fs::read(&path).unwrap();
        let hex = |digit: &str| digit.repeat(64);
        for text in ["token zz\n".to_owned(), String::new(), format!("suppression {}\ntoken {}\n", hex("a"), hex("b"))] {
            std::fs::write(&path, text).unwrap();
            assert!(!keys.refresh());
            assert!(tokens.verify_unsubscribe(token.as_str()).is_ok());
        }
        std::fs::write(&path, good).unwrap();
        assert!(keys.refresh(), "what is mended is taken up");
    }
}
