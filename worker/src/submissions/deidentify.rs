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
pub(super) fn deidentify(cleaned: &Cleaned<'_>, profile: Profile) -> Deidentified {
    let submission = &cleaned.submission;
    let answers = cleaned.resolved.items.iter().flat_map(|item| {
        let mut plain = Vec::with_capacity(1);
        allow(&item.value, &mut plain);
        plain.into_iter().map(|value| Answered { link_id: item.link_id.clone(), value })
    });
    Deidentified {
        answered_at: match profile {
            Profile::LimitedDataSet => Some(submission.answered_at.to_offset(UtcOffset::UTC)),
            Profile::SafeHarbor => None,
        },
        answered_year: i16::try_from(submission.answered_at.year()).unwrap_or(i16::MAX),
        profile,
        answers: answers.collect(),
    }
}

fn allow(value: &Value, plain: &mut Vec<Plain>) {
    match value {
        Value::Coded { code, score } => plain.push(Plain::Coded { code: code.clone(), score: *score }),
        Value::Integer(number) => plain.push(Plain::Integer(*number)),
        Value::Decimal(number) => plain.push(Plain::Decimal(*number)),
        Value::Boolean(yes) => plain.push(Plain::Boolean(*yes)),
        Value::Text(_) => {}
        Value::Many(values) => values.iter().for_each(|value| allow(value, plain)),
    }
}
