//! What several tests need: a stack in a hurry, and looks at its tables and queues.

use std::path::Path;
use std::time::Duration;

use epro_proving::client::phq9;
use epro_proving::database::Link;
use epro_proving::hand::Letter;
use epro_proving::service::Start;
use epro_proving::stack::Plan;
use epro_proving::{Hand, Service, Stack, until};
use serde_json::{Value, json};

pub(crate) const ROUTINE: &str = "epro.submissions.routine";
pub(crate) const URGENT: &str = "epro.submissions.urgent";
pub(crate) const DEFERRED: &str = "epro.submissions.deferred";
pub(crate) const ALERTS: &str = "epro.alerts";
/// A study and a site with a hospital.
pub(crate) const STUDY: &str = "ONC-301";
pub(crate) const SITE: &str = "H001";
/// Longer than anything here may take on a busy machine.
pub(crate) const BOUND: Duration = Duration::from_secs(60);
/// Within what a process has left that is told to: the 25 s that it takes at most, and what the machine takes to show it.
pub(crate) const LEAVES: Duration = Duration::from_secs(30);

/// A stack whose waits, holds and relay rounds are fifty times shorter.
pub(crate) async fn hurried() -> Stack {
    with(json!({"time_scale": 0.02})).await
}

/// A stack with that laid over its configuration.
pub(crate) async fn with(config: Value) -> Stack {
    Stack::with(Plan { config, ..Plan::default() }).await.unwrap()
}

/// A worker with another configuration: that of the stack with `change` done to it.
pub(crate) fn another_worker(stack: &Stack, name: &str, change: impl FnOnce(&mut Value)) -> Service {
    let mut config: Value = serde_json::from_slice(&std::fs::read(stack.config()).unwrap()).unwrap();
    change(&mut config);
    let file = stack.folder().join(format!("{name}.yaml"));
    std::fs::write(&file, config.to_string()).unwrap();
    let output = stack.folder().join(format!("{name}.log"));
    Service::start(&Start { binary: "epro-worker", command: None, config: &file, env: &[], output }).unwrap()
}

/// A PHQ-9 without anything dangerous, for a site without a hospital.
pub(crate) fn calm() -> Value {
    phq9(STUDY, "H004")
}

/// The same with an answer that must alert.
pub(crate) fn dangerous() -> Value {
    let mut submission = calm();
    submission["answers"]["44260-8"] = json!(2);
    submission
}

/// That many, all different.
pub(crate) fn many(count: usize) -> Vec<Value> {
    (0..count).map(|_| calm()).collect()
}

pub(crate) fn id(submission: &Value) -> &str {
    submission["submission_id"].as_str().unwrap()
}

/// The same submission again with another id, as an amendment of it.
pub(crate) fn amendment(base: &Value, reason: &str) -> Value {
    let mut amendment = calm();
    amendment["amends"] = base["submission_id"].clone();
    amendment["reason"] = json!(reason);
    amendment["answers"]["44250-9"] = json!(1);
    amendment
}

/// What intake writes on what it found dangerous.
pub(crate) fn signalled(letter: Letter) -> Letter {
    letter.with("epro-signals", json!("self-harm=critical"))
}

/// One that lies in a queue, as it comes when it has been parked: as if it were new. A start of it is counted that nobody
/// takes back: whoever parked it was killed before.
pub(crate) async fn parked_by_one_who_was_killed(link: &Link, letter: Letter) -> Letter {
    let key = letter.id.as_deref().unwrap();
    let start = format!(
        "INSERT INTO ops.suspect (key, lane, starts, open) VALUES ('{key}', 'test', 1, ARRAY[gen_random_uuid()])"
    );
    link.client.batch_execute(&start).await.unwrap();
    letter.with("epro-waits", json!(1))
}

pub(crate) async fn link(stack: &Stack) -> Link {
    stack.database().connect().await.unwrap()
}

