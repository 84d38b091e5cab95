//! The failure table, line by line.

use epro_proving::until;
use serde_json::json;

use super::desk::Manner;
use super::stand::{ONE, Stand, TWO};
use crate::support::{BOUND, counts, dead};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_the_messages_fault_is_a_dead_letter_with_what_the_hospital_said_redacted() {
    let stand = Stand::new(json!({})).await;
    let caller = stand.caller().await;
    for (number, status) in [400, 410, 412, 413, 415, 422].into_iter().enumerate() {
        stand.desk(ONE).says_once(status);
        let (patient, submission) = stand.store(ONE, 1).await.remove(0);
        let letter = dead(&stand.link, i64::try_from(number).unwrap() + 1).await.pop().unwrap();
        assert_eq!((letter.class.as_str(), letter.lane.as_str()), ("hospital_refused", "hospitals"));
        assert!(letter.detail.starts_with(&status.to_string()), "{}", letter.detail);
        assert!(!letter.detail.contains(&patient), "{}", letter.detail);
        assert!(!caller.output().contains(&patient), "{}", caller.output());
        assert_eq!(stand.outcomes(&submission).await, ["refused"]);
    }
    stand.are(ONE, "set_aside", 6).await;
    stand.store(ONE, 1).await;
    stand.are(ONE, "done", 1).await;
    let audited = "SELECT count(*) FROM audit.event WHERE action = 'delivery.set_aside'";
    assert_eq!(stand.number(audited).await, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_the_hospitals_fault_or_ours_waits_without_a_charge() {
    let stand = Stand::new(json!({})).await;
    let _caller = stand.caller().await;
    // An answer that leads elsewhere is not followed: what we say isn't for whoever is there.
    let denied = [401, 403, 404, 405, 301, 302, 303, 307, 308].map(|status| (status, "denied"));
    let busy = [408, 423, 425, 429, 500, 502, 503, 504].map(|status| (status, "busy"));
    for (number, (status, outcome)) in denied.into_iter().chain(busy).enumerate() {
        stand.desk(ONE).says_once(status);
        let (_, submission) = stand.store(ONE, 1).await.remove(0);
        stand.are(ONE, "done", i64::try_from(number).unwrap() + 1).await;
        assert_eq!(stand.outcomes(&submission).await, [outcome, "taken"], "{status}");
        assert_eq!(stand.desk(ONE).calls().len(), 2 * (number + 1), "{status}");
    }
    assert_eq!((stand.charged().await, stand.dead().await), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_is_a_failure_and_what_was_sent_goes_again() {
    let stand = Stand::new(json!({"timeout": "500ms"})).await;
    let _caller = stand.caller().await;
    stand.desk(ONE).set(Manner { silent: true, times: Some(1), ..Manner::default() });
    let (_, submission) = stand.store(ONE, 1).await.remove(0);
    stand.are(ONE, "done", 1).await;
    assert_eq!(stand.outcomes(&submission).await, ["silent", "taken"]);
    assert_eq!((stand.charged().await, stand.dead().await), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_one_hospital_chokes_on_blocks_none_of_its_neighbours() {
    let stand = Stand::new(json!({"attempts": 3, "calls_per_second": 50.0})).await;
    let (poison, submission) = stand.store(ONE, 1).await.remove(0);
    stand.desk(ONE).set(Manner { status: Some(500), only: Some(poison.clone()), ..Manner::default() });
    stand.store(ONE, 20).await;
    stand.store(TWO, 5).await;
    let _caller = stand.caller().await;
    stand.are(ONE, "done", 20).await;
    stand.are(TWO, "done", 5).await;
    // The hospital goes on taking others, so the tries are charged, and the third is the last.
    until("the poison to be set aside", BOUND, || async {
        stand.store(ONE, 1).await;
        Ok((stand.dead().await == 1).then_some(()))
    })
    .await
    .unwrap();
    let letter = dead(&stand.link, 1).await.remove(0);
    assert_eq!(
        (letter.class.as_str(), letter.submission.as_deref()),
        ("undeliverable", submission["submission_id"].as_str())
    );
    let charged = "SELECT count(*) FROM ops.delivery WHERE attempts = 3 AND state = 'set_aside'";
    assert_eq!(stand.number(charged).await, 1);
    assert_eq!(stand.charged().await, 3, "only its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_refused_in_a_row_pause_that_hospital_and_no_other() {
    let stand = Stand::new(json!({})).await;
    stand.desk(ONE).says(422);
    stand.store(ONE, 40).await;
    let _caller = stand.caller().await;
    counts(&stand.link, "SELECT count(*) FROM ops.pause WHERE kind = 'hospital' AND key = 'H001'", 1).await;
    stand.store(TWO, 5).await;
    stand.are(TWO, "done", 5).await;
    let set_aside = stand.dead().await;
    assert!((20..30).contains(&set_aside), "{set_aside}: those under way, and no more");
    stand.desk(ONE).is_well();
    stand.stack.epro(&["resume", "H001", "--reason", "mended"]).await.unwrap();
    stand.are(ONE, "done", 40 - set_aside).await;
}
