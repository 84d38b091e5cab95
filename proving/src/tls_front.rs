//! A relay that speaks TLS in front of a service that doesn't: the broker, or PostgreSQL with its preamble.

use std::net::SocketAddr;

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// What a client of PostgreSQL sends before TLS.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// A TLS listener on a free loopback port; ends with this value.
#[derive(Debug)]
pub struct Front {
    address: SocketAddr,
    _accept: JoinSet<()>,
}

impl Front {
    /// In front of `target`, a `host:port` that speaks from the first byte.
    pub async fn to(target: &str, tls: TlsAcceptor) -> Result<Self> {
        Self::start(target, Some(tls), false).await
    }

    /// The same relay without TLS: what is compared with the others.
    pub async fn plain(target: &str) -> Result<Self> {
        Self::start(target, None, false).await
    }

    /// In front of a PostgreSQL.
    pub async fn to_postgres(target: &str, tls: TlsAcceptor) -> Result<Self> {
        Self::start(target, Some(tls), true).await
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    async fn start(target: &str, tls: Option<TlsAcceptor>, postgres: bool) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, target) = (listener.local_addr()?, target.to_owned());
        let mut accept = JoinSet::new();
        accept.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (target, tls) = (target.clone(), tls.clone());
                // How a connection ends is its client's to tell.
                connections.spawn(async move { drop(relay(stream, &target, tls, postgres).await) });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, _accept: accept })
    }
}

async fn relay(mut stream: TcpStream, target: &str, tls: Option<TlsAcceptor>, postgres: bool) -> Result<()> {
    stream.set_nodelay(true)?;
    let Some(tls) = tls else {
        let mut inside = connect(target).await?;
        tokio::io::copy_bidirectional(&mut stream, &mut inside).await?;
        return Ok(());
    };
    if postgres {
        let mut preamble = [0; 8];
        stream.read_exact(&mut preamble).await?;
        anyhow::ensure!(preamble == SSL_REQUEST, "plain text");
        stream.write_all(b"S").await?;
    }
    let mut outside = tls.accept(stream).await?;
    let mut inside = connect(target).await?;
    tokio::io::copy_bidirectional(&mut outside, &mut inside).await?;
    Ok(())
}

async fn connect(target: &str) -> Result<TcpStream> {
    let stream = TcpStream::connect(target).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
