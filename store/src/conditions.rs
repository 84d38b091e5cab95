//! What operators are told of: once when it starts, once when it clears.

use crate::error::StoreError;
use crate::pool::Store;
use crate::session::Session;
use crate::step::Step;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio_postgres::Row;
use uuid::Uuid;

/// Seen now: it stays pending until it has been so for long enough.
const SEEN: &str = "\
INSERT INTO ops.condition AS c (condition_id, cleared_id, kind, key, detail, worst) \
SELECT gen_random_uuid(), gen_random_uuid(), k.kind, k.key, k.detail, k.worst \
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) AS k (kind, key, detail, worst) \
ON CONFLICT (kind, key) WHERE state <> 'cleared' DO UPDATE SET \
    seen_at = clock_timestamp(), detail = excluded.detail, worst = greatest(c.worst, excluded.worst), \
    state = CASE WHEN clock_timestamp() - c.began_at >= $5::double precision * interval '1 second' \
        THEN 'open' ELSE c.state END";

const PASSED: &str = "\
DELETE FROM ops.condition \
WHERE state = 'pending' AND seen_at < clock_timestamp() - $1::double precision * interval '1 second'";

const CLEARED: &str = "\
UPDATE ops.condition SET state = 'cleared', cleared_at = seen_at \
WHERE state = 'open' AND seen_at < clock_timestamp() - $1::double precision * interval '1 second'";

const UNTOLD: &str = "\
SELECT condition_id, cleared_id, kind, key, detail, worst, began_at, cleared_at, began_told \
FROM ops.condition \
WHERE (state = 'open' AND NOT began_told) OR (state = 'cleared' AND NOT cleared_told) \
ORDER BY began_at LIMIT 100";

const OPEN: &str = "\
SELECT condition_id, cleared_id, kind, key, detail, worst, began_at, cleared_at, began_told \
FROM ops.condition WHERE state = 'open' ORDER BY began_at, kind, key";

/// Whoever is told of the end needn't be told of the beginning any more.
const TOLD: &str = "\
UPDATE ops.condition SET began_told = true, cleared_told = cleared_told OR $2 WHERE condition_id = $1";

const SIGNALS: &str = "\
SELECT 'hospital-closed' AS kind, h.site_id AS key, \
    concat_ws(': ', 'the gate is ' || h.gate, h.gate_reason, waiting.n || ' deliveries wait') AS detail, \
    waiting.n AS worst \
FROM ops.hospital_state h, LATERAL (SELECT count(*) AS n FROM ops.delivery d \
    WHERE d.site_id = h.site_id AND d.state IN ('queued', 'unsent', 'waits')) AS waiting \
WHERE h.gate <> 'closed' \
UNION ALL \
SELECT 'paused-itself', concat_ws(' ', kind, key), reason, 1 FROM ops.pause WHERE paused_by LIKE 'system:%' \
UNION ALL \
SELECT 'dead-letters', lane, count(*) || ' set aside lately', count(*) FROM ops.dead_letter \
WHERE state = 'open' AND last_at > now() - $1::double precision * interval '1 second' \
GROUP BY lane HAVING count(*) >= $2 \
UNION ALL \
SELECT 'alert-unacknowledged', site_id, count(*) || ' that nobody has acknowledged', count(*) FROM ops.alert \
WHERE state <> 'done' AND created_at < now() - $3::double precision * interval '1 second' GROUP BY site_id \
UNION ALL \
SELECT 'delivery-overdue', site_id, count(*) || ' that the hospital has not had', count(*) FROM ops.delivery \
WHERE state IN ('queued', 'unsent', 'waits') \
    AND created_at < now() - $4::double precision * interval '1 second' GROUP BY site_id \
UNION ALL \
SELECT 'export-failing', site_id, count(*) || ' not made: ' || max(last_error), count(*) FROM ops.export \
WHERE (state IN ('queued', 'running') AND attempts > 1) \
    OR (state = 'failed' AND state_at > now() - $1::double precision * interval '1 second') GROUP BY site_id \
UNION ALL \
SELECT 'export-overdue', site_id, count(*) || ' that nobody has begun', count(*) FROM ops.export \
WHERE state = 'queued' AND attempts = 0 \
    AND requested_at < now() - $4::double precision * interval '1 second' GROUP BY site_id";

/// How late what was stored in the last minute was stored, by the median, so that few that waited for their base don't
/// count; null: nothing was stored for as long as $1.
const LATENESS: &str = "\
SELECT extract(epoch FROM COALESCE(\
    (SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY lately.late_by) FROM (\
        SELECT stored_at - received_at AS late_by FROM identified.submission \
        WHERE stored_at > clock_timestamp() - interval '1 minute' LIMIT 1000) AS lately), \
    (SELECT interval '0' WHERE EXISTS (SELECT FROM identified.submission \
        WHERE stored_at > clock_timestamp() - $1::double precision * interval '1 second'))\
))::double precision AS late_by";

/// Something that is so now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// What, e.g. `hospital-closed`.
    pub kind: String,
    /// Of what: a site, a lane, a queue.
    pub key: String,
    /// More about it; never a value of a patient.
    pub detail: String,
    /// How many, where there is something to count.
    pub count: i64,
}

