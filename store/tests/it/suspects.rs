//! Deliveries that came back after a crash.

use crate::support::database::Database;
use crate::support::sample::submission;
use epro_store::AuditChain;
use uuid::Uuid;

#[tokio::test]
async fn each_start_is_counted_and_the_commit_forgets_its_own_only() {
    let database = Database::new().await;
    let store = database.store_as("epro_worker");
    let mut chain = AuditChain::new("test");
    let (key, other) = (Uuid::now_v7(), Uuid::now_v7());
    assert_eq!(store.suspect(key, "submissions", 1).await.unwrap(), 1);
    assert_eq!(store.suspect(key, "submissions", 2).await.unwrap(), 2);
    assert_eq!(store.suspect(other, "submissions", 1).await.unwrap(), 1);
    assert_eq!(store.suspect(key, "submissions", 3).await.unwrap(), 3);
    assert_eq!(store.suspect(key, "submissions", 3).await.unwrap(), 3, "asked again after a lost answer");
    assert_eq!(store.starts(key).await.unwrap(), 3);
    assert_eq!(store.starts(Uuid::now_v7()).await.unwrap(), 0);

    store.commit_chunk(&mut chain, &[submission()], Some(key)).await.unwrap();
    assert_eq!(database.count("ops.suspect").await, 1);
    assert_eq!(store.suspect(key, "submissions", 1).await.unwrap(), 1, "it was forgotten");
}

#[tokio::test]
async fn a_suspect_that_did_no_harm_is_forgotten() {
    let database = Database::new().await;
    let store = database.store_as("epro_worker");
    let key = Uuid::now_v7();
    store.suspect(key, "submissions", 1).await.unwrap();
    store.forget_suspect(key).await.unwrap();
    assert_eq!(store.suspect(key, "submissions", 1).await.unwrap(), 1);
}
