//! What operators are told of the relay itself: once when it starts, once when it clears.

use epro_proving::client::phq9;
use epro_proving::foreign::manner::Manner;
use epro_proving::inbox::Mail;
use epro_proving::{Hand, Inbox, SampleHospital, Stack, until};
use epro_schemas::audit::anchor::CHAIN;
use serde_json::{Value, json};

use super::{LANES, alerting, alerts};
use crate::load::{BROKER, POSTGRES, before_broker, before_postgres, worker};
use crate::support::{BOUND, ROUTINE, SITE, STUDY, calm, counts, dangerous, link, with};

fn operator(inbox: &Inbox, system: Value) -> Value {
    let operators = json!([{"name": "ann", "role": "operator", "email": "ann@epro.example"}]);
    json!({"smtp": inbox.config(), "operators": operators, "system": system, "recipients": {}})
}

/// A stack with an operator.
async fn operated(inbox: &Inbox, system: Value) -> Stack {
    alerting(operator(inbox, system)).await
}

/// The same with a hospital, which is called.
async fn with_a_hospital(inbox: &Inbox, system: Value, hospital: &SampleHospital) -> Stack {
    let mut config = alerts(operator(inbox, system));
    config["worker"]["lanes"] = json!(LANES.iter().chain(&["hospitals"]).collect::<Vec<_>>());
    config["hospitals"] = json!({SITE: hospital.by_fhir()});
    config["hospitals"][SITE]["calls_per_second"] = json!(100.0);
    with(config).await
}

/// Puts that many submissions for the hospital into the queue, each of another patient.
async fn for_the_hospital(stack: &Stack, count: usize) {
    let hand = Hand::on(stack).await.unwrap();
    for number in 0..count {
        hand.put(ROUTINE, &format!("P-{number}"), &phq9(STUDY, SITE)).await.unwrap();
    }
}

/// The mail to the operator with that subject.
fn the<'m>(mails: &'m [Mail], subject: &str) -> &'m Mail {
    mails.iter().find(|mail| mail.subject == subject).unwrap()
}

/// Waits for a mail to the operator with that subject; all of them so far.
async fn told(inbox: &Inbox, subject: &str) -> Vec<Mail> {
    until(&format!("a mail {subject:?}"), BOUND, || async {
        let mails = inbox.mails()?;
        Ok(mails.iter().any(|mail| mail.subject == subject).then_some(mails))
    })
    .await
    .unwrap_or_else(|error| panic!("{error:#}: {:?}", inbox.mails()))
}

