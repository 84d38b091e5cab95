//! A hospital is called by the replica that holds its lease, at one pace over all of them.

use std::time::Duration;

use epro_proving::{Service, until};
use serde_json::json;

use super::desk::{Desk, Manner};
use super::stand::{ONE, Stand, THREE, TWO};
use crate::load::before_postgres;
use crate::support::{BOUND, another_worker, counts, says};

/// The most hospitals that one replica owns now.
const MOST_OWNED: &str = "SELECT max(owned) FROM (SELECT count(*) AS owned FROM ops.lease
    WHERE kind = 'hospital' AND until > clock_timestamp() GROUP BY owner) AS each";

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_killed_with_9_is_followed_by_another_and_the_pace_holds_over_both() {
    let stand = Stand::new(json!({"calls_per_second": 10.0})).await;
    let (mut one, mut two) = (stand.caller().await, stand.caller().await);
    stand.store(ONE, 60).await;
    stand.called(ONE, 5).await;
    let owner = stand.owner(ONE, &[&one, &two]).await;
    let (first, second): (&mut Service, &Service) =
        if owner == 0 { (&mut one, &two) } else { (&mut two, &one) };
    first.kill().await.unwrap();
    let before = stand.desk(ONE).calls().len();
    stand.called(ONE, before + 5).await;
    assert_eq!(stand.owner(ONE, &[second]).await, 0);
    stand.are(ONE, "done", 60).await;
    assert!(stand.desk(ONE).busiest_second() <= 11, "{} in a second", stand.desk(ONE).busiest_second());
    assert_eq!(stand.desk(ONE).kept().len(), 60);
    assert_eq!((stand.charged().await, stand.dead().await), (0, 0));
}

/// A replica that calls the first hospital at a desk of its own, so that it is known who called.
async fn apart(stand: &Stand, postgres: Option<&str>) -> (Service, Desk) {
    let own = Desk::open().await;
    let mut apart = another_worker(&stand.stack, "apart", |config| {
        config["worker"]["lanes"] = json!(["hospitals"]);
        config["hospitals"][ONE]["url"] = json!(own.url());
        if let Some(url) = postgres {
            config["postgres"]["url"] = json!(url);
        }
    });
    apart.ready().await.unwrap();
    stand.store(ONE, 60).await;
    until("it to call", BOUND, || async { Ok((own.calls().len() > 3).then_some(())) }).await.unwrap();
    (apart, own)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_stood_still_makes_no_call_when_it_wakes() {
    let stand = Stand::new(json!({"calls_per_second": 10.0})).await;
    let (still, own) = apart(&stand, None).await;
    still.stop().await.unwrap();
    let _next = stand.caller().await;
    stand.called(ONE, 10).await;
    let made = own.calls().len();
    still.resume().await.unwrap();
    says(&still, "calls the hospital no more").await;
    stand.are(ONE, "done", 60).await;
    assert_eq!(own.calls().len(), made, "it called although its lease was another's");
    assert!(own.busiest_second() <= 11 && stand.desk(ONE).busiest_second() <= 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_cut_off_from_postgresql_has_made_its_last_call_before_another_makes_its_first() {
    let stand = Stand::new(json!({"calls_per_second": 10.0})).await;
    let (proxy, postgres) = before_postgres(&stand.stack).await.unwrap();
    let (cut_off, own) = apart(&stand, Some(&postgres)).await;
    proxy.cut();
    let _next = stand.caller().await;
    stand.are(ONE, "done", 60).await;
    let last = own.calls().iter().map(|call| call.at).max().unwrap();
    let first = stand.desk(ONE).calls().iter().map(|call| call.at).min().unwrap();
    assert!(last < first, "both called");
    says(&cut_off, "calls the hospital no more").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hospitals_are_shared_fairly_and_what_is_given_up_in_order_is_taken_over_at_once() {
    let stand = Stand::new(json!({})).await;
    let mut one = stand.caller().await;
    counts(&stand.link, MOST_OWNED, 3).await;
    let two = stand.caller().await;
    counts(&stand.link, MOST_OWNED, 2).await;
    let three = stand.caller().await;
    counts(&stand.link, MOST_OWNED, 1).await;
    for site in [ONE, TWO, THREE] {
        stand.store(site, 5).await;
        stand.are(site, "done", 5).await;
    }
    assert_eq!(one.drain(BOUND).await.unwrap(), 0, "{}", one.output());
    counts(&stand.link, MOST_OWNED, 2).await;
    for site in [ONE, TWO, THREE] {
        stand.owner(site, &[&two, &three]).await;
        stand.store(site, 5).await;
        stand.are(site, "done", 10).await;
    }
    assert_eq!(stand.dead().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_told_to_leave_finishes_its_calls_and_no_message_is_brought_twice() {
    let stand = Stand::new(json!({"calls_per_second": 20.0})).await;
    let manner = Manner { delay: Duration::from_millis(300), ..Manner::default() };
    stand.desk(ONE).set(manner);
    let mut leaving = stand.caller().await;
    stand.store(ONE, 30).await;
    stand.called(ONE, 4).await;
    assert_eq!(leaving.drain(BOUND).await.unwrap(), 0, "{}", leaving.output());
    assert!(leaving.output().contains("has left in order"), "{}", leaving.output());
    let calls = stand.desk(ONE).calls();
    assert!(calls.iter().all(|call| call.status == Some(200)), "a call was broken off: {calls:?}");
    stand.are(ONE, "done", i64::try_from(calls.len()).unwrap()).await;
    let _next = stand.caller().await;
    stand.are(ONE, "done", 30).await;
    assert_eq!(stand.desk(ONE).calls().len(), 30, "something was brought twice");
}
