//! A hospital that is ill is left alone, and nobody else notices.

use std::time::Duration;

use epro_proving::until;
use serde_json::json;

use super::desk::Manner;
use super::stand::{ONE, Stand, TWO};
use crate::support::BOUND;

#[tokio::test(flavor = "multi_thread")]
async fn a_hospital_that_is_down_keeps_its_backlog_in_the_broker_and_costs_no_attempt_and_no_neighbour() {
    // A breaker that sleeps for a second, ninety seconds in hand.
    let stand = Stand::paced(0.3, json!({})).await;
    stand.desk(ONE).says(503);
    stand.store(ONE, 60).await;
    let _caller = stand.caller().await;
    stand.gate(ONE, "open,half_open").await;
    stand.store(TWO, 30).await;
    stand.are(TWO, "done", 30).await;
    let before = stand.desk(ONE).calls().len();
    stand.called(ONE, before + 1).await;
    // Nine calls at most before it opens (five at once), then a probe each sleep.
    let ready = stand.stack.vhost().ready("epro.his.H001").await.unwrap();
    assert!(ready >= 60 - 8 - 20, "{ready} rest in the broker");
    assert_eq!((stand.charged().await, stand.dead().await), (0, 0));
    stand.desk(ONE).is_well();
    stand.are(ONE, "done", 60).await;
    stand.gate(ONE, "closed").await;
    assert_eq!(stand.desk(ONE).kept().len(), 60);
    assert_eq!((stand.charged().await, stand.dead().await), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_is_open_there_is_one_probe_each_sleep_and_each_is_another_message() {
    let stand =
        Stand::paced(0.1, json!({"concurrency": 1, "breaker": {"minimum_calls": 1, "sleep": "10s"}})).await;
    stand.desk(ONE).says(500);
    stand.store(ONE, 20).await;
    let _caller = stand.caller().await;
    stand.called(ONE, 6).await;
    let calls = stand.desk(ONE).calls();
    let probes: Vec<_> =
        calls.iter().skip_while(|call| call.at < calls[0].at + Duration::from_millis(900)).collect();
    for pair in probes.windows(2) {
        assert!(pair[1].at - pair[0].at >= Duration::from_millis(900), "two probes in one sleep: {calls:?}");
        assert_ne!(pair[0].patient, pair[1].patient, "the same message probes again");
    }
    stand.desk(ONE).is_well();
    stand.are(ONE, "done", 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_hand_for_too_long_is_parked_and_comes_back_without_a_charge() {
    // A sleep of 30 s keeps the gate closed; 300 ms in hand.
    let stand = Stand::paced(0.001, json!({"breaker": {"minimum_calls": 1, "sleep": "30000s"}})).await;
    stand.desk(ONE).says(503);
    stand.store(ONE, 6).await;
    let _caller = stand.caller().await;
    stand.called(ONE, 0).await;
    stand.desk(ONE).is_well();
    let parked = || async {
        let waiting = stand.hand.lying("epro.wait.10m").await?;
        let again = stand.hand.lying("epro.his.H001").await?;
        let waits = waiting.iter().chain(&again).filter(|letter| letter.headers.contains_key("epro-waits"));
        Ok((waits.count() > 0).then_some(()))
    };
    until("something to be parked", BOUND, parked).await.unwrap();
    stand.are(ONE, "done", 6).await;
    assert_eq!((stand.charged().await, stand.dead().await), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_after_closes_the_gate_for_every_message() {
    let stand = Stand::new(json!({})).await;
    let manner = Manner { status: Some(429), retry_after: Some(2), times: Some(1), ..Manner::default() };
    stand.desk(ONE).set(manner);
    stand.store(ONE, 10).await;
    let _caller = stand.caller().await;
    stand.are(ONE, "done", 10).await;
    let calls = stand.desk(ONE).calls();
    let asked = calls.iter().find(|call| call.status == Some(429)).unwrap();
    // Those that were under way when it asked are none of its business.
    let later = calls.iter().filter(|call| call.at > asked.at + Duration::from_millis(200));
    let next = later.map(|call| call.at).min().unwrap();
    assert!(next >= asked.at + Duration::from_secs(2), "called {:?} after it asked for 2 s", next - asked.at);
    assert_eq!((stand.charged().await, stand.dead().await), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_secret_sets_nothing_aside_charges_nothing_and_is_said_once() {
    let stand = Stand::paced(0.1, json!({})).await;
    stand.desk(ONE).says(401);
    stand.store(ONE, 30).await;
    let caller = stand.caller().await;
    stand.gate(ONE, "open,half_open").await;
    let before = stand.desk(ONE).calls().len();
    stand.called(ONE, before + 3).await;
    let reason =
        "SELECT count(*) FROM ops.hospital_state WHERE gate_reason LIKE '401%' AND last_error LIKE '401%'";
    assert_eq!(stand.number(reason).await, 1);
    assert_eq!((stand.charged().await, stand.dead().await), (0, 0));
    stand.desk(ONE).is_well();
    stand.are(ONE, "done", 30).await;
    stand.gate(ONE, "closed").await;
    assert_eq!((stand.charged().await, stand.dead().await), (0, 0));
    assert_eq!(caller.output().matches("the hospital isn't called for a while").count(), 1);
}
