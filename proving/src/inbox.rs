//! A real SMTP server of a test's own, whose mails can be read, and which can be slow, refuse, or be down.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use uuid::Uuid;

use crate::service::free_address;
use crate::until;

/// The server's program, for Debian's python3-aiosmtpd.
const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/smtp/inbox.py");

/// A mail that the server took.
#[derive(Clone, Debug, Deserialize)]
pub struct Mail {
    /// When, in Unix seconds.
    pub at: f64,
    /// The recipients of the envelope.
    pub to: Vec<String>,
    /// Its subject.
    pub subject: String,
    /// Its Message-ID.
    pub message_id: String,
    /// Its text.
    pub text: String,
    /// All of it, as it came.
    pub raw: String,
    /// Whether it came over TLS.
    pub secured: bool,
    /// Who the client said it is.
    pub login: Option<String>,
}

/// How a server of a test's own is secured.
#[derive(Clone, Debug, Default)]
pub struct Secured {
    /// `none`, `starttls` or `implicit`.
    pub tls: &'static str,
    /// Its certificate, as a PEM file.
    pub certificate: PathBuf,
    /// That one's private key.
    pub key: PathBuf,
    /// `user:password` that a client has to know.
    pub login: Option<String>,
}

/// A running SMTP server; ended with this value.
#[derive(Debug)]
pub struct Inbox {
    folder: PathBuf,
    port: u16,
    secured: Option<Secured>,
    child: Mutex<Option<Child>>,
}

impl Inbox {
    /// Starts one in plain text and waits until it listens.
    pub async fn start() -> Result<Self> {
        Self::begin(None).await
    }

    /// The same with TLS, a login, or both.
    pub async fn secured(secured: Secured) -> Result<Self> {
        Self::begin(Some(secured)).await
    }

    async fn begin(secured: Option<Secured>) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("epro-inbox-{}", Uuid::now_v7().simple()));
        std::fs::create_dir_all(&folder)?;
        let port = free_address()?.rsplit(':').next().and_then(|port| port.parse().ok());
        let inbox = Self { folder, port: port.context("a port")?, secured, child: Mutex::default() };
        inbox.up().await?;
        Ok(inbox)
    }

    /// Where it keeps its mails; see [`mails`].
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `alerts.smtp` of a configuration that sends here.
    pub fn config(&self) -> Value {
        json!({"host": "127.0.0.1", "port": self.port, "tls": "none", "from": "relay@epro.example",
               "timeout": "2s"})
    }

    /// Starts it again, on its port. While it was down nobody kept that free: whoever else has it, for a connection
    /// that goes out, gives it back, and until then it is started again and again.
    pub async fn up(&self) -> Result<()> {
        let python = python().await?;
        let listens = until("the SMTP server to listen", Duration::from_secs(30), || async {
            self.runs_with(python)?;
            Ok(tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.ok().map(drop))
        });
        let log = || std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        listens.await.with_context(log)
    }

    /// Starts its program, unless that runs.
    fn runs_with(&self, python: &str) -> Result<()> {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        if child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None))) {
            return Ok(());
        }
        *child = Some(self.spawn(python)?);
        Ok(())
    }

    fn spawn(&self, python: &str) -> Result<Child> {
        let mut command = Command::new(python);
        command.arg(PROGRAM).arg("--folder").arg(&self.folder).arg("--port").arg(self.port.to_string());
        if let Some(secured) = &self.secured {
            command.args(["--tls", secured.tls]);
            command.arg("--certificate").arg(&secured.certificate).arg("--key").arg(&secured.key);
            if let Some(login) = &secured.login {
                command.args(["--login", login]);
            }
        }
        let log = std::fs::File::create(self.folder.join("log"))?;
        let child = command
            .arg("--with-stdin")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn();
        child.context("start python3 with aiosmtpd")
    }

    /// Ends it: nobody listens any more.
    pub async fn down(&self) -> Result<()> {
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut child) = child {
            child.kill().await?;
        }
        Ok(())
    }

    /// How it behaves from now on: `ok`, `refuse`, `later`, `slow 5`.
    pub fn mode(&self, mode: &str) -> Result<()> {
        Ok(std::fs::write(self.folder.join("mode"), mode)?)
    }

    /// Every mail so far, in the order of arrival.
    pub fn mails(&self) -> Result<Vec<Mail>> {
        mails(&self.folder)
    }

    /// Waits until there are so many mails, and gives them.
    pub async fn holds(&self, count: usize) -> Result<Vec<Mail>> {
        until(&format!("{count} mails in the inbox"), Duration::from_secs(60), || async {
            let mails = self.mails()?;
            Ok((mails.len() >= count).then_some(mails))
        })
        .await
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The Python that has aiosmtpd: Debian's own, or whichever comes first.
async fn python() -> Result<&'static str> {
    for python in ["/usr/bin/python3", "python3"] {
        let mut asked = Command::new(python);
        asked.args(["-c", "import aiosmtpd"]).stderr(Stdio::null());
        if asked.status().await.is_ok_and(|status| status.success()) {
            return Ok(python);
        }
    }
    anyhow::bail!("no Python has aiosmtpd: run `./dev test`, which installs it")
}

/// The mails in the folder of a server, in the order of arrival.
pub fn mails(folder: &Path) -> Result<Vec<Mail>> {
    files(folder)?.iter().map(|file| mail(file)).collect()
}

/// Their files, one each, in the same order. A file that is there is whole and stays as it is.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder.join("mails")).context("the folder of the mails")? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// The mail in such a file.
pub fn mail(file: &Path) -> Result<Mail> {
    Ok(serde_json::from_slice(&std::fs::read(file)?)?)
}
