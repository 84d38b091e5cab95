//! Alerts as an operator, a gauge or a doctor looks at them.

use crate::bound::Bound;
use crate::error::StoreError;
use crate::pool::Store;
use crate::session::Session;
use crate::step::Step;
use serde::Serialize;
use time::OffsetDateTime;
use tokio_postgres::Row;
use uuid::Uuid;

macro_rules! alerts {
    ($which:literal) => {
        concat!(
            "SELECT a.alert_id, a.submission_id, a.study_id, a.site_id, a.rule, a.severity, a.state, ",
            "a.received_at, a.created_at, a.level, a.next_at, a.acknowledged_at, a.acknowledged_by, ",
            "a.closed_at, a.closed_by, a.closed_reason, a.repeats, a.withdrawn_by, ",
            "(SELECT count(*) FROM ops.notice n WHERE n.alert_id = a.alert_id AND n.state = 'sent') AS told, ",
            "(SELECT count(*) FROM ops.notice n WHERE n.alert_id = a.alert_id AND n.state <> 'sent') AS untold ",
            "FROM ops.alert a WHERE ",
            $which
        )
    };
}

const LIST: &str = alerts!(
    "(NOT $1::boolean OR a.state <> 'done') AND ($2::text IS NULL OR a.site_id = $2) \
     AND ($4::text[] IS NULL OR a.study_id = ANY ($4)) AND ($5::text[] IS NULL OR a.site_id = ANY ($5)) \
     ORDER BY a.created_at DESC, a.alert_id LIMIT $3"
);

const SHOW: &str = alerts!("a.alert_id = $1");

const NOTICES: &str = "\
SELECT channel, recipient, state, tries, first_at, last_at, error FROM ops.notice \
WHERE alert_id = $1 ORDER BY first_at, channel, recipient";

/// An alert is told to somebody once one notice of it was sent.
const UNDONE: &str = "\
SELECT a.site_id, count(*) AS undone, min(a.created_at) AS oldest, \
    count(*) FILTER (WHERE NOT EXISTS (SELECT FROM ops.notice n \
        WHERE n.alert_id = a.alert_id AND n.state = 'sent')) AS untold \
FROM ops.alert a WHERE a.state <> 'done' GROUP BY a.site_id ORDER BY a.site_id";

const UNDONE_OF: &str = "\
SELECT a.study_id, a.site_id, count(*) AS undone, \
    count(*) FILTER (WHERE NOT EXISTS (SELECT FROM ops.notice n \
        WHERE n.alert_id = a.alert_id AND n.state = 'sent')) AS untold \
FROM ops.alert a WHERE a.state <> 'done' GROUP BY a.study_id, a.site_id";

/// An alert and where it stands.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs)] // the columns of ops.alert
pub struct AlertNow {
    pub alert_id: Uuid,
    pub submission_id: Uuid,
    pub study_id: String,
    pub site_id: String,
    pub rule: String,
    pub severity: String,
    /// `queued` and `unsent`: somebody still has to acknowledge it; `done`.
    pub state: String,
    #[serde(with = "time::serde::rfc3339::option")]
    pub received_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    pub level: i32,
    #[serde(with = "time::serde::rfc3339::option")]
    pub next_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub acknowledged_at: Option<OffsetDateTime>,
    pub acknowledged_by: Option<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub closed_at: Option<OffsetDateTime>,
    pub closed_by: Option<String>,
    pub closed_reason: Option<String>,
    pub repeats: Option<Uuid>,
    pub withdrawn_by: Option<Uuid>,
    /// Notices that their channel has taken.
    pub told: i64,
    /// Notices that it has not.
    pub untold: i64,
}

/// A notice and where it stands.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs)] // the columns of ops.notice
pub struct NoticeRow {
    pub channel: String,
    pub recipient: String,
    pub state: String,
    pub tries: i32,
    #[serde(with = "time::serde::rfc3339")]
    pub first_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub last_at: OffsetDateTime,
    pub error: Option<String>,
}

/// The alerts of a site that aren't done.
#[derive(Debug, Clone, Serialize)]
pub struct Undone {
    /// The site.
    pub site_id: String,
    /// How many.
    pub undone: i64,
    /// How many of them nobody was told of yet.
    pub untold: i64,
    /// When the oldest was written.
    #[serde(with = "time::serde::rfc3339")]
    pub oldest: OffsetDateTime,
}

