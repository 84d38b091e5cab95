//! A start that its process outlived adds to no count, whatever was away when that was to be written down; one that
//! ended its process is never forgotten.

use std::time::Duration;

use epro_proving::proxy::{Side, Then, Trigger};
use epro_proving::{Hand, Proxy, Service, Stack, conservation};
use serde_json::{Value, json};

use crate::load::{BROKER, POSTGRES, before_broker, before_postgres};
use crate::support::{
    BOUND, DEAD, ROUTINE, STORED, URGENT, alert_row, alerts_of, calm, counts, dangerous, dead, hurried, id,
    lie, link, parked_by_one_who_was_killed, signalled, with,
};

const SUSPECTS: &str = "SELECT count(*) FROM ops.suspect";
const LANES: (&str, &str) = ("EPRO__WORKER__LANES", "[submissions]");

/// A stack that holds nothing for long.
async fn stack() -> Stack {
    with(json!({"time_scale": 0.02, "worker": {"hold": "10s"}})).await
}

/// A submission that lies in its queue and was handed out before, as after a crash.
async fn handed_out_before(stack: &Stack, hand: &Hand) -> Value {
    let submission = calm();
    hand.put(ROUTINE, "P-1", &submission).await.unwrap();
    assert_eq!(hand.lying(ROUTINE).await.unwrap().len(), 1);
    lie(stack, ROUTINE, 1).await;
    submission
}

/// What the server says once a start is counted.
fn counted() -> Trigger {
    Trigger::Pattern(b"INSERT 0 1\0Z".to_vec())
}

/// Lets a worker at PostgreSQL until it has started what lies there, and `trigger` comes by; then it gives that back.
async fn starts_and_is_cut(stack: &Stack, proxy: &Proxy, side: Side, trigger: Trigger) {
    let trip = proxy.arm(side, trigger, Then::CutBefore);
    proxy.pass();
    trip.tripped().await.unwrap();
    lie(stack, ROUTINE, 1).await;
}

