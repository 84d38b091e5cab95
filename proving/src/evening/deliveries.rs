//! The way of each delivery to its hospital, by the hospital's own log.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::line::Score;
use super::look::Looker;
use super::send::Gone;
use crate::foreign::manner::Manner;
use crate::until;

/// A delivery and when it was where.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// The line that is delivered.
    pub line: String,
    /// The site whose hospital it went to.
    pub site: String,
    /// `FHIR`, `HL7 v2`; empty while nothing is there.
    pub protocol: &'static str,
    /// How the relay says that it stands.
    pub state: String,
    /// How often the hospital was called about it, as the relay counts.
    pub calls: i64,
    /// When the call that brought it came to the hospital, in milliseconds after the 202 (or 201); `None`: never.
    pub there_ms: Option<f64>,
    /// What the hospital did about that call.
    pub did: String,
    /// What is wrong with it, if anything is.
    pub surprise: Option<String>,
}

/// What a hospital has and what it saw.
struct Ledger {
    stored: Vec<Value>,
    calls: Vec<Value>,
}

/// The hospitals of an evening, by their control doors.
pub(super) struct Hospitals {
    doors: Vec<String>,
    http: reqwest::Client,
}

impl Hospitals {
    pub(super) fn new(doors: &[String]) -> Result<Self> {
        Ok(Self { doors: doors.to_vec(), http: crate::http::client(Duration::from_secs(10))? })
    }

    /// Waits until a hospital has seen so many calls, then lets it be well.
    pub(super) async fn recover(&self, door: &str, calls: usize, patience: Duration) -> Result<()> {
        until("calls of a hospital that fails", patience, || async {
            let seen = self.get(door, "calls").await?;
            Ok((seen.len() >= calls).then_some(()))
        })
        .await?;
        let well = self.http.put(format!("{door}/manner")).json(&Manner::default()).send().await?;
        well.error_for_status().context("a hospital that doesn't get well")?;
        Ok(())
    }

    /// The deliveries of the evening, each once it has come to its end or `patience` is over.
    pub(super) async fn delivered(
        &self,
        sent: &[Gone],
        looker: &Looker,
        patience: Duration,
    ) -> Result<Vec<(usize, Delivered)>> {
        let mut all = Vec::new();
        for (n, gone) in sent.iter().enumerate() {
            // Of lines with the same bytes or the same id the first stands for the row.
            if looker.row(gone).await?.is_none_or(|row| row.delivery.is_none()) {
                continue;
            }
            let _ = until("a delivery's end", patience, || async {
                let state = looker.row(gone).await?.and_then(|row| row.delivery);
                Ok(state.filter(|state| matches!(state.as_str(), "done" | "superseded" | "set_aside")))
            })
            .await;
            all.push((n, self.one(gone, sent, looker).await?));
        }
        Ok(all)
    }

    async fn one(&self, gone: &Gone, sent: &[Gone], looker: &Looker) -> Result<Delivered> {
        let line = &gone.line;
        let (state, calls) = looker.delivery(gone).await?;
        let root = root(gone, sent);
        let id = looker.delivery_id(&line.study, &line.subject, root);
        let accepted = gone.copies.iter().filter(|copy| copy.taken());
        let answered = accepted.map(|copy| copy.answered).min_by(f64::total_cmp).unwrap_or_default();
        let mut delivered = Delivered {
            line: line.name.clone(),
            site: line.site.clone(),
            protocol: "",
            state,
            calls,
            there_ms: None,
            did: String::new(),
            surprise: None,
        };
        if delivered.state == "superseded" {
            return Ok(delivered);
        }
        let version = usize::from(line.amends.is_some());
        let mut found = 0;
        for door in &self.doors {
            let ledger =
                Ledger { stored: self.get(door, "stored").await?, calls: self.get(door, "calls").await? };
            let Some((protocol, call, totals)) = ledger.find(id, version) else { continue };
            found += 1;
            let at = OffsetDateTime::parse(call["at"].as_str().unwrap_or_default(), &Rfc3339)?;
            let at = at.unix_timestamp_nanos() as f64 / 1e9;
            delivered.protocol = protocol;
            delivered.there_ms = Some((at - answered) * 1000.0);
            call["did"].as_str().unwrap_or_default().clone_into(&mut delivered.did);
            delivered.surprise = wrong_totals(expected(gone), &totals);
        }
        if delivered.state != "done" {
            delivered.surprise = Some(format!("its delivery is {}", delivered.state));
        } else if found != 1 {
            delivered.surprise = Some(format!("{found} hospitals have it"));
        }
        Ok(delivered)
    }