fn about(mails: &[Mail], word: &str) -> usize {
    mails.iter().filter(|mail| mail.subject.contains(word)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_without_a_consumer_is_told_once_when_it_starts_and_once_when_it_clears_by_one_of_two_workers()
{
    let inbox = Inbox::start().await.unwrap();
    let stack = operated(&inbox, json!({"patience": "30s"})).await;
    let only = ("EPRO__WORKER__LANES", "[alerts]");
    let _both = (stack.spawn("epro-worker", &[only]).unwrap(), stack.spawn("epro-worker", &[only]).unwrap());
    let hand = Hand::on(&stack).await.unwrap();
    hand.put_all(ROUTINE, "P-1", &[calm(), calm()]).await.unwrap();
    let mails = told(&inbox, "trouble: lane-without-consumer epro.submissions.routine").await;
    assert!(mails[0].text.contains("at most    2"), "{}", mails[0].text);
    let _third = stack.worker().await.unwrap();
    let mails = told(&inbox, "cleared: lane-without-consumer epro.submissions.routine").await;
    assert_eq!(about(&mails, "lane-without-consumer"), 2, "{mails:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hospital_that_nobody_asks_is_told_if_something_is_to_be_asked() {
    let (inbox, hospital) = (Inbox::start().await.unwrap(), SampleHospital::start().await.unwrap());
    let stack = with_a_hospital(&inbox, json!({"patience": "30s"}), &hospital).await;
    let _worker = stack.spawn("epro-worker", &[("EPRO__WORKER__LANES", "[alerts]")]).unwrap();
    let (hand, query) = (Hand::on(&stack).await.unwrap(), format!("epro.query.{SITE}"));
    let question = epro_proving::hand::plain(&query, uuid(1), "epro.unheard-of.v1", b"{}".to_vec());
    hand.publish(&question).await.unwrap();
    let mails = told(&inbox, &format!("trouble: lane-without-consumer {query}")).await;
    assert_eq!(about(&mails, "epro.his."), 0, "{mails:?}");
    let _asking = stack.spawn("epro-worker", &[("EPRO__WORKER__LANES", "[hospitals]")]).unwrap();
    told(&inbox, &format!("cleared: lane-without-consumer {query}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn growing_dead_letters_are_told_with_their_number_and_cleared_with_their_period() {
    let inbox = Inbox::start().await.unwrap();
    let stack = operated(&inbox, json!({"patience": "30s", "dead_letters": 3, "window": "500s"})).await;
    let _workers = tokio::try_join!(stack.worker(), stack.worker()).unwrap();
    let hand = Hand::on(&stack).await.unwrap();
    for number in 0_u128..4 {
        let id = uuid(number);
        let letter = epro_proving::hand::plain(ROUTINE, id, "epro.unheard-of.v1", b"{}".to_vec());
        hand.publish(&letter).await.unwrap();
    }
    let mails = told(&inbox, "trouble: dead-letters submissions.routine").await;
    let first = mails.iter().find(|mail| mail.subject.contains("dead-letters")).unwrap();
    assert_eq!(first.to, ["ann@epro.example"]);
    assert!(first.text.contains("at most    4"), "{}", first.text);
    let mails = told(&inbox, "cleared: dead-letters submissions.routine").await;
    let last = mails.iter().find(|mail| mail.subject.starts_with("cleared: dead")).unwrap();
    assert!(last.text.contains("until") && last.text.contains("at most    4"), "{}", last.text);
    assert_eq!(about(&mails, "dead-letters"), 2, "{mails:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_paused_itself_is_told_and_one_that_an_operator_paused_is_not() {
    let inbox = Inbox::start().await.unwrap();
    let stack = operated(&inbox, json!({"patience": "10s"})).await;
    let _worker = stack.worker().await.unwrap();
    let link = link(&stack).await;
    link.client
        .batch_execute(
            "INSERT INTO ops.pause (kind, key, paused_by, reason) VALUES
             ('lane', 'submissions.routine', 'system:epro-worker', '20 dead letters of class refused in a row'),
             ('lane', 'dead', 'operator:ann', 'maintenance')",
        )
        .await
        .unwrap();
    let mails = told(&inbox, "trouble: paused-itself lane submissions.routine").await;
    assert!(mails.iter().any(|mail| mail.text.contains("20 dead letters of class refused")));
    stack.epro(&["resume", "submissions.routine", "--reason", "mended"]).await.unwrap();
    let mails = told(&inbox, "cleared: paused-itself lane submissions.routine").await;
    assert_eq!(about(&mails, "paused-itself"), 2, "{mails:?}");
    assert_eq!(about(&mails, "dead"), 0, "what an operator did they know: {mails:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_gone_is_told_and_cleared_once_it_is_declared() {
    let inbox = Inbox::start().await.unwrap();
    let stack = operated(&inbox, json!({"patience": "10s"})).await;
    // Its lane should run here, and can't: the queue is gone.
    stack.vhost().delete_queue("epro.commands").await.unwrap();
    let _worker = stack.spawn("epro-worker", &[]).unwrap();
    told(&inbox, "trouble: queue-missing epro.commands").await;
    stack.epro(&["topology", "apply"]).await.unwrap();
    let mails = told(&inbox, "cleared: queue-missing epro.commands").await;
    assert_eq!(about(&mails, "queue-missing"), 2, "{mails:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hospital_that_is_not_called_is_told_with_what_it_said_and_cleared_with_its_period() {
    let (inbox, hospital) = (Inbox::start().await.unwrap(), SampleHospital::start().await.unwrap());
    let stack = with_a_hospital(&inbox, json!({"patience": "30s"}), &hospital).await;
    hospital.manner(Manner { status: Some(503), ..Manner::default() });
    let _workers = tokio::try_join!(stack.worker(), stack.worker()).unwrap();
    for_the_hospital(&stack, 10).await;
    let mails = told(&inbox, "trouble: hospital-closed H001").await;
    let first = the(&mails, "trouble: hospital-closed H001");
    assert!(first.text.contains("503 Service Unavailable"), "{}", first.text);
    hospital.manner(Manner::default());
    let mails = told(&inbox, "cleared: hospital-closed H001").await;
    let last = the(&mails, "cleared: hospital-closed H001");
    assert!(last.text.contains("since") && last.text.contains("until"), "{}", last.text);
    assert!(last.text.contains("at most    10\r\n"), "so many waited: {}", last.text);
    assert_eq!(about(&mails, "hospital-closed"), 2, "{mails:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_that_wait_for_too_long_are_told_with_their_number_also_while_an_operator_paused_them() {
    let (inbox, hospital) = (Inbox::start().await.unwrap(), SampleHospital::start().await.unwrap());
    let stack =
        with_a_hospital(&inbox, json!({"patience": "10s", "oldest_delivery": "50s"}), &hospital).await;
    stack.epro(&["pause", SITE, "--reason", "their upgrade"]).await.unwrap();
    let _worker = stack.worker().await.unwrap();
    for_the_hospital(&stack, 3).await;
    let mails = told(&inbox, "trouble: delivery-overdue H001").await;
    let first = the(&mails, "trouble: delivery-overdue H001");
    assert!(first.text.contains("that the hospital has not had"), "{}", first.text);
    stack.epro(&["resume", SITE, "--reason", "done"]).await.unwrap();
    let mails = told(&inbox, "cleared: delivery-overdue H001").await;
    let last = the(&mails, "cleared: delivery-overdue H001");
    assert!(last.text.contains("until") && last.text.contains("at most    3"), "{}", last.text);
    assert_eq!(about(&mails, "delivery-overdue"), 2, "{mails:?}");
    assert_eq!(about(&mails, "paused-itself"), 0, "{mails:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_that_nobody_acknowledges_is_told_to_operators_and_cleared_once_it_is_done() {
    let inbox = Inbox::start().await.unwrap();
    let stack = operated(&inbox, json!({"patience": "10s", "oldest_alert": "50s"})).await;
    let _worker = stack.worker().await.unwrap();
    let hand = Hand::on(&stack).await.unwrap();
    hand.put(ROUTINE, "P-1", &dangerous()).await.unwrap();
    told(&inbox, "trouble: alert-unacknowledged H004").await;
    let row = link(&stack).await.client.query_one("SELECT alert_id::text FROM ops.alert", &[]).await.unwrap();
    stack.epro(&["alerts", "close", row.get(0), "--reason", "told by phone"]).await.unwrap();
    let mails = told(&inbox, "cleared: alert-unacknowledged H004").await;
    let last = the(&mails, "cleared: alert-unacknowledged H004");
    assert!(last.text.contains("until") && last.text.contains("at most    1"), "{}", last.text);
    assert_eq!(about(&mails, "alert-unacknowledged"), 2, "{mails:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn submissions_that_wait_for_too_long_behind_a_lane_that_works_are_told_and_cleared_once_they_are_stored()
 {
    let inbox = Inbox::start().await.unwrap();
    let stack = operated(&inbox, json!({"patience": "10s", "oldest_submission": "100s"})).await;
    let link = link(&stack).await;
    let hand = Hand::on(&stack).await.unwrap();
    let submissions: Vec<Value> = (0..10).map(|_| calm()).collect();
    hand.put_all(ROUTINE, "P-1", &submissions).await.unwrap();
    // The lane has a consumer, and gets no further: its table is locked.
    let mut other = stack.database().connect().await.unwrap();
    let lock = other.client.transaction().await.unwrap();
    lock.batch_execute("LOCK TABLE research.submission IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let measures = [("EPRO__WORKER__PREFETCH", "2"), ("EPRO__WORKER__CHUNK", "1")];
    let _worker = worker(&stack, &measures).await.unwrap();
    let mails = told(&inbox, "trouble: submission-overdue epro.submissions.routine").await;
    assert_eq!(about(&mails, "lane-without-consumer"), 0, "{mails:?}");
    lock.rollback().await.unwrap();
    counts(&link, crate::support::STORED, 10).await;
    let mails = told(&inbox, "cleared: submission-overdue epro.submissions.routine").await;
    let last = the(&mails, "cleared: submission-overdue epro.submissions.routine");
    assert!(last.text.contains("until") && !last.text.contains("at most    0"), "{}", last.text);
    assert_eq!(about(&mails, "submission-overdue"), 2, "{mails:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rabbitmq_away_is_told_once_by_one_of_two_workers_and_cleared_once_it_is_back() {
    let inbox = Inbox::start().await.unwrap();
    let stack = operated(&inbox, json!({"patience": "30s"})).await;
    let (proxy, led) = before_broker(&stack).await.unwrap();
    let through = [(BROKER, led.as_str())];
    let _both = tokio::try_join!(worker(&stack, &through), worker(&stack, &through)).unwrap();
    proxy.cut();
    told(&inbox, "trouble: broker-away rabbitmq").await;
    proxy.pass();
    let mails = told(&inbox, "cleared: broker-away rabbitmq").await;
    assert!(the(&mails, "cleared: broker-away rabbitmq").text.contains("until"));
    assert_eq!(about(&mails, "broker-away"), 2, "{mails:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_away_is_told_once_by_the_worker_that_had_the_duty_and_cleared_once_it_is_back() {
    let inbox = Inbox::start().await.unwrap();
    let stack = operated(&inbox, json!({"patience": "30s"})).await;
    let (proxy, led) = before_postgres(&stack).await.unwrap();
    let through = [(POSTGRES, led.as_str())];
    let _both = tokio::try_join!(worker(&stack, &through), worker(&stack, &through)).unwrap();
    let link = link(&stack).await;
    counts(&link, "SELECT count(*) FROM ops.lease_owner WHERE kind = 'conditions'", 2).await;
    proxy.cut();
    told(&inbox, "trouble: postgresql-away postgresql").await;
    proxy.pass();
    let mails = told(&inbox, "cleared: postgresql-away postgresql").await;
    assert!(the(&mails, "cleared: postgresql-away postgresql").text.contains("until"));
    // Whoever else wanted to tell it would have had the time.
    counts(
        &link,
        "SELECT count(*) FROM ops.lease WHERE kind = 'conditions' AND until > clock_timestamp()",
        1,
    )
    .await;
    assert_eq!(about(&inbox.mails().unwrap(), "postgresql-away"), 2, "{mails:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trail_that_nobody_anchors_any_more_is_told_and_cleared_by_the_next_anchor() {
    let inbox = Inbox::start().await.unwrap();
    let stack = operated(&inbox, json!({"patience": "10s", "oldest_anchor": "10h"})).await;
    let link = link(&stack).await;
    let writer = format!("INSERT INTO audit.writer (writer, name) VALUES ('{CHAIN}', 'epro audit')");
    link.client.batch_execute(&writer).await.unwrap();
    let anchored = async |seq: i64, ago: &str| {
        let sql = format!(
            "INSERT INTO audit.event (writer, seq, at, action, outcome, actor, prev_hash, hash)
             VALUES ('{CHAIN}', {seq}, now() - interval '{ago}', 'audit.anchored', 'ok', 'system:epro', '', '')"
        );
        link.client.batch_execute(&sql).await.unwrap();
    };
    // The migration was written down later.
    anchored(1, "20 h").await;
    let _worker = stack.spawn("epro-worker", &[("EPRO__WORKER__LANES", "[alerts]")]).unwrap();
    let mails = told(&inbox, "trouble: trail-unanchored audit").await;
    let first = the(&mails, "trouble: trail-unanchored audit");
    assert!(first.text.contains("the last anchor is of 2"), "{}", first.text);
    anchored(2, "0 s").await;
    let mails = told(&inbox, "cleared: trail-unanchored audit").await;
    assert_eq!(about(&mails, "trail-unanchored"), 2, "{mails:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_before_its_time_is_told_to_nobody() {
    let inbox = Inbox::start().await.unwrap();
    let stack = operated(&inbox, json!({"patience": "150s", "dead_letters": 1, "window": "50s"})).await;
    let _worker = stack.worker().await.unwrap();
    let hand = Hand::on(&stack).await.unwrap();
    let link = link(&stack).await;
    hand.publish(&epro_proving::hand::plain(ROUTINE, uuid(1), "epro.unheard-of.v1", b"{}".to_vec()))
        .await
        .unwrap();
    counts(&link, "SELECT count(*) FROM ops.condition WHERE state = 'pending'", 1).await;
    counts(&link, "SELECT count(*) FROM ops.condition", 0).await;
    assert!(inbox.mails().unwrap().is_empty());
}

fn uuid(number: u128) -> uuid::Uuid {
    uuid::Uuid::from_u128(number + 1)
}
