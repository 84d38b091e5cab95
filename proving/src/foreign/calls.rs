//! The log of a foreign system: every call, with its time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// One call, as the called one saw it.
#[derive(Clone, Debug, Serialize)]
pub struct Call {
    /// Counted from 0.
    pub number: usize,
    /// Microseconds since the system was started, by a clock that never jumps.
    pub micros: u64,
    /// When, by the wall clock, RFC 3339 in UTC.
    pub at: String,
    /// `fhir`, `search`, `page`, `token`, `hl7`, `sms`, `risk`.
    pub kind: &'static str,
    /// What the call names: an identifier, MSH-10, an idempotency key. Empty until it is read.
    pub names: String,
    /// What was done: `created`, `known`, `refused 422`, `AE`. Empty until it is done.
    pub did: String,
    /// Whether an answer went out. One that the caller didn't wait for did not.
    pub answered: bool,
    /// Whether the caller closed the connection before its answer.
    pub hung_up: bool,
    /// Microseconds from the call to its answer.
    pub took_micros: Option<u64>,
}

/// The log; clones share it.
#[derive(Clone, Debug)]
pub struct Calls {
    began: Instant,
    calls: Arc<Mutex<Vec<Call>>>,
}

/// A call that is going on.
#[derive(Debug)]
pub struct Going {
    log: Calls,
    number: usize,
    began: Instant,
}

impl Default for Calls {
    fn default() -> Self {
        Self { began: Instant::now(), calls: Arc::default() }
    }
}

impl Calls {
    /// Everything so far.
    pub fn all(&self) -> Vec<Call> {
        self.with(|calls| calls.clone())
    }

    /// Notes that a call has come.
    pub fn came(&self, kind: &'static str) -> Going {
        let began = Instant::now();
        let at = OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default();
        let micros = micros(began - self.began);
        let number = self.with(|calls| {
            let number = calls.len();
            let (names, did) = (String::new(), String::new());
            calls.push(Call {
                number,
                micros,
                at,
                kind,
                names,
                did,
                answered: false,
                hung_up: false,
                took_micros: None,
            });
            number
        });
        Going { log: self.clone(), number, began }
    }

    fn with<T>(&self, f: impl FnOnce(&mut Vec<Call>) -> T) -> T {
        f(&mut self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Going {
    /// What the call names.
    pub fn names(&self, name: &str) {
        self.change(|call| name.clone_into(&mut call.names));
    }

    /// What was done about it.
    pub fn did(&self, what: &str) {
        self.change(|call| what.clone_into(&mut call.did));
    }

    /// Its answer has gone out.
    pub fn answered(&self) {
        let took = micros(self.began.elapsed());
        self.change(|call| {
            call.answered = true;
            call.took_micros = Some(took);
        });
    }

    fn change(&self, f: impl FnOnce(&mut Call)) {
        self.log.with(|calls| calls.get_mut(self.number).map(f));
    }
}

/// Whoever serves a call drops it with its connection.
impl Drop for Going {
    fn drop(&mut self) {
        self.change(|call| call.hung_up = !call.answered);
    }
}

fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
