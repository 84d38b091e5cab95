//! `epro queues`: what is shown of each queue, and what isn't known.

use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use epro_proving::client::phq9;
use epro_proving::service::binary;
use epro_proving::services::{Services, host_port, with_host_port};
use epro_proving::{Hand, Proxy, Stack, until};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::JoinSet;

const ROUTINE: &str = "epro.submissions.routine";
const BOUND: Duration = Duration::from_secs(60);
/// One of each kind waits since an hour ago, by the tables, and what is stored now came then. However slow this machine
/// is, it was stored a moment ago.
const WAITING: &str = "\
INSERT INTO identified.submission (submission_id, pseudonym, study_id, site_id, instrument, answered_at,
    answered_offset_s, received_at, late, content_version, content_hash, body_sha256, message_id, sealed, stored_at)
VALUES (gen_random_uuid(), gen_random_uuid(), 'ONC-301', 'H004', 'phq-9|1.0', now(), 0, now() - interval '1 hour',
    false, 1, sha256('x'), sha256('y'), gen_random_uuid(), '\\x00', now() + interval '1 hour');
INSERT INTO ops.alert (alert_id, submission_id, pseudonym, study_id, site_id, rule, severity, created_at)
VALUES (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'ONC-301', 'H001', 'item-9', 'critical',
    now() - interval '1 hour');
INSERT INTO ops.risk (submission_id, pseudonym, study_id, created_at)
VALUES (gen_random_uuid(), gen_random_uuid(), 'ONC-301', now() - interval '1 hour');
INSERT INTO ops.delivery (submission_id, pseudonym, site_id, created_at)
VALUES (gen_random_uuid(), gen_random_uuid(), 'H001', now() - interval '1 hour')";

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

    let line = once(&stack, ROUTINE, |line| line["ready"] == 3 && line["consumers"] == 0).await;
    assert_eq!(line["state"], "paused: a new form");
    assert_eq!(line["oldest"], Value::Null);
    let table = stack.epro(&["queues"]).await.unwrap();
    let row = table.lines().find(|row| row.contains(ROUTINE)).unwrap().to_owned();
    assert!(row.contains("a new form") && row.trim_end().ends_with("unknown"), "{row}");

    stack.epro(&["resume", "submissions.routine", "--reason", "it is there"]).await.unwrap();
    let line = once(&stack, ROUTINE, |line| line["ready"] == 0 && line["consumers"] == 1).await;
    assert_eq!(line["state"], "consumed");
}

