//! What was set aside with a reason: searchable, sealed, redriven by an operator.

mod class;
mod reveal;
mod rows;
mod settle;

pub use class::{Class, DeadLetterState, UnknownClass};
pub(crate) use rows::{insert, matching, narrowed};
pub use settle::{Discarded, Mark, Redriven};

use crate::audit::{AuditChain, AuditFacts, Record};
use crate::bound::Bound;
use crate::error::StoreError;
use crate::pool::Store;
use crate::session::Session;
use crate::submissions::Committed;
use crate::suspects;
use crate::transaction::Transaction;
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt;
use time::OffsetDateTime;
use uuid::Uuid;

/// Something to set aside. Debug shows where it came from and why it is here.
#[derive(Clone)]
pub struct DeadLetter {
    /// The lane that gave up on it.
    pub lane: String,
    /// The work queue that it belongs to: where a redrive publishes it.
    pub queue: String,
    /// The message's id, if it had one.
    pub message_id: Option<Uuid>,
    /// SHA-256 of the received bytes, or of the message's body where the envelope can't be opened.
    pub content_sha256: [u8; 32],
    /// Why.
    pub class: Class,
    /// The stage that gave up, e.g. `score`.
    pub stage: Option<String>,
    /// The rule, or SQLSTATE and constraint; never a value.
    pub detail: Option<String>,
    /// The submission, where it is known.
    pub submission_id: Option<Uuid>,
    /// Its subject's pseudonym, where it is known: without it the patient can't ask for the status.
    pub pseudonym: Option<Uuid>,
    /// Its site, where it is known.
    pub site_id: Option<String>,
    /// Its study, where it is known.
    pub study_id: Option<String>,
    /// Its instrument as `id|version`, where it is known.
    pub instrument: Option<String>,
    /// When intake received it, where it is known.
    pub received_at: Option<OffsetDateTime>,
    /// The message's body, sealed.
    pub body: Vec<u8>,
    /// `false`: `body` is as it came, sealed by intake. `true`: it came in the clear or can't be
    /// opened, and was sealed once more for this table; a redrive opens that seal first.
    pub wrapped: bool,
    /// The message's type, if it had one.
    pub kind: Option<String>,
    /// The message's headers that a redrive needs (a JSON object), never a value of a patient.
    pub headers: Value,
    /// Who sent it, where it is known.
    pub audit: AuditFacts,
}

/// A dead letter without its body.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs)] // the fields of DeadLetter, and what the table adds to them
pub struct DeadLetterSummary {
    pub id: i64,
    pub lane: String,
    pub queue: String,
    pub message_id: Option<Uuid>,
    pub class: Class,
    pub stage: Option<String>,
    pub detail: Option<String>,
    pub submission_id: Option<Uuid>,
    pub site_id: Option<String>,
    pub study_id: Option<String>,
    pub instrument: Option<String>,
    pub kind: Option<String>,
    /// How often the same message was set aside for the same reason.
    pub times: i32,
    /// It was redriven, and failed the same way.
    pub failed_again: bool,
    #[serde(with = "time::serde::rfc3339")]
    pub first_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub last_at: OffsetDateTime,
    pub state: DeadLetterState,
    /// Who redrove or discarded it, and when.
    pub settled_by: Option<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub settled_at: Option<OffsetDateTime>,
    pub settled_reason: Option<String>,
}

/// A dead letter with what a redrive needs. Debug leaves out the body.
#[derive(Clone)]
pub struct DeadLetterRow {
    /// All but the body.
    pub summary: DeadLetterSummary,
    /// SHA-256 of the received bytes, or of the message's body.
    pub content_sha256: [u8; 32],
    /// As [`DeadLetter::body`].
    pub body: Vec<u8>,
    /// As [`DeadLetter::wrapped`].
    pub wrapped: bool,
    /// As [`DeadLetter::headers`].
    pub headers: Value,
}

impl fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("lane", &self.lane)
            .field("message_id", &self.message_id)
            .field("class", &self.class)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for DeadLetterRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetterRow").field("summary", &self.summary).finish_non_exhaustive()
    }
}

