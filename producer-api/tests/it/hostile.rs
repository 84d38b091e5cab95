//! Clients that mean harm: none of them is followed, and the door goes on to answer others.

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result};
use epro_proving::door_memory::CONNECTION_KIB;
use epro_proving::stack::Plan;
use epro_proving::{Service, Stack, until};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::{SITE, STUDY, SUBMIT, door, phq9};

/// Connections that say nothing; as many as a process may open on a machine that nobody tuned.
const IDLE: usize = 400;

/// A door has connections enough for a test, and no more.
const FEW: usize = 256;
const BOUND: Duration = Duration::from_secs(20);

/// Resident memory of a process, in KiB.
fn memory(service: &Service) -> Result<u64> {
    Ok((service.rss_mib()? * 1024.0) as u64)
}

async fn answer(to: &str, request: &[u8]) -> Result<String> {
    let mut stream = TcpStream::connect(to).await?;
    // The other side may have said no and closed before everything is written.
    let _ = stream.write_all(request).await;
    said(&mut stream).await
}

/// What comes next.
async fn said(stream: &mut TcpStream) -> Result<String> {
    let mut bytes = vec![0; 4096];
    let read = tokio::time::timeout(BOUND, stream.read(&mut bytes)).await?.unwrap_or(0);
    Ok(String::from_utf8_lossy(&bytes[..read]).into_owned())
}

/// A submission as gzip, with so much white space before it.
fn packed(white: usize, submission: &Value) -> Result<Vec<u8>> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(&vec![b' '; white])?;
    packed.write_all(submission.to_string().as_bytes())?;
    Ok(packed.finish()?)
}

#[tokio::test]
async fn huge_heads_deep_bodies_bombs_and_idle_connections_cost_little_and_nobody_else_anything() -> Result<()>
{
    let config = json!({"intake": {"body_timeout": "500ms"}});
    let stack = Stack::with(Plan { config, ..Plan::default() }).await?;
    let api = stack.api().await?;
    let client = stack.client(&api)?;
    assert_eq!(client.submit("P-1", &phq9()).await?.status, 202);
    let before = memory(&api)?;

    let mut idle = JoinSet::new();
    for _ in 0..IDLE {
        let stream = TcpStream::connect(api.listen()).await?;
        idle.spawn(async move {
            let mut stream = stream;
            let _ = stream.read(&mut [0; 1]).await;
        });
    }
    let token = stack.minter().patient("P-1", STUDY, SITE)?;
    let post = |headers: &str, body: &[u8]| {
        let length = body.len();
        let head = format!(
            "POST {SUBMIT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n{headers}\r\n"
        );
        [head.as_bytes(), body].concat()
    };
    let deep = format!("{{\"answers\":{}", "[".repeat(200_000));
    // Whoever inflated them would take the first and have asked for 16 MiB for the second.
    let (honest, bomb) = (packed(0, &phq9())?, packed(16 << 20, &phq9())?);
    let lying =
        String::from_utf8(post("", b"{}"))?.replacen("content-length: 2", "content-length: 1073741824", 1);
    let lying = lying.into_bytes();
    let cases = [
        ("a huge header", post(&format!("x-a: {}\r\n", "a".repeat(64 * 1024)), b"{}"), vec!["431", ""]),
        ("many headers", post(&"x-a: 1\r\n".repeat(500), b"{}"), vec!["431", "422", ""]),
        ("a deep body", post("", deep.as_bytes()), vec!["400", "422"]),
        ("what is packed", post("content-encoding: gzip\r\n", &honest), vec!["415"]),
        ("a bomb", post("content-encoding: gzip\r\n", &bomb), vec!["415"]),
        ("a length that lies", lying, vec!["408"]),
        ("two lengths", post("content-length: 5\r\n", b"{}"), vec!["400"]),
        ("smuggled", post("transfer-encoding: chunked\r\n", b"0\r\n\r\n"), vec!["400"]),
        ("no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".repeat(50), vec!["400", ""]),
    ];
    for (what, request, expected) in cases {
        let said = answer(api.listen(), &request).await.with_context(|| what.to_owned())?;
        let status = said.split(' ').nth(1).unwrap_or_default();
        assert!(expected.contains(&status), "{what}: {said}");
    }
    // With all of these still connected, the next patient is served.
    assert_eq!(client.submit("P-2", &phq9()).await?.status, 202);
    let grown = memory(&api)?.saturating_sub(before);
    assert!(
        grown < IDLE as u64 * CONNECTION_KIB + 32 * 1024,
        "{grown} KiB for {IDLE} idle connections and a few bodies"
    );
    drop(idle);
    until("the door to be itself", Duration::from_secs(20), || async {
        Ok((client.submit("P-3", &phq9()).await?.status == 202).then_some(()))
    })
    .await?;
    assert!(!api.output().contains("panicked"), "{}", api.output());
    Ok(())
}

