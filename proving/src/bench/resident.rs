//! Memory of RabbitMQ and PostgreSQL while something runs, where they run on this machine. They were there before, and
//! the kernel's own peak may be of then: so it is looked at again and again. On a thread of its own, as the load is sent
//! from those of the runtime.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::task::JoinSet;

use super::ground::Ground;
use super::spent::{Processes, children, processes};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);

/// The most that was resident at any look, MiB.
#[derive(Clone, Copy, Default)]
pub(super) struct Peaks {
    pub(super) rabbitmq: f64,
    pub(super) postgres: f64,
}

/// Looks until it is ended or dropped.
pub(super) struct Watch {
    stop: SyncSender<()>,
    looking: JoinSet<Result<Peaks>>,
}

impl Watch {
    /// An error where they aren't on this machine.
    pub(super) async fn begin(ground: &Ground) -> Result<Self> {
        let of = processes(ground).await?;
        let (stop, stopped) = sync_channel(1);
        let mut looking = JoinSet::new();
        looking.spawn_blocking(move || look(&of, &stopped));
        Ok(Self { stop, looking })
    }

    /// Looks once more.
    pub(super) async fn end(self) -> Result<Peaks> {
        let Self { stop, mut looking } = self;
        // Whoever looks may have ended with an error, which comes now.
        let _ = stop.try_send(());
        looking.join_next().await.context("nobody looks")??
    }
}

fn look(of: &Processes, stopped: &Receiver<()>) -> Result<Peaks> {
    let mut peaks = Peaks::default();
    loop {
        let over = !matches!(stopped.recv_timeout(LOOK), Err(RecvTimeoutError::Timeout));
        peaks.rabbitmq = peaks.rabbitmq.max(rabbitmq(&of.nodes)?);
        peaks.postgres = peaks.postgres.max(postgres(of.postmaster)?);
        if over {
            return Ok(peaks);
        }
    }
}

fn rabbitmq(nodes: &[u32]) -> Result<f64> {
    let mut sum = 0.0;
    for node in nodes {
        let node = Resident::of(*node)?;
        sum += node.own + node.shared;
    }
    Ok(sum)
}

/// Each process's own pages, and once what all of them share, which each counts as far as it has touched it.
fn postgres(postmaster: u32) -> Result<f64> {
    let first = Resident::of(postmaster)?;
    let (mut own, mut shared) = (first.own, first.shared);
    // A session may have ended since it was listed.
    for child in sessions(postmaster)?.into_iter().filter_map(|pid| Resident::of(pid).ok()) {
        own += child.own;
        shared = f64::max(shared, child.shared);
    }
    Ok(own + shared)
}

/// The children that the first process has now, by the kernel's own list; where it keeps none, by a look at every
/// process that there is.
fn sessions(postmaster: u32) -> Result<Vec<u32>> {
    match std::fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children")) {
        Ok(list) => Ok(list.split_whitespace().map(str::parse).collect::<Result<_, _>>()?),
        Err(_) => Ok(children(postmaster)?.iter().map(|child| child.pid).collect()),
    }
}

/// Resident pages of one process, MiB.
struct Resident {
    own: f64,
    /// Of files and of shared memory.
    shared: f64,
}

impl Resident {
    fn of(pid: u32) -> Result<Self> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let mib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.and_then(|line| line.split_whitespace().next()).context("no such line")?;
            anyhow::Ok(kib.parse::<f64>()? / 1024.0)
        };
        Ok(Self { own: mib("RssAnon:")?, shared: mib("RssFile:")? + mib("RssShmem:")? })
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_process_has_pages_of_its_own_and_what_has_ended_has_none() {
        let own = Resident::of(std::process::id()).unwrap();
        assert!(own.own > 0.0 && own.shared >= 0.0);
        assert!(Resident::of(u32::MAX).is_err());
        assert!(postgres(std::process::id()).unwrap() >= own.own / 2.0);
    }

    #[test]
    fn what_a_process_has_started_is_among_its_children() {
        let mut shell = Command::new("sh").args(["-c", "cat; true"]).stdin(Stdio::piped()).spawn().unwrap();
        let started = (0..500).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            sessions(shell.id()).unwrap().len() == 1
        });
        drop(shell.stdin.take());
        shell.wait().unwrap();
        assert!(started);
    }
}
