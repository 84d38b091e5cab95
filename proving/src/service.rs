//! One process of ours, run as a child and watched from outside.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::process::{Child, Command};

use crate::until;

/// A running binary of ours; killed with this value, also on panic.
#[derive(Debug)]
pub struct Service {
    child: Child,
    pid: u32,
    name: &'static str,
    output: PathBuf,
    admin: String,
    listen: String,
}

/// What to run and how.
#[derive(Clone, Debug)]
pub struct Start<'a> {
    /// `epro-producer-api`, `epro-worker`, or `epro`.
    pub binary: &'static str,
    /// Which of its commands, where it has some.
    pub command: Option<&'static str>,
    /// The configuration file.
    pub config: &'a Path,
    /// Environment on top of the test's own, e.g. `("RUST_LOG", "trace")`.
    pub env: &'a [(&'a str, &'a str)],
    /// File that gets stdout and stderr.
    pub output: PathBuf,
}

impl Service {
    /// Starts it on free loopback ports; doesn't wait until it is ready.
    pub fn start(what: &Start<'_>) -> Result<Self> {
        let (admin, listen) = (free_address()?, free_address()?);
        let file = std::fs::File::create(&what.output)?;
        let child = Command::new(binary(what.binary)?)
            .arg("--config")
            .arg(what.config)
            .args(what.command)
            .env("EPRO__ADMIN__LISTEN", &admin)
            .env("EPRO__INTAKE__LISTEN", &listen)
            .env("EPRO__CONSOLE__LISTEN", &listen)
            .envs(what.env.iter().copied())
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {}", what.binary))?;
        let pid = child.id().context("a child that ended at once")?;
        Ok(Self { child, pid, name: what.binary, output: what.output.clone(), admin, listen })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// `http://host:port` of its public door (the API's, the console's).
    pub fn url(&self) -> String {
        format!("http://{}", self.listen)
    }

    /// `host:port` of its public door.
    pub fn listen(&self) -> &str {
        &self.listen
    }

    /// `http://host:port` of its admin port.
    pub fn admin(&self) -> String {
        format!("http://{}", self.admin)
    }

    /// Everything it wrote so far, stdout and stderr.
    pub fn output(&self) -> String {
        let bytes = std::fs::read(&self.output).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Status and body of `/readyz`; an error when nothing answers.
    pub async fn readyz(&self) -> Result<(u16, String)> {
        readyz(&self.admin()).await
    }

    /// The text of `/metrics`.
    pub async fn metrics(&self) -> Result<String> {
        let http = crate::http::client(Duration::from_secs(10))?;
        Ok(http.get(format!("{}/metrics", self.admin())).send().await?.text().await?)
    }

    /// Waits until `/readyz` answers 200; an error with the output when it ends or 30 s pass.
    pub async fn ready(&mut self) -> Result<()> {
        self.ready_is(true, Duration::from_secs(30)).await
    }

    /// Waits until `/readyz` says so (`true`: 200, `false`: anything else), at most `bound`.
    pub async fn ready_is(&mut self, wanted: bool, bound: Duration) -> Result<()> {
        let what = format!("{} ready = {wanted}", self.name);
        let waited = until(&what, bound, || {
            let ended = self.child.try_wait();
            let admin = self.admin();
            async move {
                if let Ok(Some(status)) = ended {
                    return Ok(Some(Err(status)));
                }
                let ready = readyz(&admin).await.is_ok_and(|(status, _)| status == 200);
                Ok((ready == wanted).then_some(Ok(())))
            }
        })
        .await;
        match waited {
            Ok(Ok(())) => Ok(()),
            Ok(Err(status)) => bail!("{} ended ({status}):\n{}", self.name, self.output()),
            Err(error) => bail!("{error:#}\n{}", self.output()),
        }
    }

    /// kill -9, and waits until it is gone.
    pub async fn kill(&mut self) -> Result<()> {
        self.child.kill().await.context("kill")
    }

    /// SIGTERM: asks it to drain.
    pub async fn term(&self) -> Result<()> {
        self.signal("TERM").await
    }

    /// SIGSTOP: it stands still, its sockets stay open.
    pub async fn stop(&self) -> Result<()> {
        self.signal("STOP").await
    }

    /// SIGCONT: it goes on.
    pub async fn resume(&self) -> Result<()> {
        self.signal("CONT").await
    }

    /// SIGTERM and waits for its end; gives the exit code. An error after `bound`.
    pub async fn drain(&mut self, bound: Duration) -> Result<i32> {
        self.term().await?;
        self.ended(bound).await
    }

    /// Waits for its end; gives the exit code (128 + signal when a signal ended it).
    pub async fn ended(&mut self, bound: Duration) -> Result<i32> {
        use std::os::unix::process::ExitStatusExt;
        let waited = tokio::time::timeout(bound, self.child.wait()).await;
        let status = waited.with_context(|| format!("{} still runs after {bound:?}", self.name))??;
        Ok(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)))
    }

