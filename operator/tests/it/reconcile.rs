//! `epro reconcile` of what is no hospital's.

use epro_proving::Stack;

const ALERT: &str = "\
INSERT INTO ops.alert (alert_id, submission_id, pseudonym, study_id, site_id, rule, severity)
SELECT id, id, id, 'ONC-301', 'H001', 'self-harm', 'critical' FROM (SELECT gen_random_uuid() AS id) AS made";
const RISK: &str = "\
INSERT INTO ops.risk (submission_id, pseudonym, study_id) VALUES (gen_random_uuid(), gen_random_uuid(), 'ONC-301')";

#[tokio::test]
async fn what_was_in_a_lost_queue_is_unsent_again_each_with_its_row_in_the_trail() {
    let stack = Stack::new().await.unwrap();
    let link = stack.database().connect().await.unwrap();
    for row in [ALERT, ALERT, RISK] {
        link.client.batch_execute(row).await.unwrap();
    }
    let login = stack.database().login("epro_operator").await.unwrap();
    let env = [("EPRO__POSTGRES__URL", login.url())];
    let queues = ["reconcile", "--queue", "epro.alerts", "--queue", "epro.risk"];
    let yes = ["--yes", "--reason", "the node lost its disk", "--by", "ann"];
    let (code, out, error) = stack.epro_with(&env, &[&queues[..], &yes].concat()).await.unwrap();
    assert_eq!(code, Some(0), "{out}{error}");
    for (action, table, count) in [("alert.reconciled", "ops.alert", 2), ("risk.reconciled", "ops.risk", 1)] {
        let unsent = format!("SELECT count(*) FROM {table} WHERE state = 'unsent'");
        assert_eq!(link.count(&unsent).await.unwrap(), count, "{table}");
        let audited = format!(
            "SELECT count(*) FROM audit.event e JOIN {table} t USING (submission_id)
             WHERE e.action = '{action}' AND e.actor = 'operator:ann' AND e.outcome = 'ok'
             AND e.details ->> 'reason' = 'the node lost its disk'"
        );
        assert_eq!(link.count(&audited).await.unwrap(), count, "{action}");
    }
}
