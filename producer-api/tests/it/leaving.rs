//! SIGTERM: nothing new, and what is in flight is finished.

use std::time::Duration;

use anyhow::Result;
use epro_proving::raw_http::{Connection, post};
use epro_proving::until;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{ROUTINE, SITE, STUDY, SUBMIT, door, phq9};

#[tokio::test]
async fn a_request_in_flight_gets_its_202_and_a_new_one_no_connection() -> Result<()> {
    let (stack, mut api, client) = door().await?;
    let token = stack.minter().patient("P-1", STUDY, SITE)?;
    let body = phq9().to_string();
    let mut stream = TcpStream::connect(api.listen()).await?;
    let head = format!(
        "POST {SUBMIT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\nexpect: 100-continue\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    // Once it asks for the body, the request is in flight.
    let mut answer = vec![0; 4096];
    let read = stream.read(&mut answer).await?;
    assert!(answer[..read].starts_with(b"HTTP/1.1 100 "));
    api.term().await?;
    until("the door to be closed", Duration::from_secs(10), || async {
        Ok(client.get_open("/docs").await.err().map(|_| ()))
    })
    .await?;
    until("readiness to say so", Duration::from_secs(10), || async {
        Ok(api.readyz().await?.1.contains("leaving").then_some(()))
    })
    .await?;
    stream.write_all(body.as_bytes()).await?;
    let read = stream.read(&mut answer).await?;
    assert!(answer[..read].starts_with(b"HTTP/1.1 202 "), "{}", String::from_utf8_lossy(&answer[..read]));
    drop(stream);
    assert_eq!(api.ended(Duration::from_secs(30)).await?, 0);
    assert_eq!(stack.vhost().ready(ROUTINE).await?, 1);
    assert!(api.output().contains("left in order"), "{}", api.output());
    Ok(())
}

#[tokio::test]
async fn whoever_goes_on_sending_is_told_which_answer_is_the_last_and_gets_each() -> Result<()> {
    let (stack, mut api, _) = door().await?;
    let token = stack.minter().patient("P-1", STUDY, SITE)?;
    let request = || post(SUBMIT, &token, phq9().to_string().as_bytes());
    let mut connection = Connection::open(api.listen()).await?;
    assert_eq!(connection.send(&request()).await?, 202);
    assert!(!connection.is_closed());
    api.term().await?;
    while !connection.is_closed() {
        assert_eq!(connection.send(&request()).await?, 202);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(connection.has_ended_in_order(), "it was closed without a word");
    assert_eq!(api.ended(Duration::from_secs(30)).await?, 0);
    Ok(())
}
