//! What each role may not do, and that it may do what it needs.

use crate::dead_letters::mark;
use crate::support::database::Database;
use crate::support::sample::{alerting, amendment, other_content, submission, words};
use epro_store::AuditChain;
use epro_store::dead_letters::{Filter, Redriven};
use epro_store::responses::Content;
use epro_store::status::Access;

async fn a_little_of_everything(database: &Database) {
    let mut chain = AuditChain::new("test");
    let first = alerting(submission());
    let chunk = [first.clone(), amendment(&first), other_content(&first)];
    database.store().commit_chunk(&mut chain, &chunk, None).await.unwrap();
}

/// Each of these is refused for lack of a grant.
async fn refused(database: &mut Database, role: &str, statements: &[&str]) {
    let client = database.client_as(role).await;
    for statement in statements {
        let answer = client.batch_execute(statement).await;
        let code = answer.expect_err(statement).code().cloned();
        assert_eq!(code.as_ref().map(|c| c.code()), Some("42501"), "{role}: {statement}");
    }
}

#[tokio::test]
async fn a_worker_commits_but_can_not_change_or_delete_what_is_identified_or_audited() {
    let mut database = Database::new().await;
    let store = database.store_as("epro_worker");
    let mut chain = AuditChain::new("test");
    let first = alerting(submission());
    let chunk = [first.clone(), amendment(&first), other_content(&first)];
    let suspect = uuid::Uuid::new_v4();
    store.suspect(suspect, "submissions", uuid::Uuid::now_v7()).await.unwrap();
    let outcomes = store.commit_chunk(&mut chain, &chunk, Some(suspect)).await.unwrap();
    assert_eq!(words(&outcomes), ["stored", "stored", "conflict"]);
    store.pause(&mut chain, "lane", "submissions", "worker", "twenty in a row").await.unwrap();

    let statements = [
        "UPDATE audit.event SET outcome = 'other'",
        "DELETE FROM audit.event",
        "TRUNCATE audit.event",
        "UPDATE audit.writer SET name = 'other'",
        "DELETE FROM audit.writer",
        "UPDATE identified.submission SET late = true",
        "DELETE FROM identified.submission",
        "TRUNCATE identified.submission",
        "UPDATE identified.subject SET study_id = 'other'",
        "DELETE FROM identified.subject",
        "UPDATE research.submission SET late = true",
        "DELETE FROM research.submission",
        "DELETE FROM ops.alert",
        "DELETE FROM ops.dead_letter",
        "DELETE FROM ops.pause",
        "CREATE TABLE ops.mine (n integer)",
        "DROP TABLE ops.alert",
        "ALTER TABLE audit.event DISABLE TRIGGER ALL",
    ];
    let owned = ["DROP TABLE ops.alert", "ALTER TABLE audit.event DISABLE TRIGGER ALL"];
    assert!(owned.iter().all(|statement| statements.contains(statement)));
    refused(&mut database, "epro_worker", &statements).await;
}

#[tokio::test]
async fn intake_reads_where_a_submission_stands_and_what_came_under_its_seal_and_writes_nothing() {
    let mut database = Database::new().await;
    a_little_of_everything(&database).await;
    let row = &database
        .rows("SELECT submission_id, pseudonym FROM identified.submission WHERE amends IS NULL")
        .await[0];
    let store = database.store_as("epro_intake");
    let status = store.submission_status(row.get(0), &Access::Subject(row.get(1))).await.unwrap().unwrap();
    assert_eq!(status.alerts.len(), 1);
    assert_eq!(status.set_aside.len(), 1);
    store.pauses().await.unwrap();
    let response = store.response(row.get(0), &Access::Subject(row.get(1))).await.unwrap();
    assert!(response.is_some_and(|response| response.answers.starts_with('[')));
    let sealed = store.sealed_submission(row.get(0), &Access::Subject(row.get(1))).await.unwrap();
    assert!(sealed.is_some_and(|sealed| !sealed.sealed.is_empty()));
    let content = Content { version: 1, hash: [0; 32], body_sha256: [0; 32] };
    assert!(store.fate(row.get(0), row.get(1), row.get(0), &content).await.unwrap().is_some());
    let nobody = (&[][..], &[][..]);
    assert!(store.report(row.get(0), nobody, std::time::Duration::from_secs(5)).await.unwrap().is_none());

    let statements = [
        "SELECT subject_sealed FROM identified.subject",
        "SELECT body FROM ops.dead_letter",
        "SELECT scores FROM research.submission",
        "SELECT * FROM research.submission",
        "SELECT * FROM research.response",
        "SELECT * FROM audit.event",
        "INSERT INTO identified.submission (submission_id) VALUES (gen_random_uuid())",
        "UPDATE identified.submission SET late = true",
        "DELETE FROM identified.submission",
        "INSERT INTO audit.writer (writer, name) VALUES (gen_random_uuid(), 'x')",
        "INSERT INTO ops.pause (kind, key, paused_by, reason) VALUES ('a', 'b', 'c', 'd')",
        "UPDATE ops.alert SET state = 'done'",
        "UPDATE ops.delivery SET state = 'done'",
        "DELETE FROM ops.dead_letter",
        "UPDATE ops.report SET state = 'done'",
        "DELETE FROM ops.report",
    ];
    refused(&mut database, "epro_intake", &statements).await;
}

