//! A hospital that speaks HL7 v2.5.1 over MLLP: a message, and the ACK that names it.

mod ack;
mod code;
mod connection;
mod control_id;
mod frame;
#[cfg(test)]
#[path = "../../../fuzz/mllp.rs"]
mod hostile;
mod oru;
mod text;

use std::sync::Arc;
use std::time::{Duration, Instant};

use epro_process::config::{MllpConfig, Problem};
use rustls::pki_types::ServerName;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;

use super::answer::{CallError, Taken};
use super::document::Document;
use connection::Connection;

/// An idle connection older than this is not used again: something on the way may have forgotten it.
const IDLE: Duration = Duration::from_secs(30);

/// Calls one hospital's interface engine. Each call has a connection for itself while it is under way.
pub(crate) struct Mllp {
    config: MllpConfig,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    /// Connections on which every message has its ACK, and nothing else has come.
    idle: Mutex<Vec<(Connection, Instant)>>,
    most_idle: usize,
}

impl Mllp {
    /// Reads the certificates; `path` is the hospital's in the configuration.
    pub(super) fn new(config: &MllpConfig, most_idle: u16, path: &str) -> Result<Self, Vec<Problem>> {
        let tls = match &config.tls {
            None => None,
            Some(tls) => {
                let client = epro_process::tls::client_config(tls, &format!("{path}.tls"))?;
                let name = ServerName::try_from(config.host.clone()).map_err(|_| {
                    vec![Problem::new(format!("{path}.url"), "has no host that a certificate could name")]
                })?;
                Some((TlsConnector::from(Arc::new(client)), name))
            }
        };
        Ok(Self { config: config.clone(), tls, idle: Mutex::default(), most_idle: usize::from(most_idle) })
    }

    /// Sends the document and waits for its ACK. Who calls bounds the time: a call that is given up drops its
    /// connection, so that an ACK that comes late meets nobody.
    pub(super) async fn call(&self, document: &Document<'_>) -> Result<Taken, CallError> {
        let control_id = control_id::of(document.id, document.generation);
        let message = oru::message(document, &self.config, &control_id);
        let message = text::encode(&message, self.config.charset).ok_or_else(|| CallError::Refused {
            note: "a text that the character set can't hold".to_owned(),
        })?;
        let mut connection = match self.take_idle().await {
            Some(connection) => connection,
            None => Connection::open(&self.config.host, self.config.port, self.tls.as_ref()).await?,
        };
        connection.send(&message).await?;
        let (answer, alone) = connection.receive().await?;
        let ack = ack::read(&answer)
            .ok_or_else(|| CallError::Denied { note: "an answer that is no ACK".to_owned() })?;
        if ack.message != control_id {
            // The connection goes with this error: whose answer comes next on it, nobody could tell.
            return Err(CallError::Silent { note: "an ACK for another message".to_owned() });
        }
        let verdict = ack.verdict();
        if alone && ack.leaves_nothing_open() {
            self.keep(connection).await;
        }
        verdict
    }

    async fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().await;
        while let Some((mut connection, since)) = idle.pop() {
            if since.elapsed() < IDLE && connection.is_quiet() {
                return Some(connection);
            }
        }
        None
    }

    /// Whether a connection is kept that could be used again.
    #[cfg(test)]
    pub(super) async fn is_connected(&self) -> bool {
        let connection = self.take_idle().await;
        let kept = connection.is_some();
        if let Some(connection) = connection {
            self.keep(connection).await;
        }
        kept
    }

    async fn keep(&self, connection: Connection) {
        let mut idle = self.idle.lock().await;
        if idle.len() < self.most_idle {
            idle.push((connection, Instant::now()));
        }
    }
}
