//! A delivery's way, when all goes well.

use epro_proving::hand::plain;
use epro_proving::until;
use serde_json::json;
use uuid::Uuid;

use super::stand::{ONE, Stand};
use crate::support::{BOUND, counts, id};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_is_brought_to_its_hospital_and_the_patient_sees_that() {
    let stand = Stand::new(json!({})).await;
    let (api, _caller) = (stand.stack.api().await.unwrap(), stand.caller().await);
    let sent = stand.store(ONE, 3).await;
    stand.are(ONE, "done", 3).await;
    let kept = stand.desk(ONE).kept();
    assert_eq!(kept.len(), 3);
    assert!(kept.iter().all(|(response, written)| response["status"] == "completed" && *written == 1));
    let (patient, submission) = &sent[0];
    let client = stand.stack.client(&api).unwrap();
    let token = client.minter().patient(patient, "ONC-301", ONE).unwrap();
    let answer = client.get(&format!("/api/v1/epro/submissions/{}", id(submission)), &token).await.unwrap();
    let hospital = &answer.json().unwrap()["hospital"];
    assert_eq!((&hospital["state"], &hospital["attempts"]), (&json!("done"), &json!(0)));
    assert_eq!(hospital["last_outcome"], "taken");
    assert!(hospital["last_answer"].as_str().unwrap().starts_with("200"), "{hospital}");
    assert!(hospital["last_at"].is_string());
    let audited = "SELECT count(*) FROM audit.event WHERE action = 'delivery.done' AND actor LIKE 'system:%'";
    assert_eq!(stand.number(audited).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_is_repeated_creates_nothing_twice() {
    let stand = Stand::new(json!({})).await;
    let _caller = stand.caller().await;
    let sent = stand.store(ONE, 1).await;
    stand.are(ONE, "done", 1).await;
    let again = async || {
        let pseudonym: Uuid =
            stand.link.client.query_one("SELECT pseudonym FROM ops.delivery", &[]).await.unwrap().get(0);
        let body = json!({"submission_id": id(&sent[0].1), "pseudonym": pseudonym, "site_id": ONE,
            "generation": 1});
        let letter = stand.hand.sealed("epro.his.H001", Uuid::now_v7(), "epro.delivery.v1", &body).unwrap();
        stand.hand.publish(&letter).await.unwrap();
    };
    // A message too many: the row says that it is done.
    again().await;
    // The row is lost (a restored backup): the hospital knows it by its identifier.
    until("the message too many to be taken", BOUND, || async {
        Ok((stand.stack.vhost().messages("epro.his.H001").await? == 0).then_some(()))
    })
    .await
    .unwrap();
    assert_eq!(stand.desk(ONE).calls().len(), 1);
    stand.link.client.batch_execute("UPDATE ops.delivery SET state = 'queued'").await.unwrap();
    again().await;
    stand.called(ONE, 1).await;
    stand.are(ONE, "done", 1).await;
    let kept = stand.desk(ONE).kept();
    assert_eq!((kept.len(), kept[0].1), (1, 1), "created once, written once");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_delivery_is_set_aside_and_its_neighbours_go() {
    let stand = Stand::new(json!({})).await;
    for (kind, body) in [("epro.delivery.v1", "garbage"), ("epro.alert.v1", "{}")] {
        let letter = plain("epro.his.H001", Uuid::now_v7(), kind, body.into());
        stand.hand.publish(&letter).await.unwrap();
    }
    let _caller = stand.caller().await;
    stand.store(ONE, 2).await;
    stand.are(ONE, "done", 2).await;
    let unreadable = "SELECT count(*) FROM ops.dead_letter WHERE class = 'unreadable' AND lane = 'hospitals'";
    counts(&stand.link, unreadable, 2).await;
}