/// Connections that the door says it has.
async fn open(api: &Service) -> Result<usize> {
    let metrics = api.metrics().await?;
    let line = metrics.lines().find_map(|line| line.strip_prefix("epro_http_connections "));
    Ok(line.context("no such gauge")?.parse()?)
}

#[tokio::test]
async fn above_the_bound_of_connections_the_next_waits_and_half_heads_cost_no_more_than_it_says() -> Result<()>
{
    let config = json!({"intake": {"connections": FEW, "header_timeout": "5m", "idle_timeout": "5m"}});
    let stack = Stack::with(Plan { config, ..Plan::default() }).await?;
    let api = stack.api().await?;
    // Its client hangs up afterwards, or it would have a place.
    assert_eq!(stack.client(&api)?.submit("P-1", &phq9()).await?.status, 202);
    until("the first client to be gone", BOUND, || async { Ok((open(&api).await? == 0).then_some(())) })
        .await?;
    let before = memory(&api)?;

    // Nearly as much as a head may have.
    let head = format!("POST {SUBMIT} HTTP/1.1\r\nhost: x\r\nx-a: {}", "a".repeat(15 * 1024));
    let mut half = Vec::new();
    for _ in 0..FEW {
        let mut stream = TcpStream::connect(api.listen()).await?;
        stream.write_all(head.as_bytes()).await?;
        half.push(stream);
    }
    until("the door to be full", BOUND, || async { Ok((open(&api).await? == FEW).then_some(())) }).await?;
    let mut waiting = Vec::new();
    for _ in 0..32 {
        let mut stream = TcpStream::connect(api.listen()).await?;
        stream.write_all(b"GET /docs.css HTTP/1.1\r\nhost: x\r\n\r\n").await?;
        waiting.push(stream);
    }
    assert_eq!(api.readyz().await?.0, 200, "whoever asks whether it lives has a port of its own");
    let grown = memory(&api)?.saturating_sub(before);
    assert!(grown <= FEW as u64 * CONNECTION_KIB, "{grown} KiB for {FEW} half heads");
    assert_eq!(open(&api).await?, FEW);
    let first = &waiting[0];
    assert!(first.try_read(&mut [0; 1]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock));

    drop(half);
    for mut stream in waiting {
        let said = said(&mut stream).await?;
        assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
    }
    Ok(())
}

#[tokio::test]
async fn the_admin_port_gives_half_heads_up_and_answers_the_next_probe() -> Result<()> {
    let (_stack, api, _client) = door().await?;
    let admin = api.admin().trim_start_matches("http://").to_owned();
    let mut slow = Vec::new();
    for half in ["", "GET /livez HTTP/1.1\r\n", "GET /metrics HTTP/1.1\r\nhost: x\r\nx-a: "].repeat(40) {
        let mut stream = TcpStream::connect(&admin).await?;
        stream.write_all(half.as_bytes()).await?;
        slow.push(stream);
    }
    let huge = format!("GET /livez HTTP/1.1\r\nhost: x\r\nx-a: {}\r\n\r\n", "a".repeat(64 * 1024));
    let lying = "GET /livez HTTP/1.1\r\nhost: x\r\ncontent-length: 1073741824\r\n\r\n{}";
    for (what, request, expected) in [
        ("a probe", "GET /livez HTTP/1.1\r\nhost: x\r\n\r\n", vec!["200"]),
        ("a huge head", huge.as_str(), vec!["431", ""]),
        ("a body that nobody reads", lying, vec!["200"]),
        ("another method", "POST /livez HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n", vec!["405"]),
        ("no HTTP", "\u{16}\u{3}\u{1}", vec!["400", ""]),
    ] {
        let said = answer(&admin, request.as_bytes()).await.with_context(|| what.to_owned())?;
        let status = said.split(' ').nth(1).unwrap_or_default();
        assert!(expected.contains(&status), "{what}: {said}");
    }
    for mut stream in slow {
        assert!(!said(&mut stream).await?.contains(" 200 "), "given up");
    }
    assert_eq!(api.readyz().await?.0, 200);
    assert!(!api.output().contains("panicked"), "{}", api.output());
    Ok(())
}
