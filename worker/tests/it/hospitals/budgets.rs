//! What is tried again is tried as often and as long as it may be, and no outage uses that up.

use epro_proving::until;
use serde_json::json;

use super::desk::Manner;
use super::stand::{ONE, Stand};
use crate::support::{BOUND, dead};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_old_is_set_aside_once_the_hospital_takes_others_again() {
    // 10 s old at most.
    let stand = Stand::new(json!({"age": "1000s"})).await;
    let (poison, _) = stand.store(ONE, 1).await.remove(0);
    stand
        .link
        .client
        .batch_execute("UPDATE ops.delivery SET created_at = now() - interval '1 hour'")
        .await
        .unwrap();
    stand.desk(ONE).set(Manner { status: Some(500), only: Some(poison), ..Manner::default() });
    let _caller = stand.caller().await;
    stand.called(ONE, 3).await;
    assert_eq!(stand.dead().await, 0, "nobody else was taken: it may be the hospital");
    until("the old one to be set aside", BOUND, || async {
        stand.store(ONE, 1).await;
        Ok((stand.dead().await == 1).then_some(()))
    })
    .await
    .unwrap();
    assert_eq!(dead(&stand.link, 1).await[0].class, "undeliverable");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_redriven_as_a_new_generation_with_new_budgets() {
    let stand = Stand::new(json!({})).await;
    let _caller = stand.caller().await;
    stand.desk(ONE).says_once(422);
    stand.store(ONE, 1).await;
    let number = dead(&stand.link, 1).await[0].id.to_string();
    let line = ["dead-letters", "redrive", &number, "--yes", "--reason", "they mended their rule"];
    let said = stand.stack.epro(&line).await.unwrap();
    assert!(said.contains("redriven to epro.his.H001"), "{said}");
    stand.are(ONE, "done", 1).await;
    let renewed = "SELECT count(*) FROM ops.delivery WHERE generation = 2 AND attempts = 0";
    assert_eq!(stand.number(renewed).await, 1);
    assert_eq!((stand.desk(ONE).kept().len(), stand.dead().await), (1, 0));
    let audited = "SELECT count(*) FROM audit.event WHERE details::text LIKE '%they mended their rule%'";
    assert_eq!(stand.number(audited).await, 3, "the redrive's row, the delivery's and the dead letter's");
    let again = stand.stack.epro(&line).await.unwrap();
    assert!(again.contains("was settled already"), "{again}");
}
