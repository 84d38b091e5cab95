//! A whole epro-relay on a cluster: a door and a worker on the node that leads, another door and worker on the others.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::time::sleep;

use super::BOUND;
use crate::faults::field::{Crew, LANES, config};
use crate::faults::judge::Seen;
use crate::faults::kept;
use crate::own::{Cluster, Look, NODES};
use crate::services::host_port;
use crate::stack::Plan;
use crate::{Inbox, Proxy, SampleHospital, Service, Stack, until};

/// The queue whose leader is struck: whatever isn't urgent is worked off from it.
const WORK: &str = "epro.submissions.routine";
/// How our processes call their connections to RabbitMQ, at the beginning.
const OURS: [&str; 2] = ["epro-producer-api", "epro-worker"];

/// Everything of a run that isn't our processes.
pub(super) struct Place<'c> {
    pub(super) cluster: &'c Cluster,
    pub(super) stack: Stack,
    hospital: SampleHospital,
    inbox: Inbox,
    /// `host:port` of each node, in their order.
    brokers: Vec<String>,
    /// To RabbitMQ, for the door and the worker beside the leader and for those beside the others.
    ways: [Proxy; 2],
}

impl<'c> Place<'c> {
    /// Starts it, once every node keeps the queue.
    pub(super) async fn new(cluster: &'c Cluster) -> Result<Self> {
        let mut brokers = Vec::with_capacity(NODES.len());
        for node in NODES {
            brokers.push(host_port(&cluster.services(node)?.amqp)?);
        }
        let ways = [Proxy::to_first_of(brokers.clone()).await?, Proxy::to_first_of(brokers.clone()).await?];
        let (hospital, inbox) = (SampleHospital::start().await?, Inbox::start().await?);
        let plan = Plan { config: config(&hospital, &inbox, |_| None)?, ..Plan::default() };
        let stack = Stack::on(cluster.services(NODES[0])?, plan).await?;
        let place = Self { cluster, stack, hospital, inbox, brokers, ways };
        place.all_are_there(NODES[0]).await?;
        Ok(place)
    }

    /// Starts our processes, on one way and on the other, and waits until they are ready.
    pub(super) async fn crew(&self) -> Result<Crew> {
        let [here, there] = &self.ways;
        let mut crew = Crew {
            doors: [self.start("epro-producer-api", here)?, self.start("epro-producer-api", there)?],
            workers: [self.start("epro-worker", here)?, self.start("epro-worker", there)?],
        };
        crew.ready().await?;
        Ok(crew)
    }

    fn start(&self, binary: &'static str, way: &Proxy) -> Result<Service> {
        let broker = way.lead(self.stack.vhost().url())?;
        self.stack.spawn(binary, &[("EPRO__BROKER__URL", broker.as_str()), ("EPRO__WORKER__LANES", LANES)])
    }

    /// What the judge looks at. No hop holds anything back.
    pub(super) fn seen(&self) -> Seen<'_> {
        let (stack, hospital, inbox) = (&self.stack, &self.hospital, &self.inbox);
        let (held_back, kills, losses) = (Vec::new(), Vec::new(), Vec::new());
        Seen { stack, hospital, inbox, held_back, kills, losses }
    }

    /// Leaves what a run that failed has behind, to look at: where it is.
    pub(super) async fn keep(&mut self) -> PathBuf {
        self.stack.keep_folder();
        kept::beside_logs(&self.seen()).await
    }

    /// Each way in turn leads nowhere for so long.
    pub(super) async fn each_side_is_without(&self, held: Duration, crew: &mut Crew) -> Result<()> {
        for way in &self.ways {
            way.cut();
            sleep(held).await;
            way.pass();
            crew.ready().await?;
        }
        Ok(())
    }

    /// Brings one door and one worker to the node that leads, and the others away from it; gives that node.
    pub(super) async fn gathers_round_the_leader(&self, crew: &mut Crew) -> Result<u8> {
        let look = self.look(NODES[0])?;
        let leader =
            until(&format!("a node to lead {WORK}"), BOUND, || async { look.leader().await.map(Some) })
                .await?;
        for (way, nodes) in self.ways.iter().zip(orders(leader)) {
            way.turn_to_first_of(nodes.map(|node| self.brokers[usize::from(node) - 1].clone()).to_vec());
            way.cut_once();
        }
        until(&format!("ours beside node {leader} and beside others"), BOUND, || async {
            Ok(self.is_on_both_sides(leader).await?.then_some(()))
        })
        .await?;
        crew.ready().await?;
        Ok(leader)
    }

    /// That node leads, by its own word and by the other's, and ours are where they were brought. One question may
    /// fail, and is asked again.
    pub(super) async fn still_leads(&self, leader: u8, other: u8) -> Result<()> {
        let looks = [(leader, self.look(leader)?), (other, self.look(other)?)];
        until(&format!("node {leader} to lead {WORK} as before"), BOUND, || async {
            let is_there = self.is_on_both_sides(leader).await?;
            ensure!(is_there, "ours are no more beside node {leader} and beside others");
            for (asked, look) in &looks {
                let leads = look.leader().await?;
                ensure!(
                    leads == leader,
                    "node {leads} leads {WORK} by the word of {asked}, no more {leader}"
                );
            }
            Ok(Some(()))
        })
        .await
    }

    /// Waits until that node sees another one than the leader lead, and two in all.
    pub(super) async fn another_leads(&self, by: u8, leader: u8) -> Result<()> {
        let look = self.look(by)?;
        until(&format!("another node than {leader} to lead {WORK}"), BOUND, || async {
            Ok((look.leader().await? != leader && look.online().await? == NODES.len() - 1).then_some(()))
        })
        .await
    }

    /// Waits until that node sees all of them keep the queue.
    pub(super) async fn all_are_there(&self, by: u8) -> Result<()> {
        let look = self.look(by)?;
        until(&format!("all nodes to keep {WORK}"), BOUND, || async {
            Ok((look.online().await? == NODES.len()).then_some(()))
        })
        .await
    }

    fn look(&self, node: u8) -> Result<Look> {
        self.cluster.look(node, self.stack.vhost().name(), WORK)
    }

    /// Whether a door and a worker are connected to the leader, and a door and a worker to another node.
    async fn is_on_both_sides(&self, leader: u8) -> Result<bool> {
        let vhost = self.stack.vhost().name();
        let connections = self.cluster.connections(NODES[0], vhost).await.context("who is connected")?;
        let is_there = |beside_leader: bool, ours: &str| {
            connections
                .iter()
                .any(|(node, name)| (*node == leader) == beside_leader && name.starts_with(ours))
        };
        Ok(OURS.into_iter().all(|ours| is_there(true, ours) && is_there(false, ours)))
    }
}

/// In which order the two ways try the nodes: the leader first, and the leader last.
fn orders(leader: u8) -> [[u8; 3]; 2] {
    let (next, last) = (leader % 3 + 1, (leader + 1) % 3 + 1);
    [[leader, next, last], [next, last, leader]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_way_tries_the_leader_first_the_other_last_and_each_tries_every_node() {
        assert_eq!(orders(1), [[1, 2, 3], [2, 3, 1]]);
        assert_eq!(orders(2), [[2, 3, 1], [3, 1, 2]]);
        assert_eq!(orders(3), [[3, 1, 2], [1, 2, 3]]);
    }
}
