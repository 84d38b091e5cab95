//! Patients' apps over several doors that come and go: each sends its submission again, with the same id, until one
//! answers 202; and notes what it was told.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

use crate::client::{Sent, sha256};
use crate::raw_http::{Connection, post};
use crate::token::Minter;

/// A site without a hospital: nothing follows on.
const SITE: &str = "H004";
const STUDY: &str = "PAIN-7";
/// How long an app waits before it sends again; a real one waits longer.
const AGAIN: Duration = Duration::from_millis(50);
/// Tries of one submission.
const TRIES: usize = 400;

/// What an app was told, or that it wasn't.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Told {
    /// So much by HTTP.
    Status(u16),
    /// Nobody listens there.
    Refused,
    /// The connection ended before an answer came.
    Closed,
}

/// All apps together; clones share everything.
#[derive(Clone)]
pub struct Apps {
    /// `host:port` of each door that is open.
    pub doors: Arc<RwLock<Vec<String>>>,
    tokens: Arc<Vec<String>>,
    log: Arc<Mutex<Vec<Sent>>>,
    told: Arc<Mutex<BTreeMap<Told, usize>>>,
    stop: Arc<AtomicBool>,
}

struct Letter {
    id: Uuid,
    bytes: Arc<[u8]>,
    wire: Vec<u8>,
}

impl Apps {
    /// With the tokens of 500 patients.
    pub fn new(minter: &Minter, door: &str) -> Result<Self> {
        let token = |patient: usize| minter.patient(&format!("B-{patient:04}"), STUDY, SITE);
        Ok(Self {
            doors: Arc::new(RwLock::new(vec![door.to_owned()])),
            tokens: Arc::new((0..500).map(token).collect::<Result<_>>()?),
            log: Arc::default(),
            told: Arc::default(),
            stop: Arc::default(),
        })
    }

    /// Everything that was sent so far.
    pub fn log(&self) -> Vec<Sent> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often what was told.
    pub fn told(&self) -> BTreeMap<Told, usize> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The same apps with the same log, to send once more after [`Apps::stop`].
    #[must_use]
    pub fn again(&self) -> Self {
        Self { stop: Arc::default(), ..self.clone() }
    }

    /// Ends [`Apps::send`] before its count.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Sends so many over so many connections, at `rate` a second if one is given. An error when one was never taken,
    /// or was told something that sending again doesn't mend.
    pub async fn send(&self, count: usize, connections: usize, rate: Option<f64>) -> Result<()> {
        let (next, start) = (Arc::new(AtomicUsize::new(0)), Instant::now());
        let mut tasks = JoinSet::new();
        for number in 0..connections {
            let (apps, next) = (self.clone(), Arc::clone(&next));
            tasks.spawn(async move {
                let mut line = None;
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= count || apps.stop.load(Ordering::Relaxed) {
                        return anyhow::Ok(());
                    }
                    if let Some(rate) = rate {
                        tokio::time::sleep_until(start + Duration::from_secs_f64(at as f64 / rate)).await;
                    }
                    apps.deliver(&apps.letter(at)?, number, &mut line).await?;
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done??;
        }
        Ok(())
    }

    async fn deliver(&self, letter: &Letter, number: usize, line: &mut Option<Connection>) -> Result<()> {
        for attempt in 0..TRIES {
            let told = self.once(letter, number + attempt, line).await;
            let status = if let Told::Status(status) = told { Some(status) } else { None };
            *self.told.lock().unwrap_or_else(PoisonError::into_inner).entry(told).or_default() += 1;
            if told != Told::Refused {
                let Letter { id, bytes, .. } = letter;
                let sent = Sent { id: *id, sha256: sha256(bytes), bytes: Arc::clone(bytes), status };
                self.log.lock().unwrap_or_else(PoisonError::into_inner).push(sent);
            }
            match status {
                Some(202) => return Ok(()),
                Some(503) | None => tokio::time::sleep(AGAIN).await,
                Some(status) => ensure!(status == 503, "a door answered {status}"),
            }
        }
        anyhow::bail!("a submission was never taken")
    }

    async fn once(&self, letter: &Letter, number: usize, line: &mut Option<Connection>) -> Told {
        let mut connection = match line.take().filter(|kept| !kept.is_closed()) {
            Some(connection) => connection,
            None => {
                let door = {
                    let doors = self.doors.read().unwrap_or_else(PoisonError::into_inner);
                    doors[number % doors.len()].clone()
                };
                match Connection::open(&door).await {
                    Ok(connection) => connection,
                    Err(_) => return Told::Refused,
                }
            }
        };
        match connection.send(&letter.wire).await {
            Ok(status) => {
                *line = Some(connection);
                Told::Status(status)
            }
            Err(_) => Told::Closed,
        }
    }

    fn letter(&self, number: usize) -> Result<Letter> {
        let (id, now) = (Uuid::now_v7(), OffsetDateTime::now_utc().replace_nanosecond(0)?.format(&Rfc3339)?);
        // Item 9 stays 0: an alert is another way through the queues.
        let answer = |item: usize| (number + item) % 4;
        let body = json!({
            "submission_id": id, "study_id": STUDY, "site_id": SITE,
            "instrument": "phq-9|1.0", "answered_at": now, "sent_at": now,
            "answers": {
                "44250-9": answer(0), "44255-8": answer(1), "44259-0": answer(2), "44254-1": answer(3),
                "44251-7": answer(4), "44258-2": answer(5), "44252-5": answer(6), "44253-3": answer(7),
                "44260-8": 0,
            },
        });
        let bytes: Arc<[u8]> = body.to_string().into_bytes().into();
        let wire = post("/api/v1/epro/submit", &self.tokens[number % self.tokens.len()], &bytes);
        Ok(Letter { id, bytes, wire })
    }
}
