//! Messages that can never succeed, and those that only look so.

use std::time::Duration;

use epro_proving::hand::plain;
use epro_proving::sealed::{Envelope, SUBMISSION};
use epro_proving::{Hand, Service, Stack, conservation, until};
use serde_json::json;
use uuid::Uuid;

use crate::support::{
    ALERTS, BOUND, DEAD, ROUTINE, STORED, URGENT, alert_row, alerts_of, calm, counts, dangerous, dead, empty,
    hurried, id, link, many, says, signalled, with,
};

/// Nothing but these words is in the body of a message that isn't sealed.
const WORDS: &[u8] = b"patient Quillon Testperson, in the clear";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_message_of_ours_becomes_a_dead_letter_that_says_why_under_a_seal() {
    let stack = hurried().await;
    let (_worker, link) = (stack.worker().await.unwrap(), link(&stack).await);
    let hand = Hand::on(&stack).await.unwrap();
    let unsealed = plain(ROUTINE, Uuid::now_v7(), SUBMISSION, WORDS.to_vec());
    let mut nameless = plain(ROUTINE, Uuid::now_v7(), SUBMISSION, WORDS.to_vec());
    nameless.id = None;
    let foreign = plain(ROUTINE, Uuid::now_v7(), "order.created", WORDS.to_vec());
    let (seal, id) = (hand.keys(), Uuid::now_v7());
    let no_envelope = plain(ROUTINE, id, SUBMISSION, seal.seal(SUBMISSION, id, WORDS).unwrap());
    for letter in [&unsealed, &nameless, &foreign, &no_envelope] {
        hand.publish(letter).await.unwrap();
    }
    let found = dead(&link, 4).await;
    for letter in &found {
        assert_eq!((letter.class.as_str(), letter.stage.as_str()), ("unreadable", "open"), "{letter:?}");
        assert!(letter.wrapped && !letter.detail.is_empty(), "{letter:?}");
        assert!(!letter.body.windows(7).any(|some| some == b"Quillon"), "in the clear: {letter:?}");
    }
    let rules: Vec<&str> = found.iter().map(|letter| letter.detail.as_str()).collect();
    assert!(rules.iter().any(|rule| rule.contains("not a message")), "{rules:?}");
    assert!(rules.iter().any(|rule| rule.contains("envelope")), "{rules:?}");
    conservation(&stack, &hand.log()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_with_a_type_and_a_key_that_no_table_takes_is_set_aside_and_holds_up_nobody() {
    let stack = hurried().await;
    let (_worker, link) = (stack.worker().await.unwrap(), link(&stack).await);
    let hand = Hand::on(&stack).await.unwrap();
    let stranger = plain(ROUTINE, Uuid::now_v7(), "Quillon\0", WORDS.to_vec());
    hand.publish(&stranger).await.unwrap();
    let mut given_up = plain("Quillon\0", Uuid::now_v7(), "Quillon\0", WORDS.to_vec()).through("epro.dead");
    given_up.key = "Quillon\0".into();
    hand.publish(&given_up).await.unwrap();
    hand.put(ROUTINE, "P-1", &calm()).await.unwrap();
    counts(&link, STORED, 1).await;
    let mut found = dead(&link, 2).await;
    found.sort_by(|one, other| one.lane.cmp(&other.lane));
    let queues: Vec<&str> = found.iter().map(|letter| letter.queue.as_str()).collect();
    assert_eq!(queues, ["epro.dead", ROUTINE]);
    assert_eq!(link.count("SELECT count(*) FROM ops.dead_letter WHERE kind IS NULL").await.unwrap(), 2);
    conservation(&stack, &hand.log()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_that_postgresql_refuses_is_written_without_all_that_came_from_outside() {
    let stack = hurried().await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    let check = "ALTER TABLE ops.dead_letter ADD CONSTRAINT bare CHECK (detail IS NULL AND site_id IS NULL)";
    link.client.batch_execute(check).await.unwrap();
    let _worker = stack.worker().await.unwrap();
    let mut broken = hand.letter(ROUTINE, "P-1", &calm()).unwrap();
    let end = broken.body.len() - 1;
    broken.body[end] ^= 1;
    hand.publish(&broken).await.unwrap();
    let found = &dead(&link, 1).await[0];
    assert_eq!(
        (found.class.as_str(), found.queue.as_str(), &found.body),
        ("unreadable", ROUTINE, &broken.body)
    );
    conservation(&stack, &hand.log()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_that_postgresql_refuses_altogether_waits_and_holds_up_nobody() {
    let stack = hurried().await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    let check = "ALTER TABLE ops.dead_letter ADD CONSTRAINT none CHECK (class <> 'unreadable')";
    link.client.batch_execute(check).await.unwrap();
    let _worker = stack.worker().await.unwrap();
    hand.publish(&plain(ROUTINE, Uuid::now_v7(), SUBMISSION, WORDS.to_vec())).await.unwrap();
    hand.put_all(ROUTINE, "P-1", &many(30)).await.unwrap();
    counts(&link, STORED, 30).await;
    assert_eq!(link.count(DEAD).await.unwrap(), 0);
    link.client.batch_execute("ALTER TABLE ops.dead_letter DROP CONSTRAINT none").await.unwrap();
    assert_eq!(dead(&link, 1).await[0].class, "unreadable");
    conservation(&stack, &hand.log()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_seal_becomes_a_dead_letter_as_it_came() {
    let stack = hurried().await;
    let (_worker, link) = (stack.worker().await.unwrap(), link(&stack).await);
    let hand = Hand::on(&stack).await.unwrap();
    let mut letter = hand.letter(ROUTINE, "P-1", &calm()).unwrap();
    let end = letter.body.len() - 1;
    letter.body[end] ^= 1;
    hand.publish(&letter).await.unwrap();
    let found = &dead(&link, 1).await[0];
    assert_eq!((found.class.as_str(), found.wrapped), ("unreadable", false));
    assert!(found.detail.contains("seal"), "{}", found.detail);
    assert_eq!(found.body, letter.body);
    conservation(&stack, &hand.log()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_submission_that_breaks_the_rules_names_them_and_no_value() {
    let stack = hurried().await;
    let (_worker, link) = (stack.worker().await.unwrap(), link(&stack).await);
    let hand = Hand::on(&stack).await.unwrap();
    let mut malformed = calm();
    malformed["answered_at"] = json!("Quillon's birthday");
    let (message_id, bytes) = (Uuid::now_v7(), malformed.to_string().into_bytes());
    let envelope = Envelope { subject: "P-1".into(), actor: "P-1".into(), bytes }.write().unwrap();
    let body = hand.keys().seal(SUBMISSION, message_id, &envelope).unwrap();
    hand.publish(&plain(ROUTINE, message_id, SUBMISSION, body)).await.unwrap();
    let mut outside = calm();
    outside["answers"]["44250-9"] = json!(17);
    hand.put(ROUTINE, "P-1", &outside).await.unwrap();
    let found = dead(&link, 2).await;
    let of = |class: &str| found.iter().find(|letter| letter.class == class).unwrap();
    let (malformed, outside) = (of("unreadable"), of("invalid"));
    assert!(malformed.detail.contains("/answered_at"), "{malformed:?}");
    assert!(outside.detail.contains("/answers/"), "{outside:?}");
    for letter in [malformed, outside] {
        assert!(!letter.detail.contains("Quillon") && !letter.detail.contains("17"), "{letter:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_urgent_message_that_can_not_be_opened_alerts_by_what_intake_wrote_on_it() {
    let stack = hurried().await;
    let (_worker, link) = (stack.worker().await.unwrap(), link(&stack).await);
    let hand = Hand::on(&stack).await.unwrap();
    let mut letter = signalled(hand.letter(URGENT, "P-1", &dangerous()).unwrap());
    let end = letter.body.len() - 1;
    letter.body[end] ^= 1;
    hand.publish(&letter).await.unwrap();
    assert_eq!(dead(&link, 1).await[0].class, "unreadable");
    // Nobody knows whose it is: the alert names the message.
    let about = letter.id.as_deref().unwrap();
    let alert = &alerts_of(&hand, about).await[0];
    assert_eq!((&alert["rule"], &alert["site_id"]), (&json!("self-harm"), &json!("H004")));
    assert_eq!(alert_row(&link, about).await.1, "critical");
    conservation(&stack, &hand.log()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_256_of_which_the_database_refuses_one_255_are_stored() {
    let stack = with(json!({"worker": {"linger": "1s"}})).await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    let submissions = many(256);
    let refused = id(&submissions[97]);
    let check = format!(
        "ALTER TABLE identified.submission ADD CONSTRAINT not_this_one CHECK (submission_id <> '{refused}')"
    );
    link.client.batch_execute(&check).await.unwrap();
    hand.put_all(ROUTINE, "P-1", &submissions).await.unwrap();
    let worker = stack.worker().await.unwrap();
    let found = &dead(&link, 1).await[0];
    assert_eq!((found.class.as_str(), found.submission.as_deref()), ("refused", Some(refused)));
    assert!(found.detail.contains("23514") && found.detail.contains("not_this_one"), "{}", found.detail);
    let account = conservation(&stack, &hand.log()).await.unwrap();
    assert_eq!((account.stored, account.dead), (255, 1));
    assert!(!worker.output().contains("panic"), "{}", worker.output());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_row_with_a_dangerous_answer_alerts() {
    let stack = hurried().await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    let check = "ALTER TABLE research.submission ADD CONSTRAINT none_at_all CHECK (late AND NOT late)";
    link.client.batch_execute(check).await.unwrap();
    let _worker = stack.worker().await.unwrap();
    let submission = dangerous();
    // In the routine queue: it was not urgent by the rules of an older door.
    hand.put(ROUTINE, "P-1", &submission).await.unwrap();
    assert_eq!(dead(&link, 1).await[0].class, "refused");
    assert_eq!(alerts_of(&hand, id(&submission)).await[0]["rule"], "self-harm");
    alert_row(&link, id(&submission)).await;
    conservation(&stack, &hand.log()).await.unwrap();
}

/// Starts the worker again whenever it has ended, as a supervisor would, until nothing is left to do.
/// Gives how often it ended.
pub(crate) async fn supervised(stack: &Stack, env: &[(&str, &str)], settled: i64) -> (usize, Service) {
    let link = link(stack).await;
    let both = "SELECT (SELECT count(*) FROM identified.submission) + (SELECT count(*) FROM ops.dead_letter)";
    let mut ends = 0;
    loop {
        let mut worker = stack.spawn("epro-worker", env).unwrap();
        let done = until("a worker to end, or to finish", BOUND, || {
            let runs = worker.runs();
            let counting = link.count(both);
            async move {
                let all = counting.await? >= settled;
                Ok((all || !runs).then_some(all))
            }
        });
        if done.await.unwrap_or_else(|error| panic!("{error:#}\n{}", worker.output())) {
            return (ends, worker);
        }
        ends += 1;
        assert!(ends < 10, "it ends again and again:\n{}", worker.output());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_aborts_the_process_is_quarantined_and_1000_others_are_stored() {
    let stack = hurried().await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    let submissions = many(1001);
    let bad = id(&submissions[300]);
    hand.put_all(ROUTINE, "P-1", &submissions).await.unwrap();
    let fault = format!("process:{bad}=abort");
    let (crashes, _worker) = supervised(&stack, &[("EPRO_FAULT", &fault)], 1001).await;
    assert!((1..=3).contains(&crashes), "{crashes} crashes");
    let found = &dead(&link, 1).await[0];
    assert_eq!((found.class.as_str(), found.submission.as_deref()), ("quarantined", Some(bad)));
    let account = conservation(&stack, &hand.log()).await.unwrap();
    assert_eq!((account.stored, account.dead), (1000, 1));
    counts(&link, "SELECT count(*) FROM ops.suspect", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_urgent_message_that_aborts_the_process_alerts_in_the_end() {
    let stack = hurried().await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    let submission = dangerous();
    let letter = signalled(hand.letter(URGENT, "P-1", &submission).unwrap());
    hand.publish(&letter).await.unwrap();
    hand.note(&submission);
    let fault = format!("process:{}=abort", id(&submission));
    let (crashes, _worker) = supervised(&stack, &[("EPRO_FAULT", &fault)], 1).await;
    assert!((1..=3).contains(&crashes), "{crashes} crashes");
    assert_eq!(dead(&link, 1).await[0].class, "quarantined");
    assert_eq!(alerts_of(&hand, id(&submission)).await[0]["severity"], "critical");
    alert_row(&link, id(&submission)).await;
    conservation(&stack, &hand.log()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_that_panics_over_a_message_sets_aside_that_one_only_and_the_process_lives() {
    let stack = hurried().await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    let submissions = many(300);
    let bad = id(&submissions[41]);
    hand.put_all(ROUTINE, "P-1", &submissions).await.unwrap();
    let fault = format!("process:{bad}=panic");
    let mut worker = stack.spawn("epro-worker", &[("EPRO_FAULT", &fault)]).unwrap();
    worker.ready().await.unwrap();
    let found = &dead(&link, 1).await[0];
    assert_eq!((found.class.as_str(), found.submission.as_deref()), ("quarantined", Some(bad)));
    let account = conservation(&stack, &hand.log()).await.unwrap();
    assert_eq!((account.stored, account.dead), (299, 1));
    assert!(worker.runs());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_outside_of_the_stages_sets_aside_that_message_only() {
    let stack = hurried().await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    let submission = calm();
    hand.put(ROUTINE, "P-1", &submission).await.unwrap();
    let fault = format!("beforecommit:{}=panic", id(&submission));
    let mut worker = stack.spawn("epro-worker", &[("EPRO_FAULT", &fault)]).unwrap();
    worker.ready().await.unwrap();
    let found = &dead(&link, 1).await[0];
    assert_eq!((found.class.as_str(), found.submission.as_deref()), ("quarantined", Some(id(&submission))));
    hand.put_all(ROUTINE, "P-1", &many(100)).await.unwrap();
    let account = conservation(&stack, &hand.log()).await.unwrap();
    assert_eq!((account.stored, account.dead), (100, 1));
    counts(&link, "SELECT count(*) FROM ops.suspect", 0).await;
    assert!(worker.runs());
}

#[tokio::test(flavor = "multi_thread")]
async fn told_before_its_start_can_be_counted_it_is_the_alert_that_is_stored_later() {
    let stack = hurried().await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    let submission = dangerous();
    hand.publish(&signalled(hand.letter(URGENT, "P-1", &submission).unwrap())).await.unwrap();
    hand.note(&submission);
    let fault = format!("process:{}=abort", id(&submission));
    let mut first = stack.spawn("epro-worker", &[("EPRO_FAULT", &fault)]).unwrap();
    first.ended(BOUND).await.unwrap();

    // It comes again, and nobody can count that.
    let login = stack.database().login("epro_worker").await.unwrap();
    link.client.batch_execute("REVOKE SELECT ON ops.suspect FROM epro_worker").await.unwrap();
    let _worker = stack.spawn("epro-worker", &[("EPRO__POSTGRES__URL", login.url())]).unwrap();
    until("an alert", BOUND, || async { Ok((stack.vhost().ready(ALERTS).await? > 0).then_some(())) })
        .await
        .unwrap();
    link.client.batch_execute("GRANT SELECT ON ops.suspect TO epro_worker").await.unwrap();
    counts(&link, STORED, 1).await;
    alert_row(&link, id(&submission)).await;
    conservation(&stack, &hand.log()).await.unwrap();
    let told = hand.lying(ALERTS).await.unwrap();
    let ids: std::collections::BTreeSet<String> =
        told.iter().map(|letter| hand.read(letter).unwrap()["alert_id"].to_string()).collect();
    assert_eq!(ids.len(), 1, "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_urgent_message_over_which_a_stage_panics_alerts() {
    let stack = hurried().await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    let submission = dangerous();
    hand.publish(&signalled(hand.letter(URGENT, "P-1", &submission).unwrap())).await.unwrap();
    hand.note(&submission);
    let fault = format!("process:{}=panic", id(&submission));
    let _worker = stack.spawn("epro-worker", &[("EPRO_FAULT", &fault)]).unwrap();
    assert_eq!(dead(&link, 1).await[0].class, "quarantined");
    assert_eq!(alerts_of(&hand, id(&submission)).await[0]["rule"], "self-harm");
    alert_row(&link, id(&submission)).await;
    conservation(&stack, &hand.log()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_grant_holds_everything_and_blames_no_message() {
    // Through a door with a user of a worker's rights: a superuser lacks nothing.
    let stack = hurried().await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    let login = stack.database().login("epro_worker").await.unwrap();
    let grant = |word: &str, to: &str| format!("{word} INSERT ON identified.submission {to} epro_worker");
    link.client.batch_execute(&grant("REVOKE", "FROM")).await.unwrap();
    hand.put_all(ROUTINE, "P-1", &many(300)).await.unwrap();
    let urgent = dangerous();
    hand.publish(&signalled(hand.letter(URGENT, "P-1", &urgent).unwrap())).await.unwrap();
    hand.note(&urgent);
    let mut worker = stack.spawn("epro-worker", &[("EPRO__POSTGRES__URL", login.url())]).unwrap();
    worker.ready().await.unwrap();
    says(&worker, "42501").await;
    assert_eq!(alerts_of(&hand, id(&urgent)).await[0]["rule"], "self-harm");
    assert_eq!((link.count(STORED).await.unwrap(), link.count(DEAD).await.unwrap()), (0, 0));
    link.client.batch_execute(&grant("GRANT", "TO")).await.unwrap();
    counts(&link, STORED, 301).await;
    let account = conservation(&stack, &hand.log()).await.unwrap();
    assert_eq!((account.stored, account.dead), (301, 0));
    worker.drain(Duration::from_secs(25)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_given_back_25_times_is_still_at_its_first_attempt() {
    let stack = hurried().await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    let login = stack.database().login("epro_worker").await.unwrap();
    link.client.batch_execute("REVOKE INSERT ON identified.submission FROM epro_worker").await.unwrap();
    hand.put(ROUTINE, "P-1", &calm()).await.unwrap();
    for _ in 0..25 {
        let mut worker = stack.spawn("epro-worker", &[("EPRO__POSTGRES__URL", login.url())]).unwrap();
        says(&worker, "PostgreSQL can't take it now").await;
        assert_eq!(worker.drain(Duration::from_secs(25)).await.unwrap(), 0);
    }
    let letters = hand.lying(ROUTINE).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert!(!letters[0].headers.contains_key("epro-attempt"), "{:?}", letters[0]);
    assert!(!letters[0].headers.contains_key("epro-waits"), "{:?}", letters[0]);
    link.client.batch_execute("GRANT INSERT ON identified.submission TO epro_worker").await.unwrap();
    let mut worker = stack.spawn("epro-worker", &[("EPRO__POSTGRES__URL", login.url())]).unwrap();
    let account = conservation(&stack, &hand.log()).await.unwrap();
    assert_eq!((account.stored, account.dead), (1, 0));
    counts(&link, "SELECT count(*) FROM ops.suspect", 0).await;
    worker.drain(Duration::from_secs(25)).await.unwrap();
    empty(&stack, ALERTS).await;
}
