//! One connection to an interface engine: one message, its answer, the next message.

use std::io;

use futures_util::FutureExt as _;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::frame::{self, Received};
use crate::certificate;
use crate::hospitals::answer::CallError;

/// An ACK is far smaller.
const MOST: usize = 64 * 1024;

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A connection. Dropped, it is closed.
pub(super) struct Connection(Box<dyn Stream>);

impl Connection {
    /// Connects; a name's addresses are tried in turn.
    pub(super) async fn open(
        host: &str,
        port: u16,
        tls: Option<&(TlsConnector, ServerName<'static>)>,
    ) -> Result<Self, CallError> {
        let none = |_| CallError::Silent { note: "no connection".to_owned() };
        let stream = TcpStream::connect((host, port)).await.map_err(none)?;
        stream.set_nodelay(true).map_err(none)?;
        match tls {
            None => Ok(Self(Box::new(stream))),
            Some((tls, name)) => {
                let stream = tls.connect(name.clone(), stream).await;
                Ok(Self(Box::new(stream.map_err(|error| broken(&error))?)))
            }
        }
    }

    /// Whether nothing has come since the last ACK: neither bytes nor the end.
    pub(super) fn is_quiet(&mut self) -> bool {
        self.0.read(&mut [0]).now_or_never().is_none()
    }

    /// Writes a message in its frame.
    pub(super) async fn send(&mut self, message: &[u8]) -> Result<(), CallError> {
        let frame = frame::around(message);
        let sent = async {
            self.0.write_all(&frame).await?;
            self.0.flush().await
        };
        let Err(error) = sent.await else { return Ok(()) };
        // Since TLS 1.3 a server may refuse our certificate after we have begun to write.
        match self.0.read(&mut [0]).await {
            Err(why) => Err(broken(&why)),
            Ok(_) => Err(broken(&error)),
        }
    }

    /// Reads one message, and tells whether nothing came with it.
    pub(super) async fn receive(&mut self) -> Result<(Vec<u8>, bool), CallError> {
        let mut bytes = Vec::new();
        let mut some = [0; 4096];
        loop {
            let read = self.0.read(&mut some).await.map_err(|error| broken(&error))?;
            if read == 0 {
                return Err(CallError::Silent { note: "closed before the ACK".to_owned() });
            }
            bytes.extend_from_slice(some.get(..read).unwrap_or_default());
            match frame::look(&bytes) {
                Received::Whole { end, alone } => {
                    return Ok((bytes.get(1..end).unwrap_or_default().to_vec(), alone));
                }
                Received::Foreign => {
                    return Err(CallError::Denied { note: "an answer that isn't MLLP".to_owned() });
                }
                Received::Part if bytes.len() > MOST => {
                    return Err(CallError::Denied { note: "an answer of more than 64 KiB".to_owned() });
                }
                Received::Part => {}
            }
        }
    }
}

fn broken(error: &io::Error) -> CallError {
    match certificate::fault(error) {
        Some(fault) => CallError::Denied { note: fault.to_owned() },
        None => CallError::Silent { note: "the connection broke".to_owned() },
    }
}
