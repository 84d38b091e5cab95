//! One connection to the broker, opened within a bound and watched.

use std::{fmt, pin::Pin, str::FromStr, sync::Arc, time::Duration};

use futures_util::{Stream, StreamExt};
use lapin::{
    ConnectionProperties, ErrorKind, Event,
    uri::{AMQPScheme, AMQPUri},
};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{sync::Mutex, time::timeout};

use crate::secure::{self, SecureRuntime};

/// Bound of opening and of every other exchange of words with the broker.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// A dead peer is found after twice this many seconds.
const HEARTBEAT: u16 = 10;

/// Where the broker is and who we are. Debug and Display hide the credentials.
#[derive(Clone)]
pub struct BrokerUrl {
    uri: AMQPUri,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

/// Why a text isn't a broker URL. Never holds the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrokerUrlError {
    /// Not a URL at all, or not one of AMQP.
    #[error("not an AMQP URL (amqps://user:password@host:port/vhost)")]
    Malformed,
}

/// The broker is to be reached over TLS, by a name that can't be in a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("amqps needs a host name or an address")]
pub struct NoServerName;

impl FromStr for BrokerUrl {
    type Err = BrokerUrlError;

    fn from_str(text: &str) -> Result<Self, BrokerUrlError> {
        let mut uri: AMQPUri = text.parse().map_err(|_| BrokerUrlError::Malformed)?;
        if uri.vhost.is_empty() {
            uri.vhost = "/".to_owned();
        }
        uri.query.heartbeat.get_or_insert(HEARTBEAT);
        Ok(Self { uri, tls: None })
    }
}

impl BrokerUrl {
    /// Whether it says amqps: then it is of no use before [`BrokerUrl::with_tls`].
    pub fn is_secure(&self) -> bool {
        self.uri.scheme == AMQPScheme::AMQPS
    }

    /// The same broker over TLS: whom we believe, and who we are.
    ///
    /// # Errors
    /// [`NoServerName`].
    pub fn with_tls(self, config: ClientConfig) -> Result<Self, NoServerName> {
        let host = self.uri.authority.host.trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host).map_err(|_| NoServerName)?;
        Ok(Self { tls: Some((Arc::new(config), name)), ..self })
    }

    /// What lapin has to run on.
    pub(crate) fn secure(&self) -> Option<SecureRuntime> {
        self.tls.clone().map(|(config, name)| secure::runtime(config, name))
    }

    /// For lapin, which is to know nothing of TLS: its stream speaks it already.
    pub(crate) fn uri(&self) -> AMQPUri {
        let mut uri = self.uri.clone();
        if self.tls.is_some() {
            uri.scheme = AMQPScheme::AMQP;
        }
        uri
    }

    /// The same URL with the largest frame set, in bytes. 16384 saves a quarter of the memory.
    pub fn with_frame_max(mut self, bytes: u32) -> Self {
        self.uri.query.frame_max = Some(bytes);
        self
    }

    /// The virtual host, decoded.
    pub fn vhost(&self) -> &str {
        &self.uri.vhost
    }

    /// With the credentials, for the client library only.
    pub(crate) fn reveal(&self) -> String {
        self.uri().to_string()
    }
}

impl fmt::Debug for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AMQPUri { scheme, authority, vhost, .. } = &self.uri;
        write!(f, "{scheme}://{}:{}/{vhost}", authority.host, authority.port)
    }
}

/// A connection for consuming, checking and declaring; publishers hold their own, because the
/// broker stops reading from a connection that publishes during an alarm, acks included.
pub struct Connection {
    inner: lapin::Connection,
    /// lapin gives each event to one listener only, so there is one.
    events: Mutex<Pin<Box<dyn Stream<Item = Event> + Send>>>,
}

/// Why no connection came about.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nothing answered within 5 s.
    #[error("no answer from the broker within 5 s")]
    TimedOut,
    /// The broker refused the user or the virtual host.
    #[error("the broker refused the connection: {0}")]
    Refused(String),
    /// The network refused, or the connection broke while it was opened.
    #[error("the broker can't be reached: {0}")]
    Unreachable(String),
}

