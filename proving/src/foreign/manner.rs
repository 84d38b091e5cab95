//! How a foreign system behaves, until it is told to behave otherwise.

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// How a foreign system behaves; the default is well, and at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Manner {
    /// Milliseconds between the work and its answer. An answer that comes too late for the caller was still done.
    pub delay_ms: u64,
    /// HTTP: this status instead of the work.
    pub status: Option<u16>,
    /// HTTP: beside `status`, as it stands.
    pub retry_after: Option<String>,
    /// MLLP: this code (AE, AR, CE, CR) instead of the work.
    pub ack: Option<String>,
    /// Takes the call, and never answers.
    pub silent: Option<Silent>,
    /// HTTP: what the answer looks like on the wire.
    pub answer: Answer,
    /// MLLP: MSA-2 names another message.
    pub wrong_ack: bool,
    /// Nobody opens: connections are refused, those that are there are cut.
    pub down: bool,
    /// For so many calls only, then the default again.
    pub times: Option<u32>,
}

/// How a call is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Silent {
    /// And nothing was done.
    Before,
    /// But everything was done.
    After,
}

/// What an HTTP answer looks like on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// As it should.
    #[default]
    Plain,
    /// It says that it is longer than it is, and breaks off.
    Broken,
    /// It goes on and on.
    Giant,
    /// A byte now and then.
    Drip,
    /// A page of HTML with status 200.
    Html,
}

/// The manner of a running system; clones share it.
#[derive(Clone, Debug)]
pub struct Mannered {
    now: Arc<Mutex<Manner>>,
    down: watch::Sender<bool>,
}

impl Default for Mannered {
    fn default() -> Self {
        Self { now: Arc::default(), down: watch::Sender::new(false) }
    }
}

impl Mannered {
    /// From now on.
    pub fn set(&self, manner: Manner) {
        let down = manner.down;
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = manner;
        self.down.send_replace(down);
    }

    /// What is in force.
    pub fn get(&self) -> Manner {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is in force for one more call.
    pub fn for_a_call(&self) -> Manner {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let manner = now.clone();
        match &mut now.times {
            Some(0 | 1) => *now = Manner::default(),
            Some(times) => *times -= 1,
            None => {}
        }
        manner
    }

    /// Tells when nobody opens.
    pub fn down(&self) -> watch::Receiver<bool> {
        self.down.subscribe()
    }
}
