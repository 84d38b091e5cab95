//! A checked submission -> what may be known without knowing the patient.
//!
//! De-identification is an allow-list: coded, numeric and yes/no answers of known items cross. Text does
//! not, whatever it says; it stays with the received bytes, sealed.

use epro_process::config::Profile;
use epro_schemas::instrument::{Name, Value};
use time::{OffsetDateTime, UtcOffset};

use super::clean::Cleaned;

/// A submission without its patient.
pub(super) struct Deidentified {
    /// `None` under Safe Harbor, which keeps the year only.
    pub answered_at: Option<OffsetDateTime>,
    pub answered_year: i16,
    pub profile: Profile,
    /// In the instrument's order.
    pub answers: Vec<Answered>,
}

/// One answer that crosses. A [`Name`] is a word of an instrument file: no patient ever wrote one.
pub(super) struct Answered {
    pub link_id: Name,
    pub value: Plain,
}

/// A value that can't hold text of a patient.
pub(super) enum Plain {
    /// A code of the instrument's own list.
    Coded {
        code: Name,
        score: Option<f64>,
    },
    Integer(i64),
    Decimal(f64),
    Boolean(bool),
}

/// Takes the patient out.
pub(super) fn deidentify(cleaned: &Cleaned<'_>) -> Deidentified {
    let (submission, profile) = (&cleaned.submission, cleaned.study.profile);
    let mut answers = Vec::with_capacity(cleaned.resolved.items.len());
    for item in &cleaned.resolved.items {
        allow(item.link_id, &item.value, &mut answers);
    }
    Deidentified {
        answered_at: match profile {
            Profile::LimitedDataSet => Some(submission.answered_at.to_offset(UtcOffset::UTC)),
            Profile::SafeHarbor => None,
        },
        answered_year: i16::try_from(submission.answered_at.year()).unwrap_or(i16::MAX),
        profile,
        answers,
    }
}

fn allow(link_id: Name, value: &Value, answers: &mut Vec<Answered>) {
    let mut push = |value| answers.push(Answered { link_id, value });
    match value {
        Value::Coded { code, score } => push(Plain::Coded { code: *code, score: *score }),
        Value::Integer(number) => push(Plain::Integer(*number)),
        Value::Decimal(number) => push(Plain::Decimal(*number)),
        Value::Boolean(yes) => push(Plain::Boolean(*yes)),
        Value::Text(_) => {}
        Value::Many(values) => values.iter().for_each(|value| allow(link_id, value, answers)),
    }
}
