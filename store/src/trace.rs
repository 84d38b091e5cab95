//! What became of a submission, step by step, from what the tables hold. Nothing in it is an answer of a patient.

use crate::bound::Place;
use crate::error::StoreError;
use crate::pool::Store;
use crate::session::Session;
use serde::Serialize;
use std::collections::HashMap;
use time::OffsetDateTime;
use tokio_postgres::Row;
use uuid::Uuid;

/// Steps that are shown at most, the newest.
const MOST: u16 = 1_000;

/// A receipt is known by its instant: each row of the audit trail that follows from it repeats it. The duration of
/// what intake's message led to is that since the receipt, queues and waits included; that of a call is the call's.
const STEPS: &str = "\
WITH audited AS MATERIALIZED (SELECT * FROM audit.event WHERE submission_id = $1), \
set_aside AS MATERIALIZED (SELECT * FROM ops.dead_letter WHERE submission_id = $1), \
alerts AS MATERIALIZED (SELECT * FROM ops.alert WHERE submission_id = $1) \
SELECT at, what, detail, duration_ms, actor, trace_id FROM ( \
SELECT * FROM (SELECT DISTINCT ON (received_at) received_at AS at, 'received' AS what, \
    concat_ws(', ', 'queued with the broker''s confirm', study_id, site_id, \
        'by ' || client) AS detail, \
    NULL::bigint AS duration_ms, actor, trace_id \
    FROM audited WHERE received_at IS NOT NULL ORDER BY received_at, trace_id NULLS LAST) AS receipts \
UNION ALL \
SELECT at, action, concat_ws(', ', NULLIF(outcome, 'ok'), NULLIF(details::text, '{}')), \
    CASE WHEN received_at IS NOT NULL THEN (extract(epoch FROM at - received_at) * 1000)::bigint END, \
    actor, trace_id FROM audited \
UNION ALL \
SELECT first_at, 'dead letter', concat_ws(', ', id::text, lane, class, stage, detail, state, \
    CASE WHEN times > 1 THEN times || ' times, last at ' || to_char(last_at AT TIME ZONE 'UTC', \
        'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') END, \
    CASE WHEN failed_again THEN 'failed again the same way' END), NULL, NULL, NULL FROM set_aside \
UNION ALL \
SELECT s.last_at, 'started again', 'after a crash, ' || s.starts || ' times, in lane ' || s.lane, NULL, NULL, NULL \
    FROM ops.suspect s WHERE s.key IN (SELECT message_id FROM set_aside UNION ALL \
        SELECT message_id FROM identified.submission WHERE submission_id = $1) \
UNION ALL \
SELECT created_at, 'alert', concat_ws(', ', alert_id::text, rule, severity, \
    CASE WHEN repeats IS NOT NULL THEN 'repeats ' || repeats END, \
    CASE WHEN state = 'done' THEN 'done' ELSE 'level ' || level END), \
    CASE WHEN received_at IS NOT NULL THEN (extract(epoch FROM created_at - received_at) * 1000)::bigint END, \
    NULL, NULL FROM alerts \
UNION ALL \
SELECT n.last_at, 'notice', concat_ws(', ', n.channel, n.recipient, n.state, \
    CASE WHEN n.tries > 1 THEN n.tries || ' tries' END, n.error), \
    (extract(epoch FROM n.last_at - COALESCE(a.received_at, a.created_at)) * 1000)::bigint, NULL, NULL \
    FROM alerts a JOIN ops.notice n ON n.alert_id = a.alert_id \
UNION ALL \
SELECT created_at, 'delivery', concat_ws(', ', 'to the hospital of ' || site_id, \
    CASE WHEN generation > 1 THEN 'by now of generation ' || generation END), NULL, NULL, NULL FROM ops.delivery WHERE submission_id = $1 \
UNION ALL \
SELECT at, 'call', concat_ws(', ', 'hospital of ' || site_id, outcome, detail, \
    CASE WHEN charged THEN 'charged' END), duration_ms, NULL, trace_id \
    FROM ops.delivery_attempt WHERE submission_id = $1 \
UNION ALL \
SELECT COALESCE(last_at, created_at), 'risk', concat_ws(', ', state, last_outcome, \
    CASE WHEN attempts > 0 THEN attempts || ' charged' END), NULL, NULL, NULL \
    FROM ops.risk WHERE submission_id = $1 \
) AS steps ORDER BY at DESC, what DESC LIMIT $2";

