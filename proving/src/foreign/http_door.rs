//! A door behind which HTTP/1.1 is spoken, in the manner of the moment.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio_rustls::TlsAcceptor;

use super::calls::Going;
use super::manner::{Answer, Manner, Mannered, Silent};
use super::{Door, door};

/// Serves `router` at `address`, while the manner says that somebody opens.
pub async fn open(
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    manner: &Mannered,
    router: Router,
) -> Result<Door> {
    Door::open(address, tls, manner.down(), move |stream| serve(stream, router.clone())).await
}

async fn serve(stream: Box<dyn door::Stream>, router: Router) {
    let http = hyper::server::conn::http1::Builder::new();
    // A caller that hangs up ends this; there is nobody to tell.
    let _ = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)).await;
}

/// Does `work` and answers in this manner. `work` says what it did by [`Going::did`].
pub async fn behave(manner: &Manner, call: &Going, work: impl FnOnce() -> Response) -> Response {
    if manner.silent == Some(Silent::Before) {
        call.did("nothing");
        std::future::pending::<()>().await;
    }
    let response = match manner.status {
        None => work(),
        Some(status) => {
            call.did(&format!("refused {status}"));
            refusal(status, manner)
        }
    };
    if manner.silent == Some(Silent::After) {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(Duration::from_millis(manner.delay_ms)).await;
    call.answered();
    on_the_wire(response, manner.answer)
}

fn refusal(status: u16, manner: &Manner) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::IM_A_TEAPOT);
    let mut response = (status, "as it was told to").into_response();
    if let Some(after) = manner.retry_after.as_ref().and_then(|text| HeaderValue::from_str(text).ok()) {
        response.headers_mut().insert(header::RETRY_AFTER, after);
    }
    response
}

fn on_the_wire(response: Response, answer: Answer) -> Response {
    let (mut parts, body) = response.into_parts();
    let body = match answer {
        Answer::Plain => body,
        Answer::Broken => {
            parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("4000"));
            stream(Bytes::from_static(b"{\"resourceType\":"), Duration::ZERO, Some(1))
        }
        Answer::Giant => stream(Bytes::from(vec![b' '; 64 * 1024]), Duration::ZERO, None),
        Answer::Drip => stream(Bytes::from_static(b" "), Duration::from_millis(50), None),
        Answer::Html => {
            return ([(header::CONTENT_TYPE, "text/html")], "<p>Please log in").into_response();
        }
    };
    Response::from_parts(parts, body)
}

/// `piece` again and again, with a pause before each; after `times` of them the connection breaks.
fn stream(piece: Bytes, pause: Duration, times: Option<u32>) -> Body {
    let pieces = futures_util::stream::unfold(0, move |sent| {
        let piece = piece.clone();
        async move {
            tokio::time::sleep(pause).await;
            let broken = times.is_some_and(|times| sent >= times);
            let piece = if broken {
                Err(std::io::Error::other("broken off"))
            } else {
                Ok::<_, std::io::Error>(piece)
            };
            Some((piece, sent + 1))
        }
    });
    Body::from_stream(pieces)
}
