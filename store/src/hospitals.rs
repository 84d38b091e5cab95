//! How each hospital is, as the owner of its lease sees it.

use crate::audit::Actor;
use crate::error::StoreError;
use crate::pool::Store;
use crate::session::Session;
use crate::step::Step;
use serde::Serialize;
use std::time::Duration;
use time::OffsetDateTime;
use tokio_postgres::Row;
use uuid::Uuid;

/// What is counted adds up over all owners; an owner that was replaced writes no more.
const WRITE: &str = "\
INSERT INTO ops.hospital_state AS h (site_id, owner, term, gate, gate_reason, gate_since, calls, taken, \
    refused, failed, well_at, last_error, last_error_at) \
VALUES ($1, $2, $3, $4, $5, clock_timestamp() - $6::double precision * interval '1 second', $7, $8, $9, $10, \
    clock_timestamp() - $11::double precision * interval '1 second', $12, \
    clock_timestamp() - $13::double precision * interval '1 second') \
ON CONFLICT (site_id) DO UPDATE SET owner = excluded.owner, term = excluded.term, gate = excluded.gate, \
    gate_reason = excluded.gate_reason, gate_since = excluded.gate_since, calls = h.calls + excluded.calls, \
    taken = h.taken + excluded.taken, refused = h.refused + excluded.refused, \
    failed = h.failed + excluded.failed, well_at = COALESCE(excluded.well_at, h.well_at), \
    last_error = COALESCE(excluded.last_error, h.last_error), \
    last_error_at = COALESCE(excluded.last_error_at, h.last_error_at), updated_at = clock_timestamp() \
WHERE h.term <= excluded.term";

const LIST: &str = "\
SELECT k.key AS site_id, CASE WHEN l.until > clock_timestamp() THEN l.owner END AS owner, \
    h.gate, h.gate_reason, h.gate_since, COALESCE(h.calls, 0) AS calls, COALESCE(h.taken, 0) AS taken, \
    COALESCE(h.refused, 0) AS refused, COALESCE(h.failed, 0) AS failed, h.well_at, h.last_error, \
    h.last_error_at, p.reason AS paused, p.paused_by, COALESCE(r.rate, 0) AS calls_per_second, \
    (SELECT count(*) FROM ops.delivery d WHERE d.site_id = k.key \
        AND d.state IN ('queued', 'unsent', 'waits')) AS waiting, \
    (SELECT min(d.created_at) FROM ops.delivery d WHERE d.site_id = k.key \
        AND d.state IN ('queued', 'unsent', 'waits')) AS oldest, \
    (SELECT count(*) FROM ops.delivery d WHERE d.site_id = k.key AND d.state = 'waits' \
        AND d.last_outcome IN ('denied', 'refused')) AS denied, \
    (SELECT count(*) FROM ops.dead_letter x WHERE x.site_id = k.key AND x.state = 'open' \
        AND x.lane = 'hospitals') AS dead_letters \
FROM unnest($1::text[]) AS k (key) \
LEFT JOIN ops.lease l ON l.kind = 'hospital' AND l.key = k.key \
LEFT JOIN ops.hospital_state h ON h.site_id = k.key \
LEFT JOIN ops.pause p ON p.kind = 'hospital' AND p.key = k.key \
LEFT JOIN (SELECT site_id, count(*)::double precision / 10 AS rate FROM ops.delivery_attempt \
    WHERE at > now() - interval '10 seconds' GROUP BY site_id) AS r ON r.site_id = k.key \
ORDER BY k.key";

/// What an owner has to tell of a hospital since it last did.
#[derive(Debug, Clone)]
pub struct HospitalReport<'a> {
    /// The hospital's site.
    pub site_id: &'a str,
    /// The replica.
    pub owner: Uuid,
    /// The term of its lease.
    pub term: i64,
    /// `closed`, `open`, `half_open` or `shut`.
    pub gate: &'a str,
    /// Why it isn't closed.
    pub gate_reason: Option<&'a str>,
    /// How long it has been so.
    pub gate_for: Duration,
    /// Calls since the last report.
    pub calls: i64,
    /// Of them, taken.
    pub taken: i64,
    /// Refused.
    pub refused: i64,
    /// Failed.
    pub failed: i64,
    /// How long ago it last took something, if it did.
    pub well: Option<Duration>,
    /// What it last said that wasn't good, redacted, and how long ago.
    pub error: Option<(&'a str, Duration)>,
}

