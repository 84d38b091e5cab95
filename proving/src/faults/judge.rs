//! What must be true when the dust has settled: by our own SQL, the broker's own word, and the logs of the
//! patients, the hospital and the mail server.

mod hospital;
mod starts;
mod told;
mod trail;

use std::time::Duration;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use super::patients::Accepted;
use super::plan::Hop;
use crate::client::Client;
use crate::database::Link;
use crate::vhost::{Vhost, ready};
use crate::{Inbox, SampleHospital, Stack, conservation, until};

/// How long what was accepted may take to have all its consequences, once nothing is struck any more.
const PATIENCE: Duration = Duration::from_secs(180);
/// Between two looks: who is waited for works on the same machine.
const LOOK: Duration = Duration::from_millis(500);
/// How long a queue may take to be empty then; the broker's statistics are up to 5 s old.
const EMPTY: Duration = Duration::from_secs(60);

/// What a run came to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Account {
    /// Different submissions that were answered 202: by id and bytes.
    pub accepted: usize,
    /// Stored.
    pub stored: usize,
    /// Quarantined: each was in hand alone when a process was killed, twice.
    pub quarantined: usize,
    /// Copies that came after the stored one.
    pub duplicates: usize,
    /// Dangerous answers, each with an alert that somebody was told of.
    pub alerts: usize,
    /// Deliveries, each at the hospital once.
    pub deliveries: usize,
    /// Deliveries among them that were quarantined, in hand whenever a process was killed, and redriven.
    #[serde(default)]
    pub redriven: usize,
    /// Deliveries that an engine of HL7 v2 has once more in the same words, as a redrive makes another message of it.
    #[serde(default)]
    pub repeated: usize,
    /// Seconds, each beginning with a call, in which the hospital saw no more calls than it allows.
    #[serde(default)]
    pub paced: usize,
    /// Seconds that were not judged so: a hop held calls back, or let go of them.
    #[serde(default)]
    pub unpaced: usize,
    /// Failed tries that a delivery was charged with: the hospital took others between two of them.
    pub charged: usize,
    /// Rows of the audit trail, each hashed anew.
    pub audited: usize,
}

/// What it looks at, whatever was struck there.
pub(super) struct Seen<'s> {
    pub(super) stack: &'s Stack,
    pub(super) hospital: &'s SampleHospital,
    pub(super) inbox: &'s Inbox,
    /// From when to when a hop held calls back, or let go of them, in Unix seconds.
    pub(super) held_back: Vec<(Hop, f64, f64)>,
    /// When workers were killed.
    pub(super) kills: Vec<f64>,
    /// When queues were deleted with all that was in them.
    pub(super) losses: Vec<f64>,
}

impl Seen<'_> {
    /// When that hop did.
    fn held_back(&self, hop: Hop) -> Vec<(f64, f64)> {
        let held_back = self.held_back.iter().filter(|(held, ..)| *held == hop);
        held_back.map(|(_, from, to)| (*from, *to)).collect()
    }
}

/// Everything that is wrong, in words.
type Wrong = Vec<String>;

/// Everything at once; an error names all that is wrong.
pub(super) async fn judge(world: &Seen<'_>, client: &Client, accepted: &[Accepted]) -> Result<Account> {
    let link = world.stack.database().connect().await?;
    let mut wrong = Wrong::new();
    told::check(world, &link, accepted, &mut wrong).await?;
    hospital::settled(world, &link, &mut wrong).await?;
    let kept = conservation::within(PATIENCE, world.stack, &client.log()).await.unwrap_or_else(|error| {
        wrong.push(format!("{error:#}"));
        conservation::Account::default()
    });
    // What was stored only meanwhile, too.
    hospital::settled(world, &link, &mut wrong).await?;
    let (deliveries, repeated) = hospital::has_each_once(world, &link, accepted, &mut wrong).await?;
    starts::check(world, &link, &mut wrong).await?;
    let redriven = hospital::redriven(&link, &mut wrong).await?;
    let (paced, unpaced) = hospital::pace(world, &mut wrong);
    let charged = hospital::charges(world, &link, &mut wrong).await?;
    let audited = trail::check(&link, &mut wrong).await?;
    nothing_is_left(world.stack.vhost(), &link, &mut wrong).await?;
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    Ok(Account {
        accepted: kept.accepted,
        stored: kept.stored,
        quarantined: kept.dead,
        duplicates: kept.duplicates,
        alerts: accepted.iter().filter(|accepted| accepted.dangerous).count(),
        deliveries,
        redriven,
        repeated,
        paced,
        unpaced,
        charged,
        audited,
    })
}

/// Every submission was a good one, and everybody works: no dead letter, and no message anywhere.
async fn nothing_is_left(vhost: &Vhost, link: &Link, wrong: &mut Wrong) -> Result<()> {
    let other = "SELECT count(*) FROM ops.dead_letter WHERE state = 'open' AND class <> 'quarantined'";
    let other = link.count(other).await?;
    if other > 0 {
        wrong.push(format!("{other} dead letters of good submissions"));
    }
    let connection = vhost.connect().await?;
    let channel = connection.create_channel().await?;
    for queue in vhost.queues().await? {
        let empty = until("a queue to be empty", EMPTY, || async {
            Ok((ready(&channel, &queue).await? == 0 && vhost.messages(&queue).await? == 0).then_some(()))
        });
        if let Err(error) = empty.await {
            wrong.push(format!("{queue} is not empty: {error:#}"));
        }
    }
    connection.close(200, "looked".into()).await?;
    Ok(())
}
