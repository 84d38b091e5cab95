//! HTTP/1.1 by hand on one kept connection: cheap enough not to be what is measured.

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::certificates::Authority;

/// A kept connection.
#[derive(Debug)]
pub struct Connection {
    wire: Wire,
    buffer: Vec<u8>,
    filled: usize,
    last: bool,
}

/// What the head of an answer says.
struct Head {
    status: u16,
    /// Bytes of the whole answer, head included.
    length: usize,
    /// Whether the other side ends the connection after it.
    last: bool,
}

#[derive(Debug)]
enum Wire {
    Plain(TcpStream),
    Secure(Box<TlsStream<TcpStream>>),
}

/// A POST as it goes over the wire, made beforehand.
pub fn post(path: &str, token: &str, body: &[u8]) -> Vec<u8> {
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    request
}

impl Connection {
    /// Connects to `host:port`.
    pub async fn open(address: &str) -> Result<Self> {
        Ok(Self::of(Wire::Plain(connect(address).await?)))
    }

    /// Connects to `host:port` over TLS, to who has a certificate of that authority for `name`.
    pub async fn secure(address: &str, authority: &Authority, name: &str) -> Result<Self> {
        let name = rustls::pki_types::ServerName::try_from(name.to_owned())?;
        let stream = authority.connector()?.connect(name, connect(address).await?).await?;
        Ok(Self::of(Wire::Secure(Box::new(stream))))
    }

    fn of(wire: Wire) -> Self {
        Self { wire, buffer: vec![0; 16 * 1024], filled: 0, last: false }
    }

    /// Whether the other side has closed it meanwhile or said that it will, as far as that is known here; clients look
    /// before they send.
    pub fn is_closed(&self) -> bool {
        if self.last {
            return true;
        }
        match &self.wire {
            Wire::Plain(stream) => {
                !matches!(stream.try_read(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
            }
            // What lies there may be TLS's own.
            Wire::Secure(_) => false,
        }
    }

    /// Whether the last answer said that it is the last on this connection.
    pub fn has_ended_in_order(&self) -> bool {
        self.last
    }

    /// Whether not a byte has come of an answer that failed: the request may never have been read.
    pub fn is_silent(&self) -> bool {
        self.filled == 0
    }

    /// Sends a request made beforehand, reads the whole answer, gives its status.
    pub async fn send(&mut self, request: &[u8]) -> Result<u16> {
        match &mut self.wire {
            Wire::Plain(stream) => stream.write_all(request).await?,
            Wire::Secure(stream) => {
                stream.write_all(request).await?;
                stream.flush().await?;
            }
        }
        let Head { status, length, last } = loop {
            if let Some(head) = self.head()? {
                break head;
            }
            self.more().await?;
        };
        while self.filled < length {
            self.more().await?;
        }
        // Nothing is sent ahead, so an answer is all there is in the buffer.
        ensure!(self.filled == length, "more bytes than the answer has");
        self.filled = 0;
        self.last = last;
        Ok(status)
    }

    async fn more(&mut self) -> Result<()> {
        if self.filled == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        let free = &mut self.buffer[self.filled..];
        let read = match &mut self.wire {
            Wire::Plain(stream) => stream.read(free).await?,
            Wire::Secure(stream) => stream.read(free).await?,
        };
        ensure!(read > 0, "the connection was closed before the answer was whole");
        self.filled += read;
        Ok(())
    }

    /// What an answer's head says, once it is there.
    fn head(&self) -> Result<Option<Head>> {
        let bytes = &self.buffer[..self.filled];
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            return Ok(None);
        };
        let head = std::str::from_utf8(&bytes[..end])?;
        let status = head.get(9..12).and_then(|code| code.parse().ok()).context("no status")?;
        let (mut body, mut last) = (0, false);
        for (name, value) in head.lines().skip(1).filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                body = value.parse::<usize>().context("content-length")?;
            }
            last |= name.eq_ignore_ascii_case("connection") && value.eq_ignore_ascii_case("close");
        }
        Ok(Some(Head { status, length: end + 4 + body, last }))
    }
}

async fn connect(address: &str) -> Result<TcpStream> {
    let stream = TcpStream::connect(address).await.context("connect to the API")?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;
    use tokio::task::JoinSet;

    #[tokio::test]
    async fn an_answer_that_comes_in_pieces_is_read_whole_and_the_connection_kept() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            for answer in [
                "HTTP/1.1 202 Accepted\r\nContent-Length: 4\r\n\r\nabcd",
                "HTTP/1.1 503 No\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
            ] {
                let _ = stream.read(&mut [0; 512]).await.unwrap();
                let (one, two) = answer.split_at(20);
                stream.write_all(one.as_bytes()).await.unwrap();
                tokio::task::yield_now().await;
                stream.write_all(two.as_bytes()).await.unwrap();
            }
        });
        let mut connection = Connection::open(&address).await.unwrap();
        let request = post("/x", "t", b"{}");
        assert_eq!(connection.send(&request).await.unwrap(), 202);
        assert!(!connection.is_closed());
        assert_eq!(connection.send(&request).await.unwrap(), 503);
        assert!(connection.is_closed() && connection.has_ended_in_order());
    }

    #[tokio::test]
    async fn an_answer_that_is_cut_off_is_told_from_one_that_never_came() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            for answer in ["", "HTTP/1.1 202 Acc"] {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.read(&mut [0; 512]).await.unwrap();
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        for silent in [true, false] {
            let mut connection = Connection::open(&address).await.unwrap();
            assert!(connection.send(&post("/x", "t", b"{}")).await.is_err());
            assert_eq!(connection.is_silent(), silent);
        }
    }
}
