//! Three nodes of one RabbitMQ, to be killed and cut off from each other.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;
use uuid::Uuid;

use super::{read, run};
use crate::services::{Services, var};
use crate::vhost::Management;

/// Its nodes.
pub const NODES: [u8; 3] = [1, 2, 3];

/// A cluster started by `./dev` for one test; ended and forgotten with this value, also on panic.
#[derive(Debug)]
pub struct Cluster {
    dev: String,
    folder: PathBuf,
}

impl Cluster {
    /// Starts three nodes and waits until they see each other.
    pub async fn start() -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("epro-own-{}", Uuid::now_v7().simple()));
        let cluster = Self { dev: var("EPRO_TEST_DEV")?, folder };
        let args = [Path::new("_cluster"), Path::new("start"), cluster.folder.as_path()];
        run(&cluster.dev, args.into_iter()).await?;
        Ok(cluster)
    }

    /// The usual services, but for RabbitMQ, which is that node.
    pub fn services(&self, node: u8) -> Result<Services> {
        let folder = self.node(node);
        Ok(Services {
            amqp: read(&folder, "EPRO_TEST_AMQP_URL")?,
            management: read(&folder, "EPRO_TEST_MANAGEMENT_URL")?,
            ..Services::from_env()?
        })
    }

    /// kill -9 of one node.
    pub async fn kill(&self, node: u8) -> Result<()> {
        self.tell_node("kill", node).await
    }

    /// Starts a node again, with its data and on its ports, and waits until it answers.
    pub async fn again(&self, node: u8) -> Result<()> {
        self.tell_node("start", node).await
    }

    /// The others and this node see each other no more. Whoever is connected to it stays so, as far as it lets them.
    pub async fn cut(&self, node: u8) -> Result<()> {
        self.tell("cut", node).await
    }

    /// They may see each other again.
    pub async fn heal(&self, node: u8) -> Result<()> {
        self.tell("heal", node).await
    }

    /// A look at a quorum queue through that node: what it knows now. With statistics it would tell the same once more,
    /// as it was some seconds ago.
    pub fn look(&self, node: u8, vhost: &str, queue: &str) -> Result<Look> {
        let admin = Management::new(&self.services(node)?.management)?;
        Ok(Look { admin, path: format!("/api/queues/{vhost}/{queue}?disable_stats=true") })
    }

    /// Who is connected to a vhost, by that node's word: with which node, and under what name.
    pub async fn connections(&self, node: u8, vhost: &str) -> Result<Vec<(u8, String)>> {
        let admin = Management::new(&self.services(node)?.management)?;
        let found = admin.get(&format!("/api/vhosts/{vhost}/connections")).await?;
        let found = found.as_array().context("a list of connections")?;
        let of = |one: &Value| {
            let name = one["client_properties"]["connection_name"].as_str()?;
            Some((number(one["node"].as_str()?)?, name.to_owned()))
        };
        Ok(found.iter().filter_map(of).collect())
    }

    fn node(&self, node: u8) -> PathBuf {
        self.folder.join(node.to_string())
    }

    async fn tell_node(&self, verb: &str, node: u8) -> Result<()> {
        let folder = self.node(node);
        run(&self.dev, [Path::new("_broker"), Path::new(verb), folder.as_path()].into_iter()).await
    }

    async fn tell(&self, verb: &str, node: u8) -> Result<()> {
        let number = node.to_string();
        let args = [Path::new("_cluster"), Path::new(verb), self.folder.as_path(), Path::new(&number)];
        run(&self.dev, args.into_iter()).await
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let mut command = std::process::Command::new(&self.dev);
        // Cleaning up is best effort: a test that failed must still say why it failed.
        let _ = command.args(["_cluster", "remove"]).arg(&self.folder).output();
    }
}

/// Of a node by its name.
fn number(name: &str) -> Option<u8> {
    name.strip_prefix("epro-")?.strip_suffix("@localhost")?.parse().ok()
}

/// What one node knows of a quorum queue.
#[derive(Debug)]
pub struct Look {
    admin: Management,
    path: String,
}

impl Look {
    /// The node that leads it; an error while none does.
    pub async fn leader(&self) -> Result<u8> {
        leader(&self.found().await?)
    }

    /// How many nodes that keep it are there.
    pub async fn online(&self) -> Result<usize> {
        online(&self.found().await?)
    }

    async fn found(&self) -> Result<Value> {
        self.admin.get(&self.path).await
    }
}

/// An empty name is that of nobody.
fn leader(queue: &Value) -> Result<u8> {
    let name = queue["leader"].as_str().filter(|name| !name.is_empty());
    let name = name.context("a queue that nobody leads")?;
    number(name).with_context(|| format!("a node called {name}"))
}

fn online(queue: &Value) -> Result<usize> {
    Ok(queue["online"].as_array().context("a queue that nobody keeps")?.len())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_queue_is_read_with_statistics_or_without_and_one_that_nobody_leads_is_led_by_none() {
        let names = ["epro-1@localhost", "epro-3@localhost"];
        let plain = json!({"name": "q", "leader": names[1], "members": names, "online": names});
        assert_eq!((leader(&plain).unwrap(), online(&plain).unwrap()), (3, 2));
        let beside = json!({"messages": 7, "message_stats": {}, "leader": names[0], "online": [names[0]]});
        assert_eq!((leader(&beside).unwrap(), online(&beside).unwrap()), (1, 1));
        for name in [json!(""), json!(null), json!("rabbit@elsewhere")] {
            let nobody = json!({"leader": name});
            assert!(leader(&nobody).is_err() && online(&nobody).is_err(), "{nobody}");
        }
    }
}
