//! A chunk of nothing but new submissions, committed by one statement.

use crate::support::chain;
use crate::support::database::Database;
use crate::support::relay::{Fault, Relay};
use crate::support::sample::{alerting, follow_ons, other_content, sent_again, submission, words};
use epro_store::error::{Absence, StoreError};
use epro_store::submissions::NewSubmission;
use epro_store::{AuditChain, Store};

/// A chain whose writer is known: before its first commit a chunk goes step by step.
async fn opened(store: &Store) -> AuditChain {
    let mut chain = AuditChain::new("test");
    store.commit_chunk(&mut chain, &[submission()], None).await.unwrap();
    chain
}

fn three() -> Vec<NewSubmission> {
    let mut three = vec![submission(), submission(), submission()];
    three[1].identified.pseudonym = three[0].identified.pseudonym;
    three[1].delivery_site = None;
    three[1].risk = true;
    three[2].identified.late = true;
    three[2].identified.sent_at = None;
    three[2].research.answered_at = None;
    three
}

/// Every row about `chunk`, without the times at which it was written and its place in its chain.
async fn rows(database: &Database, chunk: &[NewSubmission]) -> Vec<String> {
    let mut rows = Vec::new();
    let ids = |of: fn(&NewSubmission) -> uuid::Uuid| {
        chunk.iter().map(|new| format!("'{}'", of(new))).collect::<Vec<_>>().join(", ")
    };
    let about = format!("submission_id IN ({})", ids(|new| new.identified.submission_id));
    let subjects = format!("pseudonym IN ({})", ids(|new| new.identified.pseudonym));
    for (table, which) in [
        ("identified.subject", &subjects),
        ("identified.submission", &about),
        ("research.submission", &about),
        ("ops.delivery", &about),
        ("ops.risk", &about),
        ("audit.event", &about),
    ] {
        let sql = format!(
            "SELECT (to_jsonb(t) - ARRAY['first_seen_at', 'stored_at', 'state_at', 'created_at', 'stored_xid', 'writer', 'seq', \
             'at', 'prev_hash', 'hash'])::text FROM {table} t WHERE {which} ORDER BY 1"
        );
        let found = database.rows(&sql).await;
        rows.extend(found.iter().map(|row| format!("{table} {}", row.get::<_, String>(0))));
    }
    rows
}

#[tokio::test]
async fn it_writes_what_a_chunk_written_step_by_step_writes() {
    let (at_once, in_steps) = (Database::new().await, Database::new().await);
    let chunk = three();
    let mut chain = opened(&at_once.store()).await;

    let one = at_once.store_as("epro_worker").commit_chunk(&mut chain, &chunk, None).await.unwrap();
    let other = in_steps.store().commit_chunk(&mut AuditChain::new("test"), &chunk, None).await.unwrap();

    assert_eq!(words(&one), ["stored", "stored", "stored"]);
    assert_eq!(follow_ons(&one), [1, 1, 1]);
    assert_eq!(format!("{one:?}"), format!("{other:?}"));
    let written = rows(&at_once, &chunk).await;
    assert_eq!(written.len(), 2 + 3 + 3 + 2 + 1 + 3);
    for (one, other) in written.iter().zip(rows(&in_steps, &chunk).await) {
        assert_eq!(*one, other);
    }
    assert_eq!(chain::unbroken(&at_once).await[&chain.writer()], 1 + 3);
}

#[tokio::test]
async fn one_statement_is_all_it_takes() {
    let database = Database::new().await;
    let store = Store::open(&database.url(), 1);
    let mut chain = opened(&store).await;
    let transactions = "SELECT DISTINCT xmin::text FROM audit.event \
        UNION SELECT DISTINCT xmin::text FROM identified.submission";
    store.commit_chunk(&mut chain, &three(), None).await.unwrap();
    assert_eq!(database.rows(transactions).await.len(), 2);
    let last = "SELECT query FROM pg_stat_activity WHERE datname = current_database() \
        AND pid <> pg_backend_pid()";
    let query: String = database.rows(last).await[0].get(0);
    assert!(query.starts_with("WITH new AS"), "{query}");
}

#[tokio::test]
async fn one_that_is_there_already_gets_its_verdict_and_the_rest_is_stored() {
    let database = Database::new().await;
    let store = database.store_as("epro_worker");
    let mut chain = opened(&store).await;
    let first = submission();
    store.commit_chunk(&mut chain, std::slice::from_ref(&first), None).await.unwrap();

    for _ in 0..2 {
        let chunk = [submission(), first.clone(), submission()];
        let outcomes = store.commit_chunk(&mut chain, &chunk, None).await.unwrap();
        assert_eq!(words(&outcomes), ["stored", "same delivery", "stored"]);
    }
    let outcomes = store.commit_chunk(&mut chain, &[other_content(&first)], None).await.unwrap();
    assert_eq!(words(&outcomes), ["conflict"]);
    assert_eq!(database.count("identified.submission").await, 2 + 4);
    assert_eq!(chain::unbroken(&database).await[&chain.writer()], 2 + 6 + 1);
}