/// Where it stands now.
const STANDING: &str = "\
SELECT 'submission' AS what, 'stored' AS state, stored_at AS since FROM identified.submission WHERE submission_id = $1 \
UNION ALL SELECT 'dead letter ' || id, state, COALESCE(settled_at, last_at) FROM ops.dead_letter \
    WHERE submission_id = $1 \
UNION ALL SELECT 'alert ' || rule, CASE WHEN acknowledged_at IS NOT NULL THEN 'acknowledged' \
    WHEN closed_at IS NOT NULL THEN 'closed' WHEN repeats IS NOT NULL THEN 'repeats another' ELSE state END, \
    COALESCE(acknowledged_at, closed_at, state_at) FROM ops.alert WHERE submission_id = $1 \
UNION ALL SELECT 'delivery', state, state_at FROM ops.delivery WHERE submission_id = $1 \
UNION ALL SELECT 'risk', state, state_at FROM ops.risk WHERE submission_id = $1";

/// Whatever the steps and the standing are read from that says where it belongs.
const PLACES: &str = "\
SELECT study_id, site_id FROM audit.event WHERE submission_id = $1 \
UNION SELECT study_id, site_id FROM identified.submission WHERE submission_id = $1 \
UNION SELECT study_id, site_id FROM ops.dead_letter WHERE submission_id = $1 \
UNION SELECT study_id, site_id FROM ops.alert WHERE submission_id = $1 \
UNION SELECT study_id, NULL FROM ops.risk WHERE submission_id = $1 \
UNION SELECT NULL, site_id FROM ops.delivery WHERE submission_id = $1 \
UNION SELECT NULL, site_id FROM ops.delivery_attempt WHERE submission_id = $1";

/// By the first receipt: what was sent again later is of another trace.
const IDS: &str = "\
SELECT DISTINCT ON (submission_id) submission_id, trace_id FROM audit.event \
WHERE submission_id = ANY ($1::uuid[]) AND submission_id IS NOT NULL AND trace_id IS NOT NULL \
ORDER BY submission_id, received_at NULLS LAST, at";

/// A submission's way.
#[derive(Debug, Clone, Serialize)]
pub struct Trace {
    /// Where each part of it stands now.
    pub standing: Vec<Standing>,
    /// What happened, the oldest first; of very many the newest.
    pub steps: Vec<TraceStep>,
    /// Whether there are older steps, which aren't among these.
    pub earlier_steps: bool,
}

/// Where a part of it stands now.
#[derive(Debug, Clone, Serialize)]
pub struct Standing {
    /// `submission`, `delivery`, `alert <rule>`, …
    pub what: String,
    /// Its state.
    pub state: String,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
}

/// Something that happened to it.
#[derive(Debug, Clone, Serialize)]
pub struct TraceStep {
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// What: `received`, `alert`, `notice`, `delivery`, `call`, …, or an action of the audit trail.
    pub what: String,
    /// More of it; never what the patient said.
    pub detail: String,
    /// How long it took in milliseconds: a call, or from the receipt until here.
    pub duration_ms: Option<i64>,
    /// Who, where it is known.
    pub actor: Option<String>,
    /// The W3C trace id, where it is known.
    pub trace_id: Option<String>,
}

impl Store {
    /// What became of a submission. `None`: nothing is known of it (yet): it may still be queued.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn trace(&self, submission_id: Uuid) -> Result<Option<Trace>, StoreError> {
        let session = Session::open(self).await?;
        // One more than is shown tells whether there are more.
        let steps = session.rows(STEPS, &[&submission_id, &(i64::from(MOST) + 1)]).await?;
        let standing = session.rows(STANDING, &[&submission_id]).await?;
        session.done();
        let earlier_steps = steps.len() > usize::from(MOST);
        let steps = steps.iter().take(usize::from(MOST)).rev();
        let steps = steps.map(TraceStep::of).collect::<Result<Vec<_>, _>>()?;
        let standing = standing.iter().map(Standing::of).collect::<Result<Vec<_>, _>>()?;
        Ok((!steps.is_empty() || !standing.is_empty()).then_some(Trace { standing, steps, earlier_steps }))
    }

    /// Where a submission belongs, by all that its trace is made of.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn places(&self, submission_id: Uuid) -> Result<Vec<Place>, StoreError> {
        let session = Session::open(self).await?;
        let rows = session.rows(PLACES, &[&submission_id]).await?;
        session.done();
        rows.iter().map(|row| Ok(Place { study_id: row.try_get(0)?, site_id: row.try_get(1)? })).collect()
    }

    /// The W3C trace ids that these submissions came with, as far as they are known.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn trace_ids(&self, submissions: &[Uuid]) -> Result<HashMap<Uuid, String>, StoreError> {
        let session = Session::open(self).await?;
        let rows = session.rows(IDS, &[&submissions]).await?;
        session.done();
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }
}

impl Standing {
    fn of(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { what: row.try_get(0)?, state: row.try_get(1)?, since: row.try_get(2)? })
    }
}

impl TraceStep {
    fn of(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            at: row.try_get("at")?,
            what: row.try_get("what")?,
            detail: row.try_get::<_, Option<String>>("detail")?.unwrap_or_default(),
            duration_ms: row.try_get("duration_ms")?,
            actor: row.try_get("actor")?,
            trace_id: row.try_get("trace_id")?,
        })
    }
}
