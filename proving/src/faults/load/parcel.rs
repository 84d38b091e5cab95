//! What one request of an app carries, and what it is told about it.

use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use crate::client::{Client, Reply, Sent, sha256};

/// Submissions of a beat: one by one, in a batch, in FHIR's words.
const ONE_BY_ONE: usize = 18;
const IN_A_BATCH: usize = 10;
const IN_FHIR: usize = 2;
pub(super) const A_BEAT: usize = ONE_BY_ONE + IN_A_BATCH + IN_FHIR;
/// In one beat of so many what came in FHIR's words is amended.
const AMENDED: usize = 5;
/// Nothing follows on from there.
pub(super) const SITE: &str = "H004";
const STUDY: &str = "PAIN-7";
const PATIENTS: usize = 500;
/// Clocks of doors and workers jump: it was long ago by any of them.
const ANSWERED: &str = "2026-11-23T20:03:11+08:00";
const BATCH: &str = "/api/v1/epro/submit/batch";
const CREATE: &str = "/fhir/R4/QuestionnaireResponse";
/// How FHIR's door begins to say that it was taken, and that nobody but a human can store it.
const SET_ASIDE: &str = "It was taken and then set aside";

/// Submissions that go together, until the last of them is taken.
pub(super) struct Parcel {
    way: Way,
    letters: Vec<Letter>,
}

enum Way {
    OneByOne,
    Batch,
    Fhir {
        /// Once it is stored its patient corrects it.
        amended: bool,
    },
}

/// One submission.
pub(super) struct Letter {
    pub(super) id: Uuid,
    pub(super) subject: String,
    body: Value,
}

/// What is sent in one beat.
pub(super) fn of_a_beat(beat: usize) -> Vec<Parcel> {
    let mut numbers = (beat * A_BEAT)..;
    let mut letters =
        |many: usize, of: fn(usize) -> Letter| numbers.by_ref().take(many).map(of).collect::<Vec<_>>();
    let alone = |way: Way, letter: Letter| Parcel { way, letters: vec![letter] };
    let amended = beat.is_multiple_of(AMENDED);
    let mut parcels = vec![Parcel { way: Way::Batch, letters: letters(IN_A_BATCH, Letter::of_a_backend) }];
    let natives = letters(ONE_BY_ONE, Letter::native).into_iter();
    parcels.extend(natives.map(|letter| alone(Way::OneByOne, letter)));
    let fhir = letters(IN_FHIR, Letter::fhir).into_iter();
    parcels.extend(fhir.map(|letter| alone(Way::Fhir { amended }, letter)));
    parcels
}

impl Parcel {
    pub(super) fn is_empty(&self) -> bool {
        self.letters.is_empty()
    }

    /// One try. Gives what was taken, and keeps what has to be sent again; an error is an answer that nobody is due.
    pub(super) async fn send(&mut self, client: &Client) -> Result<Vec<Letter>> {
        match self.way {
            Way::OneByOne => self.one(client).await,
            Way::Batch => self.batch(client).await,
            Way::Fhir { amended } => self.fhir(client, amended).await,
        }
    }

    async fn one(&mut self, client: &Client) -> Result<Vec<Letter>> {
        let mut taken = Vec::new();
        while let Some(mut letter) = self.letters.pop() {
            letter.is_sent_now()?;
            match client.submit(&letter.subject, &letter.body).await {
                Ok(reply) if reply.status == 202 => {
                    taken.push(letter);
                    continue;
                }
                Ok(reply) if reply.status != 503 => bail!("an app was told {}: {}", reply.status, reply.body),
                // Later, or no answer: nobody knows what became of it.
                Ok(_) | Err(_) => {}
            }
            self.letters.push(letter);
            break;
        }
        Ok(taken)
    }

    async fn batch(&mut self, client: &Client) -> Result<Vec<Letter>> {
        let mut texts = Vec::with_capacity(self.letters.len());
        for letter in &mut self.letters {
            letter.is_sent_now()?;
            texts.push(letter.body.to_string());
        }
        let token = client.minter().backend("app-backend", &[STUDY], &[SITE])?;
        let reply = client.post(BATCH, &token, format!("[{}]", texts.join(",")).into_bytes()).await;
        let told = told(reply.ok(), texts.len())?;
        let mut taken = Vec::new();
        let sent = std::mem::take(&mut self.letters).into_iter().zip(texts);
        for ((letter, text), status) in sent.zip(told) {
            client.note(noted(letter.id, text, status));
            if status == Some(202) { taken.push(letter) } else { self.letters.push(letter) }
        }
        Ok(taken)
    }

    async fn fhir(&mut self, client: &Client, amended: bool) -> Result<Vec<Letter>> {
        let Some(letter) = self.letters.first() else { return Ok(Vec::new()) };
        let token = client.minter().patient(&letter.subject, STUDY, SITE)?;
        let sending = client.post_fhir(CREATE, &token, &[("prefer", "return=minimal")], &letter.body);
        let reply = sending.await.ok();
        let status = match &reply {
            None => None,
            Some(reply) if is_taken(reply) => Some(202),
            Some(reply) if reply.status == 503 => Some(503),
            Some(reply) => bail!("an app was told {} in FHIR's words: {}", reply.status, reply.body),
        };
        client.note(noted(letter.id, letter.body.to_string(), status));
        if status != Some(202) {
            return Ok(Vec::new());
        }
        let taken = std::mem::take(&mut self.letters);
        // What is only accepted may still be quarantined, and its amendment would wait for it in vain.
        if amended && reply.is_some_and(|reply| matches!(reply.status, 200 | 201)) {
            self.way = Way::OneByOne;
            self.letters.extend(taken.iter().map(Letter::amendment));
        }
        Ok(taken)
    }
}

