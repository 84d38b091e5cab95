//! What was stopped on purpose.

use crate::support::chain;
use crate::support::database::Database;
use epro_store::AuditChain;
use epro_store::audit::Actor;

#[tokio::test]
async fn a_pause_is_seen_once_and_audited_with_its_reason() {
    let database = Database::new().await;
    let (store, mut chain) = (database.store(), AuditChain::new("test"));
    let lane = Actor::System("epro-worker".into());
    assert!(store.pause(&mut chain, "lane", "submissions", lane, "twenty in a row").await.unwrap());
    assert!(!store.pause(&mut chain, "lane", "submissions", "anna", "me too").await.unwrap());

    let pauses = store.pauses().await.unwrap();
    assert_eq!(pauses.len(), 1);
    assert_eq!((pauses[0].by.as_str(), pauses[0].reason.as_str()), ("system:epro-worker", "twenty in a row"));

    assert!(store.resume(&mut chain, "lane", "submissions", "anna", "looked at").await.unwrap());
    assert!(!store.resume(&mut chain, "lane", "submissions", "anna", "looked at").await.unwrap());
    assert!(store.pauses().await.unwrap().is_empty());

    let events =
        database.rows("SELECT action, actor, details->>'reason' FROM audit.event ORDER BY seq").await;
    let events: Vec<(String, String, String)> =
        events.iter().map(|e| (e.get(0), e.get(1), e.get(2))).collect();
    assert_eq!(events.len(), 2);
    assert_eq!(events[0].0, "pause.set");
    assert_eq!(events[1], ("pause.ended".into(), "operator:anna".into(), "looked at".into()));
    chain::unbroken(&database).await;
}
