//! `epro` with the rights of the role that is made for it, and no others.

use epro_proving::Stack;

const ONE: &str = "\
INSERT INTO ops.dead_letter (lane, queue, message_id, content_sha256, class, body, wrapped, headers, times)
VALUES ('dead', 'epro.submissions.routine', gen_random_uuid(), sha256('x'), 'unreadable', '\\x00', false, '{}', 1)";

#[tokio::test]
async fn an_operator_needs_no_more_than_the_role_epro_operator() {
    let stack = Stack::new().await.unwrap();
    let link = stack.database().connect().await.unwrap();
    link.client.batch_execute(ONE).await.unwrap();
    link.client.batch_execute(ONE).await.unwrap();
    let login = stack.database().login("epro_operator").await.unwrap();
    let env = [("EPRO__POSTGRES__URL", login.url())];
    for line in [
        &["pause", "submissions.routine", "--reason", "maintenance"][..],
        &["resume", "submissions.routine", "--reason", "done"],
        &["dead-letters", "list"],
        &["dead-letters", "show", "1"],
        &["dead-letters", "redrive", "1", "--yes", "--reason", "again"],
        &["dead-letters", "redrive", "list"],
        &["dead-letters", "show", "2", "--reveal", "--reason", "a look"],
        &["dead-letters", "discard", "2", "--yes", "--reason", "of no use"],
        &["hospitals"],
        &["alerts", "list"],
        &["topology", "check"],
        &["config", "check"],
    ] {
        let (code, out, error) = stack.epro_with(&env, line).await.unwrap();
        assert_eq!(code, Some(0), "{line:?}: {out}{error}");
    }
    let (_, said, _) = stack.epro_with(&env, &["doctor", "--json"]).await.unwrap();
    assert!(said.contains("nobody calls the hospital of H001") || said.contains("leaves out"), "{said}");
    assert!(!said.contains("PostgreSQL"), "every table that the doctor looks at can be read: {said}");
    let settled = "SELECT count(*) FROM ops.dead_letter WHERE state = 'redriven'";
    assert_eq!(link.count(settled).await.unwrap(), 1);
    let audited = "SELECT count(*) FROM audit.event WHERE actor LIKE 'operator:%' \
        AND action NOT IN ('database.migrated', 'topology.applied')";
    assert_eq!(link.count(audited).await.unwrap(), 6, "the redrive and its dead letter count as two");
    let traces = audited.replace("count(*)", "count(DISTINCT trace_id)");
    assert_eq!(link.count(&traces).await.unwrap(), 5, "each command is a trace, and a redrive is one");
}
