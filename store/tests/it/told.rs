//! What an operator changes by hand is told in the trail by the same transaction, or it isn't changed.

use crate::support::database::Database;
use crate::support::sample::{alerting, other_content, submission, words};
use epro_store::AuditChain;
use epro_store::audit::Actor;
use tokio_postgres::Client;

/// An operator's own chain.
const WRITER: &str = "INSERT INTO audit.writer (writer, name) \
    VALUES ('00000000-0000-0000-0000-0000000000e7', 'by hand') ON CONFLICT DO NOTHING";

/// A dead letter about no submission.
const UNREADABLE: &str = "\
INSERT INTO ops.dead_letter (lane, queue, message_id, content_sha256, class, body, wrapped, headers) \
VALUES ('dead', 'epro.submissions.routine', gen_random_uuid(), sha256('x'), 'unreadable', '\\x00', false, '{}')";

/// What the rows were before anybody tried anything.
const UNCHANGED: &str = "\
SELECT (SELECT count(*) FROM ops.alert WHERE state = 'queued') \
     + (SELECT count(*) FROM ops.delivery WHERE state = 'queued') \
     + (SELECT count(*) FROM ops.risk WHERE state = 'queued') \
     + (SELECT count(*) FROM ops.dead_letter WHERE state = 'open' AND NOT failed_again) \
     + (SELECT count(*) FROM ops.pause WHERE key = 'alerts')";

/// What an operator could do by hand, and what an event about it has to say: its action, and what else it names.
const DEEDS: [(&str, &str, About); 8] = [
    (
        "UPDATE ops.alert SET state = 'done', closed_at = now(), closed_by = 'operator:eve', closed_reason = 'x'",
        "alert.closed",
        About::Submission,
    ),
    ("UPDATE ops.delivery SET state = 'done'", "delivery.reconciled", About::Submission),
    ("UPDATE ops.risk SET state = 'done', attempts = 7", "risk.reconciled", About::Submission),
    (
        "UPDATE ops.dead_letter SET state = 'discarded' WHERE submission_id IS NOT NULL",
        "dead_letter.discarded",
        About::Submission,
    ),
    (
        "UPDATE ops.dead_letter SET state = 'redriven' WHERE submission_id IS NULL",
        "dead_letter.redriven",
        About::Named("'dead_letter', (SELECT id FROM ops.dead_letter WHERE submission_id IS NULL)"),
    ),
    (
        "UPDATE ops.dead_letter SET failed_again = true WHERE submission_id IS NULL",
        "dead_letter.redriven",
        About::Named("'dead_letter', (SELECT id FROM ops.dead_letter WHERE submission_id IS NULL)"),
    ),
    (
        "INSERT INTO ops.pause (kind, key, paused_by, reason) VALUES ('lane', 'risk', 'operator:eve', 'x')",
        "pause.set",
        About::Named("'kind', 'lane', 'key', 'risk'"),
    ),
    ("DELETE FROM ops.pause WHERE key = 'alerts'", "pause.ended", About::Named("'key', 'alerts'")),
];

