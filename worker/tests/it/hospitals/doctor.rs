//! `epro doctor` tells of hospitals, and fails where an operator has to act.

use epro_proving::foreign::manner::Manner;
use epro_proving::until;
use serde_json::json;

use super::rotation::{Ground, ground};
use crate::support::{BOUND, counts, link};

/// Waits until nothing is left to be done, and H001 is well.
async fn well(ground: &Ground) {
    until("the doctor to find all well", BOUND, || async {
        let (code, said, _) = ground.stack.epro_status(&["doctor", "--json"]).await?;
        Ok((code == Some(0) && !said.contains("the hospital of H001")).then_some(()))
    })
    .await
    .unwrap();
}

/// Waits until the doctor says that, and gives its exit code.
async fn says(ground: &Ground, words: &str) -> i32 {
    until(&format!("the doctor to say {words:?}"), BOUND, || async {
        let (code, said, error) = ground.stack.epro_status(&["doctor", "--json"]).await?;
        anyhow::ensure!(error.is_empty(), "{error}");
        Ok(said.contains(words).then_some(code.unwrap()))
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_mends_itself_or_was_done_on_purpose_is_told_and_what_an_operator_must_mend_fails() {
    let ground = ground(|_| json!({"kind": "basic", "user": "relay"}), "password_file").await;
    let (mut worker, link) = (ground.stack.worker().await.unwrap(), link(&ground.stack).await);
    well(&ground).await;

    ground.hospital.manner(Manner { status: Some(503), ..Manner::default() });
    ground.put(10).await;
    assert_eq!(says(&ground, "the hospital of H001 isn't called for a while").await, 0);
    ground.hospital.manner(Manner::default());
    counts(&link, "SELECT count(*) FROM ops.delivery WHERE state = 'done'", 10).await;

    ground.stack.epro(&["pause", "H001", "--by", "ann", "--reason", "their upgrade"]).await.unwrap();
    assert_eq!(says(&ground, "H001 is paused by operator:ann: their upgrade").await, 0);
    crate::support::says(&worker, "nothing goes to the hospital: it is paused").await;
    ground.put(1).await;
    counts(&link, "SELECT count(*) FROM ops.delivery WHERE state = 'queued'", 1).await;
    let ages = "UPDATE ops.delivery SET created_at = now() - interval '2 days' WHERE state = 'queued'";
    link.client.batch_execute(ages).await.unwrap();
    assert_eq!(says(&ground, "1 deliveries wait for the hospital of H001, the oldest for too long").await, 1);
    ground.stack.epro(&["resume", "H001", "--reason", "done"]).await.unwrap();
    counts(&link, "SELECT count(*) FROM ops.delivery WHERE state = 'done'", 11).await;
    well(&ground).await;

    let pauses = "INSERT INTO ops.pause (kind, key, paused_by, reason)
        VALUES ('hospital', 'H001', 'system:epro-worker', '20 dead letters of class hospital_refused in a row')";
    link.client.batch_execute(pauses).await.unwrap();
    assert_eq!(says(&ground, "H001 is paused by system:epro-worker: 20 dead letters").await, 1);
    ground.stack.epro(&["resume", "H001", "--reason", "looked at them"]).await.unwrap();

    worker.drain(BOUND).await.unwrap();
    assert_eq!(says(&ground, "nobody calls the hospital of H001").await, 1);
}
