//! Memory of the door while ten thousand connections say nothing, or half of what they have to say.

use anyhow::{Context, Result};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::ground::Ground;
use super::load::{self, Requests};

/// Connections that say nothing.
const MANY: usize = 10_000;
/// What a process opens besides.
pub(super) const BESIDES: usize = 500;
/// Longer than all of it takes: none is to be closed meanwhile.
pub(super) const LONG: &str = "300s";
/// So many that they aren't scarce beside [`MANY`]: a door that has few left ends each connection with its answer.
const PLACES: usize = 20_000;
/// Nearly as much as a head may have.
const HEAD: usize = 15 * 1024;

/// Peak resident memory of the API, MiB.
#[derive(Clone, Copy, Debug)]
pub struct Idle {
    /// After a load without them.
    pub before: f64,
    /// After the same load beside them.
    pub beside: f64,
    /// The same of another process beside as many that have sent half a head each.
    pub half: f64,
}

impl Idle {
    /// KiB that one of them costs that says nothing, and one that has sent half a head.
    pub fn each_kib(&self) -> (f64, f64) {
        let each = |peak: f64| (peak - self.before) * 1024.0 / MANY as f64;
        (each(self.beside), each(self.half))
    }
}

/// Opens them and goes on to submit beside them. `None`: this machine lets a process open fewer files
/// (`ulimit -n`), and both ends are on it.
pub async fn measure(ground: &Ground, requests: &Requests, site: &str) -> Result<Option<Idle>> {
    // A door that may not open as many as it has places for doesn't start.
    if !may_open(PLACES + BESIDES)? {
        return Ok(None);
    }
    let (before, beside) = peaks(ground, requests, "").await?;
    ground.empty(site).await?;
    let head = format!("POST /api/v1/epro/submit HTTP/1.1\r\nhost: x\r\nx-a: {}", "a".repeat(HEAD));
    let (_, half) = peaks(ground, requests, &head).await?;
    ground.empty(site).await?;
    Ok(Some(Idle { before, beside, half }))
}

/// The peak of a process of its own before and beside so many connections that send this and nothing more.
async fn peaks(ground: &Ground, requests: &Requests, begun: &str) -> Result<(f64, f64)> {
    let places = PLACES.to_string();
    let patient = [("EPRO__INTAKE__HEADER_TIMEOUT", LONG), ("EPRO__INTAKE__CONNECTIONS", places.as_str())];
    let mut api = ground.stack.spawn("epro-producer-api", &patient)?;
    api.ready().await?;
    load::closed(api.listen(), requests, 64).await?;
    let before = api.peak_rss_mib()?;
    let mut many = Vec::with_capacity(MANY);
    for _ in 0..MANY {
        let mut stream = TcpStream::connect(api.listen()).await.context("an idle connection")?;
        stream.write_all(begun.as_bytes()).await.context("half a head")?;
        many.push(stream);
    }
    // Their submissions are known by now: an app that sends again.
    load::closed(api.listen(), requests, 64).await?;
    Ok((before, api.peak_rss_mib()?))
}

/// Whether this process, and each that it starts, may have so many files open.
pub(super) fn may_open(files: usize) -> Result<bool> {
    let limits = std::fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next()).context("no limit of open files")?;
    // No number: there is no limit.
    Ok(soft.parse().unwrap_or(usize::MAX) >= files)
}
