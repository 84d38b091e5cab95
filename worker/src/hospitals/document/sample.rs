//! Documents for tests.

use epro_schemas::instrument::{Instruments, Resolved, Score};
use epro_schemas::phi::Phi;
use epro_schemas::submission::Submission;
use serde_json::{Value, json};
use time::macros::datetime;
use uuid::Uuid;

use super::Document;

/// What a document of a test stands on.
pub(crate) struct Sample {
    instruments: Instruments,
    submission: Submission,
    resolved: Resolved,
    scores: Vec<Score>,
    pub subject: String,
    pub correction: bool,
}

/// The delivery id of every sample.
pub(crate) const ID: Uuid = uuid::uuid!("6f0a1b2c-3d4e-8f50-a1b2-c3d4e5f60718");
/// The delivery id of what every sample amends, if it does.
pub(crate) const ROOT: Uuid = uuid::uuid!("00112233-4455-8677-8899-aabbccddeeff");

/// An instrument with every kind of answer, in Greek letters and with free text.
const DIARY: &str = r#"
id: diary
version: "2"
title: Diary & more
panel: null
licence: none
lists:
  symptoms:
    system: http://snomed.info/sct
    options:
      - { code: "25064002", display: Headache | head }
      - { code: "422587007", display: Nausea }
items:
  - { link_id: note, text: "What else?", type: text }
  - { link_id: symptoms, type: coded, list: symptoms, several: true }
  - { link_id: temperature, type: decimal, minimum: 30, maximum: 45 }
  - { link_id: slept, type: boolean }
  - { link_id: 72514-3, type: integer, minimum: 0, maximum: 10 }
scores:
  - { id: pain, kind: sum, items: [72514-3] }
"#;

impl Sample {
    /// Answers to an instrument, given as in a body; `amends` makes it a later version.
    pub(crate) fn of(instrument: &str, answers: &Value, amends: bool) -> Self {
        let mut body = json!({
            "submission_id": "0198f2aa-0000-7000-8000-000000000001", "study_id": "ONC-301", "site_id": "H001",
            "instrument": instrument, "answered_at": "2026-11-23T20:03:11+08:00", "answers": answers,
        });
        if amends {
            body["amends"] = json!("0198f2aa-0000-7000-8000-000000000000");
            body["reason"] = json!("a slip of the finger");
        }
        let own = [("diary.yaml".to_owned(), DIARY.to_owned())];
        let instruments = Instruments::load(&own).unwrap();
        let submission = Submission::parse(body.to_string().as_bytes()).unwrap();
        let instrument = instruments.get(&submission.instrument).unwrap();
        let resolved = instrument.resolve(&submission).unwrap();
        let scores = instrument.score(&resolved);
        Self { submission, resolved, scores, instruments, subject: "P-0001".to_owned(), correction: amends }
    }

    /// PHQ-9 with these answers in the panel's order.
    pub(crate) fn phq9(values: &[u8], amends: bool) -> Self {
        const ITEMS: [&str; 9] = [
            "44250-9", "44255-8", "44259-0", "44254-1", "44251-7", "44258-2", "44252-5", "44253-3", "44260-8",
        ];
        let answers = ITEMS.iter().zip(values).map(|(item, value)| ((*item).to_owned(), json!(value)));
        Self::of("phq-9|1.0", &Value::Object(answers.collect()), amends)
    }

    /// The document; its generation is 1.
    pub(crate) fn document(&self) -> Document<'_> {
        Document {
            id: ID,
            root: if self.submission.amends.is_some() { ROOT } else { ID },
            correction: self.correction,
            subject: Phi::new(self.subject.clone()),
            submission: &self.submission,
            resolved: &self.resolved,
            instrument: self.instruments.get(&self.submission.instrument).unwrap(),
            scores: &self.scores,
            received_at: datetime!(2026-11-23 12:03:13.5 UTC),
            generation: 1,
            traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        }
    }
}
