//! An export that takes longer than RabbitMQ waits for an ack.

use epro_proving::own::{Kind, Own};
use epro_proving::proxy::Mode;
use epro_proving::stack::Plan;
use epro_proving::{Hand, Stack, until};
use serde_json::{Value, json};

use super::{Analyst, QUEUE, made};
use crate::load::{POSTGRES, before_postgres, worker};
use crate::support::BOUND;

/// Eighty pages.
const ROWS: usize = 20_000;
/// Bytes a second from PostgreSQL: a page takes about a second.
const SLOW: u32 = 300_000;
/// RabbitMQ closes a channel that leaves a delivery unacked for half an hour, and looks once a minute. Here it is two
/// seconds, and it looks twice a second.
const IMPATIENT: &str = "application:set_env(rabbit, consumer_timeout, 2000), \
                         application:set_env(rabbit, channel_tick_interval, 500).";
/// Nobody consumes it here.
const ELSEWHERE: &str = "epro.risk";

/// The status, once more rows are written than that.
async fn beyond(ana: &Analyst, place: &str, rows: i64) -> Value {
    let found = until("more rows", BOUND, || async {
        let status = ana.client.get(place, &ana.token).await?.json()?;
        Ok((status["rows"].as_i64() > Some(rows)).then_some(status))
    });
    found.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_takes_longer_than_the_brokers_ack_timeout_is_made_in_one_run_and_tells_how_far_it_is() {
    let rabbitmq = Own::start(Kind::Broker).await.unwrap();
    rabbitmq.rabbitmqctl(&["eval", IMPATIENT]).await.unwrap();
    let config = json!({
        "time_scale": 0.05, "worker": {"lanes": ["exports"]}, "exports": {"file_mib": 1},
    });
    let stack = Stack::on(rabbitmq.services().unwrap(), Plan { config, ..Plan::default() }).await.unwrap();
    let link = made(&stack, ROWS).await;
    let (proxy, postgres) = before_postgres(&stack).await.unwrap();
    let _worker = worker(&stack, &[(POSTGRES, &postgres)]).await.unwrap();
    let (ana, hand) = (Analyst::of(&stack, "export").await, Hand::on(&stack).await.unwrap());
    proxy.set(Mode::Slow(SLOW));
    let place = ana.export(json!({})).await;
    let first = beyond(&ana, &place, 0).await;
    assert_eq!((&first["state"], &first["estimate"]), (&json!("running"), &json!(ROWS)));
    let id = place.rsplit('/').next().unwrap();
    let slowly = async {
        // Whoever holds a message for so long loses its channel.
        tokio::time::timeout(BOUND, hand.held_too_long(ELSEWHERE)).await.expect("a patient broker").unwrap();
        let later = beyond(&ana, &place, first["rows"].as_i64().unwrap()).await;
        assert_eq!((&later["state"], &later["files"]), (&json!("running"), &json!([])));
        assert!(later["bytes"].as_i64() > first["bytes"].as_i64(), "{first} {later}");
        assert_eq!(stack.vhost().ready(QUEUE).await.unwrap(), 0, "its message is gone, not given back");
        proxy.pass();
    };
    let watch = ["exports", "watch", id];
    let (watched, ()) = tokio::join!(stack.epro(&watch), slowly);
    let watched = watched.unwrap();
    let told: Vec<&str> = watched.lines().collect();
    assert!(told.len() > 3 && told[0].contains("running: "), "{watched}");
    let end = format!("100 % done: {ROWS} of {ROWS} rows");
    assert!(told.last().is_some_and(|line| line.contains(&end)), "{watched}");
    let status = ana.is(&place, "done").await;
    assert_eq!((ana.lines(&status).await.len(), &status["rows"]), (ROWS, &json!(ROWS)));
    assert_eq!(link.count("SELECT run::bigint FROM ops.export").await.unwrap(), 1);
}
