//! What was accepted is stored or set aside, byte for byte, and nothing else is.

mod audit;
mod copies;
mod follow_ons;
mod streamed;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::client::{Sent, sha256};
use crate::database::Link;
use crate::sealed::{DEAD_LETTER, Keys};
use crate::stack::Stack;
use crate::until;
use crate::vhost::{Vhost, ready};

use copies::Copies;
pub use streamed::{Kept, streamed};

/// What a conservation check counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Different (id, bytes) that were answered 202.
    pub accepted: usize,
    /// Different (id, bytes) whose outcome the client never learned, or was told 5xx.
    pub unknown: usize,
    /// Rows in `identified.submission`.
    pub stored: usize,
    /// Dead letters.
    pub dead: usize,
    /// Copies that were noted as duplicates of a stored submission.
    pub duplicates: usize,
}

/// A submission by its id and the SHA-256 of its bytes.
type Key = (Uuid, [u8; 32]);

/// Checks a stack against the client's own log: waits up to 90 s until everything accepted has
/// left its trace, then compares sets, bytes, queues, follow-ons and the audit trail.
///
/// An error lists every difference (at most 20 of a kind). Processes may still run, or not.
pub async fn conservation(stack: &Stack, log: &[Sent]) -> Result<Account> {
    within(Duration::from_secs(90), stack, log).await
}

/// The same, waiting no longer than `patience` for what was accepted to leave its trace.
pub async fn within(patience: Duration, stack: &Stack, log: &[Sent]) -> Result<Account> {
    let link = stack.database().connect().await?;
    let sent = Logged::from(log);
    // How it ends is judged below, with words; here the bound only has to be there.
    let _ = until("everything accepted to leave its trace", patience, || async {
        let began = Instant::now();
        let tables = Tables::read(&link).await?;
        if sent.accepted.keys().all(|key| tables.has(key)) {
            return Ok(Some(()));
        }
        // Who is waited for works on the same machine: large tables are looked at a tenth of the time.
        tokio::time::sleep(9 * began.elapsed()).await;
        Ok(None)
    })
    .await;
    let mut wrong = Vec::new();
    let tables = Tables::read(&link).await?;
    compare(&sent, &tables, &mut wrong);
    let keys = Keys::read(stack.folder())?;
    bytes(&link, &sent, Copies::of(&sent, &tables), &keys, &mut wrong).await?;
    wrapped(&link, &keys, &mut wrong).await?;
    queues(stack.vhost(), &mut wrong).await?;
    follow_ons::check(&link, stack.vhost(), &keys, &mut wrong).await?;
    audit::check(&link, &mut wrong).await?;
    if !wrong.is_empty() {
        bail!("conservation is broken:\n  {}", wrong.join("\n  "));
    }
    Ok(Account {
        accepted: sent.accepted.len(),
        unknown: sent.unknown.len(),
        stored: tables.stored.len(),
        dead: tables.dead.len(),
        duplicates: tables.duplicates.len(),
    })
}

/// The client's log as sets.
struct Logged<'a> {
    accepted: BTreeMap<Key, &'a [u8]>,
    unknown: BTreeMap<Key, &'a [u8]>,
}

impl<'a> Logged<'a> {
    fn from(log: &'a [Sent]) -> Self {
        let key = |sent: &Sent| (sent.id, sent.sha256);
        let of = |wanted: fn(Option<u16>) -> bool| {
            let some = log.iter().filter(|sent| wanted(sent.status));
            some.map(|sent| (key(sent), &*sent.bytes)).collect::<BTreeMap<_, _>>()
        };
        let accepted = of(|status| status == Some(202));
        let mut unknown = of(|status| status.is_none_or(|status| status >= 500));
        unknown.retain(|key, _| !accepted.contains_key(key));
        Self { accepted, unknown }
    }

    fn bytes(&self, key: &Key) -> Option<&'a [u8]> {
        self.accepted.get(key).or_else(|| self.unknown.get(key)).copied()
    }
}

/// What the tables hold.
struct Tables {
    stored: BTreeSet<Key>,
    /// Patients' ids of stored submissions: what a duplicate must lead to.
    stored_ids: BTreeSet<(Uuid, Option<Uuid>)>,
    dead: BTreeSet<Key>,
    duplicates: BTreeMap<Key, Option<Uuid>>,
}

impl Tables {
    async fn read(link: &Link) -> Result<Self> {
        let rows =
            link.client.query("SELECT submission_id, body_sha256, pseudonym FROM identified.submission", &[]);
        let rows = rows.await?;
        let stored = rows.iter().map(|row| Ok((row.get(0), hash(row.get(1))?))).collect::<Result<_>>()?;
        let stored_ids = rows.iter().map(|row| (row.get(0), row.get(2))).collect();
        let sql = "SELECT submission_id, content_sha256 FROM ops.dead_letter
                   WHERE submission_id IS NOT NULL AND state = 'open' AND kind = 'epro.submission.v1'";
        let rows = link.client.query(sql, &[]).await?;
        let dead = rows.iter().map(|row| Ok((row.get(0), hash(row.get(1))?))).collect::<Result<_>>()?;
        let sql = "SELECT submission_id, body_sha256, pseudonym FROM audit.event
                   WHERE action = 'submission.duplicate' AND submission_id IS NOT NULL AND body_sha256 IS NOT NULL";
        let rows = link.client.query(sql, &[]).await?;
        let duplicates = rows.iter().map(|row| Ok(((row.get(0), hash(row.get(1))?), row.get(2))));
        Ok(Self { stored, stored_ids, dead, duplicates: duplicates.collect::<Result<_>>()? })
    }

