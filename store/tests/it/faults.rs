//! What goes wrong between us and the database, and what the next try finds.

use crate::support::chain;
use crate::support::database::Database;
use crate::support::relay::{Fault, Relay};
use crate::support::sample::{alerting, amendment, other_content, submission, words};
use epro_store::audit::AuditEvent;
use epro_store::error::{Absence, StoreError};
use epro_store::submissions::NewSubmission;
use epro_store::{AuditChain, Store};

const EVERY_TABLE: [&str; 7] = [
    "identified.subject",
    "identified.submission",
    "research.submission",
    "ops.alert",
    "ops.delivery",
    "ops.dead_letter",
    "audit.event",
];

async fn nothing_is_written(database: &Database) {
    for table in EVERY_TABLE {
        assert_eq!(database.count(table).await, 0, "{table}");
    }
}

async fn chunk_of_256() -> Vec<NewSubmission> {
    (0..256).map(|_| alerting(submission())).collect()
}

#[tokio::test]
async fn a_row_that_a_constraint_refuses_is_named_by_type_and_nothing_is_written() {
    let database = Database::new().await;
    let store = database.store();
    let mut chain = AuditChain::new("test");
    let chunk = chunk_of_256().await;
    let poison = chunk[100].identified.submission_id;
    let tables = [
        ("identified.submission", "submission_id"),
        ("research.submission", "submission_id"),
        ("ops.alert", "submission_id"),
        ("ops.delivery", "submission_id"),
        ("audit.event", "submission_id"),
    ];
    for (table, column) in tables {
        database
            .run(&format!("ALTER TABLE {table} ADD CONSTRAINT refuses CHECK ({column} <> '{poison}')"))
            .await;
        let refused = store.commit_chunk(&mut chain, &chunk, None).await.unwrap_err();
        let expected = StoreError::Row { sqlstate: "23514".into(), constraint: Some("refuses".into()) };
        assert_eq!(refused, expected, "{table}");
        nothing_is_written(&database).await;
        database.run(&format!("ALTER TABLE {table} DROP CONSTRAINT refuses")).await;
    }
    let outcomes = store.commit_chunk(&mut chain, &chunk, None).await.unwrap();
    assert!(words(&outcomes).iter().all(|word| *word == "stored"));
    assert_eq!(chain::unbroken(&database).await[&chain.writer()], 256);
}

#[tokio::test]
async fn a_chunk_is_split_on_one_connection_until_only_the_refused_row_is_left() {
    let database = Database::new().await;
    let store = Store::open(&database.url(), 1);
    let mut chain = AuditChain::new("test");
    let chunk = chunk_of_256().await;
    let poison = chunk[200].identified.submission_id;
    database
        .run(&format!(
            "ALTER TABLE research.submission ADD CONSTRAINT refuses CHECK (submission_id <> '{poison}')"
        ))
        .await;
    let backend = "SELECT count(DISTINCT backend_start) FROM pg_stat_activity \
                   WHERE datname = current_database() AND pid <> pg_backend_pid()";

    let mut refused = Vec::new();
    let mut parts = vec![&chunk[..]];
    while let Some(part) = parts.pop() {
        match store.commit_chunk(&mut chain, part, None).await {
            Ok(_) => {}
            Err(StoreError::Row { .. }) if part.len() == 1 => refused.push(part[0].identified.submission_id),
            Err(StoreError::Row { .. }) => parts.extend([&part[..part.len() / 2], &part[part.len() / 2..]]),
            Err(error) => panic!("{error}"),
        }
    }

    assert_eq!(refused, [poison]);
    assert_eq!(database.count("identified.submission").await, 255);
    assert_eq!(chain::unbroken(&database).await[&chain.writer()], 255);
    assert_eq!(database.rows(backend).await[0].get::<_, i64>(0), 1);
}

#[tokio::test]
async fn a_value_that_no_column_can_hold_blames_the_row() {
    let database = Database::new().await;
    let mut chain = AuditChain::new("test");
    let mut bad = submission();
    bad.research.answers = r#"[{"link_id": "\u0000"}]"#.into();
    let refused = database.store().commit_chunk(&mut chain, &[submission(), bad], None).await.unwrap_err();
    assert_eq!(refused, StoreError::Row { sqlstate: "22P05".into(), constraint: None });
    nothing_is_written(&database).await;
}

