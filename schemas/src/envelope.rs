//! What travels in a submission's message: the received bytes, untouched, and
//! who brought them, when and from where.

use std::fmt;

use bytes::Bytes;
use time::{OffsetDateTime, UtcOffset};

use crate::phi::Phi;

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

/// A way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// `POST /api/v1/epro/submit`
    Native,
    /// A FHIR R4 QuestionnaireResponse.
    Fhir,
    /// One item of `POST /api/v1/epro/submit/batch`.
    Batch,
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

impl Envelope {
    /// The envelope as bytes: a version byte, the fields in order, each text
    /// with its length before it, then the body.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256 + self.bytes.len());
        out.push(VERSION);
        out.push(match self.door {
            Door::Native => 0,
            Door::Fhir => 1,
            Door::Batch => 2,
        });
        out.extend(self.received_at.unix_timestamp_nanos().to_be_bytes());
        put(&mut out, self.subject_id.expose());
        put(&mut out, self.actor.expose());
        put_option(&mut out, self.client.as_deref());
        put(&mut out, self.from.expose());
        put_option(&mut out, self.trace_id.as_deref());
        out.extend_from_slice(&self.bytes);
        out
    }

    /// Reads what [`Envelope::encode`] wrote; the body stays where it is.
    ///
    /// # Errors
    /// [`EnvelopeError`], which says nothing of the content.
    pub fn decode(bytes: Bytes) -> Result<Self, EnvelopeError> {
        let mut rest = Rest(&bytes);
        match rest.byte()? {
            VERSION => {}
            other => return Err(EnvelopeError::UnknownVersion(other)),
        }
        let door = match rest.byte()? {
            0 => Door::Native,
            1 => Door::Fhir,
            2 => Door::Batch,
            _ => return Err(EnvelopeError::Malformed),
        };
        let nanos = i128::from_be_bytes(rest.array()?);
        let received_at =
            OffsetDateTime::from_unix_timestamp_nanos(nanos).map_err(|_| EnvelopeError::Malformed)?;
        Ok(Self {
            received_at: received_at.to_offset(UtcOffset::UTC),
            subject_id: Phi::new(rest.text()?),
            actor: Phi::new(rest.text()?),
            client: rest.option()?,
            from: Phi::new(rest.text()?),
            door,
            trace_id: rest.option()?,
            bytes: bytes.slice(bytes.len() - rest.0.len()..),
        })
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
