//! Three nodes of one RabbitMQ: the one that leads the queue is killed, another is cut off from the rest.

use anyhow::Result;
use epro_proving::own::{Cluster, Look};
use epro_proving::services::host_port;
use epro_proving::stack::Plan;
use epro_proving::{Proxy, Service, Stack, until};

use crate::load::{BROKER, Load, all_stored, door, worker};
use crate::support::{BOUND, ROUTINE};

/// A door and a worker, and the way that leads both to the first of the nodes that takes them.
struct Side {
    door: Service,
    worker: Service,
    _way: Proxy,
}

impl Side {
    async fn new(stack: &Stack, cluster: &Cluster, nodes: [u8; 3]) -> Result<Self> {
        let mut brokers = Vec::new();
        for node in nodes {
            brokers.push(host_port(&cluster.services(node)?.amqp)?);
        }
        let way = Proxy::to_first_of(brokers).await?;
        let broker = way.lead(stack.vhost().url())?;
        let led = [(BROKER, broker.as_str())];
        Ok(Self { door: door(stack, &led).await?, worker: worker(stack, &led).await?, _way: way })
    }

    async fn ready(&mut self) -> Result<()> {
        self.door.ready_is(true, BOUND).await?;
        self.worker.ready_is(true, BOUND).await
    }
}

async fn online(look: &Look, nodes: usize) -> Result<()> {
    until(&format!("{nodes} nodes to keep {ROUTINE}"), BOUND, || async {
        Ok((look.online().await? == nodes).then_some(()))
    })
    .await
}

async fn another_leads(look: &Look, than: u8) -> Result<()> {
    until(&format!("another node than {than} to lead {ROUTINE}"), BOUND, || async {
        Ok((look.leader().await? != than).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "three nodes take minutes: ./dev test -p epro-worker --test it -- --ignored a_cluster_that"]
async fn a_cluster_that_loses_a_leader_then_a_minority_loses_nothing_that_was_answered_202() -> Result<()> {
    let cluster = Cluster::start().await?;
    let stack = Stack::on(cluster.services(1)?, Plan::default()).await?;
    let look = |node| cluster.look(node, stack.vhost().name(), ROUTINE);
    online(&look(1)?, 3).await?;
    let mut here = Side::new(&stack, &cluster, [1, 2, 3]).await?;
    let mut there = Side::new(&stack, &cluster, [3, 2, 1]).await?;
    let client = stack.client(&here.door)?;
    let (load, other) =
        (Load::start(&client, &here.door.url(), 4), Load::start(&client, &there.door.url(), 4));
    tokio::try_join!(load.goes_on(150), other.goes_on(150))?;

    let leader = look(1)?.leader().await?;
    // Neither the leader, nor where anybody of the other side is afterwards.
    let (whole, minority) = (if leader == 1 { 2 } else { 1 }, if leader == 3 { 2 } else { 3 });
    let look = look(whole)?;
    cluster.kill(leader).await?;
    another_leads(&look, leader).await?;
    tokio::try_join!(load.goes_on(100), other.goes_on(100), here.ready(), there.ready())?;
    cluster.again(leader).await?;
    online(&look, 3).await?;

    cluster.cut(minority).await?;
    online(&look, 2).await?;
    load.goes_on(100).await?;
    cluster.heal(minority).await?;
    online(&look, 3).await?;
    tokio::try_join!(load.goes_on(100), other.goes_on(100), here.ready(), there.ready())?;

    load.ends().await?;
    other.ends().await?;
    all_stored(&stack, &client).await?;
    Ok(())
}
