//! Noes on PostgreSQL, beside a delivery that comes back and is started at the same moment: whoever has the answer hears of no
//! start after it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use postround::config::StoreUrl;
use postround::domain::DeliveryState;
use postround::store::Durability;
use postround::subscribers::{
    ChangeAsked, Chose, DigestClaim, Import, ImportBasis, Keys, Leave, Origin, Subscribers, SuppressionReason, Undone,
};
use sqlx::{Connection, Executor, PgConnection};

use super::moving::{NEW, id_of, mailed, mark, starts};
use super::{ANN, URL};
use crate::support::household::{Asked, address, confirmed, execute, subscribers, text};
use crate::support::{MONDAY, PATIENCE, TestStore};

/// A file that has somebody paused.
const PAUSED: &str = "email,subscriptions\nANN,weekly=* paused until=2027-06-01\n";

async fn connect(store: &TestStore) -> PgConnection {
    let StoreUrl::Postgres(url) = &store.url else { panic!("this is not PostgreSQL") };
    PgConnection::connect(url.reveal()).await.unwrap()
}

/// Until this is committed nobody comes further than to their evidence: deliveries have been cancelled, or queued again, by then.
async fn hold_evidence(holder: &mut PgConnection) -> sqlx::Transaction<'_, sqlx::Postgres> {
    let mut hold = holder.begin().await.unwrap();
    hold.execute("lock table consent_events in share mode").await.unwrap();
    hold
}

/// An issue that is being sent and is laid out.
async fn sending(store: &TestStore) {
    let issue = "insert into issues (public_id, digest, issue_key, state, subject, issue_date, composed_at, layout_after, laid_out_at, recipients)
         values ('i', 'weekly', 'k', 'sending', '', '', 0, 0, 1, 1)";
    execute(store, issue).await;
}

async fn ends_the_pause(store: &TestStore, subscribers: &Subscribers) {
    let claim = DigestClaim { subscriber: id_of(store, ANN).await, digest: "weekly".to_owned() };
    assert_eq!(subscribers.choose(&claim, None, None, Origin::PAGE).await.unwrap(), Chose::Now);
}

