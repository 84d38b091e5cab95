//! Since when the oldest of each kind of work waits, as the tables tell.

use crate::error::StoreError;
use crate::pool::Store;
use crate::session::Session;
use time::OffsetDateTime;

/// What was stored a moment ago tells how old the front of the routine queue is, without what has an alert: that came
/// through the urgent queue and overtook. An alert that was raised a moment ago tells it of the urgent one.
const OLDEST: &str = "\
SELECT 'routine' AS kind, NULL AS site_id, max(received_at) AS since FROM identified.submission s \
WHERE stored_at > clock_timestamp() - interval '5 seconds' \
    AND NOT EXISTS (SELECT FROM ops.alert a WHERE a.submission_id = s.submission_id) \
UNION ALL \
SELECT 'urgent', NULL, max(received_at) FROM ops.alert \
WHERE state <> 'done' AND created_at > clock_timestamp() - interval '5 seconds' \
UNION ALL \
SELECT 'alert', NULL, min(created_at) FROM ops.alert a WHERE state <> 'done' \
    AND NOT EXISTS (SELECT FROM ops.notice n WHERE n.alert_id = a.alert_id AND n.state = 'sent') \
UNION ALL \
SELECT 'risk', NULL, min(created_at) FROM ops.risk WHERE state IN ('queued', 'unsent', 'waits') \
UNION ALL \
SELECT 'delivery', site_id, min(created_at) FROM ops.delivery \
WHERE state IN ('queued', 'unsent', 'waits') GROUP BY site_id";

/// Since when the oldest of one kind of work waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oldest {
    /// `routine`, `urgent`, `alert`, `risk` or `delivery`.
    pub kind: String,
    /// Of a delivery: the hospital's site.
    pub site_id: Option<String>,
    /// `None`: nothing waits, or the tables can't tell.
    pub since: Option<OffsetDateTime>,
}

impl Store {
    /// Since when the oldest work waits.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn oldest(&self) -> Result<Vec<Oldest>, StoreError> {
        let session = Session::open(self).await?;
        let rows = session.rows(OLDEST, &[]).await?;
        session.done();
        let oldest = rows.iter().map(|row| {
            Ok(Oldest {
                kind: row.try_get("kind")?,
                site_id: row.try_get("site_id")?,
                since: row.try_get("since")?,
            })
        });
        oldest.collect()
    }
}
