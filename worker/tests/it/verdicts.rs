//! New, duplicate, conflict, stale, base absent; and what of it researchers see.

use epro_proving::client::phq9;
use epro_proving::hand::plain;
use epro_proving::sealed::{Envelope, SUBMISSION};
use epro_proving::{Client, Hand, Service, Stack, conservation, until};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::support::{
    BOUND, DEFERRED, ROUTINE, SITE, STORED, STUDY, alert_row, alerts_of, amendment, calm, counts, dangerous,
    dead, hurried, id, link, with, write_instrument,
};

/// A stack with its door and a worker.
async fn open() -> (Stack, Service, Service, Client) {
    let stack = hurried().await;
    let (api, worker) = tokio::try_join!(stack.api(), stack.worker()).unwrap();
    let client = stack.client(&api).unwrap();
    (stack, api, worker, client)
}

async fn accepted(client: &Client, subject: &str, submission: &Value) {
    let reply = client.submit(subject, submission).await.unwrap();
    assert_eq!(reply.status, 202, "{}", reply.body);
}

/// All at once.
async fn at_once(client: &Client, subject: &'static str, submissions: Vec<Value>) {
    let mut posts = JoinSet::new();
    for submission in submissions {
        let client = client.clone();
        posts.spawn(async move { accepted(&client, subject, &submission).await });
    }
    posts.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_submission_five_times_at_once_is_one_row_and_one_delivery() {
    let (stack, _api, _worker, client) = open().await;
    let submission = phq9(STUDY, SITE);
    let copies = (0..5).map(|second| {
        let mut copy = submission.clone();
        copy["sent_at"] = json!(format!("2026-11-23T20:04:0{second}+08:00"));
        copy
    });
    at_once(&client, "P-1", copies.collect()).await;
    let account = conservation(&stack, &client.log()).await.unwrap();
    assert_eq!((account.accepted, account.stored, account.dead, account.duplicates), (5, 1, 0, 4));
    counts(&link(&stack).await, "SELECT count(*) FROM ops.delivery", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_id_with_other_content_is_set_aside_and_the_first_one_stays() {
    let (stack, _api, _worker, client) = open().await;
    let link = link(&stack).await;
    let first = calm();
    accepted(&client, "P-1", &first).await;
    counts(&link, STORED, 1).await;
    let mut other = first.clone();
    other["answers"]["44250-9"] = json!(3);
    accepted(&client, "P-1", &other).await;
    let conflict = &dead(&link, 1).await[0];
    assert_eq!((conflict.class.as_str(), conflict.submission.as_deref()), ("conflict", Some(id(&first))));
    let account = conservation(&stack, &client.log()).await.unwrap();
    assert_eq!((account.stored, account.dead), (1, 1));
    let score = "SELECT count(*) FROM research.score WHERE score_id = 'total' AND value = 12";
    counts(&link, score, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_with_a_dangerous_answer_alerts() {
    let (stack, _api, _worker, client) = open().await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    let first = calm();
    accepted(&client, "P-1", &first).await;
    counts(&link, STORED, 1).await;
    let mut other = dangerous();
    other["submission_id"] = first["submission_id"].clone();
    accepted(&client, "P-1", &other).await;
    assert_eq!(dead(&link, 1).await[0].class, "conflict");
    let alert = &alerts_of(&hand, id(&first)).await[0];
    assert_eq!((&alert["rule"], &alert["site_id"]), (&json!("self-harm"), &json!("H004")));
    assert_eq!(alert_row(&link, id(&first)).await.1, "critical");
    conservation(&stack, &client.log()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_id_from_another_patient_is_another_submission() {
    let (stack, _api, _worker, client) = open().await;
    let submission = calm();
    let mut copy = submission.clone();
    copy["answers"]["44250-9"] = json!(3);
    accepted(&client, "P-1", &submission).await;
    accepted(&client, "P-2", &copy).await;
    let account = conservation(&stack, &client.log()).await.unwrap();
    assert_eq!((account.stored, account.dead), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_amendment_that_comes_before_its_base_waits_for_it_without_a_charge() {
    // The first wait lasts a second: long enough to be looked at.
    let stack = with(json!({"time_scale": 0.2})).await;
    let (_worker, link) = (stack.worker().await.unwrap(), link(&stack).await);
    let hand = Hand::on(&stack).await.unwrap();
    let base = calm();
    let amended = amendment(&base, "I meant yesterday");
    hand.put(ROUTINE, "P-1", &amended).await.unwrap();
    let waiting = until("the amendment to wait", BOUND, || async {
        for queue in ["epro.wait.5s", "epro.wait.30s"] {
            if let Some(letter) = hand.lying(queue).await?.pop() {
                return Ok(Some(letter));
            }
        }
        Ok(None)
    })
    .await
    .unwrap();
    assert_eq!(waiting.headers.get("epro-attempt"), None, "the first attempt stays off the wire");
    assert!(waiting.headers["epro-waits"].as_i64() >= Some(1));
    assert_eq!(waiting.key, DEFERRED);
    hand.put(ROUTINE, "P-1", &base).await.unwrap();
    let account = conservation(&stack, &hand.log()).await.unwrap();
    assert_eq!((account.stored, account.dead), (2, 0));
    let newest = "SELECT count(*) FROM research.newest_response";
    counts(&link, newest, 1).await;
    let waited = "SELECT count(*) FROM audit.event WHERE action = 'submission.stored'
        AND (details ->> 'waits')::integer >= 1 AND (details ->> 'waiting_since')::timestamptz > now() - interval '1 hour'";
    assert_eq!(link.count(waited).await.unwrap(), 1, "the amendment's row says so, the base's doesn't");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_amendments_at_once_one_is_stored_and_the_other_is_stale() {
    let (stack, _api, _worker, client) = open().await;
    let link = link(&stack).await;
    let base = calm();
    accepted(&client, "P-1", &base).await;
    counts(&link, STORED, 1).await;
    at_once(&client, "P-1", vec![amendment(&base, "one"), amendment(&base, "two")]).await;
    assert_eq!(dead(&link, 1).await[0].class, "stale");
    let account = conservation(&stack, &client.log()).await.unwrap();
    assert_eq!((account.stored, account.dead), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_amendment_with_a_dangerous_answer_alerts() {
    let (stack, _api, _worker, client) = open().await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    let base = calm();
    accepted(&client, "P-1", &base).await;
    counts(&link, STORED, 1).await;
    accepted(&client, "P-1", &amendment(&base, "one")).await;
    counts(&link, STORED, 2).await;
    let mut late = amendment(&base, "two");
    late["answers"]["44260-8"] = json!(1);
    accepted(&client, "P-1", &late).await;
    assert_eq!(dead(&link, 1).await[0].class, "stale");
    assert_eq!(alerts_of(&hand, id(&late)).await[0]["rule"], "self-harm");
    alert_row(&link, id(&late)).await;
    conservation(&stack, &client.log()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_safe_harbor_study_shows_its_researchers_years_only() {
    let (stack, _api, _worker, client) = open().await;
    let link = link(&stack).await;
    let (dated, undated) = (calm(), phq9("PSY-12", "H004"));
    accepted(&client, "P-1", &dated).await;
    accepted(&client, "P-1", &undated).await;
    counts(&link, STORED, 2).await;
    let sql = "SELECT study_id, answered_at IS NULL AND submission_id IS NULL AND answered_year = 2026
               FROM research.response ORDER BY study_id";
    let rows = link.client.query(sql, &[]).await.unwrap();
    let shown: Vec<(String, bool)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(shown, [(STUDY.to_owned(), false), ("PSY-12".to_owned(), true)]);
    // No view of theirs leads back to the day, the submission's id included: it holds a time.
    for view in ["response", "newest_response", "answer", "score"] {
        let sql = format!(
            "SELECT count(*) FROM research.{view} v WHERE study_id = 'PSY-12'
             AND (v::text LIKE '%2026-%' OR v::text LIKE '%{}%')",
            id(&undated)
        );
        assert_eq!(link.count(&sql).await.unwrap(), 0, "{view}");
    }
    conservation(&stack, &client.log()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn free_text_stays_sealed_with_the_received_bytes() {
    const TEXT: &str = "Since Tuesday my husband Quillon Testperson drives me";
    let folder = std::env::temp_dir().join(format!("epro-diary-{}", uuid::Uuid::now_v7().simple()));
    write_instrument(&folder, "diary", DIARY);
    let stack = with(json!({"instruments": {"directory": folder}})).await;
    let (api, _worker) = tokio::try_join!(stack.api(), stack.worker()).unwrap();
    let (client, link) = (stack.client(&api).unwrap(), link(&stack).await);
    let mut diary = calm();
    diary["instrument"] = json!("diary|1.0");
    diary["answers"] = json!({"d-1": TEXT, "d-2": true});
    accepted(&client, "P-1", &diary).await;
    let account = conservation(&stack, &client.log()).await.unwrap();
    assert_eq!(account.stored, 1);
    let answers = "SELECT answers FROM research.submission";
    let answers: Value = link.client.query_one(answers, &[]).await.unwrap().get(0);
    assert_eq!(answers, json!([{"link_id": "d-2", "value": true}]));
    let sealed = "SELECT count(*) FROM identified.submission WHERE position('Quillon'::bytea in sealed) > 0";
    assert_eq!(link.count(sealed).await.unwrap(), 0);
    std::fs::remove_dir_all(folder).unwrap();
}

const DIARY: &str = "\
id: diary
version: \"1.0\"
title: A diary
licence: For tests only.
items:
  - { link_id: d-1, text: In your own words, type: text }
  - { link_id: d-2, text: Was it a serious event?, type: boolean }
";

/// The door binds them to each other; whoever else publishes must not give a patient another one's answers.
#[tokio::test(flavor = "multi_thread")]
async fn answers_of_another_patient_than_the_envelopes_are_set_aside() {
    let stack = hurried().await;
    let (hand, link) = (Hand::on(&stack).await.unwrap(), link(&stack).await);
    for named in ["P-1", "P-2"] {
        let mut submission = calm();
        submission["subject_id"] = json!(named);
        let envelope =
            Envelope { actor: "P-1".into(), subject: "P-1".into(), bytes: submission.to_string().into() };
        let id = Uuid::now_v7();
        let body = hand.keys().seal(SUBMISSION, id, &envelope.write().unwrap()).unwrap();
        hand.publish(&plain(ROUTINE, id, SUBMISSION, body)).await.unwrap();
    }
    let _worker = stack.worker().await.unwrap();

    let dead = dead(&link, 1).await;

    assert_eq!((dead[0].class.as_str(), dead[0].stage.as_str()), ("invalid", "clean"));
    assert_eq!(dead[0].detail, "/subject_id must be the patient of the envelope");
    counts(&link, STORED, 1).await;
}
