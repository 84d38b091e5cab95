//! Not acknowledged: the next person. Acknowledged, or closed: nobody any more.

use epro_proving::{Client, Inbox, Stack, until};
use serde_json::{Value, json};

use super::{SENT, UNDONE, alerting, both, send, the_alert};
use crate::support::{BOUND, STUDY, counts, link};

fn ladder() -> Value {
    let person = |name: &str| json!({"name": name, "email": format!("{name}@h004.example")});
    let mut second = person("beth");
    second["level"] = json!(2);
    let mut also_second = person("carl");
    also_second["level"] = json!(2);
    json!({"H004": [person("anna"), second, also_second, person("dora")]})
}

fn recipients(inbox: &Inbox) -> Vec<String> {
    inbox.mails().unwrap().into_iter().flat_map(|mail| mail.to).collect()
}

async fn acknowledge(stack: &Stack, client: &Client, alert: &str, site: &str) -> u16 {
    let token = stack.minter().investigator("dr-lee", &[STUDY], &[site]).unwrap();
    client.post(&format!("/api/v1/alerts/{alert}/acknowledge"), &token, Vec::new()).await.unwrap().status
}

#[tokio::test(flavor = "multi_thread")]
async fn one_level_after_the_other_is_told_until_nobody_is_left() {
    let inbox = Inbox::start().await.unwrap();
    let stack = alerting(json!({"smtp": inbox.config(), "recipients": ladder(), "escalation": "50s"})).await;
    let (_api, _worker, client) = both(&stack).await;
    send(&client).await;
    inbox.holds(4).await.unwrap();
    let told = recipients(&inbox);
    assert_eq!(told[0], "anna@h004.example");
    let mut second = told[1..3].to_vec();
    second.sort();
    assert_eq!(second, ["beth@h004.example", "carl@h004.example"]);
    assert_eq!(told[3], "dora@h004.example");
    let link = link(&stack).await;
    counts(&link, "SELECT count(*) FROM ops.alert WHERE next_at IS NULL AND level = 3", 1).await;
    assert_eq!(link.count(UNDONE).await.unwrap(), 1);
    assert_eq!(recipients(&inbox).len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_stops_the_escalation_and_is_audited() {
    let inbox = Inbox::start().await.unwrap();
    let stack = alerting(json!({"smtp": inbox.config(), "recipients": ladder(), "escalation": "5m"})).await;
    let (_api, _worker, client) = both(&stack).await;
    let submission = send(&client).await;
    inbox.holds(1).await.unwrap();
    let alert = the_alert(&stack).await;
    assert_eq!(acknowledge(&stack, &client, &alert, "H001").await, 404, "another site's");
    assert_eq!(acknowledge(&stack, &client, &alert, "H004").await, 202);
    let link = link(&stack).await;
    counts(&link, UNDONE, 0).await;
    let audited = "SELECT count(*) FROM audit.event WHERE action = 'alert.acknowledged' AND outcome = 'ok'
                   AND actor LIKE 'delegate:%' AND submission_id IS NOT NULL AND trace_id IS NOT NULL
                   AND from_network = '127.0.0.0/24'";
    counts(&link, audited, 1).await;
    assert_eq!(link.count("SELECT count(*) FROM ops.alert WHERE next_at IS NOT NULL").await.unwrap(), 0);
    let own = stack.minter().patient("P-Quillon", STUDY, "H004").unwrap();
    let place = format!("/api/v1/epro/submissions/{}", crate::support::id(&submission));
    let status = client.get(&place, &own).await.unwrap().json().unwrap();
    assert!(status["alerts"][0]["acknowledged_at"].is_string(), "{status}");
    assert_eq!(recipients(&inbox), ["anna@h004.example"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_closes_an_alert_with_a_reason_and_nobody_is_told_any_more() {
    let inbox = Inbox::start().await.unwrap();
    let stack = alerting(json!({"smtp": inbox.config(), "recipients": ladder(), "escalation": "5m"})).await;
    let (_api, _worker, client) = both(&stack).await;
    send(&client).await;
    inbox.holds(1).await.unwrap();
    let link = link(&stack).await;
    counts(&link, SENT, 1).await;
    let alert = the_alert(&stack).await;
    let listed = stack.epro(&["alerts", "list"]).await.unwrap();
    assert!(listed.contains("not acknowledged"), "{listed}");
    let shown = stack.epro(&["alerts", "show", &alert]).await.unwrap();
    assert!(shown.contains("anna") && !shown.contains("anna@"), "{shown}");
    let (code, ..) = stack.epro_status(&["alerts", "close", &alert]).await.unwrap();
    assert_eq!(code, Some(2), "a reason is required");
    let said = stack.epro(&["alerts", "close", &alert, "--reason", "told by phone"]).await.unwrap();
    assert!(said.contains("closed"), "{said}");
    assert_eq!(link.count(UNDONE).await.unwrap(), 0);
    let listed = stack.epro(&["alerts", "list"]).await.unwrap();
    assert!(listed.contains("no alert"), "{listed}");
    let audited = "SELECT count(*) FROM audit.event WHERE action = 'alert.closed'
                   AND details::text LIKE '%told by phone%'";
    assert_eq!(link.count(audited).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_of_an_alert_that_is_not_there_yet_waits_for_it() {
    let inbox = Inbox::start().await.unwrap();
    let stack = alerting(json!({"smtp": inbox.config(), "recipients": ladder(), "escalation": "10m"})).await;
    let (_api, _worker, client) = both(&stack).await;
    let link = link(&stack).await;
    let hand = epro_proving::Hand::on(&stack).await.unwrap();
    let alert = "0198f2a4-5b7e-8c31-9d42-6f0a1b2c3d4e";
    let command = json!({
        "alert_id": alert, "actor": alert, "client": null, "studies": [STUDY], "sites": ["H004"],
        "at": "2026-11-23T12:03:13Z", "trace_id": null,
    });
    let id = alert.parse().unwrap();
    let letter = hand.sealed("epro.commands", id, "epro.acknowledgement.v1", &command).unwrap();
    hand.publish(&letter).await.unwrap();
    until("the command to wait", BOUND, || async {
        let mut waiting = 0;
        for tier in ["5s", "30s"] {
            waiting += stack.vhost().ready(&format!("epro.wait.{tier}")).await?;
        }
        Ok((waiting > 0).then_some(()))
    })
    .await
    .unwrap();
    let row = format!(
        "INSERT INTO ops.alert (alert_id, submission_id, pseudonym, study_id, site_id, rule, severity)
         VALUES ('{alert}', '{alert}', '{alert}', '{STUDY}', 'H004', 'self-harm', 'critical')"
    );
    link.client.batch_execute(&row).await.unwrap();
    counts(&link, UNDONE, 0).await;
    counts(&link, "SELECT count(*) FROM ops.alert WHERE acknowledged_at IS NOT NULL", 1).await;
    drop(client);
}
