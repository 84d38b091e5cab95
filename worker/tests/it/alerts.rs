//! Dangerous answers on their way to people.

mod again;
mod channels;
mod crashes;
mod escalation;
mod outages;
mod system;

use epro_proving::stack::Plan;
use epro_proving::{Client, Inbox, Service, Stack};
use serde_json::{Value, json};

use crate::support::{STUDY, counts, dangerous, id, link, with};

const SENT: &str = "SELECT count(*) FROM ops.notice WHERE state = 'sent'";
const UNDONE: &str = "SELECT count(*) FROM ops.alert WHERE state <> 'done'";
/// All lanes but that of the hospitals.
const LANES: [&str; 5] = ["submissions", "dead", "relay", "commands", "alerts"];

/// What makes the usual configuration one that alerts, in a hurry.
fn alerts(change: Value) -> Value {
    let mut config = json!({
        "time_scale": 0.02,
        "worker": {"lanes": LANES},
        "alerts": {
            "link": "https://epro.example/alerts/{alert}",
            "recipients": {"H004": [lee()]},
        },
    });
    for (key, value) in change.as_object().into_iter().flatten() {
        config["alerts"][key.as_str()] = value.clone();
    }
    config
}

/// A stack with that laid over its `alerts`.
async fn alerting(change: Value) -> Stack {
    with(alerts(change)).await
}

/// The same behind proxies of a test's own.
async fn behind(plan: Plan, change: Value) -> Stack {
    Stack::with(Plan { config: alerts(change), ..plan }).await.unwrap()
}

fn lee() -> Value {
    json!({"name": "dr-lee", "email": "lee@h004.example"})
}

/// Somebody by both channels.
fn cho() -> Value {
    json!({"name": "dr-cho", "role": "sub-investigator", "email": "cho@h004.example", "phone": "+15550102"})
}

async fn both(stack: &Stack) -> (Service, Service, Client) {
    let (api, worker) = tokio::try_join!(stack.api(), stack.worker()).unwrap();
    let client = stack.client(&api).unwrap();
    (api, worker, client)
}

/// Sends one that alerts; gives it.
async fn send(client: &Client) -> Value {
    let submission = dangerous();
    assert_eq!(client.submit("P-Quillon", &submission).await.unwrap().status, 202);
    submission
}

/// The id of the only alert.
async fn the_alert(stack: &Stack) -> String {
    let link = link(stack).await;
    counts(&link, "SELECT count(*) FROM ops.alert", 1).await;
    link.client.query_one("SELECT alert_id::text FROM ops.alert", &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dangerous_answer_is_a_mail_in_the_inbox_and_a_row_that_says_so() {
    let inbox = Inbox::start().await.unwrap();
    let stack = alerting(json!({"smtp": inbox.config()})).await;
    let (_api, worker, client) = both(&stack).await;
    let submission = send(&client).await;
    let mails = inbox.holds(1).await.unwrap();
    assert_eq!(mails[0].to, ["lee@h004.example"]);
    assert_eq!(mails[0].subject, format!("critical: self-harm at H004 ({STUDY})"));
    let link = link(&stack).await;
    counts(&link, SENT, 1).await;
    let alert = the_alert(&stack).await;
    assert!(mails[0].text.contains(&format!("https://epro.example/alerts/{alert}")), "{}", mails[0].text);
    assert_eq!(link.count(UNDONE).await.unwrap(), 1, "only an acknowledgement ends it");
    for word in ["Quillon", id(&submission), "44260-8", "LA6570-1"] {
        assert!(!mails[0].raw.contains(word), "{word}: {}", mails[0].raw);
    }
    for word in ["Quillon", "lee@h004.example"] {
        assert!(!worker.output().contains(word), "{word}: {}", worker.output());
    }
    let metrics = worker.metrics().await.unwrap();
    assert!(metrics.contains("epro_alert_notice_seconds_count{channel=\"email\"} 1"), "{metrics}");
    assert!(metrics.contains("epro_notices_total{channel=\"email\",outcome=\"sent\"} 1"), "{metrics}");
}
