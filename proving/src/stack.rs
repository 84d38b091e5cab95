//! A whole epro-relay of a test's own.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::process::Command;
use uuid::Uuid;

use crate::client::Client;
use crate::database::Database;
use crate::sample::Sample;
use crate::service::{Service, Start, binary};
use crate::services::Services;
use crate::token::Minter;
use crate::vhost::Vhost;

/// A vhost and a database, nothing of ours in them: for the broker's and the store's own tests.
#[derive(Debug)]
pub struct Bare {
    /// The vhost, deleted with this value.
    pub vhost: Vhost,
    /// The database, dropped with this value.
    pub database: Database,
}

/// What a test wants different from the usual.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Laid over the sample configuration, key by key: `{"worker": {"chunk": 4}}`.
    pub config: Value,
    /// Another AMQP `host:port` for our processes: a [`crate::Proxy`]'s address.
    pub broker: Option<String>,
    /// Another PostgreSQL `host:port` for our processes.
    pub postgres: Option<String>,
    /// Leaves out `epro topology apply`.
    pub without_topology: bool,
    /// Leaves out `epro migrate`.
    pub without_migration: bool,
}

/// A migrated database, a vhost with the topology, configuration and keys in a folder of
/// its own, and the processes that the test starts. All of it goes away with this value.
#[derive(Debug)]
pub struct Stack {
    // In the order in which they go: nothing of ours may run when these disappear.
    vhost: Vhost,
    database: Database,
    folder: Folder,
    minter: Minter,
    started: std::sync::atomic::AtomicUsize,
}

impl Stack {
    /// Just a vhost and a database.
    pub async fn bare() -> Result<Bare> {
        Self::bare_on(&Services::from_env()?).await
    }

    async fn bare_on(services: &Services) -> Result<Bare> {
        Ok(Bare {
            vhost: Vhost::create_on(services).await?,
            database: Database::create_on(&services.database).await?,
        })
    }

    /// The usual stack, nothing started yet.
    pub async fn new() -> Result<Self> {
        Self::with(Plan::default()).await
    }

    /// A stack with differences, nothing started yet.
    pub async fn with(plan: Plan) -> Result<Self> {
        Self::on(Services::from_env()?, plan).await
    }

    /// The same on other services: those of [`crate::own::Own`].
    pub async fn on(services: Services, plan: Plan) -> Result<Self> {
        let Bare { vhost, database } = Self::bare_on(&services).await?;
        let folder = Folder::create()?;
        let led = |url: &str, to: &Option<String>| match to {
            Some(to) => crate::services::with_host_port(url, to),
            None => Ok(url.to_owned()),
        };
        let sample = Sample {
            broker: led(vhost.url(), &plan.broker)?,
            management: services.management,
            postgres: led(database.url(), &plan.postgres)?,
            smtp: None,
            overlay: quiet(plan.config),
        };
        let minter = sample.write(&folder.0)?;
        let started = std::sync::atomic::AtomicUsize::new(0);
        let stack = Self { vhost, database, folder, minter, started };
        if !plan.without_migration {
            stack.epro(&["migrate"]).await?;
        }
        if !plan.without_topology {
            stack.epro(&["topology", "apply"]).await?;
        }
        Ok(stack)
    }

    /// Its vhost.
    pub fn vhost(&self) -> &Vhost {
        &self.vhost
    }

    /// Its database.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Its folder: `config.yaml`, `keys/`, one `.log` file a process.
    pub fn folder(&self) -> &Path {
        &self.folder.0
    }

    /// Its configuration file.
    pub fn config(&self) -> PathBuf {
        self.folder.0.join("config.yaml")
    }

    /// Mints tokens that its API accepts.
    pub fn minter(&self) -> &Minter {
        &self.minter
    }

    /// Starts a producer-api and waits until it is ready.
    pub async fn api(&self) -> Result<Service> {
        let mut api = self.spawn("epro-producer-api", &[])?;
        api.ready().await?;
        Ok(api)
    }

    /// Starts a worker and waits until it is ready.
    pub async fn worker(&self) -> Result<Service> {
        let mut worker = self.spawn("epro-worker", &[])?;
        worker.ready().await?;
        Ok(worker)
    }

    /// Starts a binary with more environment and doesn't wait.
    pub fn spawn(&self, binary: &'static str, env: &[(&str, &str)]) -> Result<Service> {
        self.start(binary, None, env)
    }

    /// Starts `epro console` and waits until it is ready.
    pub async fn console(&self) -> Result<Service> {
        self.console_with(&[]).await
    }

    /// The same with more environment.
    pub async fn console_with(&self, env: &[(&str, &str)]) -> Result<Service> {
        let mut console = self.start("epro", Some("console"), env)?;
        console.ready().await?;
        Ok(console)
    }

    fn start(
        &self,
        binary: &'static str,
        command: Option<&'static str>,
        env: &[(&str, &str)],
    ) -> Result<Service> {
        let number = self.started.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let output = self.folder.0.join(format!("{binary}-{number}.log"));
        Service::start(&Start { binary, command, config: &self.config(), env, output })
    }

    /// A client of that API with a log of its own.
    pub fn client(&self, api: &Service) -> Result<Client> {
        Client::new(&api.url(), self.minter.clone())
    }

    /// Runs `epro` and gives its stdout; an error with its stderr unless it exits 0.
    pub async fn epro(&self, args: &[&str]) -> Result<String> {
        let (code, out, err) = self.epro_status(args).await?;
        ensure!(code == Some(0), "epro {args:?} gave {code:?}:\n{out}{err}");
        Ok(out)
    }

    /// Runs `epro`; exit code, stdout, stderr.
    pub async fn epro_status(&self, args: &[&str]) -> Result<(Option<i32>, String, String)> {
        self.epro_with(&[], args).await
    }

    /// The same with more environment.
    pub async fn epro_with(
        &self,
        env: &[(&str, &str)],
        args: &[&str],
    ) -> Result<(Option<i32>, String, String)> {
        let ran = Command::new(binary("epro")?)
            .envs(env.iter().copied())
            .arg("--config")
            .arg(self.config())
            .args(args)
            .kill_on_drop(true)
            .output()
            .await
            .context("run epro")?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok((ran.status.code(), text(ran.stdout), text(ran.stderr)))
    }

    /// Leaves vhost, database and folder there after the test, to look at.
    pub fn keep(&mut self) {
        self.vhost.keep();
        self.database.keep();
        self.keep_folder();
    }

    /// Leaves its folder alone there.
    pub fn keep_folder(&mut self) {
        self.folder.1 = true;
    }
}

/// Unless a test says which lanes run, those that call nobody outside: what is for hospitals and people
/// stays in its queue, where the test can look at it.
fn quiet(mut config: Value) -> Value {
    if config["worker"]["lanes"].is_null() {
        if config.is_null() {
            config = Value::Object(serde_json::Map::new());
        }
        config["worker"]["lanes"] = serde_json::json!(["submissions", "dead", "relay", "commands"]);
    }
    config
}

#[derive(Debug)]
struct Folder(PathBuf, bool);

impl Folder {
    fn create() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("epro-test-{}", Uuid::now_v7().simple()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path, false))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.1 {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}
