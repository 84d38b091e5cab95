//! Published answers with published scores. Nobody here wrote either.

use epro_schemas::instrument::Score;
use epro_schemas::instrument::check::Found;
use serde_json::{Value, json};

use crate::sample::{CODES, PHQ_9, SHIPPED, body, instrument, phq_9, understood, with};

fn scores(body: &Value) -> Vec<Score> {
    let (submission, resolved) = understood(body);
    instrument(&submission).score(&resolved)
}

fn total(body: &Value) -> (Option<f64>, Option<String>, usize) {
    let [total] = &scores(body)[..] else { panic!("one score") };
    (total.value, total.band.as_ref().map(ToString::to_string), total.missing)
}

fn findings(body: &Value) -> Vec<(String, String, Found)> {
    let (submission, resolved) = understood(body);
    let instrument = instrument(&submission);
    let found = instrument.findings(&submission, &resolved, &instrument.score(&resolved));
    found.into_iter().map(|f| (f.check.to_string(), f.about.to_string(), f.found)).collect()
}

fn signals(body: &Value) -> Vec<String> {
    let (submission, resolved) = understood(body);
    let found = instrument(&submission).signals(&resolved);
    found.iter().map(|signal| format!("{}={}", signal.rule, signal.severity)).collect()
}

fn moderate() -> Value {
    phq_9([2, 2, 2, 2, 1, 1, 2, 0, 0])
}

#[test]
fn the_us_core_phq_9_example_scores_12_moderate_and_does_not_alert() {
    // HL7 US Core: QuestionnaireResponse and Observation `phq-9-example`.
    assert_eq!(total(&moderate()), (Some(12.0), Some("moderate".into()), 0));
    assert_eq!(scores(&moderate())[0].code.as_deref(), Some("44261-6"));
    assert_eq!(signals(&moderate()), [""; 0]);
    assert_eq!(findings(&with(moderate(), "stated", json!({"total": 12}))), []);
}

#[test]
fn the_paciowg_phq_9_at_admission_scores_23_severe_and_alerts_on_item_9() {
    // paciowg/sample-data-fsh.
    let severe = phq_9([2, 3, 2, 3, 2, 2, 3, 3, 3]);
    assert_eq!(total(&severe), (Some(23.0), Some("severe".into()), 0));
    assert_eq!(signals(&severe), ["self-harm=critical"]);
}

#[test]
fn the_sdc_phq_9_that_states_13_scores_10_and_the_mismatch_is_found() {
    // HL7 SDC (repeated in QI-Core): states 13, its items sum to 10.
    let sdc = with(phq_9([0, 0, 0, 1, 2, 1, 3, 2, 1]), "stated", json!({"total": 13}));
    assert_eq!(total(&sdc), (Some(10.0), Some("moderate".into()), 0));
    assert_eq!(findings(&sdc), [("stated-total".into(), "total".into(), Found::StatedDiffers)]);
    assert_eq!(signals(&sdc), ["self-harm=critical"]);
}

#[test]
fn an_unanswered_item_9_is_unknown_and_not_zero() {
    let codes = |level: usize| json!(CODES[level]);
    let mut skipped = body("phq-9|1.0", &json!({}));
    for item in &PHQ_9[..8] {
        skipped["answers"][*item] = codes(1);
    }
    let mut null = skipped.clone();
    null["answers"]["44260-8"] = Value::Null;
    for body in [skipped, null] {
        assert_eq!(total(&body), (None, None, 1));
        assert_eq!(findings(&body), [("self-harm-unknown".into(), "44260-8".into(), Found::Unanswered)]);
        assert_eq!(signals(&body), [""; 0], "what nobody knows is no answer of 1 or more");
    }
}

#[test]
fn a_total_that_is_stated_although_an_item_is_missing_is_found() {
    let mut body = with(moderate(), "stated", json!({"total": 10}));
    body["answers"]["44250-9"] = Value::Null;
    assert_eq!(total(&body), (None, None, 1));
    assert_eq!(findings(&body), [("stated-total".into(), "total".into(), Found::StatedWithoutTotal)]);
}

