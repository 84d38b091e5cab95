//! What is in the files.

use std::io::Read as _;

use epro_proving::Hand;
use serde_json::{Value, json};

use super::{Analyst, SITE, stack};
use crate::support::{ROUTINE, STORED, STUDY, amendment, calm, counts, id, link};

#[tokio::test(flavor = "multi_thread")]
async fn a_csv_line_holds_both_times_each_answer_with_its_score_and_the_scores() {
    let stack = stack(json!({})).await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    let _worker = stack.worker().await.unwrap();
    let submission = calm();
    hand.put(ROUTINE, "P-Quillon", &submission).await.unwrap();
    counts(&link, STORED, 1).await;
    let ana = Analyst::of(&stack, "export").await;
    let place = ana.export(json!({"instruments": ["phq-9|1.0"]})).await;
    let status = ana.is(&place, "done").await;
    assert_eq!((&status["rows"], &status["estimate"]), (&json!(1), &json!(1)), "{status}");
    let (name, body) = ana.files(&status).await.remove(0);
    assert_eq!(name, "responses-00001.csv");
    let text = String::from_utf8(body).unwrap();
    let row = "SELECT md5(pseudonym::text || submission_id::text)::uuid::text, pseudonym::text, \
        to_char(received_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS') FROM identified.submission";
    let row = link.client.query_one(row, &[]).await.unwrap();
    let (response, pseudonym, received): (String, String, String) = (row.get(0), row.get(1), row.get(2));
    let mut lines = text.split("\r\n");
    assert_eq!(
        lines.next().unwrap(),
        "response_id,submission_id,pseudonym,study_id,site_id,instrument,answered_at_utc,answered_at_local,\
         answered_year,received_at_utc,late,amends_response_id,44250-9,44250-9.score,44255-8,44255-8.score,\
         44259-0,44259-0.score,44254-1,44254-1.score,44251-7,44251-7.score,44258-2,44258-2.score,44252-5,\
         44252-5.score,44253-3,44253-3.score,44260-8,44260-8.score,69722-7,69722-7.score,phq-9.total,\
         phq-9.total.band,other"
    );
    let line = lines.next().unwrap();
    let begin = format!(
        "{response},{},{pseudonym},{STUDY},{SITE},phq-9|1.0,2026-11-23T12:03:11Z,2026-11-23T20:03:11+08:00,2026,{received}",
        id(&submission)
    );
    assert!(line.starts_with(&begin), "{line}\n{begin}");
    let end = "LA6570-1,2,LA6570-1,2,LA6570-1,2,LA6570-1,2,LA6569-3,1,LA6569-3,1,LA6570-1,2,LA6568-5,0,\
               LA6568-5,0,,,12,moderate,";
    assert!(line.ends_with(end), "{line}");
    assert_eq!((lines.next(), lines.next()), (Some(""), None));
    assert!(!text.contains("Quillon"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identified_csv_names_the_patient_and_no_name_is_a_formula() {
    let stack = stack(json!({})).await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    let _worker = stack.worker().await.unwrap();
    hand.put(ROUTINE, "=HYPERLINK(\"http://x\",\"y\")", &calm()).await.unwrap();
    counts(&link, STORED, 1).await;
    let ana = Analyst::of(&stack, "export export:identified").await;
    let status = ana.is(&ana.export(json!({"identified": true})).await, "done").await;
    let lines = ana.lines(&status).await;
    assert!(lines[0].contains(",\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\","), "{}", lines[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_ndjson_is_a_questionnaire_response_without_its_patient() {
    let stack = stack(json!({})).await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    let _worker = stack.worker().await.unwrap();
    let first = calm();
    hand.put(ROUTINE, "P-Quillon", &first).await.unwrap();
    counts(&link, STORED, 1).await;
    hand.put(ROUTINE, "P-Quillon", &amendment(&first, "a slip")).await.unwrap();
    let mut years = calm();
    years["study_id"] = json!("PSY-12");
    hand.put(ROUTINE, "P-Quillon", &years).await.unwrap();
    counts(&link, STORED, 3).await;
    let ana = Analyst::of(&stack, "export").await;
    let status = ana.is(&ana.export(json!({"format": "ndjson"})).await, "done").await;
    let text = String::from_utf8(ana.files(&status).await.remove(0).1).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    assert!(!text.contains("Quillon"), "{text}");
    let named = |value: &Value| format!("urn:uuid:{}", id(value));
    let of = |wanted: &Value| lines.iter().find(|line| line["identifier"]["value"] == named(wanted)).unwrap();
    let line = of(&first);
    assert_eq!(
        (&line["resourceType"], &line["status"]),
        (&json!("QuestionnaireResponse"), &json!("completed"))
    );
    assert_eq!(line["authored"], "2026-11-23T20:03:11+08:00");
    assert_eq!(line["questionnaire"], "urn:epro:instrument:phq-9|1.0");
    let answer = &line["item"][0]["answer"][0]["valueCoding"];
    assert_eq!((&answer["system"], &answer["code"]), (&json!("http://loinc.org"), &json!("LA6570-1")));
    let amended = lines.iter().find(|line| line["status"] == "amended").unwrap();
    let replaced = format!("QuestionnaireResponse/{}", line["id"].as_str().unwrap());
    assert_eq!(amended["extension"][1]["valueReference"]["reference"], replaced);
    // A study that keeps years says neither when nor, by its id, when it was made.
    let bare = lines.iter().find(|line| line["authored"] == "2026").unwrap();
    assert!(bare.get("identifier").is_none() && !text.contains(id(&years)), "{bare}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_study_that_keeps_years_is_chosen_by_those_of_the_period_where_it_was_written() {
    let stack = stack(json!({})).await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    let _worker = stack.worker().await.unwrap();
    let mut years = calm();
    years["study_id"] = json!("PSY-12");
    hand.put(ROUTINE, "P-1", &years).await.unwrap();
    counts(&link, STORED, 1).await;
    let ana = Analyst::of(&stack, "export").await;
    for (from, to, rows) in [
        ("2026-01-01T00:00:00+08:00", "2027-01-01T00:00:00+08:00", 1),
        ("2026-01-01T00:00:00-08:00", "2027-01-01T00:00:00-08:00", 1),
        // Some hours of 2026 in UTC, and none where they were asked for.
        ("2027-01-01T00:00:00+08:00", "2028-01-01T00:00:00+08:00", 0),
        ("2025-01-01T00:00:00-08:00", "2026-01-01T00:00:00-08:00", 0),
    ] {
        let status = ana.is(&ana.export(json!({"from": from, "to": to})).await, "done").await;
        assert_eq!((&status["rows"], &status["estimate"]), (&json!(rows), &json!(rows)), "{from}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_the_bytes_that_were_received() {
    let stack = stack(json!({})).await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    let _worker = stack.worker().await.unwrap();
    let submission = calm();
    hand.put(ROUTINE, "P-1", &submission).await.unwrap();
    counts(&link, STORED, 1).await;
    let ana = Analyst::of(&stack, "export export:identified").await;
    let status = ana.is(&ana.export(json!({"format": "documents", "identified": true})).await, "done").await;
    let (name, body) = ana.files(&status).await.remove(0);
    assert_eq!(name, "documents-00001.zip");
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(body)).unwrap();
    assert_eq!(zip.len(), 1);
    let mut document = zip.by_index(0).unwrap();
    let name = document.name().unwrap().into_owned();
    assert!(name.ends_with(&format!("{}.json", id(&submission))), "{name}");
    let mut bytes = Vec::new();
    document.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, submission.to_string().into_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_after_the_request_is_not_in_it() {
    let stack = stack(json!({"worker": {"lanes": ["submissions", "commands"]}})).await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    let _storing = stack.worker().await.unwrap();
    hand.put_all(ROUTINE, "P-1", &[calm(), calm()]).await.unwrap();
    counts(&link, STORED, 2).await;
    let ana = Analyst::of(&stack, "export").await;
    let place = ana.export(json!({})).await;
    hand.put_all(ROUTINE, "P-1", &[calm(), calm(), calm()]).await.unwrap();
    counts(&link, STORED, 5).await;
    let _exporting = crate::support::another_worker(&stack, "exports", |config| {
        config["worker"]["lanes"] = json!(["exports"]);
    });
    let status = ana.is(&place, "done").await;
    assert_eq!(ana.lines(&status).await.len(), 2);
    let status = ana.is(&ana.export(json!({})).await, "done").await;
    assert_eq!(ana.lines(&status).await.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_period_and_an_instrument_choose_and_a_period_holds_its_first_instant_not_its_last() {
    let stack = stack(json!({})).await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    let _worker = stack.worker().await.unwrap();
    hand.put(ROUTINE, "P-1", &calm()).await.unwrap();
    counts(&link, STORED, 1).await;
    let ana = Analyst::of(&stack, "export").await;
    for (change, rows) in [
        (json!({"from": "2026-11-23T20:03:11+08:00"}), 1),
        (json!({"to": "2026-11-23T12:03:11Z"}), 0),
        (json!({"instruments": ["gad-7|1.0"]}), 0),
        (json!({"study_ids": ["PSY-12"]}), 0),
    ] {
        let status = ana.is(&ana.export(change.clone()).await, "done").await;
        assert_eq!(status["rows"], json!(rows), "{change}");
    }
}
