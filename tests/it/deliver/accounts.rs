//! Accounts: signing in by password or by token, in the way that the server offers.

use postround::config::{Auth, Secret, Tls};
use tokio::io::BufReader;
use tokio::net::TcpStream;

use super::servers::{before, hear, say};
use super::world::{Catcher, World, smtp_url};
use crate::support::TestStore;

/// `AUTH XOAUTH2` for user `me` and token `t0ken`; whoever has another is told why in a challenge.
async fn by_token(mut client: BufReader<TcpStream>) -> Option<BufReader<TcpStream>> {
    say(&mut client, "220 hello\r\n").await?;
    hear(&mut client).await?;
    say(&mut client, "250-localhost\r\n250 AUTH XOAUTH2\r\n").await?;
    // user=me^Aauth=Bearer t0ken^A^A
    if hear(&mut client).await? == "AUTH XOAUTH2 dXNlcj1tZQFhdXRoPUJlYXJlciB0MGtlbgEB" {
        say(&mut client, "235 2.7.0 Accepted\r\n").await?;
        return Some(client);
    }
    say(&mut client, "334 eyJzdGF0dXMiOiI0MDEifQ==\r\n").await?;
    assert_eq!(hear(&mut client).await?, "");
    say(&mut client, "535 5.7.8 The token has run out\r\n").await?;
    None
}

#[tokio::test]
async fn an_account_is_signed_in_by_a_token_that_is_read_anew_for_each_connection() {
    let (world, catcher) = (World::new(TestStore::sqlite().await).await, Catcher::plain().await);
    let mut settings = catcher.settings();
    settings.smtp.relays[0].url = smtp_url(before(catcher.address, by_token).await, Tls::None);
    let file = world.test.folder.path().join("token");
    std::fs::write(&file, "old\n").unwrap();
    let relay = &mut settings.smtp.relays[0];
    (relay.auth, relay.username) = (Auth::Xoauth2, "me".to_owned());
    (relay.password, relay.password_file) = (Secret::new("old"), Some(file.clone()));
    world.queue(3).await;
    let engine = world.engine(settings);
    let refused = engine.deliver_one_batch().await.unwrap();
    assert!(refused.relay.as_deref().is_some_and(|words| words.contains("The token has run out")), "{refused:?}");
    assert_eq!(world.totals().await.queued, 3, "it is no message's failure");
    std::fs::write(&file, "t0ken\n").unwrap();
    world.deliver_all(&engine).await;
    assert_eq!(world.totals().await.sent, 3);
}

/// `AUTH LOGIN` for user `me` and password `t0ken`, which asks for one after the other (draft-murchison-sasl-login).
async fn by_login(mut client: BufReader<TcpStream>, offers: &str) -> Option<BufReader<TcpStream>> {
    say(&mut client, "220 hello\r\n").await?;
    hear(&mut client).await?;
    say(&mut client, &format!("250-localhost\r\n250 AUTH {offers}\r\n")).await?;
    // Username:, me, Password:, t0ken
    for (expected, answer) in
        [("AUTH LOGIN", "334 VXNlcm5hbWU6"), ("bWU=", "334 UGFzc3dvcmQ6"), ("dDBrZW4=", "235 2.7.0 Accepted")]
    {
        let is_right = hear(&mut client).await? == expected;
        say(&mut client, &format!("{}\r\n", if is_right { answer } else { "535 5.7.8 No" })).await?;
        if !is_right {
            return None;
        }
    }
    Some(client)
}

#[tokio::test]
async fn an_account_is_signed_in_by_login_where_nothing_else_is_offered_or_the_config_says_so() {
    for (auth, offers) in [(Auth::Password, "LOGIN"), (Auth::Login, "PLAIN LOGIN")] {
        let (world, catcher) = (World::new(TestStore::sqlite().await).await, Catcher::plain().await);
        let mut settings = catcher.settings();
        let server = before(catcher.address, move |client| by_login(client, offers)).await;
        let relay = &mut settings.smtp.relays[0];
        (relay.url, relay.auth, relay.username) = (smtp_url(server, Tls::None), auth, "me".to_owned());
        world.queue(2).await;
        for (password, sent) in [("wr0ng", 0), ("t0ken", 2)] {
            settings.smtp.relays[0].password = Secret::new(password);
            let outcome = world.engine(settings.clone()).deliver_one_batch().await.unwrap();
            assert_eq!((outcome.sent, outcome.failed), (sent, 0), "{auth:?}: {outcome:?}");
        }
        assert_eq!(world.totals().await.sent, 2);
    }
}
