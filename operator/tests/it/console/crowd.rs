//! More clients than the console takes.

use std::time::Duration;

use epro_proving::Stack;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::visitor::Visitor;

/// As many as have a place, and some who wait for one.
const MANY: usize = 140;

#[tokio::test(flavor = "multi_thread")]
async fn half_heads_in_all_places_of_the_console_are_given_up_and_the_next_page_comes() {
    let stack = Stack::new().await.unwrap();
    let console = stack.console().await.unwrap();
    let mut slow = Vec::new();
    for _ in 0..MANY {
        let mut stream = TcpStream::connect(console.listen()).await.unwrap();
        stream.write_all(b"GET /sign-in HTTP/1.1\r\nhost: x\r\nx-a: ").await.unwrap();
        slow.push(stream);
    }
    let patient = Visitor::new(&console).waiting_at_most(Duration::from_secs(60));
    assert_eq!(patient.get("/sign-in").await.status, 200);
    let mut said = Vec::new();
    // Closed or reset: either way it has its place no more.
    let _ = slow[0].read_to_end(&mut said).await;
    assert!(!String::from_utf8_lossy(&said).contains(" 200 "));
    assert!(!console.output().contains("panicked"), "{}", console.output());
}
