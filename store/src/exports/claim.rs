//! Taking an export in hand, under the lease of a slot.

use super::ExportPart;
use super::request::years;
use crate::error::StoreError;
use crate::lease::Lease;
use crate::pool::Store;
use crate::session::Session;
use crate::step::Step;
use time::OffsetDateTime;
use tokio_postgres::Row;
use uuid::Uuid;

/// The oldest that is due and that nobody works at: queued, or its slot's lease is another's, or over. A slot works at
/// one after the other: what carries the lease of this one was left, by a claim whose answer was lost or by a last
/// word that came too late.
const CLAIM: &str = "\
WITH job AS (SELECT e.export_id FROM ops.export e \
    WHERE (e.state = 'queued' AND e.next_at <= clock_timestamp()) \
    OR (e.state IN ('running', 'cancelling') AND ((e.slot = $1 AND e.owner = $2 AND e.term = $3) \
        OR NOT EXISTS (SELECT FROM ops.lease l \
            WHERE l.kind = 'export' AND l.key = e.slot AND l.owner = e.owner AND l.term = e.term \
            AND l.until > clock_timestamp()))) \
    ORDER BY e.requested_at LIMIT 1 FOR UPDATE OF e SKIP LOCKED) \
UPDATE ops.export e SET state = CASE e.state WHEN 'cancelling' THEN e.state ELSE 'running' END, \
    state_at = clock_timestamp(), slot = $1, owner = $2, term = $3, run = e.run + 1, \
    started_at = COALESCE(e.started_at, clock_timestamp()) \
FROM job WHERE e.export_id = job.export_id RETURNING e.*";

const LAST: &str = "\
SELECT part, name, last_submission, last_pseudonym, \
    (SELECT sum(rows)::bigint FROM ops.export_part WHERE export_id = $1) AS rows, \
    (SELECT sum(bytes)::bigint FROM ops.export_part WHERE export_id = $1) AS bytes \
FROM ops.export_part WHERE export_id = $1 ORDER BY part DESC LIMIT 1";

/// An export in hand.
#[derive(Debug, Clone)]
pub struct ExportJob {
    /// Its id.
    pub export_id: Uuid,
    /// Whoever has an older run writes nothing more.
    pub run: i32,
    /// It is to be ended, not made.
    pub cancelling: bool,
    /// The studies.
    pub study_ids: Vec<String>,
    /// The site.
    pub site_id: String,
    /// As `id|version`; none: all.
    pub instruments: Vec<String>,
    /// Answered at this time or later.
    pub from: OffsetDateTime,
    /// Answered before this time.
    pub to: OffsetDateTime,
    /// The first and the last year of that, for studies that keep years only.
    pub years: (i16, i16),
    /// The format's word.
    pub format: String,
    /// With what identifies patients.
    pub identified: bool,
    /// `pg_snapshot` at the request.
    pub snapshot: String,
    /// Who asked, as audit rows say it.
    pub actor: String,
    /// The client application.
    pub client: Option<String>,
    /// When it was asked for.
    pub requested_at: OffsetDateTime,
    /// Tries that failed so far.
    pub attempts: i32,
    /// Column names, once they are fixed.
    pub header: Option<Vec<String>>,
    /// Finished files.
    pub parts: i32,
    /// Rows in them.
    pub rows: i64,
    /// Bytes of them.
    pub bytes: i64,
    /// The last key in them.
    pub after: (Uuid, Uuid),
    /// The last of them holds reports: every submission is written.
    pub reporting: bool,
}

impl Store {
    /// Takes the oldest export in hand that is due. `None`: there is none.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn claim_export(&self, owner: Uuid, slot: &Lease) -> Result<Option<ExportJob>, StoreError> {
        let session = Session::open(self).await?;
        let step = Step::new(CLAIM).with(&*slot.key).with(owner).with(slot.term);
        let claimed = session.pipeline(vec![step], false).await?;
        let Some(row) = claimed.first().and_then(|rows| rows.first()) else {
            session.done();
            return Ok(None);
        };
        let mut job = job(row)?;
        let last = session.rows(LAST, &[&job.export_id]).await?;
        session.done();
        if let Some(last) = last.first() {
            job.parts = last.try_get("part")?;
            (job.rows, job.bytes) = (last.try_get("rows")?, last.try_get("bytes")?);
            job.after = (last.try_get("last_submission")?, last.try_get("last_pseudonym")?);
            job.reporting = last.try_get::<_, &str>("name")?.starts_with(ExportPart::REPORTS);
        }
        Ok(Some(job))
    }
}

fn job(row: &Row) -> Result<ExportJob, StoreError> {
    let (from, to) = (row.try_get("period_from")?, row.try_get("period_to")?);
    let in_utc = years(from, to);
    Ok(ExportJob {
        export_id: row.try_get("export_id")?,
        run: row.try_get("run")?,
        cancelling: row.try_get::<_, &str>("state")? == "cancelling",
        study_ids: row.try_get("study_ids")?,
        site_id: row.try_get("site_id")?,
        instruments: row.try_get("instruments")?,
        from,
        to,
        years: (
            row.try_get::<_, Option<i16>>("year_from")?.unwrap_or(in_utc.0),
            row.try_get::<_, Option<i16>>("year_to")?.unwrap_or(in_utc.1),
        ),
        format: row.try_get("format")?,
        identified: row.try_get("identified")?,
        snapshot: row.try_get("snapshot")?,
        actor: row.try_get("actor")?,
        client: row.try_get("client")?,
        requested_at: row.try_get("requested_at")?,
        attempts: row.try_get("attempts")?,
        header: row.try_get("header")?,
        parts: 0,
        rows: 0,
        bytes: 0,
        after: (Uuid::nil(), Uuid::nil()),
        reporting: false,
    })
}
