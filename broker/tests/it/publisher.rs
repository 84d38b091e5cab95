use std::time::Duration;

use anyhow::{Context, Result};
use epro_broker::{
    BrokerUrl, Headers, PublishError, Publisher, PublisherState,
    topology::{ALERTS, COMMANDS},
};
use epro_proving::Proxy;
use lapin::options::BasicGetOptions;
use serde_json::json;
use tokio::{task::JoinSet, time::timeout};

use crate::stand::{Publishing, SOON, Stand, Stored, message, next, take, text, topology};

#[tokio::test]
async fn a_confirmed_message_is_in_its_queue_as_it_was_sent() -> Result<()> {
    let stand = Stand::new().await?;
    let publishing = stand.publisher().await?;
    let mut sent = message(ALERTS, "body");
    sent.headers = Headers {
        traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
        attempt: 3,
        deadline: Some(1_795_000_000_000),
        waits: 2,
        waiting_since: Some(1_794_000_000_000),
        key_id: Some("k1".to_owned()),
        site: Some("H001".to_owned()),
        study: Some("ONC-301".to_owned()),
        signals: Some("phq-9-item-9=critical".to_owned()),
    };
    publishing.publisher.publish(sent.clone()).await?;

    let mut consumer = stand.consumer(ALERTS).await?;
    let delivery = next(&mut consumer).await?;
    assert_eq!(delivery.message_id(), Some(sent.message_id()));
    assert_eq!(delivery.kind(), Some("epro.test.v1"));
    assert_eq!(delivery.headers(), sent.headers);
    assert_eq!(text(&delivery), "body");
    assert_eq!((delivery.queue(), delivery.redelivered()), (ALERTS, false));
    assert_eq!(delivery.death(), None);
    delivery.release();
    consumer.leave().await;

    let own = stand.vhost.connect().await?;
    let channel = own.create_channel().await?;
    let raw = channel.basic_get(ALERTS.into(), BasicGetOptions { no_ack: true }).await?.context("raw")?;
    assert_eq!(*raw.properties.delivery_mode(), Some(2), "persistent");
    Ok(())
}

#[tokio::test]
async fn a_message_without_a_queue_is_returned_and_the_error_names_the_key() -> Result<()> {
    let stand = Stand::new().await?;
    let publishing = stand.publisher().await?;
    let error = publishing.publisher.publish(message("epro.his.H999", "lost?")).await.err();
    assert_eq!(error, Some(PublishError::Returned { routing_key: "epro.his.H999".to_owned() }));
    publishing.publisher.publish(message(ALERTS, "and the channel goes on")).await?;
    Ok(())
}

#[tokio::test]
async fn a_full_queue_refuses_and_takes_messages_again_once_there_is_room() -> Result<()> {
    let stand = Stand::new().await?;
    stand.vhost.policy("small", "^epro\\.alerts$", json!({"max-length": 3})).await?;
    let publishing = stand.publisher().await?;
    let mut stored = 0;
    let refused = loop {
        match publishing.publisher.publish(message(ALERTS, "one more")).await {
            Ok(_receipt) => stored += 1,
            Err(error) => break error,
        }
        assert!(stored < 100, "the queue never fills");
    };
    assert_eq!(refused, PublishError::Nacked);
    assert_eq!(stand.ready(ALERTS).await?, stored);
    let mut consumer = stand.consumer(ALERTS).await?;
    for delivery in take(&mut consumer, stored.try_into()?).await? {
        delivery.ack(&Stored);
    }
    consumer.leave().await;
    let again = || async { Ok(publishing.publisher.publish(message(ALERTS, "room")).await.ok()) };
    epro_proving::until("room in the queue", SOON, again).await?;
    Ok(())
}

#[tokio::test]
async fn a_broker_that_stalls_costs_a_slot_each_and_then_refuses_at_once() -> Result<()> {
    let stand = Stand::new().await?;
    let proxy = Proxy::to(&epro_proving::services::host_port(stand.vhost.url())?).await?;
    let url: BrokerUrl = proxy.lead(stand.vhost.url())?.parse()?;
    let publishing = Publishing::start(url, 4, Duration::from_millis(300)).await?;
    proxy.stall();
    let mut sending = JoinSet::new();
    for number in 0..4 {
        let publisher = publishing.publisher.clone();
        sending.spawn(async move { publisher.publish(message(ALERTS, &number.to_string())).await.err() });
    }
    for error in sending.join_all().await {
        assert_eq!(error, Some(PublishError::TimedOut));
    }
    // Nobody waits for them any more, but the broker may still store them.
    let error = publishing.publisher.publish(message(ALERTS, "no slot")).await.err();
    assert_eq!(error, Some(PublishError::Saturated));
    let soon = Duration::from_millis(50);
    let error = publishing.publisher.publish_within(message(ALERTS, "no slot"), soon).await.err();
    assert_eq!(error, Some(PublishError::Saturated));

    let waiting = publishing.publisher.publish_within(message(ALERTS, "waits for a slot"), SOON);
    let (stored, ()) = tokio::join!(waiting, async { proxy.pass() });
    stored?;
    stand.has_ready(ALERTS, 5).await
}

