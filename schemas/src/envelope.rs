//! What travels in a submission's message: the received bytes, untouched, and
//! who brought them, when and from where.

use std::fmt;

use bytes::Bytes;
use time::{OffsetDateTime, UtcOffset};
use uuid::Uuid;

use crate::fhir;
use crate::phi::Phi;
use crate::submission::Submission;
use crate::violation::Violation;

const VERSION: u8 = 1;

/// A received submission with the circumstances of its receipt.
#[derive(Clone, PartialEq, Eq)]
pub struct Envelope {
    /// When the door had the whole body. Kept to the nanosecond, in UTC.
    pub received_at: OffsetDateTime,
    /// Whose submission it is, after authentication.
    pub subject_id: Phi<String>,
    /// The token's `sub`.
    pub actor: Phi<String>,
    /// The app or backend that the token was issued to.
    pub client: Option<String>,
    /// The remote address.
    pub from: Phi<String>,
    /// Which door it came through.
    pub door: Door,
    /// The W3C trace id of the request.
    pub trace_id: Option<String>,
    /// The body as received.
    pub bytes: Bytes,
}

/// What an envelope is made of, where it lies: whoever writes one needs no copy of any of it.
#[derive(Clone, Copy)]
pub struct Parts<'a> {
    /// When the door had the whole body.
    pub received_at: OffsetDateTime,
    /// Whose submission it is.
    pub subject_id: &'a Phi<String>,
    /// The token's `sub`.
    pub actor: &'a Phi<String>,
    /// The app or backend.
    pub client: Option<&'a str>,
    /// The remote address.
    pub from: &'a Phi<String>,
    /// Which door it came through.
    pub door: &'a Door,
    /// The trace id of the request.
    pub trace_id: Option<&'a str>,
    /// The body as received.
    pub bytes: &'a [u8],
}

/// A way in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Door {
    /// `POST /api/v1/epro/submit`
    Native,
    /// A FHIR R4 QuestionnaireResponse, with what its body doesn't say in our words.
    Fhir(Named),
    /// One item of `POST /api/v1/epro/submit/batch`.
    Batch,
}

/// What the FHIR door decided: from the token, from identifiers that only it can turn into ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// From the identifier.
    pub submission_id: Uuid,
    /// From the token or an extension.
    pub study_id: String,
    /// From the token or an extension.
    pub site_id: String,
    /// From the identifier of the base.
    pub amends: Option<Uuid>,
}

/// Bytes that are no envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Written by a newer version of this code, perhaps.
    #[error("envelope of version {0}, which is not known here")]
    UnknownVersion(u8),
    /// Cut short, or not an envelope at all.
    #[error("not an envelope")]
    Malformed,
}

impl Parts<'_> {
    /// The envelope as bytes: a version byte, the fields in order, each text
    /// with its length before it, then the body.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256 + self.bytes.len());
        out.push(VERSION);
        out.push(match self.door {
            Door::Native => 0,
            Door::Fhir(_) => 1,
            Door::Batch => 2,
        });
        out.extend(self.received_at.unix_timestamp_nanos().to_be_bytes());
        put(&mut out, self.subject_id.expose());
        put(&mut out, self.actor.expose());
        put_option(&mut out, self.client);
        put(&mut out, self.from.expose());
        put_option(&mut out, self.trace_id);
        if let Door::Fhir(named) = self.door {
            named.encode(&mut out);
        }
        out.extend_from_slice(self.bytes);
        out
    }
}

impl Envelope {
    /// The same as bytes: see [`Parts::encode`].
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let parts = Parts {
            received_at: self.received_at,
            subject_id: &self.subject_id,
            actor: &self.actor,
            client: self.client.as_deref(),
            from: &self.from,
            door: &self.door,
            trace_id: self.trace_id.as_deref(),
            bytes: &self.bytes,
        };
        parts.encode()
    }

    /// Reads what [`Parts::encode`] wrote; the body stays where it is.
    ///
    /// # Errors
    /// [`EnvelopeError`], which says nothing of the content.
    pub fn decode(bytes: Bytes) -> Result<Self, EnvelopeError> {
        let mut rest = Rest(&bytes);
        match rest.byte()? {
            VERSION => {}
            other => return Err(EnvelopeError::UnknownVersion(other)),
        }
        let door = rest.byte()?;
        let nanos = i128::from_be_bytes(rest.array()?);
        let received_at =
            OffsetDateTime::from_unix_timestamp_nanos(nanos).map_err(|_| EnvelopeError::Malformed)?;
        let subject_id = Phi::new(rest.text()?);
        let actor = Phi::new(rest.text()?);
        let client = rest.option()?;
        let from = Phi::new(rest.text()?);
        let trace_id = rest.option()?;
        let door = match door {
            0 => Door::Native,
            1 => Door::Fhir(Named::decode(&mut rest)?),
            2 => Door::Batch,
            _ => return Err(EnvelopeError::Malformed),
        };
        let received_at = received_at.to_offset(UtcOffset::UTC);
        let bytes = bytes.slice(bytes.len() - rest.0.len()..);
        Ok(Self { received_at, subject_id, actor, client, from, door, trace_id, bytes })
    }

    /// The submission that the bytes are, read as its door reads it.
    ///
    /// # Errors
    /// Every problem at once, without a word of the body.
    pub fn submission(&self) -> Result<Submission, Vec<Violation>> {
        match &self.door {
            Door::Native | Door::Batch => Submission::parse(&self.bytes),
            Door::Fhir(named) => Ok(fhir::Response::parse(&self.bytes)?.submission(named)),
        }
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("received_at", &self.received_at)
            .field("door", &self.door)
            .field("trace_id", &self.trace_id)
            .field("bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

impl Named {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.submission_id.as_bytes());
        put(out, &self.study_id);
        put(out, &self.site_id);
        out.push(u8::from(self.amends.is_some()));
        if let Some(amends) = self.amends {
            out.extend_from_slice(amends.as_bytes());
        }
    }

    fn decode(rest: &mut Rest<'_>) -> Result<Self, EnvelopeError> {
        let submission_id = Uuid::from_bytes(rest.array()?);
        let (study_id, site_id) = (rest.text()?, rest.text()?);
        let amends = match rest.byte()? {
            0 => None,
            1 => Some(Uuid::from_bytes(rest.array()?)),
            _ => return Err(EnvelopeError::Malformed),
        };
        Ok(Self { submission_id, study_id, site_id, amends })
    }
}

fn put(out: &mut Vec<u8>, text: &str) {
    // No text here comes near 4 GiB: a body is bounded long before.
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    out.extend(length.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn put_option(out: &mut Vec<u8>, text: Option<&str>) {
    out.push(u8::from(text.is_some()));
    if let Some(text) = text {
        put(out, text);
    }
}

struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], EnvelopeError> {
        let (head, tail) = self.0.split_at_checked(n).ok_or(EnvelopeError::Malformed)?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], EnvelopeError> {
        self.take(N)?.try_into().map_err(|_| EnvelopeError::Malformed)
    }

    fn byte(&mut self) -> Result<u8, EnvelopeError> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    fn text(&mut self) -> Result<String, EnvelopeError> {
        let length = u32::from_be_bytes(self.array()?);
        let length = usize::try_from(length).map_err(|_| EnvelopeError::Malformed)?;
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| EnvelopeError::Malformed)?;
        Ok(text.to_owned())
    }

    fn option(&mut self) -> Result<Option<String>, EnvelopeError> {
        match self.byte()? {
            0 => Ok(None),
            1 => self.text().map(Some),
            _ => Err(EnvelopeError::Malformed),
        }
    }
}
