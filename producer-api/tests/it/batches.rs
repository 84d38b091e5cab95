//! Many submissions in one request.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::Result;
use epro_proving::client::{Reply, Sent, sha256};
use epro_proving::proxy::{Side, Then, Trigger};
use epro_proving::{Hand, Proxy, Stack, conservation, services, stack::Plan};
use serde_json::{Value, json};

use crate::support::{BATCH, ROUTINE, SITE, STUDY, URGENT, alerting, door, phq9, place, problem};

fn statuses(reply: &Reply) -> Result<Vec<u64>> {
    let body = reply.json()?;
    let items = body["items"].as_array().cloned().unwrap_or_default();
    Ok(items.iter().filter_map(|item| item["status"].as_u64()).collect())
}

#[tokio::test]
async fn each_item_has_its_own_outcome_in_the_order_of_the_batch() -> Result<()> {
    let (stack, _api, client) = door().await?;
    let token = stack.minter().patient("P-1", STUDY, SITE)?;
    let (first, last) = (phq9(), alerting());
    let mut elsewhere = phq9();
    elsewhere["site_id"] = "H002".into();
    let large = format!("{{\"x\":\"{}\"}}", "y".repeat(256 * 1024));
    let body = format!("[{first}, {{\"submission_id\":7}} ,{elsewhere},{large},\"word\",{last}]");
    let reply = client.post(BATCH, &token, body.into_bytes()).await?;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(statuses(&reply)?, [202, 422, 403, 413, 422, 202]);
    let body = reply.json()?;
    assert_eq!((&body["received"], &body["refused"]), (&json!(2), &json!(4)));
    assert_eq!(body["items"][0]["submission_id"], first["submission_id"]);
    assert_eq!(body["items"][0]["location"], *place(&first["submission_id"]));
    assert_eq!(body["items"][2]["errors"][0]["pointer"], "/site_id");
    assert_eq!(body["items"][5]["submission_id"], last["submission_id"]);
    assert_eq!((stack.vhost().ready(ROUTINE).await?, stack.vhost().ready(URGENT).await?), (1, 1));
    Ok(())
}

#[tokio::test]
async fn a_thousand_items_one_a_line_are_all_stored_as_they_were_sent() -> Result<()> {
    let stack = Stack::new().await?;
    let (api, _worker) = tokio::try_join!(stack.api(), stack.worker())?;
    let client = stack.client(&api)?;
    let token = stack.minter().patient("P-1", STUDY, SITE)?;
    let items: Vec<Value> = (0..1000).map(|_| phq9()).collect();
    let body = items.iter().map(|item| format!("{item}\n")).collect::<String>();
    let reply = client.post_as(BATCH, Some(&token), "application/x-ndjson", body.into_bytes()).await?;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(statuses(&reply)?, [202; 1000]);
    for item in &items {
        let bytes = item.to_string().into_bytes();
        client.note(Sent {
            id: item["submission_id"].as_str().unwrap_or_default().parse()?,
            sha256: sha256(&bytes),
            bytes: bytes.into(),
            status: Some(202),
        });
    }
    let account = conservation(&stack, &client.log()).await?;
    assert_eq!((account.stored, account.dead), (1000, 0));
    Ok(())
}

#[tokio::test]
async fn what_is_no_batch_is_400_and_what_is_too_long_413() -> Result<()> {
    let (stack, _api, client) = door().await?;
    let token = stack.minter().patient("P-1", STUDY, SITE)?;
    let many = |n: usize| format!("[{}]", vec!["{}"; n].join(","));
    for (status, name, body) in [
        (400, "not_a_batch", String::new()),
        (400, "not_a_batch", "[]".to_owned()),
        (400, "not_a_batch", "[{}".to_owned()),
        (400, "not_a_batch", "[{},,{}]".to_owned()),
        (413, "too_many", many(1001)),
        (413, "too_many", "{}\n".repeat(1001)),
        (413, "too_large", format!("[{}]", " ".repeat(8 * 1024 * 1024))),
    ] {
        let reply = client.post(BATCH, &token, body.into_bytes()).await?;
        assert_eq!((reply.status, problem(&reply)?.as_str()), (status, name), "{}", reply.body);
    }
    let reply = client.post(BATCH, &token, many(1000).into_bytes()).await?;
    assert_eq!((reply.status, statuses(&reply)?), (200, vec![422; 1000]));
    Ok(())
}

