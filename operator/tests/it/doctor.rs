//! `epro doctor` names what is set up wrongly, what follows, and what to do.

use std::time::Duration;

use epro_proving::{Stack, until};

#[tokio::test]
async fn what_the_services_lack_is_named_with_its_fix_and_is_gone_once_that_is_done() {
    let stack = Stack::new().await.unwrap();
    let link = stack.database().connect().await.unwrap();
    stack.vhost().remove_policy("epro-queues").await.unwrap();
    let connection = stack.vhost().connect().await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let queue = "epro.alerts";
    channel.queue_unbind(queue.into(), "epro.return".into(), queue.into(), Default::default()).await.unwrap();
    let rows = "INSERT INTO ops.delivery (submission_id, pseudonym, site_id, state_at)
        VALUES (gen_random_uuid(), gen_random_uuid(), 'H001', now() - interval '1 hour')";
    link.client.batch_execute(rows).await.unwrap();
    let found = [
        "queues without our delivery limit",
        "wait tiers lead nowhere for: epro.alerts",
        "1 rows have believed",
    ];

    let fixes = ["epro topology apply", "epro reconcile --queue epro.his.H001"];
    // The broker's statistics are a few seconds late.
    until("the doctor to find all of it", Duration::from_secs(60), || async {
        let (code, said, _) = stack.epro_status(&["doctor", "--json"]).await?;
        let all = found.iter().chain(&fixes).all(|word| said.contains(word));
        Ok((code == Some(1) && all).then_some(()))
    })
    .await
    .unwrap();
    stack.epro(&["topology", "apply"]).await.unwrap();
    stack.epro(&["reconcile", "--queue", "epro.his.H001", "--yes", "--reason", "it was lost"]).await.unwrap();
    until("the doctor to find it mended", Duration::from_secs(60), || async {
        let (_, said, _) = stack.epro_status(&["doctor", "--json"]).await?;
        Ok(found.iter().all(|finding| !said.contains(finding)).then_some(()))
    })
    .await
    .unwrap();
}