#[tokio::test]
async fn a_revoked_grant_blames_no_row() {
    let database = Database::new().await;
    let store = database.store_as("epro_worker");
    let mut chain = AuditChain::new("test");
    let chunk = [alerting(submission())];
    database.run("REVOKE INSERT ON research.submission FROM epro_worker").await;
    let refused = store.commit_chunk(&mut chain, &chunk, None).await.unwrap_err();
    assert_eq!(refused, StoreError::Retry { sqlstate: "42501".into() });
    nothing_is_written(&database).await;

    database.run("GRANT INSERT ON research.submission TO epro_worker").await;
    assert_eq!(words(&store.commit_chunk(&mut chain, &chunk, None).await.unwrap()), ["stored"]);
    assert_eq!(chain::unbroken(&database).await[&chain.writer()], 1);
}

#[tokio::test]
async fn a_backend_killed_before_commit_leaves_nothing_and_the_next_try_stores() {
    let mut database = Database::new().await;
    let store = database.store();
    let mut chain = AuditChain::new("test");
    store.commit_chunk(&mut chain, &[submission()], None).await.unwrap();
    let chunk = [submission(), submission()];
    let holder = database.one_more_client().await;
    holder.batch_execute("BEGIN; LOCK TABLE research.submission IN EXCLUSIVE MODE").await.unwrap();
    let killing = async {
        let backend = database.waiting(1).await[0];
        database.run(&format!("SELECT pg_terminate_backend({backend})")).await;
    };

    let (killed, ()) = tokio::join!(store.commit_chunk(&mut chain, &chunk, None), killing);

    assert_eq!(killed.unwrap_err(), StoreError::Away { why: Absence::Closed });
    holder.batch_execute("COMMIT").await.unwrap();
    assert_eq!(database.count("identified.submission").await, 1);
    assert_eq!(words(&store.commit_chunk(&mut chain, &chunk, None).await.unwrap()), ["stored", "stored"]);
    assert_eq!(chain::unbroken(&database).await[&chain.writer()], 3);
}

/// Commits one chunk, then another one under `fault`, then that one again.
async fn committed_again_after(fault: Fault) -> (Vec<&'static str>, usize) {
    let database = Database::new().await;
    let relay = Relay::start().await;
    let store = Store::open(&database.url_through(relay.address, ""), 2);
    let mut chain = AuditChain::new("test");
    let base = submission();
    store.commit_chunk(&mut chain, std::slice::from_ref(&base), None).await.unwrap();

    relay.next(fault);
    let chunk = [alerting(submission()), amendment(&base), other_content(&base)];
    let lost = store.commit_chunk(&mut chain, &chunk, None).await.unwrap_err();
    assert_eq!(lost, StoreError::Away { why: Absence::Closed });
    relay.struck().await;
    let outcomes = store.commit_chunk(&mut chain, &chunk, None).await.unwrap();

    assert_eq!(database.count("identified.submission").await, 3);
    assert_eq!(database.count("research.submission").await, 3);
    assert_eq!(database.count("ops.alert").await, 1);
    assert_eq!(database.count("ops.delivery").await, 3);
    assert_eq!(database.count("ops.dead_letter").await, 1);
    (words(&outcomes), chain::unbroken(&database).await[&chain.writer()])
}

