//! A request's body: of the right type, within its size, within its time.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use futures_util::StreamExt as _;

use crate::refusal::{Kind, Refusal};

/// How much of a body that is too large is still read, so that the client hears our answer rather
/// than a reset connection.
const LINGER: usize = 1024 * 1024;

/// Refuses a content type that is none of `accepted`, and any content encoding.
pub(crate) fn check_type(headers: &HeaderMap, accepted: &[&str]) -> Result<(), Refusal> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    let plain = headers.get(header::CONTENT_ENCODING).is_none_or(|coding| coding == "identity");
    if plain && accepted.iter().any(|accepted| essence.eq_ignore_ascii_case(accepted)) {
        Ok(())
    } else {
        Err(Kind::MediaType.into())
    }
}

/// The whole body, at most `most` bytes, within `within`.
pub(crate) async fn read(body: Body, most: usize, within: Duration) -> Result<Bytes, Refusal> {
    match tokio::time::timeout(within, collect(body, most)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Kind::BodySlow.into()),
    }
}

async fn collect(body: Body, most: usize) -> Result<Bytes, Refusal> {
    let mut chunks = body.into_data_stream();
    // Almost every body comes in one piece, which then isn't copied.
    let first = match chunks.next().await {
        None => return Ok(Bytes::new()),
        Some(chunk) => chunk.map_err(|_| Kind::BodyBroken)?,
    };
    let mut seen = first.len();
    let mut rest: Vec<Bytes> = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Kind::BodyBroken)?;
        seen = seen.saturating_add(chunk.len());
        if seen <= most {
            rest.push(chunk);
        } else {
            rest.clear();
            if seen - most > LINGER {
                break;
            }
        }
    }
    if seen > most {
        return Err(Kind::TooLarge.into());
    }
    if rest.is_empty() {
        return Ok(first);
    }
    let mut whole = Vec::with_capacity(seen);
    whole.extend_from_slice(&first);
    rest.iter().for_each(|chunk| whole.extend_from_slice(chunk));
    Ok(whole.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunked(chunks: &[&'static str]) -> Body {
        let chunks: Vec<Result<Bytes, std::io::Error>> =
            chunks.iter().map(|chunk| Ok(Bytes::from_static(chunk.as_bytes()))).collect();
        Body::from_stream(futures_util::stream::iter(chunks))
    }

    async fn read_up_to(body: Body, most: usize) -> Result<Bytes, Kind> {
        read(body, most, Duration::from_secs(5)).await.map_err(|refusal| refusal.kind)
    }

    #[tokio::test]
    async fn a_body_is_its_chunks_in_order() {
        assert_eq!(read_up_to(chunked(&["ab", "", "cd", "e"]), 5).await.unwrap(), "abcde");
        assert_eq!(read_up_to(chunked(&["abcde"]), 5).await.unwrap(), "abcde");
        assert_eq!(read_up_to(Body::empty(), 5).await.unwrap(), "");
    }

    #[tokio::test]
    async fn a_byte_more_is_too_large_however_it_is_cut() {
        for chunks in [&["abcdef"][..], &["ab", "cdef"], &["abcde", "f"], &["a", "bcdefgh", "i"]] {
            assert_eq!(read_up_to(chunked(chunks), 5).await.unwrap_err(), Kind::TooLarge, "{chunks:?}");
        }
    }

    #[tokio::test]
    async fn a_body_that_never_ends_is_too_slow() {
        let endless = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
        let refusal = read(endless, 5, Duration::from_millis(1)).await.unwrap_err();
        assert_eq!(refusal.kind, Kind::BodySlow);
    }

    #[test]
    fn a_content_type_is_compared_without_its_parameters() {
        let check = |pairs: &[(header::HeaderName, &'static str)]| {
            let pairs = pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap()));
            check_type(&pairs.collect(), &["application/json"]).is_ok()
        };
        assert!(check(&[(header::CONTENT_TYPE, "application/json")]));
        assert!(check(&[(header::CONTENT_TYPE, "Application/JSON; charset=utf-8")]));
        assert!(!check(&[]));
        assert!(!check(&[(header::CONTENT_TYPE, "text/plain")]));
        assert!(!check(&[(header::CONTENT_TYPE, "application/json-seq")]));
        assert!(!check(&[(header::CONTENT_TYPE, "application/json"), (header::CONTENT_ENCODING, "gzip")]));
    }
}
