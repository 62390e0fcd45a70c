//! The program put together: the rooms wired to one configuration, store, clock and key file.

mod notices;

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

pub use notices::Notices;

use crate::alerts::{Alerts, PostError, Poster, Teller, Watch};
use crate::collect::{FetchError, Fetcher, Limits};
use crate::compose::{ClickUrl, Composer};
use crate::config::Config;
use crate::deliver::{Engine, Links, Settings, Timings};
use crate::domain::{Clock, Random, SystemClock, SystemRandom};
use crate::render::{Renderer, TemplateError};
use crate::store::{DelivererLock, Store, StoreError};
use crate::subscribers::{Keys, KeysError, Subscribers, Tokens};

/// Why the program could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key file is not usable, or belongs to another store.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// A template is wrong.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The HTTP client could not be made.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The HTTP client of the warnings could not be made.
    #[error("warnings cannot be given: {0}")]
    Alerts(#[from] PostError),
}

/// How often a process that has something to deliver asks whether it may do so itself.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// The rooms wired together. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// The configuration.
    pub config: Arc<Config>,
    /// Where everything is kept.
    pub store: Store,
    /// The keys of tokens and suppressions.
    pub keys: Arc<Keys>,
    /// The templates.
    pub renderer: Arc<Renderer>,
    /// The way to the sources.
    pub fetcher: Fetcher,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
}

impl App {
    /// Opens the store, reads keys and templates, and wires the rooms together.
    ///
    /// # Errors
    /// [`AppError`] when one of them is not usable.
    pub async fn open(config: Arc<Config>) -> Result<Self, AppError> {
        let renderer = renderer(&config)?;
        Self::wired(config, renderer).await
    }

    /// The same for what must be done also while a template is wrong: of that there is a warning, and the built-in ones are there
    /// instead.
    ///
    /// # Errors
    /// [`AppError`] when anything else is not usable.
    pub async fn open_in_any_case(config: Arc<Config>) -> Result<Self, AppError> {
        let renderer = renderer(&config).or_else(|wrong| {
            tracing::warn!("{wrong}; what is mailed now is made by the built-in templates");
            Renderer::instead(&wrong).map(Arc::new)
        })?;
        Self::wired(config, renderer).await
    }

    /// The same for what makes no mail: an operator's templates are not read.
    ///
    /// # Errors
    /// [`AppError`] when anything else is not usable.
    pub async fn open_without_templates(config: Arc<Config>) -> Result<Self, AppError> {
        let renderer = Arc::new(Renderer::new(None)?);
        Self::wired(config, renderer).await
    }

    async fn wired(config: Arc<Config>, renderer: Arc<Renderer>) -> Result<Self, AppError> {
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        let fetcher = Fetcher::new(Limits::default(), config.collect.allow_private_networks)?;
        let store = Store::open(&config.store.url).await?;
        let keys = Arc::new(Keys::open(&config.store.keys, &store, &*random).await?);
        config.templates.wordings.install();
        Ok(Self { config, store, keys, renderer, fetcher, clock: Arc::new(SystemClock), random })
    }

    /// The same program by another configuration, with templates read anew. Store and keys stay as they are, whatever it
    /// says of them; its wordings hold once they are installed, since they are the process's.
    ///
    /// # Errors
    /// When a template is not usable, or no HTTP client can be made.
    pub fn with_config(&self, config: Arc<Config>) -> Result<Self, AppError> {
        let renderer = renderer(&config)?;
        let fetcher = Fetcher::new(Limits::default(), config.collect.allow_private_networks)?;
        Ok(Self { config, renderer, fetcher, ..self.clone() })
    }

    /// What makes issues.
    pub fn composer(&self) -> Composer {
        Composer {
            config: Arc::clone(&self.config),
            store: self.store.clone(),
            renderer: Arc::clone(&self.renderer),
            fetcher: self.fetcher.clone(),
            clock: Arc::clone(&self.clock),
            random: Arc::clone(&self.random),
            click_url: self.click_url(),
        }
    }

    fn click_url(&self) -> Arc<ClickUrl> {
        let tokens = Tokens::new(Arc::clone(&self.keys), &self.config.server.public_url);
        Arc::new(move |issue, place| tokens.click_url(issue, place))
    }

    /// What knows the subscribers.
    pub fn subscribers(&self) -> Subscribers {
        Subscribers::new(
            self.store.clone(),
            Arc::clone(&self.config),
            Arc::clone(&self.keys),
            Arc::clone(&self.clock),
            Arc::clone(&self.random),
        )
    }

    /// What queues the mails about subscriptions.
    pub fn notices(&self) -> Notices {
        Notices::new(
            Arc::clone(&self.config),
            Arc::clone(&self.renderer),
            Arc::clone(&self.keys),
            Arc::clone(&self.clock),
            Arc::clone(&self.random),
        )
    }

