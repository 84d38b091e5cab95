//! The connections that hospitals' queues are consumed through: a channel for each, and one connection
//! for up to a hundred of them.

use std::sync::{Arc, Mutex as Lock, PoisonError, Weak};

use epro_broker::connection::ConnectError;
use epro_broker::{BrokerUrl, Connection};
use tokio::sync::Mutex;

/// Channels on one connection.
const CHANNELS: usize = 100;

/// The connections that are in use.
pub(crate) struct Lines {
    url: BrokerUrl,
    open: Mutex<Vec<Weak<Connection>>>,
    trouble: Lock<Option<String>>,
}

impl Lines {
    /// None yet.
    pub(crate) fn new(url: BrokerUrl) -> Self {
        Self { url, open: Mutex::default(), trouble: Lock::default() }
    }

    /// One with room for another channel, kept as long as somebody has it.
    pub(crate) async fn line(&self) -> Result<Arc<Connection>, ConnectError> {
        let mut open = self.open.lock().await;
        open.retain(|line| line.strong_count() > 0);
        let room = |line: &&Weak<Connection>| line.strong_count() < CHANNELS;
        let mut free = open.iter().filter(room).filter_map(Weak::upgrade);
        if let Some(line) = free.find(|line| line.is_open()) {
            return Ok(line);
        }
        let opened = Connection::open(&self.url, "epro-worker hospitals").await;
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) =
            opened.as_ref().err().map(ToString::to_string);
        let line = Arc::new(opened?);
        open.push(Arc::downgrade(&line));
        Ok(line)
    }

    /// Why the last one could not be opened, if it could not.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
