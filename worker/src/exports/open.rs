//! What identifies a patient, taken from under its seal: only for exports that may hold it.

use bytes::Bytes;
use epro_schemas::envelope::Envelope;
use epro_schemas::kind;
use epro_schemas::submission::{Answer, Submission};
use epro_store::exports::ExportRow;

use super::trouble::Trouble;
use crate::submissions::route::Route;

/// The envelope of a row; `None` where the export isn't identified.
pub(super) fn envelope(route: &Route, row: &ExportRow) -> Result<Option<Envelope>, Trouble> {
    let Some(sealed) = &row.sealed else { return Ok(None) };
    let opened = route.keys.seal.open(kind::SUBMISSION, sealed.message_id, &sealed.envelope);
    let opened = opened.map_err(|error| Trouble::unopened(&error, "a submission's seal doesn't open"))?;
    let envelope = Envelope::decode(Bytes::from(opened));
    envelope.map(Some).map_err(|_| Trouble::Row("what a submission's seal held isn't an envelope"))
}

/// What the patient wrote in their own words, by linkId.
pub(super) fn words(submission: &Submission) -> Vec<(&str, String)> {
    let said = |answer: &Answer| match answer {
        Answer::Text(text) => Some(text.expose().clone()),
        _ => None,
    };
    let all = submission.answers.iter().filter_map(|(link_id, answer)| {
        let text = match answer {
            Answer::Many(answers) => {
                let texts: Vec<String> = answers.iter().filter_map(said).collect();
                (!texts.is_empty()).then(|| texts.join("|"))
            }
            answer => said(answer),
        };
        Some((link_id, text?))
    });
    all.collect()
}