fn is_taken(reply: &Reply) -> bool {
    matches!(reply.status, 200..=202) || (reply.status == 409 && reply.body.contains(SET_ASIDE))
}

/// What each item of a batch was told, in their order; nothing, if there was no answer.
fn told(reply: Option<Reply>, items: usize) -> Result<Vec<Option<u16>>> {
    let Some(reply) = reply else { return Ok(vec![None; items]) };
    if reply.status == 503 {
        return Ok(vec![Some(503); items]);
    }
    ensure!(reply.status == 200, "a batch was told {}: {}", reply.status, reply.body);
    let answer = reply.json()?;
    let status = |item: &Value| item["status"].as_u64().and_then(|status| u16::try_from(status).ok());
    let told: Vec<_> = answer["items"].as_array().into_iter().flatten().map(status).collect();
    let well = told.len() == items && told.iter().all(|status| matches!(status, Some(202 | 503)));
    ensure!(well, "a batch of {items} was told {}", reply.body);
    Ok(told)
}

fn noted(id: Uuid, text: String, status: Option<u16>) -> Sent {
    let bytes = text.into_bytes();
    Sent { id, sha256: sha256(&bytes), bytes: bytes.into(), status }
}

impl Letter {
    /// A patient's own.
    fn native(number: usize) -> Self {
        Self::of(subject(number), number)
    }

    fn of(subject: String, number: usize) -> Self {
        let id = Uuid::now_v7();
        let body = json!({
            "submission_id": id, "study_id": STUDY, "site_id": SITE, "instrument": "nrs-pain|1.0",
            "answered_at": ANSWERED, "answers": {"72514-3": number % 11},
        });
        Self { id, subject, body }
    }

    /// Of a backend, which names the patient.
    fn of_a_backend(number: usize) -> Self {
        let mut letter = Self::native(number);
        letter.body["subject_id"] = json!(letter.subject);
        letter
    }

    fn fhir(number: usize) -> Self {
        let id = Uuid::now_v7();
        let body = json!({
            "resourceType": "QuestionnaireResponse",
            "status": "completed",
            "identifier": {"system": "urn:ietf:rfc:3986", "value": format!("urn:uuid:{id}")},
            "questionnaire": "https://questionnaires.example/Questionnaire/nrs-pain|1.0",
            "authored": ANSWERED,
            "item": [{"linkId": "72514-3", "answer": [{"valueInteger": number % 11}]}],
        });
        Self { id, subject: subject(number), body }
    }

    /// The same patient's correction.
    fn amendment(&self) -> Self {
        let mut letter = Self::of(self.subject.clone(), 0);
        letter.body["amends"] = json!(self.id);
        letter.body["reason"] = json!("a slip of the finger");
        letter
    }

    fn is_sent_now(&mut self) -> Result<()> {
        self.body["sent_at"] = json!(OffsetDateTime::now_utc().format(&Rfc3339)?);
        Ok(())
    }
}

fn subject(number: usize) -> String {
    format!("O-{:03}", number % PATIENTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &str) -> Option<Reply> {
        Some(Reply { status, headers: Vec::new(), body: body.to_owned() })
    }

    #[test]
    fn a_beat_has_so_many_submissions_and_each_an_id_of_its_own() {
        let parcels = of_a_beat(7);
        let letters: Vec<&Letter> = parcels.iter().flat_map(|parcel| &parcel.letters).collect();
        let ids: std::collections::BTreeSet<Uuid> = letters.iter().map(|letter| letter.id).collect();
        assert_eq!((letters.len(), ids.len(), parcels.len()), (A_BEAT, A_BEAT, ONE_BY_ONE + IN_FHIR + 1));
        let amended = |beat| {
            of_a_beat(beat).iter().filter(|parcel| matches!(parcel.way, Way::Fhir { amended: true })).count()
        };
        assert_eq!((amended(AMENDED), amended(AMENDED + 1)), (IN_FHIR, 0));
    }

    #[test]
    fn of_a_batch_each_item_has_its_own_answer_and_none_where_there_was_none() {
        assert_eq!(told(None, 2).unwrap(), [None, None]);
        assert_eq!(told(reply(503, ""), 2).unwrap(), [Some(503), Some(503)]);
        let some = r#"{"items": [{"status": 202}, {"status": 503}]}"#;
        assert_eq!(told(reply(200, some), 2).unwrap(), [Some(202), Some(503)]);
        assert!(told(reply(200, some), 3).is_err(), "an item without an answer");
        assert!(told(reply(200, r#"{"items": [{"status": 422}]}"#), 1).is_err());
        assert!(told(reply(401, ""), 1).is_err());
    }

    #[test]
    fn fhirs_door_has_taken_what_is_stored_accepted_or_set_aside_and_no_conflict() {
        let is = |status, body| reply(status, body).is_some_and(|reply| is_taken(&reply));
        assert!(is(200, "") && is(201, "") && is(202, ""));
        let set_aside = r#"{"issue":[{"details":{"text":"It was taken and then set aside for a person"}}]}"#;
        assert!(is(409, set_aside) && !is(409, "other content") && !is(503, set_aside));
    }
}
