//! Files in a bucket. `EPRO_TEST_S3_URL` names something that speaks S3's protocol and asks for no real key;
//! `./dev test` starts PyPI's moto. Without it these tests say so and do nothing.

use epro_proving::{Proxy, Stack, services, until};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Analyst, made, stack};
use crate::support::BOUND;

/// Where S3 is, for who has one.
fn storage() -> Option<String> {
    let url = std::env::var("EPRO_TEST_S3_URL").ok();
    if url.is_none() {
        epro_proving::skipped("EPRO_TEST_S3_URL is not set, so no export goes to a bucket");
    }
    url
}

/// A stack whose exports go to a new bucket, reached at `endpoint`.
async fn with_bucket(s3: &str, endpoint: &str) -> (Stack, String) {
    let bucket = format!("epro-{}", Uuid::now_v7().simple());
    let http = epro_proving::http::client(BOUND).unwrap();
    let made = http.put(format!("{s3}/{bucket}")).send().await.unwrap();
    assert!(made.status().is_success(), "{made:?}");
    let place =
        json!({"bucket": bucket, "endpoint": endpoint, "access_key": "test", "secret_key": "testtest"});
    (stack(json!({"exports": {"file_mib": 1, "s3": place}})).await, bucket)
}

/// What lies in a bucket, as its listing names it.
async fn listing(s3: &str, bucket: &str) -> String {
    let http = epro_proving::http::client(BOUND).unwrap();
    http.get(format!("{s3}/{bucket}?list-type=2")).send().await.unwrap().text().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_goes_to_a_bucket_and_is_fetched_from_there_whole_and_in_part() {
    let Some(s3) = storage() else { return };
    let (stack, bucket) = with_bucket(&s3, &s3).await;
    let _link = made(&stack, 5_000).await;
    let _worker = stack.worker().await.unwrap();
    let ana = Analyst::of(&stack, "export").await;
    let status = ana.is(&ana.export(json!({})).await, "done").await;
    assert!(status["files"].as_array().unwrap().len() > 2, "several files and the manifest: {status}");
    assert_eq!(ana.lines(&status).await.len(), 5_000);
    let href = status["files"][1]["href"].as_str().unwrap();
    let part = ana.call("GET", href, &[("range", "bytes=0-10")]).await;
    assert_eq!((part.status, part.body.as_slice()), (206, b"response_id".as_slice()));
    assert!(listing(&s3, &bucket).await.contains("manifest.json"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_export_leaves_nothing_in_its_bucket() {
    let Some(s3) = storage() else { return };
    let (stack, bucket) = with_bucket(&s3, &s3).await;
    let _link = made(&stack, 20_000).await;
    let _worker = stack.worker().await.unwrap();
    let ana = Analyst::of(&stack, "export").await;
    let place = ana.export(json!({})).await;
    until("a file in the bucket", BOUND, || async {
        Ok(listing(&s3, &bucket).await.contains("<Key>").then_some(()))
    })
    .await
    .unwrap();
    assert_eq!(ana.call("DELETE", &place, &[]).await.status, 202);
    let status = ana.is(&place, "cancelled").await;
    assert_eq!(status["files"], json!([]));
    assert!(!listing(&s3, &bucket).await.contains("<Key>"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_away_is_tried_again_and_no_half_of_a_file_is_shown() {
    let Some(s3) = storage() else { return };
    let proxy = Proxy::to(&services::host_port(&s3).unwrap()).await.unwrap();
    let (stack, _bucket) = with_bucket(&s3, &format!("http://{}", proxy.address())).await;
    let _link = made(&stack, 5_000).await;
    proxy.cut();
    let _worker = stack.worker().await.unwrap();
    let ana = Analyst::of(&stack, "export").await;
    let place = ana.export(json!({})).await;
    let waiting = until("a try that failed", BOUND, || async {
        let reply = ana.client.get(&place, &ana.token).await?;
        let status = reply.json().unwrap_or(Value::Null);
        Ok(status["error"].is_string().then_some(status))
    });
    let status = waiting.await.unwrap();
    assert_eq!(status["files"], json!([]), "{status}");
    proxy.pass();
    let status = match ana.client.get(&place, &ana.token).await.unwrap().json().unwrap()["state"].as_str() {
        // Given up meanwhile: whoever wants it asks again.
        Some("failed") => ana.is(&ana.export(json!({})).await, "done").await,
        _ => ana.is(&place, "done").await,
    };
    assert_eq!(ana.lines(&status).await.len(), 5_000);
}
