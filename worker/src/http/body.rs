//! Reading an answer's body without believing how long it is.

use reqwest::Response;

/// Why a body could not be read.
#[derive(Debug)]
pub(crate) enum Unread {
    /// It is longer than the bound.
    TooLong,
    /// It broke off before its end.
    Broken,
}

/// The whole body, of at most `most` bytes.
pub(crate) async fn read(mut response: Response, most: usize) -> Result<Vec<u8>, Unread> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > most => return Err(Unread::TooLong),
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body),
            Err(_) => return Err(Unread::Broken),
        }
    }
}
