//! Load on the API: a fixed number of connections, or a fixed rate.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

use crate::raw_http::{Connection, post};
use crate::token::Minter;

/// Requests made beforehand.
pub type Requests = Arc<Vec<Vec<u8>>>;

/// How a load went.
#[derive(Clone, Debug)]
pub struct Went {
    /// When the first request was sent, or its turn was.
    pub start: Instant,
    /// From the first request to the last answer.
    pub took: Duration,
    /// Of each answer, from when it should have been sent (fixed rate) or was sent.
    pub latencies: Vec<Duration>,
}

/// `count` PHQ-9 submissions with fresh ids, from 500 patients of one site, a token each.
pub fn requests(minter: &Minter, study: &str, site: &str, count: usize) -> Result<Requests> {
    let tokens = (0..500)
        .map(|patient| minter.patient(&format!("B-{patient:04}"), study, site))
        .collect::<Result<Vec<_>>>()?;
    let now = OffsetDateTime::now_utc().replace_nanosecond(0)?.format(&Rfc3339)?;
    let request = |number: usize| {
        // Item 9 stays 0: an alert is another way through the queues.
        let answer = |item: usize| (number + item) % 4;
        let body = json!({
            "submission_id": Uuid::now_v7(), "study_id": study, "site_id": site,
            "instrument": "phq-9|1.0", "answered_at": now, "sent_at": now,
            "answers": {
                "44250-9": answer(0), "44255-8": answer(1), "44259-0": answer(2), "44254-1": answer(3),
                "44251-7": answer(4), "44258-2": answer(5), "44252-5": answer(6), "44253-3": answer(7),
                "44260-8": 0,
            },
        });
        post("/api/v1/epro/submit", &tokens[number % tokens.len()], body.to_string().as_bytes())
    };
    Ok(Arc::new((0..count).map(request).collect()))
}

/// The id of the submission in a request.
pub fn id(request: &[u8]) -> Result<Uuid> {
    let head = request.windows(4).position(|four| four == b"\r\n\r\n").context("a request without a body")?;
    let body: Value = serde_json::from_slice(&request[head + 4..])?;
    Ok(body["submission_id"].as_str().context("a submission without an id")?.parse()?)
}

/// Sends all requests over so many connections, each sending the next one when it has its answer.
/// An error if any answer isn't 202.
pub async fn closed(address: &str, requests: &Requests, connections: usize) -> Result<Went> {
    let mut clients = Vec::new();
    for _ in 0..connections {
        clients.push(Connection::open(address).await?);
    }
    over(clients, requests).await
}

/// The same over connections that are open already.
pub async fn over(clients: Vec<Connection>, requests: &Requests) -> Result<Went> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    let start = Instant::now();
    for mut client in clients {
        let (requests, next) = (Arc::clone(requests), Arc::clone(&next));
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                let sent = Instant::now();
                let status = client.send(request).await?;
                ensure!(status == 202, "the API answered {status}");
                latencies.push(sent.elapsed());
            }
            Ok(latencies)
        });
    }
    gather(tasks, start).await
}

/// Sends requests at a fixed rate a second; a latency counts from when its turn was. Those of the first second, in which
/// everybody opens connections and prepares statements, are no latencies.
pub async fn open(address: &str, requests: &Requests, rate: f64) -> Result<Went> {
    let (turn, turns) = mpsc::channel::<(usize, Instant)>(requests.len());
    let turns = Arc::new(Mutex::new(turns));
    let mut tasks = JoinSet::new();
    for _ in 0..128 {
        let mut client = Connection::open(address).await?;
        let (requests, turns) = (Arc::clone(requests), Arc::clone(&turns));
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            loop {
                let Some((at, due)) = turns.lock().await.recv().await else { return Ok(latencies) };
                let status = client.send(&requests[at]).await?;
                ensure!(status == 202, "the API answered {status}");
                if at >= rate as usize {
                    latencies.push(due.elapsed());
                }
            }
        });
    }
    let start = Instant::now();
    for at in 0..requests.len() {
        let due = start + Duration::from_secs_f64(at as f64 / rate);
        tokio::time::sleep_until(due).await;
        turn.send((at, due)).await.context("nobody takes turns any more")?;
    }
    drop(turn);
    gather(tasks, start).await
}

async fn gather(mut tasks: JoinSet<Result<Vec<Duration>>>, start: Instant) -> Result<Went> {
    let mut latencies = Vec::new();
    while let Some(done) = tasks.join_next().await {
        latencies.extend(done??);
    }
    Ok(Went { start, took: start.elapsed(), latencies })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_the_id_of_its_submission() {
        let request = post("/x", "a token", br#"{"submission_id": "0198f2b0-5c1e-7d7a-9f0e-6d0f0a4b7c11"}"#);
        assert_eq!(id(&request).unwrap().to_string(), "0198f2b0-5c1e-7d7a-9f0e-6d0f0a4b7c11");
        assert!(id(b"GET / HTTP/1.1\r\n\r\n").is_err());
    }
}
