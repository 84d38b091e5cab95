//! How a report stands, for those who may know.

use crate::error::StoreError;
use crate::pool::Store;
use crate::step::Step;
use crate::within::within;
use std::fmt;
use std::time::{Duration, Instant};
use uuid::Uuid;

const READ: &str = "\
SELECT body FROM ops.report WHERE report_id = $1 AND expires_at > now() \
AND study_id = ANY ($2::text[]) AND site_id = ANY ($3::text[])";

/// How a report stands.
pub enum ReportNow {
    /// Somebody makes it.
    Running,
    /// It is there, under its seal.
    Done(Vec<u8>),
}

impl fmt::Debug for ReportNow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "Running",
            Self::Done(_) => "Done",
        })
    }
}

impl Store {
    /// How a report stands, if it belongs to one of these studies and one of these sites; `None` if there is none, it
    /// wasn't taken in hand yet, or it has expired. Neither we nor the server work on it for longer than `at_most`.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn report(
        &self,
        report_id: Uuid,
        (studies, sites): (&[String], &[String]),
        at_most: Duration,
    ) -> Result<Option<ReportNow>, StoreError> {
        let read = Step::new(READ).with(report_id).with(studies).with(sites);
        let answers = within(self, Instant::now() + at_most, vec![read]).await?;
        let Some(row) = answers.first().and_then(|rows| rows.first()) else { return Ok(None) };
        let body: Option<Vec<u8>> = row.try_get("body")?;
        Ok(Some(body.map_or(ReportNow::Running, ReportNow::Done)))
    }
}
