//! What every page needs.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use epro_process::auth::Verifier;
use epro_process::config::Config;
use epro_process::shutdown::Shutdown;
use epro_store::audit::{Actor, AuditFacts};
use epro_store::{AuditChain, Store, StoreError};
use tokio::sync::{Mutex, MutexGuard, mpsc, watch};

use super::picture::Picture;
use super::refused::Refused;
use super::seal_keys::SealKeys;
use super::session::Sessions;
use super::turned_away::TurnedAway;
use super::working::{self, Work};
use crate::outside::{Misconfigured, Outside};
use crate::redrive::job::Runner;

/// How long PostgreSQL may take to answer for a page.
const PAGE: Duration = Duration::from_millis(1500);
/// How long it may take to do what somebody asked for.
const ACT: Duration = Duration::from_secs(10);
/// Connections of all redrives that are worked at here. Pages have `postgres.pool_size`; the watch has its own, so that
/// slow pages don't blind it.
const REDRIVING: usize = 2;

/// What every page needs.
pub(crate) struct Desk {
    pub config: Config,
    pub verifier: Verifier,
    pub sessions: Sessions,
    /// What bodies are opened with.
    pub seal_keys: SealKeys,
    /// Where a form may come from.
    pub origins: BTreeSet<String>,
    pub shutdown: Shutdown,
    /// To whoever works at redrives in this process.
    pub redrives: mpsc::Sender<Work>,
    /// Sign-ins that failed, acts that were not done.
    pub turned_away: TurnedAway,
    store: Store,
    redriving: Store,
    picture: watch::Receiver<Arc<Picture>>,
    chain: Mutex<AuditChain>,
}

impl Desk {
    /// By the configuration, and where the watch puts what it sees.
    pub(crate) fn new(
        config: Config,
        shutdown: Shutdown,
    ) -> anyhow::Result<(Self, watch::Sender<Arc<Picture>>, mpsc::Receiver<Work>)> {
        let verifier = Verifier::new(&config.auth).map_err(Misconfigured)?;
        let url = Outside::new(&config).database_url()?;
        let store = Store::open(&url, usize::try_from(config.postgres.pool_size).unwrap_or(usize::MAX));
        let redriving = Store::open(&url, REDRIVING);
        let origins = origins(&config);
        let secure = origins.iter().all(|origin| origin.starts_with("https:"));
        let (watch, picture) = watch::channel(Arc::default());
        let (redrives, work) = mpsc::channel(working::WAITING);
        let sessions = Sessions::new(secure)?;
        let chain = Mutex::new(AuditChain::new("epro console"));
        let turned_away = TurnedAway::default();
        let seal_keys = SealKeys::read(&config.keys);
        let desk = Self {
            config,
            verifier,
            sessions,
            seal_keys,
            origins,
            shutdown,
            redrives,
            turned_away,
            store,
            redriving,
            picture,
            chain,
        };
        Ok((desk, watch, work))
    }

    /// The two services, as the terminal's commands take them.
    pub(crate) fn outside(&self) -> Outside<'_> {
        Outside::new(&self.config)
    }

    /// The store, for code of the terminal's.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Somebody who makes redrives, over the connections that all of them share.
    pub(crate) fn runner(&self, by: impl Into<AuditFacts>) -> anyhow::Result<Runner> {
        let ring = self.seal_keys.ring().context("the console has no keys of seals")?;
        Runner::over(self.redriving.clone(), &self.outside(), ring, by)
    }

    /// What was seen last.
    pub(crate) fn picture(&self) -> Arc<Picture> {
        self.picture.borrow().clone()
    }

    /// Tells whenever something new was seen.
    pub(crate) fn follow(&self) -> watch::Receiver<Arc<Picture>> {
        self.picture.clone()
    }

    /// Asks PostgreSQL for a page. Known to be down it isn't asked; silent, it isn't waited for.
    pub(crate) async fn ask<T, F>(&self, ask: impl FnOnce(Store) -> F) -> Result<T, String>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let picture = self.picture();
        if let Some(down) = &picture.tables.down {
            return Err(down.why.clone());
        }
        match tokio::time::timeout(PAGE, ask(self.store.clone())).await {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_) => Err("it took longer than a page may".to_owned()),
        }
    }

    /// The acts of this process are one chain of the audit trail: one at a time.
    pub(crate) async fn chain(&self) -> Result<MutexGuard<'_, AuditChain>, Refused> {
        let busy = |_| Refused::down("Another act waits for PostgreSQL. Nothing was done.");
        tokio::time::timeout(ACT, self.chain.lock()).await.map_err(busy)
    }
}

/// What somebody asked for, once it is done and audited.
pub(crate) async fn done<T>(act: impl Future<Output = Result<T, StoreError>>) -> Result<T, Refused> {
    match tokio::time::timeout(ACT, act).await {
        Ok(done) => done.map_err(|error| Refused::down(format!("PostgreSQL: {error}."))),
        Err(_) => Err(Refused::down("PostgreSQL didn't answer in time. Look whether it was done.")),
    }
}

/// Somebody who is signed in, as the audit trail names them.
pub(crate) fn actor(who: &str) -> Actor {
    Actor::Operator(who.to_owned())
}

fn origins(config: &Config) -> BTreeSet<String> {
    let console = &config.console;
    match &console.origin {
        Some(origin) => BTreeSet::from([origin.clone()]),
        None => {
            let (scheme, port) =
                (if console.tls.is_some() { "https" } else { "http" }, console.listen.port());
            let at = [console.listen.to_string(), format!("localhost:{port}")];
            at.into_iter().map(|at| format!("{scheme}://{at}")).collect()
        }
    }
}