/// Waits until somebody waits for a lock of that kind, or `is_over`.
pub(super) async fn until_somebody_waits(store: &TestStore, kind: &str, is_over: impl Fn() -> bool) {
    let waiting = format!(
        "select cast(count(*) as text) from pg_locks l join pg_stat_activity a on a.pid = l.pid
         where not l.granted and l.locktype = '{kind}' and a.datname = current_database()"
    );
    let wait = async {
        while !is_over() && text(store, &waiting).await == "0" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap();
}

/// One of the ways in which somebody is to get nothing more.
async fn say_no(way: &str, path: &Path, store: &TestStore, subscribers: &Subscribers) {
    let import = Import::new(path, ImportBasis::Confirmed("a list"));
    match way {
        "suppressed" => {
            subscribers.suppress(&address(ANN), SuppressionReason::Manual, "", Origin::COMMAND_LINE).await.unwrap();
        }
        "listed" => {
            let manual = SuppressionReason::Manual;
            subscribers.import_suppressions(&import, manual, "", Origin::COMMAND_LINE).await.unwrap();
        }
        "paused" => {
            let claim = DigestClaim { subscriber: id_of(store, ANN).await, digest: "weekly".to_owned() };
            let pause = Some(MONDAY.plus(Duration::from_secs(86_400)));
            assert_eq!(subscribers.choose(&claim, None, pause, Origin::PAGE).await.unwrap(), Chose::Now);
        }
        _ => {
            subscribers.import(&import, &Asked::default(), |_, _| {}).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_no_is_answered_when_no_start_that_has_not_heard_of_it_is_under_way() {
    let since = "2026-01-02T03:04:05Z";
    for (way, file) in [
        ("suppressed", String::new()),
        ("paused", String::new()),
        ("listed", format!("{ANN}\n")),
        ("imported as left", format!("email,state\n{ANN},unsubscribed\n")),
        ("imported as paused", PAUSED.replace("ANN", ANN)),
        ("imported as suppressed", format!("email,state,suppressed\n{ANN},confirmed,manual {since}\n")),
    ] {
        let Some(store) = TestStore::postgres().await else { return };
        let (subscribers, _clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly"]).await;
        mailed(&store, "digest", "queued", "").await;
        let first = starts(&mut subscribers.store().marks().await.unwrap()).await;
        let path = store.folder.path().join("no.csv");
        std::fs::write(&path, file).unwrap();
        let mut holder = connect(&store).await;
        let hold = hold_evidence(&mut holder).await;
        let answered = AtomicBool::new(false);
        let is_answered = || answered.load(Ordering::SeqCst);
        let no = async {
            say_no(way, &path, &store, &subscribers).await;
            answered.store(true, Ordering::SeqCst);
        };
        let meanwhile = async {
            until_somebody_waits(&store, "relation", is_answered).await;
            // What was under way comes back, and is started again.
            let back = mark(&first, DeliveryState::Sending, DeliveryState::Queued);
            subscribers.store().marks().await.unwrap().mark_deliveries("me", &[back]).await.unwrap();
            let again =
                subscribers.store().marks().await.unwrap().claim_deliveries("me", MONDAY, 10, None).await.unwrap();
            let mut start = subscribers.store().write(Durability::Normal).await.unwrap();
            let marks = [mark(&again[0], DeliveryState::Claimed, DeliveryState::Sending)];
            assert_eq!(start.mark_deliveries("me", &marks).await.unwrap(), [(again[0].id, "sending".to_owned())]);
            hold.commit().await.unwrap();
            until_somebody_waits(&store, "transactionid", is_answered).await;
            assert!(!is_answered(), "{way}: before the start was over");
            start.commit().await.unwrap();
        };
        tokio::join!(no, meanwhile);
        assert_eq!(text(&store, "select state from deliveries").await, "sending", "{way}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_queued_beside_the_beginning_of_a_pause_comes_when_it_is_ended() {
    for way in ["paused", "imported as paused"] {
        let Some(store) = TestStore::postgres().await else { return };
        let (subscribers, clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly"]).await;
        sending(&store).await;
        let path = store.folder.path().join("no.csv");
        std::fs::write(&path, PAUSED.replace("ANN", ANN)).unwrap();
        let mut holder = connect(&store).await;
        let hold = hold_evidence(&mut holder).await;
        let no = say_no(way, &path, &store, &subscribers);
        let meanwhile = async {
            until_somebody_waits(&store, "relation", || false).await;
            // A layout that waits for the row of the subscriber goes on before the claims are recalled.
            let queue = "set session_replication_role = replica;
                insert into mails (kind, digest, topics, locale, subject, html, body_text, mime, marker, salt, created_at)
                    values ('digest', 'weekly', '*', '', '', '', '', '', '', '', 0);
                insert into deliveries (mail_id, issue_id, kind, digest, subscriber_id, address, name, state, priority, due_at,
                        first_due_at, attempts)
                    select 1, 1, 'digest', 'weekly', id, email, '', 'queued', 0, 0, 0, 0 from subscribers";
            execute(&store, queue).await;
            clock.advance(Duration::from_secs(1));
            hold.commit().await.unwrap();
        };
        tokio::join!(no, meanwhile);
        assert_eq!(text(&store, "select state from deliveries").await, "cancelled", "{way}");
        clock.advance(Duration::from_secs(60));
        ends_the_pause(&store, &subscribers).await;
        assert_eq!(text(&store, "select state from deliveries").await, "queued", "{way}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issue_is_not_finished_beside_somebody_to_whom_it_comes_again() {
    let stands = "select i.state || ' ' || d.state from issues i join deliveries d on d.issue_id = i.id";
    for undone in [false, true] {
        let Some(store) = TestStore::postgres().await else { return };
        let (subscribers, clock) = subscribers(&store, URL).await;
        confirmed(&subscribers, ANN, &["weekly"]).await;
        sending(&store).await;
        mailed(&store, "digest", "queued", "issue_id=1").await;
        let way = match undone {
            false => {
                say_no("paused", Path::new(""), &store, &subscribers).await;
                None
            }
            true => {
                let (id, asked) = (id_of(&store, ANN).await, Asked::default());
                let left = subscribers.say_goodbye(&id, "weekly", Leave::All, Origin::PAGE, &asked).await.unwrap();
                Some(subscribers.tokens().verify_undo(left.way.unwrap().as_str(), subscribers.now()).unwrap())
            }
        };
        assert_eq!(text(&store, stands).await, "sending cancelled");
        clock.advance(Duration::from_secs(60));
        let comes_again = async || match &way {
            None => ends_the_pause(&store, &subscribers).await,
            Some(way) => assert!(matches!(subscribers.undo(way, "Undo", Origin::PAGE).await.unwrap(), Undone::Now(_))),
        };
        let finish = async || {
            let mut session = subscribers.store().write(Durability::Full).await.unwrap();
            let finished = session.finish_issue(1, subscribers.now()).await.unwrap();
            (session, finished)
        };
        let mut holder = connect(&store).await;
        let hold = hold_evidence(&mut holder).await;
        let over = AtomicBool::new(false);
        let tended = async {
            until_somebody_waits(&store, "relation", || false).await;
            let (session, finished) = finish().await;
            session.commit().await.unwrap();
            over.store(true, Ordering::SeqCst);
            finished
        };
        let let_go = async {
            until_somebody_waits(&store, "transactionid", || over.load(Ordering::SeqCst)).await;
            hold.commit().await.unwrap();
        };
        let ((), finished, ()) = tokio::join!(comes_again(), tended, let_go);
        assert_eq!((finished, text(&store, stands).await.as_str()), (false, "sending queued"), "undone: {undone}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_pause_stopped_of_an_issue_that_is_being_finished_stays_stopped() {
    let Some(store) = TestStore::postgres().await else { return };
    let (subscribers, clock) = subscribers(&store, URL).await;
    confirmed(&subscribers, ANN, &["weekly"]).await;
    sending(&store).await;
    mailed(&store, "digest", "queued", "issue_id=1").await;
    say_no("paused", Path::new(""), &store, &subscribers).await;
    clock.advance(Duration::from_secs(60));
    let mut session = subscribers.store().write(Durability::Full).await.unwrap();
    assert!(session.finish_issue(1, subscribers.now()).await.unwrap());
    let over = AtomicBool::new(false);
    let ended = async {
        ends_the_pause(&store, &subscribers).await;
        over.store(true, Ordering::SeqCst);
    };
    let let_go = async {
        until_somebody_waits(&store, "transactionid", || over.load(Ordering::SeqCst)).await;
        session.commit().await.unwrap();
    };
    tokio::join!(ended, let_go);
    let stands = "select i.state || ' ' || d.state from issues i join deliveries d on d.issue_id = i.id";
    assert_eq!(text(&store, stands).await, "sent cancelled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_was_broken_off_since_another_was_in_the_way_tries_again() {
    let Some(store) = TestStore::postgres().await else { return };
    let (subscribers, _clock) = subscribers(&store, URL).await;
    confirmed(&subscribers, ANN, &["weekly"]).await;
    let broken_off = "create sequence tries;
        create function break_off() returns trigger language plpgsql as $$ begin
            if nextval('tries') = 1 then raise exception 'deadlock detected' using errcode = '40P01'; end if;
            return new;
        end $$;
        create trigger break_off before insert on consent_events for each row execute function break_off()";
    execute(&store, broken_off).await;
    let (keys, now) = (Keys::read(&store.folder.path().join("keys")).unwrap().unwrap(), subscribers.now());
    let token =
        subscribers.tokens().manage(&id_of(&store, ANN).await, &keys.address_hash(&address(ANN)), "weekly", now);
    let claim = subscribers.tokens().verify_manage(token.as_str(), now).unwrap();
    let asked = Asked::default();
    let answer = subscribers.ask_address_change(&claim, &address(NEW), Origin::PAGE, &asked).await.unwrap();
    assert_eq!((answer, asked.count()), (ChangeAsked::Asked, 1));
    execute(&store, "alter sequence tries restart").await;
    let done = subscribers.suppress(&address(ANN), SuppressionReason::Bounced, "", Origin::RELAY).await.unwrap();
    assert!(done.changed);
    execute(&store, "alter sequence tries restart").await;
    let path = store.folder.path().join("list.csv");
    std::fs::write(&path, format!("{ANN}\n")).unwrap();
    let import = Import::new(&path, ImportBasis::Rows);
    let manual = SuppressionReason::Manual;
    let report = subscribers.import_suppressions(&import, manual, "", Origin::COMMAND_LINE).await.unwrap();
    assert_eq!(report.added, 1);
}