    async fn get(&self, door: &str, what: &str) -> Result<Vec<Value>> {
        Ok(self.http.get(format!("{door}/{what}")).send().await?.error_for_status()?.json().await?)
    }
}

/// The submission that a line amends, or that the amended one amends, and so on.
fn root(gone: &Gone, sent: &[Gone]) -> Uuid {
    let mut at = gone;
    while let Some(base) = &at.line.amends {
        match sent.iter().find(|one| one.line.name == *base) {
            Some(base) => at = base,
            None => break,
        }
    }
    at.id
}

fn expected(gone: &Gone) -> &[Score] {
    let expect = &gone.line.expect;
    let stored = expect.stored.as_ref().map(|stored| stored.scores.as_slice());
    stored.or(expect.one_of_two.as_ref().map(|race| race.scores.as_slice())).unwrap_or_default()
}

/// The scores that the hospital has, by code, against those written by hand.
fn wrong_totals(expected: &[Score], totals: &[(String, Option<f64>)]) -> Option<String> {
    let wrong = expected.iter().filter(|score| !totals.contains(&(score.code.clone(), score.value)));
    let wrong: Vec<&str> = wrong.map(|score| score.code.as_str()).collect();
    (!wrong.is_empty()).then(|| format!("the hospital has another value of {}", wrong.join(", ")))
}

type Found<'l> = (&'static str, &'l Value, Vec<(String, Option<f64>)>);

impl Ledger {
    /// The call that brought a version of what has that id, and the scores that came with it.
    fn find(&self, id: Uuid, version: usize) -> Option<Found<'_>> {
        let urn = format!("urn:uuid:{id}");
        let has = |kind: &str, identifier: &str| {
            self.stored.iter().find(|one| one["kind"] == kind && one["identifier"] == identifier)
        };
        let nth = |record: &'_ Value| {
            let versions = record["versions"].as_array().map_or(0, Vec::len);
            version.min(versions.saturating_sub(1))
        };
        let wrote = |call: &&Value| {
            matches!(call["did"].as_str(), Some("created" | "updated" | "corrected" | "replaced"))
        };
        if let Some(record) = has("QuestionnaireResponse", &urn) {
            let of_it = self.calls.iter().filter(|call| call["names"] == urn.as_str()).filter(wrote);
            let call = of_it.take(nth(record) + 1).last()?;
            return Some(("FHIR", call, self.observations(&urn, version)));
        }
        let record = has("ORU", &id.simple().to_string())?;
        let message = &record["versions"][nth(record)];
        let call = self.calls.iter().filter(wrote).find(|call| call["names"] == message["control_id"])?;
        Some(("HL7 v2", call, results(message)))
    }

    fn observations(&self, urn: &str, version: usize) -> Vec<(String, Option<f64>)> {
        let of_it = self.stored.iter().filter_map(|one| {
            let versions = one["versions"].as_array()?;
            let resource = versions.get(version.min(versions.len().saturating_sub(1)))?;
            (resource["derivedFrom"][0]["reference"] == urn).then_some(resource)
        });
        of_it
            .map(|resource| {
                let code = resource["code"]["coding"][0]["code"].as_str().unwrap_or_default().to_owned();
                (code, resource["valueQuantity"]["value"].as_f64())
            })
            .collect()
    }
}

/// Numeric results of a message by code; one without a value has none.
fn results(message: &Value) -> Vec<(String, Option<f64>)> {
    let segments = message["segments"].as_array().map_or(&[][..], Vec::as_slice);
    let results = segments.iter().filter(|segment| segment[0] == "OBX").map(|obx| {
        let code = obx[3].as_str().unwrap_or_default().split('^').next().unwrap_or_default();
        (code.to_owned(), obx[5].as_str().and_then(|value| value.parse().ok()))
    });
    results.collect()
}
