//! A chunk of submissions in one transaction, with a verdict for each.

pub(crate) mod at_once;
mod earlier;
mod plan;
pub(crate) mod rows;
mod verdict;
mod writing;

use crate::audit::{AuditChain, AuditFacts};
use crate::dead_letters::Class;
use crate::error::StoreError;
use crate::follow_ons::FollowOn;
use crate::pool::Store;
use crate::transaction::Transaction;
use bytes::Bytes;
use earlier::Earlier;
use epro_schemas::receipt::Receipt;
use plan::Plan;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;
use time::OffsetDateTime;
use uuid::Uuid;
use verdict::Verdicts;
use writing::Writing;

/// The receipt of PostgreSQL: what a delivery carried is committed, or was already there.
///
/// Only this crate can make one, and only after `COMMIT` was answered.
#[derive(Debug)]
pub struct Committed(());

impl Receipt for Committed {}

impl Committed {
    /// To be called only after the server answered `COMMIT`.
    pub(crate) fn after_commit() -> Self {
        Self(())
    }

    /// One more receipt of the same commit.
    pub(crate) fn again(&self) -> Self {
        Self(())
    }
}

/// One submission as it is to be stored, at the end of the worker's stages. Debug shows its id only.
#[derive(Clone)]
pub struct NewSubmission {
    /// Who, when, and the received bytes under seal.
    pub identified: IdentifiedRow,
    /// What researchers may see.
    pub research: ResearchRow,
    /// The hospital that gets it (a site id), if one does.
    pub delivery_site: Option<Arc<str>>,
    /// Whether its study's risk model is asked about it.
    pub risk: bool,
    /// What it alerts about. These rows are inserted whatever the verdict.
    pub alerts: Vec<AlertRow>,
    /// Who sent it and from where, for the audit row.
    pub audit: Arc<AuditFacts>,
    /// Where it came from, for a dead letter.
    pub source: Source,
}

/// A row of `identified.submission` (and of `identified.subject`). Debug shows its id only. Its identity is
/// (`submission_id`, `pseudonym`): the pseudonym binds study and subject.
#[derive(Clone)]
pub struct IdentifiedRow {
    /// The id made on the patient's device.
    pub submission_id: Uuid,
    /// The subject's pseudonym in its study.
    pub pseudonym: Uuid,
    /// The study's configured id.
    pub study_id: Arc<str>,
    /// The site's configured id.
    pub site_id: Arc<str>,
    /// `id|version`.
    pub instrument: Arc<str>,
    /// When the patient answered, with the offset of the patient's clock (kept in a column of its own).
    pub answered_at: OffsetDateTime,
    /// When the device sent it, if it said so.
    pub sent_at: Option<OffsetDateTime>,
    /// When our intake received it.
    pub received_at: OffsetDateTime,
    /// Whether it came later than the study allows: flagged, never refused.
    pub late: bool,
    /// The submission of the same subject that this one replaces.
    pub amends: Option<Uuid>,
    /// The version of the algorithm behind `content_hash`.
    pub content_version: i16,
    /// SHA-256 of the canonical content: same identity and same content is the same submission.
    pub content_hash: [u8; 32],
    /// SHA-256 of the bytes as received, before any seal.
    pub body_sha256: [u8; 32],
    /// The sealed envelope as it came; its associated data binds `source.message_id`.
    pub sealed: Bytes,
    /// The subject's id, sealed.
    pub subject_sealed: Vec<u8>,
    /// The id of the key that made the pseudonym.
    pub pseudonym_key_id: Arc<str>,
}

/// A row of `research.submission`: only what the allow-list let through, so no field of it can
/// hold a `Phi`. Debug shows its profile only.
#[derive(Clone)]
pub struct ResearchRow {
    /// The instant of answering; `None` under a profile that keeps years only.
    pub answered_at: Option<OffsetDateTime>,
    /// The year of answering, by the patient's clock.
    pub answered_year: i16,
    /// JSON array, one object an answer: `{"link_id": "44250-9", "code": "LA6569-3", "score": 2}`;
    /// an answer without a code has `"value"` (a number or a boolean) in place of `"code"`.
    pub answers: String,
    /// JSON array, one object a score: `{"id": …, "code": …, "value": 13, "band": …, "missing": 0}`;
    /// `value` and `band` are null where an item is missing.
    pub scores: String,
    /// JSON array, one object a finding: `{"check": …, "item": …}`.
    pub checks: String,
    /// The profile of de-identification: `limited_data_set` or `safe_harbor`.
    pub profile: &'static str,
}

/// A row of `ops.alert`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertRow {
    /// Deterministic in study, subject, submission and rule.
    pub alert_id: Uuid,
    /// The alert rule's id.
    pub rule: String,
    /// The severity's name.
    pub severity: String,
}