/// A worker that loses PostgreSQL whenever it has started it: is it stored in the end?
async fn stored_after_outages(side: Side, trigger: fn() -> Trigger) {
    let stack = stack().await;
    let (proxy, postgres) = before_postgres(&stack).await.unwrap();
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    handed_out_before(&stack, &hand).await;
    proxy.cut();
    let worker = stack.spawn("epro-worker", &[(POSTGRES, &postgres), LANES]).unwrap();
    for _ in 0..4 {
        starts_and_is_cut(&stack, &proxy, side, trigger()).await;
    }
    proxy.pass();
    let account = conservation(&stack, &hand.log()).await.unwrap();
    assert_eq!((account.stored, account.dead), (1, 0));
    counts(&link, SUSPECTS, 0).await;
    let given_back = worker.output().matches("could not be decided now").count();
    assert!(given_back >= 4, "given back {given_back} times:\n{}", worker.output());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_before_every_commit_quarantines_nothing() {
    stored_after_outages(Side::Client, Trigger::commit_sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_whenever_a_start_was_counted_and_nobody_was_told_so_quarantines_nothing() {
    stored_after_outages(Side::Server, counted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_others_outlived_and_can_say_only_now_is_waited_for() {
    let stack = stack().await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    handed_out_before(&stack, &hand).await;
    let mut others: Vec<(Proxy, Service)> = Vec::new();
    for _ in 0..2 {
        let (proxy, postgres) = before_postgres(&stack).await.unwrap();
        proxy.cut();
        let other = stack.spawn("epro-worker", &[(POSTGRES, &postgres), LANES]).unwrap();
        starts_and_is_cut(&stack, &proxy, Side::Client, Trigger::commit_sent()).await;
        others.push((proxy, other));
    }
    let (proxy, postgres) = before_postgres(&stack).await.unwrap();
    let third = proxy.arm(Side::Server, counted(), Then::Pass);
    let _worker = stack.spawn("epro-worker", &[(POSTGRES, &postgres), LANES]).unwrap();
    third.tripped().await.unwrap();
    others.iter().for_each(|(proxy, _)| proxy.pass());
    counts(&link, STORED, 1).await;
    assert_eq!(link.count(DEAD).await.unwrap(), 0);
    counts(&link, SUSPECTS, 0).await;
    conservation(&stack, &hand.log()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_between_two_crashes_neither_adds_to_their_count_nor_loses_it() {
    let stack = stack().await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    let submission = handed_out_before(&stack, &hand).await;
    let fault = format!("process:{}=abort", id(&submission));
    let counted = async |starts: i32| {
        counts(&link, &format!("{SUSPECTS} WHERE starts = {starts}"), 1).await;
    };
    let crashes = async || {
        let mut broken = stack.spawn("epro-worker", &[("EPRO_FAULT", &fault), LANES]).unwrap();
        broken.ended(BOUND).await.unwrap();
    };
    crashes().await;
    counted(1).await;

    let (postgres_proxy, postgres) = before_postgres(&stack).await.unwrap();
    let (broker_proxy, broker) = before_broker(&stack).await.unwrap();
    postgres_proxy.cut();
    let mut sound = stack.spawn("epro-worker", &[(POSTGRES, &postgres), (BROKER, &broker), LANES]).unwrap();
    starts_and_is_cut(&stack, &postgres_proxy, Side::Client, Trigger::commit_sent()).await;
    counted(2).await;
    // It must not store it once it can: it only says that it lives.
    broker_proxy.cut();
    postgres_proxy.pass();
    counted(1).await;
    sound.kill().await.unwrap();

    crashes().await;
    counted(2).await;
    let _last = stack.spawn("epro-worker", &[("EPRO_FAULT", &fault), LANES]).unwrap();
    assert_eq!(dead(&link, 1).await[0].class, "quarantined");
    counts(&link, SUSPECTS, 0).await;
    conservation(&stack, &hand.log()).await.unwrap();
}

/// A dangerous answer in the urgent queue, as intake puts it there.
async fn urgent(hand: &Hand, submission: &Value) {
    hand.publish(&signalled(hand.letter(URGENT, "P-1", submission).unwrap())).await.unwrap();
    hand.note(submission);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_dangerous_answer_passes_many_over_which_a_stage_panics() {
    let stack = hurried().await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    // More than the lane has in hand at once.
    let broken: Vec<Value> = (0..80).map(|_| dangerous()).collect();
    for one in &broken {
        urgent(&hand, one).await;
    }
    let faults: Vec<String> = broken.iter().map(|one| format!("process:{}=panic", id(one))).collect();
    let mut worker = stack.spawn("epro-worker", &[("EPRO_FAULT", &faults.join(","))]).unwrap();
    counts(&link, &DEAD.replace("count(*)", "least(count(*), 1)"), 1).await;

    let sound = dangerous();
    urgent(&hand, &sound).await;
    counts(&link, STORED, 1).await;
    alert_row(&link, id(&sound)).await;
    assert_eq!(alerts_of(&hand, id(&sound)).await[0]["rule"], "self-harm");
    let found = dead(&link, 80).await;
    assert!(found.iter().all(|one| one.class == "quarantined"), "{found:?}");
    counts(&link, SUSPECTS, 0).await;
    conservation(&stack, &hand.log()).await.unwrap();
    assert!(worker.runs());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dangerous_answer_alerts_before_others_are_waited_for() {
    let stack = hurried().await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    let submission = dangerous();
    let letter = signalled(hand.letter(URGENT, "P-1", &submission).unwrap());
    hand.publish(&letter).await.unwrap();
    hand.note(&submission);
    assert_eq!(hand.lying(URGENT).await.unwrap().len(), 1);
    lie(&stack, URGENT, 1).await;
    let key = letter.id.as_deref().unwrap();
    let two_others = format!(
        "INSERT INTO ops.suspect (key, lane, starts, open)
         VALUES ('{key}', 'urgent', 2, ARRAY[gen_random_uuid(), gen_random_uuid()])"
    );
    link.client.batch_execute(&two_others).await.unwrap();
    let _worker = stack.spawn("epro-worker", &[]).unwrap();
    assert_eq!(alerts_of(&hand, id(&submission)).await[0]["rule"], "self-harm");
    // Had it waited first, it would be quarantined by now.
    let they_pay = format!("UPDATE ops.suspect SET starts = 1, open = open[3:] WHERE key = '{key}'");
    link.client.batch_execute(&they_pay).await.unwrap();
    counts(&link, STORED, 1).await;
    assert_eq!(link.count(DEAD).await.unwrap(), 0);
    alert_row(&link, id(&submission)).await;
    counts(&link, SUSPECTS, 0).await;
    conservation(&stack, &hand.log()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_parks_a_message_in_an_outage_and_is_killed_before_it_can_pay_leaves_no_start_behind() {
    // Not in a hurry: it is to wait for as long as its worker takes to die.
    let stack = Stack::new().await.unwrap();
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    let (proxy, postgres) = before_postgres(&stack).await.unwrap();
    let submission = dangerous();
    urgent(&hand, &submission).await;
    assert_eq!(hand.lying(URGENT).await.unwrap().len(), 1);
    lie(&stack, URGENT, 1).await;
    let start = proxy.arm(Side::Server, counted(), Then::CutBefore);
    let mut killed = stack.spawn("epro-worker", &[(POSTGRES, &postgres), LANES]).unwrap();
    start.tripped().await.unwrap();
    lie(&stack, "epro.wait.5s", 1).await;
    // Its ack is on its way, or it would come again as a suspect.
    tokio::time::sleep(Duration::from_millis(500)).await;
    killed.kill().await.unwrap();
    counts(&link, &format!("{SUSPECTS} WHERE starts = 1"), 1).await;

    let _worker = stack.spawn("epro-worker", &[]).unwrap();
    counts(&link, STORED, 1).await;
    counts(&link, SUSPECTS, 0).await;
    alert_row(&link, id(&submission)).await;
    conservation(&stack, &hand.log()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_waited_leaves_no_start_behind_whether_it_is_stored_or_set_aside() {
    let stack = hurried().await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    let sound = calm();
    let mut unreadable = hand.letter(ROUTINE, "P-1", &calm()).unwrap();
    unreadable.body.truncate(60);
    for letter in [hand.letter(ROUTINE, "P-1", &sound).unwrap(), unreadable] {
        hand.publish(&parked_by_one_who_was_killed(&link, letter).await).await.unwrap();
    }
    hand.note(&sound);
    let _worker = stack.spawn("epro-worker", &[]).unwrap();
    counts(&link, STORED, 1).await;
    assert_eq!(dead(&link, 1).await[0].class, "unreadable");
    assert_eq!(link.count(SUSPECTS).await.unwrap(), 0);
    conservation(&stack, &hand.log()).await.unwrap();
}
