//! One service of a report: its searches, page by page, each through the hospital's gate.

use std::collections::BTreeSet;

use epro_process::config::Protocol;
use epro_process::traces::conventions;
use epro_schemas::report::{Reason, Service};
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::job::Opened;
use crate::hospitals::answer::CallError;
use crate::hospitals::fhir::search::{Ask, Search, SearchError};
use crate::hospitals::fhir::{Page, search};
use crate::hospitals::gate::{Permit, Reported};
use crate::hospitals::hospital::Hospital;

/// The most that is kept of one service, in bytes.
const MOST: usize = 8 << 20;

const VITALS: [Search; 1] = [search::of("Observation", Some("vital-signs"))];
const LABORATORY: [Search; 2] =
    [search::of("DiagnosticReport", Some("LAB")), search::of("Observation", Some("laboratory"))];

/// What a service gave, whole.
#[derive(Debug, Default)]
pub(super) struct Fetched {
    pub resources: Vec<Box<RawValue>>,
    /// Whom they are about, as the hospital names them.
    pub patients: BTreeSet<String>,
    pub bytes: usize,
}

/// One service that is being fetched.
pub(super) struct Fetch<'a> {
    hospital: &'a Hospital,
    opened: &'a Opened,
    searches: Vec<Search>,
    /// Why it is missing if the time is over now.
    if_over: Reason,
    fetched: Fetched,
}

impl<'a> Fetch<'a> {
    pub(super) fn new(hospital: &'a Hospital, opened: &'a Opened, service: Service) -> Self {
        let searches = match service {
            Service::Vitals => VITALS.to_vec(),
            Service::Medication => medication(hospital),
            Service::Laboratory => LABORATORY.to_vec(),
        };
        Self { hospital, opened, searches, if_over: Reason::NotStarted, fetched: Fetched::default() }
    }

    /// All of it, or why not. What is under way when the time is over is dropped, which closes its connection.
    pub(super) async fn run(mut self) -> Result<Fetched, Reason> {
        let end = self.opened.time.collecting;
        // A future is polled once before its time is looked at.
        if Instant::now() >= end {
            return Err(self.if_over);
        }
        match timeout_at(end, self.all()).await {
            Ok(Ok(())) => Ok(self.fetched),
            Ok(Err(reason)) => Err(reason),
            Err(_) => Err(self.if_over),
        }
    }

    async fn all(&mut self) -> Result<(), Reason> {
        for search in std::mem::take(&mut self.searches) {
            let (study, subject) = (&self.opened.job.study_id, &self.opened.job.subject_id);
            let mut ask = Ask::First { study, subject };
            for page in 1.. {
                if page > self.hospital.office.pages {
                    return Err(Reason::TooManyPages);
                }
                let Some(next) = self.page(search, &ask).await? else { break };
                ask = Ask::Next(next);
            }
        }
        Ok(())
    }

    /// One page, and where the answer goes on.
    async fn page(&mut self, search: Search, ask: &Ask<'_>) -> Result<Option<url::Url>, Reason> {
        let page = match self.call(search, ask).await? {
            Some(page) => page,
            // New credentials cost a call of their own, once.
            None => self.call(search, ask).await?.ok_or(Reason::Refused)?,
        };
        let Page { resources, patients, next, bytes } = page;
        self.fetched.bytes += bytes;
        if self.fetched.bytes > MOST {
            return Err(Reason::TooLarge);
        }
        self.fetched.resources.extend(resources);
        self.fetched.patients.extend(patients);
        Ok(next)
    }

    /// One call; `None`: our credentials were too old.
    async fn call(&mut self, search: Search, ask: &Ask<'_>) -> Result<Option<Page>, Reason> {
        let permit = self.admitted().await?;
        self.if_over = Reason::Late;
        let hospital = self.hospital;
        let mut span =
            conventions::hospital_call(self.opened.span.context(), &hospital.site, hospital.protocol());
        let traceparent = span.traceparent().or_else(|| self.opened.traceparent.clone());
        let call = hospital.known.caller.search(search, ask, traceparent.as_deref());
        // Out of the lease's time: the process stood still, and somebody else may own the hospital.
        let answer = hospital.lease.cover(call).await.ok_or(Reason::HospitalClosed)?;
        let (reason, reported) = match answer {
            Ok(page) => {
                permit.report(Reported::Answered);
                return Ok(Some(page));
            }
            Err(SearchError::Call(CallError::Stale { .. })) => return Ok(None),
            Err(error) => understood(error),
        };
        span.failed(reason.as_str());
        match reported {
            Some(reported) => permit.report(reported),
            None => drop(permit),
        }
        Err(reason)
    }

    /// Waits for its turn, as long as there may be one in time.
    async fn admitted(&mut self) -> Result<Permit, Reason> {
        let end = self.opened.time.collecting;
        loop {
            let not_now = match self.hospital.gate.admit_question(&self.hospital.lease) {
                Ok(permit) => return Ok(permit),
                Err(not_now) => not_now,
            };
            self.if_over = if not_now.is_closed() { Reason::HospitalClosed } else { self.if_over };
            if Instant::from(not_now.until) >= end {
                return Err(self.if_over);
            }
            tokio::select! {
                () = sleep_until(not_now.until.into()) => {}
                () = self.hospital.gate.changed() => {}
            }
        }
    }
}

/// What the hospital keeps medication as.
fn medication(hospital: &Hospital) -> Vec<Search> {
    match &hospital.known.config.protocol {
        Protocol::Fhir(fhir) => fhir.medication.iter().map(|kind| search::of(kind.as_str(), None)).collect(),
        Protocol::Hl7v2(_) => Vec::new(),
    }
}

/// Why it is missing, and what the gate learns: a question that is refused says nothing of what is delivered.
fn understood(error: SearchError) -> (Reason, Option<Reported>) {
    match error {
        SearchError::Refused { note } => {
            tracing::debug!(note, "the hospital refuses a question");
            (Reason::Refused, Some(Reported::Answered))
        }
        SearchError::Unusable { note } => {
            tracing::debug!(note, "the hospital's answer can't be used");
            (Reason::Unusable, Some(Reported::Answered))
        }
        SearchError::TooLarge => (Reason::TooLarge, Some(Reported::Answered)),
        // No call was made.
        SearchError::Elsewhere => (Reason::Elsewhere, None),
        SearchError::NotSupported => (Reason::NotSupported, None),
        SearchError::Call(CallError::Busy { retry_after, note }) => {
            (Reason::Failed, Some(Reported::Failed { note, rest: retry_after }))
        }
        SearchError::Call(CallError::Silent { note } | CallError::Refused { note }) => {
            (Reason::Failed, Some(Reported::Failed { note, rest: None }))
        }
        SearchError::Call(CallError::Denied { note } | CallError::Stale { note }) => {
            (Reason::Failed, Some(Reported::Hopeless { note }))
        }
    }
}
