//! The pages over real HTTP on a store, with the settings of a test, and a reader of forms.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use postround::app::Notices;
use postround::config::Config;
use postround::domain::SystemRandom;
use postround::render::Renderer;
use postround::subscribers::{Keys, Subscribers};
use postround::web::{AppState, router, serve};
use reqwest::{Client, RequestBuilder, Response};

use crate::support::household::config;
use crate::support::{MONDAY, TestClock, TestStore};

/// What a form is posted as.
pub const FORM: &str = "application/x-www-form-urlencoded";

/// The running pages.
pub struct Site {
    pub subscribers: Subscribers,
    pub clock: Arc<TestClock>,
    pub root: String,
    pub client: Client,
    /// What the operator was told.
    pub warnings: Arc<Mutex<Vec<String>>>,
}

impl Site {
    /// Pages below `/mail`, with the usual settings.
    pub async fn open(store: &TestStore) -> Self {
        Self::with(store, |_| {}).await
    }

    /// The same with settings of their own.
    pub async fn with(store: &TestStore, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = config(store, "https://post.northfold.example/mail");
        change(&mut config);
        let config = Arc::new(config);
        let keys = Arc::new(Keys::open(&config.store.keys, &store.store, &SystemRandom).await.unwrap());
        let clock = Arc::new(TestClock::at(MONDAY));
        let renderer = Arc::new(Renderer::new(None).unwrap());
        let notices = Notices::new(config.clone(), renderer, keys.clone(), clock.clone(), Arc::new(SystemRandom));
        let subscribers = Subscribers::new(store.store.clone(), config, keys, clock.clone(), Arc::new(SystemRandom));
        let warnings = Arc::new(Mutex::new(Vec::new()));
        let ears = warnings.clone();
        let warn = Arc::new(move |key: &'static str, sentence: String| {
            ears.lock().unwrap().push(format!("{key}: {sentence}"));
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let root = format!("http://{}", listener.local_addr().unwrap());
        let state = AppState::new(subscribers.clone(), notices, warn).unwrap();
        tokio::spawn(serve(listener, router(state), std::future::pending()));
        let client = Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
        Self { subscribers, clock, root, client, warnings }
    }

    pub async fn get(&self, path: &str) -> Response {
        self.client.get(format!("{}{path}", self.root)).send().await.unwrap()
    }

    /// Goes where an answer leads to, as a browser does.
    pub async fn follow(&self, answer: Response) -> Response {
        match answer.headers().get("location") {
            Some(path) => self.get(path.to_str().unwrap()).await,
            None => answer,
        }
    }

    pub async fn text(&self, path: &str) -> String {
        self.get(path).await.text().await.unwrap()
    }

    /// A request that posts that body.
    pub fn post(&self, path: &str, kind: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.root)).header("content-type", kind).body(body)
    }

    /// Posts a form with the stamp of one that was fetched two seconds ago.
    pub async fn join(&self, fields: &str) -> Response {
        let stamp = self.stamp().await;
        self.clock.advance(Duration::from_secs(2));
        self.post("/subscribe", FORM, format!("stamp={stamp}&{fields}")).send().await.unwrap()
    }

    /// Sends JSON.
    pub async fn send(&self, json: &str) -> Response {
        self.post("/subscribe", "application/json", json.to_owned()).send().await.unwrap()
    }

    /// The stamp of a form that is fetched now.
    pub async fn stamp(&self) -> String {
        value(&self.text("/").await, "stamp").unwrap()
    }
}

/// The fields that a form sends back by itself, as a body.
pub fn hidden(page: &str) -> String {
    let mut body = url::form_urlencoded::Serializer::new(String::new());
    for tag in page.split("<input type=\"hidden\" name=\"").skip(1) {
        let (name, rest) = tag.split_once("\" value=\"").unwrap();
        body.append_pair(name, &plain(rest.split('"').next().unwrap()));
    }
    body.finish()
}

/// The value of the first input of that name.
pub fn value(page: &str, name: &str) -> Option<String> {
    let rest = page.split_once(&format!("name=\"{name}\" value=\""))?.1;
    rest.split('"').next().map(plain)
}

fn plain(text: &str) -> String {
    text.replace("&#x2F;", "/")
        .replace("&quot;", "\"")
        .replace("&#x27;", "'")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}