/// Waits until a query counts that much.
pub(crate) async fn counts(link: &Link, sql: &str, wanted: i64) {
    let found = until(sql, BOUND, || async { Ok((link.count(sql).await? == wanted).then_some(())) }).await;
    if let Err(error) = found {
        panic!("{error:#}: it is {:?}, not {wanted}", link.count(sql).await);
    }
}

pub(crate) const STORED: &str = "SELECT count(*) FROM identified.submission";
pub(crate) const DEAD: &str = "SELECT count(*) FROM ops.dead_letter WHERE state = 'open'";

/// A dead letter as the tests look at it.
#[derive(Debug)]
pub(crate) struct Dead {
    pub(crate) id: i64,
    pub(crate) class: String,
    pub(crate) stage: String,
    pub(crate) detail: String,
    pub(crate) lane: String,
    pub(crate) queue: String,
    pub(crate) submission: Option<String>,
    pub(crate) times: i32,
    pub(crate) wrapped: bool,
    pub(crate) body: Vec<u8>,
    pub(crate) headers: Value,
}

/// All open dead letters, once there are so many.
pub(crate) async fn dead(link: &Link, count: i64) -> Vec<Dead> {
    counts(link, DEAD, count).await;
    let sql =
        "SELECT id, class, stage, detail, lane, queue, submission_id::text, times, wrapped, body, headers
               FROM ops.dead_letter WHERE state = 'open' ORDER BY id";
    let rows = link.client.query(sql, &[]).await.unwrap();
    let read = rows.iter().map(|row| {
        let text = |at: usize| row.get::<_, Option<String>>(at).unwrap_or_default();
        Dead {
            id: row.get(0),
            class: text(1),
            stage: text(2),
            detail: text(3),
            lane: text(4),
            queue: text(5),
            submission: row.get(6),
            times: row.get(7),
            wrapped: row.get(8),
            body: row.get(9),
            headers: row.get(10),
        }
    });
    read.collect()
}

/// The alerts in their queue that are about that submission, once there are any.
pub(crate) async fn alerts_of(hand: &Hand, about: &str) -> Vec<Value> {
    until(&format!("an alert of {about} in {ALERTS}"), BOUND, || async {
        let lying = hand.lying(ALERTS).await?;
        let bodies = lying.iter().map(|letter| hand.read(letter)).collect::<anyhow::Result<Vec<_>>>()?;
        let about: Vec<Value> = bodies.into_iter().filter(|body| body["submission_id"] == about).collect();
        Ok((!about.is_empty()).then_some(about))
    })
    .await
    .unwrap()
}

/// The alert row of that submission, which must be the only one.
pub(crate) async fn alert_row(link: &Link, about: &str) -> (String, String, String) {
    let sql = format!("SELECT count(*) FROM ops.alert WHERE submission_id = '{about}'");
    counts(link, &sql, 1).await;
    let sql = format!("SELECT rule, severity, state FROM ops.alert WHERE submission_id = '{about}'");
    let row = link.client.query_one(&sql, &[]).await.unwrap();
    (row.get(0), row.get(1), row.get(2))
}

/// Waits until a process has written that.
pub(crate) async fn says(service: &Service, words: &str) {
    until(&format!("a process to say {words:?}"), BOUND, || async {
        Ok(service.output().contains(words).then_some(()))
    })
    .await
    .unwrap_or_else(|error| panic!("{error:#}\n{}", service.output()));
}

/// Waits until so many are ready in that queue.
pub(crate) async fn lie(stack: &Stack, queue: &str, count: u32) {
    until(&format!("{count} to lie in {queue}"), BOUND, || async {
        Ok((stack.vhost().ready(queue).await? == count).then_some(()))
    })
    .await
    .unwrap();
}

/// Waits until nothing is ready in that queue.
pub(crate) async fn empty(stack: &Stack, queue: &str) {
    lie(stack, queue, 0).await;
}

/// Writes an instrument file where the configuration looks for more of them.
pub(crate) fn write_instrument(folder: &Path, name: &str, text: &str) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join(format!("{name}.yaml")), text).unwrap();
}
