use anyhow::{Context, Result, bail};
use epro_broker::{
    BrokerUrl, Connection, Topology,
    topology::{Missing, TopologyError},
};
use lapin::{
    options::QueueDeclareOptions,
    types::{AMQPValue, FieldTable},
};
use reqwest::Method;
use serde_json::json;

use crate::stand::{SOON, Stand, topology};

#[tokio::test]
async fn applying_twice_creates_everything_once() -> Result<()> {
    let stand = Stand::bare().await?;
    let first = topology().apply(&stand.connection).await?;
    assert!(first.unchanged.is_empty());
    assert!(first.created.contains(&"queue epro.his.H001".to_owned()), "{:?}", first.created);
    let second = topology().apply(&stand.connection).await?;
    assert_eq!(second.unchanged, first.created);
    assert!(second.created.is_empty());
    assert_eq!(topology().check(&stand.connection).await?, []);
    Ok(())
}

#[tokio::test]
async fn a_new_site_brings_only_its_own_queues() -> Result<()> {
    let stand = Stand::new().await?;
    let sites = ["H001".to_owned(), "H002".to_owned()];
    let report = Topology::new(&sites, 0.2).apply(&stand.connection).await?;
    assert_eq!(report.created, ["queue epro.his.H002", "queue epro.query.H002"]);
    Ok(())
}

const SAFE: [(&str, &str); 4] = [
    ("x-queue-type", "quorum"),
    ("x-dead-letter-exchange", "epro.dead"),
    ("x-dead-letter-strategy", "at-least-once"),
    ("x-overflow", "reject-publish"),
];

async fn declare_with(stand: &Stand, queue: &str, name: &str, value: &str) -> Result<()> {
    let own = stand.vhost.connect().await?;
    let channel = own.create_channel().await?;
    let mut arguments = FieldTable::default();
    for (name, value) in SAFE.into_iter().chain([(name, value)]) {
        arguments.insert(name.into(), AMQPValue::LongString(value.into()));
    }
    channel.queue_declare(queue.into(), QueueDeclareOptions::durable(), arguments).await?;
    Ok(())
}

#[tokio::test]
async fn every_queue_that_differs_is_named_with_the_argument_and_nothing_is_changed() -> Result<()> {
    let stand = Stand::bare().await?;
    let differences = [
        ("epro.alerts", "x-dead-letter-exchange", "elsewhere"),
        ("epro.commands", "x-dead-letter-strategy", "at-most-once"),
        ("epro.risk", "x-overflow", "drop-head"),
    ];
    for (queue, name, value) in differences {
        declare_with(&stand, queue, name, value).await?;
    }
    declare_with(&stand, "epro.exports", "x-overflow", "reject-publish").await?;

    let named = match topology().apply(&stand.connection).await {
        Err(TopologyError::Different(named)) => named,
        other => bail!("should have been refused: {other:?}"),
    };
    assert_eq!(named.len(), 3, "{named:#?}");
    for ((queue, name, value), text) in differences.into_iter().zip(&named) {
        assert!([queue, name, value].iter().all(|part| text.contains(part)), "{text}");
    }
    let mut queues = stand.vhost.queues().await?;
    queues.sort();
    assert_eq!(queues, ["epro.alerts", "epro.commands", "epro.exports", "epro.risk"], "nothing else came");
    Ok(())
}

#[tokio::test]
async fn a_last_stop_of_an_earlier_version_stays_as_it_is_and_a_new_one_has_its_limit_frozen() -> Result<()> {
    for (older, limit) in [(true, json!(null)), (false, json!(1_000_000))] {
        let stand = Stand::bare().await?;
        if older {
            last_stop(&stand, None).await?;
        }
        let report = topology().apply(&stand.connection).await?;
        assert_eq!(report.unchanged, if older { vec!["queue epro.dead"] } else { Vec::new() });
        let again = topology().apply(&stand.connection).await?;
        assert_eq!(again.created, Vec::<String>::new());
        let path = format!("/api/queues/{}/epro.dead", stand.vhost.name());
        let found = stand.vhost.management().get(&path).await?;
        assert_eq!(found["arguments"]["x-delivery-limit"], limit, "{found}");
    }
    Ok(())
}

#[tokio::test]
async fn a_last_stop_that_is_neither_new_nor_of_an_earlier_version_is_refused() -> Result<()> {
    let stand = Stand::bare().await?;
    last_stop(&stand, Some(("x-max-length", 5))).await?;
    let error = topology().apply(&stand.connection).await;
    let text = error.err().context("should have been refused")?.to_string();
    assert!(text.contains("epro.dead") && text.contains("x-max-length"), "{text}");
    Ok(())
}

