//! What a model is told: what researchers may see of a submission, under an id that only we can trace back.

use epro_schemas::alert::question_id;
use epro_store::risk::{RiskDue, RiskKey};
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;

/// `{"id", "study_id", "pseudonym", "instrument", "answered_at", "answered_year", "answers", "scores"}`. The id is the
/// same however often it is asked; `answered_at` is null in a study whose profile keeps years only; answers and
/// scores are as in the research tables.
pub(super) fn of(due: &RiskDue, (submission_id, pseudonym): RiskKey) -> Value {
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    json!({
        "id": question_id(&due.study_id, pseudonym, submission_id),
        "study_id": due.study_id,
        "pseudonym": pseudonym,
        "instrument": due.instrument,
        "answered_at": due.answered_at.and_then(|at| at.format(&Rfc3339).ok()),
        "answered_year": due.answered_year,
        "answers": json(&due.answers),
        "scores": json(&due.scores),
    })
}
