//! The rows of an export, page by page in the order of their keys.

use super::ExportJob;
use crate::error::StoreError;
use crate::pool::Store;
use crate::session::Session;
use crate::step::Step;
use time::OffsetDateTime;
use tokio_postgres::Row;
use uuid::Uuid;

/// A study under Safe Harbor keeps years only, and is chosen by them.
macro_rules! chosen {
    () => {
        "s.site_id = $3 AND s.study_id = ANY ($4::text[]) \
         AND ($5::text[] = '{}' OR s.instrument = ANY ($5)) \
         AND ((s.answered_at >= $6 AND s.answered_at < $7) \
             OR (s.answered_at IS NULL AND s.answered_year BETWEEN $9 AND $10)) \
         AND pg_visible_in_snapshot(s.stored_xid, (SELECT $8::text::pg_snapshot)) "
    };
}

/// A page: rows of the site from behind one key to another.
macro_rules! page {
    () => {
        "s.site_id = $3 AND (s.pseudonym, s.submission_id) > ($2::uuid, $1::uuid) "
    };
}

/// The rows come patient by patient, in the order of their index: in the order of submissions' ids, which tell when they
/// were made, one that keeps years only would stand between neighbours that say its time. What they hold is looked up
/// row by row. That the patients lie between two is said once more by itself: of a comparison of rows the planner
/// doesn't know how little it leaves, and would sort a site anew for each page.
macro_rules! rows {
    ($more:literal) => {
        concat!(
            "SELECT s.submission_id, s.pseudonym, s.study_id, s.instrument, s.answered_at, s.answered_year, ",
            "s.late, s.amends, s.profile, s.answers::text AS answers, s.scores::text AS scores, ",
            "md5(s.pseudonym::text || s.submission_id::text)::uuid AS response_id, ",
            "CASE WHEN s.amends IS NOT NULL THEN md5(s.pseudonym::text || s.amends::text)::uuid END ",
            "AS amends_response_id, i.answered_offset_s, i.received_at",
            $more,
            " FROM research.submission s ",
            "CROSS JOIN LATERAL (SELECT * FROM identified.submission i ",
            "WHERE i.submission_id = s.submission_id AND i.pseudonym = s.pseudonym LIMIT 1) i ",
            "WHERE ",
            page!(),
            "AND (s.pseudonym, s.submission_id) <= ($12::uuid, $11::uuid) ",
            "AND s.pseudonym BETWEEN $2::uuid AND $12::uuid AND ",
            chosen!(),
            "ORDER BY s.pseudonym, s.submission_id"
        )
    };
}

const PAGE: &str = rows!("");

const IDENTIFIED: &str = rows!(", i.sealed, i.message_id");

/// Which row is the page's last, from the index alone.
const END: &str = concat!(
    "SELECT s.submission_id, s.pseudonym FROM research.submission s WHERE ",
    page!(),
    "ORDER BY s.pseudonym, s.submission_id OFFSET $4::bigint - 1 LIMIT 1"
);

/// Behind every key.
const OPEN_END: PageKey = (Uuid::max(), Uuid::max());

const COUNT: &str = concat!(
    "SELECT count(*) FROM research.submission s ",
    "WHERE (s.pseudonym, s.submission_id) > ($2::uuid, $1::uuid) AND ",
    chosen!()
);

/// (`submission_id`, `pseudonym`).
pub type PageKey = (Uuid, Uuid);

