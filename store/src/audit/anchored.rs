//! What the trail says itself of its anchors: which was the last, and whether anybody still makes any.

use crate::error::StoreError;
use crate::pool::Store;
use crate::session::Session;
use epro_schemas::audit::anchor::CHAIN;
use serde::Deserialize;
use std::time::Duration;
use time::OffsetDateTime;

/// The last event of the chain that tells of anchors.
const LAST: &str =
    "SELECT left(e.details::text, 1000) FROM audit.event e WHERE e.writer = $1 ORDER BY e.seq DESC LIMIT 1";

/// As long as anchors are made this is one look into the index. Otherwise it is one a chain until a newer event is
/// found: never a search through the table, of which nobody knows how long it takes. (A time that somebody has set before
/// Christ is read as another one.)
const UNANCHORED: &str = "\
SELECT greatest(last.at, '0001-01-01 00:00:00+00') AS since FROM \
    (SELECT e.at FROM audit.event e WHERE e.writer = $1 ORDER BY e.seq DESC LIMIT 1) AS last \
CROSS JOIN LATERAL (SELECT FROM audit.writer w CROSS JOIN LATERAL \
    (SELECT e.at FROM audit.event e WHERE e.writer = w.writer ORDER BY e.seq DESC LIMIT 1) AS newest \
    WHERE w.writer <> $1 AND newest.at > last.at LIMIT 1) AS newer \
WHERE last.at < clock_timestamp() - $2::double precision * interval '1 second'";

impl Store {
    /// The number of the last anchor of which the trail tells; `None`: it tells of none.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn last_anchor(&self) -> Result<Option<u64>, StoreError> {
        #[derive(Deserialize)]
        struct Told {
            anchor: u64,
        }
        let session = Session::open(self).await?;
        let rows = session.rows(LAST, &[&CHAIN]).await?;
        session.done();
        let Some(row) = rows.first() else { return Ok(None) };
        let told = row.try_get::<_, Option<&str>>(0)?.and_then(|text| serde_json::from_str(text).ok());
        Ok(told.map(|told: Told| told.anchor))
    }

    /// When the last anchor was made, if that is longer ago than `bound` and something was written since. A trail that
    /// was never anchored is not meant.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn unanchored_since(&self, bound: Duration) -> Result<Option<OffsetDateTime>, StoreError> {
        let session = Session::open(self).await?;
        let rows = session.rows(UNANCHORED, &[&CHAIN, &bound.as_secs_f64()]).await?;
        session.done();
        rows.first().map(|row| Ok(row.try_get("since")?)).transpose()
    }
}