    /// Whether it is still there.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// CPU seconds used so far, user and system, all threads.
    pub fn cpu_seconds(&self) -> Result<f64> {
        cpu_seconds(self.pid)
    }

    /// Highest resident memory so far, MiB.
    pub fn peak_rss_mib(&self) -> Result<f64> {
        self.memory_mib("VmHWM:")
    }

    /// Its peak begins anew, at what is resident now.
    ///
    /// Source: `clear_refs` in proc(5), 5 since Linux 4.0.
    pub fn forget_peak_rss(&self) -> Result<()> {
        Ok(std::fs::write(format!("/proc/{}/clear_refs", self.pid), "5")?)
    }

    /// Resident memory now, MiB.
    pub fn rss_mib(&self) -> Result<f64> {
        self.memory_mib("VmRSS:")
    }

    fn memory_mib(&self, name: &str) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib =
            line.and_then(|line| line.split_whitespace().next()).with_context(|| format!("no {name}"))?;
        Ok(kib.parse::<f64>()? / 1024.0)
    }

    async fn signal(&self, name: &str) -> Result<()> {
        // Its own child, by its id, while it has not been waited for: the id can't be another's.
        ensure!(self.child.id() == Some(self.pid), "{} has ended", self.name);
        let line = format!("kill -{name} {}", self.pid);
        let status = Command::new("sh").arg("-c").arg(line).status().await?;
        ensure!(status.success(), "could not send SIG{name}");
        Ok(())
    }
}

async fn readyz(admin: &str) -> Result<(u16, String)> {
    let http = crate::http::client(Duration::from_secs(2))?;
    let answer = http.get(format!("{admin}/readyz")).send().await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

/// CPU seconds, user and system, of a process by its id.
pub fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name, in parentheses, may itself hold spaces.
    let after = stat.rsplit_once(')').context("an unreadable stat line")?.1;
    let fields: Vec<&str> = after.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|f| f.parse::<f64>().ok());
    // Fields 14 and 15 counted from 1, the first two lie before the parenthesis.
    let (user, system) = ticks(11).zip(ticks(12)).context("a short stat line")?;
    // USER_HZ is 100 on every Linux that this runs on.
    Ok((user + system) / 100.0)
}

/// The path of a binary of ours: `EPRO_BIN_DIR`, or where the running program was built.
pub fn binary(name: &str) -> Result<PathBuf> {
    let mut looked = Vec::new();
    if let Some(dir) = std::env::var_os("EPRO_BIN_DIR") {
        looked.push(PathBuf::from(dir));
    } else {
        let own = std::env::current_exe()?;
        // target/<profile>/deps/it-… for a test, target/<profile>/bench for a binary.
        looked.extend(own.ancestors().skip(1).take(2).map(Path::to_path_buf));
    }
    let found = looked.iter().map(|dir| dir.join(name)).find(|path| path.is_file());
    found.with_context(|| {
        format!("no {name} in {looked:?}: run `cargo build` first, or `./dev test`, which does")
    })
}

/// A loopback address nobody listens on now, of those that the system gives to no connection on its way out: who has
/// ten thousand of these open must not be in the way of who listens next.
pub fn free_address() -> Result<String> {
    for _ in 0..100 {
        let port = 10_000 + (uuid::Uuid::new_v4().as_u128() % 10_000) as u16;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(format!("127.0.0.1:{port}"));
        }
    }
    anyhow::bail!("no port of a hundred is free")
}
