//! The reports among an export's documents, one at a time in the order of their ids: one may have 24 MiB.

use super::{ExportJob, PageKey};
use crate::error::StoreError;
use crate::pool::Store;
use crate::session::Session;
use time::OffsetDateTime;
use uuid::Uuid;

const NEXT: &str = "\
SELECT report_id, pseudonym, study_id, finished_at, body FROM ops.report \
WHERE report_id > $1 AND site_id = $2 AND study_id = ANY ($3::text[]) AND state = 'done' AND expires_at > now() \
AND requested_at >= $4 AND requested_at < $5 AND finished_at <= $6 ORDER BY report_id LIMIT 1";

/// One report.
#[derive(Debug)]
pub struct ExportReport {
    /// Its id, and whose it is.
    pub key: PageKey,
    /// Its study.
    pub study_id: String,
    /// When it was there.
    pub finished_at: OffsetDateTime,
    /// The report under its seal.
    pub body: Vec<u8>,
}

impl Store {
    /// The first report behind `after` that was asked for in the export's period, and was there when the export was
    /// asked for. One that expires meanwhile is in it no more.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn export_report(
        &self,
        job: &ExportJob,
        after: Uuid,
    ) -> Result<Option<ExportReport>, StoreError> {
        let session = Session::open(self).await?;
        let place: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
            [&after, &job.site_id, &job.study_ids, &job.from, &job.to, &job.requested_at];
        let rows = session.rows(NEXT, &place).await?;
        session.done();
        let Some(row) = rows.first() else { return Ok(None) };
        Ok(Some(ExportReport {
            key: (row.try_get(0)?, row.try_get(1)?),
            study_id: row.try_get(2)?,
            finished_at: row.try_get(3)?,
            body: row.try_get(4)?,
        }))
    }
}
