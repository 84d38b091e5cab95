//! De-identified answers -> the JSON that the research tables keep.

use super::deidentify::{Answered, Deidentified, Plain};
use super::json;

/// What an answer takes, mostly.
const BYTES: usize = 64;

/// A de-identified submission with its answers as they are stored.
pub(super) struct Structured {
    pub deidentified: Deidentified,
    /// JSON array, one object an answer.
    pub answers: String,
}

/// Writes the answers down.
pub(super) fn structure(deidentified: Deidentified) -> Structured {
    Structured { answers: json::array(&deidentified.answers, BYTES, write), deidentified }
}

fn write(out: &mut String, answered: &Answered) {
    out.push_str("{\"link_id\":");
    out.push_str(answered.link_id.json());
    match answered.value {
        Plain::Coded { code, score } => {
            out.push_str(",\"code\":");
            out.push_str(code.json());
            if let Some(score) = score {
                out.push_str(",\"score\":");
                json::number(out, score);
            }
        }
        Plain::Integer(whole) => {
            out.push_str(",\"value\":");
            out.push_str(&whole.to_string());
        }
        Plain::Decimal(number) => {
            out.push_str(",\"value\":");
            json::number(out, number);
        }
        Plain::Boolean(yes) => out.push_str(if yes { ",\"value\":true" } else { ",\"value\":false" }),
    }
    out.push('}');
}
