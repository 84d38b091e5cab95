//! Reports among the documents of an export.

use std::io::Read as _;

use epro_proving::until;
use serde_json::{Value, json};

use super::ward::{PATIENT, Ward, asked};
use crate::support::{BOUND, SITE, STUDY};

/// The state of an export, once it is that one.
async fn status(ward: &Ward, place: &str, token: &str, state: &str) -> Value {
    until("the export's state", BOUND, || async {
        let status = ward.client.get(place, token).await?.json().unwrap_or(Value::Null);
        Ok((status["state"] == state).then_some(status))
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reports_of_a_period_are_among_its_documents_each_once_though_a_replica_dies_over_them() {
    let ward = Ward::new(json!({}), json!({"exports": {"file_mib": 1}})).await;
    let worker = ward.worker().await;
    let reports = [ward.report(20).await, ward.report(20).await];
    let late = ward.client.report(&ward.token, &asked(20), Some(21)).await.unwrap();
    drop(worker);
    let token = json!({"sub": "ana", "scope": "export export:identified", "study": [STUDY], "site": [SITE]});
    let token = ward.stack.minter().token(&token).unwrap();
    let ask = json!({
        "site_id": SITE, "from": reports[0]["requested_at"], "to": late.json().unwrap()["requested_at"],
        "format": "documents", "identified": true,
    });
    let asked = ward.client.post("/api/v1/exports", &token, ask.to_string().into_bytes()).await.unwrap();
    assert_eq!(asked.status, 202, "{}", asked.body);
    let place = asked.header("location").unwrap();
    let lanes = ("EPRO__WORKER__LANES", "[exports]");
    let mut broken = ward.stack.spawn("epro-worker", &[lanes, ("EPRO_FAULT", "aftercommit=abort")]).unwrap();
    broken.ended(BOUND).await.unwrap();
    assert_eq!(
        ward.link.count("SELECT count(*) FROM ops.export_part").await.unwrap(),
        1,
        "the file of reports"
    );
    let _sound = ward.stack.spawn("epro-worker", &[lanes]).unwrap();
    let status = status(&ward, place, &token, "done").await;
    assert_eq!(status["rows"], 2, "what was asked for at the period's end isn't in it: {status}");

    let files = status["files"].as_array().unwrap();
    let file = files.iter().find(|file| file["name"] == "reports-00001.zip").unwrap();
    let http = epro_proving::http::client(BOUND).unwrap();
    let url = format!("{}{}", ward.api.url(), file["href"].as_str().unwrap());
    let body = http.get(url).bearer_auth(&token).send().await.unwrap().bytes().await.unwrap();
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(body)).unwrap();
    assert_eq!(zip.len(), 2);
    for (place, report) in reports.iter().enumerate() {
        let mut document = zip.by_index(place).unwrap();
        let name = document.name().unwrap().into_owned();
        assert!(name.starts_with(&format!("{STUDY}/")) && !name.contains(PATIENT), "{name}");
        assert!(name.ends_with(&format!("/report-{}.json", report["report_id"].as_str().unwrap())), "{name}");
        let mut text = String::new();
        document.read_to_string(&mut text).unwrap();
        assert_eq!(&serde_json::from_str::<Value>(&text).unwrap(), report);
    }
}
