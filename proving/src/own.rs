//! A RabbitMQ or a PostgreSQL of one test's own, to be stopped and killed, or to speak TLS.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tokio::process::Command;
use uuid::Uuid;

use crate::certificates::Authority;
use crate::services::{Services, host_port, var};

mod cluster;

pub use cluster::{Cluster, Look, NODES};

/// Which service.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// RabbitMQ with its management plugin.
    Broker,
    /// PostgreSQL.
    Postgres,
}

/// A service started by `./dev` for one test; ended and forgotten with this value, also on panic.
#[derive(Debug)]
pub struct Own {
    kind: Kind,
    dev: String,
    folder: PathBuf,
}

impl Own {
    /// Starts one and waits until it answers.
    pub async fn start(kind: Kind) -> Result<Self> {
        let own = Self::new(kind)?;
        own.again().await?;
        Ok(own)
    }

    /// The same, which speaks TLS itself as well: as `localhost`, for which `authority` vouches, with clients that
    /// `clients` vouches for. From then on PostgreSQL has nobody but its superuser come in plain text.
    pub async fn start_with_tls(kind: Kind, authority: &Authority, clients: &Authority) -> Result<Self> {
        let own = Self::new(kind)?;
        let given = own.folder.with_extension("tls");
        std::fs::create_dir(&given)?;
        authority.server_files(&given, "localhost")?;
        std::fs::rename(clients.write(&given)?, given.join("clients.pem"))?;
        let args = [Path::new(kind.command()), Path::new("start"), &own.folder, &given];
        let started = run(&own.dev, args.into_iter()).await;
        // The service has copies, which only its own user can read.
        std::fs::remove_dir_all(&given)?;
        started?;
        Ok(own)
    }

    fn new(kind: Kind) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("epro-own-{}", Uuid::now_v7().simple()));
        Ok(Self { kind, dev: var("EPRO_TEST_DEV")?, folder })
    }

    /// Starts it again, with its data and on its ports.
    pub async fn again(&self) -> Result<()> {
        self.tell("start").await
    }

    /// Ends it in order.
    pub async fn stop(&self) -> Result<()> {
        self.tell("stop").await
    }

    /// kill -9.
    pub async fn kill(&self) -> Result<()> {
        self.tell("kill").await
    }

    /// SIGSTOP: it stands still, its sockets stay open.
    pub async fn pause(&self) -> Result<()> {
        self.tell("pause").await
    }

    /// SIGCONT: it goes on.
    pub async fn resume(&self) -> Result<()> {
        self.tell("resume").await
    }

    /// A small file system of PostgreSQL's user, where the caller may mount one; it ends with the caller's mounts.
    pub async fn small_disk(&self) -> Result<PathBuf> {
        self.tell("disk").await?;
        Ok(std::fs::read_to_string(self.folder.join("disk"))?.trim_end().into())
    }

    /// The usual services, but for this one.
    pub fn services(&self) -> Result<Services> {
        let usual = Services::from_env()?;
        Ok(match self.kind {
            Kind::Broker => Services {
                amqp: read(&self.folder, "EPRO_TEST_AMQP_URL")?,
                management: read(&self.folder, "EPRO_TEST_MANAGEMENT_URL")?,
                ..usual
            },
            Kind::Postgres => Services { database: read(&self.folder, "EPRO_TEST_DATABASE_URL")?, ..usual },
        })
    }

    /// Where it speaks TLS, as `localhost:port`.
    pub fn tls_address(&self) -> Result<String> {
        match self.kind {
            Kind::Broker => host_port(&read(&self.folder, "EPRO_TEST_AMQPS_URL")?),
            Kind::Postgres => {
                let plain = host_port(&read(&self.folder, "EPRO_TEST_DATABASE_URL")?)?;
                Ok(plain.replace("127.0.0.1", "localhost"))
            }
        }
    }

    /// Runs `rabbitmqctl` on the node.
    pub async fn rabbitmqctl(&self, args: &[&str]) -> Result<()> {
        run(&read(&self.folder, "EPRO_TEST_RABBITMQCTL")?, args.iter().map(AsRef::as_ref)).await
    }

    async fn tell(&self, verb: &str) -> Result<()> {
        let args = [Path::new(self.kind.command()), Path::new(verb), &self.folder];
        run(&self.dev, args.into_iter()).await
    }
}

impl Kind {
    fn command(self) -> &'static str {
        match self {
            Self::Broker => "_broker",
            Self::Postgres => "_postgres",
        }
    }
}

/// A line of the env file of the service in that folder.
fn read(folder: &Path, name: &str) -> Result<String> {
    let text = std::fs::read_to_string(folder.join("env")).context("the service's env file")?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    Ok(line.with_context(|| format!("no {name} in the service's env file"))?.to_owned())
}

async fn run(program: &str, args: impl Iterator<Item = &Path>) -> Result<()> {
    let args: Vec<&Path> = args.collect();
    let ran = Command::new(program).args(&args).output().await.with_context(|| format!("run {program}"))?;
    ensure!(ran.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&ran.stderr));
    Ok(())
}

impl Drop for Own {
    fn drop(&mut self) {
        let mut command = std::process::Command::new(&self.dev);
        // Cleaning up is best effort: a test that failed must still say why it failed.
        let _ = command.args([self.kind.command(), "remove"]).arg(&self.folder).output();
    }
}
