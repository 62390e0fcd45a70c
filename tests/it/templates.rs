//! Templates as operators work with them: exported, changed, looked at.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use postround::app::App;
use postround::config::Config;
use postround::domain::Locale;
use postround::render::format_date;
use postround::web::{dev, serve};

use crate::support::TestStore;
use crate::support::daemon::Daemon;
use crate::support::program::Program;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exported_templates_are_used_where_they_are_changed_and_nothing_is_written_over() {
    let store = TestStore::sqlite().await;
    let program = Program::on(&store).await;
    let export = program.run(&["template", "export", "own"]).await;
    assert!(export.status.success(), "{export:?}");
    let own = program.folder.path().join("own");
    for file in ["digest.html", "welcome.txt", "pages/confirm.html", "pages/style.css", "locales/cy.toml"] {
        assert!(own.join(file).is_file(), "{file}");
    }
    std::fs::write(own.join("digest.txt"), "mine").unwrap();
    let again = program.run(&["template", "export", "own"]).await;
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("is there already"), "{again:?}");
    assert_eq!(std::fs::read_to_string(own.join("digest.txt")).unwrap(), "mine");
    let forced = program.run(&["--json", "template", "export", "own", "--force"]).await;
    assert!(serde_json::from_slice::<Vec<String>>(&forced.stdout).unwrap().len() > 30, "{forced:?}");
    assert_ne!(std::fs::read_to_string(own.join("digest.txt")).unwrap(), "mine");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pages_of_serve_dev_show_each_mail_as_it_is_saved_and_to_this_machine_alone() {
    let store = TestStore::sqlite().await;
    let program = Program::on(&store).await;
    let folder = program.folder.path().join("own");
    std::fs::create_dir(&folder).unwrap();
    let file = program.folder.path().join("config.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{config}\n[templates]\ndir = \"own\"\n")).unwrap();
    let app = App::open(Config::load(&file, std::iter::empty()).unwrap().into()).await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/dev", listener.local_addr().unwrap());
    tokio::spawn(serve(listener, dev::router(&file, app.store.clone()), std::future::pending()));
    let get = async |path: &str| {
        let answer = reqwest::get(format!("{base}{path}")).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };

    let (status, list) = get("").await;
    assert!(status == 200 && list.contains("/dev/show/weekly/goodbye"), "{list}");
    let mails = |name: &str| list.matches(&format!("\"/dev/show/weekly/{name}\"")).count();
    assert_eq!(["subscribed", "taken", "confirmation", "reminder"].map(mails), [1, 1, 1, 1], "{list}");
    let text = async |name: &str| get(&format!("/mail/weekly/{name}/text")).await.1;
    assert_ne!(text("subscribed").await, text("taken").await);
    assert_ne!(text("confirmation").await, text("reminder").await);
    let (_, shown) = get("/show/weekly/goodbye").await;
    assert!(shown.contains("src=\"/dev/mail/weekly/goodbye/html\"") && shown.contains("/dev/follow.js"), "{shown}");
    assert_eq!(get("/show/weekly/nothing").await.0, 404);
    let (_, mail) = get("/mail/weekly/digest/text").await;
    assert!(mail.contains("An invented story about") && !mail.contains("##"), "{mail}");
    assert!(list.contains("<h1>Mails</h1>"), "{list}");
    let (_, correction) = get("/mail/weekly/correction/text").await;
    assert!(correction.contains("what is right instead") && correction.contains("23 November 2026"), "{correction}");
    let (_, before) = get("/stamp").await;

    std::fs::write(folder.join("goodbye.txt"), "So long! {{ slot.link }}").unwrap();
    assert_ne!(get("/stamp").await.1, before);
    assert!(get("/mail/weekly/goodbye/text").await.1.starts_with("So long! "));
    std::fs::write(folder.join("goodbye.txt"), "{% if lettr %}{% endif %}{{ slot.link }}").unwrap();
    let (status, message) = get("/mail/weekly/goodbye/text").await;
    assert!(
        status == 500 && message.contains("goodbye.txt:1: `lettr` is not known here; did you mean `letter`?"),
        "{message}"
    );

    // A file that is put back is older than what was saved meanwhile.
    let dated = |path: &Path, at: SystemTime| {
        std::fs::File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
    };
    dated(&file, SystemTime::now() + Duration::from_secs(60));
    let (_, before) = get("/stamp").await;
    dated(&folder.join("goodbye.txt"), SystemTime::UNIX_EPOCH);
    assert_ne!(get("/stamp").await.1, before);

    // A wording is shown before it is taken, and shown alone.
    std::fs::remove_file(folder.join("goodbye.txt")).unwrap();
    std::fs::create_dir(folder.join("locales")).unwrap();
    std::fs::write(folder.join("locales/en-GB.toml"), "date = \"{day} of {month} {year}\"").unwrap();
    assert!(text("correction").await.contains("23 of November 2026"));
    let day = chrono::NaiveDate::from_ymd_opt(2026, 11, 23).unwrap();
    assert_eq!(format_date(day, &Locale::default()), "23 November 2026");

    let outside = reqwest::Client::new();
    for (name, value) in [("host", "news.example.org"), ("x-forwarded-for", "203.0.113.1")] {
        let answer = outside.get(&base).header(name, value).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 404, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_come_to_an_end_is_tried_once_for_each_save_however_often_serve_dev_asks() {
    if !Path::new("/proc/self/task").is_dir() {
        eprintln!("skipped: this system does not list the threads of a process under /proc");
        return;
    }
    let store = TestStore::sqlite().await;
    let program = Program::on(&store).await;
    let own = program.folder.path().join("own");
    std::fs::create_dir(&own).unwrap();
    let config = std::fs::read_to_string(program.folder.path().join("config.toml")).unwrap();
    let with_subject = |subject: &str| {
        program
            .configure(&format!("{config}subject = \"{subject}{{{{ lead.title }}}}\"\n[templates]\ndir = \"own\"\n"));
    };
    with_subject("");
    // What spins leaves the processor to the other tests.
    let serve = program.command(&["serve", "--dev"]);
    let mut nice = Command::new("nice");
    nice.args(["-n", "19"]).arg(serve.get_program()).args(serve.get_args());
    nice.current_dir(program.folder.path()).stdin(Stdio::null()).stderr(Stdio::piped());
    let daemon = Daemon::run(nice).await;
    // Those that are at work: they cannot be stopped.
    let trials = || {
        let threads = std::fs::read_dir(format!("/proc/{}/task", daemon.id())).unwrap();
        let names = threads.filter_map(|thread| std::fs::read_to_string(thread.unwrap().path().join("comm")).ok());
        names.filter(|name| name.trim() == "templates").count()
    };
    let ask = async || {
        for _ in 0..3 {
            let parts = ["html", "text"].map(|part| format!("/dev/mail/weekly/digest/{part}"));
            let [stamp, html, text] = ["/dev/stamp", &parts[0], &parts[1]].map(|path| daemon.get(path));
            let (stamp, html, text) = tokio::join!(stamp, html, text);
            assert_eq!((stamp.0.as_u16(), html.0.as_u16(), text.0.as_u16()), (200, 500, 500), "{}", html.1);
            assert!(html.1.contains("not done after 10 seconds") && text.1 == html.1, "{}", html.1);
        }
    };
    let endless = "{% set r = range(end=3000) %}{% for a in r %}{% for b in r %}{% for c in r %}{% endfor %}{% endfor %}{% endfor %}";
    std::fs::write(own.join("digest.txt"), endless).unwrap();
    ask().await;
    assert_eq!(trials(), 1);
    with_subject(endless);
    ask().await;
    assert_eq!(trials(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wording_that_makes_a_mail_too_long_is_refused_with_its_file() {
    let store = TestStore::sqlite().await;
    let program = Program::on(&store).await;
    let locales = program.folder.path().join("own/locales");
    std::fs::create_dir_all(&locales).unwrap();
    let config = std::fs::read_to_string(program.folder.path().join("config.toml")).unwrap();
    program.configure(&format!("{config}\n[templates]\ndir = \"own\"\n"));
    let check = async |key: &str, octets: usize| {
        let words = format!("{key} = \"{}\"\n", "x".repeat(octets));
        std::fs::write(locales.join("pt.toml"), words).unwrap();
        let output = program.run(&["config", "check"]).await;
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for key in ["[mails.goodbye]\ntext", "why"] {
        let (code, said) = check(key, 80_000).await;
        assert!(code == Some(2) && said.contains("own/locales/pt.toml: a mail has "), "{said}");
        let (code, said) = check(key, 30_000).await;
        assert_eq!(code, Some(0), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mistake_in_a_page_is_found_by_config_check_and_not_by_a_visitor() {
    let store = TestStore::sqlite().await;
    let program = Program::on(&store).await;
    let pages = program.folder.path().join("own/pages");
    std::fs::create_dir_all(&pages).unwrap();
    let file = program.folder.path().join("config.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{config}\n[templates]\ndir = \"own\"\n")).unwrap();
    let begin = "{% extends \"pages/layout.html\" %}\n{% block main %}";
    for (text, said) in [
        ("{{ headng }}{% endblock main %}", "message.html:2: `headng` is not known here; did you mean `heading`?"),
        ("{% if site.lgo %}{% endif %}{% endblock main %}", "message.html:2: `site.lgo` is not known here"),
        (
            "\n{{ t(key=\"confirm.headin\") }}{% endblock main %}",
            "message.html:3: the wording of pages has nothing under `confirm.headin`; did you mean `confirm.heading`?",
        ),
        (
            "{% endblock main %}{% block mian %}{% endblock %}",
            "message.html:2: there is no block `mian` in what it extends; did",
        ),
        ("{{ heading | uper }}{% endblock main %}", "message.html:2: there is no filter `uper`; did you mean `upper`?"),
        ("{% if text %}", "message.html:2"),
        ("{% include \"pages/no.html\" %}{% endblock main %}", "pages/no.html"),
    ] {
        std::fs::write(pages.join("message.html"), format!("{begin}{text}")).unwrap();
        let check = program.run(&["config", "check"]).await;
        let heard = String::from_utf8_lossy(&check.stderr).into_owned();
        assert_eq!(check.status.code(), Some(2), "{text}: {heard}");
        assert!(heard.contains(said), "{text}: {heard}");
    }
    std::fs::write(pages.join("message.html"), format!("{begin}{{{{ heading }}}}{{% endblock main %}}")).unwrap();
    std::fs::write(pages.join("mesage.html"), "").unwrap();
    std::fs::write(pages.join("confirm.htm"), "").unwrap();
    std::fs::write(pages.join("._home.html"), "\0").unwrap();
    std::fs::write(pages.join("home.html.bak"), "").unwrap();
    std::os::unix::fs::symlink("/nowhere/home.html", pages.join("home.html")).unwrap();
    std::fs::write(pages.join("style.css"), "h1 { color: #123456 }").unwrap();
    let check = program.run(&["config", "check"]).await;
    let heard = String::from_utf8_lossy(&check.stderr).into_owned();
    assert!(
        check.status.success()
            && heard.contains("mesage.html is not used: there is no such page; did you mean `message.html`?")
            && heard.contains("confirm.htm is not used: there is no such page; did you mean `confirm.html`?")
            && heard.contains("pages/home.html is not used: it is a link to what is not there")
            && heard.matches("is not used").count() == 3,
        "{heard}"
    );
    std::fs::write(pages.join("message.html"), b"\n\n\xfc").unwrap();
    let check = program.run(&["config", "check"]).await;
    let heard = String::from_utf8_lossy(&check.stderr).into_owned();
    assert!(
        check.status.code() == Some(2) && heard.contains("message.html:3: what stands here is no UTF-8"),
        "{heard}"
    );
}
