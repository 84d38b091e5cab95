//! What is under the seal of a dead letter, for an operator who has said why.

use bytes::Bytes;
use epro_schemas::envelope::Envelope;
use epro_schemas::kind;
use epro_schemas::seal::{KeyRing, key_id_of};
use epro_store::dead_letters::DeadLetterRow;
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

/// All that can be opened of it, layer by layer; what can't be is named.
pub(crate) fn opened(ring: &KeyRing, found: &DeadLetterRow) -> Value {
    let summary = &found.summary;
    let id = summary.message_id.unwrap_or(Uuid::nil());
    let message = if found.wrapped {
        match ring.open(kind::DEAD_LETTER, id, &found.body) {
            Ok(message) => message,
            Err(error) => return json!({"closed": format!("the seal of the dead letter: {error}")}),
        }
    } else {
        found.body.clone()
    };
    if key_id_of(&message).is_none() {
        return json!({"bytes": text(&message)});
    }
    let sealed_as = summary.kind.as_deref().unwrap_or_default();
    match ring.open(sealed_as, id, &message) {
        Ok(plain) if sealed_as == kind::SUBMISSION => match Envelope::decode(Bytes::from(plain.clone())) {
            Ok(envelope) => said(&envelope),
            Err(_) => json!({"bytes": text(&plain)}),
        },
        // All other messages are JSON under their seals.
        Ok(plain) => match serde_json::from_slice::<Value>(&plain) {
            Ok(says) => json!({"says": says}),
            Err(_) => json!({"bytes": text(&plain)}),
        },
        Err(error) => json!({"closed": error.to_string(), "bytes": text(&message)}),
    }
}

fn said(envelope: &Envelope) -> Value {
    json!({
        "subject": envelope.subject_id.expose(),
        "actor": envelope.actor.expose(),
        "client": envelope.client,
        "from": envelope.from.expose(),
        "received_at": envelope.received_at.format(&Rfc3339).unwrap_or_default(),
        "body": serde_json::from_slice::<Value>(&envelope.bytes).unwrap_or_else(|_| text(&envelope.bytes)),
    })
}

/// As text where it is text, else its length.
fn text(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => json!(text),
        Err(_) => json!(format!("{} bytes that are no text", bytes.len())),
    }
}
