//! Notices: one for each alert, channel and recipient.

use crate::error::StoreError;
use crate::pool::Store;
use crate::session::Session;
use crate::step::Step;
use crate::submissions::Committed;
use serde_json::{Value, json};
use std::collections::HashSet;
use tokio_postgres::Row;
use uuid::Uuid;

/// Of an alert that is done nobody is told any more; what was sent is never sent again.
const BEGIN: &str = "\
INSERT INTO ops.notice AS n (alert_id, channel, recipient, state) \
SELECT $1::uuid, k.channel, k.recipient, 'sending' \
FROM unnest($2::text[], $3::text[]) AS k (channel, recipient) \
WHERE NOT EXISTS (SELECT FROM ops.alert WHERE alert_id = $1 AND state = 'done') \
ON CONFLICT (alert_id, channel, recipient) \
DO UPDATE SET state = 'sending', tries = n.tries + 1, last_at = clock_timestamp() WHERE n.state <> 'sent' \
RETURNING channel, recipient";

const RECORD: &str = "\
INSERT INTO ops.notice AS n (alert_id, channel, recipient, state, error) \
SELECT $1::uuid, k.channel, k.recipient, k.state, k.error \
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) AS k (channel, recipient, state, error) \
ON CONFLICT (alert_id, channel, recipient) \
DO UPDATE SET state = excluded.state, error = excluded.error, last_at = clock_timestamp() \
WHERE n.state <> 'sent'";

const OF: &str = "\
SELECT alert_id, channel, recipient, state, tries FROM ops.notice WHERE alert_id = ANY ($1::uuid[])";

/// A way to one person: the channel's name and the recipient's name in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// `email` or `sms`.
    pub channel: String,
    /// A name of the configuration, never an address.
    pub recipient: String,
}

/// What is known of one notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// To whom and how.
    pub target: Target,
    /// Whether the channel has taken it.
    pub sent: bool,
    /// How often it was tried.
    pub tries: i32,
}

/// What became of one try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// To whom and how.
    pub target: Target,
    /// `None`: the channel has taken it. Otherwise why not, without an address and without foreign words.
    pub error: Option<String>,
}

/// Who was told and who couldn't be, for the audit trail.
pub(super) fn told(alert: Uuid, outcomes: &[Outcome]) -> Value {
    let way = |outcome: &Outcome| {
        let Target { channel, recipient } = &outcome.target;
        json!({"channel": channel, "recipient": recipient, "error": outcome.error})
    };
    let (told, untold): (Vec<_>, Vec<_>) = outcomes.iter().partition(|outcome| outcome.error.is_none());
    let ways = |outcomes: Vec<&Outcome>| outcomes.into_iter().map(way).collect::<Vec<_>>();
    json!({"alert": alert, "told": ways(told), "untold": ways(untold)})
}

pub(super) fn of_alerts(alerts: &[Uuid]) -> Step<'_> {
    Step::new(OF).with(alerts)
}

pub(super) fn read(row: &Row) -> Result<(Uuid, Notice), StoreError> {
    let state: &str = row.try_get("state")?;
    let notice = Notice { target: target(row)?, sent: state == "sent", tries: row.try_get("tries")? };
    Ok((row.try_get("alert_id")?, notice))
}

fn target(row: &Row) -> Result<Target, StoreError> {
    Ok(Target { channel: row.try_get("channel")?, recipient: row.try_get("recipient")? })
}

pub(super) fn record(alert: Uuid, outcomes: &[Outcome]) -> Step<'_> {
    let state = |outcome: &Outcome| if outcome.error.is_none() { "sent" } else { "failed" };
    Step::new(RECORD)
        .with(alert)
        .column(outcomes, |outcome| outcome.target.channel.as_str())
        .column(outcomes, |outcome| outcome.target.recipient.as_str())
        .column(outcomes, state)
        .column(outcomes, |outcome| outcome.error.as_deref())
}

impl Store {
    /// Commits that notices are about to be sent, and says which of them may be: not those that were
    /// sent before, and none of an alert that is done. Send within the claim.
    ///
    /// # Errors
    /// As every [`StoreError`]; they may be marked.
    pub async fn begin_notices(
        &self,
        about: Uuid,
        targets: &[Target],
    ) -> Result<HashSet<Target>, StoreError> {
        let session = Session::open(self).await?;
        let begin = Step::new(BEGIN)
            .with(about)
            .column(targets, |target| target.channel.as_str())
            .column(targets, |target| target.recipient.as_str());
        let answers = session.pipeline(vec![begin], false).await?;
        session.done();
        answers.iter().flatten().map(target).collect()
    }

    /// Commits what became of notices. One that was sent stays sent.
    ///
    /// # Errors
    /// As every [`StoreError`]; recording them again is harmless.
    pub async fn record_notices(&self, about: Uuid, outcomes: &[Outcome]) -> Result<Committed, StoreError> {
        let session = Session::open(self).await?;
        session.pipeline(vec![record(about, outcomes)], false).await?;
        session.done();
        Ok(Committed::after_commit())
    }
}
