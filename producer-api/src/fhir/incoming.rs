//! A QuestionnaireResponse: from bytes to a message that is ready to leave.

use axum::body::Bytes;
use epro_schemas::audit::digest::Digest;
use epro_schemas::canonical;
use epro_schemas::envelope::{self, Named};
use epro_schemas::fhir::{Identifier, Response};
use epro_store::responses::Content;
use uuid::Uuid;

use super::stored::Expected;
use crate::door::Door;
use crate::intake::{self, Admitted, Arrival};
use crate::refusal::{Kind, Refusal};
use epro_process::auth::Caller;

/// Checks one response and seals it. `from` says how it came; that it came through this door is said here.
pub(super) fn admit(
    door: &Door,
    from: &Arrival<'_>,
    bytes: &Bytes,
    none_exist: Option<&str>,
) -> Result<(Admitted, Expected), Refusal> {
    let response = parse(bytes)?;
    if none_exist.is_some_and(|condition| !names(condition, &response.identifier)) {
        return Err(Kind::ConditionUnsupported.into());
    }
    let named = name(door, from.caller, &response)?;
    let checked = intake::check(door, from.caller, response.submission(&named)).map_err(|refusal| {
        let errors = refusal.errors.into_iter().map(|violation| response.locate(violation)).collect();
        Refusal { errors, ..refusal }
    })?;
    let subject = checked.subject.expose();
    let content = Content {
        version: canonical::VERSION,
        hash: canonical::content_hash(subject, &checked.submission, &checked.resolved),
        body_sha256: Digest::of(bytes).0,
    };
    let pseudonym = door.pseudonyms.pseudonym(&named.study_id, subject);
    let arrival = Arrival {
        caller: from.caller,
        from: from.from,
        through: envelope::Door::Fhir(named),
        trace: from.trace,
    };
    let admitted = intake::seal(door, &arrival, checked, bytes)?;
    let (submission_id, message_id) = (admitted.submission_id, admitted.message_id);
    Ok((admitted, Expected { submission_id, pseudonym, message_id, content }))
}

fn parse(bytes: &[u8]) -> Result<Response, Refusal> {
    Response::parse(bytes).map_err(|errors| {
        let json = serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok();
        Refusal { kind: if json { Kind::Invalid } else { Kind::NotJson }, errors }
    })
}

/// What the resource says in FHIR's words, in ours.
fn name(door: &Door, caller: &Caller, response: &Response) -> Result<Named, Refusal> {
    const PLACE: &str = "QuestionnaireResponse.extension";
    let one = |given: &Option<String>, token: &[String], rule: &str| match (given, token) {
        (Some(given), _) => Ok(given.clone()),
        (None, [only]) => Ok(only.clone()),
        _ => Err(Refusal::at(Kind::Invalid, PLACE, rule)),
    };
    let study_id = one(
        &response.study_id,
        &caller.studies,
        "is required with a token that isn't of one study: urn:epro-relay:study",
    )?;
    let site_id = one(
        &response.site_id,
        &caller.sites,
        "is required with a token that isn't of one site: urn:epro-relay:site",
    )?;
    let submission_id = id(door, &response.identifier);
    let amends = response.amends.as_ref().map(|base| id(door, base));
    if amends == Some(submission_id) {
        return Err(Refusal::at(Kind::Invalid, PLACE, "urn:epro-relay:amends must name another response"));
    }
    Ok(Named { submission_id, study_id, site_id, amends })
}

/// The UUID that an identifier is, or one made from it under the pseudonym key: what a client takes for
/// an identifier may name a patient, and ids are seen where a patient must not be.
fn id(door: &Door, identifier: &Identifier) -> Uuid {
    let derived = || {
        let system = identifier.system.as_ref().map_or("", |system| system.expose().as_str());
        // No study is named like this. A system has no white space in it.
        door.pseudonyms.pseudonym("#identifier", &format!("{system} {}", identifier.value.expose()))
    };
    identifier.uuid().unwrap_or_else(derived)
}

/// Whether a condition is `identifier=system|value` of this identifier. The system may be left out.
fn names(condition: &str, identifier: &Identifier) -> bool {
    let Some(token) = condition.trim().trim_start_matches('?').strip_prefix("identifier=") else {
        return false;
    };
    let Some(token) = decode(token) else { return false };
    let system = identifier.system.as_ref().map_or("", |system| system.expose().as_str());
    match token.split_once('|') {
        Some((given, value)) => given == system && value == identifier.value.expose(),
        None => token == *identifier.value.expose(),
    }
}

/// Percent-encoding undone.
fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        out.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                u8::try_from(high * 16 + low).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use epro_schemas::phi::Phi;

    #[test]
    fn a_condition_holds_for_the_resources_own_identifier_only() {
        let phi = |text: &str| Phi::new(text.to_owned());
        let identifier = Identifier { system: Some(phi("https://app.example/qr")), value: phi("a b") };
        for condition in [
            "identifier=https://app.example/qr|a b",
            "identifier=https%3A%2F%2Fapp.example%2Fqr%7Ca%20b",
            "?identifier=a%20b",
        ] {
            assert!(names(condition, &identifier), "{condition}");
        }
        for condition in
            ["", "identifier=other|a b", "identifier=a", "subject=Patient/1", "identifier=a%2", "a b"]
        {
            assert!(!names(condition, &identifier), "{condition}");
        }
    }
}