/// Which dead letters; an empty filter means all of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// Only of this lane.
    pub lane: Option<String>,
    /// Only of this queue.
    pub queue: Option<String>,
    /// Only of this class.
    pub class: Option<Class>,
    /// Only of this site.
    pub site_id: Option<String>,
    /// Only of this study.
    pub study_id: Option<String>,
    /// Only of this instrument, as `id|version`.
    pub instrument: Option<String>,
    /// Only those that this stage gave up on.
    pub stage: Option<String>,
    /// Only of this submission.
    pub submission_id: Option<Uuid>,
    /// Only in this state.
    pub state: Option<DeadLetterState>,
    /// Only those that were last set aside at this instant or later.
    pub since: Option<OffsetDateTime>,
    /// Only those that were last set aside before this instant.
    pub until: Option<OffsetDateTime>,
    /// Only these, if any are named.
    pub ids: Vec<i64>,
    /// Only what whoever asks may see; of those whose study or site isn't known nothing, if that binds them.
    pub bound: Bound,
    /// Only those with a greater id: the next page.
    pub after: Option<i64>,
    /// At most so many; `None` is 100.
    pub limit: Option<u32>,
}

/// How many dead letters of one class belong to one queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(missing_docs)] // as in DeadLetter
pub struct Counted {
    pub class: Class,
    pub queue: String,
    pub count: i64,
}

impl DeadLetter {
    fn record(&self) -> Record<'_> {
        let details = json!({ "lane": self.lane, "stage": self.stage, "detail": self.detail });
        Record {
            submission_id: self.submission_id,
            pseudonym: self.pseudonym,
            site_id: self.site_id.as_deref(),
            study_id: self.study_id.as_deref(),
            body_sha256: Some(&self.content_sha256),
            received_at: self.received_at,
            ..Record::about(
                "submission.set_aside",
                self.class.as_str(),
                &self.audit,
                Some(details.to_string()),
            )
        }
    }
}

impl Store {
    /// Sets aside all of these in one transaction, each with an audit row. The key is lane,
    /// message id, content hash and class: a repeat counts, and opens the row again.
    ///
    /// # Errors
    /// As every [`StoreError`]; nothing was written, unless it is [`StoreError::Away`]: then it may
    /// have been, and setting it aside again counts one more.
    pub async fn set_aside(
        &self,
        chain: &mut AuditChain,
        dead_letters: &[DeadLetter],
        suspect: Option<Uuid>,
    ) -> Result<Vec<Committed>, StoreError> {
        let records: Vec<Record<'_>> = dead_letters.iter().map(DeadLetter::record).collect();
        let steps = insert(dead_letters).into_iter().chain(suspect.map(suspects::forget)).collect();
        let committed = Transaction::begin(self, chain).await?.commit(steps, &records).await?;
        Ok(dead_letters.iter().map(|_| committed.again()).collect())
    }

    /// Lists dead letters by id, without their bodies.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn dead_letters(&self, filter: &Filter) -> Result<Vec<DeadLetterSummary>, StoreError> {
        let session = Session::open(self).await?;
        let found = session.planned_anew(&rows::list(filter)).await?;
        session.done();
        found.iter().map(rows::summary).collect()
    }

    /// Counts dead letters by class and queue, the first ones by id if the filter has a limit.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn count_dead_letters(&self, filter: &Filter) -> Result<Vec<Counted>, StoreError> {
        let session = Session::open(self).await?;
        let found = session.planned_anew(&rows::counts(filter)).await?;
        session.done();
        found.iter().map(rows::count).collect()
    }

    /// One dead letter with its body.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn dead_letter(&self, id: i64) -> Result<Option<DeadLetterRow>, StoreError> {
        let session = Session::open(self).await?;
        let answers = session.pipeline(vec![rows::show(id)], false).await?;
        session.done();
        answers.iter().flatten().next().map(rows::whole).transpose()
    }
}
