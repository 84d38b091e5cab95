//! The single fields of a submission.

use std::borrow::Cow;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use crate::json::Json;
use crate::phi::Phi;

use crate::submission::{InstrumentRef, MAX_REASON, MAX_SUBJECT, is_name};

use super::Read;

pub(crate) fn text(value: Json<'_>) -> Read<Cow<'_, str>> {
    match value {
        Json::Text(text) => Ok(text),
        Json::Flawed(flaw) => Err(flaw.rule()),
        _ => Err("must be a string"),
    }
}

/// A UUID with its hyphens, in either case. The nil and the max UUID are
/// refused: they are what a device sends that couldn't make one.
pub(crate) fn uuid(value: Json<'_>) -> Read<Uuid> {
    const RULE: &str = "must be a UUID with hyphens, and neither nil nor max";
    let text = text(value)?;
    match Uuid::try_parse(&text) {
        Ok(uuid) if text.len() == 36 && !uuid.is_nil() && !uuid.is_max() => Ok(uuid),
        _ => Err(RULE),
    }
}

pub(crate) fn name(value: Json<'_>) -> Read<String> {
    let text = text(value)?;
    if is_name(&text) {
        Ok(text.into_owned())
    } else {
        Err("must be 1 to 64 characters of A-Z a-z 0-9 . _ -")
    }
}

/// Two spellings of one patient would be two patients: nothing invisible.
pub(crate) fn subject(value: Json<'_>) -> Read<Phi<String>> {
    let text = text(value)?;
    if text.is_empty() || text.chars().count() > MAX_SUBJECT {
        return Err("must be 1 to 128 characters");
    }
    if text.trim() != text || text.contains(char::is_control) {
        return Err("must not begin or end with white space or hold control characters");
    }
    Ok(Phi::new(text.into_owned()))
}

pub(crate) fn reason(value: Json<'_>) -> Read<Phi<String>> {
    let text = text(value)?;
    if text.trim().is_empty() || text.chars().count() > MAX_REASON {
        return Err("must be 1 to 2000 characters, not all white space");
    }
    Ok(Phi::new(text.into_owned()))
}

pub(crate) fn reference(value: Json<'_>) -> Read<InstrumentRef> {
    text(value)?.parse().map_err(|_| "must name an instrument and its version, like phq-9|1.0")
}

/// RFC 3339 with a known offset. The `time` crate would also take any
/// separator, leap seconds and more digits than it keeps.
pub(crate) fn time(value: Json<'_>) -> Read<OffsetDateTime> {
    const FORM: &str = "must be an RFC 3339 time with its offset, like 2026-11-23T20:03:11+08:00";
    let text = text(value)?;
    let bytes = text.as_bytes();
    if bytes.len() > "2026-11-23T20:03:11.123456789+08:00".len()
        || !matches!(bytes.get(10), Some(b'T' | b't'))
        || bytes.get(17..19) == Some(b"60")
        || text.ends_with("-00:00")
    {
        return Err(FORM);
    }
    let time = OffsetDateTime::parse(&text, &Rfc3339).map_err(|_| FORM)?;
    if !(1900..2200).contains(&time.year()) {
        return Err("must lie in the years 1900 to 2199");
    }
    if time.offset().whole_seconds().abs() > 14 * 3600 {
        return Err("must have an offset of at most 14 hours");
    }
    Ok(time)
}