#[tokio::test]
async fn a_share_counts_until_the_broker_has_answered_and_leaves_the_other_slots_to_others() -> Result<()> {
    let stand = Stand::new().await?;
    let proxy = Proxy::to(&epro_proving::services::host_port(stand.vhost.url())?).await?;
    let url: BrokerUrl = proxy.lead(stand.vhost.url())?.parse()?;
    let soon = Duration::from_millis(300);
    let publishing = Publishing::start(url, 4, soon).await?;
    let sharing = publishing.publisher.sharing(2);
    proxy.stall();
    let send = |publisher: &Publisher| {
        let publisher = publisher.clone();
        async move { publisher.publish_within(message(ALERTS, "slow"), soon).await.err() }
    };
    let (one, two) = tokio::join!(send(&sharing), send(&sharing));
    assert_eq!((one, two), (Some(PublishError::TimedOut), Some(PublishError::TimedOut)));
    // Nobody waits for them any more, but they are still under way.
    assert_eq!(send(&sharing).await, Some(PublishError::Saturated));
    let error = sharing.clone().publish(message(ALERTS, "no share")).await.err();
    assert_eq!(error, Some(PublishError::Saturated));
    let (one, two) = tokio::join!(send(&publishing.publisher), send(&publishing.publisher));
    assert_eq!((one, two), (Some(PublishError::TimedOut), Some(PublishError::TimedOut)));

    let waiting = sharing.publish_within(message(ALERTS, "waits for its share"), SOON);
    let (stored, ()) = tokio::join!(waiting, async { proxy.pass() });
    stored?;
    stand.has_ready(ALERTS, 5).await
}

#[tokio::test]
async fn after_its_connection_is_closed_by_force_it_says_so_and_comes_back() -> Result<()> {
    let stand = Stand::new().await?;
    let publishing = stand.publisher().await?;
    publishing.publisher.publish(message(ALERTS, "before")).await?;
    let mut watch = publishing.publisher.watch();
    let gone = async {
        watch.wait_for(|state| *state == PublisherState::Disconnected).await?;
        stand.connection.closed().await;
        anyhow::Ok(())
    };
    // The management API lists a connection only some seconds after it was opened.
    let closing = epro_proving::until("never", SOON, || async {
        stand.vhost.close_connections().await?;
        Ok(None::<()>)
    });
    tokio::select! {
        gone = gone => gone?,
        closing = closing => closing?,
    }
    assert!(!stand.connection.is_open());
    timeout(SOON, watch.wait_for(|state| *state == PublisherState::Connected)).await??;
    publishing.publisher.publish(message(ALERTS, "after")).await?;
    Ok(())
}

#[tokio::test]
async fn a_connection_cut_under_load_confirms_nothing_that_is_not_stored() -> Result<()> {
    let stand = Stand::new().await?;
    let proxy = Proxy::to(&epro_proving::services::host_port(stand.vhost.url())?).await?;
    let url: BrokerUrl = proxy.lead(stand.vhost.url())?.parse()?;
    let publishing = Publishing::start(url, 64, SOON).await?;
    let mut sending = JoinSet::new();
    for sender in 0..32 {
        let publisher = publishing.publisher.clone();
        sending.spawn(async move {
            let mut answers = Vec::new();
            for number in 0..100 {
                let id = format!("{sender}/{number}");
                let answer = publisher.publish(message(COMMANDS, &id)).await;
                answers.push((id, answer));
                tokio::task::yield_now().await;
            }
            answers
        });
    }
    let cutting = async {
        for wanted in [200, 600] {
            let look = || async { Ok((stand.ready(COMMANDS).await? >= wanted).then_some(())) };
            // The senders may be through before the cut; then there is nothing to cut.
            if timeout(Duration::from_secs(2), epro_proving::until("load", SOON, look)).await.is_ok() {
                proxy.cut_once();
            }
        }
    };
    let (answers, ()) = tokio::join!(sending.join_all(), cutting);
    let mut consumer = stand.consumer(COMMANDS).await?;
    let ready = stand.ready(COMMANDS).await?;
    let mut stored = std::collections::HashSet::new();
    while let Ok(Some(delivery)) = timeout(Duration::from_secs(2), consumer.next()).await {
        stored.insert(text(&delivery));
        delivery.ack(&Stored);
    }
    assert!(stored.len() >= ready as usize);
    let answers: Vec<_> = answers.into_iter().flatten().collect();
    let mut confirmed = 0;
    for (id, answer) in answers {
        match answer {
            Ok(_receipt) => {
                confirmed += 1;
                assert!(stored.contains(&id), "{id} was confirmed and isn't there");
            }
            Err(PublishError::NotConnected) => assert!(!stored.contains(&id), "{id} was never sent"),
            Err(PublishError::NotConfirmed) => {}
            Err(other) => anyhow::bail!("{id}: {other}"),
        }
    }
    assert!(confirmed > 0, "nothing was confirmed, before, between and after the cuts");
    Ok(())
}