/// From when on something counts.
#[derive(Debug, Clone, Copy)]
pub struct Thresholds {
    /// Dead letters of the last so many…
    pub window: Duration,
    /// … at least so many.
    pub dead_letters: u32,
    /// Alerts that nobody has acknowledged for so long.
    pub oldest_alert: Duration,
    /// Submissions that are accepted and not stored for so long.
    pub oldest_submission: Duration,
    /// Deliveries that their hospital hasn't had for so long.
    pub oldest_delivery: Duration,
    /// No anchor of the audit trail for so long, although there were some and it grows.
    pub oldest_anchor: Duration,
}

/// Something that is so, or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Its id; that of the notice of its beginning.
    pub id: Uuid,
    /// The id of the notice of its end.
    pub cleared_id: Uuid,
    /// As [`Observation::kind`].
    pub kind: String,
    /// As [`Observation::key`].
    pub key: String,
    /// As last observed.
    pub detail: String,
    /// The highest count.
    pub worst: i64,
    /// Since when.
    pub began_at: OffsetDateTime,
    /// Until when; `None`: it is still so.
    pub cleared_at: Option<OffsetDateTime>,
    /// Whether operators were told of its beginning.
    pub began_told: bool,
}

impl Condition {
    fn of(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.try_get("condition_id")?,
            cleared_id: row.try_get("cleared_id")?,
            kind: row.try_get("kind")?,
            key: row.try_get("key")?,
            detail: row.try_get("detail")?,
            worst: row.try_get("worst")?,
            began_at: row.try_get("began_at")?,
            cleared_at: row.try_get("cleared_at")?,
            began_told: row.try_get("began_told")?,
        })
    }
}

/// Nobody anchors the audit trail any more.
fn unanchored(since: OffsetDateTime) -> Observation {
    let since = since.replace_nanosecond(0).unwrap_or(since).format(&Rfc3339).unwrap_or_default();
    Observation {
        kind: "trail-unanchored".to_owned(),
        key: "audit".to_owned(),
        detail: format!("the last anchor is of {since}"),
        count: 1,
    }
}

impl Store {
    /// What the tables say that operators should know.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn signals(&self, thresholds: &Thresholds) -> Result<Vec<Observation>, StoreError> {
        let session = Session::open(self).await?;
        let step = Step::new(SIGNALS)
            .with(thresholds.window.as_secs_f64())
            .with(i64::from(thresholds.dead_letters))
            .with(thresholds.oldest_alert.as_secs_f64())
            .with(thresholds.oldest_delivery.as_secs_f64());
        let answers = session.pipeline(vec![step], false).await?;
        session.done();
        let observation = |row: &Row| {
            Ok(Observation {
                kind: row.try_get("kind")?,
                key: row.try_get("key")?,
                detail: row.try_get("detail")?,
                count: row.try_get("worst")?,
            })
        };
        let unanchored = self.unanchored_since(thresholds.oldest_anchor).await?.map(unanchored);
        answers.iter().flatten().map(observation).chain(unanchored.map(Ok)).collect()
    }

    /// Whether whatever waits to be stored now has waited for longer than `bound`: what was stored lately had, or nothing
    /// was stored for as long.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn stores_late(&self, bound: Duration) -> Result<bool, StoreError> {
        let session = Session::open(self).await?;
        let rows = session.rows(LATENESS, &[&bound.as_secs_f64()]).await?;
        session.done();
        let late_by: Option<f64> = rows.first().ok_or_else(StoreError::internal)?.try_get("late_by")?;
        Ok(late_by.is_none_or(|late_by| late_by > bound.as_secs_f64()))
    }

    /// Writes down what is so now, and gives the conditions whose beginning or end operators have not
    /// been told of. One begins once it has been observed for `patience`, and ends once it has not been for
    /// as long; what passes sooner leaves no trace.
    ///
    /// # Errors
    /// As every [`StoreError`]; observing again is harmless.
    pub async fn observe(
        &self,
        seen: &[Observation],
        patience: Duration,
    ) -> Result<Vec<Condition>, StoreError> {
        let patience = patience.as_secs_f64();
        let seen = Step::new(SEEN)
            .column(seen, |o| o.kind.as_str())
            .column(seen, |o| o.key.as_str())
            .column(seen, |o| o.detail.as_str())
            .column(seen, |o| o.count)
            .with(patience);
        let steps = vec![
            seen,
            Step::new(PASSED).with(patience),
            Step::new(CLEARED).with(patience),
            Step::new(UNTOLD),
        ];
        let session = Session::open(self).await?;
        let answers = session.pipeline(steps, false).await?;
        session.done();
        answers.last().into_iter().flatten().map(Condition::of).collect()
    }

    /// The conditions that hold now.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn open_conditions(&self) -> Result<Vec<Condition>, StoreError> {
        let session = Session::open(self).await?;
        let rows = session.rows(OPEN, &[]).await?;
        session.done();
        rows.iter().map(Condition::of).collect()
    }

    /// Operators were told of a condition's beginning, or of its end (`cleared`).
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn condition_told(&self, id: Uuid, cleared: bool) -> Result<(), StoreError> {
        let session = Session::open(self).await?;
        session.rows(TOLD, &[&id, &cleared]).await?;
        session.done();
        Ok(())
    }
}
