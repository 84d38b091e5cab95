//! Patients' apps at a steady rate. Of what was taken a hash is kept, and nothing else.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use uuid::Uuid;

use crate::conservation::Kept;
use crate::raw_http::{Connection, post};
use crate::token::Minter;

/// Nothing follows on from there.
const SITE: &str = "H004";
const STUDY: &str = "PAIN-7";
const PATIENTS: usize = 500;
const CONNECTIONS: usize = 128;
/// How often an app sends the same, and how long it waits before.
const TRIES: usize = 100;
const AGAIN: Duration = Duration::from_millis(50);
/// How long an app waits for an answer; a door answers within three seconds.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a token is good, in seconds: longer than any soak.
const GOOD: i64 = 7 * 24 * 3600;

/// What a submission is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Body {
    /// One answer on pain: an hour of it takes some 30 GB of disk
    Small,
    /// The nine answers that `./dev bench` measures with: some 50 GB
    Usual,
}

impl Body {
    /// What it is called where it is recorded.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Small => "one answer on pain",
            Self::Usual => "PHQ-9",
        }
    }

    /// Bytes on the disk that one takes in all tables and indexes; a little more than was ever seen.
    pub(super) fn stored(self) -> f64 {
        match self {
            Self::Small => 2000.0,
            Self::Usual => 3200.0,
        }
    }

    fn answers(self, number: usize) -> (&'static str, Value) {
        // Item 9 stays 0: an alert is another way through the queues.
        let answer = |item: usize| (number + item) % 4;
        match self {
            Self::Small => ("nrs-pain|1.0", json!({"72514-3": number % 11})),
            Self::Usual => (
                "phq-9|1.0",
                json!({
                    "44250-9": answer(0), "44255-8": answer(1), "44259-0": answer(2), "44254-1": answer(3),
                    "44251-7": answer(4), "44258-2": answer(5), "44252-5": answer(6), "44253-3": answer(7),
                    "44260-8": 0,
                }),
            ),
        }
    }
}

/// All apps together; clones share everything.
#[derive(Clone)]
pub(super) struct Apps(Arc<Shared>);

struct Shared {
    door: String,
    tokens: Vec<String>,
    body: Body,
    total: usize,
    next: AtomicUsize,
    again: AtomicUsize,
    kept: Mutex<Vec<Kept>>,
    latencies: Mutex<Vec<Duration>>,
}

impl Apps {
    pub(super) fn new(minter: &Minter, door: &str, body: Body, total: usize) -> Result<Self> {
        let good = OffsetDateTime::now_utc().unix_timestamp() + GOOD;
        let token = |patient: usize| {
            let subject = format!("S-{patient:04}");
            let claims =
                json!({"sub": subject, "scope": "submit", "study": STUDY, "site": SITE, "exp": good});
            minter.token(&claims)
        };
        Ok(Self(Arc::new(Shared {
            door: door.to_owned(),
            tokens: (0..PATIENTS).map(token).collect::<Result<_>>()?,
            body,
            total,
            next: AtomicUsize::new(0),
            again: AtomicUsize::new(0),
            // All of it at once: one that grows is there twice while it does.
            kept: Mutex::new(Vec::with_capacity(total)),
            latencies: Mutex::default(),
        })))
    }

    /// Sends all of them, each when its turn is; an error if one was never taken.
    pub(super) async fn send(&self, rate: f64) -> Result<()> {
        let (start, mut tasks) = (Instant::now(), JoinSet::new());
        for _ in 0..CONNECTIONS {
            let apps = self.clone();
            tasks.spawn(async move { apps.one_after_another(start, rate).await });
        }
        while let Some(done) = tasks.join_next().await {
            done??;
        }
        Ok(())
    }

    async fn one_after_another(&self, start: Instant, rate: f64) -> Result<()> {
        let (shared, mut line) = (&*self.0, None);
        loop {
            let number = shared.next.fetch_add(1, Ordering::Relaxed);
            if number >= shared.total {
                return Ok(());
            }
            let due = start + Duration::from_secs_f64(number as f64 / rate);
            sleep_until(due).await;
            let (id, bytes) = self.submission(number)?;
            let token = &shared.tokens[number % shared.tokens.len()];
            self.until_taken(&post("/api/v1/epro/submit", token, &bytes), &mut line).await?;
            shared.latencies.lock().unwrap_or_else(PoisonError::into_inner).push(due.elapsed());
            shared.kept.lock().unwrap_or_else(PoisonError::into_inner).push(Kept::of(id, &bytes));
        }
    }

    fn submission(&self, number: usize) -> Result<(Uuid, Vec<u8>)> {
        let (id, now) = (Uuid::now_v7(), OffsetDateTime::now_utc().replace_nanosecond(0)?.format(&Rfc3339)?);
        let (instrument, answers) = self.0.body.answers(number);
        let body = json!({
            "submission_id": id, "study_id": STUDY, "site_id": SITE, "instrument": instrument,
            "answered_at": now, "sent_at": now, "answers": answers,
        });
        Ok((id, body.to_string().into_bytes()))
    }

    async fn until_taken(&self, wire: &[u8], line: &mut Option<Connection>) -> Result<()> {
        for _ in 0..TRIES {
            match self.once(wire, line).await {
                Ok(202) => return Ok(()),
                Ok(503) | Err(_) => {}
                Ok(status) => bail!("a submission was told {status}"),
            }
            self.0.again.fetch_add(1, Ordering::Relaxed);
            sleep(AGAIN).await;
        }
        bail!("a submission was never taken")
    }

    async fn once(&self, wire: &[u8], line: &mut Option<Connection>) -> Result<u16> {
        let mut connection = match line.take().filter(|kept| !kept.is_closed()) {
            Some(kept) => kept,
            None => Connection::open(&self.0.door).await?,
        };
        let status = tokio::time::timeout(PATIENCE, connection.send(wire)).await??;
        *line = Some(connection);
        Ok(status)
    }

    /// How many were taken so far.
    pub(super) fn taken(&self) -> usize {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// How often one had to be sent again.
    pub(super) fn again(&self) -> usize {
        self.0.again.load(Ordering::Relaxed)
    }

    /// From each one's turn to its 202, of those since the last time that this was asked.
    pub(super) fn latencies(&self) -> Vec<Duration> {
        std::mem::take(&mut *self.0.latencies.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Everything that was taken; afterwards nothing is kept any more.
    pub(super) fn kept(self) -> Vec<Kept> {
        std::mem::take(&mut *self.0.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
