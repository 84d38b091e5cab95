//! Replicas that end without a word, around a call: nothing is lost, nothing is there twice.

use epro_proving::proxy::{Side, Then, Trigger};
use serde_json::json;

use super::stand::{ONE, Stand};
use crate::load::{BROKER, POSTGRES, before_broker, before_postgres};
use crate::support::{BOUND, counts, dead, lie, parked_by_one_who_was_killed};

/// What a shell says of a process that called abort: 128 + SIGABRT.
const ABORTED: i32 = 134;

/// What is stored for the first hospital.
const QUEUE: &str = "epro.his.H001";

/// A replica that aborts at `seam`, then a sound one. How often was the hospital called?
async fn survives_an_abort_at(seam: &str) -> usize {
    let stand = Stand::new(json!({"concurrency": 1, "calls_per_second": 2.0})).await;
    stand.store(ONE, 5).await;
    let fault = format!("{seam}=abort");
    let mut broken = stand.caller_with(&[("EPRO_FAULT", &fault)]);
    assert_eq!(broken.ended(BOUND).await.unwrap(), ABORTED, "{}", broken.output());
    let _sound = stand.caller().await;
    stand.are(ONE, "done", 5).await;
    let kept = stand.desk(ONE).kept();
    assert!(kept.len() == 5 && kept.iter().all(|(_, written)| *written == 1), "{kept:?}");
    assert_eq!((stand.charged().await, stand.dead().await), (0, 0));
    stand.desk(ONE).calls().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abort_before_the_call_leaves_it_to_the_next_owner() {
    assert_eq!(survives_an_abort_at("beforecall").await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abort_after_the_call_brings_it_again_and_the_hospital_has_it_once() {
    assert_eq!(survives_an_abort_at("aftercall").await, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abort_after_the_record_brings_nothing_again() {
    assert_eq!(survives_an_abort_at("afterrecord").await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_ends_the_process_is_quarantined_and_its_neighbours_go() {
    let stand = Stand::new(json!({})).await;
    let sent = stand.store(ONE, 5).await;
    let poison = sent[2].1["submission_id"].as_str().unwrap();
    let fault = format!("process:{poison}=abort");
    // The first start isn't counted: nobody knew.
    for _ in 0..3 {
        let mut broken = stand.caller_with(&[("EPRO_FAULT", &fault)]);
        assert_eq!(broken.ended(BOUND).await.unwrap(), ABORTED, "{}", broken.output());
    }
    let _last = stand.caller_with(&[("EPRO_FAULT", &fault)]);
    stand.are(ONE, "done", 4).await;
    let letter = dead(&stand.link, 1).await.remove(0);
    assert_eq!((letter.class.as_str(), letter.submission.as_deref()), ("quarantined", Some(poison)));
    assert_eq!(stand.number("SELECT count(*) FROM ops.suspect").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_whenever_its_start_is_counted_quarantines_no_delivery() {
    let stand = Stand::new(json!({})).await;
    let (proxy, postgres) = before_postgres(&stand.stack).await.unwrap();
    stand.store(ONE, 1).await;
    // As after a crash: it was handed out before.
    lie(&stand.stack, QUEUE, 1).await;
    assert_eq!(stand.hand.lying(QUEUE).await.unwrap().len(), 1);
    proxy.cut();
    let _caller = stand.caller_with(&[(POSTGRES, &postgres)]);
    for _ in 0..4 {
        // What is asked once a start is counted.
        let looked_up = Trigger::Pattern(b"SET state = 'superseded'".to_vec());
        let trip = proxy.arm(Side::Client, looked_up, Then::CutBefore);
        proxy.pass();
        trip.tripped().await.unwrap();
        // Given back, and nobody can be told that the process lives.
        lie(&stand.stack, QUEUE, 1).await;
    }
    assert_eq!(stand.desk(ONE).calls().len(), 0);
    proxy.pass();
    stand.are(ONE, "done", 1).await;
    assert_eq!((stand.charged().await, stand.dead().await), (0, 0));
    counts(&stand.link, "SELECT count(*) FROM ops.suspect", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_has_waited_leaves_no_start_behind() {
    let stand = Stand::new(json!({})).await;
    stand.store(ONE, 1).await;
    lie(&stand.stack, QUEUE, 1).await;
    let letter = stand.hand.take(QUEUE).await.unwrap().remove(0);
    let letter = parked_by_one_who_was_killed(&stand.link, letter).await;
    stand.hand.publish(&letter).await.unwrap();
    let _caller = stand.caller().await;
    stand.are(ONE, "done", 1).await;
    assert_eq!(stand.number("SELECT count(*) FROM ops.suspect").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_goes_and_comes_again_costs_nothing() {
    let stand = Stand::new(json!({"calls_per_second": 20.0})).await;
    let (proxy, broker) = before_broker(&stand.stack).await.unwrap();
    let mut caller = stand.caller_with(&[(BROKER, &broker)]);
    caller.ready().await.unwrap();
    stand.store(ONE, 60).await;
    stand.called(ONE, 3).await;
    proxy.cut();
    caller.ready_is(false, BOUND).await.unwrap();
    proxy.pass();
    caller.ready().await.unwrap();
    stand.are(ONE, "done", 60).await;
    assert!(stand.desk(ONE).kept().iter().all(|(_, written)| *written == 1));
    assert_eq!((stand.charged().await, stand.dead().await), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgresql_that_goes_and_comes_again_costs_nothing_and_no_call_is_made_without_it() {
    let stand = Stand::new(json!({"calls_per_second": 20.0})).await;
    let (proxy, postgres) = before_postgres(&stand.stack).await.unwrap();
    let mut caller = stand.caller_with(&[(POSTGRES, &postgres)]);
    caller.ready().await.unwrap();
    stand.store(ONE, 60).await;
    stand.called(ONE, 3).await;
    proxy.cut();
    // Its lease is over by then.
    crate::support::says(&caller, "calls the hospital no more").await;
    let made = stand.desk(ONE).calls().len();
    caller.ready_is(false, BOUND).await.unwrap();
    assert_eq!(stand.desk(ONE).calls().len(), made);
    proxy.pass();
    caller.ready().await.unwrap();
    stand.are(ONE, "done", 60).await;
    assert!(stand.desk(ONE).kept().iter().all(|(_, written)| *written == 1));
    assert_eq!((stand.charged().await, stand.dead().await), (0, 0));
}
