//! Held against serde.

use epro_process::config::Profile;
use epro_schemas::instrument::{Name, Score};
use proptest::collection::vec;
use proptest::prelude::*;
use serde::Serialize;

use crate::submissions::deidentify::{Answered, Deidentified, Plain};
use crate::submissions::score::written;
use crate::submissions::structure::structure;

/// An answer as the research tables have had it from the first day.
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

fn row(answered: &Answered) -> Row<'_> {
    let empty = Row { link_id: &answered.link_id, code: None, score: None, value: None };
    match &answered.value {
        Plain::Coded { code, score } => Row { code: Some(code), score: *score, ..empty },
        Plain::Integer(number) => Row { value: Some((*number).into()), ..empty },
        Plain::Decimal(number) => Row { value: Some((*number).into()), ..empty },
        Plain::Boolean(yes) => Row { value: Some((*yes).into()), ..empty },
    }
}

fn number() -> impl Strategy<Value = f64> {
    let odd = [-0.0, 0.1, 9.5, 99.0, 100.0, 255.0, 256.0, 1e16, f64::MAX, f64::NAN, f64::INFINITY];
    prop_oneof![(-3..300_i16).prop_map(f64::from), any::<f64>(), prop::sample::select(odd.to_vec())]
}

/// An answer of any kind, of words that no linkId and no code would be.
fn answered((kind, [link_id, code], score, whole): (u8, [String; 2], Option<f64>, i64)) -> Answered {
    let (link_id, code) = (link_id.as_str().into(), code.as_str().into());
    let value = match kind {
        0 => Plain::Coded { code, score },
        1 => Plain::Integer(whole),
        2 => Plain::Decimal(score.unwrap_or_default()),
        _ => Plain::Boolean(whole > 0),
    };
    Answered { link_id, value }
}

proptest! {
    #[test]
    fn answers_are_written_as_serde_writes_them(
        drawn in vec((0..4_u8, [".{0,12}", ".{0,12}"], proptest::option::of(number()), any::<i64>()), 0..12),
    ) {
        let answers: Vec<Answered> = drawn.into_iter().map(answered).collect();
        let rows = serde_json::to_string(&answers.iter().map(row).collect::<Vec<_>>()).unwrap();
        let (answered_at, answered_year, profile) = (None, 2026, Profile::SafeHarbor);
        let structured = structure(Deidentified { answered_at, answered_year, profile, answers });
        prop_assert_eq!(structured.answers, rows);
    }

    #[test]
    fn scores_are_written_as_serde_writes_them(
        drawn in vec(
            (".{0,12}", proptest::option::of(".{0,12}"), proptest::option::of(number()), 0..300_usize),
            0..4,
        ),
    ) {
        let score = |(id, other, value, missing): (String, Option<String>, Option<f64>, usize)| {
            let code = other.as_deref().map(Name::from);
            Score { id: id.as_str().into(), code, value, band: code.filter(|_| missing == 0), missing }
        };
        let scores: Vec<Score> = drawn.into_iter().map(score).collect();
        prop_assert_eq!(written(&scores), serde_json::to_string(&scores).unwrap());
    }
}