#[tokio::test]
async fn without_a_topology_it_refuses_and_starts_by_itself_once_there_is_one() -> Result<()> {
    let stand = Stand::bare().await?;
    let publishing = Publishing::begin(stand.url()?, 4, SOON);
    let refused = publishing.publisher.publish(message(ALERTS, "too early")).await.err();
    assert_eq!(refused, Some(PublishError::NotConnected));
    topology().apply(&stand.connection).await?;
    publishing.becomes(PublisherState::Connected).await?;
    publishing.publisher.publish(message(ALERTS, "now")).await?;
    Ok(())
}

#[tokio::test]
async fn without_a_broker_it_refuses_at_once() -> Result<()> {
    let nobody = epro_proving::service::free_address()?;
    let publishing = Publishing::begin(format!("amqp://{nobody}").parse()?, 4, SOON);
    for _ in 0..3 {
        let refused = publishing.publisher.publish_within(message(ALERTS, "?"), SOON).await.err();
        assert_eq!(refused, Some(PublishError::NotConnected));
    }
    Ok(())
}

#[tokio::test]
async fn it_ends_once_every_handle_is_dropped_and_everything_is_answered() -> Result<()> {
    let stand = Stand::new().await?;
    let Publishing { publisher, mut tasks } = stand.publisher().await?;
    let mut sending = JoinSet::new();
    for number in 0..50 {
        let publisher = publisher.clone();
        sending.spawn(async move { publisher.publish(message(ALERTS, &number.to_string())).await.is_ok() });
    }
    drop(publisher);
    assert!(sending.join_all().await.into_iter().all(|stored| stored));
    timeout(SOON, tasks.join_next()).await?.context("a task")??;
    assert_eq!(stand.ready(ALERTS).await?, 50);
    Ok(())
}

#[tokio::test]
async fn once_its_task_is_aborted_it_says_so_and_refuses() -> Result<()> {
    let stand = Stand::new().await?;
    let mut publishing = stand.publisher().await?;
    publishing.tasks.shutdown().await;
    assert_eq!(publishing.publisher.state(), PublisherState::Disconnected);
    let refused = publishing.publisher.publish(message(ALERTS, "?")).await.err();
    assert_eq!(refused, Some(PublishError::NotConnected));
    Ok(())
}

#[tokio::test]
async fn a_body_of_many_frames_arrives_whole_or_comes_back() -> Result<()> {
    let stand = Stand::new().await?;
    let url = stand.url()?.with_frame_max(16384);
    let publishing = Publishing::start(url, 8, SOON).await?;
    let long: String = (0..300_000).map(|n| char::from(b'a' + (n % 23) as u8)).collect();
    for body in [long.as_str(), "", &long[..16376], &long[..16377]] {
        publishing.publisher.publish(message(ALERTS, body)).await?;
        let lost = publishing.publisher.publish(message("epro.his.H999", body)).await.err();
        assert!(matches!(lost, Some(PublishError::Returned { .. })), "{lost:?}");
        let mut consumer = stand.consumer(ALERTS).await?;
        let delivery = next(&mut consumer).await?;
        assert!(text(&delivery) == body, "{} bytes", body.len());
        delivery.ack(&Stored);
        consumer.leave().await;
    }
    Ok(())
}

#[tokio::test]
async fn a_name_too_long_for_the_protocol_is_an_error_of_that_message_only() -> Result<()> {
    let stand = Stand::new().await?;
    let publishing = stand.publisher().await?;
    let error = publishing.publisher.publish(message(&"x".repeat(256), "?")).await.err();
    assert_eq!(error, Some(PublishError::Unsendable { field: "routing key" }));
    publishing.publisher.publish(message(ALERTS, "fine")).await?;
    Ok(())
}
