//! How far an export is, and which files there are.

use crate::error::StoreError;
use crate::pool::Store;
use crate::session::Session;
use serde::Serialize;
use time::OffsetDateTime;
use tokio_postgres::Row;
use uuid::Uuid;

const ONE: &str = "SELECT * FROM ops.export WHERE export_id = $1";

const NEWEST: &str = "SELECT * FROM ops.export ORDER BY requested_at DESC LIMIT $1";

const FILES: &str = "\
SELECT name, object, rows, bytes, sha256 FROM ops.export_part WHERE export_id = $1 ORDER BY part";

const SNAPSHOT: &str = "SELECT pg_current_snapshot()::text";

/// How far an export is.
#[derive(Debug, Clone, Serialize)]
pub struct ExportStatus {
    /// Its id.
    pub export_id: Uuid,
    /// The studies.
    pub study_ids: Vec<String>,
    /// The site.
    pub site_id: String,
    /// The format's word.
    pub format: String,
    /// With what identifies patients.
    pub identified: bool,
    /// queued, running, cancelling, done, failed, cancelled, expired.
    pub state: String,
    /// When it was asked for.
    #[serde(with = "time::serde::rfc3339")]
    pub requested_at: OffsetDateTime,
    /// When somebody first took it in hand.
    #[serde(with = "time::serde::rfc3339::option")]
    pub started_at: Option<OffsetDateTime>,
    /// When the last file was there.
    #[serde(with = "time::serde::rfc3339::option")]
    pub finished_at: Option<OffsetDateTime>,
    /// Until when files can be fetched.
    #[serde(with = "time::serde::rfc3339::option")]
    pub expires_at: Option<OffsetDateTime>,
    /// Responses written so far.
    pub rows: i64,
    /// Bytes written so far.
    pub bytes: i64,
    /// How many responses there will be, once that is counted.
    pub estimate: Option<i64>,
    /// Why the last try failed, or what the next one waits for.
    pub last_error: Option<String>,
}

/// A file of an export.
#[derive(Debug, Clone)]
pub struct ExportFile {
    /// Its name.
    pub name: String,
    /// Where the object storage has it.
    pub object: String,
    /// Responses in it.
    pub rows: i64,
    /// Its size.
    pub bytes: i64,
    /// Its SHA-256.
    pub sha256: Vec<u8>,
}

impl ExportStatus {
    /// Its end was written down before its request: nothing else is known of it yet.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        self.site_id.is_empty()
    }
}

impl Store {
    /// PostgreSQL's snapshot now: what a transaction that ends later stores is not in it.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn snapshot(&self) -> Result<String, StoreError> {
        let session = Session::open(self).await?;
        let rows = session.rows(SNAPSHOT, &[]).await?;
        session.done();
        Ok(rows.first().ok_or_else(StoreError::internal)?.try_get(0)?)
    }

    /// How far an export is; `None`: there is no such export (yet).
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn export_status(&self, export: Uuid) -> Result<Option<ExportStatus>, StoreError> {
        let session = Session::open(self).await?;
        let rows = session.rows(ONE, &[&export]).await?;
        session.done();
        rows.first().map(status).transpose()
    }

    /// The newest exports.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn exports(&self, most: u32) -> Result<Vec<ExportStatus>, StoreError> {
        let session = Session::open(self).await?;
        let rows = session.rows(NEWEST, &[&i64::from(most)]).await?;
        session.done();
        rows.iter().map(status).collect()
    }

    /// The finished files of an export, the manifest first.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn export_files(&self, export: Uuid) -> Result<Vec<ExportFile>, StoreError> {
        let session = Session::open(self).await?;
        let rows = session.rows(FILES, &[&export]).await?;
        session.done();
        let file = |row: &Row| {
            Ok(ExportFile {
                name: row.try_get(0)?,
                object: row.try_get(1)?,
                rows: row.try_get(2)?,
                bytes: row.try_get(3)?,
                sha256: row.try_get(4)?,
            })
        };
        rows.iter().map(file).collect()
    }
}

fn status(row: &Row) -> Result<ExportStatus, StoreError> {
    Ok(ExportStatus {
        export_id: row.try_get("export_id")?,
        study_ids: row.try_get("study_ids")?,
        site_id: row.try_get("site_id")?,
        format: row.try_get("format")?,
        identified: row.try_get("identified")?,
        state: row.try_get("state")?,
        requested_at: row.try_get("requested_at")?,
        started_at: row.try_get("started_at")?,
        finished_at: row.try_get("finished_at")?,
        expires_at: row.try_get("expires_at")?,
        rows: row.try_get("rows")?,
        bytes: row.try_get("bytes")?,
        estimate: row.try_get("estimate")?,
        last_error: row.try_get("last_error")?,
    })
}
