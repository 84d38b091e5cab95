//! One study's model: asked within its timeout, by so many at once, and not while its breaker is open.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use epro_process::config::{Problem, RiskConfig};
use epro_store::risk::RiskScore;
use reqwest::StatusCode;
use reqwest::header::ACCEPT;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::answer;
use crate::breaker::{Breaker, State};
use crate::certificate;
use crate::http::{self, body};

/// The longest answer that is read.
const LONGEST: usize = 64 * 1024;

/// A model service.
pub(crate) struct Model {
    study: String,
    config: RiskConfig,
    client: reqwest::Client,
    slots: Semaphore,
    breaker: Mutex<Breaker>,
}

/// Why there is no score.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The breaker is open.
    NotAsked,
    /// No answer, or one that says nothing of the question: the model's matter, whatever it was asked.
    Away { note: String },
    /// An answer that can't be used, by the rule that it breaks.
    Unusable { rule: String },
}

impl Trouble {
    /// As it is stored and counted.
    pub(super) fn outcome(&self) -> &'static str {
        match self {
            Self::NotAsked => "not_asked",
            Self::Away { .. } => "away",
            Self::Unusable { .. } => "unusable",
        }
    }
}

impl Model {
    /// Reads its certificates, connects to nothing. `sleep` is the breaker's, scaled.
    ///
    /// # Errors
    /// Everything that is wrong with the files that its configuration names.
    pub(super) fn new(study: &str, config: &RiskConfig, sleep: Duration) -> Result<Self, Vec<Problem>> {
        let problems = config.unusable(study);
        if !problems.is_empty() {
            return Err(problems);
        }
        let client = http::client(&config.tls, &format!("studies.{study}.risk.tls"))?;
        let mut breaker = config.breaker;
        breaker.sleep = sleep;
        Ok(Self {
            study: study.to_owned(),
            config: config.clone(),
            client,
            slots: Semaphore::new(usize::from(config.concurrency)),
            breaker: Mutex::new(Breaker::new(breaker)),
        })
    }

    /// Answers that can't be used, after which a question is set aside.
    pub(super) fn attempts(&self) -> u32 {
        self.config.attempts
    }

    /// Whether somebody must know of that score.
    pub(super) fn alerts(&self, scored: &RiskScore) -> bool {
        self.config.alert_at.is_some_and(|least| scored.score >= least)
    }

    /// Asks it. A repeat of a question asks the same once more.
    ///
    /// # Errors
    /// [`Trouble`] whenever there is no score.
    pub(super) async fn ask(&self, question: &Value) -> Result<RiskScore, Trouble> {
        // Never closed.
        let _slot = self.slots.acquire().await;
        let mut going = self.begin()?;
        let late =
            |_| Trouble::Away { note: format!("no answer within {} ms", self.config.timeout.as_millis()) };
        let since = Instant::now();
        let answer = tokio::time::timeout(self.config.timeout, self.post(question)).await;
        let answer = answer.map_err(late).and_then(|answer| answer);
        going.ended(&answer);
        let (study, outcome) =
            (self.study.clone(), answer.as_ref().map_or_else(Trouble::outcome, |_| "scored"));
        metrics::counter!("epro_risk_calls_total", "study" => study.clone(), "outcome" => outcome)
            .increment(1);
        metrics::histogram!("epro_risk_call_seconds", "study" => study).record(since.elapsed());
        answer
    }

    fn begin(&self) -> Result<Going<'_>, Trouble> {
        let mut breaker = self.breaker();
        let probe = breaker.passes(Instant::now()).map_err(|_| Trouble::NotAsked)?;
        if probe {
            breaker.probe();
        }
        Ok(Going { model: self, probe, over: false })
    }

    async fn post(&self, question: &Value) -> Result<RiskScore, Trouble> {
        let away = |note: String| Trouble::Away { note };
        let mut request =
            self.client.post(self.config.url.clone()).json(question).header(ACCEPT, "application/json");
        if let Some(token) = &self.config.token {
            let token = token.read().map_err(|error| away(format!("the token's file {error}")))?;
            request = request.bearer_auth(token.expose_secret());
        }
        let answer = request.send().await.map_err(|error| away(no_answer(&error).to_owned()))?;
        match answer.status() {
            StatusCode::OK => {}
            status @ (StatusCode::BAD_REQUEST
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::UNSUPPORTED_MEDIA_TYPE
            | StatusCode::UNPROCESSABLE_ENTITY) => {
                return Err(Trouble::Unusable {
                    rule: format!("the model answers {}", http::status_line(status)),
                });
            }
            status => return Err(away(http::status_line(status))),
        }
        let unusable = |rule: &str| Trouble::Unusable { rule: rule.to_owned() };
        let read = body::read(answer, LONGEST).await.map_err(|unread| match unread {
            body::Unread::TooLong => unusable("the answer is longer than 64 KiB"),
            body::Unread::Broken => away("the answer broke off".to_owned()),
        })?;
        answer::read(&read).map_err(unusable)
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One line when it begins, one when it is over.
    fn say(&self, before: State, now: State, trouble: Option<&Trouble>) {
        let open = |state: State| state != State::Closed;
        metrics::gauge!("epro_risk_model_open", "study" => self.study.clone()).set(if open(now) {
            1.0
        } else {
            0.0
        });
        match (open(before), open(now)) {
            (false, true) => {
                let why = match trouble {
                    Some(Trouble::Away { note }) => note.as_str(),
                    Some(Trouble::Unusable { rule }) => rule.as_str(),
                    _ => "",
                };
                tracing::warn!(study = self.study, why, "the risk model isn't asked for a while");
            }
            (true, false) => tracing::info!(study = self.study, "the risk model is asked again"),
            _ => {}
        }
    }
}

/// A question under way. Dropped before its end it says nothing of the model, and another may probe.
struct Going<'a> {
    model: &'a Model,
    probe: bool,
    over: bool,
}

impl Going<'_> {
    fn ended(&mut self, answer: &Result<RiskScore, Trouble>) {
        self.over = true;
        let (mut breaker, now) = (self.model.breaker(), Instant::now());
        let before = breaker.state(now);
        match answer {
            Ok(_) => breaker.answered(self.probe, now),
            Err(_) => breaker.failed(self.probe, now),
        }
        let after = breaker.state(now);
        drop(breaker);
        self.model.say(before, after, answer.as_ref().err());
    }
}

impl Drop for Going<'_> {
    fn drop(&mut self) {
        if self.probe && !self.over {
            self.model.breaker().probe_dropped();
        }
    }
}

/// Why there was no answer at all, by the error's types.
fn no_answer(error: &reqwest::Error) -> &'static str {
    match certificate::fault(error) {
        Some(fault) => fault,
        None if error.is_connect() => "no connection",
        None => "no answer, the connection broke",
    }
}