/// `epro.dead` as it was declared before its limit was frozen, and perhaps something more.
async fn last_stop(stand: &Stand, more: Option<(&str, i64)>) -> Result<()> {
    let own = stand.vhost.connect().await?;
    let channel = own.create_channel().await?;
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    if let Some((name, value)) = more {
        arguments.insert(name.into(), AMQPValue::LongLongInt(value));
    }
    channel.queue_declare("epro.dead".into(), QueueDeclareOptions::durable(), arguments).await?;
    Ok(())
}

#[tokio::test]
async fn another_time_scale_is_refused_and_names_every_tier_and_both_times() -> Result<()> {
    let stand = Stand::new().await?;
    let error = Topology::new(&["H001".to_owned()], 1.0).apply(&stand.connection).await;
    let text = error.err().context("should have been refused")?.to_string();
    for part in ["epro.wait.5s", "epro.wait.6h", "x-message-ttl", "'5000'", "'1000'"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    Ok(())
}

#[tokio::test]
async fn check_names_exactly_what_is_missing() -> Result<()> {
    let stand = Stand::bare().await?;
    let all = topology().check(&stand.connection).await?;
    assert!(all.contains(&Missing::Exchange("epro.work".to_owned())));
    assert_eq!(
        all.iter().filter(|missing| matches!(missing, Missing::Queue(_))).count(),
        topology().queues().len()
    );
    topology().apply(&stand.connection).await?;
    stand.vhost.delete_queue("epro.wait.10m").await?;
    stand.vhost.delete_queue("epro.his.H001").await?;
    let missing = topology().check(&stand.connection).await?;
    let names: Vec<String> = missing.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["queue epro.his.H001", "queue epro.wait.10m"]);
    Ok(())
}

#[tokio::test]
async fn a_user_without_the_right_to_configure_can_check_but_not_apply() -> Result<()> {
    let stand = Stand::new().await?;
    let user = User::create(&stand, "^$", "^epro\\.", "^epro\\.").await?;
    let connection = Connection::open(&user.url(&stand)?, "least privilege").await?;
    assert_eq!(topology().check(&connection).await?, []);
    stand.vhost.delete_queue("epro.risk").await?;
    assert_eq!(topology().check(&connection).await?, [Missing::Queue("epro.risk".to_owned())]);
    match topology().apply(&connection).await {
        Err(TopologyError::Refused(what)) => assert!(what.contains("epro."), "{what}"),
        other => bail!("should have been refused: {other:?}"),
    }
    user.delete(&stand).await
}

#[tokio::test]
async fn the_broker_takes_the_policies_and_each_queue_gets_the_one_meant_for_it() -> Result<()> {
    let stand = Stand::new().await?;
    stand.put_policies().await?;
    let expected = [
        ("epro.dead", "epro-dead"),
        ("epro.submissions.urgent", "epro-intake"),
        ("epro.submissions.routine", "epro-intake"),
        ("epro.submissions.deferred", "epro-queues"),
        ("epro.his.H001", "epro-queues"),
        ("epro.wait.5s", "epro-queues"),
    ];
    for (queue, policy) in expected {
        let path = format!("/api/queues/{}/{queue}", stand.vhost.name());
        let look = || async {
            let found = stand.vhost.management().get(&path).await?;
            Ok((found["policy"] == policy).then_some(()))
        };
        epro_proving::until(&format!("policy {policy} on {queue}"), SOON, look).await?;
    }
    Ok(())
}

struct User {
    name: String,
}

impl User {
    async fn create(stand: &Stand, configure: &str, write: &str, read: &str) -> Result<Self> {
        let name = format!("user-of-{}", stand.vhost.name());
        let admin = stand.vhost.management();
        let body = json!({"password": "test", "tags": ""});
        admin.send(Method::PUT, &format!("/api/users/{name}"), Some(body)).await?;
        let path = format!("/api/permissions/{}/{name}", stand.vhost.name());
        let body = json!({"configure": configure, "write": write, "read": read});
        admin.send(Method::PUT, &path, Some(body)).await?;
        Ok(Self { name })
    }

    fn url(&self, stand: &Stand) -> Result<BrokerUrl> {
        let place = epro_proving::services::host_port(stand.vhost.url())?;
        Ok(format!("amqp://{}:test@{place}/{}", self.name, stand.vhost.name()).parse()?)
    }

    async fn delete(self, stand: &Stand) -> Result<()> {
        let path = format!("/api/users/{}", self.name);
        stand.vhost.management().send(Method::DELETE, &path, None).await?;
        Ok(())
    }
}
