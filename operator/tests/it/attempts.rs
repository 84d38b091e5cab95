//! Acts at the terminal that fail.

use epro_proving::Stack;
use serde_json::Value;

const ALERT: &str = "0198f2a0-0000-7000-8000-000000000000";
const AS_JSON: &str = "\"0198f2a0-0000-7000-8000-000000000000\"";

#[tokio::test]
async fn an_act_that_fails_is_in_the_trail_with_who_tried_what_and_why_and_a_look_that_fails_is_not() {
    let stack = Stack::new().await.unwrap();
    let link = stack.database().connect().await.unwrap();
    let by = ["--reason", "the form has changed", "--by", "ann"];
    let acts: [(&str, &str, &[&str], &str); 7] = [
        ("pause.set", "\"nowhere\"", &["pause", "nowhere"], "there is no such lane"),
        ("pause.ended", "\"nowhere\"", &["resume", "nowhere"], "there is no such lane"),
        ("alert.closed", AS_JSON, &["alerts", "close", ALERT], "there is no alert"),
        (
            "dead_letter.revealed",
            "7",
            &["dead-letters", "show", "7", "--reveal"],
            "there is no dead letter 7",
        ),
        (
            "dead_letter.discarded",
            "[7]",
            &["dead-letters", "discard", "7", "--yes"],
            "there is no dead letter 7",
        ),
        ("redrive.created", "[]", &["dead-letters", "redrive", "--yes"], "say --all if you mean it"),
        ("queue.reconciled", "[\"epro.gone\"]", &["reconcile", "--queue", "epro.gone", "--yes"], "no queue"),
    ];
    for (action, about, line, why) in acts {
        let line: Vec<&str> = line.iter().chain(&by).copied().collect();
        let (code, _, error) = stack.epro_status(&line).await.unwrap();
        assert!(code == Some(1) && error.contains(why), "{line:?}: {error}");
        let row = "SELECT details::text, actor FROM audit.event WHERE action = $1 AND outcome = 'failed'
                   AND trace_id ~ '^[0-9a-f]{32}$'";
        let rows = link.client.query(row, &[&action]).await.unwrap();
        assert_eq!(rows.len(), 1, "{action}");
        let details: Value = serde_json::from_str(rows[0].get(0)).unwrap();
        assert_eq!(rows[0].get::<_, &str>(1), "operator:ann");
        assert_eq!(details["reason"], "the form has changed");
        assert_eq!(details["about"], serde_json::from_str::<Value>(about).unwrap(), "{action}");
        assert!(details["why"].as_str().unwrap().contains(why), "{details}");
    }
    for look in [
        &["alerts", "show", ALERT][..],
        &["dead-letters", "show", "7"],
        &["dead-letters", "redrive", "--dry-run"],
        &["reconcile", "--queue", "epro.gone"],
    ] {
        assert_eq!(stack.epro_status(look).await.unwrap().0, Some(1), "{look:?}");
    }
    let failed = "SELECT count(*) FROM audit.event WHERE outcome = 'failed'";
    assert_eq!(link.count(failed).await.unwrap(), 7);
    let where_from =
        format!("{failed} AND writer IN (SELECT writer FROM audit.writer WHERE name LIKE 'epro at _%')");
    assert_eq!(link.count(&where_from).await.unwrap(), 7, "on which machine");
}
