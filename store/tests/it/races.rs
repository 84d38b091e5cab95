//! Several committers at once.

use crate::support::chain;
use crate::support::database::Database;
use crate::support::sample::{amendment, other_content, sent_again, submission, words};
use epro_store::submissions::NewSubmission;
use epro_store::{AuditChain, Store};
use tokio::task::JoinSet;

/// Commits each chunk in a task with a chain of its own; the outcomes in the order of the chunks.
async fn at_once(store: &Store, chunks: Vec<Vec<NewSubmission>>) -> Vec<Vec<&'static str>> {
    let mut tasks = JoinSet::new();
    let barrier = std::sync::Arc::new(tokio::sync::Barrier::new(chunks.len()));
    for (n, chunk) in chunks.into_iter().enumerate() {
        let (store, barrier) = (store.clone(), std::sync::Arc::clone(&barrier));
        tasks.spawn(async move {
            let mut chain = AuditChain::new(&format!("task {n}"));
            barrier.wait().await;
            (n, words(&store.commit_chunk(&mut chain, &chunk, None).await.unwrap()))
        });
    }
    let mut outcomes = tasks.join_all().await;
    outcomes.sort();
    outcomes.into_iter().map(|(_, words)| words).collect()
}

fn sorted(outcomes: Vec<Vec<&'static str>>) -> Vec<&'static str> {
    let mut all: Vec<_> = outcomes.into_iter().flatten().collect();
    all.sort_unstable();
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_committers_of_one_submission_one_stores_it() {
    let database = Database::new().await;
    let store = database.store();
    for _ in 0..40 {
        let first = submission();
        let again = sent_again(&first);
        assert_eq!(sorted(at_once(&store, vec![vec![first], vec![again]]).await), ["duplicate", "stored"]);
    }
    assert_eq!(database.count("identified.submission").await, 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_committers_of_two_contents_one_is_set_aside() {
    let database = Database::new().await;
    let store = database.store();
    for _ in 0..40 {
        let first = submission();
        let other = other_content(&first);
        assert_eq!(sorted(at_once(&store, vec![vec![first], vec![other]]).await), ["conflict", "stored"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_concurrent_amendments_one_is_stale() {
    let database = Database::new().await;
    let store = database.store();
    for _ in 0..40 {
        let base = submission();
        at_once(&store, vec![vec![base.clone()]]).await;
        let amendments = vec![vec![amendment(&base)], vec![amendment(&base)]];
        assert_eq!(sorted(at_once(&store, amendments).await), ["stale", "stored"]);
    }
    assert_eq!(database.count("identified.submission WHERE amends IS NOT NULL").await, 40);
}

/// The first committer is held between its two round trips; the second waits for its keys.
#[tokio::test]
async fn the_loser_of_a_race_waits_for_the_winners_commit_and_sees_it() {
    let mut database = Database::new().await;
    let store = database.store();
    let base = submission();
    at_once(&store, vec![vec![base.clone()]]).await;
    let (fresh, amends) = (submission(), amendment(&base));
    let (mut winner, mut loser) = (AuditChain::new("winner"), AuditChain::new("loser"));

    let holder = database.one_more_client().await;
    holder.batch_execute("BEGIN; LOCK TABLE research.submission IN EXCLUSIVE MODE").await.unwrap();
    let chunk = [fresh.clone(), amends];
    let first = store.commit_chunk(&mut winner, &chunk, None);
    let rivals = [other_content(&fresh), amendment(&base)];
    let second = async {
        database.waiting(1).await;
        store.commit_chunk(&mut loser, &rivals, None).await
    };
    let release = async {
        database.waiting(2).await;
        holder.batch_execute("COMMIT").await
    };
    let (first, second, released) = tokio::join!(first, second, release);

    released.unwrap();
    assert_eq!(words(&first.unwrap()), ["stored", "stored"]);
    assert_eq!(words(&second.unwrap()), ["conflict", "stale"]);
}

/// The subjects are there already: new ones would make the second committer wait before it holds anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn committers_of_the_same_keys_in_opposite_orders_do_not_deadlock() {
    let database = Database::new().await;
    let store = database.store();
    for _ in 0..4 {
        let bases: Vec<_> = (0..500).map(|_| submission()).collect();
        at_once(&store, vec![bases.clone()]).await;
        let fresh: Vec<_> = bases.iter().map(of_the_same_subject).collect();
        let again: Vec<_> = fresh.iter().rev().map(sent_again).collect();
        let outcomes = sorted(at_once(&store, vec![fresh, again]).await);
        assert_eq!(outcomes.iter().filter(|word| **word == "stored").count(), 500);

        let amendments: Vec<_> = bases.iter().map(amendment).collect();
        let rivals: Vec<_> = bases.iter().rev().map(amendment).collect();
        let outcomes = sorted(at_once(&store, vec![amendments, rivals]).await);
        assert_eq!(outcomes.iter().filter(|word| **word == "stored").count(), 500);
    }
    chain::unbroken(&database).await;
}

fn of_the_same_subject(other: &NewSubmission) -> NewSubmission {
    let mut fresh = submission();
    fresh.identified.pseudonym = other.identified.pseudonym;
    fresh
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_chains_grow_side_by_side_without_a_gap() {
    let database = Database::new().await;
    let store = database.store();
    let mut tasks = JoinSet::new();
    for n in 0..8 {
        let store = store.clone();
        tasks.spawn(async move {
            let mut chain = AuditChain::new(&format!("task {n}"));
            for _ in 0..10 {
                let chunk = [submission(), submission()];
                store.commit_chunk(&mut chain, &chunk, None).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    let chains = chain::unbroken(&database).await;
    assert_eq!(chains.len(), 8);
    assert!(chains.values().all(|length| *length == 20));
}
