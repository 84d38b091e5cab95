//! Rows whose message must still be published.

use crate::support::database::Database;
use crate::support::sample::{alerting, submission};
use epro_store::AuditChain;
use epro_store::follow_ons::{AlertFollowOn, FollowOn};
use epro_store::submissions::Outcome;
use uuid::Uuid;

async fn stored(database: &Database) -> Vec<FollowOn> {
    let mut chain = AuditChain::new("test");
    let chunk = [alerting(submission()), submission()];
    let outcomes = database.store().commit_chunk(&mut chain, &chunk, None).await.unwrap();
    let of = |outcome| match outcome {
        Outcome::Stored { follow_ons, .. } => follow_ons,
        other => panic!("{other:?}"),
    };
    outcomes.into_iter().flat_map(of).collect()
}

#[tokio::test]
async fn what_could_not_be_sent_waits_for_the_relay_and_comes_back_as_it_was() {
    let database = Database::new().await;
    let store = database.store_as("epro_worker");
    let follow_ons = stored(&database).await;
    assert!(store.unsent(100).await.unwrap().is_empty(), "queued is not unsent");

    store.mark_unsent(&follow_ons).await.unwrap();
    let mut waiting = store.unsent(100).await.unwrap();
    assert!(matches!(waiting[0], FollowOn::Alert(_)), "an alert comes first");
    assert_eq!(waiting.len(), 3);
    assert!(follow_ons.iter().all(|f| waiting.contains(f)));
    assert_eq!(store.unsent(1).await.unwrap().len(), 2, "one alert and one delivery");

    store.mark_queued(&waiting.split_off(1)).await.unwrap();
    assert_eq!(store.unsent(100).await.unwrap(), waiting);
}

#[tokio::test]
async fn what_is_done_or_of_a_newer_generation_does_not_go_back() {
    let database = Database::new().await;
    let store = database.store();
    let follow_ons = stored(&database).await;
    database.run("UPDATE ops.alert SET state = 'done'").await;
    database.run("UPDATE ops.delivery SET generation = 2").await;
    store.mark_unsent(&follow_ons).await.unwrap();
    assert!(store.unsent(100).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_fails_again_goes_behind_the_others() {
    let database = Database::new().await;
    let store = database.store();
    let deliveries: Vec<_> =
        stored(&database).await.into_iter().filter(|f| matches!(f, FollowOn::Delivery(_))).collect();
    store.mark_unsent(&deliveries).await.unwrap();
    let first = store.unsent(1).await.unwrap();
    store.mark_unsent(&first).await.unwrap();
    assert_ne!(store.unsent(1).await.unwrap(), first);
}

#[tokio::test]
async fn an_alert_without_a_submission_is_raised_once_and_not_again_when_it_is_done() {
    let database = Database::new().await;
    let store = database.store_as("epro_worker");
    let alert = AlertFollowOn {
        alert_id: Uuid::from_u128(7),
        submission_id: Uuid::now_v7(),
        site_id: "H001".into(),
        study_id: "ONC-301".into(),
        rule: "item-9".into(),
        severity: "critical".into(),
        received_at: None,
    };
    let alerts = [(alert.clone(), Uuid::new_v4()), (alert.clone(), Uuid::new_v4())];
    assert_eq!(store.raise_alerts(&alerts).await.unwrap(), [FollowOn::Alert(alert.clone())]);
    assert_eq!(store.raise_alerts(&alerts).await.unwrap(), [FollowOn::Alert(alert)]);
    assert_eq!(database.count("ops.alert").await, 1);
    database.run("UPDATE ops.alert SET state = 'done'").await;
    assert!(store.raise_alerts(&alerts).await.unwrap().is_empty());
}

#[tokio::test]
async fn nothing_to_mark_is_no_error() {
    let database = Database::new().await;
    database.store().mark_unsent(&[]).await.unwrap();
    database.store().mark_queued(&[]).await.unwrap();
}
