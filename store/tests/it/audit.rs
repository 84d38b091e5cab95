//! Who did what.

use crate::support::chain;
use crate::support::database::Database;
use epro_store::AuditChain;
use epro_store::audit::{Actor, AuditEvent, AuditFacts, network};
use serde_json::{Value, json};
use uuid::Uuid;

fn rejected(details: Value) -> AuditEvent {
    AuditEvent {
        action: "submission.rejected".into(),
        outcome: "unknown_instrument".into(),
        facts: AuditFacts {
            actor: Actor::Delegate(Uuid::new_v4()),
            client: None,
            from_network: Some("2001:db8::/48".into()),
            trace_id: None,
        },
        submission_id: Some(Uuid::now_v7()),
        pseudonym: None,
        site_id: Some("H001".into()),
        study_id: None,
        body_sha256: Some([5; 32]),
        received_at: Some(time::OffsetDateTime::now_utc()),
        details,
    }
}

#[tokio::test]
async fn recorded_events_form_a_chain_that_anybody_can_check() {
    let database = Database::new().await;
    let (store, mut chain) = (database.store_as("epro_worker"), AuditChain::new("intake, with a name"));
    let details = json!({"rule": "instrument", "z": 1.0, "a": [1, "ü"]});
    store.record(&mut chain, &[rejected(details), rejected(Value::Null)]).await.unwrap();
    store.record(&mut chain, &[]).await.unwrap();
    store.record(&mut chain, &[rejected(json!({}))]).await.unwrap();
    assert_eq!(chain::unbroken(&database).await[&chain.writer()], 3);
}

#[tokio::test]
async fn a_changed_row_breaks_the_chain() {
    let database = Database::new().await;
    let (store, mut chain) = (database.store(), AuditChain::new("test"));
    store.record(&mut chain, &[rejected(json!({})), rejected(json!({}))]).await.unwrap();
    let database = std::sync::Arc::new(database);
    database.run("UPDATE audit.event SET site_id = 'H002' WHERE seq = 1").await;
    let checked = std::sync::Arc::clone(&database);
    let mut task = tokio::task::JoinSet::new();
    task.spawn(async move { chain::unbroken(&checked).await });
    assert!(task.join_next().await.unwrap().is_err());
}

#[test]
fn an_address_is_kept_as_its_network() {
    let of = |address: &str| network(address.parse().unwrap());
    assert_eq!(of("192.0.2.77"), "192.0.2.0/24");
    assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1::/48");
    assert_eq!(of("::ffff:192.0.2.77"), "192.0.2.0/24");
}
