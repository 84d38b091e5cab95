//! Patients' apps at a steady rate. Of what was taken a hash is kept, and what has to follow on from it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use uuid::Uuid;

use super::mix::{HOSPITAL, Mix, SITES};
use crate::bench::ground::Ground;
use crate::conservation::Kept;
use crate::followed::Expected;
use crate::raw_http::{Connection, post};
use crate::sealed::{Keys, delivery_id};
use crate::token::Minter;

const STUDY: &str = "PAIN-7";
const PATIENTS: usize = 500;
const OF_THE_HOSPITAL: usize = 50;
const CONNECTIONS: usize = 128;
/// How often an app sends the same, and how long it waits before.
const TRIES: usize = 100;
const AGAIN: Duration = Duration::from_millis(50);
/// How long an app waits for an answer; a door answers within three seconds.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a token is good, in seconds: longer than any soak.
const GOOD: i64 = 7 * 24 * 3600;

/// All apps together; clones share everything.
#[derive(Clone)]
pub(super) struct Apps(Arc<Shared>);

struct Shared {
    door: String,
    keys: Keys,
    patients: Vec<Patient>,
    of_the_hospital: Vec<Patient>,
    mix: Mix,
    total: usize,
    next: AtomicUsize,
    again: AtomicUsize,
    kept: Mutex<Vec<Kept>>,
    expected: Mutex<Expected>,
    latencies: Mutex<Vec<Duration>>,
}

struct Patient {
    subject: String,
    token: String,
}

impl Patient {
    fn new(minter: &Minter, subject: String, site: &str) -> Result<Self> {
        let good = OffsetDateTime::now_utc().unix_timestamp() + GOOD;
        let claims = json!({"sub": subject, "scope": "submit", "study": STUDY, "site": site, "exp": good});
        Ok(Self { token: minter.token(&claims)?, subject })
    }
}

impl Apps {
    pub(super) fn new(ground: &Ground, door: &str, mix: Mix, total: usize) -> Result<Self> {
        let minter = ground.stack.minter();
        let patient = |number: usize| Patient::new(minter, format!("S-{number:04}"), SITES[0]);
        let of_the_hospital = |number: usize| Patient::new(minter, format!("H-{number:04}"), HOSPITAL);
        Ok(Self(Arc::new(Shared {
            door: door.to_owned(),
            keys: ground.keys()?,
            patients: (0..PATIENTS).map(patient).collect::<Result<_>>()?,
            of_the_hospital: (0..OF_THE_HOSPITAL).map(of_the_hospital).collect::<Result<_>>()?,
            mix,
            total,
            next: AtomicUsize::new(0),
            again: AtomicUsize::new(0),
            // All of it at once: one that grows is there twice while it does.
            kept: Mutex::new(Vec::with_capacity(total)),
            expected: Mutex::default(),
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
            let patient = shared.patient(number);
            self.until_taken(&post("/api/v1/epro/submit", &patient.token, &bytes), &mut line).await?;
            shared.note_what_follows(number, patient, id);
            shared.latencies.lock().unwrap_or_else(PoisonError::into_inner).push(due.elapsed());
            shared.kept.lock().unwrap_or_else(PoisonError::into_inner).push(Kept::of(id, &bytes));
        }
    }

    fn submission(&self, number: usize) -> Result<(Uuid, Vec<u8>)> {
        let (id, now) = (Uuid::now_v7(), OffsetDateTime::now_utc().replace_nanosecond(0)?.format(&Rfc3339)?);
        let (mix, site) = (self.0.mix, self.0.mix.site(number));
        let (instrument, answers) = mix.answers(number);
        let body = json!({
            "submission_id": id, "study_id": STUDY, "site_id": site, "instrument": instrument,
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

    /// What has to follow on from what was taken so far.
    pub(super) fn expected(&self) -> Expected {
        self.0.expected.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Everything that was taken; afterwards nothing is kept any more.
    pub(super) fn kept(self) -> Vec<Kept> {
        std::mem::take(&mut *self.0.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Shared {
    fn patient(&self, number: usize) -> &Patient {
        match self.mix.to_hospital(number) {
            Some(place) => &self.of_the_hospital[place % self.of_the_hospital.len()],
            None => &self.patients[number % self.patients.len()],
        }
    }

    fn note_what_follows(&self, number: usize, patient: &Patient, id: Uuid) {
        let (goes_on, dangerous) = (self.mix.to_hospital(number).is_some(), self.mix.is_dangerous(number));
        if !goes_on && !dangerous {
            return;
        }
        let mut expected = self.expected.lock().unwrap_or_else(PoisonError::into_inner);
        if goes_on {
            let pseudonym = self.keys.pseudonym(STUDY, &patient.subject);
            expected.deliveries.insert(delivery_id(STUDY, pseudonym, id));
        }
        if dangerous {
            expected.dangerous.insert(id);
        }
    }
}
