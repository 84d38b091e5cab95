//! Submissions to try things on.

use std::sync::LazyLock;

use epro_schemas::instrument::{Instrument, Instruments, Resolved};
use epro_schemas::submission::Submission;
use epro_schemas::violation::Violation;
use serde_json::{Value, json};

pub(crate) static SHIPPED: LazyLock<Instruments> = LazyLock::new(|| Instruments::shipped().unwrap());

/// The items of PHQ-9 in their order.
pub(crate) const PHQ_9: [&str; 9] =
    ["44250-9", "44255-8", "44259-0", "44254-1", "44251-7", "44258-2", "44252-5", "44253-3", "44260-8"];

/// The answer codes of PHQ-9 and GAD-7 by what they count.
pub(crate) const CODES: [&str; 4] = ["LA6568-5", "LA6569-3", "LA6570-1", "LA6571-9"];

/// A submission in its native form.
pub(crate) fn body(instrument: &str, answers: &Value) -> Value {
    json!({
        "submission_id": "0198f2aa-1111-7222-8333-444455556666",
        "study_id": "ONC-301",
        "site_id": "H001",
        "instrument": instrument,
        "answered_at": "2026-11-23T20:03:11+08:00",
        "answers": answers,
    })
}

/// PHQ-9 answered by numbers, in the order of its items.
pub(crate) fn phq_9(levels: [usize; 9]) -> Value {
    let answers = PHQ_9.iter().zip(levels).map(|(item, level)| ((*item).to_owned(), json!(level)));
    body("phq-9|1.0", &Value::Object(answers.collect()))
}

/// The same body with one field changed.
pub(crate) fn with(mut body: Value, field: &str, value: Value) -> Value {
    body[field] = value;
    body
}

pub(crate) fn parse(body: &Value) -> Result<Submission, Vec<Violation>> {
    Submission::parse(body.to_string().as_bytes())
}

pub(crate) fn instrument(submission: &Submission) -> &'static Instrument {
    SHIPPED.get(&submission.instrument).unwrap()
}

/// A submission of a shipped instrument that must be fine.
pub(crate) fn understood(body: &Value) -> (Submission, Resolved) {
    let submission = parse(body).unwrap();
    let resolved = instrument(&submission).resolve(&submission).unwrap();
    (submission, resolved)
}

/// What is wrong with a body, as "pointer: rule", whoever finds it.
pub(crate) fn refusal(body: &Value) -> Vec<String> {
    let found = match parse(body) {
        Err(found) => found,
        Ok(submission) => instrument(&submission).resolve(&submission).unwrap_err(),
    };
    found.iter().map(ToString::to_string).collect()
}
