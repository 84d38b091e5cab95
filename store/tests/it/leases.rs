//! Ownership that expires.

use crate::support::database::Database;
use epro_store::Store;
use epro_store::lease::{Lease, LeaseRound};
use std::collections::HashSet;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use uuid::Uuid;

const TTL: Duration = Duration::from_secs(60);

fn keys(n: usize) -> Vec<String> {
    (0..n).map(|n| format!("H{n:03}")).collect()
}

async fn round(store: &Store, owner: Uuid, keys: &[String]) -> Vec<Lease> {
    store.leases(&LeaseRound { kind: "hospital", owner, keys, ttl: TTL }).await.unwrap()
}

fn held(leases: &[Lease]) -> HashSet<String> {
    leases.iter().map(|lease| lease.key.clone()).collect()
}

async fn expire(database: &Database, which: &str) {
    let past = "UPDATE ops.lease SET until = clock_timestamp() - interval '1 ms' WHERE ";
    database.run(&format!("{past}{which}")).await;
}

#[tokio::test]
async fn a_lone_owner_gets_everything_and_keeps_its_term_while_it_renews() {
    let database = Database::new().await;
    let (store, keys, owner) = (database.store_as("epro_worker"), keys(5), Uuid::now_v7());
    let first = round(&store, owner, &keys).await;
    assert_eq!(held(&first).len(), 5);
    let second = round(&store, owner, &keys).await;
    assert_eq!(held(&second), held(&first));
    assert!(second.iter().all(|lease| lease.term == 1));
}

#[tokio::test]
async fn until_is_counted_from_before_the_update_was_sent() {
    let database = Database::new().await;
    let store = database.store();
    let before = Instant::now();
    let leases = round(&store, Uuid::now_v7(), &keys(1)).await;
    let after = Instant::now();
    assert!(leases[0].until >= before + TTL && leases[0].until <= after + TTL);
    let left: f64 = database
        .rows("SELECT extract(epoch FROM until - clock_timestamp())::double precision FROM ops.lease")
        .await[0]
        .get(0);
    let ours = leases[0].until.saturating_duration_since(Instant::now());
    // The row is read first, our clock second: ours can only look shorter, by what lies between.
    assert!(ours <= Duration::from_secs_f64(left) + after.elapsed(), "we believe longer than the database");
}

#[tokio::test]
async fn nobody_else_gets_a_lease_before_it_expires_and_then_the_share_is_fair() {
    let database = Database::new().await;
    let (store, keys) = (database.store(), keys(4));
    let (first, second) = (Uuid::now_v7(), Uuid::now_v7());
    assert_eq!(round(&store, first, &keys).await.len(), 4);

    assert!(round(&store, second, &keys).await.is_empty(), "all of them are owned");
    let kept = held(&round(&store, first, &keys).await);
    assert_eq!(kept.len(), 2, "it yields above its share");
    assert!(round(&store, second, &keys).await.is_empty(), "what was yielded hasn't expired");

    let yielded: Vec<String> =
        keys.iter().filter(|key| !kept.contains(*key)).map(|k| format!("'{k}'")).collect();
    expire(&database, &format!("key IN ({})", yielded.join(", "))).await;
    let taken = round(&store, second, &keys).await;
    assert_eq!(taken.len(), 2);
    assert!(held(&taken).is_disjoint(&kept));
    assert!(taken.iter().all(|lease| lease.term == 2), "a new owner is a new term");
    assert_eq!(held(&round(&store, first, &keys).await), kept);
}

#[tokio::test]
async fn a_dead_owners_leases_go_to_the_others_once_they_expire() {
    let database = Database::new().await;
    let (store, keys) = (database.store(), keys(6));
    let (dead, alive) = (Uuid::now_v7(), Uuid::now_v7());
    assert_eq!(round(&store, dead, &keys).await.len(), 6);
    database.run("UPDATE ops.lease_owner SET until = clock_timestamp() - interval '1 ms'").await;
    expire(&database, "true").await;
    assert_eq!(round(&store, alive, &keys).await.len(), 6);
}

#[tokio::test]
async fn an_owner_that_leaves_frees_its_leases_at_once() {
    let database = Database::new().await;
    let (store, keys) = (database.store(), keys(3));
    let (leaving, staying) = (Uuid::now_v7(), Uuid::now_v7());
    round(&store, leaving, &keys).await;
    store.release_leases("hospital", leaving).await.unwrap();
    assert_eq!(round(&store, staying, &keys).await.len(), 3);
}

#[tokio::test]
async fn one_key_is_held_by_one_of_many() {
    let database = Database::new().await;
    let (store, keys) = (database.store(), keys(1));
    let mut held = 0;
    for _ in 0..5 {
        held += round(&store, Uuid::now_v7(), &keys).await.len();
    }
    assert_eq!(held, 1);
}

#[tokio::test]
async fn kinds_do_not_mix() {
    let database = Database::new().await;
    let (store, keys) = (database.store(), keys(1));
    round(&store, Uuid::now_v7(), &keys).await;
    let relay = LeaseRound { kind: "relay", owner: Uuid::now_v7(), keys: &keys, ttl: TTL };
    assert_eq!(store.leases(&relay).await.unwrap().len(), 1);
}

/// Every (key, term) has one owner: the database's own history, whatever the rounds raced for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn owners_that_race_for_expired_leases_never_hold_one_together() {
    let database = Database::new().await;
    let keys = keys(12);
    let mut tasks = JoinSet::new();
    for _ in 0..4 {
        let (store, keys) = (Store::open(&database.url(), 1), keys.clone());
        tasks.spawn(async move {
            let owner = Uuid::now_v7();
            let mut terms = Vec::new();
            for _ in 0..40 {
                // So short that nearly every round finds something to take over.
                let ttl = Duration::from_millis(2);
                let round = LeaseRound { kind: "hospital", owner, keys: &keys, ttl };
                let leases = store.leases(&round).await.unwrap();
                terms.extend(leases.into_iter().map(|lease| ((lease.key, lease.term), owner)));
            }
            terms
        });
    }
    let mut owners = std::collections::HashMap::new();
    for (term, owner) in tasks.join_all().await.into_iter().flatten() {
        assert_eq!(*owners.entry(term.clone()).or_insert(owner), owner, "{term:?} has two owners");
    }
    assert!(owners.len() > 12, "none was taken over");
}