/// The alerts of a study at a site that aren't done.
#[derive(Debug, Clone)]
pub struct UndoneOf {
    /// The study.
    pub study_id: String,
    /// The site.
    pub site_id: String,
    /// How many.
    pub undone: i64,
    /// How many of them nobody was told of yet.
    pub untold: i64,
}

impl AlertNow {
    fn of(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            alert_id: row.try_get("alert_id")?,
            submission_id: row.try_get("submission_id")?,
            study_id: row.try_get("study_id")?,
            site_id: row.try_get("site_id")?,
            rule: row.try_get("rule")?,
            severity: row.try_get("severity")?,
            state: row.try_get("state")?,
            received_at: row.try_get("received_at")?,
            created_at: row.try_get("created_at")?,
            level: row.try_get("level")?,
            next_at: row.try_get("next_at")?,
            acknowledged_at: row.try_get("acknowledged_at")?,
            acknowledged_by: row.try_get("acknowledged_by")?,
            closed_at: row.try_get("closed_at")?,
            closed_by: row.try_get("closed_by")?,
            closed_reason: row.try_get("closed_reason")?,
            repeats: row.try_get("repeats")?,
            withdrawn_by: row.try_get("withdrawn_by")?,
            told: row.try_get("told")?,
            untold: row.try_get("untold")?,
        })
    }
}

impl NoticeRow {
    fn of(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            channel: row.try_get("channel")?,
            recipient: row.try_get("recipient")?,
            state: row.try_get("state")?,
            tries: row.try_get("tries")?,
            first_at: row.try_get("first_at")?,
            last_at: row.try_get("last_at")?,
            error: row.try_get("error")?,
        })
    }
}

impl Undone {
    fn of(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            site_id: row.try_get("site_id")?,
            undone: row.try_get("undone")?,
            untold: row.try_get("untold")?,
            oldest: row.try_get("oldest")?,
        })
    }
}

impl UndoneOf {
    fn of(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            study_id: row.try_get("study_id")?,
            site_id: row.try_get("site_id")?,
            undone: row.try_get("undone")?,
            untold: row.try_get("untold")?,
        })
    }
}

impl Store {
    /// Up to `limit` alerts, the newest first; `undone`: only those that aren't done.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn alerts(
        &self,
        undone: bool,
        site: Option<&str>,
        limit: u32,
    ) -> Result<Vec<AlertNow>, StoreError> {
        self.alerts_within(undone, site, &Bound::default(), limit).await
    }

    /// The same of those that belong to whoever is bound so.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn alerts_within(
        &self,
        undone: bool,
        site: Option<&str>,
        bound: &Bound,
        limit: u32,
    ) -> Result<Vec<AlertNow>, StoreError> {
        let session = Session::open(self).await?;
        let limit = i64::from(limit);
        let rows = session.rows(LIST, &[&undone, &site, &limit, &bound.studies, &bound.sites]).await?;
        session.done();
        rows.iter().map(AlertNow::of).collect()
    }

    /// One alert with its notices, the oldest first.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn alert(&self, alert: Uuid) -> Result<Option<(AlertNow, Vec<NoticeRow>)>, StoreError> {
        let session = Session::open(self).await?;
        let steps = vec![Step::new(SHOW).with(alert), Step::new(NOTICES).with(alert)];
        let answers = session.pipeline(steps, false).await?;
        session.done();
        let [found, notices] = &answers[..] else { return Err(StoreError::internal()) };
        let Some(row) = found.first() else { return Ok(None) };
        let notices = notices.iter().map(NoticeRow::of).collect::<Result<_, _>>()?;
        Ok(Some((AlertNow::of(row)?, notices)))
    }

    /// The alerts that aren't done, counted by site.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn undone_alerts(&self) -> Result<Vec<Undone>, StoreError> {
        let session = Session::open(self).await?;
        let rows = session.rows(UNDONE, &[]).await?;
        session.done();
        rows.iter().map(Undone::of).collect()
    }

    /// The alerts that aren't done, counted by study and site.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn undone_alerts_of_each(&self) -> Result<Vec<UndoneOf>, StoreError> {
        let session = Session::open(self).await?;
        let rows = session.rows(UNDONE_OF, &[]).await?;
        session.done();
        rows.iter().map(UndoneOf::of).collect()
    }
}
