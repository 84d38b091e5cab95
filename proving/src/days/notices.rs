//! From the POST to the mail server's accept, while routine submissions queue and no hospital answers.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::finding::{Bound, Finding};
use crate::bench::measure::percentile;
use crate::client::{Client, phq9};
use crate::hand::Hand;
use crate::inbox::Inbox;
use crate::stack::{Plan, Stack};

/// Routine submissions that are queued before the worker starts.
pub const QUEUED: usize = 100_000;
/// So many of them still wait when the last mail has come.
pub const BEHIND: f64 = 20_000.0;
/// The 99th percentile, ms.
pub const SOON: f64 = 2000.0;
/// Dangerous ones that are sent then.
const ALERTS: usize = 200;
/// How many of them a second.
const RATE: f64 = 100.0;

/// How soon somebody was told.
#[derive(Clone, Debug)]
pub struct Told {
    /// From just before each POST to the mail server's accept.
    pub latencies: Vec<Duration>,
    /// Routine submissions that still waited when the last mail had come.
    pub behind: usize,
}

/// Lives through it; takes about half a minute.
pub async fn live() -> Result<Vec<Finding>> {
    let Told { mut latencies, behind } = measure(QUEUED).await?;
    Ok(vec![
        Finding::new("notices: POST to inbox, median, ms", percentile(&mut latencies, 0.5)?, Bound::Any),
        Finding::new(
            "notices: POST to inbox, p99, ms",
            percentile(&mut latencies, 0.99)?,
            Bound::AtMost(SOON),
        ),
        Finding::new("notices: POST to inbox, slowest, ms", percentile(&mut latencies, 1.0)?, Bound::Any),
        Finding::new("notices: queued when the last one came", behind as f64, Bound::AtLeast(BEHIND)),
    ])
}

/// Dangerous answers behind so many routine ones.
pub async fn measure(queued: usize) -> Result<Told> {
    let inbox = Inbox::start().await?;
    let config = json!({
        "worker": {"lanes": ["submissions", "dead", "relay", "commands", "alerts", "hospitals"]},
        "alerts": {"smtp": inbox.config(), "recipients": {"H004": [{"name": "lee", "email": "lee@h004.example"}]}},
    });
    let stack = Stack::with(Plan { config, ..Plan::default() }).await?;
    let hand = Hand::on(&stack).await?;
    let routine: Vec<Value> = (0..queued).map(|at| phq9("ONC-301", ["H001", "H002"][at % 2])).collect();
    hand.put_all("epro.submissions.routine", "P-1", &routine).await?;
    let api = stack.api().await?;
    let client = stack.client(&api)?;
    let _worker = stack.worker().await?;
    let sent = send(&client).await?;
    let mails = inbox.holds(ALERTS).await?;
    let behind = usize::try_from(stack.vhost().ready("epro.submissions.routine").await?)?;
    let link = stack.database().connect().await?;
    let mut latencies = Vec::with_capacity(mails.len());
    for row in link.client.query("SELECT alert_id::text, submission_id::text FROM ops.alert", &[]).await? {
        let (alert, submission): (String, String) = (row.get(0), row.get(1));
        let mail = mails.iter().find(|mail| mail.text.contains(&alert)).context("an alert without a mail")?;
        let after = mail.at - sent.get(&submission).context("an alert of nobody")?;
        latencies.push(Duration::from_secs_f64(after.max(0.0)));
    }
    ensure!(latencies.len() == ALERTS, "{} alerts", latencies.len());
    Ok(Told { latencies, behind })
}

/// Sends the dangerous ones; when each POST began, in Unix seconds.
async fn send(client: &Client) -> Result<BTreeMap<String, f64>> {
    let mut sent = BTreeMap::new();
    let mut tick = tokio::time::interval(Duration::from_secs_f64(1.0 / RATE));
    for _ in 0..ALERTS {
        tick.tick().await;
        let mut dangerous = phq9("ONC-301", "H004");
        dangerous["answers"]["44260-8"] = json!(2);
        let id = dangerous["submission_id"].as_str().context("an id")?.to_owned();
        sent.insert(id, SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64());
        let reply = client.submit("P-1", &dangerous).await?;
        ensure!(reply.status == 202, "told {}: {}", reply.status, reply.body);
    }
    Ok(sent)
}