impl From<lapin::Error> for ConnectError {
    fn from(error: lapin::Error) -> Self {
        match error.kind() {
            ErrorKind::ProtocolError(_) => Self::Refused(error.to_string()),
            _ => Self::Unreachable(error.to_string()),
        }
    }
}

pub(crate) fn properties(name: &str) -> ConnectionProperties {
    ConnectionProperties::default().with_connection_name(name.into())
}

impl Connection {
    /// Opens a connection that the broker lists under `name`. Bounded to 5 s.
    pub async fn open(url: &BrokerUrl, name: &str) -> Result<Self, ConnectError> {
        let (uri, properties) = (url.uri(), properties(name));
        let opening = async {
            match url.secure() {
                Some(runtime) => lapin::Connection::connect_uri_with_runtime(uri, properties, runtime).await,
                None => lapin::Connection::connect_uri(uri, properties).await,
            }
        };
        let inner = timeout(PATIENCE, opening).await.map_err(|_| ConnectError::TimedOut)??;
        let events = Mutex::new(Box::pin(inner.events_listener()) as Pin<Box<_>>);
        Ok(Self { inner, events })
    }

    /// Whether it was open when asked.
    pub fn is_open(&self) -> bool {
        self.inner.status().connected()
    }

    /// Resolves once the connection is gone, however it went. Cancel-safe.
    pub async fn closed(&self) {
        let mut events = self.events.lock().await;
        while self.is_open() {
            // Not every way to close is an event; a look a second finds the others.
            if let Ok(None) = timeout(Duration::from_secs(1), events.next()).await {
                return;
            }
        }
    }

    /// Closes it in order; whatever is unacked goes back to its queue.
    pub async fn close(self) {
        // An error or no answer means that it is closed already, or as good as.
        let _ = timeout(PATIENCE, self.inner.close(200, "bye".into())).await;
    }

    /// A new channel, within the usual bound.
    pub(crate) async fn channel(&self) -> Result<lapin::Channel, ConnectError> {
        let opening = self.inner.create_channel();
        Ok(timeout(PATIENCE, opening).await.map_err(|_| ConnectError::TimedOut)??)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_shows_where_the_broker_is_but_not_who_we_are() {
        let url: BrokerUrl =
            "amqp://intake:s3cr3t@rabbit.example:5671/epro%2Fa?frame_max=9000".parse().unwrap();
        assert_eq!(url.to_string(), "amqp://rabbit.example:5671/epro/a");
        assert_eq!(format!("{url:?}"), "amqp://rabbit.example:5671/epro/a");
        assert_eq!(url.vhost(), "epro/a");
        assert!(url.reveal().contains("heartbeat=10") && url.reveal().contains("frame_max=9000"));
        assert!(url.with_frame_max(16384).reveal().contains("frame_max=16384"));
    }

    #[test]
    fn no_path_and_a_bare_slash_both_mean_the_default_virtual_host() {
        for text in ["amqp://rabbit", "amqp://rabbit/", "amqp://rabbit/%2f"] {
            assert_eq!(text.parse::<BrokerUrl>().unwrap().vhost(), "/", "{text}");
        }
    }

    #[test]
    fn a_heartbeat_of_the_url_is_kept() {
        let url: BrokerUrl = "amqp://rabbit/v?heartbeat=3".parse().unwrap();
        assert!(url.reveal().contains("heartbeat=3"));
    }

    #[test]
    fn what_is_no_amqp_url_is_refused_without_repeating_it() {
        for text in ["", "rabbit", "http://u:s3cr3t@rabbit", "amqp:rabbit"] {
            let error = text.parse::<BrokerUrl>().unwrap_err();
            assert!(!format!("{error} {error:?}").contains("s3cr3t"));
        }
    }
}
