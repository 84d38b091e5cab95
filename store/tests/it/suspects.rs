//! Deliveries that came back after a crash.

use crate::support::database::Database;
use crate::support::sample::submission;
use epro_store::AuditChain;
use epro_store::submissions::Waited;
use epro_store::suspects::Counted;
use uuid::Uuid;

#[tokio::test]
async fn each_start_is_counted_and_the_commit_forgets_its_own_only() {
    let database = Database::new().await;
    let store = database.store_as("epro_worker");
    let mut chain = AuditChain::new("test");
    let (key, other) = (Uuid::now_v7(), Uuid::now_v7());
    let ids = [Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7()];
    let start = async |key, id| store.suspect(key, "submissions", id).await.unwrap().starts;
    assert_eq!(start(key, ids[0]).await, 1);
    assert_eq!(start(key, ids[1]).await, 2);
    assert_eq!(start(other, Uuid::now_v7()).await, 1);
    assert_eq!(start(key, ids[2]).await, 3);
    assert_eq!(start(key, ids[2]).await, 3, "asked again after a lost answer");
    assert_eq!(start(key, ids[0]).await, 3, "an older one, too");
    assert_eq!(store.suspect(key, "submissions", ids[1]).await.unwrap().open, ids);
    assert_eq!(store.counted(key).await.unwrap().starts, 3);
    assert_eq!(store.counted(Uuid::now_v7()).await.unwrap(), Counted::default());

    store.commit_chunk(&mut chain, &[submission()], Some(key)).await.unwrap();
    assert_eq!(database.count("ops.suspect").await, 1);
    assert_eq!(start(key, Uuid::now_v7()).await, 1, "it was forgotten");
}

#[tokio::test]
async fn the_commit_of_what_has_waited_forgets_its_starts_though_it_came_as_if_it_were_new() {
    let database = Database::new().await;
    let store = database.store_as("epro_worker");
    let mut chain = AuditChain::new("test");
    // The chain's first commit goes step by step in any case.
    store.commit_chunk(&mut chain, &[submission()], None).await.unwrap();
    let [mut waited, mut waited_too, fresh] = [submission(), submission(), submission()];
    for one in [&mut waited, &mut waited_too] {
        one.source.waited = Some(Waited { times: 1, since: None });
    }
    let chunk = [waited, fresh, waited_too];
    for one in &chunk {
        store.suspect(one.source.message_id, "submissions", Uuid::now_v7()).await.unwrap();
    }
    store.commit_chunk(&mut chain, &chunk, None).await.unwrap();
    assert_eq!(database.count("ops.suspect").await, 1);
    assert_eq!(store.counted(chunk[1].source.message_id).await.unwrap().starts, 1, "it hasn't waited");
}

#[tokio::test]
async fn who_outlived_a_start_takes_back_that_one_whatever_others_have_counted_meanwhile() {
    let database = Database::new().await;
    let store = database.store_as("epro_worker");
    let (key, other) = (Uuid::now_v7(), Uuid::now_v7());
    let ids = [Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7()];
    for id in ids {
        store.suspect(key, "submissions", id).await.unwrap();
    }
    store.suspect(other, "submissions", Uuid::now_v7()).await.unwrap();
    // What was never counted changes nothing, nor does what is taken back already.
    let some = [(key, ids[0]), (key, ids[2]), (key, Uuid::now_v7()), (other, Uuid::now_v7())];
    for _ in 0..2 {
        store.outlived(&some).await.unwrap();
        let starts = async |key| store.counted(key).await.unwrap().starts;
        assert_eq!((starts(key).await, starts(other).await), (1, 1));
    }
    store.outlived(&[(key, ids[1])]).await.unwrap();
    assert_eq!(database.count("ops.suspect").await, 1, "a suspect of which nothing is counted is none");
    store.outlived(&[]).await.unwrap();
}

#[tokio::test]
async fn what_an_older_version_counted_stays_counted_beside_the_starts_that_have_ids() {
    let database = Database::new().await;
    let store = database.store_as("epro_worker");
    let (key, id) = (Uuid::now_v7(), Uuid::now_v7());
    let older = format!("INSERT INTO ops.suspect (key, lane, starts) VALUES ('{key}', 'submissions', 1)");
    database.admin.batch_execute(&older).await.unwrap();
    assert_eq!(store.suspect(key, "submissions", id).await.unwrap().starts, 2);
    store.outlived(&[(key, id)]).await.unwrap();
    assert_eq!(store.counted(key).await.unwrap().starts, 1);
}

#[tokio::test]
async fn a_start_that_is_counted_after_it_was_taken_back_is_taken_back_by_asking_again() {
    let database = Database::new().await;
    let store = database.store_as("epro_worker");
    let (key, id) = (Uuid::now_v7(), Uuid::now_v7());
    // Given up on its way, it is overtaken.
    store.outlived(&[(key, id)]).await.unwrap();
    assert_eq!(store.suspect(key, "submissions", id).await.unwrap().starts, 1);
    store.outlived(&[(key, id)]).await.unwrap();
    assert_eq!(database.count("ops.suspect").await, 0);
}

#[tokio::test]
async fn a_start_that_did_harm_stays_counted_and_nobody_waits_for_a_word_about_it() {
    let database = Database::new().await;
    let store = database.store_as("epro_worker");
    let (key, [harmful, other]) = (Uuid::now_v7(), [Uuid::now_v7(), Uuid::now_v7()]);
    store.suspect(key, "submissions", harmful).await.unwrap();
    for _ in 0..2 {
        store.harmed(&[(key, harmful), (Uuid::now_v7(), Uuid::now_v7())]).await.unwrap();
        assert_eq!(store.counted(key).await.unwrap(), Counted { starts: 1, open: vec![] });
    }
    let counted = store.suspect(key, "submissions", other).await.unwrap();
    assert_eq!(counted, Counted { starts: 2, open: vec![other] });
    store.outlived(&[(key, harmful), (key, other)]).await.unwrap();
    assert_eq!(store.counted(key).await.unwrap(), Counted { starts: 1, open: vec![] });
}

#[tokio::test]
async fn who_is_acquitted_leaves_only_what_was_counted_since_and_asks_for_that_once() {
    let database = Database::new().await;
    let store = database.store_as("epro_worker");
    let (key, [own, later]) = (Uuid::now_v7(), [Uuid::now_v7(), Uuid::now_v7()]);
    let older = format!("INSERT INTO ops.suspect (key, lane, starts) VALUES ('{key}', 'submissions', 1)");
    database.admin.batch_execute(&older).await.unwrap();
    let known = store.suspect(key, "submissions", own).await.unwrap().open;
    store.suspect(key, "submissions", later).await.unwrap();
    store.acquitted(&[(key, own)], &known).await.unwrap();
    store.harmed(&[(key, later)]).await.unwrap();
    store.acquitted(&[(key, own)], &known).await.unwrap();
    assert_eq!(store.counted(key).await.unwrap(), Counted { starts: 1, open: vec![] });
}

#[tokio::test]
async fn what_an_older_version_counted_goes_with_the_one_who_is_acquitted() {
    let database = Database::new().await;
    let store = database.store_as("epro_worker");
    let (key, own) = (Uuid::now_v7(), Uuid::now_v7());
    let older = format!("INSERT INTO ops.suspect (key, lane, starts) VALUES ('{key}', 'submissions', 2)");
    database.admin.batch_execute(&older).await.unwrap();
    let known = store.suspect(key, "submissions", own).await.unwrap().open;
    store.acquitted(&[(key, own)], &known).await.unwrap();
    assert_eq!(database.count("ops.suspect").await, 0);
}
