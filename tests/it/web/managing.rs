//! The pages of choosing and managing over real HTTP, from the mail's link to the last button.

use std::time::{Duration, Instant};

use postround::config::Rate;
use postround::domain::PublicId;
use postround::schedule::Schedule;
use postround::subscribers::{CHANGES, Leave, Origin, SuppressionReason};
use proptest::strategy::{Strategy, ValueTree};
use reqwest::StatusCode;

use super::joining::seen;
use super::site::{FORM, Site, hidden, value};
use crate::support::household::{address, confirmed, everything, execute, text, traces};
use crate::support::{TestStore, on_both};

pub const ANN: &str = "ann.marsh@northfold.example";

impl Site {
    pub async fn act(&self, path: &str, body: &str) -> (StatusCode, String) {
        let response = self.follow(self.post(path, FORM, body.to_owned()).send().await.unwrap()).await;
        (response.status(), response.text().await.unwrap())
    }

    pub async fn shown(&self, path: &str) -> (StatusCode, String) {
        let response = self.get(path).await;
        (response.status(), response.text().await.unwrap())
    }
}

/// A link without what is before its path.
pub fn path(url: &str) -> String {
    let path = url.strip_prefix("https://post.northfold.example").unwrap_or(url);
    path.strip_prefix("/mail").unwrap().to_owned()
}

pub async fn link(store: &TestStore) -> String {
    path(&text(store, "select link from deliveries where link is not null order by id desc limit 1").await)
}

pub async fn ann(store: &TestStore, site: &Site) -> (String, String) {
    let id = PublicId::parse(&text(store, &format!("select public_id from subscribers where email = '{ANN}'")).await)
        .unwrap();
    let tokens = site.subscribers.tokens();
    (path(&tokens.unsubscribe_url(&id, "weekly")), path(&tokens.preferences_url(&id, "weekly")))
}

/// The target of the form that has this button.
pub fn action(page: &str, button: &str) -> String {
    let before = page.split(button).next().unwrap();
    let form = before.rsplit("<form").next().unwrap();
    let action = form.split("action=\"").nth(1).unwrap().split('"').next().unwrap().replace("&#x2F;", "/");
    action.strip_prefix("/mail").unwrap().to_owned()
}