/// One response, as researchers may see it.
#[derive(Debug)]
pub struct ExportRow {
    /// Its key.
    pub key: PageKey,
    /// By what the research views name it.
    pub response_id: Uuid,
    /// The response that it replaces, by the same.
    pub amends_response_id: Option<Uuid>,
    /// Its study.
    pub study_id: String,
    /// As `id|version`.
    pub instrument: String,
    /// When it was answered, in UTC; `None` where only years are kept.
    pub answered_at: Option<OffsetDateTime>,
    /// Offset of the patient's clock from UTC, seconds.
    pub offset_s: i32,
    /// The year of answering.
    pub answered_year: i16,
    /// When intake received it.
    pub received_at: OffsetDateTime,
    /// Flagged late.
    pub late: bool,
    /// The submission that it amends.
    pub amends: Option<Uuid>,
    /// JSON array, one object an answer.
    pub answers: String,
    /// JSON array, one object a score.
    pub scores: String,
    /// What identifies the patient, where that was asked for.
    pub sealed: Option<Sealed>,
}

/// What identifies a patient, under seal.
#[derive(Debug)]
pub struct Sealed {
    /// What the envelope's seal is bound to.
    pub message_id: Uuid,
    /// The envelope.
    pub envelope: Vec<u8>,
}

fn asks<'j>(sql: &'static str, job: &'j ExportJob, after: PageKey) -> Step<'j> {
    Step::new(sql)
        .with(after.0)
        .with(after.1)
        .with(&*job.site_id)
        .with(&job.study_ids)
        .with(&job.instruments)
        .with(job.from)
        .with(job.to)
        .with(&*job.snapshot)
        .with(job.years.0)
        .with(job.years.1)
}

impl Store {
    /// The key that a page which begins behind `after` ends with; `None`: it is the last one, and open.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn export_page_end(
        &self,
        job: &ExportJob,
        after: PageKey,
    ) -> Result<Option<PageKey>, StoreError> {
        // A sealed body may be 256 KiB: fewer at once.
        let rows: i64 = if job.identified { 64 } else { 250 };
        let session = Session::open(self).await?;
        let step = Step::new(END).with(after.0).with(after.1).with(&*job.site_id).with(rows);
        let found = session.planned_anew(&step).await?;
        session.done();
        found.first().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose()
    }

    /// The rows behind `after`, up to `end`, that were asked for and that the export's snapshot sees: maybe none. The
    /// same however often it is asked.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn export_page(
        &self,
        job: &ExportJob,
        after: PageKey,
        end: Option<PageKey>,
    ) -> Result<Vec<ExportRow>, StoreError> {
        let sql = if job.identified { IDENTIFIED } else { PAGE };
        let end = end.unwrap_or(OPEN_END);
        let session = Session::open(self).await?;
        let step = asks(sql, job, after).with(end.0).with(end.1);
        let rows = session.each_planned_anew(&step, |found| row(found, job.identified)).await?;
        session.done();
        Ok(rows)
    }

    /// How many rows there will be.
    ///
    /// # Errors
    /// As every [`StoreError`]; [`StoreError::Retry`] if counting takes too long.
    pub async fn export_estimate(&self, job: &ExportJob) -> Result<i64, StoreError> {
        let session = Session::open(self).await?;
        let answers = session.pipeline(vec![asks(COUNT, job, (Uuid::nil(), Uuid::nil()))], false).await?;
        session.done();
        let row = answers.first().and_then(|rows| rows.first()).ok_or_else(StoreError::internal)?;
        Ok(row.try_get(0)?)
    }
}

fn row(row: &Row, identified: bool) -> Result<ExportRow, StoreError> {
    Ok(ExportRow {
        key: (row.try_get(0)?, row.try_get(1)?),
        study_id: row.try_get(2)?,
        instrument: row.try_get(3)?,
        answered_at: row.try_get(4)?,
        answered_year: row.try_get(5)?,
        late: row.try_get(6)?,
        amends: row.try_get(7)?,
        answers: row.try_get(9)?,
        scores: row.try_get(10)?,
        response_id: row.try_get(11)?,
        amends_response_id: row.try_get(12)?,
        offset_s: row.try_get(13)?,
        received_at: row.try_get(14)?,
        sealed: match identified {
            false => None,
            true => Some(Sealed { envelope: row.try_get(15)?, message_id: row.try_get(16)? }),
        },
    })
}
