//! Clients that take their time.

use anyhow::Result;
use epro_proving::stack::Plan;
use epro_proving::{Service, Stack};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{SITE, STUDY, SUBMIT, phq9};

async fn hasty() -> Result<(Stack, Service)> {
    let config =
        json!({"intake": {"header_timeout": "300ms", "body_timeout": "300ms", "idle_timeout": "1s"}});
    let stack = Stack::with(Plan { config, ..Plan::default() }).await?;
    let api = stack.api().await?;
    Ok((stack, api))
}

/// Everything that comes until the other side closes.
async fn rest(stream: &mut TcpStream) -> Result<String> {
    let mut bytes = Vec::new();
    // A reset is as good an end as any.
    let _ = stream.read_to_end(&mut bytes).await;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[tokio::test]
async fn a_head_that_does_not_end_is_not_waited_for() -> Result<()> {
    let (_stack, api) = hasty().await?;
    for head in ["", "POST ", "POST /api/v1/epro/submit HTTP/1.1\r\nhost: x\r\n"] {
        let mut stream = TcpStream::connect(api.listen()).await?;
        stream.write_all(head.as_bytes()).await?;
        let answer = rest(&mut stream).await?;
        assert!(!answer.contains("202") && !answer.contains("200"), "{answer}");
    }
    Ok(())
}

#[tokio::test]
async fn a_connection_stays_for_the_next_request_and_an_idle_one_is_closed_in_the_end() -> Result<()> {
    let (_stack, api) = hasty().await?;
    let mut stream = TcpStream::connect(api.listen()).await?;
    for _ in 0..2 {
        stream.write_all(b"GET /docs.css HTTP/1.1\r\nhost: x\r\n\r\n").await?;
        let read = stream.read(&mut [0; 16 * 1024]).await?;
        assert!(read > 0);
    }
    // A second head that doesn't end is bounded as well.
    stream.write_all(b"GET /docs.css HTTP/1.1\r\n").await?;
    assert_eq!(rest(&mut stream).await?, "");
    Ok(())
}

#[tokio::test]
async fn a_body_that_does_not_end_is_408_and_the_connection_closed() -> Result<()> {
    let (stack, api) = hasty().await?;
    let token = stack.minter().patient("P-1", STUDY, SITE)?;
    for (door, word) in
        [(SUBMIT, "/docs#body_slow"), ("/fhir/R4/QuestionnaireResponse", "\"code\":\"timeout\"")]
    {
        let mut stream = TcpStream::connect(api.listen()).await?;
        let head = format!(
            "POST {door} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: 1000\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&phq9().to_string().as_bytes()[..100]).await?;
        let answer = rest(&mut stream).await?;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(answer.contains(word), "{answer}");
    }
    Ok(())
}

#[tokio::test]
async fn a_body_that_breaks_off_is_never_a_submission() -> Result<()> {
    let (stack, api) = hasty().await?;
    let token = stack.minter().patient("P-1", STUDY, SITE)?;
    let body = phq9().to_string();
    let mut stream = TcpStream::connect(api.listen()).await?;
    let head = format!(
        "POST {SUBMIT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len() + 1
    );
    stream.write_all(head.as_bytes()).await?;
    stream.shutdown().await?;
    let answer = rest(&mut stream).await?;
    assert!(!answer.starts_with("HTTP/1.1 202"), "{answer}");
    assert_eq!(stack.vhost().ready(crate::support::ROUTINE).await?, 0);
    Ok(())
}
