use std::time::Duration;

use epro_proving::client::phq9;
use epro_proving::conservation::within;
use epro_proving::hand::plain;
use epro_proving::stack::Plan;
use epro_proving::{Client, Hand, Stack, conservation, until};
use serde_json::json;
use tokio::task::JoinSet;
use uuid::Uuid;

async fn send(client: &Client, count: usize) {
    let mut posts = JoinSet::new();
    for number in 0..count {
        let client = client.clone();
        posts.spawn(async move {
            let mut submission = phq9("ONC-301", ["H001", "H002", "H004"][number % 3]);
            let subject = format!("P-{:04}", number % 17);
            // A client that gets no answer tries again, restamped, as an app does.
            for again in 0..3 {
                submission["sent_at"] = json!(format!("2026-11-23T20:04:0{again}+08:00"));
                let reply = client.submit(&subject, &submission).await;
                if reply.is_ok_and(|reply| reply.status < 500) {
                    break;
                }
            }
        });
        while posts.len() >= 32 {
            posts.join_next().await;
        }
    }
    posts.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_under_load_loses_nothing() {
    let stack = Stack::with(Plan { config: json!({"time_scale": 0.1}), ..Plan::default() }).await.unwrap();
    let api = stack.api().await.unwrap();
    let client = stack.client(&api).unwrap();
    let mut worker = stack.worker().await.unwrap();
    let link = stack.database().connect().await.unwrap();
    let mut sending = JoinSet::new();
    let sender = client.clone();
    sending.spawn(async move { send(&sender, 600).await });
    until("some to be stored", Duration::from_secs(20), || async {
        Ok((link.count("SELECT count(*) FROM identified.submission").await? > 50).then_some(()))
    })
    .await
    .unwrap();
    worker.kill().await.unwrap();
    let _next = stack.worker().await.unwrap();
    sending.join_all().await;
    let account = conservation(&stack, &client.log()).await.unwrap();
    assert_eq!((account.accepted, account.stored), (600, 600));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_check_finds_a_delivery_that_is_lost_beside_an_alert_of_the_same_submission() {
    // Nobody consumes what follows on.
    let config = json!({"worker": {"lanes": ["submissions"]}});
    let stack = Stack::with(Plan { config, ..Plan::default() }).await.unwrap();
    let (hand, _worker) = (Hand::on(&stack).await.unwrap(), stack.worker().await.unwrap());
    let mut submission = phq9("ONC-301", "H001");
    submission["answers"]["44260-8"] = json!(2);
    hand.put("epro.submissions.urgent", "P-1", &submission).await.unwrap();
    conservation(&stack, &hand.log()).await.unwrap();
    assert_eq!(hand.lying("epro.alerts").await.unwrap().len(), 1);
    assert_eq!(hand.take("epro.his.H001").await.unwrap().len(), 1);
    let said = conservation(&stack, &hand.log()).await.unwrap_err().to_string();
    assert!(said.contains("isn't in epro.his.H001") && !said.contains("isn't in epro.alerts"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_check_finds_a_row_that_is_gone_changed_or_too_many() {
    let stack = Stack::new().await.unwrap();
    let api = stack.api().await.unwrap();
    let client = stack.client(&api).unwrap();
    let mut worker = stack.worker().await.unwrap();
    send(&client, 3).await;
    let log = client.log();
    conservation(&stack, &log).await.unwrap();
    worker.drain(Duration::from_secs(25)).await.unwrap();

    let link = stack.database().connect().await.unwrap();
    let broken = async |sql: &str| {
        link.client.batch_execute("BEGIN").await.unwrap();
        link.client.batch_execute(sql).await.unwrap();
        link.client.batch_execute("COMMIT").await.unwrap();
        // Nobody is going to repair it: no need to wait.
        within(Duration::from_millis(100), &stack, &log).await.unwrap_err().to_string()
    };
    let first = log[0].id;
    // One byte of the seal.
    let said = broken(&format!(
        "UPDATE identified.submission SET sealed = set_byte(sealed, 40, get_byte(sealed, 40) # 1)
         WHERE submission_id = '{first}'"
    ))
    .await;
    assert!(said.contains("stored with other bytes") && said.contains(&first.to_string()), "{said}");
    let said = broken("UPDATE identified.submission SET submission_id = gen_random_uuid()").await;
    assert!(said.contains("never accepted"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_check_opens_what_was_sealed_for_the_dead_letters_alone() {
    let stack = Stack::with(Plan { config: json!({"time_scale": 0.1}), ..Plan::default() }).await.unwrap();
    let (hand, _worker) = (Hand::on(&stack).await.unwrap(), stack.worker().await.unwrap());
    let strange =
        plain("epro.submissions.routine", Uuid::now_v7(), "order.created", b"in the clear".to_vec());
    hand.publish(&strange).await.unwrap();
    let link = stack.database().connect().await.unwrap();
    until("a dead letter", Duration::from_secs(20), || async {
        Ok((link.count("SELECT count(*) FROM ops.dead_letter WHERE wrapped").await? == 1).then_some(()))
    })
    .await
    .unwrap();
    conservation(&stack, &hand.log()).await.unwrap();
    let spoil = "UPDATE ops.dead_letter SET body = set_byte(body, 40, get_byte(body, 40) # 1)";
    link.client.batch_execute(spoil).await.unwrap();
    let said = conservation(&stack, &hand.log()).await.unwrap_err().to_string();
    assert!(said.contains("1 dead letters don't open"), "{said}");
}