#[derive(Clone, Copy)]
enum About {
    /// The one that there is.
    Submission,
    /// What its details name.
    Named(&'static str),
}

/// A submission with a row everywhere, a dead letter of it and one of nobody's, and a pause.
async fn ground(database: &Database) {
    let store = database.store();
    let mut chain = AuditChain::new("test");
    let mut first = alerting(submission());
    first.risk = true;
    let chunk = [first.clone(), other_content(&first)];
    let outcomes = store.commit_chunk(&mut chain, &chunk, None).await.unwrap();
    assert_eq!(words(&outcomes), ["stored", "conflict"]);
    database.run(UNREADABLE).await;
    let lane = Actor::System("epro-worker".into());
    assert!(store.pause(&mut chain, "lane", "alerts", lane, "twenty in a row").await.unwrap());
}

/// How to write an event by hand.
fn event(action: &str, about: About) -> String {
    let (submission, named) = match about {
        About::Submission => ("(SELECT submission_id FROM ops.delivery)", ""),
        About::Named(named) => ("NULL", named),
    };
    format!(
        "INSERT INTO audit.event (writer, seq, at, action, outcome, actor, submission_id, details, prev_hash, hash) \
         SELECT writer, (SELECT count(*) + 1 FROM audit.event e WHERE e.writer = w.writer), now(), '{action}', 'ok', \
         'operator:eve', {submission}, json_build_object({named}), '\\x00', '\\x00' \
         FROM audit.writer w WHERE name = 'by hand'"
    )
}

/// The SQLSTATE of what was refused.
async fn refused(client: &Client, sql: &str) -> String {
    let error = client.batch_execute(sql).await.expect_err(sql);
    error.code().map(|code| code.code().to_owned()).unwrap_or_default()
}

#[tokio::test]
async fn what_an_operator_changes_by_hand_without_an_event_about_it_is_refused_at_the_commit() {
    let mut database = Database::new().await;
    ground(&database).await;
    let eve = database.client_as("epro_operator").await;
    eve.batch_execute(WRITER).await.unwrap();
    // What was told before, of whatever it was, tells of nothing that comes later.
    for (_, action, about) in DEEDS {
        eve.batch_execute(&event(action, about)).await.unwrap();
    }
    let elsewhere = event("delivery.renewed", About::Submission)
        .replace("(SELECT submission_id FROM ops.delivery)", "gen_random_uuid()");
    let of_others = event("pause.set", About::Named("'key', 'hospitals', 'dead_letter', 77"));
    for (deed, action, about) in DEEDS {
        assert_eq!(refused(&eve, deed).await, "EP002", "{deed}");
        eve.batch_execute(&format!("BEGIN; {deed}")).await.expect("the statement itself is allowed");
        assert_eq!(refused(&eve, "COMMIT").await, "EP002", "{deed}");
        let others = format!("BEGIN; {elsewhere}; {of_others}; {deed}");
        eve.batch_execute(&others).await.unwrap();
        assert_eq!(refused(&eve, "COMMIT").await, "EP002", "{deed}, beside events about others");
        let taken_back = format!("BEGIN; SAVEPOINT a; {}; ROLLBACK TO a; {deed}", event(action, about));
        eve.batch_execute(&taken_back).await.unwrap();
        assert_eq!(refused(&eve, "COMMIT").await, "EP002", "{deed}, with an event that was taken back");
    }
    let unchanged: i64 = database.rows(UNCHANGED).await[0].get(0);
    assert_eq!(unchanged, 6, "nothing of all that was changed");
}

#[tokio::test]
async fn with_an_event_about_it_in_the_same_transaction_an_operators_change_is_committed() {
    let mut database = Database::new().await;
    ground(&database).await;
    let ann = database.client_as("epro_operator").await;
    ann.batch_execute(WRITER).await.unwrap();
    for (deed, action, about) in DEEDS {
        ann.batch_execute(&format!("BEGIN; {deed}; {}; COMMIT", event(action, about))).await.expect(deed);
    }
    let unchanged: i64 = database.rows(UNCHANGED).await[0].get(0);
    assert_eq!(unchanged, 0);
    assert_eq!(database.count("ops.pause WHERE key = 'risk'").await, 1);
}

#[tokio::test]
async fn a_workers_changes_and_the_owners_wait_for_no_event() {
    let mut database = Database::new().await;
    ground(&database).await;
    let worker = database.client_as("epro_worker").await;
    for table in ["alert", "delivery", "risk", "dead_letter"] {
        let moved = format!("UPDATE ops.{table} SET state = state");
        worker.batch_execute(&moved).await.expect(table);
        database.run(&moved).await;
    }
    let pause =
        "INSERT INTO ops.pause (kind, key, paused_by, reason) VALUES ('lane', 'risk', 'system:w', 'x')";
    worker.batch_execute(pause).await.unwrap();
    database.run("DELETE FROM ops.pause").await;
}
