//! Memory of the door beside TLS handshakes that never end: whoever begins one needs neither certificate nor token.

use anyhow::{Context, Result, ensure};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::ground::Ground;
use super::idle::{BESIDES, LONG, may_open};
use super::load::{self, Requests};
use crate::certificates::Authority;
use crate::raw_http::Connection;
use crate::service::Service;

/// Connections whose handshake doesn't end.
const MANY: usize = 2_000;
/// So many that they aren't scarce beside [`MANY`].
const PLACES: usize = 4_000;
/// Whom the door's certificate is for.
const NAME: &str = "localhost";
/// Of a ClientHello that goes on: nearly the 64 KiB that rustls keeps of a message.
const BEGUN: usize = 60 * 1024;
/// Of it in one record, which may have 16 KiB.
const RECORD: usize = 15 * 1024;

/// KiB of peak resident memory that one such connection costs the API.
#[derive(Clone, Copy, Debug)]
pub struct Handshakes {
    /// Whose client has sent nothing yet.
    pub silent: f64,
    /// Whose client has sent its ClientHello, has the answer and says nothing more.
    pub answered: f64,
    /// Whose client has sent 60 KiB of a ClientHello.
    pub long: f64,
}

/// Each kind beside a process of its own. `None`: this machine lets a process open fewer files (`ulimit -n`).
pub async fn measure(ground: &Ground, requests: &Requests, site: &str) -> Result<Option<Handshakes>> {
    if !may_open(PLACES + BESIDES)? {
        return Ok(None);
    }
    let authority = Authority::new()?;
    let cost = async |said: &[u8], answered: bool| -> Result<f64> {
        let cost = each_kib(ground, requests, &authority, (said, answered)).await?;
        ground.empty(site).await?;
        Ok(cost)
    };
    let silent = cost(&[], false).await?;
    let answered = cost(&hello(&authority)?, true).await?;
    let long = cost(&long(), false).await?;
    Ok(Some(Handshakes { silent, answered, long }))
}

/// What one costs whose client says this and nothing more, and `answered`: waits until the door has said its part.
async fn each_kib(
    ground: &Ground,
    requests: &Requests,
    authority: &Authority,
    (said, answered): (&[u8], bool),
) -> Result<f64> {
    let mut api = start(ground, authority)?;
    api.ready().await?;
    secured(&api, authority, requests).await?;
    let before = api.peak_rss_mib()?;
    let mut many = Vec::with_capacity(MANY);
    for _ in 0..MANY {
        let mut stream = TcpStream::connect(api.listen()).await.context("a handshake's connection")?;
        stream.write_all(said).await.context("a ClientHello")?;
        if answered {
            ensure!(stream.read(&mut [0; 1]).await? > 0, "the API has ended a handshake");
        }
        many.push(stream);
    }
    // The same load again: these connections are accepted after all of those.
    secured(&api, authority, requests).await?;
    let beside = api.peak_rss_mib()?;
    let held = open(&api).await?;
    ensure!(held >= MANY, "the API has given up handshakes: {held} connections are left of {MANY}");
    Ok((beside - before) * 1024.0 / MANY as f64)
}

/// A process that speaks TLS and gives no handshake up as long as this takes.
fn start(ground: &Ground, authority: &Authority) -> Result<Service> {
    let shown = authority.server_files(ground.stack.folder(), NAME)?;
    let (certificate, key) = (shown.certificate.display().to_string(), shown.key.display().to_string());
    let places = PLACES.to_string();
    let environment = [
        ("EPRO__INTAKE__TLS__CERTIFICATE_FILE", certificate.as_str()),
        ("EPRO__INTAKE__TLS__KEY_FILE", key.as_str()),
        ("EPRO__INTAKE__HEADER_TIMEOUT", LONG),
        ("EPRO__INTAKE__CONNECTIONS", places.as_str()),
    ];
    ground.stack.spawn("epro-producer-api", &environment)
}

/// The load over connections whose handshake has ended.
async fn secured(api: &Service, authority: &Authority, requests: &Requests) -> Result<()> {
    let mut clients = Vec::new();
    for _ in 0..64 {
        clients.push(Connection::secure(api.listen(), authority, NAME).await?);
    }
    load::over(clients, requests).await?;
    Ok(())
}

/// Connections that the API says it has.
async fn open(api: &Service) -> Result<usize> {
    let metrics = api.metrics().await?;
    let line = metrics.lines().find_map(|line| line.strip_prefix("epro_http_connections "));
    Ok(line.context("no number of connections")?.parse()?)
}

/// A client's first word, as rustls says it. To this end of a handshake nobody notices that all of them say the same.
fn hello(authority: &Authority) -> Result<Vec<u8>> {
    let config = authority.connector()?.config().clone();
    let mut client = ClientConnection::new(config, ServerName::try_from(NAME)?)?;
    let mut hello = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut hello)?;
    }
    Ok(hello)
}

/// As much of a ClientHello as is kept while the rest of it is awaited: the head of one of 63 KiB, and zeros.
fn long() -> Vec<u8> {
    let mut begun = vec![1, 0, 0xfc, 0];
    begun.resize(BEGUN, 0);
    let mut records = Vec::new();
    for part in begun.chunks(RECORD) {
        // Of the handshake, in the version that a first record names.
        records.extend([22, 3, 1]);
        records.extend((part.len() as u16).to_be_bytes());
        records.extend(part);
    }
    records
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use rustls::server::Acceptor;

    use super::*;

    #[test]
    fn a_server_takes_the_hello_and_waits_for_the_rest_of_the_long_one() {
        let read = |bytes: &[u8]| {
            let (mut acceptor, mut bytes) = (Acceptor::default(), Cursor::new(bytes));
            while acceptor.read_tls(&mut bytes).unwrap() > 0 {
                match acceptor.accept() {
                    Ok(None) => {}
                    Ok(Some(_)) => return true,
                    Err((error, _)) => panic!("{error}"),
                }
            }
            false
        };
        assert!(read(&hello(&Authority::new().unwrap()).unwrap()));
        assert!(!read(&long()));
        assert!(long().len() > BEGUN);
    }
}
