//! Clients that mean harm: none of them is followed, and the door goes on to answer others.

use std::time::Duration;

use anyhow::{Context as _, Result};
use epro_proving::stack::Plan;
use epro_proving::{Service, Stack, until};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::{SITE, STUDY, SUBMIT, phq9};

/// Connections that say nothing; as many as a process may open on a machine that nobody tuned.
const IDLE: usize = 400;

/// Resident memory of a process, in KiB.
fn memory(service: &Service) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", service.pid()))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
    Ok(line.split_whitespace().nth(1).context("no number")?.parse()?)
}

async fn answer(api: &Service, request: &[u8]) -> Result<String> {
    let mut stream = TcpStream::connect(api.listen()).await?;
    // The door may have said no and closed before everything is written.
    let _ = stream.write_all(request).await;
    let mut bytes = vec![0; 4096];
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut bytes)).await?.unwrap_or(0);
    Ok(String::from_utf8_lossy(&bytes[..read]).into_owned())
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
    // A gzip head: whoever inflates it would have asked for as much as it liked.
    let bomb = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &[0; 4096]].concat();
    let lying =
        String::from_utf8(post("", b"{}"))?.replacen("content-length: 2", "content-length: 1073741824", 1);
    let lying = lying.into_bytes();
    let cases = [
        ("a huge header", post(&format!("x-a: {}\r\n", "a".repeat(64 * 1024)), b"{}"), vec!["431", ""]),
        ("many headers", post(&"x-a: 1\r\n".repeat(500), b"{}"), vec!["431", "422", ""]),
        ("a deep body", post("", deep.as_bytes()), vec!["400", "422"]),
        ("a bomb", post("content-encoding: gzip\r\n", &bomb), vec!["400", "415"]),
        ("a length that lies", lying, vec!["408"]),
        ("two lengths", post("content-length: 5\r\n", b"{}"), vec!["400"]),
        ("smuggled", post("transfer-encoding: chunked\r\n", b"0\r\n\r\n"), vec!["400"]),
        ("no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".repeat(50), vec!["400", ""]),
    ];
    for (what, request, expected) in cases {
        let said = answer(&api, &request).await.with_context(|| what.to_owned())?;
        let status = said.split(' ').nth(1).unwrap_or_default();
        assert!(expected.contains(&status), "{what}: {said}");
    }
    // With all of these still connected, the next patient is served.
    assert_eq!(client.submit("P-2", &phq9()).await?.status, 202);
    let grown = memory(&api)?.saturating_sub(before);
    assert!(grown < 96 * 1024, "{grown} KiB for {IDLE} idle connections and a few bodies");
    drop(idle);
    until("the door to be itself", Duration::from_secs(20), || async {
        Ok((client.submit("P-3", &phq9()).await?.status == 202).then_some(()))
    })
    .await?;
    assert!(!api.output().contains("panicked"), "{}", api.output());
    Ok(())
}