#[tokio::test(flavor = "multi_thread")]
async fn since_when_the_oldest_waits_is_told_of_every_kind_of_queue() {
    let stack = Stack::new().await.unwrap();
    let (link, hand) = (stack.database().connect().await.unwrap(), Hand::on(&stack).await.unwrap());
    link.client.batch_execute(WAITING).await.unwrap();
    for _ in 0..3 {
        hand.put(ROUTINE, "P-1", &phq9("ONC-301", "H004")).await.unwrap();
    }
    // A consumer that has one in hand and is slow.
    let connection = stack.vhost().connect().await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.basic_qos(1, Default::default()).await.unwrap();
    let consuming = channel.basic_consume(ROUTINE.into(), "".into(), Default::default(), Default::default());
    let _consumer = consuming.await.unwrap();

    for name in [ROUTINE, "epro.alerts", "epro.risk", "epro.his.H001"] {
        let line = once(&stack, name, |line| line["oldest"].is_string()).await;
        let row = stack.epro(&["queues"]).await.unwrap();
        let row = row.lines().find(|row| row.contains(name)).unwrap().to_owned();
        let old = ["1 h 0 min", "1 h 1 min"].iter().any(|age| row.trim_end().ends_with(age));
        assert!(old, "{row} {line}");
    }
    once(&stack, ROUTINE, |line| line["unacked"] == 1 && line["ready"] == 2 && line["consumers"] == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_and_goes_is_told_a_second_while_submissions_pour_in() {
    let stack = Stack::new().await.unwrap();
    let (api, _worker) = (stack.api().await.unwrap(), stack.worker().await.unwrap());
    let client = stack.client(&api).unwrap();
    let over = AtomicBool::new(false);
    let pouring = async {
        while !over.load(Ordering::Relaxed) {
            let answer = client.submit("P-1", &phq9("ONC-301", "H004")).await.unwrap();
            assert!([202, 429].contains(&answer.status), "{}", answer.status);
        }
    };
    let looking = async {
        let flows = |line: &Value| {
            let flows =
                ["in_per_second", "out_per_second"].iter().all(|rate| line[rate].as_f64() > Some(0.0));
            flows && line["unacked"].is_u64() && line["ready"].is_u64()
        };
        once(&stack, ROUTINE, flows).await;
        over.store(true, Ordering::Relaxed);
    };
    tokio::join!(pouring, looking);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_consumes_what_waits_and_what_is_missing_are_told_apart() {
    let stack = Stack::new().await.unwrap();
    // Until it is counted for the first time, nobody knows.
    let line = once(&stack, "epro.commands", |line| line["state"] != "unknown" && line["ready"] == 0).await;
    assert_eq!(line["state"], "no consumer");
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
    let (code, table, error) = stack.epro_status(&["queues"]).await.unwrap();
    assert!(code == Some(0) && table.contains(ROUTINE), "{table}");
    assert!(error.contains("pauses and ages are unknown"), "{error}");
    let line = once(&stack, ROUTINE, |line| line["consumers"] == 0).await;
    assert_eq!(line["state"], "unknown", "it may be paused");
}

#[tokio::test(flavor = "multi_thread")]
async fn watching_looks_again_and_again_also_after_an_error_until_ctrl_c() {
    let stack = Stack::new().await.unwrap();
    let management = Services::from_env().unwrap().management;
    let proxy = Proxy::to(&host_port(&management).unwrap()).await.unwrap();
    let mut config: Value = serde_json::from_slice(&std::fs::read(stack.config()).unwrap()).unwrap();
    config["broker"]["management_url"] = with_host_port(&management, &proxy.address()).unwrap().into();
    std::fs::write(stack.config(), config.to_string()).unwrap();
    let mut watching = Command::new(binary("epro").unwrap())
        .arg("--config")
        .arg(stack.config())
        .args(["queues", "--watch", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut looks = BufReader::new(watching.stdout.take().unwrap()).lines();
    let mut errors = BufReader::new(watching.stderr.take().unwrap()).lines();
    let mut sees = async || {
        let look: Value = serde_json::from_str(&looks.next_line().await.unwrap().unwrap()).unwrap();
        assert!(look.as_array().is_some_and(|lines| lines.len() > 10), "{look}");
    };
    sees().await;
    sees().await;
    proxy.cut();
    for _ in 0..2 {
        let error = errors.next_line().await.unwrap().unwrap();
        assert!(error.contains("the management API") && error.contains("looked again"), "{error}");
    }
    proxy.pass();
    sees().await;
    let signalled = Command::new("kill").args(["-INT", &watching.id().unwrap().to_string()]).status();
    assert!(signalled.await.unwrap().success());
    assert_eq!(watching.wait().await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_management_api_that_sends_us_elsewhere_is_not_followed() {
    let stack = Stack::new().await.unwrap();
    let (redirects, elsewhere) =
        tokio::try_join!(TcpListener::bind("127.0.0.1:0"), TcpListener::bind("127.0.0.1:0")).unwrap();
    let (here, there) = (redirects.local_addr().unwrap(), elsewhere.local_addr().unwrap());
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        loop {
            let (mut client, _) = redirects.accept().await.unwrap();
            let _ = client.read(&mut [0; 4096]).await.unwrap();
            let head = format!("HTTP/1.1 302 Found\r\nlocation: http://{there}/\r\ncontent-length: 0\r\n");
            client.write_all(format!("{head}connection: close\r\n\r\n").as_bytes()).await.unwrap();
        }
    });
    let url = format!("http://ann:s3cret@{here}");
    let (_, out, err) =
        stack.epro_with(&[("EPRO__BROKER__MANAGEMENT_URL", &url)], &["queues", "--json"]).await.unwrap();
    assert!(err.contains("302"), "{out}{err}");
    let followed = tokio::time::timeout(Duration::ZERO, elsewhere.accept()).await;
    assert!(followed.is_err(), "the password went to who was named by another");
}