/// The delivery that a submission came in. Debug leaves out the headers.
#[derive(Clone)]
pub struct Source {
    /// The lane that consumed it.
    pub lane: &'static str,
    /// The queue it was consumed from.
    pub queue: Arc<str>,
    /// The message's id.
    pub message_id: Uuid,
    /// The message's headers that a redrive needs, never a value of a patient.
    pub headers: HeadersForRedrive,
    /// Its waits before this delivery, if it had to.
    pub waited: Option<Waited>,
}

/// How often a message was parked before it could be stored, and since when, as its headers say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waited {
    /// How often.
    pub times: u32,
    /// When it was parked for the first time.
    pub since: Option<OffsetDateTime>,
}

/// Headers that a dead letter keeps, as a JSON object. Hardly any submission becomes one, so they are
/// only written down when it does.
#[derive(Clone)]
pub struct HeadersForRedrive(Arc<dyn Fn() -> Value + Send + Sync>);

impl HeadersForRedrive {
    /// Headers that `write` writes down.
    pub fn new(write: impl Fn() -> Value + Send + Sync + 'static) -> Self {
        Self(Arc::new(write))
    }

    pub(crate) fn written(&self) -> Value {
        (self.0)()
    }
}

impl fmt::Debug for NewSubmission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewSubmission")
            .field("identified", &self.identified)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for IdentifiedRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentifiedRow").field("submission_id", &self.submission_id).finish_non_exhaustive()
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("queue", &self.queue)
            .field("message_id", &self.message_id)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ResearchRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResearchRow").field("profile", &self.profile).finish_non_exhaustive()
    }
}

/// The verdict on one submission of a chunk.
#[derive(Debug)]
pub enum Outcome {
    /// New: all of its rows were written.
    Stored {
        /// Its rows are committed.
        receipt: Committed,
        /// What must be published before the delivery is acked.
        follow_ons: Vec<FollowOn>,
    },
    /// The same identity with the same content was already there, or stands earlier in the chunk.
    Duplicate {
        /// What it says is committed.
        receipt: Committed,
        /// The follow-ons whose rows aren't done: publish them again.
        follow_ons: Vec<FollowOn>,
        /// Whether what is there came in this very message: a redelivery, not a second sending.
        same_delivery: bool,
    },
    /// It can never be stored: a dead letter was written in the same transaction.
    SetAside {
        /// Its dead letter is committed.
        receipt: Committed,
        /// [`Class::Conflict`] or [`Class::Stale`].
        class: Class,
        /// Its alerts whose rows aren't done.
        follow_ons: Vec<FollowOn>,
    },
    /// It amends a submission that isn't there yet: let it wait. Only its alert rows were written.
    BaseAbsent {
        /// Its alerts whose rows aren't done: publish them now, an alert doesn't wait for a base.
        follow_ons: Vec<FollowOn>,
    },
}

impl Store {
    /// Commits a chunk in one transaction and says what became of each submission, in the order of
    /// `chunk`. `suspect` (the key given to [`Store::suspect`]) is forgotten in the same transaction, and so is whatever
    /// was counted of those that have waited ([`Source::waited`]).
    ///
    /// After [`StoreError::Away`] or [`StoreError::Retry`] the chunk may or may not be committed:
    /// commit it again, what is there already comes out as a duplicate of the same delivery.
    ///
    /// # Errors
    /// [`StoreError::Row`]: one row is to blame, nothing was written; the others as they say.
    pub async fn commit_chunk(
        &self,
        chain: &mut AuditChain,
        chunk: &[NewSubmission],
        suspect: Option<Uuid>,
    ) -> Result<Vec<Outcome>, StoreError> {
        if chunk.is_empty() {
            return Ok(Vec::new());
        }
        let started = Instant::now();
        let plan = Plan::of(chunk);
        let at_once = match suspect {
            None => at_once::commit(self, chain, &plan).await?,
            Some(_) => None,
        };
        let outcomes = match at_once {
            Some(outcomes) => outcomes,
            None => self.commit_in_steps(chain, &plan, suspect).await?,
        };
        metrics::histogram!("epro_commit_seconds").record(started.elapsed().as_secs_f64());
        Ok(outcomes)
    }

    /// A verdict for each, and whatever it leads to.
    async fn commit_in_steps(
        &self,
        chain: &mut AuditChain,
        plan: &Plan<'_>,
        suspect: Option<Uuid>,
    ) -> Result<Vec<Outcome>, StoreError> {
        let mut transaction = Transaction::begin(self, chain).await?;
        let inserted = transaction.run(rows::identified(plan)).await?;
        let verdicts = Verdicts::read(&mut transaction, plan, &inserted).await?;
        let earlier = Earlier::read(&mut transaction, plan, &verdicts).await?;
        let writing = Writing::of(plan, &verdicts, &earlier);
        let committed = transaction.commit(writing.steps(suspect), &writing.records()).await?;
        Ok(writing.outcomes(&committed))
    }
}
