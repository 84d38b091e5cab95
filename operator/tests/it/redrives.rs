//! A redrive as a job: what it takes is fixed, each of it once, whatever ends it in between.

use std::process::Stdio;
use std::time::{Duration, Instant};

use epro_proving::database::Link;
use epro_proving::hand::Letter;
use epro_proving::service::binary;
use epro_proving::{Hand, Stack, until};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

const ROUTINE: &str = "epro.submissions.routine";
const BOUND: Duration = Duration::from_secs(60);

async fn set_aside(link: &Link, count: usize, queue: &str) {
    let many = format!(
        "INSERT INTO ops.dead_letter \
         (lane, queue, message_id, content_sha256, class, body, wrapped, headers, times) \
         SELECT 'dead', '{queue}', gen_random_uuid(), sha256('x'), 'unreadable', '\\x00', false, '{{}}', 1 \
         FROM generate_series(1, {count})"
    );
    link.client.batch_execute(&many).await.unwrap();
}

async fn marked(link: &Link, at_least: i64) {
    let marked = "SELECT count(*) FROM ops.redrive_item WHERE state = 'redriven'";
    until("so many to be redriven", BOUND, || async {
        Ok((link.count(marked).await? >= at_least).then_some(()))
    })
    .await
    .unwrap();
}

