//! A million requests that a real door refuses: how many rows of the audit trail they are, and whether these count each
//! of them once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::task::JoinSet;

use super::ground::Ground;
use crate::raw_http::Connection;
use crate::until;

/// Requests in all.
const MANY: usize = 1_000_000;
const CONNECTIONS: usize = 64;
/// What callers without an account are refused for here, each on every route: more kinds than are told apart.
const CLASSES: [&str; 3] = ["token_missing", "token_malformed", "token_signature"];
/// Every route that authenticates.
const ROUTES: [(&str, &str); 13] = [
    ("POST", "/api/v1/epro/submit"),
    ("POST", "/api/v1/epro/submit/batch"),
    ("POST", "/fhir/R4/QuestionnaireResponse"),
    ("POST", "/fhir/R4"),
    ("GET", "/api/v1/epro/submissions/0198f2b0-5c1e-7d7a-9f0e-6d0f0a4b7c11"),
    ("GET", "/fhir/R4/QuestionnaireResponse/0198f2b0-5c1e-7d7a-9f0e-6d0f0a4b7c11"),
    ("POST", "/api/v1/alerts/0198f2b0-5c1e-7d7a-9f0e-6d0f0a4b7c11/acknowledge"),
    ("POST", "/api/v1/reports"),
    ("GET", "/api/v1/reports/0198f2b0-5c1e-7d7a-9f0e-6d0f0a4b7c11"),
    ("POST", "/api/v1/exports"),
    ("GET", "/api/v1/exports/0198f2b0-5c1e-7d7a-9f0e-6d0f0a4b7c11"),
    ("DELETE", "/api/v1/exports/0198f2b0-5c1e-7d7a-9f0e-6d0f0a4b7c11"),
    ("GET", "/api/v1/exports/0198f2b0-5c1e-7d7a-9f0e-6d0f0a4b7c11/files/x"),
];

/// What the trail tells of refusals: class, rows, count.
const TOLD: &str = "\
SELECT COALESCE(details ->> 'class', ''), count(*), sum((details ->> 'count')::bigint)::bigint \
FROM audit.event WHERE outcome = 'refused' GROUP BY 1";
const COUNTED: &str = "\
SELECT COALESCE(sum((details ->> 'count')::bigint), 0)::bigint FROM audit.event WHERE outcome = 'refused'";

/// By class, in the order of [`CLASSES`].
type Each = [i64; CLASSES.len()];

/// What became of the flood.
#[derive(Clone, Copy, Debug)]
pub struct Refusals {
    /// Rows of the trail that tell of it.
    pub rows: i64,
    /// By how many refusals these tell too many or too few, class by class.
    pub off: i64,
    /// Refusals a second.
    pub pace: f64,
}

/// Sends them to one door, with a worker behind it that writes the rows.
pub async fn measure(ground: &Ground, site: &str) -> Result<Refusals> {
    let forged = ground.stack.minter().forger().patient("B-0000", "ONC-301", site)?;
    let mut worker = ground.stack.worker().await?;
    let mut api = ground.stack.api().await?;
    let began = Instant::now();
    let sent = flood(api.listen(), requests(&forged)).await?;
    let pace = MANY as f64 / began.elapsed().as_secs_f64();
    // What was counted last leaves before the process does.
    api.drain(Duration::from_secs(30)).await?;
    // What never comes makes the figure.
    let _ = until("each refusal in the trail", Duration::from_secs(60), || async {
        Ok((ground.link.count(COUNTED).await? >= MANY as i64).then_some(()))
    })
    .await;
    worker.drain(Duration::from_secs(30)).await?;
    let (rows, told) = told(ground).await?;
    ground.empty(site).await?;
    Ok(Refusals { rows, off: off(&sent, &told), pace })
}

/// Every class on every route.
fn requests(forged: &str) -> Vec<(usize, Vec<u8>)> {
    let tokens = [None, Some("nonsense"), Some(forged)];
    let each = |(class, token): (usize, Option<&str>)| {
        ROUTES.map(|(method, path)| (class, request(method, path, token)))
    };
    tokens.into_iter().enumerate().flat_map(each).collect()
}

fn request(method: &str, path: &str, token: Option<&str>) -> Vec<u8> {
    let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{token}Content-Length: 0\r\n\r\n").into_bytes()
}

/// Sends them by turns over connections that are kept, until all have had their answer.
async fn flood(address: &str, requests: Vec<(usize, Vec<u8>)>) -> Result<Each> {
    let (requests, next) = (Arc::new(requests), Arc::new(AtomicUsize::new(0)));
    let mut tasks = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let mut client = Connection::open(address).await?;
        let (requests, next) = (Arc::clone(&requests), Arc::clone(&next));
        tasks.spawn(async move {
            let mut sent: Each = [0; CLASSES.len()];
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= MANY {
                    return anyhow::Ok(sent);
                }
                let (class, request) = &requests[number % requests.len()];
                let status = client.send(request).await?;
                ensure!(status == 401, "the API answered {status}");
                sent[*class] += 1;
            }
        });
    }
    let mut all: Each = [0; CLASSES.len()];
    while let Some(sent) = tasks.join_next().await {
        for (all, sent) in all.iter_mut().zip(sent??) {
            *all += sent;
        }
    }
    Ok(all)
}

/// Rows, and what they count of each class.
async fn told(ground: &Ground) -> Result<(i64, Vec<(String, i64)>)> {
    let told = ground.link.client.query(TOLD, &[]).await?;
    let rows = told.iter().map(|row| row.get::<_, i64>(1)).sum();
    Ok((rows, told.iter().map(|row| (row.get(0), row.get(2))).collect()))
}

/// By how many what was told differs from what was sent; nothing was sent of any other class.
fn off(sent: &Each, told: &[(String, i64)]) -> i64 {
    let of = |class: &str| told.iter().filter(|(told, _)| told == class).map(|(_, count)| count).sum::<i64>();
    let known: i64 = CLASSES.iter().zip(sent).map(|(class, sent)| (of(class) - sent).abs()).sum();
    let others = told.iter().filter(|(class, _)| !CLASSES.contains(&class.as_str()));
    known + others.map(|(_, count)| count).sum::<i64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_that_is_too_high_does_not_make_up_for_one_that_is_too_low() {
        let told = |counts: [i64; 4]| {
            let classes = CLASSES.iter().copied().chain(["another"]);
            classes.map(str::to_owned).zip(counts).collect::<Vec<_>>()
        };
        assert_eq!(off(&[7, 7, 7], &told([7, 7, 7, 0])), 0);
        assert_eq!(off(&[7, 7, 7], &told([8, 6, 7, 0])), 2);
        assert_eq!(off(&[7, 7, 7], &told([7, 7, 6, 1])), 2);
        assert_eq!(off(&[7, 7, 7], &[]), 21);
    }

    #[test]
    fn each_class_is_sent_to_each_route() {
        let requests = requests("forged");
        assert_eq!(requests.len(), CLASSES.len() * ROUTES.len());
        for (class, request) in &requests {
            let text = std::str::from_utf8(request).unwrap();
            assert_eq!(text.contains("Authorization"), *class > 0, "{text}");
        }
    }
}