    fn has(&self, key: &Key) -> bool {
        self.stored.contains(key) || self.dead.contains(key) || self.is_duplicate(key)
    }

    /// Noted as a duplicate, of a submission that is really there.
    fn is_duplicate(&self, key: &Key) -> bool {
        self.duplicates.get(key).is_some_and(|pseudonym| self.stored_ids.contains(&(key.0, *pseudonym)))
    }
}

fn hash(bytes: Vec<u8>) -> Result<[u8; 32]> {
    bytes.try_into().map_err(|_| anyhow::anyhow!("a hash that isn't 32 bytes long"))
}

fn compare(sent: &Logged<'_>, tables: &Tables, wrong: &mut Vec<String>) {
    let lost = sent.accepted.keys().filter(|key| !tables.has(key));
    some(wrong, "answered 202 and neither stored nor set aside", lost);
    let both = tables.stored.intersection(&tables.dead);
    some(wrong, "both stored and set aside", both);
    let strange = tables.stored.union(&tables.dead).filter(|key| sent.bytes(key).is_none());
    some(wrong, "in the tables and never accepted", strange);
}

/// Opens every stored and set-aside body with our own hands and compares it with what was sent, and what is stored with
/// what was accepted as a copy of it.
async fn bytes(
    link: &Link,
    sent: &Logged<'_>,
    mut copies: Copies<'_>,
    keys: &Keys,
    wrong: &mut Vec<String>,
) -> Result<()> {
    let sql = "SELECT submission_id, body_sha256, message_id, sealed, true FROM identified.submission
               UNION ALL
               SELECT submission_id, content_sha256, message_id, body, false FROM ops.dead_letter
               WHERE submission_id IS NOT NULL AND state = 'open' AND NOT wrapped
               AND kind = 'epro.submission.v1'";
    let mut different = Vec::new();
    for row in link.client.query(sql, &[]).await? {
        let key = (row.get(0), hash(row.get(1))?);
        let opened = keys.open_submission(row.get(2), row.get(3)).ok();
        let same = opened.as_ref().is_some_and(|envelope| {
            sha256(&envelope.bytes) == key.1 && sent.bytes(&key).is_none_or(|sent| sent == envelope.bytes)
        });
        if !same {
            different.push(key);
        }
        if let Some(envelope) = opened.filter(|_| row.get(4)) {
            copies.beside(key.0, &envelope.bytes);
        }
    }
    some(wrong, "stored with other bytes than were sent", different.iter());
    some(wrong, "accepted as copies, and no copies of what is stored", copies.left());
    Ok(())
}

/// Opens what was sealed for the table of dead letters alone: it is the message that its hash is of.
async fn wrapped(link: &Link, keys: &Keys, wrong: &mut Vec<String>) -> Result<()> {
    let sql = "SELECT id, content_sha256, message_id, body FROM ops.dead_letter WHERE wrapped";
    let mut broken = Vec::new();
    for row in link.client.query(sql, &[]).await? {
        let (id, sha): (i64, Vec<u8>) = (row.get(0), row.get(1));
        let message = row.get::<_, Option<Uuid>>(2).unwrap_or(Uuid::nil());
        let opened = keys.open(DEAD_LETTER, message, row.get(3));
        if !opened.is_ok_and(|plain| sha256(&plain)[..] == sha) {
            broken.push(id.to_string());
        }
    }
    if !broken.is_empty() {
        wrong.push(format!(
            "{} dead letters don't open to what they say: {}",
            broken.len(),
            broken.join(" ")
        ));
    }
    Ok(())
}

fn some<'k>(wrong: &mut Vec<String>, what: &str, keys: impl Iterator<Item = &'k Key>) {
    let ids: Vec<String> = keys.map(|(id, _)| id.to_string()).collect();
    if !ids.is_empty() {
        let shown = ids.iter().take(20).cloned().collect::<Vec<_>>().join(" ");
        wrong.push(format!("{} {what}: {shown}", ids.len()));
    }
}

/// Queues that must be empty when everything is settled: work, waits, and dead letters in transit.
pub async fn work_queues(vhost: &Vhost) -> Result<Vec<String>> {
    let mut names = vhost.queues().await?;
    names.retain(|name| {
        name.starts_with("epro.submissions.") || name.starts_with("epro.wait.") || name == "epro.dead"
    });
    Ok(names)
}

async fn queues(vhost: &Vhost, wrong: &mut Vec<String>) -> Result<()> {
    let connection = vhost.connect().await?;
    let channel = connection.create_channel().await?;
    for queue in work_queues(vhost).await? {
        let what = format!("{queue} to be empty");
        // Ready by the broker's own word, unacked by a statistic that is up to 5 s old.
        let empty = until(&what, Duration::from_secs(20), || async {
            Ok((ready(&channel, &queue).await? == 0 && vhost.messages(&queue).await? == 0).then_some(()))
        });
        if let Err(error) = empty.await {
            wrong.push(format!("{queue} is not empty: {error:#}"));
        }
    }
    connection.close(200, "looked".into()).await?;
    Ok(())
}

#[cfg(test)]
mod tests;