#[tokio::test]
async fn with_a_silent_broker_a_whole_batch_is_one_503_and_not_a_wait_a_thousand_times() -> Result<()> {
    let amqp = services::Services::from_env()?.amqp;
    let proxy = Proxy::to(&services::host_port(&amqp)?).await?;
    let stack = Stack::with(Plan { broker: Some(proxy.address()), ..Plan::default() }).await?;
    let api = stack.api().await?;
    let client = stack.client(&api)?;
    let token = stack.minter().patient("P-1", STUDY, SITE)?;
    let body = (0..1000).map(|_| format!("{}\n", phq9())).collect::<String>();
    proxy.stall();
    // The client gives up after 10 s: an answer at all means that nobody waited in turn.
    let reply = client.post(BATCH, &token, body.clone().into_bytes()).await?;
    assert_eq!((reply.status, problem(&reply)?.as_str()), (503, "unavailable"));
    assert!(reply.header("retry-after").is_some());
    proxy.cut_once();
    Ok(())
}

/// What lies in the routine queue, by submission.
async fn queued(stack: &Stack) -> Result<HashSet<String>> {
    let hand = Hand::on(stack).await?;
    let mut ids = HashSet::new();
    for letter in hand.lying(ROUTINE).await? {
        let envelope =
            hand.keys().open_submission(letter.id.clone().unwrap_or_default().parse()?, &letter.body)?;
        ids.insert(envelope.submission_id()?.to_string());
    }
    Ok(ids)
}

#[tokio::test]
async fn a_broker_that_falls_silent_partway_sheds_the_rest_and_loses_no_item_that_was_received() -> Result<()>
{
    let amqp = services::Services::from_env()?.amqp;
    let proxy = Proxy::to(&services::host_port(&amqp)?).await?;
    let stack = Stack::with(Plan { broker: Some(proxy.address()), ..Plan::default() }).await?;
    let api = stack.api().await?;
    let client = stack.client(&api)?.giving_up_after(Duration::from_secs(60))?;
    let token = stack.minter().patient("P-1", STUDY, SITE)?;
    let body = (0..1000).map(|_| format!("{}\n", phq9())).collect::<String>();
    // A message is about a kilobyte: a few hundred of them are confirmed before that.
    let trip = proxy.arm(Side::Client, Trigger::Bytes(400_000), Then::StallAfter);

    let reply = client.post_as(BATCH, Some(&token), "application/x-ndjson", body.into_bytes()).await?;

    trip.tripped().await?;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert!(reply.header("retry-after").is_some());
    let body = reply.json()?;
    let items = body["items"].as_array().cloned().unwrap_or_default();
    let (received, shed): (Vec<_>, Vec<_>) = items.iter().partition(|item| item["status"] == 202);
    assert!(!received.is_empty() && !shed.is_empty() && items.len() == 1000);
    assert_eq!((&body["received"], &body["refused"]), (&json!(received.len()), &json!(shed.len())));
    for item in &shed {
        assert_eq!(item["status"], 503, "{item}");
        assert!(item["type"].is_string() && item["title"].is_string() && item["submission_id"].is_null());
    }
    let queued = queued(&stack).await?;
    for item in &received {
        let id = item["submission_id"].as_str().unwrap_or_default();
        assert!(queued.contains(id), "{id} was received and isn't queued");
    }
    proxy.cut_once();
    Ok(())
}

#[tokio::test]
async fn items_that_find_no_queue_are_503_beside_the_others() -> Result<()> {
    let (stack, _api, client) = door().await?;
    let token = stack.minter().patient("P-1", STUDY, SITE)?;
    stack.vhost().delete_queue(ROUTINE).await?;
    let body = format!("[{},{},{}]", alerting(), phq9(), alerting());
    let reply = client.post(BATCH, &token, body.into_bytes()).await?;
    assert_eq!((reply.status, statuses(&reply)?), (200, vec![202, 503, 202]));
    assert!(reply.header("retry-after").is_some());
    Ok(())
}