    /// Where warnings to the operator are raised, and what gives them and looks for more.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn alerts(&self) -> Result<(Alerts, Teller, Watch), AppError> {
        let poster = Poster::new()?;
        let (alerts, raised) = Alerts::new();
        let teller = Teller {
            raised,
            config: Arc::clone(&self.config),
            store: self.store.clone(),
            renderer: Arc::clone(&self.renderer),
            poster: poster.clone(),
            clock: Arc::clone(&self.clock),
            random: Arc::clone(&self.random),
        };
        let (config, clock) = (Arc::clone(&self.config), Arc::clone(&self.clock));
        let watch = Watch::new(config, self.store.clone(), poster, clock, alerts.clone());
        Ok((alerts, teller, watch))
    }

    /// What delivers, for whoever holds the right to.
    pub fn engine(&self, lock: DelivererLock) -> Engine {
        let (clock, random) = (Arc::clone(&self.clock), Arc::clone(&self.random));
        Engine::new(self.store.clone(), lock, self.engine_settings(), self.mail_links(), clock, random)
    }

    /// What delivers by this configuration in the place of an engine that went by another.
    pub fn successor(&self, engine: &Engine) -> Engine {
        engine.successor(self.engine_settings(), self.mail_links())
    }

    fn engine_settings(&self) -> Settings {
        Settings {
            smtp: self.config.smtp.clone(),
            delivery: self.config.delivery.clone(),
            hello: hello(&self.config),
            dkim: self.config.dkim.as_ref().map(|dkim| Arc::clone(&dkim.signer)),
            timings: Timings::default(),
        }
    }

    fn mail_links(&self) -> Arc<dyn Links> {
        Arc::new(MailLinks(Tokens::new(Arc::clone(&self.keys), &self.config.server.public_url)))
    }

    /// Does `work` while the queue, or one mail of it, is delivered: by this process, where no other one holds the right
    /// to. `trouble` hears once what the relay itself fails with.
    ///
    /// # Errors
    /// When the store cannot say who holds it.
    pub async fn delivering<F: Future>(
        &self,
        mail: Option<i64>,
        trouble: impl Fn(String),
        work: F,
    ) -> Result<F::Output, AppError> {
        let mut work = Box::pin(work);
        let lock = loop {
            if let Some(lock) = self.store.try_lock_deliverer()? {
                break lock;
            }
            // Whoever holds it may stop before the work is done.
            tokio::select! {
                output = &mut work => return Ok(output),
                () = tokio::time::sleep(ASK_AGAIN) => {}
            }
        };
        let engine = self.engine(lock);
        let engine = mail.into_iter().fold(engine, Engine::only);
        let (done, is_done) = tokio::sync::oneshot::channel::<()>();
        let run = engine.run(async {
            let _ = is_done.await;
        });
        let listen = async {
            loop {
                tokio::time::sleep(ASK_AGAIN / 4).await;
                if let Some(words) = engine.relay_trouble() {
                    trouble(words);
                    return std::future::pending::<Infallible>().await;
                }
            }
        };
        let work = async {
            let output = tokio::select! {
                output = &mut work => output,
                never = listen => match never {},
            };
            let _ = done.send(());
            output
        };
        let (output, _) = futures_util::future::join(Box::pin(work), Box::pin(run)).await;
        Ok(output)
    }
}

/// The templates, with those that the digests name among them.
fn renderer(config: &Config) -> Result<Arc<Renderer>, TemplateError> {
    for gap in &config.templates.gaps {
        tracing::warn!("{gap}");
    }
    let renderer = Renderer::of(config)?;
    for unused in renderer.unused() {
        tracing::warn!("{unused}");
    }
    Ok(Arc::new(renderer))
}

/// What this client calls itself to a relay: the host of its public address, where that is a name.
fn hello(config: &Config) -> String {
    let host = url::Url::parse(&config.server.public_url).ok().and_then(|url| url.domain().map(str::to_owned));
    host.filter(|host| host.contains('.')).unwrap_or_else(|| "[127.0.0.1]".to_owned())
}

struct MailLinks(Tokens);

impl Links for MailLinks {
    fn unsubscribe_url(&self, subscriber: &crate::domain::PublicId, digest: &str) -> String {
        self.0.unsubscribe_url(subscriber, digest)
    }

    fn preferences_url(&self, subscriber: &crate::domain::PublicId, digest: &str) -> String {
        self.0.preferences_url(subscriber, digest)
    }

    fn nobodys_unsubscribe_url(&self, digest: &str) -> String {
        self.0.unsubscribe_url(&Tokens::nobody(), digest)
    }

    fn nobodys_preferences_url(&self, digest: &str) -> String {
        self.0.preferences_url(&Tokens::nobody(), digest)
    }
}
