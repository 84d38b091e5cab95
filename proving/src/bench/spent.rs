//! CPU that RabbitMQ and PostgreSQL have used so far, where they run on this machine: what a message costs has no
//! other source.

use anyhow::{Context, Result, ensure};

use super::ground::Ground;

/// CPU seconds so far.
pub(crate) struct Spent {
    pub(crate) rabbitmq: f64,
    pub(crate) postgres: f64,
}

/// Of all processes of both; an error where they aren't on this machine.
pub(crate) async fn so_far(ground: &Ground) -> Result<Spent> {
    let Processes { nodes, postmaster } = processes(ground).await?;
    let mut rabbitmq = 0.0;
    for node in nodes {
        rabbitmq += Process::read(node)?.own;
    }
    Ok(Spent { rabbitmq, postgres: family(postmaster)? })
}

/// Where both run.
pub(super) struct Processes {
    /// RabbitMQ's, one a node.
    pub(super) nodes: Vec<u32>,
    /// PostgreSQL's first one.
    pub(super) postmaster: u32,
}

/// An error where they aren't on this machine.
pub(super) async fn processes(ground: &Ground) -> Result<Processes> {
    let found = ground.stack.vhost().management().get("/api/nodes").await?;
    let mut nodes = Vec::new();
    for node in found.as_array().context("a list of nodes")? {
        let pid: u32 = node["os_pid"].as_str().context("a node without a process")?.parse()?;
        let name = Process::read(pid)?.name;
        ensure!(name == "beam.smp", "process {pid} isn't RabbitMQ's: it is {name}");
        nodes.push(pid);
    }
    let backend: i32 = ground.link.client.query_one("SELECT pg_backend_pid()", &[]).await?.get(0);
    let postmaster = Process::read(u32::try_from(backend)?)?.parent;
    let name = Process::read(postmaster)?.name;
    ensure!(name == "postgres", "process {postmaster} isn't PostgreSQL's: it is {name}");
    Ok(Processes { nodes, postmaster })
}

/// PostgreSQL's first process, its children, and those of them that have ended.
fn family(postmaster: u32) -> Result<f64> {
    let first = Process::read(postmaster)?;
    Ok(first.own + first.ended + children(postmaster)?.iter().map(|child| child.own).sum::<f64>())
}

/// Those that are there now.
pub(super) fn children(parent: u32) -> Result<Vec<Process>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        // Not every entry is a process, and some have gone since they were listed.
        let pid = entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
        let process = pid.and_then(|pid| Process::read(pid).ok());
        found.extend(process.filter(|process| process.parent == parent));
    }
    Ok(found)
}

/// One process.
pub(super) struct Process {
    pub(super) pid: u32,
    name: String,
    parent: u32,
    /// CPU seconds, user and system, of all its threads.
    own: f64,
    /// Those of its children that have ended.
    ended: f64,
}

impl Process {
    fn read(pid: u32) -> Result<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let (head, rest) = stat.rsplit_once(')').context("an unreadable stat line")?;
        let (_, name) = head.split_once('(').context("a process without a name")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // The fourth field of all is the parent, the 14th to the 17th are ticks; two lie before `rest`.
        let field = |at: usize| fields.get(at - 3).with_context(|| format!("no field {at}"));
        let seconds = |at: usize| anyhow::Ok(field(at)?.parse::<f64>()? / 100.0);
        Ok(Self {
            pid,
            name: name.to_owned(),
            parent: field(4)?.parse()?,
            own: seconds(14)? + seconds(15)?,
            ended: seconds(16)? + seconds(17)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_its_parent_and_what_it_has_used() {
        let own = Process::read(std::process::id()).unwrap();
        assert!(own.parent > 0 && own.own >= 0.0 && !own.name.is_empty());
        let parent = Process::read(own.parent).unwrap();
        assert!(parent.own >= 0.0 && parent.ended >= 0.0);
        assert!(children(own.parent).unwrap().iter().any(|child| child.pid == std::process::id()));
    }
}
