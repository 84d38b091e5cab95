//! Patients who send as an app does: again, under the same id, until they are told 202.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use epro_proving::client::phq9;
use epro_proving::conservation::Account;
use epro_proving::proxy::Then;
use epro_proving::services::host_port;
use epro_proving::{Client, Proxy, Service, Stack, conservation};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::{BOUND, STUDY};

/// How long an app waits before it sends the same again, and a patient before the next answers.
const PAUSE: Duration = Duration::from_millis(20);
/// What a slow service does from some byte on: 40 KB a second.
pub(crate) const SLOW: Then = Then::SlowBefore(40_000);
/// Warnings and errors that one process may write about one outage, however long and busy.
const HANDFUL: usize = 40;

/// Several patients at work.
pub(crate) struct Load {
    patients: JoinSet<Result<()>>,
    going: watch::Sender<bool>,
    door: watch::Sender<String>,
    accepted: watch::Sender<usize>,
}

impl Load {
    /// Starts so many at that door.
    pub(crate) fn start(client: &Client, door: &str, patients: usize) -> Self {
        let going = watch::Sender::new(true);
        let door = watch::Sender::new(door.to_owned());
        let accepted = watch::Sender::new(0);
        let patients = (0..patients).map(|number| Patient {
            number,
            client: client.clone(),
            going: going.subscribe(),
            door: door.subscribe(),
            accepted: accepted.clone(),
        });
        let patients = patients.map(Patient::sends).collect();
        Self { patients, going, door, accepted }
    }

    /// From now on all of them send to another door.
    pub(crate) fn turns_to(&self, door: &Service) {
        self.door.send_replace(door.url());
    }

    /// Waits until so many more were told 202.
    pub(crate) async fn goes_on(&self, more: usize) -> Result<()> {
        let mut accepted = self.accepted.subscribe();
        let goal = *accepted.borrow() + more;
        let reached = tokio::time::timeout(BOUND, accepted.wait_for(|so_far| *so_far >= goal)).await;
        reached.with_context(|| format!("{more} more accepted, at {}", *self.accepted.borrow()))??;
        Ok(())
    }

    /// Each finishes what it is sending; gives how many were told 202.
    pub(crate) async fn ends(mut self) -> Result<usize> {
        self.going.send_replace(false);
        while let Some(patient) = self.patients.join_next().await {
            patient??;
        }
        Ok(*self.accepted.borrow())
    }
}

struct Patient {
    number: usize,
    client: Client,
    going: watch::Receiver<bool>,
    door: watch::Receiver<String>,
    accepted: watch::Sender<usize>,
}

impl Patient {
    async fn sends(self) -> Result<()> {
        let mut count = self.number;
        while *self.going.borrow() {
            self.submits(&answers(count)).await?;
            self.accepted.send_modify(|accepted| *accepted += 1);
            tokio::time::sleep(PAUSE).await;
            count += 1;
        }
        Ok(())
    }

    async fn submits(&self, submission: &Value) -> Result<()> {
        let subject = format!("P-{}", self.number);
        let trying = async {
            loop {
                let door = self.door.borrow().clone();
                match self.client.at(&door).submit(&subject, submission).await {
                    Ok(reply) if reply.status == 202 => return Ok(()),
                    Ok(reply) => ensure!(reply.status == 503, "told {}: {}", reply.status, reply.body),
                    // No answer: nobody knows what became of it.
                    Err(_) => {}
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        tokio::time::timeout(BOUND, trying).await.context("a patient was never told 202")?
    }
}

/// The nth submission: every fourth alerts, the sites take turns.
pub(crate) fn answers(count: usize) -> Value {
    let mut submission = phq9(STUDY, ["H001", "H002", "H003", "H004"][count / 4 % 4]);
    if count.is_multiple_of(4) {
        submission["answers"]["44260-8"] = json!(1);
    }
    submission
}

/// Sends so many and requires a 202 for each.
pub(crate) async fn accepted(client: &Client, count: usize) -> Result<()> {
    for number in 1..=count {
        let reply = client.submit("P-1", &answers(number)).await?;
        ensure!(reply.status == 202, "told {}: {}", reply.status, reply.body);
    }
    Ok(())
}

/// Everything that was accepted is stored, nothing is a dead letter, and the rest of conservation.
pub(crate) async fn all_stored(stack: &Stack, client: &Client) -> Result<Account> {
    let account = conservation(stack, &client.log()).await?;
    ensure!(account.dead == 0, "{} dead letters of good submissions", account.dead);
    ensure!(account.stored >= account.accepted, "copies of the same bytes count once: {account:?}");
    Ok(account)
}

/// What a process wrote about an outage can be read by a human.
pub(crate) fn says_little(process: &Service) -> Result<()> {
    let output = process.output();
    let loud = |line: &&str| line.contains(" WARN ") || line.contains("ERROR ");
    let count = output.lines().filter(loud).count();
    let first = output.lines().filter(loud).take(HANDFUL).collect::<Vec<_>>().join("\n");
    ensure!(count <= HANDFUL, "{count} warnings and errors, beginning with\n{first}");
    Ok(())
}

/// A relay before the stack's RabbitMQ, and the URL that leads through it.
pub(crate) async fn before_broker(stack: &Stack) -> Result<(Proxy, String)> {
    before(stack.vhost().url()).await
}

/// A relay before the stack's PostgreSQL, and the URL that leads through it.
pub(crate) async fn before_postgres(stack: &Stack) -> Result<(Proxy, String)> {
    before(stack.database().url()).await
}

async fn before(url: &str) -> Result<(Proxy, String)> {
    let proxy = Proxy::to(&host_port(url)?).await?;
    let led = proxy.lead(url)?;
    Ok((proxy, led))
}

/// What leads a process to another RabbitMQ or PostgreSQL than its configuration.
pub(crate) const BROKER: &str = "EPRO__BROKER__URL";
pub(crate) const POSTGRES: &str = "EPRO__POSTGRES__URL";

/// A worker with more environment, once it is ready.
pub(crate) async fn worker(stack: &Stack, env: &[(&str, &str)]) -> Result<Service> {
    let mut worker = stack.spawn("epro-worker", env)?;
    worker.ready().await?;
    Ok(worker)
}

/// A door with more environment, once it is ready.
pub(crate) async fn door(stack: &Stack, env: &[(&str, &str)]) -> Result<Service> {
    let mut door = stack.spawn("epro-producer-api", env)?;
    door.ready().await?;
    Ok(door)
}