/// A hospital, as an operator sees it.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields of HospitalReport")]
pub struct HospitalStatus {
    pub site_id: String,
    /// The replica that holds its lease now.
    pub owner: Option<Uuid>,
    /// `None`: nobody has owned it yet.
    pub gate: Option<String>,
    pub gate_reason: Option<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub gate_since: Option<OffsetDateTime>,
    pub calls: i64,
    pub taken: i64,
    pub refused: i64,
    pub failed: i64,
    #[serde(with = "time::serde::rfc3339::option")]
    pub well_at: Option<OffsetDateTime>,
    /// Calls about deliveries a second, over the last ten seconds.
    pub calls_per_second: f64,
    pub last_error: Option<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_error_at: Option<OffsetDateTime>,
    /// Why it is paused, if it is.
    pub paused: Option<String>,
    pub paused_by: Option<String>,
    /// Deliveries that it hasn't had yet.
    pub waiting: i64,
    /// Since when the oldest of them waits.
    #[serde(with = "time::serde::rfc3339::option")]
    pub oldest: Option<OffsetDateTime>,
    /// Of them, those that it last denied whatever they say: credentials, address, certificate, AR for all.
    pub denied: i64,
    /// Open dead letters of it.
    pub dead_letters: i64,
}

impl Store {
    /// Writes what an owner has to tell of a hospital.
    ///
    /// # Errors
    /// As every [`StoreError`]; after [`StoreError::Away`] it may have been written.
    pub async fn report_hospital(&self, report: &HospitalReport<'_>) -> Result<(), StoreError> {
        let session = Session::open(self).await?;
        let step = Step::new(WRITE).with(report.site_id).with(report.owner).with(report.term);
        let step = step.with(report.gate).with(report.gate_reason).with(report.gate_for.as_secs_f64());
        let step = step.with(report.calls).with(report.taken).with(report.refused).with(report.failed);
        let step = step.with(report.well.map(|ago| ago.as_secs_f64()));
        let step = step.with(report.error.map(|(error, _)| error));
        let step = step.with(report.error.map(|(_, ago)| ago.as_secs_f64()));
        session.pipeline(vec![step], false).await?;
        session.done();
        Ok(())
    }

    /// The hospitals of these sites, by site.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn hospitals(&self, sites: &[String]) -> Result<Vec<HospitalStatus>, StoreError> {
        let session = Session::open(self).await?;
        let answers = session.pipeline(vec![Step::new(LIST).with(sites)], false).await?;
        session.done();
        answers.iter().flatten().map(HospitalStatus::of).collect()
    }
}

impl HospitalStatus {
    /// Whether it is paused, and by no operator.
    pub fn paused_itself(&self) -> bool {
        self.paused_by.as_deref().is_some_and(Actor::is_system)
    }

    fn of(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            site_id: row.try_get("site_id")?,
            owner: row.try_get("owner")?,
            gate: row.try_get("gate")?,
            gate_reason: row.try_get("gate_reason")?,
            gate_since: row.try_get("gate_since")?,
            calls: row.try_get("calls")?,
            taken: row.try_get("taken")?,
            refused: row.try_get("refused")?,
            failed: row.try_get("failed")?,
            well_at: row.try_get("well_at")?,
            calls_per_second: row.try_get("calls_per_second")?,
            last_error: row.try_get("last_error")?,
            last_error_at: row.try_get("last_error_at")?,
            paused: row.try_get("paused")?,
            paused_by: row.try_get("paused_by")?,
            waiting: row.try_get("waiting")?,
            oldest: row.try_get("oldest")?,
            denied: row.try_get("denied")?,
            dead_letters: row.try_get("dead_letters")?,
        })
    }
}
