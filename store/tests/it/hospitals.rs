//! How a hospital is: counts add up over its owners, and one that was replaced writes no more.

use crate::support::database::Database;
use crate::support::sample::submission;
use epro_store::AuditChain;
use epro_store::deliveries::{Begun, Call, DeliveryKey};
use epro_store::hospitals::{HospitalReport, HospitalStatus};
use epro_store::lease::LeaseRound;
use std::time::Duration;
use uuid::Uuid;

fn report(owner: Uuid, term: i64) -> HospitalReport<'static> {
    HospitalReport {
        site_id: "H001",
        owner,
        term,
        gate: "closed",
        gate_reason: None,
        gate_for: Duration::from_secs(3),
        calls: 3,
        taken: 1,
        refused: 1,
        failed: 1,
        well: Some(Duration::from_secs(1)),
        error: Some(("503", Duration::from_secs(2))),
    }
}

async fn shown(database: &Database) -> HospitalStatus {
    let sites = ["H001".to_owned(), "H002".to_owned()];
    database.store_as("epro_operator").hospitals(&sites).await.unwrap().remove(0)
}

#[tokio::test]
async fn what_owners_report_adds_up_and_a_former_owner_is_not_heard() {
    let database = Database::new().await;
    let store = database.store_as("epro_worker");
    assert_eq!(shown(&database).await.gate, None, "nobody has owned it");
    let (old, new) = (Uuid::now_v7(), Uuid::now_v7());
    store.report_hospital(&report(old, 1)).await.unwrap();
    let quiet =
        HospitalReport { gate: "open", gate_reason: Some("401"), well: None, error: None, ..report(new, 2) };
    store.report_hospital(&quiet).await.unwrap();
    store.report_hospital(&report(old, 1)).await.unwrap();
    let found = shown(&database).await;
    assert_eq!((found.calls, found.taken, found.refused, found.failed), (6, 2, 2, 2));
    assert_eq!((found.gate.as_deref(), found.gate_reason.as_deref()), (Some("open"), Some("401")));
    assert_eq!(found.last_error.as_deref(), Some("503"), "the last one that anybody saw");
    assert!(found.well_at.is_some());
}

#[tokio::test]
async fn an_operator_sees_owner_backlog_pause_and_dead_letters() {
    let database = Database::new().await;
    let store = database.store_as("epro_worker");
    let (owner, mut chain) = (Uuid::now_v7(), AuditChain::new("test"));
    store.commit_chunk(&mut chain, &[submission(), submission()], None).await.unwrap();
    let round =
        LeaseRound { kind: "hospital", owner, keys: &["H001".to_owned()], ttl: Duration::from_secs(60) };
    store.leases(&round).await.unwrap();
    store.pause(&mut chain, "hospital", "H001", "root", "a look first").await.unwrap();
    let found = shown(&database).await;
    assert_eq!((found.owner, found.waiting, found.paused.as_deref()), (Some(owner), 2, Some("a look first")));
    assert!(found.oldest.is_some());
    store.release_lease("hospital", owner, "H001", 1).await.unwrap();
    assert_eq!(shown(&database).await.owner, None);
}

#[tokio::test]
async fn a_failed_delivery_knows_whether_the_hospital_has_taken_another_since() {
    let database = Database::new().await;
    let store = database.store_as("epro_worker");
    let mut chain = AuditChain::new("test");
    let first = submission();
    store.commit_chunk(&mut chain, std::slice::from_ref(&first), None).await.unwrap();
    let row = &first.identified;
    let key = DeliveryKey { submission_id: row.submission_id, pseudonym: row.pseudonym, generation: 1 };
    let failed = Call {
        key,
        site_id: "H001",
        study_id: None,
        outcome: "silent",
        detail: "no answer",
        took: None,
        charged: false,
        owner: Uuid::nil(),
        trace_id: None,
    };
    let well_since = async || match store.begin_delivery(key).await.unwrap() {
        Begun::Due(due) => due.well_since_failure,
        other => panic!("{other:?}"),
    };
    store.report_hospital(&report(Uuid::now_v7(), 1)).await.unwrap();
    assert!(!well_since().await, "it hasn't failed");
    store.delivery_waits(&mut chain, failed, None).await.unwrap();
    assert!(!well_since().await, "that was before");
    let well = HospitalReport { well: Some(Duration::ZERO), ..report(Uuid::now_v7(), 2) };
    store.report_hospital(&well).await.unwrap();
    assert!(well_since().await);
}