async fn published(stack: &Stack, count: u32) {
    until("the messages to be published", BOUND, || async {
        Ok((stack.vhost().ready(ROUTINE).await? == count).then_some(()))
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redrive_that_died_and_was_cancelled_publishes_each_once_and_nothing_that_failed_later() {
    let stack = Stack::new().await.unwrap();
    let link = stack.database().connect().await.unwrap();
    set_aside(&link, 60, ROUTINE).await;
    let redrive = ["dead-letters", "redrive", "--all", "--yes", "--reason", "mended", "--rate", "100"];
    let (code, out, _) = stack.epro_with(&[("EPRO_FAULT", "redrive=abort:10")], &redrive).await.unwrap();
    assert_eq!(code, None, "it was to be ended by a signal: {out}");
    set_aside(&link, 7, ROUTINE).await;

    let resume = ["dead-letters", "redrive", "resume", "1", "--reason", "it has died"];
    let resumed = async { stack.epro_status(&resume).await.unwrap() };
    let cancelled = async {
        marked(&link, 20).await;
        stack.epro(&["dead-letters", "redrive", "cancel", "1", "--reason", "too early"]).await.unwrap()
    };
    let ((code, out, error), cancelled) = tokio::join!(resumed, cancelled);
    assert!(cancelled.contains("redrive 1: cancelled"), "{cancelled}");
    assert_eq!(code, Some(3), "done in part: {out}{error}");
    assert!(error.contains("epro dead-letters redrive resume 1 --reason … goes on"), "{error}");

    let out = stack.epro(&resume).await.unwrap();
    assert!(out.contains("60 of 60 redriven"), "{out}");
    let again = stack.epro(&[&resume[..], &["--json"]].concat()).await.unwrap();
    let again: Value = serde_json::from_str(&again).unwrap();
    assert_eq!((&again["changed"], &again["redrive"]["state"]), (&json!(false), &json!("done")));
    published(&stack, 61).await;
    let open = "SELECT count(*) FROM ops.dead_letter WHERE state = 'open'";
    assert_eq!(link.count(open).await.unwrap(), 7, "those that failed later");
    let audited = "SELECT count(*) FROM audit.event WHERE action IN ('redrive.created', 'redrive.resumed', \
                   'redrive.cancelled')";
    assert_eq!(link.count(audited).await.unwrap(), 4);
    let reasons = format!("{audited} AND details ->> 'reason' IN ('mended', 'it has died', 'too early')");
    assert_eq!(link.count(&reasons).await.unwrap(), 4);
    for act in ["cancel", "resume"] {
        let (code, ..) = stack.epro_status(&["dead-letters", "redrive", act, "1"]).await.unwrap();
        assert_eq!(code, Some(2), "{act} without a reason");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "100 s at 50 a second: ./dev console-test runs it, or ./dev test --test it -- --ignored five_thousand"]
async fn five_thousand_cancelled_at_a_thousand_and_resumed_are_published_once_each_and_no_later_one() {
    let stack = Stack::new().await.unwrap();
    let link = stack.database().connect().await.unwrap();
    set_aside(&link, 5_000, ROUTINE).await;
    let redrive = ["dead-letters", "redrive", "--all", "--yes", "--reason", "mended"];
    let redriven = async { stack.epro_status(&redrive).await.unwrap() };
    let cancelled = async {
        marked(&link, 500).await;
        set_aside(&link, 33, ROUTINE).await;
        marked(&link, 1_000).await;
        stack.epro(&["dead-letters", "redrive", "cancel", "1", "--reason", "a look first"]).await.unwrap()
    };
    let ((code, out, _), _) = tokio::join!(redriven, cancelled);
    assert_eq!(code, Some(3), "{out}");
    let before = "SELECT count(*) FROM ops.redrive_item WHERE state = 'redriven'";
    let before = link.count(before).await.unwrap();
    // However busy the machine is on which somebody cancels.
    assert!((1_000..2_000).contains(&before), "{before} were redriven");
    let begun = Instant::now();
    let resume = ["dead-letters", "redrive", "resume", "1", "--reason", "it is well"];
    let later = async {
        marked(&link, before + 500).await;
        set_aside(&link, 77, ROUTINE).await;
    };
    let (out, ()) = tokio::join!(stack.epro(&resume), later);
    let out = out.unwrap();
    assert!(out.contains("5,000 of 5,000 redriven"), "{out}");
    // The rest at 50 a second. How slow a machine is doesn't matter: it must not be faster.
    let least = Duration::from_secs_f64(0.9 * (5_000 - before) as f64 / 50.0);
    assert!(begun.elapsed() >= least, "after {:?}", begun.elapsed());
    published(&stack, 5_000).await;
    let open = "SELECT count(*) FROM ops.dead_letter WHERE state = 'open'";
    assert_eq!(link.count(open).await.unwrap(), 33 + 77, "those that failed later");
    let once = "SELECT count(DISTINCT details ->> 'dead_letter') FROM audit.event
                WHERE action = 'dead_letter.redriven'";
    assert_eq!(link.count(once).await.unwrap(), 5_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redriven_message_keeps_its_trace_and_one_that_has_none_goes_on_in_that_of_the_redrive() {
    const OWN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let stack = Stack::new().await.unwrap();
    let link = stack.database().connect().await.unwrap();
    set_aside(&link, 2, ROUTINE).await;
    let own = format!(
        "UPDATE ops.dead_letter SET headers = jsonb_build_object('traceparent', '{OWN}') WHERE id = 1"
    );
    link.client.batch_execute(&own).await.unwrap();
    stack.epro(&["dead-letters", "redrive", "1", "2", "--yes", "--reason", "mended"]).await.unwrap();
    published(&stack, 2).await;
    let trail = "SELECT DISTINCT trace_id FROM audit.event
                 WHERE action IN ('redrive.created', 'dead_letter.redriven')";
    let trail = link.client.query(trail, &[]).await.unwrap();
    let [row] = &trail[..] else { panic!("{} traces", trail.len()) };
    let letters = Hand::on(&stack).await.unwrap().lying(ROUTINE).await.unwrap();
    let of = |letter: &Letter| letter.headers["traceparent"].as_str().unwrap().to_owned();
    let traces: Vec<String> = letters.iter().map(of).collect();
    let [first, second] = &traces[..] else { panic!("{traces:?}") };
    assert_eq!(first, OWN);
    assert!(second.starts_with(&format!("00-{}-", row.get::<_, &str>(0))), "{second}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redrive_that_can_not_publish_some_says_which_and_ends_with_3() {
    let stack = Stack::new().await.unwrap();
    let link = stack.database().connect().await.unwrap();
    set_aside(&link, 2, ROUTINE).await;
    set_aside(&link, 1, "epro.his.GONE").await;
    let redrive = ["dead-letters", "redrive", "1", "2", "3", "--yes", "--reason", "mended"];
    let (code, out, _) = stack.epro_status(&redrive).await.unwrap();
    assert_eq!(code, Some(3), "{out}");
    assert!(out.contains("no queue is bound for epro.his.GONE"), "{out}");
    assert!(out.contains("2 of 3 redriven, 0 settled before, 1 failed"), "{out}");
    published(&stack, 2).await;
}

async fn interrupt(child: &Child) {
    let signalled = Command::new("kill").args(["-INT", &child.id().unwrap().to_string()]).status();
    assert!(signalled.await.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_cancels_a_redrive_and_the_second_one_waits_for_nothing() {
    let stack = Stack::new().await.unwrap();
    let link = stack.database().connect().await.unwrap();
    set_aside(&link, 2, ROUTINE).await;
    // It stands still over the first one.
    let mut redriving = Command::new(binary("epro").unwrap())
        .env("EPRO_FAULT", "redrive=until:/nowhere/at/all")
        .arg("--config")
        .arg(stack.config())
        .args(["dead-letters", "redrive", "--all", "--yes", "--reason", "mended"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    published(&stack, 1).await;
    interrupt(&redriving).await;
    let cancelled = "SELECT count(*) FROM ops.redrive WHERE state = 'cancelled'";
    until("the redrive to be cancelled", BOUND, || async {
        Ok((link.count(cancelled).await? == 1).then_some(()))
    })
    .await
    .unwrap();
    interrupt(&redriving).await;
    assert_eq!(redriving.wait().await.unwrap().code(), Some(3));

    // The one that was published and not marked is published once more, and is stored once.
    let resume = ["dead-letters", "redrive", "resume", "1", "--reason", "now really"];
    let out = stack.epro(&resume).await.unwrap();
    assert!(out.contains("2 of 2 redriven"), "{out}");
    published(&stack, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_at_a_terminal_cancels_a_redrive_whose_bar_shows_how_far_it_is() {
    let stack = Stack::new().await.unwrap();
    let link = stack.database().connect().await.unwrap();
    set_aside(&link, 200, ROUTINE).await;
    let (epro, config) = (binary("epro").unwrap(), stack.config());
    let redrive = "dead-letters redrive --all --yes --reason mended --rate 20";
    let line = format!("exec '{}' --config '{}' {redrive}", epro.display(), config.display());
    // A terminal of its own, which gives back how the command ended.
    let mut terminal = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let (mut keyboard, mut screen) = (terminal.stdin.take().unwrap(), terminal.stdout.take().unwrap());
    let (mut shown, mut pressed) = (Vec::<u8>::new(), false);
    let shown = loop {
        let end = screen.read_buf(&mut shown).await.unwrap() == 0;
        let text = String::from_utf8_lossy(&shown);
        if end {
            break text.into_owned();
        }
        if !pressed && text.contains("\r\u{1b}[2K[#") {
            keyboard.write_all(b"\x03").await.unwrap();
            pressed = true;
        }
    };
    assert_eq!(terminal.wait().await.unwrap().code(), Some(3), "done in part: {shown}");
    assert!(pressed && shown.contains("of 200 redriven"), "{shown}");
    assert!(shown.contains("redrive 1 cancelled: ") && shown.contains("redrive resume 1"), "{shown}");
    let audited = "SELECT count(*) FROM audit.event WHERE action = 'redrive.cancelled' \
                   AND details ->> 'reason' = 'Ctrl-C'";
    assert_eq!(link.count(audited).await.unwrap(), 1);
    let open = "SELECT count(*) FROM ops.dead_letter WHERE state = 'open'";
    assert!(link.count(open).await.unwrap() > 0, "what wasn't its turn stays");
}
