//! Memory of the door while ten thousand connections say nothing.

use anyhow::{Context, Result};
use tokio::net::TcpStream;

use super::ground::Ground;
use super::load::{self, Requests};

/// Connections that say nothing.
const MANY: usize = 10_000;
/// What a process opens besides.
const BESIDES: usize = 500;
/// Longer than all of it takes: none is to be closed meanwhile.
const LONG: &str = "300s";

/// Peak resident memory of the API, MiB.
#[derive(Clone, Copy, Debug)]
pub struct Idle {
    /// After a load without them.
    pub before: f64,
    /// After the same load beside them.
    pub beside: f64,
}

/// Opens them and goes on to submit beside them. `None`: this machine lets a process open fewer files
/// (`ulimit -n`), and both ends are on it.
pub async fn measure(ground: &Ground, requests: &Requests, site: &str) -> Result<Option<Idle>> {
    if open_files()? < MANY + BESIDES {
        return Ok(None);
    }
    let patient = [("EPRO__INTAKE__HEADER_TIMEOUT", LONG)];
    let mut api = ground.stack.spawn("epro-producer-api", &patient)?;
    api.ready().await?;
    load::closed(api.listen(), requests, 64).await?;
    let before = api.peak_rss_mib()?;
    let mut silent = Vec::with_capacity(MANY);
    for _ in 0..MANY {
        silent.push(TcpStream::connect(api.listen()).await.context("an idle connection")?);
    }
    // Their submissions are known by now: an app that sends again.
    load::closed(api.listen(), requests, 64).await?;
    let beside = api.peak_rss_mib()?;
    drop(silent);
    drop(api);
    ground.empty(site).await?;
    Ok(Some(Idle { before, beside }))
}

/// How many files this process, and each that it starts, may have open.
fn open_files() -> Result<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next()).context("no limit of open files")?;
    // No number: there is no limit.
    Ok(soft.parse().unwrap_or(usize::MAX))
}
