//! Files by HTTP: whole, in ranges, and not before they are all there.

use epro_proving::{Hand, Proxy, services};
use serde_json::json;

use super::{Analyst, made, stack};
use crate::support::{BOUND, ROUTINE, STORED, calm, counts, link};

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_fetched_whole_and_in_ranges_under_its_sha_256() {
    let stack = stack(json!({})).await;
    let _link = made(&stack, 3000).await;
    let _worker = stack.worker().await.unwrap();
    let ana = Analyst::of(&stack, "export").await;
    let status = ana.is(&ana.export(json!({})).await, "done").await;
    let file = &status["files"][1];
    let href = file["href"].as_str().unwrap();
    let whole = ana.call("GET", href, &[]).await;
    let size = whole.body.len();
    assert_eq!((whole.status, whole.kind.as_str()), (200, "text/csv; charset=utf-8; header=present"));
    assert!(size > 600_000, "more than one piece: {size}");
    assert_eq!(whole.etag, format!("\"{}\"", file["sha256"].as_str().unwrap()));
    let part = ana.call("GET", href, &[("range", "bytes=100-599999"), ("if-range", &whole.etag)]).await;
    assert_eq!((part.status, part.range), (206, format!("bytes 100-599999/{size}")));
    assert_eq!(part.body, whole.body[100..600_000]);
    let last = ana.call("GET", href, &[("range", "bytes=-7")]).await;
    assert_eq!((last.status, last.body.as_slice()), (206, &whole.body[size - 7..]));
    let other = ana.call("GET", href, &[("range", "bytes=0-9"), ("if-range", "\"another\"")]).await;
    assert_eq!((other.status, other.body.len()), (200, size));
    let beyond = ana.call("GET", href, &[("range", "bytes=99999999-")]).await;
    assert_eq!((beyond.status, beyond.range), (416, format!("bytes */{size}")));
    let nowhere = ana.call("GET", &href.replace("00001", "00009"), &[]).await;
    assert_eq!(nowhere.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manifest_counts_every_file_and_names_its_sha_256() {
    let stack = stack(json!({})).await;
    let _link = made(&stack, 8000).await;
    let _worker = stack.worker().await.unwrap();
    let ana = Analyst::of(&stack, "export").await;
    let status = ana.is(&ana.export(json!({})).await, "done").await;
    let manifest = ana.call("GET", status["files"][0]["href"].as_str().unwrap(), &[]).await;
    let manifest: serde_json::Value = serde_json::from_slice(&manifest.body).unwrap();
    let files = ana.files(&status).await;
    assert!(files.len() > 1, "{status}");
    assert_eq!(manifest["files"].as_array().unwrap().len(), files.len());
    for ((name, body), told) in files.iter().zip(manifest["files"].as_array().unwrap()) {
        let lines = body.split(|byte| *byte == b'\n').count() - 2;
        assert_eq!(
            told,
            &json!({"name": name, "rows": lines, "bytes": body.len(), "sha256": super::hex(body)})
        );
    }
    assert_eq!((&manifest["rows"], &status["rows"]), (&json!(8000), &json!(8000)));
    assert!(manifest["requested_by"].as_str().unwrap().starts_with("delegate:"), "{manifest}");
    assert!(manifest["snapshot"].as_str().unwrap().contains(':'), "{manifest}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_patients_is_given_only_once_the_broker_has_the_note_of_its_download() {
    let stack = stack(json!({})).await;
    let link = link(&stack).await;
    let _worker = stack.worker().await.unwrap();
    Hand::on(&stack).await.unwrap().put(ROUTINE, "P-1", &calm()).await.unwrap();
    counts(&link, STORED, 1).await;
    let ana = Analyst::of(&stack, "export export:identified").await;
    let with = ana.is(&ana.export(json!({"identified": true})).await, "done").await;
    let without = ana.is(&ana.export(json!({})).await, "done").await;
    let href = |status: &serde_json::Value| status["files"][1]["href"].as_str().unwrap().to_owned();
    let broker = services::host_port(stack.vhost().url()).unwrap();
    let proxy = Proxy::to(&broker).await.unwrap();
    let url = services::with_host_port(stack.vhost().url(), &proxy.address()).unwrap();
    let mut door = stack.spawn("epro-producer-api", &[("EPRO__BROKER__URL", url.as_str())]).unwrap();
    door.ready().await.unwrap();
    let client = stack.client(&door).unwrap();

    proxy.cut();
    door.ready_is(false, BOUND).await.unwrap();
    let refused = client.get(&href(&with), &ana.token).await.unwrap();
    assert!(refused.status == 503 && refused.header("retry-after").is_some(), "{}", refused.body);
    assert!(!refused.body.contains("P-1"), "{}", refused.body);
    assert_eq!(client.get(&href(&without), &ana.token).await.unwrap().status, 200);

    proxy.pass();
    door.ready_is(true, BOUND).await.unwrap();
    let got = client.get(&href(&with), &ana.token).await.unwrap();
    assert!(got.status == 200 && got.body.contains("P-1"), "{}", got.body);
    for outcome in ["ok", "refused"] {
        let rows = format!(
            "SELECT count(*) FROM audit.event WHERE action = 'export.download' AND outcome = '{outcome}' \
             AND actor LIKE 'delegate:%' AND details::jsonb->>'export' = '{}'",
            with["export_id"].as_str().unwrap()
        );
        counts(&link, &rows, 1).await;
    }
}
