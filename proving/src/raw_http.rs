//! HTTP/1.1 by hand on one kept connection: cheap enough not to be what is measured.

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A kept connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
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
        let stream = TcpStream::connect(address).await.context("connect to the API")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; 16 * 1024], filled: 0 })
    }

    /// Whether the other side has closed it meanwhile, as far as that is known here; clients look before they send.
    pub fn is_closed(&self) -> bool {
        !matches!(self.stream.try_read(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    }

    /// Sends a request made beforehand, reads the whole answer, gives its status.
    pub async fn send(&mut self, request: &[u8]) -> Result<u16> {
        self.stream.write_all(request).await?;
        let (status, length) = loop {
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
        Ok(status)
    }

    async fn more(&mut self) -> Result<()> {
        if self.filled == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        let read = self.stream.read(&mut self.buffer[self.filled..]).await?;
        ensure!(read > 0, "the connection was closed before the answer was whole");
        self.filled += read;
        Ok(())
    }

    /// Status and length of the whole answer, once its head is there.
    fn head(&self) -> Result<Option<(u16, usize)>> {
        let bytes = &self.buffer[..self.filled];
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            return Ok(None);
        };
        let head = std::str::from_utf8(&bytes[..end])?;
        let status = head.get(9..12).and_then(|code| code.parse().ok()).context("no status")?;
        let mut length = 0;
        for line in head.lines().skip(1) {
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().context("content-length")?;
            }
        }
        Ok(Some((status, end + 4 + length)))
    }
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
                "HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n",
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
        assert_eq!(connection.send(&request).await.unwrap(), 503);
    }
}
