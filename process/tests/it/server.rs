//! A listener that strangers can't wear out: whoever finds no place waits for one, and nobody holds one for ever.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use axum_server::Handle;
use epro_process::config::TrustedProxies;
use epro_process::server::{Bounds, MAX_HEAD, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// What has to come comes within this time.
const BOUND: Duration = Duration::from_secs(20);
/// What may not come would come within this time.
const SOON: Duration = Duration::from_millis(500);
const ASK: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";

fn bounds(connections: usize) -> Bounds {
    Bounds { connections, head: Duration::from_secs(60), idle: Duration::from_secs(60) }
}

/// A server that lives as long as the set, and where it is.
fn serve(bounds: Bounds) -> (JoinSet<()>, SocketAddr) {
    serve_behind(bounds, &[])
}

/// The same behind proxies that it trusts.
fn serve_behind(bounds: Bounds, proxies: &[&str]) -> (JoinSet<()>, SocketAddr) {
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), bounds, ::metrics::Gauge::noop()).unwrap();
    let server = server.behind(TrustedProxies::of(proxies).unwrap());
    let address = server.address();
    // More than the kernel keeps for a client that doesn't read.
    let large = get(async || "x".repeat(64 << 20));
    let from = get(async |ConnectInfo(from): ConnectInfo<SocketAddr>| from.ip().to_string());
    let router = Router::new().route("/", get(async || "here\n")).route("/large", large).route("/from", from);
    let mut running = JoinSet::new();
    running.spawn(async move { server.serve(router, None, Handle::new(), || false).await.unwrap() });
    (running, address)
}

/// A client that has sent this and says nothing more.
async fn sent(address: SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// What comes next.
async fn answer(stream: &mut TcpStream) -> String {
    let mut bytes = vec![0; 4096];
    let read = timeout(BOUND, stream.read(&mut bytes)).await.expect("an answer").unwrap();
    String::from_utf8_lossy(&bytes[..read]).to_lowercase()
}

#[tokio::test]
async fn above_the_bound_the_next_waits_and_is_served_once_somebody_goes() {
    let (_running, address) = serve(bounds(4));
    let mut silent = Vec::new();
    for _ in 0..4 {
        silent.push(sent(address, "GET / HTTP/1.1\r\n").await);
    }
    let mut next = sent(address, ASK).await;
    assert!(timeout(SOON, next.read(&mut [0; 1])).await.is_err(), "served, refused or cut off");
    silent.pop();
    assert!(answer(&mut next).await.starts_with("http/1.1 200"));
}

#[tokio::test]
async fn where_places_are_scarce_an_answer_is_the_last_on_its_connection() {
    let (_running, address) = serve(bounds(8));
    let mut first = sent(address, ASK).await;
    let plenty = answer(&mut first).await;
    assert!(plenty.starts_with("http/1.1 200") && !plenty.contains("connection: close"), "{plenty}");
    let mut silent = Vec::new();
    for _ in 0..6 {
        silent.push(sent(address, "").await);
    }
    let mut last = sent(address, ASK).await;
    let scarce = answer(&mut last).await;
    assert!(scarce.starts_with("http/1.1 200") && scarce.contains("connection: close"), "{scarce}");
    assert_eq!(answer(&mut last).await, "", "it ends");
}

#[tokio::test]
async fn a_first_head_that_does_not_end_gives_its_place_to_the_next() {
    for half in ["", "GET ", "GET / HTTP/1.1\r\nhost: x\r\n"] {
        let (_running, address) = serve(Bounds { head: SOON, ..bounds(1) });
        let _slow = sent(address, half).await;
        let mut next = sent(address, ASK).await;
        assert!(answer(&mut next).await.starts_with("http/1.1 200"), "{half}");
    }
}

#[tokio::test]
async fn a_second_head_that_does_not_end_and_a_silent_connection_give_their_place_to_the_next() {
    for half in ["", "GET / HTTP/1.1\r\nhost: x\r\n"] {
        let (_running, address) = serve(Bounds { idle: SOON, ..bounds(1) });
        let mut slow = sent(address, ASK).await;
        assert!(answer(&mut slow).await.starts_with("http/1.1 200"));
        // On a busy machine it may be closed already.
        let _ = slow.write_all(half.as_bytes()).await;
        let mut next = sent(address, ASK).await;
        assert!(answer(&mut next).await.starts_with("http/1.1 200"), "{half}");
    }
}

#[tokio::test]
async fn who_takes_nothing_of_an_answer_gives_the_place_to_the_next() {
    let (_running, address) = serve(Bounds { idle: SOON, ..bounds(1) });
    let _deaf = sent(address, "GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let mut next = sent(address, ASK).await;
    assert!(answer(&mut next).await.starts_with("http/1.1 200"));
}

#[tokio::test]
async fn a_head_above_the_bound_is_431() {
    let (_running, address) = serve(bounds(1));
    let begun = "GET / HTTP/1.1\r\nhost: x\r\nx-a: ";
    let mut stream = sent(address, &format!("{begun}{}", "a".repeat(MAX_HEAD - begun.len()))).await;
    assert!(answer(&mut stream).await.starts_with("http/1.1 431"));
}

#[tokio::test]
async fn a_request_comes_from_whom_a_trusted_proxy_says_and_else_from_whoever_sent_it() {
    let head = "GET /from HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";
    let spoofed = "x-forwarded-for: 198.51.100.1, 203.0.113.7\r\nX-Forwarded-For: 127.0.0.2\r\n\r\n";
    for (proxies, from) in
        [(vec!["127.0.0.0/8"], "203.0.113.7"), (vec![], "127.0.0.1"), (vec!["10.0.0.1"], "127.0.0.1")]
    {
        let (_running, address) = serve_behind(bounds(1), &proxies);
        let mut stream = sent(address, &format!("{head}{spoofed}")).await;
        let mut answer = String::new();
        timeout(BOUND, stream.read_to_string(&mut answer)).await.expect("an answer").unwrap();
        assert!(answer.ends_with(&format!("\r\n\r\n{from}")), "{proxies:?}: {answer}");
    }
}
