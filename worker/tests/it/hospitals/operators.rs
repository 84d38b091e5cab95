//! What an operator sees and does.

use epro_proving::{Service, until};
use serde_json::{Value, json};

use super::stand::{ONE, Stand, THREE, TWO};
use crate::support::{BOUND, counts, says};

async fn epro(stand: &Stand, line: &[&str]) {
    stand.stack.epro(line).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_holds_on_every_replica_and_before_the_first_delivery_after_a_restart() {
    let stand = Stand::new(json!({})).await;
    let (one, two) = (stand.caller().await, stand.caller().await);
    epro(&stand, &["pause", ONE, "--reason", "their upgrade"]).await;
    let owner = stand.owner(ONE, &[&one, &two]).await;
    says([&one, &two][owner], "nothing goes to the hospital: it is paused").await;
    stand.store(ONE, 5).await;
    stand.store(TWO, 5).await;
    stand.are(TWO, "done", 5).await;
    // Who takes the hospital over knows the pause as well.
    let mut callers = [one, two];
    callers[owner].drain(BOUND).await.unwrap();
    let other = &mut callers[1 - owner];
    says(other, "nothing goes to the hospital: it is paused").await;
    assert!(stand.desk(ONE).calls().is_empty());
    other.kill().await.unwrap();
    let next = stand.caller().await;
    says(&next, "nothing goes to the hospital: it is paused").await;
    stand.store(TWO, 5).await;
    stand.are(TWO, "done", 10).await;
    assert!(stand.desk(ONE).calls().is_empty());
    epro(&stand, &["resume", ONE, "--reason", "done"]).await;
    stand.are(ONE, "done", 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_hospitals_are_paused_and_resumed_by_the_name_of_the_lane_on_every_replica() {
    let stand = Stand::new(json!({})).await;
    let (one, two) = (stand.caller().await, stand.caller().await);
    let owners =
        "SELECT count(DISTINCT owner) FROM ops.lease WHERE kind = 'hospital' AND until > clock_timestamp()";
    counts(&stand.link, owners, 2).await;
    epro(&stand, &["pause", "hospitals", "--reason", "the network"]).await;
    until("three hospitals to stand still", BOUND, || async {
        let stands = |caller: &Service| caller.output().matches("nothing goes to the hospital").count();
        Ok((stands(&one) > 0 && stands(&two) > 0 && stands(&one) + stands(&two) >= 3).then_some(()))
    })
    .await
    .unwrap();
    for site in [ONE, TWO, THREE] {
        stand.store(site, 3).await;
        assert!(stand.desk(site).calls().is_empty(), "{site}");
    }
    epro(&stand, &["resume", "hospitals", "--reason", "done"]).await;
    for site in [ONE, TWO, THREE] {
        stand.are(site, "done", 3).await;
    }
    let (code, _, error) = stand.stack.epro_status(&["pause", "H004", "--reason", "x"]).await.unwrap();
    assert!(code == Some(1) && error.contains("no site of that name has a hospital"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_how_each_hospital_is() {
    let stand = Stand::paced(0.1, json!({})).await;
    stand.desk(ONE).says(401);
    stand.store(ONE, 3).await;
    let _caller = stand.caller().await;
    stand.store(TWO, 2).await;
    stand.are(TWO, "done", 2).await;
    stand.gate(ONE, "open,half_open").await;
    epro(&stand, &["pause", TWO, "--reason", "their upgrade"]).await;
    let counted =
        "SELECT count(*) FROM ops.hospital_state WHERE site_id = 'H002' AND calls = 2 AND taken = 2";
    counts(&stand.link, counted, 1).await;
    let said = stand.stack.epro(&["hospitals", "--json"]).await.unwrap();
    let said: Value = serde_json::from_str(&said).unwrap();
    assert!(said[0]["gate_reason"].as_str().unwrap().starts_with("401"), "{said}");
    assert_eq!((&said[0]["waiting"], &said[0]["protocol"]), (&json!(3), &json!("fhir")));
    assert!(said[0]["owner"].is_string() && said[0]["oldest"].is_string());
    assert_eq!((&said[1]["paused"], &said[1]["taken"]), (&json!("their upgrade"), &json!(2)));
    let table = stand.stack.epro(&["hospitals"]).await.unwrap();
    assert!(table.contains("401") && table.contains("paused: their upgrade"), "{table}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_in_a_hospitals_lost_queue_is_delivered_after_reconciling() {
    let stand = Stand::new(json!({})).await;
    let sent = stand.store(ONE, 3).await;
    stand.are(ONE, "queued", 3).await;
    let queue = format!("epro.his.{ONE}");
    stand.stack.vhost().delete_queue(&queue).await.unwrap();
    epro(&stand, &["topology", "apply"]).await;
    let _caller = stand.caller().await;
    let said = stand.stack.epro(&["reconcile", "--queue", &queue]).await.unwrap();
    assert!(said.contains("would be published again") && said.contains("nothing was done"), "{said}");
    let (code, _, error) = stand.stack.epro_status(&["reconcile", "--yes", "--reason", "x"]).await.unwrap();
    assert!(code == Some(1) && error.contains("--all"), "{error}");
    assert!(stand.desk(ONE).calls().is_empty(), "nothing is left in the queue");
    let yes = ["reconcile", "--queue", &queue, "--yes", "--reason", "the node lost its disk"];
    let said = stand.stack.epro(&yes).await.unwrap();
    assert!(said.contains("3 are unsent"), "{said}");
    stand.are(ONE, "done", 3).await;
    assert_eq!(stand.desk(ONE).kept().len(), 3);

    let id = sent[0].1["submission_id"].as_str().unwrap();
    let traced: Value =
        serde_json::from_str(&stand.stack.epro(&["trace", id, "--json"]).await.unwrap()).unwrap();
    let steps: Vec<&str> =
        traced["steps"].as_array().unwrap().iter().filter_map(|step| step["what"].as_str()).collect();
    for (one, next) in [
        ("received", "submission.stored"),
        ("submission.stored", "delivery.reconciled"),
        ("delivery.reconciled", "call"),
    ] {
        let at =
            |what| steps.iter().position(|step| *step == what).unwrap_or_else(|| panic!("{what}: {traced}"));
        assert!(at(one) < at(next), "{traced}");
    }
    let call = traced["steps"].as_array().unwrap().iter().find(|step| step["what"] == "call").unwrap();
    assert!(call["duration_ms"].is_number(), "{call}");
    assert!(!traced.to_string().contains(&sent[0].0), "no patient");
}
