//! Patients' apps over several doors that come and go: each sends its submission again, with the same id, until one
//! answers 202; and notes what it was told.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use anyhow::Result;
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
/// How long an app waits for an answer; a door answers within three seconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// What an app was told, or that it wasn't.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Told {
    /// So much by HTTP.
    Status(u16),
    /// Nobody listens there.
    Refused,
    /// A kept connection was closed before a byte of the answer came: it was idle until just then.
    Closed,
    /// An answer was cut off, can't be read or didn't come in time, or a fresh connection was closed without one.
    Cut,
}

impl Told {
    /// Whether an app may be told so while doors come and go: a 202, or what sending again mends.
    pub fn is_allowed(self) -> bool {
        matches!(self, Self::Status(202 | 503) | Self::Refused | Self::Closed)
    }
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

    /// The same apps with the same log, to send once more after [`Apps::end`].
    #[must_use]
    pub fn again(&self) -> Self {
        Self { stop: Arc::default(), ..self.clone() }
    }

    /// Sends behind whoever called, over so many connections, until [`Apps::end`].
    pub fn keep_sending(&self, connections: usize, rate: f64) -> JoinSet<Result<()>> {
        let (apps, mut sending) = (self.clone(), JoinSet::new());
        sending.spawn(async move { apps.send(usize::MAX, connections, Some(rate)).await });
        sending
    }

    /// Ends what [`Apps::keep_sending`] began; an error if a submission was never taken.
    pub async fn end(&self, mut sending: JoinSet<Result<()>>) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(done) = sending.join_next().await {
            done??;
        }
        Ok(())
    }

    /// Sends so many over so many connections, at `rate` a second if one is given. An error when one was never taken.
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
                Some(503) | None => tokio::time::sleep(AGAIN).await,
                // Taken, or told what sending again doesn't mend: that is counted, and judged in the end.
                Some(_) => return Ok(()),
            }
        }
        anyhow::bail!("a submission was never taken")
    }

    async fn once(&self, letter: &Letter, number: usize, line: &mut Option<Connection>) -> Told {
        let kept = line.take().filter(|kept| !kept.is_closed());
        let was_kept = kept.is_some();
        let mut connection = match kept {
            Some(connection) => connection,
            None => match Connection::open(&self.door(number)).await {
                Ok(connection) => connection,
                Err(error) if is_refused(&error) => return Told::Refused,
                Err(_) => return Told::Cut,
            },
        };
        let answered = tokio::time::timeout(PATIENCE, connection.send(&letter.wire)).await;
        match answered {
            Ok(Ok(status)) => {
                *line = Some(connection);
                Told::Status(status)
            }
            Ok(Err(_)) if was_kept && connection.is_silent() => Told::Closed,
            _ => Told::Cut,
        }
    }

    fn door(&self, number: usize) -> String {
        let doors = self.doors.read().unwrap_or_else(PoisonError::into_inner);
        doors[number % doors.len()].clone()
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

fn is_refused(error: &anyhow::Error) -> bool {
    error.downcast_ref().is_some_and(|error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    const TAKEN: &str = "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n";

    /// What an app is told by a door that gives these answers on one connection, one a request, and closes it then.
    async fn told_by(answers: &'static [&'static str]) -> Vec<Told> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let door = listener.local_addr().unwrap().to_string();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            for answer in answers {
                let _ = stream.read(&mut [0; 4096]).await.unwrap();
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let apps = Apps {
            doors: Arc::new(RwLock::new(vec![door])),
            tokens: Arc::new(vec!["t".into()]),
            log: Arc::default(),
            told: Arc::default(),
            stop: Arc::default(),
        };
        let (mut line, mut told) = (None, Vec::new());
        for number in 0..answers.len() {
            told.push(apps.once(&apps.letter(number).unwrap(), 0, &mut line).await);
        }
        told
    }

    #[tokio::test]
    async fn only_a_kept_connection_may_be_closed_without_an_answer() {
        assert_eq!(told_by(&[TAKEN, ""]).await, [Told::Status(202), Told::Closed]);
        assert_eq!(told_by(&[""]).await, [Told::Cut], "a fresh one may not");
        assert_eq!(told_by(&[TAKEN, "HTTP/1.1 202 Acc"]).await, [Told::Status(202), Told::Cut]);
        assert!(Told::Closed.is_allowed() && !Told::Cut.is_allowed() && !Told::Status(500).is_allowed());
    }

    #[tokio::test]
    async fn a_door_that_nobody_opens_is_refused() {
        let door = crate::service::free_address().unwrap();
        let error = Connection::open(&door).await.unwrap_err();
        assert!(is_refused(&error), "{error:#}");
    }
}