#[test]
fn item_9_alerts_from_1_on_whatever_the_total_and_whatever_else_is_missing() {
    for (level, expected) in [(0, 0), (1, 1), (2, 1), (3, 1)] {
        assert_eq!(signals(&phq_9([0, 0, 0, 0, 0, 0, 0, 0, level])).len(), expected, "{level}");
        assert_eq!(signals(&body("phq-9|1.0", &json!({"44260-8": level}))).len(), expected, "{level} alone");
    }
}

#[test]
fn the_difficulty_item_is_not_scored() {
    let mut body = moderate();
    body["answers"]["69722-7"] = json!("LA6574-3");
    assert_eq!(total(&body), (Some(12.0), Some("moderate".into()), 0));
}

#[test]
fn every_total_lies_in_its_published_band() {
    let phq = |total: usize| std::array::from_fn(|n| total.saturating_sub(3 * n).min(3));
    for (from, to, band) in [
        (0, 4, "minimal"),
        (5, 9, "mild"),
        (10, 14, "moderate"),
        (15, 19, "moderately-severe"),
        (20, 27, "severe"),
    ] {
        for score in from..=to {
            assert_eq!(total(&phq_9(phq(score))), (Some(score as f64), Some(band.into()), 0));
        }
    }
    let gad = ["69725-0", "68509-9", "69733-4", "69734-2", "69735-9", "69689-8", "69736-7"];
    for (from, to, band) in [(0, 4, "minimal"), (5, 9, "mild"), (10, 14, "moderate"), (15, 21, "severe")] {
        for score in from..=to {
            let levels =
                gad.iter().zip(phq(score)).map(|(item, level)| ((*item).to_owned(), json!(CODES[level])));
            let body = body("gad-7|1.0", &Value::Object(levels.collect()));
            assert_eq!(total(&body), (Some(score as f64), Some(band.into()), 0));
            assert_eq!(scores(&body)[0].code.as_deref(), Some("70274-6"));
        }
    }
}

#[test]
fn pain_is_the_number_that_was_chosen_and_nothing_beside_it() {
    for level in 0..=10 {
        assert_eq!(total(&body("nrs-pain|1.0", &json!({"72514-3": level}))).0, Some(f64::from(level)));
    }
    // "2 or more" is how LOINC displays the code for 2.
    for wrong in
        [json!(11), json!(-1), json!(2.5), json!("2"), json!("2 or more"), json!("LA6113-0"), json!(true)]
    {
        assert_eq!(
            crate::sample::refusal(&body("nrs-pain|1.0", &json!({"72514-3": wrong}))).len(),
            1,
            "{wrong}"
        );
    }
}

#[test]
fn pro_ctcae_terms_are_graded_through_their_instrument() {
    let answers = json!({
        "nausea.frequency": "3", "nausea.severity": "4",
        "pain.frequency": 0,
        "fatigue.severity": 2,
        "diarrhea.frequency": {"code": "prefer-not-to-answer"},
        "anxious.frequency": 1, "anxious.severity": 0,
        "rash.presence": 1,
    });
    let grades: Vec<_> = scores(&body("pro-ctcae-core|1.0", &answers))
        .into_iter()
        .filter(|score| ["nausea", "pain", "fatigue", "diarrhea", "anxious", "rash"].contains(&&*score.id))
        .map(|score| (score.id.to_string(), score.value, score.missing))
        .collect();
    assert_eq!(
        grades,
        [
            ("nausea".into(), Some(3.0), 0),
            ("diarrhea".into(), None, 1),
            ("pain".into(), Some(0.0), 0),
            ("fatigue".into(), None, 1),
            ("anxious".into(), Some(0.0), 0),
        ]
    );
    let shipped = SHIPPED.iter().find(|instrument| instrument.reference().id() == "pro-ctcae-core").unwrap();
    assert!(
        shipped.definition().items.iter().all(|item| item.text.is_none()),
        "item wording is not ours to ship"
    );
    assert!(shipped.definition().alerts.is_empty(), "an alert on PRO-CTCAE is a site's policy");
}