/// An issue of last week with two stories of news and one feature, and one of two months ago.
async fn stories(store: &TestStore, site: &Site) {
    let (recent, old) = (site.subscribers.now().0 - 7 * 86_400_000, site.subscribers.now().0 - 60 * 86_400_000);
    execute(store, &format!(
        "insert into articles (source, guid, url, canonical, title, excerpt, topic, first_seen_at, updated_at)
             values ('s', 'g', 'u', 'c', 't', '', 'news', 0, 0);
         insert into issues (public_id, digest, issue_key, state, subject, issue_date, composed_at, layout_after, recipients)
             values ('a', 'weekly', 'a', 'sent', '', '', {recent}, 0, 1), ('b', 'weekly', 'b', 'sent', '', '', {old}, 0, 1);
         insert into issue_articles (issue_id, digest, article_id, canonical, position, listed, topic, source, url, title, excerpt)
             select i.id, 'weekly', a.id, v.canonical, v.position, 0, v.topic, 's', '', '', '' from issues i, articles a,
                 (select 'a' as issue, 'c1' as canonical, 1 as position, 'news' as topic union all select 'a', 'c2', 2, 'news'
                  union all select 'a', 'c2', 3, 'features' union all select 'a', 'c2', 4, 'news'
                  union all select 'b', 'c3', 1, 'interviews') v where v.issue = i.public_id")).await;
}

on_both! {
    async fn a_digests_link_shows_no_address_and_mails_the_link_to_everything(store: TestStore) {
        let site = Site::open(&store).await;
        confirmed(&site.subscribers, ANN, &["weekly", "jobs"]).await;
        let (_, preferences) = ann(&store, &site).await;
        let (_, page) = site.shown(&preferences).await;
        assert!(page.contains("an•••@northfold.example") && !page.contains(ANN) && !page.contains("last month"), "{page}");
        stories(&store, &site).await;
        let (_, page) = site.shown(&preferences).await;
        for count in ["last month: 2 stories", "last month: one story", "last month: 0 stories"] {
            assert!(page.contains(count), "{page}");
        }
        for field in ["do=data", "do=erase&sure=yes", "do=address&email=x@saltby.example", "do=join&digest=jobs"] {
            site.act(&preferences, field).await;
        }
        assert_eq!(text(&store, "select state from subscribers").await, "confirmed", "not with a forwarded mail");
        assert_eq!(site.act(&preferences, "do=link").await.0, StatusCode::OK);
        assert_eq!(text(&store, "select kind || ' ' || address from deliveries").await, format!("manage {ANN}"));
        let everything_link = link(&store).await;
        let (status, page) = site.shown(&everything_link).await;
        assert!(status == StatusCode::OK && page.contains(ANN) && page.contains("until 09:00"), "{page}");
        let (status, page) = site.act(&everything_link, "do=profile&name=Ann+Marsh&locale=de").await;
        assert!(status == StatusCode::OK && page.contains("Ann Marsh"), "{page}");
        assert_eq!(text(&store, "select name || ' ' || locale from subscribers").await, "Ann Marsh de");
        for (bad, field) in [("do=profile&name=x%0Ay", "name"), ("do=profile&locale=xx", "locale"), ("do=address&email=x", "email"),
            ("do=join&digest=none", "digests"), ("do=nothing", "digests"), (&format!("do=address&email={ANN}"), "email")] {
            let (status, page) = site.act(&everything_link, bad).await;
            assert!(status == StatusCode::UNPROCESSABLE_ENTITY && page.contains(&format!("href=\"#{field}\"")), "{bad}: {page}");
        }
        let data = site.post(&everything_link, FORM, "do=data").send().await.unwrap();
        assert_eq!(data.headers()["content-type"], "application/json; charset=utf-8");
        assert_eq!((&data.headers()["cache-control"], &data.headers()["x-robots-tag"]), (&"no-store".parse().unwrap(), &"noindex".parse().unwrap()));
        let data: serde_json::Value = serde_json::from_str(&data.text().await.unwrap()).unwrap();
        assert_eq!(data["email"], ANN);
        site.clock.advance(Duration::from_secs(3600));
        let (status, page) = site.shown(&everything_link).await;
        assert!(status == StatusCode::GONE && page.contains("href=\"/mail/preferences\""), "{page}");
        assert_eq!(site.act(&everything_link, "do=erase&sure=yes").await.0, StatusCode::GONE);
    }

    async fn a_digests_link_names_no_other_digest_wherever_it_leads(store: TestStore) {
        let site = Site::open(&store).await;
        confirmed(&site.subscribers, ANN, &["weekly", "jobs"]).await;
        let (unsubscribe, preferences) = ann(&store, &site).await;
        let mut pages = vec![site.shown(&preferences).await.1, site.shown(&unsubscribe).await.1];
        assert!(pages.iter().all(|page| page.contains("You also get other newsletters from us.")), "{pages:#?}");
        assert!(pages[1].contains("Unsubscribe from everything"), "{}", pages[1]);
        pages.push(site.act(&unsubscribe, "leave=digest").await.1);
        site.clock.advance(Duration::from_secs(60));
        let (_, page) = site.act(&unsubscribe, "leave=all").await;
        let goodbye = action(&page, "name=\"reason\"");
        pages.extend([page, site.shown(&goodbye).await.1, site.act(&goodbye, "reason=other").await.1, site.act(&goodbye, "do=undo").await.1]);
        assert!(pages[6].contains("subscribed again") && pages[6].contains("as it was"), "{}", pages[6]);
        for page in &pages {
            assert!(!page.contains("Jobs"), "{page}");
        }
        site.act(&preferences, "do=link").await;
        assert!(site.shown(&link(&store).await).await.1.contains("Jobs &amp; Posts"), "the fresh link is theirs alone");
    }

    async fn an_address_is_changed_at_the_new_one_and_everything_is_erased_after_a_second_question(store: TestStore) {
        let site = Site::open(&store).await;
        confirmed(&site.subscribers, ANN, &["weekly"]).await;
        let (_, preferences) = ann(&store, &site).await;
        site.act(&preferences, "do=link").await;
        let managing = link(&store).await;
        site.act(&managing, "do=address&email=ann@saltby.example").await;
        let change = link(&store).await;
        assert!(change.starts_with("/address/"));
        let (status, page) = site.shown(&change).await;
        assert!(status == StatusCode::OK && page.contains("ann@saltby.example"), "{page}");
        assert_eq!(text(&store, "select email from subscribers").await, ANN);
        for _ in 0..2 {
            assert_eq!(site.act(&change, "").await.0, StatusCode::OK);
        }
        assert_eq!(text(&store, "select email from subscribers").await, "ann@saltby.example");
        assert_eq!(site.act(&managing, "do=erase&sure=yes").await.0, StatusCode::GONE, "the link of the old address");
        site.clock.advance(Duration::from_secs(601));
        site.act(&preferences, "do=link").await;
        let managing = link(&store).await;
        let (status, page) = site.act(&managing, "do=erase").await;
        assert!(status == StatusCode::OK && page.contains("cannot be undone") && page.contains("coded form"), "{page}");
        assert_eq!(text(&store, "select email from subscribers").await, "ann@saltby.example");
        assert_eq!(site.act(&managing, "do=erase&sure=yes").await.0, StatusCode::OK);
        assert_eq!(traces(&store, &[ANN, "ann@saltby.example", "Ann Marsh"]).await, "");
        assert_eq!(site.act(&managing, "do=erase&sure=yes").await.0, StatusCode::GONE);
        assert_eq!(site.shown(&preferences).await.0, StatusCode::OK, "and says nothing of anybody");
    }

    async fn a_link_that_has_moved_somebody_never_moves_them_again(store: TestStore) {
        let site = Site::open(&store).await;
        confirmed(&site.subscribers, ANN, &["weekly"]).await;
        let (_, preferences) = ann(&store, &site).await;
        let ask = async |to: &str| {
            execute(&store, "delete from notice_slots").await;
            site.act(&preferences, "do=link").await;
            execute(&store, "delete from notice_slots").await;
            site.act(&link(&store).await, &format!("do=address&email={to}")).await;
            site.clock.advance(Duration::from_secs(60));
            link(&store).await
        };
        let mut used = Vec::new();
        for to in ["ann@saltby.example", ANN] {
            let change = ask(to).await;
            assert_eq!(site.act(&change, "").await.0, StatusCode::OK);
            site.clock.advance(Duration::from_secs(60));
            used.push(change);
        }
        // That somebody had the address before is forgotten when it has become somebody else's.
        for former in ["select 1", "delete from former_addresses"] {
            execute(&store, former).await;
            let before = everything(&store).await;
            for (status, page) in [site.shown(&used[0]).await, site.act(&used[0], "").await] {
                assert!(status == StatusCode::GONE && page.contains("no longer counts") && !page.contains(ANN), "{page}");
            }
            assert_eq!(everything(&store).await, before);
        }
        for (status, page) in [site.shown(&used[1]).await, site.act(&used[1], "").await] {
            assert!(status == StatusCode::OK && page.contains("Your address is changed"), "{page}");
        }
        let fresh = ask("ann@saltby.example").await;
        assert_eq!(site.act(&fresh, "").await.0, StatusCode::OK);
        assert_eq!(text(&store, "select email from subscribers").await, "ann@saltby.example");
    }

    async fn a_new_address_that_looks_mistyped_is_asked_back_about_and_may_be_kept(store: TestStore) {
        let site = Site::open(&store).await;
        confirmed(&site.subscribers, ANN, &["weekly"]).await;
        let (_, preferences) = ann(&store, &site).await;
        site.act(&preferences, "do=link").await;
        let managing = link(&store).await;
        let mailed = "select kind || ' ' || address from deliveries where kind <> 'manage' order by id";
        let (status, page) = site.act(&managing, "do=address&email=ann@gmial.com").await;
        assert!(status == StatusCode::OK && page.contains("Did you mean ann@gmail.com?") && page.contains("Keep ann@gmial.com"), "{page}");
        assert_eq!(text(&store, mailed).await, "");
        let kept = format!("{}&email=ann@gmial.com", hidden(&page));
        assert_eq!(site.act(&action(&page, "Keep ann"), &kept).await.0, StatusCode::OK);
        assert_eq!(text(&store, mailed).await, "address ann@gmial.com");
    }

    async fn whoever_left_before_they_confirm_a_new_address_is_not_promised_mails(store: TestStore) {
        let site = Site::open(&store).await;
        confirmed(&site.subscribers, ANN, &["weekly"]).await;
        let (unsubscribe, preferences) = ann(&store, &site).await;
        site.act(&preferences, "do=link").await;
        site.act(&link(&store).await, "do=address&email=ann@saltby.example").await;
        let change = link(&store).await;
        site.act(&unsubscribe, "leave=digest").await;
        for (status, page) in [site.act(&change, "").await, site.shown(&change).await] {
            assert!(status == StatusCode::OK && page.contains("It is ann@saltby.example now. No mails go there"), "{page}");
        }
        assert_eq!(text(&store, "select email || ' ' || state from subscribers").await, "ann@saltby.example unsubscribed");
    }

    async fn whoever_reads_the_mailbox_that_somebody_moved_away_from_is_not_shown_where_to(store: TestStore) {
        let site = Site::open(&store).await;
        confirmed(&site.subscribers, ANN, &["weekly", "jobs"]).await;
        let (unsubscribe, preferences) = ann(&store, &site).await;
        site.act(&preferences, "do=link").await;
        let everything_link = link(&store).await;
        site.act(&everything_link, "do=address&email=ann@saltby.example").await;
        let (status, page) = site.act(&link(&store).await, "").await;
        assert!(status == StatusCode::OK && page.contains("ann@saltby.example"), "{page}");
        let mut pages = vec![site.shown(&preferences).await.1, site.shown(&unsubscribe).await.1, site.shown(&everything_link).await.1];
        assert!(pages[0].contains("to the address that this newsletter goes to"), "{}", pages[0]);
        // What a forwarded mail may do, theirs may too; what takes a fresh link is mailed to the new address.
        execute(&store, "delete from notice_slots").await;
        pages.push(site.act(&preferences, "do=link").await.1);
        assert_eq!(text(&store, "select address from deliveries where kind = 'manage' order by id desc limit 1").await, "ann@saltby.example");
        pages.push(site.act(&preferences, "pause=4w").await.1);
        pages.push(site.act(&unsubscribe, "leave=digest").await.1);
        let goodbye = action(&pages[5], "value=\"undo\"");
        pages.extend([site.shown(&goodbye).await.1, site.act(&goodbye, "reason=other").await.1, site.shown(&unsubscribe).await.1]);
        for page in &pages {
            assert!(page.contains("<h1>") && !page.contains("saltby") && !page.contains("•••"), "{page}");
        }
    }

    async fn a_lost_link_is_answered_the_same_for_everybody(store: TestStore) {
        let site = Site::open(&store).await;
        confirmed(&site.subscribers, ANN, &["weekly"]).await;
        let (_, form) = site.shown("/preferences").await;
        let stamp = value(&form, "stamp").unwrap();
        let once_more = site.act("/preferences", &format!("stamp={stamp}&email={ANN}")).await;
        assert!(once_more.1.contains("once more"), "a form that comes back at once is asked again");
        site.clock.advance(Duration::from_secs(3));
        let again = hidden(&once_more.1);
        let email = |state: &str| format!("{state}@northfold.example");
        for state in ["confirmed", "unsubscribed", "bounced", "complained", "manual", "erased"] {
            confirmed(&site.subscribers, &email(state), &["weekly"]).await;
        }
        let left = site.subscribers.public_id(&address(&email("unsubscribed"))).await.unwrap().unwrap();
        site.subscribers.leave(&left, Leave::All, Origin::PAGE).await.unwrap();
        site.subscribers.erase_address(&address(&email("erased"))).await.unwrap();
        for (state, reason) in [
            ("bounced", SuppressionReason::Bounced), ("complained", SuppressionReason::Complaint),
            ("manual", SuppressionReason::Manual), ("nobody", SuppressionReason::Manual),
        ] {
            site.subscribers.suppress(&address(&email(state)), reason, "", Origin::COMMAND_LINE).await.unwrap();
        }
        site.join(&format!("email={}", email("pending"))).await;
        site.clock.advance(Duration::from_secs(601));
        let states = ["unknown", "pending", "confirmed", "unsubscribed", "bounced", "complained", "manual", "erased", "nobody"];
        let mut answers = Vec::new();
        for state in states {
            // On a busy machine one may take longer; none is answered before its step.
            let mut steps = Vec::new();
            while steps.len() < 5 && !steps.contains(&1) {
                let started = Instant::now();
                let body = format!("{again}&email={}", email(state));
                let answer = site.post("/preferences", FORM, body).send().await.unwrap();
                steps.push(started.elapsed().as_millis() / 250);
                answers.push(seen(answer).await);
            }
            assert!(steps.contains(&1) && !steps.contains(&0), "{state}: {steps:?}");
        }
        assert!(answers[0].starts_with("200 OK") && answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
        let mailed = "select kind || ' ' || address from deliveries where kind <> 'confirmation' or address not like 'pending%' or id > 1 order by id";
        let expected = [("confirmation", "pending"), ("manage", "confirmed"), ("manage", "unsubscribed")];
        let expected = expected.map(|(kind, state)| format!("{kind} {}", email(state))).join("\n");
        assert_eq!(text(&store, mailed).await, expected);
        assert_eq!(site.act("/preferences", "email=x").await.0, StatusCode::UNPROCESSABLE_ENTITY);
    }

    async fn a_new_address_is_asked_for_under_the_limits_of_sign_ups_and_in_their_steps(store: TestStore) {
        let site = Site::with(&store, |config| config.subscribe.per_domain = Rate::parse("2/d").unwrap()).await;
        confirmed(&site.subscribers, ANN, &["weekly"]).await;
        let (_, preferences) = ann(&store, &site).await;
        site.act(&preferences, "do=link").await;
        let managing = link(&store).await;
        for new in ["a@saltby.example", "b@saltby.example"] {
            let started = Instant::now();
            let (status, page) = site.act(&managing, &format!("do=address&email={new}")).await;
            assert!(status == StatusCode::OK && page.contains("inbox of the new address"), "{page}");
            assert!(started.elapsed() >= Duration::from_millis(250), "answered as soon as it was done");
        }
        let before = everything(&store).await;
        let (status, page) = site.act(&managing, "do=address&email=c@saltby.example").await;
        assert!(status == StatusCode::TOO_MANY_REQUESTS && page.contains("come back in a while"), "{page}");
        assert_eq!(everything(&store).await, before);
        assert_eq!(site.act(&managing, "do=address&email=c@elsewhere.example").await.0, StatusCode::OK);
        let (status, page) = site.act(&managing, "do=address&email=d@other.example").await;
        assert!(status == StatusCode::TOO_MANY_REQUESTS && page.contains("several new addresses"), "{page}");
    }

    async fn after_very_many_changes_the_page_says_so_and_pausing_and_leaving_go_on(store: TestStore) {
        let site = Site::open(&store).await;
        confirmed(&site.subscribers, ANN, &["weekly"]).await;
        let (unsubscribe, preferences) = ann(&store, &site).await;
        let other = |round: usize| if round.is_multiple_of(2) { "topics=news" } else { "topics=features" };
        for round in 0..CHANGES {
            assert_eq!(site.act(&preferences, &format!("offered=topics&{}", other(round))).await.0, StatusCode::OK);
            site.clock.advance(Duration::from_secs(1));
        }
        let answer = site.post(&preferences, FORM, format!("offered=topics&{}", other(CHANGES))).send().await.unwrap();
        assert_eq!((answer.status(), &answer.headers()["retry-after"]), (StatusCode::TOO_MANY_REQUESTS, &"3570".parse().unwrap()));
        let page = answer.text().await.unwrap();
        assert!(page.contains("Leaving and pausing work at any time"), "{page}");
        let (status, page) = site.act(&preferences, "pause=4w").await;
        assert!(status == StatusCode::OK && page.contains("Paused until"), "{page}");
        assert_eq!(site.act(&unsubscribe, "leave=digest").await.0, StatusCode::OK);
        assert_eq!(text(&store, "select state from subscribers").await, "unsubscribed");
    }

    async fn every_end_of_a_pause_that_is_offered_is_taken(store: TestStore) {
        let yearly = Schedule::parse("0 8 1 1 *", chrono_tz::Europe::London).unwrap();
        let site = Site::with(&store, |config| config.digests[1].schedule = yearly).await;
        confirmed(&site.subscribers, ANN, &["weekly", "jobs"]).await;
        for (digest, offered) in [(0, 13), (1, 1)] {
            let claim = &site.subscribers.config().digests[digest].id;
            let id = site.subscribers.public_id(&address(ANN)).await.unwrap().unwrap();
            let preferences = path(&site.subscribers.tokens().preferences_url(&id, claim));
            let (_, page) = site.shown(&preferences).await;
            let days: Vec<&str> = page.split("<option value=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
            assert_eq!(days.len(), offered, "{days:?}");
            for day in days {
                let (status, page) = site.act(&preferences, &format!("pause=date&until={day}")).await;
                assert_eq!(status, StatusCode::OK, "{day}: {page}");
            }
            let (status, _) = site.act(&preferences, "pause=date&until=2029-01-01").await;
            assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        }
    }

    async fn whatever_is_sent_is_answered_with_a_sentence_and_changes_nothing(store: TestStore) {
        let site = Site::open(&store).await;
        confirmed(&site.subscribers, ANN, &["weekly"]).await;
        let (unsubscribe, preferences) = ann(&store, &site).await;
        site.act(&preferences, "do=link").await;
        let managing = link(&store).await;
        let before = everything(&store).await;
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let piece = "[a-z2-7%./?&=é\\x00\"<>' -]{0,40}";
        let words = "(topics|offered|pause|until|do|digest|name|locale|email|reason|note|sure|stamp|x)";
        for round in 0..60 {
            let text = piece.new_tree(&mut runner).unwrap().current();
            let field = words.new_tree(&mut runner).unwrap().current();
            let junk = url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            for route in ["unsubscribe", "preferences", "goodbye", "address", "confirm"] {
                let path = format!("/{route}/{junk}x");
                for (status, page) in [site.shown(&path).await, site.act(&path, &format!("{field}={junk}")).await] {
                    assert!(status.is_client_error() && page.contains("<h1>"), "{path}: {status} {page}");
                }
            }
            // A good link with a tampered end, and good links with fields that mean nothing.
            let mut cut = managing.clone();
            cut.truncate(managing.len() - 1 - round % 20);
            assert!(site.act(&cut, "do=erase&sure=yes").await.0.is_client_error());
            let body = format!("{field}=!{junk}&do=?{junk}&pause=!{junk}");
            for path in [&preferences, &managing, &"/preferences".to_owned()] {
                let (status, page) = site.act(path, &body).await;
                assert!(status == StatusCode::UNPROCESSABLE_ENTITY && page.contains("<h1>"), "{path} {body}: {status}");
            }
        }
        assert!(site.shown(&unsubscribe).await.0.is_success());
        assert_eq!(everything(&store).await, before);
    }
}