#[tokio::test]
async fn copies_in_one_chunk_and_alerts_are_written_step_by_step() {
    let database = Database::new().await;
    let store = database.store();
    let mut chain = opened(&store).await;
    let first = submission();
    let chunk = [first.clone(), sent_again(&first), alerting(submission())];
    let outcomes = store.commit_chunk(&mut chain, &chunk, None).await.unwrap();
    assert_eq!(words(&outcomes), ["stored", "duplicate", "stored"]);
    assert_eq!(database.count("ops.alert").await, 1);
    assert_eq!(chain::unbroken(&database).await[&chain.writer()], 1 + 3);
}

#[tokio::test]
async fn of_two_chunks_that_hold_the_same_submission_at_once_one_stores_it() {
    let database = Database::new().await;
    let store = database.store();
    let (mut one, mut other) = (opened(&store).await, opened(&store).await);
    for _ in 0..20 {
        let shared = submission();
        let chunk = |beside| [beside, shared.clone()];
        let (left, right) = (chunk(submission()), chunk(submission()));
        let (left, right) = tokio::join!(
            store.commit_chunk(&mut one, &left, None),
            store.commit_chunk(&mut other, &right, None)
        );
        let mut both = [words(&left.unwrap())[1], words(&right.unwrap())[1]];
        both.sort_unstable();
        assert_eq!(both, ["same delivery", "stored"]);
        // Doubt after the race would let the next pair go step by step.
        for _ in 0..16 {
            store.commit_chunk(&mut one, &[submission()], None).await.unwrap();
        }
    }
    assert_eq!(database.count("identified.submission").await, 2 + 20 * (3 + 16));
    let chains = chain::unbroken(&database).await;
    assert_eq!(chains[&one.writer()] + chains[&other.writer()], 2 + 20 * (4 + 16));
}

/// Commits one chunk under `fault`, then that one again.
async fn committed_again_after(fault: Fault) -> (Vec<&'static str>, usize) {
    let database = Database::new().await;
    let relay = Relay::for_chunks_at_once().await;
    let store = Store::open(&database.url_through(relay.address, ""), 2);
    let mut chain = opened(&store).await;
    let chunk = three();
    relay.next(fault);
    let lost = store.commit_chunk(&mut chain, &chunk, None).await.unwrap_err();
    assert_eq!(lost, StoreError::Away { why: Absence::Closed });
    relay.struck().await;

    let outcomes = store.commit_chunk(&mut chain, &chunk, None).await.unwrap();

    assert_eq!(database.count("identified.submission").await, 1 + 3);
    assert_eq!(database.count("research.submission").await, 1 + 3);
    assert_eq!(database.count("ops.delivery").await, 1 + 2);
    (words(&outcomes), chain::unbroken(&database).await[&chain.writer()])
}

#[tokio::test]
async fn one_that_never_arrived_is_made_up_for() {
    let (outcomes, audited) = committed_again_after(Fault::LoseCommit).await;
    assert_eq!(outcomes, ["stored", "stored", "stored"]);
    assert_eq!(audited, 1 + 3);
}

#[tokio::test]
async fn one_whose_answer_was_lost_is_found_and_the_chain_goes_on_behind_it() {
    let (outcomes, audited) = committed_again_after(Fault::LoseAnswer).await;
    assert_eq!(outcomes, ["same delivery", "same delivery", "same delivery"]);
    assert_eq!(audited, 1 + 3 + 3);
}

#[tokio::test]
async fn one_abandoned_by_its_caller_is_found_by_the_next_try() {
    let database = Database::new().await;
    let relay = Relay::for_chunks_at_once().await;
    let store = Store::open(&database.url_through(relay.address, ""), 1);
    let mut chain = opened(&store).await;
    let chunk = [submission()];
    relay.next(Fault::WithholdAnswer);
    tokio::select! {
        answer = store.commit_chunk(&mut chain, &chunk, None) => panic!("{answer:?}"),
        () = relay.struck() => {}
    }
    assert_eq!(words(&store.commit_chunk(&mut chain, &chunk, None).await.unwrap()), ["same delivery"]);
    assert_eq!(chain::unbroken(&database).await[&chain.writer()], 1 + 2);
}

#[tokio::test]
async fn a_row_that_is_refused_is_named_nothing_is_written_and_the_connection_stays() {
    let database = Database::new().await;
    let store = Store::open(&database.url(), 1);
    let mut chain = opened(&store).await;
    let chunk = three();
    let poison = chunk[1].identified.submission_id;
    let check = "ADD CONSTRAINT refuses CHECK (submission_id <> ";
    database.run(&format!("ALTER TABLE research.submission {check} '{poison}')")).await;
    let refused = store.commit_chunk(&mut chain, &chunk, None).await.unwrap_err();
    let expected = StoreError::Row { sqlstate: "23514".into(), constraint: Some("refuses".into()) };
    assert_eq!(refused, expected);
    assert_eq!(rows(&database, &chunk).await, Vec::<String>::new());

    let rest = [chunk[0].clone(), chunk[2].clone()];
    assert_eq!(words(&store.commit_chunk(&mut chain, &rest, None).await.unwrap()), ["stored", "stored"]);
    assert_eq!(chain::unbroken(&database).await[&chain.writer()], 1 + 2);
    let backends = "SELECT count(DISTINCT backend_start) FROM pg_stat_activity \
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
    assert_eq!(database.rows(backends).await[0].get::<_, i64>(0), 1);
}
