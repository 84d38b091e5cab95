//! Patients who send as an app does: again, under the same id and with a new `sent_at`, until they are told 202.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::watch;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::dice::Dice;
use crate::client::{Client, phq9};

/// How many send at the same time.
const PATIENTS: usize = 6;
/// How long an app waits before it sends the same again, and a patient before the next answers.
const PAUSE: Duration = Duration::from_millis(200);
/// How long an app waits for an answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(4);
/// Within this a patient must have been told 202 once nothing is struck any more.
pub(super) const BOUND: Duration = Duration::from_secs(120);
pub(super) const STUDY: &str = "ONC-301";
/// The first has a FHIR service, the second an interface engine, the last nothing.
const SITES: [&str; 3] = ["H001", "H002", "H004"];

/// Patients at work.
pub(super) struct Patients {
    sending: JoinSet<Result<Vec<Accepted>>>,
    going: watch::Sender<bool>,
}

/// What a patient was told 202 for.
pub(super) struct Accepted {
    pub(super) id: Uuid,
    pub(super) subject: String,
    pub(super) site: &'static str,
    pub(super) dangerous: bool,
}

impl Patients {
    /// Sends to whichever of the doors chance says.
    pub(super) fn begin(client: &Client, doors: &[String; 2], seed: u64) -> Result<Self> {
        let client = client.giving_up_after(PATIENCE)?;
        let going = watch::Sender::new(true);
        let mut sending = JoinSet::new();
        for number in 0..PATIENTS {
            let patient = Patient {
                subject: format!("F-{number}"),
                client: client.clone(),
                doors: doors.clone(),
                going: going.subscribe(),
                dice: Dice::new(seed.wrapping_add(number as u64 + 1)),
            };
            sending.spawn(patient.sends(number));
        }
        Ok(Self { sending, going })
    }

    /// Each goes on until what it is sending is accepted.
    pub(super) async fn end(mut self) -> Result<Vec<Accepted>> {
        self.going.send_replace(false);
        let mut accepted = Vec::new();
        while let Some(patient) = self.sending.join_next().await {
            accepted.append(&mut patient??);
        }
        Ok(accepted)
    }
}

struct Patient {
    subject: String,
    client: Client,
    doors: [String; 2],
    going: watch::Receiver<bool>,
    dice: Dice,
}

impl Patient {
    async fn sends(mut self, first: usize) -> Result<Vec<Accepted>> {
        let (mut accepted, mut count) = (Vec::new(), first);
        while *self.going.borrow() {
            let site = SITES[count % SITES.len()];
            let dangerous = count.is_multiple_of(4);
            let mut submission = phq9(STUDY, site);
            submission["answers"]["44260-8"] = json!(u8::from(dangerous));
            let id = submission["submission_id"].as_str().and_then(|id| id.parse().ok()).context("an id")?;
            self.until_accepted(submission).await?;
            accepted.push(Accepted { id, subject: self.subject.clone(), site, dangerous });
            tokio::time::sleep(PAUSE).await;
            count += 1;
        }
        Ok(accepted)
    }

    async fn until_accepted(&mut self, mut submission: Value) -> Result<()> {
        let going = self.going.clone();
        let trying = async {
            loop {
                submission["sent_at"] = json!(OffsetDateTime::now_utc().format(&Rfc3339)?);
                let door = &self.doors[self.dice.below(self.doors.len())];
                match self.client.at(door).submit(&self.subject, &submission).await {
                    Ok(reply) if reply.status == 202 => return Ok(()),
                    Ok(reply) if reply.status == 503 => {}
                    Ok(reply) => bail!("a patient was told {}: {}", reply.status, reply.body),
                    // No answer: nobody knows what became of it.
                    Err(_) => {}
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        tokio::select! {
            told = trying => told,
            () = too_late(going) => bail!("a patient was never told 202, {BOUND:?} after the last fault"),
        }
    }
}

/// Ends when faults are no excuse any more: the run has been over for that long.
pub(super) async fn too_late(mut going: watch::Receiver<bool>) {
    let _ = going.wait_for(|going| !going).await;
    tokio::time::sleep(BOUND).await;
}