#[tokio::test]
async fn a_commit_that_never_arrived_is_made_up_for() {
    let (outcomes, audited) = committed_again_after(Fault::LoseCommit).await;
    assert_eq!(outcomes, ["stored", "stored", "conflict"]);
    assert_eq!(audited, 1 + 3);
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_found_and_the_chain_goes_on_behind_it() {
    let (outcomes, audited) = committed_again_after(Fault::LoseAnswer).await;
    assert_eq!(outcomes, ["same delivery", "same delivery", "conflict"]);
    assert_eq!(audited, 1 + 3 + 3);
}

#[tokio::test]
async fn a_commit_abandoned_by_its_caller_is_found_by_the_next_one() {
    let database = Database::new().await;
    let relay = Relay::start().await;
    let store = Store::open(&database.url_through(relay.address, ""), 1);
    let mut chain = AuditChain::new("test");
    let chunk = [submission()];
    relay.next(Fault::WithholdAnswer);
    tokio::select! {
        answer = store.commit_chunk(&mut chain, &chunk, None) => panic!("{answer:?}"),
        () = relay.struck() => {}
    }
    assert_eq!(words(&store.commit_chunk(&mut chain, &chunk, None).await.unwrap()), ["same delivery"]);
    assert_eq!(chain::unbroken(&database).await[&chain.writer()], 2);
}

#[tokio::test]
async fn a_chunk_abandoned_half_way_is_not_committed_by_the_next_one() {
    let mut database = Database::new().await;
    let store = Store::open(&database.url(), 1);
    let mut chain = AuditChain::new("test");
    // Statements that are prepared already wait for the lock in the middle of their work.
    let before = [submission()];
    store.commit_chunk(&mut chain, &before, None).await.unwrap();
    let holder = database.one_more_client().await;
    holder.batch_execute("BEGIN; LOCK TABLE identified.submission IN EXCLUSIVE MODE").await.unwrap();
    let abandoned = [alerting(submission())];
    tokio::select! {
        answer = store.commit_chunk(&mut chain, &abandoned, None) => panic!("{answer:?}"),
        _ = database.waiting(1) => {}
    }
    holder.batch_execute("COMMIT").await.unwrap();

    let next = [submission()];
    assert_eq!(words(&store.commit_chunk(&mut chain, &next, None).await.unwrap()), ["stored"]);
    let left = abandoned[0].identified.submission_id;
    assert_eq!(database.count(&format!("identified.submission WHERE submission_id = '{left}'")).await, 0);
    assert_eq!(database.count("identified.submission").await, 2);
    assert_eq!(chain::unbroken(&database).await[&chain.writer()], 2);
}

#[tokio::test]
async fn an_orphaned_transaction_is_ended_by_the_server_and_its_keys_come_free() {
    let database = Database::new().await;
    let relay = Relay::start().await;
    let short = "-c%20idle_in_transaction_session_timeout%3D300";
    let store = Store::open(&database.url_through(relay.address, short), 1);
    let mut chain = AuditChain::new("test");
    let chunk = [submission()];
    relay.next(Fault::WithholdCommit);
    tokio::select! {
        answer = store.commit_chunk(&mut chain, &chunk, None) => panic!("{answer:?}"),
        () = relay.struck() => {}
    }
    assert_eq!(words(&store.commit_chunk(&mut chain, &chunk, None).await.unwrap()), ["stored"]);
    assert_eq!(chain::unbroken(&database).await[&chain.writer()], 1);
}

/// What a transaction of ours, lost but still under way at the server, does to the next one.
#[tokio::test]
async fn a_place_in_the_chain_that_was_taken_meanwhile_blames_no_row() {
    let database = Database::new().await;
    let store = database.store();
    let mut chain = AuditChain::new("test");
    store.commit_chunk(&mut chain, &[submission()], None).await.unwrap();
    database
        .run(
            "INSERT INTO audit.event (writer, seq, at, action, outcome, actor, prev_hash, hash) \
             SELECT writer, 2, at, 'lost', 'ok', 'unknown', hash, 'h' FROM audit.event",
        )
        .await;
    let chunk = [submission()];
    let taken = store.commit_chunk(&mut chain, &chunk, None).await.unwrap_err();
    assert_eq!(taken, StoreError::Retry { sqlstate: "23505".into() });
    assert_eq!(database.count("identified.submission").await, 1);

    database.run("DELETE FROM audit.event WHERE seq = 2").await;
    assert_eq!(words(&store.commit_chunk(&mut chain, &chunk, None).await.unwrap()), ["stored"]);
    assert_eq!(chain::unbroken(&database).await[&chain.writer()], 2);
}

#[tokio::test]
async fn every_connection_killed_while_idle_costs_no_error() {
    let database = Database::new().await;
    let store = database.store();
    let mut chain = AuditChain::new("test");
    let three = || async { tokio::join!(store.ping(), store.ping(), store.ping()) };
    three().await.0.unwrap();
    database
        .run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .await;
    assert_eq!(words(&store.commit_chunk(&mut chain, &[submission()], None).await.unwrap()), ["stored"]);
    store.ping().await.unwrap();
}

#[tokio::test]
async fn a_database_that_is_not_there_is_away_and_opening_the_store_does_not_mind() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let store = Store::open(&format!("postgres://u@{nobody}/d").parse().unwrap(), 1);
    assert_eq!(store.ping().await.unwrap_err(), StoreError::Away { why: Absence::Connect });
    let mut chain = AuditChain::new("test");
    let events: [AuditEvent; 0] = [];
    assert!(store.record(&mut chain, &events).await.is_err());
}

#[tokio::test]
async fn every_connection_in_use_is_said_so() {
    let database = Database::new().await;
    let store = Store::open(&database.url(), 1);
    let mut chain = AuditChain::new("test");
    let mut database = database;
    let holder = database.one_more_client().await;
    holder.batch_execute("BEGIN; LOCK TABLE research.submission IN EXCLUSIVE MODE").await.unwrap();
    let chunk = [submission()];
    let committing = store.commit_chunk(&mut chain, &chunk, None);
    let pinging = async {
        database.waiting(1).await;
        let answer = store.ping().await;
        holder.batch_execute("COMMIT").await.unwrap();
        answer
    };
    let (committed, answer) = tokio::join!(committing, pinging);
    assert_eq!(words(&committed.unwrap()), ["stored"]);
    assert_eq!(answer.unwrap_err(), StoreError::Away { why: Absence::PoolExhausted });
}
