//! Looking into the audit trail: who did what, within a time.

use crate::bound::Bound;
use crate::error::StoreError;
use crate::pool::Store;
use crate::session::Session;
use crate::step::Step;
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use tokio_postgres::Row;
use uuid::Uuid;

macro_rules! events {
    ($which:literal) => {
        concat!(
            "SELECT e.at, e.action, e.outcome, e.actor, e.client, e.submission_id, e.site_id, e.study_id, ",
            "e.details, e.trace_id, e.seq, w.name AS writer ",
            "FROM audit.event e JOIN audit.writer w USING (writer) WHERE ",
            $which,
            " ORDER BY e.at DESC, e.writer, e.seq DESC LIMIT $10"
        )
    };
}

const SEARCH: &str = events!(
    "e.at >= $1 AND e.at < $2 AND ($3::text IS NULL OR e.action = $3 OR e.action LIKE $3 || '.%') \
     AND ($4::text IS NULL OR e.actor = $4 OR e.actor LIKE '%:' || $4) \
     AND ($5::text IS NULL OR e.outcome = $5) AND ($6::text IS NULL OR e.site_id = $6) \
     AND ($7::uuid IS NULL OR e.submission_id = $7) \
     AND ($8::text[] IS NULL OR e.study_id = ANY ($8)) AND ($9::text[] IS NULL OR e.site_id = ANY ($9))"
);

/// What is looked for.
#[derive(Debug, Clone)]
pub struct Search {
    /// From then on.
    pub from: OffsetDateTime,
    /// Until before then.
    pub until: OffsetDateTime,
    /// An action (`pause.set`), or all of a noun (`pause`).
    pub action: Option<String>,
    /// Who, with or without the kind before the colon.
    pub actor: Option<String>,
    /// How it ended.
    pub outcome: Option<String>,
    /// Of this site.
    pub site_id: Option<String>,
    /// About this submission.
    pub submission_id: Option<Uuid>,
    /// Only what whoever asks may see; of what belongs to no study or site nothing, if that binds them.
    pub bound: Bound,
    /// At most so many, the newest.
    pub limit: u32,
}

/// A row of the audit trail without its hashes.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the columns of audit.event")]
pub struct Found {
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    pub action: String,
    pub outcome: String,
    pub actor: String,
    pub client: Option<String>,
    pub submission_id: Option<Uuid>,
    pub site_id: Option<String>,
    pub study_id: Option<String>,
    pub details: Option<Value>,
    pub trace_id: Option<String>,
    /// Its place in the chain of its writer.
    pub seq: i64,
    pub writer: String,
}

impl Store {
    /// What the audit trail holds of what is looked for, the newest first.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn search_audit(&self, search: &Search) -> Result<Vec<Found>, StoreError> {
        let session = Session::open(self).await?;
        let step = Step::new(SEARCH)
            .with(search.from)
            .with(search.until)
            .with(search.action.as_deref())
            .with(search.actor.as_deref())
            .with(search.outcome.as_deref())
            .with(search.site_id.as_deref())
            .with(search.submission_id)
            .with(search.bound.studies.as_deref())
            .with(search.bound.sites.as_deref())
            .with(i64::from(search.limit));
        let rows = session.planned_anew(&step).await?;
        session.done();
        rows.iter().map(Found::of).collect()
    }
}

impl Found {
    fn of(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            at: row.try_get("at")?,
            action: row.try_get("action")?,
            outcome: row.try_get("outcome")?,
            actor: row.try_get("actor")?,
            client: row.try_get("client")?,
            submission_id: row.try_get("submission_id")?,
            site_id: row.try_get("site_id")?,
            study_id: row.try_get("study_id")?,
            details: row.try_get("details")?,
            trace_id: row.try_get("trace_id")?,
            seq: row.try_get("seq")?,
            writer: row.try_get("writer")?,
        })
    }
}
