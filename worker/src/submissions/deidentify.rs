//! A checked submission -> what may be known without knowing the patient.
//!
//! De-identification is an allow-list: coded, numeric and yes/no answers of known items cross. Text does
//! not, whatever it says; it stays with the received bytes, sealed. A number lies within the bounds of its item.

use epro_process::config::Profile;
use epro_schemas::instrument::{Instrument, Name, Resolved, Value};
use time::{OffsetDateTime, UtcOffset};

use super::clean::Cleaned;

/// All ages from here on are one, "90 or older" (45 CFR 164.514(b)(2)(i)(C)).
const OLDEST: i64 = 90;

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
    Deidentified {
        answered_at: match profile {
            Profile::LimitedDataSet => Some(submission.answered_at.to_offset(UtcOffset::UTC)),
            Profile::SafeHarbor => None,
        },
        answered_year: i16::try_from(submission.answered_at.year()).unwrap_or(i16::MAX),
        profile,
        answers: allowed(&cleaned.resolved, cleaned.instrument, profile),
    }
}

/// The answers that may go on.
fn allowed(resolved: &Resolved, instrument: &Instrument, profile: Profile) -> Vec<Answered> {
    let mut answers = Vec::with_capacity(resolved.items.len());
    for item in &resolved.items {
        allow(item.link_id, &item.value, &mut answers);
    }
    if profile == Profile::SafeHarbor {
        gather_ages(instrument, &mut answers);
    }
    answers
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

/// Of who is older than 89 it stays unknown by how much.
fn gather_ages(instrument: &Instrument, answers: &mut [Answered]) {
    for age in instrument.definition().items.iter().filter(|item| item.age) {
        for answered in answers.iter_mut().filter(|answered| answered.link_id == age.link_id) {
            match &mut answered.value {
                Plain::Integer(years) => *years = OLDEST.min(*years),
                // Nobody is 90 yet at 89.5, and is among the oldest all the same.
                Plain::Decimal(years) if *years > (OLDEST - 1) as f64 => *years = OLDEST as f64,
                Plain::Decimal(_) | Plain::Coded { .. } | Plain::Boolean(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use epro_schemas::submission::Submission;
    use serde_json::json;

    use super::*;
    use crate::submissions::structure::structure;

    const INSTRUMENT: &str = "
id: ages
version: '1'
title: Ages and another number
licence: For tests only.
items:
  - { link_id: years, type: integer, minimum: 0, maximum: 130, age: true }
  - { link_id: exact, type: decimal, minimum: 0, maximum: 130, age: true }
  - { link_id: pulse, type: integer, minimum: 0, maximum: 300 }
";

    /// What research gets of these answers, each to the item of its place.
    fn stored(profile: Profile, answers: [serde_json::Value; 3]) -> serde_json::Value {
        let [years, exact, pulse] = answers;
        let body = json!({
            "submission_id": "0198f2aa-1111-7222-8333-444455556666", "study_id": "PSY-12", "site_id": "H004",
            "instrument": "ages|1", "answered_at": "2026-11-23T20:03:11+08:00",
            "answers": {"years": years, "exact": exact, "pulse": pulse},
        });
        let submission = Submission::parse(body.to_string().as_bytes()).unwrap();
        let instrument = Instrument::read(INSTRUMENT).unwrap();
        let resolved = instrument.resolve(&submission).unwrap();
        let deidentified = Deidentified {
            answered_at: None,
            answered_year: 2026,
            profile,
            answers: allowed(&resolved, &instrument, profile),
        };
        let rows = structure(deidentified).answers;
        let rows: Vec<serde_json::Value> = serde_json::from_str(&rows).unwrap();
        rows.iter().map(|row| row["value"].clone()).collect()
    }

    #[test]
    fn under_safe_harbor_all_ages_above_89_are_one_and_other_numbers_stay() {
        for (answers, expected) in [
            ([json!(93), json!(101.5), json!(93)], json!([90, 90.0, 93])),
            ([json!(130), json!(89.01), json!(300)], json!([90, 90.0, 300])),
            ([json!(90), json!(90), json!(0)], json!([90, 90.0, 0])),
            ([json!(89), json!(89), json!(89)], json!([89, 89.0, 89])),
            ([json!(7), json!(88.5), json!(120)], json!([7, 88.5, 120])),
        ] {
            assert_eq!(stored(Profile::SafeHarbor, answers), expected);
        }
    }

    #[test]
    fn a_limited_data_set_keeps_each_age() {
        let answers = [json!(93), json!(101.5), json!(93)];
        assert_eq!(stored(Profile::LimitedDataSet, answers), json!([93, 101.5, 93]));
    }
}
