//! De-identified answers -> the JSON that the research tables keep.

use serde::Serialize;
use serde::ser::Error as _;

use super::deidentify::{Answered, Deidentified, Plain};

/// A de-identified submission with its answers as they are stored.
pub(super) struct Structured {
    pub deidentified: Deidentified,
    /// JSON array, one object an answer.
    pub answers: String,
}

#[derive(Serialize)]
struct Row<'a> {
    link_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<serde_json::Value>,
}

/// Writes the answers down.
pub(super) fn structure(deidentified: Deidentified) -> Result<Structured, serde_json::Error> {
    let rows: Vec<Row<'_>> = deidentified.answers.iter().map(row).collect();
    // Room for all of it at once: an answer takes about 60 bytes.
    let mut text = Vec::with_capacity(2 + 64 * rows.len());
    serde_json::to_writer(&mut text, &rows)?;
    let answers = String::from_utf8(text).map_err(serde_json::Error::custom)?;
    Ok(Structured { answers, deidentified })
}

fn row(answered: &Answered) -> Row<'_> {
    let empty = Row { link_id: &answered.link_id, code: None, score: None, value: None };
    match &answered.value {
        Plain::Coded { code, score } => Row { code: Some(code), score: *score, ..empty },
        Plain::Integer(number) => Row { value: Some((*number).into()), ..empty },
        Plain::Decimal(number) => Row { value: Some((*number).into()), ..empty },
        Plain::Boolean(yes) => Row { value: Some((*yes).into()), ..empty },
    }
}