#[tokio::test]
async fn an_analyst_reads_the_research_views_and_nothing_else() {
    let mut database = Database::new().await;
    a_little_of_everything(&database).await;
    let analyst = database.client_as("epro_research").await;
    for view in ["response", "newest_response", "answer", "score"] {
        let rows = analyst.query(&format!("SELECT * FROM research.{view}"), &[]).await.unwrap();
        assert!(!rows.is_empty(), "{view}");
    }
    let statements = [
        "SELECT * FROM research.submission",
        "SELECT pseudonym FROM identified.subject",
        "SELECT submission_id FROM identified.submission",
        "SELECT * FROM ops.alert",
        "SELECT * FROM audit.event",
        "DELETE FROM research.response",
    ];
    refused(&mut database, "epro_research", &statements).await;
}

#[tokio::test]
async fn an_operator_redrives_and_pauses_and_leaves_a_trace_that_no_operator_can_remove() {
    let mut database = Database::new().await;
    a_little_of_everything(&database).await;
    let store = database.store_as("epro_operator");
    let mut chain = AuditChain::new("epro");
    let seen = store.dead_letters(&Filter::default()).await.unwrap().remove(0);
    assert!(store.dead_letter(seen.id).await.unwrap().is_some());
    assert_eq!(mark(&store, &mut chain, &seen, "anna", "fixed").await, Redriven::Now);
    assert!(store.pause(&mut chain, "lane", "submissions", "anna", "storm").await.unwrap());
    assert!(store.resume(&mut chain, "lane", "submissions", "anna", "over").await.unwrap());
    assert_eq!(database.count("audit.event WHERE actor = 'operator:anna'").await, 3);

    let statements = [
        "SELECT sealed FROM identified.submission",
        "SELECT subject_sealed FROM identified.subject",
        "SELECT body FROM ops.report",
        "UPDATE identified.submission SET late = true",
        "DELETE FROM identified.submission",
        "UPDATE audit.event SET outcome = 'other'",
        "DELETE FROM audit.event",
        "UPDATE ops.dead_letter SET body = ''",
        "DELETE FROM ops.dead_letter",
        "SELECT * FROM research.submission",
    ];
    refused(&mut database, "epro_operator", &statements).await;
}

#[tokio::test]
async fn an_auditor_reads_the_trail_and_appends_to_it_and_sees_nothing_else() {
    let mut database = Database::new().await;
    a_little_of_everything(&database).await;
    let store = database.store_as("epro_auditor");
    let heads = store.audit_heads().await.unwrap();
    assert!(store.audit_heads_missing(&heads).await.unwrap().is_empty());
    let events = store.audit_events().next_events().await.unwrap();
    assert_eq!(events.len() as i64, database.count("audit.event").await);
    assert!(events.iter().all(|event| event.hashed() == event.hash));
    let statements = [
        "UPDATE audit.event SET outcome = 'other'",
        "DELETE FROM audit.event",
        "TRUNCATE audit.event",
        "DELETE FROM audit.writer",
        "SELECT * FROM identified.submission",
        "SELECT * FROM identified.subject",
        "SELECT * FROM research.submission",
        "SELECT * FROM ops.alert",
        "SELECT * FROM ops.dead_letter",
        "UPDATE ops.pause SET reason = 'other'",
        "DELETE FROM ops.lease",
    ];
    refused(&mut database, "epro_auditor", &statements).await;
}
