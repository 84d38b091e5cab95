//! Bodies of half a KiB to 32 KiB: answers in the patient's own words. Worker and API beside limits that work on the
//! very same bytes.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::drain::Drains;
use super::{ROUNDS, Series};
use crate::bench::ground::{Cargo, Ground};
use crate::bench::load::{self, Requests};
use crate::bench::publisher;
use crate::raw_http::post;
use crate::token::Minter;

/// Sizes of a body, in bytes.
const SIZES: [usize; 3] = [512, 2048, 32_768];
/// Submissions of one size, and what all their bodies may have together: what is queued lies in memory here, too.
const MOST: usize = 50_000;
const MOST_BYTES: usize = 160 << 20;
const STUDY: &str = "ONC-301";
/// Nothing follows on from there.
const SITE: &str = "H004";
/// The longest text that the relay takes as an answer, in characters.
const NOTE: usize = 4000;
const NOTES: usize = 9;
/// Connections to the API, and publishes without a confirm.
const OUTSTANDING: usize = 64;

/// A diary with room for 36,000 characters.
pub(super) const INSTRUMENT: &str = "\
id: bench-diary
version: \"1.0\"
title: A day in the patient's own words
licence: For measuring only.
items:
  - { link_id: pain, type: integer, minimum: 0, maximum: 10, required: true }
  - { link_id: note-1, type: text }
  - { link_id: note-2, type: text }
  - { link_id: note-3, type: text }
  - { link_id: note-4, type: text }
  - { link_id: note-5, type: text }
  - { link_id: note-6, type: text }
  - { link_id: note-7, type: text }
  - { link_id: note-8, type: text }
  - { link_id: note-9, type: text }
";

/// Submissions of one size, and what was found with them.
struct Size {
    bytes: usize,
    requests: Requests,
    cargo: Cargo,
    drains: Drains,
    api: Vec<f64>,
    api_rss: Vec<f64>,
    publishing: Vec<f64>,
}

pub(super) async fn measure(ground: &Ground) -> Result<Vec<Series>> {
    let mut sizes = Vec::new();
    for bytes in SIZES {
        sizes.push(Size::prepare(ground, bytes).await.with_context(|| format!("prepare {bytes} bytes"))?);
    }
    for round in 0..ROUNDS {
        for size in &mut sizes {
            eprintln!("growth: round {} of {ROUNDS}, bodies of {} bytes", round + 1, size.bytes);
            size.drains.round(ground, &size.cargo, 1, round).await?;
            for ours in [round.is_multiple_of(2), !round.is_multiple_of(2)] {
                match ours {
                    true => size.taken(ground).await?,
                    false => size.published(ground).await?,
                }
            }
        }
    }
    let mut worker = Series::new("worker: drain, beside the bare loop", "/s", "KiB");
    let mut worker_rss = Series::new("  its peak RSS", "MiB", "KiB");
    let mut api = Series::new("API: 202s, 64 connections, beside bare publishing", "/s", "KiB");
    let mut api_rss = Series::new("  its peak RSS", "MiB", "KiB");
    for size in sizes {
        let at = size.bytes as f64 / 1024.0;
        worker.point(at, size.drains.ours(|drain| drain.pace), size.drains.bare())?;
        worker_rss.point(at, size.drains.ours(|drain| drain.rss), Vec::new())?;
        api.point(at, size.api, size.publishing)?;
        api_rss.point(at, size.api_rss, Vec::new())?;
    }
    Ok(vec![worker, worker_rss, api, api_rss])
}

impl Size {
    async fn prepare(ground: &Ground, bytes: usize) -> Result<Self> {
        let count = MOST.min(MOST_BYTES / bytes);
        eprintln!("growth: preparing {count} submissions of {bytes} bytes");
        let requests = requests(ground.stack.minter(), bytes, count)?;
        let cargo = ground.cargo(SITE, &requests).await?;
        let drains = Drains::default();
        Ok(Self { bytes, requests, cargo, drains, api: vec![], api_rss: vec![], publishing: vec![] })
    }

    async fn taken(&mut self, ground: &Ground) -> Result<()> {
        let api = ground.stack.api().await?;
        let went = load::closed(api.listen(), &self.requests, OUTSTANDING).await?;
        self.api.push(self.requests.len() as f64 / went.took.as_secs_f64());
        self.api_rss.push(api.peak_rss_mib()?);
        drop(api);
        ground.empty(SITE).await
    }

    async fn published(&mut self, ground: &Ground) -> Result<()> {
        let went = publisher::closed(&ground.amqp(), &self.cargo.messages, OUTSTANDING).await?;
        self.publishing.push(self.cargo.messages.len() as f64 / went.took.as_secs_f64());
        ground.empty(SITE).await
    }
}

/// Diaries whose bodies have that size, but for a few bytes, from 500 patients.
fn requests(minter: &Minter, bytes: usize, count: usize) -> Result<Requests> {
    let token = |patient: usize| minter.patient(&format!("B-{patient:04}"), STUDY, SITE);
    let tokens = (0..500).map(token).collect::<Result<Vec<_>>>()?;
    let request = |number: usize| {
        let body = body(bytes, number)?;
        Ok(post("/api/v1/epro/submit", &tokens[number % tokens.len()], body.as_bytes()))
    };
    Ok(Arc::new((0..count).map(request).collect::<Result<_>>()?))
}

fn body(bytes: usize, number: usize) -> Result<String> {
    let now = OffsetDateTime::now_utc().replace_nanosecond(0)?.format(&Rfc3339)?;
    let with = |answers: Map<String, Value>| {
        json!({
            "submission_id": Uuid::now_v7(), "study_id": STUDY, "site_id": SITE,
            "instrument": "bench-diary|1.0", "answered_at": now, "sent_at": now, "answers": answers,
        })
        .to_string()
    };
    let mut answers = Map::from_iter([("pain".to_owned(), json!(number % 11))]);
    let mut left = bytes.saturating_sub(with(answers.clone()).len());
    for note in 1..=NOTES {
        let key = format!("note-{note}");
        // Quotes, colon and comma.
        let Some(room) = left.checked_sub(key.len() + 6).filter(|room| *room > 0) else { break };
        let text = words(number + note, room.min(NOTE));
        left -= key.len() + 6 + text.len();
        answers.insert(key, json!(text));
    }
    let body = with(answers);
    ensure!(body.len().abs_diff(bytes) < 16, "a body of {} bytes, not of {bytes}", body.len());
    Ok(body)
}

/// So many characters of what a patient may write.
fn words(first: usize, length: usize) -> String {
    const SAID: [&str; 5] =
        ["slept badly ", "walked a little ", "ate half of it ", "was tired ", "my back hurt "];
    let mut text = String::with_capacity(length + 16);
    let mut said = SAID.iter().cycle().skip(first % SAID.len());
    while text.len() < length {
        text.push_str(said.next().copied().unwrap_or("."));
    }
    text.truncate(length);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_have_their_sizes_and_no_text_is_longer_than_the_relay_takes() {
        for bytes in SIZES {
            let body: Value = serde_json::from_str(&body(bytes, 7).unwrap()).unwrap();
            let answers = body["answers"].as_object().unwrap();
            assert!(answers.values().filter_map(Value::as_str).all(|text| text.len() <= NOTE));
            assert!(answers.keys().all(|link_id| INSTRUMENT.contains(&format!("link_id: {link_id},"))));
        }
    }
}
