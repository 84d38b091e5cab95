//! How far a redrive is, and what became of each of its dead letters.

use crate::dead_letters::Class;
use crate::error::StoreError;
use crate::pool::Store;
use crate::session::Session;
use serde::Serialize;
use time::OffsetDateTime;
use tokio_postgres::Row;

macro_rules! status {
    ($rest:literal) => {
        concat!(
            "SELECT r.redrive_id, r.actor, r.reason, r.rate, r.state, r.created_at, r.state_at, r.stepped_at, i.* ",
            "FROM ops.redrive r CROSS JOIN LATERAL (SELECT count(*) AS total, ",
            "count(*) FILTER (WHERE state = 'waiting') AS waiting, ",
            "count(*) FILTER (WHERE state = 'redriven') AS redriven, ",
            "count(*) FILTER (WHERE state = 'settled') AS settled, ",
            "count(*) FILTER (WHERE state = 'failed') AS failed ",
            "FROM ops.redrive_item WHERE redrive_id = r.redrive_id) AS i ",
            $rest
        )
    };
}

const STATUS: &str = status!("WHERE r.redrive_id = $1");

const LIST: &str = status!("ORDER BY r.redrive_id DESC LIMIT $1::bigint");

const ITEMS: &str = "\
SELECT i.dead_letter_id, d.class, i.state, i.outcome, i.at \
FROM ops.redrive_item i LEFT JOIN ops.dead_letter d ON d.id = i.dead_letter_id \
WHERE i.redrive_id = $1 AND ($2 OR i.state = 'failed') ORDER BY i.dead_letter_id LIMIT $3::bigint";

/// How far a redrive is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RedriveStatus {
    /// Its number.
    pub redrive_id: i64,
    /// Who asked for it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// At most so many a second.
    pub rate: i32,
    /// `open`, `cancelled` or `done`.
    pub state: String,
    /// When it was asked for.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// Since when its state is what it is.
    #[serde(with = "time::serde::rfc3339")]
    pub state_at: OffsetDateTime,
    /// When somebody last worked at it.
    #[serde(with = "time::serde::rfc3339")]
    pub stepped_at: OffsetDateTime,
    /// Its dead letters.
    pub total: i64,
    /// Of them, those whose turn hasn't come.
    pub waiting: i64,
    /// Published, and marked.
    pub redriven: i64,
    /// There was nothing to publish: settled before, or superseded.
    pub settled: i64,
    /// They stay as they were.
    pub failed: i64,
}

/// What became of a dead letter of a redrive.
#[derive(Debug, Clone, Serialize)]
pub struct ItemStatus {
    /// The dead letter.
    pub id: i64,
    /// Why it was set aside.
    pub class: Option<Class>,
    /// `waiting`, `redriven`, `settled` or `failed`.
    pub state: String,
    /// In words.
    pub outcome: Option<String>,
    /// When.
    #[serde(with = "time::serde::rfc3339::option")]
    pub at: Option<OffsetDateTime>,
}

impl Store {
    /// How far a redrive is.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn redrive(&self, redrive_id: i64) -> Result<Option<RedriveStatus>, StoreError> {
        let session = Session::open(self).await?;
        let rows = session.rows(STATUS, &[&redrive_id]).await?;
        session.done();
        rows.first().map(RedriveStatus::of).transpose()
    }

    /// The newest redrives.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn redrives(&self, limit: u32) -> Result<Vec<RedriveStatus>, StoreError> {
        let session = Session::open(self).await?;
        let rows = session.rows(LIST, &[&i64::from(limit)]).await?;
        session.done();
        rows.iter().map(RedriveStatus::of).collect()
    }

    /// What became of the dead letters of a redrive: of all, or of those that failed.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn redrive_items(
        &self,
        redrive_id: i64,
        all: bool,
        limit: u32,
    ) -> Result<Vec<ItemStatus>, StoreError> {
        let session = Session::open(self).await?;
        let rows = session.rows(ITEMS, &[&redrive_id, &all, &i64::from(limit)]).await?;
        session.done();
        rows.iter().map(ItemStatus::of).collect()
    }
}

impl RedriveStatus {
    fn of(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            redrive_id: row.try_get("redrive_id")?,
            by: row.try_get("actor")?,
            reason: row.try_get("reason")?,
            rate: row.try_get("rate")?,
            state: row.try_get("state")?,
            created_at: row.try_get("created_at")?,
            state_at: row.try_get("state_at")?,
            stepped_at: row.try_get("stepped_at")?,
            total: row.try_get("total")?,
            waiting: row.try_get("waiting")?,
            redriven: row.try_get("redriven")?,
            settled: row.try_get("settled")?,
            failed: row.try_get("failed")?,
        })
    }
}

impl ItemStatus {
    fn of(row: &Row) -> Result<Self, StoreError> {
        let class: Option<&str> = row.try_get("class")?;
        Ok(Self {
            id: row.try_get("dead_letter_id")?,
            class: class.map(str::parse).transpose().map_err(|_| StoreError::internal())?,
            state: row.try_get("state")?,
            outcome: row.try_get("outcome")?,
            at: row.try_get("at")?,
        })
    }
}
