//! What became of one message, and what is stored of a response without its patient.

use crate::dead_letters::Class;
use crate::error::StoreError;
use crate::pool::Store;
use crate::session::Session;
use crate::status::Access;
use crate::step::Step;
use time::OffsetDateTime;
use uuid::Uuid;

const STORED: &str = "\
SELECT message_id = $3 AS ours, \
    (content_version = $4 AND content_hash = $5) OR body_sha256 = $6 AS same \
FROM identified.submission WHERE submission_id = $1 AND pseudonym = $2";

const SET_ASIDE: &str = "\
SELECT class FROM ops.dead_letter WHERE submission_id = $1 AND message_id = $2 AND state <> 'redriven' \
ORDER BY id DESC LIMIT 1";

const MESSAGE_SET_ASIDE: &str = "\
SELECT EXISTS (SELECT FROM ops.dead_letter WHERE message_id = $1 AND state <> 'redriven')";

const RESPONSE: &str = "\
SELECT r.instrument, r.answered_at, r.answered_year, r.amends, r.profile, r.answers::text AS answers, \
(SELECT s.stored_at FROM identified.submission s \
WHERE s.submission_id = r.submission_id AND s.pseudonym = r.pseudonym) AS stored_at \
FROM research.submission r WHERE r.submission_id = $1 \
AND ($2::uuid IS NULL OR r.pseudonym = $2) \
AND ($2 IS NOT NULL OR (r.study_id = ANY ($3::text[]) AND r.site_id = ANY ($4::text[]))) \
ORDER BY 7 DESC LIMIT 1";

const SEALED: &str = "\
SELECT s.message_id, s.sealed FROM identified.submission s WHERE s.submission_id = $1 \
AND ($2::uuid IS NULL OR s.pseudonym = $2) \
AND ($2 IS NOT NULL OR (s.study_id = ANY ($3::text[]) AND s.site_id = ANY ($4::text[]))) \
ORDER BY s.stored_at DESC LIMIT 1";

/// What a message says. Whatever has the same content by the same version of the algorithm, or the same bytes, is the
/// same submission: the worker judges alike.
#[derive(Debug, Clone, Copy)]
pub struct Content {
    /// The version of the algorithm behind `hash`.
    pub version: i16,
    /// SHA-256 of the canonical content.
    pub hash: [u8; 32],
    /// SHA-256 of the bytes as received.
    pub body_sha256: [u8; 32],
}

/// What became of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Its rows were committed for this message.
    Created,
    /// The same content was there already.
    Repeated,
    /// Another content is there under its identity.
    Conflict,
    /// It was set aside.
    SetAside(Class),
}

/// A stored response as the research tables have it.
#[derive(Debug, Clone)]
pub struct StoredResponse {
    /// `id|version`.
    pub instrument: String,
    /// When it was answered, in UTC, where the study's profile keeps that.
    pub answered_at: Option<OffsetDateTime>,
    /// The year of it.
    pub answered_year: i16,
    /// Whether it replaces another.
    pub amends: Option<Uuid>,
    /// Whether dates are years.
    pub years_only: bool,
    /// JSON array, one object an answer: `link_id`, `code` and `score`, or `value`.
    pub answers: String,
    /// When it was stored.
    pub stored_at: Option<OffsetDateTime>,
}

/// A submission as it came, under its seal.
#[derive(Clone)]
pub struct SealedSubmission {
    /// What the seal is bound to.
    pub message_id: Uuid,
    /// The envelope.
    pub sealed: Vec<u8>,
}

impl Store {
    /// What became of a message of a submission; `None` if nothing did so far.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn fate(
        &self,
        submission_id: Uuid,
        pseudonym: Uuid,
        message_id: Uuid,
        content: &Content,
    ) -> Result<Option<Fate>, StoreError> {
        let session = Session::open(self).await?;
        let steps = vec![
            Step::new(STORED)
                .with(submission_id)
                .with(pseudonym)
                .with(message_id)
                .with(content.version)
                .with(&content.hash[..])
                .with(&content.body_sha256[..]),
            Step::new(SET_ASIDE).with(submission_id).with(message_id),
        ];
        let answers = session.pipeline(steps, false).await?;
        session.done();
        let [stored, set_aside] = &answers[..] else {
            return Err(StoreError::internal());
        };
        if let Some(row) = stored.first() {
            return Ok(Some(match (row.try_get("ours")?, row.try_get("same")?) {
                (true, _) => Fate::Created,
                (false, true) => Fate::Repeated,
                (false, false) => Fate::Conflict,
            }));
        }
        let Some(row) = set_aside.first() else { return Ok(None) };
        let class: &str = row.try_get("class")?;
        Ok(Some(Fate::SetAside(class.parse().map_err(|_| StoreError::internal())?)))
    }

    /// Whether a message was set aside, and is.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn is_set_aside(&self, message_id: Uuid) -> Result<bool, StoreError> {
        let session = Session::open(self).await?;
        let rows = session.rows(MESSAGE_SET_ASIDE, &[&message_id]).await?;
        session.done();
        Ok(rows.first().ok_or_else(StoreError::internal)?.try_get(0)?)
    }

    /// A stored response, as far as `access` may see.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn response(
        &self,
        submission_id: Uuid,
        access: &Access,
    ) -> Result<Option<StoredResponse>, StoreError> {
        let session = Session::open(self).await?;
        let answers = session.pipeline(vec![access.asking(RESPONSE, submission_id)], false).await?;
        session.done();
        let Some(row) = answers.first().and_then(|rows| rows.first()) else { return Ok(None) };
        let profile: &str = row.try_get("profile")?;
        Ok(Some(StoredResponse {
            instrument: row.try_get("instrument")?,
            answered_at: row.try_get("answered_at")?,
            answered_year: row.try_get("answered_year")?,
            amends: row.try_get("amends")?,
            years_only: profile != "limited_data_set",
            answers: row.try_get("answers")?,
            stored_at: row.try_get("stored_at")?,
        }))
    }

    /// What came from the patient, as far as `access` may see: the newest where several patients used the same id, as
    /// [`Store::response`] does.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn sealed_submission(
        &self,
        submission_id: Uuid,
        access: &Access,
    ) -> Result<Option<SealedSubmission>, StoreError> {
        let session = Session::open(self).await?;
        let answers = session.pipeline(vec![access.asking(SEALED, submission_id)], false).await?;
        session.done();
        let Some(row) = answers.first().and_then(|rows| rows.first()) else { return Ok(None) };
        Ok(Some(SealedSubmission { message_id: row.try_get("message_id")?, sealed: row.try_get("sealed")? }))
    }
}
