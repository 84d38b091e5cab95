//! `epro queues`: what is shown of each queue, and what isn't known.

use std::time::Duration;

use epro_proving::client::phq9;
use epro_proving::{Stack, until};
use serde_json::Value;

const ROUTINE: &str = "epro.submissions.routine";
const BOUND: Duration = Duration::from_secs(60);

async fn queue(stack: &Stack, name: &str) -> Value {
    let all: Value = serde_json::from_str(&stack.epro(&["queues", "--json"]).await.unwrap()).unwrap();
    let found = all.as_array().unwrap().iter().find(|line| line["queue"] == name);
    found.unwrap_or_else(|| panic!("{name} is not among {all}")).clone()
}

/// Accepts that many, none of them dangerous.
async fn accept(stack: &Stack, count: usize) {
    let mut api = stack.api().await.unwrap();
    let client = stack.client(&api).unwrap();
    for _ in 0..count {
        assert_eq!(client.submit("P-1", &phq9("ONC-301", "H004")).await.unwrap().status, 202);
    }
    api.drain(Duration::from_secs(25)).await.unwrap();
}

/// The management API counts every few seconds.
async fn once(stack: &Stack, name: &str, so: impl Fn(&Value) -> bool) -> Value {
    let look = || async {
        let line = queue(stack, name).await;
        Ok(so(&line).then_some(line))
    };
    until(&format!("{name} to be as expected"), BOUND, look).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_lane_is_named_with_what_waits_and_its_age_is_unknown() {
    let stack = Stack::new().await.unwrap();
    stack.epro(&["pause", "submissions.routine", "--reason", "a new form"]).await.unwrap();
    let _worker = stack.worker().await.unwrap();
    accept(&stack, 3).await;

    let line = once(&stack, ROUTINE, |line| line["ready"] == 3).await;
    assert_eq!((&line["state"], &line["consumers"]), (&"paused: a new form".into(), &0.into()));
    assert_eq!(line["oldest"], Value::Null);
    let table = stack.epro(&["queues"]).await.unwrap();
    let row = table.lines().find(|row| row.contains(ROUTINE)).unwrap().to_owned();
    assert!(row.contains("a new form") && row.trim_end().ends_with("unknown"), "{row}");

    stack.epro(&["resume", "submissions.routine", "--reason", "it is there"]).await.unwrap();
    let line = once(&stack, ROUTINE, |line| line["ready"] == 0 && line["consumers"] == 1).await;
    assert_eq!(line["state"], "consumed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_consumes_what_waits_and_what_is_missing_are_told_apart() {
    let stack = Stack::new().await.unwrap();
    assert_eq!(queue(&stack, "epro.commands").await["state"], "no consumer");
    stack.vhost().delete_queue("epro.his.H001").await.unwrap();
    let line = once(&stack, "epro.his.H001", |line| line["state"] == "missing").await;
    assert_eq!(line["ready"], Value::Null);
    let all: Value = serde_json::from_str(&stack.epro(&["queues", "--json"]).await.unwrap()).unwrap();
    let waits = all.as_array().unwrap().iter().filter(|line| line["state"] == "waits").count();
    assert!(waits > 0, "{all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_management_api_amqp_tells_what_it_can_and_looking_moves_nothing() {
    let stack = Stack::new().await.unwrap();
    accept(&stack, 2).await;
    let mut config: Value = serde_json::from_slice(&std::fs::read(stack.config()).unwrap()).unwrap();
    config["broker"].as_object_mut().unwrap().remove("management_url").unwrap();
    std::fs::write(stack.config(), config.to_string()).unwrap();

    for _ in 0..3 {
        let line = queue(&stack, ROUTINE).await;
        assert_eq!(
            (&line["ready"], &line["unacked"], &line["in_per_second"]),
            (&2.into(), &Value::Null, &Value::Null)
        );
    }
    let channel = stack.vhost().connect().await.unwrap().create_channel().await.unwrap();
    let first = channel.basic_get(ROUTINE.into(), Default::default()).await.unwrap();
    assert!(!first.unwrap().redelivered, "somebody has taken it before");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_postgresql_the_queues_are_shown_and_what_the_tables_know_is_said_to_be_unknown() {
    let stack = Stack::new().await.unwrap();
    let mut config: Value = serde_json::from_slice(&std::fs::read(stack.config()).unwrap()).unwrap();
    config["postgres"]["url"] = "postgres://nobody:nothing@127.0.0.1:1/nowhere".into();
    std::fs::write(stack.config(), config.to_string()).unwrap();
    let table = stack.epro(&["queues"]).await.unwrap();
    assert!(table.contains(ROUTINE) && table.contains("pauses and ages are unknown"), "{table}");
}
